//! Where results come from: reports that were given, reports fresh enough, or a run of our own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use anyhow::{Context, Result};

use super::proofs::Proof;
use super::results::Results;
use crate::setup::{self, Purpose};
use crate::shell::Cmd;
use crate::test;

/// Profile of a run that this tool starts.
const OWN_PROFILE: &str = "spec";

/// What the reports at `given` say; without any, what fresh ones say, or those of a new run.
///
/// `changed` is when the newest source file was written.
pub(super) fn results(given: &[PathBuf], proofs: &[Proof], changed: SystemTime) -> Result<Results> {
    let mut results = Results::default();
    if !given.is_empty() {
        for path in given {
            results.merge(read(path)?);
        }
        return Ok(results);
    }
    let (loom, plain): (Vec<&Proof>, Vec<&Proof>) = proofs.iter().partition(|proof| proof.loom);
    if !plain.is_empty() {
        let candidates = [test::PROFILE, OWN_PROFILE].map(test::junit);
        results.merge(fresh_or(&candidates, &plain, changed, || run_own(&plain))?);
    }
    if !loom.is_empty() {
        let candidates = [test::junit(test::LOOM_PROFILE)];
        results.merge(fresh_or(&candidates, &loom, changed, test::loom_models)?);
    }
    Ok(results)
}

/// The first fresh report, or the last candidate after a run that writes it.
fn fresh_or(
    candidates: &[PathBuf],
    proofs: &[&Proof],
    changed: SystemTime,
    run: impl FnOnce() -> Result<()>,
) -> Result<Results> {
    for path in candidates {
        if let Some(results) = fresh(path, proofs, changed) {
            println!("spec: results of {}", path.display());
            return Ok(results);
        }
    }
    let written = candidates.last().context("no place for a report")?;
    remove(written)?;
    setup::ensure(Purpose::Test)?;
    // A failing test is in the report, which tells what it was to prove.
    let outcome = run();
    read(written).or_else(|error| outcome.and(Err(error)))
}

/// A report of a run that began after the last change and knows every test in question.
fn fresh(path: &Path, proofs: &[&Proof], changed: SystemTime) -> Option<Results> {
    let ended = fs::metadata(path).and_then(|file| file.modified()).ok()?;
    let results = read(path).ok()?;
    let began = ended.checked_sub(Duration::try_from_secs_f64(results.seconds).ok()?)?;
    let knows = |proof: &&Proof| results.outcome(&proof.binary, &proof.test).is_some();
    (began > changed && proofs.iter().all(knows)).then_some(results)
}

fn run_own(proofs: &[&Proof]) -> Result<()> {
    let packages: BTreeSet<&str> = proofs.iter().map(|proof| proof.package.as_str()).collect();
    packages
        .into_iter()
        .fold(
            Cmd::cargo("nextest run --status-level fail --profile").arg(OWN_PROFILE),
            |run, package| run.arg("--package").arg(package),
        )
        .run()
}

fn read(path: &Path) -> Result<Results> {
    let report = || Results::parse(&fs::read_to_string(path)?);
    report().with_context(|| format!("cannot read the test report {}", path.display()))
}

/// Removes a report, so that an older one is never taken for that of a run that broke off.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::example;
    use crate::spec::results::Outcome;

    fn report(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("junit.xml");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn is_fresh(text: &str, changed_before: Duration) -> bool {
        let (_dir, path) = report(text);
        let changed = fs::metadata(&path).unwrap().modified().unwrap() - changed_before;
        let proofs = example::proofs();
        fresh(&path, &proofs.iter().collect::<Vec<_>>(), changed).is_some()
    }

    #[test]
    fn report_is_fresh_if_its_run_began_after_the_last_change() {
        // The example took half a second.
        assert!(is_fresh(example::JUNIT, Duration::from_millis(600)));
        assert!(!is_fresh(example::JUNIT, Duration::from_millis(400)));
    }

    #[test]
    fn report_that_lacks_a_test_is_not_fresh() {
        let other = example::JUNIT.replace("tests::one", "tests::two");
        assert!(!is_fresh(&other, Duration::from_secs(60)));
    }

    #[test]
    fn stale_report_is_removed_before_the_run_that_replaces_it() {
        let (_dir, path) = report("<testsuites/>");
        let (proofs, changed) = (example::proofs(), SystemTime::now());
        let proofs: Vec<&Proof> = proofs.iter().collect();
        let missing = fresh_or(std::slice::from_ref(&path), &proofs, changed, || {
            assert!(!path.exists());
            anyhow::bail!("no compiler")
        });
        assert_eq!(missing.unwrap_err().to_string(), "no compiler");
    }

    #[test]
    fn results_of_all_given_reports_count_and_a_missing_one_is_an_error() {
        let (_dir, first) = report(example::JUNIT);
        let second = example::JUNIT.replace("tests::one", "tests::two");
        let (_other_dir, second) = report(&second);
        let given = [first, second];
        let results = results(&given, &[], SystemTime::now()).unwrap();
        for test in ["tests::one", "tests::two"] {
            assert_eq!(
                results.outcome("tensorpool-shm", test),
                Some(Outcome::Passed)
            );
        }
        let missing = [PathBuf::from("no/such/report.xml")];
        assert!(super::results(&missing, &[], SystemTime::now()).is_err());
    }
}

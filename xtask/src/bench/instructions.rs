//! `cargo xtask bench --check`: instructions of the hot paths, counted by callgrind, held against the
//! counts that are kept with the code.
//!
//! Counts are the same on every run of the same program. Another compiler, or another instruction set
//! of the C code, makes another program: each has counts of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::setup::{self, Purpose};
use crate::shell::{Cmd, find_program};
use crate::workspace;

/// Where the counts are kept.
const BASELINE: &str = "benches/instructions.toml";
/// More than this, in percent, is a change.
const TOLERANCE_PERCENT: u64 = 2;
/// What the C code is compiled for, as `.cargo/config.toml` says unless somebody else does.
const MARCH_VARIABLE: &str = "RUSTERON_C_MARCH";
const MARCH: &str = "x86-64-v2";

const HEADER: &str = "\
# Instructions of the hot paths as callgrind counts them, by compiler and instruction set of the C code.
# Written by `cargo xtask bench --write-baseline`; compared by `cargo xtask bench --check`.
";

type Counts = BTreeMap<String, u64>;

/// Of all compilers that were used.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Baseline(BTreeMap<String, Counts>);

/// Counts, prints, and fails if anything changed by more than the tolerance.
pub(crate) fn check() -> Result<()> {
    let (key, found) = (key()?, count()?);
    let baseline = Baseline::read()?;
    let Some(expected) = baseline.0.get(&key) else {
        bail!(
            "{BASELINE} has no counts for {key:?}: write them with `cargo xtask bench \
             --write-baseline` on code that is known to be fast"
        );
    };
    let (table, changed) = compare(expected, &found);
    println!("{table}");
    ensure!(
        changed == 0,
        "{changed} counts differ by more than {TOLERANCE_PERCENT} % from {BASELINE}: make it fast \
         again, or keep the new ones with `cargo xtask bench --write-baseline`"
    );
    Ok(())
}

/// Counts, and keeps what was counted.
pub(crate) fn write_baseline() -> Result<()> {
    let (key, found) = (key()?, count()?);
    let mut baseline = Baseline::read()?;
    let before = baseline.0.insert(key, found.clone()).unwrap_or_default();
    println!("{}", compare(&before, &found).0);
    let text = toml::to_string(&baseline)?;
    fs::write(BASELINE, format!("{HEADER}\n{text}"))
        .with_context(|| format!("cannot write {BASELINE}"))?;
    println!("The counts are in {BASELINE}");
    Ok(())
}

impl Baseline {
    fn read() -> Result<Self> {
        if !Path::new(BASELINE).exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(BASELINE)?;
        toml::from_str(&text).with_context(|| format!("{BASELINE} is not as it was written"))
    }
}

/// Compiler and instruction set.
fn key() -> Result<String> {
    let version = Cmd::new("rustc").args(["--version", "--verbose"]).probe();
    let version = version.context("`rustc --version` failed")?;
    let line = |name: &str| {
        let mut lines = version.lines();
        lines.find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    let (release, host) = (line("release: "), line("host: "));
    let (release, host) = release.zip(host).context("rustc does not say what it is")?;
    let march = std::env::var(MARCH_VARIABLE).unwrap_or_else(|_| MARCH.into());
    Ok(format!("rustc {release}, {host}, C for {march}"))
}

fn count() -> Result<Counts> {
    setup::ensure(Purpose::Bench)?;
    let dir = workspace::target_dir().join("gungraun");
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    let runner = find_program("gungraun-runner").context("gungraun-runner was just there")?;
    Cmd::cargo("bench -p tensorpool-benches --bench instructions")
        .env("GUNGRAUN_RUNNER", &runner)
        .run()?;
    let mut counts = Counts::new();
    let root = dir.join("tensorpool-benches/instructions");
    for file in profiles(&root)? {
        let text = fs::read_to_string(&file)?;
        let name = file.parent().and_then(|dir| dir.strip_prefix(&root).ok());
        let name = name.context("a profile lies elsewhere")?;
        let name = name.display().to_string();
        let instructions = total(&text).with_context(|| format!("{}", file.display()))?;
        counts.insert(name, instructions);
    }
    ensure!(!counts.is_empty(), "nothing was counted");
    Ok(counts)
}

/// Callgrind's files below a directory.
fn profiles(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(dir).with_context(|| format!("{}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(profiles(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "out") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The instructions of a profile: the first event of its totals.
fn total(profile: &str) -> Result<u64> {
    let line = |name: &str| profile.lines().find_map(|line| line.strip_prefix(name));
    let events = line("events: ").context("the profile names no events")?;
    let at = events.split_whitespace().position(|event| event == "Ir");
    let at = at.context("the profile counts no instructions")?;
    let totals = line("totals: ").or_else(|| line("summary: "));
    let totals = totals.context("the profile has no totals")?;
    let count = totals.split_whitespace().nth(at);
    Ok(count.context("the totals are short")?.parse()?)
}

/// A table, and how many lines of it are beyond the tolerance.
fn compare(expected: &Counts, found: &Counts) -> (String, usize) {
    let (mut table, mut changed) = (String::new(), 0);
    let names: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    for name in names {
        let (verdict, said) = match (expected.get(name), found.get(name)) {
            (Some(&expected), Some(&found)) => {
                let percent = (found as f64 / expected as f64 - 1.0) * 100.0;
                let verdict = found.abs_diff(expected) * 100 <= expected * TOLERANCE_PERCENT;
                (
                    verdict,
                    format!("{expected:>6} {found:>6}  {percent:+.1} %"),
                )
            }
            (Some(expected), None) => (false, format!("{expected:>6}      -  not counted")),
            (None, Some(found)) => (false, format!("     - {found:>6}  new")),
            (None, None) => continue,
        };
        changed += usize::from(!verdict);
        let mark = if verdict { "ok     " } else { "CHANGED" };
        // Writing to a string cannot fail.
        let _done = writeln!(table, "{mark}  {name:<50} {said}");
    }
    (table, changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pairs: &[(&str, u64)]) -> Counts {
        let pairs = pairs.iter();
        pairs
            .map(|&(name, count)| (name.to_owned(), count))
            .collect()
    }

    #[test]
    fn instructions_are_found_wherever_their_column_is() {
        let profile = "version: 1\nevents: Ir Dr Dw\nfn=(1) main\n1 2 3 4\ntotals: 734 210 152\n";
        assert_eq!(total(profile).unwrap(), 734);
        assert_eq!(total("events: Dr Ir\nsummary: 3 99\n").unwrap(), 99);
        for broken in [
            "",
            "events: Dr\ntotals: 1\n",
            "events: Ir\n",
            "events: Dr Ir\ntotals: 1\n",
        ] {
            assert!(total(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn changes_beyond_the_tolerance_count_in_both_directions() {
        let expected = counts(&[("a", 1000), ("b", 1000), ("c", 1000), ("gone", 1)]);
        let found = counts(&[("a", 1020), ("b", 979), ("c", 1021), ("new", 1)]);
        let (table, changed) = compare(&expected, &found);
        assert_eq!(changed, 4, "{table}");
        assert!(
            table.contains("+2.1 %") && table.contains("not counted"),
            "{table}"
        );
        assert_eq!(compare(&expected, &expected).1, 0);
    }

    #[test]
    fn what_is_kept_reads_back() {
        let baseline = Baseline([("rustc 1, x".to_owned(), counts(&[("codecs/a.b", 7)]))].into());
        let text = format!("{HEADER}\n{}", toml::to_string(&baseline).unwrap());
        let read: Baseline = toml::from_str(&text).unwrap();
        assert_eq!(read.0, baseline.0);
    }
}

//! One mutant, and the tests that should notice it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};

use super::super::proofs::Proof;
use super::candidates::Candidate;
use super::copy::WorkingCopy;
use crate::shell::{Cmd, Exit};
use crate::workspace;

/// Building and testing one mutant; a first build of everything fits into it.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// nextest's exit codes: a test failed, and the build, or what runs before the tests, did.
const TESTS_FAILED: i32 = 100;
const BUILD_FAILED: [i32; 2] = [101, 105];

/// What the tests said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Caught,
    /// The tests did not end, which they notice as well.
    TimedOut,
    Survived,
    /// It is no program.
    Unviable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Caught => "caught",
            Self::TimedOut => "timed out",
            Self::Survived => "SURVIVED",
            Self::Unviable => "no build",
        })
    }
}

/// Checks that all tests pass as long as nothing is broken; builds them.
pub(super) fn check_sound(copy: &WorkingCopy, tests: &[&Proof]) -> Result<()> {
    match run(copy, tests)? {
        Exit::Code(0) => Ok(()),
        exit => bail!("tests fail without any mutant ({exit:?}): run `cargo xtask test`"),
    }
}

/// Runs the tests on the copy, broken.
pub(super) fn judge(
    copy: &WorkingCopy,
    candidate: &Candidate<'_>,
    tests: &[&Proof],
) -> Result<Verdict> {
    copy.break_by(candidate.mutant)?;
    let outcome = run(copy, tests);
    copy.repair(candidate.mutant)?;
    match outcome? {
        Exit::Code(0) => Ok(Verdict::Survived),
        Exit::Code(TESTS_FAILED) => Ok(Verdict::Caught),
        Exit::Code(code) if BUILD_FAILED.contains(&code) => Ok(Verdict::Unviable),
        Exit::TimedOut => Ok(Verdict::TimedOut),
        exit => bail!("nextest ended with {exit:?}, which says nothing"),
    }
}

fn run(copy: &WorkingCopy, tests: &[&Proof]) -> Result<Exit> {
    let packages: BTreeSet<&str> = tests.iter().map(|test| test.package.as_str()).collect();
    let nextest = Cmd::cargo("nextest run --no-tests fail --filterset")
        .arg(filter(tests))
        .env(workspace::TARGET_DIR_VARIABLE, copy.build())
        .current_dir(copy.root());
    packages
        .into_iter()
        .fold(nextest, |run, package| run.arg("--package").arg(package))
        .exit_within(LIMIT)
}

/// Exactly these tests.
fn filter(tests: &[&Proof]) -> String {
    let tests: Vec<String> = tests
        .iter()
        .map(|test| format!("(binary_id(={}) & test(={}))", test.binary, test.test))
        .collect();
    tests.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::example;

    #[test]
    fn the_filter_names_each_test_with_its_binary() {
        let proofs = example::proofs();
        let tests: Vec<&Proof> = proofs.iter().chain(&proofs).collect();
        let one = format!(
            "(binary_id(={}) & test(={}))",
            proofs[0].binary, proofs[0].test
        );
        assert_eq!(filter(&tests), format!("{one} | {one}"));
    }
}

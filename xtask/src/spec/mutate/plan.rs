//! Which tests run first, and what is built for them: those that cost least, since the first test that
//! fails is enough.
//!
//! Always targets of the whole workspace: another selection of packages would unify features otherwise,
//! and build Aeron again.

use std::collections::BTreeSet;

use super::super::proofs::Proof;

/// Its tests start programs.
const SYSTEM_TESTS: &str = "tensorpool-tests";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Tests within the libraries.
    Unit,
    /// Tests beside them.
    Integration,
    /// Tests that start our programs.
    System,
}

impl Stage {
    pub(super) const ALL: [Self; 3] = [Self::Unit, Self::Integration, Self::System];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit tests",
            Self::Integration => "integration tests",
            Self::System => "system tests",
        }
    }

    fn of(test: &Proof) -> Self {
        if test.package == SYSTEM_TESTS {
            Self::System
        } else if test.binary == test.package {
            Self::Unit
        } else {
            Self::Integration
        }
    }

    /// Those of this stage.
    pub(super) fn tests<'p>(self, tests: &[&'p Proof]) -> Vec<&'p Proof> {
        let tests = tests.iter().copied();
        tests.filter(|test| Self::of(test) == self).collect()
    }

    /// What cargo is told to build these tests.
    pub(super) fn build(self, tests: &BTreeSet<&Proof>) -> Vec<String> {
        let mut arguments = vec!["test", "--no-run", "--workspace"];
        let names: BTreeSet<(&str, &str)> = tests.iter().map(|test| target(test)).collect();
        for (kind, name) in names {
            arguments.push(kind);
            arguments.extend(Some(name).filter(|name| !name.is_empty()));
        }
        arguments.into_iter().map(str::to_owned).collect()
    }
}

/// The argument that selects a test's binary, and the binary's name.
fn target(test: &Proof) -> (&'static str, &str) {
    let of_package = test.binary.strip_prefix(&test.package).unwrap_or("");
    let name = of_package.trim_start_matches(':');
    match name.strip_prefix("bin/") {
        Some(program) => ("--bin", program),
        None if name.is_empty() => ("--lib", ""),
        None => ("--test", name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::example;

    fn proof(package: &str, binary: &str) -> Proof {
        Proof {
            package: package.to_owned(),
            binary: format!("{package}{binary}"),
            ..example::proofs()[0].clone()
        }
    }

    #[test]
    fn each_test_has_a_stage_and_only_its_binary_is_built() {
        let proofs = [
            proof(SYSTEM_TESTS, "::kill"),
            proof("tensorpool", "::frames"),
            proof("tensorpool", ""),
            proof("tensorpool-protocol", ""),
            proof("agent-runner", "::bin/agent-runner"),
        ];
        let tests: Vec<&Proof> = proofs.iter().collect();
        let built = Stage::ALL.map(|stage| {
            let tests = stage.tests(&tests).into_iter().collect();
            stage.build(&tests).join(" ")
        });
        let expected = [
            "test --no-run --workspace --lib",
            "test --no-run --workspace --bin agent-runner --test frames",
            "test --no-run --workspace --test kill",
        ];
        assert_eq!(built, expected);
    }
}

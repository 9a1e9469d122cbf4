//! What ran and passed, from the JUnit reports nextest writes.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use roxmltree::{Document, Node};

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
}

/// Outcomes by binary and test name.
#[derive(Debug, Default)]
pub(super) struct Results {
    outcomes: BTreeMap<(String, String), Outcome>,
    /// How long the longest run took, in seconds.
    pub(super) seconds: f64,
}

impl Results {
    /// Reads one report.
    pub(super) fn parse(junit: &str) -> Result<Self> {
        let document = Document::parse(junit).context("not XML")?;
        let root = document.root_element();
        let mut results = Self {
            seconds: root
                .attribute("time")
                .and_then(|time| time.parse().ok())
                .unwrap_or(0.0),
            ..Self::default()
        };
        for case in root
            .descendants()
            .filter(|node| node.has_tag_name("testcase"))
        {
            let suite = case.parent().and_then(|suite| suite.attribute("name"));
            let (Some(suite), Some(name)) = (suite, case.attribute("name")) else {
                continue;
            };
            if let Some(outcome) = outcome_of(case) {
                results.add(suite, name, outcome);
            }
        }
        Ok(results)
    }

    /// A test of several runs has passed only if it passed in each.
    pub(super) fn merge(&mut self, other: Self) {
        self.seconds = self.seconds.max(other.seconds);
        for ((binary, test), outcome) in other.outcomes {
            self.add(&binary, &test, outcome);
        }
    }

    /// `None` when the test did not run.
    pub(super) fn outcome(&self, binary: &str, test: &str) -> Option<Outcome> {
        let key = (binary.to_owned(), test.to_owned());
        self.outcomes.get(&key).copied()
    }

    fn add(&mut self, binary: &str, test: &str, outcome: Outcome) {
        let key = (binary.to_owned(), test.to_owned());
        let known = self.outcomes.entry(key).or_insert(outcome);
        if outcome == Outcome::Failed {
            *known = Outcome::Failed;
        }
    }
}

/// A case without a failure has passed; a skipped one did not run; a flaky one has failed once.
fn outcome_of(case: Node<'_, '_>) -> Option<Outcome> {
    let has = |tag: &str| case.children().any(|child| child.has_tag_name(tag));
    if has("skipped") {
        return None;
    }
    let failed = ["failure", "error", "flakyFailure", "flakyError"];
    let failed = failed.into_iter().any(has);
    Some(if failed {
        Outcome::Failed
    } else {
        Outcome::Passed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="tensorpool" tests="4" time="1.5">
  <testsuite name="tensorpool-shm">
    <testcase name="a::passes" classname="tensorpool-shm" time="0.1"/>
    <testcase name="a::fails"><failure type="x">why</failure></testcase>
    <testcase name="a::is_skipped"><skipped/></testcase>
    <testcase name="a::is_flaky"><flakyFailure/><system-out>x</system-out></testcase>
  </testsuite>
</testsuites>"#;

    #[test]
    fn only_what_ran_without_a_failure_has_passed() {
        let results = Results::parse(REPORT).unwrap();
        let outcome = |test: &str| results.outcome("tensorpool-shm", test);
        assert_eq!(outcome("a::passes"), Some(Outcome::Passed));
        assert_eq!(outcome("a::fails"), Some(Outcome::Failed));
        assert_eq!(outcome("a::is_flaky"), Some(Outcome::Failed));
        assert_eq!(outcome("a::is_skipped"), None);
        assert_eq!(outcome("a::is_absent"), None);
        assert_eq!(results.outcome("other", "a::passes"), None);
    }

    #[test]
    fn failure_in_either_of_two_runs_is_a_failure() {
        let failing = REPORT.replace("\"a::fails\"", "\"a::passes\"");
        for (first, second) in [(REPORT, failing.as_str()), (failing.as_str(), REPORT)] {
            let mut results = Results::parse(first).unwrap();
            results.merge(Results::parse(second).unwrap());
            let outcome = results.outcome("tensorpool-shm", "a::passes");
            assert_eq!(outcome, Some(Outcome::Failed));
        }
    }

    #[test]
    fn report_that_is_no_xml_is_an_error() {
        assert!(Results::parse("<testsuites>").is_err());
    }
}

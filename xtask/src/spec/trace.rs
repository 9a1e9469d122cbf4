//! Brings requirements, tests, results and code together, and judges each requirement.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Document, Requirement};
use super::id::Id;
use super::mentions::{Mention, Mentions};
use super::proofs::Proof;
use super::results::{Outcome, Results};
use crate::tidy::finding::Finding;

/// What the tests say of a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    /// All its tests ran and passed in this run.
    Proved,
    /// It has no test; fine unless it is absolute.
    Untested,
    /// A test of it did not run.
    NotRun,
    /// A test of it failed.
    Failed,
}

impl Status {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Untested => "untested",
            Self::NotRun => "not run",
            Self::Failed => "FAILED",
        }
    }
}

/// Everything known of the requirements of all documents.
#[derive(Debug)]
pub(super) struct Trace<'a> {
    pub(super) documents: &'a [Document],
    proofs: BTreeMap<&'a Id, Vec<&'a Proof>>,
    mentions: Mentions,
    results: &'a Results,
}

impl<'a> Trace<'a> {
    pub(super) fn new(
        documents: &'a [Document],
        proofs: &'a [Proof],
        mentions: &[Mention],
        results: &'a Results,
    ) -> Self {
        let mut by_id: BTreeMap<&Id, Vec<&Proof>> = BTreeMap::new();
        for proof in proofs {
            for id in &proof.ids {
                by_id.entry(id).or_default().push(proof);
            }
        }
        let mut paths = Mentions::new();
        for mention in mentions {
            let files = paths.entry(mention.id.clone()).or_default();
            files.insert(mention.path.clone());
        }
        Self {
            documents,
            proofs: by_id,
            mentions: paths,
            results,
        }
    }

    /// The tests that carry the id.
    pub(super) fn proofs(&self, id: &Id) -> &[&'a Proof] {
        self.proofs.get(id).map_or(&[], Vec::as_slice)
    }

    /// The files whose comments name the id.
    pub(super) fn files(&self, id: &Id) -> impl Iterator<Item = &str> {
        self.mentions
            .get(id)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    pub(super) fn status(&self, id: &Id) -> Status {
        let outcomes = self.proofs(id).iter().map(|proof| self.outcome(proof));
        outcomes.max().unwrap_or(Status::Untested)
    }

    fn outcome(&self, proof: &Proof) -> Status {
        match self.results.outcome(&proof.binary, &proof.test) {
            Some(Outcome::Passed) => Status::Proved,
            Some(Outcome::Failed) => Status::Failed,
            None => Status::NotRun,
        }
    }

    /// Absolute requirements without a test, and tests that did not pass.
    pub(super) fn check(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        for document in self.documents {
            for requirement in document.requirements() {
                findings.extend(self.check_requirement(document, requirement));
            }
        }
        findings
    }

    fn check_requirement(&self, document: &Document, requirement: &Requirement) -> Vec<Finding> {
        let Requirement {
            id, line, keyword, ..
        } = requirement;
        let proofs = self.proofs(id);
        if proofs.is_empty() && keyword.is_absolute() {
            let keyword = keyword.text();
            let message = format!(
                "{id} is a {keyword} without a test of its own: put `/// Proves [{id}].` on one"
            );
            return vec![Finding::error(&document.path, *line, message)];
        }
        let unproved = |proof: &&&Proof| self.outcome(proof) != Status::Proved;
        let describe = |proof: &&Proof| {
            let how = match self.outcome(proof) {
                Status::Failed => "failed",
                _ => "did not run",
            };
            let message = format!("{id}: test {} {how}", proof.test);
            Finding::error(&proof.path, proof.line, message)
        };
        proofs.iter().filter(unproved).map(describe).collect()
    }
}

/// Ids in tests and code that no document defines.
pub(super) fn check_unknown(
    documents: &[Document],
    proofs: &[Proof],
    mentions: &[Mention],
) -> Vec<Finding> {
    let known: BTreeSet<&Id> = documents
        .iter()
        .flat_map(Document::requirements)
        .map(|requirement| &requirement.id)
        .collect();
    let in_tests = proofs.iter().flat_map(|proof| {
        proof
            .ids
            .iter()
            .map(move |id| (id, &proof.path, proof.line))
    });
    let in_code = mentions
        .iter()
        .map(|mention| (&mention.id, &mention.path, mention.line));
    let unknown = in_tests
        .chain(in_code)
        .filter(|(id, ..)| !known.contains(id));
    let message = |id: &Id| format!("unknown id {id}: no document of docs/spec defines it");
    unknown
        .map(|(id, path, line)| Finding::error(path, line, message(id)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::example;

    fn messages(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    fn check_with(junit: &str) -> Vec<String> {
        let documents = [example::document()];
        let (proofs, results) = (example::proofs(), Results::parse(junit).unwrap());
        messages(&Trace::new(&documents, &proofs, &[], &results).check())
    }

    #[test]
    fn requirement_is_proved_by_a_test_that_ran_and_passed() {
        assert_eq!(check_with(example::JUNIT), [""; 0]);
        let documents = [example::document()];
        let (proofs, results) = (example::proofs(), Results::parse(example::JUNIT).unwrap());
        let trace = Trace::new(&documents, &proofs, &[], &results);
        let status = |id: &str| trace.status(&Id::parse(id).unwrap());
        assert_eq!(status("TP-SHM-0010"), Status::Proved);
        assert_eq!(status("TP-SHM-0020"), Status::Untested);
    }

    #[test]
    fn test_that_did_not_run_is_found() {
        let found = check_with(&example::JUNIT.replace("tests::one", "tests::other"));
        assert_eq!(
            found,
            ["shm/src/lib.rs:7: TP-SHM-0010: test tests::one did not run"]
        );
    }

    #[test]
    fn test_that_failed_is_found() {
        let found = check_with(&example::JUNIT.replace("/>", "><failure/></testcase>"));
        assert_eq!(
            found,
            ["shm/src/lib.rs:7: TP-SHM-0010: test tests::one failed"]
        );
    }

    #[test]
    fn must_without_a_test_is_found_and_should_is_not() {
        let documents = [example::document()];
        let results = Results::default();
        let found = messages(&Trace::new(&documents, &[], &[], &results).check());
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("TP-SHM-0010 is a MUST without a test of its own"));
    }

    #[test]
    fn unknown_id_is_found_in_tests_and_in_code() {
        let mentions = [Mention {
            id: Id::parse("TP-SHM-0990").unwrap(),
            path: "shm/src/a.rs".to_owned(),
            line: 3,
        }];
        let found = messages(&check_unknown(&[], &example::proofs(), &mentions));
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("shm/src/lib.rs:7: unknown id TP-SHM-0010"));
        assert!(found[1].starts_with("shm/src/a.rs:3: unknown id TP-SHM-0990"));
        assert!(check_unknown(&[example::document()], &example::proofs(), &[]).is_empty());
    }
}

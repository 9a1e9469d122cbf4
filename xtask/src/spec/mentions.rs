//! Where code says which requirement it implements: `[TP-SHM-0410]` in any comment of a Rust file.

use std::collections::{BTreeMap, BTreeSet};

use super::id::{Id, ids_in};
use super::proofs::MARK;
use crate::tidy::finding::Finding;
use crate::tidy::source::SourceFile;

/// Files that name ids, by id.
pub(super) type Mentions = BTreeMap<Id, BTreeSet<String>>;

/// An id somewhere in a file.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) id: Id,
    pub(super) path: String,
    pub(super) line: usize,
}

/// `proved` are the lines that belong to tests; every other id is a mention.
pub(super) fn find(
    file: &SourceFile,
    proved: Option<&BTreeSet<usize>>,
) -> (Vec<Mention>, Vec<Finding>) {
    let (mut mentions, mut findings) = (Vec::new(), Vec::new());
    for (line, text) in file.lines() {
        if proved.is_some_and(|lines| lines.contains(&line)) {
            continue;
        }
        let comment = text.trim_start().trim_start_matches('/').trim_start();
        let is_claim = file.is_test() || comment.starts_with(MARK);
        for raw in ids_in(text) {
            match Id::parse(raw) {
                Ok(_) if is_claim => {
                    let message = format!(
                        "{raw} proves nothing here: put it into a doc comment directly above a test"
                    );
                    findings.push(Finding::error(&file.path, line, message));
                }
                Ok(id) => mentions.push(Mention {
                    id,
                    path: file.path.clone(),
                    line,
                }),
                Err(error) => findings.push(Finding::error(&file.path, line, error.to_string())),
            }
        }
    }
    (mentions, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(path: &str, text: &str, proved: &[usize]) -> (Vec<usize>, Vec<String>) {
        let proved = proved.iter().copied().collect();
        let (mentions, findings) = find(&SourceFile::new(path, text), Some(&proved));
        let lines = mentions.iter().map(|mention| mention.line).collect();
        let messages = findings
            .iter()
            .map(|finding| finding.message.clone())
            .collect();
        (lines, messages)
    }

    #[test]
    fn ids_in_comments_are_mentions_unless_a_test_proves_them() {
        let text = "/// Implements [TP-SHM-0010].\nfn a() {} // [TP-SHM-0020]\n/// Proves [TP-SHM-0010].\n";
        assert_eq!(find_in("shm/src/a.rs", text, &[3]), (vec![1, 2], vec![]));
    }

    #[test]
    fn malformed_id_in_code_is_found() {
        let (_, findings) = find_in("shm/src/a.rs", "// [TP-SHX-0010]\n", &[]);
        assert!(findings[0].contains("unknown area SHX"));
    }

    #[test]
    fn id_in_a_test_that_proves_nothing_is_found() {
        let (mentions, findings) = find_in("shm/src/a/tests.rs", "// [TP-SHM-0010]\n", &[]);
        assert!(mentions.is_empty());
        assert!(
            findings[0].contains("directly above a test"),
            "{findings:?}"
        );
        // Not read by the walk through the modules: a helper within a test, a plain comment.
        let (_, findings) = find_in("shm/src/a.rs", "  // Proves [TP-SHM-0010].\n", &[]);
        assert!(findings[0].contains("proves nothing here"), "{findings:?}");
    }
}

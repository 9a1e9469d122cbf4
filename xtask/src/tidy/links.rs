//! Checks relative links in Markdown: each leads to a file of the repository.

use std::collections::VecDeque;

use super::finding::Finding;
use super::prose::prose_lines;
use super::source::SourceFile;

/// `repository` are the paths of all files in it.
pub(super) fn check(file: &SourceFile, repository: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose_lines(file) {
        for target in targets(line) {
            let path = target.split(['#', '?']).next().unwrap_or_default();
            if is_external(target) || path.is_empty() {
                continue;
            }
            let leads_somewhere = resolve(&file.path, path).is_some_and(|resolved| {
                let below = format!("{resolved}/");
                resolved.is_empty()
                    || repository
                        .iter()
                        .any(|each| *each == resolved || each.starts_with(&below))
            });
            if !leads_somewhere {
                let message = format!("link to {target}, which is not in the repository");
                findings.push(Finding::error(&file.path, number, message));
            }
        }
    }
    findings
}

pub(crate) fn is_external(target: &str) -> bool {
    target.contains("://") || target.starts_with("mailto:")
}

/// Link targets of a line: `[text](target)` and `[label]: target`; not those within backquotes.
pub(crate) fn targets(line: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    for prose in line.split('`').step_by(2) {
        for (start, mark) in prose.match_indices("](") {
            let rest = &prose[start + mark.len()..];
            let end = rest.find([')', ' ']).unwrap_or(rest.len());
            targets.push(&rest[..end]);
        }
    }
    let definition = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "));
    targets.extend(definition.and_then(|(_, target)| target.split_whitespace().next()));
    targets
}

/// `target` as seen from the file at `from`; None when it leaves the repository.
pub(crate) fn resolve(from: &str, target: &str) -> Option<String> {
    let mut components: VecDeque<&str> = from.split('/').collect();
    components.pop_back();
    if target.starts_with('/') {
        components.clear();
    }
    for component in target.split('/') {
        match component {
            "" | "." => {}
            ".." => _ = components.pop_back()?,
            name => components.push_back(name),
        }
    }
    Some(components.into_iter().collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let repository = ["README.md", "docs/ARCHITECTURE.md", "shm/src/lib.rs"];
        let repository = repository.map(str::to_owned);
        let findings = check(&SourceFile::new(path, text), &repository);
        findings.into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn links_are_resolved_from_the_file_they_are_in() {
        let text = "[a](ARCHITECTURE.md) [b](../README.md#use)\n[c](../shm)\n[d](README.md)\n";
        assert_eq!(lines("docs/GUIDE.md", text), [3]);
    }

    #[test]
    fn link_out_of_the_repository_is_found() {
        assert_eq!(lines("README.md", "[a](../other/README.md)\n"), [1]);
    }

    #[test]
    fn external_links_anchors_and_code_are_left_alone() {
        let text = "[a](https://example.org) [b](#use) `[c](gone.md)`\n```\n[d](gone.md)\n```\n";
        assert!(lines("README.md", text).is_empty());
    }

    #[test]
    fn link_definitions_count() {
        assert_eq!(lines("README.md", "See [a].\n\n[a]: gone.md\n"), [3]);
    }
}

//! What has to hold between the documents: ids unique and ascending, links and anchors alive.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Document, slug};
use super::id::Id;
use crate::tidy::finding::Finding;
use crate::tidy::links;
use crate::tidy::prose::prose_lines;
use crate::tidy::source::SourceFile;

/// Ids are unique, and ascend within their area through all documents, which are given in order.
pub(super) fn check_ids(documents: &[Document]) -> Vec<Finding> {
    let mut last: BTreeMap<&str, &Id> = BTreeMap::new();
    let mut seen: BTreeMap<&Id, (&str, usize)> = BTreeMap::new();
    let mut findings = Vec::new();
    for document in documents {
        for requirement in document.requirements() {
            let (id, line) = (&requirement.id, requirement.line);
            if let Some((path, first)) = seen.insert(id, (&document.path, line)) {
                let message = format!("{id} is taken: it stands at {path}:{first}");
                findings.push(Finding::error(&document.path, line, message));
                continue;
            }
            match last.insert(id.area(), id) {
                Some(before) if before > id => {
                    let message = format!("{id} comes after {before}: ids ascend");
                    findings.push(Finding::error(&document.path, line, message));
                }
                _ => {}
            }
        }
    }
    findings
}

/// Every relative link of `file` leads to a file, and its fragment to an anchor in it.
pub(super) fn check_links(
    file: &SourceFile,
    repository: &[String],
    markdown: &BTreeMap<&str, &SourceFile>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose_lines(file) {
        for target in links::targets(line) {
            if links::is_external(target) {
                continue;
            }
            if let Some(message) = dead(&file.path, target, repository, markdown) {
                findings.push(Finding::error(&file.path, number, message));
            }
        }
    }
    findings
}

/// Why a link leads nowhere.
fn dead(
    from: &str,
    target: &str,
    repository: &[String],
    markdown: &BTreeMap<&str, &SourceFile>,
) -> Option<String> {
    let (path, fragment) = match target.split_once('#') {
        Some((path, fragment)) => (path, Some(fragment)),
        None => (target, None),
    };
    let Some(resolved) = (match path {
        "" => Some(from.to_owned()),
        path => links::resolve(from, path),
    }) else {
        return Some(format!("link to {target} leaves the repository"));
    };
    let below = format!("{resolved}/");
    let exists = |each: &String| *each == resolved || each.starts_with(&below);
    if !repository.iter().any(exists) {
        return Some(format!("link to {target}, which is not in the repository"));
    }
    let fragment = fragment?;
    let known = markdown
        .get(resolved.as_str())
        .is_some_and(|file| anchors(file).contains(fragment));
    (!known).then(|| format!("link to {target}: no anchor {fragment} in {resolved}"))
}

/// The anchors of a Markdown file: its headings and the explicit ones.
fn anchors(file: &SourceFile) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, line) in prose_lines(file) {
        if let Some(title) = line.trim_start_matches('#').strip_prefix(' ')
            && line.starts_with('#')
        {
            anchors.insert(slug(title));
        }
        let mark = "<a id=\"";
        for (start, _) in line.match_indices(mark) {
            let id = line[start + mark.len()..].split('"').next();
            anchors.extend(id.map(str::to_owned));
        }
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::document::parse;

    fn document(path: &str, ids: &[&str]) -> Document {
        let items: Vec<String> = ids
            .iter()
            .map(|id| {
                let anchor = id.to_lowercase();
                format!("- <a id=\"{anchor}\"></a>**[{id}]** MUST. *(own rule: x)*")
            })
            .collect();
        let text = format!("# T\n## S\n{}\n", items.join("\n"));
        let (document, findings) = parse(&SourceFile::new(path, text));
        assert_eq!(findings, []);
        document
    }

    fn ids_messages(documents: &[Document]) -> Vec<String> {
        let findings = check_ids(documents);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn id_taken_twice_is_found_also_across_documents() {
        let first = document("docs/spec/10-a.md", &["TP-RT-0010"]);
        let second = document("docs/spec/20-b.md", &["TP-RT-0010"]);
        let found = ids_messages(&[first, second]);
        assert_eq!(
            found,
            ["docs/spec/20-b.md:3: TP-RT-0010 is taken: it stands at docs/spec/10-a.md:3"]
        );
    }

    #[test]
    fn id_out_of_order_is_found_and_areas_are_ordered_apart() {
        let good = ["TP-SHM-0020", "TP-SEC-0010", "TP-SHM-0030"];
        assert_eq!(
            ids_messages(&[document("docs/spec/20-b.md", &good)]),
            [""; 0]
        );
        let bad = ["TP-SHM-0020", "TP-SHM-0010"];
        let found = ids_messages(&[document("docs/spec/20-b.md", &bad)]);
        assert!(found[0].contains("ids ascend"), "{found:?}");
    }

    fn links_messages(text: &str) -> Vec<String> {
        let file = SourceFile::new(
            "docs/spec/10-a.md",
            format!("# Ti tle\n<a id=\"tp-1\"></a>\n{text}\n"),
        );
        let other = SourceFile::new("docs/B.md", "## Here\n");
        let markdown = [&file, &other]
            .map(|file| (file.path.as_str(), file))
            .into();
        let repository = ["docs/spec/10-a.md", "docs/B.md", "shm/src/lib.rs"].map(str::to_owned);
        let findings = check_links(&file, &repository, &markdown);
        findings
            .iter()
            .map(|finding| finding.message.clone())
            .collect()
    }

    #[test]
    fn live_links_and_anchors_pass() {
        let text =
            "[a](#ti-tle) [b](#tp-1) [c](../B.md#here) [d](../../shm/src/lib.rs) [e](https://x#y)";
        assert_eq!(links_messages(text), [""; 0]);
    }

    #[test]
    fn dead_link_and_dead_anchor_are_found() {
        assert!(links_messages("[a](../C.md)")[0].contains("not in the repository"));
        assert!(links_messages("[a](../B.md#there)")[0].contains("no anchor there"));
        assert!(links_messages("[a](#tp-2)")[0].contains("no anchor tp-2"));
        assert!(links_messages("[a](../../../x)")[0].contains("leaves the repository"));
    }
}

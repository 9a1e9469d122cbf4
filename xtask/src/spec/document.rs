//! A document of the specification: its sections, and the requirements that are its list items.
//!
//! ```text
//! ## Slots
//!
//! Code: [`slot.rs`](../../shm/src/slot.rs)
//!
//! - <a id="tp-shm-0410"></a>**[TP-SHM-0410]** A reader MUST ...
//!   *(Wire v1.2 §8.3)*
//! ```
//! Plain text in, document and findings out.

use super::id::{Id, Keyword, ids_in, keywords_in};
use crate::tidy::finding::Finding;
use crate::tidy::links;
use crate::tidy::prose::{SPECIFICATION_WIDTH, prose_lines};
use crate::tidy::source::SourceFile;

/// What a source may begin with: a published document, or a reason of our own.
const SOURCES: [&str; 7] = [
    "Wire v1.2 §",
    "Driver Model v1.0 §",
    "UDP Bridge v1.1 §",
    "Join Barrier v1.0 §",
    "TraceLink v1.0 §",
    "Discovery v1.0 §",
    "own rule: ",
];

/// What the line that names a section's code begins with.
const CODE: &str = "Code: ";

/// A document as far as it could be read.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) path: String,
    pub(super) title: String,
    pub(super) sections: Vec<Section>,
}

/// A heading and what follows it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) anchor: String,
    /// Repository paths of the code that implements the section.
    pub(super) code: Vec<String>,
    pub(super) requirements: Vec<Requirement>,
}

#[derive(Debug)]
pub(super) struct Requirement {
    pub(super) id: Id,
    pub(super) line: usize,
    pub(super) keyword: Keyword,
    pub(super) statement: String,
    pub(super) source: String,
}

impl Document {
    pub(super) fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        self.sections
            .iter()
            .flat_map(|section| &section.requirements)
    }

    /// `20-shared-memory` of `docs/spec/20-shared-memory.md`.
    pub(super) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.strip_suffix(".md").unwrap_or(name)
    }
}

/// Reads a document; what is wrong with it is among the findings.
pub(super) fn parse(file: &SourceFile) -> (Document, Vec<Finding>) {
    let mut parser = Parser {
        file,
        document: Document {
            path: file.path.clone(),
            ..Document::default()
        },
        findings: check_width(file),
    };
    let lines: Vec<(usize, &str)> = prose_lines(file).collect();
    let mut rest = lines.as_slice();
    while let Some(((number, line), tail)) = rest.split_first() {
        let continued = tail
            .iter()
            .take_while(|(_, next)| is_continued(line) && next.starts_with("  "))
            .count();
        let text = tail[..continued]
            .iter()
            .fold((*line).to_owned(), |text, (_, next)| {
                text + " " + next.trim()
            });
        parser.block(*number, &text);
        rest = &tail[continued..];
    }
    (parser.document, parser.findings)
}

/// Whether indented lines below `line` belong to it.
fn is_continued(line: &str) -> bool {
    line.starts_with("- ") || line.starts_with(CODE)
}

/// Also lines with links are to be broken: a link may stand on a line of its own.
fn check_width(file: &SourceFile) -> Vec<Finding> {
    let width = |line: &str| line.chars().count();
    file.lines()
        .filter(|(_, line)| width(line) > SPECIFICATION_WIDTH)
        .map(|(number, line)| {
            let columns = width(line);
            let message = format!("{columns} columns; break it at {SPECIFICATION_WIDTH}");
            Finding::error(&file.path, number, message)
        })
        .collect()
}

struct Parser<'a> {
    file: &'a SourceFile,
    document: Document,
    findings: Vec<Finding>,
}

impl Parser<'_> {
    /// One line, or one list item with its continuation.
    fn block(&mut self, number: usize, text: &str) {
        if let Some(title) = text.strip_prefix("# ") {
            self.document.title = title.to_owned();
        } else if let Some(title) = text.trim_start_matches('#').strip_prefix(' ')
            && text.starts_with("##")
        {
            self.document.sections.push(Section {
                title: title.to_owned(),
                anchor: slug(title),
                code: Vec::new(),
                requirements: Vec::new(),
            });
        } else if text.starts_with("- ") && text.contains("**[TP-") {
            match requirement(number, text) {
                Ok(requirement) => self.add(requirement),
                Err(message) => self.error(number, message),
            }
        } else if let Some(list) = text.strip_prefix(CODE) {
            self.code(number, list);
        } else {
            self.prose(number, text);
        }
    }

    fn add(&mut self, requirement: Requirement) {
        match self.document.sections.last_mut() {
            Some(section) => section.requirements.push(requirement),
            None => self.error(requirement.line, "a requirement stands below a heading"),
        }
    }

    fn code(&mut self, number: usize, list: &str) {
        let from = &self.file.path;
        let paths: Option<Vec<String>> = links::targets(list)
            .into_iter()
            .map(|target| links::resolve(from, target))
            .collect();
        match (paths, self.document.sections.last_mut()) {
            (Some(paths), Some(section)) if !paths.is_empty() => section.code.extend(paths),
            _ => self.error(number, "`Code:` needs links to files, below a heading"),
        }
    }

    /// Text that is no requirement: it must not sound like one.
    fn prose(&mut self, number: usize, text: &str) {
        if let Some(keyword) = keywords_in(text).first() {
            let name = match keyword {
                Ok(keyword) => keyword.text(),
                Err(name) => name,
            };
            let message =
                format!("{name} outside of a requirement: give it an id, or say it plainly");
            self.error(number, message);
        }
    }

    fn error(&mut self, line: usize, message: impl Into<String>) {
        self.findings
            .push(Finding::error(&self.file.path, line, message));
    }
}

/// Reads one list item.
fn requirement(line: usize, text: &str) -> Result<Requirement, String> {
    let raw = ids_in(text).next().unwrap_or_default();
    let id = Id::parse(raw).map_err(|error| error.to_string())?;
    let opening = format!("- <a id=\"{}\"></a>**[{id}]** ", id.anchor());
    let Some(body) = text.strip_prefix(&opening) else {
        return Err(format!("expected the item to start with {opening}"));
    };
    let source = body
        .strip_suffix(")*")
        .and_then(|body| body.rsplit_once(" *("));
    let Some((statement, source)) = source else {
        return Err(format!(
            "{id}: expected its source at the end: *(Wire v1.2 §..)*"
        ));
    };
    if !SOURCES.iter().any(|known| source.starts_with(known)) {
        let known = SOURCES.join("\", \"");
        return Err(format!(
            "{id}: source {source} does not begin with \"{known}\""
        ));
    }
    match keywords_in(statement).as_slice() {
        [Ok(keyword)] => Ok(Requirement {
            id,
            line,
            keyword: *keyword,
            statement: statement.to_owned(),
            source: source.to_owned(),
        }),
        [Err(other)] => Err(format!(
            "{id}: {other} is not used here: say MUST, SHOULD or MAY"
        )),
        [] => Err(format!(
            "{id}: no keyword: expected one of MUST, SHOULD, MAY"
        )),
        several => Err(format!(
            "{id}: {} keywords: make it as many requirements",
            several.len()
        )),
    }
}

/// The anchor GitHub gives a heading.
pub(super) fn slug(title: &str) -> String {
    title
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = "- <a id=\"tp-rt-0010\"></a>**[TP-RT-0010]** An agent";

    fn read(text: &str) -> (Document, Vec<String>) {
        let file = SourceFile::new(
            "docs/spec/10-runtime.md",
            format!("# Runtime\n## A b\n{text}\n"),
        );
        let (document, findings) = parse(&file);
        (document, findings.iter().map(ToString::to_string).collect())
    }

    fn only_finding(text: &str) -> String {
        let (_, findings) = read(text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings[0].clone()
    }

    #[test]
    fn item_is_read_with_its_continuation_source_and_section_code() {
        let text = format!(
            "Code: [a](../../runtime/src/agent.rs),\n  [b](../../shm)\n\n{ITEM} MUST\n  idle. *(own rule: x)*\n"
        );
        let (document, findings) = read(&text);
        assert_eq!(findings, [""; 0]);
        assert_eq!(
            (document.title.as_str(), document.stem()),
            ("Runtime", "10-runtime")
        );
        let section = &document.sections[0];
        assert_eq!(
            (section.title.as_str(), section.anchor.as_str()),
            ("A b", "a-b")
        );
        assert_eq!(section.code, ["runtime/src/agent.rs", "shm"]);
        let requirement = &section.requirements[0];
        assert_eq!(requirement.statement, "An agent MUST idle.");
        assert_eq!(requirement.source, "own rule: x");
        assert_eq!((requirement.keyword, requirement.line), (Keyword::Must, 6));
    }

    #[test]
    fn item_without_keyword_with_two_or_with_a_strange_one_is_found() {
        let with = |words: &str| only_finding(&format!("{ITEM} {words}. *(own rule: x)*"));
        assert!(with("idles").contains("no keyword"));
        assert!(with("MUST idle and MAY rest").contains("2 keywords"));
        assert!(with("SHALL idle").contains("SHALL is not used"));
    }

    #[test]
    fn item_with_a_wrong_anchor_or_area_is_found() {
        let item = "- <a id=\"tp-rt-0020\"></a>**[TP-RT-0010]** MUST. *(own rule: x)*";
        assert!(only_finding(item).contains("expected the item to start with"));
        let item = "- <a id=\"tp-xy-0010\"></a>**[TP-XY-0010]** MUST. *(own rule: x)*";
        assert!(only_finding(item).contains("unknown area XY"));
    }

    #[test]
    fn item_without_a_known_source_is_found() {
        assert!(only_finding(&format!("{ITEM} MUST idle.")).contains("its source"));
        let item = format!("{ITEM} MUST idle. *(hearsay)*");
        assert!(only_finding(&item).contains("does not begin with"));
    }

    #[test]
    fn keyword_outside_of_a_requirement_is_found() {
        assert!(only_finding("Agents MUST idle.").contains("outside of a requirement"));
        assert_eq!(read("Agents `MUST` idle, and may rest.").1, [""; 0]);
    }

    #[test]
    fn requirement_above_any_heading_is_found() {
        let file = SourceFile::new("docs/spec/a.md", format!("{ITEM} MUST. *(own rule: x)*\n"));
        assert!(parse(&file).1[0].message.contains("below a heading"));
    }

    #[test]
    fn line_of_more_than_100_columns_is_found_also_with_a_link() {
        let line = format!("[{}](../a.md)", "é".repeat(100));
        assert!(only_finding(&line).contains("columns"));
    }

    #[test]
    fn heading_becomes_the_anchor_github_gives_it() {
        assert_eq!(slug("Null values, and `None`"), "null-values-and-none");
    }
}

//! Which mutants belong to which requirements.
//!
//! An id in a doc comment of a function, or between its attributes, speaks for the whole function. An
//! id in a comment within a function speaks for what follows it, up to the next blank line or the next
//! comment with an id; behind code it speaks for its own line.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::super::id::Id;
use super::super::mentions::Mention;
use crate::tidy::source::SourceFile;

/// Something cargo-mutants would break.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Mutant {
    /// Such as `shm/src/seqlock.rs:40:9: replace writing -> u64 with 0`.
    pub(super) name: String,
    pub(super) file: String,
    pub(super) function: Option<Function>,
    /// What is replaced.
    pub(super) span: Span,
    pub(super) replacement: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Function {
    pub(super) span: Span,
}

/// From `start` up to, not including, `end`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Span {
    pub(super) start: Position,
    pub(super) end: Position,
}

/// Both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A mutant of code that carries ids.
#[derive(Debug)]
pub(super) struct Candidate<'m> {
    pub(super) mutant: &'m Mutant,
    pub(super) ids: Vec<&'m Id>,
}

impl Mutant {
    /// What `cargo mutants --list --json` printed.
    pub(super) fn parse(listed: &str) -> Result<Vec<Self>> {
        serde_json::from_str(listed).context("`cargo mutants --list --json` printed something else")
    }
}

/// The mutants that belong to an id for which `has_judge` holds.
pub(super) fn find<'m>(
    mutants: &'m [Mutant],
    files: &[SourceFile],
    mentions: &'m [Mention],
    has_judge: &dyn Fn(&Id) -> bool,
) -> Vec<Candidate<'m>> {
    let texts: BTreeMap<&str, Vec<&str>> = files
        .iter()
        .map(|file| (file.path.as_str(), file.text.lines().collect()))
        .collect();
    let mut by_file: BTreeMap<&str, Vec<&Mention>> = BTreeMap::new();
    for mention in mentions.iter().filter(|mention| has_judge(&mention.id)) {
        by_file.entry(&mention.path).or_default().push(mention);
    }
    let mut found = Vec::new();
    for mutant in mutants {
        let (Some(lines), Some(mentions)) = (
            texts.get(mutant.file.as_str()),
            by_file.get(mutant.file.as_str()),
        ) else {
            continue;
        };
        let mut ids: Vec<&Id> = mentions
            .iter()
            .filter(|mention| speaks_for(mention.line, mutant, lines))
            .map(|mention| &mention.id)
            .collect();
        ids.sort();
        ids.dedup();
        if !ids.is_empty() {
            found.push(Candidate { mutant, ids });
        }
    }
    found
}

/// Whether an id at this line belongs to what the mutant breaks.
fn speaks_for(line: usize, mutant: &Mutant, lines: &[&str]) -> bool {
    let Some(function) = &mutant.function else {
        return false;
    };
    let (first, last) = (function.span.start.line, function.span.end.line);
    if line < first {
        return is_above(line, first, lines);
    }
    if line > last {
        return false;
    }
    let broken = mutant.span.start.line;
    if !text(lines, line).trim_start().starts_with("//") {
        return line == broken;
    }
    broken > line
        && (line + 1..broken).all(|between| {
            let text = text(lines, between).trim();
            !(text.is_empty() || text.starts_with("//") && text.contains("[TP-"))
        })
}

/// Whether everything from `line` to the function that starts at `first` is comments and attributes.
fn is_above(line: usize, first: usize, lines: &[&str]) -> bool {
    (line..first).all(|above| {
        let text = text(lines, above).trim_start();
        text.starts_with("//") || text.starts_with('#')
    })
}

fn text<'l>(lines: &[&'l str], line: usize) -> &'l str {
    lines.get(line.wrapping_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "\
/// Of the whole [TP-SHM-0010].
#[inline]
fn f(a: u64) -> u64 {
    let b = a + 1;

    // The sum [TP-SHM-0020].
    let c = a + b;
    let d = c + 1; // [TP-SHM-0030]

    d + 1
}

// Of nothing [TP-SHM-0040].

fn g(a: u64) -> u64 {
    a + 1
}
";

    /// The ids of a mutant in this line.
    fn ids_at(line: usize) -> Vec<String> {
        let position = |line| Position { line, column: 1 };
        let span = |first, last| Span {
            start: position(first),
            end: position(last),
        };
        let function = if line <= 11 {
            span(3, 11)
        } else {
            span(15, 17)
        };
        let mutants = [Mutant {
            name: String::new(),
            file: "shm/src/a.rs".to_owned(),
            function: Some(Function { span: function }),
            span: span(line, line),
            replacement: String::new(),
        }];
        let mentions: Vec<Mention> = [(1, "0010"), (6, "0020"), (8, "0030"), (13, "0040")]
            .map(|(line, number)| Mention {
                id: Id::parse(&format!("TP-SHM-{number}")).unwrap(),
                path: "shm/src/a.rs".to_owned(),
                line,
            })
            .into();
        let files = [SourceFile::new("shm/src/a.rs", CODE)];
        let found = find(&mutants, &files, &mentions, &|_| true);
        found
            .iter()
            .flat_map(|candidate| candidate.ids.iter().map(|id| id.to_string()))
            .collect()
    }

    #[test]
    fn an_id_above_a_function_speaks_for_all_of_it() {
        assert_eq!(ids_at(4), ["TP-SHM-0010"]);
        assert_eq!(ids_at(10), ["TP-SHM-0010"]);
    }

    #[test]
    fn an_id_within_a_function_speaks_for_what_follows_up_to_a_blank_line() {
        assert_eq!(ids_at(7), ["TP-SHM-0010", "TP-SHM-0020"]);
    }

    #[test]
    fn an_id_behind_code_speaks_for_its_line() {
        assert_eq!(ids_at(8), ["TP-SHM-0010", "TP-SHM-0020", "TP-SHM-0030"]);
    }

    #[test]
    fn an_id_apart_from_functions_speaks_for_none() {
        assert_eq!(ids_at(16), [""; 0]);
    }

    #[test]
    fn ids_without_a_test_are_left_out() {
        let mutants = Mutant::parse(
            r#"[{"name": "n", "file": "a.rs", "package": "p", "genre": "FnValue", "replacement": "0",
                "function": {"function_name": "f", "return_type": "-> u64",
                    "span": {"start": {"line": 2, "column": 1}, "end": {"line": 2, "column": 20}}},
                "span": {"start": {"line": 2, "column": 10}, "end": {"line": 2, "column": 12}}}]"#,
        )
        .unwrap();
        let files = [SourceFile::new(
            "a.rs",
            "// [TP-SHM-0010]\nfn f() -> u64 { 7 }\n",
        )];
        let mentions = [Mention {
            id: Id::parse("TP-SHM-0010").unwrap(),
            path: "a.rs".to_owned(),
            line: 1,
        }];
        assert_eq!(find(&mutants, &files, &mentions, &|_| true).len(), 1);
        assert!(find(&mutants, &files, &mentions, &|_| false).is_empty());
    }
}

//! Which mutants belong to which requirements.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::super::id::Id;
use super::super::mentions::Mention;
use super::reach::Lines;
use crate::tidy::source::SourceFile;

/// Something cargo-mutants would break.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Mutant {
    /// Such as `shm/src/seqlock.rs:40:9: replace writing -> u64 with 0`.
    pub(super) name: String,
    pub(super) file: String,
    /// Such as `BinaryOperator`.
    pub(super) genre: String,
    pub(super) function: Option<Function>,
    /// What is replaced.
    pub(super) span: Span,
    pub(super) replacement: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Function {
    /// Such as `CommitWord::writing`.
    #[serde(rename = "function_name")]
    pub(super) name: String,
    /// With its comments and attributes.
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

impl Span {
    /// The first and the last line.
    pub(super) fn lines(self) -> (usize, usize) {
        (self.start.line, self.end.line)
    }
}

impl Mutant {
    /// The last part of the name of the function it is in.
    pub(super) fn function_name(&self) -> &str {
        let name = self.function.as_ref().map_or("", |function| &function.name);
        name.rsplit("::").next().unwrap_or(name)
    }

    /// The name without the place, such as `shm/src/seqlock.rs: replace writing -> u64 with 0`.
    pub(super) fn what(&self) -> String {
        let place = self.name.strip_prefix(&self.file).unwrap_or(&self.name);
        let what = place.trim_start_matches(|c: char| c.is_ascii_digit() || c == ':');
        format!("{}: {}", self.file, what.trim_start())
    }

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
    let texts: BTreeMap<&str, Lines<'_>> = files
        .iter()
        .map(|file| (file.path.as_str(), Lines::new(&file.text)))
        .collect();
    let mut by_file: BTreeMap<&str, Vec<&Mention>> = BTreeMap::new();
    for mention in mentions.iter().filter(|mention| has_judge(&mention.id)) {
        by_file.entry(&mention.path).or_default().push(mention);
    }
    let mut found = Vec::new();
    for mutant in mutants {
        let (Some(lines), Some(mentions), Some(function)) = (
            texts.get(mutant.file.as_str()),
            by_file.get(mutant.file.as_str()),
            &mutant.function,
        ) else {
            continue;
        };
        let (function, broken) = (function.span.lines(), mutant.span.start.line);
        let mut ids: Vec<&Id> = mentions
            .iter()
            .filter(|mention| lines.speaks_for(mention.line, broken, function))
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
            genre: String::new(),
            file: "shm/src/a.rs".to_owned(),
            function: Some(Function {
                name: String::new(),
                span: function,
            }),
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
    fn a_mutant_has_all_ids_that_speak_for_its_line() {
        assert_eq!(ids_at(4), ["TP-SHM-0010"]);
        assert_eq!(ids_at(7), ["TP-SHM-0010", "TP-SHM-0020"]);
        assert_eq!(ids_at(8), ["TP-SHM-0010", "TP-SHM-0020", "TP-SHM-0030"]);
        assert_eq!(ids_at(16), [""; 0]);
    }

    #[test]
    fn a_mutant_is_named_without_its_place_as_well() {
        let name = "shm/src/seqlock.rs:40:9: replace writing -> u64 with 0";
        let mut mutants = Mutant::parse("[]").unwrap();
        assert!(mutants.is_empty());
        let position = Position {
            line: 40,
            column: 9,
        };
        mutants.push(Mutant {
            name: name.to_owned(),
            genre: String::new(),
            file: "shm/src/seqlock.rs".to_owned(),
            function: None,
            span: Span {
                start: position,
                end: position,
            },
            replacement: "0".to_owned(),
        });
        assert_eq!(
            mutants[0].what(),
            "shm/src/seqlock.rs: replace writing -> u64 with 0"
        );
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

//! Mutants that change nothing anybody could see, by name and with the reason: `.config/mutate.toml`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::candidates::Mutant;
use super::reach::Lines;
use crate::tidy::source::SourceFile;

const PATH: &str = ".config/mutate.toml";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Equivalents {
    #[serde(default)]
    equivalent: Vec<Equivalent>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Equivalent {
    /// As the tool names it, without line and column.
    mutant: String,
    /// A part of the line that is mutated, where the name alone fits several.
    #[serde(default)]
    code: String,
    reason: String,
}

impl Equivalents {
    pub(super) fn read() -> Result<Self> {
        let text = fs::read_to_string(PATH).with_context(|| format!("cannot read {PATH}"))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let known: Self = toml::from_str(text).with_context(|| format!("cannot read {PATH}"))?;
        for equivalent in &known.equivalent {
            if equivalent.reason.trim().is_empty() {
                bail!("{PATH}: {} needs a reason", equivalent.mutant);
            }
        }
        Ok(known)
    }

    /// Takes out what is known to be equivalent; gives its number. An entry that fits nothing is an
    /// error: the code it spoke of has changed.
    pub(super) fn remove(&self, mutants: &mut Vec<Mutant>, files: &[SourceFile]) -> Result<usize> {
        let texts: BTreeMap<&str, Lines<'_>> = files
            .iter()
            .map(|file| (file.path.as_str(), Lines::new(&file.text)))
            .collect();
        let before = mutants.len();
        for equivalent in &self.equivalent {
            let count = mutants.len();
            mutants.retain(|mutant| {
                let line = texts.get(mutant.file.as_str());
                let line = line.map_or("", |lines| lines.get(mutant.span.start.line));
                mutant.what() != equivalent.mutant || !line.contains(&equivalent.code)
            });
            if mutants.len() == count {
                bail!(
                    "{PATH}: there is no mutant `{}` any more: remove the entry or adapt it",
                    equivalent.mutant
                );
            }
        }
        Ok(before - mutants.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::candidates::{Position, Span};
    use super::*;

    fn mutant(line: usize) -> Mutant {
        let position = Position { line, column: 5 };
        Mutant {
            name: format!("shm/src/a.rs:{line}:5: replace < with <= in f"),
            genre: String::new(),
            file: "shm/src/a.rs".to_owned(),
            function: None,
            span: Span {
                start: position,
                end: position,
            },
            replacement: "<=".to_owned(),
        }
    }

    fn left(code: &str) -> Result<Vec<usize>> {
        let text = format!(
            "[[equivalent]]\nmutant = \"shm/src/a.rs: replace < with <= in f\"\n\
             code = \"{code}\"\nreason = \"both are 0\"\n"
        );
        let mut mutants = vec![mutant(1), mutant(2)];
        let files = [SourceFile::new("shm/src/a.rs", "a < b\nc < d\n")];
        Equivalents::parse(&text)?.remove(&mut mutants, &files)?;
        let lines = mutants.iter().map(|mutant| mutant.span.start.line);
        Ok(lines.collect())
    }

    #[test]
    fn an_entry_takes_out_what_it_names_and_is_an_error_when_it_names_nothing() {
        assert_eq!(left("").unwrap(), [0; 0]);
        assert_eq!(left("c < ").unwrap(), [1]);
        let error = left("e < ").unwrap_err().to_string();
        assert!(error.contains("there is no mutant"), "{error}");
    }

    #[test]
    fn a_reason_is_required() {
        let text = "[[equivalent]]\nmutant = \"a\"\nreason = \" \"\n";
        let error = Equivalents::parse(text).unwrap_err().to_string();
        assert!(error.contains("needs a reason"), "{error}");
        assert!(Equivalents::parse("[[equivalent]]\nmutant = \"a\"\n").is_err());
    }
}

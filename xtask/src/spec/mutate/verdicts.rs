//! Verdicts that are kept between runs, so that a run that broke off goes on where it was, and one that
//! follows a stronger test tries again only what that changes.
//!
//! A verdict holds as long as the mutated function and the files of the tests that judge it are what
//! they were.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::{fmt, fs, io};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::super::proofs::Proof;
use super::candidates::Mutant;
use super::reach::Lines;
use crate::tidy::source::SourceFile;
use crate::workspace;

/// What the tests said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    Caught,
    /// The tests did not end, which they notice as well.
    TimedOut,
    Survived,
    /// It is no program.
    Unviable,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Caught => "caught",
            Self::TimedOut => "timed out",
            Self::Survived => "SURVIVED",
            Self::Unviable => "no build",
        })
    }
}

#[derive(Debug)]
pub(super) struct Verdicts<'f> {
    path: PathBuf,
    known: BTreeMap<String, Verdict>,
    files: BTreeMap<&'f str, &'f str>,
}

impl<'f> Verdicts<'f> {
    /// Those of earlier runs, unless `anew`.
    pub(super) fn read(files: &'f [SourceFile], anew: bool) -> Result<Self> {
        let path = workspace::target_dir().join("mutate/verdicts.json");
        let known = match fs::read_to_string(&path) {
            Ok(text) if !anew => serde_json::from_str(&text)
                .with_context(|| format!("cannot read {}: remove it", path.display()))?,
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
            Ok(_) | Err(_) => BTreeMap::new(),
        };
        let texts = files.iter().map(|file| (&*file.path, &*file.text));
        Ok(Self {
            path,
            known,
            files: texts.collect(),
        })
    }

    /// What these tests said of this mutant.
    pub(super) fn known(&self, mutant: &Mutant, tests: &[&Proof]) -> Option<Verdict> {
        self.known.get(&self.key(mutant, tests)).copied()
    }

    pub(super) fn keep(
        &mut self,
        mutant: &Mutant,
        tests: &[&Proof],
        verdict: Verdict,
    ) -> Result<()> {
        self.known.insert(self.key(mutant, tests), verdict);
        let text = serde_json::to_string_pretty(&self.known)?;
        fs::write(&self.path, text).with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn key(&self, mutant: &Mutant, tests: &[&Proof]) -> String {
        let mut hasher = DefaultHasher::new();
        let (first, last) = mutant
            .function
            .as_ref()
            .map_or(mutant.span, |function| function.span)
            .lines();
        let text = self.files.get(&*mutant.file).copied().unwrap_or("");
        Lines::new(text).text(first, last).hash(&mut hasher);
        // Where in the function, wherever that is in its file.
        (mutant.span.start.line - first, mutant.span.start.column).hash(&mut hasher);
        (mutant.span.end.line - first, mutant.span.end.column).hash(&mut hasher);
        mutant.replacement.hash(&mut hasher);
        for test in tests {
            (&test.binary, &test.test, self.files.get(&*test.path)).hash(&mut hasher);
        }
        format!("{} {:016x}", mutant.what(), hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::super::candidates::{Function, Position, Span};
    use super::*;
    use crate::spec::example;

    fn mutant(line: usize) -> Mutant {
        let position = |line, column| Position { line, column };
        Mutant {
            name: format!("a.rs:{line}:5: replace < with <= in f"),
            genre: String::new(),
            file: "a.rs".to_owned(),
            function: Some(Function {
                name: String::new(),
                span: Span {
                    start: position(line - 1, 1),
                    end: position(line + 1, 2),
                },
            }),
            span: Span {
                start: position(line, 7),
                end: position(line, 8),
            },
            replacement: "<=".to_owned(),
        }
    }

    fn key(code: &str, test: &str, line: usize) -> String {
        let proofs = example::proofs();
        let files = [
            SourceFile::new("a.rs", code),
            SourceFile::new(&proofs[0].path, test),
        ];
        let texts = files.iter().map(|file| (&*file.path, &*file.text));
        let verdicts = Verdicts {
            path: PathBuf::new(),
            known: BTreeMap::new(),
            files: texts.collect(),
        };
        verdicts.key(&mutant(line), &[&proofs[0]])
    }

    #[test]
    fn a_verdict_holds_until_the_function_or_a_test_changes() {
        let code = "fn f() {\n    a < b\n}\n";
        let same = key(code, "test", 2);
        assert_eq!(key(&format!("// more\n\n{code}"), "test", 4), same);
        assert_ne!(key(&code.replace('b', "c"), "test", 2), same);
        assert_ne!(key(code, "stronger test", 2), same);
    }
}

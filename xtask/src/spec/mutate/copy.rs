//! The copy of the repository that is broken, one mutant at a time.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::candidates::{Mutant, Position};
use crate::workspace;

/// `target/mutate/tree`, built in `target/mutate/build`: kept, so that a second run builds little.
#[derive(Debug)]
pub(super) struct WorkingCopy {
    root: PathBuf,
    build: PathBuf,
}

impl WorkingCopy {
    /// Makes the copy like the repository. Files that did not change keep their time, and need no build.
    pub(super) fn update(repository: &[String]) -> Result<Self> {
        let home = workspace::target_dir().join("mutate");
        let copy = Self {
            root: home.join("tree"),
            build: home.join("build"),
        };
        for file in repository {
            copy.take_over(file)?;
        }
        copy.remove_strays(&copy.root, repository)?;
        Ok(copy)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn build(&self) -> &Path {
        &self.build
    }

    /// Writes the mutant into the copy.
    pub(super) fn break_by(&self, mutant: &Mutant) -> Result<()> {
        let path = self.root.join(&mutant.file);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let broken = mutated(&text, mutant)?;
        fs::write(&path, broken).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Takes the mutant back.
    pub(super) fn repair(&self, mutant: &Mutant) -> Result<()> {
        self.take_over(&mutant.file)
    }

    fn take_over(&self, file: &str) -> Result<()> {
        let to = self.root.join(file);
        let name = || format!("cannot copy {file}");
        let bytes = fs::read(file).with_context(name)?;
        if fs::read(&to).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        if let Some(directory) = to.parent() {
            fs::create_dir_all(directory).with_context(name)?;
        }
        // With its permissions: scripts of the build are among them.
        fs::copy(file, &to).with_context(name)?;
        Ok(())
    }

    /// Removes what the repository no longer has.
    fn remove_strays(&self, directory: &Path, repository: &[String]) -> Result<()> {
        for entry in fs::read_dir(directory)
            .with_context(|| format!("cannot list {}", directory.display()))?
        {
            let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
            let name = path.strip_prefix(&self.root).unwrap_or(&path);
            if kind.is_dir() && name != Path::new("target") {
                self.remove_strays(&path, repository)?;
            } else if kind.is_file() && !repository.iter().any(|file| Path::new(file) == name) {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// `text` with the span of the mutant replaced.
fn mutated(text: &str, mutant: &Mutant) -> Result<String> {
    let (start, end) = (
        offset(text, mutant.span.start),
        offset(text, mutant.span.end),
    );
    match (start, end) {
        (Some(start), Some(end)) if start <= end => Ok(format!(
            "{}{}{}",
            &text[..start],
            mutant.replacement,
            &text[end..]
        )),
        _ => bail!("{}: no such place in the file", mutant.name),
    }
}

fn offset(text: &str, position: Position) -> Option<usize> {
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if index + 1 == position.line {
            let column = position.column.checked_sub(1)?;
            let within = line
                .char_indices()
                .map(|(offset, _)| offset)
                .chain([line.len()])
                .nth(column)?;
            return Some(start + within);
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::candidates::Span;
    use super::*;

    fn mutant(start: (usize, usize), end: (usize, usize), replacement: &str) -> Mutant {
        let position = |(line, column)| Position { line, column };
        Mutant {
            name: "m".to_owned(),
            file: String::new(),
            function: None,
            span: Span {
                start: position(start),
                end: position(end),
            },
            replacement: replacement.to_owned(),
        }
    }

    #[test]
    fn a_span_is_replaced_and_nothing_else() {
        let text = "fn f() -> u64 {\n    'é'; a + 1\n}\n";
        let one_line = mutated(text, &mutant((2, 12), (2, 13), "-")).unwrap();
        assert_eq!(one_line, "fn f() -> u64 {\n    'é'; a - 1\n}\n");
        let body = mutated(text, &mutant((1, 16), (3, 1), " 0 ")).unwrap();
        assert_eq!(body, "fn f() -> u64 { 0 }\n");
    }

    #[test]
    fn a_place_that_is_not_there_is_an_error() {
        for (start, end) in [((9, 1), (9, 2)), ((1, 1), (1, 40)), ((1, 3), (1, 1))] {
            assert!(mutated("fn f() {}\n", &mutant(start, end, "")).is_err());
        }
    }
}

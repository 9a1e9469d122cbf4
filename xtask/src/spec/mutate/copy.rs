//! The copy of the repository that is broken, one mutant at a time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::candidates::{Mutant, Position};
use crate::shell::Cmd;
use crate::workspace;

/// Where cargo puts what it builds, below a target directory.
const PROFILE: &str = "debug";

/// What cargo needs there to know that something is built. The rest comes with the workspace's own crates.
const BUILT: [&str; 3] = [".fingerprint", "build", "deps"];

/// `target/mutate/tree`, built in `target/mutate/build`: kept, so that a second run builds little.
#[derive(Debug)]
pub(super) struct WorkingCopy {
    root: PathBuf,
    build: PathBuf,
    /// Files that are not as the repository has them.
    changed: RefCell<BTreeSet<String>>,
}

impl WorkingCopy {
    /// Makes the copy like the repository. Files that did not change keep their time, and need no build.
    pub(super) fn update(repository: &[String]) -> Result<Self> {
        let home = workspace::target_dir().join("mutate");
        let copy = Self {
            root: home.join("tree"),
            build: home.join("build"),
            changed: RefCell::default(),
        };
        for file in repository {
            copy.take_over(file)?;
        }
        copy.remove_strays(&copy.root, repository)?;
        copy.seed()?;
        Ok(copy)
    }

    /// Begins with the dependencies the workspace has built, so that they are not built again: cargo
    /// knows those of registries by name and features, wherever the workspace lies. Times are kept, by
    /// which cargo tells what is fresh.
    fn seed(&self) -> Result<()> {
        let (from, to) = (
            workspace::target_dir().join(PROFILE),
            self.build.join(PROFILE),
        );
        let unfinished = self.build.join("seeding");
        if (to.exists() && !unfinished.exists()) || !from.join(BUILT[0]).exists() {
            return Ok(());
        }
        fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;
        fs::write(&unfinished, "").context("cannot mark the copy as unfinished")?;
        println!(
            "mutate: copying the dependencies built in {}",
            from.display()
        );
        let copy = Cmd::new("cp").args(["--archive", "--reflink=auto"]);
        let copy = copy.args(BUILT.map(|part| from.join(part)));
        copy.arg(&to).run()?;
        fs::remove_file(&unfinished).context("cannot mark the copy as finished")
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn build(&self) -> &Path {
        &self.build
    }

    /// A file as the repository has it.
    pub(super) fn sound(file: &str) -> Result<String> {
        fs::read_to_string(file).with_context(|| format!("cannot read {file}"))
    }

    /// The file of a mutant with the mutant in it.
    pub(super) fn broken(mutant: &Mutant) -> Result<String> {
        mutated(&Self::sound(&mutant.file)?, mutant)
    }

    /// Writes a file of the copy, if it is not like that: cargo goes by times.
    pub(super) fn write(&self, file: &str, text: &str) -> Result<()> {
        self.changed.borrow_mut().insert(file.to_owned());
        let path = self.root.join(file);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            return Ok(());
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Takes back what was written into all files but these.
    pub(super) fn restore_all_but(&self, files: &BTreeSet<String>) -> Result<()> {
        let changed: Vec<String> = self.changed.borrow().iter().cloned().collect();
        for file in changed.iter().filter(|file| !files.contains(*file)) {
            self.take_over(file)?;
            self.changed.borrow_mut().remove(file);
        }
        Ok(())
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

/// Where in `text` a position is.
pub(super) fn offset(text: &str, position: Position) -> Option<usize> {
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

/// Where the lines of a text begin, to find the spans of a parser.
pub(super) struct Offsets(Vec<usize>);

impl Offsets {
    pub(super) fn new(text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(ends).collect())
    }

    /// The bytes of a span.
    pub(super) fn range(&self, text: &str, span: proc_macro2::Span) -> std::ops::Range<usize> {
        let at = |place: proc_macro2::LineColumn| {
            let start = self.0.get(place.line - 1).copied().unwrap_or(text.len());
            let line = &text[start..];
            let column = line.char_indices().nth(place.column);
            start + column.map_or(line.len(), |(at, _)| at)
        };
        at(span.start())..at(span.end())
    }
}

#[cfg(test)]
mod tests {
    use super::super::candidates::Span;
    use super::*;

    fn mutant(start: (usize, usize), end: (usize, usize), replacement: &str) -> Mutant {
        let position = |(line, column)| Position { line, column };
        Mutant {
            name: "m".to_owned(),
            genre: String::new(),
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

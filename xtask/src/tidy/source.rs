//! A file of the repository, and what kind of file it is.

/// Crates where `unsafe` may live; everything else forbids it.
const UNSAFE_HOMES: [&str; 2] = ["shm/", "runtime/transport/"];

/// A text file, by its path relative to the repository root.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            text: text.into(),
        }
    }

    /// The lines, counted from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(crate) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }

    /// A member's manifest; the root's is a virtual one.
    pub(super) fn is_crate_manifest(&self) -> bool {
        self.path.ends_with("/Cargo.toml")
    }

    /// Written by a program, as its first line says.
    pub(super) fn is_generated(&self) -> bool {
        let says_so =
            |line: &str| line.starts_with("// Generated ") && line.ends_with("Do not edit.");
        self.path == "Cargo.lock" || self.text.lines().next().is_some_and(says_so)
    }

    /// A test module beside the code it tests, which is what needs no introduction.
    pub(super) fn is_test_module(&self) -> bool {
        self.path.ends_with("tests.rs")
    }

    pub(super) fn may_be_unsafe(&self) -> bool {
        UNSAFE_HOMES.iter().any(|home| self.path.starts_with(home))
    }

    /// Whether all of the file is test code; `#[cfg(test)]` modules in other files are as well.
    pub(crate) fn is_test(&self) -> bool {
        let mut directories = self.path.split('/');
        self.is_test_module() || directories.any(|directory| directory == "tests")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_known_by_where_it_is() {
        let is_test = |path: &str| SourceFile::new(path, "").is_test();
        assert!(is_test("tests/src/lib.rs"));
        assert!(is_test("shm/tests/seqlock.rs"));
        assert!(is_test("runtime/src/agent/tests.rs"));
        assert!(is_test("runtime/src/agent/close_tests.rs"));
        assert!(!is_test("xtask/src/test.rs"));
    }

    #[test]
    fn generated_file_says_so_at_the_top() {
        let marked =
            "// Generated from a.xml by `cargo xtask codegen`. Do not edit.\n//! Codecs.\n";
        assert!(SourceFile::new("a.rs", marked).is_generated());
        assert!(!SourceFile::new("a.rs", "//! Codecs.\n").is_generated());
    }
}

//! Checks on the lines of any text file: words, machine paths, length, the module header.

use super::finding::Finding;
use super::source::SourceFile;

/// Notes to oneself, which belong in an issue. Spelled in halves, since this file is checked too.
const FORBIDDEN_WORDS: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];

/// Directories that exist on somebody's machine only.
const MACHINE_PATHS: [&str; 3] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
];

/// Hand-written files longer than this should be split.
const LONG_FILE_LINES: usize = 500;

/// Hand-written files longer than this have to be.
const TOO_LONG_FILE_LINES: usize = 600;

pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.is_generated() || file.path.starts_with("LICENSE-") {
        return findings;
    }
    findings.extend(
        file.lines()
            .flat_map(|(line, text)| check_line(&file.path, line, text)),
    );
    if file.is_rust() {
        findings.extend(check_length(file));
        findings.extend(check_header(file));
    }
    findings
}

fn check_line(path: &str, line: usize, text: &str) -> Vec<Finding> {
    let words = FORBIDDEN_WORDS
        .into_iter()
        .filter(|word| contains_word(text, word))
        .map(|word| {
            Finding::error(
                path,
                line,
                format!("{word}: finish it, or open an issue and say nothing here"),
            )
        });
    let paths = MACHINE_PATHS
        .into_iter()
        .filter(|prefix| contains_path(text, prefix))
        .map(|prefix| {
            Finding::error(
                path,
                line,
                format!("path of one machine ({prefix}...): make it relative"),
            )
        });
    words.chain(paths).collect()
}

fn check_length(file: &SourceFile) -> Option<Finding> {
    let count = file.text.lines().count();
    let message = format!("{count} lines: split it by concept (at most {LONG_FILE_LINES})");
    match count {
        0..=LONG_FILE_LINES => None,
        _ if count <= TOO_LONG_FILE_LINES => Some(Finding::warning(&file.path, count, message)),
        _ => Some(Finding::error(&file.path, count, message)),
    }
}

/// A module starts with `//!`, after attributes at most.
fn check_header(file: &SourceFile) -> Option<Finding> {
    let is_preamble = |line: &str| {
        line.is_empty()
            || line.starts_with("#!")
            || (line.starts_with("//") && !line.starts_with("///"))
    };
    let mut preamble = file.text.lines().take_while(|line| is_preamble(line));
    let has_header = preamble.any(|line| line.starts_with("//!"));
    let message = "no `//!` header: say what lives in this module, and what must not";
    (!has_header && !file.is_test_module()).then(|| Finding::error(&file.path, 1, message))
}

/// Whether `word` stands in `text` by itself, not as a part of a longer word.
fn contains_word(text: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(start, _)| {
        !text[..start].ends_with(part_of_word)
            && !text[start + word.len()..].starts_with(part_of_word)
    })
}

/// Whether an absolute path with this prefix starts in `text`; `a/b/home/c` has none.
fn contains_path(text: &str, prefix: &str) -> bool {
    let part_of_path = |c: char| c.is_alphanumeric() || "_.-/}$*~".contains(c);
    text.match_indices(prefix)
        .any(|(start, _)| !text[..start].ends_with(part_of_path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::finding::Severity;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(&SourceFile::new(path, text))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn note_to_oneself_is_found_with_its_line() {
        let text = format!("//! Header.\n\n// {}: later\n", FORBIDDEN_WORDS[0]);
        let found = messages("a.rs", &text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.rs:3: "), "{found:?}");
    }

    #[test]
    fn longer_word_is_not_a_note() {
        let text = format!("//! mkstemp needs {0}{0}.\n", FORBIDDEN_WORDS[2]);
        assert_eq!(messages("a.rs", &text), [""; 0]);
    }

    #[test]
    fn path_of_one_machine_is_found_and_a_relative_one_is_not() {
        let absolute = format!("see {}me/notes\n", MACHINE_PATHS[0]);
        assert_eq!(messages("a.md", &absolute).len(), 1);
        let relative = format!("see docs{}me/notes\n", MACHINE_PATHS[0]);
        assert_eq!(messages("a.md", &relative), [""; 0]);
    }

    #[test]
    fn long_file_is_a_warning_and_then_an_error() {
        let severity = |lines: usize| {
            let text = format!("//! Header.\n{}", "\n".repeat(lines - 1));
            check(&SourceFile::new("a.rs", text))
                .first()
                .map(|finding| finding.severity)
        };
        assert_eq!(severity(500), None);
        assert_eq!(severity(501), Some(Severity::Warning));
        assert_eq!(severity(600), Some(Severity::Warning));
        assert_eq!(severity(601), Some(Severity::Error));
    }

    #[test]
    fn generated_file_may_be_long() {
        let text = format!(
            "// Generated by a program. Do not edit.\n{}",
            "\n".repeat(5000)
        );
        assert_eq!(messages("a.rs", &text), [""; 0]);
    }

    #[test]
    fn module_without_header_is_found() {
        assert_eq!(
            messages("a.rs", "/// Item.\nfn a() {}\n//! Too late.\n").len(),
            1
        );
        assert_eq!(messages("a.rs", "#![cfg(loom)]\n//! Header.\n"), [""; 0]);
    }
}

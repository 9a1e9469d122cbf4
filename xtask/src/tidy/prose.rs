//! Checks on Markdown lines: their width. Which parts are code is decided here for all of Markdown.

use super::finding::Finding;
use super::source::SourceFile;

/// Columns of a Markdown line.
const WIDTH: usize = 120;

/// The specification is read in columns of its own.
pub(crate) const SPECIFICATION_WIDTH: usize = 100;

/// A too long line is fine in a table, in code, or when a link makes it long.
pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let specification = file.path.starts_with("docs/spec/");
    let width = if specification {
        SPECIFICATION_WIDTH
    } else {
        WIDTH
    };
    let breakable = |line: &str| {
        let link = line.contains("](") || line.contains("://");
        !link && !line.trim_start().starts_with('|')
    };
    prose_lines(file)
        .filter(|(_, line)| line.chars().count() > width && breakable(line))
        .map(|(number, line)| {
            let columns = line.chars().count();
            Finding::error(
                &file.path,
                number,
                format!("{columns} columns; break it at {width}"),
            )
        })
        .collect()
}

/// The lines outside fenced code blocks.
pub(crate) fn prose_lines(file: &SourceFile) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    file.lines().filter(move |(_, line)| {
        let trimmed = line.trim_start();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| trimmed.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return true,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&SourceFile::new(path, text))
            .into_iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn long_prose_is_found_by_the_width_of_its_place() {
        let text = format!("# Title\n\n{}\n{}\n", "w".repeat(110), "é".repeat(121));
        assert_eq!(lines("docs/a.md", &text), [4]);
        assert_eq!(lines("docs/spec/01-a.md", &text), [3, 4]);
    }

    #[test]
    fn tables_links_and_code_may_be_long() {
        let long = "w".repeat(130);
        let text = format!("| {long} |\n[a](https://{long})\n```sh\n{long}\n```\n");
        assert!(lines("a.md", &text).is_empty());
    }

    #[test]
    fn other_fence_does_not_close_a_code_block() {
        let long = "w".repeat(130);
        let text = format!("~~~\n```\n{long}\n~~~\n{long}\n");
        assert_eq!(lines("a.md", &text), [5]);
    }
}

//! What is wrong with a configuration, and where: rendered with file, line and caret.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Cannot be run with.
    Error,
    /// Probably not what was meant.
    Warning,
    /// Worth knowing.
    Notice,
}

/// One thing to say about a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What, in one line.
    pub title: String,
    /// Where in the file (bytes), and what to write beside it.
    pub place: Option<(Range<usize>, String)>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    pub(super) fn new(severity: Severity, title: impl Into<String>) -> Self {
        Self {
            severity,
            title: title.into(),
            place: None,
            help: None,
        }
    }

    pub(super) fn error(title: impl Into<String>) -> Self {
        Self::new(Severity::Error, title)
    }

    pub(super) fn warning(title: impl Into<String>) -> Self {
        Self::new(Severity::Warning, title)
    }

    pub(super) fn at(mut self, span: Option<Range<usize>>, label: impl Into<String>) -> Self {
        self.place = span.map(|span| (span, label.into()));
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Line and column of the place in `source`, counted from 1, the column in characters.
    #[must_use]
    pub fn position(&self, source: &str) -> Option<(usize, usize)> {
        let (span, _) = self.place.as_ref()?;
        let before = source.get(..span.start.min(source.len()))?;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        Some((line, before[line_start..].chars().count() + 1))
    }

    /// The text for a terminal, with the line of `source` in question; in colour if so wished. Ends
    /// without a newline.
    #[must_use]
    pub fn render(&self, path: &str, source: &str, coloured: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Notice => Level::NOTE,
        };
        let title = level.primary_title(self.title.as_str());
        let mut group = match &self.place {
            None => annotate_snippets::Group::with_title(title),
            Some((span, label)) => {
                let end = span.end.min(source.len());
                let span = span.start.min(end)..end;
                let annotation = AnnotationKind::Primary.span(span).label(label.as_str());
                title.element(Snippet::source(source).path(path).annotation(annotation))
            }
        };
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if coloured {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.render(&[group])
    }
}

/// A configuration that cannot be run with: every error found in it.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// The file's name, as it was given.
    pub path: String,
    /// Its text; empty when there is none.
    pub source_text: String,
    /// What is wrong, and the warnings and notices found on the way.
    pub diagnostics: Vec<Diagnostic>,
}

impl ConfigError {
    /// All diagnostics as text, separated by empty lines, in colour if so wished.
    #[must_use]
    pub fn render(&self, coloured: bool) -> String {
        let render = |one: &Diagnostic| one.render(&self.path, &self.source_text, coloured);
        self.diagnostics
            .iter()
            .map(render)
            .collect::<Vec<_>>()
            .join("\n\n")
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigError {}

//! One place through which every command speaks.

use std::cell::Cell;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};

use super::events;

/// How a command speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One JSON object per line.
    Json,
    /// A progress line that is redrawn, and events above it.
    Terminal,
    /// Plain lines.
    Plain,
}

/// Prints events, progress and summaries to one stream.
///
/// Frames on standard output push everything else to standard error.
pub struct Reporter {
    style: Style,
    to_stderr: bool,
    bar: ProgressBar,
    is_unheard: Cell<bool>,
    is_unwritten: Cell<bool>,
}

impl Reporter {
    /// Decides how to speak: JSON when asked for, a progress line on a terminal, plain lines otherwise.
    #[must_use]
    pub fn new(json: bool, stdout_is_taken: bool) -> Self {
        let terminal = if stdout_is_taken {
            std::io::stderr().is_terminal()
        } else {
            std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
        };
        let style = match (json, terminal) {
            (true, _) => Style::Json,
            (false, true) => Style::Terminal,
            (false, false) => Style::Plain,
        };
        let bar = if style == Style::Terminal {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(template) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(template);
            }
            bar
        } else {
            ProgressBar::hidden()
        };
        Self {
            style,
            to_stderr: stdout_is_taken,
            bar,
            is_unheard: Cell::new(false),
            is_unwritten: Cell::new(false),
        }
    }

    /// How this reporter speaks.
    #[must_use]
    pub fn style(&self) -> Style {
        self.style
    }

    /// Something happened: `text` for people, `fields` (an object) for programs.
    pub fn event(&self, name: &str, text: &str, fields: Value) {
        match self.style {
            Style::Json => self.json_line(name, fields),
            Style::Terminal => self.bar.suspend(|| self.line(text)),
            Style::Plain => self.line(text),
        }
    }

    /// How it goes: redrawn on a terminal, a line of its own otherwise.
    pub fn progress(&self, text: &str, fields: Value) {
        match self.style {
            Style::Json => self.json_line("progress", fields),
            Style::Terminal => {
                self.bar.set_message(text.to_owned());
                self.bar.tick();
            }
            Style::Plain => self.line(text),
        }
    }

    /// The end: clears the progress line and prints the summary.
    pub fn summary(&self, text: &str, fields: Value) {
        self.bar.finish_and_clear();
        match self.style {
            Style::Json => self.json_line("summary", fields),
            Style::Terminal | Style::Plain => self.line(text),
        }
    }

    /// What ends a command that fails: `text` goes to standard error unless programs read that,
    /// `fields` to programs.
    pub fn error(&self, text: &str, fields: Value) {
        self.bar.finish_and_clear();
        if !self.is_stderr_json() {
            warn(text);
        }
        if self.style == Style::Json {
            self.json_line("error", fields);
        }
    }

    /// Something to know beside what was asked for: for people on standard error, unless programs
    /// read that.
    pub fn aside(&self, name: &str, text: &str, fields: Value) {
        if self.is_stderr_json() {
            self.json_line(name, fields);
        } else {
            self.bar.suspend(|| warn(text));
        }
    }

    /// Whether what goes to a terminal may be in colour.
    #[must_use]
    pub fn is_coloured(&self) -> bool {
        self.style != Style::Json && std::io::stderr().is_terminal()
    }

    /// The status to end with: `code`, unless something that was said could not be written.
    #[must_use]
    pub fn conclude(&self, code: ExitCode) -> ExitCode {
        if self.is_unwritten.get() {
            ExitCode::FAILURE
        } else {
            code
        }
    }

    /// Whether every line on standard error is to be an object.
    fn is_stderr_json(&self) -> bool {
        self.style == Style::Json && self.to_stderr
    }

    fn json_line(&self, name: &str, fields: Value) {
        debug_assert!(events::NAMES.contains(&name), "{name} is not in the list");
        let mut object = Map::new();
        object.insert("event".to_owned(), Value::from(name));
        if let Value::Object(more) = fields {
            object.extend(more);
        }
        self.line(&Value::Object(object).to_string());
    }

    /// Whether the reader of standard output has gone away (`| head`): nobody hears what is said there.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.is_unheard.get()
    }

    /// A reader that has gone away is not an error: who prints asks for it where it matters. Any
    /// other failure is told once, and makes the process fail at its end.
    fn line(&self, text: &str) {
        if self.to_stderr {
            warn(text);
        } else {
            let mut out = std::io::stdout().lock();
            let written = writeln!(out, "{text}").and_then(|()| out.flush());
            match written {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.is_unheard.set(true),
                Err(error) => {
                    if !self.is_unwritten.replace(true) {
                        warn(&format!("error: cannot write to standard output: {error}"));
                    }
                }
            }
        }
    }
}

/// A line on standard error, for people. One that cannot be written is lost, and nothing worse.
pub fn warn(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

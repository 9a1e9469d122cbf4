//! Errors that end a command: what is said of them, and with which status the process ends.

use std::process::ExitCode;

use serde_json::json;

use super::Reporter;

/// Status for a command line, or a configuration, that nothing can be done with.
const MISUSED: u8 = 2;

/// A command line, or a configuration that was to be looked at, that nothing can be done with
/// whatever else runs on the machine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misuse(String);

/// An error that ends the process with 2, as a wrong command line does.
#[must_use]
pub fn misuse(text: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Misuse(text.into()))
}

/// Says what ended a command, and gives the status for the process.
pub fn tell(report: &Reporter, error: &anyhow::Error) -> ExitCode {
    let message = explain(error);
    // A configuration's diagnostics bring their own headings, in colour on a terminal.
    let text = if message.starts_with("error: ") || message.starts_with('\u{1b}') {
        message.clone()
    } else {
        format!("error: {message}")
    };
    let plain = message.strip_prefix("error: ").unwrap_or(&message);
    report.error(&text, json!({ "message": plain, "causes": causes(error) }));
    status(error)
}

fn status(error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<Misuse>().is_some() {
        ExitCode::from(MISUSED)
    } else {
        ExitCode::FAILURE
    }
}

/// The error and what caused it, outermost first, each by itself.
fn causes(error: &anyhow::Error) -> Vec<String> {
    error.chain().map(ToString::to_string).collect()
}

/// The error and its causes, leaving out those that the text before them quotes already.
fn explain(error: &anyhow::Error) -> String {
    let mut message = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if message.contains(&cause) {
            continue;
        }
        if !message.is_empty() {
            message.push_str(": ");
        }
        message.push_str(&cause);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn causes_are_told_once() {
        let quoting = anyhow!("no room")
            .context("stream 7: no room")
            .context("cannot start");
        assert_eq!(explain(&quoting), "cannot start: stream 7: no room");
        assert_eq!(
            causes(&quoting),
            ["cannot start", "stream 7: no room", "no room"]
        );
    }

    #[test]
    fn a_misuse_is_one_whatever_is_said_around_it() {
        let code = |error: anyhow::Error| format!("{:?}", status(&error));
        let misused = format!("{:?}", ExitCode::from(MISUSED));
        assert_eq!(code(misuse("x").context("y")), misused);
        assert_ne!(code(anyhow!("x").context("y")), misused);
    }
}

//! Runs tensorpool agents, and publishes and subscribes to frames, from the command line.

use std::process::ExitCode;

use agent_runner::args::Cli;
use agent_runner::report::Reporter;
use clap::Parser;
use serde_json::json;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Frames on standard output keep everything else away from it, an error too.
    let report = Reporter::new(cli.command.json(), cli.command.frames_on_stdout());
    match agent_runner::commands::execute(cli) {
        Ok(code) => code,
        Err(error) => {
            let message = explain(&error);
            // A configuration's diagnostics bring their own headings.
            let heading = if message.starts_with("error") {
                ""
            } else {
                "error: "
            };
            report.error(
                &format!("{heading}{message}"),
                json!({ "message": message, "causes": causes(&error) }),
            );
            ExitCode::FAILURE
        }
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
    use super::{causes, explain};
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
}

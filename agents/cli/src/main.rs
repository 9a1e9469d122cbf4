//! Runs tensorpool agents, and publishes and subscribes to frames, from the command line.

use std::process::ExitCode;

use agent_runner::args::{self, Cli};
use agent_runner::report::{Reporter, failure, warn};
use clap::Parser;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        drop(error.print());
        if let Some(hint) = args::hint(std::env::args_os()).filter(|_| error.use_stderr()) {
            warn(&format!("hint: {hint}"));
        }
        std::process::exit(error.exit_code())
    });
    // Frames on standard output keep everything else away from it, an error too.
    let report = Reporter::new(cli.command.json(), cli.command.frames_on_stdout());
    agent_runner::commands::execute(cli).unwrap_or_else(|error| failure::tell(&report, &error))
}

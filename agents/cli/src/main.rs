//! Runs tensorpool agents, and publishes and subscribes to frames, from the command line.

use std::process::ExitCode;

use agent_runner::args::Cli;
use clap::Parser;
use serde_json::json;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.command.aeron().json;
    match agent_runner::commands::execute(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            if json {
                // For programs; people have read it above.
                println!(
                    "{}",
                    json!({ "event": "error", "message": format!("{error:#}") })
                );
            }
            ExitCode::FAILURE
        }
    }
}

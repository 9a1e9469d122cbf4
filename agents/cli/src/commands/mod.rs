//! What each command does.

mod config;
mod pacer;
pub mod publish;
pub mod run;
mod session;
mod settings;
pub mod subscribe;

use std::process::ExitCode;

use crate::args::{Cli, Command};

/// Carries a command out and says how the process should end.
///
/// # Errors
/// Whatever kept the command from doing what was asked; the message is for the user.
pub fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    let frames_on_stdout = cli.command.frames_on_stdout();
    match cli.command {
        Command::Run(args) => run::execute(&args),
        Command::Config(args) => config::execute(&args),
        Command::Publish(args) => publish::execute(&args),
        Command::Subscribe(args) => subscribe::execute(&args, frames_on_stdout),
    }
}

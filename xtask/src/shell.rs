//! Child processes: one builder that prints what it runs and names it when it fails.

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, fmt, thread};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// How often a child with a deadline is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long a child that was asked to end may take.
const LAST_WORDS: Duration = Duration::from_secs(20);

/// A command to run. Its `Display` is what a user would type.
pub(crate) struct Cmd {
    command: Command,
    /// Variables set for this command, shown in front of it.
    shown_env: Vec<(String, OsString)>,
}

impl Cmd {
    /// `program`, found on PATH with the private tools in front.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.env("PATH", search_path());
        if let Some(target_dir) = workspace::custom_target_dir() {
            command.env(workspace::TARGET_DIR_VARIABLE, target_dir);
        }
        Self {
            command,
            shown_env: Vec::new(),
        }
    }

    /// `cargo`, with arguments separated by blanks.
    pub(crate) fn cargo(arguments: &str) -> Self {
        Self::new("cargo").args(arguments.split_whitespace())
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable, and shows it.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, &value);
        self.shown_env
            .push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Takes a variable away.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs in `dir` instead of the repository root.
    pub(crate) fn current_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Prints the command, runs it with our terminal, and fails unless it succeeds.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("$ {self}");
        let status = self
            .command
            .status()
            .with_context(|| format!("cannot run `{self}`"))?;
        self.expect_success(status)
    }

    /// Prints the command, runs it, and returns what it wrote to standard output.
    pub(crate) fn run_for_stdout(mut self) -> Result<String> {
        println!("$ {self}");
        self.command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        let output = self
            .command
            .output()
            .with_context(|| format!("cannot run `{self}`"))?;
        self.expect_success(output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs quietly; its standard output, or None when it cannot be run or fails.
    pub(crate) fn probe(mut self) -> Option<String> {
        let output = self.command.stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// Prints the command, runs it for at most `limit`, and returns how it ended.
    ///
    /// Output goes to a file, since a pipe nobody reads would block the child.
    pub(crate) fn run_within(self, limit: Duration) -> Result<Bounded> {
        println!("$ {self}");
        let (exit, output) = self.outcome_within(limit)?;
        Ok(match exit {
            Exit::TimedOut => Bounded::TimedOut,
            Exit::Code(0) => Bounded::Succeeded,
            Exit::Code(_) | Exit::Killed => Bounded::Failed(output),
        })
    }

    /// Runs quietly for at most `limit`, and returns how it ended and what it printed.
    pub(crate) fn outcome_within(mut self, limit: Duration) -> Result<(Exit, String)> {
        let mut log = tempfile::tempfile().context("cannot create a temporary file")?;
        let exit = self.wait_within(limit, log.try_clone()?, log.try_clone()?)?;
        let mut output = Vec::new();
        log.rewind()?;
        log.read_to_end(&mut output)?;
        Ok((exit, String::from_utf8_lossy(&output).into_owned()))
    }

    fn wait_within(
        &mut self,
        limit: Duration,
        stdout: impl Into<Stdio>,
        stderr: impl Into<Stdio>,
    ) -> Result<Exit> {
        self.command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr);
        let mut child = self
            .command
            .spawn()
            .with_context(|| format!("cannot run `{self}`"))?;
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.code().map_or(Exit::Killed, Exit::Code));
            }
            if Instant::now() >= deadline {
                end(&mut child)?;
                return Ok(Exit::TimedOut);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn expect_success(&self, status: ExitStatus) -> Result<()> {
        if !status.success() {
            bail!("`{self}` failed ({status})");
        }
        Ok(())
    }
}

/// Asks a child to end, so that it can end its own children, and kills it if it does not.
fn end(child: &mut Child) -> Result<()> {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    let deadline = Instant::now() + LAST_WORDS;
    while child.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(());
        }
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// How a process with a time limit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal.
    Killed,
    /// Not in time; it was killed.
    TimedOut,
}

/// How a command with a time limit ended.
pub(crate) enum Bounded {
    /// With success.
    Succeeded,
    /// With a failure, and what it printed.
    Failed(String),
    /// Not in time; it was killed.
    TimedOut,
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.shown_env {
            write!(f, "{name}={} ", quoted(value))?;
        }
        write!(f, "{}", quoted(self.command.get_program()))?;
        self.command
            .get_args()
            .try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

/// `word` as a shell would need it.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// PATH with the private tools in front, so that `cargo nextest` finds a private cargo-nextest.
fn search_path() -> OsString {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let private = std::iter::once(workspace::tools_dir().join("bin"));
    env::join_paths(private.chain(env::split_paths(&inherited))).unwrap_or(inherited)
}

/// The first `program` on PATH.
pub(crate) fn find_program(program: &str) -> Option<std::path::PathBuf> {
    env::split_paths(&search_path())
        .map(|dir| dir.join(program))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_is_shown_as_a_user_would_type_it() {
        let cmd = Cmd::cargo("nextest run")
            .env("RUSTFLAGS", "--cfg loom")
            .arg("it's");
        assert_eq!(
            cmd.to_string(),
            r"RUSTFLAGS='--cfg loom' cargo nextest run 'it'\''s'"
        );
    }

    #[test]
    fn failing_command_is_named_with_its_status() {
        let error = Cmd::new("false").run().unwrap_err().to_string();
        assert!(error.contains("`false` failed (exit status: 1)"), "{error}");
    }

    #[test]
    fn missing_program_is_named() {
        let error = Cmd::new("no-such-program-here").run().unwrap_err();
        assert!(format!("{error:#}").contains("no-such-program-here"));
    }

    #[test]
    fn command_over_its_limit_is_killed() {
        let started = Instant::now();
        let outcome = Cmd::new("sleep")
            .arg("60")
            .run_within(Duration::from_millis(100))
            .unwrap();
        assert!(matches!(outcome, Bounded::TimedOut));
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn command_over_its_limit_is_asked_to_end_first() {
        let cmd =
            Cmd::new("sh").args(["-c", "trap 'echo ended; exit 0' TERM; while :; do :; done"]);
        let (exit, output) = cmd.outcome_within(Duration::from_millis(500)).unwrap();
        assert_eq!((exit, output.trim()), (Exit::TimedOut, "ended"));
    }

    #[test]
    fn exit_code_is_handed_back() {
        let cmd = Cmd::new("sh").args(["-c", "echo out; exit 100"]);
        let (exit, output) = cmd.outcome_within(Duration::from_secs(60)).unwrap();
        assert_eq!((exit, output.trim()), (Exit::Code(100), "out"));
    }

    #[test]
    fn command_within_its_limit_hands_back_what_it_printed() {
        let cmd = Cmd::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]);
        let Bounded::Failed(output) = cmd.run_within(Duration::from_secs(60)).unwrap() else {
            panic!("exit status 3 is a failure");
        };
        assert!(output.contains("out") && output.contains("err"), "{output}");
    }
}

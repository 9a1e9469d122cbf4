//! Child processes of a play: each leads a process group, and none outlives its handle.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use signal_hook::consts::{SIGINT, SIGTERM};

/// How often processes are looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How long a process group that was asked to end may take before it is killed.
const KILL_AFTER: Duration = Duration::from_secs(3);

/// Lines of a log shown when its process failed.
const LOG_TAIL_LINES: usize = 20;

/// What to start.
pub(crate) struct Spec {
    /// What the user knows it as; names its logs too.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Directory for its output.
    pub(crate) logs: PathBuf,
}

/// Ctrl-C and SIGTERM, noticed at the next look instead of ending us: children are in groups of
/// their own, which a terminal does not signal.
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(crate) fn install() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .context("cannot handle signals")?;
        }
        Ok(Self(flag))
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }
}

/// A running child. Dropping it ends its whole group.
pub(crate) struct Process {
    name: String,
    child: Child,
    group: Pid,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    pub(crate) fn start(spec: Spec) -> Result<Self> {
        use std::os::unix::process::CommandExt as _;
        let file_name = spec.name.replace(' ', "-");
        let stdout = spec.logs.join(format!("{file_name}.out"));
        let stderr = spec.logs.join(format!("{file_name}.err"));
        println!("$ agent-runner {}", spec.arguments.join(" "));
        let child = Command::new(&spec.program)
            .args(&spec.arguments)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", spec.program.display()))?;
        let group = Pid::from_child(&child);
        Ok(Self {
            name: spec.name,
            child,
            group,
            stdout,
            stderr,
        })
    }

    /// What the user knows it as.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// Fails when the process is not running any more.
    pub(crate) fn expect_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended ({status}){}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// kill -9, and reaps it.
    pub(crate) fn kill9(&mut self) -> Result<()> {
        self.expect_running()?;
        self.signal(Signal::KILL);
        self.child.wait()?;
        self.expect_no_strays()
    }

    /// Asks the process to end, and does not wait for it.
    pub(crate) fn ask_to_end(&mut self) -> Result<()> {
        self.expect_running()?;
        self.signal(Signal::TERM);
        Ok(())
    }

    /// Waits until `ready`; fails when the process ends before that, or takes longer than `limit`.
    pub(crate) fn wait_until(
        mut self,
        what: &str,
        limit: Duration,
        interrupt: &Interrupt,
        ready: impl Fn() -> bool,
    ) -> Result<Self> {
        self.await_true(what, limit, interrupt, |_| ready())?;
        Ok(self)
    }

    /// As [`Process::wait_until`], for what the process itself shows.
    pub(crate) fn await_true(
        &mut self,
        what: &str,
        limit: Duration,
        interrupt: &Interrupt,
        ready: impl Fn(&Self) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !ready(self) {
            interrupt.check()?;
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended ({status}) before {what}{}",
                    self.name,
                    self.log_tail()
                );
            }
            if Instant::now() > deadline {
                bail!(
                    "{}: not true after {limit:?}: {what}{}",
                    self.name,
                    self.log_tail()
                );
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Waits for the process to end by itself, with success; what it wrote to standard output.
    pub(crate) fn finish(mut self, limit: Duration, interrupt: &Interrupt) -> Result<String> {
        let deadline = Instant::now() + limit;
        let status = loop {
            interrupt.check()?;
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                bail!(
                    "{} did not end within {limit:?}{}",
                    self.name,
                    self.log_tail()
                );
            }
            thread::sleep(POLL_INTERVAL);
        };
        self.expect_success(status)?;
        self.expect_no_strays()?;
        fs::read_to_string(&self.stdout).with_context(|| format!("no output of {}", self.name))
    }

    /// Asks the process to end and checks that it does, with success.
    pub(crate) fn stop(mut self, limit: Duration) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended by itself ({status}){}",
                self.name,
                self.log_tail()
            );
        }
        self.signal(Signal::TERM);
        match self.wait_at_most(limit)? {
            Some(status) => self.expect_success(status)?,
            None => bail!(
                "{} did not stop within {limit:?}{}",
                self.name,
                self.log_tail()
            ),
        }
        self.expect_no_strays()
    }

    fn wait_at_most(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || Instant::now() > deadline {
                return Ok(status);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn expect_success(&self, status: ExitStatus) -> Result<()> {
        if !status.success() {
            bail!("{} failed ({status}){}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// A process that ended must not leave others of its group running.
    fn expect_no_strays(&self) -> Result<()> {
        if self.group_exists() {
            bail!("{} ended and left processes running", self.name);
        }
        Ok(())
    }

    fn group_exists(&self) -> bool {
        test_kill_process_group(self.group).is_ok()
    }

    /// Nobody to signal is what we want in the end, so failures do not matter.
    fn signal(&self, signal: Signal) {
        _ = kill_process_group(self.group, signal);
    }

    /// The end of what it wrote to standard error, on lines of its own.
    fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.stderr).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        tail.iter().map(|line| format!("\n    {line}")).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.group_exists() {
            self.signal(Signal::TERM);
            _ = self.wait_at_most(KILL_AFTER);
            self.signal(Signal::KILL);
        }
        _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, logs: &tempfile::TempDir) -> Process {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        let (name, program) = ("shell".to_owned(), PathBuf::from("sh"));
        Process::start(Spec {
            name,
            program,
            arguments,
            logs: logs.path().to_owned(),
        })
        .unwrap()
    }

    fn quiet() -> Interrupt {
        Interrupt(Arc::default())
    }

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn output_of_a_process_that_ends_well_is_handed_back() {
        let logs = tempfile::tempdir().unwrap();
        assert_eq!(
            shell("echo hello", &logs).finish(LIMIT, &quiet()).unwrap(),
            "hello\n"
        );
    }

    #[test]
    fn failure_is_named_with_the_end_of_its_log() {
        let logs = tempfile::tempdir().unwrap();
        let error = shell("echo reason >&2; exit 3", &logs)
            .finish(LIMIT, &quiet())
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "shell failed (exit status: 3)\n    reason"
        );
    }

    #[test]
    fn dropped_process_takes_its_children_along() {
        let logs = tempfile::tempdir().unwrap();
        let process = shell("sleep 600 & sleep 600 & wait", &logs);
        let group = process.group;
        drop(process);
        let deadline = Instant::now() + LIMIT;
        while test_kill_process_group(group).is_ok() {
            assert!(Instant::now() < deadline, "the group is still there");
            thread::yield_now();
        }
    }

    #[test]
    fn process_that_ends_and_leaves_others_is_a_failure() {
        let logs = tempfile::tempdir().unwrap();
        let error = shell("sleep 600 & exit 0", &logs)
            .finish(LIMIT, &quiet())
            .unwrap_err();
        assert_eq!(error.to_string(), "shell ended and left processes running");
    }

    #[test]
    fn interrupt_ends_the_wait() {
        let logs = tempfile::tempdir().unwrap();
        let interrupted = Interrupt(Arc::new(AtomicBool::new(true)));
        let error = shell("sleep 600", &logs)
            .finish(LIMIT, &interrupted)
            .unwrap_err();
        assert_eq!(error.to_string(), "interrupted");
    }

    #[test]
    fn process_that_ends_before_it_is_ready_is_a_failure() {
        let logs = tempfile::tempdir().unwrap();
        let outcome = shell("exit 0", &logs).wait_until("ready", LIMIT, &quiet(), || false);
        assert!(outcome.is_err_and(|error| error.to_string().contains("before ready")));
    }
}

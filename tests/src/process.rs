//! A child process whose output is read line by line, and which never outlives its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long any single wait may take before the test fails with everything the process said.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A line the process printed, and when.
#[derive(Debug, Clone)]
pub struct Line {
    /// When it arrived here.
    pub at: Instant,
    /// Whether it came from standard error.
    pub stderr: bool,
    /// The text, without its newline.
    pub text: String,
}

#[derive(Default)]
struct Said {
    lines: Vec<Line>,
    open_pipes: usize,
}

#[derive(Default)]
struct Output {
    said: Mutex<Said>,
    changed: Condvar,
}

impl Output {
    fn push(&self, line: Line) {
        self.said.lock().expect("output lock").lines.push(line);
        self.changed.notify_all();
    }
}

/// A running child. Dropping it kills it; when the test is failing, what it printed is shown first.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
    cursor: usize,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command` in the process group of the test, so that a watchdog ends both, and begins reading both of its outputs.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(name: &str, mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name} ({command:?}): {e}"));
        let output = Arc::new(Output::default());
        read_lines(
            child.stdout.take().expect("stdout is piped"),
            false,
            &output,
        );
        read_lines(child.stderr.take().expect("stderr is piped"), true, &output);
        Self {
            name: name.to_owned(),
            child,
            output,
            cursor: 0,
            status: None,
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone already.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a pid is positive");
        kill_process(pid, signal)
            .unwrap_or_else(|e| panic!("cannot signal {}: {e}\n{}", self.name, self.transcript()));
    }

    /// kill -9, and reaps it.
    pub fn kill9(&mut self) {
        self.signal(Signal::KILL);
        self.wait_exit(PATIENCE);
    }

    /// SIGSTOP.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM, then waits for the exit.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait_exit(PATIENCE)
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When its state cannot be read.
    pub fn is_running(&mut self) -> bool {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("child state");
        }
        self.status.is_none()
    }

    /// Waits for the exit.
    ///
    /// # Panics
    /// When it does not exit within `patience`.
    pub fn wait_exit(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        let guard = Arc::clone(&self.output);
        loop {
            let exited = !self.is_running();
            if exited && guard.said.lock().expect("output lock").open_pipes == 0 {
                return self.status.expect("it exited");
            }
            if Instant::now() > deadline {
                panic!(
                    "{} did not exit within {patience:?}\n{}",
                    self.name,
                    self.transcript()
                );
            }
            let said = guard.said.lock().expect("output lock");
            drop(guard.changed.wait_timeout(said, Duration::from_millis(10)));
        }
    }

    /// Waits for an exit with status 0.
    ///
    /// # Panics
    /// When it does not exit in time, or with another status.
    pub fn expect_success(&mut self) {
        let status = self.wait_exit(PATIENCE);
        assert!(
            status.success(),
            "{} ended with {:?} (signal {:?})\n{}",
            self.name,
            status.code(),
            status.signal(),
            self.transcript()
        );
    }

    /// Waits for an exit with another status than 0, and returns everything it printed.
    ///
    /// # Panics
    /// When it does not exit in time, succeeds, or dies of a signal.
    pub fn expect_failure(&mut self) -> String {
        let status = self.wait_exit(PATIENCE);
        assert!(
            status.code().is_some_and(|code| code != 0),
            "{} should have failed, ended with {status:?}\n{}",
            self.name,
            self.transcript()
        );
        self.transcript()
    }

    /// Waits for the next line (after the last one waited for) that `accept` maps to something.
    ///
    /// # Panics
    /// When none comes within `patience`, or the process has exited and printed no such line.
    pub fn wait_line<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut accept: impl FnMut(&Line) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + patience;
        let output = Arc::clone(&self.output);
        loop {
            let exited = !self.is_running();
            let said = output.said.lock().expect("output lock");
            while let Some(line) = said.lines.get(self.cursor) {
                self.cursor += 1;
                if let Some(found) = accept(line) {
                    return found;
                }
            }
            let late = Instant::now() > deadline;
            if late || (exited && said.open_pipes == 0) {
                drop(said);
                let why = if late {
                    format!("within {patience:?}")
                } else {
                    "before it exited".into()
                };
                panic!(
                    "{} did not say {what} {why}\n{}",
                    self.name,
                    self.transcript()
                );
            }
            drop(output.changed.wait_timeout(said, Duration::from_millis(20)));
        }
    }

    /// Waits for the next JSON line whose `event` is `event`, and returns it.
    ///
    /// # Panics
    /// As [`Process::wait_line`].
    pub fn wait_event(&mut self, event: &str) -> Value {
        self.wait_event_where(event, PATIENCE, |_| true)
    }

    /// Waits for the next JSON line whose `event` is `event` and for which `accept` holds.
    ///
    /// # Panics
    /// As [`Process::wait_line`].
    pub fn wait_event_where(
        &mut self,
        event: &str,
        patience: Duration,
        accept: impl Fn(&Value) -> bool,
    ) -> Value {
        self.wait_line(&format!("event {event:?}"), patience, |line| {
            let value: Value = serde_json::from_str(&line.text).ok()?;
            (value["event"] == event && accept(&value)).then_some(value)
        })
    }

    /// Every JSON line printed so far whose `event` is `event`.
    #[must_use]
    pub fn events(&self, event: &str) -> Vec<Value> {
        let said = self.output.said.lock().expect("output lock");
        said.lines
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(&line.text).ok())
            .filter(|value| value["event"] == event)
            .collect()
    }

    /// Everything printed so far, for messages.
    #[must_use]
    pub fn transcript(&self) -> String {
        let said = self.output.said.lock().expect("output lock");
        let mut text = format!("--- {} (pid {}) printed:\n", self.name, self.child.id());
        for line in &said.lines {
            text.push_str(if line.stderr { "  err| " } else { "  out| " });
            text.push_str(&line.text);
            text.push('\n');
        }
        text
    }

    /// The pipe to its standard input, when it was asked for.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = self.transcript();
            drop(std::io::stderr().lock().write_all(text.as_bytes()));
        }
        if self.is_running() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn read_lines(pipe: impl Read + Send + 'static, stderr: bool, output: &Arc<Output>) {
    let output = Arc::clone(output);
    output.said.lock().expect("output lock").open_pipes += 1;
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            output.push(Line {
                at: Instant::now(),
                stderr,
                text,
            });
            bytes.clear();
        }
        output.said.lock().expect("output lock").open_pipes -= 1;
        output.changed.notify_all();
    });
}

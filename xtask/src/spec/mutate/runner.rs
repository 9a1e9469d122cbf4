//! One test, in a process of its own.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use super::super::proofs::Proof;
use super::cargo::Programs;
use super::embed::VARIABLE;
use crate::test::AGENT_RUNNER_VARIABLE;

/// How long a test may take beside a loaded machine; a mutant may make it hang.
const LIMIT: Duration = Duration::from_secs(90);

/// How often a test is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    TimedOut,
}

/// What tests run from.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) programs: Programs,
    /// Which `agent-runner` system tests start.
    pub(super) agent_runner: Option<PathBuf>,
}

impl Runner {
    /// Runs a test with this mutant in force; 0 is none. What fails for another reason than the mutant,
    /// as beside a loaded machine, passes the second time.
    pub(super) fn outcome(&self, test: &Proof, mutant: u32) -> Result<Outcome> {
        match self.run(test, mutant)?.0 {
            Outcome::Failed => Ok(self.run(test, mutant)?.0),
            outcome => Ok(outcome),
        }
    }

    /// How a test ended, and what it printed.
    pub(super) fn run(&self, test: &Proof, mutant: u32) -> Result<(Outcome, String)> {
        let program = self
            .programs
            .get(&test.binary)
            .with_context(|| format!("cargo built no {}", test.binary))?;
        let mut output = tempfile::tempfile().context("cannot create a temporary file")?;
        let mut command = Command::new(&program.path);
        command
            .args(["--exact", &test.test])
            .current_dir(&program.directory)
            .env("CARGO_MANIFEST_DIR", &program.directory)
            .env(VARIABLE, mutant.to_string())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .process_group(0);
        if let Some(agent_runner) = &self.agent_runner {
            command.env(AGENT_RUNNER_VARIABLE, agent_runner);
        }
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {}", program.path.display()))?;
        let group = Pid::from_child(&child);
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            match child.try_wait()? {
                Some(status) => break Some(status),
                None if Instant::now() >= deadline => break None,
                None => thread::sleep(POLL_INTERVAL),
            }
        };
        // What it started, and itself if it is still there; a group that is gone is as good.
        let _ = kill_process_group(group, Signal::KILL);
        child.wait()?;
        let text = text_of(&mut output)?;
        let outcome = match status {
            None => Outcome::TimedOut,
            Some(status) if status.success() && text.contains("1 passed") => Outcome::Passed,
            Some(_) => Outcome::Failed,
        };
        Ok((outcome, text))
    }
}

fn text_of(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::cargo::Program;
    use super::*;
    use crate::spec::example;

    /// A test binary that is a shell script.
    fn run(script: &str) -> (Outcome, String) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let proof = example::proofs()[0].clone();
        let program = Program {
            binary: proof.binary.clone(),
            path,
            directory: dir.path().to_owned(),
        };
        let runner = Runner {
            programs: Programs::from([(proof.binary.clone(), program)]),
            agent_runner: None,
        };
        runner.run(&proof, 7).unwrap()
    }

    #[test]
    fn a_test_passes_if_it_ran_and_said_so() {
        assert_eq!(run("echo 'ok. 1 passed'").0, Outcome::Passed);
        assert_eq!(run("echo 'ok. 0 passed'").0, Outcome::Failed);
        assert_eq!(run("echo '1 passed'; exit 101").0, Outcome::Failed);
    }

    #[test]
    fn it_is_told_its_name_and_the_mutant() {
        let (_, output) = run("echo $1 $TENSORPOOL_MUTANT");
        assert_eq!(output.trim(), "--exact 7");
    }
}

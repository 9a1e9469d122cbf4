//! A stage for plays with real processes: one directory in shared memory, `agent-runner` on it, and
//! what is left when they are done.

mod processes;
pub(crate) mod summary;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

pub(crate) use self::processes::{Interrupt, Process, Spec};
use crate::shell::Cmd;
use crate::test::{AGENT_RUNNER_VARIABLE, executable};

/// How long a process may take to start, or to stop when asked.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Builds a release of `agent-runner`, and says where it is; nothing is built when the environment
/// says what to play with.
pub(crate) fn build() -> Result<PathBuf> {
    if let Some(program) = env::var_os(AGENT_RUNNER_VARIABLE) {
        let program = PathBuf::from(program);
        return program
            .canonicalize()
            .with_context(|| format!("{AGENT_RUNNER_VARIABLE}={}", program.display()));
    }
    let build = Cmd::cargo("build --release --package agent-runner --bin agent-runner");
    executable(build, "agent-runner")
}

/// A directory to play in. Removed when dropped; [`Stage::remove`] also checks that it is gone.
pub(crate) struct Stage {
    dir: TempDir,
    program: PathBuf,
}

impl Stage {
    /// A directory whose name begins with `prefix`, for plays of `program`.
    pub(crate) fn create(prefix: &str, program: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in("/dev/shm")
            .context("cannot create a directory in /dev/shm")?;
        let stage = Self {
            dir,
            program: program.to_owned(),
        };
        for each in [stage.pools(), stage.logs()] {
            fs::create_dir(&each).with_context(|| format!("cannot create {}", each.display()))?;
        }
        Ok(stage)
    }

    /// Writes a configuration, in which `@BASE@` is where the pools go; gives its path.
    pub(crate) fn configure(&self, name: &str, config: &str) -> Result<PathBuf> {
        let path = self.dir.path().join(name);
        let config = config.replace("@BASE@", &self.pools().to_string_lossy());
        fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// A command on this stage's Aeron directory; the user's environment has no say.
    pub(crate) fn command(&self, name: &str, arguments: &[&str]) -> Spec {
        let aeron = self.aeron().display().to_string();
        let common = ["--no-env", "--aeron-dir", &aeron];
        let arguments = arguments
            .iter()
            .chain(&common)
            .map(|&each| each.to_owned())
            .collect();
        Spec {
            name: name.to_owned(),
            program: self.program.clone(),
            arguments,
            logs: self.logs(),
        }
    }

    /// Starts a media driver and waits until it is up.
    pub(crate) fn start_media_driver(&self, interrupt: &Interrupt) -> Result<Process> {
        let media_driver = Process::start(self.command("media driver", &["run", "media-driver"]))?;
        let ready = || fs::metadata(self.aeron().join("cnc.dat")).is_ok_and(|file| file.len() > 0);
        media_driver.wait_until("its control file is there", PATIENCE, interrupt, ready)
    }

    /// Starts a driver, or a supervisor, and waits until it says that it is ready.
    pub(crate) fn start_role(
        &self,
        role: &str,
        name: &str,
        config: &Path,
        interrupt: &Interrupt,
    ) -> Result<Process> {
        let config = config.display().to_string();
        let mut process = Process::start(self.command(name, &["run", role, "--config", &config]))?;
        let ready = format!("{role} ready");
        process.await_true("it says that it is ready", PATIENCE, interrupt, |process| {
            process.said().contains(&ready)
        })?;
        Ok(process)
    }

    /// What the pools take of /dev/shm, as allocated rather than as long as the files are.
    pub(crate) fn pool_bytes(&self) -> Result<u64> {
        allocated_bytes(&self.pools())
    }

    /// Prints what every process wrote last, to find out why one failed.
    pub(crate) fn print_logs(&self) {
        let logs = fs::read_dir(self.logs()).into_iter().flatten().flatten();
        let mut logs: Vec<PathBuf> = logs.map(|log| log.path()).collect();
        logs.sort();
        for log in logs {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let name = log.file_name().unwrap_or_default().display();
            println!("\n-- {name}: the last of {} lines", lines.len());
            lines
                .iter()
                .skip(lines.len().saturating_sub(10))
                .for_each(|line| println!("{line}"));
        }
    }

    /// What drivers and media drivers that ended in order should have removed themselves.
    pub(crate) fn left_behind(&self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        files(&self.pools(), &mut left);
        files(&self.aeron(), &mut left);
        left
    }

    /// Removes everything, and checks that it is gone.
    pub(crate) fn remove(self) -> Result<()> {
        let path = self.dir.path().to_owned();
        self.dir
            .close()
            .with_context(|| format!("cannot remove {}", path.display()))?;
        if path.exists() {
            bail!("{} was left behind", path.display());
        }
        Ok(())
    }

    /// Where regions go.
    pub(crate) fn pools(&self) -> PathBuf {
        self.dir.path().join("pools")
    }

    fn aeron(&self) -> PathBuf {
        self.dir.path().join("aeron")
    }

    fn logs(&self) -> PathBuf {
        self.dir.path().join("logs")
    }
}

/// Everything below `dir` that is no directory.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files(&path, found),
            path => found.push(path),
        }
    }
}

/// Bytes of all files below `dir`. Files that vanish meanwhile count as nothing.
fn allocated_bytes(dir: &Path) -> Result<u64> {
    /// What `st_blocks` counts in.
    const BLOCK_BYTES: u64 = 512;
    let mut total = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => total += allocated_bytes(&entry.path())?,
            Ok(metadata) => total += metadata.blocks() * BLOCK_BYTES,
            Err(_) => {}
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> Stage {
        Stage::create("tp-stage-", Path::new("agent-runner")).unwrap()
    }

    #[test]
    fn stage_leaves_nothing_behind() {
        let stage = stage();
        let path = stage.dir.path().to_owned();
        fs::write(stage.logs().join("a.out"), "text").unwrap();
        assert!(stage.left_behind().is_empty(), "logs are ours");
        stage.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn regions_and_counters_that_nobody_removed_are_found() {
        let stage = stage();
        let files = [
            stage.pools().join("a/b/header.ring"),
            stage.aeron().join("cnc.dat"),
        ];
        for file in &files {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        assert_eq!(stage.left_behind(), files);
    }

    #[test]
    fn configuration_names_the_stage() {
        let stage = stage();
        let path = stage
            .configure("a.toml", "[shm]\nbase_dir = \"@BASE@\"")
            .unwrap();
        let config = fs::read_to_string(path)
            .unwrap()
            .parse::<toml::Table>()
            .unwrap();
        assert_eq!(config["shm"]["base_dir"].as_str(), stage.pools().to_str());
    }

    #[test]
    fn sparse_file_counts_what_it_takes() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let file = fs::File::create(dir.path().join("pool")).unwrap();
        file.set_len(1 << 20).unwrap();
        assert_eq!(allocated_bytes(dir.path()).unwrap(), 0);
        fs::write(dir.path().join("header"), [1; 4096]).unwrap();
        assert_eq!(allocated_bytes(dir.path()).unwrap(), 4096);
    }
}

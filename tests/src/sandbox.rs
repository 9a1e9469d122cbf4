//! A place of its own for every test: an Aeron directory, a shared-memory base directory and a configuration.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::process::Process;

/// A payload pool of the sandbox's driver.
#[derive(Debug, Clone, Copy)]
pub struct PoolConfig {
    /// Pool id.
    pub id: u16,
    /// Bytes of one slot.
    pub stride_bytes: u32,
}

/// A stream of the sandbox's driver.
#[derive(Debug, Clone)]
pub struct StreamConfig {
    /// Stream id.
    pub stream_id: u32,
    /// Slots of the header ring and of every pool.
    pub slot_count: u32,
    /// Payload pools.
    pub pools: Vec<PoolConfig>,
}

impl StreamConfig {
    /// Stream 10000 with one pool.
    #[must_use]
    pub fn one_pool(slot_count: u32, stride_bytes: u32) -> Self {
        Self {
            stream_id: 10_000,
            slot_count,
            pools: vec![PoolConfig {
                id: 1,
                stride_bytes,
            }],
        }
    }
}

/// Directories under /dev/shm with short names, removed at the end.
pub struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    /// A fresh sandbox.
    ///
    /// # Panics
    /// When its directory cannot be made.
    #[must_use]
    pub fn new() -> Self {
        Self::within(Path::new("/dev/shm"))
    }

    /// A fresh sandbox under `parent`.
    ///
    /// # Panics
    /// When its directory cannot be made.
    #[must_use]
    pub fn within(parent: &Path) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("tp-")
            .rand_bytes(6)
            .tempdir_in(parent)
            .unwrap_or_else(|e| panic!("no sandbox under {}: {e}", parent.display()));
        std::fs::create_dir(dir.path().join("s")).expect("shm base directory");
        Self { dir }
    }

    /// The sandbox's own directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where the media driver lives.
    #[must_use]
    pub fn aeron_dir(&self) -> PathBuf {
        self.dir.path().join("a")
    }

    /// `shm.base_dir` of the configuration.
    #[must_use]
    pub fn base_dir(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// Writes a driver configuration with these streams, and returns its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn config(&self, streams: &[StreamConfig]) -> PathBuf {
        self.config_with(streams, "")
    }

    /// As [`Sandbox::config`], with more lines for the `[policies]` table.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn config_with(&self, streams: &[StreamConfig], policies: &str) -> PathBuf {
        let mut text = format!(
            "[driver]\ninstance_id = \"test\"\n\n[shm]\nbase_dir = \"{}\"\n\n[policies]\n{policies}\n",
            self.base_dir().display()
        );
        for stream in streams {
            let id = stream.stream_id;
            write!(
                text,
                "\n[profiles.p{id}]\nheader_nslots = {}\n\n[streams.s{id}]\nstream_id = {id}\nprofile = \"p{id}\"\n",
                stream.slot_count
            )
            .expect("writing to a string");
            for pool in &stream.pools {
                write!(
                    text,
                    "\n[[profiles.p{id}.payload_pools]]\npool_id = {}\nstride_bytes = {}\n",
                    pool.id, pool.stride_bytes
                )
                .expect("writing to a string");
            }
        }
        self.write("tensorpool.toml", &text)
    }

    /// Writes a file into the sandbox.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, contents).expect("sandbox file");
        path
    }

    /// `agent-runner` with `args`, in this sandbox, not started yet.
    #[must_use]
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(agent_runner());
        command
            .args(args)
            .env("AERON_DIR", self.aeron_dir())
            .current_dir(self.dir.path());
        command
    }

    /// Starts `agent-runner` with `args` in this sandbox.
    #[must_use]
    pub fn spawn<S: AsRef<OsStr>>(&self, name: &str, args: impl IntoIterator<Item = S>) -> Process {
        Process::spawn(name, self.command(args))
    }

    /// Starts a media driver of its own and waits until it is ready.
    #[must_use]
    pub fn media_driver(&self) -> Process {
        let mut process = self.spawn("media-driver", ["run", "media-driver", "--json"]);
        process.wait_event("ready");
        process
    }

    /// Starts a driver with `config` and waits until it is ready.
    #[must_use]
    pub fn driver(&self, config: &Path) -> Process {
        let args = [
            OsStr::new("run"),
            "driver".as_ref(),
            "--json".as_ref(),
            "--config".as_ref(),
        ];
        let mut process = self.spawn("driver", args.into_iter().chain([config.as_os_str()]));
        process.wait_event("ready");
        process
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// An example of the library, built beside `agent-runner`.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    let path = agent_runner().with_file_name("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: run the tests with `cargo xtask test`, or `cargo build -p tensorpool --examples` first",
        path.display()
    );
    path
}

/// The binary under test, built beside the test executable.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn agent_runner() -> PathBuf {
    if let Some(path) = std::env::var_os("AGENT_RUNNER") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("path of this test");
    let profile_dir = test
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps/<test>");
    let path = profile_dir.join("agent-runner");
    assert!(
        path.exists(),
        "{} is missing: run the tests with `cargo xtask test`, or `cargo build -p agent-runner` first",
        path.display()
    );
    path
}

//! A media driver, a base directory and drivers on them; everything gone at the end.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tensorpool::driver::{DriverAgent, DriverConfig, DriverSetup, Endpoint, Leftovers};
use tensorpool_codecs::types::StreamId;
use tensorpool_runtime::counters::CounterSet;
use tensorpool_runtime::{AgentError, AgentExit, AgentRunner, RunnerConfig};
use tensorpool_transport::media_driver::{EmbeddedMediaDriver, MediaDriverConfig};

use super::client::Client;

pub(crate) const STREAM: u32 = 10_000;
/// How long anything may take.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(20);

pub(crate) struct Fixture {
    media_driver: Option<EmbeddedMediaDriver>,
    dir: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("tpd")
            .tempdir_in("/dev/shm")
            .unwrap();
        std::fs::create_dir(dir.path().join("s")).unwrap();
        let mut fixture = Self {
            media_driver: None,
            dir,
        };
        fixture.restart_media_driver();
        fixture
    }

    pub(crate) fn restart_media_driver(&mut self) {
        self.stop_media_driver();
        let config = MediaDriverConfig::for_dir(&self.aeron_dir());
        self.media_driver = Some(EmbeddedMediaDriver::start(config).unwrap());
    }

    pub(crate) fn stop_media_driver(&mut self) {
        self.media_driver = None;
    }

    pub(crate) fn aeron_dir(&self) -> PathBuf {
        self.dir.path().join("a")
    }

    /// Two small pools on one stream.
    pub(crate) fn config(&self) -> DriverConfig {
        let endpoint = |stream_id| Endpoint {
            channel: "aeron:ipc?term-length=64k".parse().unwrap(),
            stream_id,
        };
        let mut config = DriverConfig {
            instance_id: "test".into(),
            aeron_dir: self.aeron_dir(),
            control: endpoint(1000),
            announce: endpoint(1001),
            base_dir: self.dir.path().join("s"),
            ..DriverConfig::default()
        };
        config
            .add_stream(StreamId::new(STREAM), 8, &[(1, 4096), (2, 65_536)])
            .unwrap();
        config
    }

    /// A driver on a thread of its own, up and connected.
    pub(crate) fn driver(&self, change: impl FnOnce(&mut DriverConfig)) -> Driver {
        let mut config = self.config();
        change(&mut config);
        let setup = DriverSetup::prepare(config).unwrap();
        let counters = setup.counters().clone();
        let leftovers = setup.leftovers().clone();
        let runner = AgentRunner::spawn(RunnerConfig::new("driver"), move |_| {
            DriverAgent::new(setup).map_err(|error| AgentError::terminate("driver", error))
        });
        let driver = Driver {
            runner: runner.unwrap(),
            counters,
            leftovers,
        };
        let mut client = self.client();
        client.wait_until("the driver is ready", |_| driver.counter("Ready") == 1);
        driver
    }

    /// A client of a driver configured as [`config`](Self::config) says.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.config())
    }

    /// Epochs of the stream that have a directory, ascending.
    pub(crate) fn epochs(&self) -> Vec<u64> {
        self.epochs_of(STREAM)
    }

    /// Epochs of any stream that have a directory, ascending.
    pub(crate) fn epochs_of(&self, stream_id: u32) -> Vec<u64> {
        let user = tensorpool_shm::paths::UserName::current().dir_name();
        let path = self
            .dir
            .path()
            .join("s")
            .join(user)
            .join("default")
            .join(stream_id.to_string());
        let Ok(entries) = std::fs::read_dir(path) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut epochs: Vec<u64> = names.map(|name| name.parse().unwrap()).collect();
        epochs.sort_unstable();
        epochs
    }
}

/// A running driver.
pub(crate) struct Driver {
    runner: AgentRunner,
    counters: CounterSet,
    pub(crate) leftovers: Leftovers,
}

impl Driver {
    pub(crate) fn counter(&self, label: &str) -> u64 {
        self.counters.value_of(label).unwrap()
    }

    /// Waits for it to end because it wants to.
    pub(crate) fn ended_by_itself(&mut self) -> bool {
        matches!(self.runner.wait(WATCHDOG), Ok(AgentExit::Terminated(_)))
    }

    /// Ends it cleanly.
    pub(crate) fn close(&mut self) {
        let errors = self.runner.errors().clone();
        let exit = self.runner.close(WATCHDOG).unwrap();
        assert!(exit.is_clean(), "{exit}; {:?}", errors.snapshot());
    }
}

//! A media driver and a driver for tests of the client, all in this process.

use std::path::PathBuf;
use std::time::Duration;

use tensorpool::client::{Client, ClientConfig};
use tensorpool::codecs::types::StreamId;
use tensorpool::driver::{DriverAgent, DriverConfig, DriverSetup};
use tensorpool::runtime::{AgentError, AgentRunner, RunnerConfig};
use tensorpool::transport::media_driver::{EmbeddedMediaDriver, MediaDriverConfig};

pub(crate) const STREAM: StreamId = StreamId::new(10_000);
pub(crate) const WAIT: Duration = Duration::from_secs(10);
pub(crate) const SLOTS: u32 = 8;

/// A media driver and a driver in a directory of their own.
pub(crate) struct World {
    pub(crate) driver: Option<AgentRunner>,
    pub(crate) media: Option<EmbeddedMediaDriver>,
    pub(crate) dir: tempfile::TempDir,
    change_driver: Box<dyn Fn(&mut DriverConfig)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With changes to what the driver is told.
    pub(crate) fn with(change_driver: impl Fn(&mut DriverConfig) + 'static) -> Self {
        let mut world = Self::without_driver();
        world.change_driver = Box::new(change_driver);
        world.start_driver();
        world
    }

    /// A media driver only.
    pub(crate) fn without_driver() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("tp-client-")
            .tempdir_in("/dev/shm")
            .unwrap();
        std::fs::create_dir(dir.path().join("pools")).unwrap();
        let mut world = Self {
            driver: None,
            media: None,
            dir,
            change_driver: Box::new(|_| ()),
        };
        world.start_media_driver();
        world
    }

    pub(crate) fn aeron_dir(&self) -> PathBuf {
        self.dir.path().join("aeron")
    }

    pub(crate) fn start_media_driver(&mut self) {
        let media = EmbeddedMediaDriver::start(MediaDriverConfig {
            dir: self.aeron_dir(),
            ..MediaDriverConfig::default()
        });
        self.media = Some(media.unwrap());
    }

    pub(crate) fn start_driver(&mut self) {
        let mut config = DriverConfig {
            aeron_dir: self.aeron_dir(),
            base_dir: self.dir.path().join("pools"),
            ..DriverConfig::default()
        };
        config
            .add_stream(STREAM, SLOTS, &[(1, 1024), (2, 64 << 10)])
            .unwrap();
        (self.change_driver)(&mut config);
        let setup = DriverSetup::prepare(config).unwrap();
        let runner = AgentRunner::spawn(RunnerConfig::new("driver"), move |_| {
            DriverAgent::new(setup).map_err(|error| AgentError::terminate("driver", error))
        });
        self.driver = Some(runner.unwrap());
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        ClientConfig {
            allowed_base_dirs: vec![self.dir.path().join("pools")],
            ..ClientConfig::for_dir(self.aeron_dir())
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.client_config()).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.driver = None;
        self.media = None;
    }
}

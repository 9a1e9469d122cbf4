//! A media driver and a driver for one measurement, in a directory of their own that goes with them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tensorpool::codecs::types::StreamId;
use tensorpool::driver::{DriverAgent, DriverConfig, DriverSetup};
use tensorpool::runtime::{AgentError, AgentRunner, IdleStrategy, RunnerConfig};
use tensorpool::transport::media_driver::{EmbeddedMediaDriver, MediaDriverConfig};

use crate::endpoints::{FRAME_STREAMS, aeron_dir, region_dir};
use crate::plan::FramesPlan;

/// What the threads of a driver are called.
pub(crate) const DRIVER_THREADS: [&str; 2] = ["driver", "driver-regions"];

const DRIVER_CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Dropped in this order: the driver takes its regions away, the media driver its logs, and the
/// directory goes with whatever dead processes left in it.
pub(crate) struct World {
    driver: Option<AgentRunner>,
    media: Option<EmbeddedMediaDriver>,
    dir: TempDir,
}

impl World {
    /// An empty directory below `base_dir`.
    pub(crate) fn new(base_dir: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tpb-").tempdir_in(base_dir);
        let dir = dir.with_context(|| format!("no directory below {}", base_dir.display()))?;
        Ok(Self {
            driver: None,
            media: None,
            dir,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// One thread for all of Aeron's driver, backing off: as on a machine with few cores.
    pub(crate) fn start_media_driver(&mut self) -> Result<()> {
        let media = EmbeddedMediaDriver::start(MediaDriverConfig {
            dir: aeron_dir(self.path()),
            ..MediaDriverConfig::default()
        });
        self.media = Some(media.context("no media driver")?);
        Ok(())
    }

    /// A driver that serves this many streams; the first two are those frames go through.
    pub(crate) fn start_driver(&mut self, frames: &FramesPlan) -> Result<()> {
        let base_dir = region_dir(self.path());
        std::fs::create_dir(&base_dir)?;
        let mut config = DriverConfig {
            aeron_dir: aeron_dir(self.path()),
            base_dir,
            // What was used is given back at once: large regions fill a small /dev/shm.
            kept_epochs: 1,
            ..DriverConfig::default()
        };
        let pools = frames.strides.iter().zip(1..);
        let pools: Vec<(u16, u32)> = pools.map(|(&stride, id)| (id, stride)).collect();
        let last = FRAME_STREAMS[0] + u32::try_from(frames.streams.max(FRAME_STREAMS.len()))?;
        for stream_id in FRAME_STREAMS[0]..last {
            let is_used = FRAME_STREAMS.contains(&stream_id);
            let stream_id = StreamId::new(stream_id);
            match is_used {
                true => config.add_stream(stream_id, frames.slots, &pools)?,
                false => config.add_stream(stream_id, 4, &[(1, 64)])?,
            }
        }
        let setup = DriverSetup::prepare(config).context("no driver")?;
        let config = RunnerConfig {
            idle: IdleStrategy::PATIENT_BACKOFF,
            ..RunnerConfig::new(DRIVER_THREADS[0])
        };
        let runner = AgentRunner::spawn(config, move |_| {
            DriverAgent::new(setup).map_err(|error| AgentError::terminate("driver", error))
        });
        self.driver = Some(runner.context("no driver")?);
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(driver) = &mut self.driver {
            // A driver that is stuck goes with the process; its directory goes below.
            let _stuck = driver.close(DRIVER_CLOSE_TIMEOUT);
        }
        self.driver = None;
        self.media = None;
    }
}

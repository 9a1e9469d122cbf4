//! A media driver's life: start, close, clean up.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::link::core::FileId;
use crate::link::watcher::file_id;
use crate::native::driver::NativeDriver;
use crate::native::error::NativeError;

use super::config::MediaDriverConfig;
use super::takeover;

/// Why a media driver could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaDriverError {
    /// There is a live one in the directory.
    #[error(
        "a media driver (pid {pid}) is running in {dir:?}; use it (--aeron-dir) or choose another directory"
    )]
    DriverIsRunning {
        /// The directory.
        dir: PathBuf,
        /// Its process; 0 when it has not said yet.
        pid: i64,
    },
    /// There is a dead one's directory, and it was not to be removed.
    #[error("{dir:?} was left by a media driver that is dead; remove it or set delete_on_start")]
    Stale {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory holds something that no media driver put there.
    #[error(
        "{dir:?} contains {entry:?}, which is not Aeron's; a media driver needs a directory of its own"
    )]
    NotAeron {
        /// The directory.
        dir: PathBuf,
        /// The first such entry.
        entry: PathBuf,
    },
    /// The directory cannot be read, locked or removed, or its name cannot be passed to Aeron.
    #[error("Aeron directory {dir:?}: {source}")]
    Dir {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Aeron refused its settings or could not create its files.
    #[error("the media driver in {dir:?} could not be started: {source}")]
    Aeron {
        /// The directory.
        dir: PathBuf,
        /// What Aeron said.
        source: NativeError,
    },
}

/// A media driver in this process, on threads of its own. Installs no signal handler. Dropping it closes it:
/// its threads end, its directory is removed (unless configured otherwise), and links of its clients are lost.
#[derive(Debug)]
pub struct EmbeddedMediaDriver {
    native: Option<NativeDriver>,
    config: MediaDriverConfig,
    lock: Option<File>,
    /// Our CnC file: if the directory holds another one by then, it is not ours to remove.
    cnc: Option<FileId>,
}

impl EmbeddedMediaDriver {
    /// Starts a media driver; takes about 10 ms, and up to 2.5 s more to make sure that a foreign driver
    /// whose process cannot be seen is dead.
    ///
    /// # Errors
    /// When the directory is not free, or Aeron refuses; what was created until then is removed.
    pub fn start(config: MediaDriverConfig) -> Result<Self, MediaDriverError> {
        let dir = config.dir.clone();
        let c_dir = crate::link::c_path(&dir).ok_or_else(|| MediaDriverError::Dir {
            dir: dir.clone(),
            source: io::Error::new(
                io::ErrorKind::InvalidInput,
                "empty, too long, or contains a NUL",
            ),
        })?;
        let of_dir = |source| MediaDriverError::Dir {
            dir: dir.clone(),
            source,
        };
        let _guard = takeover::StartGuard::acquire(&dir).map_err(of_dir)?;
        takeover::prepare(&dir, config.delete_on_start)?;
        let native = NativeDriver::start(config.settings(c_dir)).map_err(|source| {
            // What Aeron had created by then goes, unless a foreign driver was faster and lives there now.
            let _ = takeover::prepare(&dir, true);
            MediaDriverError::Aeron {
                dir: dir.clone(),
                source,
            }
        })?;
        let (lock, cnc) = takeover::lock(&dir).map_err(of_dir)?;
        Ok(Self {
            native: Some(native),
            config,
            lock: Some(lock),
            cnc,
        })
    }

    /// Its directory, for [`LinkConfig::dir`](crate::LinkConfig::dir).
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.config.dir
    }

    /// How it was set up.
    #[must_use]
    pub fn config(&self) -> &MediaDriverConfig {
        &self.config
    }

    /// Ends its threads and removes its directory, as configured. The same as dropping it.
    pub fn close(self) {}
}

impl Drop for EmbeddedMediaDriver {
    fn drop(&mut self) {
        let Some(native) = self.native.take() else {
            return;
        };
        drop(native);
        let dir = &self.config.dir;
        let is_ours = self.cnc.is_some() && file_id(&dir.join("cnc.dat")) == self.cnc;
        if self.config.delete_on_close && is_ours {
            // A directory that cannot be removed is stale from now on, and the next start says so.
            let _ = fs::remove_dir_all(dir);
        }
        drop(self.lock.take());
    }
}

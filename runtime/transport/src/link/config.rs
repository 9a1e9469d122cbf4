//! How a link is set up.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::native::client::ClientSettings;

use super::core::CoreConfig;

/// How a link is set up. The defaults suit any media driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// The media driver's directory; see [`crate::default_dir`] for the default.
    pub dir: PathBuf,
    /// Shown in the media driver's counters; at most 100 bytes.
    pub client_name: String,
    /// A media driver that has not beaten for this long is lost. A default `aeronmd` beats once a second.
    pub heartbeat_timeout_ns: u64,
    /// How often the directory is looked at.
    pub observe_interval_ns: u64,
    /// How often counter values are copied to the media driver's CnC file.
    pub counter_interval_ns: u64,
    /// Between attempts to connect: doubles from the first to the second value.
    pub connect_retry_ns: (u64, u64),
    /// Between attempts to add a resource the media driver refused: doubles from the first to the second.
    pub add_retry_ns: (u64, u64),
    /// How often the client tells the media driver that it lives.
    pub keepalive_interval_ns: u64,
    /// Aeron's own limit for an answer of the media driver, in milliseconds.
    pub driver_timeout_ms: u64,
    /// Touches every page of a log when it is mapped.
    pub pre_touch_logs: bool,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            dir: crate::default_dir(),
            client_name: "tensorpool".into(),
            heartbeat_timeout_ns: 2_000_000_000,
            observe_interval_ns: 10_000_000,
            counter_interval_ns: 100_000_000,
            connect_retry_ns: (20_000_000, 1_000_000_000),
            add_retry_ns: (50_000_000, 5_000_000_000),
            keepalive_interval_ns: 200_000_000,
            driver_timeout_ms: 5_000,
            pre_touch_logs: false,
        }
    }
}

/// Why a link could not be set up. That there is no media driver is not among the reasons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The directory cannot be passed to Aeron.
    #[error("Aeron directory {dir:?} is empty, contains a NUL or is longer than {max} bytes", max = LinkConfig::MAX_DIR_LEN)]
    Dir {
        /// What was given.
        dir: PathBuf,
    },
    /// The name cannot be passed to Aeron.
    #[error("client name {name:?} contains a NUL or is longer than {max} bytes", max = LinkConfig::MAX_NAME_LEN)]
    Name {
        /// What was given.
        name: String,
    },
    /// A time that must not be zero, or an order that must hold.
    #[error("{name} is {given} ns; expected {expected}")]
    Time {
        /// The setting.
        name: &'static str,
        /// Its value.
        given: u64,
        /// What it should be.
        expected: &'static str,
    },
}

impl LinkConfig {
    /// Aeron appends file names of its own and has 4,096 bytes for all.
    pub const MAX_DIR_LEN: usize = 3_800;
    /// Aeron's limit.
    pub const MAX_NAME_LEN: usize = 100;

    /// The defaults for a directory.
    #[must_use]
    pub fn for_dir(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn validate(&self) -> Result<(), LinkError> {
        c_path(&self.dir).ok_or_else(|| LinkError::Dir {
            dir: self.dir.clone(),
        })?;
        if self.client_name.len() > Self::MAX_NAME_LEN || self.client_name.contains('\0') {
            return Err(LinkError::Name {
                name: self.client_name.clone(),
            });
        }
        let heartbeat = self.heartbeat_timeout_ns;
        let checks = [
            (
                "heartbeat_timeout_ns",
                heartbeat,
                heartbeat >= 200_000_000,
                "at least 200 ms",
            ),
            (
                "observe_interval_ns",
                self.observe_interval_ns,
                self.observe_interval_ns <= heartbeat / 4,
                "at most a quarter of heartbeat_timeout_ns",
            ),
            (
                "connect_retry_ns",
                self.connect_retry_ns.0,
                is_backoff(self.connect_retry_ns),
                "0 < first <= second",
            ),
            (
                "add_retry_ns",
                self.add_retry_ns.0,
                is_backoff(self.add_retry_ns),
                "0 < first <= second",
            ),
            (
                "keepalive_interval_ns",
                self.keepalive_interval_ns,
                self.keepalive_interval_ns > 0,
                "more than 0",
            ),
        ];
        match checks.into_iter().find(|(_, _, holds, _)| !holds) {
            Some((name, given, _, expected)) => Err(LinkError::Time {
                name,
                given,
                expected,
            }),
            None => Ok(()),
        }
    }

    pub(crate) fn core(&self) -> CoreConfig {
        CoreConfig {
            heartbeat_timeout_ns: self.heartbeat_timeout_ns,
            connect_retry_min_ns: self.connect_retry_ns.0,
            connect_retry_max_ns: self.connect_retry_ns.1,
        }
    }

    pub(crate) fn client_settings(&self) -> ClientSettings {
        ClientSettings {
            dir: c_path(&self.dir).unwrap_or_default(),
            client_name: CString::new(self.client_name.as_str()).unwrap_or_default(),
            driver_timeout_ms: self.driver_timeout_ms,
            keepalive_interval_ns: self.keepalive_interval_ns,
            pre_touch: self.pre_touch_logs,
        }
    }
}

fn is_backoff((first, second): (u64, u64)) -> bool {
    first > 0 && first <= second
}

/// A path as Aeron takes it, unless it cannot.
pub(crate) fn c_path(path: &Path) -> Option<CString> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.len() > LinkConfig::MAX_DIR_LEN {
        return None;
    }
    CString::new(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{LinkConfig, LinkError};

    #[test]
    fn the_defaults_are_valid() {
        LinkConfig::for_dir(Path::new("/dev/shm/x"))
            .validate()
            .unwrap();
    }

    #[test]
    fn settings_aeron_cannot_take_are_refused() {
        let config = LinkConfig::for_dir(Path::new("/dev/shm/x"));
        let with = |change: fn(&mut LinkConfig)| {
            let mut config = config.clone();
            change(&mut config);
            config.validate().unwrap_err()
        };
        assert!(matches!(with(|c| c.dir = "".into()), LinkError::Dir { .. }));
        assert!(matches!(
            with(|c| c.dir = "/x\0y".into()),
            LinkError::Dir { .. }
        ));
        assert!(matches!(
            with(|c| c.client_name = "n".repeat(101)),
            LinkError::Name { .. }
        ));
        assert!(matches!(
            with(|c| c.heartbeat_timeout_ns = 1),
            LinkError::Time {
                name: "heartbeat_timeout_ns",
                ..
            }
        ));
        assert!(matches!(
            with(|c| c.add_retry_ns = (2, 1)),
            LinkError::Time {
                name: "add_retry_ns",
                ..
            }
        ));
    }
}

//! A media driver seen from outside: who it is, whether it beats, its counters, errors and stream positions.
//!
//! Read-only, from its CnC file; needs no client and no link.

use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::io::Errno;

use crate::link::core::{Observation, ProcessState};
use crate::link::watcher::{Watcher, denial, realtime_ms};
use crate::native::cnc::NativeCnc;
use crate::native::error::NativeError;

/// Why a CnC file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CncError {
    /// The directory's name cannot be passed to Aeron.
    #[error("Aeron directory {dir:?} is empty, too long, or contains a NUL")]
    Dir {
        /// The directory.
        dir: PathBuf,
    },
    /// There is none.
    #[error("no media driver in {dir:?}: cnc.dat not found; start one or pass its directory")]
    NoDriver {
        /// The directory.
        dir: PathBuf,
    },
    /// This user may not open it.
    #[error("the media driver in {dir:?} may not be used: {reason}")]
    Denied {
        /// The directory.
        dir: PathBuf,
        /// Who is refused, and by what.
        reason: String,
    },
    /// It is being written, or of a version this crate does not read.
    #[error("cnc.dat in {dir:?} cannot be read: {source}")]
    Unusable {
        /// The directory.
        dir: PathBuf,
        /// What Aeron said.
        source: NativeError,
    },
}

/// A labelled counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterReading {
    /// Its number in the CnC file; reused after it was freed.
    pub id: i32,
    /// What it counts: Aeron's numbers, or an application's.
    pub type_id: i32,
    /// Its value.
    pub value: i64,
    /// Bytes that identify it among its type, as its owner chose them.
    pub key: Vec<u8>,
    /// Text for people.
    pub label: String,
}

/// A distinct error of a media driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReading {
    /// How often it occurred.
    pub count: i32,
    /// When first, in milliseconds of the realtime clock.
    pub first_ms: i64,
    /// When last.
    pub last_ms: i64,
    /// What it says.
    pub text: String,
}

/// What a stream position counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionKind {
    /// How far the publisher may write.
    PublisherLimit,
    /// How far it has written.
    Publisher,
    /// How far a subscriber has read.
    Subscriber,
}

/// A position of a stream, from Aeron's own counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPosition {
    /// Whose.
    pub kind: PositionKind,
    /// The publication or subscription it belongs to.
    pub registration_id: i64,
    /// The publication's session.
    pub session_id: i32,
    /// The Aeron stream.
    pub stream_id: i32,
    /// The channel, cut to what fits a counter's key.
    pub channel: String,
    /// In bytes.
    pub position: i64,
}

/// A mapped CnC file.
#[derive(Debug)]
pub struct CncReader {
    native: NativeCnc,
    dir: PathBuf,
}

impl CncReader {
    /// Maps the CnC file of a directory, dead or alive.
    ///
    /// # Errors
    /// When there is none that can be read.
    pub fn open(dir: &Path) -> Result<Self, CncError> {
        let c_dir = crate::link::c_path(dir).ok_or_else(|| CncError::Dir { dir: dir.into() })?;
        if let Some(reason) = denial(&dir.join("cnc.dat"), Access::READ_OK) {
            return Err(CncError::Denied {
                dir: dir.into(),
                reason,
            });
        }
        if !dir.join("cnc.dat").exists() {
            return Err(CncError::NoDriver { dir: dir.into() });
        }
        let native = NativeCnc::open(&c_dir).map_err(|source| CncError::Unusable {
            dir: dir.into(),
            source,
        })?;
        Ok(Self {
            native,
            dir: dir.into(),
        })
    }

    /// The media driver's process, in its own pid namespace.
    #[must_use]
    pub fn driver_pid(&self) -> i64 {
        self.native.constants().pid
    }

    /// When the media driver was started, in milliseconds of the realtime clock.
    #[must_use]
    pub fn start_ms(&self) -> i64 {
        self.native.constants().start_timestamp_ms
    }

    /// How long a client may be silent before the media driver gives it up, in nanoseconds.
    #[must_use]
    pub fn client_liveness_timeout_ns(&self) -> i64 {
        self.native.constants().client_liveness_timeout_ns
    }

    /// Milliseconds since the media driver last beat; `None` when it has closed in order or not begun.
    #[must_use]
    pub fn heartbeat_age_ms(&self) -> Option<i64> {
        let heartbeat_ms = self.native.heartbeat_ms();
        (heartbeat_ms > 0).then(|| realtime_ms().saturating_sub(heartbeat_ms))
    }

    /// Whether the process that wrote the file is gone, as far as can be seen from here.
    #[must_use]
    pub fn is_driver_gone(&self) -> bool {
        match Watcher::new(&self.dir).observe() {
            Observation::Present {
                process,
                heartbeat_ms,
                pid,
                ..
            } => pid != self.driver_pid() || process == ProcessState::Gone || heartbeat_ms < 0,
            Observation::Missing | Observation::Denied(_) | Observation::Unusable(_) => true,
        }
    }

    /// All counters in use.
    #[must_use]
    pub fn counters(&self) -> Vec<CounterReading> {
        let mut counters = Vec::new();
        self.native
            .for_each_counter(|id, type_id, value, key, label| {
                counters.push(CounterReading {
                    id,
                    type_id,
                    value,
                    key: key.to_vec(),
                    label: label.to_owned(),
                });
            });
        counters
    }

    /// All distinct errors of the media driver.
    #[must_use]
    pub fn errors(&self) -> Vec<ErrorReading> {
        let mut errors = Vec::new();
        self.native
            .for_each_error(|count, first_ms, last_ms, text| {
                errors.push(ErrorReading {
                    count,
                    first_ms,
                    last_ms,
                    text: text.to_owned(),
                });
            });
        errors
    }

    /// The latest error of the last `within_ms` milliseconds that tells of memory, counters or files the
    /// media driver ran out of; one that cost a subscriber its image before others.
    #[must_use]
    pub fn shortage(&self, within_ms: i64) -> Option<ErrorReading> {
        let since_ms = realtime_ms().saturating_sub(within_ms);
        let errors = self.errors().into_iter();
        let recent = errors.filter(|error| error.last_ms >= since_ms && is_shortage(&error.text));
        recent.max_by_key(|error| (error.text.contains("sub-pos"), error.last_ms))
    }

    /// Positions of all publishers and subscribers: who is behind, and by how much.
    #[must_use]
    pub fn stream_positions(&self) -> Vec<StreamPosition> {
        let mut positions = Vec::new();
        self.native.for_each_counter(|_, type_id, value, key, _| {
            positions.extend(stream_position(type_id, value, key));
        });
        positions
    }
}

/// Aeron's texts begin with the number of the error.
fn is_shortage(text: &str) -> bool {
    let shortages = [Errno::NOMEM, Errno::NOSPC, Errno::MFILE, Errno::NFILE];
    let is_of = |errno: Errno| text.starts_with(&format!("({}) ", errno.raw_os_error()));
    shortages.into_iter().any(is_of)
}

/// Aeron's stream counters have the key: registration id (8 bytes), session, stream, channel length (4 each),
/// channel.
fn stream_position(type_id: i32, position: i64, key: &[u8]) -> Option<StreamPosition> {
    const PUBLISHER_LIMIT: i32 = 1;
    const SUBSCRIBER: i32 = 4;
    const PUBLISHER: i32 = 12;
    let kind = match type_id {
        PUBLISHER_LIMIT => PositionKind::PublisherLimit,
        SUBSCRIBER => PositionKind::Subscriber,
        PUBLISHER => PositionKind::Publisher,
        _ => return None,
    };
    let i32_at = |offset: usize| {
        Some(i32::from_ne_bytes(
            key.get(offset..offset + 4)?.try_into().ok()?,
        ))
    };
    let channel_len = usize::try_from(i32_at(16)?).ok()?;
    let channel = key.get(20..)?;
    Some(StreamPosition {
        kind,
        registration_id: i64::from_ne_bytes(key.get(..8)?.try_into().ok()?),
        session_id: i32_at(8)?,
        stream_id: i32_at(12)?,
        channel: String::from_utf8_lossy(&channel[..channel_len.min(channel.len())]).into_owned(),
        position,
    })
}

#[cfg(test)]
mod tests {
    use super::is_shortage;

    #[test]
    fn what_ran_out_is_told_from_other_errors() {
        assert!(is_shortage("(12) Cannot allocate memory\n[f, x.c:1] no"));
        assert!(is_shortage("(28) No space left on device"));
        assert!(!is_shortage("(-3) unknown publication"));
        assert!(!is_shortage("(123) No medium found"));
        assert!(!is_shortage("memory (12) "));
    }
}

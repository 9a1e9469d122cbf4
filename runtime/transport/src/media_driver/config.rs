//! How a media driver is set up. The reasons for the defaults are in `docs/media-driver.md`.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use rusteron_media_driver::bindings::aeron_threading_mode_t;

use crate::native::driver::DriverSettings;

/// Which threads the media driver's conductor, sender and receiver share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriverThreading {
    /// One thread for all: fewest cores, enough for IPC.
    #[default]
    Shared,
    /// One thread each: lowest latency over UDP.
    Dedicated,
    /// Conductor on one, sender and receiver on another.
    SharedNetwork,
}

/// What the driver's threads do when there is nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriverIdle {
    /// Spins, yields, then parks for up to 1 ms.
    #[default]
    Backoff,
    /// Sleeps for so many nanoseconds.
    Sleep(u64),
    /// Yields the core.
    Yield,
    /// Spins with a pause instruction: takes the core.
    Spin,
    /// Does nothing: takes the core.
    Noop,
}

/// How a media driver is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDriverConfig {
    /// Its directory, on tmpfs. Must be Aeron's alone.
    pub dir: PathBuf,
    /// Its threads.
    pub threading: DriverThreading,
    /// What they do when idle.
    pub idle: DriverIdle,
    /// Takes the directory of a media driver that is dead; otherwise any existing directory is refused. That
    /// of a live one is refused in any case.
    pub delete_on_start: bool,
    /// Removes the directory when the driver is closed.
    pub delete_on_close: bool,
    /// Length of a network publication's term, in bytes, unless its channel says otherwise.
    pub term_buffer_len: usize,
    /// Length of an IPC publication's term, in bytes, unless its channel says otherwise.
    pub ipc_term_buffer_len: usize,
    /// Leaves the pages of a log to be allocated when first written; otherwise they are written at creation.
    pub sparse_terms: bool,
    /// Space for counter values, in bytes: 128 per counter; the CnC file takes five times this.
    pub counter_values_len: usize,
    /// How long a counter that was freed is not used again, so that nobody takes the next one for it.
    pub counter_reuse_timeout_ns: u64,
    /// How often the driver beats, and checks the timeouts below.
    pub timer_interval_ns: u64,
    /// A client that has not been heard of for this long is dead, with all it had.
    pub client_liveness_timeout_ns: u64,
    /// A message that was claimed and not committed is skipped after this; longer than client liveness.
    pub publication_unblock_timeout_ns: u64,
    /// How long a closed network publication still repairs losses.
    pub publication_linger_timeout_ns: u64,
    /// How long an image without a publisher is kept.
    pub image_liveness_timeout_ns: u64,
    /// An untethered subscriber so far behind that it would stall the publisher is dropped after this.
    pub untethered_window_limit_timeout_ns: u64,
    /// How long it may still read what it has.
    pub untethered_linger_timeout_ns: u64,
    /// How long until it may join again.
    pub untethered_resting_timeout_ns: u64,
    /// Pins the conductor, or the one thread of [`DriverThreading::Shared`].
    pub conductor_cpu: Option<u16>,
    /// Pins the sender.
    pub sender_cpu: Option<u16>,
    /// Pins the receiver.
    pub receiver_cpu: Option<u16>,
}

impl Default for MediaDriverConfig {
    fn default() -> Self {
        Self {
            dir: crate::default_dir(),
            threading: DriverThreading::default(),
            idle: DriverIdle::default(),
            delete_on_start: true,
            delete_on_close: true,
            term_buffer_len: 4 << 20,
            ipc_term_buffer_len: 4 << 20,
            sparse_terms: true,
            counter_values_len: 1 << 20,
            counter_reuse_timeout_ns: 100_000_000,
            timer_interval_ns: 50_000_000,
            client_liveness_timeout_ns: 3_000_000_000,
            publication_unblock_timeout_ns: 4_000_000_000,
            publication_linger_timeout_ns: 1_000_000_000,
            image_liveness_timeout_ns: 3_000_000_000,
            untethered_window_limit_timeout_ns: 100_000_000,
            untethered_linger_timeout_ns: 100_000_000,
            untethered_resting_timeout_ns: 1_000_000_000,
            conductor_cpu: None,
            sender_cpu: None,
            receiver_cpu: None,
        }
    }
}

impl MediaDriverConfig {
    /// The defaults for a directory.
    #[must_use]
    pub fn for_dir(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn settings(&self, dir: CString) -> DriverSettings {
        let (idle, idle_args) = self.idle.to_native();
        DriverSettings {
            dir,
            threading: self.threading.to_native(),
            idle,
            idle_args,
            term_buffer_len: self.term_buffer_len,
            ipc_term_buffer_len: self.ipc_term_buffer_len,
            sparse_terms: self.sparse_terms,
            counter_values_len: self.counter_values_len,
            counter_reuse_timeout_ns: self.counter_reuse_timeout_ns,
            timer_interval_ns: self.timer_interval_ns,
            client_liveness_timeout_ns: self.client_liveness_timeout_ns,
            publication_unblock_timeout_ns: self.publication_unblock_timeout_ns,
            publication_linger_timeout_ns: self.publication_linger_timeout_ns,
            image_liveness_timeout_ns: self.image_liveness_timeout_ns,
            untethered_window_limit_timeout_ns: self.untethered_window_limit_timeout_ns,
            untethered_linger_timeout_ns: self.untethered_linger_timeout_ns,
            untethered_resting_timeout_ns: self.untethered_resting_timeout_ns,
            // Only how long the driver waits for a foreign CnC file at start; our own check comes before.
            driver_timeout_ms: 1_000,
            conductor_cpu: cpu(self.conductor_cpu),
            sender_cpu: cpu(self.sender_cpu),
            receiver_cpu: cpu(self.receiver_cpu),
        }
    }
}

fn cpu(core: Option<u16>) -> i32 {
    core.map_or(-1, i32::from)
}

impl DriverThreading {
    fn to_native(self) -> aeron_threading_mode_t {
        match self {
            Self::Shared => aeron_threading_mode_t::AERON_THREADING_MODE_SHARED,
            Self::Dedicated => aeron_threading_mode_t::AERON_THREADING_MODE_DEDICATED,
            Self::SharedNetwork => aeron_threading_mode_t::AERON_THREADING_MODE_SHARED_NETWORK,
        }
    }
}

impl DriverIdle {
    fn to_native(self) -> (&'static CStr, Option<CString>) {
        match self {
            Self::Backoff => (c"backoff", None),
            Self::Sleep(duration_ns) => {
                (c"sleep-ns", CString::new(format!("{duration_ns}ns")).ok())
            }
            Self::Yield => (c"yield", None),
            Self::Spin => (c"spin", None),
            Self::Noop => (c"noop", None),
        }
    }
}

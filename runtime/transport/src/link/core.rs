//! The link's state machine: decides when to connect and when to give a client up. No clock, no I/O.
//!
//! ```text
//!                 a driver beats            connected
//!   Connecting ─────────────────▶ (Connect) ─────────▶ Up ──┐ driver or client lost
//!                                     ▲                     ▼ (Retire)
//!                      a driver beats │◀──────────────── Lost
//!                                 Rebuilding
//! ```
//!
//! The realtime clock in the driver's heartbeat is trusted for one thing only: that a fresh beat of a process
//! we can see needs no second look. Everything else measures *how long the heartbeat has not changed* on the
//! monotonic clock, so a step of the realtime clock loses nothing by itself (Aeron's own client and driver do
//! compare realtime values and may give the client up; the link then rebuilds it like any other).

use std::fmt;

use tensorpool_codecs::types::NanoTime;

/// Which CnC file: a new driver in the same directory has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// What is known of the driver's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProcessState {
    /// It runs (or is stopped), as far as the kernel says.
    Running,
    /// It was seen to run and has ended.
    Gone,
    /// It cannot be seen, as in another pid namespace.
    Unknown,
}

/// What a look at the directory found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Observation {
    /// There is no CnC file.
    Missing,
    /// There may be one, but this user may not open it, and why.
    Denied(String),
    /// There is one that cannot be used (yet), and why.
    Unusable(String),
    /// There is one.
    Present {
        file: FileId,
        pid: i64,
        process: ProcessState,
        /// Realtime milliseconds of the driver's last beat; negative after it has closed in order.
        heartbeat_ms: i64,
        /// The realtime clock now, in milliseconds.
        realtime_ms: i64,
    },
}

/// What the shell has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkAction {
    /// Open a client and report with `on_connected` or `on_connect_failed`.
    Connect,
    /// Withdraw all handles and retire the client.
    Retire,
}

/// Where the link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Never up yet, and why.
    Connecting(WaitReason),
    /// A client is connected.
    Up,
    /// The client was given up; waiting for a media driver that lives.
    Lost(LostReason),
    /// A media driver lives again and a new client is being opened.
    Rebuilding,
    /// Closed by its owner.
    Closed,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting(reason) => write!(f, "connecting: {reason}"),
            Self::Up => f.write_str("up"),
            Self::Lost(reason) => write!(f, "lost: {reason}"),
            Self::Rebuilding => f.write_str("rebuilding"),
            Self::Closed => f.write_str("closed"),
        }
    }
}

/// What the link is waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitReason {
    /// The directory was not looked at yet.
    Starting,
    /// There is no CnC file.
    NoDriver,
    /// There may be one, but this user may not open it, and why.
    Denied(String),
    /// There is one that cannot be used, and why.
    Unusable(String),
    /// There is one, but its driver does not beat.
    NoHeartbeat {
        /// The process the CnC file names.
        pid: i64,
    },
    /// A client could not be opened, and why.
    ConnectFailed(String),
}

impl fmt::Display for WaitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::NoDriver => f.write_str("no media driver: cnc.dat not found"),
            Self::Denied(reason) => write!(f, "cnc.dat may not be opened: {reason}"),
            Self::Unusable(reason) => write!(f, "cnc.dat cannot be used: {reason}"),
            Self::NoHeartbeat { pid } => write!(f, "no heartbeat of the media driver (pid {pid})"),
            Self::ConnectFailed(reason) => write!(f, "the client could not be opened: {reason}"),
        }
    }
}

/// Why a link was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LostReason {
    /// The media driver's process has ended.
    DriverDied {
        /// Its process id.
        pid: i64,
    },
    /// The media driver has closed in order.
    DriverClosed,
    /// Its directory was removed.
    DirectoryRemoved,
    /// Another media driver has taken the directory over.
    DriverReplaced,
    /// The media driver has not beaten for too long.
    DriverSilent {
        /// For how long, in nanoseconds.
        silent_ns: u64,
    },
    /// Aeron's client gave up: not driven in time, or timed out by the media driver.
    ClientClosed(String),
}

impl fmt::Display for LostReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DriverDied { pid } => write!(f, "the media driver (pid {pid}) has died"),
            Self::DriverClosed => f.write_str("the media driver has closed"),
            Self::DirectoryRemoved => f.write_str("the media driver's directory was removed"),
            Self::DriverReplaced => {
                f.write_str("another media driver has taken over the directory")
            }
            Self::DriverSilent { silent_ns } => {
                write!(
                    f,
                    "the media driver has been silent for {} ms",
                    silent_ns / 1_000_000
                )
            }
            Self::ClientClosed(reason) => write!(f, "the client was closed: {reason}"),
        }
    }
}

/// How often and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoreConfig {
    /// A driver that has not beaten for this long is lost.
    pub(crate) heartbeat_timeout_ns: u64,
    /// Between attempts to connect, doubled up to the maximum.
    pub(crate) connect_retry_min_ns: u64,
    pub(crate) connect_retry_max_ns: u64,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    file: FileId,
    heartbeat_ms: i64,
    /// When the value was first seen.
    since: NanoTime,
    /// Whether the value has changed under our eyes: the driver lives, whatever the clocks say.
    has_changed: bool,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct LinkCore {
    config: CoreConfig,
    state: LinkState,
    beat: Option<Beat>,
    /// The file the present client was opened on.
    connected_file: Option<FileId>,
    action: Option<LinkAction>,
    next_connect: NanoTime,
    connect_retry_ns: u64,
}

impl LinkCore {
    pub(crate) fn new(config: CoreConfig) -> Self {
        Self {
            config,
            state: LinkState::Connecting(WaitReason::Starting),
            beat: None,
            connected_file: None,
            action: None,
            next_connect: NanoTime::new(0),
            connect_retry_ns: config.connect_retry_min_ns,
        }
    }

    pub(crate) fn state(&self) -> &LinkState {
        &self.state
    }

    /// What to do now; asked after every input.
    pub(crate) fn take_action(&mut self) -> Option<LinkAction> {
        self.action.take()
    }

    /// The directory was looked at.
    pub(crate) fn on_observation(&mut self, now: NanoTime, observation: &Observation) {
        self.note_beat(now, observation);
        match self.state {
            // [TP-RT-0960]
            LinkState::Closed => {}
            LinkState::Up => {
                if let Some(reason) = self.reason_to_leave(now, observation) {
                    self.lose(now, reason);
                }
            }
            LinkState::Connecting(_) | LinkState::Lost(_) | LinkState::Rebuilding => {
                self.consider(now, observation)
            }
        }
    }

    /// A client was opened on `file`.
    pub(crate) fn on_connected(&mut self, file: FileId) {
        self.state = LinkState::Up;
        self.connected_file = Some(file);
        self.connect_retry_ns = self.config.connect_retry_min_ns;
    }

    /// No client could be opened.
    pub(crate) fn on_connect_failed(&mut self, now: NanoTime, reason: WaitReason) {
        self.next_connect = now.after_ns(self.connect_retry_ns);
        self.connect_retry_ns = (self.connect_retry_ns * 2).min(self.config.connect_retry_max_ns);
        if let LinkState::Connecting(wait) = &mut self.state {
            *wait = reason;
        }
    }

    /// The client has closed itself.
    /// [TP-RT-0950]
    pub(crate) fn on_client_closed(&mut self, now: NanoTime, reason: String) {
        if self.state == LinkState::Up {
            self.lose(now, LostReason::ClientClosed(reason));
        }
    }

    /// The owner closes the link.
    /// [TP-RT-0960]
    pub(crate) fn on_close(&mut self) {
        self.state = LinkState::Closed;
        self.action = None;
    }

    fn lose(&mut self, now: NanoTime, reason: LostReason) {
        self.state = LinkState::Lost(reason);
        self.connected_file = None;
        self.next_connect = now;
        self.action = Some(LinkAction::Retire);
    }

    fn note_beat(&mut self, now: NanoTime, observation: &Observation) {
        let Observation::Present {
            file, heartbeat_ms, ..
        } = *observation
        else {
            self.beat = None;
            return;
        };
        match &mut self.beat {
            Some(beat) if beat.file == file => {
                // [TP-RT-0930] [TP-RT-0940]
                if beat.heartbeat_ms != heartbeat_ms {
                    beat.heartbeat_ms = heartbeat_ms;
                    beat.since = now;
                    beat.has_changed = true;
                }
            }
            beat => {
                *beat = Some(Beat {
                    file,
                    heartbeat_ms,
                    since: now,
                    has_changed: false,
                })
            }
        }
    }

    fn reason_to_leave(&self, now: NanoTime, observation: &Observation) -> Option<LostReason> {
        // [TP-RT-0920]
        match *observation {
            Observation::Missing | Observation::Denied(_) | Observation::Unusable(_) => {
                Some(LostReason::DirectoryRemoved)
            }
            Observation::Present { file, .. } if Some(file) != self.connected_file => {
                Some(LostReason::DriverReplaced)
            }
            Observation::Present {
                process: ProcessState::Gone,
                pid,
                ..
            } => Some(LostReason::DriverDied { pid }),
            Observation::Present { heartbeat_ms, .. } if heartbeat_ms < 0 => {
                Some(LostReason::DriverClosed)
            }
            Observation::Present { .. } => {
                // [TP-RT-0930] [TP-RT-0940]
                let silent_ns = self.beat.map_or(0, |beat| now.since_ns(beat.since));
                (silent_ns > self.config.heartbeat_timeout_ns)
                    .then_some(LostReason::DriverSilent { silent_ns })
            }
        }
    }

    /// Not connected: is there a driver to connect to?
    fn consider(&mut self, now: NanoTime, observation: &Observation) {
        let wait = match observation {
            Observation::Missing => Some(WaitReason::NoDriver),
            Observation::Denied(reason) => Some(WaitReason::Denied(reason.clone())),
            Observation::Unusable(reason) => Some(WaitReason::Unusable(reason.clone())),
            Observation::Present { pid, .. } if !self.is_alive(now, observation) => {
                Some(WaitReason::NoHeartbeat { pid: *pid })
            }
            Observation::Present { .. } => None,
        };
        match (wait, &mut self.state) {
            (Some(wait), LinkState::Connecting(reason)) => *reason = wait,
            (Some(_), _) => {}
            (None, state) => {
                // [TP-RT-0950]
                if matches!(state, LinkState::Lost(_)) {
                    *state = LinkState::Rebuilding;
                }
                if now >= self.next_connect {
                    self.action = Some(LinkAction::Connect);
                }
            }
        }
    }

    fn is_alive(&self, now: NanoTime, observation: &Observation) -> bool {
        let Observation::Present {
            process,
            heartbeat_ms,
            realtime_ms,
            ..
        } = *observation
        else {
            return false;
        };
        let Some(beat) = self.beat else { return false };
        if process == ProcessState::Gone || heartbeat_ms <= 0 {
            return false;
        }
        // [TP-RT-0930] [TP-RT-0940]
        if beat.has_changed && now.since_ns(beat.since) <= self.config.heartbeat_timeout_ns {
            return true;
        }
        let age_ms = realtime_ms.abs_diff(heartbeat_ms);
        process == ProcessState::Running
            && age_ms <= self.config.heartbeat_timeout_ns / 1_000_000
            && now.since_ns(beat.since) <= self.config.heartbeat_timeout_ns
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;

//! What both processes of a measurement do: the same lanes, in the same order, round after round.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A measurement as the coordinator hands it to its two processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The directory of everything: shared words, media driver, regions.
    pub(crate) dir: PathBuf,
    /// The cores of the two processes; `None` leaves them to the scheduler.
    pub(crate) cores: Option<[usize; 2]>,
    pub(crate) rounds: u32,
    /// Rounds before those, not recorded.
    pub(crate) warmup_rounds: u32,
    pub(crate) lanes: Vec<Lane>,
    /// `None` when no lane is ours.
    pub(crate) frames: Option<FramesPlan>,
    /// Term length of the Aeron logs that lanes go through, in bytes.
    pub(crate) term_len: usize,
    /// Whether any lane answers: then there are streams in both directions.
    pub(crate) duplex: bool,
    /// What receivers do when nothing is there.
    pub(crate) idle: Idle,
}

/// What all lanes of ours share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FramesPlan {
    pub(crate) availability: Availability,
    /// Consumers of the forward stream, in one process.
    pub(crate) consumers: usize,
    /// Streams the driver serves.
    pub(crate) streams: usize,
    pub(crate) slots: u32,
    /// Strides of the pools, in bytes.
    pub(crate) strides: Vec<u32>,
    pub(crate) pacing: Pacing,
}

/// One thing that is measured, in each round once.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Lane {
    pub(crate) subject: Subject,
    pub(crate) exercise: Exercise,
}

/// Through what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Subject {
    /// One word of shared memory.
    Floor,
    /// Raw Aeron IPC with messages of so many bytes.
    Aeron { len: usize },
    /// The tensor pool.
    Frames(FrameLane),
    /// iceoryx2, with payloads of so many bytes.
    Iceoryx { len: usize, touch: Touch },
    /// Copies within one process.
    Memcpy { len: usize, slots: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrameLane {
    pub(crate) mode: Mode,
    pub(crate) len: usize,
    pub(crate) touch: Touch,
}

/// In which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exercise {
    /// There and back, one message under way: half a round trip per sample.
    PingPong { trips: u32 },
    /// One way at a stated rate, whatever the receiver does: each message's delay since the time it
    /// was due.
    OpenLoop { rate_hz: u32, count: u32 },
    /// One way as fast as it goes: time per message.
    Burst { count: u32 },
    /// The sender's processor time per message, sent in batches with everybody idle in between.
    Cost { batches: u32, batch: u32 },
    /// Copies, by the first process alone: time per copy.
    Copy { count: u32 },
}

/// Which of the two processes: the first pings, sends and copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Side {
    First,
    Second,
}

impl Side {
    pub(crate) fn index(self) -> usize {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }
}

/// How consumers hear of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Availability {
    /// By descriptors over Aeron.
    Descriptor,
    /// By watching the header ring.
    HeaderRing,
}

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// `offer`: the payload is copied into the slot.
    Copy,
    /// `claim` and `commit`: the payload is there already, nothing is copied.
    Claim,
}

/// What readers look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Touch {
    /// The slot's header: what every poll reads.
    Header,
    /// Also one byte of each cache line of the payload, in place.
    Lines,
}

/// What keeps a fast sender from overwriting what is not read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pacing {
    /// The benchmark: a word of shared memory says how far the receiver is, half a ring is the
    /// window.
    Credit,
    /// The product: a lossless producer, paced by what consumers report.
    Lossless,
}

/// What a receiver does when nothing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Idle {
    /// Looks again, without a pause: takes its core.
    BusySpin,
    /// Spins, yields, then parks for up to 1 ms, as agents do by default.
    Backoff,
}

/// What one process measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// In the order of the plan's lanes.
    pub(crate) lanes: Vec<LaneOutcome>,
}

/// What one process measured of one lane.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LaneOutcome {
    /// Nanoseconds per message, one sample per round, in the order of rounds; of the side that
    /// measures them.
    pub(crate) samples: Vec<f64>,
    /// Delays in nanoseconds and how often each was seen; of the side that receives.
    pub(crate) delays: Vec<(u64, u64)>,
    /// Messages sent or received in recorded rounds.
    pub(crate) messages: u64,
    /// Frames lost, whatever the cause, of the side that receives.
    pub(crate) lost: u64,
    /// Frames that were committed and that consumers were not told of, of the side that sends.
    pub(crate) unannounced: u64,
}

impl Plan {
    /// Whether messages go through Aeron.
    pub(crate) fn needs_media_driver(&self) -> bool {
        let is_aeron = |lane: &Lane| matches!(lane.subject, Subject::Aeron { .. });
        self.frames.is_some() || self.lanes.iter().any(is_aeron)
    }

    /// Whether any goes through iceoryx2.
    pub(crate) fn needs_iceoryx(&self) -> bool {
        let is_iceoryx = |lane: &Lane| matches!(lane.subject, Subject::Iceoryx { .. });
        self.lanes.iter().any(is_iceoryx)
    }
}

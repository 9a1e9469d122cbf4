//! Progress of frames that are still being written (Wire v1.2 §10.2.2).
//!
//! Three cores, none of which sends, reads memory or knows a clock:
//!
//! - [`ProgressPolicy`], in a producer's session: who asks for progress, and how often at most.
//! - [`ProgressBook`], in a producer's handle: what is to be told of which frame, and when.
//! - [`ProgressTracker`], in a consumer's handle: which messages are to be believed.
//!
//! Progress never replaces a frame's descriptor: it is a hint that some of it can be read already.

mod book;
mod policy;
mod tracker;

pub use book::{ProgressBook, ProgressError, ProgressReport, Report};
pub use policy::ProgressPolicy;
pub use tracker::{PROGRESS_CAPACITY, ProgressDrop, ProgressDrops, ProgressRead, ProgressTracker};

use tensorpool_codecs::types::{Epoch, Seq, StreamId};

/// How far a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProgressState {
    /// Its slot was taken.
    Started,
    /// Some of it is there.
    Progress,
    /// All of it was there when this was said. What counts is the slot's commit word.
    Complete,
}

/// A FrameProgress, to be sent or as it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressMessage {
    /// The frame's stream.
    pub stream_id: StreamId,
    /// The epoch it is written in.
    pub epoch: Epoch,
    /// The frame.
    pub seq: Seq,
    /// Bytes in place, from the start of the payload.
    pub bytes_filled: u64,
    /// How far it is; `None` for UNKNOWN.
    pub state: Option<ProgressState>,
}

/// What a producer tells at most, whatever its consumers ask for, and what it tells those who ask
/// for nothing in particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressFloors {
    /// Microseconds between messages.
    pub interval_us: u32,
    /// Bytes between messages.
    pub bytes: u32,
    /// Rows or columns between messages; they count only once a consumer asks for it.
    pub major_units: u32,
}

impl Default for ProgressFloors {
    /// 250 µs, 64 KiB, a row: what the published text recommends.
    fn default() -> Self {
        Self {
            interval_us: 250,
            bytes: 64 << 10,
            major_units: 1,
        }
    }
}

/// When a message is due, as a producer and its consumers have agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressLimits {
    /// This long after the last one.
    pub interval_ns: u64,
    /// This many bytes further.
    pub bytes: u64,
    /// This many rows or columns further; `None` while nobody asks for it.
    pub major_units: Option<u32>,
}

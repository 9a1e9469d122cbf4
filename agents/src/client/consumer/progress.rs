//! A frame that is still being written, as an application sees it.

use tensorpool_codecs::types::{Epoch, NanoTime, Seq};
use tensorpool_protocol::client::ProgressState;
use tensorpool_protocol::frame::{FramePlan, TensorLayout};
use tensorpool_shm::frame::FramePrefix;

/// How far a frame is, as its producer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressInfo {
    /// The epoch it is written in.
    pub epoch: Epoch,
    /// Its sequence number.
    pub seq: Seq,
    /// How far it is. Complete does not mean that it is a frame: its descriptor says so.
    pub state: ProgressState,
    /// Whether its slot is committed.
    pub committed: bool,
    /// Bytes in place, from the start of the payload.
    pub bytes_filled: u64,
    /// Bytes of the whole payload.
    pub payload_len: u64,
    /// When it was taken, as the producing application says.
    pub timestamp: NanoTime,
    /// What the whole payload is going to be.
    pub tensor: TensorLayout,
}

/// News of a frame within the callback it was delivered to, and the part of it that is there.
///
/// It does not count as a frame: that is delivered, once it is complete, by
/// [`Consumer::poll`](crate::client::Consumer::poll), or lost.
#[derive(Debug)]
pub struct Progress<'m> {
    prefix: FramePrefix<'m>,
    info: ProgressInfo,
}

impl<'m> Progress<'m> {
    pub(crate) fn new(
        prefix: FramePrefix<'m>,
        plan: &FramePlan<'_>,
        epoch: Epoch,
        state: ProgressState,
    ) -> Self {
        let info = ProgressInfo {
            epoch,
            seq: prefix.seq(),
            state,
            committed: plan.seq_commit & 1 == 1,
            bytes_filled: prefix.len() as u64,
            payload_len: plan.payload_len.into(),
            timestamp: NanoTime::new(prefix.slot().timestamp_ns),
            tensor: *plan.tensor,
        };
        Self { prefix, info }
    }

    /// What is known of it.
    #[must_use]
    pub fn info(&self) -> &ProgressInfo {
        &self.info
    }

    /// Rows or columns that are there with all their elements; `None` for a tensor that counts
    /// neither.
    #[must_use]
    pub fn units(&self) -> Option<u64> {
        self.info.tensor.units_within(self.info.bytes_filled)
    }

    /// The bytes that are there, to be read in place; `None` for a tensor whose first bytes mean
    /// nothing by themselves, as there are gaps in it and neither rows nor columns are counted.
    /// [TP-CLI-2670]
    #[must_use]
    pub fn prefix(&self) -> Option<&FramePrefix<'m>> {
        self.info
            .tensor
            .has_readable_prefix()
            .then_some(&self.prefix)
    }
}

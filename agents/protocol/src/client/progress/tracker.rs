//! Which messages a consumer believes, and what was believed of each frame so far.

use tensorpool_codecs::types::Seq;

use super::{ProgressMessage, ProgressState};
use crate::frame::{FramePlan, MappingFacts};

/// The most frames that are followed at a time.
pub const PROGRESS_CAPACITY: u32 = 256;

/// Of which frames a consumer wants to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgressRead {
    /// Of frames whose slot is committed: nothing is read that could still change.
    #[default]
    Committed,
    /// Also of frames that are being written, to read the part of them that is there.
    Prefix,
}

/// Why a message was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProgressDrop {
    /// Of another epoch than the mapped one, or of a mapping that is void.
    Epoch,
    /// The state is UNKNOWN.
    State,
    /// The frame's slot holds another one: it is over, or was never begun.
    OtherFrame,
    /// The frame is not committed, and only committed ones are wanted.
    Uncommitted,
    /// The slot's header describes no frame, or its progress stride is not that of its unit.
    Header,
    /// More bytes than the payload has.
    BeyondPayload,
    /// Fewer bytes, or an earlier state, than was believed before; or anything after COMPLETE.
    Regressed,
    /// A later frame has taken its place: too many are under way at a time.
    Evicted,
}

impl ProgressDrop {
    /// How many causes there are.
    pub const COUNT: usize = 8;

    /// Every cause.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Epoch,
        Self::State,
        Self::OtherFrame,
        Self::Uncommitted,
        Self::Header,
        Self::BeyondPayload,
        Self::Regressed,
        Self::Evicted,
    ];

    /// For figures: `epoch`, `beyond_payload`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Epoch => "epoch",
            Self::State => "state",
            Self::OtherFrame => "other_frame",
            Self::Uncommitted => "uncommitted",
            Self::Header => "header",
            Self::BeyondPayload => "beyond_payload",
            Self::Regressed => "regressed",
            Self::Evicted => "evicted",
        }
    }
}

/// Messages that were not believed, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressDrops([u64; ProgressDrop::COUNT]);

impl ProgressDrops {
    /// For one cause.
    #[must_use]
    pub const fn get(&self, cause: ProgressDrop) -> u64 {
        self.0[cause as usize]
    }

    /// For all of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// One more.
    pub const fn add(&mut self, cause: ProgressDrop) {
        self.0[cause as usize] += 1;
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// One more than the sequence number; 0 for none.
    after_seq: u64,
    bytes_filled: u64,
    state: ProgressState,
}

/// What was believed of the frames of one epoch. Frames share entries by their sequence numbers,
/// and the later one has it: what is kept is bounded, and nothing that was believed is taken back.
#[derive(Clone, Debug)]
pub struct ProgressTracker {
    entries: Box<[Entry]>,
    read: ProgressRead,
}

impl ProgressTracker {
    /// Follows up to [`PROGRESS_CAPACITY`] frames. Allocates once.
    #[must_use]
    pub fn new(read: ProgressRead) -> Self {
        const NOTHING: Entry = Entry {
            after_seq: 0,
            bytes_filled: 0,
            state: ProgressState::Started,
        };
        Self {
            entries: vec![NOTHING; PROGRESS_CAPACITY as usize].into_boxed_slice(),
            read,
        }
    }

    /// Sequence numbers start over.
    pub fn begin_epoch(&mut self) {
        self.entries
            .iter_mut()
            .for_each(|entry| entry.after_seq = 0);
    }

    /// May the slot be looked at? `None` for a message of another stream, which is no business of
    /// this consumer. [TP-CLI-2610]
    #[inline]
    #[must_use]
    pub fn admit(
        &self,
        message: &ProgressMessage,
        mapping: &MappingFacts<'_>,
    ) -> Option<Result<ProgressState, ProgressDrop>> {
        if message.stream_id != mapping.stream_id {
            return None;
        }
        // [TP-CLI-2612], [TP-CLI-2615]
        Some(if message.epoch != mapping.epoch || mapping.revoked {
            Err(ProgressDrop::Epoch)
        } else {
            message.state.ok_or(ProgressDrop::State)
        })
    }

    /// Whether a slot with this commit word is one to look into.
    ///
    /// # Errors
    /// When it holds another frame, or one that is not complete and only complete ones are wanted.
    #[inline]
    pub const fn check_commit(&self, seq: Seq, seq_commit: u64) -> Result<(), ProgressDrop> {
        // [TP-CLI-2620], [TP-CLI-2625], [TP-CLI-2630]
        if seq_commit >> 1 != seq.get() {
            return Err(ProgressDrop::OtherFrame);
        }
        match self.read {
            ProgressRead::Committed if seq_commit & 1 == 0 => Err(ProgressDrop::Uncommitted),
            ProgressRead::Committed | ProgressRead::Prefix => Ok(()),
        }
    }

    /// Whether what the message says agrees with the slot, as it was planned, and with what was
    /// believed before. Believes it then.
    ///
    /// # Errors
    /// When it does not.
    #[inline]
    pub fn accept(
        &mut self,
        message: &ProgressMessage,
        state: ProgressState,
        plan: &FramePlan<'_>,
    ) -> Result<(), ProgressDrop> {
        // [TP-CLI-2640]
        if message.bytes_filled > u64::from(plan.payload_len) {
            return Err(ProgressDrop::BeyondPayload);
        }
        let entry = &mut self.entries[message.seq.slot_index(PROGRESS_CAPACITY) as usize];
        let after_seq = message.seq.get().saturating_add(1);
        // [TP-CLI-2645], [TP-CLI-2650]
        if after_seq < entry.after_seq {
            return Err(ProgressDrop::Evicted);
        }
        let is_known = after_seq == entry.after_seq;
        let goes_on = message.bytes_filled >= entry.bytes_filled
            && state >= entry.state
            && entry.state != ProgressState::Complete;
        if is_known && !goes_on {
            return Err(ProgressDrop::Regressed);
        }
        *entry = Entry {
            after_seq,
            bytes_filled: message.bytes_filled,
            state,
        };
        Ok(())
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;

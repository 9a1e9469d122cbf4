//! The frame gate: is the slot a descriptor points at the frame it announces, and may this mapping
//! still say so?
//!
//! The gate decides; it touches no memory. Its caller snapshots the slot between the two reads of
//! the commit word (whose decoding has checked the embedded message header: what does not decode is
//! [`DropCause::HeaderInvalid`]) and asks three times, in this order: [`FrameGate::admit`] before
//! anything is read, [`FrameGate::check`] with the slot, [`FrameGate::confirm`] with the second
//! read, also after the application has looked at the payload.

use tensorpool_codecs::types::{Epoch, PoolId, Seq, StreamId};
use tensorpool_codecs::wire::SlotHeader;

use super::pools::pool_by_id;
use super::tensor::TensorLayout;
use crate::common::StreamGeometry;

/// The part of a frame descriptor that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Stream the frame belongs to; many streams share one Aeron stream.
    pub stream_id: StreamId,
    /// Epoch the frame was written in.
    pub epoch: Epoch,
    /// The frame.
    pub seq: Seq,
}

/// What the consumer has mapped.
#[derive(Clone, Copy, Debug)]
pub struct MappingFacts<'a> {
    /// The stream.
    pub stream_id: StreamId,
    /// The mapped epoch.
    pub epoch: Epoch,
    /// Ring and pools.
    pub geometry: &'a StreamGeometry,
    /// Set once the lease, the epoch or the driver is gone: a committed slot of a dead lease is no
    /// frame.
    pub revoked: bool,
}

/// Why a frame that was announced, or must have existed, was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropCause {
    /// Its descriptor never came.
    Gap,
    /// The slot was being written when it was first read.
    Odd,
    /// The slot changed while it was read.
    Changed,
    /// The slot holds another frame: the producer has lapped this consumer.
    FrameIdMismatch,
    /// The embedded header or the tensor in it is invalid.
    HeaderInvalid,
    /// Pool, payload slot, offset or length is invalid.
    PayloadInvalid,
    /// The descriptor is of another epoch than the mapped one. Not part of an epoch's account.
    EpochMismatch,
    /// The mapping was revoked.
    Revoked,
    /// Skipped on purpose, by the producer or by this consumer, to keep to the rate it asked for.
    /// Owed and accounted for, but not lost.
    RateLimited,
}

impl DropCause {
    /// How many causes there are.
    pub const COUNT: usize = 9;

    /// Every cause, in the order of their counters.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Gap,
        Self::Odd,
        Self::Changed,
        Self::FrameIdMismatch,
        Self::HeaderInvalid,
        Self::PayloadInvalid,
        Self::EpochMismatch,
        Self::Revoked,
        Self::RateLimited,
    ];

    /// Counter label, as the peers' tools know it where they have one.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Gap => "DropsGap",
            Self::Odd => "DropsOdd",
            Self::Changed => "DropsChanged",
            Self::FrameIdMismatch => "DropsFrameIdMismatch",
            Self::HeaderInvalid => "DropsHeaderInvalid",
            Self::PayloadInvalid => "DropsPayloadInvalid",
            Self::EpochMismatch => "DropsEpochMismatch",
            Self::Revoked => "DropsRevoked",
            Self::RateLimited => "DropsRateLimited",
        }
    }

    /// Whether the frame was simply overtaken: what `dropsLate` of QosConsumer adds up.
    /// [TP-CLI-0970]
    #[must_use]
    pub const fn is_late(self) -> bool {
        match self {
            Self::Odd | Self::Changed | Self::FrameIdMismatch => true,
            Self::Gap
            | Self::HeaderInvalid
            | Self::PayloadInvalid
            | Self::EpochMismatch
            | Self::Revoked
            | Self::RateLimited => false,
        }
    }
}

/// Where an accepted frame lies and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePlan<'t> {
    /// The commit word that every later read must still find.
    pub seq_commit: u64,
    /// Pool of the payload; meaningless when `payload_len` is 0.
    pub pool_id: PoolId,
    /// Slot of header ring and pool.
    pub slot_index: u32,
    /// Payload bytes.
    pub payload_len: u32,
    /// The tensor.
    pub tensor: &'t TensorLayout,
}

/// Outcome of a question to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<T> {
    /// Go on.
    Accept(T),
    /// Not of this stream: no business of this consumer, counted nowhere.
    Foreign,
    /// Count it and go on with the next descriptor. Never a reason to unmap.
    Drop(DropCause),
}

/// The rules, in the order of Wire v1.2 §15: mapping, epoch, commit word, sequence, header, tensor,
/// payload, commit word again.
#[derive(Clone, Copy, Debug)]
pub struct FrameGate;

impl FrameGate {
    /// May the slot be looked at at all? Gives its index.
    #[inline]
    #[must_use]
    pub fn admit(descriptor: &Descriptor, mapping: &MappingFacts<'_>) -> Verdict<u32> {
        // [TP-CLI-0910]
        if descriptor.stream_id != mapping.stream_id {
            return Verdict::Foreign;
        }
        // [TP-CLI-0920]
        if descriptor.epoch != mapping.epoch {
            return Verdict::Drop(DropCause::EpochMismatch);
        }
        // [TP-CLI-0940]
        if mapping.revoked {
            return Verdict::Drop(DropCause::Revoked);
        }
        Verdict::Accept(descriptor.seq.slot_index(mapping.geometry.slot_count()))
    }

    /// Is the first read of a commit word the committed frame `seq`?
    ///
    /// # Errors
    /// [`DropCause::Odd`] while the slot is being written, [`DropCause::FrameIdMismatch`] when it
    /// holds another one.
    /// [TP-CLI-0950]
    #[inline]
    pub const fn check_commit(seq: Seq, seq_commit: u64) -> Result<(), DropCause> {
        if seq_commit & 1 == 0 {
            return Err(DropCause::Odd);
        }
        if seq_commit >> 1 != seq.get() {
            return Err(DropCause::FrameIdMismatch);
        }
        Ok(())
    }

    /// Is the slot, which may be looked at, the frame `seq`? `tensor` is what
    /// [`TensorLayout::check`] made of its tensor header, if anything.
    ///
    /// # Errors
    /// The cause it is dropped for.
    #[inline]
    pub fn check<'t>(
        seq: Seq,
        slot: &SlotHeader,
        tensor: Option<&'t TensorLayout>,
        geometry: &StreamGeometry,
    ) -> Result<FramePlan<'t>, DropCause> {
        Self::check_commit(seq, slot.seq_commit)?;
        Self::plan(seq, slot, tensor, geometry)
    }

    /// Is this still the frame it was? `second` is the commit word read after an acquire fence.
    ///
    /// # Errors
    /// [`DropCause::Changed`] when it was overwritten, [`DropCause::Revoked`] when the mapping died
    /// meanwhile.
    #[inline]
    pub const fn confirm(first: u64, second: u64, revoked: bool) -> Result<(), DropCause> {
        if first != second {
            return Err(DropCause::Changed);
        }
        // [TP-CLI-0940]
        if revoked {
            return Err(DropCause::Revoked);
        }
        Ok(())
    }

    /// What a slot describes, whatever its commit word says: for a frame that is still being
    /// written, whose header is there already.
    ///
    /// # Errors
    /// [`DropCause::HeaderInvalid`] or [`DropCause::PayloadInvalid`] when it describes no frame.
    #[inline]
    pub fn plan<'t>(
        seq: Seq,
        slot: &SlotHeader,
        tensor: Option<&'t TensorLayout>,
        geometry: &StreamGeometry,
    ) -> Result<FramePlan<'t>, DropCause> {
        let slot_index = seq.slot_index(geometry.slot_count());
        // [TP-CLI-0950]
        let tensor = tensor.ok_or(DropCause::HeaderInvalid)?;
        let pool = pool_by_id(geometry, PoolId::new(slot.pool_id));
        let pool = pool.ok_or(DropCause::PayloadInvalid)?;
        // [TP-CLI-0980]
        let fits = slot.payload_slot == slot_index
            && slot.payload_offset == 0
            && slot.values_len_bytes <= pool.stride_bytes;
        if !fits {
            return Err(DropCause::PayloadInvalid);
        }
        Ok(FramePlan {
            seq_commit: slot.seq_commit,
            pool_id: pool.pool_id,
            slot_index,
            payload_len: slot.values_len_bytes,
            tensor,
        })
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;

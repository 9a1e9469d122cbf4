//! From a descriptor to a frame in the application's hands. The hot path of a consumer; how one
//! hears of frames without descriptors is `ring_reader`'s.

use std::sync::Arc;

use tensorpool_codecs::types::{Epoch, MetaVersion, NanoTime, Seq, StreamId, TraceId};
use tensorpool_codecs::wire::{FrameDescriptor, SlotHeader, TensorHeader};
use tensorpool_protocol::frame::{
    Descriptor, DropCause, FrameGate, FrameLedger, MappingFacts, RingLoss, TensorLayout, Throttle,
    Verdict,
};
use tensorpool_runtime::clock::monotonic_ns;
use tensorpool_shm::slot::{SlotError, TensorMemo};

use super::Current;
use super::frame::{Frame, Told};
use crate::client::shared::ConsumerShared;

/// What a tensor header means, if anything: most streams have one format.
pub(super) type Layouts = TensorMemo<Option<TensorLayout>>;

/// One poll's worth of reading.
pub(crate) struct Reader<'c> {
    pub(crate) stream_id: StreamId,
    pub(crate) current: Option<&'c Current>,
    pub(crate) ledger: &'c mut FrameLedger,
    pub(super) throttle: &'c mut Throttle,
    pub(super) layouts: &'c mut Layouts,
    pub(crate) shared: &'c Arc<ConsumerShared>,
    pub(crate) delivered: usize,
}

impl Reader<'_> {
    /// Judges the frame a descriptor points at, counts it, and delivers it if it is one.
    #[inline]
    pub(super) fn on_descriptor(&mut self, bytes: &[u8], on_frame: &mut impl FnMut(&Frame<'_>)) {
        // Most likely it tells of the expected frame: its slot comes from the other core while the
        // rest of the message does.
        if let (Some(current), Some(expected)) = (self.current, self.ledger.expected()) {
            current.mapping.prefetch_slot(expected);
        }
        let Ok(message) = FrameDescriptor::decode(bytes) else {
            return;
        };
        let descriptor = descriptor_of(&message);
        // [TP-CLI-0910]
        if descriptor.stream_id != self.stream_id {
            return;
        }
        self.on_frame_told(&descriptor, |_| told(&message), on_frame);
    }

    /// The bytes, if they are the descriptor of a frame that is still to come: of the epoch that is
    /// read, in the ring, and not accounted for.
    #[cold]
    pub(super) fn first_of(&self, bytes: &[u8]) -> Option<[u8; FrameDescriptor::ENCODED_LEN]> {
        let descriptor = self.descriptor_of_current(bytes)?;
        let is_old = |expected: Seq| descriptor.seq < expected;
        if self.ledger.expected().is_some_and(is_old) || !self.is_plausible(descriptor.seq) {
            return None;
        }
        bytes.first_chunk().copied()
    }

    /// Whether these bytes describe the frame of `held` or a later one.
    #[cold]
    pub(super) fn reaches(&self, bytes: &[u8], held: &[u8]) -> bool {
        let (Ok(this), Ok(held)) = (
            FrameDescriptor::decode(bytes),
            FrameDescriptor::decode(held),
        ) else {
            return false;
        };
        (this.stream_id, this.epoch) == (held.stream_id, held.epoch) && this.seq >= held.seq
    }

    /// The first descriptor of another source: what neither told of is read from the ring, then the
    /// frame itself. Delivers up to `limit`; gives whether that is done. [TP-CLI-2195]
    #[cold]
    pub(crate) fn settle(
        &mut self,
        held: &[u8],
        limit: usize,
        on_frame: &mut impl FnMut(&Frame<'_>),
    ) -> bool {
        let first = self.descriptor_of_current(held);
        let is_next = first.is_none_or(|first| self.catch_up(first.seq.get(), limit, on_frame));
        if !is_next || self.delivered >= limit {
            return false;
        }
        self.on_descriptor(held, on_frame);
        true
    }

    #[cold]
    fn descriptor_of_current(&self, bytes: &[u8]) -> Option<Descriptor> {
        let descriptor = descriptor_of(&FrameDescriptor::decode(bytes).ok()?);
        let current = self
            .current
            .filter(|current| !current.mapping.is_revoked())?;
        let is_of_current = descriptor.stream_id == current.stream_id
            && descriptor.stream_id == self.stream_id
            && descriptor.epoch == current.epoch;
        is_of_current.then_some(descriptor)
    }

    /// What comes is a selection at our rate, and of the frames before `overdue` no more will come:
    /// they were skipped. [TP-CLI-2230]
    #[cold]
    pub(super) fn skip_untold(&mut self, overdue: u64) {
        let Some(current) = self.current.filter(|current| !current.mapping.is_revoked()) else {
            return;
        };
        let last = overdue.checked_sub(1).map(Seq::new);
        // Said by somebody; what counts is what the ring says.
        if !last.is_some_and(|last| was_written(current, last)) {
            return;
        }
        if self.ledger.last_seq().is_none() {
            self.learn_position();
        }
        self.ledger.on_skipped(Seq::new(overdue));
        if let Some(last) = self.ledger.last_seq() {
            self.shared.done.set(last.get() + 1);
        }
    }

    /// Reads from the ring what was published and never told of, as when the link was lost: the
    /// frames may still be there. To be called when no descriptor is left, so that they come in
    /// order. Delivers up to `limit`.
    ///
    /// `overdue` is a position whose frames are all published. Gives whether it got there.
    #[cold]
    pub(super) fn catch_up(
        &mut self,
        overdue: u64,
        limit: usize,
        on_frame: &mut impl FnMut(&Frame<'_>),
    ) -> bool {
        let Some(current) = self.current.filter(|current| !current.mapping.is_revoked()) else {
            return true;
        };
        let (stream_id, epoch) = (current.stream_id, current.epoch);
        // Said by somebody; what counts is what the ring says.
        // [TP-CLI-1265]
        if !overdue
            .checked_sub(1)
            .is_some_and(|last| was_written(current, Seq::new(last)))
        {
            return true;
        }
        if self.ledger.last_seq().is_none() {
            self.learn_position();
            // What came before is not owed to us: nobody needs to wait until we have seen it.
            if let Some(expected) = self.ledger.expected().filter(|seq| seq.get() <= overdue) {
                self.shared.done.set(expected.get());
            }
        }
        // [TP-CLI-1265]
        while let Some(seq) = self.ledger.expected().filter(|seq| seq.get() < overdue) {
            if self.delivered >= limit {
                return false;
            }
            // More than a ring behind there is nothing to find: what is gone is a gap.
            let oldest = overdue.saturating_sub(u64::from(current.geometry.slot_count()));
            let seq = Seq::new(seq.get().max(oldest));
            let descriptor = Descriptor {
                stream_id,
                epoch,
                seq,
            };
            self.on_frame_told(&descriptor, |_| Told::NOTHING, on_frame);
        }
        true
    }

    /// Judges one frame, counts it, and delivers it if it is one. `told` says of its slot what else
    /// is known of it.
    #[inline]
    pub(super) fn on_frame_told(
        &mut self,
        descriptor: &Descriptor,
        told: impl FnOnce(&SlotHeader) -> Told,
        on_frame: &mut impl FnMut(&Frame<'_>),
    ) {
        let Some(current) = self.current else {
            self.ledger.on_dropped(DropCause::EpochMismatch);
            return;
        };
        let facts = MappingFacts {
            stream_id: current.stream_id,
            epoch: current.epoch,
            geometry: &current.geometry,
            revoked: current.mapping.is_revoked(),
        };
        match FrameGate::admit(descriptor, &facts) {
            Verdict::Foreign => return,
            // [TP-CLI-0920] [TP-CLI-0930] [TP-CLI-1290]
            Verdict::Drop(DropCause::EpochMismatch) => {
                self.ledger.on_dropped(DropCause::EpochMismatch);
                return;
            }
            Verdict::Drop(cause) => {
                if self.take_account(descriptor.seq) {
                    self.ledger.on_dropped(cause);
                }
            }
            Verdict::Accept(_) => {
                if self.take_account(descriptor.seq) {
                    // Read per frame: the callback may take its time.
                    let now = self.throttle.is_limited().then(monotonic_ns);
                    let outcome = match now {
                        Some(now) if !self.throttle.is_due(now) => Err(DropCause::RateLimited),
                        _ => Self::deliver(current, self.layouts, descriptor, told, on_frame),
                    };
                    match outcome {
                        Ok(()) => {
                            self.delivered += 1;
                            self.ledger.on_delivered();
                            if let Some(now) = now {
                                self.throttle.on_passed(now);
                            }
                        }
                        Err(cause) => self.ledger.on_dropped(cause),
                    }
                }
            }
        }
        // After the callback: a lossless producer may overwrite the slot from now on.
        self.note_progress();
    }

    /// The expected frame and those behind it, `count` in all, will not be read. Those that would
    /// not have been delivered for the rate are skipped for it.
    // [TP-CLI-3025]
    #[cold]
    pub(super) fn on_passed(&mut self, count: u64, why: RingLoss) {
        let lost = match why {
            RingLoss::Overtaken if self.throttle.is_limited() => {
                self.throttle.missed(monotonic_ns()).min(count)
            }
            RingLoss::Overtaken | RingLoss::Aborted => count,
        };
        self.ledger.on_passed(count - lost, DropCause::RateLimited);
        self.ledger.on_passed(lost, why.cause());
        self.note_progress();
    }

    #[inline]
    // [TP-CLI-1830]
    fn note_progress(&mut self) {
        if let Some(last) = self.ledger.last_seq() {
            self.shared.done.set(last.get() + 1);
        }
    }

    /// Counts a descriptor at its receipt, before its slot is looked at; but one that leaps ahead is
    /// only believed if the ring has come that far, as everything behind it would be lost otherwise.
    #[inline]
    fn take_account(&mut self, seq: Seq) -> bool {
        if self.ledger.last_seq().is_none() {
            self.learn_position();
        }
        // [TP-CLI-1255]
        if self.ledger.expected() != Some(seq) && !self.is_plausible(seq) {
            return false;
        }
        self.ledger.on_descriptor(seq)
    }

    #[cold]
    fn is_plausible(&self, seq: Seq) -> bool {
        self.current.is_none_or(|current| was_written(current, seq))
    }

    /// Before the first frame: what the producer said about its position tells where our account
    /// begins.
    /// [TP-CLI-1230]
    #[cold]
    pub(super) fn learn_position(&mut self) {
        let epoch = self.current.map(|current| current.epoch);
        if let Some(next_seq) = epoch.and_then(|epoch| self.shared.joined_at.of(epoch)) {
            self.ledger.on_producer_position(Seq::new(next_seq));
        }
    }

    #[inline]
    fn deliver(
        current: &Current,
        layouts: &mut Layouts,
        descriptor: &Descriptor,
        told: impl FnOnce(&SlotHeader) -> Told,
        on_frame: &mut impl FnMut(&Frame<'_>),
    ) -> Result<(), DropCause> {
        let layout = |tensor: &TensorHeader| TensorLayout::check(tensor).ok();
        // [TP-CLI-0950]
        let slot = current
            .mapping
            .read_slot_with(descriptor.seq, layouts, layout)
            .map_err(|error| cause_of(&error))?;
        let (header, tensor) = (slot.header(), slot.meaning().as_ref());
        let plan = FrameGate::check(descriptor.seq, header, tensor, &current.geometry)?;
        // [TP-CLI-0980] [TP-CLI-0990]
        let frame = tensorpool_shm::frame::Frame::of_known(&current.mapping, &slot)
            .map_err(|_| DropCause::PayloadInvalid)?;
        let frame = Frame::new(frame, &plan, descriptor.epoch, told(header));
        on_frame(&frame);
        // [TP-CLI-0940] [TP-CLI-0970]
        if frame.is_torn() {
            Err(DropCause::Changed)
        } else {
            Ok(())
        }
    }
}

/// Whether the ring has come as far as this frame, complete or not. Commit words have 63 bits for it.
/// [TP-CLI-1255]
#[cold]
pub(super) fn was_written(current: &Current, seq: Seq) -> bool {
    if seq.get() >> 63 != 0 {
        return false;
    }
    match current.mapping.read_slot(seq) {
        Err(SlotError::OtherSeq { found, .. }) => found.seq() > seq,
        _ => true,
    }
}

fn descriptor_of(message: &FrameDescriptor) -> Descriptor {
    Descriptor {
        stream_id: StreamId::new(message.stream_id),
        epoch: Epoch::new(message.epoch),
        seq: Seq::new(message.seq),
    }
}

fn told(message: &FrameDescriptor) -> Told {
    Told {
        published: message.timestamp_ns.map(NanoTime::new),
        meta_version: message.meta_version.map(MetaVersion::new),
        trace_id: message.trace_id.map(TraceId::new),
    }
}

/// Which counter a slot without a frame belongs to. Uncommitted goes before the wrong frame.
/// [TP-CLI-0950] [TP-CLI-0960] [TP-CLI-0970]
#[cold]
fn cause_of(error: &SlotError) -> DropCause {
    match error {
        SlotError::Uncommitted { .. } => DropCause::Odd,
        SlotError::OtherSeq { found, .. } if !found.is_committed() => DropCause::Odd,
        SlotError::OtherSeq { .. } => DropCause::FrameIdMismatch,
        SlotError::Changed { .. } => DropCause::Changed,
        SlotError::Malformed { .. } => DropCause::HeaderInvalid,
        SlotError::Unusable(_) => DropCause::Revoked,
        _ => DropCause::PayloadInvalid,
    }
}

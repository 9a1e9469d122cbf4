//! From a commit word of the header ring to a frame: how a consumer hears of frames that watches
//! the ring instead of listening to descriptors. Where it stands is `RingCursor`'s to decide; what
//! becomes of a frame, the reader's.

use std::sync::atomic::Ordering;

use tensorpool_codecs::types::{MetaVersion, Seq};
use tensorpool_codecs::wire::SlotHeader;
use tensorpool_protocol::frame::{Descriptor, FrameLedger, Presence, RingCursor, RingStep};

use super::Current;
use super::frame::{Frame, Told};
use super::reader::Reader;

/// Slots that are passed in one poll beyond its limit, so that a slow consumer catches up.
const SKIP_LIMIT: usize = 4096;

/// Where a consumer stands in the ring it has mapped. Application's thread.
#[derive(Debug, Default)]
pub(crate) struct RingWatch {
    cursor: Option<RingCursor>,
    /// The frame that was expected, and a producer's position that the ring did not bear out then.
    refuted: Option<(Seq, u64)>,
}

impl RingWatch {
    /// An epoch was put into use, and its account begun unless it goes on (`presence` is `None`):
    /// finds where to begin, and gives the first frame that is owed.
    // [TP-CLI-2915] [TP-CLI-2920] [TP-CLI-2925]
    pub(crate) fn begin(
        &mut self,
        current: &Current,
        presence: Option<Presence>,
        max_outstanding_gap: u64,
        ledger: &mut FrameLedger,
    ) -> Seq {
        let slot_count = current.geometry.slot_count();
        let joined = || RingCursor::join(slot_count, |seq| word(current, seq));
        let cursor = match (presence, ledger.expected()) {
            (Some(Presence::FromStart), _) => RingCursor::at(slot_count, Seq::new(0)),
            (Some(Presence::Joined), _) | (None, None) => joined(),
            (None, Some(expected)) => match joined() {
                // Frames that are accounted for were never there: it is another life.
                joined if joined.next() < expected => {
                    ledger.on_restarted(joined.next(), max_outstanding_gap, slot_count);
                    joined
                }
                _ => RingCursor::at(slot_count, expected),
            },
        };
        ledger.on_producer_position(cursor.next());
        self.cursor = Some(cursor);
        cursor.next()
    }

    /// Delivers up to `limit` frames that are there. True when nothing is left for now. `passed` is
    /// where the producer is said to have been a while ago.
    #[inline]
    pub(crate) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        limit: usize,
        passed: Option<u64>,
        on_frame: &mut impl FnMut(&Frame<'_>),
    ) -> bool {
        let (Some(cursor), Some(current)) = (&mut self.cursor, reader.current) else {
            return true;
        };
        // [TP-CLI-3010]
        if current.mapping.is_revoked() {
            return true;
        }
        let mut skips = 0;
        while reader.delivered < limit && skips < SKIP_LIMIT {
            let mut step = cursor.step(|seq| word(current, seq));
            if step == RingStep::Wait
                && let Some(passed) = passed.filter(|passed| cursor.next().get() < *passed)
            {
                step = pass_hole(cursor, &mut self.refuted, passed, current);
            }
            match step {
                RingStep::Wait => return true,
                RingStep::Frame(seq) => {
                    let descriptor = Descriptor {
                        stream_id: current.stream_id,
                        epoch: current.epoch,
                        seq,
                    };
                    let before = reader.delivered;
                    reader.on_frame_told(&descriptor, told, on_frame);
                    current.mapping.prefetch_tensor(seq.next());
                    if reader.delivered == before {
                        skips += 1;
                        if let RingStep::Lost { count, why, .. } =
                            cursor.on_torn(|seq| word(current, seq))
                        {
                            // [TP-CLI-3030]
                            reader.on_passed(count, why);
                        }
                    }
                }
                RingStep::Lost { count, why, .. } => {
                    // [TP-CLI-3030]
                    reader.on_passed(count, why);
                    skips += 1;
                }
                RingStep::Restarted => {
                    // The conductor maps it anew at its next look.
                    let epoch = current.epoch.get();
                    reader.shared.restarted.store(epoch, Ordering::Relaxed);
                    return true;
                }
            }
        }
        false
    }
}

/// Said by somebody; what counts is what the ring says. It is asked once, as it is read whole.
#[cold]
fn pass_hole(
    cursor: &mut RingCursor,
    refuted: &mut Option<(Seq, u64)>,
    passed: u64,
    current: &Current,
) -> RingStep {
    let question = Some((cursor.next(), passed));
    if *refuted == question {
        return RingStep::Wait;
    }
    let step = cursor.pass_hole(|seq| word(current, seq));
    if step == RingStep::Wait {
        *refuted = question;
    }
    step
}

#[inline]
pub(super) fn word(current: &Current, seq: Seq) -> u64 {
    let index = seq.slot_index(current.geometry.slot_count());
    current.mapping.commit_word(index).raw()
}

/// What a slot says of what a descriptor would have said.
// [TP-CLI-3020]
#[inline]
fn told(slot: &SlotHeader) -> Told {
    Told {
        published: None,
        meta_version: (slot.meta_version != u32::MAX).then(|| MetaVersion::new(slot.meta_version)),
        trace_id: None,
    }
}

//! Gap accounting of one epoch: which sequence numbers must have existed and never came.
//!
//! Counted at receipt of a descriptor, before any slot is read, so that the account does not depend
//! on how the frame itself fares. What becomes of a received frame is the ledger's business.

use tensorpool_codecs::types::Seq;

/// Since when this consumer has been listening to an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It was there when the epoch began (a remap): frame 0 is expected.
    FromStart,
    /// It came later, or cannot know: the account begins with the first frame, or earlier if the
    /// producer's position was heard before it.
    Joined,
}

/// What a received descriptor means for the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeqEvent {
    /// Look at the frame; `missed` frames before it never came.
    InOrder {
        /// Frames lost before this one.
        missed: u64,
    },
    /// Too much is missing: do not look at this frame either, start over behind it.
    Resync {
        /// Frames lost, this one included.
        missed: u64,
    },
    /// A duplicate, or older than what was already seen: not a new frame, drop it.
    Regression,
}

/// Sequence account of one epoch. `seen()` = delivered + dropped by a cause +
/// [`SeqTracker::missed`] at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqTracker {
    max_gap: u64,
    first: Option<u64>,
    next: Option<u64>,
    baseline: Option<u64>,
    missed: u64,
    regressions: u64,
}

impl SeqTracker {
    /// An account for an epoch with `slot_count` slots. `max_outstanding_gap` is capped by the slot
    /// count (more than a ring cannot be caught up with); 0 turns resynchronising off.
    #[must_use]
    pub fn new(presence: Presence, max_outstanding_gap: u64, slot_count: u32) -> Self {
        // [TP-CLI-1250]
        let max_gap = match max_outstanding_gap {
            0 => u64::MAX,
            limit => limit.min(u64::from(slot_count)),
        };
        // [TP-CLI-1220] [TP-CLI-1240]
        let baseline = match presence {
            Presence::FromStart => Some(0),
            Presence::Joined => None,
        };
        Self {
            max_gap,
            first: None,
            next: None,
            baseline,
            missed: 0,
            regressions: 0,
        }
    }

    /// A descriptor of this epoch arrived.
    #[inline]
    pub fn on_descriptor(&mut self, seq: Seq) -> SeqEvent {
        let seq = seq.get();
        let expected = match self.next {
            Some(next) => next,
            None => {
                // [TP-CLI-1220] [TP-CLI-1230]
                let start = self.baseline.map_or(seq, |baseline| baseline.min(seq));
                self.first = Some(start);
                start
            }
        };
        // [TP-CLI-1260]
        if seq < expected {
            self.regressions += 1;
            return SeqEvent::Regression;
        }
        self.next = Some(seq.saturating_add(1));
        // [TP-CLI-1210] [TP-CLI-1250]
        let missed = seq - expected;
        if missed > self.max_gap {
            self.missed += missed + 1;
            return SeqEvent::Resync { missed: missed + 1 };
        }
        // [TP-CLI-1210]
        self.missed += missed;
        SeqEvent::InOrder { missed }
    }

    /// The expected frame and those behind it, `count` in all, will never come; the ledger counts
    /// them for a cause. Without an expected frame nothing is owed, and nothing happens.
    pub fn on_passed(&mut self, count: u64) {
        if let Some(expected) = self.next.or(self.baseline) {
            self.first = self.first.or(Some(expected));
            self.next = Some(expected.saturating_add(count));
        }
    }

    /// The producer's next sequence number was heard (QosProducer) after this epoch was mapped.
    /// Before the first frame it tells where the account begins; afterwards it means nothing until
    /// the end.
    /// [TP-CLI-1230]
    pub fn on_producer_position(&mut self, next_seq: Seq) {
        if self.next.is_none() && self.baseline.is_none() {
            self.baseline = Some(next_seq.get());
        }
    }

    /// The epoch ended at `next_seq` (the producer's last position) and nothing more will come:
    /// what is missing behind the last frame is lost. Gives that number. Idempotent.
    /// [TP-CLI-1270]
    pub fn on_end(&mut self, next_seq: Seq) -> u64 {
        self.skip_to(next_seq)
    }

    /// Nothing before `next_seq` that did not come will. Gives how many frames that are; 0 while
    /// nothing says where the account begins. Idempotent.
    /// [TP-CLI-1270]
    pub fn skip_to(&mut self, next_seq: Seq) -> u64 {
        let Some(expected) = self.next.or(self.baseline) else {
            return 0;
        };
        let tail = next_seq.get().saturating_sub(expected);
        if tail > 0 {
            self.first = self.first.or(self.baseline);
            self.next = Some(next_seq.get());
            self.missed += tail;
        }
        tail
    }

    /// The sequence number the account begins with; `None` before anything was seen.
    #[must_use]
    pub fn first(&self) -> Option<Seq> {
        self.first.map(Seq::new)
    }

    /// The next frame that is owed; `None` while nothing says where the account begins.
    #[must_use]
    pub fn expected(&self) -> Option<Seq> {
        self.next.or(self.baseline).map(Seq::new)
    }

    /// The last sequence number accounted for; `None` before anything was seen.
    #[must_use]
    pub fn last(&self) -> Option<Seq> {
        self.next.and_then(|next| next.checked_sub(1)).map(Seq::new)
    }

    /// Frames accounted for so far: everything from the first to the last.
    #[must_use]
    pub fn seen(&self) -> u64 {
        match (self.first, self.next) {
            (Some(first), Some(next)) => next - first,
            (None, _) | (_, None) => 0,
        }
    }

    /// Frames that never came, skipped ones included.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Descriptors that were duplicates or older than the last.
    #[must_use]
    pub fn regressions(&self) -> u64 {
        self.regressions
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(tracker: &mut SeqTracker, seqs: &[u64]) -> Vec<SeqEvent> {
        seqs.iter()
            .map(|&seq| tracker.on_descriptor(Seq::new(seq)))
            .collect()
    }

    /// Proves [TP-CLI-1210], [TP-CLI-1220].
    #[test]
    fn the_first_frame_after_a_join_is_no_gap_even_with_seq_zero_seen_first() {
        let mut tracker = SeqTracker::new(Presence::Joined, 256, 1024);
        assert_eq!(feed(&mut tracker, &[40]), [SeqEvent::InOrder { missed: 0 }]);
        let mut tracker = SeqTracker::new(Presence::Joined, 256, 1024);
        let events = feed(&mut tracker, &[0, 3]);
        assert_eq!(
            events[1],
            SeqEvent::InOrder { missed: 2 },
            "a gap after seq 0 is a gap"
        );
    }

    /// Proves [TP-CLI-1240].
    #[test]
    fn after_a_remap_the_epoch_is_owed_from_its_start() {
        let mut tracker = SeqTracker::new(Presence::FromStart, 256, 1024);
        assert_eq!(feed(&mut tracker, &[5]), [SeqEvent::InOrder { missed: 5 }]);
        assert_eq!((tracker.first(), tracker.seen()), (Some(Seq::new(0)), 6));
    }

    /// Proves [TP-CLI-1230].
    #[test]
    fn a_position_heard_before_the_first_frame_moves_the_beginning() {
        let mut tracker = SeqTracker::new(Presence::Joined, 256, 1024);
        tracker.on_producer_position(Seq::new(2));
        assert_eq!(feed(&mut tracker, &[5]), [SeqEvent::InOrder { missed: 3 }]);
        let mut overtaken = SeqTracker::new(Presence::Joined, 256, 1024);
        overtaken.on_producer_position(Seq::new(9));
        assert_eq!(
            feed(&mut overtaken, &[7]),
            [SeqEvent::InOrder { missed: 0 }]
        );
        assert_eq!(
            overtaken.first(),
            Some(Seq::new(7)),
            "frames still queued are no regression"
        );
    }

    /// Proves [TP-CLI-1250].
    #[test]
    fn too_large_a_gap_resynchronises_and_the_limit_never_exceeds_the_ring() {
        let mut tracker = SeqTracker::new(Presence::Joined, 256, 4);
        let events = feed(&mut tracker, &[0, 5, 11, 12]);
        assert_eq!(events[1], SeqEvent::InOrder { missed: 4 });
        assert_eq!(events[2], SeqEvent::Resync { missed: 6 });
        assert_eq!(events[3], SeqEvent::InOrder { missed: 0 });
        let mut off = SeqTracker::new(Presence::Joined, 0, 4);
        assert_eq!(
            feed(&mut off, &[0, 1_000])[1],
            SeqEvent::InOrder { missed: 999 }
        );
    }

    /// Proves [TP-CLI-1260].
    #[test]
    fn duplicates_and_old_descriptors_are_regressions_and_change_nothing() {
        let mut tracker = SeqTracker::new(Presence::Joined, 256, 1024);
        let events = feed(&mut tracker, &[3, 4, 4, 1]);
        assert_eq!(events[2..], [SeqEvent::Regression, SeqEvent::Regression]);
        assert_eq!(
            (tracker.seen(), tracker.missed(), tracker.regressions()),
            (2, 0, 2)
        );
    }

    /// Proves [TP-CLI-1270].
    #[test]
    fn the_tail_is_lost_when_the_stream_ends_beyond_the_last_frame() {
        let mut tracker = SeqTracker::new(Presence::FromStart, 256, 1024);
        feed(&mut tracker, &[0, 1]);
        assert_eq!(tracker.on_end(Seq::new(5)), 3);
        assert_eq!(tracker.on_end(Seq::new(5)), 0, "idempotent");
        assert_eq!((tracker.seen(), tracker.missed()), (5, 3));
    }

    /// Proves [TP-CLI-1270].
    #[test]
    fn a_stream_that_ended_without_a_frame_counts_from_what_was_owed() {
        let mut present = SeqTracker::new(Presence::FromStart, 256, 1024);
        assert_eq!(present.on_end(Seq::new(7)), 7);
        assert_eq!(present.seen(), 7);
        let mut joined = SeqTracker::new(Presence::Joined, 256, 1024);
        assert_eq!(
            joined.on_end(Seq::new(7)),
            0,
            "nothing says that any of them was for us"
        );
        joined.on_producer_position(Seq::new(7));
        assert_eq!(joined.on_end(Seq::new(9)), 2);
    }

    proptest! {
        #[test]
        fn received_plus_missed_is_everything_from_first_to_last(
            from_start in any::<bool>(), limit in 0u64..20,
            baseline in prop::option::of(0u64..30),
            seqs in prop::collection::vec(0u64..200, 0..60), end in 0u64..250,
        ) {
            let presence = if from_start { Presence::FromStart } else { Presence::Joined };
            let mut tracker = SeqTracker::new(presence, limit, 16);
            if let Some(position) = baseline {
                tracker.on_producer_position(Seq::new(position));
            }
            let mut received = 0;
            for &seq in &seqs {
                if let SeqEvent::InOrder { .. } = tracker.on_descriptor(Seq::new(seq)) {
                    received += 1;
                }
                prop_assert_eq!(tracker.seen(), received + tracker.missed());
            }
            tracker.on_end(Seq::new(end));
            prop_assert_eq!(tracker.seen(), received + tracker.missed());
            if let (Some(first), Some(last)) = (tracker.first(), tracker.last()) {
                prop_assert_eq!(tracker.seen(), last.get() + 1 - first.get());
                prop_assert!(!from_start || first.get() == 0);
            }
        }
    }
}

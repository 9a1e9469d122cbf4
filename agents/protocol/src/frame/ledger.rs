//! What became of every frame of a stream: delivered, or dropped for a counted cause. Over all
//! epochs.

use tensorpool_codecs::types::Seq;

use super::gate::DropCause;
use super::seq_tracker::{Presence, SeqEvent, SeqTracker};

/// Dropped frames by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropCounts([u64; DropCause::COUNT]);

impl DropCounts {
    /// Frames dropped for this cause.
    #[inline]
    #[must_use]
    pub const fn get(&self, cause: DropCause) -> u64 {
        self.0[cause as usize]
    }

    /// Counts `count` frames. A ring full of nonsense makes huge numbers, and must not make an
    /// overflow.
    /// [TP-CLI-0960]
    #[inline]
    pub fn add(&mut self, cause: DropCause, count: u64) {
        let counter = &mut self.0[cause as usize];
        *counter = counter.saturating_add(count);
    }

    /// Frames that were overtaken: `dropsLate` of QosConsumer.
    /// [TP-CLI-0970]
    #[must_use]
    pub fn late(&self) -> u64 {
        DropCause::ALL
            .iter()
            .filter(|cause| cause.is_late())
            .fold(0, |sum, &cause| sum.saturating_add(self.get(cause)))
    }

    /// What was counted after `earlier`, which these counts once were.
    fn since(&self, earlier: &Self) -> Self {
        let mut counts = *self;
        for (count, before) in counts.0.iter_mut().zip(earlier.0) {
            *count -= before;
        }
        counts
    }

    /// Frames lost to this consumer: every cause but [`DropCause::EpochMismatch`], whose frames are
    /// accounted for in their own epoch, and [`DropCause::RateLimited`], which it asked for.
    /// [TP-CLI-1280] [TP-CLI-1290]
    #[must_use]
    pub fn lost(&self) -> u64 {
        DropCause::ALL
            .iter()
            .filter(|cause| !matches!(cause, DropCause::EpochMismatch | DropCause::RateLimited))
            .fold(0, |sum, &cause| sum.saturating_add(self.get(cause)))
    }
}

/// What became of the frames of one epoch: `end - first = delivered + drops.lost() +
/// drops.get(RateLimited)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpochAccount {
    /// The first frame that was owed; `None` while nothing says where the account begins.
    pub first: Option<Seq>,
    /// The frame behind the last one that is accounted for; `None` with `first`.
    pub end: Option<Seq>,
    /// Frames the application got intact.
    pub delivered: u64,
    /// Frames dropped, by cause.
    pub drops: DropCounts,
}

/// The account of a consumer: `sent = delivered + drops.lost() + drops.get(RateLimited)` over every
/// frame of the epochs it was present in, from the first it was owed to the last it heard of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameLedger {
    tracker: Option<SeqTracker>,
    closed_seen: u64,
    closed_regressions: u64,
    delivered: u64,
    drops: DropCounts,
    drop_events: u64,
    /// Accounts that were begun, and what was delivered and dropped before the last of them.
    accounts: u64,
    opened: (u64, DropCounts),
    /// What is told of is a selection at a rate.
    rate_capped: bool,
}

impl FrameLedger {
    /// A new epoch was mapped. The account of the last one is closed as it stands.
    /// [TP-CLI-1300]
    pub fn begin_epoch(&mut self, presence: Presence, max_outstanding_gap: u64, slot_count: u32) {
        if let Some(tracker) = &self.tracker {
            self.closed_seen = self.closed_seen.saturating_add(tracker.seen());
            self.closed_regressions += tracker.regressions();
        }
        self.tracker = Some(SeqTracker::new(presence, max_outstanding_gap, slot_count));
        self.accounts += 1;
        self.opened = (self.delivered, self.drops);
    }

    /// Accounts that were begun, one for each life of an epoch's memory.
    #[must_use]
    pub fn accounts(&self) -> u64 {
        self.accounts
    }

    /// The account of the mapped epoch as it stands.
    // [TP-CLI-1305]
    #[must_use]
    pub fn account(&self) -> EpochAccount {
        let (delivered, drops) = &self.opened;
        let end = self.expected();
        EpochAccount {
            first: self.tracker.as_ref().and_then(SeqTracker::first).or(end),
            end,
            delivered: self.delivered - delivered,
            drops: self.drops.since(drops),
        }
    }

    /// Whether the descriptors that come are a selection at the rate this consumer asked for: what
    /// is missing between them is then skipped, not lost, and nothing to start over for.
    /// [TP-CLI-2230]
    pub fn set_rate_capped(&mut self, rate_capped: bool) {
        self.rate_capped = rate_capped;
    }

    /// Whether what comes is a selection.
    #[must_use]
    pub fn is_rate_capped(&self) -> bool {
        self.rate_capped
    }

    /// Of a selection: frames before `seq` that were not told of will not be. Gives their number.
    /// [TP-CLI-2230], [TP-CLI-2290]
    pub fn on_skipped(&mut self, seq: Seq) -> u64 {
        let skipped = self
            .tracker
            .as_mut()
            .map_or(0, |tracker| tracker.skip_to(seq));
        self.count(DropCause::RateLimited, skipped);
        skipped
    }

    /// A descriptor of the mapped epoch arrived; `true` when its frame shall be looked at and then
    /// be reported to
    /// [`FrameLedger::on_delivered`] or [`FrameLedger::on_dropped`].
    #[inline]
    pub fn on_descriptor(&mut self, seq: Seq) -> bool {
        if self.rate_capped {
            self.on_skipped(seq);
        }
        let Some(tracker) = &mut self.tracker else {
            return false;
        };
        match tracker.on_descriptor(seq) {
            // [TP-CLI-1210]
            SeqEvent::InOrder { missed } => {
                self.count(DropCause::Gap, missed);
                true
            }
            // [TP-CLI-1250]
            SeqEvent::Resync { missed } => {
                self.count(DropCause::Gap, missed);
                false
            }
            // [TP-CLI-1260]
            SeqEvent::Regression => false,
        }
    }

    /// The frame reached the application intact.
    /// [TP-CLI-1280]
    #[inline]
    pub fn on_delivered(&mut self) {
        self.delivered += 1;
    }

    /// The frame was dropped.
    /// [TP-CLI-0960] [TP-CLI-1280]
    #[inline]
    pub fn on_dropped(&mut self, cause: DropCause) {
        self.count(cause, 1);
    }

    /// The expected frame and those behind it, `count` in all, will never come, for this cause.
    #[inline]
    pub fn on_passed(&mut self, count: u64, cause: DropCause) {
        if let Some(tracker) = &mut self.tracker
            && tracker.expected().is_some()
        {
            tracker.on_passed(count);
            self.count(cause, count);
        }
    }

    /// The memory of the mapped epoch began a new life: its account is closed as it stands, and
    /// another one begins at `next`. Counts as a regression.
    pub fn on_restarted(&mut self, next: Seq, max_outstanding_gap: u64, slot_count: u32) {
        self.begin_epoch(Presence::Joined, max_outstanding_gap, slot_count);
        self.closed_regressions += 1;
        self.on_producer_position(next);
    }

    /// See [`SeqTracker::on_producer_position`].
    pub fn on_producer_position(&mut self, next_seq: Seq) {
        if let Some(tracker) = &mut self.tracker {
            tracker.on_producer_position(next_seq);
        }
    }

    /// The mapped epoch ended at `next_seq`: the missing tail is a gap, unless the last descriptors
    /// were a selection. Gives what was lost of it. Idempotent.
    /// [TP-CLI-1270]
    pub fn on_end(&mut self, next_seq: Seq) -> u64 {
        if self.rate_capped {
            self.on_skipped(next_seq);
            return 0;
        }
        let tail = self
            .tracker
            .as_mut()
            .map_or(0, |tracker| tracker.skip_to(next_seq));
        self.count(DropCause::Gap, tail);
        tail
    }

    /// The next frame the mapped epoch owes; `None` while nothing says where the account begins.
    #[must_use]
    pub fn expected(&self) -> Option<Seq> {
        self.tracker.as_ref().and_then(SeqTracker::expected)
    }

    /// Last sequence number accounted for in the mapped epoch; `None` before the first.
    #[must_use]
    pub fn last_seq(&self) -> Option<Seq> {
        self.tracker.as_ref().and_then(SeqTracker::last)
    }

    /// Frames of all epochs that are accounted for.
    /// [TP-CLI-1300]
    #[must_use]
    pub fn seen(&self) -> u64 {
        let seen = self.tracker.as_ref().map_or(0, SeqTracker::seen);
        self.closed_seen.saturating_add(seen)
    }

    /// Frames the application got intact.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Frames dropped, by cause.
    #[must_use]
    pub fn drops(&self) -> &DropCounts {
        &self.drops
    }

    /// Changes whenever frames are dropped: cheaper to compare than the counts themselves.
    #[inline]
    #[must_use]
    pub fn drop_events(&self) -> u64 {
        self.drop_events
    }

    #[inline]
    fn count(&mut self, cause: DropCause, count: u64) {
        // Most frames miss nothing: their account costs no store.
        if count > 0 {
            self.drop_events += 1;
            self.drops.add(cause, count);
        }
    }

    /// Descriptors that were duplicates or older than the last.
    #[must_use]
    pub fn regressions(&self) -> u64 {
        self.closed_regressions + self.tracker.as_ref().map_or(0, SeqTracker::regressions)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Proves [TP-CLI-1300].
    #[test]
    fn the_account_runs_over_epochs() {
        let mut ledger = FrameLedger::default();
        assert!(!ledger.on_descriptor(Seq::new(0)), "nothing is mapped");
        ledger.begin_epoch(Presence::Joined, 256, 16);
        assert!(ledger.on_descriptor(Seq::new(3)));
        ledger.on_delivered();
        assert_eq!(ledger.on_end(Seq::new(6)), 2);
        ledger.begin_epoch(Presence::FromStart, 256, 16);
        assert!(ledger.on_descriptor(Seq::new(1)));
        ledger.on_dropped(DropCause::Changed);
        assert!(!ledger.on_descriptor(Seq::new(1)));
        assert_eq!(
            (ledger.seen(), ledger.delivered(), ledger.regressions()),
            (5, 1, 1)
        );
        assert_eq!(
            (ledger.drops().get(DropCause::Gap), ledger.drops().late()),
            (3, 1)
        );
        assert_eq!(ledger.last_seq(), Some(Seq::new(1)));
    }

    /// Proves [TP-CLI-1305].
    #[test]
    fn each_epoch_has_an_account_of_its_own() {
        let mut ledger = FrameLedger::default();
        assert_eq!(ledger.account(), EpochAccount::default());
        ledger.begin_epoch(Presence::Joined, 256, 16);
        assert_eq!((ledger.account().first, ledger.account().end), (None, None));
        ledger.on_producer_position(Seq::new(3));
        for seq in [5, 6] {
            assert!(ledger.on_descriptor(Seq::new(seq)));
            ledger.on_delivered();
        }
        let first = ledger.account();
        assert_eq!(first.first.zip(first.end), Some((Seq::new(3), Seq::new(7))));
        assert_eq!((first.delivered, first.drops.get(DropCause::Gap)), (2, 2));
        ledger.begin_epoch(Presence::FromStart, 256, 16);
        let begun = ledger.account();
        assert_eq!(begun.first.zip(begun.end), Some((Seq::new(0), Seq::new(0))));
        assert!(ledger.on_descriptor(Seq::new(1)));
        ledger.on_dropped(DropCause::Odd);
        let second = ledger.account();
        assert_eq!(
            second.first.zip(second.end),
            Some((Seq::new(0), Seq::new(2)))
        );
        assert_eq!((second.delivered, second.drops.lost()), (0, 2));
        assert_eq!(second.drops.get(DropCause::Gap), 1);
        assert_eq!((ledger.accounts(), ledger.drops().lost()), (2, 4));
    }

    /// Proves [TP-CLI-1290].
    #[test]
    fn epoch_mismatches_are_shown_but_not_part_of_the_sum() {
        let mut ledger = FrameLedger::default();
        ledger.on_dropped(DropCause::EpochMismatch);
        assert_eq!((ledger.drops().lost(), ledger.seen()), (0, 0));
        assert_eq!(ledger.drops().get(DropCause::EpochMismatch), 1);
    }

    /// Proves [TP-CLI-2230].
    #[test]
    fn what_a_selection_leaves_out_is_skipped_and_not_lost() {
        let mut ledger = FrameLedger::default();
        ledger.begin_epoch(Presence::FromStart, 4, 16);
        ledger.set_rate_capped(true);
        assert!(
            ledger.on_descriptor(Seq::new(10)),
            "no reason to start over"
        );
        ledger.on_delivered();
        assert_eq!(ledger.on_skipped(Seq::new(15)), 4);
        assert_eq!(
            ledger.on_end(Seq::new(20)),
            0,
            "nothing of the tail is lost"
        );
        assert_eq!(ledger.drops().get(DropCause::RateLimited), 19);
        assert_eq!((ledger.seen(), ledger.drops().lost()), (20, 0));
        ledger.begin_epoch(Presence::FromStart, 4, 16);
        ledger.set_rate_capped(false);
        assert!(ledger.on_descriptor(Seq::new(1)));
        ledger.on_dropped(DropCause::RateLimited);
        assert_eq!(ledger.drops().get(DropCause::Gap), 1);
        assert_eq!((ledger.seen(), ledger.drops().lost()), (22, 1));
    }

    proptest! {
        /// Proves [TP-CLI-1280].
        #[test]
        fn delivered_plus_lost_is_what_was_sent(
            epochs in prop::collection::vec(
                (
                    any::<bool>(),
                    prop::collection::vec((0u64..40, 0usize..7), 0..40),
                    prop::option::of(0u64..50),
                ), 1..5),
        ) {
            let mut ledger = FrameLedger::default();
            for (index, (rate_capped, frames, end)) in epochs.iter().enumerate() {
                let presence = if index == 0 { Presence::Joined } else { Presence::FromStart };
                ledger.begin_epoch(presence, 8, 16);
                ledger.set_rate_capped(*rate_capped);
                for &(seq, fate) in frames {
                    if ledger.on_descriptor(Seq::new(seq)) {
                        match fate {
                            0 => ledger.on_dropped(DropCause::Odd),
                            1 => ledger.on_dropped(DropCause::Changed),
                            2 => ledger.on_dropped(DropCause::PayloadInvalid),
                            3 => ledger.on_dropped(DropCause::RateLimited),
                            _ => ledger.on_delivered(),
                        }
                    }
                }
                if let Some(end) = end {
                    ledger.on_end(Seq::new(*end));
                }
                let skipped = ledger.drops().get(DropCause::RateLimited);
                prop_assert_eq!(ledger.seen(), ledger.delivered() + ledger.drops().lost() + skipped);
                let EpochAccount { first, end, delivered, drops } = ledger.account();
                let owed = first.zip(end).map_or(0, |(first, end)| end.get() - first.get());
                let skipped = drops.get(DropCause::RateLimited);
                prop_assert_eq!(owed, delivered + drops.lost() + skipped);
            }
        }
    }
}

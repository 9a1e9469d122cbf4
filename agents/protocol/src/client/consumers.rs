//! Who listens to a producer's stream, and how far the slowest has come.
//!
//! Fed from ConsumerHello (control stream) and QosConsumer (QoS stream). Bounded, forgets who went
//! silent.

use std::collections::VecDeque;

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, Seq, StreamId};

use crate::common::ConsumerMode;

/// The most consumers that are followed. When there are more, those that report the current epoch
/// take the places of those that do not; who finds none is counted as overflow.
pub const MAX_CONSUMERS: usize = 256;

/// A consumer is forgotten after this long without a message: five of its periods.
pub const CONSUMER_STALE_NS: u64 = 5_000_000_000;

/// Reports may overtake the news of a consumer's end by this much.
const GONE_NS: u64 = 1_000_000_000;
/// The most ends that are remembered at a time.
const MAX_GONE: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Consumer {
    id: ClientId,
    heard: NanoTime,
    epoch: Epoch,
    mode: ConsumerMode,
    last_seq_seen: u64,
    /// Of the epoch's frames, the first it can still be given.
    owed_from: u64,
    /// When the last two reports of this epoch that said "0" arrived, see
    /// [`ConsumerTracker::all_saw`].
    zero_heard: [NanoTime; 2],
}

/// The consumers of one stream. Called by one thread; allocates once.
#[derive(Clone, Debug)]
pub struct ConsumerTracker {
    stream_id: StreamId,
    epoch: Epoch,
    slot_count: u64,
    next_seq: u64,
    published: NanoTime,
    consumers: Vec<Consumer>,
    overflow: u64,
    gone: VecDeque<(ClientId, NanoTime)>,
    /// Reports from before are hearsay: the link was lost since.
    confirmed_from: NanoTime,
}

impl ConsumerTracker {
    /// Nobody listens yet.
    #[must_use]
    pub fn new(stream_id: StreamId) -> Self {
        Self {
            stream_id,
            epoch: Epoch::new(0),
            slot_count: 1,
            next_seq: 0,
            published: NanoTime::new(0),
            consumers: Vec::with_capacity(MAX_CONSUMERS),
            overflow: 0,
            gone: VecDeque::with_capacity(MAX_GONE),
            confirmed_from: NanoTime::new(0),
        }
    }

    /// The producer goes on with this stream and epoch, in a ring of so many slots: everybody has to
    /// report anew.
    pub fn begin_epoch(&mut self, stream_id: StreamId, epoch: Epoch, slot_count: u32) {
        if stream_id != self.stream_id {
            self.consumers.clear();
        }
        self.stream_id = stream_id;
        self.epoch = epoch;
        self.slot_count = u64::from(slot_count.max(1));
        self.next_seq = 0;
        self.published = NanoTime::new(0);
    }

    /// Where the producer stands: its next sequence number, and when it published the one before.
    /// To be told before every report, so that a consumer is never owed what is gone.
    pub fn on_position(&mut self, next_seq: Seq, published: NanoTime) {
        self.next_seq = next_seq.get();
        self.published = published;
    }

    /// A ConsumerHello: somebody is there, mapped or not.
    pub fn on_hello(&mut self, now: NanoTime, stream_id: StreamId, consumer_id: ClientId) {
        if stream_id == self.stream_id {
            let _ = self.entry(now, consumer_id, Standing::Heard);
        }
    }

    /// A QosConsumer: the epoch it has mapped (0 = none), the last sequence number it is done with,
    /// and how it takes frames.
    pub fn on_qos(
        &mut self,
        now: NanoTime,
        stream_id: StreamId,
        consumer_id: ClientId,
        epoch: Epoch,
        last_seq_seen: Seq,
        mode: ConsumerMode,
    ) {
        if stream_id != self.stream_id {
            return;
        }
        // Who comes late, or comes back, needs what the ring still holds when the next frame is
        // written; waiting for more would be waiting for ever, as nothing tells it of older frames.
        // [TP-CLI-1850]
        let owed_from = self.next_seq.saturating_sub(self.slot_count - 1);
        let standing = if epoch == self.epoch {
            Standing::OfEpoch
        } else {
            Standing::Heard
        };
        let Some(consumer) = self.entry(now, consumer_id, standing) else {
            return;
        };
        // [TP-CLI-1820]
        if consumer.epoch != epoch {
            consumer.epoch = epoch;
            consumer.owed_from = owed_from;
            consumer.last_seq_seen = 0;
            consumer.zero_heard = [NanoTime::new(0); 2];
        }
        consumer.mode = mode;
        // Peers restart their numbers now and then; progress within an epoch is not taken back.
        // [TP-CLI-1860]
        consumer.last_seq_seen = consumer.last_seq_seen.max(last_seq_seen.get());
        // [TP-CLI-1870]
        if last_seq_seen.get() == 0 {
            consumer.zero_heard = [consumer.zero_heard[1], now];
        }
    }

    /// The driver ended a consumer's lease: nobody has to wait for it. Reports of it that are still
    /// under way do not bring it back.
    /// [TP-CLI-1840]
    pub fn on_gone(&mut self, now: NanoTime, stream_id: StreamId, consumer_id: ClientId) {
        if stream_id != self.stream_id {
            return;
        }
        self.consumers.retain(|consumer| consumer.id != consumer_id);
        if self.gone.len() == MAX_GONE {
            self.gone.pop_front();
        }
        self.gone.push_back((consumer_id, now));
    }

    /// The link is back after a loss: consumers may come back to it later than we did.
    pub fn on_link_up(&mut self, now: NanoTime) {
        self.confirmed_from = now;
    }

    /// Consumers of the current epoch that were not heard of since the link is back.
    /// [TP-CLI-1880]
    #[must_use]
    pub fn unconfirmed(&self) -> usize {
        self.waited_for()
            .filter(|consumer| consumer.heard < self.confirmed_from)
            .count()
    }

    /// Forgets consumers that have gone silent. Idempotent.
    /// [TP-CLI-1810]
    pub fn on_timeout(&mut self, now: NanoTime) {
        self.consumers
            .retain(|consumer| now.since_ns(consumer.heard) < CONSUMER_STALE_NS);
    }

    /// Consumers heard of lately, mapped or not.
    #[must_use]
    pub fn listening(&self) -> usize {
        self.consumers.len()
    }

    /// Consumers that have mapped the current epoch: those a frame written now can reach.
    #[must_use]
    pub fn mapped(&self) -> usize {
        self.of_epoch().count()
    }

    /// Those of them for whom this holds.
    #[must_use]
    pub fn mapped_where(&self, holds: impl Fn(ClientId) -> bool) -> usize {
        self.of_epoch()
            .filter(|consumer| holds(consumer.id))
            .count()
    }

    /// The first sequence number that some consumer of the current epoch may still need: a lossless
    /// producer must not overwrite it. `None` without consumers. A report of 0 is ambiguous and
    /// read as "needs 0", unless 0 is all there is and was reported twice since.
    /// [TP-CLI-1830]
    #[must_use]
    pub fn floor(&self) -> Option<Seq> {
        let needed = self.waited_for().map(|consumer| {
            let unread = match consumer.last_seq_seen {
                // [TP-CLI-1870]
                0 if self.next_seq == 1 && consumer.zero_heard[0] > self.published => 1,
                0 => 0,
                seen => seen.saturating_add(1),
            };
            // [TP-CLI-1850]
            unread.max(consumer.owed_from)
        });
        needed.min().map(Seq::new)
    }

    /// Whether every consumer of the current epoch is done with `seq`, which was published at
    /// `published`; true without consumers. A report of 0 cannot be told from "nothing yet", so for
    /// frame 0 two reports after it are asked for.
    /// [TP-CLI-1830] [TP-CLI-1870]
    #[must_use]
    pub fn all_saw(&self, seq: Seq, published: NanoTime) -> bool {
        self.waited_for()
            .all(|consumer| match (seq.get(), consumer.last_seq_seen) {
                (0, 0) => consumer.zero_heard[0] > published,
                (wanted, seen) => seen >= wanted,
            })
    }

    /// Newcomers that found the table full.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    // [TP-CLI-1820]
    fn of_epoch(&self) -> impl Iterator<Item = &Consumer> {
        self.consumers
            .iter()
            .filter(|consumer| consumer.epoch == self.epoch)
    }

    /// Who asked for less than every frame misses some in any case. [TP-CLI-2354]
    fn waited_for(&self) -> impl Iterator<Item = &Consumer> {
        self.of_epoch()
            .filter(|consumer| consumer.mode == ConsumerMode::Stream)
    }

    fn entry(&mut self, now: NanoTime, id: ClientId, standing: Standing) -> Option<&mut Consumer> {
        while self
            .gone
            .front()
            .is_some_and(|(_, since)| now.since_ns(*since) >= GONE_NS)
        {
            self.gone.pop_front();
        }
        // [TP-CLI-1840]
        if self.gone.iter().any(|(gone, _)| *gone == id) {
            return None;
        }
        let found = self.consumers.iter().position(|consumer| consumer.id == id);
        let newcomer = Consumer {
            id,
            heard: now,
            epoch: Epoch::new(0),
            mode: ConsumerMode::Stream,
            last_seq_seen: 0,
            owed_from: 0,
            zero_heard: [NanoTime::new(0); 2],
        };
        let index = match found {
            Some(index) => index,
            // [TP-CLI-1890]
            None if self.consumers.len() < MAX_CONSUMERS => {
                self.consumers.push(newcomer);
                self.consumers.len() - 1
            }
            None => {
                // [TP-CLI-1890]
                self.overflow += 1;
                let index = self.replaceable(standing)?;
                self.consumers[index] = newcomer;
                index
            }
        };
        let consumer = &mut self.consumers[index];
        // [TP-CLI-1810]
        consumer.heard = consumer.heard.max(now);
        Some(consumer)
    }

    /// Whose place somebody of this standing takes in a full table: of those that do not report the
    /// epoch, who was silent for longest. Hellos alone displace nobody, so that no flood of them
    /// hides a consumer that reads. [TP-CLI-1895]
    fn replaceable(&self, standing: Standing) -> Option<usize> {
        if standing == Standing::Heard {
            return None;
        }
        let others = self.consumers.iter().enumerate();
        others
            .filter(|(_, consumer)| consumer.epoch != self.epoch)
            .min_by_key(|(_, consumer)| consumer.heard)
            .map(|(index, _)| index)
    }
}

/// What a message shows of its consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// That there is somebody.
    Heard,
    /// That it has mapped the current epoch.
    OfEpoch,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: StreamId = StreamId::new(1);
    const EPOCH: Epoch = Epoch::new(50);
    const SECOND: u64 = 1_000_000_000;

    fn tracker() -> ConsumerTracker {
        let mut tracker = ConsumerTracker::new(STREAM);
        tracker.begin_epoch(STREAM, EPOCH, 8);
        tracker
    }

    fn qos(tracker: &mut ConsumerTracker, now: u64, id: u32, epoch: Epoch, seq: u64) {
        tracker.on_qos(
            NanoTime::new(now),
            STREAM,
            ClientId::new(id),
            epoch,
            Seq::new(seq),
            ConsumerMode::Stream,
        );
    }

    /// Proves [TP-CLI-1820].
    #[test]
    fn a_hello_is_heard_but_only_a_report_of_the_epoch_counts_as_mapped() {
        let mut tracker = tracker();
        tracker.on_hello(NanoTime::new(0), STREAM, ClientId::new(1));
        tracker.on_hello(NanoTime::new(0), StreamId::new(2), ClientId::new(9));
        assert_eq!(
            (tracker.listening(), tracker.mapped(), tracker.floor()),
            (1, 0, None)
        );
        qos(&mut tracker, 0, 1, Epoch::new(0), 0);
        assert_eq!(tracker.mapped(), 0, "mapped nothing");
        qos(&mut tracker, 0, 1, EPOCH, 0);
        assert_eq!((tracker.listening(), tracker.mapped()), (1, 1));
    }

    /// Proves [TP-CLI-2354].
    #[test]
    fn who_asked_for_a_rate_is_not_waited_for_while_it_does() {
        let mut tracker = tracker();
        qos(&mut tracker, 0, 1, EPOCH, 7);
        let mut report = |seen, mode| {
            let (now, id) = (NanoTime::new(1), ClientId::new(2));
            tracker.on_qos(now, STREAM, id, EPOCH, Seq::new(seen), mode);
            let saw = tracker.all_saw(Seq::new(7), NanoTime::new(0));
            (tracker.mapped(), tracker.floor(), saw)
        };
        let floor = |seq| Some(Seq::new(seq));
        assert_eq!(report(3, ConsumerMode::RateLimited), (2, floor(8), true));
        assert_eq!(report(4, ConsumerMode::Stream), (2, floor(5), false));
    }

    /// Proves [TP-CLI-1830].
    #[test]
    fn the_slowest_live_consumer_of_the_epoch_sets_the_floor() {
        let mut tracker = tracker();
        qos(&mut tracker, 0, 1, EPOCH, 7);
        qos(&mut tracker, 0, 2, EPOCH, 4);
        qos(&mut tracker, 0, 3, Epoch::new(49), 1);
        assert_eq!(tracker.floor(), Some(Seq::new(5)));
        qos(&mut tracker, 0, 4, EPOCH, 0);
        assert_eq!(
            tracker.floor(),
            Some(Seq::new(0)),
            "0 may mean that nothing was seen"
        );
    }

    /// Proves [TP-CLI-1820].
    #[test]
    fn a_new_epoch_asks_everybody_to_report_anew() {
        let mut tracker = tracker();
        qos(&mut tracker, 0, 1, EPOCH, 7);
        tracker.begin_epoch(STREAM, Epoch::new(51), 8);
        assert_eq!(
            (tracker.mapped(), tracker.listening(), tracker.floor()),
            (0, 1, None)
        );
        qos(&mut tracker, 0, 1, Epoch::new(51), 0);
        assert_eq!(tracker.floor(), Some(Seq::new(0)));
    }

    /// Proves [TP-CLI-1810].
    #[test]
    fn silent_consumers_are_forgotten_after_five_seconds() {
        let mut tracker = tracker();
        qos(&mut tracker, 0, 1, EPOCH, 7);
        qos(&mut tracker, 2 * SECOND, 2, EPOCH, 9);
        tracker.on_timeout(NanoTime::new(5 * SECOND - 1));
        assert_eq!(tracker.mapped(), 2);
        tracker.on_timeout(NanoTime::new(5 * SECOND));
        assert_eq!((tracker.mapped(), tracker.floor()), (1, Some(Seq::new(10))));
    }

    /// Proves [TP-CLI-1860].
    #[test]
    fn a_restarted_count_does_not_take_progress_back() {
        let mut tracker = tracker();
        qos(&mut tracker, 0, 1, EPOCH, 7);
        qos(&mut tracker, 0, 1, EPOCH, 0);
        assert_eq!(tracker.floor(), Some(Seq::new(8)));
    }

    /// Proves [TP-CLI-1870].
    #[test]
    fn having_seen_frame_zero_takes_two_reports_after_it() {
        let mut tracker = tracker();
        let published = NanoTime::new(10);
        assert!(
            tracker.all_saw(Seq::new(0), published),
            "nobody has to see it"
        );
        qos(&mut tracker, 9, 1, EPOCH, 0);
        qos(&mut tracker, 11, 1, EPOCH, 0);
        assert!(!tracker.all_saw(Seq::new(0), published));
        qos(&mut tracker, 12, 1, EPOCH, 0);
        assert!(tracker.all_saw(Seq::new(0), published));
        assert!(!tracker.all_saw(Seq::new(1), published));
        qos(&mut tracker, 13, 1, EPOCH, 1);
        assert!(tracker.all_saw(Seq::new(1), published));
        assert!(
            tracker.all_saw(Seq::new(0), NanoTime::new(20)),
            "no doubt is left"
        );
    }

    /// Proves [TP-CLI-1840].
    #[test]
    fn nobody_waits_for_a_consumer_whose_lease_ended() {
        let mut tracker = tracker();
        qos(&mut tracker, 0, 1, EPOCH, 7);
        qos(&mut tracker, 0, 2, EPOCH, 3);
        tracker.on_gone(NanoTime::new(1), StreamId::new(9), ClientId::new(2));
        assert_eq!(tracker.mapped(), 2, "of another stream");
        tracker.on_gone(NanoTime::new(1), STREAM, ClientId::new(2));
        qos(&mut tracker, 2, 2, EPOCH, 3);
        assert_eq!((tracker.mapped(), tracker.floor()), (1, Some(Seq::new(8))));
        qos(&mut tracker, 2 * SECOND, 2, EPOCH, 3);
        assert_eq!(tracker.mapped(), 2, "it came back");
    }

    /// Proves [TP-CLI-1850].
    #[test]
    fn who_joins_late_is_owed_what_the_ring_still_holds_and_the_next_frame_can_be_written() {
        let mut tracker = tracker();
        tracker.on_position(Seq::new(1_000), NanoTime::new(1));
        qos(&mut tracker, 2, 1, EPOCH, 0);
        assert_eq!(
            tracker.floor(),
            Some(Seq::new(993)),
            "seq 1000 takes the slot of 992"
        );
        tracker.on_position(Seq::new(1_001), NanoTime::new(3));
        qos(&mut tracker, 4, 1, EPOCH, 0);
        assert_eq!(tracker.floor(), Some(Seq::new(993)), "what is owed stays");
        qos(&mut tracker, 5, 1, EPOCH, 1_000);
        assert_eq!(tracker.floor(), Some(Seq::new(1_001)));
    }

    /// Proves [TP-CLI-1850].
    #[test]
    fn who_comes_back_after_the_ring_went_round_does_not_hold_it_up() {
        let mut tracker = tracker();
        qos(&mut tracker, 0, 1, EPOCH, 7);
        tracker.on_timeout(NanoTime::new(5 * SECOND));
        tracker.on_position(Seq::new(1_000), NanoTime::new(5 * SECOND));
        qos(&mut tracker, 8 * SECOND, 1, EPOCH, 7);
        assert_eq!(tracker.floor(), Some(Seq::new(993)));
    }

    /// Proves [TP-CLI-1870].
    #[test]
    fn a_ring_of_one_slot_is_free_again_once_frame_zero_was_surely_seen() {
        let mut tracker = ConsumerTracker::new(STREAM);
        tracker.begin_epoch(STREAM, EPOCH, 1);
        qos(&mut tracker, 1, 1, EPOCH, 0);
        tracker.on_position(Seq::new(1), NanoTime::new(10));
        qos(&mut tracker, 11, 1, EPOCH, 0);
        assert_eq!(tracker.floor(), Some(Seq::new(0)));
        qos(&mut tracker, 12, 1, EPOCH, 0);
        assert_eq!(tracker.floor(), Some(Seq::new(1)));
    }

    /// Proves [TP-CLI-1880].
    #[test]
    fn after_a_link_loss_consumers_count_again_when_they_are_heard() {
        let mut tracker = tracker();
        qos(&mut tracker, 0, 1, EPOCH, 7);
        qos(&mut tracker, 0, 2, EPOCH, 7);
        assert_eq!(tracker.unconfirmed(), 0);
        tracker.on_link_up(NanoTime::new(10));
        assert_eq!((tracker.unconfirmed(), tracker.mapped()), (2, 2));
        qos(&mut tracker, 10, 1, EPOCH, 7);
        assert_eq!(tracker.unconfirmed(), 1);
    }

    /// Proves [TP-CLI-1890].
    #[test]
    fn the_table_is_bounded() {
        let mut tracker = tracker();
        for id in 0..MAX_CONSUMERS as u32 + 3 {
            qos(&mut tracker, 0, id + 1, EPOCH, 1);
        }
        assert_eq!((tracker.mapped(), tracker.overflow()), (MAX_CONSUMERS, 3));
    }

    /// Proves [TP-CLI-1895].
    #[test]
    fn a_flood_of_hellos_hides_no_consumer_that_reports_the_epoch() {
        let mut tracker = tracker();
        for id in 1_000..2_000 {
            tracker.on_hello(NanoTime::new(u64::from(id)), STREAM, ClientId::new(id));
        }
        for id in 1..=3 {
            qos(&mut tracker, 2_000, id, EPOCH, 5);
        }
        assert_eq!((tracker.mapped(), tracker.floor()), (3, Some(Seq::new(6))));
        assert_eq!(tracker.listening(), MAX_CONSUMERS);
        for id in 5_000..6_000 {
            tracker.on_hello(NanoTime::new(3_000), STREAM, ClientId::new(id));
            qos(&mut tracker, 3_000, id, Epoch::new(49), 1);
        }
        assert_eq!(tracker.mapped(), 3, "and neither do those of other epochs");
    }

    /// Proves [TP-CLI-1895].
    #[test]
    fn a_reader_takes_the_place_of_who_was_silent_for_longest_and_of_no_other_reader() {
        let mut tracker = tracker();
        for id in 0..MAX_CONSUMERS as u32 - 1 {
            qos(&mut tracker, 10, id + 1, EPOCH, 1);
        }
        tracker.on_hello(NanoTime::new(20), STREAM, ClientId::new(9_999));
        qos(&mut tracker, 30, 8_888, EPOCH, 1);
        assert_eq!(tracker.mapped(), MAX_CONSUMERS);
        qos(&mut tracker, 40, 7_777, EPOCH, 0);
        assert_eq!(
            tracker.floor(),
            Some(Seq::new(2)),
            "there is no room for it"
        );
    }

    proptest! {
        #[test]
        fn the_floor_never_passes_what_a_live_consumer_still_needs(
            reports in prop::collection::vec((1u32..6, 0u64..100, any::<bool>()), 1..60),
        ) {
            let mut tracker = tracker();
            let mut model = std::collections::HashMap::new();
            for (id, seq, current) in reports {
                let epoch = if current { EPOCH } else { Epoch::new(1) };
                qos(&mut tracker, 0, id, epoch, seq);
                let entry = model.entry(id).or_insert((epoch, 0));
                if entry.0 != epoch {
                    *entry = (epoch, 0);
                }
                entry.1 = entry.1.max(seq);
                let needed = model.values().filter(|(e, _)| *e == EPOCH)
                    .map(|&(_, seen)| if seen == 0 { 0 } else { seen + 1 }).min();
                prop_assert_eq!(tracker.floor().map(Seq::get), needed);
            }
        }
    }
}

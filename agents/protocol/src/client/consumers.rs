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
#[path = "consumers_tests.rs"]
mod tests;

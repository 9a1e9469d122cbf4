//! What a supervisor notices, for people and logs: changes only, and not more of them than can be
//! read.

use std::collections::VecDeque;

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, StreamId};

use super::answers::ConsumerConfig;
use super::messages::ConsumerKey;
use crate::common::LeaseRevokeReason;

/// Events of one second; more are only counted.
pub(super) const EVENTS_PER_SECOND: usize = 64;
/// Events that wait to be fetched.
const MAX_WAITING: usize = 256;
const SECOND_NS: u64 = 1_000_000_000;

/// Why somebody is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LostReason {
    /// Nothing was heard of it for too long.
    Silent,
    /// The driver ended its lease.
    LeaseEnded(LeaseRevokeReason),
    /// The driver announces the stream without it.
    Replaced,
}

/// Why a consumer that asked for a stream of its own gets none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declined {
    /// Its request names a channel without an id, or an id without a channel.
    Incomplete,
    /// Its request names a channel that leaves this host, or is none.
    Channel,
    /// There are no ids for such streams.
    NotConfigured,
    /// All ids are taken.
    Exhausted,
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SupervisorEvent {
    /// A consumer was heard of for the first time.
    ConsumerJoined {
        /// Who.
        key: ConsumerKey,
    },
    /// A consumer is gone; its streams will be given to others.
    ConsumerLost {
        /// Who.
        key: ConsumerKey,
        /// Why.
        reason: LostReason,
    },
    /// A stream has a producer.
    ProducerJoined {
        /// The stream.
        stream_id: StreamId,
        /// Its producer.
        producer_id: ClientId,
        /// The epoch it begins in.
        epoch: Epoch,
    },
    /// A stream has lost its producer.
    ProducerLost {
        /// The stream.
        stream_id: StreamId,
        /// Who it was.
        producer_id: ClientId,
        /// Why.
        reason: LostReason,
    },
    /// A consumer is told something else than before.
    Configured {
        /// What.
        config: ConsumerConfig,
        /// Why it gets no descriptor stream of its own, if it asked for one.
        descriptor: Option<Declined>,
        /// Why it gets no control stream of its own, if it asked for one.
        control: Option<Declined>,
    },
    /// A consumer lost frames since the last such event.
    Drops {
        /// Who.
        key: ConsumerKey,
        /// Because it missed descriptors.
        gap: u64,
        /// Because frames were overwritten.
        late: u64,
    },
    /// There are more consumers than can be followed.
    Full {
        /// How many can.
        capacity: usize,
    },
    /// Somebody else told a consumer something: two authorities contradict each other.
    ForeignConfig {
        /// Which consumer.
        key: ConsumerKey,
    },
    /// Two consumers of a stream report under one id: what they are told, and what is known of them,
    /// is of both.
    IdShared {
        /// Which id.
        key: ConsumerKey,
    },
    /// So many events were left out in a second.
    Suppressed {
        /// How many.
        count: u64,
    },
}

/// Events that wait to be fetched.
#[derive(Debug)]
pub(super) struct EventLog {
    queue: VecDeque<SupervisorEvent>,
    second: NanoTime,
    told: usize,
    suppressed: u64,
}

impl EventLog {
    pub(super) fn new() -> Self {
        Self {
            queue: VecDeque::with_capacity(MAX_WAITING),
            second: NanoTime::new(0),
            told: 0,
            suppressed: 0,
        }
    }

    /// Keeps an event, unless there are too many. [TP-DRV-2640]
    pub(super) fn push(&mut self, now: NanoTime, event: SupervisorEvent) {
        self.on_time(now);
        // One place is left for saying how many there were.
        if self.told < EVENTS_PER_SECOND && self.queue.len() + 1 < MAX_WAITING {
            self.told += 1;
            self.queue.push_back(event);
        } else {
            self.suppressed += 1;
        }
    }

    /// Begins a new second when it is time, and says what was left out in the last.
    pub(super) fn on_time(&mut self, now: NanoTime) {
        if now.since_ns(self.second) < SECOND_NS {
            return;
        }
        self.second = now;
        self.told = 0;
        if self.suppressed > 0 && self.queue.len() < MAX_WAITING {
            let count = core::mem::take(&mut self.suppressed);
            self.queue.push_back(SupervisorEvent::Suppressed { count });
        }
    }

    pub(super) fn poll(&mut self) -> Option<SupervisorEvent> {
        self.queue.pop_front()
    }
}

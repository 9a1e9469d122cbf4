//! The consumers that are followed.

use std::collections::{BTreeMap, VecDeque};

use tensorpool_codecs::types::NanoTime;
use tensorpool_codecs::wire::Mode;

use super::answers::ConsumerConfig;
use super::messages::{ConfigRequest, ConsumerKey, Hello, Text};
use super::rates::{ForeignCount, Progress};

/// Reports may overtake the news of a consumer's end by this much.
const GONE_NS: u64 = 1_000_000_000;
/// The most ends that are remembered at a time.
const MAX_GONE: usize = 64;

/// What a hello asks for of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing.
    Nothing,
    /// A channel without an id, or an id without a channel.
    Incomplete,
    /// A stream on a channel that is not to be repeated to anybody.
    OtherChannel { wanted: u32 },
    /// A stream on this channel; the id is no more than a wish.
    Stream { channel: Text, wanted: u32 },
}

/// What a consumer said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) supports_shm: bool,
    pub(super) mode: Mode,
    pub(super) max_rate_hz: u32,
    pub(super) descriptor: Asked,
    pub(super) control: Asked,
}

impl Wishes {
    /// `last` lends its texts where they are the same.
    pub(super) fn of(hello: &Hello<'_>, last: Option<&Self>) -> Self {
        Self {
            supports_shm: hello.supports_shm,
            mode: hello.mode,
            max_rate_hz: hello.max_rate_hz,
            descriptor: Asked::of(hello.descriptor, last.map(|last| &last.descriptor)),
            control: Asked::of(hello.control, last.map(|last| &last.control)),
        }
    }

    /// Whether streams are asked for, properly or not.
    pub(super) fn asks(&self) -> bool {
        self.descriptor != Asked::Nothing || self.control != Asked::Nothing
    }
}

/// A consumer that is followed.
#[derive(Debug)]
pub(super) struct Consumer {
    /// The last sign of life.
    pub(super) heard: NanoTime,
    /// What its last hello said; none while only reports were heard.
    pub(super) wishes: Option<Wishes>,
    /// What an operator wants it to be told.
    pub(super) request: ConfigRequest,
    /// What it was told last.
    pub(super) told: Option<ConsumerConfig>,
    pub(super) progress: Option<Progress>,
    pub(super) drops_gap: ForeignCount,
    pub(super) drops_late: ForeignCount,
    /// Losses nobody was told of yet, and when somebody was last.
    pub(super) untold: (u64, u64),
    pub(super) told_drops_at: Option<NanoTime>,
    /// The sessions its reports came by: the last, and the one before.
    sessions: [Option<i32>; 2],
}

impl Consumer {
    fn new(now: NanoTime) -> Self {
        Self {
            heard: now,
            wishes: None,
            request: ConfigRequest::default(),
            told: None,
            progress: None,
            drops_gap: ForeignCount::default(),
            drops_late: ForeignCount::default(),
            untold: (0, 0),
            told_drops_at: None,
            sessions: [None, None],
        }
    }

    /// A report came by this session. True when it came by another one meanwhile: two take turns under
    /// one id, while one that was restarted never comes back by its old session.
    pub(super) fn takes_turns(&mut self, session_id: i32) -> bool {
        let [last, before] = self.sessions;
        if last == Some(session_id) {
            return false;
        }
        self.sessions = [Some(session_id), last];
        before == Some(session_id)
    }
}

/// Whether a consumer is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It was.
    Known,
    /// It is now.
    New,
    /// There is no room for it.
    Full,
    /// It has just ended, and this was said before.
    Gone,
}

/// The consumers, and those that ended a moment ago. Bounded.
#[derive(Debug)]
pub(super) struct Consumers {
    capacity: usize,
    entries: BTreeMap<ConsumerKey, Consumer>,
    gone: VecDeque<(ConsumerKey, NanoTime)>,
}

impl Consumers {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: BTreeMap::new(),
            gone: VecDeque::with_capacity(MAX_GONE),
        }
    }

    /// Notes a sign of life. A hello brings a consumer back that has ended, a report does not: that
    /// one comes by another stream, and may be late.
    /// [TP-DRV-2415] [TP-DRV-2425] [TP-DRV-2435]
    pub(super) fn note(&mut self, now: NanoTime, key: ConsumerKey, is_hello: bool) -> Entry {
        if let Some(consumer) = self.entries.get_mut(&key) {
            consumer.heard = consumer.heard.max(now);
            return Entry::Known;
        }
        self.gone.retain(|(_, at)| now.since_ns(*at) < GONE_NS);
        if !is_hello && self.gone.iter().any(|(gone, _)| *gone == key) {
            return Entry::Gone;
        }
        if self.entries.len() >= self.capacity {
            return Entry::Full;
        }
        self.entries.insert(key, Consumer::new(now));
        Entry::New
    }

    pub(super) fn remove(&mut self, key: ConsumerKey) -> Option<Consumer> {
        self.entries.remove(&key)
    }

    /// Late reports of this one do not bring it back.
    /// [TP-DRV-2425]
    pub(super) fn remember_gone(&mut self, now: NanoTime, key: ConsumerKey) {
        if self.gone.len() == MAX_GONE {
            self.gone.pop_front();
        }
        self.gone.push_back((key, now));
    }

    pub(super) fn get_mut(&mut self, key: ConsumerKey) -> Option<&mut Consumer> {
        self.entries.get_mut(&key)
    }

    pub(super) fn contains(&self, key: ConsumerKey) -> bool {
        self.entries.contains_key(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ConsumerKey, &Consumer)> {
        self.entries.iter().map(|(key, consumer)| (*key, consumer))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Consumer> {
        self.entries.values_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }
}

//! What consumers are told, and what of it still has to be said.

use std::collections::VecDeque;

use tensorpool_codecs::wire::Mode;

use super::config::FallbackUri;
use super::messages::{ConsumerKey, Text};

/// Answers to consumers there is no room to follow, waiting at a time.
const MAX_UNTRACKED: usize = 32;

/// A stream that is one consumer's alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnStream {
    /// Its channel.
    pub channel: Text,
    /// Its Aeron stream id.
    pub stream_id: u32,
}

/// ConsumerConfig, ready to encode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// To whom.
    pub key: ConsumerKey,
    /// Whether to read payloads from shared memory.
    pub use_shm: bool,
    /// The mode.
    pub mode: Mode,
    /// Where payloads come from without shared memory.
    pub payload_fallback_uri: Option<FallbackUri>,
    /// Its descriptor stream; `None` for the shared one (empty channel and 0 on the wire).
    pub descriptor: Option<OwnStream>,
    /// Its control stream; `None` for the shared one.
    pub control: Option<OwnStream>,
}

/// Answers in the order they became due, one for each consumer: the latest. Allocates once.
#[derive(Debug)]
pub(super) struct Answers {
    queue: VecDeque<ConsumerConfig>,
    capacity: usize,
}

impl Answers {
    /// Room for everybody who is followed, and a few more.
    pub(super) fn new(consumer_capacity: usize) -> Self {
        let capacity = consumer_capacity + MAX_UNTRACKED;
        Self {
            queue: VecDeque::with_capacity(capacity),
            capacity,
        }
    }

    /// Puts an answer in the place of one to the same consumer, else at the end. False when there is
    /// no room, which does not happen to consumers that are followed as long as those that are not
    /// stay within theirs. [TP-DRV-2060]
    pub(super) fn put(&mut self, config: ConsumerConfig) -> bool {
        let index = self
            .queue
            .iter()
            .position(|waiting| waiting.key == config.key);
        match index {
            Some(index) => self.queue[index] = config,
            None if self.queue.len() < self.capacity => self.queue.push_back(config),
            None => return false,
        }
        true
    }

    /// Like [`put`](Self::put) for a consumer there is no room to follow: never takes the room of
    /// those that are. `tracked` says who is.
    pub(super) fn put_untracked(
        &mut self,
        config: ConsumerConfig,
        tracked: impl Fn(ConsumerKey) -> bool,
    ) -> bool {
        let others = self.queue.iter().filter(|waiting| !tracked(waiting.key));
        let is_waiting = self.queue.iter().any(|waiting| waiting.key == config.key);
        (is_waiting || others.count() < MAX_UNTRACKED) && self.put(config)
    }

    /// Withdraws the answer to a consumer that is gone.
    pub(super) fn withdraw(&mut self, key: ConsumerKey) {
        self.queue.retain(|waiting| waiting.key != key);
    }

    pub(super) fn peek(&self) -> Option<&ConsumerConfig> {
        self.queue.front()
    }

    pub(super) fn pop(&mut self) -> Option<ConsumerConfig> {
        self.queue.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }
}

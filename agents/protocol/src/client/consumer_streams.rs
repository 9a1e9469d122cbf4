//! Which consumers of a producer's stream have Aeron streams of their own, and how often they are
//! told of frames there.
//!
//! With a driver its ConsumerConfigs decide, or a supervisor's: the producer follows them and
//! answers nobody. Without a driver the producer is the authority and answers every hello. Bounded,
//! forgets who went silent.

use std::collections::VecDeque;

use tensorpool_codecs::types::{ClientId, NanoTime, StreamId};

use super::consumer_streams_types::{
    ConsumerStreamsStats, OwnStreamAction, OwnStreamId, OwnStreamKind, Pace,
};
use super::consumers::{CONSUMER_STALE_NS, MAX_CONSUMERS};
use super::messages::{AeronEndpoint, ConsumerConfig, ConsumerHello, OwnStream};
use crate::common::ConsumerMode;

/// The most own streams one producer publishes on. [TP-CLI-2332]
pub const MAX_OWN_STREAMS: usize = 64;

/// The longest channel that is considered.
const MAX_CHANNEL_LEN: usize = 1_024;
/// Streams that could not be opened and are not tried again.
const MAX_REFUSED: usize = 32;

/// Who decides about own streams, and which they cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerStreamsConfig {
    /// Whether this producer answers hellos itself: nobody else does.
    pub is_authority: bool,
    /// Aeron streams that all clients share.
    pub reserved_stream_ids: Vec<u32>,
    /// Whether the cap of a consumer is kept whatever its mode, as some in the field do.
    pub caps_every_mode: bool,
}

#[derive(Clone, Debug)]
struct Consumer {
    id: ClientId,
    heard: NanoTime,
    /// Of its last hello.
    mode: ConsumerMode,
    max_rate_hz: u32,
    supports_shm: bool,
    /// Of the last config.
    is_forced: bool,
    descriptor: Option<OwnStreamId>,
    control: Option<OwnStreamId>,
    /// Whether it waits for an answer to a hello.
    is_owed_answer: bool,
}

#[derive(Clone, Debug)]
struct Open {
    id: OwnStreamId,
    kind: OwnStreamKind,
    endpoint: AeronEndpoint,
    pace: Pace,
}

/// The own streams of one producer. Called by one thread.
///
/// Inputs are [`on_hello`](Self::on_hello), [`on_config`](Self::on_config),
/// [`on_report`](Self::on_report), [`on_gone`](Self::on_gone), [`on_timeout`](Self::on_timeout) and
/// [`on_refused`](Self::on_refused). After each, carry out [`poll_action`](Self::poll_action) until
/// it is empty, and then send [`peek_answer`](Self::peek_answer).
#[derive(Clone, Debug)]
pub struct ConsumerStreams {
    config: ConsumerStreamsConfig,
    stream_id: StreamId,
    consumers: Vec<Consumer>,
    open: Vec<Open>,
    refused: VecDeque<AeronEndpoint>,
    actions: VecDeque<OwnStreamAction>,
    next_id: u64,
    stats: ConsumerStreamsStats,
}

impl ConsumerStreams {
    /// Nobody has a stream of its own.
    #[must_use]
    pub fn new(config: ConsumerStreamsConfig, stream_id: StreamId) -> Self {
        Self {
            config,
            stream_id,
            consumers: Vec::new(),
            open: Vec::new(),
            refused: VecDeque::new(),
            actions: VecDeque::new(),
            next_id: 1,
            stats: ConsumerStreamsStats::default(),
        }
    }

    /// The producer goes on with this stream; another one has other consumers.
    pub fn begin(&mut self, stream_id: StreamId) {
        if stream_id != self.stream_id {
            self.stream_id = stream_id;
            while let Some(consumer) = self.consumers.last() {
                self.forget(consumer.id);
            }
        }
    }

    /// A ConsumerHello of any stream. [TP-CLI-2320]
    pub fn on_hello(&mut self, now: NanoTime, hello: &ConsumerHello) {
        // [TP-CLI-2314]
        if hello.stream_id != self.stream_id {
            return;
        }
        let Some(consumer) = self.entry(now, hello.consumer_id) else {
            return;
        };
        consumer.heard = consumer.heard.max(now);
        consumer.mode = hello.mode;
        consumer.max_rate_hz = hello.max_rate_hz;
        consumer.supports_shm = hello.supports_shm;
        if self.config.is_authority {
            self.assign(
                hello.consumer_id,
                OwnStreamKind::Descriptor,
                &hello.descriptor,
            );
            self.assign(hello.consumer_id, OwnStreamKind::Control, &hello.control);
            if let Some(consumer) = self.find(hello.consumer_id) {
                consumer.is_owed_answer = true;
            }
        }
        self.set_paces();
    }

    /// A ConsumerConfig of any stream, by whoever decides. [TP-CLI-2310], [TP-CLI-2312]
    pub fn on_config(&mut self, now: NanoTime, config: &ConsumerConfig) {
        // [TP-CLI-2314]
        if config.stream_id != self.stream_id || self.config.is_authority {
            return;
        }
        let Some(consumer) = self.entry(now, config.consumer_id) else {
            return;
        };
        consumer.is_forced = config.mode == ConsumerMode::RateLimited;
        let descriptor = OwnStream::from_wire(
            config.descriptor_channel.clone(),
            config.descriptor_stream_id,
        );
        let control =
            OwnStream::from_wire(config.control_channel.clone(), config.control_stream_id);
        self.assign(config.consumer_id, OwnStreamKind::Descriptor, &descriptor);
        self.assign(config.consumer_id, OwnStreamKind::Control, &control);
        self.set_paces();
    }

    /// A QosConsumer of any stream: as good as a hello for being there. [TP-CLI-2328]
    pub fn on_report(&mut self, now: NanoTime, stream_id: StreamId, consumer_id: ClientId) {
        // [TP-CLI-2314]
        if stream_id == self.stream_id
            && let Some(consumer) = self.find(consumer_id)
        {
            consumer.heard = consumer.heard.max(now);
        }
    }

    /// The driver ended a consumer's lease. [TP-CLI-2330]
    pub fn on_gone(&mut self, stream_id: StreamId, consumer_id: ClientId) {
        // [TP-CLI-2314]
        if stream_id == self.stream_id {
            self.forget(consumer_id);
        }
    }

    /// Forgets who has gone silent. Idempotent. [TP-CLI-2328]
    pub fn on_timeout(&mut self, now: NanoTime) {
        let is_stale = |consumer: &Consumer| now.since_ns(consumer.heard) >= CONSUMER_STALE_NS;
        while let Some(stale) = self.consumers.iter().find(|consumer| is_stale(consumer)) {
            self.stats.stale += u64::from(stale.descriptor.is_some() || stale.control.is_some());
            self.forget(stale.id);
        }
    }

    /// A stream could not be opened: its consumers stay on the shared one, and it is not tried
    /// again. [TP-CLI-2318]
    pub fn on_refused(&mut self, id: OwnStreamId) {
        let Some(index) = self.open.iter().position(|open| open.id == id) else {
            return;
        };
        if self.refused.len() == MAX_REFUSED {
            self.refused.pop_front();
        }
        let open = self.open.swap_remove(index);
        self.refused.push_back(open.endpoint);
        self.stats.invalid += 1;
        for consumer in &mut self.consumers {
            for held in [&mut consumer.descriptor, &mut consumer.control] {
                if *held == Some(id) {
                    *held = None;
                }
            }
        }
    }

    /// What to do next; carried out when it is taken.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<OwnStreamAction> {
        self.actions.pop_front()
    }

    /// The answer to a hello that is to be sent next. Only an authority has any.
    #[must_use]
    pub fn peek_answer(&self) -> Option<ConsumerConfig> {
        let consumer = self.consumers.iter().find(|c| c.is_owed_answer)?;
        // [TP-CLI-2322]
        let granted = |held: Option<OwnStreamId>| {
            self.endpoint(held).map_or((String::new(), 0), |endpoint| {
                (endpoint.channel.clone(), endpoint.stream_id)
            })
        };
        let (descriptor_channel, descriptor_stream_id) = granted(consumer.descriptor);
        let (control_channel, control_stream_id) = granted(consumer.control);
        Some(ConsumerConfig {
            stream_id: self.stream_id,
            consumer_id: consumer.id,
            use_shm: consumer.supports_shm,
            mode: consumer.mode,
            descriptor_stream_id,
            control_stream_id,
            payload_fallback_uri: String::new(),
            descriptor_channel,
            control_channel,
        })
    }

    /// The answer was sent.
    pub fn pop_answer(&mut self) {
        if let Some(index) = self.consumers.iter().position(|c| c.is_owed_answer) {
            self.consumers[index].is_owed_answer = false;
            // Who is answered last is answered first the next time.
            self.consumers[index..].rotate_left(1);
        }
    }

    /// Whether a consumer is told of frames on a stream of its own.
    #[must_use]
    pub fn has_descriptors(&self, id: ClientId) -> bool {
        self.consumers
            .iter()
            .any(|consumer| consumer.id == id && consumer.descriptor.is_some())
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> ConsumerStreamsStats {
        ConsumerStreamsStats {
            open: self.open.len() as u64,
            ..self.stats
        }
    }

    /// Gives a consumer what it is to have, and takes from it what it had.
    fn assign(&mut self, id: ClientId, kind: OwnStreamKind, wanted: &OwnStream) {
        let wanted = match wanted {
            OwnStream::On(endpoint) if self.is_acceptable(endpoint) => Some(endpoint),
            OwnStream::On(_) | OwnStream::ChannelOnly(_) => {
                self.stats.invalid += 1;
                None
            }
            // Some in the field send a number that nobody set. [TP-CLI-2304]
            OwnStream::Absent | OwnStream::IdOnly(_) => None,
        };
        let Some(index) = self.consumers.iter().position(|consumer| consumer.id == id) else {
            return;
        };
        let held = match kind {
            OwnStreamKind::Descriptor => self.consumers[index].descriptor,
            OwnStreamKind::Control => self.consumers[index].control,
        };
        if self.endpoint(held) == wanted {
            return;
        }
        let given = wanted.and_then(|endpoint| self.open(kind, endpoint));
        match kind {
            OwnStreamKind::Descriptor => self.consumers[index].descriptor = given,
            OwnStreamKind::Control => self.consumers[index].control = given,
        }
        self.close_unused();
    }

    /// The stream at this endpoint; one that another consumer has is shared. [TP-CLI-2334]
    fn open(&mut self, kind: OwnStreamKind, endpoint: &AeronEndpoint) -> Option<OwnStreamId> {
        let is_same = |open: &&Open| open.kind == kind && is_same_stream(&open.endpoint, endpoint);
        if let Some(open) = self.open.iter().find(is_same) {
            return Some(open.id);
        }
        if self.open.len() == MAX_OWN_STREAMS {
            self.stats.overflow += 1;
            return None;
        }
        let id = OwnStreamId(self.next_id);
        self.next_id += 1;
        let pace = Pace::default();
        self.open.push(Open {
            id,
            kind,
            endpoint: endpoint.clone(),
            pace,
        });
        self.actions.push_back(OwnStreamAction::Open {
            id,
            kind,
            endpoint: endpoint.clone(),
        });
        Some(id)
    }

    // [TP-CLI-2326]
    fn close_unused(&mut self) {
        let consumers = &self.consumers;
        let is_used = |id: OwnStreamId| {
            consumers
                .iter()
                .any(|consumer| [consumer.descriptor, consumer.control].contains(&Some(id)))
        };
        let actions = &mut self.actions;
        self.open.retain(|open| {
            let used = is_used(open.id);
            if !used {
                actions.push_back(OwnStreamAction::Close { id: open.id });
            }
            used
        });
    }

    /// How often each stream is told of frames: as its most demanding consumer wants it.
    fn set_paces(&mut self) {
        let caps_every_mode = self.config.caps_every_mode;
        for open in &mut self.open {
            let paces = self
                .consumers
                .iter()
                .filter(|consumer| consumer.descriptor == Some(open.id))
                .map(|consumer| consumer.pace(caps_every_mode));
            let pace = paces.reduce(Pace::most_demanding).unwrap_or(open.pace);
            if pace != open.pace {
                open.pace = pace;
                self.actions
                    .push_back(OwnStreamAction::SetPace { id: open.id, pace });
            }
        }
    }

    fn forget(&mut self, id: ClientId) {
        self.consumers.retain(|consumer| consumer.id != id);
        self.close_unused();
        self.set_paces();
    }

    fn endpoint(&self, held: Option<OwnStreamId>) -> Option<&AeronEndpoint> {
        let open = self.open.iter().find(|open| Some(open.id) == held)?;
        Some(&open.endpoint)
    }

    /// Whether a stream may be published on at all. [TP-CLI-2318], [TP-CLI-2324]
    fn is_acceptable(&self, endpoint: &AeronEndpoint) -> bool {
        let channel = endpoint.channel.as_str();
        // What anybody may ask for does not leave the host.
        let media = match self.config.is_authority {
            true => channel.starts_with("aeron:ipc"),
            false => channel.starts_with("aeron:"),
        };
        media
            && channel.len() <= MAX_CHANNEL_LEN
            && channel.bytes().all(|byte| byte.is_ascii_graphic())
            && i32::try_from(endpoint.stream_id).is_ok()
            && !self
                .config
                .reserved_stream_ids
                .contains(&endpoint.stream_id)
            && !self.refused.contains(endpoint)
    }

    fn find(&mut self, id: ClientId) -> Option<&mut Consumer> {
        self.consumers.iter_mut().find(|consumer| consumer.id == id)
    }

    fn entry(&mut self, now: NanoTime, id: ClientId) -> Option<&mut Consumer> {
        let index = match self.consumers.iter().position(|consumer| consumer.id == id) {
            Some(index) => index,
            None if self.consumers.len() == MAX_CONSUMERS => {
                self.stats.overflow += 1;
                return None;
            }
            None => {
                self.consumers.push(Consumer {
                    id,
                    heard: now,
                    mode: ConsumerMode::Stream,
                    max_rate_hz: 0,
                    supports_shm: true,
                    is_forced: false,
                    descriptor: None,
                    control: None,
                    is_owed_answer: false,
                });
                self.consumers.len() - 1
            }
        };
        Some(&mut self.consumers[index])
    }
}

impl Consumer {
    /// [TP-CLI-2342], [TP-CLI-2343], [TP-CLI-2344], [TP-CLI-2354]
    fn pace(&self, caps_every_mode: bool) -> Pace {
        let is_capped = caps_every_mode && self.max_rate_hz > 0;
        if self.mode == ConsumerMode::RateLimited || self.is_forced || is_capped {
            Pace::limited(self.max_rate_hz)
        } else {
            Pace::EVERY_FRAME
        }
    }
}

/// Subscriptions of IPC match on the stream id, whatever parameters the channel has.
fn is_same_stream(one: &AeronEndpoint, other: &AeronEndpoint) -> bool {
    let is_ipc = |endpoint: &AeronEndpoint| endpoint.channel.starts_with("aeron:ipc");
    one.stream_id == other.stream_id
        && (one.channel == other.channel || (is_ipc(one) && is_ipc(other)))
}

#[cfg(test)]
#[path = "consumer_streams_tests.rs"]
mod tests;

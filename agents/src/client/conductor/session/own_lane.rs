//! A session's half of consumers' own streams: drives their core, has the link open what it wants,
//! and hands that to the producer's handle. Conductor's thread only.

use tensorpool_codecs::types::{ClientId, NanoTime, StreamId};
use tensorpool_protocol::client::{
    ConsumerConfig, ConsumerHello, ConsumerStreams, ConsumerStreamsConfig, OwnStreamAction,
    OwnStreamId, OwnStreamKind, Pace,
};
use tensorpool_transport::{Channel, Link, Media, Publication, PublicationOptions};

use crate::client::conductor::proxy::Proxy;
use crate::client::producer::own_streams::OwnChange;
use crate::client::shared::{Mailbox, Notice};
use crate::client::stats::OwnSessionCounters;

/// Terms of an own stream on IPC that does not say how long they are: Aeron's default takes 192 MiB
/// of address space and sparse file for each.
const OWN_TERM_LEN: usize = 256 << 10;

enum Lane {
    /// Not with the handle yet.
    Waiting(Publication),
    /// With the handle, which was told this pace.
    Handed(Pace),
}

struct Own {
    id: OwnStreamId,
    kind: OwnStreamKind,
    pace: Pace,
    lane: Lane,
}

/// See the module.
pub(crate) struct OwnLane {
    core: ConsumerStreams,
    own: Vec<Own>,
    /// The handle has these and is to give them up. Not more than it was ever handed at a time: what
    /// it does not take stays with `own`.
    closing: Vec<OwnStreamId>,
    counters: OwnSessionCounters,
}

impl OwnLane {
    pub(crate) fn new(
        config: ConsumerStreamsConfig,
        stream_id: StreamId,
        counters: OwnSessionCounters,
    ) -> Self {
        Self {
            core: ConsumerStreams::new(config, stream_id),
            own: Vec::new(),
            closing: Vec::new(),
            counters,
        }
    }

    pub(super) fn begin(&mut self, stream_id: StreamId) {
        self.core.begin(stream_id);
    }

    pub(super) fn on_hello(&mut self, now: NanoTime, hello: &ConsumerHello) {
        self.core.on_hello(now, hello);
    }

    pub(super) fn on_config(&mut self, now: NanoTime, config: &ConsumerConfig) {
        self.core.on_config(now, config);
    }

    pub(super) fn on_report(&mut self, now: NanoTime, stream_id: StreamId, consumer: ClientId) {
        self.core.on_report(now, stream_id, consumer);
    }

    pub(super) fn on_gone(&mut self, stream_id: StreamId, consumer: ClientId) {
        self.core.on_gone(stream_id, consumer);
    }

    /// Whether a consumer is told of frames on a stream of its own.
    pub(super) fn has_descriptors(&self, consumer: ClientId) -> bool {
        self.core.has_descriptors(consumer)
    }

    /// One duty cycle. Gives the work done.
    pub(super) fn do_work(
        &mut self,
        now: NanoTime,
        link: &mut Link,
        proxy: &mut Proxy,
        mailbox: &mut Mailbox,
    ) -> usize {
        self.core.on_timeout(now);
        let mut work = 0;
        while let Some(action) = self.core.poll_action() {
            self.carry_out(link, action);
            work += 1;
        }
        work += self.hand_over(mailbox);
        // Behind the actions: what could not be opened is declined. [TP-CLI-2320]
        while let Some(answer) = self.core.peek_answer() {
            if !proxy.send_config(&answer).is_sent() {
                break;
            }
            self.core.pop_answer();
            self.counters.configs.increment();
            work += 1;
        }
        let stats = self.core.stats();
        self.counters.open.set(stats.open);
        self.counters.invalid.set(stats.invalid);
        self.counters.overflow.set(stats.overflow);
        self.counters.stale.set(stats.stale);
        work
    }

    fn carry_out(&mut self, link: &mut Link, action: OwnStreamAction) {
        match action {
            OwnStreamAction::Open { id, kind, endpoint } => {
                let channel = endpoint.channel.parse().map(with_term_length);
                let (Ok(channel), Ok(stream_id)) = (channel, i32::try_from(endpoint.stream_id))
                else {
                    self.core.on_refused(id);
                    return;
                };
                let options = PublicationOptions::default();
                let publication = link.add_publication(&channel, stream_id, options);
                self.own.push(Own {
                    id,
                    kind,
                    pace: Pace::EVERY_FRAME,
                    lane: Lane::Waiting(publication),
                });
            }
            OwnStreamAction::SetPace { id, pace } => {
                for own in self.own.iter_mut().filter(|own| own.id == id) {
                    own.pace = pace;
                }
            }
            OwnStreamAction::Close { id } => {
                if let Some(index) = self.own.iter().position(|own| own.id == id)
                    && let Lane::Handed(_) = self.own.swap_remove(index).lane
                {
                    self.closing.push(id);
                }
            }
        }
    }

    /// Tells the handle what changed, as far as there is room: nothing waits anywhere but here.
    fn hand_over(&mut self, mailbox: &mut Mailbox) -> usize {
        let mut work = 0;
        while mailbox.has_room()
            && let Some(id) = self.closing.pop()
        {
            mailbox.post(Notice::Own(OwnChange::Close(id)));
            work += 1;
        }
        for own in &mut self.own {
            let (id, kind, pace) = (own.id, own.kind, own.pace);
            if matches!(own.lane, Lane::Handed(told) if told == pace) {
                continue;
            }
            if !mailbox.has_room() {
                break;
            }
            let change = match std::mem::replace(&mut own.lane, Lane::Handed(pace)) {
                Lane::Handed(_) => OwnChange::SetPace { id, pace },
                Lane::Waiting(publication) => OwnChange::Open {
                    id,
                    kind,
                    publication,
                    pace,
                },
            };
            mailbox.post(Notice::Own(change));
            work += 1;
        }
        work
    }
}

/// A log of descriptors of a moderate size, unless another is asked for.
fn with_term_length(channel: Channel) -> Channel {
    if channel.media() != Media::Ipc || channel.term_length().is_some() {
        return channel;
    }
    channel
        .clone()
        .with_term_length(OWN_TERM_LEN)
        .unwrap_or(channel)
}

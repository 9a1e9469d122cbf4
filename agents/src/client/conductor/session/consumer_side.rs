//! What only a consumer's session has: hellos, reports, and how far its producer has come.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, Seq, StreamId};
use tensorpool_protocol::client::{
    AeronEndpoint, Cadence, ConfigFollower, ConsumerConfig, ConsumerProgress, ConsumerReporter,
    REPORT_PERIOD_NS,
};
use tensorpool_transport::{Channel, Link, Subscription, SubscriptionOptions};

use super::{Context, Facts};
use crate::client::conductor::adapter::Inbound;
use crate::client::conductor::proxy::ConsumerReport;
use crate::client::consumer::Consumer;
use crate::client::consumer::feed::{Change, Source};
use crate::client::error::OpenError;
use crate::client::event::Event;
use crate::client::metadata::MetadataReader;
use crate::client::shared::{Configure, ConsumerShared, OwnStreamState, ProgressChange};
use crate::client::stats::SessionCounters;
use crate::driver::Endpoint;

/// Epochs whose producer's position is remembered: the one in use, its successors, and one that
/// ended.
const POSITIONS: usize = 4;

/// A handle that waits to be handed over, and who waits for it.
pub(crate) struct ConsumerParts {
    pub(crate) handle: Consumer,
    pub(crate) reply: Sender<Result<Consumer, OpenError>>,
}

pub(crate) struct ConsumerSide {
    shared: Arc<ConsumerShared>,
    parts: Option<ConsumerParts>,
    hello: Cadence,
    reporter: ConsumerReporter,
    positions: [(Epoch, Seq); POSITIONS],
    next_position: usize,
    draining: Option<Epoch>,
    reported_epoch: Epoch,
    pub(super) counters: SessionCounters,
    /// Of a consumer that asked for metadata.
    metadata: Option<MetadataReader>,
    follower: ConfigFollower,
    /// The descriptor stream of everybody.
    everybody: Endpoint,
    /// What the handle was told last.
    told: Told,
    /// While payloads do not come from shared memory: where from, as was told.
    fallback: Option<Option<String>>,
    pub(super) is_closing: bool,
    /// Who waits for the lease to be back.
    closed: Option<Sender<Result<(), OpenError>>>,
}

/// What a handle was told last.
#[derive(Debug, Default)]
struct Told {
    /// The follower's version.
    version: u64,
    /// Where its descriptors come from.
    descriptor: Option<AeronEndpoint>,
    /// Where its progress comes from.
    control: Option<AeronEndpoint>,
    needs_shared: bool,
}

/// Only channels that parse are assigned, and ids that Aeron knows.
fn subscribe(link: &mut Link, own: &AeronEndpoint) -> Option<Subscription> {
    let (channel, stream_id) = (own.channel.parse().ok()?, own.stream_id.cast_signed());
    Some(link.add_subscription(&channel, stream_id, SubscriptionOptions::UNTETHERED))
}

impl ConsumerSide {
    pub(crate) fn new(
        shared: Arc<ConsumerShared>,
        parts: ConsumerParts,
        counters: SessionCounters,
        metadata: Option<MetadataReader>,
        follower: ConfigFollower,
        everybody: Endpoint,
    ) -> Self {
        Self {
            shared,
            parts: Some(parts),
            hello: Cadence::new(REPORT_PERIOD_NS),
            reporter: ConsumerReporter::new(),
            positions: [(Epoch::new(0), Seq::new(0)); POSITIONS],
            next_position: 0,
            draining: None,
            reported_epoch: Epoch::new(0),
            counters,
            metadata,
            told: Told {
                version: follower.version(),
                descriptor: None,
                control: None,
                needs_shared: true,
            },
            follower,
            everybody,
            fallback: None,
            is_closing: false,
            closed: None,
        }
    }

    /// The handle is gone. It says so twice when somebody waits.
    pub(super) fn begin_close(&mut self, reply: Option<Sender<Result<(), OpenError>>>) {
        self.is_closing = true;
        self.closed = self.closed.take().or(reply);
    }

    /// The lease is back.
    pub(super) fn finish_close(&mut self) {
        if let Some(reply) = self.closed.take() {
            let _unclaimed = reply.send(Ok(()));
        }
    }

    pub(super) fn on_granted(&mut self, stream_id: StreamId, client_id: ClientId) {
        self.follower.on_granted(stream_id, client_id);
    }

    pub(super) fn on_lost(&mut self) {
        self.follower.on_lost();
    }

    pub(super) fn on_config(&mut self, now: NanoTime, config: &ConsumerConfig) {
        let is_channel = |text: &str| text.parse().is_ok_and(|channel: Channel| !channel.is_spy());
        let _counted = self.follower.on_config(now, config, is_channel);
    }

    /// Whether payloads may be read from shared memory.
    pub(super) fn may_use_shm(&self) -> bool {
        self.follower.settings().use_shm
    }

    pub(super) fn is_fallback(&self) -> bool {
        self.fallback.is_some()
    }

    /// Where payloads come from without shared memory.
    pub(super) fn fallback_uri(&self) -> Option<String> {
        self.follower.settings().fallback_uri.clone()
    }

    /// Payloads do not come from shared memory for now. Gives what is to be told; `None` when it
    /// was. [TP-CLI-2292] [TP-CLI-2298]
    pub(super) fn begin_fallback(&mut self) -> Option<Event> {
        let uri = self.fallback_uri();
        let told = self.fallback.replace(uri.clone());
        (told.as_ref() != Some(&uri)).then_some(Event::Fallback { uri })
    }

    /// What comes next is not owed from where the account was. [TP-CLI-2296]
    pub(super) fn forget_positions(&mut self) {
        self.shared.joined_at.begin(Epoch::new(0), 0);
        self.shared.overdue.begin(Epoch::new(0), 0);
    }

    /// Another process begins the epoch that was mapped anew.
    pub(super) fn begin_anew(&mut self) {
        self.forget_positions();
        self.positions = [(Epoch::new(0), Seq::new(0)); POSITIONS];
    }

    /// Is there before anything is mapped. [TP-CLI-3235]
    pub(super) fn say_hello(&mut self, now: NanoTime) {
        self.hello.start(now);
    }

    /// What the handle is to obey from now on, one thing after the other: the next is made when the
    /// last was taken up, so that an application that does not poll holds up no subscriptions.
    pub(super) fn configure(&mut self, link: &mut Link) -> Option<Configure> {
        let version = self.follower.version();
        let is_taken = self.shared.configured.load(Ordering::Acquire) >= self.told.version;
        if version == self.told.version || !is_taken {
            return None;
        }
        let settings = self.follower.settings().clone();
        let needs_shared = self.follower.needs_shared();
        let moved = settings.descriptor != self.told.descriptor;
        let change = if moved || (needs_shared && !self.told.needs_shared) {
            self.shared.own_stream.store(0, Ordering::Relaxed);
            let own = settings.descriptor.clone().filter(|_| !needs_shared);
            let subscription = match &own {
                Some(own) => subscribe(link, own)?,
                None => {
                    let Endpoint { channel, stream_id } = &self.everybody;
                    link.add_subscription(channel, *stream_id, SubscriptionOptions::UNTETHERED)
                }
            };
            Some(Change {
                assigned: settings.descriptor.clone(),
                source: Source {
                    subscription,
                    rate_capped: own.is_some() && self.follower.is_own_rate_capped(),
                    own,
                },
            })
        } else {
            None
        };
        let progress = match &settings.control {
            _ if settings.control == self.told.control => ProgressChange::Unchanged,
            None => ProgressChange::Shared,
            Some(own) => ProgressChange::Own(subscribe(link, own)?),
        };
        self.told = Told {
            version,
            descriptor: settings.descriptor.clone(),
            control: settings.control.clone(),
            needs_shared,
        };
        Some(Configure {
            version,
            settings,
            max_rate_hz: self.follower.max_rate_hz(),
            change,
            progress,
        })
    }

    fn watch_own_stream(&mut self, now: NanoTime) {
        let heard = self.shared.own_stream.load(Ordering::Relaxed);
        if heard != 0 {
            self.follower
                .on_own_stream(now, heard == OwnStreamState::Heard as u8);
        }
        self.follower.on_timeout(now);
    }

    pub(super) fn on_mapped(&mut self, now: NanoTime, slot_count: u32) {
        self.fallback = None;
        // [TP-CLI-1610]
        self.hello.start(now);
        self.reporter.on_mapped(now, slot_count);
    }

    pub(super) fn on_link_up(&mut self, now: NanoTime) {
        self.reporter.on_link_up(now);
    }

    pub(super) fn on_unmapped(&mut self, now: NanoTime) {
        self.reporter.on_unmapped(now);
    }

    /// Whether metadata was asked for.
    pub(super) fn wants_metadata(&self) -> bool {
        self.metadata.is_some() && !self.is_closing
    }

    /// What is told of metadata, if it was asked for.
    pub(super) fn metadata(&mut self) -> Option<(&mut MetadataReader, &ConsumerShared)> {
        Some((self.metadata.as_mut()?, &self.shared))
    }

    /// The producer of this epoch closed it in order: it is read to its end.
    pub(super) fn begin_drain(&mut self, epoch: Epoch) {
        self.draining = Some(epoch);
    }

    pub(super) fn drains(&self, epoch: Epoch) -> bool {
        self.draining == Some(epoch)
    }

    /// Whether the handle saw the ring of this epoch begin anew.
    // [TP-CLI-2975]
    pub(super) fn has_restarted(&self, epoch: Epoch) -> bool {
        let restarted = &self.shared.restarted;
        restarted
            .compare_exchange(epoch.get(), 0, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// `mapped` is the epoch the session has in use.
    pub(super) fn on_report(
        &mut self,
        message: &Inbound,
        ours: Option<StreamId>,
        mapped: Option<Epoch>,
    ) {
        let Inbound::ProducerReport {
            stream_id,
            epoch,
            next_seq,
            watermark,
        } = *message
        else {
            return;
        };
        // [TP-CLI-1265]
        if Some(stream_id) != ours || epoch.get() == 0 {
            return;
        }
        let before = self.position_of(epoch);
        match self.positions.iter_mut().find(|(of, _)| *of == epoch) {
            Some((_, position)) => *position = (*position).max(next_seq),
            None => {
                self.positions[self.next_position] = (epoch, next_seq);
                self.next_position = (self.next_position + 1) % POSITIONS;
            }
        }
        if mapped == Some(epoch) {
            let watermark = watermark.unwrap_or(0);
            self.shared.watermark.begin(epoch, watermark.into());
        }
        // Before that the handle may not have been there to hear of frames.
        if self.parts.is_none() && mapped == Some(epoch) {
            match self.shared.joined_at.of(epoch) {
                // [TP-CLI-1230]
                None => self.shared.joined_at.begin(epoch, next_seq.get()),
                Some(_) => {
                    // [TP-CLI-1265]
                    let overdue = before.unwrap_or(next_seq).min(next_seq);
                    self.shared.overdue.begin(epoch, overdue.get());
                }
            }
        }
    }

    pub(super) fn position_of(&self, epoch: Epoch) -> Option<Seq> {
        self.positions
            .iter()
            .find(|(of, _)| *of == epoch)
            .map(|(_, position)| *position)
    }

    pub(super) fn do_work(&mut self, ctx: &mut Context<'_>, facts: &Facts) -> usize {
        let Some(stream_id) = facts.stream_id.filter(|_| !self.is_closing) else {
            return 0;
        };
        let mut work = 0;
        self.watch_own_stream(ctx.now);
        let wishes = self.follower.wishes();
        // [TP-CLI-1610]
        if self.hello.is_due(ctx.now)
            && ctx
                .proxy
                .send_hello(&wishes.hello(stream_id, facts.client_id))
                .is_sent()
        {
            self.hello.on_sent(ctx.now);
            self.counters.hellos.increment();
            work += 1;
        }
        let (epoch, progress) = self.progress(facts);
        // A producer that waits for its consumers learns at once that the handle has taken up an
        // epoch.
        if self.reporter.is_due(ctx.now, progress) || epoch != self.reported_epoch {
            // [TP-CLI-1650]
            let report = ConsumerReport {
                stream_id,
                client_id: facts.client_id,
                epoch,
                last_seq: progress.last_seq.unwrap_or_default(),
                drops_gap: self.shared.drops_gap.load(Ordering::Relaxed),
                drops_late: self.shared.drops_late.load(Ordering::Relaxed),
                mode: self.follower.settings().mode,
            };
            if ctx.proxy.send_consumer_report(&report).is_sent() {
                self.reporter.on_sent(ctx.now, progress);
                self.counters.reports.increment();
                self.reported_epoch = epoch;
                work += 1;
            }
        }
        work
    }

    /// What the handle has in use, if that is still what is mapped; epoch 0 otherwise.
    /// [TP-CLI-1650]
    fn progress(&self, facts: &Facts) -> (Epoch, ConsumerProgress) {
        const NOTHING: ConsumerProgress = ConsumerProgress {
            last_seq: None,
            idle: false,
        };
        match (self.shared.progress(), facts.mapped) {
            (Some((epoch, progress)), Some((mapped, _))) if epoch == mapped => (epoch, progress),
            _ => (Epoch::new(0), NOTHING),
        }
    }

    /// Gives the handle to whoever waits for it, once its subscription is registered; then says at
    /// once that it is there.
    pub(super) fn hand_over(&mut self, now: NanoTime) -> bool {
        let ready = self
            .parts
            .as_mut()
            .is_some_and(|parts| parts.handle.is_ready());
        if ready && let Some(parts) = self.parts.take() {
            // A handle nobody takes is dropped, which closes it.
            let _unclaimed = parts.reply.send(Ok(parts.handle));
            // Without shared memory as well, so that somebody can allow it again. [TP-CLI-2299]
            self.hello.start(now);
        }
        ready
    }

    pub(super) fn fail_open(&mut self, error: OpenError) {
        if let Some(parts) = self.parts.take() {
            let _unclaimed = parts.reply.send(Err(error));
        }
    }

    /// Gives whether the handle knew already.
    pub(super) fn abandon(&self) -> bool {
        self.shared.closed.swap(true, Ordering::AcqRel)
    }
}

//! The conductor's half of one producer or consumer: drives its attach and mapping cores and
//! carries out what they decide. Conductor's thread only; the other half is the handle on the
//! application's thread.

use std::sync::{Arc, Weak};

use crossbeam_channel::Sender;
use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, NodeId, StreamId};
use tensorpool_protocol::client::{
    Cadence, LossReason, MapTicket, MappingConfig, MappingCore, SourceEnd,
};
use tensorpool_protocol::common::{Role, StreamGeometry};
use tensorpool_shm::mapping::{MapError, Mapping};
use tensorpool_transport::{CounterPublisher, Link, LostReason, ResourceId};

use super::Troubles;
use super::adapter::Inbound;
use super::proxy::Proxy;
use super::worker::{Done, MapResult, MapWorker, SessionId};
use crate::client::error::OpenError;
use crate::client::event::Event;
use crate::client::handover::Handovers;
use crate::client::metadata::MetadataOut;
use crate::client::shared::{Mailbox, Notice};
use crate::client::stats::SessionCounters;

mod actions;
mod checkup;
mod consumer_side;
mod metadata;
mod opening;
mod own_lane;
mod producer_side;
mod tenure;
mod untold_watch;

pub(super) use consumer_side::{ConsumerParts, ConsumerSide};
pub(super) use own_lane::OwnLane;
pub(crate) use producer_side::CloseProducer;
pub(super) use producer_side::{ProducerParts, ProducerSide};
pub(super) use tenure::Tenure;
pub(super) use untold_watch::UntoldWatch;

/// What a session acts with.
pub(super) struct Context<'a> {
    pub(super) now: NanoTime,
    pub(super) realtime: NanoTime,
    pub(super) worker: &'a MapWorker,
    pub(super) proxy: &'a mut Proxy,
    /// Whether our own subscriptions are there, so that answers are not missed.
    pub(super) can_ask: bool,
    /// Whether the message at hand was sent by this client.
    pub(super) is_own: bool,
    /// Mappings on their way out; unmapped once nobody refers to them.
    pub(super) retired: &'a mut Vec<Arc<Mapping>>,
    pub(super) link: &'a mut Link,
    /// What is wrong with it.
    pub(super) troubles: &'a Troubles,
}

/// What only producers or only consumers have.
pub(super) enum Side {
    Producer(Box<ProducerSide>),
    Consumer(Box<ConsumerSide>),
}

/// What an open asks for.
pub(super) struct SessionConfig {
    pub(super) id: SessionId,
    pub(super) role: Role,
    pub(super) tenure: Tenure,
    pub(super) announce_period_ns: u64,
    /// Decides the jitter of retries.
    pub(super) seed: u64,
    /// Gone when nobody waits for the open any more.
    pub(super) waiting: Weak<()>,
    /// How long the media driver may refuse what is needed.
    pub(super) open_until: NanoTime,
    /// Without these the handle cannot be used.
    pub(super) needed: Vec<ResourceId>,
    pub(super) counters: CounterPublisher,
}

pub(super) struct Session {
    id: SessionId,
    role: Role,
    tenure: Tenure,
    mapping: MappingCore,
    mailbox: Mailbox,
    handovers: Handovers,
    side: Side,
    /// Of a producer that has set metadata.
    metadata: Option<Box<MetadataOut>>,
    /// The mapping the core has put into use.
    current: Option<Arc<Mapping>>,
    /// What is being mapped.
    wanted: Option<(MapTicket, Arc<StreamGeometry>)>,
    /// What was mapped and waits for the core's word.
    arrived: Option<(MapTicket, Arc<Mapping>)>,
    grant: Option<(ClientId, Option<NodeId>)>,
    lost: Option<(LossReason, NanoTime)>,
    /// Sources that ended; told when the producer's last report was surely read.
    ended: Vec<(Epoch, SourceEnd)>,
    /// Refresh of, or look at, the superblocks.
    checkup: Cadence,
    /// Consumers: whether the process that created what is mapped could be seen then. Of others
    /// nothing follows from not seeing them.
    creator_seen: bool,
    map_error: Option<MapError>,
    map_failures: u32,
    opening: Option<Weak<()>>,
    open_until: NanoTime,
    needed: Vec<ResourceId>,
    /// Keeps the counters of handle and session visible to observers.
    _counters: CounterPublisher,
    done: bool,
}

impl Session {
    pub(super) fn new(config: SessionConfig, mailbox: Mailbox, side: Side, now: NanoTime) -> Self {
        let role = config.role;
        let mapping = MappingConfig {
            announce_period_ns: config.announce_period_ns,
            ..MappingConfig::new(role, config.seed)
        };
        let mut tenure = config.tenure;
        tenure.open(now);
        Self {
            id: config.id,
            role,
            tenure,
            mapping: MappingCore::new(mapping),
            mailbox,
            handovers: Handovers::default(),
            side,
            metadata: None,
            current: None,
            wanted: None,
            arrived: None,
            grant: None,
            lost: None,
            ended: Vec::new(),
            checkup: Cadence::new(config.announce_period_ns),
            creator_seen: false,
            map_error: None,
            map_failures: 0,
            opening: Some(config.waiting),
            open_until: config.open_until,
            needed: config.needed,
            _counters: config.counters,
            done: false,
        }
    }

    pub(super) fn id(&self) -> SessionId {
        self.id
    }

    /// Whether it may be removed.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the end of a source waits for the QoS stream to be read to its end.
    pub(super) fn has_ended_source(&self) -> bool {
        !self.ended.is_empty()
    }

    pub(super) fn on_link_up(&mut self, now: NanoTime, again: bool) {
        self.tenure.on_link_up(now);
        self.mapping.on_hearing(now, true);
        if again {
            match &mut self.side {
                Side::Producer(side) => side.on_link_up(now),
                Side::Consumer(side) => side.on_link_up(now),
            }
            self.mailbox.post(Notice::Event(Event::LinkUp));
        }
    }

    pub(super) fn on_link_lost(&mut self, now: NanoTime, reason: &LostReason) {
        self.tenure.on_link_lost(now, reason);
        self.mapping.on_hearing(now, false);
        if let Some(metadata) = &mut self.metadata {
            metadata.on_link_lost(now);
        }
        if let Side::Producer(side) = &mut self.side {
            side.hold();
        }
        self.mailbox.post(Notice::Event(Event::LinkLost {
            reason: reason.clone(),
        }));
    }

    /// The announce subscription became available.
    pub(super) fn on_joined(&mut self, now: NanoTime) {
        self.mapping.on_joined(now);
    }

    pub(super) fn on_message(&mut self, ctx: &mut Context<'_>, message: &Inbound) {
        let now = ctx.now;
        match message {
            Inbound::AttachResponse(response) => {
                if let Tenure::Lease(attach) = &mut self.tenure {
                    attach.on_attach_response(now, response);
                }
            }
            Inbound::DetachResponse(response) => {
                if let Tenure::Lease(attach) = &mut self.tenure {
                    attach.on_detach_response(now, response);
                }
            }
            // [TP-CLI-0370]
            Inbound::LeaseRevoked(revoked) => {
                self.tenure.on_lease_revoked(now, revoked);
                self.settle(ctx);
                self.mapping.on_lease_revoked(now, revoked);
                if let Side::Producer(side) = &mut self.side {
                    side.on_lease_revoked(now, revoked);
                }
            }
            Inbound::DriverShutdown(notice) => {
                if let Tenure::Lease(attach) = &mut self.tenure {
                    attach.on_driver_shutdown(now, *notice);
                }
            }
            Inbound::Announce(announce) => {
                self.look_after_creator(ctx, announce);
                self.tenure.on_announce(now, announce);
                self.settle(ctx);
                self.mapping.on_announce(now, ctx.realtime, announce);
            }
            Inbound::ConsumerConfig(config) => {
                match &mut self.side {
                    Side::Producer(side) => side.own.on_config(now, config),
                    Side::Consumer(side) => {
                        side.on_config(now, config);
                        self.obey(ctx);
                    }
                }
                return;
            }
            Inbound::Hello(_) | Inbound::ConsumerReport { .. } | Inbound::ProducerReport { .. } => {
                if self.is_of_namesake(message) && !ctx.is_own {
                    self.tenure.on_foreign_report(now);
                    self.settle(ctx);
                }
                let mapped = self.current.as_ref().map(|mapping| mapping.epoch());
                match &mut self.side {
                    Side::Producer(side) => {
                        if side.on_report(now, message) {
                            self.tenure.on_newcomer(now);
                        }
                    }
                    Side::Consumer(side) => {
                        side.on_report(message, self.tenure.stream_id(), mapped);
                    }
                }
                return;
            }
        }
        self.settle(ctx);
    }

    /// Whether a message is a report of a consumer that goes by the stream and id of this one.
    fn is_of_namesake(&self, message: &Inbound) -> bool {
        let Inbound::ConsumerReport {
            stream_id,
            consumer_id,
            ..
        } = *message
        else {
            return false;
        };
        self.role == Role::Consumer
            && consumer_id == self.tenure.client_id()
            && Some(stream_id) == self.tenure.stream_id()
    }

    /// The worker did what it was asked for.
    pub(super) fn on_done(&mut self, ctx: &mut Context<'_>, done: Done) {
        match (done, &mut self.tenure) {
            (Done::Mapped(result), _) => self.on_map_result(ctx, result),
            (
                Done::Provided {
                    ticket, outcome, ..
                },
                Tenure::Own(own),
            ) => own.on_provided(ctx.now, ticket, outcome),
            (Done::Removed(_), Tenure::Own(own)) => own.on_removed(ctx.now),
            (Done::Swept(_, leftovers), Tenure::Own(own)) => own.on_swept(ctx.now, leftovers),
            // Only producers without a driver ask for any of these.
            (Done::Provided { .. } | Done::Removed(_) | Done::Swept(..), _) => {}
        }
        self.settle(ctx);
    }

    fn on_map_result(&mut self, ctx: &mut Context<'_>, result: MapResult) {
        let ticket = result.ticket;
        if !matches!(&result.outcome, Ok(mapping) if self.accepts(ctx, mapping)) {
            self.wanted.take_if(|(of, _)| *of == ticket);
        }
        match result.outcome {
            Ok(mapping) if !self.accepts(ctx, &mapping) => {
                self.map_error = None;
                ctx.retired.push(mapping);
                self.mapping.on_map_failed(ctx.now, ticket);
            }
            Ok(mapping) => {
                let pid = mapping.pid();
                self.arrived = Some((ticket, mapping));
                self.map_error = None;
                self.mapping.on_mapped_of(ctx.now, ticket, pid);
            }
            Err(error) => {
                self.map_error = Some(error);
                self.map_failures += 1;
                self.mapping.on_map_failed(ctx.now, ticket);
            }
        }
        self.settle(ctx);
    }

    fn accepts(&self, ctx: &Context<'_>, mapping: &Mapping) -> bool {
        self.mapping.accepts_activity(ctx.now, mapping.activity())
    }

    /// One duty cycle: timers, checks, and whatever is due to be sent. Gives the work done.
    pub(super) fn do_work(&mut self, ctx: &mut Context<'_>) -> usize {
        self.mailbox.flush();
        self.tenure.on_mapping(self.wanted.is_some());
        self.tenure.on_timeout(ctx.now);
        self.settle(ctx);
        self.mapping.on_timeout(ctx.now);
        self.settle(ctx);
        let mut work = self.check_up(ctx);
        work += self.tenure.speak(ctx);
        let facts = Facts {
            stream_id: self.tenure.stream_id(),
            client_id: self.tenure.client_id(),
            mapped: self
                .current
                .as_ref()
                .map(|mapping| (mapping.epoch(), mapping.slot_count())),
        };
        work += match &mut self.side {
            Side::Producer(side) => {
                side.do_work(ctx, &facts)
                    + side.send_final_report(ctx, &facts)
                    + side
                        .own
                        .do_work(ctx.now, ctx.link, ctx.proxy, &mut self.mailbox)
            }
            Side::Consumer(side) => side.do_work(ctx, &facts),
        };
        work += self.publish_metadata(ctx.now, &facts);
        if let Side::Consumer(side) = &mut self.side
            && let Some(configure) = side.configure(ctx.link)
        {
            self.mailbox.post(Notice::Configure(Box::new(configure)));
            work += 1;
        }
        work += self.progress_opening(ctx);
        self.progress_closing(ctx);
        let (mapping, attach) = (self.mapping.stats(), self.tenure.stats());
        self.side.counters().mirror(&mapping, &attach);
        work
    }

    /// The QoS stream was read to its end: tell of the sources that ended, with where they ended.
    /// [TP-CLI-1920]
    pub(super) fn on_reports_drained(&mut self) {
        for (epoch, end) in self.ended.drain(..) {
            let end_seq = match &self.side {
                Side::Consumer(side) => side.position_of(epoch),
                Side::Producer(_) => None,
            };
            self.mailbox.post(Notice::Ended {
                epoch,
                end_seq,
                end,
            });
        }
    }

    /// The application is done with it: what was published is seen to its end, then the lease goes
    /// back.
    pub(super) fn close_producer(&mut self, now: NanoTime, close: CloseProducer) {
        self.opening = None;
        if let Side::Producer(side) = &mut self.side {
            side.begin_close(now, close);
        }
    }

    /// The application is done with it.
    pub(super) fn close_consumer(&mut self, reply: Option<Sender<Result<(), OpenError>>>) {
        self.opening = None;
        if let Side::Consumer(side) = &mut self.side {
            side.begin_close(reply);
        }
    }

    /// The client is being closed: no lingering.
    pub(super) fn close_now(&mut self, now: NanoTime) {
        // [TP-CLI-0540]
        match &mut self.side {
            Side::Producer(side) => side.hurry(now),
            Side::Consumer(side) => side.is_closing = true,
        }
        if self.opening.take().is_some() {
            self.fail_open(OpenError::ClientClosed);
        }
    }

    /// The session or its conductor ends: the handle learns that nothing more will come.
    pub(super) fn abandon(&mut self) {
        if let Some(mapping) = self.current.take() {
            mapping.revoke();
        }
        let was_closed = match &self.side {
            Side::Producer(side) => side.abandon(),
            Side::Consumer(side) => side.abandon(),
        };
        if !was_closed {
            self.mailbox.post(Notice::Event(Event::Closed));
        }
    }

    fn progress_closing(&mut self, ctx: &mut Context<'_>) {
        let told = self
            .metadata
            .as_mut()
            .is_none_or(|metadata| metadata.is_settled(ctx.now));
        let give_back = match &mut self.side {
            Side::Producer(side) => side.wants_detach(ctx, self.tenure.is_held(), told),
            Side::Consumer(side) => side.is_closing,
        };
        if give_back && !self.tenure.is_closed() {
            self.tenure.close(ctx.now);
            self.settle(ctx);
        }
        // [TP-CLI-1960]
        if self.done {
            self.settle(ctx);
            self.revoke(ctx);
            match &mut self.side {
                Side::Producer(side) => side.finish_close(),
                Side::Consumer(side) => side.finish_close(),
            }
            self.abandon();
        }
    }

    fn tell(&mut self, event: Event) {
        self.mailbox.post(Notice::Event(event));
    }
}

impl Drop for Session {
    /// However a conductor ends, by a panic as well: no lease is kept alive any more, and handles
    /// must not go on as if one were.
    fn drop(&mut self) {
        self.abandon();
    }
}

impl Side {
    fn counters(&self) -> &SessionCounters {
        match self {
            Self::Producer(side) => &side.counters,
            Self::Consumer(side) => &side.counters,
        }
    }

    /// Nobody wants it any more.
    fn close(&mut self) {
        match self {
            Self::Producer(side) => side.hurry(NanoTime::new(0)),
            Self::Consumer(side) => side.is_closing = true,
        }
    }
}

/// What the sides need to know of the session.
pub(super) struct Facts {
    pub(super) stream_id: Option<StreamId>,
    pub(super) client_id: ClientId,
    pub(super) mapped: Option<(Epoch, u32)>,
}

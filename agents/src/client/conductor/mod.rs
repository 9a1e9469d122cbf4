//! The ClientConductor: owns the link to Aeron and all control-plane state of a client.
//!
//! ```text
//!  application threads                conductor's thread                      driver, other clients
//!  Producer ── descriptors ────────────────────────────────────────────────▶ 1100
//!  Consumer ◀─ descriptors ───────────────────────────────────────────────── 1100
//!     │  ▲  few shared words     ┌─ Session (attach + mapping core) ─┐
//!     │  └── notices (SPSC) ◀────┤  one per producer and consumer    ├──▶ 1000 control, 1200 QoS
//!     └───── commands ─────────▶ └───────────────────────────────────┘◀── 1000, 1001 announce, 1200
//!                                     ▲ mapped regions │ regions to map
//!                                     └── map worker ◀─┘
//! ```
//! It never touches a frame. Decisions are the cores'; decoding is `adapter`'s, encoding `proxy`'s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use tensorpool_codecs::types::NanoTime;
use tensorpool_protocol::client::{
    AttachClient, AttachConfig, ConfigFollower, ConsumerStreamsConfig, ConsumerTracker,
    ProgressPolicy, Provider, Watcher,
};
use tensorpool_protocol::common::Role;
use tensorpool_runtime::clock::{CachedNanoClock, ClockSource, realtime_ns};
use tensorpool_runtime::counters::CounterSet;
use tensorpool_runtime::{Agent, AgentError};
use tensorpool_shm::mapping::Mapping;
use tensorpool_transport::{
    CounterPublisher, Link, LinkConfig, Publication, PublicationOptions, Subscription,
    SubscriptionOptions,
};

use crate::client::config::{ClientConfig, nanos};
use crate::client::consumer::feed::Feed;
use crate::client::consumer::ring_reader::RingWatch;
use crate::client::consumer::{Consumer, ConsumerSetup, Intake};
use crate::client::error::ConnectError;
use crate::client::metadata::{MetadataEditor, MetadataIn, MetadataReader};
use crate::client::options::{Availability, ConsumerOptions, OwnRegions, ProducerOptions, plain};
use crate::client::producer::untold::Untold;
use crate::client::producer::{Producer, ProducerSetup};
use crate::client::shared::{ConsumerShared, Mailbox, ProducerShared};
use crate::client::stats::{InboundCounters, consumer_counters, producer_counters};
use crate::driver::Endpoint;

pub(super) mod adapter;
pub(super) mod command;
mod link;
mod metadata;
pub(super) mod proxy;
pub(super) mod session;
pub(super) mod worker;

use adapter::AdapterStats;
use command::{Command, Open};
use proxy::Proxy;
use session::{
    ConsumerParts, ConsumerSide, Context, OwnLane, ProducerParts, ProducerSide, Session,
    SessionConfig, Side, Tenure, UntoldWatch,
};
use worker::{Done, MapWorker, SessionId};

pub(super) use link::Troubles;

/// Messages taken from one subscription at a time.
const FRAGMENT_LIMIT: usize = 64;
/// Polls of the QoS stream per cycle; consumers of fast lossless streams report often.
const QOS_POLLS: usize = 16;
/// How long closing waits for leases to be given back.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The agent of a client. Built on its own thread: the link it owns cannot leave it.
pub(super) struct ClientConductor {
    config: ClientConfig,
    clock: CachedNanoClock,
    link: Link,
    proxy: Proxy,
    control: Subscription,
    announces: Subscription,
    reports: Subscription,
    /// While a consumer asks for it.
    metadata: Option<MetadataIn>,
    worker: MapWorker,
    sessions: Vec<Session>,
    commands: Receiver<Command>,
    /// Given to handles.
    command_sender: Sender<Command>,
    retired: Vec<Arc<Mapping>>,
    next_session: u64,
    was_up: bool,
    /// Since when the announce subscription is there.
    has_joined: bool,
    troubles: Troubles,
    inbound: AdapterStats,
    inbound_counters: InboundCounters,
    _counters: CounterPublisher,
}

impl ClientConductor {
    pub(super) fn new(
        config: ClientConfig,
        worker: MapWorker,
        commands: Receiver<Command>,
        command_sender: Sender<Command>,
        mut counters: CounterSet,
    ) -> Result<Self, ConnectError> {
        let mut link = Link::new(LinkConfig {
            client_name: config.name.clone(),
            ..LinkConfig::for_dir(&config.aeron_dir)
        })?;
        let mut publication = |endpoint: &Endpoint| {
            let options = PublicationOptions::default();
            link.add_publication(&endpoint.channel, endpoint.stream_id, options)
        };
        let proxy = Proxy::new(publication(&config.control), publication(&config.qos));
        let mut subscription = |endpoint: &Endpoint| {
            let options = SubscriptionOptions::UNTETHERED;
            link.add_subscription(&endpoint.channel, endpoint.stream_id, options)
        };
        let control = subscription(&config.control);
        let announces = subscription(&config.announce);
        let reports = subscription(&config.qos);
        let inbound_counters = InboundCounters::new(&mut counters);
        let counters = link.publish_counters(&counters);
        let needed = [
            proxy.control_id(),
            control.resource_id(),
            announces.resource_id(),
        ];
        Ok(Self {
            clock: CachedNanoClock::new(ClockSource::Monotonic),
            link,
            proxy,
            control,
            announces,
            reports,
            metadata: None,
            worker,
            sessions: Vec::new(),
            commands,
            command_sender,
            retired: Vec::new(),
            next_session: 0,
            was_up: false,
            has_joined: false,
            troubles: Troubles::new(needed),
            inbound: AdapterStats::default(),
            inbound_counters,
            _counters: counters,
            config,
        })
    }

    fn cycle(&mut self) -> usize {
        let now = self.clock.update();
        let mut work = self.link.do_work(now);
        work += self.take_link_events(now);
        work += self.take_commands(now);
        // Results first: what ended in this cycle is told before what replaces it is put into use.
        work += self.take_worker_results(now);
        work += self.take_messages(now);
        work += self.hear_metadata(now);
        work += self.drive_sessions(now);
        self.let_go_of_retired();
        self.inbound_counters.mirror(&self.inbound);
        work
    }

    fn take_commands(&mut self, now: NanoTime) -> usize {
        let mut count = 0;
        while let Ok(command) = self.commands.try_recv() {
            count += 1;
            match command {
                Command::OpenProducer { open, options } => {
                    self.open_producer(now, *open, options);
                }
                Command::OpenConsumer { open, options } => {
                    self.open_consumer(now, *open, options);
                }
                Command::SetMetadata(id, version, metadata) => {
                    if let Some(out) = self.metadata_out(id) {
                        out.set(now, version, metadata);
                    }
                }
                Command::PublishBlob(id, blob) => {
                    if let Some(out) = self.metadata_out(id) {
                        out.publish_blob(now, *blob);
                    }
                }
                Command::CloseProducer(id, close) => {
                    if let Some(session) = self.session(id) {
                        session.close_producer(now, *close);
                    }
                }
                Command::CloseConsumer(id, reply) => {
                    if let Some(session) = self.session(id) {
                        session.close_consumer(reply);
                    }
                }
            }
        }
        count
    }

    fn open_producer(&mut self, now: NanoTime, open: Open<Producer>, options: ProducerOptions) {
        let (mailbox, notices) = Mailbox::new();
        let (id, shared) = (self.take_id(), Arc::new(ProducerShared::default()));
        let untold = Arc::new(Untold::default());
        let stream_id = open.attach.stream_id;
        let tenure = self.producer_tenure(open.attach.clone(), options.without_driver.clone());
        let counters = producer_counters(tenure.client_id());
        let endpoint = &self.config.descriptor;
        let (channel, aeron_stream) = (&endpoint.channel, endpoint.stream_id);
        let publication =
            self.link
                .add_publication(channel, aeron_stream, PublicationOptions::default());
        let (floors, caps_every_mode) = (options.progress, options.caps_every_mode);
        let progress = floors.map(|_| {
            let control = &self.config.control;
            let options = PublicationOptions::default();
            self.link
                .add_publication(&control.channel, control.stream_id, options)
        });
        let mut needed = vec![publication.resource_id()];
        needed.extend(progress.as_ref().map(Publication::resource_id));
        let handle = Producer::new(ProducerSetup {
            id,
            stream_id,
            shared: Arc::clone(&shared),
            notices,
            publication: (channel.to_string().into(), publication),
            progress,
            commands: self.command_sender.clone(),
            untold: Arc::clone(&untold),
            counters: (counters.handle, counters.own),
            options,
            metadata: MetadataEditor::new(&self.config),
        });
        let own_streams = self.own_streams(tenure.is_driverless(), caps_every_mode);
        let own = OwnLane::new(own_streams, stream_id, counters.own_session);
        let (parts, tracker) = (
            ProducerParts {
                handle,
                reply: open.reply,
            },
            ConsumerTracker::new(stream_id),
        );
        let policy = floors.map(|floors| ProgressPolicy::new(stream_id, floors));
        let reports = UntoldWatch::new(untold);
        let side = ProducerSide::new(
            shared,
            parts,
            (tracker, policy),
            reports,
            own,
            counters.session,
        );
        let config = SessionConfig {
            id,
            role: Role::Producer,
            tenure,
            announce_period_ns: nanos(self.config.announce_period),
            seed: open.attach.seed,
            waiting: open.waiting,
            open_until: now.after_ns(open.attach.attach_timeout_ns),
            needed,
            counters: self.link.publish_counters(&counters.set),
        };
        self.add_session(
            Session::new(config, mailbox, Side::Producer(Box::new(side)), now),
            now,
        );
    }

    /// By what right a producer will have its stream.
    fn producer_tenure(&mut self, attach: AttachConfig, own: Option<OwnRegions>) -> Tenure {
        let Some(regions) = own else {
            return Tenure::Lease(Box::new(AttachClient::new(attach)));
        };
        let (control, announce) = (&self.config.control, &self.config.announce);
        if announce != control && !self.proxy.has_announce() {
            let options = PublicationOptions::default();
            let publication =
                self.link
                    .add_publication(&announce.channel, announce.stream_id, options);
            self.proxy.set_announce(publication);
        }
        Tenure::own(Provider::new(attach), regions.plot(&self.config))
    }

    /// Aeron streams that all clients share cannot be a consumer's own.
    fn own_streams(&self, is_authority: bool, caps_every_mode: bool) -> ConsumerStreamsConfig {
        let config = &self.config;
        let shared = [
            &config.control,
            &config.announce,
            &config.descriptor,
            &config.qos,
            &config.metadata,
        ];
        let id = |endpoint: &&Endpoint| u32::try_from(endpoint.stream_id).ok();
        ConsumerStreamsConfig {
            is_authority,
            reserved_stream_ids: shared.iter().filter_map(id).collect(),
            caps_every_mode,
        }
    }

    fn open_consumer(&mut self, now: NanoTime, open: Open<Consumer>, options: ConsumerOptions) {
        let (mailbox, notices) = Mailbox::new();
        let (id, shared) = (self.take_id(), Arc::new(ConsumerShared::default()));
        let stream_id = open.attach.stream_id;
        let tenure = match options.without_driver {
            true => Tenure::Watch(Box::new(Watcher::new(open.attach.clone()))),
            false => Tenure::Lease(Box::new(AttachClient::new(open.attach.clone()))),
        };
        let (set, counters, session_counters) = consumer_counters(tenure.client_id());
        let wishes = options.wishes(&self.config, tenure.client_id());
        let everybody = self.config.descriptor.clone();
        let fallback_uri = options.fallback_uri.clone();
        let follower = ConfigFollower::new(wishes, plain(&everybody), fallback_uri);
        let mut needed = Vec::new();
        let intake = match options.availability {
            Availability::Descriptor => {
                let Endpoint { channel, stream_id } = &everybody;
                let options = SubscriptionOptions::UNTETHERED;
                let subscription = self.link.add_subscription(channel, *stream_id, options);
                needed.push(subscription.resource_id());
                Intake::Descriptors(Box::new(Feed::new(subscription)))
            }
            // [TP-CLI-2900]
            Availability::HeaderRing => Intake::Ring(RingWatch::default()),
        };
        let reader = options.metadata.then(MetadataReader::default);
        // [TP-CLI-2605]
        let progress = options.progress.map(|_| {
            let control = &self.config.control;
            let options = SubscriptionOptions::UNTETHERED;
            self.link
                .add_subscription(&control.channel, control.stream_id, options)
        });
        needed.extend(progress.as_ref().map(Subscription::resource_id));
        let handle = Consumer::new(ConsumerSetup {
            id,
            stream_id,
            shared: Arc::clone(&shared),
            notices,
            intake,
            progress,
            commands: self.command_sender.clone(),
            counters,
            settings: follower.settings().clone(),
            options,
        });
        let parts = ConsumerParts {
            handle,
            reply: open.reply,
        };
        let side = ConsumerSide::new(shared, parts, session_counters, reader, follower, everybody);
        let config = SessionConfig {
            id,
            role: Role::Consumer,
            tenure,
            announce_period_ns: nanos(self.config.announce_period),
            seed: open.attach.seed,
            waiting: open.waiting,
            open_until: now.after_ns(open.attach.attach_timeout_ns),
            needed,
            counters: self.link.publish_counters(&set),
        };
        self.add_session(
            Session::new(config, mailbox, Side::Consumer(Box::new(side)), now),
            now,
        );
    }

    fn add_session(&mut self, mut session: Session, now: NanoTime) {
        if self.link.is_up() {
            session.on_link_up(now, false);
        }
        if self.has_joined {
            session.on_joined(now);
        }
        self.sessions.push(session);
    }

    /// Not while the end of a source waits to be told: what replaces it comes after it.
    fn take_worker_results(&mut self, now: NanoTime) -> usize {
        if self.sessions.iter().any(Session::has_ended_source) {
            return 0;
        }
        let mut count = 0;
        while let Some(done) = self.worker.poll() {
            count += 1;
            let (sessions, mut ctx) = self.split(now);
            let session = sessions
                .iter_mut()
                .find(|session| session.id() == done.session());
            match (session, done) {
                (Some(session), done) => session.on_done(&mut ctx, done),
                (None, Done::Mapped(result)) => ctx.retired.extend(result.outcome.ok()),
                (
                    None,
                    Done::Provided {
                        session,
                        outcome: Ok(estate),
                        ..
                    },
                ) => ctx.worker.remove(session, estate),
                (None, Done::Provided { .. } | Done::Removed(_) | Done::Swept(..)) => {}
            }
        }
        count
    }

    /// Announces before control: a driver revokes before it announces what follows, so that a cycle
    /// that has seen the announce has seen the revoke. QoS last: a producer reports its end before
    /// it detaches.
    fn take_messages(&mut self, now: NanoTime) -> usize {
        let realtime = realtime_ns();
        let mut count = 0;
        for source in [Source::Announces, Source::Control] {
            count += self.poll_source(source, now, realtime);
        }
        let mut is_drained = false;
        for _ in 0..QOS_POLLS {
            let fragments = self.poll_source(Source::Reports, now, realtime);
            count += fragments;
            is_drained = fragments < FRAGMENT_LIMIT;
            if is_drained {
                break;
            }
        }
        if is_drained {
            for session in &mut self.sessions {
                session.on_reports_drained();
            }
        }
        count
    }

    fn poll_source(&mut self, source: Source, now: NanoTime, realtime: NanoTime) -> usize {
        let subscription = match source {
            Source::Announces => &mut self.announces,
            Source::Control => &mut self.control,
            Source::Reports => &mut self.reports,
        };
        let own_session = self.proxy.qos_session();
        let mut ctx = Context {
            now,
            realtime,
            worker: &self.worker,
            proxy: &mut self.proxy,
            can_ask: false,
            is_own: false,
            retired: &mut self.retired,
            link: &mut self.link,
            troubles: &self.troubles,
        };
        let (sessions, stats) = (&mut self.sessions, &mut self.inbound);
        subscription.poll(FRAGMENT_LIMIT, |bytes, info| {
            ctx.is_own = Some(info.session_id) == own_session;
            if let Some(message) = adapter::decode(bytes, stats) {
                for session in sessions.iter_mut() {
                    session.on_message(&mut ctx, &message);
                }
            }
        })
    }

    fn drive_sessions(&mut self, now: NanoTime) -> usize {
        let can_ask = self.control.is_live() && self.announces.is_live();
        let (sessions, mut ctx) = self.split(now);
        ctx.can_ask = can_ask;
        let mut work = 0;
        for session in sessions.iter_mut() {
            work += session.do_work(&mut ctx);
        }
        sessions.retain(|session| !session.is_done());
        work
    }

    /// Unmaps on the worker what nobody refers to any more.
    fn let_go_of_retired(&mut self) {
        let mut index = 0;
        while index < self.retired.len() {
            if Arc::strong_count(&self.retired[index]) == 1 {
                self.worker.unmap(self.retired.swap_remove(index));
            } else {
                index += 1;
            }
        }
    }

    fn split(&mut self, now: NanoTime) -> (&mut Vec<Session>, Context<'_>) {
        let ctx = Context {
            now,
            realtime: NanoTime::new(0),
            worker: &self.worker,
            proxy: &mut self.proxy,
            can_ask: false,
            is_own: false,
            retired: &mut self.retired,
            link: &mut self.link,
            troubles: &self.troubles,
        };
        (&mut self.sessions, ctx)
    }

    fn session(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id() == id)
    }

    fn take_id(&mut self) -> SessionId {
        self.next_session += 1;
        SessionId(self.next_session)
    }
}

#[derive(Clone, Copy)]
enum Source {
    Announces,
    Control,
    Reports,
}

impl Agent for ClientConductor {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn do_work(&mut self) -> Result<usize, AgentError> {
        let work = self.cycle();
        self.troubles.conclude(work)
    }

    /// Gives all leases back, waiting a short while for the driver.
    fn on_close(&mut self) -> Result<(), AgentError> {
        // Handles that were dropped just before may still want to linger.
        let now = self.clock.update();
        self.take_commands(now);
        for session in &mut self.sessions {
            session.close_now(now);
        }
        let started = Instant::now();
        while !self.sessions.is_empty() && self.link.is_up() && started.elapsed() < CLOSE_TIMEOUT {
            if self.cycle() == 0 {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        for session in &mut self.sessions {
            session.abandon();
        }
        self.sessions.clear();
        Ok(())
    }
}

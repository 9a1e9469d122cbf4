//! What applications open: a client with a conductor of its own, or one they drive themselves, and
//! the builders of producers and consumers.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, unbounded};
use tensorpool_codecs::types::{ClientId, NodeId, StreamId};
use tensorpool_protocol::client::{
    AttachConfig, ProgressFloors, ProgressHints, ProgressRead, is_fallback_uri,
};
use tensorpool_protocol::common::{ConsumerMode, HugepagesPolicy, PublishMode, Role};
use tensorpool_runtime::counters::{AgentKind, CounterSet};
use tensorpool_runtime::{
    Agent, AgentError, AgentInvoker, AgentRunner, InvokerContext, RunnerConfig,
    errors::DistinctErrorLog,
};
use tensorpool_shm::allowed::AllowedDirs;

use super::conductor::ClientConductor;
use super::conductor::command::{Command, Open};
use super::conductor::worker::MapWorker;
use super::config::{ClientConfig, nanos};
use super::consumer::Consumer;
use super::error::{ConnectError, OpenError};
use super::options::{Availability, ConsumerOptions, OwnRegions, OwnStreams, ProducerOptions};
use super::pending::Pending;
use super::producer::Producer;
use super::producer::payload_flush::PayloadFlush;

/// A client whose conductor runs on a thread of its own, so that leases live while the application
/// computes or blocks.
///
/// `Send + Sync`; producers and consumers opened from it are used on any thread and may outlive it,
/// after which they fail as closed. Dropping it gives all leases back and waits for that, a short
/// while.
#[derive(Debug)]
pub struct Client {
    opener: Opener,
    runner: AgentRunner,
    close_timeout: Duration,
}

/// A client driven by the application: call [`InvokedClient::invoke`] at least every few
/// milliseconds, also while waiting. Not `Send`; lives on the thread it was made on. It is an
/// [`Agent`] as well, to be composed with others.
pub struct InvokedClient {
    opener: Opener,
    invoker: AgentInvoker<ClientConductor>,
}

impl Client {
    /// Starts the client's threads. That there is no media driver or driver yet is no error: opens
    /// wait for them.
    ///
    /// # Errors
    /// When the configuration cannot work, or a thread cannot be started.
    pub fn connect(config: ClientConfig) -> Result<Self, ConnectError> {
        let (opener, conductor, context) = prepare(&config)?;
        let runner_config = RunnerConfig {
            name: config.name.clone(),
            idle: config.idle,
            core: config.core,
            context,
        };
        let runner = AgentRunner::spawn(runner_config, move |_| {
            conductor
                .build()
                .map_err(|error| AgentError::terminate("client-conductor", error))
        });
        let runner = runner.map_err(|error| ConnectError::Thread {
            name: config.name.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            opener,
            runner,
            close_timeout: config.close_timeout,
        })
    }

    /// A producer of this stream, to be configured and opened.
    pub fn producer(&self, stream_id: StreamId) -> ProducerBuilder {
        self.opener.producer(stream_id)
    }

    /// A consumer of this stream, to be configured and opened.
    pub fn consumer(&self, stream_id: StreamId) -> ConsumerBuilder {
        self.opener.consumer(stream_id)
    }

    /// Faults of the conductor.
    #[must_use]
    pub fn errors(&self) -> &DistinctErrorLog {
        self.runner.errors()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A conductor that is stuck is left to itself; its leases expire.
        let _stuck = self.runner.close(self.close_timeout);
    }
}

impl InvokedClient {
    /// Makes the client on this thread. That there is no media driver or driver yet is no error.
    ///
    /// # Errors
    /// When the configuration cannot work, or the mapping thread cannot be started.
    pub fn new(config: &ClientConfig) -> Result<Self, ConnectError> {
        let (opener, conductor, context) = prepare(config)?;
        let mut invoker = AgentInvoker::new(conductor.build()?, context);
        invoker.start().map_err(|error| ConnectError::Thread {
            name: config.name.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self { opener, invoker })
    }

    /// One duty cycle of the conductor; gives the work done.
    pub fn invoke(&mut self) -> usize {
        self.invoker.invoke()
    }

    /// Waits for an answer while driving the conductor.
    ///
    /// # Errors
    /// What went wrong, or [`OpenError::TimedOut`].
    pub fn wait<T>(&mut self, pending: Pending<T>, timeout: Duration) -> Result<T, OpenError> {
        pending.wait_driving(timeout, || {
            if self.invoker.invoke() == 0 {
                std::thread::yield_now();
            }
        })
    }

    /// A producer of this stream, to be configured and opened.
    pub fn producer(&self, stream_id: StreamId) -> ProducerBuilder {
        self.opener.producer(stream_id)
    }

    /// A consumer of this stream, to be configured and opened.
    pub fn consumer(&self, stream_id: StreamId) -> ConsumerBuilder {
        self.opener.consumer(stream_id)
    }
}

impl Agent for InvokedClient {
    fn name(&self) -> &str {
        self.invoker.agent().name()
    }

    fn do_work(&mut self) -> Result<usize, AgentError> {
        Ok(self.invoker.invoke())
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        self.invoker.close()
    }
}

impl Drop for InvokedClient {
    fn drop(&mut self) {
        // The conductor reports nothing that could be done about it here.
        let _closed = self.invoker.close();
    }
}

impl fmt::Debug for InvokedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvokedClient")
            .field("state", &self.invoker.state())
            .finish_non_exhaustive()
    }
}

/// Sends opens to the conductor.
#[derive(Clone, Debug)]
struct Opener {
    commands: Sender<Command>,
    base: AttachConfig,
}

impl Opener {
    fn producer(&self, stream_id: StreamId) -> ProducerBuilder {
        ProducerBuilder {
            opener: self.clone(),
            attach: self.attach(stream_id, Role::Producer),
            options: ProducerOptions::default(),
        }
    }

    fn consumer(&self, stream_id: StreamId) -> ConsumerBuilder {
        let attach = self.attach(stream_id, Role::Consumer);
        ConsumerBuilder {
            opener: self.clone(),
            attach,
            options: ConsumerOptions::default(),
        }
    }

    fn attach(&self, stream_id: StreamId, role: Role) -> AttachConfig {
        AttachConfig {
            stream_id,
            role,
            ..self.base.clone()
        }
    }

    /// Seeds are random, and drawn per open: the ids of two processes must differ, those of what two
    /// clones of a builder open as well, and so must their retries.
    // [TP-CLI-0015]
    fn open<T>(
        &self,
        mut attach: AttachConfig,
        command: impl FnOnce(Box<Open<T>>) -> Command,
    ) -> Pending<T> {
        attach.seed = RandomState::new().hash_one(attach.stream_id);
        let (reply, receiver) = bounded(1);
        let waiting = Arc::new(());
        let open = Open {
            attach,
            waiting: Arc::downgrade(&waiting),
            reply,
        };
        // Without a conductor the reply is dropped, which the pending answer reports.
        let _gone = self.commands.send(command(Box::new(open)));
        Pending::new(receiver, Some(waiting))
    }
}

macro_rules! attach_options {
    () => {
        /// A fixed client id, unique over all leases of the driver; `None` or 0 picks a free one.
        pub fn client_id(mut self, id: Option<ClientId>) -> Self {
            self.attach.client_id = id.filter(|id| id.get() != 0);
            self
        }

        /// Whether the driver may create the stream; by default it must exist.
        pub fn publish_mode(mut self, mode: PublishMode) -> Self {
            self.attach.publish_mode = mode;
            self
        }

        /// The page size wanted; by default whatever the driver uses.
        pub fn hugepages(mut self, policy: HugepagesPolicy) -> Self {
            self.attach.hugepages = policy;
            self
        }

        /// The node id wanted, for trace ids.
        pub fn desired_node_id(mut self, id: Option<NodeId>) -> Self {
            self.attach.desired_node_id = id;
            self
        }

        /// How long the driver is asked before the open fails; by default the client's.
        pub fn attach_timeout(mut self, timeout: Duration) -> Self {
            self.attach.attach_timeout_ns = nanos(timeout);
            self
        }
    };
}

/// How to open a producer.
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before open or wait"]
pub struct ProducerBuilder {
    opener: Opener,
    attach: AttachConfig,
    options: ProducerOptions,
}

impl ProducerBuilder {
    attach_options!();

    /// Does without a driver: makes this memory, announces it and tells consumers how they get their
    /// frames, all by itself. Consumers open the stream
    /// [without a driver](ConsumerBuilder::without_driver) as well. The options about leases do
    /// nothing then, and [`attach_timeout`](Self::attach_timeout) bounds how long another producer
    /// of the stream is waited for.
    pub fn without_driver(mut self, regions: OwnRegions) -> Self {
        self.options.without_driver = Some(regions);
        self
    }

    /// Paces on the consumers: an offer that would overwrite what one of them still needs answers
    /// [`OfferError::Paced`](crate::client::OfferError::Paced) instead. A consumer that died holds it
    /// up until its lease expires.
    pub fn lossless(mut self, lossless: bool) -> Self {
        self.options.lossless = lossless;
        self
    }

    /// Keeps to the rate a consumer named also when its mode is [`ConsumerMode::Stream`], which by
    /// default means every frame: as some producers in the field do, and applications may have come to
    /// rely on. Concerns streams of consumers' own.
    pub fn caps_every_mode(mut self, caps: bool) -> Self {
        self.options.caps_every_mode = caps;
        self
    }

    /// Tells consumers that ask for it of frames that are being written, see
    /// [`Producer::progress`], no more often than these floors say.
    pub fn progress(mut self, floors: ProgressFloors) -> Self {
        self.options.progress = Some(floors);
        self
    }

    /// Called with payload bytes before anybody may read them, on the thread that offers, commits
    /// or reports progress: to flush what a device wrote where that is not coherent with the caches
    /// of the processors. Before a commit with the whole payload, before a message of progress with
    /// what it tells of.
    pub fn payload_flush(mut self, flush: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        self.options.flush = Some(PayloadFlush::new(flush));
        self
    }

    /// Asks the conductor; does not block.
    pub fn open(self) -> Pending<Producer> {
        let options = self.options;
        self.opener
            .open(self.attach, |open| Command::OpenProducer { open, options })
    }

    /// Opens and waits. Not with an [`InvokedClient`] of this thread.
    ///
    /// # Errors
    /// What went wrong, or [`OpenError::TimedOut`].
    pub fn wait(self, timeout: Duration) -> Result<Producer, OpenError> {
        self.open().wait(timeout)
    }
}

/// How to open a consumer.
#[derive(Clone, Debug)]
#[must_use = "nothing is opened before open or wait"]
pub struct ConsumerBuilder {
    opener: Opener,
    attach: AttachConfig,
    options: ConsumerOptions,
}

impl ConsumerBuilder {
    attach_options!();

    /// Does without a driver: maps what a producer announces that does
    /// [without one](ProducerBuilder::without_driver), and finds out by itself when that is gone.
    /// The options about leases do nothing then, and [`attach_timeout`](Self::attach_timeout) bounds
    /// how long the first producer is waited for.
    pub fn without_driver(mut self) -> Self {
        self.options.without_driver = true;
        self
    }

    /// Hears what describes the stream: [`Consumer::metadata`] and
    /// [`Event::MetadataChanged`](crate::client::Event::MetadataChanged), and its blobs. Off by
    /// default; the first consumer of a client that asks has it subscribe to the metadata stream.
    pub fn metadata(mut self, metadata: bool) -> Self {
        self.options.metadata = metadata;
        self
    }

    /// How it hears of frames; by default through descriptors.
    pub fn availability(mut self, availability: Availability) -> Self {
        self.options.availability = availability;
        self
    }

    /// Frames it may miss in a row before it drops one more and starts over behind the gap; at most
    /// the slots of the ring, 256 by default, 0 turns it off. Missed frames are counted either way.
    pub fn max_outstanding_gap(mut self, frames: u64) -> Self {
        self.options.max_outstanding_gap = frames;
        self
    }

    /// Asks producers to tell of frames that are being written, to be taken with
    /// [`Consumer::poll_progress`]; the hints say how often, and producers decide. By default news
    /// are only taken of frames that are committed.
    pub fn progress(mut self, hints: ProgressHints) -> Self {
        self.options.progress = Some(hints);
        self
    }

    /// Takes news also of frames that are not committed, so that the part of them that is there can
    /// be read. Right for producers that write a frame's header first, as this library's do; others
    /// may have the header of an earlier frame in its place meanwhile. Without
    /// [`progress`](Self::progress) it does nothing.
    pub fn read_prefixes(mut self, read: bool) -> Self {
        self.options.progress_read = if read {
            ProgressRead::Prefix
        } else {
            ProgressRead::Committed
        };
        self
    }

    /// At most so many frames a second; 0 for all of them. The consumer skips the others itself, and
    /// asks the authority of the stream to have the producer skip them, which it does on a stream of
    /// the consumer's own (see [`ConsumerBuilder::own_streams`]). Skipped frames are counted as
    /// [`DropCause::RateLimited`](crate::client::DropCause::RateLimited). A lossless producer does
    /// not wait for such a consumer.
    pub fn max_rate_hz(mut self, rate_hz: u16) -> Self {
        self.options.max_rate_hz = rate_hz;
        self
    }

    /// How it wants its frames; by default [`ConsumerMode::RateLimited`] with a rate, else
    /// [`ConsumerMode::Stream`]. With a rate and `Stream` the rate is kept only once the authority
    /// of the stream says so.
    pub fn mode(mut self, mode: ConsumerMode) -> Self {
        self.options.mode = Some(mode);
        self
    }

    /// Aeron streams it wants for itself; by default none. One for descriptors is of no use to a
    /// consumer that watches the header ring, and not asked for then.
    pub fn own_streams(mut self, own_streams: OwnStreams) -> Self {
        self.options.own_streams = own_streams;
        self
    }

    /// Whether it reads payloads from shared memory; by default it does. Without, it says so in its
    /// hellos, maps nothing, and delivers no frames: its stream's authority answers where payloads come
    /// from instead, which [`Event::Fallback`](crate::client::Event::Fallback) tells.
    pub fn shared_memory(mut self, shared_memory: bool) -> Self {
        self.options.shared_memory = shared_memory;
        self
    }

    /// Where the application gets payloads when shared memory cannot be used and no config says
    /// where: an Aeron channel or `bridge://name`. With it, a memory that cannot be mapped is no
    /// failure of the open: [`Event::Fallback`](crate::client::Event::Fallback) tells of it, and
    /// mapping is tried on. Anything else is taken for nowhere.
    pub fn payload_fallback(mut self, uri: impl Into<String>) -> Self {
        self.options.fallback_uri = Some(uri.into()).filter(|uri| is_fallback_uri(uri));
        self
    }

    /// Asks the conductor; does not block.
    pub fn open(self) -> Pending<Consumer> {
        let options = self.options;
        self.opener
            .open(self.attach, |open| Command::OpenConsumer { open, options })
    }

    /// Opens and waits. Not with an [`InvokedClient`] of this thread.
    ///
    /// # Errors
    /// What went wrong, or [`OpenError::TimedOut`].
    pub fn wait(self, timeout: Duration) -> Result<Consumer, OpenError> {
        self.open().wait(timeout)
    }
}

/// Everything a conductor is made of that may come from another thread.
struct Preparation {
    config: ClientConfig,
    worker: MapWorker,
    commands: crossbeam_channel::Receiver<Command>,
    sender: Sender<Command>,
    counters: CounterSet,
}

impl Preparation {
    fn build(self) -> Result<ClientConductor, ConnectError> {
        ClientConductor::new(
            self.config,
            self.worker,
            self.commands,
            self.sender,
            self.counters,
        )
    }
}

fn prepare(config: &ClientConfig) -> Result<(Opener, Preparation, InvokerContext), ConnectError> {
    let allowed = AllowedDirs::new(&config.allowed_base_dirs)?;
    let worker = MapWorker::start(&config.name, allowed, config.prefault)?;
    let (sender, commands) = unbounded();
    let base = AttachConfig {
        keepalive_interval_ns: nanos(config.keepalive_interval),
        lease_grace_intervals: config.lease_grace_intervals,
        announce_period_ns: nanos(config.announce_period),
        attach_timeout_ns: nanos(config.attach_timeout),
        detach_timeout_ns: nanos(config.detach_timeout),
        ..AttachConfig::new(StreamId::new(0), Role::Consumer, 0)
    };
    let opener = Opener {
        commands: sender.clone(),
        base,
    };
    let pid = i64::from(std::process::id());
    let mut counters = CounterSet::new(AgentKind::ClientConductor, pid, &config.name);
    let context = InvokerContext::counted(DistinctErrorLog::default(), &mut counters);
    let config = config.clone();
    Ok((
        opener,
        Preparation {
            config,
            worker,
            commands,
            sender,
            counters,
        },
        context,
    ))
}

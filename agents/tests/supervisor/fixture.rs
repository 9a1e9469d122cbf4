//! A media driver, supervisors and drivers on it, and peers that speak bytes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tensorpool::driver::{DriverAgent, DriverConfig, DriverSetup, Endpoint};
use tensorpool::supervisor::{
    CoreConfig, OwnStreams, SupervisorAgent, SupervisorConfig, SupervisorHandle, SupervisorSetup,
};
use tensorpool_codecs::driver::{
    HugepagesPolicy, PublishMode, Role, ShmAttachRequest, ShmAttachResponseView, ShmLeaseKeepalive,
    Template,
};
use tensorpool_codecs::gate::{Message, gate};
use tensorpool_codecs::types::StreamId;
use tensorpool_codecs::wire::{
    ConsumerConfig, ConsumerHello, Mode, QosConsumer, Template as WireTemplate,
};
use tensorpool_runtime::clock::monotonic_ns;
use tensorpool_runtime::counters::CounterSet;
use tensorpool_runtime::{Agent, AgentError, AgentRunner, CompositeAgent, RunnerConfig};
use tensorpool_transport::media_driver::{EmbeddedMediaDriver, MediaDriverConfig};
use tensorpool_transport::{
    Link, LinkConfig, Offer, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

pub(crate) const STREAM: u32 = 10_000;
/// How long anything may take.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(30);
/// How often what was not answered is said again.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) fn endpoint(stream_id: i32) -> Endpoint {
    Endpoint {
        channel: "aeron:ipc?term-length=64k".parse().unwrap(),
        stream_id,
    }
}

pub(crate) struct Fixture {
    media_driver: Option<EmbeddedMediaDriver>,
    dir: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("tps")
            .tempdir_in("/dev/shm")
            .unwrap();
        std::fs::create_dir(dir.path().join("s")).unwrap();
        let mut fixture = Self {
            media_driver: None,
            dir,
        };
        fixture.restart_media_driver();
        fixture
    }

    pub(crate) fn restart_media_driver(&mut self) {
        self.media_driver = None;
        let config = MediaDriverConfig::for_dir(&self.aeron_dir());
        self.media_driver = Some(EmbeddedMediaDriver::start(config).unwrap());
    }

    pub(crate) fn aeron_dir(&self) -> PathBuf {
        self.dir.path().join("a")
    }

    /// Ten streams of each kind for single consumers.
    pub(crate) fn supervisor_config(&self) -> SupervisorConfig {
        let own = |ids| OwnStreams {
            ids: vec![ids],
            channel: None,
        };
        SupervisorConfig {
            aeron_dir: self.aeron_dir(),
            control: endpoint(1000),
            announce: endpoint(1001),
            qos: endpoint(1200),
            metadata: endpoint(1300),
            core: CoreConfig {
                descriptor: own(31_000..=31_009),
                control: own(32_000..=32_009),
                ..CoreConfig::default()
            },
            ..SupervisorConfig::default()
        }
    }

    pub(crate) fn driver_config(&self) -> DriverConfig {
        let mut config = DriverConfig {
            instance_id: "test".into(),
            aeron_dir: self.aeron_dir(),
            control: endpoint(1000),
            announce: endpoint(1001),
            base_dir: self.dir.path().join("s"),
            keepalive_interval_ns: 200_000_000,
            announce_period_ns: 100_000_000,
            ..DriverConfig::default()
        };
        config
            .add_stream(StreamId::new(STREAM), 8, &[(1, 4096)])
            .unwrap();
        config
    }

    /// A supervisor on a thread of its own, ready.
    pub(crate) fn supervisor(&self, change: impl FnOnce(&mut SupervisorConfig)) -> Running {
        let mut config = self.supervisor_config();
        change(&mut config);
        let setup = SupervisorSetup::prepare(config).unwrap();
        let (counters, handle) = (setup.counters().clone(), setup.handle());
        let runner = AgentRunner::spawn(RunnerConfig::new("supervisor"), move |_| {
            SupervisorAgent::new(setup).map_err(|error| AgentError::terminate("supervisor", error))
        });
        self.ready(runner.unwrap(), counters, handle)
    }

    /// A supervisor and a driver on one thread, ready.
    pub(crate) fn supervised_driver(&self, change: impl FnOnce(&mut SupervisorConfig)) -> Running {
        let mut config = self.supervisor_config();
        change(&mut config);
        let setup = SupervisorSetup::prepare(config).unwrap();
        let driver = DriverSetup::prepare(self.driver_config()).unwrap();
        let (counters, handle) = (setup.counters().clone(), setup.handle());
        let runner = AgentRunner::spawn(RunnerConfig::new("both"), move |progress| {
            let driver =
                DriverAgent::new(driver).map_err(|error| AgentError::terminate("driver", error))?;
            let supervisor = SupervisorAgent::new(setup)
                .map_err(|error| AgentError::terminate("supervisor", error))?;
            let children: Vec<Box<dyn Agent>> = vec![Box::new(driver), Box::new(supervisor)];
            Ok(CompositeAgent::new("both", children).reporting_to(progress))
        });
        self.ready(runner.unwrap(), counters, handle)
    }

    fn ready(
        &self,
        runner: AgentRunner,
        counters: CounterSet,
        handle: SupervisorHandle,
    ) -> Running {
        let running = Running {
            _runner: runner,
            counters,
            handle,
        };
        let mut peer = self.peer();
        peer.wait_until("the supervisor is ready", |_| running.counter("Ready") == 1);
        running
    }

    pub(crate) fn peer(&self) -> Peer {
        Peer::new(&self.supervisor_config(), SubscriptionOptions::UNTETHERED)
    }

    /// A peer that stalls who it does not listen to.
    pub(crate) fn tethered_peer(&self) -> Peer {
        Peer::new(&self.supervisor_config(), SubscriptionOptions::default())
    }
}

/// A running supervisor.
pub(crate) struct Running {
    _runner: AgentRunner,
    pub(crate) counters: CounterSet,
    pub(crate) handle: SupervisorHandle,
}

impl Running {
    pub(crate) fn counter(&self, label: &str) -> u64 {
        self.counters.value_of(label).unwrap()
    }
}

/// A ConsumerConfig that was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) stream: u32,
    pub(crate) consumer: u32,
    pub(crate) use_shm: bool,
    pub(crate) mode: Mode,
    pub(crate) fallback: String,
    pub(crate) descriptor: (String, u32),
    pub(crate) control: (String, u32),
}

pub(crate) struct Peer {
    control: Publication,
    qos: Publication,
    subscription: Subscription,
    link: Link,
    /// ConsumerConfigs, in order.
    pub(crate) told: Vec<Told>,
    /// Leases granted.
    leases: Vec<(i64, u64)>,
}

impl Peer {
    fn new(config: &SupervisorConfig, options: SubscriptionOptions) -> Self {
        let mut link = Link::new(LinkConfig::for_dir(&config.aeron_dir)).unwrap();
        let mut publication = |endpoint: &Endpoint| {
            let options = PublicationOptions::default();
            link.add_publication(&endpoint.channel, endpoint.stream_id, options)
        };
        let (control, qos) = (publication(&config.control), publication(&config.qos));
        let endpoint = &config.control;
        let subscription = link.add_subscription(&endpoint.channel, endpoint.stream_id, options);
        let mut peer = Self {
            control,
            qos,
            subscription,
            link,
            told: Vec::new(),
            leases: Vec::new(),
        };
        peer.wait_until("the peer is connected", |peer| {
            peer.control.is_connected() && peer.qos.is_live() && peer.subscription.is_live()
        });
        peer
    }

    /// Drives the peer until the condition holds.
    pub(crate) fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            if self.work() == 0 {
                std::thread::yield_now();
            }
            let told = &self.told;
            assert!(
                start.elapsed() < WATCHDOG,
                "{what}: not in time; told {told:?}"
            );
        }
    }

    /// Drives the link, and hears nothing.
    pub(crate) fn keep_link(&mut self) {
        self.link.do_work(monotonic_ns());
    }

    fn work(&mut self) -> usize {
        let (told, leases) = (&mut self.told, &mut self.leases);
        let work_count = self.link.do_work(monotonic_ns());
        let heard = self.subscription.poll(64, |message, _| {
            let Ok(gated) = gate(message) else { return };
            match gated.message {
                Message::Wire(WireTemplate::ConsumerConfig) => told.push(read(message)),
                Message::Driver(Template::ShmAttachResponse) => {
                    let response = ShmAttachResponseView::decode(message).unwrap();
                    leases.extend(response.lease_id.map(|id| (response.correlation_id, id)));
                }
                _ => {}
            }
        });
        work_count + heard
    }

    pub(crate) fn send(&mut self, message: &[u8]) {
        self.wait_until("a message is sent", |peer| {
            peer.control.offer(message).is_sent()
        });
    }

    /// Offers once, without listening; whether it was taken.
    pub(crate) fn offer(&mut self, message: &[u8]) -> bool {
        self.control.offer(message).is_sent()
    }

    /// Says a hello, and waits for an answer to it.
    pub(crate) fn ask(&mut self, message: &[u8]) -> Told {
        let hello = ConsumerHello::decode(message).unwrap();
        let addressed = (hello.stream_id, hello.consumer_id);
        self.told.clear();
        self.send(message);
        let (mut answer, mut sent) = (None, Instant::now());
        // Again, as consumers do: who answers may not have heard the first.
        self.wait_until("an answer", |peer| {
            if sent.elapsed() > RETRY && peer.control.offer(message).is_sent() {
                sent = Instant::now();
            }
            let mut told = peer.told.iter();
            answer = told
                .find(|told| (told.stream, told.consumer) == addressed)
                .cloned();
            answer.is_some()
        });
        answer.unwrap()
    }

    pub(crate) fn report(&mut self, consumer: u32, last_seq: u64) {
        let mut message = [0; QosConsumer::ENCODED_LEN];
        QosConsumer {
            stream_id: STREAM,
            consumer_id: consumer,
            epoch: 1,
            last_seq_seen: last_seq,
            drops_gap: 0,
            drops_late: 0,
            mode: Some(Mode::Stream),
        }
        .encode_into(&mut message);
        // Not connected: who does not listen has been left behind, and nobody else was there.
        self.wait_until("nobody holds a report up", |peer| {
            matches!(
                peer.qos.offer(&message),
                Offer::Sent { .. } | Offer::NotConnected
            )
        });
    }

    /// Attaches as a consumer; gives the lease.
    pub(crate) fn attach(&mut self, consumer: u32) -> u64 {
        let correlation_id = monotonic_ns().get() as i64;
        let mut message = [0; ShmAttachRequest::ENCODED_LEN];
        ShmAttachRequest {
            correlation_id,
            stream_id: STREAM,
            client_id: consumer,
            role: Role::Consumer,
            expected_layout_version: 1,
            publish_mode: Some(PublishMode::RequireExisting),
            require_hugepages: Some(HugepagesPolicy::Unspecified),
            desired_node_id: None,
        }
        .encode_into(&mut message);
        self.send(&message);
        let (mut lease, mut sent) = (None, Instant::now());
        // Again, as clients do: the driver may not have been there yet.
        self.wait_until("a lease", |peer| {
            if sent.elapsed() > RETRY && peer.control.offer(&message).is_sent() {
                sent = Instant::now();
            }
            let mut leases = peer.leases.iter();
            lease = leases.find(|(id, _)| *id == correlation_id).copied();
            lease.is_some()
        });
        lease.unwrap().1
    }

    pub(crate) fn keepalive(&mut self, consumer: u32, lease_id: u64) {
        let mut message = [0; ShmLeaseKeepalive::ENCODED_LEN];
        ShmLeaseKeepalive {
            lease_id,
            stream_id: STREAM,
            client_id: consumer,
            role: Role::Consumer,
            client_timestamp_ns: monotonic_ns().get(),
        }
        .encode_into(&mut message);
        let _may_fail = self.control.offer(&message);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn read(message: &[u8]) -> Told {
    let config = ConsumerConfig::decode(message).unwrap();
    Told {
        stream: config.stream_id,
        consumer: config.consumer_id,
        use_shm: config.use_shm,
        mode: config.mode,
        fallback: text(config.payload_fallback_uri),
        descriptor: (text(config.descriptor_channel), config.descriptor_stream_id),
        control: (text(config.control_channel), config.control_stream_id),
    }
}

/// A hello that asks for nothing.
pub(crate) fn plain_hello(consumer: u32) -> ConsumerHello<'static> {
    ConsumerHello {
        stream_id: STREAM,
        consumer_id: consumer,
        supports_shm: true,
        supports_progress: false,
        mode: Mode::Stream,
        max_rate_hz: 0,
        expected_layout_version: 1,
        progress_interval_us: None,
        progress_bytes_delta: None,
        progress_major_delta_units: None,
        descriptor_stream_id: 0,
        control_stream_id: 0,
        descriptor_channel: b"",
        control_channel: b"",
    }
}

/// A hello that asks for both streams.
pub(crate) fn hello_for_both(consumer: u32) -> ConsumerHello<'static> {
    ConsumerHello {
        descriptor_stream_id: 1,
        control_stream_id: 1,
        descriptor_channel: b"aeron:ipc",
        control_channel: b"aeron:ipc",
        ..plain_hello(consumer)
    }
}

pub(crate) fn bytes(hello: &ConsumerHello<'_>) -> Vec<u8> {
    let mut bytes = vec![0; hello.encoded_len().unwrap()];
    hello.encode(&mut bytes).unwrap();
    bytes
}

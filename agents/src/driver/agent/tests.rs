//! The agent with a region worker that takes as long as a test wants.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tensorpool_codecs::driver as wire;
use tensorpool_codecs::gate::{Message, gate};
use tensorpool_codecs::types::StreamId;
use tensorpool_codecs::wire::{ShmPoolAnnounceView, Template as WireTemplate};
use tensorpool_transport::Publication;
use tensorpool_transport::media_driver::{EmbeddedMediaDriver, MediaDriverConfig};

use super::*;
use crate::driver::{DriverConfig, Endpoint};

const WATCHDOG: Duration = Duration::from_secs(20);
const FAST: u32 = 1;
const SLOW: u32 = 2;

/// A driver and a client in one loop; the media driver outlives both.
struct World {
    agent: DriverAgent,
    client: Client,
    _media: EmbeddedMediaDriver,
    _dir: TempDir,
}

struct Client {
    publication: Publication,
    subscriptions: Vec<Subscription>,
    link: Link,
    announces: BTreeMap<u32, usize>,
    answers: BTreeMap<i64, Result<u64, String>>,
}

fn endpoint(stream_id: i32) -> Endpoint {
    Endpoint {
        channel: "aeron:ipc?term-length=64k".parse().unwrap(),
        stream_id,
    }
}

impl World {
    /// `slow` is called on the worker's thread before the memory of [`SLOW`] is made.
    fn new(slow: impl Fn() + Send + 'static) -> Self {
        Self::with(slow, |_| {})
    }

    fn with(slow: impl Fn() + Send + 'static, change: impl FnOnce(&mut DriverConfig)) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("tpda")
            .tempdir_in("/dev/shm")
            .unwrap();
        let mut config = DriverConfig {
            aeron_dir: dir.path().join("a"),
            base_dir: dir.path().to_owned(),
            control: endpoint(1000),
            announce: endpoint(1001),
            announce_period_ns: 20_000_000,
            ..DriverConfig::default()
        };
        for stream in [FAST, SLOW] {
            let stream = StreamId::new(stream);
            config.add_stream(stream, 8, &[(1, 4096)]).unwrap();
        }
        change(&mut config);
        let media = MediaDriverConfig::for_dir(&config.aeron_dir);
        let media = EmbeddedMediaDriver::start(media).unwrap();
        let client = Client::new(&config);
        let setup = DriverSetup::prepare(config).unwrap();
        let mut jobs = RegionJobs::new(&setup);
        let worker = move |job| {
            if matches!(&job, Job::Create(order) if order.stream_id.get() == SLOW) {
                slow();
            }
            jobs.carry_out(job)
        };
        let mut world = Self {
            agent: DriverAgent::with_worker(setup, worker).unwrap(),
            client,
            _media: media,
            _dir: dir,
        };
        world.wait_until("both are connected", |world| {
            let client = &mut world.client;
            let hears = client.subscriptions.iter_mut().all(Subscription::is_live);
            hears && client.publication.is_connected() && world.agent.readiness.is_ready()
        });
        world
    }

    fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            let worked = self.agent.do_work().unwrap() + self.client.work();
            if worked == 0 {
                thread::yield_now();
            }
            assert!(start.elapsed() < WATCHDOG, "{what}: not in time");
        }
    }

    /// Asks for a lease under this correlation id, which is the client id as well.
    fn ask(&mut self, id: u32, role: wire::Role, stream_id: u32) {
        let mut message = [0; wire::ShmAttachRequest::ENCODED_LEN];
        wire::ShmAttachRequest {
            correlation_id: i64::from(id),
            stream_id,
            client_id: id,
            role,
            expected_layout_version: 1,
            publish_mode: None,
            require_hugepages: None,
            desired_node_id: None,
        }
        .encode_into(&mut message);
        self.send(&message);
    }

    fn keepalive(&mut self, id: u32, role: wire::Role, stream_id: u32) {
        let mut message = [0; wire::ShmLeaseKeepalive::ENCODED_LEN];
        wire::ShmLeaseKeepalive {
            lease_id: *self.client.answers[&i64::from(id)].as_ref().unwrap(),
            stream_id,
            client_id: id,
            role,
            client_timestamp_ns: 0,
        }
        .encode_into(&mut message);
        self.send(&message);
    }

    fn send(&mut self, message: &[u8]) {
        self.wait_until("a message is sent", |world| {
            world.client.publication.offer(message).is_sent()
        });
    }

    fn has(&self, id: u32) -> bool {
        self.client.answers.contains_key(&i64::from(id))
    }

    fn announces(&self, stream_id: u32) -> usize {
        let count = self.client.announces.get(&stream_id);
        count.copied().unwrap_or_default()
    }
}

impl Client {
    fn new(config: &DriverConfig) -> Self {
        let mut link = Link::new(LinkConfig::for_dir(&config.aeron_dir)).unwrap();
        let (control, announce) = (&config.control, &config.announce);
        let options = PublicationOptions::default();
        let publication = link.add_publication(&control.channel, control.stream_id, options);
        let subscriptions = [control, announce].map(|endpoint| {
            let options = SubscriptionOptions::default();
            link.add_subscription(&endpoint.channel, endpoint.stream_id, options)
        });
        Self {
            publication,
            subscriptions: subscriptions.into(),
            link,
            announces: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    fn work(&mut self) -> usize {
        let mut work_count = self.link.do_work(monotonic_ns());
        let (announces, answers) = (&mut self.announces, &mut self.answers);
        for subscription in &mut self.subscriptions {
            work_count +=
                subscription.poll(64, |message, _| match gate(message).unwrap().message {
                    Message::Driver(wire::Template::ShmAttachResponse) => {
                        let response = wire::ShmAttachResponseView::decode(message).unwrap();
                        let text = String::from_utf8(response.error_message.to_vec()).unwrap();
                        answers.insert(response.correlation_id, response.lease_id.ok_or(text));
                    }
                    Message::Wire(WireTemplate::ShmPoolAnnounce) => {
                        let announce = ShmPoolAnnounceView::decode(message).unwrap();
                        *announces.entry(announce.stream_id).or_default() += 1;
                    }
                    _ => {}
                });
        }
        work_count
    }
}

/// Proves [TP-DRV-1050].
#[test]
fn memory_that_takes_for_ever_to_make_holds_up_no_other_stream() {
    let (open, gate) = crossbeam_channel::bounded::<()>(0);
    let mut world = World::new(move || {
        let _opened_or_dropped = gate.recv();
    });
    let (consumer, producer) = (wire::Role::Consumer, wire::Role::Producer);
    world.ask(11, producer, FAST);
    world.wait_until("the fast stream has a producer", |world| world.has(11));
    world.ask(12, producer, SLOW);
    let start = world.announces(FAST);
    for round in 1..=10 {
        world.keepalive(11, producer, FAST);
        world.ask(20 + round, consumer, FAST);
        world.wait_until("the fast stream is served as ever", |world| {
            let announced = world.announces(FAST) >= start + round as usize;
            let extended = world.agent.leases().stats().keepalives >= u64::from(round);
            world.has(20 + round) && announced && extended
        });
    }
    assert!(!world.has(12), "its memory is still being made");
    assert_eq!(world.announces(SLOW), 0);
    drop(open);
    world.wait_until("the slow stream has its producer", |world| world.has(12));
    world.agent.on_close().unwrap();
}

/// Proves [TP-DRV-0072].
#[test]
fn another_driver_on_the_same_control_stream_is_told_of_and_reported() {
    let mut world = World::new(|| {});
    let events = world.agent.observers.observe();
    let uri = "shm:file?path=/dev/shm/other/header.ring";
    let answer = wire::ShmAttachResponse {
        correlation_id: 1,
        code: wire::ResponseCode::Ok,
        lease_id: Some(1),
        lease_expiry_timestamp_ns: None,
        stream_id: Some(FAST),
        epoch: Some(1),
        layout_version: Some(1),
        header_nslots: Some(8),
        header_slot_bytes: Some(256),
        node_id: None,
        payload_pools: &[],
        header_region_uri: uri.as_bytes(),
        error_message: b"",
    };
    let mut message = vec![0; answer.encoded_len().unwrap()];
    answer.encode(&mut message).unwrap();
    world.ask(11, wire::Role::Consumer, FAST);
    world.wait_until("it hears its own answer", |world| world.has(11));
    let is_rival = |event: &DriverEvent| matches!(event, DriverEvent::RivalDriver { .. });
    assert!(!events.try_iter().any(|event| is_rival(&event)));
    world.send(&message);
    let (start, mut report) = (Instant::now(), None);
    while report.is_none() {
        report = world.agent.do_work().err();
        world.client.work();
        assert!(start.elapsed() < WATCHDOG);
    }
    let report = report.unwrap().to_string();
    assert!(report.contains(uri) && report.contains("1000"), "{report}");
    let told: Vec<DriverEvent> = events.try_iter().filter(is_rival).collect();
    match &told[..] {
        [DriverEvent::RivalDriver { region_uri, .. }] => {
            assert_eq!(region_uri.as_deref(), Some(uri));
        }
        other => panic!("{other:?}"),
    }
    let _reported = world.agent.on_close();
}

/// Takes the calling thread's right to lock memory, beyond what anybody may lock, which is nothing.
fn forbid_locking() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let mut sets = capabilities(None).unwrap();
    sets.effective.remove(CapabilitySet::IPC_LOCK);
    set_capabilities(None, sets).unwrap();
    let maximum = getrlimit(Resource::Memlock).maximum;
    let none = Rlimit {
        current: Some(0),
        maximum,
    };
    setrlimit(Resource::Memlock, none).unwrap();
}

/// Proves [TP-DRV-0255].
#[test]
fn memory_that_cannot_be_locked_is_refused_with_the_reason() {
    let mut world = World::with(forbid_locking, |config| config.mlock = true);
    world.ask(12, wire::Role::Producer, SLOW);
    let start = Instant::now();
    while !world.has(12) {
        // The fault is reported, and the driver goes on.
        let _fault = world.agent.do_work();
        world.client.work();
        assert!(start.elapsed() < WATCHDOG);
    }
    let text = world.client.answers[&12].clone().unwrap_err();
    assert!(text.contains("cannot lock"), "{text}");
    assert!(text.contains("RLIMIT_MEMLOCK"), "{text}");
    assert_eq!(world.agent.leases().stats().leases, 0);
    world.agent.on_close().unwrap();
}

/// Proves [TP-DRV-0255].
#[test]
fn only_memory_that_is_to_be_locked_and_is_written_is_locked() {
    // Nothing is to be locked; and what is to be has no writer yet.
    for (mlock, role) in [(false, wire::Role::Producer), (true, wire::Role::Consumer)] {
        let mut world = World::with(forbid_locking, |config| config.mlock = mlock);
        world.ask(12, role, SLOW);
        world.wait_until("it is granted or refused", |world| world.has(12));
        assert!(
            world.client.answers[&12].is_ok(),
            "{:?}",
            world.client.answers
        );
        world.agent.on_close().unwrap();
    }
}

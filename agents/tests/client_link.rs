//! What Aeron refuses or ends under a client: it says what it was, and goes on where it can.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use support::{STREAM, WAIT, World};
use tensorpool::client::{Client, ClientConfig, Endpoint, FrameMeta, OpenError};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::runtime::counters::{AgentKind, CounterSet, common};
use tensorpool::transport::cnc::CncReader;
use tensorpool::transport::{Channel, Link, LinkConfig, LinkEvent};

mod support;

/// More counters than a media driver has room for.
const TOO_MANY: usize = (1 << 20) / 128 + 1;
const SHORT: Duration = Duration::from_secs(3);
/// A hundred bytes and a few before the last position there is.
const NEARLY_OVER: &str =
    "aeron:ipc?term-length=64k|init-term-id=0|term-id=2147483647|term-offset=65344";

/// Somebody who uses up all counters of a media driver.
struct Hog {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Hog {
    /// Returns when there are no more.
    fn new(world: &World) -> Self {
        Self::leaving(world, 0)
    }

    /// Leaves that many.
    fn leaving(world: &World, left: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, dir) = (Arc::clone(&stop), world.aeron_dir());
        let (full, is_full) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut link = Link::new(LinkConfig::for_dir(&dir)).unwrap();
            let mut set = CounterSet::new(AgentKind::Other, 1, "Hog");
            let _cell = set.add(common::ERRORS);
            let mut taken: Vec<_> = (0..TOO_MANY).map(|_| link.publish_counters(&set)).collect();
            let mut is_told = false;
            while !stopped.load(Ordering::Relaxed) {
                link.do_work(monotonic_ns());
                while let Some(event) = link.poll_event() {
                    if let LinkEvent::AddFailed { .. } = event
                        && !is_told
                    {
                        is_told = true;
                        // The last ones were not had.
                        taken.truncate(link.stats().live_resource_count - left);
                        full.send(()).unwrap();
                    }
                }
                std::thread::yield_now();
            }
        });
        is_full.recv_timeout(3 * WAIT).unwrap();
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

/// Proves [TP-CLI-0187].
#[test]
fn who_is_refused_publications_by_the_media_driver_is_told_that_and_not_of_a_silent_driver() {
    let world = World::new();
    // It stays: whoever goes gives counters back.
    let client = world.client();
    let _producer = client.producer(STREAM).wait(WAIT).unwrap();
    let _hog = Hog::new(&world);

    // One that can ask for nothing at all.
    let late = world.client();
    let error = late
        .consumer(STREAM)
        .attach_timeout(SHORT)
        .wait(WAIT)
        .unwrap_err();
    assert!(matches!(error, OpenError::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("stream 1000"), "{text}");
    assert!(text.contains("counter"), "{text}");
    assert!(!late.errors().snapshot().is_empty(), "and it is in the log");
}

/// Proves [TP-CLI-0187].
#[test]
fn who_was_granted_a_stream_and_gets_no_counters_for_its_descriptors_is_told_that() {
    let world = World::new();
    let client = world.client();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    let hog = Hog::new(&world);
    // All that is needed to ask is there: only what the producer adds is refused.
    let builder = client.producer(STREAM).attach_timeout(SHORT);
    let error = builder.wait(WAIT).unwrap_err();
    assert!(matches!(error, OpenError::Refused { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("stream 1100"), "{text}");
    assert!(text.contains("counter"), "{text}");
    assert!(!text.contains("no driver"), "{text}");
    // Its lease went back, and counters do as well.
    drop(hog);
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let started = Instant::now();
    while consumer.stats().delivered() == 0 {
        let _again_below = producer.offer(&FrameMeta::bytes(1).unwrap(), b"x");
        consumer.poll(|_| {}, 16).unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
}

/// Proves [TP-CLI-0188].
#[test]
fn who_hears_nobody_for_want_of_counters_is_told_that_and_not_only_of_a_silent_driver() {
    let world = World::new();
    let client = world.client();
    let _consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    // Enough to say something, and none to hear the answer.
    let _hog = Hog::leaving(&world, 4);
    let late = world.client();
    let builder = late.consumer(STREAM).attach_timeout(SHORT);
    let error = builder.wait(WAIT).unwrap_err();
    assert!(
        matches!(error, OpenError::MediaDriverShort { .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains("no driver answered"), "{text}");
    let says_what = text.contains("Unable to allocate counter");
    assert!(says_what && !text.contains('\n'), "{text}");
    assert!(
        text.contains(&world.aeron_dir().display().to_string()),
        "{text}"
    );
}

/// Proves [TP-CLI-0187].
#[test]
fn a_log_that_cannot_be_mapped_is_named_when_no_driver_was_heard() {
    let world = World::new();
    // A client that is there sees to it that the driver's publications are.
    drop(world.client().consumer(STREAM).wait(WAIT).unwrap());
    std::fs::remove_dir_all(world.aeron_dir().join("publications")).unwrap();
    std::fs::create_dir(world.aeron_dir().join("publications")).unwrap();

    let late = world.client();
    let opened = late.consumer(STREAM).attach_timeout(SHORT).wait(WAIT);
    let error = opened.unwrap_err();
    assert!(matches!(error, OpenError::AeronClient { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("no driver answered"), "{text}");
    assert!(text.contains("logbuffer"), "{text}");
}

/// Proves [TP-CLI-2372].
#[test]
fn a_descriptor_stream_at_its_last_position_is_replaced_and_no_frame_is_lost() {
    let world = World::new();
    let config = ClientConfig {
        descriptor: Endpoint {
            channel: NEARLY_OVER.parse().unwrap(),
            stream_id: 1100,
        },
        ..world.client_config()
    };
    let producing = Client::connect(config).unwrap();
    let consuming = world.client();
    let mut producer = producing
        .producer(STREAM)
        .lossless(true)
        .wait(WAIT)
        .unwrap();
    let mut consumer = consuming.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let meta = FrameMeta::bytes(8).unwrap();
    let (mut offered, mut seen) = (0_u64, Vec::new());
    let started = Instant::now();
    while seen.len() < 50 {
        producer.poll();
        if offered < 50 && producer.offer(&meta, &offered.to_le_bytes()).is_ok() {
            offered += 1;
        }
        consumer
            .poll(|frame| seen.push(frame.info().seq.get()), 16)
            .unwrap();
        assert!(started.elapsed() < WAIT, "{offered} {seen:?}");
    }
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
    assert_eq!(consumer.stats().lost(), 0);
    let counter = |label: &str| {
        let cnc = CncReader::open(&world.aeron_dir()).unwrap();
        let mut counters = cnc.counters().into_iter();
        counters.any(|counter| counter.label.starts_with(label) && counter.value == 1)
    };
    while !counter("PublicationsRenewed:") {
        assert!(started.elapsed() < WAIT, "it is counted");
    }
    let told = producing.errors().snapshot();
    let is_told = told.iter().any(|error| error.text.contains("stream 1100"));
    assert!(is_told, "{told:?}");
}

#[test]
fn a_driver_whose_control_and_announce_streams_end_goes_on_answering() {
    let world = World::with(|config| {
        config.control.channel = NEARLY_OVER.parse().unwrap();
        config.announce.channel = NEARLY_OVER.parse().unwrap();
    });
    let client = world.client();
    for _ in 0..5 {
        let producer = client.producer(STREAM).wait(WAIT).unwrap();
        let consumer = client.consumer(STREAM).wait(WAIT).unwrap();
        assert!(consumer.epoch().is_some());
        producer.close(Duration::ZERO).wait(WAIT).unwrap();
    }
    let driver = world.driver.as_ref().unwrap();
    let told = driver.errors().snapshot();
    for stream in ["stream 1000", "stream 1001"] {
        let is_told = told
            .iter()
            .any(|error| error.text.contains(stream) && error.text.contains("another"));
        assert!(is_told, "{stream}: {told:?}");
    }
}

#[test]
fn frames_flow_wherever_control_and_announces_go() {
    let ipc: Channel = "aeron:ipc?term-length=64k".parse().unwrap();
    let udp = || -> Channel {
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let text = format!("aeron:udp?endpoint=127.0.0.1:{port}|term-length=64k");
        text.parse().unwrap()
    };
    let one = udp();
    let places = [
        ("one stream", (&ipc, 1000), (&ipc, 1000)),
        ("two streams", (&ipc, 1000), (&ipc, 1001)),
        (
            "announces elsewhere, same number",
            (&ipc, 1000),
            (&udp(), 1000),
        ),
        ("announces elsewhere", (&ipc, 1000), (&udp(), 1001)),
        (
            "control elsewhere, same number",
            (&udp(), 1000),
            (&ipc, 1000),
        ),
        ("control elsewhere", (&udp(), 1000), (&ipc, 1001)),
        ("one stream over UDP", (&one, 1000), (&one, 1000)),
        ("two streams over UDP", (&one, 1000), (&one, 1001)),
        ("two places over UDP", (&udp(), 1000), (&udp(), 1000)),
    ];
    for (case, control, announce) in places {
        let endpoint = |(channel, stream_id): (&Channel, i32)| Endpoint {
            channel: channel.clone(),
            stream_id,
        };
        let (control, announce) = (endpoint(control), endpoint(announce));
        let driver = (control.clone(), announce.clone());
        let world = World::with(move |config| {
            (config.control, config.announce) = driver.clone();
        });
        let config = ClientConfig {
            control,
            announce,
            ..world.client_config()
        };
        let client = Client::connect(config).unwrap();
        let mut consumer = client.consumer(STREAM).wait(WAIT).expect(case);
        let unwritten = consumer.epoch();
        // The next epoch is known from its announce alone.
        let mut producer = client.producer(STREAM).wait(WAIT).expect(case);
        let started = Instant::now();
        while producer.consumers() == 0 {
            producer.poll();
            consumer.poll(|_| {}, 1).unwrap();
            assert!(started.elapsed() < WAIT, "{case}");
        }
        producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
        while consumer.poll(|_| {}, 1).unwrap() == 0 {
            assert!(started.elapsed() < WAIT, "{case}: {:?}", consumer.stats());
        }
        assert_ne!(consumer.epoch(), unwritten, "{case}");
        assert_eq!(consumer.epoch(), producer.epoch(), "{case}");
    }
}

//! Announces and hellos of somebody who lies, one at a time and in floods: each is refused and explained, counted, and
//! costs the frames nothing.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::{STREAM, WAIT, World};
use tensorpool::client::{Consumer, Event, FrameMeta, Producer, kinds};
use tensorpool::codecs::types::Epoch;
use tensorpool::codecs::wire::{
    ClockDomain, ConsumerHello, Mode, ShmPoolAnnounce, ShmPoolAnnouncePayloadPool,
    ShmPoolAnnounceView,
};
use tensorpool::driver::Endpoint;
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::runtime::counters::AgentKind;
use tensorpool::transport::cnc::CncReader;
use tensorpool::transport::{
    Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

mod support;

/// The driver's announce, to be changed and said again.
#[derive(Clone, Debug)]
struct Announce {
    epoch: u64,
    header_uri: String,
    pools: Vec<(u16, u32, u32, String)>,
    slot_count: u32,
}

/// Somebody who listens to announces and says some of their own.
struct Liar {
    link: Link,
    publication: Publication,
    /// Until it has heard what it is going to change.
    announces: Option<Subscription>,
}

impl Liar {
    fn new(world: &World, endpoint: &Endpoint) -> Self {
        let config = world.client_config();
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let (channel, id) = (&endpoint.channel, endpoint.stream_id);
        let publication = link.add_publication(channel, id, PublicationOptions::default());
        let (channel, id) = (&config.announce.channel, config.announce.stream_id);
        let announces = link.add_subscription(channel, id, SubscriptionOptions::UNTETHERED);
        Self {
            link,
            publication,
            announces: Some(announces),
        }
    }

    /// The driver's next announce of this epoch.
    fn overhear(&mut self, epoch: Epoch) -> Announce {
        let (started, mut heard) = (Instant::now(), None);
        let mut announces = self.announces.take().unwrap();
        while heard.is_none() {
            self.link.do_work(monotonic_ns());
            announces.poll(16, |bytes, _| {
                let Ok(view) = ShmPoolAnnounceView::decode(bytes) else {
                    return;
                };
                if view.epoch == epoch.get() {
                    heard = Some(owned(&view));
                }
            });
            assert!(started.elapsed() < WAIT);
        }
        heard.unwrap()
    }

    fn announce(&mut self, announce: &Announce) {
        let pools: Vec<_> = announce
            .pools
            .iter()
            .map(
                |(pool_id, slots, stride_bytes, uri)| ShmPoolAnnouncePayloadPool {
                    pool_id: *pool_id,
                    pool_nslots: *slots,
                    stride_bytes: *stride_bytes,
                    region_uri: uri.as_bytes(),
                },
            )
            .collect();
        let message = ShmPoolAnnounce {
            stream_id: STREAM.get(),
            producer_id: 5,
            epoch: announce.epoch,
            announce_timestamp_ns: monotonic_ns().get(),
            announce_clock_domain: ClockDomain::Monotonic,
            layout_version: 1,
            header_nslots: announce.slot_count,
            header_slot_bytes: 256,
            payload_pools: &pools,
            header_region_uri: announce.header_uri.as_bytes(),
        };
        let mut bytes = vec![0; message.encoded_len().unwrap()];
        message.encode(&mut bytes).unwrap();
        self.say(&bytes);
    }

    fn say(&mut self, bytes: &[u8]) {
        let started = Instant::now();
        while !self.publication.offer(bytes).is_sent() {
            self.link.do_work(monotonic_ns());
            assert!(started.elapsed() < WAIT);
        }
    }
}

fn owned(view: &ShmPoolAnnounceView<'_>) -> Announce {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let pools = view.payload_pools.iter().map(|pool| {
        let uri = text(pool.region_uri);
        (pool.pool_id, pool.pool_nslots, pool.stride_bytes, uri)
    });
    Announce {
        epoch: view.epoch,
        header_uri: text(view.header_region_uri),
        pools: pools.collect(),
        slot_count: view.header_nslots,
    }
}

/// A frame through everything: still the epoch it was, whole and next in line.
fn exchange_frame(producer: &mut Producer, consumer: &mut Consumer) {
    let epoch = producer.epoch().unwrap();
    let offered = producer
        .offer(&FrameMeta::bytes(3).unwrap(), b"abc")
        .unwrap();
    let (started, mut received) = (Instant::now(), None);
    while received.is_none() {
        let take = |frame: &tensorpool::client::Frame<'_>| {
            let mut bytes = [0; 3];
            frame.copy_to(&mut bytes).unwrap();
            received = Some((frame.seq(), bytes));
        };
        consumer.poll(take, 1).unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    assert_eq!(received, Some((offered.seq, *b"abc")));
    assert_eq!(consumer.epoch(), Some(epoch));
    assert_eq!(consumer.stats().lost(), 0);
}

/// The value of a consumer's counter, as any tool sees it.
fn counter(world: &World, kind: tensorpool::runtime::counters::CounterKind) -> i64 {
    let counters = CncReader::open(&world.aeron_dir()).unwrap().counters();
    let type_id = kind.type_id(AgentKind::Consumer);
    let of_kind = counters.iter().filter(|counter| counter.type_id == type_id);
    of_kind.map(|counter| counter.value).sum()
}

/// Lies until the consumer says that it did not map something for this reason. One lie may not do: what is announced
/// while others fail in a row has to wait, and the driver's own announce may come first.
fn refusal(consumer: &mut Consumer, reason: &str, mut lie: impl FnMut()) {
    let (started, mut lied) = (Instant::now(), None::<Instant>);
    loop {
        if lied.is_none_or(|at| at.elapsed() > Duration::from_millis(100)) {
            lie();
            lied = Some(Instant::now());
        }
        consumer.poll(|_| {}, 1).unwrap();
        let mut said = Vec::new();
        for event in consumer.events() {
            if let Event::MapFailed { error, .. } = event {
                said.push(error);
            }
        }
        // The one before may have been tried once more.
        if said.iter().any(|error| error.contains(reason)) {
            return;
        }
        assert!(started.elapsed() < WAIT, "not refused for {reason:?}");
        std::thread::yield_now();
    }
}

/// Proves [TP-CLI-0635].
#[test]
fn announces_that_lead_astray_are_refused_with_the_reason_and_counted() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let mut liar = Liar::new(&world, &world.client_config().announce);
    let real = liar.overhear(producer.epoch().unwrap());

    let base = world.dir.path().join("pools");
    let ring = PathBuf::from(real.header_uri.split_once("path=").unwrap().1);
    let outside = world.dir.path().join("ring");
    std::fs::copy(&ring, &outside).unwrap();
    symlink(&outside, base.join("link")).unwrap();
    std::fs::copy(&ring, base.join("open")).unwrap();
    std::fs::set_permissions(base.join("open"), PermissionsExt::from_mode(0o666)).unwrap();
    let below = |name: &str| base.join(name).display().to_string();
    std::fs::write(base.join("forged"), {
        let mut bytes = std::fs::read(&ring).unwrap();
        bytes[0] ^= 1;
        bytes
    })
    .unwrap();
    std::fs::set_permissions(base.join("forged"), PermissionsExt::from_mode(0o660)).unwrap();
    let astray = [
        (below("../ring"), "must not contain \"..\""),
        (outside.display().to_string(), "outside of the allowed base"),
        ("/etc/passwd".into(), "outside of the allowed base"),
        ("ring".into(), "absolute"),
        (below("link"), "contains a symbolic link"),
        (below("open"), "has mode 0666"),
        (below("none"), "No such file"),
        (below("forged"), "not a tensor pool region"),
    ];
    // Other regions of the same epoch: a later one would end the producer's lease.
    for (path, reason) in &astray {
        let forged = Announce {
            header_uri: format!("shm:file?path={path}"),
            ..real.clone()
        };
        refusal(&mut consumer, reason, || liar.announce(&forged));
        exchange_frame(&mut producer, &mut consumer);
    }
    let started = Instant::now();
    while counter(&world, kinds::MAP_FAILURES) < astray.len() as i64 {
        assert!(started.elapsed() < WAIT, "not all were counted");
        std::thread::yield_now();
    }
    // Impossible sizes are not even tried.
    let mut impossible = real.clone();
    impossible.slot_count = 3;
    liar.announce(&impossible);
    while counter(&world, kinds::ANNOUNCES_REFUSED) == 0 {
        assert!(started.elapsed() < 2 * WAIT, "it was not counted");
        std::thread::yield_now();
    }
    exchange_frame(&mut producer, &mut consumer);
}

#[test]
fn a_flood_of_forged_announces_is_not_tried_one_by_one_and_costs_no_frame() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let mut liar = Liar::new(&world, &world.client_config().announce);
    let real = liar.overhear(producer.epoch().unwrap());
    const FLOOD: u64 = 20_000;
    let started = Instant::now();
    for index in 1..=FLOOD {
        liar.announce(&Announce {
            header_uri: format!("{}-{index}", real.header_uri),
            ..real.clone()
        });
        if index % 1_000 == 0 {
            exchange_frame(&mut producer, &mut consumer);
        }
    }
    // Four at once, and then at the pace of the pauses: none is shorter than 50 milliseconds.
    let allowed = 5 + started.elapsed().as_millis() as i64 / 50;
    let tried = counter(&world, kinds::MAP_FAILURES);
    assert!(tried <= allowed, "{tried} tries, {allowed} allowed");
    exchange_frame(&mut producer, &mut consumer);
    // The next epoch is followed all the same.
    producer.close(Duration::ZERO).wait(WAIT).unwrap();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let started = Instant::now();
    while consumer.epoch() != producer.epoch() {
        consumer.poll(|_| {}, 16).unwrap();
        consumer.events().for_each(drop);
        assert!(started.elapsed() < WAIT, "{:?}", consumer.epoch());
        std::thread::yield_now();
    }
    producer.wait_consumers(1, WAIT).unwrap();
    exchange_frame(&mut producer, &mut consumer);
}

#[test]
fn a_flood_of_hellos_does_not_hide_a_consumer_from_a_lossless_producer() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut liar = Liar::new(&world, &world.client_config().control);
    for consumer_id in 1..=2_000 {
        let hello = ConsumerHello {
            stream_id: STREAM.get(),
            consumer_id,
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
        };
        let mut bytes = vec![0; hello.encoded_len().unwrap()];
        hello.encode(&mut bytes).unwrap();
        liar.say(&bytes);
    }
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    for _ in 0..32 {
        producer.wait_room(WAIT).unwrap();
        exchange_frame(&mut producer, &mut consumer);
    }
}

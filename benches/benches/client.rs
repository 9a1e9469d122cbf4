//! Whole operations of the transport and of the client, both ends on one thread: what they cost
//! without waiting for another core. `tensorpool-bench` measures between processes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use tensorpool::client::{Availability, Client, ClientConfig, Consumer, FrameMeta, Producer};
use tensorpool::codecs::types::StreamId;
use tensorpool::driver::{DriverAgent, DriverConfig, DriverSetup};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::runtime::{AgentError, AgentRunner, RunnerConfig};
use tensorpool::transport::media_driver::{EmbeddedMediaDriver, MediaDriverConfig};
use tensorpool::transport::{Channel, Link, LinkConfig, PublicationOptions, SubscriptionOptions};

const STREAM: StreamId = StreamId::new(10_000);
const SLOTS: u32 = 8;
const SIZES: [usize; 5] = [64, 4 << 10, 640 << 10, 4 << 20, 64 << 20];
const PATIENCE: Duration = Duration::from_secs(60);

/// A media driver and a driver. Dropped in the order of the fields.
struct World {
    _driver: AgentRunner,
    _media: EmbeddedMediaDriver,
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("tpbench")
            .tempdir_in("/dev/shm");
        let dir = dir.expect("a directory in /dev/shm");
        let base_dir = dir.path().join("pools");
        std::fs::create_dir(&base_dir).expect("a directory of one's own");
        let aeron_dir = dir.path().join("aeron");
        let media = EmbeddedMediaDriver::start(MediaDriverConfig::for_dir(&aeron_dir));
        let mut config = DriverConfig {
            aeron_dir,
            base_dir,
            kept_epochs: 1,
            ..DriverConfig::default()
        };
        let strides = SIZES.map(|size| u32::try_from(size.next_power_of_two()).expect("small"));
        let pools: Vec<(u16, u32)> = (1..).zip(strides).collect();
        config
            .add_stream(STREAM, SLOTS, &pools)
            .expect("sizes are valid");
        let setup = DriverSetup::prepare(config).expect("a driver");
        let driver = AgentRunner::spawn(RunnerConfig::new("driver"), move |_| {
            DriverAgent::new(setup).map_err(|error| AgentError::terminate("driver", error))
        });
        Self {
            _driver: driver.expect("a thread"),
            _media: media.expect("a media driver"),
            dir,
        }
    }

    fn open(&self, availability: Availability) -> (Client, Producer, Consumer) {
        let config = ClientConfig {
            allowed_base_dirs: vec![self.dir.path().join("pools")],
            ..ClientConfig::for_dir(self.dir.path().join("aeron"))
        };
        let client = Client::connect(config).expect("a client");
        let mut producer = client.producer(STREAM).wait(PATIENCE).expect("a producer");
        let consumer = client.consumer(STREAM).availability(availability);
        let mut consumer = consumer.wait(PATIENCE).expect("a consumer");
        let started = Instant::now();
        // A consumer takes the producer's epoch up when it is polled.
        while producer.consumers() == 0 {
            producer.poll();
            consumer.poll(|_| {}, 1).expect("it lives");
            assert!(started.elapsed() < PATIENCE, "the stream was not mapped");
        }
        (client, producer, consumer)
    }
}

fn ipc(c: &mut Criterion) {
    let world = World::new();
    let mut link = Link::new(LinkConfig::for_dir(&world.dir.path().join("aeron"))).expect("a link");
    let channel = Channel::ipc();
    let options = PublicationOptions::default();
    let mut publication = link.add_publication(&channel, 77, options);
    let mut subscription = link.add_subscription(&channel, 77, SubscriptionOptions::default());
    let started = Instant::now();
    while !(publication.is_connected() && subscription.is_connected()) {
        link.do_work(monotonic_ns());
        assert!(started.elapsed() < PATIENCE, "nobody connected");
    }
    let message = [7; 48];
    // A link that is not driven is given up; now and then is enough.
    let mut cycle = 0u32;
    let mut drive = move || {
        cycle = cycle.wrapping_add(1);
        if cycle.is_multiple_of(1 << 14) {
            link.do_work(monotonic_ns());
        }
    };
    let mut group = c.benchmark_group("ipc");
    group.bench_function("offer_and_poll", |b| {
        b.iter(|| {
            drive();
            while !publication.offer(black_box(&message)).is_sent() {}
            while subscription.poll(1, |message, _| _ = black_box(message.len())) == 0 {}
        });
    });
    group.bench_function("poll_nothing", |b| {
        b.iter(|| {
            drive();
            subscription.poll(1, |message, _| _ = black_box(message.len()))
        });
    });
    group.finish();
}

fn frames(c: &mut Criterion) {
    for (availability, name) in [
        (Availability::Descriptor, "descriptor"),
        (Availability::HeaderRing, "header-ring"),
    ] {
        let world = World::new();
        let (_client, mut producer, mut consumer) = world.open(availability);
        let mut group = c.benchmark_group(format!("client/{name}"));
        for size in SIZES {
            let meta = FrameMeta::bytes(size).expect("a valid size");
            group.bench_function(BenchmarkId::new("claim_commit_poll", size), |b| {
                b.iter(|| {
                    let claim = producer.claim(&meta, size).expect("a slot");
                    producer.commit(claim).expect("its epoch lives");
                    receive(&mut consumer)
                });
            });
        }
        for size in [64, 640 << 10] {
            let (meta, payload) = (FrameMeta::bytes(size).expect("a valid size"), vec![7; size]);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::new("offer_poll", size), |b| {
                b.iter(|| {
                    producer.offer(&meta, black_box(&payload)).expect("a slot");
                    receive(&mut consumer)
                });
            });
        }
        group.bench_function("poll_nothing", |b| {
            b.iter(|| {
                consumer
                    .poll(|frame| _ = black_box(frame.len()), 1)
                    .expect("it lives")
            });
        });
        group.finish();
    }
}

/// Takes the one frame that is there, or will be once the media driver has made room.
fn receive(consumer: &mut Consumer) {
    while consumer
        .poll(|frame| _ = black_box(frame.len()), 1)
        .expect("it lives")
        == 0
    {}
}

criterion_group!(benches, ipc, frames);
criterion_main!(benches);

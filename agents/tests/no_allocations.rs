//! After a warm-up neither an offer nor a claim nor a poll allocates or frees memory.

use std::time::Instant;

use support::{SLOTS, STREAM, WAIT, World};
use tensorpool::client::{
    Announced, Availability, Consumer, Endpoint, FrameMeta, Metadata, OwnRegions, Producer,
    ProgressFloors, ProgressHints, ProgressTold,
};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{Link, LinkConfig, SubscriptionOptions};

mod support;

/// Proves [TP-CLI-1500].
#[test]
fn frames_flow_without_allocating() {
    flow_without_allocating(Availability::Descriptor);
}

/// Proves [TP-CLI-3060].
#[test]
fn watching_the_header_ring_does_not_allocate() {
    flow_without_allocating(Availability::HeaderRing);
}

/// Proves [TP-CLI-1500].
#[test]
fn frames_flow_without_a_driver_and_without_allocating() {
    let world = World::without_driver();
    let client = world.client();
    let mut regions = OwnRegions::new(SLOTS, &[(1, 1024)]).unwrap();
    regions.base_dir = world.dir.path().join("pools");
    let builder = client.producer(STREAM).without_driver(regions);
    let producer = builder.wait(WAIT).unwrap();
    let builder = client.consumer(STREAM).without_driver().metadata(true);
    flow(producer, builder.wait(WAIT).unwrap());
}

fn flow_without_allocating(availability: Availability) {
    let world = World::new();
    let client = world.client();
    let producer = client.producer(STREAM).wait(WAIT).unwrap();
    let builder = client.consumer(STREAM).metadata(true);
    flow(
        producer,
        builder.availability(availability).wait(WAIT).unwrap(),
    );
}

fn flow(mut producer: Producer, mut consumer: Consumer) {
    producer.wait_consumers(1, WAIT).unwrap();
    // Frames bear its version.
    producer
        .set_metadata(Metadata::builder().name("n").text("k", "v").build())
        .unwrap();
    let meta = FrameMeta::bytes(1000).unwrap();
    let bytes = [7; 1000];
    let mut received = [0; 1000];
    let mut round = || {
        producer.offer(&meta, &bytes).unwrap();
        let mut claim = producer.claim(&meta, 1000).unwrap();
        claim.payload_mut().fill(7);
        producer.commit(claim).unwrap();
        let (started, mut got) = (Instant::now(), 0);
        while got < 2 {
            got += consumer
                .poll(|frame| frame.copy_to(&mut received).unwrap(), 2)
                .unwrap();
            assert!(started.elapsed() < WAIT);
        }
    };
    for _ in 0..100 {
        round();
    }
    let allocations = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            round();
        }
    });
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    assert_eq!(consumer.stats().delivered(), 2_200);
    assert_eq!(received, bytes);
}

/// Proves [TP-CLI-1500].
#[test]
fn frames_are_skipped_without_allocating() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).max_rate_hz(50).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let meta = FrameMeta::bytes(10).unwrap();
    let mut round = |frames: u64| {
        let (started, seen) = (Instant::now(), consumer.stats().seen());
        for frame in 1..=frames {
            producer.offer(&meta, &[7; 10]).unwrap();
            while consumer.stats().seen() < seen + frame {
                consumer.poll(|_| {}, 2).unwrap();
                assert!(started.elapsed() < WAIT);
            }
        }
    };
    round(200);
    let allocations = allocation_counter::measure(|| round(2_000));
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    let stats = consumer.stats();
    assert_eq!(stats.delivered() + stats.rate_limited(), 2_200);
    assert!(stats.rate_limited() > 0);
}

/// Proves [TP-CLI-1500].
#[test]
fn frames_nobody_can_be_told_of_cost_no_allocation() {
    let world = World::new();
    let config = world.client_config();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
    let Endpoint { channel, stream_id } = &config.descriptor;
    // It is never polled.
    let tethered = SubscriptionOptions { tether: true };
    let mut sleeper = link.add_subscription(channel, *stream_id, tethered);
    let started = Instant::now();
    while !sleeper.is_connected() {
        link.do_work(monotonic_ns());
        assert!(started.elapsed() < WAIT);
    }
    let meta = FrameMeta::bytes(10).unwrap();
    let mut offer = || producer.offer(&meta, &[7; 10]).unwrap().announced;
    while offer() != Announced::BackPressured {
        assert!(started.elapsed() < WAIT);
    }
    let mut held_up = 0;
    let allocations = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            held_up += u32::from(offer() == Announced::BackPressured);
        }
    });
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    assert!(held_up > 0);
}

/// Proves [TP-CLI-2690].
#[test]
fn progress_is_told_and_read_without_allocating() {
    let world = World::new();
    let client = world.client();
    let floors = ProgressFloors {
        interval_us: 1,
        bytes: 1,
        major_units: 1,
    };
    let builder = client.producer(STREAM).progress(floors);
    let mut producer = builder.payload_flush(|_| {}).wait(WAIT).unwrap();
    let builder = client.consumer(STREAM).progress(ProgressHints::default());
    let mut consumer = builder.read_prefixes(true).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let meta = FrameMeta::bytes(1000).unwrap();
    let (mut received, mut prefixes) = ([0; 1000], 0);
    let mut round = || {
        let mut claim = producer.claim(&meta, 1000).unwrap();
        claim.payload_mut().fill(7);
        let started = Instant::now();
        while producer.progress(&claim, 400).unwrap() != ProgressTold::Sent {
            assert!(started.elapsed() < WAIT);
        }
        producer.commit(claim).unwrap();
        // STARTED and COMPLETE.
        let mut got = 0;
        while got < 2 {
            let read = |progress: &tensorpool::client::Progress<'_>| {
                let prefix = progress.prefix().unwrap();
                prefix.copy_to(&mut received[..prefix.len()]).unwrap();
                prefixes += 1;
            };
            got += consumer.poll_progress(read, 2).unwrap();
            consumer.poll(|_| {}, 2).unwrap();
            // Faster than the control stream: COMPLETE may have to be tried again.
            producer.poll();
            let (heard, told) = (consumer.progress_stats(), producer.progress_stats());
            assert!(started.elapsed() < WAIT, "{heard:?} {told:?}");
        }
    };
    for _ in 0..100 {
        round();
    }
    let allocations = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            round();
        }
    });
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    assert_eq!(prefixes, 2_200);
    assert_eq!(received, [7; 1000]);
}

//! After a warm-up neither an offer nor a claim nor a poll allocates or frees memory.

use std::time::Instant;

use support::{STREAM, WAIT, World};
use tensorpool::client::{Availability, FrameMeta, Metadata};

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

fn flow_without_allocating(availability: Availability) {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let builder = client.consumer(STREAM).metadata(true);
    let mut consumer = builder.availability(availability).wait(WAIT).unwrap();
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

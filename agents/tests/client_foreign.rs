//! What others say on the shared streams does not harm a consumer.

use std::time::Instant;

use support::{STREAM, WAIT, World};
use tensorpool::client::{Consumer, Event, FrameMeta};
use tensorpool::codecs::types::Epoch;
use tensorpool::codecs::wire::{FrameDescriptor, QosProducer};
use tensorpool::driver::Endpoint;
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{Link, LinkConfig, Publication, PublicationOptions};

mod support;

/// Somebody who publishes on one of the shared streams.
struct Stranger {
    link: Link,
    publication: Publication,
}

impl Stranger {
    fn new(world: &World, endpoint: &Endpoint) -> Self {
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let (channel, id) = (&endpoint.channel, endpoint.stream_id);
        let publication = link.add_publication(channel, id, PublicationOptions::default());
        Self { link, publication }
    }

    fn say(&mut self, bytes: &[u8]) {
        let started = Instant::now();
        while !self.publication.offer(bytes).is_sent() {
            self.link.do_work(monotonic_ns());
            assert!(started.elapsed() < WAIT);
        }
    }

    fn describe(&mut self, stream_id: u32, epoch: Epoch, seq: u64) {
        let mut bytes = [0; FrameDescriptor::ENCODED_LEN];
        let descriptor = FrameDescriptor {
            stream_id,
            epoch: epoch.get(),
            seq,
            timestamp_ns: None,
            meta_version: None,
            trace_id: None,
        };
        descriptor.encode_into(&mut bytes);
        self.say(&bytes);
    }
}

fn receive(consumer: &mut Consumer, count: u64) {
    let started = Instant::now();
    while consumer.stats().delivered() < count {
        consumer.poll(|_| {}, 16).unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
}

#[test]
fn a_descriptor_that_leaps_ahead_of_the_ring_is_not_believed() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let epoch = producer.epoch().unwrap();
    let mut stranger = Stranger::new(&world, &world.client_config().descriptor);
    for seq in [u64::MAX, 1 << 63, (1 << 63) - 1, 1_000_000] {
        stranger.describe(STREAM.get(), epoch, seq);
        producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
    }
    receive(&mut consumer, 4);
    for seq in [u64::MAX, (1 << 63) + 4, 1_000] {
        stranger.describe(STREAM.get(), epoch, seq);
        producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
    }
    receive(&mut consumer, 7);
    let stats = consumer.stats();
    assert_eq!((stats.seen(), stats.lost()), (7, 0));
}

#[test]
fn a_flood_of_foreign_descriptors_does_not_keep_frames_from_being_delivered() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let epoch = producer.epoch().unwrap();
    let mut stranger = Stranger::new(&world, &world.client_config().descriptor);
    for seq in 0..3_000 {
        stranger.describe(77, epoch, seq);
    }
    producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
    // One poll: foreign descriptors do not count against its limit.
    assert_eq!(consumer.poll(|_| {}, 1).unwrap(), 1);
    assert_eq!((consumer.stats().seen(), consumer.stats().lost()), (1, 0));
}

#[test]
fn positions_that_the_ring_belies_change_no_account() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let mut stranger = Stranger::new(&world, &world.client_config().qos);
    for current_seq in [1 << 40, 1 << 41, u64::MAX, u64::MAX] {
        let mut bytes = [0; 64];
        let qos = QosProducer {
            stream_id: STREAM.get(),
            producer_id: 3,
            epoch: producer.epoch().unwrap().get(),
            current_seq,
            watermark: None,
        };
        let len = qos.encode(&mut bytes).unwrap();
        stranger.say(&bytes[..len]);
    }
    for _ in 0..20 {
        producer.wait_room(WAIT).unwrap();
        producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
        let before = consumer.stats().delivered();
        receive(&mut consumer, before + 1);
    }
    drop(producer);
    let started = Instant::now();
    loop {
        consumer.poll(|_| {}, 16).unwrap();
        let ended = |event: &Event| matches!(event, Event::EndOfStream { .. });
        if consumer.events().any(|event| ended(&event)) {
            break;
        }
        assert!(started.elapsed() < WAIT);
    }
    let stats = consumer.stats();
    assert_eq!((stats.seen(), stats.delivered(), stats.lost()), (20, 20, 0));
}

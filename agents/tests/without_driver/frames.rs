//! Frames flow between a producer and consumers that know of each other by announces and hellos only.

use tensorpool::client::{Availability, Event, OfferError, OwnStreams};

use super::*;
use crate::raw::Raw;

#[test]
fn every_frame_arrives_whichever_way_it_is_heard_of() {
    let world = World::without_driver();
    let (ours, theirs) = (world.client(), world.client());
    let mut producer = produce(&world, &ours);
    let mut descriptors = consume(&theirs);
    let builder = theirs.consumer(STREAM).without_driver();
    let builder = builder.availability(Availability::HeaderRing);
    let mut ring = builder.wait(WAIT).unwrap();
    producer.wait_consumers(2, WAIT).unwrap();
    for expected in 0..200 {
        assert_eq!(publish(&mut producer), expected);
        assert_eq!(receive(&mut descriptors, 1), [expected]);
        assert_eq!(receive(&mut ring, 1), [expected]);
    }
    for consumer in [&descriptors, &ring] {
        let stats = consumer.stats();
        assert_eq!((stats.delivered(), stats.lost()), (200, 0), "{stats:?}");
    }
}

/// Proves [TP-CLI-3235].
#[test]
fn a_consumer_may_be_there_first_and_says_hello() {
    let world = World::without_driver();
    let client = world.client();
    let mut raw = Raw::new(&world);
    let pending = client.consumer(STREAM).without_driver().open();
    let hello = raw.hello();
    assert_eq!((hello.stream_id, hello.supports_shm), (STREAM.get(), true));
    let mut producer = produce(&world, &client);
    let mut consumer = pending.wait(WAIT).unwrap();
    assert_eq!(consumer.client_id().unwrap().get(), hello.consumer_id);
    producer.wait_consumers(1, WAIT).unwrap();
    publish(&mut producer);
    assert_eq!(receive(&mut consumer, 1), [0]);
}

#[test]
fn a_lossless_producer_paces_on_them() {
    let world = World::without_driver();
    let client = world.client();
    let builder = client.producer(STREAM).without_driver(own(&world));
    let mut producer = builder.lossless(true).wait(WAIT).unwrap();
    let mut consumer = consume(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    for _ in 0..SLOTS {
        producer.wait_room(WAIT).unwrap();
        publish(&mut producer);
    }
    let meta = FrameMeta::bytes(600).unwrap();
    let paced = producer.offer(&meta, &payload(u64::from(SLOTS)));
    assert!(matches!(paced, Err(OfferError::Paced)), "{paced:?}");
    assert_eq!(receive(&mut consumer, SLOTS as usize).len(), SLOTS as usize);
    producer.wait_room(WAIT).unwrap();
    publish(&mut producer);
    assert_eq!(receive(&mut consumer, 1), [u64::from(SLOTS)]);
}

/// Proves [TP-CLI-2320].
#[test]
fn the_producer_answers_hellos_itself() {
    let world = World::without_driver();
    let client = world.client();
    let mut producer = produce(&world, &client);
    let builder = client.consumer(STREAM).without_driver();
    let builder = builder.own_streams(OwnStreams::descriptors());
    let mut consumer = builder.wait(WAIT).unwrap();
    let assigned = wait_event(&mut consumer, |event| match event {
        Event::ConfigChanged {
            descriptor_stream_id,
            ..
        } => *descriptor_stream_id,
        _ => None,
    });
    producer.wait_consumers(1, WAIT).unwrap();
    let mut expected = consumer.stats().seen();
    wait(|| {
        assert_eq!(publish(&mut producer), expected);
        assert_eq!(receive(&mut consumer, 1), [expected]);
        expected += 1;
        consumer.descriptor_stream() == Some(assigned)
    });
    assert!(producer.stats().own_descriptors <= expected);
    wait(|| {
        publish(&mut producer);
        receive(&mut consumer, 1);
        producer.stats().own_descriptors > 0
    });
    assert_eq!(consumer.stats().lost(), 0);
}

#[test]
fn a_media_driver_that_comes_back_finds_them_as_they_were() {
    let mut world = World::without_driver();
    let client = world.client();
    let mut producer = produce(&world, &client);
    let mut consumer = consume(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    publish(&mut producer);
    assert_eq!(receive(&mut consumer, 1), [0]);
    let epoch = producer.epoch();
    world.media = None;
    wait_event(&mut consumer, |event| {
        matches!(event, Event::LinkLost { .. }).then_some(())
    });
    world.start_media_driver();
    wait_event(&mut consumer, |event| {
        matches!(event, Event::LinkUp).then_some(())
    });
    let before = consumer.stats().delivered();
    wait(|| {
        publish(&mut producer);
        consumer.poll(|_| {}, 16).unwrap();
        consumer.stats().delivered() > before
    });
    assert_eq!((producer.epoch(), consumer.epoch()), (epoch, epoch));
}

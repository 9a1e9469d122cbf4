//! What a lossless producer owes: to wait for every consumer that is there, and for nobody for ever.

use std::time::{Duration, Instant};

use support::{SLOTS, STREAM, WAIT, World};
use tensorpool::client::{Consumer, Event, FrameMeta, OfferError, Producer};

mod support;

/// Publishes frame `seq`, or fails the test when it is not let to.
fn publish(producer: &mut Producer, seq: u64) {
    producer
        .wait_room(WAIT)
        .unwrap_or_else(|error| panic!("frame {seq}: {error}"));
    let bytes = seq.to_le_bytes();
    let meta = FrameMeta::bytes(bytes.len()).unwrap();
    assert_eq!(producer.offer(&meta, &bytes).unwrap().seq.get(), seq);
}

/// Polls until this frame was delivered; gives all that were, which must be what was published.
fn receive_up_to(consumer: &mut Consumer, last: u64) -> Vec<u64> {
    let (mut seqs, started) = (Vec::new(), Instant::now());
    while seqs.last() != Some(&last) {
        let polled = consumer.poll(
            |frame| {
                let mut bytes = [0; 8];
                frame.copy_to(&mut bytes).unwrap();
                assert_eq!(u64::from_le_bytes(bytes), frame.seq().get());
                seqs.push(frame.seq().get());
            },
            16,
        );
        if polled.unwrap() == 0 {
            std::thread::yield_now();
        }
        assert!(
            started.elapsed() < WAIT,
            "frame {last} did not come: {seqs:?} {:?}",
            consumer.stats()
        );
    }
    seqs
}

/// Proves [TP-CLI-1850].
#[test]
fn a_consumer_that_joins_while_nothing_is_published_does_not_stop_the_stream() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let count = u64::from(5 * SLOTS);
    for seq in 0..count {
        publish(&mut producer, seq);
    }
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    for seq in count..2 * count {
        publish(&mut producer, seq);
        assert_eq!(receive_up_to(&mut consumer, seq), [seq]);
    }
    assert_eq!(consumer.stats().lost(), 0);
}

/// Proves [TP-CLI-1265].
#[test]
fn a_full_ring_is_read_to_its_end_after_the_media_driver_was_lost() {
    let mut world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    for seq in 0..u64::from(SLOTS) {
        publish(&mut producer, seq);
    }
    let meta = FrameMeta::bytes(1).unwrap();
    let paced = producer.offer(&meta, b"x");
    assert!(matches!(paced, Err(OfferError::Paced)), "{paced:?}");
    // The descriptors of all of them go down with the media driver.
    world.media = None;
    wait_link_up(&mut world, &mut producer);
    let seqs = receive_up_to(&mut consumer, u64::from(SLOTS) - 1);
    assert_eq!(seqs, (0..u64::from(SLOTS)).collect::<Vec<_>>());
    publish(&mut producer, u64::from(SLOTS));
    receive_up_to(&mut consumer, u64::from(SLOTS));
    assert_eq!(consumer.stats().lost(), 0);
}

/// Starts a media driver again once the old one is missed, and waits until the producer is back.
fn wait_link_up(world: &mut World, producer: &mut Producer) {
    let started = Instant::now();
    let mut lost = false;
    while started.elapsed() < WAIT {
        for event in producer.events() {
            match event {
                Event::LinkLost { .. } => {
                    lost = true;
                    world.start_media_driver();
                }
                Event::LinkUp if lost => return,
                _ => {}
            }
        }
        std::thread::yield_now();
    }
    panic!("the link did not come back");
}

/// Proves [TP-CLI-1830].
#[test]
fn a_consumer_that_takes_its_time_is_waited_for() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    for seq in 0..u64::from(SLOTS) {
        publish(&mut producer, seq);
    }
    let refused = producer.wait_room(Duration::from_millis(200));
    assert!(matches!(refused, Err(OfferError::TimedOut { .. })));
    receive_up_to(&mut consumer, u64::from(SLOTS) - 1);
    publish(&mut producer, u64::from(SLOTS));
}

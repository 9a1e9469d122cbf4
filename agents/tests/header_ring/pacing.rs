//! A lossless producer and consumers that watch the ring.

use std::thread;
use std::time::Instant;

use tensorpool::client::{Consumer, OfferError, Producer};

use crate::harness::{poll, publish, publish_many, seqs, watcher};
use crate::support::{SLOTS, STREAM, WAIT, World};

/// Publishes so many frames as room is made for them, while these consumers read.
fn exchange(producer: &mut Producer, consumers: Vec<Consumer>, count: u64) -> Vec<Consumer> {
    let readers = consumers.into_iter().map(|mut consumer| {
        thread::spawn(move || {
            let (mut received, started) = (Vec::new(), Instant::now());
            while received.last() != Some(&(count - 1)) {
                received.extend(seqs(&poll(&mut consumer)));
                assert!(started.elapsed() < 3 * WAIT, "{:?}", consumer.stats());
            }
            assert!(received.into_iter().eq(0..count), "each once, in order");
            consumer
        })
    });
    let readers: Vec<_> = readers.collect();
    for _ in 0..count {
        producer.wait_room(WAIT).unwrap();
        publish(producer);
    }
    let consumers = readers.into_iter().map(|reader| reader.join().unwrap());
    consumers.collect()
}

/// Proves [TP-CLI-3050].
#[test]
fn a_lossless_producer_waits_for_a_consumer_that_watches_the_ring() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let consumers = exchange(&mut producer, vec![consumer], 2_000);
    assert_eq!(consumers[0].stats().lost(), 0);
    // Nobody reads any more.
    let refused = (0..=2 * SLOTS).find_map(|_| {
        producer.poll();
        let seq = producer.next_seq().unwrap().get();
        producer
            .offer(&crate::harness::meta(), &crate::harness::payload(seq))
            .err()
    });
    assert!(matches!(refused, Some(OfferError::Paced)), "{refused:?}");
    drop(consumers);
}

/// Proves [TP-CLI-3050].
#[test]
fn a_lossless_producer_serves_both_kinds_of_consumers() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let consumers = vec![
        watcher(&client),
        client.consumer(STREAM).wait(WAIT).unwrap(),
    ];
    producer.wait_consumers(2, WAIT).unwrap();
    for consumer in exchange(&mut producer, consumers, 2_000) {
        assert_eq!(
            (consumer.stats().delivered(), consumer.stats().lost()),
            (2_000, 0)
        );
    }
}

/// Proves [TP-CLI-3050].
#[test]
fn a_stream_of_one_frame_ends_without_anybody_subscribed() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    publish_many(&mut producer, 1);
    let started = Instant::now();
    let closing = producer.close(3 * WAIT);
    let mut closing = Some(closing);
    let report = loop {
        poll(&mut consumer);
        if let Some(report) = closing.as_mut().and_then(|closing| closing.poll()) {
            break report.unwrap();
        }
        assert!(started.elapsed() < WAIT, "nobody is to be waited for");
    };
    assert!(report.all_seen);
    assert_eq!((report.unsent, consumer.stats().delivered()), (0, 1));
}

//! Consumers that watch the ring and keep to a rate.

use std::time::Instant;

use tensorpool::client::{Availability, Client, Consumer, OfferError};
use tensorpool::runtime::clock::monotonic_ns;

use crate::harness::{meta, payload, poll, publish, publish_many, receive};
use crate::support::{SLOTS, STREAM, WAIT, World};

fn watcher(client: &Client, max_rate_hz: u16) -> Consumer {
    let builder = client.consumer(STREAM).max_rate_hz(max_rate_hz);
    let consumer = builder.availability(Availability::HeaderRing).wait(WAIT);
    consumer.unwrap()
}

/// Reads until nothing is left; gives how many frames were delivered.
fn read_all(consumer: &mut Consumer, owed: u64) -> usize {
    let (mut delivered, started) = (0, Instant::now());
    while consumer.stats().seen() < owed {
        delivered += poll(consumer).len();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    delivered
}

/// Proves [TP-CLI-3025], [TP-CLI-2210], [TP-CLI-2290].
#[test]
fn what_a_watcher_was_overtaken_by_is_skipped_for_its_rate() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client, 1);
    producer.wait_consumers(1, WAIT).unwrap();
    let begun = monotonic_ns();
    publish_many(&mut producer, 100);
    let first = read_all(&mut consumer, 100);
    publish_many(&mut producer, 100);
    let second = read_all(&mut consumer, 200);
    let seconds = monotonic_ns().since_ns(begun) / 1_000_000_000;
    assert!(first >= 1 && (first + second) as u64 <= seconds + 2);
    let stats = consumer.stats();
    assert_eq!(stats.delivered(), (first + second) as u64);
    assert_eq!(
        stats.seen(),
        stats.delivered() + stats.lost() + stats.rate_limited()
    );
    assert!(
        stats.lost() <= seconds,
        "no period passed unused: {stats:?}"
    );
    assert!(stats.rate_limited() >= 198 - 2 * seconds, "{stats:?}");
}

/// Proves [TP-CLI-3025].
#[test]
fn frames_that_would_have_passed_are_lost_when_a_watcher_is_overtaken() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client, 1_000);
    producer.wait_consumers(1, WAIT).unwrap();
    publish(&mut producer);
    receive(&mut consumer, 1);
    let passed = monotonic_ns();
    publish_many(&mut producer, 100);
    // The application rests for five frames' time.
    while monotonic_ns().since_ns(passed) < 6_000_000 {
        std::thread::yield_now();
    }
    read_all(&mut consumer, 101);
    let (stats, overtaken) = (consumer.stats(), 100 - u64::from(SLOTS));
    assert!((4..=overtaken).contains(&stats.late()), "{stats:?}");
    assert_eq!(
        stats.seen(),
        stats.delivered() + stats.lost() + stats.rate_limited()
    );
}

#[test]
fn a_lossless_producer_does_not_wait_for_a_watcher_with_a_rate() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut consumer = watcher(&client, 1);
    producer.wait_consumers(1, WAIT).unwrap();
    // It reads nothing meanwhile. How it wants its frames is known as soon as it has reported.
    for seq in 0..u64::from(3 * SLOTS) {
        let started = Instant::now();
        while let Err(error) = producer.offer(&meta(), &payload(seq)) {
            assert!(matches!(error, OfferError::Paced), "{error}");
            assert!(
                started.elapsed() < WAIT,
                "it waits for {:?}",
                consumer.stats()
            );
            producer.poll();
        }
    }
    assert!(read_all(&mut consumer, u64::from(3 * SLOTS)) >= 1);
}

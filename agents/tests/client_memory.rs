//! What a client keeps of streams its application does not look at.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use support::{STREAM, WAIT, World};
use tensorpool::client::FrameMeta;

mod support;

/// Header rings this process has mapped, by file.
fn mapped_rings(world: &World) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let dir = world.dir.path().join("pools").display().to_string();
    let rings = maps.lines().filter_map(|line| {
        let path = &line[line.find(&dir)?..];
        path.contains("header").then_some(path)
    });
    rings.collect::<BTreeSet<_>>().len()
}

/// Proves [TP-CLI-0870].
#[test]
fn an_application_that_does_not_poll_does_not_hold_on_to_every_epoch_there_was() {
    let world = World::new();
    let (client, producers) = (world.client(), world.client());
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    const LIVES: usize = 12;
    for _ in 0..LIVES {
        let mut producer = producers.producer(STREAM).wait(WAIT).unwrap();
        let epoch = producer.epoch().unwrap();
        producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
        // Until the conductor of the consumer has mapped this epoch, or its successor.
        let (started, ring) = (Instant::now(), format!("/{}/", epoch.get()));
        while started.elapsed() < Duration::from_millis(200)
            && std::fs::read_to_string("/proc/self/maps")
                .unwrap()
                .matches(&ring)
                .count()
                < 2
        {
            std::thread::yield_now();
        }
        producer.close(Duration::ZERO).wait(WAIT).unwrap();
    }
    let started = Instant::now();
    while mapped_rings(&world) > 8 {
        assert!(
            started.elapsed() < WAIT,
            "{} rings are mapped after {LIVES} producers",
            mapped_rings(&world)
        );
        std::thread::yield_now();
    }
    let started = Instant::now();
    while consumer.last_seq().is_none() || consumer.epoch().is_none() {
        consumer.poll(|_| {}, 16).unwrap();
        if consumer.events().count() == 0 {
            std::thread::yield_now();
        }
        let stats = consumer.stats();
        assert_eq!(stats.seen(), stats.delivered() + stats.lost());
        if started.elapsed() > Duration::from_millis(500) {
            break;
        }
    }
    // And it goes on as if nothing had been.
    let mut producer = producers.producer(STREAM).wait(WAIT).unwrap();
    let started = Instant::now();
    while producer.consumers() == 0 {
        consumer.poll(|_| {}, 16).unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    let before = consumer.stats().delivered();
    producer.offer(&FrameMeta::bytes(1).unwrap(), b"y").unwrap();
    while consumer.stats().delivered() == before {
        consumer.poll(|_| {}, 16).unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
}

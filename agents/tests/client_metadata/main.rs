//! Metadata between real clients over a real media driver, and with peers that speak in bytes.

#[path = "../support/mod.rs"]
mod support;

mod blobs;
mod heard;
mod peer;
mod published;

use std::time::Instant;

use support::{STREAM, WAIT, World};
use tensorpool::client::{Client, Consumer, Event, Metadata, Producer};

/// A consumer that hears metadata.
fn listener(client: &Client) -> Consumer {
    client.consumer(STREAM).metadata(true).wait(WAIT).unwrap()
}

/// Polls, and gives the first event of this kind.
fn wait_event<T>(consumer: &mut Consumer, mut find: impl FnMut(&Event) -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        consumer.poll(|_| {}, 16).unwrap();
        if let Some(found) = consumer.events().find_map(|event| find(&event)) {
            return found;
        }
        assert!(started.elapsed() < WAIT, "{:?}", consumer.metadata());
        std::thread::yield_now();
    }
}

/// Polls until this version of the metadata is told.
fn wait_version(consumer: &mut Consumer, wanted: u32) {
    wait_event(consumer, |event| match event {
        Event::MetadataChanged { version } if version.get() == wanted => Some(()),
        _ => None,
    });
}

/// Looks after a producer until its events have this kind.
fn wait_producer_event<T>(producer: &mut Producer, mut find: impl FnMut(&Event) -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        producer.poll();
        if let Some(found) = producer.events().find_map(|event| find(&event)) {
            return found;
        }
        assert!(started.elapsed() < WAIT, "no such event");
        std::thread::yield_now();
    }
}

fn camera() -> Metadata {
    Metadata::builder()
        .name("camera 1")
        .summary("u8 5")
        .text("exposure", "10 ms")
        .attribute("lens", "application/json", br#"{"f": 1.8}"#)
        .build()
}

fn world_with_producer() -> (World, Client, Producer) {
    let world = World::new();
    let client = world.client();
    let producer = client.producer(STREAM).wait(WAIT).unwrap();
    (world, client, producer)
}

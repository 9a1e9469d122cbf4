//! Producers and consumers on a media driver and nothing else.

mod ends;
mod foreign;
mod frames;
mod memory;
mod peers;
mod raw;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::{SLOTS, STREAM, WAIT, World};
use tensorpool::client::{Client, Consumer, Event, FrameMeta, OwnRegions, Producer};

/// Two small pools in the world's base directory.
fn own(world: &World) -> OwnRegions {
    let mut regions = OwnRegions::new(SLOTS, &[(1, 1024), (2, 64 << 10)]).unwrap();
    regions.base_dir = world.dir.path().join("pools");
    regions
}

fn produce(world: &World, client: &Client) -> Producer {
    let builder = client.producer(STREAM).without_driver(own(world));
    builder.wait(WAIT).unwrap()
}

fn consume(client: &Client) -> Consumer {
    let builder = client.consumer(STREAM).without_driver();
    builder.wait(WAIT).unwrap()
}

/// What a frame of this number carries.
fn payload(seq: u64) -> Vec<u8> {
    (0..600).map(|i| (seq as usize * 31 + i) as u8).collect()
}

/// Not faster than a media driver on a busy machine moves the window of a publication.
fn publish(producer: &mut Producer) -> u64 {
    let started = Instant::now();
    while started.elapsed() < Duration::from_micros(200) {
        std::thread::yield_now();
    }
    let seq = producer.next_seq().unwrap().get();
    let meta = FrameMeta::bytes(600).unwrap();
    producer.offer(&meta, &payload(seq)).unwrap();
    seq
}

/// Polls until so many frames more were delivered, each byte of them checked; gives their numbers.
fn receive(consumer: &mut Consumer, count: usize) -> Vec<u64> {
    let (mut seqs, mut bytes, started) = (Vec::new(), vec![0; 600], Instant::now());
    while seqs.len() < count {
        let poll = |frame: &tensorpool::client::Frame<'_>| {
            frame.copy_to(&mut bytes).unwrap();
            assert!(bytes == payload(frame.seq().get()), "{}", frame.seq());
            seqs.push(frame.seq().get());
        };
        if consumer.poll(poll, 16).unwrap() == 0 {
            std::thread::yield_now();
        }
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    seqs
}

/// Polls until one of the events is what is looked for.
fn wait_event<T>(consumer: &mut Consumer, mut look: impl FnMut(&Event) -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        consumer.poll(|_| {}, 16).unwrap();
        if let Some(found) = consumer.events().find_map(|event| look(&event)) {
            return found;
        }
        assert!(started.elapsed() < WAIT, "not told in time");
        std::thread::yield_now();
    }
}

fn wait(mut is_done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_done() {
        assert!(started.elapsed() < WAIT, "not in time");
        std::thread::yield_now();
    }
}

/// The epochs of the stream that lie below a world's base directory, ascending.
fn epochs_on_disk(world: &World) -> Vec<u64> {
    let mut epochs = Vec::new();
    let Ok(users) = std::fs::read_dir(world.dir.path().join("pools")) else {
        return epochs;
    };
    for user in users.flatten() {
        let stream = user.path().join("default").join(STREAM.to_string());
        let entries = std::fs::read_dir(stream).into_iter().flatten().flatten();
        epochs.extend(entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok()));
    }
    epochs.sort_unstable();
    epochs
}

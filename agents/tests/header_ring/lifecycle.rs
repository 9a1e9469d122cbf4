//! Leases, epochs and reports of a consumer that watches the ring.

use std::time::{Duration, Instant};

use tensorpool::client::{Event, Producer};
use tensorpool::codecs::gate::{Message, gate};
use tensorpool::codecs::types::Seq;
use tensorpool::codecs::wire::{ConsumerHello, QosConsumer, Template};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{Link, LinkConfig, SubscriptionOptions};

use crate::harness::{RingFile, poll, publish, publish_many, receive, seqs, wait_event, watcher};
use crate::support::{SLOTS, STREAM, WAIT, World};

/// Proves [TP-CLI-2905].
#[test]
fn it_says_hello_and_reports_as_any_other() {
    let world = World::new();
    let config = world.client_config();
    let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
    let mut subscriptions = [&config.control, &config.qos].map(|endpoint| {
        let options = SubscriptionOptions::default();
        link.add_subscription(&endpoint.channel, endpoint.stream_id, options)
    });
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    publish_many(&mut producer, 5);
    receive(&mut consumer, 5);
    let id = consumer.client_id().unwrap().get();
    let (mut hellos, mut reported, started) = (0, false, Instant::now());
    while hellos < 2 || !reported {
        link.do_work(monotonic_ns());
        poll(&mut consumer);
        for subscription in &mut subscriptions {
            subscription.poll(64, |bytes, _| {
                match gate(bytes).map(|gated| gated.message) {
                    Ok(Message::Wire(Template::ConsumerHello)) => {
                        let hello = ConsumerHello::decode(bytes).unwrap();
                        hellos += u32::from(hello.consumer_id == id && hello.supports_shm);
                    }
                    Ok(Message::Wire(Template::QosConsumer)) => {
                        let qos = QosConsumer::decode(bytes).unwrap();
                        let epoch = consumer.epoch().unwrap().get();
                        reported |=
                            (qos.consumer_id, qos.epoch, qos.last_seq_seen) == (id, epoch, 4);
                    }
                    _ => {}
                }
            });
        }
        assert!(started.elapsed() < WAIT, "{hellos} hellos, {reported}");
    }
}

/// Proves [TP-CLI-3040].
#[test]
fn each_stream_is_read_to_its_end_before_that_is_told_and_the_next_one_follows() {
    let world = World::new();
    let client = world.client();
    let mut consumer = watcher(&client);
    for round in 0..3u64 {
        let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
        let (new, _) = wait_event(&mut consumer, |event| match event {
            Event::Remapped { new, .. } if Some(*new) == producer.epoch() => Some(*new),
            _ => None,
        });
        publish_many(&mut producer, round + 1);
        // All of them are there, and none was looked at.
        producer.close(Duration::ZERO).wait(WAIT).unwrap();
        let ((epoch, counts), infos) = wait_event(&mut consumer, |event| match event {
            Event::EndOfStream { epoch, counts } => Some((*epoch, *counts)),
            _ => None,
        });
        assert_eq!(epoch, new);
        assert_eq!(seqs(&infos), (0..=round).collect::<Vec<_>>());
        assert_eq!(counts.end_seq, Some(Seq::new(round + 1)));
        assert_eq!((counts.tail, counts.lost), (0, 0));
    }
}

/// Proves [TP-CLI-3010].
#[test]
fn nothing_is_read_of_memory_that_was_taken_back() {
    let mut world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    publish_many(&mut producer, u64::from(SLOTS));
    receive(&mut consumer, SLOTS as usize);
    let ring = RingFile::of(&world, producer.epoch().unwrap());
    world.driver = None;
    wait_event(&mut consumer, |event| {
        matches!(event, Event::DriverLost { .. } | Event::LeaseLost { .. }).then_some(())
    });
    // The slot is complete and has a valid header: that of the lap before.
    ring.complete(u64::from(SLOTS));
    for _ in 0..10 {
        assert!(poll(&mut consumer).is_empty());
    }
    assert_eq!(consumer.stats().delivered(), u64::from(SLOTS));
}

/// Publishes two rings and a frame, and reads them all.
fn fill(producer: &mut Producer, consumer: &mut tensorpool::client::Consumer) -> u64 {
    let count = u64::from(2 * SLOTS + 1);
    for _ in 0..count {
        publish(producer);
        receive(consumer, 1);
    }
    count
}

/// Proves [TP-CLI-2925], [TP-CLI-2975].
#[test]
fn an_epoch_that_is_mapped_anew_is_read_on_where_its_account_stands() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let next = fill(&mut producer, &mut consumer);
    let epoch = producer.epoch().unwrap();
    // One slot shows a frame two laps back; the others stand where they stood.
    RingFile::of(&world, epoch).complete(next - 2 * u64::from(SLOTS));
    wait_event(&mut consumer, |event| match event {
        Event::Remapped { old, new } if old == new => Some(()),
        _ => None,
    });
    publish_many(&mut producer, 2);
    assert_eq!(seqs(&receive(&mut consumer, 2)), [next, next + 1]);
    let stats = consumer.stats();
    assert_eq!((stats.seen(), stats.lost()), (next + 2, 0));
    assert_eq!(stats.seq_regressions(), 0);
}

/// Proves [TP-CLI-2975].
#[test]
fn a_ring_that_began_anew_has_an_account_of_its_own() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let seen = fill(&mut producer, &mut consumer);
    let ring = RingFile::of(&world, producer.epoch().unwrap());
    // Another life of the same memory: frames 0 and 1 are there.
    (2..u64::from(SLOTS)).for_each(|slot| ring.clear(slot));
    ring.complete(0);
    ring.complete(1);
    wait_event(&mut consumer, |event| match event {
        Event::Remapped { old, new } if old == new => Some(()),
        _ => None,
    });
    ring.complete(2);
    let started = Instant::now();
    let mut found = Vec::new();
    while found.is_empty() {
        // Its payload is that of frame 18, which is not looked at here.
        consumer
            .poll(|frame| found.push(frame.seq().get()), 16)
            .unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    assert_eq!(found, [2]);
    let stats = consumer.stats();
    assert_eq!((stats.seen(), stats.lost()), (seen + 1, 0));
    assert_eq!(stats.seq_regressions(), 1);
}

/// Proves [TP-CLI-2990].
#[test]
fn a_number_that_was_left_out_is_passed_when_the_producer_is_behind_it() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    publish_many(&mut producer, u64::from(SLOTS) + 4);
    receive(&mut consumer, 4);
    let ring = RingFile::of(&world, producer.epoch().unwrap());
    let before = consumer.stats();
    publish_many(&mut producer, 2);
    // As if the first of them had never been claimed.
    ring.complete(4);
    let started = Instant::now();
    let mut infos = Vec::new();
    while infos.is_empty() {
        infos = poll(&mut consumer);
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    assert_eq!(seqs(&infos), [u64::from(SLOTS) + 5]);
    assert_eq!(consumer.stats().lost(), before.lost() + 1);
}

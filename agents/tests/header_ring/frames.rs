//! What a consumer that watches the ring gets, and what it counts.

use std::time::Duration;

use tensorpool::client::{Announced, DropCause, Event};
use tensorpool::codecs::types::{MetaVersion, Seq, TraceId};

use crate::harness::{meta, poll, publish, publish_many, receive, seqs, wait_event, watcher};
use crate::support::{SLOTS, STREAM, WAIT, World};

/// Proves [TP-CLI-2900], [TP-CLI-3020].
#[test]
fn frames_come_without_a_descriptor_and_say_what_their_slot_says() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let mut meta = meta();
    meta.trace_id = Some(TraceId::new(77));
    meta.meta_version = Some(MetaVersion::new(5));
    let before = tensorpool::runtime::clock::monotonic_ns();
    let offered = producer.offer(&meta, &crate::harness::payload(0)).unwrap();
    assert_eq!(offered.announced, Announced::NotConnected);
    let info = receive(&mut consumer, 1)[0];
    assert_eq!(
        (info.seq, info.epoch),
        (Seq::new(0), producer.epoch().unwrap())
    );
    assert_eq!((info.published, info.trace_id), (None, None));
    assert_eq!(info.meta_version, Some(MetaVersion::new(5)));
    assert!(info.timestamp >= before);
    publish(&mut producer);
    assert_eq!(receive(&mut consumer, 1)[0].meta_version, None);
    assert_eq!(consumer.publication_count(), 0);
}

/// Proves [TP-CLI-2910], [TP-CLI-2915].
#[test]
fn a_consumer_that_joins_in_the_middle_is_owed_what_comes_from_then_on() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    publish_many(&mut producer, 20);
    let mut consumer = watcher(&client);
    // Before its first poll.
    publish_many(&mut producer, 3);
    assert_eq!(seqs(&receive(&mut consumer, 3)), [20, 21, 22]);
    let stats = consumer.stats();
    assert_eq!((stats.seen(), stats.delivered(), stats.lost()), (3, 3, 0));
}

/// Proves [TP-CLI-2920].
#[test]
fn a_new_epoch_is_owed_from_its_first_frame() {
    let world = World::new();
    let client = world.client();
    let mut consumer = watcher(&client);
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    // Nobody waits for the consumer to have mapped it.
    publish_many(&mut producer, 3);
    assert_eq!(seqs(&receive(&mut consumer, 3)), [0, 1, 2]);
    assert_eq!(consumer.stats().lost(), 0);
}

/// Proves [TP-CLI-2940], [TP-CLI-2950], [TP-CLI-2955].
#[test]
fn claims_come_in_order_and_aborted_ones_are_gaps() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let mut claims: Vec<_> = (0..4)
        .map(|seq| {
            let mut claim = producer.claim(&meta(), 600).unwrap();
            claim
                .payload_mut()
                .copy_from_slice(&crate::harness::payload(seq));
            claim
        })
        .collect();
    assert!(
        poll(&mut consumer).is_empty(),
        "all of them are being written"
    );
    producer.commit(claims.pop().unwrap()).unwrap();
    drop(claims.remove(1));
    assert!(poll(&mut consumer).is_empty(), "0 is being written");
    producer.commit(claims.remove(0)).unwrap();
    assert_eq!(seqs(&poll(&mut consumer)), [0]);
    assert!(
        poll(&mut consumer).is_empty(),
        "nothing tells 1 from a slow one"
    );
    producer.commit(claims.remove(0)).unwrap();
    assert_eq!(seqs(&receive(&mut consumer, 2)), [2, 3]);
    assert_eq!(consumer.stats().drops(DropCause::Gap), 1);
    // The newest claims give their numbers back.
    drop((producer.claim(&meta(), 600), producer.claim(&meta(), 600)));
    assert!(poll(&mut consumer).is_empty());
    producer.poll();
    publish_many(&mut producer, 2);
    assert_eq!(seqs(&receive(&mut consumer, 2)), [4, 5]);
    assert_eq!((consumer.stats().seen(), consumer.stats().lost()), (6, 1));
}

/// Proves [TP-CLI-2960], [TP-CLI-2970].
#[test]
fn an_overtaken_consumer_goes_on_with_all_that_the_ring_holds() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let slots = u64::from(SLOTS);
    publish_many(&mut producer, 100);
    let infos = receive(&mut consumer, slots as usize);
    assert_eq!(seqs(&infos), (100 - slots..100).collect::<Vec<_>>());
    let stats = consumer.stats();
    assert_eq!((stats.late(), stats.lost()), (100 - slots, 100 - slots));
}

/// Proves [TP-CLI-3030], [TP-CLI-3040].
#[test]
fn a_slow_consumer_loses_frames_and_counts_every_one_of_them() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = watcher(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    const COUNT: u64 = 5_000;
    let mut received = Vec::new();
    for seq in 0..COUNT {
        publish(&mut producer);
        if seq % 37 == 0 {
            received.extend(poll(&mut consumer));
        }
    }
    let closing = producer.close(Duration::ZERO);
    let (counts, rest) = wait_event(&mut consumer, |event| match event {
        Event::EndOfStream { counts, .. } => Some(*counts),
        _ => None,
    });
    closing.wait(WAIT).unwrap();
    received.extend(rest);
    let received = seqs(&received);
    assert!(received.is_sorted_by(|a, b| a < b), "each once, in order");
    assert_eq!(received.last(), Some(&(COUNT - 1)), "the last one is there");
    assert_eq!(counts.end_seq, Some(Seq::new(COUNT)));
    assert_eq!(
        (counts.seen, counts.delivered),
        (COUNT, received.len() as u64)
    );
    assert_eq!(counts.delivered + counts.lost, COUNT);
    assert_eq!(counts.tail, 0);
    assert!(consumer.stats().late() > 0, "{:?}", consumer.stats());
}

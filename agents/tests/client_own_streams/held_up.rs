//! Own streams that have no room for a while: what a lossless producer waits for, and what is lost.

use std::time::Instant;

use tensorpool::client::{FrameMeta, OfferError, Producer, ProducerStats};
use tensorpool::codecs::gate::{Message, gate};
use tensorpool::codecs::wire::{ConsumerHello, Mode, QosProducer, Template};
use tensorpool::transport::SubscriptionOptions;

use super::peer::Peer;
use super::support::{STREAM, WAIT, World};
use super::{OWN, config, hello, is_run, offer, report, seqs, until_told};

/// A lossless producer whose consumer on an own stream of short terms does not read, until an offer
/// is paced or so many frames are out.
fn fill_up(producer: &mut Producer, peer: &mut Peer, frames: u32) -> bool {
    for _ in 0..frames {
        match producer.offer(&FrameMeta::bytes(1).unwrap(), b"x") {
            Ok(_) => {}
            Err(OfferError::Paced) => return true,
            Err(error) => panic!("{error}"),
        }
        peer.work();
    }
    false
}

/// Proves [TP-CLI-2352].
#[test]
fn a_lossless_producer_goes_on_when_an_own_stream_has_room_again_and_loses_nothing() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut own = peer.subscribe(OWN as i32, SubscriptionOptions { tether: true });
    let short = b"aeron:ipc?term-length=64k";
    peer.say_config(&config(Mode::Stream, short, OWN));
    let first = until_told(&mut producer, &mut peer, &mut own);
    assert!(fill_up(&mut producer, &mut peer, 2_000), "never held up");
    assert!(!producer.has_room());
    let paced_at = producer.next_seq().unwrap().get();
    let mut told = Vec::new();
    let (started, goal) = (Instant::now(), paced_at + 1_000);
    while producer.next_seq().unwrap().get() < goal {
        fill_up(&mut producer, &mut peer, 100);
        peer.receive(&mut own, &mut told);
        assert!(started.elapsed() < WAIT, "{:?}", producer.stats());
    }
    let last = producer.next_seq().unwrap().get() - 1;
    let started = Instant::now();
    while seqs(&told).last() != Some(&last) {
        producer.poll();
        peer.receive(&mut own, &mut told);
        assert!(started.elapsed() < WAIT, "{:?}", producer.stats());
    }
    let told = seqs(&told);
    let from = told.iter().position(|seq| *seq == first).unwrap();
    assert!(is_run(&told[from..], first, last), "a frame is missing");
}

/// Proves [TP-CLI-2340], [TP-CLI-2352].
#[test]
fn frames_that_become_visible_together_are_told_at_once_and_in_order_by_a_lossless_producer_too() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut own = peer.subscribe(OWN as i32, SubscriptionOptions::UNTETHERED);
    peer.say_config(&config(Mode::Stream, b"aeron:ipc", OWN));
    let first = until_told(&mut producer, &mut peer, &mut own);
    let (mut told, started) = (Vec::new(), Instant::now());
    for _ in 0..10 {
        while !producer.has_room() {
            producer.poll();
            peer.receive(&mut own, &mut told);
            assert!(started.elapsed() < WAIT, "{:?}", producer.stats());
        }
        let meta = FrameMeta::bytes(1).unwrap();
        let claims: Vec<_> = (0..4).map(|_| producer.claim(&meta, 1).unwrap()).collect();
        let before = producer.stats().own_descriptors;
        for claim in claims.into_iter().rev() {
            assert_eq!(producer.stats().own_descriptors, before, "held back");
            producer.commit(claim).unwrap();
        }
        assert_eq!(producer.stats().own_descriptors, before + 4);
    }
    let last = producer.next_seq().unwrap().get() - 1;
    peer.receive_more(&mut own, &mut told, |all| seqs(all).last() == Some(&last));
    let told = seqs(&told);
    let from = told.iter().position(|seq| *seq == first).unwrap();
    assert!(is_run(&told[from..], first, last), "{told:?}");
}

/// Proves [TP-CLI-2346].
#[test]
fn what_an_own_stream_has_no_room_for_is_counted_once_and_never_told() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut own = peer.subscribe(OWN as i32, SubscriptionOptions { tether: true });
    let short = b"aeron:ipc?term-length=64k";
    peer.say_config(&config(Mode::Stream, short, OWN));
    until_told(&mut producer, &mut peer, &mut own);
    let before = producer.stats();
    assert!(!fill_up(&mut producer, &mut peer, 2_000));
    let mut told = Vec::new();
    peer.receive_more(&mut own, &mut told, |all| {
        all.len() as u64 >= producer.stats().own_descriptors
    });
    for _ in 0..100 {
        producer.poll();
        peer.receive(&mut own, &mut told);
    }
    let after = producer.stats();
    let of = |count: fn(&ProducerStats) -> u64| count(&after) - count(&before);
    let (sent, failed) = (
        of(|all| all.own_descriptors),
        of(|all| all.own_descriptors_failed),
    );
    assert!(failed > 100, "{after:?}");
    assert_eq!(sent + failed, 2_000, "{after:?}");
    assert_eq!(
        told.len() as u64,
        after.own_descriptors,
        "nothing comes later"
    );
}

/// Proves [TP-CLI-1665].
#[test]
fn the_last_frame_an_own_stream_has_no_room_for_is_reported_soon_and_twice() {
    /// With the reports of every second alone they take longer than [`WAIT`].
    const ROUNDS: usize = 8;
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let qos = world.client_config().qos.stream_id;
    let mut reports = peer.subscribe(qos, SubscriptionOptions::UNTETHERED);
    let mut own = peer.subscribe(OWN as i32, SubscriptionOptions { tether: true });
    let short = b"aeron:ipc?term-length=64k";
    peer.say_config(&config(Mode::Stream, short, OWN));
    until_told(&mut producer, &mut peer, &mut own);
    assert!(!fill_up(&mut producer, &mut peer, 2_000));
    let started = Instant::now();
    for _ in 0..ROUNDS {
        // Whoever is silent loses its stream.
        peer.report(&report(&producer, 0, Mode::Stream));
        let before = producer.stats().own_descriptors_failed;
        offer(&mut producer);
        assert_eq!(producer.stats().own_descriptors_failed, before + 1);
        let next = producer.next_seq().unwrap().get();
        let (mut heard, mut told) = (Vec::new(), 0);
        while told < 2 {
            peer.receive(&mut reports, &mut heard);
            let positions = heard.drain(..).filter_map(|bytes| position(&bytes));
            told += positions.filter(|position| *position == next).count();
            assert!(started.elapsed() < WAIT, "{told} reports of {next}");
        }
    }
}

/// What a producer reports, if that is what this says.
fn position(bytes: &[u8]) -> Option<u64> {
    let is_report = gate(bytes).ok()?.message == Message::Wire(Template::QosProducer);
    is_report.then(|| QosProducer::decode(bytes).unwrap().current_seq)
}

/// Proves [TP-CLI-2354].
#[test]
fn a_lossless_producer_needs_no_subscriber_for_a_consumer_that_asked_for_a_rate() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let hello = ConsumerHello {
        descriptor_stream_id: 0,
        descriptor_channel: b"",
        ..hello(Mode::RateLimited, 0)
    };
    peer.say_hello(&hello);
    peer.report(&report(&producer, 0, Mode::RateLimited));
    producer.wait_consumers(1, WAIT).unwrap();
    producer.wait_room(WAIT).unwrap();
    assert!(!fill_up(&mut producer, &mut peer, 2_000), "waited for it");
    assert!(producer.stats().descriptors_not_connected >= 2_000);
}

/// Proves [TP-CLI-2354].
#[test]
fn a_lossless_producer_waits_for_no_consumer_that_asked_for_a_rate() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut own = peer.subscribe(OWN as i32, SubscriptionOptions { tether: true });
    peer.say_hello(&hello(Mode::RateLimited, 0));
    let short = b"aeron:ipc?term-length=64k";
    peer.say_config(&config(Mode::RateLimited, short, OWN));
    peer.report(&report(&producer, 1, Mode::RateLimited));
    producer.wait_consumers(1, WAIT).unwrap();
    until_told(&mut producer, &mut peer, &mut own);
    assert!(!fill_up(&mut producer, &mut peer, 2_000), "waited for it");
    assert!(producer.stats().own_descriptors_failed > 0);
}

/// Proves [TP-CLI-2356].
#[test]
fn a_lossless_producer_needs_no_subscriber_of_the_shared_stream_when_all_have_their_own() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut own = peer.subscribe(OWN as i32, SubscriptionOptions::UNTETHERED);
    peer.say_config(&config(Mode::Stream, b"aeron:ipc", OWN));
    peer.report(&report(&producer, 0, Mode::Stream));
    producer.wait_consumers(1, WAIT).unwrap();
    let (mut told, started) = (Vec::new(), Instant::now());
    while told.len() < 100 {
        producer.poll();
        if own.is_connected() && producer.has_room() {
            offer(&mut producer);
        }
        peer.receive(&mut own, &mut told);
        // Of frames from before it was connected it knows from the ring.
        let seen = producer.next_seq().unwrap().get().saturating_sub(1);
        peer.report(&report(&producer, seen, Mode::Stream));
        assert!(started.elapsed() < WAIT, "{:?}", producer.stats());
    }
    assert!(producer.stats().descriptors_not_connected > 0);
    assert_eq!(producer.close(WAIT).wait(WAIT).unwrap().unsent, 0);
}

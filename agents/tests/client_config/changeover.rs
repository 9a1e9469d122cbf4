//! From the stream of everybody to one of a consumer's own, and back.

use std::time::Instant;

use tensorpool::codecs::wire::ConsumerConfig;

use crate::authority::{Authority, assigning, changed, config};
use crate::support::{WAIT, World};
use crate::{Consumer, OWN, flow, offer, open, wait_publications};

/// Proves [TP-CLI-2193], [TP-CLI-2195], [TP-CLI-2196].
#[test]
fn changing_over_and_back_delivers_every_frame_once_and_in_order() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    for round in 0..3 {
        let mut frames = 0;
        flow(&mut authority, &mut producer, &mut consumer, |_| {
            frames += 1;
            frames > 20
        });
        authority.tell_on(OWN, 1);
        authority.say(&assigning(&consumer, OWN));
        flow(&mut authority, &mut producer, &mut consumer, |consumer| {
            consumer.descriptor_stream() == Some(OWN)
        });
        assert_eq!(
            consumer.events().find_map(|event| changed(&event)),
            Some(Some(OWN))
        );
        assert_eq!(consumer.publication_count(), 1, "the shared one is left");
        authority.say(&config(&consumer));
        flow(&mut authority, &mut producer, &mut consumer, |consumer| {
            consumer.descriptor_stream().is_none()
        });
        authority.close(OWN);
        assert_eq!(
            consumer.events().find_map(|event| changed(&event)),
            Some(None),
            "round {round}"
        );
    }
}

/// Proves [TP-CLI-2196].
#[test]
fn a_stream_that_is_declined_before_anybody_tells_of_frames_there_is_left() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    authority.tell_on(OWN, 1);
    authority.say(&assigning(&consumer, OWN));
    wait_publications(&mut consumer, 2);
    authority.say(&config(&consumer));
    authority.wait(|_| {
        consumer.poll(|_| {}, 16).unwrap();
        (consumer.publication_count() == 1).then_some(())
    });
    let mut frames = 0;
    flow(&mut authority, &mut producer, &mut consumer, |_| {
        frames += 1;
        frames > 20
    });
    assert_eq!(consumer.descriptor_stream(), None);
}

/// Proves [TP-CLI-2193], [TP-CLI-2195].
#[test]
fn a_producer_and_a_consumer_of_this_library_meet_on_the_stream_that_is_assigned() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    let assigning = ConsumerConfig {
        descriptor_stream_id: OWN,
        descriptor_channel: b"aeron:ipc",
        ..config(&consumer)
    };
    for _ in 0..3 {
        authority.say(&assigning);
        flow(&mut authority, &mut producer, &mut consumer, |consumer| {
            consumer.descriptor_stream() == Some(OWN)
        });
        authority.say(&config(&consumer));
        flow(&mut authority, &mut producer, &mut consumer, |consumer| {
            consumer.descriptor_stream().is_none()
        });
    }
}

/// Proves [TP-CLI-2195].
#[test]
fn what_neither_stream_told_of_is_read_from_the_ring() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    authority.tell_on(OWN, 1);
    authority.say(&assigning(&consumer, OWN));
    flow(&mut authority, &mut producer, &mut consumer, |consumer| {
        consumer.descriptor_stream() == Some(OWN)
    });
    authority.close(OWN);
    wait_publications(&mut consumer, 0);
    let before = consumer.stats().seen();
    for _ in 0..3 {
        offer(&mut producer);
    }
    // Somebody who lags behind would keep the stream where it was.
    authority.repeat();
    authority.say(&config(&consumer));
    wait_publications(&mut consumer, 1);
    offer(&mut producer);
    // The first three may have been read already: their producer reports that they are there.
    let started = Instant::now();
    while consumer.stats().seen() < before + 4 {
        consumer.poll(|_| {}, 2).unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    let stats = consumer.stats();
    assert_eq!((stats.lost(), stats.seq_regressions()), (0, 0), "{stats:?}");
}

/// Proves [TP-CLI-2199].
#[test]
fn a_consumer_returns_to_the_shared_stream_when_its_own_falls_silent_and_goes_back() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    let is_own = |consumer: &mut Consumer| consumer.descriptor_stream() == Some(OWN);
    authority.tell_on(OWN, 1);
    authority.say(&assigning(&consumer, OWN));
    flow(&mut authority, &mut producer, &mut consumer, is_own);
    authority.close(OWN);
    wait_publications(&mut consumer, 0);
    wait_publications(&mut consumer, 1);
    flow(&mut authority, &mut producer, &mut consumer, |consumer| {
        consumer.descriptor_stream().is_none()
    });
    authority.tell_on(OWN, 1);
    flow(&mut authority, &mut producer, &mut consumer, is_own);
}

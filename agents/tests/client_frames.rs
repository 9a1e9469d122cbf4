//! Frames through real clients, a real driver and a real media driver, all in this process.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::{SLOTS, STREAM, WAIT, World};
use tensorpool::client::{
    Announced, Client, ClientConfig, Consumer, DropCause, Event, FinalCounts, Frame, FrameMeta,
    InvokedClient, OfferError, OpenError, Producer,
};
use tensorpool::codecs::types::{ClientId, Seq, StreamId, TraceId};
use tensorpool::codecs::wire::Dtype;

mod support;

/// One poll; copies what it delivers.
fn poll(consumer: &mut Consumer, frames: &mut Vec<(u64, Vec<u8>)>, limit: usize) {
    let polled = consumer.poll(
        |frame| {
            let mut bytes = vec![0; frame.len()];
            if frame.copy_to(&mut bytes).is_ok() {
                frames.push((frame.seq().get(), bytes));
            }
        },
        limit,
    );
    if polled.unwrap() == 0 {
        std::thread::yield_now();
    }
}

/// Polls until so many frames are there.
fn poll_frames(consumer: &mut Consumer, frames: &mut Vec<(u64, Vec<u8>)>, count: usize) {
    let started = Instant::now();
    while frames.len() < count {
        poll(consumer, frames, 16);
        assert!(
            started.elapsed() < WAIT,
            "{:?} {:?}",
            consumer.stats(),
            consumer.epoch()
        );
    }
}

/// Polls until there is an event of this kind.
fn wait_event<T>(
    consumer: &mut Consumer,
    frames: &mut Vec<(u64, Vec<u8>)>,
    mut find: impl FnMut(&Event) -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        poll(consumer, frames, 16);
        if let Some(found) = consumer.events().find_map(|event| find(&event)) {
            return found;
        }
        assert!(
            started.elapsed() < WAIT,
            "no such event; {:?}",
            consumer.stats()
        );
    }
}

fn wait_producer_event<T>(producer: &mut Producer, mut find: impl FnMut(&Event) -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = producer.events().find_map(|event| find(&event)) {
            return found;
        }
        assert!(started.elapsed() < WAIT, "no such event");
        std::thread::yield_now();
    }
}

fn payload(seq: u64, len: usize) -> Vec<u8> {
    (0..len).map(|i| (seq as usize * 31 + i) as u8).collect()
}

/// Proves [TP-CLI-1265].
#[test]
fn the_last_frames_of_a_stream_that_ended_are_read_from_the_ring_if_nobody_told_of_them() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let meta = FrameMeta::bytes(8).unwrap();
    let mut offer = |seq: u64| producer.offer(&meta, &seq.to_le_bytes()).unwrap();
    let mut end = 0;
    // The consumer does not poll: its window is full sooner or later.
    while offer(end).announced == Announced::Sent {
        end += 1;
    }
    for _ in 0..2 * SLOTS {
        end += 1;
        offer(end);
    }
    end += 1;
    producer.close(Duration::ZERO).wait(WAIT).unwrap();
    let mut frames = Vec::new();
    let counts = wait_event(&mut consumer, &mut frames, |event| match event {
        Event::EndOfStream { counts, .. } => Some(*counts),
        _ => None,
    });
    assert_eq!(counts.end_seq, Some(Seq::new(end)));
    assert_eq!((counts.seen, counts.delivered + counts.lost), (end, end));
    let last: Vec<u64> = frames.iter().rev().map(|(seq, _)| *seq).collect();
    // The one that reveals a gap longer than the ring is part of it.
    let ring: Vec<u64> = (end - u64::from(SLOTS) + 1..end).rev().collect();
    assert_eq!(last[..ring.len()], ring, "of {}", frames.len());
    assert!(
        frames
            .iter()
            .all(|(seq, bytes)| seq.to_le_bytes() == bytes[..])
    );
}

/// Proves [TP-CLI-1410].
#[test]
fn frames_reach_two_consumers_by_copy_and_in_place() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut consumers: Vec<Consumer> = (0..2)
        .map(|_| client.consumer(STREAM).wait(WAIT).unwrap())
        .collect();
    producer.wait_consumers(2, WAIT).unwrap();
    assert_eq!(producer.slot_count(), Some(SLOTS));
    let mut received = [Vec::new(), Vec::new()];
    let count = u64::from(4 * SLOTS);
    for seq in 0..count {
        let len = if seq % 2 == 0 { 100 } else { 5_000 };
        let mut meta = FrameMeta::new(Dtype::Uint8, &[len as u64]).unwrap();
        meta.trace_id = Some(TraceId::new(seq + 1));
        let bytes = payload(seq, len);
        while !producer.has_room() {
            producer.poll();
            for (consumer, frames) in consumers.iter_mut().zip(&mut received) {
                poll(consumer, frames, 16);
            }
        }
        let offered = if seq % 3 == 0 {
            let mut claim = producer.claim(&meta, len).unwrap();
            assert_eq!(claim.payload_mut().as_ptr() as usize % 64, 0);
            claim.payload_mut().copy_from_slice(&bytes);
            producer.commit(claim).unwrap()
        } else {
            producer.offer(&meta, &bytes).unwrap()
        };
        assert_eq!(
            (offered.seq, offered.announced),
            (Seq::new(seq), Announced::Sent)
        );
    }
    for (consumer, frames) in consumers.iter_mut().zip(&mut received) {
        poll_frames(consumer, frames, count as usize);
        for (index, (seq, bytes)) in frames.iter().enumerate() {
            assert_eq!(*seq, index as u64);
            assert_eq!(*bytes, payload(*seq, bytes.len()));
        }
        assert_eq!(
            (consumer.stats().delivered(), consumer.stats().lost()),
            (count, 0)
        );
    }
}

/// Proves [TP-CLI-1280], [TP-CLI-1920].
#[test]
fn a_slow_consumer_loses_frames_and_counts_every_one_of_them() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let meta = FrameMeta::bytes(600).unwrap();
    let mut frames = Vec::new();
    const COUNT: u64 = 5_000;
    for seq in 0..COUNT {
        producer.offer(&meta, &payload(seq, 600)).unwrap();
        if seq % 37 == 0 {
            poll(&mut consumer, &mut frames, 2);
        }
    }
    let closing = producer.close(Duration::ZERO);
    let counts: FinalCounts = wait_event(&mut consumer, &mut frames, |event| match event {
        Event::EndOfStream { counts, .. } => Some(*counts),
        _ => None,
    });
    closing.wait(WAIT).unwrap();
    for (seq, bytes) in &frames {
        assert_eq!(*bytes, payload(*seq, 600), "frame {seq} is torn");
    }
    assert_eq!(counts.end_seq, Some(Seq::new(COUNT)));
    assert_eq!(counts.seen, COUNT);
    assert_eq!(counts.delivered, frames.len() as u64);
    assert_eq!(counts.delivered + counts.lost, COUNT);
    assert!(consumer.stats().late() > 0, "{:?}", consumer.stats());
}

/// Proves [TP-CLI-1410], [TP-CLI-1420].
#[test]
fn claims_in_flight_become_visible_in_order_and_aborted_ones_are_gaps() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let meta = FrameMeta::bytes(1).unwrap();
    let mut claims: Vec<_> = (0..4u8)
        .map(|value| {
            let mut claim = producer.claim(&meta, 1).unwrap();
            claim.payload_mut()[0] = value;
            claim
        })
        .collect();
    assert!(matches!(
        producer.claim(&meta, 1),
        Err(OfferError::TooManyClaims { limit: 4 })
    ));
    let last = producer.commit(claims.pop().unwrap()).unwrap();
    assert_eq!(last.announced, Announced::HeldBack);
    drop(claims.remove(1));
    producer.commit(claims.remove(0)).unwrap();
    producer.commit(claims.remove(0)).unwrap();
    let mut frames = Vec::new();
    poll_frames(&mut consumer, &mut frames, 3);
    assert_eq!(frames, [(0, vec![0]), (2, vec![2]), (3, vec![3])]);
    assert_eq!(consumer.stats().drops(DropCause::Gap), 1);
}

/// Proves [TP-CLI-1920], [TP-CLI-1950].
#[test]
fn the_end_of_a_stream_is_an_event_and_the_next_producer_brings_a_new_epoch() {
    let world = World::new();
    let client = world.client();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    let mut frames = Vec::new();
    let mut epochs = Vec::new();
    for round in 0..3u64 {
        let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
        let new = wait_event(&mut consumer, &mut frames, |event| match event {
            Event::Remapped { new, .. } if Some(*new) == producer.epoch() => Some(*new),
            _ => None,
        });
        epochs.push(new);
        producer.wait_consumers(1, WAIT).unwrap();
        frames.clear();
        for seq in 0..=round {
            producer
                .offer(&FrameMeta::bytes(9).unwrap(), &payload(seq, 9))
                .unwrap();
        }
        let closing = producer.close(WAIT);
        let (epoch, counts) = wait_event(&mut consumer, &mut frames, |event| match event {
            Event::EndOfStream { epoch, counts } => Some((*epoch, *counts)),
            _ => None,
        });
        assert!(closing.wait(WAIT).unwrap().all_seen);
        assert_eq!(epoch, new);
        assert_eq!(
            (counts.end_seq, counts.tail, counts.lost),
            (Some(Seq::new(round + 1)), 0, 0)
        );
        assert_eq!(
            frames.len() as u64,
            round + 1,
            "delivered before the end was told"
        );
    }
    assert!(
        epochs.windows(2).all(|pair| pair[0] < pair[1]),
        "{epochs:?}"
    );
}

/// Proves [TP-CLI-1305].
#[test]
fn the_account_of_an_epoch_is_told_when_another_one_replaces_it() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let (epoch, meta) = (producer.epoch().unwrap(), FrameMeta::bytes(9).unwrap());
    let mut frames = Vec::new();
    for seq in 0..5 {
        let offered = producer.offer(&meta, &payload(seq, 9)).unwrap();
        assert_eq!((offered.epoch, offered.seq), (epoch, Seq::new(seq)));
    }
    poll_frames(&mut consumer, &mut frames, 5);
    assert_eq!(consumer.account().unwrap().delivered(), 5);
    producer.close(Duration::ZERO).wait(WAIT).unwrap();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let (mut closed, started) = (Vec::new(), Instant::now());
    while consumer.epoch() != producer.epoch() {
        poll(&mut consumer, &mut frames, 16);
        closed.extend(consumer.events().filter_map(|event| match event {
            Event::AccountClosed(account) => Some(account),
            _ => None,
        }));
        assert!(started.elapsed() < WAIT, "{closed:?}");
    }
    let account = closed.iter().find(|account| account.epoch() == epoch);
    let account = account.expect("told before the next one is in use");
    assert_eq!(
        (account.first(), account.end()),
        (Some(Seq::new(0)), Some(Seq::new(5)))
    );
    assert_eq!((account.delivered(), account.lost()), (5, 0));
    producer.offer(&meta, &payload(0, 9)).unwrap();
    poll_frames(&mut consumer, &mut frames, 6);
    let account = consumer.account().unwrap();
    assert_eq!(Some(account.epoch()), producer.epoch());
    assert_eq!(
        (account.first(), account.end()),
        (Some(Seq::new(0)), Some(Seq::new(1)))
    );
    assert_eq!((account.delivered(), consumer.stats().delivered()), (1, 6));
}

/// Proves [TP-CLI-0350], [TP-CLI-0770], [TP-CLI-1470].
#[test]
fn a_restarted_driver_is_noticed_and_frames_flow_again() {
    let mut world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let meta = FrameMeta::bytes(10).unwrap();
    producer.offer(&meta, &payload(0, 10)).unwrap();
    let mut frames = Vec::new();
    poll_frames(&mut consumer, &mut frames, 1);
    world.driver = None;
    wait_producer_event(&mut producer, |event| {
        matches!(event, Event::DriverLost { .. } | Event::LeaseLost { .. }).then_some(())
    });
    let refused = producer.offer(&meta, &payload(0, 10));
    assert!(
        matches!(refused, Err(OfferError::NotAttached)),
        "{refused:?}"
    );
    world.start_driver();
    wait_producer_event(&mut producer, |event| {
        matches!(event, Event::Remapped { .. }).then_some(())
    });
    wait_event(&mut consumer, &mut frames, |event| match event {
        Event::Remapped { new, .. } if Some(*new) == producer.epoch() => Some(()),
        _ => None,
    });
    producer.wait_consumers(1, WAIT).unwrap();
    producer.offer(&meta, &payload(7, 10)).unwrap();
    poll_frames(&mut consumer, &mut frames, 2);
    assert_eq!(
        frames[1],
        (0, payload(7, 10)),
        "sequence numbers start over"
    );
}

#[test]
fn what_cannot_be_opened_says_why() {
    let world = World::new();
    let client = world.client();
    let unknown = client.producer(StreamId::new(77)).wait(WAIT).unwrap_err();
    assert!(matches!(unknown, OpenError::Attach(_)), "{unknown}");

    let held = client
        .producer(STREAM)
        .client_id(Some(ClientId::new(5)))
        .wait(WAIT)
        .unwrap();
    let second = client
        .producer(STREAM)
        .attach_timeout(Duration::from_millis(700))
        .wait(WAIT);
    let second = second.unwrap_err().to_string();
    assert!(
        second.contains("already has a producer (client 5"),
        "{second}"
    );
    drop(held);

    let outside = ClientConfig {
        allowed_base_dirs: vec![world.aeron_dir()],
        ..world.client_config()
    };
    let outside = Client::connect(outside).unwrap();
    let error = outside.consumer(STREAM).wait(WAIT).unwrap_err();
    assert!(matches!(error, OpenError::Map(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("outside of the allowed base directories"),
        "{error}"
    );

    let nowhere = ClientConfig {
        aeron_dir: world.dir.path().join("nowhere"),
        attach_timeout: Duration::from_millis(300),
        ..world.client_config()
    };
    let error = Client::connect(nowhere)
        .unwrap()
        .consumer(STREAM)
        .wait(WAIT)
        .unwrap_err();
    assert!(matches!(error, OpenError::NoMediaDriver { .. }), "{error}");
}

#[test]
fn an_invoked_client_needs_no_thread_of_its_own() {
    let world = World::new();
    let mut client = InvokedClient::new(&world.client_config()).unwrap();
    let opening = client.producer(STREAM).open();
    let mut producer = client.wait(opening, WAIT).unwrap();
    let opening = client.consumer(STREAM).open();
    let mut consumer = client.wait(opening, WAIT).unwrap();
    let started = Instant::now();
    while producer.consumers() == 0 {
        client.invoke();
        producer.poll();
        consumer.poll(|_| panic!("nothing was sent"), 1).unwrap();
        assert!(started.elapsed() < WAIT);
    }
    // Who is connected may have no room yet: such a frame is told of to nobody.
    let mut sent = 0;
    let mut is_told = false;
    while !is_told {
        client.invoke();
        let offered = producer.offer(&FrameMeta::bytes(3).unwrap(), b"abc");
        is_told = offered.unwrap().announced == Announced::Sent;
        sent += 1;
        assert!(started.elapsed() < WAIT);
    }
    let mut last = None;
    while last != Some(sent - 1) {
        client.invoke();
        let on_frame = |frame: &Frame<'_>| {
            assert_eq!(frame.len(), 3);
            last = Some(frame.seq().get());
        };
        consumer.poll(on_frame, 1).unwrap();
        assert!(started.elapsed() < WAIT);
    }
    let info = consumer.stats();
    assert_eq!(info.delivered() + info.lost(), sent);
}

/// Proves [TP-CLI-0540].
#[test]
fn handles_outlive_their_client_and_say_that_it_is_closed() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    drop(client);
    let refused = producer.offer(&FrameMeta::bytes(1).unwrap(), b"x");
    assert!(
        matches!(refused, Err(OfferError::ClientClosed)),
        "{refused:?}"
    );
    let started = Instant::now();
    while consumer.poll(|_| {}, 1).is_ok() {
        assert!(started.elapsed() < WAIT);
    }
    assert!(
        consumer
            .events()
            .any(|event| matches!(event, Event::Closed))
    );
    // The lease went back in order: another client gets the stream at once.
    let again = world.client();
    again
        .producer(STREAM)
        .attach_timeout(Duration::from_millis(500))
        .wait(WAIT)
        .unwrap();
}

#[test]
fn regions_of_nobody_are_not_left_behind() {
    fn region_files(dir: &Path) -> usize {
        let Ok(entries) = std::fs::read_dir(dir) else {
            return 0;
        };
        let count = |path: PathBuf| {
            if path.is_dir() {
                region_files(&path)
            } else {
                1
            }
        };
        entries.flatten().map(|entry| count(entry.path())).sum()
    }
    let mut world = World::new();
    let client = world.client();
    let producer = client.producer(STREAM).wait(WAIT).unwrap();
    assert!(region_files(&world.dir.path().join("pools")) >= 3);
    drop(producer);
    drop(client);
    world.driver = None;
    let left = region_files(&world.dir.path().join("pools"));
    assert!(
        left <= 1,
        "only the driver's lock may stay, found {left} files"
    );
}

/// Proves [TP-CLI-0340].
#[test]
fn a_restarted_media_driver_is_survived_with_the_lease() {
    let mut world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let epoch = producer.epoch();
    world.media = None;
    wait_producer_event(&mut producer, |event| {
        matches!(event, Event::LinkLost { .. }).then_some(())
    });
    world.start_media_driver();
    wait_producer_event(&mut producer, |event| {
        matches!(event, Event::LinkUp).then_some(())
    });
    let mut frames = Vec::new();
    let meta = FrameMeta::bytes(10).unwrap();
    for seq in 0..3 {
        producer.wait_room(WAIT).unwrap();
        producer.offer(&meta, &payload(seq, 10)).unwrap();
    }
    producer.wait_room(WAIT).unwrap();
    poll_frames(&mut consumer, &mut frames, 3);
    assert_eq!(
        producer.epoch(),
        epoch,
        "the lease outlived the media driver"
    );
    assert_eq!(consumer.stats().lost(), 0);
}

/// Proves [TP-CLI-1840].
#[test]
fn a_lossless_producer_does_not_wait_for_a_consumer_that_left() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).lossless(true).wait(WAIT).unwrap();
    let consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let meta = FrameMeta::bytes(1).unwrap();
    for _ in 0..SLOTS {
        producer.offer(&meta, b"x").unwrap();
    }
    let paced = producer.offer(&meta, b"x");
    assert!(matches!(paced, Err(OfferError::Paced)), "{paced:?}");
    drop(consumer);
    producer.wait_room(Duration::from_secs(2)).unwrap();
    producer.offer(&meta, b"x").unwrap();
}

/// Proves [TP-CLI-1926].
#[test]
fn an_epoch_that_is_replaced_unread_is_accounted_for_to_the_end_of_its_ring() {
    let mut world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let meta = FrameMeta::bytes(8).unwrap();
    let mut frames = Vec::new();
    producer.offer(&meta, &0u64.to_le_bytes()).unwrap();
    poll_frames(&mut consumer, &mut frames, 1);
    let epoch = consumer.epoch().unwrap();
    let mut offer = |seq: u64| producer.offer(&meta, &seq.to_le_bytes()).unwrap();
    let mut count = 1;
    // The consumer does not poll: its window is full sooner or later, and it is told of no more.
    while offer(count).announced == Announced::Sent {
        count += 1;
    }
    (count + 1..=count + u64::from(SLOTS)).for_each(|seq| _ = offer(seq));
    count += u64::from(SLOTS) + 1;
    // Nothing of that is read before another driver begins another epoch.
    world.driver = None;
    world.start_driver();
    wait_producer_event(&mut producer, |event| {
        matches!(event, Event::Remapped { .. }).then_some(())
    });
    let stats = wait_event(&mut consumer, &mut frames, |event| match event {
        Event::AccountClosed(stats) => Some(*stats),
        _ => None,
    });
    assert_eq!((stats.epoch(), stats.end()), (epoch, Some(Seq::new(count))));
    assert_eq!(stats.delivered() + stats.lost(), count, "{stats:?}");
    assert_eq!(stats.delivered(), frames.len() as u64);
}

//! What a producer does for consumers that have descriptor streams of their own. Consumers and the
//! authority that assigns the streams are played here, message by message.

use std::time::Instant;

use peer::Peer;
use support::{STREAM, WAIT, World};
use tensorpool::client::{Announced, Event, FrameMeta, OfferError, Producer, ProgressFloors};
use tensorpool::codecs::wire::{
    ConsumerConfig, ConsumerHello, FrameDescriptor, FrameProgress, Mode, QosConsumer,
};
use tensorpool::transport::{Subscription, SubscriptionOptions};

#[path = "client_own_streams/held_up.rs"]
mod held_up;
#[path = "support/peer.rs"]
mod peer;
mod support;

const OWN: u32 = 31_001;
const CONSUMER: u32 = 77;

fn hello(mode: Mode, max_rate_hz: u32) -> ConsumerHello<'static> {
    ConsumerHello {
        stream_id: STREAM.get(),
        consumer_id: CONSUMER,
        supports_shm: true,
        supports_progress: false,
        mode,
        max_rate_hz,
        expected_layout_version: 1,
        progress_interval_us: None,
        progress_bytes_delta: None,
        progress_major_delta_units: None,
        descriptor_stream_id: OWN,
        control_stream_id: 0,
        descriptor_channel: b"aeron:ipc",
        control_channel: b"",
    }
}

fn config(
    mode: Mode,
    channel: &'static [u8],
    descriptor_stream_id: u32,
) -> ConsumerConfig<'static> {
    ConsumerConfig {
        stream_id: STREAM.get(),
        consumer_id: CONSUMER,
        use_shm: true,
        mode,
        descriptor_stream_id,
        control_stream_id: 0,
        payload_fallback_uri: b"",
        descriptor_channel: channel,
        control_channel: b"",
    }
}

fn report(producer: &Producer, last_seq_seen: u64, mode: Mode) -> QosConsumer {
    QosConsumer {
        stream_id: STREAM.get(),
        consumer_id: CONSUMER,
        epoch: producer.epoch().unwrap().get(),
        last_seq_seen,
        drops_gap: 0,
        drops_late: 0,
        mode: Some(mode),
    }
}

fn offer(producer: &mut Producer) -> Announced {
    let meta = FrameMeta::bytes(1).unwrap();
    producer.offer(&meta, b"x").unwrap().announced
}

fn seqs(descriptors: &[Vec<u8>]) -> Vec<u64> {
    let seq = |bytes: &Vec<u8>| FrameDescriptor::decode(bytes).unwrap().seq;
    descriptors.iter().map(seq).collect()
}

/// Whether these are numbers that follow each other, from one up to another.
fn is_run(numbers: &[u64], first: u64, last: u64) -> bool {
    numbers.len() as u64 == last - first + 1
        && numbers
            .iter()
            .zip(first..)
            .all(|(number, expected)| *number == expected)
}

/// Offers frames until one of them went out on the own stream; gives the next sequence number.
fn until_told(producer: &mut Producer, peer: &mut Peer, own: &mut Subscription) -> u64 {
    let started = Instant::now();
    while !own.is_connected() {
        producer.poll();
        peer.work();
        assert!(started.elapsed() < WAIT, "no publication for it");
    }
    let before = producer.stats().own_descriptors;
    while producer.stats().own_descriptors == before {
        match producer.offer(&FrameMeta::bytes(1).unwrap(), b"x") {
            Ok(_) | Err(OfferError::Paced) => {}
            Err(error) => panic!("{error}"),
        }
        peer.work();
        assert!(started.elapsed() < WAIT, "{:?}", producer.stats());
    }
    producer.next_seq().unwrap().get()
}

/// Proves [TP-CLI-2340], [TP-CLI-2312].
#[test]
fn every_frame_is_told_of_on_the_shared_stream_and_on_the_own_one_in_the_same_words() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut shared = peer.subscribe(1100, SubscriptionOptions::UNTETHERED);
    let mut own = peer.subscribe(OWN as i32, SubscriptionOptions::UNTETHERED);
    peer.say_hello(&hello(Mode::Stream, 0));
    peer.say_config(&config(Mode::Stream, b"aeron:ipc", OWN));
    until_told(&mut producer, &mut peer, &mut own);
    // Both are connected from the first frame on that both took.
    let started = Instant::now();
    let (mut on_shared, mut on_own) = (Vec::new(), Vec::new());
    loop {
        peer.receive(&mut shared, &mut on_shared);
        peer.receive(&mut own, &mut on_own);
        let before = producer.stats().own_descriptors;
        if offer(&mut producer) == Announced::Sent && producer.stats().own_descriptors > before {
            break;
        }
        assert!(started.elapsed() < WAIT, "{:?}", producer.stats());
    }
    let first = producer.next_seq().unwrap().get();
    for _ in 0..300 {
        assert_eq!(offer(&mut producer), Announced::Sent);
    }
    let end = producer.next_seq().unwrap().get();
    let from = |descriptors: &[Vec<u8>]| {
        let seqs = seqs(descriptors);
        let skip = seqs.iter().position(|seq| *seq == first).unwrap();
        assert!(is_run(&seqs[skip..], first, end - 1));
        descriptors[skip..].to_vec()
    };
    let last = |descriptors: &[Vec<u8>]| seqs(descriptors).last() == Some(&(end - 1));
    peer.receive_more(&mut own, &mut on_own, last);
    peer.receive_more(&mut shared, &mut on_shared, last);
    assert!(from(&on_own) == from(&on_shared), "the same bytes");

    peer.say_config(&config(Mode::Stream, b"", 0));
    let started = Instant::now();
    while own.is_connected() {
        producer.poll();
        peer.work();
        assert!(started.elapsed() < WAIT, "it was declined and stays open");
    }
    let before = producer.stats();
    assert_eq!(offer(&mut producer), Announced::Sent);
    assert_eq!(producer.stats().own_descriptors, before.own_descriptors);
}

/// Proves [TP-CLI-2347].
#[test]
fn a_log_that_is_rotated_costs_no_descriptor() {
    /// A term of the log, and what a descriptor takes of it.
    const TERM: u64 = 1 << 20;
    const FRAGMENT: u64 = 96;
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut own = peer.subscribe(OWN as i32, SubscriptionOptions::UNTETHERED);
    peer.say_hello(&hello(Mode::Stream, 0));
    peer.say_config(&config(Mode::Stream, b"aeron:ipc", OWN));
    until_told(&mut producer, &mut peer, &mut own);
    let (mut sent, mut heard, mut started) = (0, Vec::new(), Instant::now());
    while sent * FRAGMENT < 2 * TERM + TERM / 2 {
        sent = producer.stats().own_descriptors;
        offer(&mut producer);
        let is_lost = producer.stats().own_descriptors == sent;
        // On a busy machine the media driver may be late to make room; that is elsewhere.
        let is_rotation = sent * FRAGMENT % TERM + FRAGMENT > TERM;
        assert!(!(is_lost && is_rotation), "lost behind {sent} descriptors");
        if is_lost || sent % 64 == 0 {
            peer.receive(&mut own, &mut heard);
            heard.clear();
        }
        if sent % 4096 == 0 {
            peer.say_hello(&hello(Mode::Stream, 0));
            started = Instant::now();
        }
        assert!(started.elapsed() < WAIT, "{:?}", producer.stats());
    }
}

/// Proves [TP-CLI-2346].
#[test]
fn an_own_stream_nobody_reads_is_counted_and_fails_no_frame() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut shared = peer.subscribe(1100, SubscriptionOptions::UNTETHERED);
    peer.say_config(&config(Mode::Stream, b"aeron:ipc", OWN));
    let started = Instant::now();
    let mut heard = Vec::new();
    while producer.stats().own_descriptors_not_connected < 10 {
        peer.receive(&mut shared, &mut heard);
        assert_ne!(offer(&mut producer), Announced::Failed);
        assert!(started.elapsed() < WAIT, "{:?}", producer.stats());
    }
    loop {
        let next = producer.next_seq().unwrap().get();
        if offer(&mut producer) == Announced::Sent {
            peer.receive_more(&mut shared, &mut heard, |all| {
                seqs(all).last() == Some(&next)
            });
            break;
        }
        peer.receive(&mut shared, &mut heard);
    }
    assert_eq!(producer.stats().own_descriptors, 0);
}

/// Proves [TP-CLI-2342], [TP-CLI-2348].
#[test]
fn a_capped_consumer_is_told_of_no_more_than_it_asked_for_and_the_shared_stream_of_all() {
    const RATE: u32 = 50;
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut shared = peer.subscribe(1100, SubscriptionOptions::UNTETHERED);
    let mut own = peer.subscribe(OWN as i32, SubscriptionOptions::UNTETHERED);
    peer.say_hello(&hello(Mode::RateLimited, RATE));
    peer.say_config(&config(Mode::RateLimited, b"aeron:ipc", OWN));
    until_told(&mut producer, &mut peer, &mut own);
    let (before, first) = (producer.stats(), producer.next_seq().unwrap().get());
    let (mut told, mut heard, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    let started = Instant::now();
    while told.len() < 20 {
        let seq = producer.next_seq().unwrap().get();
        if offer(&mut producer) == Announced::Sent {
            sent.push(seq);
        }
        peer.receive(&mut own, &mut told);
        peer.receive(&mut shared, &mut heard);
        assert!(started.elapsed() < WAIT);
    }
    let after = producer.stats();
    let published = after.frames_published - before.frames_published;
    let on_own = after.own_descriptors - before.own_descriptors;
    let skipped = after.own_descriptors_skipped - before.own_descriptors_skipped;
    assert_eq!(
        on_own + skipped,
        published,
        "every frame is sent or skipped"
    );
    assert!(published > 2 * on_own, "{after:?}");
    let times: Vec<u64> = told
        .iter()
        .map(|bytes| {
            FrameDescriptor::decode(bytes)
                .unwrap()
                .timestamp_ns
                .unwrap()
        })
        .collect();
    for (index, from) in times.iter().enumerate() {
        for (count, to) in times[index..].iter().enumerate().skip(2) {
            let least = (count as u64 - 1) * 1_000_000_000 / u64::from(RATE);
            assert!(to - from >= least, "{count} frames in {} ns", to - from);
        }
    }
    assert!(seqs(&told).is_sorted(), "in order");
    let last = *sent.last().unwrap();
    peer.receive_more(&mut shared, &mut heard, |all| {
        seqs(all).last() == Some(&last)
    });
    let heard = seqs(&heard);
    let from = heard.iter().position(|seq| *seq >= first).unwrap();
    let heard = &heard[from..];
    assert!(heard.is_sorted(), "in order");
    // Besides there may be frames that met back-pressure and were told of with the next.
    let missing = sent.iter().find(|seq| heard.binary_search(seq).is_err());
    assert_eq!(missing, None, "the shared stream has no cap");
}

/// Proves [TP-CLI-2350], [TP-CLI-2364].
#[test]
fn an_unpolled_subscriber_of_the_shared_stream_is_named_and_holds_up_no_own_stream() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut sleeper = peer.subscribe(1100, SubscriptionOptions { tether: true });
    let mut own = peer.subscribe(OWN as i32, SubscriptionOptions::UNTETHERED);
    peer.say_config(&config(Mode::Stream, b"aeron:ipc", OWN));
    let first = until_told(&mut producer, &mut peer, &mut own);
    let (mut told, mut sent, mut sent_meanwhile) = (Vec::new(), Vec::new(), 0);
    let (started, mut stalled) = (Instant::now(), None);
    while stalled.is_none() {
        let (seq, before) = (producer.next_seq().unwrap(), producer.stats());
        let meta = FrameMeta::bytes(1).unwrap();
        let offered = producer.offer(&meta, b"x").unwrap();
        assert_eq!(offered.seq, seq, "the sequence advances whatever happens");
        if producer.stats().own_descriptors > before.own_descriptors {
            sent.push(seq.get());
            sent_meanwhile += u32::from(offered.announced == Announced::BackPressured);
        }
        peer.receive(&mut own, &mut told);
        stalled = producer.events().find_map(|event| match event {
            Event::Stalled {
                channel, stream_id, ..
            } => Some((channel, stream_id)),
            _ => None,
        });
        assert!(started.elapsed() < WAIT, "{:?}", producer.stats());
    }
    let (channel, stream_id) = stalled.unwrap();
    assert!(channel.starts_with("aeron:ipc"), "{channel}");
    assert_eq!(stream_id, 1100);
    let stats = producer.stats();
    assert_eq!(stats.stalls, 1);
    assert!(stats.descriptors_backpressured > 1, "{stats:?}");
    assert!(sent_meanwhile > 100, "{stats:?}");
    let last = *sent.last().unwrap();
    peer.receive_more(&mut own, &mut told, |all| seqs(all).last() == Some(&last));
    let told = seqs(&told);
    let from = told.iter().position(|seq| *seq >= first).unwrap();
    assert!(told[from..] == sent, "nothing else is missing");

    let mut ignored = Vec::new();
    loop {
        peer.receive(&mut sleeper, &mut ignored);
        offer(&mut producer);
        let is_flowing = |event| {
            matches!(
                event,
                Event::Flowing {
                    stream_id: 1100,
                    ..
                }
            )
        };
        if producer.events().any(is_flowing) {
            break;
        }
        assert!(started.elapsed() < 3 * WAIT, "{:?}", producer.stats());
    }
}

/// Proves [TP-CLI-2360].
#[test]
fn progress_is_told_on_own_control_streams_too_and_nothing_else_is() {
    const CONTROL: u32 = 32_001;
    let world = World::new();
    let client = world.client();
    let builder = client.producer(STREAM).progress(ProgressFloors::default());
    let mut producer = builder.wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut own = peer.subscribe(CONTROL as i32, SubscriptionOptions::UNTETHERED);
    peer.say_hello(&ConsumerHello {
        supports_progress: true,
        ..hello(Mode::Stream, 0)
    });
    peer.say_config(&ConsumerConfig {
        control_stream_id: CONTROL,
        control_channel: b"aeron:ipc",
        ..config(Mode::Stream, b"", 0)
    });
    let meta = FrameMeta::bytes(1_000).unwrap();
    let (mut told, started) = (Vec::new(), Instant::now());
    while told.len() < 20 {
        producer.poll();
        peer.receive(&mut own, &mut told);
        if own.is_connected() {
            let claim = producer.claim(&meta, 1_000).unwrap();
            producer.progress(&claim, 1).unwrap();
            producer.commit(claim).unwrap();
        }
        assert!(started.elapsed() < WAIT, "{:?}", producer.progress_stats());
    }
    let decoded: Vec<_> = told
        .iter()
        .map(|bytes| FrameProgress::decode(bytes).expect("nothing but progress"))
        .collect();
    let is_ours = |progress: &FrameProgress| progress.stream_id == STREAM.get();
    assert!(decoded.iter().all(is_ours), "{decoded:?}");
    assert!(decoded.is_sorted_by_key(|progress| progress.seq));
}

/// Proves [TP-CLI-2358].
#[test]
fn frames_flow_without_allocating_on_streams_of_consumers_own_as_well() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let mut own = peer.subscribe(31_001, SubscriptionOptions::UNTETHERED);
    let mut capped = peer.subscribe(31_002, SubscriptionOptions::UNTETHERED);
    for (consumer_id, mode) in [(1, Mode::Stream), (2, Mode::RateLimited)] {
        peer.say_hello(&ConsumerHello {
            stream_id: STREAM.get(),
            consumer_id,
            supports_shm: true,
            supports_progress: false,
            mode,
            max_rate_hz: 1_000,
            expected_layout_version: 1,
            progress_interval_us: None,
            progress_bytes_delta: None,
            progress_major_delta_units: None,
            descriptor_stream_id: 0,
            control_stream_id: 0,
            descriptor_channel: b"",
            control_channel: b"",
        });
        peer.say_config(&ConsumerConfig {
            stream_id: STREAM.get(),
            consumer_id,
            use_shm: true,
            mode,
            descriptor_stream_id: 31_000 + consumer_id,
            control_stream_id: 0,
            payload_fallback_uri: b"",
            descriptor_channel: b"aeron:ipc",
            control_channel: b"",
        });
    }
    let started = Instant::now();
    while !own.is_connected() || !capped.is_connected() {
        producer.poll();
        peer.work();
        assert!(started.elapsed() < WAIT);
    }
    let meta = FrameMeta::bytes(1000).unwrap();
    let bytes = [7; 1000];
    let mut received = 0;
    let mut round = || {
        producer.offer(&meta, &bytes).unwrap();
        own.poll(16, |_, _| received += 1);
        capped.poll(16, |_, _| {});
        producer.stats()
    };
    // Until the producer has taken both up and the cap bites.
    let (started, mut stats) = (Instant::now(), round());
    while stats.own_descriptors < 100 || stats.own_descriptors_skipped == 0 {
        stats = round();
        assert!(started.elapsed() < WAIT, "{stats:?}");
    }
    let before = stats.own_descriptors;
    let allocations = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            stats = round();
        }
    });
    assert_eq!(allocations.count_total, 0, "{allocations:?}");
    assert!(stats.own_descriptors >= before + 1_000, "{stats:?}");
    assert!(received > 0);
}

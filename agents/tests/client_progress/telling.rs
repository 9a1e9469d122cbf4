//! What producers tell, flush and report.

use super::*;

/// Proves [TP-CLI-2600].
#[test]
fn a_hello_says_whether_progress_is_wanted_and_how_often() {
    let world = World::new();
    let client = world.client();
    let _producer = producer(&client);
    let mut peer = Peer::new(&world);
    let plain = client.consumer(STREAM).wait(WAIT).unwrap();
    assert_eq!(peer.next_hello(), (false, [None; 3]));
    drop(plain);
    let hints = ProgressHints {
        interval_us: Some(500),
        bytes_delta: Some(1 << 20),
        major_delta_units: None,
    };
    let _asking = client.consumer(STREAM).progress(hints).wait(WAIT).unwrap();
    let started = Instant::now();
    while peer.next_hello() != (true, [Some(500), Some(1 << 20), None]) {
        assert!(started.elapsed() < WAIT);
    }
}

/// Proves [TP-CLI-2500], [TP-CLI-2505].
#[test]
fn progress_is_told_from_the_first_consumer_that_asks_to_the_last() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let _plain = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let claim = producer.claim(&bytes(100), 100).unwrap();
    assert_eq!(producer.progress(&claim, 10), Ok(ProgressTold::NobodyAsks));
    let asking = prefix_reader(&client);
    tell(&mut producer, &claim, 20);
    drop(asking);
    let started = Instant::now();
    while producer.progress(&claim, 20).unwrap() != ProgressTold::NobodyAsks {
        assert!(started.elapsed() < WAIT, "its lease has ended");
    }
    assert_eq!(producer.progress_stats().sent, 1);
}

/// Proves [TP-CLI-2525], [TP-CLI-2550], [TP-CLI-2570].
#[test]
fn a_frame_is_told_of_from_started_to_complete() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut peer = Peer::new(&world);
    peer.hello(77, true, [None; 3]);
    // One that nobody reports, and one that is offered, are not told of.
    let silent = producer.claim(&bytes(10), 10).unwrap();
    producer.commit(silent).unwrap();
    producer.offer(&bytes(1), b"x").unwrap();
    let claim = producer.claim(&bytes(1_000), 1_000).unwrap();
    for filled in [0, 300, 900] {
        tell(&mut producer, &claim, filled);
    }
    producer.commit(claim).unwrap();
    let heard: Vec<_> = (0..4).map(|_| peer.next_progress()).collect();
    let expected = [
        (FrameProgressState::Started, 2, 0),
        (FrameProgressState::Progress, 2, 300),
        (FrameProgressState::Progress, 2, 900),
        (FrameProgressState::Complete, 2, 1_000),
    ];
    assert_eq!(heard, expected);
    assert_eq!(producer.progress_stats().sent, 4);
}

/// Proves [TP-CLI-2555].
#[test]
fn complete_waits_for_the_descriptor_of_its_frame() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut peer = Peer::new(&world);
    peer.hello(77, true, [None; 3]);
    let older = producer.claim(&bytes(10), 10).unwrap();
    let newer = producer.claim(&bytes(10), 10).unwrap();
    tell(&mut producer, &newer, 5);
    producer.commit(newer).unwrap();
    producer.poll();
    // Held back, and not told of: this comes behind the commit.
    tell(&mut producer, &older, 5);
    producer.commit(older).unwrap();
    let heard: Vec<_> = (0..4).map(|_| peer.next_progress()).collect();
    let expected = [
        (FrameProgressState::Started, 1, 5),
        (FrameProgressState::Started, 0, 5),
        (FrameProgressState::Complete, 0, 10),
        (FrameProgressState::Complete, 1, 10),
    ];
    assert_eq!(heard, expected);
}

/// Proves [TP-CLI-2560].
#[test]
fn a_dropped_claim_that_was_told_of_is_a_hole_and_never_complete() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut consumer = prefix_reader(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let mut peer = Peer::new(&world);
    producer.offer(&bytes(1), b"x").unwrap();
    let told = producer.claim(&bytes(10), 10).unwrap();
    tell(&mut producer, &told, 5);
    drop(told);
    let next = producer.claim(&bytes(10), 10).unwrap();
    assert_eq!(next.seq(), Seq::new(2), "1 was told of");
    tell(&mut producer, &next, 6);
    producer.commit(next).unwrap();
    let heard: Vec<_> = (0..3).map(|_| peer.next_progress()).collect();
    let expected = [
        (FrameProgressState::Started, 1, 5),
        (FrameProgressState::Started, 2, 6),
        (FrameProgressState::Complete, 2, 10),
    ];
    assert_eq!(heard, expected);
    receive(&mut consumer, 2);
    assert_eq!((consumer.stats().seen(), consumer.stats().lost()), (3, 1));
}

#[test]
fn a_claim_of_which_nobody_heard_gives_its_number_back() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let claim = producer.claim(&bytes(10), 10).unwrap();
    assert_eq!(producer.progress(&claim, 5), Ok(ProgressTold::NobodyAsks));
    drop(claim);
    let again = producer.claim(&bytes(10), 10).unwrap();
    assert_eq!(again.seq(), Seq::new(0));
    assert_eq!(producer.progress(&again, 0), Ok(ProgressTold::NobodyAsks));
}

/// Proves [TP-CLI-2540], [TP-CLI-2545].
#[test]
fn reports_that_cannot_be_true_are_refused() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let claim = producer.claim(&bytes(10), 10).unwrap();
    producer.progress(&claim, 5).unwrap();
    let seq = Seq::new(0);
    let backwards = ProgressError::Backwards {
        seq,
        before: 5,
        found: 4,
    };
    let beyond = ProgressError::BeyondPayload {
        seq,
        len: 10,
        found: 11,
    };
    for (filled, error) in [(4, backwards), (11, beyond)] {
        assert_eq!(
            producer.progress(&claim, filled),
            Err(ReportError::Impossible(error))
        );
    }
    drop((claim, producer));
    let mut silent = client.producer(STREAM).wait(WAIT).unwrap();
    let claim = silent.claim(&bytes(10), 10).unwrap();
    assert_eq!(silent.progress(&claim, 1), Err(ReportError::NotEnabled));
}

#[test]
fn a_claim_of_an_epoch_that_ended_has_no_progress() {
    let mut world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let claim = producer.claim(&bytes(10), 10).unwrap();
    let before = claim.epoch();
    world.driver = None;
    let started = Instant::now();
    while producer.epoch().is_some() {
        producer.poll();
        assert!(started.elapsed() < WAIT);
    }
    let stale = Err(ReportError::Stale { claimed: before });
    assert_eq!(producer.progress(&claim, 1), stale);
    world.start_driver();
    producer.wait_room(WAIT).unwrap();
    assert_eq!(producer.progress(&claim, 1), stale);
    // Its number in the new epoch is another frame's.
    let next = producer.claim(&bytes(20), 20).unwrap();
    assert_eq!(next.seq(), claim.seq());
    assert!(producer.commit(claim).is_err());
    assert_eq!(producer.progress(&next, 20), Ok(ProgressTold::NobodyAsks));
    producer.commit(next).unwrap();
}

/// What a flush hook saw.
type Flushed = Arc<Mutex<Vec<Vec<u8>>>>;

fn flushing(client: &Client) -> (Producer, Flushed, Consumer) {
    let flushed = Flushed::default();
    let seen = Arc::clone(&flushed);
    let builder = client.producer(STREAM).progress(FLOORS);
    let producer = builder
        .payload_flush(move |bytes| seen.lock().unwrap().push(bytes.to_vec()))
        .wait(WAIT)
        .unwrap();
    let consumer = prefix_reader(client);
    (producer, flushed, consumer)
}

/// Proves [TP-CLI-2583].
#[test]
fn a_payload_is_flushed_whole_before_its_frame_is_committed() {
    let world = World::new();
    let client = world.client();
    let commits: Arc<Mutex<Vec<u64>>> = Arc::default();
    let seen = Arc::clone(&commits);
    let pools = world.dir.path().join("pools");
    // What a reader of the ring finds in the slot while the payload is flushed.
    let look = move |bytes: &[u8]| {
        let ring = header_ring(&pools).expect("a header ring");
        let word = ring[64..][..8].try_into().unwrap();
        assert_eq!(bytes, b"abc");
        seen.lock().unwrap().push(u64::from_le_bytes(word));
    };
    let builder = client.producer(STREAM).payload_flush(look);
    let mut producer = builder.wait(WAIT).unwrap();
    producer.offer(&bytes(3), b"abc").unwrap();
    for _ in 1..SLOTS {
        let mut claim = producer.claim(&bytes(3), 3).unwrap();
        claim.payload_mut().copy_from_slice(b"abc");
        producer.commit(claim).unwrap();
    }
    let mut claim = producer.claim(&bytes(3), 3).unwrap();
    claim.payload_mut().copy_from_slice(b"abc");
    producer.commit(claim).unwrap();
    let commits = commits.lock().unwrap();
    assert_eq!(commits.len(), SLOTS as usize + 1);
    // Slot 0: being written for frame 0, complete with it, being written for the first of the next
    // lap.
    let lap = u64::from(SLOTS);
    assert_eq!(
        (commits[0], commits[1], *commits.last().unwrap()),
        (0, 1, lap << 1)
    );
}

/// Proves [TP-CLI-2585].
#[test]
fn what_is_told_of_was_flushed_before() {
    let world = World::new();
    let client = world.client();
    let (mut producer, flushed, _consumer) = flushing(&client);
    let mut claim = producer.claim(&bytes(6), 6).unwrap();
    claim.payload_mut().copy_from_slice(b"abcdef");
    tell(&mut producer, &claim, 2);
    tell(&mut producer, &claim, 5);
    assert_eq!(*flushed.lock().unwrap(), [b"ab".to_vec(), b"cde".to_vec()]);
    producer.commit(claim).unwrap();
    assert_eq!(flushed.lock().unwrap().last().unwrap(), b"abcdef");
}

/// Proves [TP-CLI-2590].
#[test]
fn a_report_bears_the_watermark_that_was_set_and_none_before() {
    let world = World::new();
    let client = world.client();
    let mut peer = Peer::new(&world);
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    assert_eq!(peer.next_watermark(), None);
    assert_eq!(consumer.watermark(), None);
    for (set, reported) in [(Some(42), Some(42)), (Some(0), None)] {
        producer.set_watermark(set);
        let started = Instant::now();
        while peer.next_watermark() != reported || consumer.watermark() != reported {
            assert!(started.elapsed() < WAIT);
        }
    }
}

/// The header ring of the only epoch below a directory.
fn header_ring(dir: &std::path::Path) -> Option<Vec<u8>> {
    let entries = std::fs::read_dir(dir).ok()?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find_map(|path| {
            if path.ends_with("header.ring") {
                std::fs::read(path).ok()
            } else {
                header_ring(&path)
            }
        })
}

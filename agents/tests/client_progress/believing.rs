//! What consumers believe, and read before the rest is there.

use super::*;

/// Proves [TP-CLI-2630], [TP-CLI-2575].
#[test]
fn what_is_there_of_a_frame_is_read_before_the_rest() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut consumer = prefix_reader(&client);
    let meta = FrameMeta::new(Dtype::Uint16, &[20, 100]).unwrap();
    let meta = meta.with_progress(ProgressUnit::Rows).unwrap();
    let mut claim = producer.claim(&meta, 4_000).unwrap();
    claim.payload_mut()[..700].fill(7);
    tell(&mut producer, &claim, 700);
    let mut read = None;
    let started = Instant::now();
    while read.is_none() {
        let look = |progress: &tensorpool::client::Progress<'_>| {
            let prefix = progress.prefix().unwrap();
            let mut bytes = vec![0; prefix.len()];
            prefix.copy_to(&mut bytes).unwrap();
            read = Some((*progress.info(), progress.units(), bytes));
        };
        consumer.poll_progress(look, 1).unwrap();
        assert!(started.elapsed() < WAIT);
    }
    let (info, units, bytes) = read.unwrap();
    assert_eq!(
        (info.state, info.committed),
        (ProgressState::Started, false)
    );
    assert_eq!((info.bytes_filled, info.payload_len), (700, 4_000));
    assert_eq!(info.tensor.dims(), [20, 100]);
    assert_eq!(units, Some(3), "three rows of 200 bytes and a half");
    assert_eq!(bytes, [7; 700]);
    // The whole of it is a frame, and told of as complete.
    claim.payload_mut().fill(8);
    producer.commit(claim).unwrap();
    receive(&mut consumer, 1);
    let complete = hear(&mut consumer, 1)[0];
    assert_eq!(
        (complete.state, complete.committed),
        (ProgressState::Complete, true)
    );
    assert_eq!(complete.bytes_filled, 4_000);
}

/// Proves [TP-CLI-2625].
#[test]
fn by_default_only_committed_frames_are_news() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let builder = client.consumer(STREAM).progress(ProgressHints::default());
    let mut consumer = builder.wait(WAIT).unwrap();
    let claim = producer.claim(&bytes(10), 10).unwrap();
    tell(&mut producer, &claim, 5);
    until_dropped(&mut consumer, ProgressDrop::Uncommitted, 1);
    producer.commit(claim).unwrap();
    let heard = hear(&mut consumer, 1);
    assert_eq!(
        (heard[0].state, heard[0].bytes_filled),
        (ProgressState::Complete, 10)
    );
}

/// Proves [TP-CLI-2605].
#[test]
fn who_does_not_ask_hears_of_frames_only() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    let _asking = prefix_reader(&client);
    producer.wait_consumers(2, WAIT).unwrap();
    let claim = producer.claim(&bytes(10), 10).unwrap();
    tell(&mut producer, &claim, 5);
    assert_eq!(
        consumer.poll_progress(|_| {}, 1),
        Err(PollError::NoProgress)
    );
    producer.commit(claim).unwrap();
    receive(&mut consumer, 1);
    assert_eq!(consumer.progress_stats().messages, 0);
}

/// Proves [TP-CLI-2610], [TP-CLI-2612], [TP-CLI-2615].
#[test]
fn messages_of_other_streams_and_epochs_or_without_a_state_are_not_believed() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut consumer = prefix_reader(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let epoch = producer.epoch().unwrap();
    let _claim = producer.claim(&bytes(100), 100).unwrap();
    let mut stranger = Peer::new(&world);
    let started = message(epoch, 0, 10, FrameProgressState::Started);
    stranger.progress(FrameProgress {
        stream_id: STREAM.get() + 1,
        ..started
    });
    for other in [0, epoch.get() - 1, epoch.get() + 1, u64::MAX] {
        let other = Epoch::new(other);
        stranger.progress(message(other, 0, 10, FrameProgressState::Started));
    }
    until_dropped(&mut consumer, ProgressDrop::Epoch, 4);
    stranger.progress_in_state(started, 9);
    stranger.progress_in_state(started, 0);
    until_dropped(&mut consumer, ProgressDrop::State, 1);
    let stats = consumer.progress_stats();
    assert_eq!(
        (stats.messages, stats.malformed, stats.delivered),
        (5, 1, 0)
    );
    stranger.progress(started);
    assert_eq!(hear(&mut consumer, 1)[0].bytes_filled, 10);
}

/// Proves [TP-CLI-2620], [TP-CLI-2640], [TP-CLI-2645].
#[test]
fn what_the_ring_or_earlier_messages_belie_is_not_believed() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut consumer = prefix_reader(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let epoch = producer.epoch().unwrap();
    let claim = producer.claim(&bytes(100), 100).unwrap();
    let mut stranger = Peer::new(&world);
    let mut say = |seq, filled, state| stranger.progress(message(epoch, seq, filled, state));
    // Not begun, a ring ahead, out of any ring.
    for seq in [1, u64::from(SLOTS), u64::MAX, 1 << 63] {
        say(seq, 0, FrameProgressState::Started);
    }
    // A slot that was never written is like one that is being written for frame 0.
    until_dropped(&mut consumer, ProgressDrop::OtherFrame, 4);
    for filled in [101, u64::from(u32::MAX), u64::MAX] {
        say(0, filled, FrameProgressState::Progress);
    }
    until_dropped(&mut consumer, ProgressDrop::BeyondPayload, 3);
    say(0, 50, FrameProgressState::Progress);
    assert_eq!(hear(&mut consumer, 1)[0].bytes_filled, 50);
    say(0, 49, FrameProgressState::Progress);
    say(0, 60, FrameProgressState::Started);
    until_dropped(&mut consumer, ProgressDrop::Regressed, 2);
    producer.commit(claim).unwrap();
    receive(&mut consumer, 1);
    assert_eq!(consumer.stats().lost(), 0);
}

/// Proves [TP-CLI-2665].
#[test]
fn progress_is_no_frame_whatever_it_says() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut consumer = prefix_reader(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let epoch = producer.epoch().unwrap();
    let claim = producer.claim(&bytes(100), 100).unwrap();
    let mut stranger = Peer::new(&world);
    stranger.progress(message(epoch, 0, 100, FrameProgressState::Complete));
    let said = hear(&mut consumer, 1)[0];
    assert_eq!(
        (said.state, said.committed),
        (ProgressState::Complete, false)
    );
    assert_eq!(consumer.poll(|_| panic!("a frame"), 16), Ok(0));
    assert_eq!((consumer.stats().seen(), consumer.last_seq()), (0, None));
    producer.commit(claim).unwrap();
    receive(&mut consumer, 1);
    assert_eq!((consumer.stats().seen(), consumer.stats().lost()), (1, 0));
}

/// Proves [TP-CLI-2660].
#[test]
fn a_prefix_that_is_overwritten_under_its_reader_is_not_given() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut consumer = prefix_reader(&client);
    let claim = producer.claim(&bytes(10), 10).unwrap();
    tell(&mut producer, &claim, 5);
    producer.commit(claim).unwrap();
    let (mut looked, started) = (false, Instant::now());
    while !looked {
        let look = |progress: &tensorpool::client::Progress<'_>| {
            let prefix = progress.prefix().unwrap();
            let seen = prefix.with(|view| {
                for _ in 0..SLOTS {
                    producer.offer(&bytes(5), b"other").unwrap();
                }
                view.len()
            });
            assert!(seen.is_err(), "{seen:?}");
            looked = true;
        };
        consumer.poll_progress(look, 1).unwrap();
        assert!(started.elapsed() < WAIT);
    }
}

/// Proves [TP-CLI-2670].
#[test]
fn a_tensor_with_gaps_that_counts_nothing_has_no_readable_prefix() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut consumer = prefix_reader(&client);
    let padded = tensorpool::client::TensorLayout::with_strides(
        Dtype::Uint8,
        tensorpool::codecs::wire::MajorOrder::Row,
        &[4, 10],
        &[16, 1],
    );
    let meta = FrameMeta::from_layout(padded.unwrap()).unwrap();
    let rows = meta.with_progress(ProgressUnit::Rows).unwrap();
    for (meta, expected) in [(meta, (None, None)), (rows, (Some(2), Some(30)))] {
        let claim = producer.claim(&meta, 64).unwrap();
        tell(&mut producer, &claim, 30);
        let (mut found, started) = (None, Instant::now());
        while found.is_none() {
            let look = |progress: &tensorpool::client::Progress<'_>| {
                let len = progress.prefix().map(|prefix| prefix.len());
                found = Some((progress.units(), len));
            };
            consumer.poll_progress(look, 1).unwrap();
            assert!(started.elapsed() < WAIT);
        }
        assert_eq!(found, Some(expected));
        drop(claim);
    }
}

/// Proves [TP-CLI-2685].
#[test]
fn messages_are_taken_in_while_only_frames_are_asked_for() {
    let world = World::new();
    let client = world.client();
    let mut producer = producer(&client);
    let mut consumer = prefix_reader(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    let epoch = producer.epoch().unwrap();
    let mut stranger = Peer::new(&world);
    // In portions that fit the window of the stream.
    for portion in 1..=10 {
        for seq in 0..50 {
            stranger.progress(message(epoch, seq, 0, FrameProgressState::Started));
        }
        let started = Instant::now();
        while consumer.progress_stats().messages < portion * 50 {
            consumer.poll(|_| {}, 16).unwrap();
            assert!(started.elapsed() < WAIT, "{:?}", consumer.progress_stats());
        }
    }
    assert_eq!(consumer.progress_stats().overrun, 500 - 256);
}

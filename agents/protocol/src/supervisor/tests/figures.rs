//! Rates, lags and losses.

use tensorpool_codecs::types::StreamId;

use super::support::{OTHER, S, STREAM, Supervisor, hello, key, key_on};
use crate::supervisor::CoreConfig;

/// Proves [TP-DRV-2510], [TP-DRV-2530].
#[test]
fn rates_and_lags_are_of_one_epoch() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.announce(STREAM, 7, 50);
    supervisor.produced(STREAM, 7, 50, 100);
    supervisor.report(key(1), 50, 89, (0, 0));
    supervisor.report(key(2), 49, 700, (0, 0));
    supervisor.advance(2 * S);
    supervisor.produced(STREAM, 7, 50, 220);
    supervisor.report(key(1), 50, 199, (0, 0));
    supervisor.report(key(2), 50, 210, (0, 0));
    let seen = supervisor.core.snapshot(supervisor.now);
    assert_eq!(seen.streams[0].rate_hz, 60.0);
    assert_eq!(seen.streams[0].next_seq, Some(220));
    assert_eq!(
        (seen.consumers[0].rate_hz, seen.consumers[0].lag),
        (55.0, Some(20))
    );
    assert_eq!(seen.consumers[1].rate_hz, 0.0, "its epoch has just begun");
    assert_eq!(seen.streams[0].max_lag, 20);
    supervisor.produced(STREAM, 7, 51, 5);
    let seen = supervisor.core.snapshot(supervisor.now);
    assert_eq!(seen.consumers[0].lag, None);
}

/// Proves [TP-DRV-2520], [TP-DRV-2540].
#[test]
fn losses_add_up_over_the_consumers_of_a_stream_also_when_they_begin_anew() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.announce(STREAM, 7, 50);
    supervisor.announce(OTHER, 8, 51);
    for (gap, late) in [(5, 1), (9, 1), (2, 0), (2, 4)] {
        supervisor.report(key(1), 50, 1, (gap, late));
    }
    supervisor.report(key(2), 50, 1, (100, 10));
    supervisor.report(key_on(OTHER, 1), 51, 1, (1_000, 1_000));
    let seen = supervisor.core.snapshot(supervisor.now);
    let one = &seen.consumers[0];
    assert_eq!((one.drops_gap, one.drops_late), (9 + 2, 1 + 4));
    let stream = &seen.streams[0];
    assert_eq!((stream.drops_gap, stream.drops_late), (111, 15));
    assert_eq!((stream.consumers, seen.streams[1].consumers), (2, 1));
}

#[test]
fn a_snapshot_says_what_a_consumer_was_told() {
    let mut supervisor = Supervisor::new(super::support::with_ranges());
    let id = supervisor.descriptor(key(1));
    supervisor.hello(&hello(key(2)));
    supervisor.report(key(3), 9, 4, (0, 0));
    supervisor.advance(S);
    let seen = supervisor.core.snapshot(supervisor.now).consumers;
    assert_eq!(seen[0].descriptor_stream_id, id);
    assert_eq!(
        (seen[1].descriptor_stream_id, seen[1].use_shm),
        (None, Some(true))
    );
    assert_eq!(
        (seen[2].mode, seen[2].last_seq, seen[2].silent_ns),
        (None, Some(4), S)
    );
}

#[test]
fn names_are_kept_as_far_as_they_can_be_shown() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.announce(STREAM, 7, 50);
    let mut name = |bytes: &[u8]| {
        let now = supervisor.now;
        supervisor
            .core
            .on_source_name(now, StreamId::new(STREAM), bytes);
        supervisor.core.snapshot(now).streams[0].name.clone()
    };
    assert_eq!(name(b"front").as_deref(), Some("front"));
    assert_eq!(name("é".repeat(40).as_bytes()), Some("é".repeat(32)));
    assert_eq!(name(b"\x1b[2J"), None);
    assert_eq!(name(b"\xff"), None);
}

//! Who is there, and who is not any more.

use tensorpool_codecs::types::{Epoch, NanoTime};

use super::support::{
    IPC, MS, OTHER, S, STREAM, Supervisor, hello, key, key_on, request, with_ranges,
};
use crate::common::{LeaseRevokeReason, Role};
use crate::supervisor::{
    Answering, ConfigRequest, CoreConfig, Hello, LostReason, StreamStatus, SupervisorEvent,
};

fn consumers(supervisor: &Supervisor) -> u64 {
    supervisor.core.stats().consumers
}

fn stream(supervisor: &Supervisor, stream: u32) -> StreamStatus {
    let streams = supervisor.core.snapshot(supervisor.now).streams;
    let found = streams
        .into_iter()
        .find(|one| one.stream_id.get() == stream);
    found.expect("the stream is known")
}

/// Proves [TP-DRV-2410].
#[test]
fn a_silent_consumer_is_gone_after_the_stale_time_and_its_streams_are_free() {
    let mut supervisor = Supervisor::new(with_ranges());
    supervisor.descriptor(key(1)).expect("an id");
    supervisor.hello(&hello(key(1)));
    supervisor.advance(5 * S - 1);
    assert_eq!(consumers(&supervisor), 1);
    supervisor.advance(S);
    assert_eq!(consumers(&supervisor), 0);
    assert_eq!(supervisor.core.stats().own_descriptor_streams, 0);
    assert_eq!(supervisor.take(), None, "its answer is of no use any more");
    assert_eq!(supervisor.core.stats().consumers_silent, 1);
}

/// Proves [TP-DRV-2410].
#[test]
fn who_is_silent_is_looked_for_a_few_times_per_stale_time() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    let before = supervisor.core.stats().liveness_checks;
    for _ in 0..5_000 {
        supervisor.advance(S / 1_000);
    }
    let checks = supervisor.core.stats().liveness_checks - before;
    assert!((4..=16).contains(&checks), "{checks}");
}

/// Proves [TP-DRV-2415].
#[test]
fn a_hello_or_a_report_is_a_sign_of_life() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.hello(&hello(key(1)));
    supervisor.hello(&hello(key(2)));
    for round in 0..10 {
        supervisor.advance(4 * S);
        supervisor.hello(&hello(key(1)));
        supervisor.report(key(2), 7, round, (0, 0));
        assert_eq!(consumers(&supervisor), 2);
    }
}

/// Proves [TP-DRV-2425].
#[test]
fn a_late_report_does_not_bring_back_a_consumer_whose_lease_ended_and_a_hello_does() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.hello(&hello(key(1)));
    supervisor.lease_end(STREAM, 1, Role::Consumer);
    supervisor.report(key(1), 7, 3, (0, 0));
    assert_eq!(consumers(&supervisor), 0);
    assert_eq!(supervisor.core.stats().late_reports, 1);
    supervisor.hello(&hello(key(1)));
    assert_eq!(consumers(&supervisor), 1);
    supervisor.lease_end(STREAM, 1, Role::Consumer);
    supervisor.advance(S);
    supervisor.report(key(1), 7, 3, (0, 0));
    assert_eq!(consumers(&supervisor), 1, "it lives");
}

#[test]
fn the_end_of_another_lease_ends_nobody() {
    let mut supervisor = Supervisor::new(with_ranges());
    supervisor.descriptor(key(1)).expect("an id");
    supervisor.lease_end(OTHER, 1, Role::Consumer);
    supervisor.lease_end(STREAM, 2, Role::Consumer);
    supervisor.lease_end(STREAM, 1, Role::Producer);
    let stats = supervisor.core.stats();
    assert_eq!((stats.consumers, stats.own_descriptor_streams), (1, 1));
}

/// Proves [TP-DRV-2430], [TP-DRV-2435].
#[test]
fn beyond_its_capacity_a_supervisor_answers_and_follows_nobody() {
    let mut supervisor = Supervisor::new(CoreConfig {
        consumer_capacity: 2,
        ..with_ranges()
    });
    supervisor.hello(&hello(key(1)));
    supervisor.hello(&hello(key(2)));
    for consumer in 3..500 {
        let asks = Hello {
            descriptor: request(IPC, 1),
            ..hello(key(consumer))
        };
        supervisor.hello(&asks);
        supervisor.report(key(consumer), 1, 1, (0, 0));
    }
    assert_eq!(consumers(&supervisor), 2);
    assert!(supervisor.core.waiting_answers() <= 2 + 32, "bounded");
    // Those that are followed have their room nevertheless.
    supervisor.hello(&hello(key(2)));
    let answers: Vec<_> = core::iter::from_fn(|| supervisor.take()).collect();
    assert_eq!([answers[0].key, answers[1].key], [key(1), key(2)]);
    assert_eq!(answers[2].key, key(3));
    assert!(answers.iter().all(|answer| answer.descriptor.is_none()));
    let stats = supervisor.core.stats();
    assert_eq!(stats.hellos_dropped, 500 - 3 - 32);
    let full = SupervisorEvent::Full { capacity: 2 };
    let told = supervisor.events();
    assert_eq!(told.iter().filter(|event| **event == full).count(), 1);
    let now = supervisor.now;
    assert!(
        !supervisor
            .core
            .emit_config(now, key(9), ConfigRequest::default())
    );
}

/// Proves [TP-DRV-2430].
#[test]
fn beyond_its_capacity_who_asks_for_nothing_is_answered_by_one_who_answers_everybody() {
    let asks = |consumer| Hello {
        descriptor: request(IPC, 1),
        ..hello(key(consumer))
    };
    for (answering, told) in [
        (Answering::StreamRequests, vec![key(3)]),
        (Answering::EveryHello, vec![key(2), key(3)]),
    ] {
        let mut supervisor = Supervisor::new(CoreConfig {
            consumer_capacity: 1,
            answering,
            ..with_ranges()
        });
        supervisor.hello(&asks(1));
        assert_eq!(supervisor.take().expect("an answer").key, key(1));
        supervisor.hello(&hello(key(2)));
        supervisor.hello(&asks(3));
        let answers: Vec<_> = core::iter::from_fn(|| supervisor.take()).collect();
        let keys: Vec<_> = answers.iter().map(|answer| answer.key).collect();
        assert_eq!(keys, told);
    }
}

/// Proves [TP-DRV-2440].
#[test]
fn the_producer_of_a_stream_is_the_one_that_is_announced() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.announce(STREAM, 7, 50);
    supervisor.produced(STREAM, 8, 50, 3);
    assert_eq!(stream(&supervisor, STREAM).producer_id.unwrap().get(), 7);
    supervisor.announce(STREAM, 0, 51);
    assert_eq!(stream(&supervisor, STREAM).producer_id, None);
    // Nobody announces this one: its producer's own word has to do.
    supervisor.produced(OTHER, 8, 50, 3);
    assert_eq!(stream(&supervisor, OTHER).producer_id.unwrap().get(), 8);
}

/// Proves [TP-DRV-2450].
#[test]
fn announces_that_are_old_or_of_an_epoch_that_is_over_are_ignored() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.announce(STREAM, 7, 50);
    supervisor.announce(STREAM, 9, 49);
    let long_ago = NanoTime::new(supervisor.now.get() - 5 * S);
    supervisor.announce_of(long_ago, STREAM, 9, 60);
    assert_eq!(stream(&supervisor, STREAM).producer_id.unwrap().get(), 7);
    assert_eq!(stream(&supervisor, STREAM).epoch, Some(Epoch::new(50)));
    assert_eq!(supervisor.core.stats().announces_stale, 2);
    // A driver that was silent for so long has been replaced, and counts as it likes.
    supervisor.advance(5 * S);
    supervisor.announce(STREAM, 9, 49);
    assert_eq!(stream(&supervisor, STREAM).producer_id.unwrap().get(), 9);
}

/// Proves [TP-DRV-2460].
#[test]
fn a_producer_is_lost_by_silence_by_its_lease_and_by_an_announce() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    let lost = |supervisor: &mut Supervisor| {
        let events = supervisor.events();
        let lost = events.into_iter().filter_map(|event| match event {
            SupervisorEvent::ProducerLost {
                producer_id,
                reason,
                ..
            } => Some((producer_id.get(), reason)),
            _ => None,
        });
        lost.collect::<Vec<_>>()
    };
    supervisor.produced(STREAM, 7, 50, 3);
    supervisor.advance(5 * S - 1);
    assert_eq!(lost(&mut supervisor), []);
    supervisor.advance(S);
    assert_eq!(lost(&mut supervisor), [(7, LostReason::Silent)]);
    supervisor.announce(STREAM, 8, 51);
    supervisor.lease_end(STREAM, 8, Role::Producer);
    let ended = LostReason::LeaseEnded(LeaseRevokeReason::Expired);
    assert_eq!(lost(&mut supervisor), [(8, ended)]);
    // Said before, heard after: the announce of the epoch that is over.
    supervisor.announce(STREAM, 8, 51);
    assert_eq!(stream(&supervisor, STREAM).producer_id, None);
    supervisor.announce(STREAM, 8, 52);
    supervisor.announce(STREAM, 9, 53);
    assert_eq!(lost(&mut supervisor), [(8, LostReason::Replaced)]);
}

/// Proves [TP-DRV-2480], [TP-DRV-2720].
#[test]
fn nobody_is_gone_while_nobody_can_be_heard() {
    let mut supervisor = Supervisor::new(with_ranges());
    let mine = supervisor.descriptor(key(1));
    supervisor.produced(STREAM, 7, 50, 3);
    let now = supervisor.now;
    supervisor.core.on_link_lost(now);
    supervisor.advance(60 * S);
    assert_eq!(consumers(&supervisor), 1);
    let now = supervisor.now;
    supervisor.core.on_link_up(now);
    supervisor.advance(5 * S - 1);
    let stats = supervisor.core.stats();
    assert_eq!((stats.consumers, stats.producers), (1, 1));
    assert_eq!(supervisor.descriptor(key(1)), mine);
    supervisor.advance(6 * S);
    let stats = supervisor.core.stats();
    assert_eq!((stats.consumers, stats.producers), (0, 0));
}

/// Proves [TP-DRV-2490].
#[test]
fn the_time_a_supervisor_stood_still_is_nobodys_silence() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.hello(&hello(key(1)));
    supervisor.now = supervisor.now.after_ns(20 * S);
    let now = supervisor.now;
    supervisor.core.on_stall(now, 20 * S);
    supervisor.advance(0);
    assert_eq!(consumers(&supervisor), 1);
    supervisor.advance(4 * S + 999 * MS);
    assert_eq!(consumers(&supervisor), 1);
    supervisor.advance(S);
    assert_eq!(consumers(&supervisor), 0);
}

/// Proves [TP-DRV-2495].
#[test]
fn a_clock_that_goes_backwards_stands_still() {
    let mut supervisor = Supervisor::new(with_ranges());
    supervisor.descriptor(key(1)).expect("an id");
    let now = supervisor.now;
    supervisor.now = NanoTime::new(1);
    supervisor.advance(0);
    supervisor.hello(&hello(key_on(OTHER, 2)));
    supervisor.now = now;
    supervisor.advance(5 * S - 1);
    assert_eq!(consumers(&supervisor), 2);
    supervisor.advance(S);
    assert_eq!(consumers(&supervisor), 0, "it goes on");
}

#[test]
fn streams_nobody_uses_are_forgotten_and_their_number_is_bounded() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    for id in 1..3_000 {
        supervisor.announce(id, 7, u64::from(id));
    }
    assert_eq!(supervisor.core.stats().streams, 1024);
    supervisor.advance(6 * S);
    supervisor.advance(6 * S);
    assert_eq!(supervisor.core.stats().streams, 0);
}

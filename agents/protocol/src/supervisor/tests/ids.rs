//! Who gets which id, for how long, and who after that.

use std::collections::BTreeSet;

use super::support::{IPC, S, STREAM, Supervisor, hello, key, key_on, request, with_ranges};
use crate::common::Role;
use crate::supervisor::{CoreConfig, CoreConfigError, Hello, OwnStreams, SupervisorCore};

/// Proves [TP-DRV-2310], [TP-DRV-2280].
#[test]
fn no_two_consumers_share_a_stream_and_those_without_one_are_declined() {
    let mut supervisor = Supervisor::new(with_ranges());
    let mut taken = BTreeSet::new();
    // Ids that are equal modulo every range length, on two streams.
    for consumer in [key(4), key(8), key_on(7, 4), key_on(7, 8)] {
        let id = supervisor.descriptor(consumer).expect("an id");
        assert!(taken.insert(id), "{id} twice");
    }
    assert_eq!(supervisor.descriptor(key(12)), None, "all are taken");
    let stats = supervisor.core.stats();
    assert_eq!((stats.own_descriptor_streams, stats.ids_exhausted), (4, 1));
}

/// Proves [TP-DRV-2320].
#[test]
fn a_consumer_keeps_its_streams_whatever_id_it_asks_for() {
    let mut supervisor = Supervisor::new(with_ranges());
    let mine = supervisor.descriptor(key(1));
    for wanted in [31_000, 31_001, 31_100, 5] {
        let wish = Hello {
            descriptor: request(IPC, wanted),
            ..hello(key(1))
        };
        let answer = supervisor.answer(&wish).descriptor;
        assert_eq!(answer.map(|own| own.stream_id), mine);
    }
}

/// Proves [TP-DRV-2330].
#[test]
fn ranges_that_overlap_or_that_aeron_does_not_have_are_refused() {
    let start = |descriptor: &[_], control: &[_]| {
        let own = |ids: &[_]| OwnStreams {
            ids: ids.to_vec(),
            channel: None,
        };
        SupervisorCore::new(CoreConfig {
            descriptor: own(descriptor),
            control: own(control),
            ..CoreConfig::default()
        })
    };
    let max = i32::MAX as u32;
    start(&[1..=9, 20..=max], &[10..=19]).unwrap();
    for bad in [0..=5, 1..=max + 1, std::ops::RangeInclusive::new(6, 5)] {
        let error = start(core::slice::from_ref(&bad), &[]).unwrap_err();
        assert_eq!(error, CoreConfigError::Range(bad));
    }
    let error = start(&[1..=9], &[9..=9]).unwrap_err();
    assert_eq!(error, CoreConfigError::Overlap(9..=9, 1..=9));
    assert!(start(&[1..=9, 5..=6], &[]).is_err());
    let config = |consumer_capacity, consumer_stale_ns| CoreConfig {
        consumer_capacity,
        consumer_stale_ns,
        ..CoreConfig::default()
    };
    let error = |config| SupervisorCore::new(config).unwrap_err();
    assert_eq!(error(config(0, 1)), CoreConfigError::Capacity(0));
    assert_eq!(error(config(1, 0)), CoreConfigError::Stale);
}

fn one_id() -> CoreConfig {
    CoreConfig {
        descriptor: OwnStreams {
            ids: vec![31_000..=31_000],
            channel: None,
        },
        id_reuse_delay_ns: 4 * S,
        ..CoreConfig::default()
    }
}

/// Proves [TP-DRV-2340], [TP-DRV-2420].
#[test]
fn the_stream_of_a_lease_that_ended_goes_to_another_after_the_delay() {
    let mut supervisor = Supervisor::new(one_id());
    assert_eq!(supervisor.descriptor(key(1)), Some(31_000));
    supervisor.lease_end(STREAM, 1, Role::Consumer);
    assert_eq!(supervisor.core.stats().own_descriptor_streams, 0);
    assert_eq!(supervisor.core.stats().consumers, 0);
    assert_eq!(supervisor.descriptor(key(2)), None);
    supervisor.advance(4 * S - 1);
    assert_eq!(supervisor.descriptor(key(2)), None);
    supervisor.advance(1);
    assert_eq!(supervisor.descriptor(key(2)), Some(31_000));
}

/// Proves [TP-DRV-2350].
#[test]
fn a_consumer_that_comes_back_gets_the_stream_it_had() {
    let mut supervisor = Supervisor::new(with_ranges());
    let had = supervisor.descriptor(key(1));
    supervisor.lease_end(STREAM, 1, Role::Consumer);
    assert_ne!(supervisor.descriptor(key(2)), had);
    assert_eq!(supervisor.descriptor(key(1)), had, "within the delay");
    supervisor.lease_end(STREAM, 1, Role::Consumer);
    supervisor.advance(60 * S);
    assert_eq!(supervisor.descriptor(key(1)), had, "and after it");
}

/// Proves [TP-DRV-2355].
#[test]
fn after_a_restart_consumers_get_the_streams_they_name() {
    let mut supervisor = Supervisor::new(with_ranges());
    let wish = |consumer, wanted| Hello {
        descriptor: request(IPC, wanted),
        ..hello(key(consumer))
    };
    let id = |answer: crate::supervisor::ConsumerConfig| answer.descriptor.unwrap().stream_id;
    assert_eq!(id(supervisor.answer(&wish(1, 31_101))), 31_101);
    assert_eq!(id(supervisor.answer(&wish(2, 31_001))), 31_001);
    let third = id(supervisor.answer(&wish(3, 31_001)));
    assert!(third != 31_001 && third != 31_101, "{third} is taken");
}

/// Proves [TP-DRV-2360].
#[test]
fn a_consumer_that_was_declined_gets_a_stream_when_one_is_free() {
    let mut supervisor = Supervisor::new(one_id());
    supervisor.descriptor(key(1));
    assert_eq!(supervisor.descriptor(key(2)), None);
    supervisor.answer(&hello(key(1)));
    supervisor.advance(4 * S);
    assert_eq!(supervisor.descriptor(key(2)), Some(31_000));
}

/// Proves [TP-DRV-2370].
#[test]
fn consumers_that_come_and_go_leave_no_trace_that_grows() {
    let mut supervisor = Supervisor::new(CoreConfig {
        descriptor: OwnStreams {
            ids: vec![1..=1_000_000],
            channel: None,
        },
        consumer_capacity: 4,
        id_reuse_delay_ns: 0,
        ..CoreConfig::default()
    });
    for consumer in 0..3_000 {
        assert!(supervisor.descriptor(key(consumer)).is_some());
        supervisor.lease_end(STREAM, consumer, Role::Consumer);
        assert!(supervisor.core.descriptor.ids.remembered() <= 4 + 1024);
    }
    let stats = supervisor.core.stats();
    assert_eq!((stats.consumers, stats.own_descriptor_streams), (0, 0));
}

//! What is told to people, and what is not.

use tensorpool_codecs::types::{ClientId, Epoch, StreamId};

use super::support::{IPC, S, STREAM, Supervisor, hello, key, request, with_ranges};
use crate::common::{LeaseRevokeReason, Role};
use crate::supervisor::{
    CoreConfig, Declined, Hello, LostReason, OwnStreams, Policy, SupervisorEvent,
};

/// Proves [TP-DRV-2610].
#[test]
fn who_comes_and_goes_is_told_once() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    for _ in 0..3 {
        supervisor.answer(&hello(key(1)));
        supervisor.report(key(1), 50, 1, (0, 0));
        supervisor.announce(STREAM, 7, 50);
        supervisor.produced(STREAM, 7, 50, 2);
    }
    let (stream_id, producer_id) = (StreamId::new(STREAM), ClientId::new(7));
    let came = [
        SupervisorEvent::ConsumerJoined { key: key(1) },
        SupervisorEvent::ProducerJoined {
            stream_id,
            producer_id,
            epoch: Epoch::new(50),
        },
    ];
    assert_eq!(supervisor.events(), came);
    supervisor.lease_end(STREAM, 1, Role::Consumer);
    supervisor.lease_end(STREAM, 1, Role::Consumer);
    let reason = LostReason::LeaseEnded(LeaseRevokeReason::Expired);
    let gone = [SupervisorEvent::ConsumerLost {
        key: key(1),
        reason,
    }];
    assert_eq!(supervisor.events(), gone);
    supervisor.hello(&hello(key(1)));
    supervisor.advance(6 * S);
    let events = supervisor.events();
    let silent = SupervisorEvent::ConsumerLost {
        key: key(1),
        reason: LostReason::Silent,
    };
    assert!(events.contains(&silent), "{events:?}");
}

/// Proves [TP-DRV-2620], [TP-DRV-2660].
#[test]
fn losses_are_told_once_a_second_and_none_is_left_out() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.report(key(1), 50, 1, (1_000, 1_000));
    supervisor.events();
    let drops = |supervisor: &mut Supervisor| {
        let events = supervisor.events().into_iter();
        let drops = events.filter_map(|event| match event {
            SupervisorEvent::Drops { gap, late, .. } => Some((gap, late)),
            _ => None,
        });
        drops.collect::<Vec<_>>()
    };
    let (mut told, mut told_at) = ((0, 0), supervisor.now);
    for n in 1..=100 {
        supervisor.advance(S / 20);
        supervisor.report(key(1), 50, 1, (1_000 + n, 1_000 + 2 * n));
        let news = drops(&mut supervisor);
        if !news.is_empty() {
            assert_eq!(news.len(), 1);
            assert!(supervisor.now.since_ns(told_at) >= S, "after {n} reports");
            told_at = supervisor.now;
        }
        told = news
            .iter()
            .fold(told, |sum, one| (sum.0 + one.0, sum.1 + one.1));
    }
    assert!(told.0 <= 100 && told.0 > 70, "{told:?}");
    supervisor.advance(S);
    supervisor.advance(S);
    told = drops(&mut supervisor)
        .iter()
        .fold(told, |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!(told, (100, 200));
}

/// Proves [TP-DRV-2630].
#[test]
fn what_was_told_before_or_goes_without_saying_is_no_news() {
    let mut supervisor = Supervisor::new(with_ranges());
    supervisor.answer(&hello(key(1)));
    let joined = SupervisorEvent::ConsumerJoined { key: key(1) };
    assert_eq!(supervisor.events(), [joined], "shared streams, as it asked");
    for _ in 0..5 {
        supervisor.descriptor(key(1));
    }
    let events = supervisor.events();
    assert!(
        matches!(&events[..], [SupervisorEvent::Configured { config, .. }] if config.descriptor.is_some()),
        "{events:?}"
    );
    let now = supervisor.now;
    let policy = Policy {
        force_no_shm: true,
        ..Policy::default()
    };
    supervisor.core.set_policy(now, policy.clone());
    supervisor.core.set_policy(now, policy);
    assert_eq!(supervisor.events().len(), 1);
}

#[test]
fn a_decline_says_why() {
    let mut config = with_ranges();
    config.descriptor.ids = vec![31_000..=31_000];
    config.control = OwnStreams::default();
    let mut supervisor = Supervisor::new(config);
    let mut why = |consumer, descriptor, control| {
        let wish = Hello {
            descriptor,
            control,
            ..hello(key(consumer))
        };
        supervisor.answer(&wish);
        let events = supervisor.events().into_iter();
        let reasons = events.filter_map(|event| match event {
            SupervisorEvent::Configured {
                descriptor,
                control,
                ..
            } => Some((descriptor, control)),
            _ => None,
        });
        reasons.last()
    };
    let (good, udp) = (request(IPC, 1), request(b"aeron:udp?endpoint=h:1", 1));
    assert_eq!(
        why(1, good, good),
        Some((None, Some(Declined::NotConfigured)))
    );
    assert_eq!(
        why(2, good, request(b"", 0)),
        Some((Some(Declined::Exhausted), None))
    );
    assert_eq!(
        why(3, udp, request(b"", 0)),
        Some((Some(Declined::Channel), None))
    );
    assert_eq!(
        why(4, request(b"", 3), request(b"", 0)),
        Some((Some(Declined::Incomplete), None))
    );
}

/// Proves [TP-DRV-2640].
#[test]
fn a_flood_of_news_is_cut_and_counted() {
    let mut supervisor = Supervisor::new(CoreConfig {
        consumer_capacity: 2_000,
        ..CoreConfig::default()
    });
    for consumer in 0..1_000 {
        supervisor.hello(&hello(key(consumer)));
    }
    assert_eq!(supervisor.events().len(), 64);
    supervisor.advance(S);
    let count = 1_000 - 64;
    assert_eq!(supervisor.events(), [SupervisorEvent::Suppressed { count }]);
    // Nobody listens: what waits is bounded.
    for consumer in 2_000..4_000 {
        supervisor.lease_end(STREAM, consumer - 2_000, Role::Consumer);
        supervisor.hello(&hello(key(consumer)));
        supervisor.advance(S);
    }
    assert!(supervisor.events().len() <= 256);
}

/// Proves [TP-DRV-2650].
#[test]
fn a_second_authority_is_complained_of_now_and_then() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    for _ in 0..11 {
        let now = supervisor.now;
        supervisor.core.on_foreign_config(now, key(1));
        supervisor.advance(S);
    }
    assert_eq!(supervisor.core.stats().foreign_configs, 11);
    let complaint = SupervisorEvent::ForeignConfig { key: key(1) };
    assert_eq!(supervisor.events(), [complaint.clone(), complaint]);
}

/// Proves [TP-DRV-2670].
#[test]
fn two_that_report_under_one_id_are_noticed_and_one_that_was_restarted_is_not() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    let report = |supervisor: &mut Supervisor, consumer: u32, session_id: i32| {
        supervisor.report(key(consumer), 50, 1, (0, 0));
        let now = supervisor.now;
        supervisor
            .core
            .on_report_session(now, key(consumer), session_id);
    };
    let shared = |supervisor: &mut Supervisor| {
        let events = supervisor.events().into_iter();
        let told = events.filter(|event| matches!(event, SupervisorEvent::IdShared { .. }));
        told.collect::<Vec<_>>()
    };
    for session_id in [7, 7, 8, 8, 9, -1] {
        report(&mut supervisor, 1, session_id);
    }
    assert_eq!(
        shared(&mut supervisor),
        [],
        "each took the last one's place"
    );
    assert_eq!(supervisor.core.stats().id_collisions, 0);
    for _ in 0..3 {
        report(&mut supervisor, 2, 21);
        report(&mut supervisor, 2, 22);
    }
    let event = SupervisorEvent::IdShared { key: key(2) };
    let told = shared(&mut supervisor);
    assert_eq!(told, std::slice::from_ref(&event), "once in ten seconds");
    assert_eq!(supervisor.core.stats().id_collisions, 4);
    for _ in 0..11 {
        supervisor.advance(S);
        report(&mut supervisor, 2, 21);
        report(&mut supervisor, 2, 22);
    }
    assert_eq!(shared(&mut supervisor), [event]);
}

//! Who is answered, and what about mode and shared memory.

use tensorpool_codecs::wire::Mode;

use super::support::{IPC, Supervisor, hello, key, key_on, request, with_ranges};
use crate::supervisor::{
    Answering, ConfigRequest, ConsumerConfig, CoreConfig, FallbackUri, Hello, Policy,
};

fn uri(text: &str) -> FallbackUri {
    FallbackUri::new(text).unwrap()
}

/// Proves [TP-DRV-2010].
#[test]
fn every_hello_is_answered_to_its_stream_and_consumer() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    for round in 0..3 {
        for stream in [7, 8] {
            let answer = supervisor.answer(&hello(key_on(stream, 5)));
            assert_eq!(answer.key, key_on(stream, 5), "round {round}");
            assert!(answer.use_shm && answer.descriptor.is_none() && answer.control.is_none());
        }
    }
    let stats = supervisor.core.stats();
    assert_eq!((stats.hellos, stats.configs_published), (6, 6));
}

/// Proves [TP-DRV-2010].
#[test]
fn a_hello_of_one_there_is_no_room_for_is_answered_as_well() {
    let mut supervisor = Supervisor::new(CoreConfig {
        consumer_capacity: 1,
        ..CoreConfig::default()
    });
    supervisor.answer(&hello(key(1)));
    let answer = supervisor.answer(&hello(key(2)));
    assert!(answer.use_shm);
    assert_eq!(supervisor.core.stats().consumers, 1);
}

/// Proves [TP-DRV-2050], [TP-DRV-2060].
#[test]
fn an_answer_waits_until_it_was_sent_and_a_later_one_takes_its_place() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.hello(&hello(key(1)));
    supervisor.hello(&hello(key(2)));
    for _ in 0..100 {
        let limited = Hello {
            mode: Mode::RateLimited,
            ..hello(key(1))
        };
        supervisor.hello(&limited);
        let waiting = supervisor.core.peek_answer().expect("kept");
        assert_eq!((waiting.key, waiting.mode), (key(1), Mode::RateLimited));
        assert_eq!(supervisor.core.waiting_answers(), 2);
    }
    assert_eq!(supervisor.take().unwrap().key, key(1));
    assert_eq!(supervisor.take().unwrap().key, key(2));
    assert_eq!(supervisor.take(), None);
}

/// Proves [TP-DRV-2070], [TP-DRV-2075].
#[test]
fn a_driver_with_ranges_answers_who_asks_for_streams_and_nobody_else() {
    let mut driver = Supervisor::new(CoreConfig {
        answering: Answering::StreamRequests,
        ..with_ranges()
    });
    driver.hello(&hello(key(1)));
    assert_eq!(driver.take(), None);
    for descriptor in [request(IPC, 1), request(IPC, 0), request(b"", 9)] {
        let consumer = key(descriptor.channel.len() as u32 + descriptor.stream_id);
        let asks = Hello {
            descriptor,
            ..hello(consumer)
        };
        assert!(driver.answer(&asks).use_shm);
        assert_eq!(driver.answer(&hello(consumer)).descriptor, None);
        driver.answer(&hello(consumer));
    }
}

/// Proves [TP-DRV-2110].
#[test]
fn shared_memory_is_for_those_who_can_map_it_and_for_nobody_by_force() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    let cannot = Hello {
        supports_shm: false,
        ..hello(key(2))
    };
    assert!(supervisor.answer(&hello(key(1))).use_shm);
    assert!(!supervisor.answer(&cannot).use_shm);
    let force_no_shm = Policy {
        force_no_shm: true,
        ..Policy::default()
    };
    supervisor.core.set_policy(supervisor.now, force_no_shm);
    assert!(!supervisor.take().unwrap().use_shm);
    assert!(!supervisor.answer(&hello(key(1))).use_shm);
}

/// Proves [TP-DRV-2120], [TP-DRV-2130].
#[test]
fn the_mode_is_the_one_asked_for_unless_one_is_forced() {
    let limited = |consumer| Hello {
        mode: Mode::RateLimited,
        ..hello(key(consumer))
    };
    for (forced, of_stream, of_limited) in [
        (None, Mode::Stream, Mode::RateLimited),
        (Some(Mode::Stream), Mode::Stream, Mode::Stream),
        (
            Some(Mode::RateLimited),
            Mode::RateLimited,
            Mode::RateLimited,
        ),
    ] {
        let mut supervisor = Supervisor::new(CoreConfig {
            policy: Policy {
                force_mode: forced,
                ..Policy::default()
            },
            ..CoreConfig::default()
        });
        assert_eq!(supervisor.answer(&hello(key(1))).mode, of_stream);
        assert_eq!(supervisor.answer(&limited(2)).mode, of_limited);
    }
}

/// Proves [TP-DRV-2140].
#[test]
fn the_fallback_is_told_with_and_without_shared_memory() {
    let mut supervisor = Supervisor::new(CoreConfig {
        policy: Policy {
            payload_fallback_uri: Some(uri("bridge://lab")),
            ..Policy::default()
        },
        ..CoreConfig::default()
    });
    for supports_shm in [true, false] {
        let said = Hello {
            supports_shm,
            ..hello(key(1))
        };
        let answer = supervisor.answer(&said);
        assert_eq!(answer.payload_fallback_uri, Some(uri("bridge://lab")));
    }
}

/// Proves [TP-DRV-2150].
#[test]
fn only_aeron_and_bridge_uris_are_fallbacks() {
    for good in [
        "aeron:udp?endpoint=10.0.0.1:40123",
        "aeron:ipc",
        "bridge://lab-1",
    ] {
        assert_eq!(uri(good).as_str(), good);
    }
    let long = format!("aeron:udp?endpoint={}", "x".repeat(1024));
    let bad = [
        "",
        "http://host/",
        "aeron:",
        "bridge://",
        "bridge:lab",
        "aeron:udp ?",
        &long,
    ];
    for bad in bad {
        let error = FallbackUri::new(bad).unwrap_err();
        assert!(error.to_string().contains("bridge://"), "{error}");
    }
}

fn policy(mode: Mode) -> Policy {
    Policy {
        force_mode: Some(mode),
        ..Policy::default()
    }
}

/// Proves [TP-DRV-2160], [TP-DRV-2165].
#[test]
fn a_new_policy_is_told_at_once_to_those_it_concerns_and_to_nobody_else() {
    let mut supervisor = Supervisor::new(CoreConfig::default());
    supervisor.answer(&hello(key(1)));
    let limited = Hello {
        mode: Mode::RateLimited,
        ..hello(key(2))
    };
    supervisor.answer(&limited);
    // Heard of by its reports only: it was told nothing, and is told nothing else now.
    supervisor.report(key(3), 1, 0, (0, 0));
    let now = supervisor.now;
    supervisor.core.set_policy(now, policy(Mode::RateLimited));
    let told = supervisor.take().expect("the change");
    assert_eq!((told.key, told.mode), (key(1), Mode::RateLimited));
    assert_eq!(supervisor.take(), None);
    supervisor.core.set_policy(now, Policy::default());
    assert_eq!(supervisor.take().map(|told| told.mode), Some(Mode::Stream));
    assert_eq!(supervisor.core.policy(), &Policy::default());
}

/// Proves [TP-DRV-2170].
#[test]
fn what_one_consumer_is_told_beyond_the_policy_holds_for_as_long_as_it_is_there() {
    let mut supervisor = Supervisor::new(CoreConfig {
        policy: policy(Mode::RateLimited),
        ..CoreConfig::default()
    });
    let wanted = ConfigRequest {
        use_shm: Some(false),
        mode: Some(Mode::Stream),
        payload_fallback_uri: Some(uri("bridge://x")),
    };
    let is_as_wanted = |told: &ConsumerConfig| {
        let fallback = told.payload_fallback_uri == wanted.payload_fallback_uri;
        !told.use_shm && told.mode == Mode::Stream && fallback
    };
    let now = supervisor.now;
    assert!(supervisor.core.emit_config(now, key(1), wanted.clone()));
    assert!(is_as_wanted(&supervisor.take().expect("at once")));
    assert!(is_as_wanted(&supervisor.answer(&hello(key(1)))));
    assert!(is_as_wanted(&supervisor.answer(&hello(key(1)))));
    assert_eq!(supervisor.answer(&hello(key(2))).mode, Mode::RateLimited);

    // Shared memory is not forced upon one that cannot map it.
    let cannot = Hello {
        supports_shm: false,
        ..hello(key(2))
    };
    let map = ConfigRequest {
        use_shm: Some(true),
        ..ConfigRequest::default()
    };
    assert!(supervisor.core.emit_config(now, key(2), map));
    assert!(supervisor.take().unwrap().use_shm);
    assert!(!supervisor.answer(&cannot).use_shm);
}

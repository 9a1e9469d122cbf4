//! Which configs are obeyed, with a clock that is an integer.

use super::*;

mod random;

const STREAM: StreamId = StreamId::new(10_000);
const US: ClientId = ClientId::new(7);
const SECOND: u64 = REPORT_PERIOD_NS;

fn at(ms: u64) -> NanoTime {
    NanoTime::new(ms * 1_000_000)
}

fn endpoint(stream_id: u32) -> AeronEndpoint {
    AeronEndpoint {
        channel: "aeron:ipc".into(),
        stream_id,
    }
}

fn shared() -> AeronEndpoint {
    AeronEndpoint {
        channel: "aeron:ipc?term-length=1m".into(),
        stream_id: 1100,
    }
}

fn follower(wishes: ConsumerWishes) -> ConfigFollower {
    let mut follower = ConfigFollower::new(wishes, shared(), None);
    follower.on_granted(STREAM, US);
    follower
}

/// Declines everything.
fn config() -> ConsumerConfig {
    ConsumerConfig {
        stream_id: STREAM,
        consumer_id: US,
        use_shm: true,
        mode: ConsumerMode::Stream,
        descriptor_stream_id: 0,
        control_stream_id: 0,
        payload_fallback_uri: String::new(),
        descriptor_channel: String::new(),
        control_channel: String::new(),
    }
}

fn assigning(stream_id: u32) -> ConsumerConfig {
    ConsumerConfig {
        descriptor_stream_id: stream_id,
        descriptor_channel: "aeron:ipc".into(),
        ..config()
    }
}

fn is_channel(text: &str) -> bool {
    text.starts_with("aeron:")
}

fn hear(follower: &mut ConfigFollower, now: NanoTime, config: &ConsumerConfig) -> ConfigOutcome {
    follower.on_config(now, config, is_channel)
}

/// Proves [TP-CLI-2110], [TP-CLI-2120].
#[test]
fn a_hello_says_what_was_asked_for() {
    let wishes = ConsumerWishes {
        supports_shm: true,
        mode: ConsumerMode::RateLimited,
        max_rate_hz: u16::MAX,
        progress: Some(ProgressHints {
            interval_us: Some(250),
            ..ProgressHints::default()
        }),
        descriptor: Some(endpoint(20_000)),
        control: None,
    };
    let hello = wishes.hello(STREAM, US);
    assert_eq!((hello.stream_id, hello.consumer_id), (STREAM, US));
    assert_eq!(
        (hello.mode, hello.max_rate_hz),
        (ConsumerMode::RateLimited, 65_535)
    );
    assert!(hello.supports_shm && hello.supports_progress);
    assert_eq!(hello.progress.interval_us, Some(250));
    assert_eq!(hello.descriptor, OwnStream::On(endpoint(20_000)));
    assert_eq!(hello.control, OwnStream::Absent);
    let plain = ConsumerWishes::default().hello(STREAM, US);
    assert_eq!((plain.mode, plain.max_rate_hz), (ConsumerMode::Stream, 0));
    assert!(!plain.supports_progress);
}

/// Proves [TP-CLI-2130].
#[test]
fn half_a_stream_is_not_asked_for() {
    for (channel, stream_id) in [("aeron:ipc", 0), ("aeron:ipc", u32::MAX), ("", 5)] {
        let half = Some(AeronEndpoint {
            channel: channel.into(),
            stream_id,
        });
        let wishes = ConsumerWishes {
            descriptor: half.clone(),
            control: half,
            ..ConsumerWishes::default()
        };
        let hello = wishes.hello(STREAM, US);
        assert_eq!(hello.descriptor, OwnStream::Absent, "{channel} {stream_id}");
        assert_eq!(hello.control, OwnStream::Absent);
    }
}

/// Proves [TP-CLI-2140].
#[test]
fn configs_of_other_streams_and_consumers_are_not_obeyed() {
    let mut follower = follower(ConsumerWishes::default());
    let version = follower.version();
    let of_stream = ConsumerConfig {
        stream_id: StreamId::new(1),
        ..assigning(5)
    };
    let of_consumer = ConsumerConfig {
        consumer_id: ClientId::new(8),
        ..assigning(5)
    };
    for foreign in [of_stream, of_consumer] {
        assert_eq!(hear(&mut follower, at(0), &foreign), ConfigOutcome::Foreign);
    }
    assert_eq!(follower.version(), version);
    assert_eq!(follower.settings().descriptor, None);
    let mut unattached = ConfigFollower::new(ConsumerWishes::default(), shared(), None);
    assert_eq!(
        hear(&mut unattached, at(0), &assigning(5)),
        ConfigOutcome::Foreign
    );
}

/// Proves [TP-CLI-2150].
#[test]
fn a_config_with_half_a_stream_is_ignored_whole() {
    let mut follower = follower(ConsumerWishes::default());
    let off = ConsumerConfig {
        use_shm: false,
        ..config()
    };
    let halves = [
        ConsumerConfig {
            descriptor_channel: "aeron:ipc".into(),
            ..off.clone()
        },
        ConsumerConfig {
            descriptor_stream_id: 5,
            ..off.clone()
        },
        ConsumerConfig {
            control_channel: "aeron:ipc".into(),
            ..off.clone()
        },
        ConsumerConfig {
            control_stream_id: 5,
            ..off.clone()
        },
        ConsumerConfig {
            descriptor_channel: "tcp:nowhere".into(),
            descriptor_stream_id: 5,
            ..off.clone()
        },
        ConsumerConfig {
            descriptor_channel: "aeron:ipc".into(),
            descriptor_stream_id: 1 << 31,
            ..off
        },
    ];
    let count = halves.len() as u64;
    for half in &halves {
        assert_eq!(hear(&mut follower, at(0), half), ConfigOutcome::Invalid);
    }
    assert!(follower.settings().use_shm, "not even the rest of it holds");
    assert_eq!(follower.stats().invalid, count);
    let null = ConsumerConfig {
        descriptor_stream_id: u32::MAX,
        ..config()
    };
    assert_eq!(
        hear(&mut follower, at(0), &null),
        ConfigOutcome::Unchanged,
        "null is no id"
    );
}

/// Proves [TP-CLI-2160].
#[test]
fn a_repeated_config_changes_nothing() {
    let mut follower = follower(ConsumerWishes::default());
    assert_eq!(
        hear(&mut follower, at(0), &assigning(5)),
        ConfigOutcome::Applied
    );
    let version = follower.version();
    for second in 1..10 {
        assert_eq!(
            hear(&mut follower, at(second * 1_000), &assigning(5)),
            ConfigOutcome::Unchanged
        );
    }
    assert_eq!(follower.version(), version);
    assert_eq!(follower.settings().descriptor, Some(endpoint(5)));
    assert!(!follower.needs_shared());
}

/// Proves [TP-CLI-2170].
#[test]
fn of_two_authorities_the_first_is_followed_while_it_answers() {
    let mut follower = follower(ConsumerWishes::default());
    for second in 0..10 {
        let first = hear(&mut follower, at(second * 1_000), &assigning(5));
        let other = hear(&mut follower, at(second * 1_000 + 1), &assigning(6));
        follower.on_own_stream(at(second * 1_000 + 2), true);
        assert_ne!(first, ConfigOutcome::Conflicting);
        assert_eq!(other, ConfigOutcome::Conflicting);
    }
    assert_eq!(follower.settings().descriptor, Some(endpoint(5)));
    assert_eq!(follower.stats().conflicting, 10);
    assert_eq!(
        hear(&mut follower, at(10_999), &assigning(6)),
        ConfigOutcome::Conflicting
    );
    assert_eq!(
        hear(&mut follower, at(11_000), &assigning(6)),
        ConfigOutcome::Applied,
        "two periods after the first fell silent"
    );
}

/// Proves [TP-CLI-2170].
#[test]
fn a_decline_is_obeyed_at_once_and_so_is_anybody_when_the_stream_is_silent() {
    let mut follower = follower(ConsumerWishes::default());
    hear(&mut follower, at(0), &assigning(5));
    assert_eq!(
        hear(&mut follower, at(1), &config()),
        ConfigOutcome::Applied
    );
    assert!(follower.needs_shared());
    hear(&mut follower, at(2), &assigning(5));
    for second in 1..3 {
        hear(&mut follower, at(second * 1_000), &assigning(5));
        let other = hear(&mut follower, at(second * 1_000 + 1), &assigning(6));
        assert_eq!(other, ConfigOutcome::Conflicting);
    }
    hear(&mut follower, at(3_001), &assigning(5));
    follower.on_timeout(at(3_002));
    assert_eq!(
        hear(&mut follower, at(3_003), &assigning(6)),
        ConfigOutcome::Applied
    );
}

/// Proves [TP-CLI-2199].
#[test]
fn a_stream_without_a_publication_for_three_periods_is_not_relied_on() {
    let mut follower = follower(ConsumerWishes::default());
    hear(&mut follower, at(0), &assigning(5));
    follower.on_own_stream(at(10), true);
    assert_eq!(follower.next_deadline(), None);
    follower.on_own_stream(at(1_000), false);
    follower.on_own_stream(at(2_000), false);
    assert_eq!(follower.next_deadline(), Some(at(4_000)));
    follower.on_timeout(at(3_999));
    assert!(!follower.needs_shared());
    let version = follower.version();
    follower.on_timeout(at(4_000));
    assert!(follower.needs_shared() && follower.version() > version);
    assert_eq!(
        follower.settings().descriptor,
        Some(endpoint(5)),
        "it still is its stream"
    );
    follower.on_own_stream(at(4_100), true);
    assert!(!follower.needs_shared());
}

/// Proves [TP-CLI-2199].
#[test]
fn a_stream_that_never_had_a_publication_counts_from_its_assignment() {
    let mut follower = follower(ConsumerWishes::default());
    hear(&mut follower, at(500), &assigning(5));
    follower.on_timeout(at(3_499));
    assert!(!follower.needs_shared());
    follower.on_timeout(at(3_500));
    assert!(follower.needs_shared());
}

/// Proves [TP-CLI-2185].
#[test]
fn being_assigned_the_shared_stream_is_a_decline() {
    let mut follower = follower(ConsumerWishes::default());
    let version = follower.version();
    hear(&mut follower, at(0), &assigning(1100));
    assert_eq!(follower.settings().descriptor, None);
    assert_eq!(follower.version(), version);
    let elsewhere = ConsumerConfig {
        descriptor_channel: "aeron:udp?endpoint=127.0.0.1:4000".into(),
        ..assigning(1100)
    };
    hear(&mut follower, at(0), &elsewhere);
    assert!(follower.settings().descriptor.is_some());
}

/// Proves [TP-CLI-2190].
#[test]
fn a_config_holds_as_long_as_the_lease_it_was_for() {
    let mut follower = follower(ConsumerWishes::default());
    let off = ConsumerConfig {
        use_shm: false,
        ..assigning(5)
    };
    hear(&mut follower, at(0), &off);
    follower.on_lost();
    assert!(follower.settings().use_shm && follower.needs_shared());
    assert_eq!(hear(&mut follower, at(1), &off), ConfigOutcome::Foreign);
    follower.on_granted(STREAM, US);
    assert_eq!(
        hear(&mut follower, at(2), &assigning(6)),
        ConfigOutcome::Applied,
        "the authority of the lease before keeps nobody out"
    );
}

/// Proves [TP-CLI-2210], [TP-CLI-2220].
#[test]
fn the_rate_is_kept_when_it_was_asked_for_or_told() {
    let asking = |mode| {
        follower(ConsumerWishes {
            mode,
            max_rate_hz: 30,
            ..ConsumerWishes::default()
        })
    };
    let told = |mode| ConsumerConfig { mode, ..config() };
    let mut asked = asking(ConsumerMode::RateLimited);
    assert_eq!(asked.max_rate_hz(), 30, "before any answer");
    hear(&mut asked, at(0), &told(ConsumerMode::Stream));
    assert_eq!(asked.max_rate_hz(), 30, "declined: it drops for itself");
    assert_eq!(asked.settings().mode, ConsumerMode::RateLimited);
    let mut forced = asking(ConsumerMode::Stream);
    assert_eq!(forced.max_rate_hz(), 0);
    hear(&mut forced, at(0), &told(ConsumerMode::RateLimited));
    assert_eq!(forced.max_rate_hz(), 30);
    assert_eq!(forced.settings().mode, ConsumerMode::RateLimited);
    let mut unlimited = follower(ConsumerWishes::default());
    hear(&mut unlimited, at(0), &told(ConsumerMode::RateLimited));
    assert_eq!(unlimited.max_rate_hz(), 0, "no rate was asked for");
}

/// Proves [TP-CLI-2291].
#[test]
fn a_consumer_without_shared_memory_says_so_and_is_talked_into_it_by_nobody() {
    let mut follower = follower(ConsumerWishes {
        supports_shm: false,
        ..ConsumerWishes::default()
    });
    assert!(!follower.wishes().hello(STREAM, US).supports_shm);
    assert!(!follower.settings().use_shm, "before any answer");
    let told = ConsumerConfig {
        use_shm: true,
        payload_fallback_uri: "bridge://far".into(),
        ..config()
    };
    hear(&mut follower, at(0), &told);
    assert!(!follower.settings().use_shm);
    let uri = follower.settings().fallback_uri.as_deref();
    assert_eq!(uri, Some("bridge://far"), "the rest of it holds");
    follower.on_lost();
    assert!(!follower.settings().use_shm, "nor by the next driver");
    assert!(ConsumerWishes::default().hello(STREAM, US).supports_shm);
}

/// Proves [TP-CLI-2297].
#[test]
fn an_unknown_scheme_is_no_fallback_but_the_rest_of_the_config_holds() {
    let mut follower = follower(ConsumerWishes::default());
    let with = |uri: &str| ConsumerConfig {
        payload_fallback_uri: uri.into(),
        use_shm: false,
        ..config()
    };
    for uri in ["aeron:udp?endpoint=host:4000", "bridge://left"] {
        hear(&mut follower, at(0), &with(uri));
        assert_eq!(follower.settings().fallback_uri.as_deref(), Some(uri));
    }
    let too_long = format!("aeron:{}", "x".repeat(MAX_URI_LEN));
    for uri in ["http://x", "bridge:left", "bridge://", "aeron:", &too_long] {
        hear(&mut follower, at(0), &with(uri));
        assert_eq!(follower.settings().fallback_uri, None, "{uri}");
        assert!(!follower.settings().use_shm);
        hear(&mut follower, at(0), &with("bridge://left"));
    }
    assert_eq!(follower.stats().unsupported_uris, 5);
}

#[test]
fn the_applications_own_fallback_holds_until_a_config_names_one() {
    let local = Some("bridge://home".to_owned());
    let mut follower = ConfigFollower::new(ConsumerWishes::default(), shared(), local.clone());
    follower.on_granted(STREAM, US);
    assert_eq!(follower.settings().fallback_uri, local);
    hear(&mut follower, at(0), &config());
    assert_eq!(follower.settings().fallback_uri, local);
    let told = ConsumerConfig {
        payload_fallback_uri: "bridge://told".into(),
        ..config()
    };
    hear(&mut follower, at(0), &told);
    assert_eq!(
        follower.settings().fallback_uri.as_deref(),
        Some("bridge://told")
    );
}

#[test]
fn the_keeping_time_is_two_hellos_and_silence_three() {
    assert_eq!(
        (ASSIGNMENT_KEEPS_NS, SILENT_STREAM_NS),
        (2 * SECOND, 3 * SECOND)
    );
}

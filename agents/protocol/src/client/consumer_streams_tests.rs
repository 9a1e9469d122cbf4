//! Tests of the core of own streams, with an integer clock.

use super::*;
use crate::client::consumer_streams_types::{ConsumerStreamsStats, PaceGate};
use crate::client::messages::ProgressHints;

const STREAM: StreamId = StreamId::new(10_000);
const SECOND: u64 = 1_000_000_000;
const IPC: &str = "aeron:ipc";

fn core(is_authority: bool) -> ConsumerStreams {
    let config = ConsumerStreamsConfig {
        is_authority,
        reserved_stream_ids: vec![1000, 1001, 1100, 1200, 1300],
        caps_every_mode: false,
    };
    ConsumerStreams::new(config, STREAM)
}

fn at(seconds: u64) -> NanoTime {
    NanoTime::new(seconds * SECOND)
}

fn on(channel: &str, stream_id: u32) -> OwnStream {
    OwnStream::from_wire(channel.to_owned(), stream_id)
}

fn hello(consumer: u32, descriptor: OwnStream, control: OwnStream) -> ConsumerHello {
    ConsumerHello {
        stream_id: STREAM,
        consumer_id: ClientId::new(consumer),
        supports_shm: true,
        supports_progress: false,
        mode: ConsumerMode::Stream,
        max_rate_hz: 0,
        expected_layout_version: 1,
        progress: ProgressHints::default(),
        descriptor,
        control,
    }
}

fn wish(consumer: u32, stream_id: u32) -> ConsumerHello {
    hello(consumer, on(IPC, stream_id), OwnStream::Absent)
}

fn limited(consumer: u32, stream_id: u32, max_rate_hz: u32) -> ConsumerHello {
    ConsumerHello {
        mode: ConsumerMode::RateLimited,
        max_rate_hz,
        ..wish(consumer, stream_id)
    }
}

fn config(consumer: u32, descriptor: u32, control: u32) -> ConsumerConfig {
    let channel = |id: u32| if id == 0 { "" } else { IPC }.to_owned();
    ConsumerConfig {
        stream_id: STREAM,
        consumer_id: ClientId::new(consumer),
        use_shm: true,
        mode: ConsumerMode::Stream,
        descriptor_stream_id: descriptor,
        control_stream_id: control,
        payload_fallback_uri: String::new(),
        descriptor_channel: channel(descriptor),
        control_channel: channel(control),
    }
}

fn actions(core: &mut ConsumerStreams) -> Vec<OwnStreamAction> {
    std::iter::from_fn(|| core.poll_action()).collect()
}

/// The streams that were opened, and the number of those that were closed.
fn changes(core: &mut ConsumerStreams) -> (Vec<(OwnStreamKind, u32)>, usize) {
    let (mut opened, mut closed) = (Vec::new(), 0);
    for action in actions(core) {
        match action {
            OwnStreamAction::Open { kind, endpoint, .. } => opened.push((kind, endpoint.stream_id)),
            OwnStreamAction::Close { .. } => closed += 1,
            OwnStreamAction::SetPace { .. } => {}
        }
    }
    (opened, closed)
}

fn answers(core: &mut ConsumerStreams) -> Vec<ConsumerConfig> {
    std::iter::from_fn(|| {
        let answer = core.peek_answer();
        core.pop_answer();
        answer
    })
    .collect()
}

/// Proves [TP-CLI-2310].
#[test]
fn with_another_authority_hellos_are_not_answered_and_open_nothing() {
    let mut core = core(false);
    core.on_hello(at(1), &wish(1, 31_001));
    assert_eq!(core.peek_answer(), None);
    assert_eq!(actions(&mut core), []);
}

/// Proves [TP-CLI-2312].
#[test]
fn what_a_config_assigns_is_opened_once_and_follows_its_changes() {
    let mut core = core(false);
    let (descriptor, control) = (OwnStreamKind::Descriptor, OwnStreamKind::Control);
    core.on_config(at(1), &config(1, 31_001, 32_001));
    assert_eq!(
        changes(&mut core),
        (vec![(descriptor, 31_001), (control, 32_001)], 0)
    );
    core.on_config(at(2), &config(1, 31_001, 32_001));
    assert_eq!(changes(&mut core), (vec![], 0), "nothing has changed");
    core.on_config(at(3), &config(1, 31_002, 32_001));
    assert_eq!(changes(&mut core), (vec![(descriptor, 31_002)], 1));
    core.on_config(at(4), &config(1, 0, 0));
    assert_eq!(changes(&mut core), (vec![], 2), "a decline");
    assert_eq!(core.stats(), ConsumerStreamsStats::default());
}

/// Proves [TP-CLI-2314].
#[test]
fn configs_and_hellos_of_other_streams_are_not_ours() {
    let mut core = core(false);
    let foreign = ConsumerConfig {
        stream_id: StreamId::new(10_001),
        ..config(1, 31_001, 0)
    };
    core.on_config(at(1), &foreign);
    assert_eq!(actions(&mut core), []);
    core.on_config(at(1), &config(1, 31_001, 0));
    core.on_gone(StreamId::new(10_001), ClientId::new(1));
    assert_eq!(core.stats().open, 1);
    core.on_report(at(5), StreamId::new(10_001), ClientId::new(1));
    core.on_timeout(at(6));
    assert_eq!(core.stats().open, 0, "that report was not about us");
}

/// Proves [TP-CLI-2318].
#[test]
fn streams_that_cannot_be_published_on_are_refused_and_counted() {
    let mut core = core(false);
    let unusable = [
        on("shm:file?path=/x", 31_001),
        on("aeron:ipc\n", 31_001),
        on(&format!("aeron:ipc?alias={}", "x".repeat(1_024)), 31_001),
        on(IPC, 1 << 31),
        on(IPC, 1100),
        on(IPC, 0),
    ];
    for (count, descriptor) in unusable.iter().enumerate() {
        let (channel, id) = match descriptor {
            OwnStream::On(endpoint) => (endpoint.channel.clone(), endpoint.stream_id),
            OwnStream::ChannelOnly(channel) => (channel.clone(), 0),
            OwnStream::Absent | OwnStream::IdOnly(_) => unreachable!(),
        };
        let config = ConsumerConfig {
            descriptor_channel: channel,
            ..config(1, id, 0)
        };
        core.on_config(at(1), &config);
        assert_eq!(core.stats().invalid, count as u64 + 1, "{descriptor:?}");
    }
    assert_eq!(actions(&mut core), []);
}

/// Proves [TP-CLI-2318].
#[test]
fn a_stream_that_could_not_be_opened_is_declined_and_not_tried_again() {
    let mut core = core(true);
    core.on_hello(at(1), &wish(1, 31_001));
    let [OwnStreamAction::Open { id, .. }] = actions(&mut core)[..] else {
        panic!("nothing to open");
    };
    core.on_refused(id);
    assert_eq!(answers(&mut core)[0], config(1, 0, 0));
    core.on_hello(at(2), &wish(1, 31_001));
    assert_eq!(actions(&mut core), []);
    assert_eq!(answers(&mut core)[0], config(1, 0, 0));
    core.on_hello(at(3), &wish(1, 31_002));
    assert_eq!(changes(&mut core).0.len(), 1, "another stream may work");
}

/// Proves [TP-CLI-2320].
#[test]
fn an_authority_answers_every_hello_with_what_was_asked_for() {
    let mut core = core(true);
    let asked = hello(7, on(IPC, 31_001), on(IPC, 32_001));
    for second in 1..4 {
        core.on_hello(at(second), &asked);
        assert_eq!(answers(&mut core), [config(7, 31_001, 32_001)]);
    }
    assert_eq!(changes(&mut core).0.len(), 2);
    core.on_hello(at(5), &limited(8, 31_003, 30));
    let granted = ConsumerConfig {
        mode: ConsumerMode::RateLimited,
        ..config(8, 31_003, 0)
    };
    assert_eq!(answers(&mut core), [granted]);
    core.on_config(at(6), &config(7, 0, 0));
    assert_eq!(core.stats().open, 3, "its own answers come back to it");
}

/// Proves [TP-CLI-2322].
#[test]
fn an_authority_declines_with_empty_channels_and_the_stream_0() {
    let mut core = core(true);
    for refused in [on(IPC, 0), on("", 31_001), on(IPC, 1000), OwnStream::Absent] {
        core.on_hello(at(1), &hello(1, refused.clone(), refused));
        assert_eq!(answers(&mut core), [config(1, 0, 0)]);
    }
    assert_eq!(actions(&mut core), []);
}

/// Proves [TP-CLI-2324].
#[test]
fn an_authority_grants_nothing_beyond_the_host() {
    let udp = on("aeron:udp?endpoint=10.0.0.1:40123", 31_001);
    let mut core = core(true);
    core.on_hello(at(1), &hello(1, udp, OwnStream::Absent));
    assert_eq!(actions(&mut core), []);
    assert_eq!(answers(&mut core), [config(1, 0, 0)]);
}

/// Proves [TP-CLI-2326].
#[test]
fn a_hello_that_no_longer_asks_gives_its_streams_back() {
    let mut core = core(true);
    core.on_hello(at(1), &wish(1, 31_001));
    assert_eq!(changes(&mut core).0.len(), 1);
    core.on_hello(at(2), &hello(1, OwnStream::Absent, OwnStream::Absent));
    assert_eq!(changes(&mut core), (vec![], 1));
    assert_eq!(answers(&mut core), [config(1, 0, 0)]);
}

/// Proves [TP-CLI-2328].
#[test]
fn own_streams_end_after_five_seconds_without_hello_and_report_and_not_before() {
    let mut core = core(true);
    core.on_hello(at(1), &wish(1, 31_001));
    core.on_hello(at(1), &wish(2, 31_002));
    core.on_report(at(4), STREAM, ClientId::new(1));
    core.on_hello(at(3), &wish(2, 31_002));
    changes(&mut core);
    core.on_timeout(NanoTime::new(8 * SECOND - 1));
    assert_eq!(core.stats().open, 2);
    core.on_timeout(at(8));
    assert_eq!((changes(&mut core).1, core.stats().stale), (1, 1));
    core.on_timeout(at(9));
    assert_eq!((changes(&mut core).1, core.stats().open), (1, 0));
    core.on_timeout(at(9));
    assert_eq!(actions(&mut core), [], "idempotent");
}

/// Proves [TP-CLI-2328].
#[test]
fn configs_alone_keep_no_stream_open() {
    let mut core = core(false);
    for second in 1..6 {
        core.on_config(at(second), &config(1, 31_001, 0));
    }
    core.on_timeout(at(6));
    assert_eq!(core.stats().open, 0);
}

/// Proves [TP-CLI-2330].
#[test]
fn the_end_of_a_lease_ends_its_streams_at_once() {
    let mut core = core(false);
    core.on_config(at(1), &config(1, 31_001, 32_001));
    core.on_config(at(1), &config(2, 31_002, 0));
    changes(&mut core);
    core.on_gone(STREAM, ClientId::new(1));
    assert_eq!((changes(&mut core).1, core.stats().open), (2, 1));
}

/// Proves [TP-CLI-2332].
#[test]
fn the_sixty_fifth_own_stream_is_declined_and_counted() {
    let mut core = core(true);
    for consumer in 1..=64 {
        core.on_hello(at(1), &wish(consumer, 31_000 + consumer));
    }
    assert_eq!((core.stats().open, core.stats().overflow), (64, 0));
    answers(&mut core);
    core.on_hello(at(1), &wish(65, 31_065));
    assert_eq!(answers(&mut core), [config(65, 0, 0)]);
    assert_eq!((core.stats().open, core.stats().overflow), (64, 1));
    core.on_gone(STREAM, ClientId::new(1));
    core.on_hello(at(2), &wish(65, 31_065));
    assert_eq!(answers(&mut core), [config(65, 31_065, 0)]);
}

/// Proves [TP-CLI-2332].
#[test]
fn consumers_beyond_the_bound_are_counted_and_leave_nothing() {
    let mut core = core(true);
    for consumer in 1..=MAX_CONSUMERS as u32 + 10 {
        core.on_hello(
            at(1),
            &hello(consumer, OwnStream::Absent, OwnStream::Absent),
        );
    }
    assert_eq!(core.stats().overflow, 10);
    assert_eq!(answers(&mut core).len(), MAX_CONSUMERS);
}

/// Proves [TP-CLI-2334].
#[test]
fn consumers_of_the_same_own_stream_share_it_and_the_more_demanding_sets_its_pace() {
    let mut core = core(false);
    core.on_hello(at(1), &limited(1, 31_001, 10));
    core.on_hello(at(1), &limited(2, 31_001, 50));
    core.on_config(at(1), &config(1, 31_001, 0));
    let with_params = ConsumerConfig {
        descriptor_channel: "aeron:ipc?term-length=64k".to_owned(),
        ..config(2, 31_001, 0)
    };
    core.on_config(at(1), &with_params);
    let taken = actions(&mut core);
    let opened = |action: &&OwnStreamAction| matches!(action, OwnStreamAction::Open { .. });
    assert_eq!(taken.iter().filter(opened).count(), 1, "{taken:?}");
    let last = taken.last().cloned();
    assert!(
        matches!(last, Some(OwnStreamAction::SetPace { pace, .. })
            if pace == Pace::limited(50)),
        "{last:?}"
    );
    core.on_gone(STREAM, ClientId::new(2));
    let slower = actions(&mut core);
    assert!(
        matches!(slower[..], [OwnStreamAction::SetPace { pace, .. }] if pace == Pace::limited(10)),
        "{slower:?}"
    );
    core.on_gone(STREAM, ClientId::new(1));
    assert_eq!(changes(&mut core).1, 1, "closed with the last");
}

/// Proves [TP-CLI-2342], [TP-CLI-2344].
#[test]
fn a_cap_holds_in_mode_rate_limited_alone_and_0_is_none() {
    assert_eq!(Pace::limited(30).min_interval_ns, 33_333_334);
    let cases = [
        (ConsumerMode::RateLimited, 30, Pace::limited(30)),
        (ConsumerMode::RateLimited, 0, Pace::limited(0)),
        (ConsumerMode::Stream, 30, Pace::EVERY_FRAME),
    ];
    for (mode, max_rate_hz, expected) in cases {
        let mut core = core(true);
        let hello = ConsumerHello {
            mode,
            ..limited(1, 31_001, max_rate_hz)
        };
        core.on_hello(at(1), &hello);
        let pace = actions(&mut core)
            .into_iter()
            .find_map(|action| match action {
                OwnStreamAction::SetPace { pace, .. } => Some(pace),
                OwnStreamAction::Open { .. } | OwnStreamAction::Close { .. } => None,
            });
        assert_eq!(pace.unwrap_or_default(), expected, "{mode} {max_rate_hz}");
    }
}

/// Proves [TP-CLI-2343].
#[test]
fn a_producer_that_caps_every_mode_does_so_where_a_cap_was_named() {
    for (max_rate_hz, expected) in [(30, Pace::limited(30)), (0, Pace::EVERY_FRAME)] {
        let config = ConsumerStreamsConfig {
            is_authority: true,
            reserved_stream_ids: Vec::new(),
            caps_every_mode: true,
        };
        let mut core = ConsumerStreams::new(config, STREAM);
        let hello = ConsumerHello {
            mode: ConsumerMode::Stream,
            ..limited(1, 31_001, max_rate_hz)
        };
        core.on_hello(at(1), &hello);
        let told = actions(&mut core)
            .into_iter()
            .find_map(|action| match action {
                OwnStreamAction::SetPace { pace, .. } => Some(pace),
                OwnStreamAction::Open { .. } | OwnStreamAction::Close { .. } => None,
            });
        assert_eq!(told.unwrap_or_default(), expected, "{max_rate_hz}");
    }
}

/// Proves [TP-CLI-2342], [TP-CLI-2354].
#[test]
fn an_authority_that_forces_a_consumer_to_a_rate_is_obeyed_with_the_rate_of_the_hello() {
    let mut core = core(false);
    let hello = ConsumerHello {
        mode: ConsumerMode::Stream,
        ..limited(1, 31_001, 20)
    };
    core.on_hello(at(1), &hello);
    let forced = ConsumerConfig {
        mode: ConsumerMode::RateLimited,
        ..config(1, 31_001, 0)
    };
    core.on_config(at(1), &forced);
    let pace = Pace::limited(20);
    assert!(!pace.is_lossless, "nobody waits for it");
    assert!(matches!(
        actions(&mut core)[..],
        [OwnStreamAction::Open { .. }, OwnStreamAction::SetPace { pace: set, .. }] if set == pace
    ));
    core.on_hello(
        at(2),
        &ConsumerHello {
            max_rate_hz: 40,
            ..hello
        },
    );
    assert!(matches!(
        actions(&mut core)[..],
        [OwnStreamAction::SetPace { pace, .. }] if pace == Pace::limited(40)
    ));
}

/// Proves [TP-CLI-2314].
#[test]
fn another_stream_has_other_consumers() {
    let mut core = core(false);
    core.on_config(at(1), &config(1, 31_001, 0));
    changes(&mut core);
    core.begin(STREAM);
    assert_eq!(actions(&mut core), []);
    core.begin(StreamId::new(10_001));
    assert_eq!((changes(&mut core).1, core.stats().open), (1, 0));
}

/// Proves [TP-CLI-2342].
#[test]
fn no_second_holds_more_than_the_cap_and_one_and_on_average_it_is_met() {
    let (pace, period) = (Pace::limited(30), SECOND / 137);
    let mut gate = PaceGate::default();
    let mut sent = Vec::new();
    for index in 1..1_370 {
        let now = NanoTime::new(5 * SECOND + index * period);
        if gate.is_due(now) {
            gate.on_sent(now, pace);
            sent.push(now.get());
        }
    }
    assert!((299..=300).contains(&sent.len()), "{}", sent.len());
    for (index, from) in sent.iter().enumerate() {
        let within = sent[index..].iter().take_while(|at| **at - from < SECOND);
        assert!(within.count() <= 31);
    }
}

/// Proves [TP-CLI-2342].
#[test]
fn a_pause_is_not_made_up_for_and_a_frame_that_was_not_sent_costs_nothing() {
    let (pace, mut gate) = (Pace::limited(10), PaceGate::default());
    gate.on_sent(at(1), pace);
    assert!(!gate.is_due(NanoTime::new(SECOND + SECOND / 10 - 1)));
    assert!(gate.is_due(at(9)));
    assert!(gate.is_due(at(9)), "asking alone changes nothing");
    gate.on_sent(at(9), pace);
    assert!(!gate.is_due(NanoTime::new(9 * SECOND + SECOND / 10 - 1)));
}

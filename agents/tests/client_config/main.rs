//! A consumer and those who say what it is to use: streams of its own, its rate, shared memory.

use std::time::{Duration, Instant};

use authority::{Authority, assigning, changed, config, wait_event};
use support::{STREAM, WAIT, World};
use tensorpool::client::{
    Client, Consumer, ConsumerMode, DropCause, Endpoint, Event, FrameMeta, OwnStreams, Producer,
    ProgressHints,
};
use tensorpool::codecs::types::Epoch;
use tensorpool::codecs::wire::{ConsumerConfig, FrameProgress, FrameProgressState, Mode};
use tensorpool::transport::Channel;

mod authority;
mod changeover;
#[path = "../support/mod.rs"]
mod support;
mod without_shm;

const OWN: u32 = 31_000;
const OTHER: u32 = 31_001;

/// One frame at a time, and not faster than a media driver on a busy machine moves the window of a
/// publication.
fn offer(producer: &mut Producer) {
    let started = Instant::now();
    while started.elapsed() < Duration::from_micros(200) {
        std::thread::yield_now();
    }
    producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
}

/// Publishes, repeats and receives one frame after the other until the condition holds. Each must
/// come, once and in order.
fn flow(
    authority: &mut Authority,
    producer: &mut Producer,
    consumer: &mut Consumer,
    mut until: impl FnMut(&mut Consumer) -> bool,
) {
    let (started, mut next) = (Instant::now(), consumer.stats().seen());
    while !until(consumer) {
        offer(producer);
        let mut got = Vec::new();
        while got.is_empty() {
            authority.repeat();
            consumer
                .poll(|frame| got.push(frame.seq().get()), 16)
                .unwrap();
            assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
        }
        assert_eq!(got, [next]);
        next += 1;
    }
    let stats = consumer.stats();
    assert_eq!((stats.lost(), stats.seq_regressions()), (0, 0), "{stats:?}");
    assert_eq!(stats.delivered(), stats.seen());
}

/// Polls until it hears so many publications of descriptors.
fn wait_publications(consumer: &mut Consumer, count: usize) {
    let started = Instant::now();
    while consumer.publication_count() != count {
        consumer.poll(|_| {}, 16).unwrap();
        assert!(started.elapsed() < WAIT);
        std::thread::yield_now();
    }
}

fn open(world: &World) -> (Client, Producer, Consumer) {
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    (client, producer, consumer)
}

/// Proves [TP-CLI-2110], [TP-CLI-2120], [TP-CLI-2220].
#[test]
fn hellos_say_what_was_asked_for_and_reports_the_mode() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let client = world.client();
    let wished = Endpoint {
        channel: Channel::ipc(),
        stream_id: 31_100,
    };
    let consumer = client
        .consumer(STREAM)
        .max_rate_hz(30)
        .own_streams(OwnStreams::descriptors().progress_on(wished))
        .wait(WAIT)
        .unwrap();
    let hello = authority.hello();
    assert_eq!(hello.consumer_id, consumer.client_id().unwrap().get());
    assert_eq!((hello.mode, hello.max_rate_hz), (Mode::RateLimited, 30));
    let (id, channel) = hello.descriptor;
    assert!(
        id != 0 && channel.starts_with("aeron:ipc"),
        "{id} {channel}"
    );
    assert_eq!(hello.control, (31_100, "aeron:ipc".to_owned()));
    assert_eq!(authority.reported_mode(), Some(Mode::RateLimited));
    assert_eq!(consumer.mode(), ConsumerMode::RateLimited);
    let again = authority.hello();
    assert_eq!(again.descriptor.0, id, "what is asked for does not change");
}

/// Proves [TP-CLI-2170].
#[test]
fn two_authorities_do_not_send_a_consumer_to_and_fro() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    authority.tell_on(OWN, 1);
    authority.tell_on(OTHER, 1);
    for _ in 0..4 {
        authority.hello();
        authority.say(&assigning(&consumer, OWN));
        authority.say(&assigning(&consumer, OTHER));
        let mut frames = 0;
        flow(&mut authority, &mut producer, &mut consumer, |_| {
            frames += 1;
            frames > 20
        });
    }
    flow(&mut authority, &mut producer, &mut consumer, |consumer| {
        consumer.descriptor_stream() == Some(OWN)
    });
    let changes: Vec<_> = consumer
        .events()
        .filter_map(|event| changed(&event))
        .collect();
    assert_eq!(changes, [Some(OWN)]);
}

/// Proves [TP-CLI-2140], [TP-CLI-2150], [TP-CLI-2155].
#[test]
fn foreign_half_and_truncated_configs_do_no_harm() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    let off = ConsumerConfig {
        use_shm: false,
        ..config(&consumer)
    };
    authority.say(&ConsumerConfig {
        stream_id: 1,
        ..off
    });
    authority.say(&ConsumerConfig {
        consumer_id: off.consumer_id ^ 1,
        ..off
    });
    authority.say(&ConsumerConfig {
        descriptor_channel: b"aeron:ipc",
        ..off
    });
    authority.say(&ConsumerConfig {
        control_stream_id: 7,
        ..off
    });
    // Without its strings, and with whatever was in the memory where its ids belong.
    let mut bytes = [0; 64];
    let cut = ConsumerConfig {
        mode: Mode::RateLimited,
        descriptor_stream_id: 0xdead_beef,
        control_stream_id: 0x0bad_cafe,
        ..config(&consumer)
    };
    let len = cut.encode(&mut bytes).unwrap();
    authority.say_bytes(&bytes[..len - 12]);
    let (mode, use_shm) = wait_event(&mut consumer, |event| match event {
        Event::ConfigChanged { mode, use_shm, .. } => Some((*mode, *use_shm)),
        _ => None,
    });
    assert_eq!((mode, use_shm), (ConsumerMode::RateLimited, true));
    assert_eq!(consumer.mode(), ConsumerMode::RateLimited);
    assert!(!consumer.is_fallback() && consumer.descriptor_stream().is_none());
    let mut frames = 0;
    flow(&mut authority, &mut producer, &mut consumer, |_| {
        frames += 1;
        frames > 10
    });
}

/// Proves [TP-CLI-2197], [TP-CLI-2198].
#[test]
fn a_control_stream_of_its_own_is_for_progress_and_nothing_else() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client
        .consumer(STREAM)
        .progress(ProgressHints::default())
        .own_streams(OwnStreams::default().and_progress())
        .wait(WAIT)
        .unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    offer(&mut producer);
    let progress = progress(producer.epoch().unwrap());
    authority.tell_on(OWN, 1);
    authority.say(&ConsumerConfig {
        control_stream_id: OWN,
        control_channel: b"aeron:ipc",
        ..config(&consumer)
    });
    let own_control = |event: &Event| match event {
        Event::ConfigChanged {
            control_stream_id, ..
        } => Some(*control_stream_id),
        _ => None,
    };
    assert_eq!(wait_event(&mut consumer, own_control), Some(OWN));
    let heard = |consumer: &mut Consumer| {
        consumer.poll(|_| {}, 16).unwrap();
        consumer.progress_stats().messages
    };
    let started = Instant::now();
    while heard(&mut consumer) == 0 {
        authority.offer_on(OWN, &progress);
        assert!(started.elapsed() < WAIT);
    }
    // The shared one is not heard for progress now, but for everything else.
    authority.say_bytes(&progress);
    authority.say(&config(&consumer));
    assert_eq!(wait_event(&mut consumer, own_control), None);
    let on_own = heard(&mut consumer);
    authority.offer_on(OWN, &progress);
    authority.say_bytes(&progress);
    let started = Instant::now();
    while heard(&mut consumer) == on_own {
        assert!(started.elapsed() < WAIT);
    }
    assert_eq!(
        heard(&mut consumer),
        on_own + 1,
        "and nothing was heard twice"
    );
}

fn progress(epoch: Epoch) -> Vec<u8> {
    let mut bytes = [0; 64];
    let message = FrameProgress {
        stream_id: STREAM.get(),
        epoch: epoch.get(),
        seq: 0,
        payload_bytes_filled: 1,
        state: FrameProgressState::Complete,
    };
    let len = message.encode(&mut bytes).unwrap();
    bytes[..len].to_vec()
}

/// Proves [TP-CLI-2295], [TP-CLI-2296].
#[test]
fn without_shared_memory_a_consumer_falls_back_until_it_may_use_it_again() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    offer(&mut producer);
    let started = Instant::now();
    while consumer.stats().delivered() < 1 {
        consumer.poll(|_| {}, 16).unwrap();
        assert!(started.elapsed() < WAIT);
    }
    let epoch = consumer.epoch().unwrap();
    for _ in 0..2 {
        authority.say(&ConsumerConfig {
            use_shm: false,
            payload_fallback_uri: b"bridge://left",
            ..config(&consumer)
        });
        let uri = wait_event(&mut consumer, |event| match event {
            Event::Fallback { uri } => Some(uri.clone()),
            _ => None,
        });
        assert_eq!(uri.as_deref(), Some("bridge://left"));
        assert_eq!(consumer.fallback_uri(), Some("bridge://left"));
        assert!(consumer.is_fallback());
        assert_eq!(consumer.epoch(), None);
        let owed = consumer.stats();
        // Two announces go by, and frames that come from elsewhere.
        authority.hello();
        authority.hello();
        for _ in 0..3 {
            offer(&mut producer);
        }
        authority.hello();
        consumer
            .poll(|_| panic!("memory that is not to be used"), 16)
            .unwrap();
        assert!(consumer.is_fallback(), "announces are not followed");
        assert_eq!(
            (consumer.stats().seen(), consumer.stats().lost()),
            (owed.seen(), owed.lost())
        );
        authority.say(&config(&consumer));
        let remapped = wait_event(&mut consumer, |event| match event {
            Event::Remapped { new, .. } => Some(*new),
            _ => None,
        });
        assert_eq!(remapped, epoch);
        assert!(!consumer.is_fallback() && consumer.fallback_uri().is_none());
        let (before, started) = (consumer.stats().delivered(), Instant::now());
        while consumer.stats().delivered() == before {
            offer(&mut producer);
            consumer.poll(|_| {}, 16).unwrap();
            assert!(started.elapsed() < WAIT);
        }
        let stats = consumer.stats();
        assert_eq!(
            (stats.seen(), stats.lost()),
            (stats.delivered(), 0),
            "{stats:?}"
        );
    }
}

/// Proves [TP-CLI-2298], [TP-CLI-2299].
#[test]
fn memory_that_cannot_be_mapped_is_no_failure_with_somewhere_else_to_get_payloads() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let elsewhere = world.dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let mut config = world.client_config();
    config.allowed_base_dirs = vec![elsewhere];
    let client = Client::connect(config).unwrap();
    let mut consumer = client
        .consumer(STREAM)
        .payload_fallback("bridge://home")
        .wait(WAIT)
        .unwrap();
    assert!(consumer.is_fallback());
    assert_eq!(consumer.fallback_uri(), Some("bridge://home"));
    // It is tried again, and the application is told once where to go meanwhile.
    let (mut fallbacks, mut failures, started) = (Vec::new(), 0, Instant::now());
    while failures < 2 {
        consumer.poll(|_| {}, 16).unwrap();
        for event in consumer.events() {
            match event {
                Event::Fallback { uri } => fallbacks.push(uri),
                Event::MapFailed { .. } => failures += u32::from(!fallbacks.is_empty()),
                _ => {}
            }
        }
        assert!(started.elapsed() < WAIT, "{failures}");
        std::thread::yield_now();
    }
    assert_eq!(fallbacks, [Some("bridge://home".to_owned())]);
    let hellos = [authority.hello(), authority.hello()];
    assert_eq!(hellos[0].consumer_id, hellos[1].consumer_id);
    let refused = client
        .consumer(STREAM)
        .payload_fallback("http://home")
        .wait(WAIT);
    assert!(refused.is_err(), "no place that is known");
}

/// Proves [TP-CLI-2230].
#[test]
fn what_a_stream_of_its_own_leaves_out_is_skipped_and_not_lost() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client
        .consumer(STREAM)
        .max_rate_hz(u16::MAX)
        .own_streams(OwnStreams::descriptors())
        .wait(WAIT)
        .unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    authority.tell_on(OWN, 4);
    authority.say(&assigning(&consumer, OWN));
    let started = Instant::now();
    let mut round = |consumer: &mut Consumer| {
        offer(&mut producer);
        authority.repeat();
        std::thread::yield_now();
        consumer.poll(|_| {}, 16).unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    };
    while consumer.descriptor_stream() != Some(OWN) {
        round(&mut consumer);
    }
    let before = consumer.stats();
    while consumer.stats().seen() < before.seen() + 400 {
        round(&mut consumer);
    }
    let stats = consumer.stats();
    let skipped = stats.rate_limited() - before.rate_limited();
    assert!(skipped >= 290, "{stats:?}");
    assert_eq!(stats.drops(DropCause::Gap), 0, "{stats:?}");
    assert_eq!(
        stats.seen(),
        stats.delivered() + stats.lost() + stats.rate_limited()
    );
}

/// Proves [TP-CLI-2210], [TP-CLI-2290].
#[test]
fn a_consumer_keeps_to_its_rate_and_accounts_for_what_it_skips() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).max_rate_hz(100).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let started = Instant::now();
    let mut sent = 0;
    while consumer.stats().delivered() < 20 {
        offer(&mut producer);
        sent += 1;
        while consumer.stats().seen() < sent {
            consumer.poll(|_| {}, 16).unwrap();
            assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
        }
    }
    let (elapsed, stats) = (started.elapsed(), consumer.stats());
    assert!(
        elapsed >= Duration::from_millis(180),
        "20 frames at 100 a second came in {elapsed:?}"
    );
    assert_eq!(stats.lost(), 0, "{stats:?}");
    assert_eq!(stats.delivered() + stats.rate_limited(), sent);
    drop(producer);
    let counts = wait_event(&mut consumer, |event| match event {
        Event::EndOfStream { counts, .. } => Some(*counts),
        _ => None,
    });
    assert_eq!(
        counts.seen,
        counts.delivered + counts.lost + counts.rate_limited
    );
    assert_eq!(
        consumer.epoch().filter(|epoch| *epoch == Epoch::new(0)),
        None
    );
}

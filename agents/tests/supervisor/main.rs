//! The supervisor on a real media driver, with peers that play consumers byte by byte.

mod end_to_end;
mod fixture;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tensorpool::driver::{DriverAgent, DriverSetup};
use tensorpool::supervisor::{
    ConfigRequest, ConsumerKey, FallbackUri, HandleError, Policy, SupervisorAgent,
    SupervisorNotice, SupervisorSetup,
};
use tensorpool_codecs::types::{ClientId, StreamId};
use tensorpool_codecs::wire::{ConsumerConfig, ConsumerHello, Mode};
use tensorpool_runtime::{Agent, AgentError, AgentRunner, RunnerConfig};

use fixture::{Fixture, STREAM, Told, WATCHDOG, bytes, hello_for_both, plain_hello};

fn ids(told: &Told) -> (u32, u32) {
    (told.descriptor.1, told.control.1)
}

fn key(consumer: u32) -> ConsumerKey {
    ConsumerKey::new(StreamId::new(STREAM), ClientId::new(consumer))
}

#[test]
fn consumers_get_streams_of_their_own_beside_a_driver_on_the_same_thread() {
    let fixture = Fixture::new();
    let supervisor = fixture.supervised_driver(|_| {});
    let mut peer = fixture.peer();
    let (mut descriptors, mut controls) = (BTreeSet::new(), BTreeSet::new());
    for consumer in [5, 15, 25] {
        peer.attach(consumer);
        let hello = bytes(&hello_for_both(consumer));
        let first = peer.ask(&hello);
        assert_eq!(first.descriptor.0, "aeron:ipc");
        assert_eq!(peer.ask(&hello), first, "a repeated hello changes nothing");
        assert!(descriptors.insert(first.descriptor.1), "{first:?}");
        assert!(controls.insert(first.control.1), "{first:?}");
    }
    assert!(descriptors.iter().all(|id| (31_000..=31_009).contains(id)));
    assert!(controls.iter().all(|id| (32_000..=32_009).contains(id)));
    let nothing = (String::new(), 0);
    let shared = peer.ask(&bytes(&plain_hello(6)));
    assert_eq!((&shared.descriptor, &shared.control), (&nothing, &nothing));
    let without_id = ConsumerHello {
        descriptor_stream_id: 0,
        control_stream_id: 0,
        ..hello_for_both(7)
    };
    let declined = peer.ask(&bytes(&without_id));
    assert_eq!(
        (&declined.descriptor, &declined.control),
        (&nothing, &nothing)
    );
    assert_eq!(supervisor.counter("OwnDescriptorStreams"), 3);
    peer.wait_until("the figures are there", |_| {
        supervisor.counter("ConfigPublished") == 8 && supervisor.counter("Consumers") == 5
    });
    let seen = supervisor.handle.wait_snapshot(WATCHDOG).unwrap();
    assert_eq!(seen.streams[0].stream_id, StreamId::new(STREAM));
    assert_eq!((seen.streams[0].consumers, seen.consumers.len()), (5, 5));
}

#[test]
fn truncated_hellos_are_counted_and_the_next_one_is_answered() {
    let fixture = Fixture::new();
    let supervisor = fixture.supervisor(|_| {});
    let mut peer = fixture.peer();
    let whole = bytes(&hello_for_both(5));
    for len in [9, 20, 46, 8 + 39 + 2, 8 + 39 + 4 + 3, whole.len() - 1] {
        peer.send(&whole[..len]);
    }
    peer.wait_until("they are counted", |_| {
        supervisor.counter("MessagesMalformed") == 6
    });
    assert_eq!(supervisor.counter("Hellos"), 0);
    assert_eq!(ids(&peer.ask(&whole)), (31_000, 32_000));
}

#[test]
fn a_flood_of_hellos_neither_fills_the_supervisor_nor_shuts_out_who_was_there() {
    let fixture = Fixture::new();
    let supervisor = fixture.supervised_driver(|config| config.core.consumer_capacity = 16);
    let mut peer = fixture.peer();
    let before = peer.ask(&bytes(&hello_for_both(1)));
    let mut flood = fixture.peer();
    for round in 0..20_000u32 {
        flood.send(&bytes(&hello_for_both(2 + round % 3_000)));
    }
    assert_eq!(peer.ask(&bytes(&hello_for_both(1))), before);
    peer.attach(1);
    assert!(supervisor.counter("Consumers") <= 16);
    assert!(supervisor.counter("OwnDescriptorStreams") <= 10);
    assert!(supervisor.counter("ConsumersOverflow") > 0);
}

#[test]
fn the_streams_of_a_consumer_that_crashed_wait_for_it_and_go_to_others_later() {
    let fixture = Fixture::new();
    let supervisor = fixture.supervised_driver(|config| {
        config.core.descriptor.ids = vec![31_000..=31_000];
        config.core.id_reuse_delay_ns = 1_000_000_000;
        // Not by silence: by the end of its lease.
        config.core.consumer_stale_ns = 60_000_000_000;
    });
    let mut peer = fixture.peer();
    peer.attach(5);
    let had = peer.ask(&bytes(&hello_for_both(5)));
    assert_eq!(had.descriptor.1, 31_000);
    peer.wait_until("its lease has ended", |_| {
        supervisor.counter("Consumers") == 0
    });
    let ended = Instant::now();

    // It is back with its old client id, at once: its old streams.
    let lease = peer.attach(5);
    peer.keepalive(5, lease);
    assert_eq!(peer.ask(&bytes(&hello_for_both(5))), had);
    peer.wait_until("its lease has ended again", |_| {
        supervisor.counter("Consumers") == 0
    });
    let other = bytes(&hello_for_both(6));
    let mut waited = Duration::ZERO;
    while peer.ask(&other).descriptor.1 == 0 {
        waited = ended.elapsed();
        assert!(waited < WATCHDOG);
    }
    assert!(waited > Duration::from_secs(1), "{waited:?}");
    assert_eq!(
        peer.ask(&bytes(&hello_for_both(5))).descriptor.1,
        0,
        "now it is gone"
    );
}

/// Proves [TP-DRV-2720].
#[test]
fn consumers_keep_their_streams_over_the_loss_of_the_media_driver() {
    let mut fixture = Fixture::new();
    let supervisor = fixture.supervisor(|config| config.core.consumer_stale_ns = 1_000_000_000);
    let mut peer = fixture.peer();
    let mine = peer.ask(&bytes(&hello_for_both(5)));
    let other = peer.ask(&bytes(&hello_for_both(6)));
    fixture.restart_media_driver();
    peer.wait_until("the supervisor noticed", |_| {
        supervisor.counter("LinkLost") == 1
    });
    peer.wait_until("the supervisor is back", |_| {
        supervisor.counter("Ready") == 1
    });
    assert_eq!(peer.ask(&bytes(&hello_for_both(6))), other);
    assert_eq!(peer.ask(&bytes(&hello_for_both(5))), mine);
    assert_eq!(supervisor.counter("ConsumersSilent"), 0);
}

#[test]
fn answers_wait_out_back_pressure_and_the_latest_arrives() {
    let fixture = Fixture::new();
    // Answers are longer than hellos: the deaf one stalls the supervisor before the speaker.
    let uri = FallbackUri::new(&format!("bridge://{}", "x".repeat(800))).unwrap();
    let supervisor = fixture.supervisor(|config| {
        config.core.policy.payload_fallback_uri = Some(uri);
    });
    let mut speaker = fixture.peer();
    let mut deaf = fixture.tethered_peer();
    let started = Instant::now();
    let mut said = 0;
    while supervisor.counter("BackPressured") == 0 {
        // Not as the consumer whose answer is waited for below: of two hellos of one consumer that come by
        // two publications either may be read last.
        if speaker.offer(&bytes(&hello_for_both(10 + said % 240))) {
            said += 1;
        }
        speaker.keep_link();
        deaf.keep_link();
        assert!(
            started.elapsed() < WATCHDOG,
            "no back-pressure after {said} hellos"
        );
    }
    let limited = ConsumerHello {
        mode: Mode::RateLimited,
        ..hello_for_both(3)
    };
    deaf.told.clear();
    let (limited, mut missed) = (bytes(&limited), supervisor.counter("LeftBehind"));
    deaf.send(&limited);
    // Said once, unless the supervisor knows that it missed something.
    deaf.wait_until("the latest answer", |deaf| {
        let behind = supervisor.counter("LeftBehind");
        if behind > missed && deaf.offer(&limited) {
            missed = behind;
        }
        let last = deaf.told.iter().rfind(|told| told.consumer == 3);
        last.is_some_and(|told| told.mode == Mode::RateLimited)
    });
}

/// Proves [TP-DRV-2715].
#[test]
fn a_supervisor_that_was_left_behind_counts_it_and_says_so() {
    let fixture = Fixture::new();
    let mut setup = SupervisorSetup::prepare(fixture.supervisor_config()).unwrap();
    let (counters, notices) = (setup.counters().clone(), setup.observe());
    let mut agent = SupervisorAgent::new(setup).unwrap();
    let mut peer = fixture.peer();
    peer.wait_until("it is ready", |_| {
        let _fault_is_counted = agent.do_work();
        counters.value_of("Ready") == Some(1)
    });
    let hello = bytes(&hello_for_both(5));
    // It stands still for several windows of what the peer says.
    for _ in 0..3_000 {
        peer.send(&hello);
    }
    let mut told = String::new();
    peer.wait_until("it noticed", |_| {
        let _fault_is_counted = agent.do_work();
        for notice in notices.try_iter() {
            if let SupervisorNotice::Fault { code, text } = notice {
                told = format!("{told}{code}: {text}\n");
            }
        }
        told.contains("supervisor-left-behind")
    });
    assert!(counters.value_of("LeftBehind") > Some(0));
    assert_eq!(ids_of(&mut peer, &mut agent, &hello), (31_000, 32_000));
}

/// What a consumer is told by an agent that is driven here.
fn ids_of(peer: &mut fixture::Peer, agent: &mut SupervisorAgent, hello: &[u8]) -> (u32, u32) {
    let mut said = Instant::now();
    peer.told.clear();
    peer.send(hello);
    peer.wait_until("an answer", |peer| {
        let _fault_is_counted = agent.do_work();
        if said.elapsed() > Duration::from_secs(1) && peer.offer(hello) {
            said = Instant::now();
        }
        !peer.told.is_empty()
    });
    ids(&peer.told[0])
}

/// Proves [TP-DRV-2710].
#[test]
fn a_supervisor_that_stands_still_holds_nobody_up() {
    let fixture = Fixture::new();
    let setup = SupervisorSetup::prepare(fixture.supervisor_config()).unwrap();
    let counters = setup.counters().clone();
    let mut agent = SupervisorAgent::new(setup).unwrap();
    let mut peer = fixture.peer();
    peer.wait_until("it is ready", |_| {
        let _fault_is_counted = agent.do_work();
        counters.value_of("Ready") == Some(1)
    });
    // Several windows of every stream it listens to and somebody speaks on.
    let hello = bytes(&hello_for_both(5));
    for seq in 0..3_000 {
        peer.send(&hello);
        peer.report(5, seq);
    }
    drop(agent);
}

/// Proves [TP-DRV-2080].
#[test]
fn a_driver_alone_answers_no_hello() {
    let fixture = Fixture::new();
    let setup = DriverSetup::prepare(fixture.driver_config()).unwrap();
    let _runner = AgentRunner::spawn(RunnerConfig::new("driver"), move |_| {
        DriverAgent::new(setup).map_err(|error| AgentError::terminate("driver", error))
    })
    .unwrap();
    let mut peer = fixture.peer();
    peer.send(&bytes(&hello_for_both(5)));
    // What comes later is answered: the hello was read.
    peer.attach(5);
    peer.attach(6);
    assert_eq!(peer.told, []);
}

#[test]
fn another_authority_is_noticed_and_its_own_answers_are_not_taken_for_one() {
    let fixture = Fixture::new();
    let supervisor = fixture.supervisor(|_| {});
    let mut peer = fixture.peer();
    peer.ask(&bytes(&hello_for_both(5)));
    let config = ConsumerConfig {
        stream_id: STREAM,
        consumer_id: 5,
        use_shm: true,
        mode: Mode::Stream,
        descriptor_stream_id: 7,
        control_stream_id: 0,
        payload_fallback_uri: b"",
        descriptor_channel: b"aeron:ipc",
        control_channel: b"",
    };
    let mut message = vec![0; config.encoded_len().unwrap()];
    config.encode(&mut message).unwrap();
    peer.send(&message);
    peer.wait_until("it is noticed", |_| {
        supervisor.counter("ForeignConfigs") > 0
    });
    peer.ask(&bytes(&hello_for_both(5)));
    assert_eq!(supervisor.counter("ForeignConfigs"), 1);
}

#[test]
fn a_policy_changes_while_it_runs_and_one_consumer_can_be_told_something_else() {
    let fixture = Fixture::new();
    let supervisor = fixture.supervisor(|_| {});
    let mut peer = fixture.peer();
    let first = peer.ask(&bytes(&plain_hello(5)));
    assert!(first.use_shm && first.mode == Mode::Stream && first.fallback.is_empty());
    peer.told.clear();
    let policy = Policy {
        force_no_shm: true,
        force_mode: Some(Mode::RateLimited),
        payload_fallback_uri: Some(FallbackUri::new("bridge://lab").unwrap()),
    };
    supervisor.handle.set_policy(policy).unwrap();
    let forced = Told {
        use_shm: false,
        mode: Mode::RateLimited,
        fallback: "bridge://lab".into(),
        ..first
    };
    peer.wait_until("the change is told", |peer| peer.told == [forced.clone()]);
    assert_eq!(peer.ask(&bytes(&plain_hello(5))), forced);
    peer.told.clear();
    let request = ConfigRequest {
        use_shm: Some(true),
        ..ConfigRequest::default()
    };
    supervisor.handle.emit_config(key(5), request).unwrap();
    let told = Told {
        use_shm: true,
        ..forced.clone()
    };
    peer.wait_until("the exception is told", |peer| peer.told == [told.clone()]);
    assert_eq!(peer.ask(&bytes(&plain_hello(5))), told);
    let handle = supervisor.handle.clone();
    drop(supervisor);
    let gone = handle.wait_snapshot(WATCHDOG).unwrap_err();
    assert_eq!(gone, HandleError::Gone);
}

/// Proves [TP-DRV-2550].
#[test]
fn counters_have_their_published_numbers() {
    let setup = SupervisorSetup::prepare(tensorpool::supervisor::SupervisorConfig::default());
    let setup = setup.unwrap();
    let number = |label: &str| {
        let mut entries = setup.counters().entries().iter();
        let found = entries.find(|entry| entry.label.starts_with(label));
        found.map(|entry| (entry.type_id, entry.label.as_str()))
    };
    let published = |number, label| Some((0x5450_0400 | number, label));
    assert_eq!(
        number("ConfigPublished"),
        published(3, "ConfigPublished: NodeId=0 Name=Supervisor")
    );
    assert_eq!(
        number("LivenessChecks"),
        published(4, "LivenessChecks: NodeId=0 Name=Supervisor")
    );
    let mut types: Vec<i32> = setup
        .counters()
        .entries()
        .iter()
        .map(|e| e.type_id)
        .collect();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), setup.counters().entries().len());
}

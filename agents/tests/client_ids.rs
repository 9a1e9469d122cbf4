//! Consumers under whose client id somebody else reports as well.

use std::time::{Duration, Instant};

use support::{STREAM, WAIT, World};
use tensorpool::client::{Client, Consumer, Event, FrameMeta, LossReason, OwnRegions, Producer};
use tensorpool::codecs::types::ClientId;
use tensorpool::codecs::wire::{Mode, QosConsumer};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{Link, LinkConfig, Publication, PublicationOptions};

mod support;

/// Somebody who reports as others do.
struct Peer {
    link: Link,
    qos: Publication,
}

impl Peer {
    fn new(world: &World) -> Self {
        let endpoint = world.client_config().qos;
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let options = PublicationOptions::default();
        let qos = link.add_publication(&endpoint.channel, endpoint.stream_id, options);
        Self { link, qos }
    }

    fn work(&mut self) {
        self.link.do_work(monotonic_ns());
    }

    /// A report of somebody who goes by this id.
    fn report(&mut self, consumer_id: ClientId, last_seq_seen: u64) {
        let report = QosConsumer {
            stream_id: STREAM.get(),
            consumer_id: consumer_id.get(),
            epoch: 1,
            last_seq_seen,
            drops_gap: 0,
            drops_late: 0,
            mode: Some(Mode::Stream),
        };
        let mut bytes = [0; 128];
        let len = report.encode(&mut bytes).unwrap();
        let started = Instant::now();
        while !self.qos.offer(&bytes[..len]).is_sent() {
            self.work();
            assert!(started.elapsed() < WAIT);
        }
    }
}

/// Reports as this consumer, whatever its id is, until one of its events is what is looked for.
fn impersonate(
    peer: &mut Peer,
    consumer: &mut Consumer,
    is_it: impl Fn(&Event) -> bool,
) -> Vec<Event> {
    let (started, mut reported) = (Instant::now(), None::<Instant>);
    let id = consumer.client_id().unwrap();
    let mut told = Vec::new();
    for seq in 0.. {
        peer.work();
        if reported.is_none_or(|at| at.elapsed() > Duration::from_millis(50)) {
            reported = Some(Instant::now());
            peer.report(id, seq);
        }
        consumer.poll(|_| {}, 16).unwrap();
        told.extend(consumer.events());
        if told.iter().any(&is_it) {
            break;
        }
        assert!(started.elapsed() < WAIT, "{told:?}");
    }
    told
}

/// Proves [TP-CLI-0015].
#[test]
fn clones_of_a_builder_open_clients_of_their_own() {
    let world = World::without_driver();
    let client = world.client();
    // Nobody who grants takes care of it: the ids are what was drawn.
    let mut own = OwnRegions::new(8, &[(1, 1024)]).unwrap();
    own.base_dir = world.dir.path().join("pools");
    let builder = client.producer(STREAM).without_driver(own);
    let mut producers = Vec::new();
    for _ in 0..2 {
        let producer = builder.clone().wait(WAIT).unwrap();
        producers.push(producer.client_id().unwrap());
        producer.close(Duration::ZERO).wait(WAIT).unwrap();
    }
    let _producer = builder.clone().wait(WAIT).unwrap();
    let builder = client.consumer(STREAM).without_driver();
    let consumers = [(); 2].map(|()| builder.clone().wait(WAIT).unwrap());
    assert_ne!(producers[0], producers[1]);
    assert_ne!(consumers[0].client_id(), consumers[1].client_id());
}

/// Somebody reports under the id of `consumer`, which moves on to another; `other` does not, and frames
/// flow again. Gives what the application was told.
fn move_on(
    world: &World,
    producer: &mut Producer,
    consumer: &mut Consumer,
    other: &Consumer,
) -> Vec<Event> {
    producer.wait_consumers(2, WAIT).unwrap();
    let (first, others) = (consumer.client_id(), other.client_id());
    let mut peer = Peer::new(world);
    let told = impersonate(&mut peer, consumer, |event| {
        matches!(event, Event::Remapped { .. })
    });
    let lost = |event: &Event| {
        let reason = LossReason::IdShared(first.unwrap());
        matches!(event, Event::LeaseLost { reason: told } if *told == reason)
    };
    assert!(told.iter().any(lost), "{told:?}");
    assert_ne!(consumer.client_id(), first);
    assert_eq!(other.client_id(), others, "nobody else moves");
    let (before, started) = (consumer.stats().delivered(), Instant::now());
    while consumer.stats().delivered() == before {
        let _sent_again_below = producer.offer(&FrameMeta::bytes(1).unwrap(), b"x");
        consumer.poll(|_| {}, 16).unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    told
}

/// Proves [TP-CLI-0460].
#[test]
fn a_consumer_moves_on_to_another_id_and_frames_flow_again() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    let other = client.consumer(STREAM).wait(WAIT).unwrap();
    move_on(&world, &mut producer, &mut consumer, &other);
}

/// A producer and the means to open consumers of it, without a driver.
fn open_without_driver(world: &World, client: &Client) -> Producer {
    let mut own = OwnRegions::new(8, &[(1, 1024)]).unwrap();
    own.base_dir = world.dir.path().join("pools");
    let builder = client.producer(STREAM).without_driver(own);
    builder.wait(WAIT).unwrap()
}

/// Proves [TP-CLI-3251].
#[test]
fn a_consumer_without_a_driver_moves_on_as_well_and_misses_nothing_behind() {
    let world = World::without_driver();
    let client = world.client();
    let mut producer = open_without_driver(&world, &client);
    let builder = client.consumer(STREAM).without_driver();
    let mut consumer = builder.clone().wait(WAIT).unwrap();
    let other = builder.wait(WAIT).unwrap();
    let told = move_on(&world, &mut producer, &mut consumer, &other);
    let back = |event: &Event| matches!(event, Event::LeaseBack { .. });
    assert!(told.iter().any(back), "{told:?}");
}

/// Proves [TP-CLI-3251].
#[test]
fn a_consumer_without_a_driver_keeps_an_id_it_was_given_and_says_that_it_is_shared() {
    let world = World::without_driver();
    let client = world.client();
    let _producer = open_without_driver(&world, &client);
    let id = ClientId::new(4_711);
    let builder = client.consumer(STREAM).without_driver();
    let mut consumer = builder.client_id(Some(id)).wait(WAIT).unwrap();
    let mut peer = Peer::new(&world);
    let told = impersonate(
        &mut peer,
        &mut consumer,
        |event| matches!(event, Event::ClientIdShared { client_id } if *client_id == id),
    );
    let lost = |event: &Event| matches!(event, Event::LeaseLost { .. });
    assert!(!told.iter().any(lost), "{told:?}");
    assert_eq!(consumer.client_id(), Some(id));
}

/// Proves [TP-CLI-0470].
#[test]
fn a_consumer_with_an_id_of_its_own_keeps_it_and_says_that_it_is_shared() {
    let world = World::new();
    let client = world.client();
    let id = ClientId::new(4_711);
    let mut consumer = client
        .consumer(STREAM)
        .client_id(Some(id))
        .wait(WAIT)
        .unwrap();
    let mut peer = Peer::new(&world);
    let told = impersonate(
        &mut peer,
        &mut consumer,
        |event| matches!(event, Event::ClientIdShared { client_id } if client_id.get() == 4_711),
    );
    let lost = |event: &Event| matches!(event, Event::LeaseLost { .. });
    assert!(!told.iter().any(lost), "{told:?}");
    assert_eq!(consumer.client_id(), Some(id));
    assert!(consumer.epoch().is_some());
}

/// Proves [TP-CLI-0510].
#[test]
fn who_closed_comes_back_under_the_same_id_without_waiting_for_the_lease_to_expire() {
    let world = World::new();
    let client = world.client();
    let (producing, consuming) = (Some(ClientId::new(5)), Some(ClientId::new(6)));
    // Less than a lease lasts without its holder.
    let in_time = Duration::from_secs(2);
    for round in 0..4 {
        let producer = client.producer(STREAM).client_id(producing);
        let producer = producer.attach_timeout(in_time).wait(WAIT).unwrap();
        let consumer = client.consumer(STREAM).client_id(consuming);
        let consumer = consumer.attach_timeout(in_time).wait(WAIT).unwrap();
        assert_eq!(producer.client_id(), producing);
        assert_eq!(consumer.client_id(), consuming);
        if round % 2 == 0 {
            producer.close(Duration::ZERO).wait(WAIT).unwrap();
        }
    }
}

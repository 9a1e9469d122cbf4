//! What a producer publishes, and what a consumer of ours makes of it.

use std::path::{Path, PathBuf};

use tensorpool::client::{Attribute, Client, ClientConfig, Event, FrameMeta, MetadataError};
use tensorpool::codecs::types::{ClientId, Epoch, MetaVersion};

use crate::peer::Peer;
use crate::support::{STREAM, WAIT, World};
use crate::{camera, listener, wait_event, wait_producer_event, wait_version, world_with_producer};

fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(dir).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => find(&path, name),
            false => (entry.file_name() == name).then_some(path),
        }
    })
}

/// Of the slot of this sequence number.
fn slot_version(world: &World, epoch: Epoch, seq: usize) -> u32 {
    let pools = world.dir.path().join("pools");
    let ring = epoch_dirs(&pools, &epoch.to_string()).expect("the epoch's directory");
    let ring = std::fs::read(find(&ring, "header.ring").expect("a header ring")).unwrap();
    let slot = &ring[64 + 256 * seq..];
    u32::from_le_bytes(slot[30..34].try_into().unwrap())
}

fn epoch_dirs(dir: &Path, epoch: &str) -> Option<PathBuf> {
    std::fs::read_dir(dir).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if !path.is_dir() {
            return None;
        }
        match entry.file_name() == epoch {
            true => Some(path),
            false => epoch_dirs(&path, epoch),
        }
    })
}

/// Proves [TP-CLI-2750].
#[test]
fn frames_bear_the_version_in_force_in_slot_and_descriptor() {
    let (world, client, mut producer) = world_with_producer();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    let meta = FrameMeta::bytes(1).unwrap();
    let mut own = meta;
    own.meta_version = Some(MetaVersion::new(77));
    producer.offer(&meta, b"0").unwrap();
    assert_eq!(producer.set_metadata(camera()), Ok(MetaVersion::new(1)));
    producer.offer(&meta, b"1").unwrap();
    let claim = producer.claim(&meta, 1).unwrap();
    let changed = producer.update_metadata(|m| m.set("exposure", "text/plain", b"20 ms"));
    assert_eq!(changed, Ok(MetaVersion::new(2)));
    producer.commit(claim).unwrap();
    producer.offer(&meta, b"3").unwrap();
    producer.offer(&own, b"4").unwrap();
    assert_eq!(producer.meta_version(), Some(MetaVersion::new(2)));
    let mut told = Vec::new();
    while told.len() < 5 {
        let version = |info: tensorpool::client::FrameInfo| info.meta_version.map(MetaVersion::get);
        consumer
            .poll(|frame| told.push(version(frame.info())), 16)
            .unwrap();
    }
    assert_eq!(told, [None, Some(1), Some(1), Some(2), Some(77)]);
    let epoch = producer.epoch().unwrap();
    let slots = [0, 1, 2, 3, 4].map(|seq| slot_version(&world, epoch, seq));
    assert_eq!(slots, [u32::MAX, 1, 1, 2, 77]);
}

#[test]
fn a_late_consumer_learns_what_describes_the_stream_and_then_of_each_change() {
    let (world, _client, mut producer) = world_with_producer();
    producer.set_metadata(camera()).unwrap();
    let other = world.client();
    let mut consumer = listener(&other);
    wait_version(&mut consumer, 1);
    let source = consumer.metadata().unwrap();
    assert_eq!(source.metadata, camera());
    assert_eq!((source.stream_id, source.epoch), (STREAM, producer.epoch()));
    assert_eq!(source.producer_id, producer.client_id());
    assert!(source.timestamp.is_some());
    producer
        .update_metadata(|metadata| {
            metadata.remove("lens");
            metadata.set_name("camera 2");
        })
        .unwrap();
    wait_version(&mut consumer, 2);
    let changed = consumer.metadata().unwrap();
    assert_eq!(changed.metadata.name(), "camera 2");
    assert_eq!(changed.metadata.get("lens"), None);
    let exposure = changed.metadata.get("exposure").and_then(Attribute::text);
    assert_eq!(exposure, Some("10 ms"));
    assert_eq!(source.metadata, camera(), "who holds a version keeps it");
    // A second consumer of the same client needs not wait for a repetition.
    let mut second = listener(&other);
    wait_version(&mut second, 2);
    assert_eq!(second.metadata(), consumer.metadata());
    let mut deaf = other.consumer(STREAM).wait(WAIT).unwrap();
    deaf.poll(|_| {}, 1).unwrap();
    assert_eq!(deaf.metadata(), None);
}

/// Proves [TP-CLI-2740], [TP-CLI-2700].
#[test]
fn metadata_goes_out_when_it_is_set_and_is_repeated_and_nothing_before() {
    let world = World::new();
    let mut peer = Peer::new(&world);
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
    while consumer.poll(|_| {}, 1).unwrap() == 0 {}
    assert_eq!(peer.other_publications(), 0);
    producer.set_metadata(camera()).unwrap();
    let epoch = producer.epoch().unwrap().get();
    let said = [("announce", 1, epoch), ("attributes", 1, 2)];
    assert_eq!(peer.hear(6), [said, said, said].concat());
    assert_eq!(peer.other_publications(), 1);
    // What changes nothing is not said as something new.
    assert_eq!(producer.set_metadata(camera()), Ok(MetaVersion::new(1)));
    assert_eq!(peer.hear(2), said);
}

#[test]
fn metadata_that_cannot_be_sent_is_refused_at_once() {
    let (_world, _client, mut producer) = world_with_producer();
    producer.set_metadata(camera()).unwrap();
    let refused = producer.update_metadata(|m| m.set("table", "f", vec![0; 64 << 10]));
    assert!(
        matches!(refused, Err(MetadataError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(producer.metadata(), Some(&camera()));
    assert_eq!(producer.meta_version(), Some(MetaVersion::new(1)));
}

/// Proves [TP-CLI-2790].
#[test]
fn the_next_producer_of_a_stream_describes_it_anew() {
    let (_world, client, mut producer) = world_with_producer();
    let mut consumer = listener(&client);
    for _ in 0..3 {
        producer
            .update_metadata(|m| m.set_name(format!("{}x", m.name())))
            .unwrap();
    }
    wait_version(&mut consumer, 3);
    drop(producer);
    wait_event(&mut consumer, |event| {
        matches!(event, Event::EndOfStream { .. }).then_some(())
    });
    assert_eq!(
        consumer.metadata().unwrap().metadata.name(),
        "xxx",
        "still what it was"
    );
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    producer.set_metadata(camera()).unwrap();
    wait_version(&mut consumer, 1);
    assert_eq!(consumer.metadata().unwrap().metadata, camera());
    assert_eq!(consumer.metadata().unwrap().epoch, producer.epoch());
}

/// Proves [TP-CLI-2770].
#[test]
fn metadata_outlives_the_media_driver() {
    let (mut world, client, mut producer) = world_with_producer();
    let mut consumer = listener(&client);
    producer.set_metadata(camera()).unwrap();
    wait_version(&mut consumer, 1);
    world.media = None;
    wait_event(&mut consumer, |event| {
        matches!(event, Event::LinkLost { .. }).then_some(())
    });
    producer
        .update_metadata(|m| m.set_name("meanwhile"))
        .unwrap();
    world.start_media_driver();
    wait_version(&mut consumer, 2);
    assert_eq!(consumer.metadata().unwrap().metadata.name(), "meanwhile");
    producer
        .update_metadata(|m| m.set_name("afterwards"))
        .unwrap();
    wait_version(&mut consumer, 3);
    assert!(producer.client_id() > Some(ClientId::new(0)));
}

#[test]
fn a_producer_that_closes_says_what_it_has_to_say_first() {
    let (_world, client, mut producer) = world_with_producer();
    let mut consumer = listener(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    producer.set_metadata(camera()).unwrap();
    let bytes: Vec<u8> = (0..3 << 20).map(|i| (i * 31) as u8).collect();
    producer.publish_blob(4, bytes.clone()).unwrap();
    let closing = producer.close(WAIT);
    let blob = wait_event(&mut consumer, |event| match event {
        Event::Blob(blob) => Some(blob.shared()),
        _ => None,
    });
    assert_eq!(blob.bytes, bytes);
    assert_eq!(consumer.metadata().unwrap().metadata, camera());
    closing.wait(WAIT).unwrap();
}

fn kinds(heard: &[(&'static str, u32, u64)]) -> Vec<&'static str> {
    heard.iter().map(|(kind, ..)| *kind).collect()
}

/// Proves [TP-CLI-2772].
#[test]
fn a_producer_that_closes_at_once_is_described_to_those_who_listen() {
    let (world, _client, mut producer) = world_with_producer();
    let mut peer = Peer::new(&world);
    producer.set_metadata(camera()).unwrap();
    let closing = producer.close(WAIT);
    assert_eq!(kinds(&peer.hear(2)), ["announce", "attributes"]);
    closing.wait(WAIT).unwrap();
}

/// Proves [TP-CLI-2773].
#[test]
fn a_producer_that_is_dropped_at_once_is_described_to_those_who_listen() {
    let (world, client, mut producer) = world_with_producer();
    let mut peer = Peer::new(&world);
    producer.set_metadata(camera()).unwrap();
    drop(producer);
    assert_eq!(kinds(&peer.hear(2)), ["announce", "attributes"]);
    // The whole client goes, as at the end of a process.
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    producer.set_metadata(camera()).unwrap();
    let leaving = std::thread::spawn(move || drop((producer, client)));
    assert_eq!(kinds(&peer.hear(2)), ["announce", "attributes"]);
    leaving.join().unwrap();
}

/// Proves [TP-CLI-2773].
#[test]
fn what_cannot_be_said_any_more_holds_no_close_up() {
    let mut world = World::new();
    // Its lease outlives the test: nothing but the deadline ends the wait.
    let client = Client::connect(ClientConfig {
        keepalive_interval: 6 * WAIT,
        ..world.client_config()
    });
    let client = client.unwrap();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    world.media = None;
    wait_producer_event(&mut producer, |event| {
        matches!(event, Event::LinkLost { .. }).then_some(())
    });
    producer.set_metadata(camera()).unwrap();
    let closing = producer.close(std::time::Duration::ZERO);
    assert!(closing.wait(WAIT).is_ok());
}

#[test]
fn a_producer_that_describes_its_stream_to_nobody_closes_soon() {
    let (_world, _client, mut producer) = world_with_producer();
    producer.set_metadata(camera()).unwrap();
    let started = std::time::Instant::now();
    producer.close(WAIT * 6).wait(WAIT).unwrap();
    assert!(started.elapsed() < WAIT);
}

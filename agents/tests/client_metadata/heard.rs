//! What a consumer makes of peers that announce rarely, out of order, or nonsense.

use std::time::Instant;

use tensorpool::client::{Consumer, Event};
use tensorpool::codecs::types::MetaVersion;

use crate::peer::{Peer, attribute};
use crate::support::{STREAM, WAIT, World};
use crate::{listener, wait_version, world_with_producer};

/// Name, and key and value of the only attribute.
fn described(consumer: &Consumer) -> (String, String, String) {
    let source = consumer.metadata().expect("a description");
    let attributes = source.metadata.attributes();
    assert_eq!(attributes.len(), 1);
    (
        source.metadata.name().to_owned(),
        attributes[0].key.clone(),
        attributes[0].text().unwrap().to_owned(),
    )
}

fn is(name: &str, key: &str, value: &str) -> (String, String, String) {
    (name.into(), key.into(), value.into())
}

/// Proves [TP-CLI-2775].
#[test]
fn only_who_asks_for_metadata_subscribes_to_it_and_only_that_long() {
    let (world, client, _producer) = world_with_producer();
    let mut peer = Peer::speaker(&world);
    let mut deaf = client.consumer(STREAM).wait(WAIT).unwrap();
    deaf.poll(|_| {}, 1).unwrap();
    peer.wait(|_| true);
    assert!(!peer.is_heard());
    let first = listener(&client);
    peer.wait(Peer::is_heard);
    let second = listener(&client);
    drop(first);
    peer.attribute(1, "k", "v");
    let mut second = second;
    wait_version(&mut second, 1);
    drop(second);
    peer.wait(|peer| !peer.is_heard());
    // A client in which nobody but one consumer has to do with the stream.
    let other = world.client();
    let mut only = listener(&other);
    peer.attribute(2, "k", "v");
    wait_version(&mut only, 2);
    drop(only);
    peer.wait(|peer| !peer.is_heard());
}

#[test]
fn a_peer_that_speaks_once_is_understood() {
    let (world, client, producer) = world_with_producer();
    let mut consumer = listener(&client);
    let mut peer = Peer::speaker(&world);
    let epoch = producer.epoch().unwrap().get();
    peer.announce(epoch, 5, "once");
    peer.attribute(5, "k", "v");
    wait_version(&mut consumer, 5);
    assert_eq!(described(&consumer), is("once", "k", "v"));
    // Its name alone, without attributes, takes two seconds.
    peer.announce(epoch, 6, "name only");
    wait_version(&mut consumer, 6);
    let source = consumer.metadata().unwrap();
    assert_eq!(source.metadata.name(), "name only");
    assert_eq!(
        (source.metadata.attributes(), source.timestamp),
        (&[][..], None)
    );
}

/// Every version a consumer is told until this one.
fn versions_until(consumer: &mut Consumer, last: u32) -> Vec<u32> {
    let (started, mut versions) = (Instant::now(), Vec::new());
    while versions.last() != Some(&last) {
        consumer.poll(|_| {}, 16).unwrap();
        versions.extend(consumer.events().filter_map(|event| match event {
            Event::MetadataChanged { version } => Some(version.get()),
            _ => None,
        }));
        assert!(started.elapsed() < WAIT, "{versions:?}");
    }
    versions
}

/// Proves [TP-CLI-2830], [TP-CLI-2780].
#[test]
fn stale_and_broken_messages_change_nothing() {
    let (world, client, producer) = world_with_producer();
    let mut consumer = listener(&client);
    let mut peer = Peer::speaker(&world);
    let epoch = producer.epoch().unwrap().get();
    peer.announce(epoch, 5, "five");
    peer.attribute(5, "k", "5");
    wait_version(&mut consumer, 5);
    peer.attribute(4, "k", "stale");
    peer.announce(epoch, 4, "stale");
    peer.announce(epoch - 1, 9, "of an earlier epoch");
    let whole = attribute(STREAM.get(), 8, "k", "cut");
    for len in [3, 8, 20, 24, 27, 30, whole.len() - 1] {
        peer.say(&whole[..len]);
    }
    // An attribute group that counts more than it has, and a length beyond the message.
    let mut lying = whole.clone();
    lying[26..28].copy_from_slice(&u16::MAX.to_le_bytes());
    peer.say(&lying);
    lying.clone_from(&whole);
    lying[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
    peer.say(&lying);
    // The same template in other schemas, an unknown template and an unknown schema.
    for (template, schema) in [(8u16, 910u16), (8, 901), (8, 4_711), (99, 900)] {
        let mut foreign = whole.clone();
        foreign[2..4].copy_from_slice(&template.to_le_bytes());
        foreign[4..6].copy_from_slice(&schema.to_le_bytes());
        peer.say(&foreign);
    }
    peer.say(&attribute(STREAM.get() + 1, 9, "k", "of another stream"));
    peer.announce(epoch, 6, "six");
    peer.attribute(6, "k", "6");
    assert_eq!(versions_until(&mut consumer, 6), [6]);
    assert_eq!(described(&consumer), is("six", "k", "6"));
    assert_eq!(consumer.metadata().unwrap().version, MetaVersion::new(6));
}

/// Proves [TP-CLI-2820].
#[test]
fn a_flood_of_streams_does_not_crowd_out_the_one_that_is_wanted() {
    let (world, client, producer) = world_with_producer();
    let mut consumer = listener(&client);
    let mut peer = Peer::speaker(&world);
    for stream in 0..2_000 {
        peer.say(&attribute(20_000 + stream, 1, "k", "v"));
    }
    // More attributes than are kept of a stream.
    let mut many = attribute(STREAM.get(), 1, "", "");
    let entry = many.split_off(28);
    many[26..28].copy_from_slice(&1_025u16.to_le_bytes());
    many.extend(entry.repeat(1_025));
    peer.say(&many);
    peer.announce(producer.epoch().unwrap().get(), 2, "wanted");
    peer.attribute(2, "k", "v");
    assert_eq!(versions_until(&mut consumer, 2), [2]);
    assert_eq!(described(&consumer), is("wanted", "k", "v"));
}

#[test]
fn a_world_without_metadata_has_none() {
    let world = World::new();
    let client = world.client();
    let mut consumer = listener(&client);
    consumer.poll(|_| {}, 1).unwrap();
    assert_eq!(consumer.metadata(), None);
}

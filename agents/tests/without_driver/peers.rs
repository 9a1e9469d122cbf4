//! Peers in the field that know announces and nothing of us.

use std::sync::Arc;

use tensorpool::client::Event;
use tensorpool::codecs::gate::{Message, gate};
use tensorpool::codecs::types::{Epoch, PoolId, Seq, StreamId};
use tensorpool::codecs::wire::{ClockDomain, FrameDescriptor, ShmPoolAnnounceView, Template};
use tensorpool::shm::allowed::AllowedDirs;
use tensorpool::shm::frame::Frame;
use tensorpool::shm::mapping::{Access, MapRequest, Mapping, PoolRequest};
use tensorpool::transport::Subscription;

use super::*;
use crate::foreign::Foreign;
use crate::raw::Raw;

/// What an announce says, with everything a peer maps.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Announced {
    producer_id: u32,
    epoch: u64,
    timestamp_ns: u64,
    slot_count: u32,
    header_uri: String,
    pools: Vec<(u16, u32, u32, String)>,
}

fn next_announce(subscription: &mut Subscription) -> Option<Announced> {
    let mut found = None;
    subscription.poll(1, |bytes, _| {
        let kind = gate(bytes).map(|gated| gated.message);
        if kind != Ok(Message::Wire(Template::ShmPoolAnnounce)) {
            return;
        }
        let view = ShmPoolAnnounceView::decode(bytes).unwrap();
        assert_eq!((view.stream_id, view.layout_version), (STREAM.get(), 1));
        assert_eq!(view.header_slot_bytes, 256);
        assert_eq!(view.announce_clock_domain, ClockDomain::Monotonic);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let pools = view.payload_pools.iter().map(|pool| {
            let uri = text(pool.region_uri);
            (pool.pool_id, pool.pool_nslots, pool.stride_bytes, uri)
        });
        found = Some(Announced {
            producer_id: view.producer_id,
            epoch: view.epoch,
            timestamp_ns: view.announce_timestamp_ns,
            slot_count: view.header_nslots,
            header_uri: text(view.header_region_uri),
            pools: pools.collect(),
        });
    });
    found
}

fn map(world: &World, announced: &Announced) -> Arc<Mapping> {
    let allowed = AllowedDirs::new([world.dir.path().join("pools")]).unwrap();
    let pools: Vec<_> = announced
        .pools
        .iter()
        .map(|(id, slots, stride, uri)| PoolRequest {
            id: PoolId::new(*id),
            slot_count: *slots,
            stride_bytes: *stride,
            uri,
        })
        .collect();
    let request = MapRequest {
        stream: StreamId::new(STREAM.get()),
        epoch: Epoch::new(announced.epoch),
        layout_version: 1,
        slot_count: announced.slot_count,
        header_uri: &announced.header_uri,
        pools: &pools,
        access: Access::ReadOnly,
        prefault: false,
        mlock: false,
    };
    Mapping::open(&request, &allowed).unwrap()
}

/// Proves [TP-CLI-3205], [TP-CLI-3210].
#[test]
fn a_peer_that_knows_announces_only_reads_our_stream_from_either_of_the_two() {
    let world = World::without_driver();
    let client = world.client();
    let mut raw = Raw::new(&world);
    let mut producer = produce(&world, &client);
    let on_control = raw.wait(|raw| next_announce(&mut raw.control.1));
    let on_announce = raw.wait(|raw| next_announce(&mut raw.announce.1));
    for announced in [on_control, on_announce] {
        assert_eq!(announced.producer_id, producer.client_id().unwrap().get());
        assert_eq!(announced.epoch, producer.epoch().unwrap().get());
        let mapping = map(&world, &announced);
        let seq = publish(&mut producer);
        let told = raw.wait(|raw| {
            let mut told = None;
            raw.descriptor.1.poll(1, |bytes, _| {
                told = FrameDescriptor::decode(bytes).ok();
            });
            told
        });
        assert_eq!((told.epoch, told.seq), (announced.epoch, seq));
        let slot = mapping.read_slot(Seq::new(seq)).unwrap();
        let frame = Frame::new(&mapping, &slot).unwrap();
        let mut bytes = vec![0; 600];
        frame.copy_to(&mut bytes).unwrap();
        assert_eq!(bytes, payload(seq));
    }
}

/// Proves [TP-CLI-3220], [TP-CLI-3285].
#[test]
fn announces_go_on_while_the_producer_lives_and_no_longer() {
    let world = World::without_driver();
    let client = world.client();
    let mut raw = Raw::new(&world);
    let producer = produce(&world, &client);
    let mut heard = Vec::new();
    while heard.len() < 4 {
        heard.push(raw.wait(|raw| next_announce(&mut raw.announce.1)));
    }
    let pause = |of: usize| heard[of].timestamp_ns - heard[of - 1].timestamp_ns;
    assert!(pause(1) >= 50_000_000, "{heard:?}");
    assert!(
        pause(2) >= 1_000_000_000 && pause(3) >= 1_000_000_000,
        "{heard:?}"
    );
    producer.close(Duration::ZERO).wait(WAIT).unwrap();
    // On this stream nothing comes after the good-bye, which was said before.
    let bye = raw.farewell();
    assert_eq!(bye.stream_id, STREAM.get());
    assert_eq!(next_announce(&mut raw.control.1), None);
}

/// Proves [TP-CLI-3240].
#[test]
fn a_producer_in_the_field_is_read_from_its_announces_on_the_control_stream() {
    let world = World::without_driver();
    let client = world.client();
    let mut foreign = Foreign::start(&world, 1, std::process::id());
    let pending = client.consumer(STREAM).without_driver().open();
    let mut opened = Opening(Some(pending));
    let mut consumer = opened.announced_by(&mut foreign);
    for expected in 0..20 {
        assert_eq!(foreign.publish(), expected);
        assert_eq!(receive(&mut consumer, 1), [expected]);
    }
    let stats = consumer.stats();
    assert_eq!((stats.delivered(), stats.lost()), (20, 0), "{stats:?}");
}

/// Proves [TP-CLI-3262].
#[test]
fn a_producer_in_the_field_that_restarts_in_the_epoch_it_had_is_read_from_its_new_start() {
    let world = World::without_driver();
    let client = world.client();
    let mut foreign = Foreign::start(&world, 1, std::process::id());
    let pending = client.consumer(STREAM).without_driver().open();
    let mut consumer = Opening(Some(pending)).announced_by(&mut foreign);
    for expected in 0..5 {
        assert_eq!(foreign.publish(), expected);
        assert_eq!(receive(&mut consumer, 1), [expected]);
    }
    drop(foreign);
    let lost = wait_event(&mut consumer, |event| match event {
        Event::SourceLost { epoch, counts, .. } => Some((epoch.get(), counts.delivered)),
        _ => None,
    });
    assert_eq!(lost, (1, 5));
    let parent = std::os::unix::process::parent_id();
    let mut foreign = Foreign::start(&world, 1, parent);
    wait(|| {
        foreign.announce();
        consumer.poll(|_| {}, 1).unwrap();
        consumer
            .events()
            .any(|event| matches!(event, Event::Remapped { .. }))
    });
    for expected in 0..5 {
        assert_eq!(foreign.publish(), expected);
        assert_eq!(receive(&mut consumer, 1), [expected]);
    }
}

/// A consumer that is being opened while somebody announces.
struct Opening(Option<tensorpool::client::Pending<Consumer>>);

impl Opening {
    fn announced_by(&mut self, foreign: &mut Foreign) -> Consumer {
        let mut opened = None;
        wait(|| {
            foreign.announce();
            opened = self.0.as_mut().unwrap().poll();
            opened.is_some()
        });
        opened.unwrap().unwrap()
    }
}

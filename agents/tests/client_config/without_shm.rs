//! Consumers that cannot, or may not, read payloads from shared memory.

use std::time::Instant;

use tensorpool::client::{ClientConfig, Endpoint, Event};
use tensorpool::codecs::driver::{LeaseRevokeReason, Role, ShmLeaseRevoked};
use tensorpool::codecs::wire::{
    ClockDomain, ConsumerConfig, Mode, ShmPoolAnnounce, ShmPoolAnnouncePayloadPool,
};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{Link, LinkConfig, Publication, PublicationOptions};

use crate::authority::{Authority, wait_event};
use crate::support::{STREAM, WAIT, World};
use crate::{Client, offer};

fn fallback(event: &Event) -> Option<Option<String>> {
    match event {
        Event::Fallback { uri } => Some(uri.clone()),
        _ => None,
    }
}

/// Proves [TP-CLI-2291], [TP-CLI-2292].
#[test]
fn a_consumer_without_shared_memory_opens_and_is_told_where_payloads_come_from() {
    let world = World::new();
    let mut authority = Authority::new(&world);
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let mut consumer = client
        .consumer(STREAM)
        .shared_memory(false)
        .wait(WAIT)
        .unwrap();
    assert!(consumer.is_fallback());
    assert_eq!(wait_event(&mut consumer, fallback), None, "not known yet");
    let hello = authority.hello();
    assert!(!hello.supports_shm);
    for uri in ["bridge://far", "aeron:udp?endpoint=far:40123"] {
        authority.say(&told(hello.consumer_id, uri));
        let uri_told = wait_event(&mut consumer, fallback);
        assert_eq!(uri_told.as_deref(), Some(uri));
        assert_eq!(consumer.fallback_uri(), Some(uri));
    }
    for _ in 0..20 {
        offer(&mut producer);
        consumer
            .poll(|_| panic!("memory it does not have"), 16)
            .unwrap();
    }
    assert_eq!(consumer.epoch(), None);
    assert_eq!((consumer.stats().seen(), consumer.stats().lost()), (0, 0));
    assert_eq!(producer.consumers(), 0, "nobody has mapped it");
}

/// Somebody who announces a stream by a layout nobody here knows, where the client listens.
struct Stranger {
    link: Link,
    announces: Publication,
    control: Publication,
}

impl Stranger {
    fn new(world: &World, announce: &Endpoint) -> Self {
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let control = world.client_config().control;
        let mut publication = |endpoint: &Endpoint| {
            let options = PublicationOptions::default();
            link.add_publication(&endpoint.channel, endpoint.stream_id, options)
        };
        let (announces, control) = (publication(announce), publication(&control));
        Self {
            link,
            announces,
            control,
        }
    }

    fn say(link: &mut Link, publication: &mut Publication, bytes: &[u8]) {
        let started = Instant::now();
        while !publication.offer(bytes).is_sent() {
            link.do_work(monotonic_ns());
            assert!(started.elapsed() < WAIT);
        }
    }

    fn end_source(&mut self) {
        let revoked = ShmLeaseRevoked {
            timestamp_ns: monotonic_ns().get(),
            lease_id: 1,
            stream_id: STREAM.get(),
            client_id: 77,
            role: Role::Producer,
            reason: LeaseRevokeReason::Expired,
            error_message: b"",
        };
        let mut bytes = [0; 256];
        let len = revoked.encode(&mut bytes).unwrap();
        Self::say(&mut self.link, &mut self.control, &bytes[..len]);
    }

    fn announce(&mut self, epoch: u64) {
        let announce = ShmPoolAnnounce {
            stream_id: STREAM.get(),
            producer_id: 77,
            epoch,
            announce_timestamp_ns: monotonic_ns().get(),
            announce_clock_domain: ClockDomain::Monotonic,
            layout_version: 2,
            header_nslots: 8,
            header_slot_bytes: 256,
            payload_pools: &[ShmPoolAnnouncePayloadPool {
                pool_id: 1,
                pool_nslots: 8,
                stride_bytes: 64,
                region_uri: b"shm:file?path=/p",
            }],
            header_region_uri: b"shm:file?path=/h",
        };
        let mut bytes = [0; 256];
        let len = announce.encode(&mut bytes).unwrap();
        Self::say(&mut self.link, &mut self.announces, &bytes[..len]);
    }
}

/// Proves [TP-CLI-2294].
#[test]
fn a_stream_that_goes_on_in_another_layout_is_taken_from_elsewhere() {
    let world = World::new();
    // Where the driver does not announce: what is heard is the stranger's.
    let announce = Endpoint {
        stream_id: 1_901,
        ..world.client_config().announce
    };
    let config = ClientConfig {
        announce: announce.clone(),
        ..world.client_config()
    };
    let mut stranger = Stranger::new(&world, &announce);
    let client = Client::connect(config).unwrap();
    let mut consumer = client
        .consumer(STREAM)
        .payload_fallback("bridge://home")
        .wait(WAIT)
        .unwrap();
    let epoch = consumer.epoch().expect("mapped as granted");
    assert!(!consumer.is_fallback());
    stranger.end_source();
    let started = Instant::now();
    while !consumer.is_fallback() {
        stranger.announce(epoch.get() + 1);
        consumer.poll(|_| {}, 16).unwrap();
        assert!(started.elapsed() < WAIT, "not told to go elsewhere");
    }
    assert_eq!(consumer.fallback_uri(), Some("bridge://home"));
    assert_eq!(consumer.epoch(), None);
}

/// Allows shared memory, and names somewhere else.
fn told(consumer_id: u32, uri: &str) -> ConsumerConfig<'_> {
    ConsumerConfig {
        stream_id: STREAM.get(),
        consumer_id,
        use_shm: true,
        mode: Mode::Stream,
        descriptor_stream_id: 0,
        control_stream_id: 0,
        payload_fallback_uri: uri.as_bytes(),
        descriptor_channel: b"",
        control_channel: b"",
    }
}

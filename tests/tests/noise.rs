//! What is damaged, strange or not meant for anybody, on the streams of real processes and as fast as it can be said: nobody
//! dies of it, no lease is lost, no frame is wrong, and it is counted.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::Value;
use tensorpool::client;
use tensorpool::driver::kinds;
use tensorpool::protocol::client::SplitMix64;
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::runtime::counters::{AgentKind, CounterKind};
use tensorpool_codecs::driver::{
    LeaseRevokeReason, ShmDetachRequest, ShmDriverShutdown, ShmLeaseKeepalive, ShmLeaseRevoked,
};
use tensorpool_codecs::gate::{Message, gate};
use tensorpool_codecs::{bridge, discovery, driver, event, merge, tracelink, wire};
use tensorpool_tests::process::PATIENCE;
use tensorpool_tests::{Process, Sandbox, StreamConfig};
use tensorpool_transport::cnc::CncReader;
use tensorpool_transport::{
    Channel, Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

/// Control, announces, descriptors, reports, metadata.
const STREAMS: [i32; 5] = [1000, 1001, 1100, 1200, 1300];
/// Bodies made up for each template.
const BODIES: usize = 3;
/// Bytes of such a body behind the block: groups and strings.
const TAIL: usize = 48;

macro_rules! templates {
    ($($schema:ident: $($name:ident)+;)+) => {
        [$($(
            ($schema::SCHEMA_ID, $schema::Template::$name.id(), $schema::$name::BLOCK_LEN),
        )+)+]
    };
}

/// Schema, template and block length of every message there is.
const TEMPLATES: [(u16, u16, u16); 31] = templates! {
    wire: ShmPoolAnnounce ConsumerHello ConsumerConfig FrameDescriptor FrameProgress QosConsumer
        QosProducer TensorHeader DataSourceAnnounce DataSourceMeta ControlResponse MetaBlobAnnounce
        MetaBlobChunk MetaBlobComplete;
    driver: ShmAttachRequest ShmAttachResponse ShmDetachRequest ShmDetachResponse ShmLeaseKeepalive
        ShmDriverShutdown ShmLeaseRevoked ShmDriverShutdownRequest;
    bridge: BridgeFrameChunk;
    merge: SequenceMergeMapAnnounce SequenceMergeMapRequest TimestampMergeMapAnnounce
        TimestampMergeMapRequest;
    tracelink: TraceLinkSet;
    discovery: DiscoveryRequest DiscoveryResponse;
    event: EventMessage;
};

#[test]
fn every_template_of_every_schema_is_among_them() {
    let count = wire::Template::ALL.len()
        + driver::Template::ALL.len()
        + bridge::Template::ALL.len()
        + merge::Template::ALL.len()
        + tracelink::Template::ALL.len()
        + discovery::Template::ALL.len()
        + event::Template::ALL.len();
    let mut distinct = TEMPLATES
        .map(|(schema, template, _)| (schema, template))
        .to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((distinct.len(), TEMPLATES.len()), (count, count));
}

/// A header, and a body of mostly small numbers: most of them decode, and name streams, clients and leases that nobody has.
fn made_up(random: &mut SplitMix64, (schema, template, block_len): (u16, u16, u16)) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [block_len, template, schema, 1] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend((0..usize::from(block_len) + TAIL).map(|_| {
        let [kind, small, any, ..] = random.next_u64().to_le_bytes();
        if kind % 5 == 0 { any } else { small % 4 }
    }));
    bytes
}

/// Somebody on all streams at once.
struct Stranger {
    link: Link,
    publications: Vec<Publication>,
    subscriptions: Vec<Subscription>,
    said: u64,
}

impl Stranger {
    fn new(sandbox: &Sandbox) -> Self {
        let mut link = Link::new(LinkConfig::for_dir(&sandbox.aeron_dir())).expect("a link");
        let channel: Channel = "aeron:ipc?term-length=64k".parse().expect("a channel");
        let publications = STREAMS
            .map(|id| link.add_publication(&channel, id, PublicationOptions::default()))
            .into();
        let untethered = SubscriptionOptions::UNTETHERED;
        let subscriptions = STREAMS
            .map(|id| link.add_subscription(&channel, id, untethered))
            .into();
        Self {
            link,
            publications,
            subscriptions,
            said: 0,
        }
    }

    /// On every stream that anybody listens to.
    fn say(&mut self, bytes: &[u8]) {
        let started = Instant::now();
        for publication in &mut self.publications {
            loop {
                let offer = publication.offer(bytes);
                if offer.is_sent() {
                    self.said += 1;
                    break;
                }
                self.link.do_work(monotonic_ns());
                if publication.is_live() && !publication.is_connected() {
                    break;
                }
                assert!(started.elapsed() < PATIENCE, "nobody takes it: {offer:?}");
            }
        }
    }

    /// One message of each kind, as the processes really say them, and the keepalive of each lease.
    fn overhear(
        &mut self,
        kinds: &[Message],
        leases: usize,
    ) -> (Vec<Vec<u8>>, Vec<ShmLeaseKeepalive>) {
        let (mut heard, mut keepalives) = (BTreeMap::new(), BTreeMap::new());
        let started = Instant::now();
        while heard.len() < kinds.len() || keepalives.len() < leases {
            self.link.do_work(monotonic_ns());
            for subscription in &mut self.subscriptions {
                subscription.poll(64, |bytes, _| {
                    let Ok(gated) = gate(bytes) else { return };
                    if kinds.contains(&gated.message) {
                        heard.insert(gated.message.name(), bytes.to_vec());
                    }
                    if let Ok(keepalive) = ShmLeaseKeepalive::decode(bytes) {
                        keepalives.insert(keepalive.lease_id, keepalive);
                    }
                });
            }
            let names: Vec<_> = heard.keys().collect();
            assert!(started.elapsed() < PATIENCE, "heard only {names:?}");
        }
        // Nobody waits for us to read from here on.
        self.subscriptions.clear();
        (
            heard.into_values().collect(),
            keepalives.into_values().collect(),
        )
    }
}

/// A real message with each word of its header changed, and cut at every byte.
fn damaged(message: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = (0..message.len())
        .map(|len| message[..len].to_vec())
        .collect();
    for word in 0..4 {
        for value in [0_u16, 1, 0xff, 0x7fff, 0xffff, 900, 901, 910] {
            let mut changed = message.to_vec();
            changed[2 * word..2 * word + 2].copy_from_slice(&value.to_le_bytes());
            all.push(changed);
        }
    }
    all
}

/// Ends and revocations of leases that there are, each of them too short.
fn cut_ends(keepalive: &ShmLeaseKeepalive) -> Vec<Vec<u8>> {
    let detach = ShmDetachRequest {
        correlation_id: 1,
        lease_id: keepalive.lease_id,
        stream_id: keepalive.stream_id,
        client_id: keepalive.client_id,
        role: keepalive.role,
    };
    let revoked = ShmLeaseRevoked {
        timestamp_ns: monotonic_ns().get(),
        lease_id: keepalive.lease_id,
        stream_id: keepalive.stream_id,
        client_id: keepalive.client_id,
        role: keepalive.role,
        reason: LeaseRevokeReason::Revoked,
        error_message: b"",
    };
    let shutdown = ShmDriverShutdown {
        timestamp_ns: monotonic_ns().get(),
        reason: tensorpool_codecs::driver::ShutdownReason::Normal,
        error_message: b"",
    };
    let mut all = Vec::new();
    let mut bytes = vec![0; 256];
    let lens = [
        detach.encode(&mut bytes).map(|len| (len, bytes.clone())),
        revoked.encode(&mut bytes).map(|len| (len, bytes.clone())),
        shutdown.encode(&mut bytes).map(|len| (len, bytes.clone())),
    ];
    for (_, bytes) in lens
        .into_iter()
        .map(|encoded| encoded.expect("short messages"))
    {
        let block_len = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        all.extend((0..8 + block_len).map(|len| bytes[..len].to_vec()));
    }
    all
}

fn counter(sandbox: &Sandbox, agent: AgentKind, kind: CounterKind) -> Vec<i64> {
    let counters = CncReader::open(&sandbox.aeron_dir())
        .expect("counters")
        .counters();
    let type_id = kind.type_id(agent);
    let of_kind = counters.iter().filter(|counter| counter.type_id == type_id);
    of_kind.map(|counter| counter.value).collect()
}

fn wait_for_frames(process: &mut Process) -> u64 {
    let started = Instant::now();
    process.wait_line("frames", PATIENCE, |line| {
        let value: Value = serde_json::from_str(&line.text).ok()?;
        let frames = value["frames"].as_u64().filter(|frames| *frames > 0)?;
        (value["event"] == "progress" && line.at >= started).then_some(frames)
    })
}

/// Proves [TP-CLI-0387], [TP-DRV-0080].
#[test]
fn noise_on_all_streams_ends_no_process_and_no_lease_and_spoils_no_frame() {
    let sandbox = Sandbox::new();
    let mut media_driver = sandbox.media_driver();
    // With a supervisor beside it, which hears the same.
    let config = sandbox.config(&[StreamConfig::one_pool(16, 4096)]);
    let text = std::fs::read_to_string(&config).expect("configuration") + "\n[supervisor]\n";
    let mut driver = sandbox.driver(&sandbox.write("supervised.toml", text));
    let subscribe = ["subscribe", "--json", "--verify", "interop"];
    let mut subscriber = sandbox.spawn("subscriber", subscribe);
    let publish = [
        "publish",
        "--json",
        "--lossless",
        "--pattern",
        "interop",
        "--size",
        "4000",
        "--pace",
        "500",
        "--wait-consumers",
        "1",
    ];
    let mut publisher = sandbox.spawn("publisher", publish);
    wait_for_frames(&mut subscriber);

    let mut stranger = Stranger::new(&sandbox);
    let (messages, keepalives) = stranger.overhear(
        &[
            Message::Wire(wire::Template::ShmPoolAnnounce),
            Message::Wire(wire::Template::ConsumerHello),
            Message::Wire(wire::Template::FrameDescriptor),
            Message::Wire(wire::Template::QosConsumer),
            Message::Wire(wire::Template::QosProducer),
            Message::Driver(driver::Template::ShmLeaseKeepalive),
        ],
        2,
    );
    let mut random = SplitMix64::new(20_261_121);
    for message in &messages {
        damaged(message)
            .iter()
            .for_each(|bytes| stranger.say(bytes));
    }
    for keepalive in &keepalives {
        cut_ends(keepalive)
            .iter()
            .for_each(|bytes| stranger.say(bytes));
    }
    for template in TEMPLATES {
        for _ in 0..BODIES {
            let message = made_up(&mut random, template);
            for len in 0..=message.len() {
                // A notice of shutdown has no address: whoever hears one obeys it.
                if ShmDriverShutdown::decode(&message[..len]).is_err() {
                    stranger.say(&message[..len]);
                }
            }
        }
    }
    for _ in 0..2_000 {
        let len = random.next_u64() % 200;
        let noise: Vec<u8> = (0..len).map(|_| random.next_u64() as u8).collect();
        stranger.say(&noise);
    }
    assert!(stranger.said > 20_000, "{}", stranger.said);

    // Everybody goes on as before, under the same leases, and has counted it.
    wait_for_frames(&mut subscriber);
    // Among what was made up are requests nobody can object to: consumers that attach and are never heard of again.
    assert!(counter(&sandbox, AgentKind::Driver, kinds::LEASES)[0] >= 2);
    let ours =
        [&subscriber, &publisher].map(|client| client.events("attached")[0]["client"].clone());
    let of_ours = |event: &&Value| ours.contains(&event["client"]);
    let malformed = [
        counter(&sandbox, AgentKind::Driver, kinds::MESSAGES_MALFORMED),
        counter(
            &sandbox,
            AgentKind::ClientConductor,
            client::kinds::MESSAGES_MALFORMED,
        ),
    ];
    assert!(
        malformed.iter().flatten().all(|count| *count > 100),
        "{malformed:?}"
    );
    assert_eq!(malformed.map(|counts| counts.len()), [1, 2]);
    for client in [&subscriber, &publisher] {
        for event in ["lease_lost", "driver_lost", "source_lost", "map_failed"] {
            assert_eq!(
                client.events(event),
                [] as [Value; 0],
                "{}",
                client.transcript()
            );
        }
    }
    for event in ["lease_expired", "lease_revoked", "lease_detached"] {
        let ended = driver.events(event);
        assert_eq!(ended.iter().find(of_ours), None, "{}", driver.transcript());
    }
    assert_eq!(driver.events("fault"), [] as [Value; 0]);

    assert!(
        publisher.terminate().success(),
        "{}",
        publisher.transcript()
    );
    subscriber.expect_success();
    let (sent, received) = (
        publisher.wait_event("summary"),
        subscriber.wait_event("summary"),
    );
    assert_eq!(sent["frames"], received["frames"], "{received}");
    assert_eq!(received["wrong"], 0, "{received}");
    assert!(driver.terminate().success(), "{}", driver.transcript());
    assert!(media_driver.terminate().success());
}

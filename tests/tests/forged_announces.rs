//! Announces of somebody who lies, heard by a subscriber at work: each is refused, explained where a user looks, and
//! counted where a tool does, while frames go on.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tensorpool::client::kinds;
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::runtime::counters::AgentKind;
use tensorpool_codecs::wire::{
    ClockDomain, ShmPoolAnnounce, ShmPoolAnnouncePayloadPool, ShmPoolAnnounceView,
    ShmRegionSuperblock,
};
use tensorpool_tests::{Process, Sandbox, StreamConfig};
use tensorpool_transport::cnc::CncReader;
use tensorpool_transport::{
    Channel, Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

const PATIENCE: Duration = Duration::from_secs(20);
const SLOTS: u32 = 16;
const STRIDE: u32 = 4096;

/// What the driver announced, as far as it is lied about.
#[derive(Clone, Debug)]
struct Announced {
    epoch: u64,
    ring: PathBuf,
    pool_uri: String,
}

/// Somebody on the announce stream.
struct Liar {
    link: Link,
    publication: Publication,
    announces: Subscription,
}

impl Liar {
    fn new(sandbox: &Sandbox) -> Self {
        let mut link = Link::new(LinkConfig::for_dir(&sandbox.aeron_dir())).expect("a link");
        let channel = Channel::ipc();
        let publication = link.add_publication(&channel, 1001, PublicationOptions::default());
        let announces = link.add_subscription(&channel, 1001, SubscriptionOptions::UNTETHERED);
        Self {
            link,
            publication,
            announces,
        }
    }

    /// The driver's announce of this epoch.
    fn overhear(&mut self, epoch: u64) -> Announced {
        let (started, mut heard) = (Instant::now(), None);
        while heard.is_none() {
            self.link.do_work(monotonic_ns());
            self.announces.poll(16, |bytes, _| {
                let Ok(view) = ShmPoolAnnounceView::decode(bytes) else {
                    return;
                };
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("utf-8");
                let ring = text(view.header_region_uri);
                let (_, ring) = ring.split_once("path=").expect("a URI");
                let pool = view.payload_pools.iter().next().expect("a pool");
                heard = (view.epoch == epoch).then(|| Announced {
                    epoch,
                    ring: ring.into(),
                    pool_uri: text(pool.region_uri),
                });
            });
            assert!(started.elapsed() < PATIENCE, "nothing is announced");
        }
        heard.expect("heard")
    }

    /// Says that the header ring lies there.
    fn say(&mut self, real: &Announced, ring: &Path) {
        let uri = format!("shm:file?path={}", ring.display());
        let message = ShmPoolAnnounce {
            stream_id: 10_000,
            producer_id: 5,
            epoch: real.epoch,
            announce_timestamp_ns: monotonic_ns().get(),
            announce_clock_domain: ClockDomain::Monotonic,
            layout_version: 1,
            header_nslots: SLOTS,
            header_slot_bytes: 256,
            payload_pools: &[ShmPoolAnnouncePayloadPool {
                pool_id: 1,
                pool_nslots: SLOTS,
                stride_bytes: STRIDE,
                region_uri: real.pool_uri.as_bytes(),
            }],
            header_region_uri: uri.as_bytes(),
        };
        let mut bytes = vec![0; message.encoded_len().expect("short")];
        message.encode(&mut bytes).expect("it fits");
        let started = Instant::now();
        while !self.publication.offer(&bytes).is_sent() {
            self.link.do_work(monotonic_ns());
            assert!(started.elapsed() < PATIENCE, "nobody listens");
        }
    }

    /// Says it until the subscriber explains that it did not believe it. What is announced while others fail in a row
    /// has to wait, and the driver's own announce may come first.
    fn is_refused(&mut self, subscriber: &mut Process, real: &Announced, lie: &Path, why: &str) {
        let (started, mut said) = (Instant::now(), None::<Instant>);
        let explains = |event: &serde_json::Value| {
            let error = event["error"].as_str().unwrap_or_default();
            error.contains(why)
        };
        while !subscriber.events("map_failed").iter().any(explains) {
            self.link.do_work(monotonic_ns());
            if said.is_none_or(|at| at.elapsed() > Duration::from_millis(100)) {
                self.say(real, lie);
                said = Some(Instant::now());
            }
            let is_in_time = started.elapsed() < PATIENCE;
            assert!(is_in_time, "{why:?} in:\n{}", subscriber.transcript());
            std::thread::yield_now();
        }
    }
}

/// A copy of the ring whose superblock says something else.
fn forge(real: &Announced, path: PathBuf, change: fn(&mut ShmRegionSuperblock)) -> PathBuf {
    let mut bytes = std::fs::read(&real.ring).expect("the ring");
    let (head, _) = bytes
        .split_first_chunk_mut::<{ ShmRegionSuperblock::ENCODED_LEN }>()
        .expect("a superblock");
    let mut superblock = ShmRegionSuperblock::decode(head).expect("a superblock");
    change(&mut superblock);
    superblock.encode_into(head);
    std::fs::write(&path, bytes).expect("a copy");
    let mode = std::fs::Permissions::from_mode(0o660);
    std::fs::set_permissions(&path, mode).expect("its mode");
    path
}

#[test]
fn a_subscriber_at_work_refuses_counts_and_explains_what_leads_it_astray() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = sandbox.config(&[StreamConfig::one_pool(SLOTS, STRIDE)]);
    let _driver = sandbox.driver(&config);
    let config = config.to_str().expect("utf-8");
    let common = ["--json", "--no-env", "--config", config];
    let publish = [
        "publish",
        "--pattern",
        "interop",
        "--size",
        "512",
        "--pace",
        "500",
    ];
    let mut publisher = sandbox.spawn("publisher", publish.iter().chain(&common));
    let epoch = publisher.wait_event("attached")["epoch"].as_u64();
    let subscribe = ["subscribe", "--verify", "interop"];
    let mut subscriber = sandbox.spawn("subscriber", subscribe.iter().chain(&common));
    subscriber.wait_event("attached");
    let mut liar = Liar::new(&sandbox);
    let real = liar.overhear(epoch.expect("an epoch"));

    let base = sandbox.base_dir();
    let swapped = base.join("swapped.ring");
    symlink(&real.ring, &swapped).expect("a link");
    let magic = forge(&real, base.join("magic.ring"), |block| block.magic ^= 1);
    let stride = forge(&real, base.join("slot.ring"), |block| {
        block.slot_bytes = 128
    });
    let old = forge(&real, base.join("epoch.ring"), |block| block.epoch -= 1);
    let lies = [
        (base.join("../../etc/passwd"), "must not contain \"..\""),
        ("/etc/passwd".into(), "outside of the allowed base"),
        (swapped, "swapped.ring contains a symbolic link"),
        (magic, "not a tensor pool region"),
        (stride, "slot size is 128 bytes, expected 256"),
        (old, "superblock epoch is"),
    ];
    for (lie, why) in &lies {
        liar.is_refused(&mut subscriber, &real, lie, why);
    }
    for event in subscriber.events("map_failed") {
        assert_eq!(event["in_use"].as_u64(), epoch, "{event}");
    }
    // It never left what it had, and every frame is in order.
    publisher.terminate();
    subscriber.expect_success();
    let summary = subscriber.wait_event("summary");
    let refused = summary["map_failures"].as_u64().expect("a count");
    assert!(refused >= lies.len() as u64, "{summary}");
    assert_eq!(summary["wrong"], 0, "{summary}");
    assert_eq!(
        summary["epochs"].as_array().map(Vec::len),
        Some(1),
        "{summary}"
    );
}

#[test]
fn what_a_subscriber_refuses_is_counted_where_tools_look() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = sandbox.config(&[StreamConfig::one_pool(SLOTS, STRIDE)]);
    let _driver = sandbox.driver(&config);
    let config = config.to_str().expect("utf-8");
    let subscribe = ["subscribe", "--json", "--no-env", "--config", config];
    let mut subscriber = sandbox.spawn("subscriber", subscribe);
    let epoch = subscriber.wait_event("attached")["epoch"].as_u64();
    let mut liar = Liar::new(&sandbox);
    let real = liar.overhear(epoch.expect("an epoch"));
    let lie = sandbox.base_dir().join("../../etc/passwd");
    liar.is_refused(&mut subscriber, &real, &lie, "must not contain");
    let type_id = kinds::MAP_FAILURES.type_id(AgentKind::Consumer);
    let cnc = CncReader::open(&sandbox.aeron_dir()).expect("a media driver");
    let started = Instant::now();
    loop {
        let counters = cnc.counters();
        let of_kind = counters.iter().find(|counter| counter.type_id == type_id);
        if of_kind.is_some_and(|counter| counter.value > 0) {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{counters:?}");
        std::thread::yield_now();
    }
    assert!(subscriber.terminate().success());
}

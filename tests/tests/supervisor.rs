//! The supervisor as processes: beside a driver, brought by its configuration, alone, killed and started again; and
//! consumers played byte for byte.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool_codecs::gate::{Message, gate};
use tensorpool_codecs::wire::{ConsumerConfig, ConsumerHello, Mode, Template};
use tensorpool_tests::process::PATIENCE;
use tensorpool_tests::{Process, Sandbox, StreamConfig};
use tensorpool_transport::{
    Channel, Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

const STREAM: u32 = 10_000;
/// Ten streams of each kind.
const OWN_STREAMS: &str = "[supervisor]\nper_consumer_enabled = true\nper_consumer_descriptor_base = 31000\n\
                           per_consumer_descriptor_range = 10\nper_consumer_control_base = 32000\n\
                           per_consumer_control_range = 10\n";

/// A peer on the control stream that can play any number of consumers.
struct Consumers {
    publication: Publication,
    subscription: Subscription,
    link: Link,
}

/// The ids a consumer was told, 0 for none.
type Ids = (u32, u32);

impl Consumers {
    fn new(sandbox: &Sandbox) -> Self {
        let mut link = Link::new(LinkConfig::for_dir(&sandbox.aeron_dir())).expect("link");
        let channel: Channel = "aeron:ipc?term-length=64k".parse().expect("channel");
        let publication = link.add_publication(&channel, 1000, PublicationOptions::default());
        let options = SubscriptionOptions::UNTETHERED;
        let subscription = link.add_subscription(&channel, 1000, options);
        Self {
            publication,
            subscription,
            link,
        }
    }

    /// Says hello until it is answered, and gives the answer. What was said before is not listened to.
    fn ask(&mut self, consumer: u32, wanted: Ids) -> (Ids, Mode) {
        let channel = |id| if id == 0 { &b""[..] } else { b"aeron:ipc" };
        let hello = ConsumerHello {
            stream_id: STREAM,
            consumer_id: consumer,
            supports_shm: true,
            supports_progress: false,
            mode: Mode::Stream,
            max_rate_hz: 0,
            expected_layout_version: 1,
            progress_interval_us: None,
            progress_bytes_delta: None,
            progress_major_delta_units: None,
            descriptor_stream_id: wanted.0,
            control_stream_id: wanted.1,
            descriptor_channel: channel(wanted.0),
            control_channel: channel(wanted.1),
        };
        let mut message = vec![0; hello.encoded_len().expect("a short message")];
        hello.encode(&mut message).expect("it fits its length");
        self.exchange(consumer, &message)
    }

    fn exchange(&mut self, consumer: u32, message: &[u8]) -> (Ids, Mode) {
        let started = Instant::now();
        let (mut said_at, mut answer) = (None::<Instant>, None);
        while answer.is_none() {
            self.link.do_work(monotonic_ns());
            let is_said = said_at.is_some();
            self.subscription.poll(64, |bytes, _| {
                let config = is_said.then(|| read(bytes)).flatten();
                answer = answer.or(config
                    .filter(|(to, _)| *to == consumer)
                    .map(|(_, told)| told));
            });
            // As consumers do: once a second, as nobody may have been there yet.
            let is_due = said_at.is_none_or(|at| at.elapsed().as_secs() >= 1);
            if is_due && self.publication.offer(message).is_sent() {
                said_at = Some(Instant::now());
            }
            assert!(
                started.elapsed() < PATIENCE,
                "consumer {consumer} was not answered"
            );
            std::thread::yield_now();
        }
        answer.expect("an answer")
    }
}

fn read(bytes: &[u8]) -> Option<(u32, (Ids, Mode))> {
    if gate(bytes).ok()?.message != Message::Wire(Template::ConsumerConfig) {
        return None;
    }
    let config = ConsumerConfig::decode(bytes).expect("a whole message");
    let ids = (config.descriptor_stream_id, config.control_stream_id);
    Some((config.consumer_id, (ids, config.mode)))
}

/// A configuration with one small stream, `keys` in its table `[driver]`, and more `tables`.
fn config(sandbox: &Sandbox, keys: &str, tables: &str) -> PathBuf {
    let path = sandbox.config(&[StreamConfig::one_pool(8, 1 << 16)]);
    let text = std::fs::read_to_string(&path).expect("configuration");
    let text = text.replacen("[driver]\n", &format!("[driver]\n{keys}"), 1);
    sandbox.write("tensorpool.toml", format!("{text}\n{tables}"))
}

/// Starts `agent-runner run ROLES` and waits until each of `ready` is.
fn run(sandbox: &Sandbox, roles: &str, config: &Path, ready: &[&str]) -> Process {
    let args = ["run", roles, "--json", "--config"].map(OsStr::new);
    let mut process = sandbox.spawn(roles, args.into_iter().chain([config.as_os_str()]));
    for _ in ready {
        process.wait_event_where("ready", PATIENCE, |event| {
            ready.iter().any(|role| event["role"] == *role)
        });
    }
    process
}

fn is_about(event: &Value, consumer: u32) -> bool {
    event["stream"] == STREAM && event["consumer"] == consumer
}

#[test]
fn consumers_beside_a_driver_and_a_supervisor_get_distinct_streams_that_are_told_of() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = config(&sandbox, "", OWN_STREAMS);
    let mut process = run(
        &sandbox,
        "driver,supervisor",
        &config,
        &["driver", "supervisor"],
    );
    let mut consumers = Consumers::new(&sandbox);
    let mut taken = BTreeSet::new();
    for consumer in [7, 17, 27, 37] {
        let (ids, mode) = consumers.ask(consumer, (1, 1));
        assert_eq!(mode, Mode::Stream);
        assert!(
            (31_000..31_010).contains(&ids.0) && (32_000..32_010).contains(&ids.1),
            "{ids:?}"
        );
        assert!(taken.insert(ids.0) && taken.insert(ids.1), "{ids:?} twice");
        assert_eq!(consumers.ask(consumer, (1, 1)).0, ids);
        let told = process.wait_event_where("consumer_config", PATIENCE, |event| {
            is_about(event, consumer)
        });
        assert_eq!(told["descriptor"]["stream"], ids.0);
        assert_eq!(told["control"]["channel"], "aeron:ipc");
    }
    assert_eq!(consumers.ask(47, (0, 0)).0, (0, 0));
    process.signal(Signal::USR1);
    let table = process.wait_event("table");
    assert_eq!(
        table["consumers"].as_array().map(Vec::len),
        Some(5),
        "{table}"
    );
    assert_eq!(
        process.events("consumer_config").len(),
        4,
        "only changes are told"
    );
    // Nobody says hello any more.
    process.wait_event_where("consumer_lost", PATIENCE, |event| is_about(event, 47));
    process.signal(Signal::INT);
    process.expect_success();
}

/// Proves [TP-DRV-2810].
#[test]
fn a_driver_whose_file_has_the_table_brings_a_supervisor_and_frames_still_flow() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = config(&sandbox, "", "[supervisor]\n");
    let mut driver = run(&sandbox, "driver", &config, &["driver", "supervisor"]);
    // Everybody is answered, also one that asks for nothing.
    let answer = Consumers::new(&sandbox).ask(7, (0, 0));
    assert_eq!(answer, ((0, 0), Mode::Stream));
    let mut subscriber = sandbox.spawn("subscriber", ["subscribe", "--json", "--verify", "seq"]);
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--pattern",
            "seq",
            "--count",
            "100",
            "--lossless",
            "--wait-consumers",
            "1",
        ],
    );
    publisher.expect_success();
    subscriber.expect_success();
    assert_eq!(subscriber.wait_event("summary")["frames"], 100);
    driver.wait_event("producer_joined");
    driver.signal(Signal::TERM);
    driver.expect_success();
}

#[test]
fn a_driver_with_ids_and_no_table_gives_them_out_and_leaves_the_others_alone() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = config(
        &sandbox,
        "descriptor_stream_id_range = \"31000-31001\"\n",
        "",
    );
    let mut driver = run(&sandbox, "driver", &config, &["driver", "supervisor"]);
    let mut consumers = Consumers::new(&sandbox);
    let ids = [7, 8, 9].map(|consumer| consumers.ask(consumer, (1, 1)).0);
    assert_eq!(ids, [(31_000, 0), (31_001, 0), (0, 0)]);
    assert!(driver.events("consumer_joined").is_empty());
    let declined = driver.wait_event_where("consumer_config", PATIENCE, |event| is_about(event, 9));
    assert_eq!(declined["descriptor_declined"], "all ids are taken");
    driver.signal(Signal::TERM);
    driver.expect_success();
}

#[test]
fn consumers_keep_their_streams_when_the_supervisor_is_killed_and_started_again() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = config(&sandbox, "", OWN_STREAMS);
    let mut supervisor = run(&sandbox, "supervisor", &config, &["supervisor"]);
    let mut consumers = Consumers::new(&sandbox);
    let before = [7, 8].map(|consumer| consumers.ask(consumer, (1, 1)).0);
    supervisor.kill9();
    let mut supervisor = run(&sandbox, "supervisor", &config, &["supervisor"]);
    // They name what they have, in another order.
    assert_eq!(consumers.ask(8, before[1]).0, before[1]);
    assert_eq!(consumers.ask(7, before[0]).0, before[0]);
    supervisor.signal(Signal::TERM);
    supervisor.expect_success();
}

#[test]
fn subscribers_that_ask_hear_of_frames_on_streams_of_their_own() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = config(&sandbox, "", OWN_STREAMS);
    let roles = ["driver", "supervisor"];
    let mut driver = run(&sandbox, "driver,supervisor", &config, &roles);
    let mut subscribers = ["own-1", "own-2", "shared"].map(|name| {
        let own = (name != "shared").then_some("--own-stream");
        let args = ["subscribe", "--json", "--verify", "seq"].into_iter();
        sandbox.spawn(name, args.chain(own))
    });
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--pattern",
            "seq",
            "--duration",
            "4s",
            "--pace",
            "200",
            "--lossless",
            "--wait-consumers",
            "3",
        ],
    );
    publisher.expect_success();
    let sent = publisher.wait_event("summary")["frames"].clone();
    let mut taken = BTreeSet::new();
    for (index, subscriber) in subscribers.iter_mut().enumerate() {
        subscriber.expect_success();
        let summary = subscriber.wait_event("summary");
        assert_eq!(
            (&summary["frames"], &summary["wrong"]),
            (&sent, &Value::from(0)),
            "{summary}"
        );
        let own = summary["descriptor_stream"].as_u64();
        assert_eq!(own.is_some(), index < 2, "{summary}");
        assert!(own.is_none_or(|id| taken.insert(id)), "{own:?} twice");
    }
    // A hello may be heard after its sender's lease has ended, and is answered all the same.
    let told = driver.events("consumer_config");
    let told: BTreeSet<_> = told.iter().map(|one| one["consumer"].as_u64()).collect();
    assert_eq!(told.len(), 2);
    driver.signal(Signal::TERM);
    driver.expect_success();
}

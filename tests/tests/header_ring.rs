//! Subscribers that watch the header ring, in processes of their own: under pressure, beside one that listens to
//! descriptors, and when their producer dies in the middle of a write.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tensorpool_tests::process::PATIENCE;
use tensorpool_tests::{Process, Sandbox, StreamConfig};

fn subscribe(sandbox: &Sandbox, more: &[&str]) -> Process {
    let args = [
        "subscribe",
        "--json",
        "--verify",
        "interop",
        "--availability",
        "header-ring",
    ];
    sandbox.spawn("subscriber", args.iter().chain(more))
}

fn publish(sandbox: &Sandbox, more: &[&str]) -> Process {
    let args = ["publish", "--json", "--pattern", "interop"];
    sandbox.spawn("publisher", args.iter().chain(more))
}

fn number(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn dropped(summary: &Value) -> u64 {
    let drops = summary["drops"].as_object().expect("drops by cause");
    drops.values().map(|n| n.as_u64().expect("a count")).sum()
}

#[test]
fn a_million_frames_through_four_slots_are_whole_or_counted() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(4, 4096)]));
    let frames = 1_000_000;
    let mut subscriber = subscribe(&sandbox, &[]);
    let count = frames.to_string();
    let args = ["--size", "4096", "--count", &count, "--wait-consumers", "1"];
    let mut publisher = publish(&sandbox, &args);
    let status = publisher.wait_exit(Duration::from_secs(120));
    assert!(status.success(), "{}", publisher.transcript());
    let status = subscriber.wait_exit(Duration::from_secs(60));
    assert!(status.success(), "{}", subscriber.transcript());
    let summary = subscriber.wait_event("summary");
    assert_eq!(summary["availability"], "header_ring");
    assert_eq!(summary["wrong"], 0, "{summary}");
    assert_eq!(number(&summary, "frames") + dropped(&summary), frames);
    assert!(number(&summary, "frames") > 0, "{summary}");
    assert!(
        dropped(&summary) > 0,
        "a four-slot ring at full speed overwrites; nothing was under pressure: {summary}"
    );
    assert!(summary["latency_ns"].is_null(), "no descriptor was heard");
    assert!(number(&summary["age_ns"], "p50") > 0, "{summary}");
}

#[test]
fn a_lossless_publisher_serves_a_watcher_and_a_listener_alike() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(8, 4096)]));
    let mut watcher = subscribe(&sandbox, &[]);
    let mut listener = sandbox.spawn("listener", ["subscribe", "--json", "--verify", "interop"]);
    let more = ["--lossless", "--size", "4000", "--count", "20000"];
    let mut publisher = publish(&sandbox, &[&more[..], &["--wait-consumers", "2"]].concat());
    publisher.expect_success();
    for subscriber in [&mut watcher, &mut listener] {
        subscriber.expect_success();
        let summary = subscriber.wait_event("summary");
        assert_eq!(number(&summary, "frames"), 20_000, "{summary}");
        assert_eq!((dropped(&summary), number(&summary, "wrong")), (0, 0));
    }
}

const SLOTS: usize = 4;

/// The commit words of the newest ring below `dir`.
fn commit_words(dir: &Path) -> [u64; SLOTS] {
    fn rings(dir: &Path) -> Vec<(u64, PathBuf)> {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let of = |path: PathBuf| {
            let epoch = path.file_name()?.to_str()?.parse().ok()?;
            let ring = path.join("header.ring");
            ring.exists().then_some((epoch, ring))
        };
        entries
            .map(|entry| entry.path())
            .flat_map(|path| of(path.clone()).map_or_else(|| rings(&path), |found| vec![found]))
            .collect()
    }
    let (_, ring) = rings(dir).into_iter().max().expect("a ring");
    let ring = fs::read(ring).expect("its bytes");
    std::array::from_fn(|slot| {
        let word = &ring[64 + 256 * slot..][..8];
        u64::from_le_bytes(word.try_into().expect("eight bytes"))
    })
}

/// Whether the latest frame of a ring is being written.
fn is_mid_write(words: &[u64; SLOTS]) -> bool {
    words.iter().max().is_some_and(|latest| latest & 1 == 0)
}

#[test]
fn a_producer_that_dies_in_the_middle_of_a_write_leaves_nothing_torn_and_nothing_uncounted() {
    const MIB: u32 = 1 << 20;
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = sandbox.config(&[StreamConfig::one_pool(SLOTS as u32, 4 * MIB)]);
    let _driver = sandbox.driver(&config);
    let mut subscriber = subscribe(&sandbox, &["--follow"]);
    let args = [
        "--size",
        "4MiB",
        "--wait-consumers",
        "1",
        "--attach-timeout",
        "30s",
    ];
    let mut publisher = publish(&sandbox, &args);
    subscriber.wait_event_where("progress", PATIENCE, |progress| {
        number(progress, "frames") > 10
    });
    // Held still wherever it is, until that is in the middle of a frame.
    let started = Instant::now();
    loop {
        publisher.stop();
        if is_mid_write(&commit_words(&sandbox.base_dir())) {
            break;
        }
        publisher.resume();
        assert!(started.elapsed() < PATIENCE, "never found in a write");
    }
    publisher.kill9();
    let lost = subscriber.wait_event("source_lost");
    assert_eq!(
        number(&lost, "delivered") + number(&lost, "lost"),
        number(&lost, "seen"),
        "{lost}"
    );
    // The next producer's frames are whole, and all of them are accounted for.
    let args = ["--size", "4MiB", "--count", "50", "--attach-timeout", "30s"];
    publish(&sandbox, &args).expect_success();
    let end = subscriber.wait_event("end_of_stream");
    assert_eq!(number(&end, "end_seq"), 50, "{end}");
    let of_this = number(&end, "seen") - number(&lost, "seen");
    assert_eq!(of_this, 50, "owed from its first frame: {lost} {end}");
    assert_eq!(
        number(&end, "delivered") + number(&end, "lost"),
        number(&end, "seen")
    );
    assert!(
        subscriber.terminate().success(),
        "{}",
        subscriber.transcript()
    );
    let summary = subscriber.wait_event("summary");
    assert_eq!(number(&summary, "wrong"), 0, "{summary}");
}

//! A producer and consumers as processes of their own, with a media driver and nothing else.

use std::path::Path;
use std::time::Duration;

use tensorpool_tests::{Process, Sandbox, StreamConfig};

/// From the return of the missing process to verified frames.
const RECOVERY: Duration = Duration::from_secs(10);

fn publish(sandbox: &Sandbox, config: &Path, more: &[&str]) -> Process {
    let args = [
        "publish",
        "--no-driver",
        "--json",
        "--pattern",
        "interop",
        "--size",
        "32KiB",
        "--config",
        config.to_str().expect("a path in UTF-8"),
    ];
    sandbox.spawn("publisher", args.iter().chain(more))
}

fn subscribe(sandbox: &Sandbox, config: &Path, more: &[&str]) -> Process {
    let args = [
        "subscribe",
        "--no-driver",
        "--json",
        "--verify",
        "interop",
        "--attach-timeout",
        "30s",
        "--config",
        config.to_str().expect("a path in UTF-8"),
    ];
    sandbox.spawn("subscriber", args.iter().chain(more))
}

/// Stream 10000 as a configuration has it; the producer makes that.
fn config(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.config(&[StreamConfig::one_pool(16, 1 << 16)])
}

fn files_left(sandbox: &Sandbox) -> usize {
    let entries = std::fs::read_dir(sandbox.base_dir()).expect("the base directory");
    entries.count()
}

fn wait_for_frames(subscriber: &mut Process) {
    let frames = |progress: &serde_json::Value| progress["frames"].as_u64().unwrap_or(0);
    let before = frames(&subscriber.wait_event("progress"));
    subscriber.wait_event_where("progress", RECOVERY, |progress| frames(progress) > before);
}

#[test]
fn every_frame_goes_through_and_nothing_is_left_at_the_end() {
    let sandbox = Sandbox::new();
    let config = config(&sandbox);
    let _media_driver = sandbox.media_driver();
    let more = ["--lossless", "--wait-consumers", "2", "--count", "5000"];
    let mut publisher = publish(&sandbox, &config, &more);
    let mut subscribers = [
        subscribe(&sandbox, &config, &[]),
        subscribe(&sandbox, &config, &["--availability", "header-ring"]),
    ];
    let attached = publisher.wait_event("attached");
    assert_eq!(
        (&attached["driver"], &attached["slots"]),
        (&false.into(), &16.into())
    );
    publisher.expect_success();
    assert_eq!(publisher.wait_event("summary")["frames"], 5_000);
    for subscriber in &mut subscribers {
        subscriber.expect_success();
        assert_eq!(subscriber.wait_event("end_of_stream")["end_seq"], 5_000);
        let summary = subscriber.wait_event("summary");
        assert_eq!(summary["frames"], 5_000, "{summary}");
        assert_eq!(summary["wrong"], 0, "{summary}");
    }
    assert_eq!(files_left(&sandbox), 0);
}

#[test]
fn a_killed_producer_is_noticed_and_followed_by_the_next_one() {
    let sandbox = Sandbox::new();
    let config = config(&sandbox);
    let mut media_driver = sandbox.media_driver();
    let pace = ["--pace", "500"];
    let mut publisher = publish(&sandbox, &config, &pace);
    let mut subscriber = subscribe(&sandbox, &config, &["--follow"]);
    wait_for_frames(&mut subscriber);
    let first = publisher.wait_event("attached")["epoch"]
        .as_u64()
        .expect("epoch");
    publisher.kill9();
    subscriber.wait_event("source_lost");
    assert_ne!(files_left(&sandbox), 0, "it had no chance");
    let mut publisher = publish(&sandbox, &config, &pace);
    let second = publisher.wait_event("attached")["epoch"]
        .as_u64()
        .expect("epoch");
    assert!(second > first, "{second} {first}");
    let mapped = subscriber.wait_event_where("mapped", RECOVERY, |mapped| {
        mapped["epoch"].as_u64() == Some(second)
    });
    assert_eq!(mapped["old_epoch"].as_u64(), Some(first), "{mapped}");
    wait_for_frames(&mut subscriber);
    // At once, before anybody missed the one before.
    publisher.kill9();
    let mut publisher = publish(&sandbox, &config, &pace);
    let third = publisher.wait_event("attached")["epoch"]
        .as_u64()
        .expect("epoch");
    subscriber.wait_event_where("mapped", RECOVERY, |mapped| {
        mapped["epoch"].as_u64() == Some(third)
    });
    wait_for_frames(&mut subscriber);
    assert!(
        publisher.terminate().success(),
        "{}",
        publisher.transcript()
    );
    assert!(
        subscriber.terminate().success(),
        "{}",
        subscriber.transcript()
    );
    let summary = subscriber.wait_event("summary");
    assert_eq!(summary["wrong"], 0, "{summary}");
    // What the killed ones left goes with a later start, once it is stale.
    let mut left = files_left(&sandbox);
    let started = std::time::Instant::now();
    while left > 0 {
        let mut sweeper = publish(&sandbox, &config, &["--pace", "10", "--duration", "4s"]);
        sweeper.expect_success();
        left = files_left(&sandbox);
        assert!(started.elapsed() < Duration::from_secs(60), "{left} left");
    }
    assert!(media_driver.terminate().success());
}

#[test]
fn a_stopped_producer_is_lost_and_found_again() {
    let sandbox = Sandbox::new();
    let config = config(&sandbox);
    let _media_driver = sandbox.media_driver();
    let mut publisher = publish(&sandbox, &config, &["--pace", "500"]);
    let mut subscriber = subscribe(&sandbox, &config, &["--follow"]);
    wait_for_frames(&mut subscriber);
    publisher.stop();
    subscriber.wait_event("source_lost");
    publisher.resume();
    wait_for_frames(&mut subscriber);
    assert!(
        subscriber.terminate().success(),
        "{}",
        subscriber.transcript()
    );
    assert!(
        publisher.terminate().success(),
        "{}",
        publisher.transcript()
    );
    assert_eq!(files_left(&sandbox), 0);
}

/// All region files below the base directory.
fn regions(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a directory").flatten();
    let is_region = |path: &Path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("ring" | "pool"))
    };
    entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => regions(&path),
            path if is_region(&path) => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// Proves [TP-CLI-3257].
#[test]
fn memory_that_is_truncated_under_a_subscriber_is_a_lost_source_and_no_crash() {
    let sandbox = Sandbox::new();
    let config = config(&sandbox);
    let _media_driver = sandbox.media_driver();
    let mut publisher = publish(&sandbox, &config, &["--pace", "500"]);
    let mut subscribers = [
        subscribe(&sandbox, &config, &["--follow"]),
        subscribe(
            &sandbox,
            &config,
            &["--follow", "--availability", "header-ring"],
        ),
    ];
    for subscriber in &mut subscribers {
        wait_for_frames(subscriber);
    }
    // Its producer can do nothing about it for now.
    publisher.stop();
    let files = regions(&sandbox.base_dir());
    assert_eq!(files.len(), 2, "{files:?}");
    for path in &files {
        let file = std::fs::File::options().write(true).open(path);
        file.and_then(|file| file.set_len(0)).expect("truncated");
    }
    for subscriber in &mut subscribers {
        subscriber.wait_event("source_lost");
    }
    // The producer notices as well, and makes new memory.
    publisher.resume();
    for subscriber in &mut subscribers {
        wait_for_frames(subscriber);
        let is_fine = subscriber.terminate().success();
        assert!(is_fine, "{}", subscriber.transcript());
        let summary = subscriber.wait_event("summary");
        assert_eq!(summary["wrong"], 0, "{summary}");
    }
    assert!(
        publisher.terminate().success(),
        "{}",
        publisher.transcript()
    );
    assert_eq!(files_left(&sandbox), 0);
}

#[test]
fn what_cannot_be_done_is_said() {
    let sandbox = Sandbox::new();
    let config = config(&sandbox);
    let _media_driver = sandbox.media_driver();
    let mut first = publish(&sandbox, &config, &["--pace", "10"]);
    let attached = first.wait_event("attached");
    let mut second = publish(&sandbox, &config, &["--attach-timeout", "300ms"]);
    let said = second.expect_failure();
    assert!(
        said.contains(&format!("(pid {})", attached["pid"])),
        "{said}"
    );
    let mut driver = sandbox.command(["run", "driver", "--config"]);
    driver.arg(&config);
    let said = Process::spawn("driver", driver).expect_failure();
    assert!(said.contains("a producer without a driver"), "{said}");
    let args = [
        "subscribe",
        "--no-driver",
        "--stream",
        "7",
        "--attach-timeout",
        "300ms",
    ];
    let said = sandbox.spawn("subscriber", args).expect_failure();
    assert!(said.contains("publish --no-driver"), "{said}");
    let small = [
        "publish",
        "--no-driver",
        "--pattern",
        "interop",
        "--size",
        "1MiB",
        "--pool",
        "4KiB",
    ];
    let said = sandbox.spawn("publisher", small).expect_failure();
    assert!(said.contains("give --pool 1048576"), "{said}");
    let lone = ["publish", "--pattern", "interop", "--nslots", "4"];
    let said = sandbox.spawn("publisher", lone).expect_failure();
    assert!(said.contains("--no-driver"), "{said}");
}

//! A million frames through four slots: nothing torn gets through, nothing lost goes uncounted.

use std::time::Duration;

use tensorpool_tests::{Sandbox, StreamConfig};

#[test]
fn a_million_frames_through_four_slots_are_whole_or_counted() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(4, 4096)]));
    let frames = 1_000_000;
    let mut subscriber =
        sandbox.spawn("subscriber", ["subscribe", "--json", "--verify", "interop"]);
    let count = frames.to_string();
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--pattern",
            "interop",
            "--size",
            "4096",
            "--count",
            &count,
            "--pace",
            "max",
            "--wait-consumers",
            "1",
        ],
    );
    assert!(
        publisher.wait_exit(Duration::from_secs(120)).success(),
        "{}",
        publisher.transcript()
    );
    assert!(
        subscriber.wait_exit(Duration::from_secs(60)).success(),
        "{}",
        subscriber.transcript()
    );
    let summary = subscriber.wait_event("summary");
    let received = summary["frames"].as_u64().expect("frames");
    let drops: u64 = summary["drops"]
        .as_object()
        .expect("drops by cause")
        .values()
        .map(|n| n.as_u64().expect("a count"))
        .sum();
    assert_eq!(summary["wrong"], 0, "{summary}");
    assert_eq!(received + drops, frames, "{summary}");
    assert!(
        drops > 0,
        "a four-slot ring at full speed overwrites; nothing was under pressure: {summary}"
    );
}

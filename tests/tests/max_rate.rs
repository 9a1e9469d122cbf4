//! `subscribe --max-rate` and `--own-stream`, with real processes.

use tensorpool_tests::{Sandbox, StreamConfig};

#[test]
fn a_subscriber_with_a_rate_keeps_to_it_and_accounts_for_every_frame() {
    const RATE: u64 = 30;
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(64, 1 << 16)]));
    let args = ["subscribe", "--json", "--verify", "interop"];
    let rate = ["--max-rate", "30", "--own-stream"];
    let mut watcher = sandbox.spawn("watcher", args.into_iter().chain(rate));
    let mut reader = sandbox.spawn("reader", args);
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--pattern",
            "interop",
            "--size",
            "4000",
            "--count",
            "600",
            "--pace",
            "300",
            "--wait-consumers",
            "2",
        ],
    );
    publisher.expect_success();
    for process in [&mut watcher, &mut reader] {
        process.expect_success();
    }
    let reader = reader.wait_event("summary");
    assert_eq!(reader["frames"], 600, "nobody else is held up: {reader}");
    assert_eq!(reader["mode"], "stream");

    let watcher = watcher.wait_event("summary");
    let number = |value: &serde_json::Value| value.as_u64().expect("a number");
    let drops = watcher["drops"].as_object().expect("drops by cause");
    let (frames, skipped) = (number(&watcher["frames"]), number(&drops["rate_limited"]));
    let owed = frames + drops.values().map(number).sum::<u64>();
    let seconds = watcher["seconds"].as_f64().expect("seconds");
    assert_eq!(owed, 600, "{watcher}");
    assert_eq!(watcher["mode"], "rate limited");
    assert_eq!(watcher["wrong"], 0);
    assert!(skipped >= 400, "nine of ten are skipped: {watcher}");
    assert!(
        frames as f64 <= seconds * RATE as f64 + 2.0 && frames >= 20,
        "{frames} frames in {seconds} s: {watcher}"
    );
}

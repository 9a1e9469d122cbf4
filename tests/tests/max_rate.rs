//! `subscribe --max-rate` and `--own-stream`, with real processes.

use tensorpool_tests::{Sandbox, StreamConfig};

/// More than there are frames: on a busy machine nobody is overtaken.
const SLOTS: u32 = 1024;
const RATE: f64 = 30.0;

#[test]
fn a_subscriber_with_a_rate_keeps_to_it_and_accounts_for_every_frame() {
    keeps_to_its_rate(&["--own-stream"]);
}

#[test]
fn a_subscriber_that_watches_the_header_ring_keeps_to_its_rate_as_well() {
    keeps_to_its_rate(&["--availability", "header-ring"]);
}

fn keeps_to_its_rate(more: &[&str]) {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(SLOTS, 4096)]));
    let args = ["subscribe", "--json", "--verify", "interop"];
    let rate = ["--max-rate", "30"].iter().chain(more);
    let mut watcher = sandbox.spawn("watcher", args.iter().chain(rate));
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
        frames as f64 <= seconds * RATE + 2.0 && frames >= 20,
        "{frames} frames in {seconds} s: {watcher}"
    );
}

#[test]
fn a_stream_of_its_own_is_assigned_by_the_drivers_supervisor_and_used() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = sandbox.config(&[StreamConfig::one_pool(SLOTS, 4096)]);
    let mut text = std::fs::read_to_string(&config).expect("written");
    text.push_str(
        "\n[supervisor]\nper_consumer_enabled = true\nper_consumer_descriptor_base = 31000\n\
         per_consumer_descriptor_range = 10\n",
    );
    let _driver = sandbox.driver(&sandbox.write("supervised.toml", text));
    let watch = ["subscribe", "--json", "--own-stream"];
    let mut whole = sandbox.spawn("whole", watch.into_iter().chain(["--verify", "interop"]));
    let mut watcher = sandbox.spawn("watcher", watch.into_iter().chain(["--max-rate", "30"]));
    let streams = [&mut whole, &mut watcher].map(|process| {
        let changed = process.wait_event("config_changed");
        let stream = changed["descriptor_stream"].as_u64().expect("a stream");
        assert!((31_000..31_010).contains(&stream), "{changed}");
        stream
    });
    assert_ne!(streams[0], streams[1], "each has its own");
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
    let summaries = [&mut whole, &mut watcher].map(|process| {
        process.expect_success();
        process.wait_event("summary")
    });
    for (summary, stream) in summaries.iter().zip(streams) {
        assert_eq!(summary["descriptor_stream"], stream, "{summary}");
    }
    let [whole, watcher] = summaries;
    assert_eq!(whole["frames"], 600, "{whole}");
    assert_eq!(whole["wrong"], 0, "{whole}");
    let drops = &watcher["drops"];
    assert_eq!(drops["gap"], 0, "what is left out is not lost: {watcher}");
    let skipped = drops["rate_limited"].as_u64().expect("a count");
    let frames = watcher["frames"].as_u64().expect("a count");
    assert_eq!(frames + skipped, 600, "{watcher}");
    let seconds = watcher["seconds"].as_f64().expect("seconds");
    assert!(
        frames as f64 <= seconds * RATE + 2.0 && frames >= 20,
        "{watcher}"
    );
}

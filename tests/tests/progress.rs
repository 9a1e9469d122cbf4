//! Frames that are read while they are being written, between real processes.

use std::io::Write;
use std::process::Stdio;

use tensorpool_tests::process::PATIENCE;
use tensorpool_tests::{Process, Sandbox, StreamConfig};

const FRAME_LEN: usize = 256 << 10;

#[test]
fn half_a_frame_from_a_pipe_is_read_before_the_other_half_is_there() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(8, 1 << 20)]));
    let mut subscriber = sandbox.spawn(
        "subscriber",
        ["subscribe", "--json", "--progress", "--verify", "seq"],
    );
    let mut publish = sandbox.command(["publish", "--json", "--progress=16KiB"]);
    publish.args(["--wait-consumers", "1", "--dtype", "u8"]);
    publish.args(["--shape", &format!("256x{}", FRAME_LEN / 256), "-"]);
    publish.stdin(Stdio::piped());
    let mut publisher = Process::spawn("publisher", publish);
    let mut input = publisher.take_stdin().expect("stdin is piped");
    let has_received = |frames: u64| move |event: &serde_json::Value| event["frames"] == frames;

    // What the subscriber asks for is known once a frame has come.
    input.write_all(&[0; FRAME_LEN]).expect("written");
    let first = subscriber.wait_event_where("progress", PATIENCE, has_received(1));
    let before = first["progress_messages"].as_u64().expect("a number");
    input.write_all(&[1; FRAME_LEN / 2]).expect("written");
    // STARTED, and PROGRESS after 64 KiB at the latest.
    subscriber.wait_event_where("progress", PATIENCE, |event| {
        let messages = event["progress_messages"].as_u64();
        event["frames"] == 1 && messages.is_some_and(|messages| messages >= before + 2)
    });
    input.write_all(&[1; FRAME_LEN / 2]).expect("written");
    subscriber.wait_event_where("progress", PATIENCE, has_received(2));
    drop(input);
    publisher.expect_success();
    subscriber.expect_success();

    let summary = subscriber.wait_event("summary");
    assert_eq!(
        (&summary["frames"], &summary["wrong"]),
        (&2.into(), &0.into())
    );
    let progress = &summary["progress"];
    assert_eq!(
        (&progress["wrong"], &progress["overrun"]),
        (&0.into(), &0.into())
    );
    let read = progress["verified_bytes"].as_u64().expect("a number");
    assert!(read >= 64 << 10, "{summary}");
    assert!(progress["uncommitted"].as_u64() >= Some(2), "{summary}");
    assert!(
        progress["first_bytes_ns"]["p50"].as_u64().is_some(),
        "{summary}"
    );
}

#[test]
fn every_byte_that_is_told_of_is_right() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(8, 1 << 20)]));
    let verify = ["subscribe", "--json", "--verify", "interop"];
    let mut reading = sandbox.spawn("reading", verify.iter().copied().chain(["--progress"]));
    let mut plain = sandbox.spawn("plain", verify);
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--progress",
            "--wait-consumers",
            "2",
            "--pattern",
            "interop",
            "--size",
            "1MiB",
            "--count",
            "300",
            "--pace",
            "200",
        ],
    );
    publisher.expect_success();
    reading.expect_success();
    plain.expect_success();
    let sent = &publisher.wait_event("summary")["progress"]["sent"];
    assert!(sent.as_u64() >= Some(500), "{sent} messages of 300 frames");
    let summary = reading.wait_event("summary");
    let progress = &summary["progress"];
    assert!(progress["messages"].as_u64() > Some(0), "{summary}");
    assert!(progress["verified_bytes"].as_u64() > Some(0), "{summary}");
    assert_eq!(
        (&progress["wrong"], &summary["wrong"]),
        (&0.into(), &0.into())
    );
    assert_eq!(
        plain.wait_event("summary")["progress"],
        serde_json::Value::Null
    );
}

#[test]
fn patterns_without_parts_are_refused_by_name() {
    let sandbox = Sandbox::new();
    let args = ["publish", "--progress", "--pattern", "noise"];
    let said = sandbox.spawn("publisher", args).expect_failure();
    assert!(said.contains("use interop or seq"), "{said}");
}

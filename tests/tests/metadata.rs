//! Metadata and blobs from shell to shell.

use std::time::Duration;

use serde_json::Value;
use tensorpool::protocol::client::metadata::checksum_of;
use tensorpool_tests::{Process, Sandbox, StreamConfig};

const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    sandbox: Sandbox,
    _media_driver: Process,
    _driver: Process,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        let media_driver = sandbox.media_driver();
        let driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(8, 1 << 20)]));
        Self {
            sandbox,
            _media_driver: media_driver,
            _driver: driver,
        }
    }
}

/// The value of an attribute.
fn attribute<'a>(event: &'a Value, key: &str) -> Option<&'a str> {
    let attributes = event["attributes"].as_array().expect("attributes");
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    found.and_then(|attribute| attribute["value"].as_str())
}

#[test]
fn a_subscriber_that_comes_late_is_told_what_describes_the_stream() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let lens = sandbox.write("lens.json", br#"{"f": 1.8}"#);
    let meta_file = format!("lens={}", lens.display());
    let mut publish = sandbox.spawn(
        "publish",
        [
            "publish",
            "--json",
            "--pattern",
            "interop",
            "--size",
            "4096",
            "--pace",
            "100",
            "--name",
            "camera 1",
            "--meta",
            "exposure=10 ms",
            "--meta",
            "dtype=own",
            "--meta-file",
            &meta_file,
        ],
    );
    let described = publish.wait_event("described");
    assert_eq!(described["version"], 1);
    publish.wait_event("progress");
    let mut subscribe = sandbox.spawn("subscribe", ["subscribe", "--json", "--meta"]);
    let attached = subscribe.wait_event("attached");
    let metadata = subscribe.wait_event("metadata");
    assert_eq!(
        (&metadata["version"], &metadata["name"]),
        (&1.into(), &"camera 1".into())
    );
    assert_eq!(metadata["summary"], "u8 4096");
    assert_eq!(metadata["epoch"], attached["epoch"]);
    assert_eq!(attribute(&metadata, "exposure"), Some("10 ms"));
    assert_eq!(attribute(&metadata, "shape"), Some("4096"));
    assert_eq!(attribute(&metadata, "pattern"), Some("interop"));
    assert_eq!(
        attribute(&metadata, "dtype"),
        Some("own"),
        "what was given wins"
    );
    assert_eq!(attribute(&metadata, "lens"), Some("{\"f\": 1.8}"));
    publish.terminate();
    subscribe.expect_success();
    assert_eq!(
        subscribe.events("metadata").len(),
        1,
        "repetitions are not told"
    );
}

#[test]
fn the_next_producer_is_told_of_and_video_describes_itself() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let mut video = b"YUV4MPEG2 W64 H32 F30000:1001 Ip A1:1 C420jpeg\n".to_vec();
    for _ in 0..3 {
        video.extend_from_slice(b"FRAME\n");
        video.extend_from_slice(&[7; 64 * 32 * 3 / 2]);
    }
    let clip = sandbox.write("clip.y4m", &video);
    let clip = clip.display().to_string();
    let mut subscribe = sandbox.spawn("subscribe", ["subscribe", "--json", "--meta", "--follow"]);
    subscribe.wait_event("attached");
    for name in ["first", "second"] {
        let mut publish = sandbox.spawn(
            name,
            [
                "publish",
                "--json",
                "--name",
                name,
                "--wait-consumers",
                "1",
                "--lossless",
                // Long enough to be described more than once.
                "--pace",
                "1",
                &clip,
            ],
        );
        let told = subscribe.wait_event_where("metadata", PATIENCE, |event| event["name"] == name);
        assert_eq!(told["version"], 1);
        assert_eq!(told["summary"], "u8 48x64");
        assert_eq!(attribute(&told, "width"), Some("64"));
        assert_eq!(attribute(&told, "height"), Some("32"));
        assert_eq!(attribute(&told, "pixel_format"), Some("yuv420p"));
        assert!(attribute(&told, "frame_rate_hz").is_some_and(|rate| rate.starts_with("29.97")));
        publish.expect_success();
    }
    subscribe.terminate();
}

#[test]
fn blobs_come_over_and_bad_descriptions_are_refused_without_a_driver() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let bytes: Vec<u8> = (0..3_000_000u32).map(|i| (i * 31) as u8).collect();
    let blob = format!("7={}", sandbox.write("offsets.bin", &bytes).display());
    let mut subscribe = sandbox.spawn("subscribe", ["subscribe", "--json", "--meta"]);
    subscribe.wait_event("attached");
    let mut publish = sandbox.spawn(
        "publish",
        [
            "publish",
            "--json",
            "--pattern",
            "interop",
            "--count",
            "5",
            "--blob",
            &blob,
            "--wait-consumers",
            "1",
        ],
    );
    let arrived = subscribe.wait_event("blob");
    assert_eq!(
        (&arrived["type"], &arrived["bytes"]),
        (&7.into(), &bytes.len().into())
    );
    assert_eq!(arrived["crc32c"], format!("{:08x}", checksum_of(&bytes)));
    publish.expect_success();
    assert_eq!(publish.events("blob_done")[0]["outcome"], "sent");
    subscribe.expect_success();

    let elsewhere = Sandbox::new();
    for (args, complaint) in [
        (["--name", "Süd"], "not printable ASCII"),
        (["--meta", "no value"], "such as exposure=10ms"),
        (["--meta-file", "k=/nowhere"], "cannot read /nowhere"),
    ] {
        let mut refused = elsewhere.spawn(
            "refused",
            ["publish", "--pattern", "interop", args[0], args[1]],
        );
        let said = refused.expect_failure();
        assert!(said.contains(complaint), "{said}");
    }
}

#[test]
fn whatever_describes_a_stream_comes_out_of_its_json_as_it_was() {
    let world = World::new();
    let sandbox = &world.sandbox;
    let odd = "a \"quoted\" back\\slash\nline\r\ttab \u{1}\u{7f}\u{2028} é \u{1f600}";
    // Of names and keys the wire has printable ASCII only.
    let name = "a \"quoted\" back\\slash";
    let raw = sandbox.write("raw.bin", b"\"\\\n\xff\xc3\x28\0");
    let meta = format!("k\"e\\y={odd}");
    let meta_file = format!("raw={}", raw.display());
    let mut publish = sandbox.spawn(
        "publish",
        [
            "publish",
            "--json",
            "--pattern",
            "seq",
            "--pace",
            "100",
            "--name",
            name,
            "--meta",
            &meta,
            "--meta-file",
            &meta_file,
        ],
    );
    publish.wait_event("described");
    let mut subscribe = sandbox.spawn("subscribe", ["subscribe", "--json", "--meta"]);
    let metadata = subscribe.wait_event("metadata");
    assert_eq!(metadata["name"], name);
    assert_eq!(attribute(&metadata, "k\"e\\y"), Some(odd));
    let attributes = metadata["attributes"].as_array().expect("attributes");
    let raw = attributes
        .iter()
        .find(|attribute| attribute["key"] == "raw");
    assert_eq!(raw.expect("raw")["value_hex"], "225c0affc32800");
    publish.terminate();
    subscribe.expect_success();
}

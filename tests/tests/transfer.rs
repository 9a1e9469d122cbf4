//! Frames from files through real processes, and back out byte for byte.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;

use tensorpool_tests::{Process, Sandbox, StreamConfig};

/// A video as `-f yuv4mpegpipe` writes it, and the same frames as `-f rawvideo` does.
fn video(width: usize, height: usize, frames: usize) -> (Vec<u8>, Vec<u8>) {
    let frame_len = width * height * 3 / 2;
    let mut y4m = format!("YUV4MPEG2 W{width} H{height} F60:1 Ip A1:1 C420jpeg XYSCSS=420JPEG\n")
        .into_bytes();
    let mut raw = Vec::with_capacity(frames * frame_len);
    for frame in 0..frames {
        y4m.extend_from_slice(b"FRAME\n");
        let pixels: Vec<u8> = (0..frame_len)
            .map(|i| (i.wrapping_mul(31) ^ (frame * 7)) as u8)
            .collect();
        y4m.extend_from_slice(&pixels);
        raw.extend_from_slice(&pixels);
    }
    (y4m, raw)
}

/// A version 1.0 `.npy` as NumPy writes it.
fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut dims = String::new();
    for dim in shape {
        write!(dims, "{dim}, ").expect("writing to a string");
    }
    let dims = if shape.len() == 1 {
        dims.trim_end()
    } else {
        dims.trim_end_matches(", ")
    };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({dims}), }}");
    let unpadded = 10 + header.len() + 1;
    header.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend_from_slice(
        &u16::try_from(header.len())
            .expect("short header")
            .to_le_bytes(),
    );
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(data);
    file
}

fn subscriber(sandbox: &Sandbox, name: &str, output: &str, more: &[&str]) -> Process {
    let mut args = vec!["subscribe", "--json", "-o", output];
    args.extend_from_slice(more);
    sandbox.spawn(name, args)
}

fn assert_same(path: &Path, expected: &[u8], who: &str) {
    let found = std::fs::read(path).expect("output file");
    assert_eq!(
        found.len(),
        expected.len(),
        "{who}: length of {}",
        path.display()
    );
    let first = found.iter().zip(expected).position(|(a, b)| a != b);
    assert_eq!(first, None, "{who}: first difference in {}", path.display());
}

#[test]
fn a_video_piped_losslessly_to_two_subscribers_comes_out_as_raw_video() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(8, 2 << 20)]));
    let (y4m, raw) = video(640, 360, 90);
    let input = sandbox.write("clip.y4m", &y4m);

    let mut first = subscriber(&sandbox, "first", "first.yuv", &[]);
    let mut second = subscriber(&sandbox, "second", "second.yuv", &[]);
    let mut publish = sandbox.command([
        "publish",
        "--json",
        "--lossless",
        "--wait-consumers",
        "2",
        "-",
    ]);
    publish.stdin(Stdio::from(std::fs::File::open(input).expect("input")));
    let mut publisher = Process::spawn("publisher", publish);

    publisher.expect_success();
    first.expect_success();
    second.expect_success();
    assert_same(&sandbox.path().join("first.yuv"), &raw, "first");
    assert_same(&sandbox.path().join("second.yuv"), &raw, "second");
}

#[test]
fn a_float_image_round_trips_byte_for_byte_as_npy() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(8, 1 << 20)]));
    let data: Vec<u8> = (0..512 * 512u32)
        .flat_map(|i| (i as f32 * 0.25 - 7.5).to_le_bytes())
        .collect();
    let file = npy("<f4", &[512, 512], &data);
    let input = sandbox.write("image.npy", &file);

    let mut subscriber = subscriber(&sandbox, "subscriber", "copy.npy", &[]);
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--wait-consumers",
            "1",
            input.to_str().expect("utf-8"),
        ],
    );
    publisher.expect_success();
    subscriber.expect_success();
    assert_same(&sandbox.path().join("copy.npy"), &file, "npy");
}

#[test]
fn frames_along_axis_0_come_back_as_the_same_stacked_array() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(8, 1 << 16)]));
    let data: Vec<u8> = (0..40 * 30 * 20u32)
        .flat_map(|i| (i as u16).to_le_bytes())
        .collect();
    let file = npy("<u2", &[40, 30, 20], &data);
    let input = sandbox.write("stack.npy", &file);

    let mut subscriber = subscriber(&sandbox, "subscriber", "copy.npy", &[]);
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--lossless",
            "--wait-consumers",
            "1",
            "--frames-axis0",
            input.to_str().expect("utf-8"),
        ],
    );
    publisher.expect_success();
    subscriber.expect_success();
    assert_same(&sandbox.path().join("copy.npy"), &file, "npy");
}

#[test]
fn lossless_at_full_speed_waits_for_a_slow_subscriber() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let slots = 8;
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(slots, 1 << 16)]));
    let frame_len = 40_000;
    let frames = 40 * slots as usize;
    let data: Vec<u8> = (0..frames * frame_len)
        .map(|i| (i / 251) as u8 ^ i as u8)
        .collect();
    let input = sandbox.write("frames.raw", &data);

    let mut fast = subscriber(&sandbox, "fast", "fast.raw", &[]);
    let mut slow = subscriber(&sandbox, "slow", "slow.raw", &["--slow", "400"]);
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--lossless",
            "--wait-consumers",
            "2",
            "--pace",
            "max",
            "--dtype",
            "u8",
            "--shape",
            "200x200",
            input.to_str().expect("utf-8"),
        ],
    );
    publisher.expect_success();
    fast.expect_success();
    slow.expect_success();
    assert_same(&sandbox.path().join("fast.raw"), &data, "fast");
    assert_same(&sandbox.path().join("slow.raw"), &data, "slow");
}

#[test]
fn without_lossless_received_plus_counted_drops_is_what_was_sent() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(8, 1 << 16)]));
    let args = ["subscribe", "--json", "--verify", "interop"];
    let mut fast = sandbox.spawn("fast", args);
    let mut slow = sandbox.spawn("slow", args.into_iter().chain(["--slow", "500"]));
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--pattern",
            "interop",
            "--size",
            "40000",
            "--count",
            "5000",
            "--pace",
            "5000",
            "--wait-consumers",
            "2",
        ],
    );
    publisher.expect_success();
    let sent = publisher.wait_event("summary")["frames"]
        .as_u64()
        .expect("frames sent");
    assert_eq!(sent, 5000);
    for (process, name) in [(&mut fast, "fast"), (&mut slow, "slow")] {
        process.expect_success();
        let summary = process.wait_event("summary");
        let received = summary["frames"].as_u64().expect("frames");
        let drops: u64 = summary["drops"]
            .as_object()
            .expect("drops by cause")
            .values()
            .map(|n| n.as_u64().expect("a count"))
            .sum();
        assert_eq!(received + drops, sent, "{name}: {summary}");
        assert_eq!(summary["wrong"], 0, "{name}: {summary}");
    }
    let slow_received = slow.events("summary")[0]["frames"]
        .as_u64()
        .expect("frames");
    assert!(
        slow_received < sent,
        "a reader at a tenth of the rate cannot have seen everything"
    );
}

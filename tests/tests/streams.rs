//! Two streams of one driver share every Aeron stream, the descriptors' included: nobody gets what is another's.

use tensorpool_tests::{PoolConfig, Process, Sandbox, StreamConfig};

/// A stream, and what is published on it. Lengths and counts differ, so that a frame of the wrong stream shows.
#[derive(Clone, Copy)]
struct Traffic {
    stream_id: &'static str,
    frame_len: &'static str,
    count: &'static str,
    pattern: &'static str,
}

const STREAMS: [Traffic; 2] = [
    Traffic {
        stream_id: "10000",
        frame_len: "1024",
        count: "300000",
        pattern: "interop",
    },
    Traffic {
        stream_id: "10001",
        frame_len: "3000",
        count: "200000",
        pattern: "seq",
    },
];

fn stream(stream_id: u32, slot_count: u32, stride_bytes: u32) -> StreamConfig {
    StreamConfig {
        stream_id,
        slot_count,
        pools: vec![PoolConfig {
            id: 1,
            stride_bytes,
        }],
    }
}

fn subscribe(sandbox: &Sandbox, traffic: Traffic) -> Process {
    let Traffic {
        stream_id, pattern, ..
    } = traffic;
    let name = format!("subscriber-{stream_id}");
    sandbox.spawn(
        &name,
        [
            "subscribe",
            "--json",
            "--verify",
            pattern,
            "--stream",
            stream_id,
        ],
    )
}

fn publish(sandbox: &Sandbox, traffic: Traffic, more: &[&str]) -> Process {
    let args = [
        "publish",
        "--json",
        "--stream",
        traffic.stream_id,
        "--pattern",
        traffic.pattern,
        "--size",
        traffic.frame_len,
        "--count",
        traffic.count,
        "--pace",
        "max",
        "--wait-consumers",
        "1",
    ];
    let name = format!("publisher-{}", traffic.stream_id);
    sandbox.spawn(&name, args.iter().chain(more))
}

/// Runs both streams at once; gives what each subscriber received and lost.
fn run(slot_count: u32, more: &[&str]) -> [(u64, u64); 2] {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let streams = [
        stream(10_000, slot_count, 4096),
        stream(10_001, slot_count, 4096),
    ];
    let _driver = sandbox.driver(&sandbox.config(&streams));
    let mut subscribers = STREAMS.map(|traffic| subscribe(&sandbox, traffic));
    let mut publishers = STREAMS.map(|traffic| publish(&sandbox, traffic, more));
    for publisher in &mut publishers {
        publisher.expect_success();
    }
    let mut index = 0;
    subscribers.each_mut().map(|subscriber| {
        let traffic = STREAMS[index];
        index += 1;
        subscriber.expect_success();
        let summary = subscriber.wait_event("summary");
        let number = |name: &str| summary[name].as_u64().expect("a number");
        let drops = summary["drops"].as_object().expect("drops by cause");
        let dropped: u64 = drops.values().map(|n| n.as_u64().expect("a count")).sum();
        let frame_len: u64 = traffic.frame_len.parse().expect("a number");
        assert_eq!(number("wrong"), 0, "{summary}");
        assert_eq!(number("bytes"), number("frames") * frame_len, "{summary}");
        assert_eq!(number("other_epochs"), 0, "{summary}");
        // To its own stream's producer, if that came after it, and to what follows the end.
        assert!(number("remaps") <= 2, "{summary}");
        (number("frames"), dropped)
    })
}

#[test]
fn two_streams_at_full_speed_share_the_descriptor_stream_and_account_for_every_frame() {
    let accounts = run(16, &[]);
    for ((received, dropped), traffic) in accounts.into_iter().zip(STREAMS) {
        let count: u64 = traffic.count.parse().expect("a number");
        assert_eq!(received + dropped, count, "stream {}", traffic.stream_id);
    }
}

#[test]
fn two_lossless_streams_on_the_same_descriptor_stream_lose_nothing() {
    let accounts = run(8, &["--lossless"]);
    for (account, traffic) in accounts.into_iter().zip(STREAMS) {
        let count: u64 = traffic.count.parse().expect("a number");
        assert_eq!(account, (count, 0), "stream {}", traffic.stream_id);
    }
}

#[test]
fn lossless_rings_of_two_slots_do_not_stall() {
    for (received, dropped) in run(2, &["--lossless", "--duration", "3s"]) {
        assert!(received > 100, "{received} frames");
        assert_eq!(dropped, 0);
    }
}

/// Proves [TP-DRV-0072].
#[test]
fn two_drivers_on_one_media_driver_and_the_same_streams_both_say_so() {
    let sandbox = Sandbox::new();
    let config = sandbox.config(&[StreamConfig::one_pool(16, 1 << 16)]);
    let _media_driver = sandbox.media_driver();
    let mut first = sandbox.driver(&config);
    let mut command = sandbox.command(["run", "driver", "--json", "--config"]);
    command.arg(&config).env("SHM_NAMESPACE", "other");
    let mut second = Process::spawn("second driver", command);
    second.wait_event("ready");
    // Whoever asks is answered by both.
    let _subscriber = sandbox.spawn("subscriber", ["subscribe", "--json", "--follow"]);
    for driver in [&mut first, &mut second] {
        let conflict = driver.wait_event("driver_conflict");
        let control = conflict["control"].as_str().expect("control");
        assert!(control.contains("1000"), "{conflict}");
    }
}

#[test]
fn who_is_given_no_stream_of_its_own_is_told_so() {
    let sandbox = Sandbox::new();
    let config = sandbox.config(&[StreamConfig::one_pool(16, 1 << 16)]);
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&config);
    let mut subscriber = sandbox.spawn(
        "subscriber",
        ["subscribe", "--json", "--follow", "--own-stream"],
    );
    subscriber.wait_event("no_own_stream");
}

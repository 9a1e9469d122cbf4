//! `tensorpool-bench` end to end: every subcommand says all it must, and leaves nothing behind.
//!
//! Figures are not looked at: these tests run beside others, unoptimised.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(120);

fn base_dir() -> TempDir {
    let dir = tempfile::Builder::new()
        .prefix("tpb-test-")
        .tempdir_in("/dev/shm");
    dir.unwrap()
}

fn tool(base_dir: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tensorpool-bench"));
    command.args(args.split_whitespace());
    command.args(["--json", "--cores", "none", "--base-dir"]);
    command.arg(base_dir);
    command
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

/// All rows of a short measurement, each of them complete.
fn measure(args: &str) -> Vec<Value> {
    let base_dir = base_dir();
    let args = format!("{args} --rounds 2 --shrink 50");
    let output = tool(base_dir.path(), &args).output().unwrap();
    assert!(output.status.success(), "{args}: {}", said(&output));
    assert!(is_empty(base_dir.path()), "{args} left something behind");
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    rows.iter().for_each(check);
    rows
}

/// A figure without its conditions is worth nothing.
fn check(row: &Value) {
    let conditions = &row["conditions"];
    let exercise = row["exercise"].as_str().unwrap();
    // No frame goes through a driver that is looked at alone.
    let is_of_driver = row["subject"] == "driver";
    let is_alone = is_of_driver || exercise == "copy";
    assert_eq!(
        conditions["processes"],
        if is_alone { 1 } else { 2 },
        "{row}"
    );
    assert_eq!(conditions["cores"], "unpinned", "{row}");
    assert!(
        conditions["placement_floor_ns"]["p50"].as_f64() > Some(0.0),
        "{row}"
    );
    assert!(
        conditions["pacing"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{row}"
    );
    let read = conditions["reader_bytes"].as_u64();
    assert_eq!(read > Some(0), !is_of_driver, "{row}");
    let is_idle = exercise == "idle";
    assert_eq!(conditions["rounds"], if is_idle { 1 } else { 2 }, "{row}");
    let messages = conditions["messages"].as_u64();
    assert_eq!(messages > Some(0), !is_idle, "{row}");
    let results = &row["results"];
    match exercise {
        "open-loop" | "attach" => {
            assert_eq!(results["delay_ns"]["count"].as_u64(), messages, "{row}");
        }
        "idle" => assert!(results["core_share"].as_f64() > Some(0.0), "{row}"),
        _ => assert!(results["ns"]["p50"].as_f64() > Some(0.0), "{row}"),
    }
    assert_eq!(results["lost"], 0, "{row}");
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().filter_map(|row| row["name"].as_str()).collect()
}

#[test]
fn the_floor_and_raw_aeron_are_measured_alone() {
    assert_eq!(names(&measure("floor")), ["floor/ping-pong"]);
    let rows = measure("aeron --message-len 100");
    let expected = [
        "floor/ping-pong",
        "aeron/100B/ping-pong",
        "aeron/100B/burst",
    ];
    assert_eq!(names(&rows), expected);
    assert!(rows[1]["results"]["over_floor"]["p50"].as_f64() > Some(0.0));
}

#[test]
fn latency_of_frames_is_held_against_the_floor_and_raw_aeron() {
    for availability in ["descriptor", "header-ring"] {
        let rows = measure(&format!(
            "latency --availability {availability} --mode copy,claim --size 64,20k --touch lines"
        ));
        let frames: Vec<&Value> = rows
            .iter()
            .filter(|row| row["subject"] == "tensorpool")
            .collect();
        assert_eq!(frames.len(), 4, "{:?}", names(&rows));
        for row in frames {
            assert_eq!(row["frames"]["availability"], availability);
            let size = row["size"].as_u64().unwrap();
            assert_eq!(row["conditions"]["reader_bytes"], 256 + size);
            for anchor in ["over_floor", "over_aeron"] {
                assert!(row["results"][anchor]["p50"].as_f64() > Some(0.0), "{row}");
            }
        }
    }
}

#[test]
fn delays_at_a_rate_come_as_percentiles_and_as_files() {
    let dir = tempfile::tempdir().unwrap();
    let hgrm = dir.path().join("hgrm");
    let rows = measure(&format!("latency --rate 10000 --hgrm {}", hgrm.display()));
    for row in rows.iter().filter(|row| row["exercise"] == "open-loop") {
        let delays = &row["results"]["delay_ns"];
        assert!(delays["p50"].as_u64() > Some(0), "{row}");
        assert!(delays["p50"].as_u64() <= delays["max"].as_u64(), "{row}");
        let name = row["name"].as_str().unwrap().replace('/', "-");
        let text = std::fs::read_to_string(hgrm.join(format!("{name}.hgrm"))).unwrap();
        let count = row["conditions"]["messages"].as_u64().unwrap();
        assert!(
            text.contains(&format!("Total count    = {count:>12}]")),
            "{text}"
        );
    }
    assert_eq!(std::fs::read_dir(&hgrm).unwrap().count(), 2);
}

#[test]
fn iceoryx2_is_a_peer_of_the_same_rounds_and_leaves_nothing_behind() {
    let rows = measure("latency --availability header-ring --size 64,64k --iceoryx2");
    let expected = ["iceoryx2/64B/ping-pong", "iceoryx2/65536B/ping-pong"];
    assert!(names(&rows).ends_with(&expected), "{:?}", names(&rows));
    for row in rows.iter().filter(|row| row["subject"] == "tensorpool") {
        let ratio = &row["results"]["over_iceoryx2"]["p50"];
        assert!(ratio.as_f64() > Some(0.0), "{row}");
    }
    let rows = measure("throughput --size 4k --touch lines --iceoryx2");
    let row = rows.last().unwrap();
    assert_eq!(row["name"], "iceoryx2/4096B/lines/burst");
    assert_eq!(row["conditions"]["reader_bytes"], 64 + 4096);
}

#[test]
fn throughput_is_held_against_copies_and_loses_nothing() {
    for more in [
        "--consumers 3",
        "--availability header-ring --streams 5",
        "--pacing lossless",
    ] {
        let rows = measure(&format!("throughput --size 64k --touch lines {more}"));
        let row = rows
            .iter()
            .find(|row| row["subject"] == "tensorpool")
            .unwrap();
        assert!(
            row["results"]["over_memcpy"]["p50"].as_f64() > Some(0.0),
            "{row}"
        );
        assert!(
            row["results"]["bytes_per_second"].as_f64() > Some(0.0),
            "{row}"
        );
        assert_eq!(row["conditions"]["writer_bytes"], 64 << 10);
    }
}

#[test]
fn the_cost_of_a_frame_is_the_producers_processor_time() {
    let rows = measure("cost --consumers 16 --availability header-ring");
    let row = rows.last().unwrap();
    assert_eq!(
        row["name"],
        "tensorpool/header-ring/copy/64B/16-consumers/cost"
    );
    assert!(row["results"]["per_second"].is_null(), "{row}");
}

#[test]
fn a_driver_of_many_streams_is_held_against_one_of_few() {
    let rows = measure("scale --streams 1,40");
    let expected = [
        "driver/1-streams/idle",
        "driver/40-streams/idle",
        "driver/1-streams/attach",
        "driver/40-streams/attach",
    ];
    assert_eq!(names(&rows), expected);
}

#[test]
fn copies_need_one_process() {
    let rows = measure("memcpy --size 64,64k");
    let expected = ["floor/ping-pong", "memcpy/64B/copy", "memcpy/65536B/copy"];
    assert_eq!(names(&rows), expected);
}

#[test]
fn an_interrupted_measurement_leaves_nothing_behind() {
    let base_dir = base_dir();
    let mut command = tool(base_dir.path(), "latency --iceoryx2 --rounds 1000000");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    let started = Instant::now();
    // The driver makes regions once both processes ask for them.
    let is_under_way = || {
        let dirs = std::fs::read_dir(base_dir.path()).unwrap().flatten();
        dirs.map(|entry| entry.path().join("pools"))
            .any(|pools| pools.exists() && !is_empty(&pools))
    };
    while !is_under_way() {
        assert!(started.elapsed() < PATIENCE, "nothing was started");
        std::thread::yield_now();
    }
    let dirs = std::fs::read_dir(base_dir.path()).unwrap().flatten();
    let names: Vec<String> = dirs
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let pid = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("interrupted"), "{}", said(&output));
    assert!(is_empty(base_dir.path()), "something was left behind");
    // Where iceoryx2 puts its segments, under the name of the measurement.
    for entry in std::fs::read_dir("/dev/shm").unwrap().flatten() {
        let segment = entry.file_name().into_string().unwrap();
        let is_ours = names.iter().any(|name| segment.starts_with(name));
        assert!(!is_ours, "{segment} was left behind");
    }
}

#[test]
fn mistakes_are_refused_with_what_is_expected() {
    let base_dir = base_dir();
    for (args, expected) in [
        ("latency --size 65m", "expected at most 64m"),
        ("latency --consumers 17", "17 is not in 1..=16"),
        ("throughput --streams 1001", "1001 is not in 1..=1000"),
        ("scale --streams 0", "0 is not in 1..=1000"),
        ("latency --slots 12", "expected a power of two"),
        ("aeron --message-len 4", "expected 8 to 1376 bytes"),
    ] {
        let output = tool(base_dir.path(), args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args}");
        assert!(
            said(&output).contains(expected),
            "{args}: {}",
            said(&output)
        );
    }
}

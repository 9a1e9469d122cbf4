//! What the commands do when something outside of them goes wrong or away: signals, pipes, full disks, broken inputs.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tensorpool_tests::process::PATIENCE;
use tensorpool_tests::sandbox::agent_runner;
use tensorpool_tests::{Process, Sandbox, StreamConfig};

/// A sandbox with a media driver and a driver of one small stream.
fn running() -> (Sandbox, Process, Process) {
    let sandbox = Sandbox::new();
    let media_driver = sandbox.media_driver();
    let driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(8, 1 << 16)]));
    (sandbox, media_driver, driver)
}

fn publish_stdin(sandbox: &Sandbox, more: &[&str]) -> Process {
    let mut command = sandbox.command(["publish", "--json", "--dtype", "u8", "--shape", "1000"]);
    command.args(more).arg("-").stdin(Stdio::piped());
    Process::spawn("publisher", command)
}

#[test]
fn a_signal_ends_a_publisher_that_waits_for_its_input() {
    let (sandbox, _media_driver, _driver) = running();
    let mut publisher = publish_stdin(&sandbox, &[]);
    let mut input = publisher.take_stdin().expect("stdin is piped");
    input.write_all(&[7; 1000]).expect("written");
    publisher.wait_event_where("progress", PATIENCE, |line| line["frames"] == 1);
    // From here on it waits for the rest of a frame.
    input.write_all(&[7; 500]).expect("written");
    publisher.signal(Signal::INT);
    publisher.expect_success();
    assert_eq!(publisher.wait_event("summary")["frames"], 1);
}

#[test]
fn a_publisher_whose_input_stalls_within_a_frame_goes_on_saying_how_it_goes() {
    let (sandbox, _media_driver, _driver) = running();
    let mut publisher = publish_stdin(&sandbox, &[]);
    let mut input = publisher.take_stdin().expect("stdin is piped");
    input.write_all(&[7; 1500]).expect("written");
    let stalls = |line: &serde_json::Value| line["waiting_for"] == "input" && line["frames"] == 1;
    for _ in 0..2 {
        let line = publisher.wait_event_where("progress", PATIENCE, stalls);
        assert_eq!(line["frames_per_s"], 0.0, "{line}");
    }
    input.write_all(&[7; 500]).expect("written");
    publisher.wait_event_where("progress", PATIENCE, |line| {
        line["frames"] == 2 && line["waiting_for"].is_null()
    });
    drop(input);
    publisher.expect_success();
    assert_eq!(publisher.wait_event("summary")["frames"], 2);
}

#[test]
fn a_signal_ends_a_publisher_that_waits_for_a_header() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(["publish", "--json", "-"]);
    command.stdin(Stdio::piped());
    let mut publisher = Process::spawn("publisher", command);
    let _input = publisher.take_stdin().expect("stdin is piped");
    // Before its handlers are installed a signal ends it too, but as any other process.
    publisher.signal(Signal::TERM);
    let status = publisher.wait_exit(PATIENCE);
    assert!(
        status.success() || status.signal() == Some(Signal::TERM.as_raw()),
        "{status:?}"
    );
}

#[test]
fn an_input_that_breaks_off_fails_after_its_whole_frames_were_seen() {
    let (sandbox, _media_driver, _driver) = running();
    let mut subscriber = sandbox.spawn(
        "subscriber",
        ["subscribe", "--json", "--slow", "50", "-o", "frames.raw"],
    );
    let mut publisher = publish_stdin(&sandbox, &["--lossless", "--wait-consumers", "1"]);
    let data: Vec<u8> = (0..20_400u32).map(|i| (i / 7) as u8).collect();
    let mut input = publisher.take_stdin().expect("stdin is piped");
    input.write_all(&data).expect("written");
    drop(input);

    let said = publisher.expect_failure();
    assert!(
        said.contains("ends inside frame 20: expected 1000 bytes, found 400"),
        "{said}"
    );
    assert_eq!(publisher.wait_event("summary")["all_seen"], true);
    subscriber.expect_success();
    let written = std::fs::read(sandbox.path().join("frames.raw")).expect("output");
    assert!(written == data[..20_000], "{} bytes", written.len());
}

#[test]
fn a_subscriber_ends_in_order_when_the_reader_of_its_pipe_has_gone() {
    let (sandbox, _media_driver, _driver) = running();
    let script = |options: &str| {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!(
                "{{ \"$0\" subscribe {options}; echo \"status $?\" >&2; }} | head -c 10 >/dev/null"
            ))
            .arg(agent_runner())
            .env("AERON_DIR", sandbox.aeron_dir())
            .current_dir(sandbox.path());
        command
    };
    let mut frames = Process::spawn("frames", script("--json -o -"));
    let mut figures = Process::spawn("figures", script("--headers-only"));
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--pattern",
            "seq",
            "--pace",
            "200",
            "--wait-consumers",
            "1",
        ],
    );
    frames.wait_event("output_closed");
    frames.wait_event("summary");
    for process in [&mut frames, &mut figures] {
        process.wait_line("its status", PATIENCE, |line| {
            (line.text == "status 0").then_some(())
        });
        process.expect_success();
    }
    publisher.signal(Signal::INT);
    publisher.expect_success();
}

#[test]
fn an_output_that_cannot_be_written_is_an_error_and_still_accounted_for() {
    let (sandbox, _media_driver, _driver) = running();
    let mut subscriber = sandbox.spawn("subscriber", ["subscribe", "--json", "-o", "/dev/full"]);
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--pattern",
            "seq",
            "--count",
            "20",
            "--wait-consumers",
            "1",
        ],
    );
    publisher.expect_success();
    let said = subscriber.expect_failure();
    assert!(
        said.contains("writing the output failed: No space left"),
        "{said}"
    );
    let at = |event: &str| said.find(&format!("{{\"event\":\"{event}\"")).expect(event);
    assert!(
        at("error") < at("summary"),
        "the summary is the last: {said}"
    );
}

#[test]
fn errors_keep_away_from_frames_on_standard_output() {
    let sandbox = Sandbox::new();
    let mut subscriber = sandbox.spawn(
        "subscriber",
        [
            "subscribe",
            "--json",
            "-o",
            "-",
            "--attach-timeout",
            "100ms",
        ],
    );
    let said = subscriber.expect_failure();
    subscriber.wait_line("the error as JSON on standard error", PATIENCE, |line| {
        assert!(line.stderr, "on standard output: {}", line.text);
        assert!(line.text.starts_with('{'), "no JSON: {}", line.text);
        line.text.contains("\"error\"").then_some(())
    });
    assert_eq!(
        said.matches("no media driver").count(),
        2,
        "message and cause: {said}"
    );
}

#[test]
fn a_recording_is_not_touched_where_nothing_can_be_attached() {
    let sandbox = Sandbox::new();
    let old = sandbox.write("old.raw", "a recording");
    let subscribe = |name: &str| {
        let args = ["subscribe", "-o", name, "--attach-timeout", "100ms"];
        sandbox.spawn("subscriber", args).expect_failure();
    };
    subscribe("old.raw");
    subscribe("new.raw");
    assert_eq!(std::fs::read(old).expect("there"), b"a recording");
    assert!(!sandbox.path().join("new.raw").exists());
}

#[test]
fn a_signal_ends_a_subscriber_whose_reader_takes_nothing() {
    let (sandbox, _media_driver, _driver) = running();
    let mut command = Command::new("sh");
    // It is its own reader, and never reads.
    let script = "mkfifo ff && exec 3<>ff && exec \"$0\" subscribe --json -o - >ff";
    command
        .args(["-c", script])
        .arg(agent_runner())
        .env("AERON_DIR", sandbox.aeron_dir())
        .current_dir(sandbox.path());
    let mut subscriber = Process::spawn("subscriber", command);
    subscriber.wait_event("attached");
    let args = [
        "publish",
        "--pattern",
        "seq",
        "--count",
        "8",
        "--wait-consumers",
        "1",
    ];
    sandbox.spawn("publisher", args).expect_success();
    subscriber.signal(Signal::TERM);
    subscriber.wait_event("output_stalled");
    subscriber.wait_event("summary");
    subscriber.expect_success();
}

#[test]
fn a_publisher_that_cannot_say_how_it_goes_says_so_once_and_fails_at_its_end() {
    let (sandbox, _media_driver, _driver) = running();
    let mut subscriber = sandbox.spawn("subscriber", ["subscribe", "--json", "--verify", "seq"]);
    subscriber.wait_event("attached");
    let mut command = Command::new("sh");
    let script =
        "exec \"$0\" publish --json --pattern seq --count 20 --wait-consumers 1 >/dev/full";
    command
        .args(["-c", script])
        .arg(agent_runner())
        .env("AERON_DIR", sandbox.aeron_dir())
        .current_dir(sandbox.path());
    let mut publisher = Process::spawn("publisher", command);
    let said = publisher.expect_failure();
    assert_eq!(publisher.wait_exit(PATIENCE).code(), Some(1));
    assert_eq!(
        said.matches("cannot write to standard output").count(),
        1,
        "{said}"
    );
    subscriber.expect_success();
    assert_eq!(subscriber.wait_event("summary")["verified"], true);
}

#[test]
fn a_check_that_received_nothing_has_not_passed() {
    let (sandbox, _media_driver, _driver) = running();
    let args = [
        "subscribe",
        "--json",
        "--verify",
        "seq",
        "--duration",
        "100ms",
    ];
    let mut subscriber = sandbox.spawn("subscriber", args);
    subscriber.expect_failure();
    let summary = subscriber.wait_event("summary");
    assert_eq!(
        (&summary["frames"], &summary["verified"]),
        (&0.into(), &false.into())
    );
}

#[test]
fn command_lines_that_nothing_can_be_done_with_are_2() {
    let sandbox = Sandbox::new();
    let raw = sandbox.write("some.raw", [7; 100]);
    let raw = raw.to_str().expect("UTF-8");
    for args in [
        &["subscribe", "--own-stream", "--availability", "header-ring"][..],
        &["publish", "--pattern", "seq", "--pace", "source"],
        &["publish", "--pattern", "seq", "--pace", "1e-300"],
        &["publish", "--pattern", "seq", "--size", "0"],
        &[
            "publish",
            "--pattern",
            "seq",
            "--no-driver",
            "--nslots",
            "3",
        ],
        &["publish", "--dtype", "u8", raw],
        &[
            "publish",
            "--pattern",
            "seq",
            "--meta",
            "a=1",
            "--meta",
            "a=2",
        ],
        &["run", "driver,driver"],
        &["run", "driver", "--cores", "100000"],
    ] {
        let mut process = sandbox.spawn("misused", args);
        process.expect_failure();
        let status = process.wait_exit(PATIENCE);
        assert_eq!(status.code(), Some(2), "{args:?}: {}", process.transcript());
    }
}

#[test]
fn signals_in_one_go_are_one_request_and_a_later_one_ends_at_once() {
    let (sandbox, _media_driver, mut driver) = running();
    let subscriber = sandbox.spawn("subscriber", ["subscribe", "--json", "--verify", "seq"]);
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--pattern",
            "seq",
            "--wait-consumers",
            "1",
            "--linger",
            "25s",
        ],
    );
    publisher.wait_event("progress");
    subscriber.stop();

    // It lingers for a consumer that confirms nothing.
    let started = Instant::now();
    while publisher.is_running() {
        publisher.signal(Signal::INT);
        std::thread::yield_now();
        assert!(started.elapsed() < Duration::from_secs(20), "still running");
    }
    assert_eq!(publisher.wait_exit(PATIENCE).code(), Some(130));

    // As `timeout` does it: to the child, and to its process group.
    driver.signal(Signal::TERM);
    driver.signal(Signal::TERM);
    driver.expect_success();
}

#[test]
fn an_error_is_one_line_of_json_with_its_causes_whatever_it_quotes() {
    let sandbox = Sandbox::new();
    let names: [&[u8]; 2] = [b"no \"such\"\n\\file\x01.npy", b"\xff\xfe.npy"];
    for name in names {
        let mut command = sandbox.command(["publish", "--json"]);
        command.arg(std::ffi::OsStr::from_bytes(name));
        let mut publisher = Process::spawn("publisher", command);
        publisher.expect_failure();
        let error = publisher.wait_event("error");
        let message = error["message"].as_str().expect("a message");
        let name = String::from_utf8_lossy(name).into_owned();
        assert!(message.contains(&name), "{message:?}");
        let causes = error["causes"].as_array().expect("causes");
        let is_told = |cause: &serde_json::Value| {
            let cause = cause.as_str().expect("a text");
            !cause.is_empty() && message.contains(cause)
        };
        assert!(causes.len() >= 2 && causes.iter().all(is_told), "{error}");
        let last = causes.last().and_then(|cause| cause.as_str());
        assert!(
            last.is_some_and(|last| last.contains("No such file")),
            "{error}"
        );
    }
}

#[test]
fn lines_are_read_from_the_pipe_while_the_commands_run() {
    let (sandbox, _media_driver, _driver) = running();
    let line = |process: &mut Process, what: &str| {
        process.wait_line(what, PATIENCE, |line| {
            (!line.stderr && line.text.contains(what)).then_some(())
        });
        assert!(process.is_running(), "{}", process.transcript());
    };
    let publish = [
        "publish",
        "--pattern",
        "seq",
        "--pace",
        "100",
        "--wait-consumers",
        "1",
    ];
    let mut publisher = sandbox.spawn("publisher", publish);
    line(&mut publisher, "publishing u8");
    line(&mut publisher, "waiting for 1 consumer");
    let mut subscriber = sandbox.spawn("subscriber", ["subscribe"]);
    line(&mut subscriber, "frames");
    line(&mut publisher, "frames");
    publisher.terminate();
    subscriber.expect_success();
}

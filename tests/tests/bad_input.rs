//! What goes wrong is said: what was expected, what was found, what to do.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use tensorpool_tests::process::PATIENCE;
use tensorpool_tests::sandbox::agent_runner;
use tensorpool_tests::{Process, Sandbox, StreamConfig};

/// Asserts that every one of `parts` was said.
#[track_caller]
fn assert_says(transcript: &str, parts: &[&str]) {
    for part in parts {
        assert!(
            transcript.contains(part),
            "expected {part:?} in:\n{transcript}"
        );
    }
}

fn small(sandbox: &Sandbox) -> PathBuf {
    sandbox.config(&[StreamConfig::one_pool(8, 4096)])
}

fn driver_args(config: &Path) -> [OsString; 4] {
    [
        "run".into(),
        "driver".into(),
        "--config".into(),
        config.as_os_str().to_owned(),
    ]
}

#[test]
fn malformed_toml_is_shown_with_file_line_and_caret() {
    let sandbox = Sandbox::new();
    let config = sandbox.write("broken.toml", "[driver]\ncontrol_stream_id = \"many\"\n");
    let said = sandbox
        .spawn("driver", driver_args(&config))
        .expect_failure();
    assert_says(
        &said,
        &[
            "broken.toml:2",
            "control_stream_id = \"many\"",
            "^",
            "expected an Aeron stream id",
        ],
    );

    let config = sandbox.write("torn.toml", "[driver\ncontrol_stream_id = 1000\n");
    let said = sandbox
        .spawn("driver", driver_args(&config))
        .expect_failure();
    assert_says(&said, &["torn.toml:1", "[driver", "^"]);
}

#[test]
fn a_missing_configuration_file_is_named() {
    let sandbox = Sandbox::new();
    let said = sandbox
        .spawn("driver", driver_args(Path::new("nowhere.toml")))
        .expect_failure();
    assert_says(&said, &["nowhere.toml", "No such file"]);
}

#[test]
fn an_unknown_stream_is_rejected_by_name() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&small(&sandbox));
    let said = sandbox
        .spawn(
            "publisher",
            [
                "publish",
                "--pattern",
                "seq",
                "--stream",
                "4711",
                "--count",
                "1",
            ],
        )
        .expect_failure();
    assert_says(&said, &["4711", "not provisioned"]);
    let said = sandbox
        .spawn("subscriber", ["subscribe", "--stream", "4711"])
        .expect_failure();
    assert_says(&said, &["4711", "not provisioned"]);
}

#[test]
fn a_second_producer_is_told_who_holds_the_stream() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&small(&sandbox));
    let mut first = sandbox.spawn(
        "first",
        [
            "publish",
            "--json",
            "--pattern",
            "seq",
            "--size",
            "64",
            "--pace",
            "100",
            "--client-id",
            "77",
        ],
    );
    first.wait_event("attached");
    let said = sandbox
        .spawn(
            "second",
            [
                "publish",
                "--pattern",
                "seq",
                "--size",
                "64",
                "--count",
                "1",
                "--attach-timeout",
                "1s",
            ],
        )
        .expect_failure();
    assert_says(&said, &["already has a producer", "client 77", "10000"]);
    assert!(first.is_running(), "{}", first.transcript());
}

#[test]
fn a_second_driver_on_the_same_memory_is_refused_and_the_holder_named() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = small(&sandbox);
    let driver = sandbox.driver(&config);
    let said = sandbox
        .spawn("second", driver_args(&config))
        .expect_failure();
    assert_says(
        &said,
        &[
            &format!("{}", driver.pid()),
            sandbox.base_dir().to_str().expect("utf-8"),
        ],
    );
}

#[test]
fn a_frame_larger_than_every_pool_is_refused_with_both_sizes() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&small(&sandbox));
    let said = sandbox
        .spawn(
            "publisher",
            [
                "publish",
                "--pattern",
                "seq",
                "--size",
                "5000",
                "--count",
                "1",
            ],
        )
        .expect_failure();
    assert_says(&said, &["5000", "4096"]);
}

/// Runs `agent-runner` with the sandbox's base directory on a tmpfs of `size`.
fn on_small_tmpfs(sandbox: &Sandbox, size: &str, args: &[OsString]) -> Command {
    let script = format!(
        "mount -t tmpfs -o size={size} tmpfs '{}' && exec \"$@\"",
        sandbox.base_dir().display()
    );
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["--mount", "sh", "-c", &script, "sh"])
        .arg(agent_runner())
        .args(args)
        .env("AERON_DIR", sandbox.aeron_dir())
        .current_dir(sandbox.path());
    command
}

#[test]
fn shared_memory_that_cannot_hold_the_configuration_is_refused_at_start_with_the_sum() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let config = sandbox.config(&[StreamConfig::one_pool(64, 1 << 20)]);
    let command = on_small_tmpfs(&sandbox, "32m", &driver_args(&config));
    let said = Process::spawn("driver", command).expect_failure();
    assert_says(
        &said,
        &[
            "need",
            "available",
            sandbox.base_dir().to_str().expect("utf-8"),
        ],
    );
}

#[test]
fn shared_memory_that_fills_up_later_rejects_the_attach_with_the_sum() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    // Fits three times, as the driver demands at start, until somebody else fills the file system.
    let config = sandbox.config(&[StreamConfig::one_pool(16, 1 << 20)]);
    let mut args = driver_args(&config).to_vec();
    args.push("--json".into());
    let mut driver = Process::spawn("driver", on_small_tmpfs(&sandbox, "64m", &args));
    driver.wait_event("ready");
    let inside = PathBuf::from(format!("/proc/{}/root", driver.pid())).join(
        sandbox
            .base_dir()
            .strip_prefix("/")
            .expect("absolute")
            .join("ballast"),
    );
    let free = rustix::fs::statvfs(inside.parent().expect("base")).expect("statvfs");
    let ballast = std::fs::File::create(&inside).expect("ballast");
    let len = free.f_bavail * free.f_frsize - (4 << 20);
    rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), 0, len).expect("fills");

    let said = sandbox
        .spawn(
            "publisher",
            [
                "publish",
                "--pattern",
                "seq",
                "--size",
                "64",
                "--count",
                "1",
            ],
        )
        .expect_failure();
    assert_says(&said, &["needs", "available"]);
    assert!(driver.is_running(), "{}", driver.transcript());

    // With room again the same driver serves the same stream.
    drop(ballast);
    std::fs::remove_file(&inside).expect("ballast");
    let mut publisher = Process::spawn("publisher", {
        let mut command = Command::new("nsenter");
        command
            .args(["--mount", "--target", &driver.pid().to_string()])
            .arg(agent_runner())
            .args([
                "publish",
                "--pattern",
                "seq",
                "--size",
                "64",
                "--count",
                "1",
            ])
            .env("AERON_DIR", sandbox.aeron_dir());
        command
    });
    publisher.expect_success();
}

#[test]
fn a_relative_base_directory_is_refused() {
    let sandbox = Sandbox::new();
    let config = sandbox.write("relative.toml", "[shm]\nbase_dir = \"pools\"\n");
    let said = sandbox
        .spawn("driver", driver_args(&config))
        .expect_failure();
    assert_says(&said, &["relative.toml:2", "pools", "absolute"]);
}

#[test]
fn a_pool_truncated_while_mapped_is_an_error_and_not_the_end_of_the_reader() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let mut driver = sandbox.driver(&small(&sandbox));
    let mut subscriber =
        sandbox.spawn("subscriber", ["subscribe", "--json", "--verify", "interop"]);
    let mut publisher = sandbox.spawn(
        "publisher",
        [
            "publish",
            "--json",
            "--pattern",
            "interop",
            "--size",
            "4000",
            "--pace",
            "500",
            "--wait-consumers",
            "1",
        ],
    );
    subscriber.wait_event_where("progress", PATIENCE, |progress| {
        progress["frames"].as_u64() > Some(0)
    });
    let epoch = subscriber.events("mapped").last().expect("mapped")["epoch"].as_u64();
    for pool in find(&sandbox.base_dir(), "pool") {
        std::fs::OpenOptions::new()
            .write(true)
            .open(pool)
            .and_then(|f| f.set_len(0))
            .expect("truncate");
    }
    // The driver notices and replaces the memory; both clients follow it there and go on.
    let fault = driver.wait_event("fault");
    assert!(
        fault["text"]
            .as_str()
            .is_some_and(|text| text.contains("truncated")),
        "{fault}"
    );
    let new_epoch = |event: &serde_json::Value| event["epoch"].as_u64() > epoch;
    subscriber.wait_event_where("mapped", PATIENCE, new_epoch);
    publisher.wait_event_where("mapped", PATIENCE, new_epoch);
    let frames = subscriber.wait_event("progress")["frames"].as_u64();
    subscriber.wait_event_where("progress", PATIENCE, |p| p["frames"].as_u64() > frames);
    assert!(subscriber.is_running(), "{}", subscriber.transcript());
    assert!(publisher.is_running(), "{}", publisher.transcript());
}

#[test]
fn without_a_media_driver_every_command_says_how_to_start_one() {
    let sandbox = Sandbox::new();
    for args in [
        [
            "publish",
            "--pattern",
            "seq",
            "--count",
            "1",
            "--attach-timeout",
            "1s",
        ]
        .as_slice(),
        ["subscribe", "--attach-timeout", "1s"].as_slice(),
    ] {
        let said = sandbox.spawn(args[0], args).expect_failure();
        assert_says(
            &said,
            &[
                "no media driver",
                sandbox.aeron_dir().to_str().expect("utf-8"),
                "agent-runner run media-driver",
            ],
        );
    }
}

#[test]
fn without_a_driver_the_timeout_says_so() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let said = sandbox
        .spawn("subscriber", ["subscribe", "--attach-timeout", "1s"])
        .expect_failure();
    assert_says(&said, &["no driver answered", "agent-runner run driver"]);
}

#[test]
fn element_types_the_protocol_lacks_are_refused_by_name() {
    let sandbox = Sandbox::new();
    for (dtype, name) in [
        ("f16", "float16"),
        ("bf16", "bfloat16"),
        ("complex64", "complex"),
        (">f4", "big-endian"),
    ] {
        let said = sandbox
            .spawn(
                "publisher",
                ["publish", "--dtype", dtype, "--shape", "4x4", "/dev/null"],
            )
            .expect_failure();
        assert_says(&said, &[name]);
    }
}

/// Files under `dir` with this extension.
fn find(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(find(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found
}

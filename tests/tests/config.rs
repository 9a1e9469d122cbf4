//! `agent-runner config`: what a configuration says before anything is run with it.

use std::process::{Command, Output};

use serde_json::Value;
use tensorpool_tests::Sandbox;
use tensorpool_tests::sandbox::agent_runner;

fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("agent-runner runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_generated_configuration_is_checked_shown_and_shown_again() {
    let sandbox = Sandbox::new();
    let (code, generated, _) = run(sandbox.command(["config", "generate"]));
    assert_eq!(code, Some(0));
    let file = sandbox.write("generated.toml", &generated);
    let file = file.to_str().expect("UTF-8");

    let (code, verdict, odd) = run(sandbox.command(["config", "check", "--no-env", file]));
    assert_eq!((code, odd.as_str()), (Some(0), ""));
    assert_eq!(verdict, format!("{file}: ok\n"));

    let (code, shown, _) = run(sandbox.command(["config", "show", "--no-env", file]));
    assert_eq!(code, Some(0));
    let again = sandbox.write("shown.toml", &shown);
    let again = again.to_str().expect("UTF-8");
    let (_, shown_again, _) = run(sandbox.command(["config", "show", "--no-env", again]));
    let values = |text: &str| {
        let value = |line: &str| {
            line.rsplit_once(" # ")
                .expect("an origin")
                .0
                .trim()
                .to_owned()
        };
        text.lines().map(value).collect::<Vec<_>>()
    };
    assert_eq!(values(&shown_again), values(&shown));
}

#[test]
fn a_configuration_that_cannot_be_run_with_is_2_and_every_mistake_has_its_place() {
    let sandbox = Sandbox::new();
    let text = "[driver]\ncontrol_stream_id = 0\nqos_stream_id = \"x\"\ncolour = 1\n";
    let file = sandbox.write("bad.toml", text);
    let file = file.to_str().expect("UTF-8");
    let (code, verdict, said) = run(sandbox.command(["config", "check", "--no-env", file]));
    assert_eq!(code, Some(2), "{said}");
    let expected = format!("{file}: cannot be run with, 2 errors, 1 warning\n");
    assert_eq!(verdict, expected);
    assert!(said.contains("bad.toml:2:21"), "{said}");
    assert!(said.contains("bad.toml:3:17"), "{said}");

    let arguments = ["config", "check", "--json", "--no-env", "--config", file];
    let (code, verdict, said) = run(sandbox.command(arguments));
    assert_eq!((code, said.as_str()), (Some(2), ""));
    let verdict: Value = serde_json::from_str(&verdict).expect("JSON");
    assert_eq!(verdict["usable"], false);
    let first = &verdict["diagnostics"][0];
    assert_eq!((&first["line"], &first["column"]), (&2.into(), &21.into()));
    assert_eq!(first["severity"], "error");

    let (code, _, said) = run(sandbox.command(["config", "show", "--no-env", file]));
    assert_eq!(code, Some(2), "{said}");
    let (code, error, _) = run(sandbox.command(["config", "show", "--json", "--no-env", file]));
    let error: Value = serde_json::from_str(&error).expect("JSON");
    assert_eq!(code, Some(2), "{error}");
    let message = error["message"].as_str().expect("a message");
    assert!(message.starts_with("wrong value for"), "{message}");
    let (code, _, said) = run(sandbox.command(["config", "check", "no-such-file.toml"]));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no-such-file.toml"), "{said}");
}

#[test]
fn a_configuration_is_read_from_standard_input_and_what_cannot_be_written_is_an_error() {
    let sandbox = Sandbox::new();
    let script = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(agent_runner());
        run(command)
    };
    let (code, verdict, said) = script("\"$0\" config generate | \"$0\" config check --no-env -");
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert_eq!(verdict, "(standard input): ok\n");
    for action in ["generate", "check --json", "show"] {
        let (code, _, said) = script(&format!("\"$0\" config {action} >/dev/full"));
        assert_eq!(code, Some(1), "{action}: {said}");
        assert!(
            said.contains("cannot write to standard output: No space"),
            "{said}"
        );
    }
    drop(sandbox);
}

#[test]
fn what_is_odd_and_what_is_overridden_is_told_and_a_token_is_not() {
    let sandbox = Sandbox::new();
    let text = "[driver]\nstream_id_range = \"20000-20009\"\nannounce_stream_id = 1000\n\
                announce_channel = \"aeron:ipc?term-length=64k\"\n";
    let file = sandbox.write("odd.toml", text);
    let file = file.to_str().expect("UTF-8");
    let mut command = sandbox.command(["config", "check", file]);
    command.env("POLICIES_SHUTDOWN_TOKEN", "sesame");
    command.env("DRIVER_QOS_STREAM_ID", "1234");
    let (code, verdict, said) = run(command);
    assert_eq!(code, Some(0), "{said}");
    assert!(verdict.contains(": ok, 2 warnings"), "{verdict}");
    assert!(
        said.contains("without effect: driver.stream_id_range"),
        "{said}"
    );
    assert!(said.contains("two term lengths on stream 1000"), "{said}");
    assert!(
        said.contains("driver.qos_stream_id = 1234 (DRIVER_QOS_STREAM_ID)"),
        "{said}"
    );
    assert!(said.contains("POLICIES_SHUTDOWN_TOKEN"), "{said}");
    assert!(!said.contains("sesame"), "{said}");

    let mut command = sandbox.command(["config", "show", "--json", file]);
    command.env("DRIVER_QOS_STREAM_ID", "1234");
    let (_, shown, _) = run(command);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let key = &shown["driver.qos_stream_id"];
    assert_eq!(
        (&key["value"], &key["origin"]),
        (&1234.into(), &"DRIVER_QOS_STREAM_ID".into())
    );
    assert_eq!(
        shown["driver.announce_stream_id"]["origin"],
        format!("{file}:3")
    );
    assert_eq!(shown["driver.control_stream_id"]["origin"], "default");
}

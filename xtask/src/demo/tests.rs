use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;

/// Stands in for `agent-runner`: the same commands and answers, without frames.
const FAKE: &str = r#"#!/bin/sh
summary() {
    echo '{"event":"progress","frames":1}'
    echo '{"event":"summary","frames":'"$1"',"bytes":1000,"seconds":5.0,"drops":{"gap":'"$2"'},
        "latency_ns":null,"wrong":@WRONG@}' | tr -d '\n'
    echo
}
serve() { trap 'exit 0' TERM; while :; do sleep 0.05; done; }
for last; do :; done
case "$1 $2" in
    "run media-driver") mkdir "$last"; echo 1 > "$last/cnc.dat"; serve ;;
    "run driver") echo "driver ready"; @DRIVER@ ;;
    publish*) summary 100 0 ;;
    subscribe*) summary 90 @DROPPED@ ;;
esac
"#;

fn fake(dir: &Path, dropped: &str, wrong: &str, driver: &str) -> PathBuf {
    let script = FAKE.replace("@DROPPED@", dropped).replace("@WRONG@", wrong);
    let program = dir.join("agent-runner");
    fs::write(&program, script.replace("@DRIVER@", driver)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// Plays with a fake program; what the demo says of it. Whatever happened, nothing is left.
fn outcome_of(dropped: &str, wrong: &str, driver: &str) -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let program = fake(dir.path(), dropped, wrong, driver);
    let scene = Scene::create(&program).unwrap();
    let outcome = play(&scene, &Interrupt::install().unwrap());
    scene.stage.remove().unwrap();
    outcome
}

#[test]
fn demo_passes_when_every_frame_is_accounted_for() {
    outcome_of("10", "0", "serve").unwrap();
}

#[test]
fn demo_fails_when_a_frame_is_lost_without_being_counted() {
    let error = outcome_of("9", "0", "serve").unwrap_err().to_string();
    assert!(
        error.contains("full speed, consumer 1: 90 received and 9 dropped"),
        "{error}"
    );
}

#[test]
fn demo_fails_when_a_frame_is_torn() {
    let error = outcome_of("10", "1", "serve").unwrap_err().to_string();
    assert!(error.contains("1 torn or wrong frames"), "{error}");
}

#[test]
fn demo_fails_when_the_driver_dies_meanwhile() {
    let error = outcome_of("10", "0", "echo out of memory >&2; exit 9")
        .unwrap_err()
        .to_string();
    assert!(error.contains("driver ended by itself"), "{error}");
    assert!(error.contains("out of memory"), "{error}");
}

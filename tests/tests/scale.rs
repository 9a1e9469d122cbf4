//! Many attaches, and many clients at once: each gets its lease and gives it back, and nothing is left of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tensorpool_tests::sandbox::example;
use tensorpool_tests::{Process, Sandbox, StreamConfig};

/// Two rounds of everything, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(150);

/// Everything below `dir` that is no directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let found = entries.flat_map(|entry| match entry.path() {
        path if path.is_dir() => files(&path),
        path => vec![path],
    });
    found.collect()
}

#[test]
fn a_thousand_cycles_and_a_crowd_of_consumers_leave_nothing_behind() {
    let sandbox = Sandbox::new();
    let mut media_driver = sandbox.media_driver();
    let mut driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(16, 4096)]));
    let mut command = Command::new(example("attach_load"));
    // So many that the media driver has to use counters again.
    command
        .args(["--cycles", "1000", "--clients", "40", "--processes", "8"])
        .args(["--frames", "64"])
        .arg("--aeron-dir")
        .arg(sandbox.aeron_dir())
        .arg("--base-dir")
        .arg(sandbox.base_dir());
    let mut load = Process::spawn("attach_load", command);
    let status = load.wait_exit(PATIENCE);
    assert!(status.success(), "{}", load.transcript());
    let said = load.transcript();
    for (step, count) in [
        ("consumer attach", "1000"),
        ("consumer detach", "1000"),
        ("producer attach", "1000"),
        ("producer detach", "1000"),
        ("crowd attach", "80"),
        ("crowd detach", "80"),
    ] {
        let row = said.lines().find(|line| line.contains(step));
        let row = row.unwrap_or_else(|| panic!("no row {step:?} in:\n{said}"));
        assert!(row.split_whitespace().any(|word| word == count), "{row}");
    }
    assert!(
        said.contains("left behind: 0 leases, 0 counters, 0 logs"),
        "{said}"
    );
    // All leases ended by being given back: none expired, none was revoked.
    for event in ["lease_expired", "lease_revoked", "fault"] {
        assert!(driver.events(event).is_empty(), "{}", driver.transcript());
    }
    assert!(driver.terminate().success(), "{}", driver.transcript());
    assert_eq!(files(&sandbox.base_dir()), Vec::<PathBuf>::new());
    assert!(media_driver.terminate().success());
    assert!(!sandbox.aeron_dir().exists());
}

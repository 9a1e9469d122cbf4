//! Options of publish and subscribe that only show from outside: cores, and doing without shared memory.

use rustix::process::Signal;
use tensorpool_tests::process::PATIENCE;
use tensorpool_tests::{Process, Sandbox, StreamConfig};

/// The threads of a process: their names, and the cores they may run on.
fn threads(process: &Process) -> Vec<(String, Vec<usize>)> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.pid())).expect("tasks");
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path.join("status")).ok();
    let field = |status: &str, name: &str| {
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)).expect(name);
        line.trim().to_owned()
    };
    let statuses = tasks.flatten().filter_map(|task| read(task.path()));
    statuses
        .map(|status| {
            let cores = cores(&field(&status, "Cpus_allowed_list:"));
            (field(&status, "Name:"), cores)
        })
        .collect()
}

/// `0-2,5`.
fn cores(list: &str) -> Vec<usize> {
    let number = |text: &str| text.parse::<usize>().expect("a core");
    list.split(',')
        .flat_map(|part| match part.split_once('-') {
            Some((first, last)) => number(first)..=number(last),
            None => number(part)..=number(part),
        })
        .collect()
}

/// The cores of this process, of which those of its children are.
fn own_cores() -> Vec<usize> {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    cores(list.expect("cores").trim())
}

#[test]
fn the_data_thread_has_its_core_to_itself_and_the_conductor_runs_beside_it() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let _driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(8, 4096)]));
    let all = own_cores();
    let core = *all.last().expect("one core at least");
    let others: Vec<usize> = all.iter().copied().filter(|one| *one != core).collect();
    // On a machine of one core there is no beside.
    let beside = if others.is_empty() { &all } else { &others };
    let core_text = core.to_string();
    let pinned = ["--json", "--core", &core_text, "--idle", "noop"];
    let mut subscriber = sandbox.spawn("subscriber", ["subscribe"].iter().chain(&pinned));
    subscriber.wait_event("attached");
    let args = [
        "publish",
        "--pattern",
        "interop",
        "--size",
        "1KiB",
        "--pace",
        "10",
    ];
    let mut publisher = sandbox.spawn("publisher", args.iter().chain(&pinned));
    publisher.wait_event("attached");
    for process in [&subscriber, &publisher] {
        let mut threads = threads(process);
        // It waits for signals and nothing else.
        threads.retain(|(name, _)| name != "signals");
        let on_core = threads.iter().filter(|(_, cores)| *cores == [core]);
        let beside_it = threads.iter().filter(|(_, cores)| cores == beside);
        if others.is_empty() {
            assert_eq!(on_core.count(), threads.len(), "{threads:?}");
        } else {
            assert_eq!(on_core.count(), 1, "{threads:?}");
            assert_eq!(beside_it.count(), threads.len() - 1, "{threads:?}");
        }
        assert!(threads.len() > 1, "a conductor at least: {threads:?}");
    }
    for process in [&mut publisher, &mut subscriber] {
        process.signal(Signal::INT);
        process.expect_success();
    }
}

#[test]
fn a_core_that_is_not_there_is_an_error_of_its_own() {
    let sandbox = Sandbox::new();
    let args = ["subscribe", "--core", "1000000"];
    let said = sandbox.spawn("subscriber", args).expect_failure();
    assert!(said.contains("--core 1000000: no such core"), "{said}");
}

#[test]
fn a_subscriber_without_shared_memory_is_told_by_the_supervisor_where_payloads_come_from() {
    let sandbox = Sandbox::new();
    let _media_driver = sandbox.media_driver();
    let path = sandbox.config(&[StreamConfig::one_pool(8, 4096)]);
    let text = std::fs::read_to_string(&path).expect("configuration");
    let supervisor = "[supervisor]\npayload_fallback_uri = \"bridge://lab\"\n";
    let path = sandbox.write("supervised.toml", format!("{text}\n{supervisor}"));
    let _driver = sandbox.driver(&path);
    let mut subscriber = sandbox.spawn("subscriber", ["subscribe", "--json", "--no-shm"]);
    subscriber.wait_event_where("fallback", PATIENCE, |line| line["uri"] == "bridge://lab");
    let args = [
        "publish",
        "--json",
        "--pattern",
        "interop",
        "--size",
        "1KiB",
        "--count",
        "20",
    ];
    sandbox.spawn("publisher", args).expect_success();
    subscriber.signal(Signal::INT);
    subscriber.expect_success();
    assert_eq!(subscriber.wait_event("summary")["frames"], 0);
}

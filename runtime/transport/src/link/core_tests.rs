use super::*;

const MS: u64 = 1_000_000;
/// The realtime clock when the monotonic one stands at 0.
const REALTIME_MS: i64 = 1_700_000_000_000;

fn core() -> LinkCore {
    LinkCore::new(CoreConfig {
        heartbeat_timeout_ns: 2_000 * MS,
        connect_retry_min_ns: 20 * MS,
        connect_retry_max_ns: 100 * MS,
    })
}

fn at(ms: u64) -> NanoTime {
    NanoTime::new(ms * MS)
}

fn file(inode: u64) -> FileId {
    FileId { device: 1, inode }
}

/// A driver whose last beat was at `beat_ms`, seen at `now_ms`, both on the monotonic clock.
fn present(inode: u64, process: ProcessState, beat_ms: i64, now_ms: u64) -> Observation {
    Observation::Present {
        file: file(inode),
        pid: 42,
        process,
        heartbeat_ms: REALTIME_MS + beat_ms,
        realtime_ms: REALTIME_MS + i64::try_from(now_ms).unwrap(),
    }
}

fn running(inode: u64, beat_ms: i64, now_ms: u64) -> Observation {
    present(inode, ProcessState::Running, beat_ms, now_ms)
}

/// A core that is up on inode 1 since time 0.
fn up() -> LinkCore {
    let mut core = core();
    core.on_observation(at(0), &running(1, 0, 0));
    assert_eq!(core.take_action(), Some(LinkAction::Connect));
    core.on_connected(file(1));
    assert_eq!(*core.state(), LinkState::Up);
    core
}

fn lost_reason(core: &LinkCore) -> &LostReason {
    match core.state() {
        LinkState::Lost(reason) => reason,
        other => panic!("expected a lost link, found {other:?}"),
    }
}

#[test]
fn without_a_driver_it_waits_and_says_why() {
    let mut core = core();
    core.on_observation(at(0), &Observation::Missing);
    assert_eq!(*core.state(), LinkState::Connecting(WaitReason::NoDriver));
    core.on_observation(at(10), &Observation::Unusable("version".into()));
    assert_eq!(
        *core.state(),
        LinkState::Connecting(WaitReason::Unusable("version".into()))
    );
    assert_eq!(core.take_action(), None);
}

#[test]
fn a_visible_process_with_a_fresh_beat_is_connected_to_at_once() {
    let mut core = core();
    core.on_observation(at(500), &running(1, 0, 500));
    assert_eq!(core.take_action(), Some(LinkAction::Connect));
}

/// Proves [TP-RT-0930].
#[test]
fn a_stale_beat_is_connected_to_only_once_it_changes() {
    let mut core = core();
    core.on_observation(at(2_000), &running(2, 0, 2_000));
    assert_eq!(
        core.take_action(),
        Some(LinkAction::Connect),
        "not stale yet"
    );
    core.on_observation(at(2_001), &running(1, 0, 2_001));
    assert_eq!(core.take_action(), None);
    assert_eq!(
        *core.state(),
        LinkState::Connecting(WaitReason::NoHeartbeat { pid: 42 })
    );
    core.on_observation(at(60_010), &running(1, 60_005, 60_010));
    assert_eq!(core.take_action(), Some(LinkAction::Connect));
}

/// Proves [TP-RT-0930].
#[test]
fn a_driver_of_another_pid_namespace_is_believed_when_its_beat_changes() {
    let mut core = core();
    core.on_observation(at(0), &present(1, ProcessState::Unknown, -10, 0));
    assert_eq!(core.take_action(), None, "it may have been killed just now");
    core.on_observation(at(1_000), &present(1, ProcessState::Unknown, 990, 1_000));
    assert_eq!(core.take_action(), Some(LinkAction::Connect));
}

#[test]
fn failed_attempts_to_connect_back_off_to_the_maximum() {
    let mut core = core();
    let mut now_ms = 0;
    for expected_pause_ms in [20, 40, 80, 100, 100] {
        core.on_observation(at(now_ms), &running(1, 0, now_ms));
        assert_eq!(core.take_action(), Some(LinkAction::Connect));
        core.on_connect_failed(at(now_ms), WaitReason::ConnectFailed("refused".into()));
        assert_eq!(
            *core.state(),
            LinkState::Connecting(WaitReason::ConnectFailed("refused".into()))
        );
        core.on_observation(at(now_ms + expected_pause_ms - 1), &running(1, 0, now_ms));
        assert_eq!(core.take_action(), None);
        now_ms += expected_pause_ms;
    }
}

#[test]
fn a_dead_process_loses_the_link_and_is_not_connected_to_again() {
    let mut core = up();
    core.on_observation(at(20), &present(1, ProcessState::Gone, 0, 20));
    assert_eq!(*lost_reason(&core), LostReason::DriverDied { pid: 42 });
    assert_eq!(core.take_action(), Some(LinkAction::Retire));
    core.on_observation(at(30), &present(1, ProcessState::Gone, 0, 30));
    assert_eq!(
        core.take_action(),
        None,
        "its heartbeat is fresh, but it is dead"
    );
    assert!(matches!(core.state(), LinkState::Lost(_)));

    core.on_observation(at(200), &running(2, 195, 200));
    assert_eq!(*core.state(), LinkState::Rebuilding);
    assert_eq!(core.take_action(), Some(LinkAction::Connect));
    core.on_connected(file(2));
    assert_eq!(*core.state(), LinkState::Up);
}

/// Proves [TP-RT-0920].
#[test]
fn every_way_to_lose_a_driver_has_its_reason() {
    let closed = present(1, ProcessState::Running, -REALTIME_MS - 1, 20);
    for (observation, reason) in [
        (Observation::Missing, LostReason::DirectoryRemoved),
        (
            Observation::Unusable("being written".into()),
            LostReason::DirectoryRemoved,
        ),
        (running(2, 15, 20), LostReason::DriverReplaced),
        (
            present(1, ProcessState::Gone, 10, 20),
            LostReason::DriverDied { pid: 42 },
        ),
        (closed, LostReason::DriverClosed),
    ] {
        let mut core = up();
        core.on_observation(at(20), &observation);
        assert_eq!(*lost_reason(&core), reason);
        assert_eq!(core.take_action(), Some(LinkAction::Retire));
    }
    // One that has not beaten yet has not closed.
    let mut core = up();
    core.on_observation(at(20), &present(1, ProcessState::Running, -REALTIME_MS, 20));
    assert_eq!(*core.state(), LinkState::Up);
}

/// Proves [TP-RT-0930].
#[test]
fn a_stopped_driver_is_lost_after_the_timeout_and_found_when_it_continues() {
    let mut core = up();
    core.on_observation(at(2_000), &running(1, 0, 2_000));
    assert_eq!(*core.state(), LinkState::Up);
    core.on_observation(at(2_001), &running(1, 0, 2_001));
    assert_eq!(
        *lost_reason(&core),
        LostReason::DriverSilent {
            silent_ns: 2_001 * MS
        }
    );
    assert_eq!(core.take_action(), Some(LinkAction::Retire));
    core.on_observation(at(2_011), &running(1, 0, 2_011));
    assert_eq!(core.take_action(), None);
    core.on_observation(at(5_000), &running(1, 4_990, 5_000));
    assert_eq!(
        core.take_action(),
        Some(LinkAction::Connect),
        "the same file, alive again"
    );
}

/// Proves [TP-RT-0930].
#[test]
fn a_process_that_was_stopped_itself_does_not_blame_the_driver() {
    let mut core = up();
    core.on_observation(at(10), &running(1, 5, 10));
    // Nothing was observed for a minute, but the driver has beaten meanwhile.
    core.on_observation(at(60_000), &running(1, 59_990, 60_000));
    assert_eq!(*core.state(), LinkState::Up);
}

/// Proves [TP-RT-0940].
#[test]
fn a_step_of_the_realtime_clock_alone_loses_nothing() {
    for step_ms in [3_600_000_i64, -3_600_000] {
        let mut core = up();
        for now_ms in (50..10_000).step_by(50) {
            let beat_ms = i64::try_from(now_ms).unwrap() / 1_000 * 1_000;
            let mut observation = running(1, beat_ms, now_ms);
            if let Observation::Present { realtime_ms, .. } = &mut observation {
                *realtime_ms += step_ms;
            }
            core.on_observation(at(now_ms), &observation);
            assert_eq!(
                *core.state(),
                LinkState::Up,
                "at {now_ms} ms with a step of {step_ms} ms"
            );
        }
    }
}

/// Proves [TP-RT-0950].
#[test]
fn a_client_that_gave_up_is_replaced_on_the_same_driver() {
    let mut core = up();
    core.on_client_closed(at(100), "service interval exceeded".into());
    assert_eq!(
        *lost_reason(&core),
        LostReason::ClientClosed("service interval exceeded".into())
    );
    assert_eq!(core.take_action(), Some(LinkAction::Retire));
    core.on_client_closed(at(100), "again".into());
    assert_eq!(core.take_action(), None, "one loss, one retirement");
    core.on_observation(at(110), &running(1, 105, 110));
    assert_eq!(core.take_action(), Some(LinkAction::Connect));
}

/// Proves [TP-RT-0960].
#[test]
fn a_closed_link_stays_closed() {
    let mut core = up();
    core.on_close();
    core.on_observation(at(100), &Observation::Missing);
    core.on_client_closed(at(100), "x".into());
    core.on_observation(at(200), &running(2, 200, 200));
    assert_eq!(core.take_action(), None);
    assert_eq!(*core.state(), LinkState::Closed);
}

#[test]
fn time_that_goes_backwards_is_ignored() {
    let mut core = up();
    core.on_observation(at(1_000), &running(1, 990, 1_000));
    core.on_observation(at(10), &running(1, 990, 1_000));
    assert_eq!(*core.state(), LinkState::Up);
}

//! Starting, refusing, taking over and cleaning up media drivers.

mod support;

use support::{
    AeronDir, Role, media_driver_role, publication, receive, role, send, subscription,
    wait_for_driver,
};
use tensorpool_transport::media_driver::{
    DriverIdle, DriverThreading, EmbeddedMediaDriver, MediaDriverConfig, MediaDriverError,
};

const SIGSTOP: i32 = 19;

/// Proves [TP-RT-1030].
#[test]
fn a_second_media_driver_is_refused_and_names_the_first() {
    let dir = AeronDir::new();
    let driver = dir.driver();
    let config = MediaDriverConfig::for_dir(dir.path());
    let error = EmbeddedMediaDriver::start(config.clone()).unwrap_err();
    assert!(
        matches!(error, MediaDriverError::DriverIsRunning { pid, .. } if pid == i64::from(std::process::id()))
    );
    assert!(
        error.to_string().contains(&std::process::id().to_string()),
        "{error}"
    );
    driver.close();
    assert!(!dir.path().exists(), "a closed driver leaves nothing");
    EmbeddedMediaDriver::start(config).unwrap().close();
}

#[test]
fn the_directory_of_a_killed_media_driver_is_taken_over_unless_forbidden() {
    const NAME: &str = "the_directory_of_a_killed_media_driver_is_taken_over_unless_forbidden";
    if let Some((_, dir)) = role() {
        media_driver_role(&dir);
    }
    let dir = AeronDir::new();
    let driver = Role::spawn(NAME, "driver", dir.path());
    wait_for_driver(&dir);
    let config = MediaDriverConfig::for_dir(dir.path());
    driver.signal(SIGSTOP);
    let stopped = EmbeddedMediaDriver::start(config.clone()).unwrap_err();
    assert!(
        matches!(stopped, MediaDriverError::DriverIsRunning { .. }),
        "stopped is not dead: {stopped}"
    );
    driver.kill();
    let keep = MediaDriverConfig {
        delete_on_start: false,
        ..config.clone()
    };
    assert!(matches!(
        EmbeddedMediaDriver::start(keep).unwrap_err(),
        MediaDriverError::Stale { .. }
    ));
    EmbeddedMediaDriver::start(config).unwrap().close();
    assert!(!dir.path().exists());
}

#[test]
fn a_media_driver_never_touches_a_directory_that_is_not_aerons() {
    let dir = AeronDir::new();
    std::fs::create_dir(dir.path()).unwrap();
    let precious = dir.path().join("thesis.tex");
    std::fs::write(&precious, "years of work").unwrap();
    let error = EmbeddedMediaDriver::start(MediaDriverConfig::for_dir(dir.path())).unwrap_err();
    assert!(
        matches!(&error, MediaDriverError::NotAeron { entry, .. } if entry.ends_with("thesis.tex")),
        "{error}"
    );
    assert!(precious.exists());
}

#[test]
fn settings_aeron_refuses_are_an_error_and_leave_nothing() {
    let dir = AeronDir::new();
    let config = MediaDriverConfig {
        ipc_term_buffer_len: 12_345,
        ..MediaDriverConfig::for_dir(dir.path())
    };
    let error = EmbeddedMediaDriver::start(config).unwrap_err();
    assert!(matches!(error, MediaDriverError::Aeron { .. }), "{error}");
    assert!(error.to_string().contains("12345"), "{error}");
    let unblock = MediaDriverConfig {
        publication_unblock_timeout_ns: 1,
        ..MediaDriverConfig::for_dir(dir.path())
    };
    assert!(EmbeddedMediaDriver::start(unblock).is_err());
    assert!(!dir.path().exists());
}

#[test]
fn every_threading_and_idle_strategy_carries_messages() {
    let cases = [
        (DriverThreading::Shared, DriverIdle::Backoff, true),
        (DriverThreading::Shared, DriverIdle::Sleep(100_000), false),
        (DriverThreading::SharedNetwork, DriverIdle::Yield, true),
        (DriverThreading::Dedicated, DriverIdle::Spin, true),
        (DriverThreading::Dedicated, DriverIdle::Noop, true),
    ];
    for (threading, idle, sparse_terms) in cases {
        let dir = AeronDir::new();
        let pinned = Some(0);
        let _driver = EmbeddedMediaDriver::start(MediaDriverConfig {
            threading,
            idle,
            sparse_terms,
            conductor_cpu: pinned,
            ..MediaDriverConfig::for_dir(dir.path())
        })
        .unwrap();
        let mut link = dir.link();
        let mut publication = publication(&mut link, 1000);
        let mut subscription = subscription(&mut link, 1000);
        send(&mut [&mut link], &mut publication, b"x");
        assert_eq!(
            receive(&mut [&mut link], &mut subscription, 1).len(),
            1,
            "{threading:?} {idle:?}"
        );
    }
}

#[test]
fn a_directory_may_be_kept_on_close_and_is_then_stale_not_live() {
    let dir = AeronDir::new();
    let config = MediaDriverConfig {
        delete_on_close: false,
        ..MediaDriverConfig::for_dir(dir.path())
    };
    EmbeddedMediaDriver::start(config.clone()).unwrap().close();
    assert!(dir.path().join("cnc.dat").exists());
    let strict = MediaDriverConfig {
        delete_on_start: false,
        ..config.clone()
    };
    assert!(matches!(
        EmbeddedMediaDriver::start(strict).unwrap_err(),
        MediaDriverError::Stale { .. }
    ));
    EmbeddedMediaDriver::start(config).unwrap().close();
}

#[test]
fn starting_several_at_once_leaves_one_running() {
    let dir = AeronDir::new();
    let start = || EmbeddedMediaDriver::start(MediaDriverConfig::for_dir(dir.path()));
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let running: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().ok())
        .collect();
    let errors: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .collect();
    assert_eq!(running.len(), 1, "{errors:?}");
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    send(&mut [&mut link], &mut publication, b"x");
    assert_eq!(receive(&mut [&mut link], &mut subscription, 1).len(), 1);
}

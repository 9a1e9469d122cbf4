//! Single promises of the driver that only show outside of its core.

use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Instant;

use tensorpool::driver::{DriverConfig, DriverSetup, DriverSetupError};
use tensorpool_codecs::driver::{ResponseCode, Role};
use tensorpool_codecs::types::{Epoch, StreamId};
use tensorpool_codecs::wire::{ClockDomain, ShmPoolAnnounceView};
use tensorpool_runtime::clock::monotonic_ns;
use tensorpool_transport::{Link, LinkConfig, SubscriptionOptions};

use super::fixture::{Fixture, STREAM, WATCHDOG};
use super::path_of;

const P: Role = Role::Producer;
const C: Role = Role::Consumer;

/// A directory below `base_dir` with a path that many bytes longer, made.
fn deep(config: &DriverConfig, more: usize) -> PathBuf {
    let mut path = config.base_dir.clone();
    for _ in 0..more / 200 {
        path.push("d".repeat(199));
    }
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Proves [TP-DRV-0060].
#[test]
fn a_long_explanation_is_cut_at_1024_bytes() {
    let fixture = Fixture::new();
    let base_dir = deep(&fixture.config(), 1_200);
    let _driver = fixture.driver(|config| config.base_dir.clone_from(&base_dir));
    let user = tensorpool_shm::paths::UserName::current().dir_name();
    let namespace = base_dir.join(user).join("default");
    std::fs::write(namespace.join(STREAM.to_string()), b"in the way").unwrap();
    let answer = fixture.client().attach(7, P, STREAM);
    assert_eq!(answer.code, ResponseCode::InternalError);
    assert!(answer.text.starts_with("failed to provision SHM"));
    assert_eq!(answer.text.len(), 1024, "{}", answer.text);
}

/// Proves [TP-DRV-0090], [TP-DRV-0095].
#[test]
fn a_grant_too_long_for_the_control_stream_is_an_internal_error() {
    let fixture = Fixture::new();
    let base_dir = deep(&fixture.config(), 1_000);
    let pools: Vec<(u16, u32)> = (1..=16).map(|id| (id, 64 << (id / 2))).collect();
    let driver = fixture.driver(|config| {
        config.base_dir.clone_from(&base_dir);
        // Nothing ends here because it expires.
        config.keepalive_interval_ns = 3_600_000_000_000;
        config.streams.clear();
        config.add_stream(StreamId::new(STREAM), 8, &pools).unwrap();
    });
    let mut client = fixture.client();
    for role in [C, P, C] {
        let answer = client.attach(7, role, STREAM);
        assert_eq!(answer.code, ResponseCode::InternalError);
        assert!(answer.text.contains("message length"), "{}", answer.text);
        client.wait_until("its lease has ended", |_| driver.counter("Leases") == 0);
    }
}

/// Proves [TP-DRV-0093].
#[test]
fn a_grant_of_sixteen_pools_with_long_paths_arrives_whole() {
    let fixture = Fixture::new();
    let base_dir = deep(&fixture.config(), 200);
    let pools: Vec<(u16, u32)> = (1..=16).map(|id| (id, 64 << (id / 2))).collect();
    let _driver = fixture.driver(|config| {
        config.base_dir.clone_from(&base_dir);
        config.streams.clear();
        config.add_stream(StreamId::new(STREAM), 8, &pools).unwrap();
    });
    let mut client = fixture.client();
    let granted = client.attach(7, P, STREAM).granted();
    assert_eq!(granted.pools.len(), 16);
    for pool in &granted.pools {
        assert!(pool.uri.len() > 200, "{}", pool.uri);
        assert!(path_of(&pool.uri).exists(), "{}", pool.uri);
    }
    let announced = client.wait_announce(|announce| announce.epoch == granted.epoch);
    assert_eq!(announced.header_uri, granted.header_uri);
}

/// Proves [TP-DRV-1140].
#[test]
fn announces_are_stamped_when_they_are_sent_by_the_monotonic_clock() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|config| config.announce_period_ns = 50_000_000);
    let mut client = fixture.client();
    client.attach(8, C, STREAM).granted();
    let announce = fixture.config().announce;
    let mut link = Link::new(LinkConfig::for_dir(&fixture.aeron_dir())).unwrap();
    let options = SubscriptionOptions::default();
    let mut subscription = link.add_subscription(&announce.channel, announce.stream_id, options);
    let (started, mut last) = (Instant::now(), 0);
    let mut heard = 0;
    while heard < 3 {
        link.do_work(monotonic_ns());
        subscription.poll(1, |message, _| {
            let announce = ShmPoolAnnounceView::decode(message).unwrap();
            let (stamp, now) = (announce.announce_timestamp_ns, monotonic_ns().get());
            assert_eq!(announce.announce_clock_domain, ClockDomain::Monotonic);
            assert!(last < stamp && stamp <= now, "{last} {stamp} {now}");
            last = stamp;
            heard += 1;
        });
        assert!(started.elapsed() < WATCHDOG);
    }
}

/// Proves [TP-DRV-1370].
#[test]
fn leftovers_in_which_somebody_seems_to_live_stay() {
    let fixture = Fixture::new();
    let mut first = fixture.driver(|config| config.cleanup_on_exit = false);
    let granted = fixture.client().attach(7, P, STREAM).granted();
    first.close();
    // As a driver that takes no lock would leave it: another process that lives, seen just now.
    let header = path_of(&granted.header_uri);
    let mut file = std::fs::File::options().write(true).open(header).unwrap();
    let mut put = |at: u64, value: u64| {
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(&value.to_le_bytes()).unwrap();
    };
    put(40, u64::from(std::os::unix::process::parent_id()));
    put(56, monotonic_ns().get());
    let second = DriverSetup::prepare(fixture.config()).unwrap();
    let left = (StreamId::new(STREAM), granted.epoch.into());
    assert_eq!(second.leftovers().kept, [left]);
    assert!(header.exists());
    drop(second);
    put(56, 1);
    let third = DriverSetup::prepare(fixture.config()).unwrap();
    assert_eq!(third.leftovers().removed, [left], "nobody was seen lately");
}

/// An epoch that a driver which ended by `cleanup_on_exit = false` left, as if it was last seen at `at`.
fn leave(fixture: &Fixture, at: u64) -> (PathBuf, (StreamId, Epoch)) {
    let mut first = fixture.driver(|config| config.cleanup_on_exit = false);
    let granted = fixture.client().attach(7, P, STREAM).granted();
    first.close();
    let header = path_of(&granted.header_uri);
    let mut file = std::fs::File::options().write(true).open(header).unwrap();
    file.seek(SeekFrom::Start(56)).unwrap();
    file.write_all(&at.to_le_bytes()).unwrap();
    let key = (StreamId::new(STREAM), granted.epoch.into());
    (header.to_owned(), key)
}

/// Proves [TP-DRV-1362].
#[test]
fn leftovers_go_when_they_have_their_minimum_age_and_not_before() {
    const MIN_AGE_NS: u64 = 2_000_000_000;
    let fixture = Fixture::new();
    let (header, left) = leave(&fixture, monotonic_ns().get());
    let hour = fixture.driver(|config| {
        config.epoch_min_age_ns = 3_600_000_000_000;
        config.cleanup_on_exit = false;
    });
    assert_eq!(hour.leftovers.young, [left]);
    assert_eq!(hour.leftovers.removed, []);
    drop(hour);
    assert!(header.exists());
    // It is not waited for what is to stay anyhow.
    let keeping = fixture.driver(|config| {
        config.epoch_min_age_ns = 3_600_000_000_000;
        config.remove_leftovers = false;
        config.cleanup_on_exit = false;
    });
    assert!(keeping.leftovers.kept.contains(&left));
    assert_eq!(keeping.leftovers.young, []);
    drop(keeping);
    assert!(header.exists());

    let last_seen = monotonic_ns().get();
    let mut file = std::fs::File::options().write(true).open(&header).unwrap();
    file.seek(SeekFrom::Start(56)).unwrap();
    file.write_all(&last_seen.to_le_bytes()).unwrap();
    let second = fixture.driver(|config| {
        config.epoch_min_age_ns = MIN_AGE_NS;
        config.announce_period_ns = 50_000_000;
    });
    let mut client = fixture.client();
    client.wait_until("it is gone", |_| !header.exists());
    let age_ns = monotonic_ns().get() - last_seen;
    assert!(age_ns >= MIN_AGE_NS, "gone after {age_ns} ns");
    // What is in use now is another epoch, which stays.
    let live = client.attach(8, P, STREAM).granted();
    assert_eq!(fixture.epochs(), [live.epoch]);
    drop(second);
}

/// Proves [TP-DRV-1362].
#[test]
fn leftovers_that_have_their_age_go_at_the_start_as_do_those_of_an_earlier_boot() {
    const HOUR_NS: u64 = 3_600_000_000_000;
    for (last_seen, min_age_ns) in [(1, 1_000_000_000), (u64::MAX / 2, HOUR_NS)] {
        let fixture = Fixture::new();
        let (header, left) = leave(&fixture, last_seen);
        let next = fixture.driver(|config| config.epoch_min_age_ns = min_age_ns);
        assert_eq!(next.leftovers.removed, [left]);
        assert_eq!(next.leftovers.young, []);
        assert!(!header.exists());
    }
}

/// Proves [TP-DRV-1364].
#[test]
fn young_leftovers_make_room_for_what_does_not_fit_otherwise() {
    let fixture = Fixture::new();
    let (header, _) = leave(&fixture, monotonic_ns().get());
    let mut config = fixture.config();
    config.epoch_min_age_ns = 3_600_000_000_000;
    let stream_id = StreamId::new(STREAM + 1);
    config
        .add_stream(stream_id, 1 << 20, &[(1, 1 << 30)])
        .unwrap();
    let error = DriverSetup::prepare(config).unwrap_err();
    assert!(matches!(error, DriverSetupError::Space { .. }), "{error}");
    assert!(!header.exists(), "it was tried with their room");
}

/// Proves [TP-DRV-1330].
#[test]
fn huge_pages_that_are_required_and_not_there_keep_a_driver_from_starting() {
    let fixture = Fixture::new();
    let config = DriverConfig {
        require_hugepages: true,
        ..fixture.config()
    };
    let error = DriverSetup::prepare(config).unwrap_err();
    assert!(
        matches!(error, DriverSetupError::NoHugepages { .. }),
        "{error}"
    );
}

/// Proves [TP-DRV-0575].
#[test]
fn what_matches_no_lease_is_counted() {
    let fixture = Fixture::new();
    let driver = fixture.driver(|_| {});
    let mut client = fixture.client();
    let granted = client.attach(7, P, STREAM).granted();
    client.keepalive(&granted, 7, P);
    client.wait_until("the right one counts", |_| {
        driver.counter("Keepalives") == 1
    });
    assert_eq!(driver.counter("LeaseHsmUnhandled"), 0);
    let counted = |client: &mut super::Client, count| {
        client.wait_until("it is counted", |_| {
            driver.counter("LeaseHsmUnhandled") == count
        });
    };
    client.keepalive(&granted, 8, P);
    counted(&mut client, 1);
    client.detach(&granted, 7, C);
    counted(&mut client, 2);
    let stranger = super::client::Granted {
        lease_id: granted.lease_id + 1,
        ..granted.clone()
    };
    client.keepalive(&stranger, 7, P);
    counted(&mut client, 3);
    client.detach(&stranger, 7, P);
    counted(&mut client, 4);
    assert_eq!(driver.counter("Leases"), 1);
}

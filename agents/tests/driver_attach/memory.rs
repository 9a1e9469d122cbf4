//! Which files a driver leaves and removes, as it is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tensorpool::driver::{DriverConfig, DriverSetup, DriverSetupError};
use tensorpool_codecs::driver::Role;
use tensorpool_codecs::types::StreamId;

use super::fixture::{Fixture, STREAM};
use super::path_of;

const P: Role = Role::Producer;
const C: Role = Role::Consumer;

/// A producer that comes and goes, `count` times.
fn visit(fixture: &Fixture, count: u32) {
    let mut client = fixture.client();
    for client_id in 1..=count {
        let granted = client.attach(client_id, P, STREAM).granted();
        client.heard.clear();
        client.detach(&granted, client_id, P);
        client.wait_announce(|announce| announce.epoch > granted.epoch);
    }
}

fn files_of(epoch_dir: &std::path::Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(epoch_dir).unwrap();
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap());
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

/// Proves [TP-DRV-1016].
#[test]
fn with_collection_turned_off_every_epoch_stays_until_a_clean_end() {
    let fixture = Fixture::new();
    let mut driver = fixture.driver(|config| {
        config.gc_enabled = false;
        config.epoch_min_age_ns = 0;
    });
    visit(&fixture, 5);
    assert_eq!(fixture.epochs().len(), 10, "one written and one more each");
    driver.close();
    assert!(fixture.epochs().is_empty(), "{:?}", fixture.epochs());
}

/// Proves [TP-DRV-1018].
#[test]
fn epochs_that_are_left_are_not_held_open() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|config| {
        config.gc_enabled = false;
        config.epoch_min_age_ns = 0;
    });
    let root = fixture.config().base_dir;
    let open = || {
        let entries = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets = entries.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        targets.filter(|target| target.starts_with(&root)).count()
    };
    visit(&fixture, 3);
    let before = open();
    visit(&fixture, 10);
    assert!(open() <= before + 2, "{} open, {before} before", open());
    assert_eq!(fixture.epochs().len(), 26);
}

/// Proves [TP-DRV-1012].
#[test]
fn young_epochs_stay_and_old_ones_go() {
    for (min_age_ns, stay) in [(0, 1..=2), (3_600_000_000_000, 5..=5)] {
        let fixture = Fixture::new();
        let driver = fixture.driver(|config| config.epoch_min_age_ns = min_age_ns);
        visit(&fixture, 3);
        let mut client = fixture.client();
        client.wait_until("what goes is gone", |_| {
            stay.contains(&fixture.epochs().len())
        });
        assert_eq!(driver.counter("ProvisionFailures"), 0);
    }
}

/// Proves [TP-DRV-1365].
#[test]
fn what_an_earlier_driver_left_stays_byte_by_byte_when_the_driver_is_told_so() {
    let fixture = Fixture::new();
    let mut first = fixture.driver(|config| config.cleanup_on_exit = false);
    let granted = fixture.client().attach(7, P, STREAM).granted();
    first.close();
    let dir = path_of(&granted.header_uri).parent().unwrap();
    std::fs::write(path_of(&granted.pools[0].uri), [7; 9]).unwrap();
    let left = files_of(dir);
    let mut second = fixture.driver(|config| config.remove_leftovers = false);
    let kept = (StreamId::new(STREAM), granted.epoch.into());
    assert!(second.leftovers.kept.contains(&kept));
    let later = fixture.client().attach(7, P, STREAM).granted();
    assert!(later.epoch > granted.epoch);
    assert_eq!(files_of(dir), left);
    second.close();
    assert_eq!(files_of(dir), left, "only what is its own goes at its end");
    let third = fixture.driver(|config| config.epoch_min_age_ns = 0);
    assert!(third.leftovers.removed.contains(&kept));
    assert!(!dir.exists());
}

/// Proves [TP-DRV-1335].
#[test]
fn a_page_size_that_the_base_directory_does_not_have_keeps_a_driver_from_starting() {
    let fixture = Fixture::new();
    let with = |page_size_bytes| DriverConfig {
        page_size_bytes,
        ..fixture.config()
    };
    let error = DriverSetup::prepare(with(Some(2 << 20))).unwrap_err();
    assert!(
        matches!(error, DriverSetupError::PageSize { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("2097152"), "{error}");
    let page = rustix::fs::statfs(&fixture.config().base_dir)
        .unwrap()
        .f_bsize;
    for fits in [None, u32::try_from(page).ok()] {
        drop(DriverSetup::prepare(with(fits)).unwrap());
    }
}

#[test]
fn a_sparse_epoch_that_was_never_written_makes_room_for_the_next() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|config| config.epoch_min_age_ns = 0);
    let mut client = fixture.client();
    let consumer = client.attach(8, C, STREAM).granted();
    let producer = client.attach(7, P, STREAM).granted();
    client.wait_until("only the producer's is left", |_| {
        fixture.epochs() == [producer.epoch]
    });
    assert!(producer.epoch > consumer.epoch);
}

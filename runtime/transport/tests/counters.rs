//! Labelled counters and errors, as another process sees them in the CnC file.

mod support;

use std::path::Path;

use support::{AeronDir, drive_until, drive_until_with, wait_until};
use tensorpool_runtime::counters::{AgentKind, CounterSet, common, driver};
use tensorpool_transport::cnc::{CncError, CncReader, CounterReading};
use tensorpool_transport::{Link, LinkConfig};

fn counters(dir: &Path, label_part: &str) -> Vec<CounterReading> {
    let all = CncReader::open(dir)
        .map(|cnc| cnc.counters())
        .unwrap_or_default();
    all.into_iter()
        .filter(|counter| counter.label.contains(label_part))
        .collect()
}

#[test]
fn counters_are_published_with_label_type_and_key_and_follow_their_cells() {
    let dir = AeronDir::new();
    let media_driver = dir.driver();
    let config = LinkConfig {
        counter_interval_ns: 1_000_000,
        ..LinkConfig::for_dir(dir.path())
    };
    let mut link = Link::new(config).unwrap();
    let mut set = CounterSet::new(AgentKind::Driver, 7, "Driver");
    let announces = set.add(driver::ANNOUNCES);
    let cycles = set.add(common::TOTAL_DUTY_CYCLES);
    announces.set(41);
    let publisher = link.publish_counters(&set);
    assert_eq!(publisher.count(), 2);

    let name = "NodeId=7 Name=Driver";
    drive_until(&mut [&mut link], "both are there", || {
        counters(dir.path(), name).len() == 2
    });
    announces.increment();
    cycles.set(u64::MAX);
    let value_of = |label: &str| {
        counters(dir.path(), label)
            .first()
            .map(|counter| counter.value)
    };
    drive_until(&mut [&mut link], "values follow", || {
        value_of("Announces: NodeId=7 Name=Driver") == Some(42)
            && value_of("TotalDutyCycles: NodeId=7 Name=Driver") == Some(-1)
    });
    let reading = counters(dir.path(), "Announces: ").remove(0);
    assert_eq!(
        reading.type_id,
        driver::ANNOUNCES.type_id(AgentKind::Driver)
    );
    assert_eq!(&reading.key[..14], b"\x07\0\0\0\0\0\0\0Driver");

    drop(media_driver);
    drive_until_with(&mut [&mut link], "lose the link", |links| !links[0].is_up());
    let _successor = dir.driver();
    drive_until(&mut [&mut link], "they are back", || {
        value_of("Announces: NodeId=7 Name=Driver") == Some(42)
            && counters(dir.path(), name).len() == 2
    });
    drop(publisher);
    drive_until(&mut [&mut link], "they are freed", || {
        counters(dir.path(), name).is_empty()
    });
}

#[test]
fn closing_the_link_frees_its_counters() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut set = CounterSet::new(AgentKind::Producer, 3, "Producer");
    let _cell = set.add(common::ERRORS);
    let _publisher = link.publish_counters(&set);
    drive_until(&mut [&mut link], "published", || {
        counters(dir.path(), "Name=Producer").len() == 1
    });
    assert_eq!(link.close().handle_count, 0);
    wait_until("freed", || counters(dir.path(), "Name=Producer").is_empty());
}

#[test]
fn the_media_driver_names_itself_and_its_errors() {
    let dir = AeronDir::new();
    let missing = CncReader::open(dir.path()).unwrap_err();
    assert!(matches!(missing, CncError::NoDriver { .. }), "{missing}");
    let media_driver = dir.driver();
    let cnc = CncReader::open(dir.path()).unwrap();
    assert_eq!(cnc.driver_pid(), i64::from(std::process::id()));
    wait_until("a heartbeat", || {
        cnc.heartbeat_age_ms().is_some_and(|age| age < 1_000)
    });
    assert!(!cnc.is_driver_gone());
    assert_eq!(cnc.client_liveness_timeout_ns(), 3_000_000_000);
    assert!(cnc.start_ms() > 1_700_000_000_000);

    let mut link = dir.link();
    let refused = "aeron:udp?endpoint=no-such-host.invalid:1".parse().unwrap();
    let _publication = link.add_publication(&refused, 1, Default::default());
    drive_until(&mut [&mut link], "the driver logs it", || {
        cnc.errors()
            .iter()
            .any(|error| error.text.contains("no-such-host") && error.count > 0)
    });
    drive_until_with(&mut [&mut link], "the link logs it", |links| {
        links[0].errors().total_count() > 0
    });
    drop(media_driver);
    assert!(cnc.is_driver_gone());
    assert_eq!(cnc.heartbeat_age_ms(), None, "it has closed in order");
}

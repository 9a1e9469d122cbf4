//! The driver against a real media driver, seen by a client that only knows bytes.

mod client;
mod dynamic;
mod fixture;
mod memory;
mod spec;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use client::{Client, Heard};
use fixture::{Fixture, STREAM};
use tensorpool::driver::{DriverConfig, DriverSetup, DriverSetupError};
use tensorpool_codecs::driver::{LeaseRevokeReason, ResponseCode, Role, ShutdownReason};
use tensorpool_codecs::types::StreamId;

const P: Role = Role::Producer;
const C: Role = Role::Consumer;

/// The path a region URI names.
fn path_of(uri: &str) -> &Path {
    Path::new(
        uri.strip_prefix("shm:file?path=")
            .expect("a URI of a region"),
    )
}

/// Proves [TP-DRV-0020], [TP-DRV-0030], [TP-DRV-0990].
#[test]
fn a_producer_gets_allocated_regions_of_exact_size_and_mode_and_two_announces() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|_| {});
    let mut client = fixture.client();
    let granted = client.attach(7, P, STREAM).granted();
    assert_eq!(
        (granted.layout_version, granted.header_slot_bytes),
        (1, 256)
    );
    assert_eq!(granted.header_nslots, 8);
    let pools: Vec<_> = granted
        .pools
        .iter()
        .map(|pool| (pool.id, pool.nslots, pool.stride))
        .collect();
    assert_eq!(pools, [(1, 8, 4096), (2, 8, 65_536)]);

    let mut regions = vec![(granted.header_uri.clone(), 64 + 8 * 256, 256, 0)];
    for pool in &granted.pools {
        let len = 64 + 8 * u64::from(pool.stride);
        regions.push((pool.uri.clone(), len, pool.stride, pool.stride));
    }
    for (uri, len, slot_bytes, stride_bytes) in regions {
        let path = path_of(&uri);
        let metadata = std::fs::metadata(path).unwrap();
        assert_eq!(metadata.len(), len, "{uri}");
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o660, "{uri}");
        assert!(metadata.blocks() * 512 >= len, "{uri} is not allocated");
        let superblock = std::fs::read(path).unwrap();
        let word = |at: usize| u32::from_le_bytes(superblock[at..at + 4].try_into().unwrap());
        assert_eq!(&superblock[..8], &0x544F_504C_5348_4D31_u64.to_le_bytes());
        assert_eq!(&superblock[12..20], &granted.epoch.to_le_bytes());
        assert_eq!((word(20), word(28)), (STREAM, 8));
        assert_eq!((word(32), word(36)), (slot_bytes, stride_bytes), "{uri}");
    }
    let first = client.wait_announce(|announce| announce.epoch == granted.epoch);
    assert_eq!(
        (first.producer, &first.header_uri),
        (7, &granted.header_uri)
    );
    let second = client.wait_announce(|announce| announce.timestamp_ns > first.timestamp_ns);
    assert!(second.timestamp_ns - first.timestamp_ns >= 50_000_000);
}

/// Proves [TP-DRV-1220].
#[test]
fn consumers_bring_a_stream_into_being_and_the_driver_keeps_it_fresh() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|config| config.announce_period_ns = 100_000_000);
    let mut client = fixture.client();
    let granted = client.attach(8, C, STREAM).granted();
    let activity = || {
        let superblock = std::fs::read(path_of(&granted.header_uri)).unwrap();
        u64::from_le_bytes(superblock[56..64].try_into().unwrap())
    };
    let created = activity();
    assert!(created > 0);
    client.wait_until("the activity timestamp moves", |_| activity() > created);
    assert_eq!(client.wait_announce(|_| true).producer, 0);
}

/// Proves [TP-DRV-0810].
#[test]
fn the_end_of_a_producer_is_told_in_order_on_one_stream() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|config| config.announce = config.control.clone());
    let mut config = fixture.config();
    config.announce = config.control.clone();
    let mut client = Client::new(&config);
    let granted = client.attach(7, P, STREAM).granted();
    client.heard.clear();
    client.detach(&granted, 7, P);
    client.wait_until("the detach is answered", |client| {
        client
            .heard
            .iter()
            .any(|heard| matches!(heard, Heard::Detached { .. }))
    });
    let told = client.heard.iter().filter_map(|heard| match heard {
        Heard::Revoked(revoked) => {
            assert_eq!(revoked.reason, LeaseRevokeReason::Detached);
            assert_eq!((revoked.lease_id, revoked.role), (granted.lease_id, P));
            Some('V')
        }
        Heard::Announce(announce) => (announce.epoch > granted.epoch).then_some('N'),
        Heard::Detached { code, .. } => {
            assert_eq!(*code, ResponseCode::Ok);
            Some('D')
        }
        _ => None,
    });
    assert_eq!(told.collect::<String>(), "VND");
}

/// Proves [TP-DRV-0540], [TP-DRV-0560].
#[test]
fn keepalives_hold_a_lease_and_silence_ends_it() {
    let fixture = Fixture::new();
    let driver = fixture.driver(|config| config.keepalive_interval_ns = 50_000_000);
    let mut client = fixture.client();
    let granted = client.attach(7, P, STREAM).granted();
    let attached = std::time::Instant::now();
    client.wait_until("the lease outlives several times its time", |client| {
        client.keepalive(&granted, 7, P);
        attached.elapsed().as_millis() > 600
    });
    assert_eq!(driver.counter("LeaseRevoked"), 0);
    assert!(driver.counter("Keepalives") > 5);
    let revoked = client.wait_revoked();
    assert_eq!(revoked.reason, LeaseRevokeReason::Expired);
    assert_eq!(revoked.lease_id, granted.lease_id);
    let next = client.wait_announce(|announce| announce.epoch > granted.epoch);
    assert_eq!(next.producer, 0);
}

/// Proves [TP-DRV-0050], [TP-DRV-0210], [TP-DRV-0230].
#[test]
fn second_producer_unknown_stream_and_used_client_id_are_refused_by_name() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|_| {});
    let mut client = fixture.client();
    client.attach(7, P, STREAM).granted();
    let expected = [
        (8, STREAM, P, "producer already attached"),
        (8, 77, C, "stream not provisioned"),
        (7, STREAM, C, "client_id already attached"),
    ];
    for (client_id, stream, role, text) in expected {
        let answer = client.attach(client_id, role, stream);
        assert_eq!(
            (answer.code, answer.text.as_str()),
            (ResponseCode::Rejected, text)
        );
        assert_eq!(answer.lease_id, None);
    }
}

/// Proves [TP-DRV-0080].
#[test]
fn messages_for_others_and_broken_ones_change_nothing() {
    let fixture = Fixture::new();
    let driver = fixture.driver(|_| {});
    let mut client = fixture.client();
    client.send(b"");
    client.send(&[0xff; 200]);
    client.send(&[27, 0, 1, 0, 0x85, 0x03, 1, 0, 5]);
    client.wait_until("they are counted", |_| {
        driver.counter("MessagesMalformed") == 1
    });
    assert!(driver.counter("MessagesIgnored") >= 1);
    client.attach(7, P, STREAM).granted();
}

#[test]
fn the_counters_are_where_tools_look_for_them() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|_| {});
    let mut client = fixture.client();
    client.attach(7, P, STREAM).granted();
    let label = "AttachResponses: NodeId=0 Name=Driver";
    client.wait_until("the counter is published", |_| {
        let cnc = tensorpool_transport::cnc::CncReader::open(&fixture.aeron_dir()).unwrap();
        cnc.counters()
            .iter()
            .any(|counter| counter.label == label && counter.value == 1)
    });
}

#[test]
fn a_second_driver_is_refused_and_told_who_holds_the_namespace() {
    let fixture = Fixture::new();
    let mut driver = fixture.driver(|_| {});
    let error = DriverSetup::prepare(fixture.config()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("pid {}", std::process::id())),
        "{error}"
    );
    let mut elsewhere = fixture.config();
    elsewhere.namespace = "other".into();
    drop(DriverSetup::prepare(elsewhere).unwrap());
    driver.close();
    drop(DriverSetup::prepare(fixture.config()).unwrap());
}

/// Proves [TP-DRV-1310].
#[test]
fn streams_that_cannot_fit_are_refused_at_start_with_the_sum() {
    let fixture = Fixture::new();
    let mut config = fixture.config();
    config
        .add_stream(StreamId::new(10_001), 1 << 20, &[(1, 1 << 30)])
        .unwrap();
    let error = DriverSetup::prepare(config).unwrap_err();
    assert!(matches!(error, DriverSetupError::Space { .. }), "{error}");
    let needed = ((1u64 << 50) * 3).to_string();
    assert!(error.to_string().contains(&needed[..4]), "{error}");
}

/// Proves [TP-DRV-1320].
#[test]
fn strides_some_peers_cannot_map_need_an_explicit_word() {
    let fixture = Fixture::new();
    let mut config = DriverConfig {
        streams: vec![],
        ..fixture.config()
    };
    config
        .add_stream(StreamId::new(10_001), 8, &[(1, 192)])
        .unwrap();
    let error = DriverSetup::prepare(config.clone()).unwrap_err();
    assert!(matches!(error, DriverSetupError::Stride { .. }), "{error}");
    config.allow_any_stride = true;
    drop(DriverSetup::prepare(config).unwrap());
}

/// Proves [TP-DRV-1460], [TP-DRV-1490].
#[test]
fn a_clean_end_is_announced_twice_and_leaves_nothing() {
    let fixture = Fixture::new();
    let mut driver = fixture.driver(|_| {});
    let mut client = fixture.client();
    client.attach(7, P, STREAM).granted();
    client.attach(8, C, STREAM).granted();
    assert!(!fixture.epochs().is_empty());
    driver.close();
    client.wait_until("two notices", |client| {
        let notice = Heard::Shutdown(ShutdownReason::Normal);
        client
            .heard
            .iter()
            .filter(|heard| **heard == notice)
            .count()
            == 2
    });
    let left = std::fs::read_dir(fixture.config().base_dir).unwrap();
    assert_eq!(left.count(), 0, "lock file and directories are gone, too");
}

/// Proves [TP-DRV-0520], [TP-DRV-0940], [TP-DRV-1360].
#[test]
fn a_successor_removes_leftovers_uses_greater_epochs_and_tells_old_clients() {
    let fixture = Fixture::new();
    let mut first = fixture.driver(|config| config.cleanup_on_exit = false);
    let mut client = fixture.client();
    let old = client.attach(7, P, STREAM).granted();
    first.close();
    assert_eq!(fixture.epochs(), [old.epoch]);

    let second = fixture.driver(|config| config.epoch_min_age_ns = 0);
    assert_eq!(
        second.leftovers.removed,
        [(StreamId::new(STREAM), old.epoch.into())]
    );
    assert_eq!(fixture.epochs(), Vec::<u64>::new());
    client.heard.clear();
    client.wait_until("the old lease is revoked", |client| {
        client.keepalive(&old, 7, P);
        client
            .heard
            .iter()
            .any(|heard| matches!(heard, Heard::Revoked(_)))
    });
    let revoked = client.wait_revoked();
    assert_eq!(revoked.reason, LeaseRevokeReason::Revoked);
    assert_eq!((revoked.lease_id, revoked.client_id), (old.lease_id, 7));
    let new = client.attach(7, P, STREAM).granted();
    assert!(new.epoch > old.epoch);
    assert_ne!(new.lease_id, old.lease_id);
}

/// Proves [TP-DRV-1010], [TP-DRV-1020].
#[test]
fn retired_epochs_leave_the_disk_and_the_newest_stay() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|config| config.kept_epochs = 1);
    let mut client = fixture.client();
    let mut epoch = 0;
    for round in 0..5 {
        let granted = client.attach(100 + round, P, STREAM).granted();
        assert!(granted.epoch > epoch);
        client.detach(&granted, 100 + round, P);
        let next = client.wait_announce(|announce| announce.epoch > granted.epoch);
        epoch = next.epoch;
        client.wait_until("only the live epoch is left", |_| {
            fixture.epochs() == [epoch]
        });
    }
}

/// Proves [TP-DRV-0600], [TP-DRV-1130], [TP-DRV-1210].
#[test]
fn leases_survive_the_media_driver() {
    let mut fixture = Fixture::new();
    let driver = fixture.driver(|_| {});
    let mut client = fixture.client();
    let granted = client.attach(7, P, STREAM).granted();
    client.wait_announce(|announce| announce.epoch == granted.epoch);
    fixture.restart_media_driver();
    client.wait_until("the driver noticed", |_| driver.counter("LinkLost") == 1);
    client.wait_until("the driver is back", |_| driver.counter("Ready") == 1);
    client.heard.clear();
    let before = driver.counter("Keepalives");
    client.wait_until("the lease is kept alive again", |client| {
        client.keepalive(&granted, 7, P);
        driver.counter("Keepalives") > before
    });
    let announce = client.wait_announce(|_| true);
    assert_eq!((announce.epoch, announce.producer), (granted.epoch, 7));
    assert_eq!(driver.counter("LeaseRevoked"), 0);
}

/// Proves [TP-DRV-1410], [TP-DRV-1430], [TP-DRV-1450].
#[test]
fn an_authorised_shutdown_request_ends_the_driver() {
    let fixture = Fixture::new();
    let mut driver = fixture.driver(|config| {
        config.shutdown_token = "secret".into();
        config.shutdown_timeout_ns = 50_000_000;
    });
    let mut client = fixture.client();
    client.attach(7, P, STREAM).granted();
    client.request_shutdown(b"wrong");
    client.attach(8, C, STREAM).granted();
    client.request_shutdown(b"secret");
    let refused = client.attach(9, C, STREAM);
    assert_eq!(
        (refused.code, refused.text.as_str()),
        (ResponseCode::Rejected, "driver draining")
    );
    client.wait_until("the notice", |client| {
        client
            .heard
            .contains(&Heard::Shutdown(ShutdownReason::Admin))
    });
    assert!(driver.ended_by_itself());
    assert_eq!(fixture.epochs(), Vec::<u64>::new());
}

/// Proves [TP-DRV-1455].
#[test]
fn an_accepted_shutdown_ends_the_driver_even_when_nobody_can_be_told() {
    let mut fixture = Fixture::new();
    let mut driver = fixture.driver(|config| {
        config.shutdown_token = "secret".into();
        config.shutdown_timeout_ns = 500_000_000;
    });
    let mut client = fixture.client();
    client.attach(7, P, STREAM).granted();
    client.request_shutdown(b"secret");
    let refused = client.attach(9, C, STREAM);
    assert_eq!(refused.text, "driver draining");
    fixture.stop_media_driver();
    assert!(driver.ended_by_itself());
    assert_eq!(fixture.epochs(), Vec::<u64>::new());
}

/// Proves [TP-DRV-1030].
#[test]
fn a_truncated_region_ends_its_epoch_and_not_the_driver() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|config| config.announce_period_ns = 100_000_000);
    let mut client = fixture.client();
    let granted = client.attach(8, C, STREAM).granted();
    let header = std::fs::File::options()
        .write(true)
        .open(path_of(&granted.header_uri))
        .unwrap();
    header.set_len(0).unwrap();
    client.wait_announce(|announce| announce.epoch > granted.epoch);
    client.attach(7, P, STREAM).granted();
}

/// Proves [TP-DRV-0320], [TP-DRV-0840].
#[test]
fn a_retried_attach_gets_the_same_lease_and_a_repeated_detach_ok_again() {
    let fixture = Fixture::new();
    let _driver = fixture.driver(|_| {});
    let mut client = fixture.client();
    let granted = client.attach(7, P, STREAM).granted();
    assert_eq!(
        client.attach(7, P, STREAM).granted().lease_id,
        granted.lease_id
    );
    let answers = |client: &Client| {
        let detached = client.heard.iter().filter_map(|heard| match heard {
            Heard::Detached { code } => Some(*code),
            _ => None,
        });
        detached.collect::<Vec<_>>()
    };
    for round in 1..=3 {
        client.detach(&granted, 7, P);
        client.wait_until("the detach is answered", |client| {
            answers(client).len() == round
        });
    }
    assert_eq!(answers(&client), [ResponseCode::Ok; 3]);
}

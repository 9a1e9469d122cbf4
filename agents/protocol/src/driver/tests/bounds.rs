//! Limits: what happens when an outbox or the table is full, and whether the streams fit into
//! memory at all.

use super::support::*;
use crate::common::{ResponseCode, Role};
use crate::driver::{Destination, LeaseConfig, LeaseConfigError, LeaseTable, NotEnoughSpace};

const C: Role = Role::Consumer;

/// Proves [TP-DRV-0270].
#[test]
fn requests_that_do_not_fit_are_dropped_and_counted_while_revocations_keep_their_room() {
    let small = LeaseConfig {
        max_leases: 4,
        max_queued_answers: 8,
        ..config()
    };
    let mut driver = Driver::new(small);
    for client in 1..=4 {
        driver.granted(client, C, STREAM);
    }
    for client in 100..200 {
        driver.attach(client, C, 77);
    }
    let stats = driver.table.stats();
    assert!(stats.attach_dropped > 0);
    assert_eq!(stats.attach_refused + stats.attach_dropped, 100);
    driver.advance(3 * S);
    let done = driver.run();
    assert_eq!(revocations(&done).len(), 4, "every lease could be revoked");
}

/// Proves [TP-DRV-0270].
#[test]
fn an_attach_is_admitted_exactly_if_its_answer_and_its_revocation_fit() {
    for (free, fits) in [(0, false), (1, false), (2, true), (3, true)] {
        let mut driver = Driver::new(config());
        driver.granted(1, C, STREAM);
        let mut client = 100;
        while driver.table.control.free() > free {
            driver.attach(client, C, 77);
            client += 1;
        }
        let before = driver.table.stats();
        driver.attach(2, C, STREAM);
        let stats = driver.table.stats();
        let dropped = stats.attach_dropped - before.attach_dropped;
        assert_eq!((stats.leases, dropped), if fits { (2, 0) } else { (1, 1) });
        driver.advance(3 * S);
        assert_eq!(revocations(&driver.run()).len() as u64, stats.leases);
    }
}

/// Proves [TP-DRV-0240].
#[test]
fn lease_limit_is_a_refusal() {
    let mut driver = Driver::new(LeaseConfig {
        max_leases: 2,
        ..config()
    });
    driver.granted(1, C, STREAM);
    driver.granted(2, C, STREAM);
    driver.attach(3, C, STREAM);
    let expected = (ResponseCode::Rejected, "lease limit reached".to_string());
    assert_eq!(refusals(&driver.run()), [expected]);
}

/// Proves [TP-DRV-0580].
#[test]
fn a_flood_of_unknown_keepalives_is_bounded() {
    let mut driver = Driver::new(config());
    for lease in 10_000..20_000u64 {
        let unknown = keepalive(lease.into(), 7, C, STREAM);
        driver.table.on_keepalive(driver.now, &unknown);
    }
    assert!(revocations(&driver.run()).len() <= 256);
    assert_eq!(driver.table.stats().keepalives_unknown, 10_000);
}

/// Proves [TP-DRV-1310].
#[test]
fn streams_that_do_not_fit_are_refused_with_the_sum() {
    let config = LeaseConfig {
        kept_epochs: 2,
        ..config()
    };
    let one_epoch_of_all = 2 * geometry().total_len();
    assert_eq!(config.check_space(3 * one_epoch_of_all), Ok(()));
    let error = config.check_space(3 * one_epoch_of_all - 1).unwrap_err();
    let expected = NotEnoughSpace {
        needed_bytes: 3 * one_epoch_of_all,
        streams_bytes: one_epoch_of_all,
        kept_epochs: 2,
        available_bytes: 3 * one_epoch_of_all - 1,
    };
    assert_eq!(error, expected);
    assert!(
        error
            .to_string()
            .contains(&(3 * one_epoch_of_all).to_string()),
        "{error}"
    );
}

/// Proves [TP-DRV-1340].
#[test]
fn contradictory_configurations_are_refused() {
    let mut twice = config();
    twice.streams.push(twice.streams[0].clone());
    let error = LeaseTable::new(twice).unwrap_err();
    assert_eq!(error, LeaseConfigError::DuplicateStream(OTHER.into()));
    let mut zero = config();
    zero.streams[0].stream_id = 0.into();
    assert_eq!(
        LeaseTable::new(zero).unwrap_err(),
        LeaseConfigError::StreamZero
    );
    let no_period = LeaseConfig {
        announce_period_ns: 0,
        ..config()
    };
    assert!(matches!(
        LeaseTable::new(no_period),
        Err(LeaseConfigError::Zero(_))
    ));
}

#[test]
fn a_table_without_streams_only_refuses() {
    let mut driver = Driver::new(LeaseConfig {
        streams: vec![],
        ..config()
    });
    driver.attach(7, C, STREAM);
    assert_eq!(refusals(&driver.run())[0].1, "stream not provisioned");
    assert!(driver.table.peek_action(Destination::Region).is_none());
}

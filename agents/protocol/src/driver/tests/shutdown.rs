//! Draining and closing.

use super::support::*;
use crate::common::{EnumField, ResponseCode, Role, ShutdownReason};
use crate::driver::{Phase, ShutdownRequest};

fn shutdown(token: &[u8]) -> ShutdownRequest<'_> {
    ShutdownRequest {
        reason: ShutdownReason::Admin.into(),
        token,
    }
}

/// Proves [TP-DRV-1430], [TP-DRV-1440], [TP-DRV-1450].
#[test]
fn right_token_drains_announces_refuses_attaches_and_gives_notice_twice() {
    let mut driver = Driver::new(config());
    driver.granted(7, Role::Consumer, STREAM);
    driver
        .table
        .on_shutdown_request(driver.now, &shutdown(b"secret"));
    assert_eq!(letters(&driver.run_said()), "N");
    driver.attach(8, Role::Consumer, STREAM);
    let expected = (ResponseCode::Rejected, "driver draining".to_string());
    assert_eq!(refusals(&driver.run()), [expected]);
    driver.advance(2 * S - 1);
    assert!(matches!(driver.table.phase(), Phase::Draining { .. }));
    driver.run();
    driver.advance(1);
    assert_eq!(
        driver.table.phase(),
        Phase::Closed {
            reason: ShutdownReason::Admin
        }
    );
    assert_eq!(letters(&driver.run_said()), "SS");
    assert_eq!(driver.table.next_deadline(), None);
}

/// Proves [TP-DRV-1410], [TP-DRV-1420].
#[test]
fn wrong_or_empty_tokens_are_ignored() {
    let mut driver = Driver::new(config());
    for token in [b"".as_slice(), b"secre", b"secret!", b"Secret"] {
        driver
            .table
            .on_shutdown_request(driver.now, &shutdown(token));
    }
    let unknown = ShutdownRequest {
        reason: EnumField::Unknown(9),
        token: b"secret",
    };
    driver.table.on_shutdown_request(driver.now, &unknown);
    assert_eq!(driver.table.phase(), Phase::Serving);
    let mut open = Driver::new(crate::driver::LeaseConfig {
        shutdown_token: vec![],
        ..config()
    });
    open.table.on_shutdown_request(open.now, &shutdown(b""));
    assert_eq!(open.table.phase(), Phase::Serving);
    assert_eq!(driver.table.stats().shutdown_requests_ignored, 5);
}

/// Proves [TP-DRV-1470], [TP-DRV-1480].
#[test]
fn closing_answers_what_is_under_way_and_revokes_nothing() {
    let mut driver = Driver::new(config());
    let producer = driver.granted(7, Role::Producer, STREAM);
    driver.attach(8, Role::Producer, OTHER);
    let order = driver.order();
    driver.table.on_close(driver.now, ShutdownReason::Normal);
    driver.table.on_close(driver.now, ShutdownReason::Normal);
    assert_eq!(letters(&driver.run_said()), "RSS");
    driver.ready(&order);
    driver.advance(60 * S);
    assert_eq!(driver.live(STREAM), Some(producer.epoch));
    assert_eq!(letters(&driver.run_said()).replace('N', ""), "");
}

/// Proves [TP-DRV-1475].
#[test]
fn a_producer_that_leaves_a_closing_driver_is_answered_at_once() {
    let mut driver = Driver::new(config());
    let producer = driver.granted(7, Role::Producer, STREAM);
    driver.table.on_close(driver.now, ShutdownReason::Normal);
    driver.detach(&producer, 7, Role::Producer);
    let answers = detach_answers(&driver.run());
    let codes: Vec<_> = answers.iter().map(|answer| answer.code).collect();
    assert_eq!(codes, [ResponseCode::Ok]);
}

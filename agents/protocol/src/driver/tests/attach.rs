//! Attach: grants, refusals by their exact words, retries.

use tensorpool_codecs::types::{ClientId, CorrelationId, NodeId};

use super::support::*;
use crate::common::{EnumField, HugepagesPolicy, ResponseCode, Role};
use crate::driver::{AttachRequest, Backing, CLIENT_ID_ALREADY_ATTACHED, LeaseAction, LeaseConfig};

const P: Role = Role::Producer;
const C: Role = Role::Consumer;

fn refused(config: LeaseConfig, change: impl Fn(&mut AttachRequest)) -> (ResponseCode, String) {
    let mut driver = Driver::new(config);
    let mut attach = request(1, 7, C, STREAM);
    change(&mut attach);
    driver.table.on_attach(driver.now, &attach);
    let done = driver.run();
    assert_eq!(letters(&done), "R");
    refusals(&done).remove(0)
}

/// Proves [TP-DRV-0040], [TP-DRV-0990].
#[test]
fn producer_gets_allocated_memory_then_its_answer_then_the_announce() {
    let mut driver = Driver::new(config());
    driver.attach(7, P, STREAM);
    assert!(
        driver
            .table
            .peek_action(crate::driver::Destination::Control)
            .is_none()
    );
    let order = driver.order();
    assert_eq!(order.backing, Backing::Allocated);
    driver.ready(&order);
    let done = driver.run();
    assert_eq!(letters(&done), "AN");
    let LeaseAction::AttachOk(grant) = &done[0] else {
        panic!("{done:?}")
    };
    assert_eq!(grant.epoch, order.epoch);
    assert_eq!(grant.lease_expiry, driver.now.after_ns(3 * S));
    assert_eq!(grant.node_id, NodeId::new(1));
    let announce = &announces(&done)[0];
    assert_eq!(
        (announce.epoch, announce.producer),
        (order.epoch, Some(ClientId::new(7)))
    );
}

/// Proves [TP-DRV-0180].
#[test]
fn consumer_brings_an_unprovisioned_static_stream_into_being_sparse() {
    let mut driver = Driver::new(config());
    driver.attach(7, C, STREAM);
    let order = driver.order();
    assert_eq!(order.backing, Backing::Sparse);
    driver.ready(&order);
    let done = driver.run();
    assert_eq!(letters(&done), "AN");
    assert_eq!(announces(&done)[0].producer, None);
}

/// Proves [TP-DRV-0920], [TP-DRV-1150].
#[test]
fn consumer_of_a_live_stream_is_answered_at_once_and_bumps_nothing() {
    let mut driver = Driver::new(config());
    let producer = driver.granted(7, P, STREAM);
    driver.attach(8, C, STREAM);
    let done = driver.run();
    assert_eq!(letters(&done), "AN");
    assert_eq!(driver.live(STREAM), Some(producer.epoch));
    // There is nothing to grant yet where no memory is.
    driver.attach(9, C, OTHER);
    assert_eq!(driver.table.stats().attaches_waiting, 1);
    let order = driver.order();
    assert_eq!(letters(&driver.run_said()), "");
    driver.ready(&order);
    assert_eq!(letters(&driver.run_said()), "AN");
}

/// Proves [TP-DRV-1170].
#[test]
fn second_announce_follows_an_attach_after_50_ms_at_least() {
    let mut driver = Driver::new(config());
    driver.granted(7, P, STREAM);
    driver.advance(50 * MS);
    assert_eq!(letters(&driver.run_said()), "");
    driver.advance(20 * MS);
    assert_eq!(letters(&driver.run_said()), "N");
    driver.advance(900 * MS);
    assert_eq!(letters(&driver.run_said()), "");
    driver.advance(100 * MS);
    assert_eq!(letters(&driver.run_said()), "N");
}

/// Proves [TP-DRV-0120], [TP-DRV-0130].
#[test]
fn malformed_requests_are_invalid_params() {
    let invalid = |text: &str| (ResponseCode::InvalidParams, text.to_string());
    assert_eq!(
        refused(config(), |r| r.client_id = ClientId::new(0)),
        invalid("client_id must be non-zero")
    );
    assert_eq!(
        refused(config(), |r| r.role = EnumField::Unknown(9)),
        invalid("unknown role")
    );
    assert_eq!(
        refused(config(), |r| r.publish_mode = EnumField::Unknown(9)),
        invalid("unknown publish mode")
    );
    assert_eq!(
        refused(config(), |r| r.hugepages = EnumField::Unknown(9)),
        invalid("unknown hugepages policy")
    );
}

#[test]
fn policy_refusals_use_the_known_words() {
    let rejected = |text: &str| (ResponseCode::Rejected, text.to_string());
    assert_eq!(
        refused(config(), |r| r.expected_layout_version = 2),
        rejected("layout_version mismatch")
    );
    assert_eq!(
        refused(config(), |r| r.stream_id = 77.into()),
        rejected("stream not provisioned")
    );
    assert_eq!(
        refused(config(), |r| r.hugepages =
            HugepagesPolicy::Hugepages.into()),
        rejected("hugepages required but unavailable")
    );
    let huge = LeaseConfig {
        require_hugepages: true,
        hugepages_available: true,
        ..config()
    };
    assert_eq!(
        refused(huge, |r| r.hugepages = HugepagesPolicy::Standard.into()),
        rejected("hugepages required by driver policy")
    );
}

/// Proves [TP-DRV-0150], [TP-DRV-0160].
#[test]
fn null_enums_and_any_layout_are_accepted() {
    let mut driver = Driver::new(config());
    let attach = AttachRequest {
        expected_layout_version: 0,
        publish_mode: EnumField::Null,
        hugepages: EnumField::Null,
        ..request(1, 7, C, STREAM)
    };
    driver.table.on_attach(driver.now, &attach);
    assert_eq!(letters(&driver.run_said()), "AN");
}

/// Proves [TP-DRV-0110].
#[test]
fn a_request_of_a_newer_schema_is_unsupported() {
    let mut driver = Driver::new(config());
    driver
        .table
        .on_unsupported_attach(driver.now, CorrelationId::new(5));
    assert_eq!(refusals(&driver.run())[0].0, ResponseCode::Unsupported);
}

/// Proves [TP-DRV-0210].
#[test]
fn second_producer_is_rejected_also_while_the_first_still_waits_for_memory() {
    let mut driver = Driver::new(config());
    driver.attach(7, P, STREAM);
    let order = driver.order();
    driver.attach(8, P, STREAM);
    let text = "producer already attached".to_string();
    assert_eq!(
        refusals(&driver.run()),
        [(ResponseCode::Rejected, text.clone())]
    );
    driver.ready(&order);
    assert_eq!(letters(&driver.run_said()), "AN");
    driver.attach(9, P, STREAM);
    assert_eq!(refusals(&driver.run()), [(ResponseCode::Rejected, text)]);
}

/// Proves [TP-DRV-0220], [TP-DRV-0230].
#[test]
fn client_id_is_unique_over_all_streams_and_roles() {
    let mut driver = Driver::new(config());
    driver.granted(7, P, STREAM);
    for (role, stream) in [(C, STREAM), (P, OTHER), (C, OTHER)] {
        driver.attach(7, role, stream);
        let expected = (
            ResponseCode::Rejected,
            CLIENT_ID_ALREADY_ATTACHED.to_string(),
        );
        assert_eq!(refusals(&driver.run()), [expected]);
    }
    assert_eq!(CLIENT_ID_ALREADY_ATTACHED, "client_id already attached");
}

/// Proves [TP-DRV-0310].
#[test]
fn retry_with_the_same_correlation_id_gets_the_same_grant() {
    let mut driver = Driver::new(config());
    let attach = driver.attach(7, P, STREAM);
    let first = driver.run_said().remove(0);
    driver.table.on_attach(driver.now, &attach);
    assert_eq!(driver.run_said(), [first]);
    assert_eq!(driver.table.stats().attach_granted, 1);
    assert_eq!(driver.table.stats().attach_resent, 1);
}

/// Proves [TP-DRV-0320], [TP-DRV-0330].
#[test]
fn retry_with_a_new_correlation_id_is_granted_until_a_keepalive_or_two_intervals() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, P, STREAM);
    driver.now = driver.now.after_ns(2 * S);
    let retry = driver.attach(7, P, STREAM);
    let done = driver.run_said();
    let LeaseAction::AttachOk(again) = &done[0] else {
        panic!("{done:?}")
    };
    assert_eq!(
        (again.lease_id, again.correlation_id),
        (grant.lease_id, retry.correlation_id)
    );

    driver.now = driver.now.after_ns(1);
    driver.attach(7, P, STREAM);
    assert_eq!(refusals(&driver.run())[0].1, CLIENT_ID_ALREADY_ATTACHED);

    let consumer = driver.granted(8, C, OTHER);
    driver.keepalive(&consumer, 8, C);
    driver.attach(8, C, OTHER);
    assert_eq!(refusals(&driver.run())[0].1, CLIENT_ID_ALREADY_ATTACHED);
}

/// Proves [TP-DRV-0340].
#[test]
fn retry_while_memory_is_made_joins_and_is_answered_once_under_the_newest_correlation_id() {
    let mut driver = Driver::new(config());
    driver.attach(7, P, STREAM);
    let order = driver.order();
    let retry = driver.attach(7, P, STREAM);
    driver.ready(&order);
    let done = driver.run_said();
    assert_eq!(letters(&done), "AN");
    let LeaseAction::AttachOk(grant) = &done[0] else {
        panic!("{done:?}")
    };
    assert_eq!(grant.correlation_id, retry.correlation_id);
    assert_eq!(driver.table.stats().attach_joined, 1);
}

/// Proves [TP-DRV-0430].
#[test]
fn desired_node_id_is_granted_or_refused_by_name() {
    let mut driver = Driver::new(config());
    let mut attach = request(1, 7, C, STREAM);
    attach.desired_node_id = Some(NodeId::new(40));
    driver.table.on_attach(driver.now, &attach);
    let done = driver.run_said();
    let LeaseAction::AttachOk(grant) = &done[0] else {
        panic!("{done:?}")
    };
    assert_eq!(grant.node_id, NodeId::new(40));
    attach.client_id = ClientId::new(8);
    driver.table.on_attach(driver.now, &attach);
    let expected = (ResponseCode::Rejected, "node_id unavailable".to_string());
    assert_eq!(refusals(&driver.run()), [expected]);
}

//! Single promises about attach answers, each with a test of its own.

use std::collections::BTreeSet;

use tensorpool_codecs::types::{CorrelationId, NodeId};

use super::support::*;
use crate::common::{HugepagesPolicy, PublishMode, ResponseCode, Role};
use crate::driver::{AttachRequest, Destination, LeaseAction, LeaseConfig};

const P: Role = Role::Producer;
const C: Role = Role::Consumer;

/// What a fresh driver of this configuration says to one request.
fn answer(config: LeaseConfig, change: impl Fn(&mut AttachRequest)) -> LeaseAction {
    let mut driver = Driver::new(config);
    let mut attach = request(1, 7, C, STREAM);
    change(&mut attach);
    driver.table.on_attach(driver.now, &attach);
    driver.run_said().remove(0)
}

fn rejection(action: &LeaseAction) -> (ResponseCode, &str) {
    match action {
        LeaseAction::AttachRefused(refusal) => (refusal.code, &refusal.text),
        other => panic!("expected a refusal, found {other:?}"),
    }
}

/// Proves [TP-DRV-0010].
#[test]
fn answers_bear_the_correlation_id_of_their_request() {
    for id in [0, 1, -1, i64::MIN, i64::MAX] {
        let id = CorrelationId::new(id);
        let granted = answer(config(), |request| request.correlation_id = id);
        let LeaseAction::AttachOk(grant) = granted else {
            panic!("{granted:?}")
        };
        assert_eq!(grant.correlation_id, id);
        let refused = answer(config(), |request| {
            request.correlation_id = id;
            request.stream_id = 77.into();
        });
        let LeaseAction::AttachRefused(refusal) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(refusal.correlation_id, id);
    }
    let mut driver = Driver::new(config());
    for (count, role) in [(1, C), (2, Role::Producer)] {
        let grant = driver.granted(7, role, STREAM);
        let detach = driver.detach(&grant, 7, role);
        let answers = detach_answers(&driver.run());
        let [answer] = &answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!(answer.correlation_id, detach.correlation_id);
        assert_eq!(driver.table.stats().detach_ok, count);
    }
}

/// Proves [TP-DRV-0140].
#[test]
fn another_layout_version_is_rejected() {
    for version in [2, 3, u32::MAX] {
        let refused = answer(config(), |request| {
            request.expected_layout_version = version;
        });
        let expected = (ResponseCode::Rejected, "layout_version mismatch");
        assert_eq!(rejection(&refused), expected);
    }
}

/// Proves [TP-DRV-0170].
#[test]
fn a_stream_that_is_not_configured_is_rejected_in_either_publish_mode() {
    for mode in [PublishMode::RequireExisting, PublishMode::ExistingOrCreate] {
        let refused = answer(config(), |request| {
            request.publish_mode = mode.into();
            request.stream_id = 77.into();
        });
        let expected = (ResponseCode::Rejected, "stream not provisioned");
        assert_eq!(rejection(&refused), expected);
    }
}

/// Proves [TP-DRV-0180].
#[test]
fn a_stream_without_memory_gets_it_in_either_publish_mode() {
    for mode in [PublishMode::RequireExisting, PublishMode::ExistingOrCreate] {
        for role in [P, C] {
            let granted = answer(config(), |request| {
                request.publish_mode = mode.into();
                request.role = role.into();
            });
            assert!(matches!(granted, LeaseAction::AttachOk(_)), "{granted:?}");
        }
    }
}

/// Proves [TP-DRV-0190].
#[test]
fn huge_pages_are_rejected_where_there_are_none_and_granted_where_there_are() {
    let huge = |request: &mut AttachRequest| request.hugepages = HugepagesPolicy::Hugepages.into();
    let expected = (ResponseCode::Rejected, "hugepages required but unavailable");
    assert_eq!(rejection(&answer(config(), huge)), expected);
    let available = LeaseConfig {
        hugepages_available: true,
        ..config()
    };
    assert!(matches!(answer(available, huge), LeaseAction::AttachOk(_)));
}

/// Proves [TP-DRV-0200].
#[test]
fn standard_pages_are_rejected_where_huge_ones_are_required() {
    let standard =
        |request: &mut AttachRequest| request.hugepages = HugepagesPolicy::Standard.into();
    let required = LeaseConfig {
        require_hugepages: true,
        hugepages_available: true,
        ..config()
    };
    let expected = (
        ResponseCode::Rejected,
        "hugepages required by driver policy",
    );
    assert_eq!(rejection(&answer(required, standard)), expected);
    assert!(matches!(
        answer(config(), standard),
        LeaseAction::AttachOk(_)
    ));
}

/// Proves [TP-DRV-0420].
#[test]
fn node_ids_of_live_leases_differ_and_last_as_long_as_the_lease() {
    let mut driver = Driver::new(config());
    let mut held = BTreeSet::new();
    for client in 1..=20 {
        let attach = driver.attach(client, C, STREAM);
        let done = driver.run_said();
        let Some(LeaseAction::AttachOk(grant)) = done.first() else {
            panic!("{done:?}")
        };
        assert!(held.insert(grant.node_id), "{:?} is held", grant.node_id);
        driver.table.on_attach(driver.now, &attach);
        let again = driver.run_said();
        let Some(LeaseAction::AttachOk(again)) = again.first() else {
            panic!("{again:?}")
        };
        assert_eq!(again.node_id, grant.node_id);
    }
    let lowest_and_highest = (held.first().copied(), held.last().copied());
    let chosen = (Some(NodeId::new(1)), Some(NodeId::new(20)));
    assert_eq!(lowest_and_highest, chosen);
}

/// Proves [TP-DRV-0260].
#[test]
fn a_refused_attach_keeps_neither_client_id_nor_node_id() {
    let mut driver = Driver::new(config());
    let taken = driver.granted(7, C, STREAM);
    let mut attach = request(50, 8, C, STREAM);
    attach.desired_node_id = Some(taken.node_id);
    driver.table.on_attach(driver.now, &attach);
    assert_eq!(refusals(&driver.run()).len(), 1);
    let granted = driver.granted(8, P, OTHER);
    assert_ne!(granted.node_id, taken.node_id);
    assert_eq!(driver.table.stats().leases, 2);
}

/// Proves [TP-DRV-0205].
#[test]
fn standard_pages_are_rejected_where_there_are_only_huge_ones() {
    let standard =
        |request: &mut AttachRequest| request.hugepages = HugepagesPolicy::Standard.into();
    let huge_only = LeaseConfig {
        hugepages_available: true,
        ..config()
    };
    let expected = (
        ResponseCode::Rejected,
        "standard pages required but unavailable",
    );
    assert_eq!(rejection(&answer(huge_only, standard)), expected);
}

/// Proves [TP-DRV-0095].
#[test]
fn a_grant_that_cannot_be_said_leaves_neither_lease_nor_client_id_nor_producer() {
    for role in [P, C] {
        let mut driver = Driver::new(config());
        driver.attach(7, role, STREAM);
        let order = driver.order();
        driver.ready(&order);
        let Some(LeaseAction::AttachOk(grant)) = driver.take(Destination::Control) else {
            panic!("no grant")
        };
        driver.table.on_grant_unsaid(driver.now, grant.lease_id);
        assert_eq!(driver.table.stats().leases, 0);
        let done = driver.run();
        let ended = revocations(&done);
        assert_eq!((ended.len(), ended[0].lease_id), (1, grant.lease_id));
        driver.table.on_grant_unsaid(driver.now, grant.lease_id);
        assert_eq!(revocations(&driver.run()), [], "told once");
        driver.granted(7, role, STREAM);
    }
}

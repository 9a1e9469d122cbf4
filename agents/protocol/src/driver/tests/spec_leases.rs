//! Single promises about leases, each with a test of its own.

use std::collections::BTreeSet;

use super::support::*;
use crate::common::{LeaseRevokeReason, Role};
use crate::driver::{AttachGrant, Revocation};

const P: Role = Role::Producer;
const C: Role = Role::Consumer;

/// Proves [TP-DRV-0510].
#[test]
fn lease_ids_are_not_used_again() {
    let mut driver = Driver::new(config());
    let mut used = BTreeSet::new();
    for round in 0..50 {
        let role = if round % 2 == 0 { P } else { C };
        let grant = driver.granted(7, role, STREAM);
        assert!(used.insert(grant.lease_id), "{} again", grant.lease_id);
        driver.detach(&grant, 7, role);
        driver.run();
    }
}

/// Holds a lease and ends it; gives what was said of it then and for a minute after.
fn ended(role: Role, end: impl Fn(&mut Driver, &AttachGrant)) -> (AttachGrant, Vec<Revocation>) {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, role, STREAM);
    end(&mut driver, &grant);
    let mut told = revocations(&driver.run());
    for _ in 0..60 {
        driver.advance(S);
        told.extend(revocations(&driver.run()));
    }
    (grant, told)
}

fn one(grant: &AttachGrant, told: &[Revocation], role: Role, reason: LeaseRevokeReason) {
    let [revoked] = told else {
        panic!("expected one revocation, found {told:?}")
    };
    assert_eq!(
        (revoked.lease_id, revoked.client_id.get(), revoked.role),
        (grant.lease_id, 7, role)
    );
    assert_eq!(
        (revoked.stream_id, revoked.reason),
        (grant.stream_id, reason)
    );
}

/// Proves [TP-DRV-0710], [TP-DRV-0720].
#[test]
fn each_end_of_a_lease_is_told_once_with_its_reason() {
    for role in [P, C] {
        let (grant, told) = ended(role, |driver, grant| {
            driver.detach(grant, 7, role);
        });
        one(&grant, &told, role, LeaseRevokeReason::Detached);
        let (grant, told) = ended(role, |driver, _| driver.advance(3 * S));
        one(&grant, &told, role, LeaseRevokeReason::Expired);
    }
    let (grant, told) = ended(P, |driver, grant| {
        driver
            .table
            .on_region_lost(driver.now, grant.stream_id, grant.epoch);
    });
    one(&grant, &told, P, LeaseRevokeReason::Revoked);
}

/// Proves [TP-DRV-0730].
#[test]
fn one_end_leaves_the_other_leases_alone() {
    let mut driver = Driver::new(config());
    let producer = driver.granted(7, P, STREAM);
    let consumer = driver.granted(8, C, STREAM);
    let other = driver.granted(9, P, OTHER);
    driver.detach(&producer, 7, P);
    let told = revocations(&driver.run());
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(driver.live(OTHER), Some(other.epoch));
    for _ in 0..10 {
        driver.advance(2 * S);
        driver.keepalive(&consumer, 8, C);
        driver.keepalive(&other, 9, P);
    }
    assert!(revocations(&driver.run()).is_empty());
    assert_eq!(driver.table.stats().leases, 2);
}

/// Proves [TP-DRV-0740].
#[test]
fn a_lease_that_ended_frees_its_stream_and_its_client_id() {
    let mut driver = Driver::new(config());
    driver.granted(7, P, STREAM);
    driver.advance(3 * S);
    driver.run();
    let again = driver.granted(7, P, STREAM);
    driver.detach(&again, 7, P);
    driver.run();
    driver.granted(7, P, STREAM);
}

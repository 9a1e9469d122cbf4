//! Keepalive, expiry, detach: what ends a lease, in which order it is said, and what is said again.

use tensorpool_codecs::types::LeaseId;

use super::support::*;
use crate::common::{EnumField, LeaseRevokeReason, ResponseCode, Role};
use crate::driver::{Backing, Destination, DetachRequest};

const P: Role = Role::Producer;
const C: Role = Role::Consumer;

/// Proves [TP-DRV-0540], [TP-DRV-0560].
#[test]
fn keepalives_hold_a_lease_and_their_absence_ends_it_on_time() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, C, STREAM);
    for _ in 0..10 {
        driver.advance(2_900 * MS);
        driver.keepalive(&grant, 7, C);
    }
    driver.advance(3 * S - 1);
    assert!(revocations(&driver.run()).is_empty());
    driver.advance(1);
    let revoked = revocations(&driver.run());
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0].reason, LeaseRevokeReason::Expired);
    assert_eq!(revoked[0].lease_id, grant.lease_id);
}

/// Proves [TP-DRV-0750].
#[test]
fn expired_producer_lease_is_revoked_then_bumped_then_announced() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, P, STREAM);
    driver.advance(100 * MS);
    driver.run();
    driver.advance(3 * S);
    let order = driver.order();
    assert_eq!(order.backing, Backing::Sparse);
    assert_eq!(driver.live(STREAM), None);
    driver.ready(&order);
    let done = driver.run_said();
    assert_eq!(letters(&done), "VN");
    assert!(announces(&done)[0].epoch > grant.epoch);
    assert_eq!(announces(&done)[0].producer, None);
}

/// Proves [TP-DRV-0750], [TP-DRV-0810].
#[test]
fn producer_detach_is_revoked_bumped_announced_then_answered() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, P, STREAM);
    driver.detach(&grant, 7, P);
    let done = driver.run_said();
    assert_eq!(letters(&done), "VND");
    assert_eq!(revocations(&done)[0].reason, LeaseRevokeReason::Detached);
    assert!(announces(&done)[0].epoch > grant.epoch);
}

/// Proves [TP-DRV-0750], [TP-DRV-1030].
#[test]
fn an_epoch_that_ends_while_its_successor_is_made_or_after_the_close_orders_no_other() {
    let mut driver = Driver::new(config());
    let live = driver.granted(8, C, STREAM).epoch;
    let request = driver.attach(7, P, STREAM);
    let order = driver.order();
    let stream_id = request.stream_id;
    driver.table.on_region_lost(driver.now, stream_id, live);
    driver.ready(&order);
    let done = driver.run();
    assert_eq!(letters(&done).replace(['f', 'r'], ""), "AN");
    assert_eq!(driver.live(STREAM), Some(order.epoch));

    let producer = driver.granted(9, P, OTHER);
    driver
        .table
        .on_close(driver.now, crate::common::ShutdownReason::Normal);
    driver.detach(&producer, 9, P);
    assert!(!letters(&driver.run()).contains('p'));
}

/// Proves [TP-DRV-0770].
#[test]
fn announce_of_the_new_epoch_waits_for_the_revocation_to_leave() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, P, STREAM);
    driver.detach(&grant, 7, P);
    let order = driver.order();
    driver.ready(&order);
    assert!(driver.table.peek_action(Destination::Announce).is_none());
    assert_eq!(letters(&[driver.take(Destination::Control).unwrap()]), "V");
    assert!(driver.table.peek_action(Destination::Announce).is_some());
}

/// Proves [TP-DRV-0820], [TP-DRV-1200].
#[test]
fn blocked_announces_hold_up_neither_attach_answers_nor_a_detach_for_ever() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, P, STREAM);
    driver.detach(&grant, 7, P);
    let order = driver.order();
    driver.ready(&order);
    driver.attach(8, C, STREAM);
    let control: Vec<_> = std::iter::from_fn(|| driver.take(Destination::Control)).collect();
    assert_eq!(letters(&control), "VA");
    driver.advance(S);
    assert_eq!(letters(&[driver.take(Destination::Control).unwrap()]), "D");
}

/// Proves [TP-DRV-0760], [TP-DRV-0780].
#[test]
fn consumer_detach_is_revoked_and_answered_and_bumps_nothing() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, C, STREAM);
    driver.detach(&grant, 7, C);
    let done = driver.run();
    assert_eq!(letters(&done), "VD");
    assert_eq!(driver.live(STREAM), Some(grant.epoch));
    let stats = driver.table.stats();
    assert_eq!((stats.leases_detached, stats.detach_ok), (1, 1));
}

/// Proves [TP-DRV-0840].
#[test]
fn repeated_detach_is_ok_again_for_five_seconds() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, P, STREAM);
    let detach = driver.detach(&grant, 7, P);
    driver.run();
    driver.now = driver.now.after_ns(5 * S - 1);
    driver.table.on_detach(driver.now, &detach);
    assert_eq!(detach_answers(&driver.run())[0].code, ResponseCode::Ok);
    driver.now = driver.now.after_ns(1);
    driver.table.on_detach(driver.now, &detach);
    let answer = detach_answers(&driver.run()).remove(0);
    assert_eq!(
        (answer.code, answer.text),
        (ResponseCode::Rejected, "unknown lease")
    );
}

/// Proves [TP-DRV-0840].
#[test]
fn a_detach_is_remembered_when_others_followed() {
    let mut driver = Driver::new(config());
    let detaches: Vec<_> = (7..12)
        .map(|client| {
            let grant = driver.granted(client, C, STREAM);
            let detach = driver.detach(&grant, client, C);
            driver.run();
            detach
        })
        .collect();
    for detach in detaches {
        driver.table.on_detach(driver.now, &detach);
        assert_eq!(detach_answers(&driver.run())[0].code, ResponseCode::Ok);
    }
}

/// Proves [TP-DRV-0850].
#[test]
fn detach_repeated_while_the_epoch_is_made_joins_the_first() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, P, STREAM);
    driver.detach(&grant, 7, P);
    let second = driver.detach(&grant, 7, P);
    let answers = detach_answers(&driver.run());
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].correlation_id, second.correlation_id);
}

/// Proves [TP-DRV-0780], [TP-DRV-0790], [TP-DRV-0800].
#[test]
fn detach_must_match_in_every_field() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, C, STREAM);
    let good = DetachRequest {
        correlation_id: 1.into(),
        lease_id: grant.lease_id,
        stream_id: grant.stream_id,
        client_id: 7.into(),
        role: C.into(),
    };
    let wrong = [
        DetachRequest {
            lease_id: LeaseId::new(1),
            ..good
        },
        DetachRequest {
            stream_id: OTHER.into(),
            ..good
        },
        DetachRequest {
            client_id: 8.into(),
            ..good
        },
        DetachRequest {
            role: P.into(),
            ..good
        },
    ];
    for request in wrong {
        driver.table.on_detach(driver.now, &request);
        assert_eq!(
            detach_answers(&driver.run())[0].code,
            ResponseCode::Rejected
        );
    }
    driver.table.on_detach(
        driver.now,
        &DetachRequest {
            role: EnumField::Unknown(3),
            ..good
        },
    );
    assert_eq!(
        detach_answers(&driver.run())[0].code,
        ResponseCode::InvalidParams
    );
    driver.table.on_detach(driver.now, &good);
    assert_eq!(letters(&driver.run()), "VD");
}

/// Proves [TP-DRV-0550].
#[test]
fn keepalive_that_does_not_match_extends_nothing() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, C, STREAM);
    driver.advance(2 * S);
    for (client, role, stream) in [(8, C, STREAM), (7, P, STREAM), (7, C, OTHER)] {
        let wrong = keepalive(grant.lease_id, client, role, stream);
        driver.table.on_keepalive(driver.now, &wrong);
    }
    assert_eq!(driver.table.stats().keepalives_mismatched, 3);
    driver.advance(S);
    assert_eq!(revocations(&driver.run()).len(), 1);
}

/// Proves [TP-DRV-0570], [TP-DRV-0580].
#[test]
fn keepalive_of_an_unknown_lease_is_answered_once_per_second_and_lease() {
    let mut driver = Driver::new(config());
    for lease in [1, 1, 2, 1] {
        let unknown = keepalive(LeaseId::new(lease), 7, P, STREAM);
        driver.table.on_keepalive(driver.now, &unknown);
    }
    let revoked = revocations(&driver.run());
    let leases: Vec<_> = revoked
        .iter()
        .map(|revoked| revoked.lease_id.get())
        .collect();
    assert_eq!(leases, [1, 2]);
    let first = revoked[0];
    assert_eq!((first.reason, first.role), (LeaseRevokeReason::Revoked, P));
    assert_eq!((first.client_id.get(), first.stream_id.get()), (7, STREAM));
    driver.advance(S);
    driver
        .table
        .on_keepalive(driver.now, &keepalive(LeaseId::new(1), 7, P, STREAM));
    assert_eq!(revocations(&driver.run()).len(), 1);
}

/// Proves [TP-DRV-0590].
#[test]
fn leases_outlive_a_stall_of_the_driver() {
    let mut driver = Driver::new(config());
    driver.granted(7, C, STREAM);
    driver.now = driver.now.after_ns(60 * S);
    driver.table.on_stall(driver.now, 60 * S);
    driver.table.on_timeout(driver.now);
    assert!(revocations(&driver.run()).is_empty());
    driver.advance(3 * S);
    assert_eq!(revocations(&driver.run()).len(), 1);
}

/// Proves [TP-DRV-0600].
#[test]
fn leases_outlive_a_lost_link_and_get_a_whole_lease_time_after_it() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, P, STREAM);
    driver.table.on_link_lost(driver.now);
    driver.advance(60 * S);
    driver.advance(60 * S);
    driver.table.on_link_up(driver.now);
    assert_eq!(driver.live(STREAM), Some(grant.epoch));
    driver.advance(3 * S - 1);
    assert!(revocations(&driver.run()).is_empty());
    driver.advance(1);
    assert_eq!(revocations(&driver.run()).len(), 1);
}

/// Proves [TP-DRV-0530].
#[test]
fn lease_ids_go_on_from_their_seed_and_are_never_zero() {
    let mut driver = Driver::new(config());
    let first = driver.granted(7, C, STREAM);
    let second = driver.granted(8, C, STREAM);
    assert_eq!((first.lease_id.get(), second.lease_id.get()), (500, 501));
    let mut config = config();
    config.lease_id_seed = 1 << 63;
    assert_eq!(
        Driver::new(config.clone())
            .granted(7, C, STREAM)
            .lease_id
            .get(),
        1
    );
    config.lease_id_seed = (1 << 63) - 1;
    let mut driver = Driver::new(config);
    let last = driver.granted(7, C, STREAM);
    let next = driver.granted(8, C, STREAM);
    assert_eq!(
        (last.lease_id.get(), next.lease_id.get()),
        ((1 << 63) - 1, 1)
    );
}

/// Proves [TP-DRV-0610].
#[test]
fn time_that_goes_backwards_stands_still() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, C, STREAM);
    driver.now = driver.now.after_ns(2 * S);
    driver.keepalive(&grant, 7, C);
    let early = tensorpool_codecs::types::NanoTime::new(1);
    driver.table.on_timeout(early);
    driver
        .table
        .on_keepalive(early, &keepalive(grant.lease_id, 7, C, STREAM));
    driver.advance(3 * S - 1);
    assert_eq!(revocations(&driver.run()), []);
    driver.advance(1);
    assert_eq!(revocations(&driver.run()).len(), 1, "and then goes on");
}

//! Single promises about epochs and announces, each with a test of its own.

use super::support::*;
use crate::common::Role;
use crate::driver::{Backing, Destination, LeaseConfig};

const P: Role = Role::Producer;
const C: Role = Role::Consumer;

/// Proves [TP-DRV-1160].
#[test]
fn the_announce_of_a_grant_waits_for_its_answer() {
    for role in [P, C] {
        let mut driver = Driver::new(config());
        driver.attach(7, role, STREAM);
        let order = driver.order();
        driver.ready(&order);
        assert_eq!(driver.table.peek_action(Destination::Announce), None);
        assert_eq!(letters(&[driver.take(Destination::Control).unwrap()]), "A");
        assert_eq!(letters(&[driver.take(Destination::Announce).unwrap()]), "N");
    }
}

/// Proves [TP-DRV-1180].
#[test]
fn an_announce_of_an_epoch_that_ended_is_not_sent_any_more() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, P, STREAM);
    driver.advance(S);
    assert!(driver.table.peek_action(Destination::Announce).is_some());
    driver.detach(&grant, 7, P);
    assert_eq!(driver.table.peek_action(Destination::Announce), None);
    assert_eq!(driver.table.stats().announces_withdrawn, 1);
    let told = announces(&driver.run());
    assert!(!told.is_empty());
    assert!(told.iter().all(|announce| announce.epoch > grant.epoch));
}

/// Proves [TP-DRV-1130].
#[test]
fn an_announce_names_the_producer_as_long_as_there_is_one() {
    let mut driver = Driver::new(config());
    let producer_of = |done: &[crate::driver::LeaseAction]| {
        let announce = announces(done).pop().expect("an announce");
        announce.producer.map(|client| client.get())
    };
    driver.attach(8, C, STREAM);
    assert_eq!(producer_of(&driver.run()), None);
    driver.attach(7, P, STREAM);
    assert_eq!(producer_of(&driver.run()), Some(7));
    driver.advance(3 * S);
    assert_eq!(producer_of(&driver.run()), None);
}

/// Proves [TP-DRV-1050].
#[test]
fn memory_that_is_being_made_holds_up_nobody_else() {
    let mut driver = Driver::new(config());
    let consumer = driver.granted(8, C, OTHER);
    driver.attach(7, P, STREAM);
    let order = driver.order();
    assert_eq!(order.backing, Backing::Allocated);
    let mut heard = 0;
    for client in 100..130 {
        driver.advance(S);
        driver.keepalive(&consumer, 8, C);
        driver.attach(client, C, OTHER);
        let done = driver.run();
        assert!(letters(&done).contains('A'), "{done:?}");
        let ended = revocations(&done);
        assert!(ended.iter().all(|revoked| revoked.client_id.get() != 8));
        heard += announces(&done).len();
    }
    assert!(heard >= 30, "{heard} announces");
    assert_eq!(driver.live(STREAM), None, "still being made");
    driver.ready(&order);
    assert_eq!(letters(&driver.run_said()), "AN");
}

/// Proves [TP-DRV-1210].
#[test]
fn the_links_return_is_announced_at_once() {
    let mut driver = Driver::new(config());
    driver.granted(7, P, STREAM);
    driver.granted(8, P, OTHER);
    driver.advance(60 * MS);
    driver.run();
    driver.table.on_link_lost(driver.now);
    driver.table.on_link_up(driver.now);
    assert_eq!(letters(&driver.run_said()), "NN");
}

#[test]
fn a_successor_begins_beyond_all_epochs_of_its_predecessor() {
    let mut first = Driver::new(config());
    for client in 1..=5 {
        let grant = first.granted(client, P, STREAM);
        first.detach(&grant, client, P);
        first.run();
    }
    let last = first.live(STREAM).expect("an epoch after the last detach");
    let successor = LeaseConfig {
        highest_existing_epoch: Some(last),
        ..config()
    };
    let epoch = Driver::new(successor).granted(1, P, STREAM).epoch;
    assert!(epoch > last, "{epoch} after {last}");
}

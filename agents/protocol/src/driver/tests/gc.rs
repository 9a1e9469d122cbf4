//! Which superseded epochs leave the disk, and when.

use tensorpool_codecs::types::Epoch;

use super::support::*;
use crate::common::Role;
use crate::driver::{Destination, LeaseAction, LeaseConfig, RegionFailure};

const P: Role = Role::Producer;
const FULL: RegionFailure = RegionFailure::NoSpace {
    needed_bytes: 1000,
    available_bytes: 10,
};

fn aged() -> LeaseConfig {
    LeaseConfig {
        epoch_min_age_ns: 3 * S,
        ..config()
    }
}

fn retired(done: &[LeaseAction]) -> Vec<Epoch> {
    let retired = done.iter().filter_map(|action| match action {
        LeaseAction::Retire { epoch, .. } => Some(*epoch),
        _ => None,
    });
    retired.collect()
}

impl Driver {
    /// A producer that comes and goes; its epoch, and what was removed meanwhile.
    fn visit(&mut self, client: u32) -> (Epoch, Vec<Epoch>) {
        let grant = self.granted(client, P, STREAM);
        self.detach(&grant, client, P);
        (grant.epoch, retired(&self.run()))
    }
}

/// Proves [TP-DRV-1012].
#[test]
fn a_superseded_epoch_stays_for_its_minimum_age() {
    let mut driver = Driver::new(aged());
    let (first, _) = driver.visit(7);
    let (second, gone) = driver.visit(8);
    assert_eq!(gone, [], "all are young");
    driver.advance(3 * S - 1);
    assert_eq!(retired(&driver.run()), []);
    let due = driver.table.next_deadline().expect("something is due");
    assert_eq!(due, driver.now.after_ns(1), "it wakes for the epochs");
    driver.advance(1);
    let gone = retired(&driver.run());
    assert!(gone.contains(&first), "{gone:?}");
    assert!(
        !gone.contains(&second),
        "two are kept: it, and the live one"
    );
}

/// Proves [TP-DRV-1013].
#[test]
fn a_producer_that_comes_back_at_once_takes_the_room_of_the_oldest() {
    let mut driver = Driver::new(aged());
    let mut written = Vec::new();
    for client in 1..=6 {
        driver.attach(client, P, STREAM);
        loop {
            match driver.take(Destination::Region).expect("an order") {
                LeaseAction::Retire { epoch, .. } => written.retain(|old| *old != epoch),
                LeaseAction::Provision(order) => {
                    assert!(written.len() < 2, "two are kept, this one included");
                    written.push(order.epoch);
                    driver.ready(&order);
                    break;
                }
                _ => {}
            }
        }
        let done = driver.run();
        written.retain(|old| !retired(&done).contains(old));
        let Some(LeaseAction::AttachOk(grant)) = done.first() else {
            panic!("{done:?}")
        };
        driver.detach(grant, client, P);
        let gone = retired(&driver.run());
        written.retain(|old| !gone.contains(old));
    }
}

/// Proves [TP-DRV-1014].
#[test]
fn epochs_that_wait_for_their_age_do_not_pile_up() {
    let mut driver = Driver::new(aged());
    for client in 1..200 {
        driver.visit(client);
        let stats = driver.table.stats();
        let on_disk = stats.epochs - stats.epochs_retired;
        assert!(on_disk <= 12, "{on_disk} epochs of one stream");
    }
}

/// Proves [TP-DRV-1000].
#[test]
fn a_full_file_system_takes_young_epochs_too() {
    let mut driver = Driver::new(aged());
    let (first, _) = driver.visit(7);
    driver.attach(8, P, STREAM);
    let order = driver.order();
    driver.fail(&order, &FULL);
    let next = driver.take(Destination::Region);
    let expected = LeaseAction::Retire {
        stream_id: STREAM.into(),
        epoch: first,
    };
    assert_eq!(next, Some(expected));
}

/// Proves [TP-DRV-1000].
#[test]
fn a_file_system_that_stays_full_is_tried_once_more_and_what_else_fails_is_not() {
    let mut driver = Driver::new(aged());
    driver.visit(7);
    driver.attach(8, P, STREAM);
    let order = driver.order();
    driver.fail(&order, &FULL);
    driver.take(Destination::Region).expect("an old epoch goes");
    let again = driver.order();
    driver.fail(&again, &FULL);
    assert_eq!(refusals(&driver.run()).len(), 1);

    let mut driver = Driver::new(aged());
    driver.visit(7);
    driver.attach(8, P, STREAM);
    let order = driver.order();
    driver.fail(&order, &RegionFailure::Other("a broken disk".into()));
    assert_eq!(refusals(&driver.run()).len(), 1);
}

/// Proves [TP-DRV-1016].
#[test]
fn with_collection_turned_off_files_stay_even_when_the_file_system_is_full() {
    let mut driver = Driver::new(LeaseConfig {
        gc_enabled: false,
        ..config()
    });
    for client in 1..=5 {
        driver.visit(client);
    }
    assert!(driver.table.stats().epochs_abandoned > 0, "let go of");
    driver.attach(8, P, STREAM);
    let order = driver.order();
    driver.fail(&order, &FULL);
    let done = driver.run();
    assert_eq!(refusals(&done).len(), 1);
    assert_eq!(retired(&done), []);
    assert_eq!(driver.table.stats().epochs_retired, 0);
}

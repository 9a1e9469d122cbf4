//! Epochs and memory: bumps, failures, retirement, refreshes, announces.

use tensorpool_codecs::types::{Epoch, StreamId};

use super::support::*;
use crate::common::{ResponseCode, Role};
use crate::driver::{Backing, Destination, LeaseAction, LeaseConfig, RegionFailure};

const P: Role = Role::Producer;
const C: Role = Role::Consumer;
const FULL: RegionFailure = RegionFailure::NoSpace {
    needed_bytes: 1000,
    available_bytes: 10,
};

fn retired(done: &[LeaseAction]) -> Vec<Epoch> {
    let retired = done.iter().filter_map(|action| match action {
        LeaseAction::Retire { epoch, .. } => Some(*epoch),
        _ => None,
    });
    retired.collect()
}

/// Proves [TP-DRV-0950].
#[test]
fn epochs_differ_across_streams_even_at_the_same_instant() {
    let mut driver = Driver::new(config());
    let one = driver.granted(7, P, STREAM);
    let two = driver.granted(8, P, OTHER);
    assert_ne!(one.epoch, two.epoch);
    assert_eq!(one.epoch.get(), driver.now.get());
}

/// Proves [TP-DRV-0940].
#[test]
fn epochs_exceed_those_found_on_disk() {
    let existing = Epoch::new(u64::MAX / 4);
    let config = LeaseConfig {
        highest_existing_epoch: Some(existing),
        ..config()
    };
    assert_eq!(
        Driver::new(config).granted(7, P, STREAM).epoch.get(),
        existing.get() + 1
    );
}

/// Proves [TP-DRV-0910], [TP-DRV-0980].
#[test]
fn producer_attach_bumps_an_epoch_consumers_already_map() {
    let mut driver = Driver::new(config());
    let consumer = driver.granted(8, C, STREAM);
    driver.attach(7, P, STREAM);
    assert_eq!(
        driver.live(STREAM),
        Some(consumer.epoch),
        "still live until its successor is"
    );
    let done = driver.run_said();
    assert_eq!(letters(&done), "AN");
    assert!(announces(&done)[0].epoch > consumer.epoch);
}

/// Proves [TP-DRV-0990].
#[test]
fn producer_that_comes_while_a_sparse_epoch_is_made_gets_an_allocated_one() {
    let mut driver = Driver::new(config());
    driver.attach(8, C, STREAM);
    let sparse = driver.order();
    driver.attach(7, P, STREAM);
    driver.ready(&sparse);
    assert_eq!(letters(&[driver.take(Destination::Control).unwrap()]), "A");
    let allocated = driver.order();
    assert_eq!(allocated.backing, Backing::Allocated);
    assert!(allocated.epoch > sparse.epoch);
    driver.ready(&allocated);
    assert_eq!(letters(&driver.run_said()), "AN");
}

/// Proves [TP-DRV-0250].
#[test]
fn full_memory_is_an_internal_error_that_names_the_sum() {
    let mut driver = Driver::new(config());
    driver.attach(7, P, STREAM);
    let order = driver.order();
    driver.fail(&order, &FULL);
    let (code, text) = refusals(&driver.run()).remove(0);
    assert_eq!(code, ResponseCode::InternalError);
    assert!(
        text.starts_with("failed to provision SHM: stream 10000"),
        "{text}"
    );
    assert!(
        text.contains("1000 bytes") && text.contains("10 bytes"),
        "{text}"
    );
    driver.attach(7, P, STREAM);
    assert_eq!(
        letters(&driver.run_said()),
        "AN",
        "the client may try again"
    );
}

/// Proves [TP-DRV-1000].
#[test]
fn full_memory_is_tried_once_more_when_old_epochs_can_make_room() {
    let mut driver = Driver::new(LeaseConfig {
        kept_epochs: 5,
        ..config()
    });
    let first = driver.granted(7, P, STREAM);
    driver.detach(&first, 7, P);
    driver.run();
    driver.attach(8, P, STREAM);
    let order = driver.order();
    driver.fail(&order, &FULL);
    let retire = driver.take(Destination::Region).unwrap();
    assert_eq!(
        retire,
        LeaseAction::Retire {
            stream_id: STREAM.into(),
            epoch: first.epoch
        }
    );
    let again = driver.order();
    assert_eq!(again.epoch, order.epoch);
    driver.fail(&again, &FULL);
    assert_eq!(refusals(&driver.run()).len(), 1);
}

/// Proves [TP-DRV-0980].
#[test]
fn failed_producer_attach_leaves_the_live_epoch_to_its_consumers() {
    let mut driver = Driver::new(config());
    let consumer = driver.granted(8, C, STREAM);
    driver.attach(7, P, STREAM);
    let order = driver.order();
    driver.fail(&order, &RegionFailure::Other("no".into()));
    driver.run();
    assert_eq!(driver.live(STREAM), Some(consumer.epoch));
}

/// Proves [TP-DRV-0830].
#[test]
fn detach_is_answered_even_when_the_next_epoch_cannot_be_made() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, P, STREAM);
    driver.detach(&grant, 7, P);
    let order = driver.order();
    driver.fail(&order, &RegionFailure::Other("no".into()));
    assert_eq!(letters(&driver.run_said()), "VD");
    assert_eq!(driver.live(STREAM), None);
}

/// Proves [TP-DRV-1010].
#[test]
fn superseded_epochs_are_retired_as_soon_as_enough_newer_ones_exist() {
    let mut driver = Driver::new(LeaseConfig {
        kept_epochs: 2,
        ..config()
    });
    let first = driver.granted(7, P, STREAM);
    driver.detach(&first, 7, P);
    assert!(retired(&driver.run()).is_empty(), "two newest are kept");
    let sparse = driver.live(STREAM).unwrap();
    driver.attach(8, P, STREAM);
    assert_eq!(
        retired(&driver.run()),
        [sparse],
        "what nobody wrote is not kept"
    );
    let second = driver.live(STREAM).unwrap();
    driver.advance(4 * S);
    assert_eq!(retired(&driver.run()), [first.epoch]);
    assert!(driver.live(STREAM).unwrap() > second);
}

/// Proves [TP-DRV-1020].
#[test]
fn one_kept_epoch_is_the_live_one() {
    let mut driver = Driver::new(LeaseConfig {
        kept_epochs: 1,
        ..config()
    });
    let first = driver.granted(7, P, STREAM);
    driver.detach(&first, 7, P);
    assert_eq!(retired(&driver.run()), [first.epoch]);
}

/// Proves [TP-DRV-1220], [TP-DRV-1230].
#[test]
fn activity_is_refreshed_while_nobody_produces() {
    let refreshes = |done: &[LeaseAction]| {
        done.iter()
            .filter(|action| matches!(action, LeaseAction::RefreshActivity { .. }))
            .count()
    };
    let mut driver = Driver::new(config());
    let consumer = driver.granted(8, C, STREAM);
    let mut count = 0;
    for _ in 0..5 {
        driver.advance(S);
        driver.keepalive(&consumer, 8, C);
        count += refreshes(&driver.run());
    }
    assert_eq!(count, 5);
    assert_eq!(driver.table.stats().activity_refreshes, 5);
    let producer = driver.granted(7, P, STREAM);
    for _ in 0..5 {
        driver.advance(S);
        driver.keepalive(&producer, 7, P);
        driver.keepalive(&consumer, 8, C);
        assert_eq!(refreshes(&driver.run()), 0);
    }
}

/// Proves [TP-DRV-1110], [TP-DRV-1120].
#[test]
fn live_streams_are_announced_every_period_and_others_not_at_all() {
    let mut driver = Driver::new(config());
    driver.granted(8, C, STREAM);
    driver.advance(60 * MS);
    driver.run();
    let mut heard = Vec::new();
    for _ in 0..30 {
        driver.advance(100 * MS);
        heard.extend(announces(&driver.run()));
    }
    assert_eq!(heard.len(), 3);
    assert!(
        heard
            .iter()
            .all(|announce| announce.stream_id == StreamId::new(STREAM))
    );
}

/// Proves [TP-DRV-1110], [TP-DRV-1220].
#[test]
fn who_comes_back_at_each_deadline_announces_and_refreshes_once_per_period() {
    let mut driver = Driver::new(config());
    let period = driver.table.config().announce_period_ns;
    let consumer = driver.granted(8, C, STREAM);
    driver.advance(period);
    driver.run();
    let (mut announced, mut refreshed) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let deadline = driver.table.next_deadline();
        driver.now = driver
            .now
            .max(deadline.expect("an announce is due some time"));
        driver.advance(0);
        driver.keepalive(&consumer, 8, C);
        for action in driver.run() {
            match action {
                LeaseAction::Announce(_) => announced.push(driver.now),
                LeaseAction::RefreshActivity { .. } => refreshed.push(driver.now),
                _ => {}
            }
        }
        // Who comes back early learns the same deadline.
        driver.advance(0);
    }
    for times in [announced, refreshed] {
        assert!(times.len() > 10, "deadlines move on: {times:?}");
        let pauses = times.windows(2).map(|pair| pair[1].since_ns(pair[0]));
        assert!(pauses.into_iter().all(|pause| pause == period), "{times:?}");
    }
}

/// Proves [TP-DRV-1190].
#[test]
fn blocked_announces_do_not_pile_up_and_tell_the_newest_state() {
    let mut driver = Driver::new(config());
    let consumer = driver.granted(8, C, STREAM);
    for _ in 0..20 {
        driver.advance(S);
        driver.keepalive(&consumer, 8, C);
    }
    driver.attach(7, P, STREAM);
    let order = driver.order();
    driver.ready(&order);
    let heard = announces(&driver.run());
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].epoch, order.epoch);
}

#[test]
fn next_deadline_is_never_later_than_what_is_due() {
    let mut driver = Driver::new(config());
    let grant = driver.granted(7, C, STREAM);
    let mut steps = 0;
    while driver.table.stats().leases_expired == 0 {
        let deadline = driver
            .table
            .next_deadline()
            .expect("a lease is due some time");
        assert!(deadline <= grant.lease_expiry);
        driver.now = driver.now.max(deadline);
        driver.table.on_timeout(driver.now);
        driver.run();
        steps += 1;
        assert!(steps < 100, "deadlines must move on");
    }
    assert_eq!(driver.now, grant.lease_expiry);
}

#[test]
fn answers_of_the_worker_nobody_waits_for_change_nothing() {
    let mut driver = Driver::new(config());
    driver.attach(7, P, STREAM);
    let order = driver.order();
    driver
        .table
        .on_region_ready(driver.now, StreamId::new(STREAM), Epoch::new(1));
    driver
        .table
        .on_region_ready(driver.now, StreamId::new(5), order.epoch);
    assert_eq!(driver.live(STREAM), None);
    driver.ready(&order);
    driver.ready(&order);
    assert_eq!(driver.table.stats().stale_region_answers, 3);
    assert_eq!(driver.table.stats().attach_granted, 1);
}

/// Proves [TP-DRV-1030], [TP-DRV-1040].
#[test]
fn destroyed_regions_end_their_epoch_and_their_producers_lease() {
    let mut driver = Driver::new(config());
    let consumer = driver.granted(8, C, STREAM);
    driver
        .table
        .on_region_lost(driver.now, STREAM.into(), consumer.epoch);
    assert_eq!(letters(&driver.run_said()), "N");
    let producer = driver.granted(7, P, STREAM);
    driver
        .table
        .on_region_lost(driver.now, STREAM.into(), consumer.epoch);
    assert_eq!(
        driver.live(STREAM),
        Some(producer.epoch),
        "an old epoch is no news"
    );
    driver
        .table
        .on_region_lost(driver.now, STREAM.into(), producer.epoch);
    let done = driver.run_said();
    assert_eq!(letters(&done), "VN");
    assert_eq!(
        revocations(&done)[0].reason,
        crate::common::LeaseRevokeReason::Revoked
    );
}

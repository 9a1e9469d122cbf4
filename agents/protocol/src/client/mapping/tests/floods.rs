//! Announces that come faster than they can be mapped, and those that cannot be mapped at all.

use super::*;

/// Proves [TP-CLI-0650].
#[test]
fn what_is_finished_after_its_lease_was_lost_is_discarded() {
    let mut core = consumer();
    core.on_granted(at(0), &regions(5));
    let first = ticket(&mut core);
    core.on_lost(at(1));
    core.on_granted(at(2), &regions(7));
    assert_eq!(actions(&mut core), [], "the worker is still at the first");
    core.on_mapped(at(3), first);
    let second = match &actions(&mut core)[..] {
        [
            MappingAction::Discard { ticket },
            MappingAction::Map {
                ticket: second,
                regions,
            },
        ] if *ticket == first && regions.epoch == Epoch::new(7) => *second,
        other => panic!("{other:?}"),
    };
    core.on_mapped(at(4), second);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(7)));
}

/// Proves [TP-CLI-0652].
#[test]
fn of_the_epochs_announced_while_one_is_being_mapped_the_highest_follows_it() {
    let mut core = mapped(5);
    hear(&mut core, 100, 6);
    let first = ticket(&mut core);
    for (ms, epoch) in [(101, 7), (102, 9), (103, 8), (104, 6)] {
        hear(&mut core, ms, epoch);
        assert_eq!(actions(&mut core), [], "the worker is at it");
    }
    core.on_mapped(at(110), first);
    let second = match &actions(&mut core)[..] {
        [
            MappingAction::Adopt { epoch, .. },
            MappingAction::Map { ticket, regions },
        ] if *epoch == Epoch::new(6) && regions.epoch == Epoch::new(9) => *ticket,
        other => panic!("{other:?}"),
    };
    core.on_mapped(at(111), second);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(9)));
}

/// Proves [TP-CLI-0660].
#[test]
fn what_is_in_use_and_announced_again_is_not_mapped_again() {
    let mut core = mapped(5);
    let mut moved = announce(100, 5);
    moved.regions.header_uri.push('x');
    core.on_announce(at(100), at(0), &moved);
    let other = ticket(&mut core);
    hear(&mut core, 101, 5);
    core.on_map_failed(at(102), other);
    assert!(matches!(
        actions(&mut core)[..],
        [MappingAction::RetryMap { .. }]
    ));
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(5)));
    assert_eq!(core.next_deadline(), None, "nothing else is wanted");
}

/// Proves [TP-CLI-0665].
#[test]
fn who_announces_what_cannot_be_mapped_hides_no_end_of_a_stream() {
    let mut core = mapped(5);
    let mut lie = announce(100, 5);
    lie.producer_id = Some(ClientId::new(1));
    lie.regions.header_uri.push('x');
    core.on_announce(at(100), at(0), &lie);
    let astray = ticket(&mut core);
    core.on_map_failed(at(101), astray);
    actions(&mut core);
    core.on_lease_revoked(at(102), &revoked(PRODUCER, LeaseRevokeReason::Detached));
    let expected = MappingAction::SourceEnded {
        epoch: Epoch::new(5),
        producer_id: Some(PRODUCER),
        end: SourceEnd::Detached,
    };
    assert_eq!(actions(&mut core), [expected]);
}

/// Proves [TP-CLI-0651].
#[test]
fn a_flood_of_announces_leaves_one_mapping_under_way() {
    let mut core = mapped(5);
    hear(&mut core, 100, 6);
    let real = ticket(&mut core);
    for epoch in 1_000..5_000 {
        hear(&mut core, 101, epoch);
    }
    assert_eq!(actions(&mut core), []);
    core.on_map_failed(at(102), real);
    match &actions(&mut core)[..] {
        [
            MappingAction::RetryMap { .. },
            MappingAction::Map { regions, ticket },
        ] => {
            assert_eq!(regions.epoch, Epoch::new(4_999));
            assert_ne!(*ticket, real, "answers can be told apart");
        }
        other => panic!("{other:?}"),
    }
    // What was answered before says nothing of what is under way.
    core.on_map_failed(at(103), real);
    actions(&mut core);
    hear(&mut core, 104, 6_000);
    assert_eq!(actions(&mut core), [], "the worker is still at it");
}

/// Proves [TP-CLI-0695].
#[test]
fn epochs_that_cannot_be_mapped_are_tried_at_a_bounded_rate_however_fast_they_come() {
    let mut core = mapped(5);
    let (mut tries, mut epoch) = (0, 1_000);
    for ms in 0..10_000 {
        for _ in 0..5 {
            epoch += 1;
            core.on_announce(at(ms), at(0), &announce(ms, epoch));
            for action in actions(&mut core) {
                if let MappingAction::Map { ticket, .. } = action {
                    tries += 1;
                    core.on_map_failed(at(ms), ticket);
                }
            }
            let _told = actions(&mut core);
        }
        core.on_timeout(at(ms));
    }
    assert!((10..40).contains(&tries), "{tries} in ten seconds");
    assert_eq!(
        core.mapped_epoch(),
        Some(Epoch::new(5)),
        "in use all the time"
    );
    // The driver goes on announcing what is true, and is followed within its period.
    let mut ms = 10_000;
    while core.mapped_epoch() != Some(Epoch::new(6)) {
        hear(&mut core, ms, 6);
        core.on_timeout(at(ms));
        for action in actions(&mut core) {
            match action {
                MappingAction::Map { ticket, regions } if regions.epoch == Epoch::new(6) => {
                    core.on_mapped(at(ms), ticket);
                }
                MappingAction::Map { ticket, .. } => core.on_map_failed(at(ms), ticket),
                _ => {}
            }
        }
        ms += 100;
        assert!(ms < 14_000, "{core:?}");
    }
}

//! Without a driver: mapping from announces alone, and noticing by itself that a producer is gone.

use super::*;
use crate::client::SourceEnd;

const PID: u64 = 4_711;

fn watching() -> MappingCore {
    let mut core = consumer();
    core.on_joined(at(0));
    core.on_watching(at(0), STREAM);
    core
}

/// Mapped from its first announce, at 10.
fn watched(epoch: u64) -> MappingCore {
    let mut core = watching();
    hear(&mut core, 10, epoch);
    let ticket = ticket(&mut core);
    core.on_mapped_of(at(10), ticket, PID);
    adopted(&mut core, epoch, Adoption::First);
    core
}

fn adopted(core: &mut MappingCore, of: u64, as_what: Adoption) {
    match &actions(core)[..] {
        [
            MappingAction::Adopt {
                epoch, adoption, ..
            },
        ] => {
            assert_eq!((epoch.get(), *adoption), (of, as_what));
        }
        other => panic!("expected an adoption, found {other:?}"),
    }
}

fn lost(epoch: u64) -> [MappingAction; 2] {
    let epoch = Epoch::new(epoch);
    [
        MappingAction::SourceEnded {
            epoch,
            producer_id: Some(PRODUCER),
            end: SourceEnd::Lost(None),
        },
        MappingAction::Revoke { epoch },
    ]
}

/// Proves [TP-CLI-3240].
#[test]
fn a_fresh_announce_is_mapped_without_any_grant() {
    let mut core = consumer();
    core.on_joined(at(5_000));
    hear(&mut core, 5_000, 5);
    assert_eq!(actions(&mut core), [], "neither granted nor watching");
    core.on_watching(at(5_000), STREAM);
    core.on_announce(at(5_000), at(0), &announce(1_900, 5));
    core.on_announce(at(5_000), at(0), &announce(3_900, 5));
    let mut other = announce(5_000, 5);
    other.stream_id = StreamId::new(3);
    core.on_announce(at(5_000), at(0), &other);
    let mut broken = announce(5_000, 5);
    broken.layout_version = 9;
    core.on_announce(at(5_000), at(0), &broken);
    let is_map = |action: &MappingAction| matches!(action, MappingAction::Map { .. });
    let has_mapped = actions(&mut core).iter().any(is_map);
    assert!(!has_mapped, "stale, before the join, foreign, broken");
    core.on_announce(at(5_001), at(0), &announce(5_001, 5));
    ticket(&mut core);
}

/// Proves [TP-CLI-3242].
#[test]
fn an_announce_that_comes_on_two_streams_is_one() {
    let mut core = watching();
    hear(&mut core, 10, 5);
    hear(&mut core, 10, 5);
    let ticket = ticket(&mut core);
    core.on_mapped_of(at(11), ticket, PID);
    adopted(&mut core, 5, Adoption::First);
    // A lower epoch has to be repeated, and the same message is no repetition.
    core.on_superblock(at(8_000), Epoch::new(5), at(0), PID);
    actions(&mut core);
    hear(&mut core, 8_000, 4);
    hear(&mut core, 8_000, 4);
    assert_eq!(actions(&mut core), []);
    hear(&mut core, 9_000, 4);
    super::ticket(&mut core);
}

/// Proves [TP-CLI-3250].
#[test]
fn regions_nobody_keeps_alive_are_not_put_into_use() {
    let core = watching();
    let accepts = |now, activity| core.accepts_activity(at(now), activity);
    assert!(accepts(10_000, NanoTime::new(0)), "unknown");
    assert!(accepts(10_000, at(7_000)));
    assert!(!accepts(10_000, at(6_999)));
    assert!(
        !accepts(10_000, NanoTime::new(1)),
        "created and never refreshed"
    );
    assert!(
        consumer().accepts_activity(at(10_000), NanoTime::new(1)),
        "the driver's business"
    );
}

/// Proves [TP-CLI-3252].
#[test]
fn three_periods_of_silence_end_a_source() {
    let mut core = watched(5);
    hear(&mut core, 1_000, 5);
    assert_eq!(core.next_deadline(), Some(at(4_000)));
    core.on_timeout(at(3_999));
    assert_eq!(actions(&mut core), []);
    core.on_timeout(at(4_000));
    assert_eq!(actions(&mut core), lost(5));
    core.on_timeout(at(60_000));
    assert_eq!(actions(&mut core), [], "told once");
}

/// Proves [TP-CLI-3253].
#[test]
fn silence_says_nothing_while_nothing_can_be_heard() {
    let mut core = watched(5);
    core.on_hearing(at(2_000), false);
    core.on_timeout(at(60_000));
    assert_eq!(actions(&mut core), []);
    core.on_hearing(at(60_000), true);
    core.on_timeout(at(62_999));
    assert_eq!(actions(&mut core), []);
    core.on_timeout(at(63_000));
    assert_eq!(actions(&mut core), lost(5));
}

/// Proves [TP-CLI-3254].
#[test]
fn a_creator_that_is_gone_ends_its_source() {
    let mut core = watched(5);
    core.on_creator_gone(at(20), Epoch::new(4));
    assert_eq!(actions(&mut core), []);
    core.on_creator_gone(at(20), Epoch::new(5));
    assert_eq!(actions(&mut core), lost(5));
    let mut granted = mapped(5);
    granted.on_creator_gone(at(20), Epoch::new(5));
    assert_eq!(
        actions(&mut granted),
        [],
        "with a driver that is its business"
    );
}

/// Proves [TP-CLI-3257].
#[test]
fn a_source_whose_memory_is_damaged_has_ended_and_may_come_back() {
    let mut core = watched(5);
    core.on_memory_damaged(at(20), Epoch::new(4));
    assert_eq!(actions(&mut core), []);
    core.on_memory_damaged(at(20), Epoch::new(5));
    assert_eq!(actions(&mut core), lost(5), "at once");
    hear(&mut core, 30, 5);
    ticket(&mut core);
    // Of one that said good-bye nothing more is told.
    let mut core = watched(5);
    core.on_lease_revoked(at(20), &revoked(PRODUCER, LeaseRevokeReason::Detached));
    actions(&mut core);
    core.on_memory_damaged(at(30), Epoch::new(5));
    let is_end = |action: &MappingAction| matches!(action, MappingAction::SourceEnded { .. });
    assert!(!actions(&mut core).iter().any(is_end));
    // With a driver that is its business.
    let mut granted = mapped(5);
    granted.on_memory_damaged(at(20), Epoch::new(5));
    assert!(!actions(&mut granted).iter().any(is_end));
    assert_eq!(granted.mapped_epoch(), None, "and mapped anew");
}

/// Proves [TP-CLI-3259].
#[test]
fn memory_that_is_removed_after_a_good_bye_is_not_mapped_again() {
    let mut core = watched(5);
    core.on_lease_revoked(at(20), &revoked(PRODUCER, LeaseRevokeReason::Detached));
    actions(&mut core);
    core.on_memory_damaged(at(30), Epoch::new(5));
    let epoch = Epoch::new(5);
    assert_eq!(actions(&mut core), [MappingAction::Revoke { epoch }]);
    for ms in (30..10_000).step_by(100) {
        core.on_timeout(at(ms));
    }
    assert_eq!((actions(&mut core), core.next_deadline()), (vec![], None));
    hear(&mut core, 10_000, 6);
    ticket(&mut core);
}

/// Proves [TP-CLI-3256].
#[test]
fn a_source_without_activity_or_of_another_process_has_ended() {
    let mut core = watched(5);
    core.on_superblock(at(3_000), Epoch::new(5), at(10), PID);
    hear(&mut core, 3_005, 5);
    assert_eq!(actions(&mut core), []);
    core.on_superblock(at(3_011), Epoch::new(5), at(10), PID);
    assert_eq!(actions(&mut core), lost(5));
    let mut core = watched(5);
    core.on_superblock(at(20), Epoch::new(5), at(20), PID);
    core.on_superblock(at(30), Epoch::new(5), at(30), PID + 1);
    assert_eq!(actions(&mut core), lost(5));
}

/// Proves [TP-CLI-3258].
#[test]
fn who_said_good_bye_is_read_to_the_end() {
    let mut core = watched(5);
    core.on_lease_revoked(at(20), &revoked(PRODUCER, LeaseRevokeReason::Detached));
    let detached = MappingAction::SourceEnded {
        epoch: Epoch::new(5),
        producer_id: Some(PRODUCER),
        end: SourceEnd::Detached,
    };
    assert_eq!(actions(&mut core), [detached]);
    core.on_creator_gone(at(30), Epoch::new(5));
    core.on_superblock(at(9_000), Epoch::new(5), at(10), PID);
    core.on_timeout(at(9_000));
    assert_eq!(actions(&mut core), []);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(5)));
}

/// Proves [TP-CLI-3260].
#[test]
fn a_source_that_is_heard_again_goes_on_where_it_was() {
    let mut core = watched(5);
    core.on_timeout(at(3_010));
    assert_eq!(actions(&mut core), lost(5));
    core.on_announce(at(3_020), at(0), &announce(3_010, 5));
    assert_eq!(actions(&mut core), [], "said before it was lost");
    hear(&mut core, 3_030, 5);
    let ticket = ticket(&mut core);
    core.on_mapped_of(at(3_040), ticket, PID);
    adopted(&mut core, 5, Adoption::SameEpoch);
    core.on_timeout(at(6_040));
    assert_eq!(actions(&mut core), lost(5), "and can be lost again");
}

/// Proves [TP-CLI-3262].
#[test]
fn an_epoch_that_another_process_begins_anew_is_joined_like_a_first_one() {
    let mut core = watched(1);
    core.on_creator_gone(at(20), Epoch::new(1));
    assert_eq!(actions(&mut core), lost(1));
    hear(&mut core, 1_000, 1);
    let ticket = ticket(&mut core);
    core.on_mapped_of(at(1_010), ticket, PID + 1);
    let anew = Adoption::OlderEpoch { old: Epoch::new(1) };
    adopted(&mut core, 1, anew);
}

/// Proves [TP-CLI-3262].
#[test]
fn only_another_process_that_is_known_begins_an_epoch_anew() {
    let mut core = watched(1);
    let mut ms = 20;
    let mut again = |pid| {
        core.on_creator_gone(at(ms), Epoch::new(1));
        assert_eq!(actions(&mut core), lost(1));
        hear(&mut core, ms + 1, 1);
        let ticket = ticket(&mut core);
        core.on_mapped_of(at(ms + 2), ticket, pid);
        ms += 10;
        match &actions(&mut core)[..] {
            [MappingAction::Adopt { adoption, .. }] => *adoption,
            other => panic!("{other:?}"),
        }
    };
    let anew = Adoption::OlderEpoch { old: Epoch::new(1) };
    assert_eq!(again(PID), Adoption::SameEpoch);
    assert_eq!(again(0), Adoption::SameEpoch, "nobody knows");
    assert_eq!(again(PID), Adoption::SameEpoch, "the one before that");
    assert_eq!(again(PID + 1), anew);
    assert_eq!(again(PID + 1), Adoption::SameEpoch);
    // Epochs of their own may well be of another process.
    hear(&mut core, ms, 2);
    let ticket = ticket(&mut core);
    core.on_mapped_of(at(ms), ticket, PID);
    let told = actions(&mut core);
    let next = Adoption::NewEpoch { old: Epoch::new(1) };
    assert!(
        matches!(told[..], [_, MappingAction::Adopt { adoption, .. }] if adoption == next),
        "{told:?}"
    );
}

/// Proves [TP-CLI-3264].
#[test]
fn the_end_of_an_epoch_that_another_one_takes_over_is_told() {
    let mut core = watched(5);
    hear(&mut core, 500, 6);
    let ticket = ticket(&mut core);
    assert_eq!(
        core.mapped_epoch(),
        Some(Epoch::new(5)),
        "in use until then"
    );
    core.on_mapped_of(at(510), ticket, PID + 1);
    let told = actions(&mut core);
    assert_eq!(told[0], lost(5)[0]);
    let MappingAction::Adopt { adoption, .. } = told[1] else {
        panic!("{told:?}");
    };
    assert_eq!(adoption, Adoption::NewEpoch { old: Epoch::new(5) });
}

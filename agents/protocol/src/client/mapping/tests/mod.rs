//! What the mapping core promises, rule by rule; random histories have a file of their own.

use super::*;
use crate::client::Adoption;
use crate::common::EnumField;

mod direct;
mod floods;
mod random;
mod support;

use support::*;

/// Proves [TP-CLI-0610].
#[test]
fn a_grant_is_mapped_at_once_without_an_announce() {
    let mut core = consumer();
    core.on_granted(at(0), &regions(5));
    let ticket = ticket(&mut core);
    assert_eq!(core.mapped_epoch(), None);
    core.on_mapped(at(1), ticket);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(5)));
}

/// Proves [TP-CLI-0625].
#[test]
fn an_epoch_that_was_announced_before_the_grant_arrived_is_mapped_as_well() {
    let mut core = mapped(5);
    core.on_lost(at(5_000));
    actions(&mut core);
    hear(&mut core, 9_000, 8);
    assert_eq!(actions(&mut core), [], "there is no lease");
    core.on_granted(at(9_001), &regions(7));
    let granted = ticket(&mut core);
    core.on_mapped(at(9_002), granted);
    let after: Vec<_> = actions(&mut core);
    let [
        MappingAction::Adopt { epoch, .. },
        MappingAction::Map { regions, .. },
    ] = &after[..]
    else {
        panic!("{after:?}");
    };
    assert_eq!((epoch.get(), regions.epoch.get()), (7, 8));
}

/// Proves [TP-CLI-0625], [TP-CLI-0770].
#[test]
fn what_was_announced_without_a_lease_means_nothing_when_it_is_older_than_the_grant() {
    for (heard_ms, epoch) in [(9_000, 7), (9_000, 6), (5_001, 8)] {
        let mut core = mapped(5);
        core.on_lost(at(5_000));
        actions(&mut core);
        hear(&mut core, heard_ms, epoch);
        core.on_granted(at(9_001), &regions(7));
        let granted = ticket(&mut core);
        core.on_mapped(at(9_002), granted);
        let after = actions(&mut core);
        assert!(
            matches!(&after[..], [MappingAction::Adopt { .. }]),
            "{epoch} at {heard_ms}: {after:?}"
        );
    }
}

/// Proves [TP-CLI-0660].
#[test]
fn announces_of_the_mapped_epoch_change_nothing() {
    let mut core = mapped(5);
    for ms in [1_000, 2_000, 2_000, 3_000] {
        hear(&mut core, ms, 5);
    }
    assert_eq!(actions(&mut core), []);
    let mut moved = announce(4_000, 5);
    moved.regions.header_uri.push('x');
    core.on_announce(at(4_000), at(0), &moved);
    ticket(&mut core);
    assert_eq!(
        core.mapped_epoch(),
        Some(Epoch::new(5)),
        "in use until the new one is there"
    );
}

/// Proves [TP-CLI-0620], [TP-CLI-0630].
#[test]
fn a_higher_epoch_is_mapped_first_and_swapped_in_then() {
    let mut core = mapped(5);
    hear(&mut core, 100, 6);
    let ticket = ticket(&mut core);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(5)));
    hear(&mut core, 101, 6);
    assert_eq!(actions(&mut core), [], "the worker is at it");
    core.on_mapped(at(110), ticket);
    let adoption = Adoption::NewEpoch { old: Epoch::new(5) };
    let epoch = Epoch::new(6);
    let adopt = MappingAction::Adopt {
        ticket,
        stream_id: STREAM,
        epoch,
        adoption,
    };
    assert_eq!(actions(&mut core), [adopt]);
    assert_eq!(core.stats().remaps, 1);
}

/// Proves [TP-CLI-0670].
#[test]
fn lower_epochs_are_ignored_while_the_mapped_one_lives() {
    let mut core = mapped(5);
    for ms in (1_000..6_000).step_by(1_000) {
        hear(&mut core, ms, 4);
        core.on_superblock(at(ms), Epoch::new(5), at(ms), 1);
    }
    assert_eq!(actions(&mut core), []);
    assert_eq!(core.stats().announces_lower_epoch, 5);
}

/// Proves [TP-CLI-0680].
#[test]
fn a_lower_epoch_replaces_a_stale_one_when_announced_twice_in_a_row() {
    let mut core = mapped(5);
    core.on_superblock(at(4_000), Epoch::new(5), at(0), 1);
    assert_eq!(
        actions(&mut core),
        [MappingAction::SourceStale {
            epoch: Epoch::new(5)
        }]
    );
    hear(&mut core, 4_000, 4);
    hear(&mut core, 4_500, 3);
    assert_eq!(
        actions(&mut core),
        [],
        "two different ones are not two in a row"
    );
    hear(&mut core, 5_000, 3);
    let ticket = ticket(&mut core);
    core.on_mapped(at(5_001), ticket);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(3)));
}

/// Proves [TP-CLI-0700], [TP-CLI-0710], [TP-CLI-0720].
#[test]
fn announces_from_before_the_join_stale_or_of_unknown_clocks_are_ignored() {
    let mut core = mapped(5);
    core.on_joined(at(2_000));
    core.on_announce(at(2_100), at(0), &announce(999, 6));
    core.on_announce(at(6_000), at(0), &announce(2_999, 6));
    let unknown = Announce {
        clock_domain: None,
        ..announce(6_000, 6)
    };
    core.on_announce(at(6_000), at(0), &unknown);
    let unstamped = Announce {
        timestamp: NanoTime::new(0),
        ..announce(6_000, 6)
    };
    core.on_announce(at(6_000), at(0), &unstamped);
    assert_eq!(actions(&mut core), []);
    assert_eq!(core.stats().announces_stale, 4);
    core.on_joined(at(7_000));
    core.on_announce(at(7_000), at(0), &announce(6_000, 6));
    ticket(&mut core);
}

/// Proves [TP-CLI-0720].
#[test]
fn an_announce_without_a_time_is_not_one_of_the_first_second() {
    let mut core = mapped(5);
    core.on_joined(at(2_000));
    let unstamped = Announce {
        clock_domain: Some(ClockDomain::RealtimeSynced),
        timestamp: NanoTime::new(0),
        ..announce(0, 6)
    };
    core.on_announce(at(2_000), NanoTime::new(1), &unstamped);
    assert_eq!(actions(&mut core), []);
    assert_eq!(core.stats().announces_stale, 1);
}

/// Proves [TP-CLI-0730].
#[test]
fn realtime_announces_are_judged_by_the_realtime_clock_only() {
    let mut core = mapped(5);
    core.on_joined(at(5_000));
    let realtime = |ms: u64| NanoTime::new(1_700_000_000_000 * MS + ms * MS);
    let stamped = |ms, epoch| Announce {
        clock_domain: Some(ClockDomain::RealtimeSynced),
        timestamp: realtime(ms),
        ..announce(0, epoch)
    };
    core.on_announce(at(9_000), realtime(4_000), &stamped(999, 6));
    assert_eq!(actions(&mut core), []);
    core.on_announce(at(9_000), realtime(4_000), &stamped(1_000, 6));
    ticket(&mut core);
}

/// Proves [TP-CLI-0740].
#[test]
fn impossible_regions_and_layouts_are_counted_and_ignored() {
    let mut core = mapped(5);
    let layout = Announce {
        layout_version: 2,
        ..announce(10, 6)
    };
    core.on_announce(at(10), at(0), &layout);
    let mut empty = announce(11, 6);
    empty.regions.pools.clear();
    core.on_announce(at(11), at(0), &empty);
    assert_eq!(actions(&mut core), []);
    assert_eq!(core.stats().announces_invalid, 2);
}

/// Proves [TP-CLI-2294].
#[test]
fn a_stream_that_cannot_be_read_is_told_of_while_nothing_of_it_is_in_use() {
    let mut core = mapped(5);
    core.on_lease_revoked(at(5), &revoked(PRODUCER, LeaseRevokeReason::Expired));
    actions(&mut core);
    let layout = Announce {
        layout_version: 2,
        ..announce(10, 6)
    };
    core.on_announce(at(10), at(0), &layout);
    let unreadable = MappingAction::Unreadable {
        epoch: Epoch::new(6),
    };
    assert_eq!(actions(&mut core), [unreadable]);
    core.on_announce(at(10), at(0), &announce(11, 6));
    ticket(&mut core);
}

/// Proves [TP-CLI-0750], [TP-CLI-0760].
#[test]
fn other_streams_and_producers_follow_no_announces() {
    let mut core = mapped(5);
    let foreign = Announce {
        stream_id: StreamId::new(1),
        ..announce(10, 6)
    };
    core.on_announce(at(10), at(0), &foreign);
    assert_eq!(actions(&mut core), []);
    let mut producer = MappingCore::new(MappingConfig::new(Role::Producer, 1));
    producer.on_granted(at(0), &regions(5));
    let ticket = ticket(&mut producer);
    producer.on_mapped(at(1), ticket);
    actions(&mut producer);
    hear(&mut producer, 10, 6);
    assert_eq!(actions(&mut producer), []);
}

/// Proves [TP-CLI-0630], [TP-CLI-0640].
#[test]
fn a_failed_mapping_is_retried_with_growing_pauses_and_keeps_the_old_one() {
    let mut core = mapped(5);
    hear(&mut core, 100, 6);
    let mut now = 100;
    let mut delays = Vec::new();
    for _ in 0..8 {
        let ticket = ticket(&mut core);
        core.on_map_failed(at(now), ticket);
        assert_eq!(core.mapped_epoch(), Some(Epoch::new(5)));
        match &actions(&mut core)[..] {
            [MappingAction::RetryMap { delay_ns, .. }] => {
                assert_eq!(core.next_deadline(), Some(at(now).after_ns(*delay_ns)));
                delays.push(delay_ns / MS);
            }
            other => panic!("{other:?}"),
        }
        now += 3_200;
        core.on_timeout(at(now));
    }
    assert!(delays[0] <= 100 && delays[7] >= 1_600 && delays.iter().all(|&d| d <= 3_200));
    let ticket = ticket(&mut core);
    core.on_mapped(at(now), ticket);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(6)));
}

/// Proves [TP-CLI-0690].
#[test]
fn an_epoch_that_cannot_be_mapped_does_not_keep_the_stream_from_going_on() {
    let mut core = mapped(10);
    hear(&mut core, 10, 9_999);
    let bogus = ticket(&mut core);
    core.on_map_failed(at(11), bogus);
    let _ = actions(&mut core);
    hear(&mut core, 20, 10);
    assert_eq!(actions(&mut core), [], "what is in use stays in use");
    assert_eq!(core.next_deadline(), None, "and nothing else is tried");
    hear(&mut core, 30, 9_999);
    let bogus = ticket(&mut core);
    core.on_map_failed(at(31), bogus);
    let _ = actions(&mut core);
    hear(&mut core, 40, 11);
    let real = ticket(&mut core);
    core.on_mapped(at(41), real);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(11)));
}

/// Proves [TP-CLI-0770], [TP-CLI-0860].
#[test]
fn losing_the_lease_revokes_and_a_new_grant_of_the_same_epoch_continues_it() {
    let mut core = mapped(5);
    hear(&mut core, 100, 6);
    let pending = ticket(&mut core);
    core.on_lost(at(200));
    assert_eq!(
        actions(&mut core),
        [MappingAction::Revoke {
            epoch: Epoch::new(5)
        }]
    );
    core.on_mapped(at(210), pending);
    assert_eq!(
        actions(&mut core),
        [MappingAction::Discard { ticket: pending }]
    );
    hear(&mut core, 300, 5);
    assert_eq!(actions(&mut core), [], "without a lease nothing is mapped");
    core.on_granted(at(400), &regions(5));
    let again = ticket(&mut core);
    core.on_mapped(at(401), again);
    assert!(matches!(
        actions(&mut core)[..],
        [MappingAction::Adopt {
            adoption: Adoption::SameEpoch,
            ..
        }]
    ));
}

/// Proves [TP-CLI-0800], [TP-CLI-1930].
#[test]
fn a_detached_producer_ends_the_stream_once_and_keeps_its_frames_readable() {
    let mut core = mapped(5);
    core.on_lease_revoked(at(10), &revoked(PRODUCER, LeaseRevokeReason::Detached));
    core.on_lease_revoked(at(11), &revoked(PRODUCER, LeaseRevokeReason::Detached));
    let ended = MappingAction::SourceEnded {
        epoch: Epoch::new(5),
        producer_id: Some(PRODUCER),
        end: SourceEnd::Detached,
    };
    assert_eq!(actions(&mut core), [ended]);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(5)));
    hear(&mut core, 20, 6);
    let ticket = ticket(&mut core);
    core.on_mapped(at(21), ticket);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(6)));
}

/// Proves [TP-CLI-0790], [TP-CLI-0800].
#[test]
fn an_epoch_that_goes_on_being_announced_after_its_producer_left_is_not_taken_for_a_new_one() {
    let mut core = mapped(5);
    core.on_lease_revoked(at(10), &revoked(PRODUCER, LeaseRevokeReason::Detached));
    assert_eq!(actions(&mut core).len(), 1, "the end");
    for (ms, producer_id) in [(20, Some(PRODUCER)), (1_020, None), (2_020, None)] {
        let same = Announce {
            producer_id,
            ..announce(ms, 5)
        };
        core.on_announce(at(ms), at(0), &same);
        assert_eq!(actions(&mut core), [], "{producer_id:?}");
        assert_eq!(core.mapped_epoch(), Some(Epoch::new(5)), "still to be read");
    }
    hear(&mut core, 3_020, 6);
    let ticket = ticket(&mut core);
    core.on_mapped(at(3_021), ticket);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(6)));
}

/// Proves [TP-CLI-0780], [TP-CLI-0790].
#[test]
fn an_expired_producer_voids_the_mapping() {
    let mut core = mapped(5);
    core.on_lease_revoked(at(10), &revoked(PRODUCER, LeaseRevokeReason::Expired));
    let epoch = Epoch::new(5);
    let end = SourceEnd::Lost(Some(LeaseRevokeReason::Expired));
    assert_eq!(
        actions(&mut core),
        [
            MappingAction::SourceEnded {
                epoch,
                producer_id: Some(PRODUCER),
                end
            },
            MappingAction::Revoke { epoch },
        ]
    );
    hear(&mut core, 20, 5);
    assert_eq!(actions(&mut core), [], "its old producer is gone for good");
    let taken_over = Announce {
        producer_id: Some(ClientId::new(78)),
        ..announce(30, 5)
    };
    core.on_announce(at(30), at(0), &taken_over);
    ticket(&mut core);
}

/// Proves [TP-CLI-0810].
#[test]
fn revokes_of_consumers_other_streams_and_other_producers_are_not_ours() {
    let mut core = mapped(5);
    let consumer = LeaseRevoked {
        role: EnumField::Known(Role::Consumer),
        ..revoked(PRODUCER, LeaseRevokeReason::Expired)
    };
    core.on_lease_revoked(at(10), &consumer);
    let foreign = LeaseRevoked {
        stream_id: StreamId::new(1),
        ..revoked(PRODUCER, LeaseRevokeReason::Expired)
    };
    core.on_lease_revoked(at(10), &foreign);
    core.on_lease_revoked(
        at(10),
        &revoked(ClientId::new(1), LeaseRevokeReason::Expired),
    );
    assert_eq!(actions(&mut core), []);
}

/// Proves [TP-CLI-1940].
#[test]
fn the_end_of_an_epoch_that_was_already_replaced_is_still_told() {
    let mut core = mapped(5);
    let successor = Announce {
        producer_id: Some(ClientId::new(78)),
        ..announce(10, 6)
    };
    core.on_announce(at(10), at(0), &successor);
    let ticket = ticket(&mut core);
    core.on_mapped(at(11), ticket);
    actions(&mut core);
    for _ in 0..2 {
        core.on_lease_revoked(at(12), &revoked(PRODUCER, LeaseRevokeReason::Detached));
    }
    let ended = MappingAction::SourceEnded {
        epoch: Epoch::new(5),
        producer_id: Some(PRODUCER),
        end: SourceEnd::Detached,
    };
    assert_eq!(actions(&mut core), [ended]);
    assert_eq!(
        core.mapped_epoch(),
        Some(Epoch::new(6)),
        "the new epoch is not touched"
    );
}

/// Proves [TP-CLI-1940].
#[test]
fn an_end_that_was_told_is_not_told_again_once_the_epoch_is_replaced() {
    let mut core = mapped(5);
    let detached = revoked(PRODUCER, LeaseRevokeReason::Detached);
    core.on_lease_revoked(at(10), &detached);
    let told = actions(&mut core);
    assert!(
        matches!(told[..], [MappingAction::SourceEnded { .. }]),
        "{told:?}"
    );
    hear(&mut core, 20, 6);
    let ticket = ticket(&mut core);
    core.on_mapped(at(21), ticket);
    actions(&mut core);
    assert_eq!(core.mapped_epoch(), Some(Epoch::new(6)));
    // Of another producer than the one at hand, so that it can only be meant for the epoch before.
    let successor = Announce {
        producer_id: Some(ClientId::new(78)),
        ..announce(30, 6)
    };
    core.on_announce(at(30), at(0), &successor);
    core.on_lease_revoked(at(31), &detached);
    assert_eq!(actions(&mut core), []);
}

/// Proves [TP-CLI-0840].
#[test]
fn another_process_behind_the_region_means_mapping_anew() {
    let mut core = mapped(5);
    core.on_superblock(at(10), Epoch::new(5), at(10), 0);
    core.on_superblock(at(20), Epoch::new(5), at(20), 100);
    core.on_superblock(at(30), Epoch::new(5), at(30), 0);
    core.on_superblock(at(40), Epoch::new(5), at(40), 100);
    assert_eq!(actions(&mut core), [], "0 is unknown");
    core.on_superblock(at(50), Epoch::new(5), at(50), 101);
    match &actions(&mut core)[..] {
        [
            MappingAction::Revoke { .. },
            MappingAction::Map { regions, .. },
        ] => {
            assert_eq!(regions.epoch, Epoch::new(5));
        }
        other => panic!("{other:?}"),
    }
}

/// Proves [TP-CLI-0830].
#[test]
fn an_unusable_mapping_is_voided_and_mapped_anew() {
    let mut core = mapped(5);
    core.on_unusable(at(10), Epoch::new(4));
    assert_eq!(actions(&mut core), [], "that one is not in use");
    core.on_unusable(at(10), Epoch::new(5));
    assert!(matches!(
        actions(&mut core)[..],
        [MappingAction::Revoke { .. }, MappingAction::Map { .. }]
    ));
    assert_eq!(core.mapped_epoch(), None);
}

/// Proves [TP-CLI-0850].
#[test]
fn an_activity_of_zero_is_unknown_and_staleness_is_told_once() {
    let mut core = mapped(5);
    core.on_superblock(at(9_000), Epoch::new(5), NanoTime::new(0), 1);
    assert_eq!(actions(&mut core), []);
    core.on_superblock(at(9_000), Epoch::new(5), at(1), 1);
    core.on_superblock(at(9_500), Epoch::new(5), at(1), 1);
    assert_eq!(
        actions(&mut core),
        [MappingAction::SourceStale {
            epoch: Epoch::new(5)
        }]
    );
    core.on_superblock(at(9_600), Epoch::new(5), at(9_600), 1);
    core.on_superblock(at(19_600), Epoch::new(5), at(9_600), 1);
    assert_eq!(
        actions(&mut core).len(),
        1,
        "and told again after it had recovered"
    );
}

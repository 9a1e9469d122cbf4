//! Memory is made, announced, and made again.

use super::*;
use crate::client::{ANNOUNCE_GAP_NS, AnnouncePath, AttachError, LossReason, ProvideError};

const GAP_MS: u64 = ANNOUNCE_GAP_NS / MS;

/// When it announces on this path, within so long.
fn announced(provider: &mut Provider, path: AnnouncePath, from_ms: u64, to_ms: u64) -> Vec<u64> {
    let mut times = Vec::new();
    for ms in from_ms..to_ms {
        provider.on_timeout(at(ms));
        if provider.is_announce_due(path) {
            provider.on_announced(at(ms), path);
            times.push(ms);
        }
    }
    times
}

#[test]
fn nothing_is_made_before_the_link_is_up() {
    let mut provider = Provider::new(config(Role::Producer));
    provider.open(at(0));
    provider.on_timeout(at(100));
    assert_eq!(actions(&mut provider), []);
    provider.on_link_up(at(200));
    provider.on_timeout(at(200));
    ticket(&mut provider);
    let mut lonely = Provider::new(config(Role::Producer));
    lonely.open(at(0));
    lonely.on_timeout(at(5_000));
    assert!(matches!(
        events(&mut lonely)[..],
        [AttachEvent::Failed(AttachError::NoAnswer { .. })]
    ));
    assert!(lonely.is_closed());
}

#[test]
fn a_stream_needs_an_id() {
    let config = AttachConfig::new(StreamId::new(0), Role::Producer, 1);
    let mut provider = Provider::new(config);
    provider.open(at(0));
    let failed = AttachEvent::Failed(AttachError::NoStreamId);
    assert_eq!(events(&mut provider), [failed]);
}

/// Proves [TP-CLI-3205].
#[test]
fn nothing_is_announced_before_its_regions_are_there() {
    let (mut provider, ticket) = making();
    for path in AnnouncePath::ALL {
        assert!(!provider.is_announce_due(path));
    }
    provider.on_provided(at(10), ticket, regions(OWN_EPOCH), 0);
    for path in AnnouncePath::ALL {
        assert!(provider.is_announce_due(path));
    }
}

/// Proves [TP-CLI-3220].
#[test]
fn the_first_announce_is_soon_repeated_and_then_once_per_period() {
    for path in AnnouncePath::ALL {
        let mut provider = provided();
        let times = announced(&mut provider, path, 0, 3_500);
        assert_eq!(
            times,
            [0, GAP_MS, 1_000 + GAP_MS, 2_000 + GAP_MS, 3_000 + GAP_MS]
        );
    }
}

/// Proves [TP-CLI-3225].
#[test]
fn an_announce_that_did_not_get_out_stays_due() {
    let mut provider = provided();
    let path = AnnouncePath::Announce;
    for ms in 0..500 {
        provider.on_timeout(at(ms));
        assert!(provider.is_announce_due(path), "at {ms}");
    }
    provider.on_link_lost(at(500));
    assert!(!provider.is_announce_due(path));
    provider.on_link_up(at(900));
    assert!(provider.is_announce_due(path));
}

/// Proves [TP-CLI-3230].
#[test]
fn newcomers_hear_an_announce_at_once_and_floods_of_them_no_more_than_twenty_a_second() {
    let mut provider = provided();
    let path = AnnouncePath::Control;
    let times = announced(&mut provider, path, 0, 500);
    assert_eq!(times, [0, GAP_MS]);
    provider.on_newcomer(at(500));
    assert_eq!(announced(&mut provider, path, 500, 600), [500]);
    let mut count = 0;
    for ms in 600..1_600 {
        provider.on_newcomer(at(ms));
        count += announced(&mut provider, path, ms, ms + 1).len();
    }
    assert_eq!(count, 20);
}

/// Proves [TP-CLI-3120].
#[test]
fn damaged_memory_is_removed_and_made_anew() {
    let mut provider = provided();
    provider.on_memory_damaged(at(100));
    let lost = AttachEvent::Lost(LossReason::MemoryDamaged);
    assert_eq!(events(&mut provider), [lost]);
    assert_eq!(actions(&mut provider), [ProviderAction::Remove]);
    assert!(!provider.is_announce_due(AnnouncePath::Control));
    provider.on_removed(at(101));
    provider.on_timeout(provider.next_deadline().unwrap());
    let ticket = ticket(&mut provider);
    provider.on_provided(at(300), ticket, regions(OWN_EPOCH + 1), 0);
    assert!(provider.is_provided());
    assert!(provider.is_announce_due(AnnouncePath::Control));
}

/// Proves [TP-CLI-3145].
#[test]
fn who_cannot_have_the_stream_tries_on_and_then_says_why_not() {
    for error in [
        ProvideError::Held("pid 7 has it".into()),
        ProvideError::NoSpace("pid 7 has it".into()),
    ] {
        let (mut provider, mut ticket) = making();
        let (mut tries, mut said) = (1, Vec::new());
        loop {
            provider.on_provide_failed(at(0), ticket, &error);
            let next = provider.next_deadline().unwrap();
            provider.on_timeout(next);
            said.extend(events(&mut provider));
            match actions(&mut provider)[..] {
                [ProviderAction::Provide { ticket: next }] => ticket = next,
                _ => break,
            }
            tries += 1;
        }
        let last = said.pop().unwrap();
        let AttachEvent::Failed(AttachError::NotProvided { reason, .. }) = last else {
            panic!("{last:?}");
        };
        assert_eq!((tries, reason.as_str()), (20, "pid 7 has it"));
    }
}

/// Proves [TP-CLI-3148].
#[test]
fn what_does_not_pass_by_itself_fails_the_open_and_not_a_producer_that_had_its_memory() {
    let broken = ProvideError::Failed("no such directory".into());
    let (mut provider, first) = making();
    provider.on_provide_failed(at(1), first, &broken);
    assert!(matches!(
        events(&mut provider)[..],
        [AttachEvent::Failed(AttachError::NotProvided { .. })]
    ));
    let mut provider = provided();
    provider.on_memory_damaged(at(100));
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let due = provider.next_deadline().unwrap();
        provider.on_timeout(due);
        let requested = actions(&mut provider);
        let Some(ProviderAction::Provide { ticket }) = requested.last() else {
            panic!("{requested:?}");
        };
        provider.on_provide_failed(due, *ticket, &broken);
        pauses.push(provider.next_deadline().unwrap().since_ns(due) / MS);
        events(&mut provider);
    }
    assert!(!provider.is_closed());
    assert!(pauses[7] > pauses[0] && pauses[7] <= 3_200, "{pauses:?}");
}

/// Proves [TP-CLI-3165].
#[test]
fn leftovers_are_swept_once_they_can_be_stale_until_none_stays() {
    let (mut provider, ticket) = making();
    provider.on_provided(at(0), ticket, regions(OWN_EPOCH), 2);
    provider.on_timeout(at(2_999));
    assert_eq!(actions(&mut provider), []);
    provider.on_timeout(at(3_000));
    assert_eq!(actions(&mut provider), [ProviderAction::Sweep]);
    provider.on_swept(at(3_010), 1);
    provider.on_timeout(at(6_010));
    assert_eq!(actions(&mut provider), [ProviderAction::Sweep]);
    provider.on_swept(at(6_020), 0);
    provider.on_timeout(at(60_000));
    assert_eq!(actions(&mut provider), []);
}

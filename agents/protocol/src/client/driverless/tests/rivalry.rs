//! Two producers on one stream.

use tensorpool_codecs::types::LeaseId;

use super::*;
use crate::client::{AttachError, LeaseRevoked, LossReason};
use crate::common::{EnumField, LeaseRevokeReason};

const OTHER: u32 = 77;

/// Proves [TP-CLI-3145].
#[test]
fn nothing_is_made_while_somebody_else_announces_the_stream() {
    let mut provider = Provider::new(config(Role::Producer));
    provider.open(at(0));
    provider.on_announce(at(1), &announce(1, OTHER, 9));
    provider.on_link_up(at(2));
    provider.on_timeout(at(3_000));
    assert_eq!(actions(&mut provider), [], "heard less than 3 s ago");
    provider.on_timeout(at(3_001));
    ticket(&mut provider);
    let mut refused = Provider::new(config(Role::Producer));
    refused.on_link_up(at(0));
    refused.open(at(0));
    for ms in (0..=5_000).step_by(1_000) {
        refused.on_announce(at(ms), &announce(ms, OTHER, 9));
        refused.on_timeout(at(ms));
    }
    let failed = AttachEvent::Failed(AttachError::AnnouncedElsewhere {
        stream_id: STREAM,
        holder: Some(ClientId::new(OTHER)),
        epoch: Epoch::new(9),
    });
    assert_eq!(events(&mut refused), [failed]);
}

/// Proves [TP-CLI-3146].
#[test]
fn the_last_words_of_a_dead_or_leaving_producer_stop_nobody() {
    let mut provider = Provider::new(config(Role::Producer));
    provider.open(at(1_000));
    provider.on_link_up(at(1_000));
    provider.on_announce(at(1_001), &announce(999, OTHER, 9));
    let mut unknown = announce(1_001, OTHER, 9);
    unknown.clock_domain = None;
    provider.on_announce(at(1_001), &unknown);
    let mut other_stream = announce(1_001, OTHER, 9);
    other_stream.stream_id = StreamId::new(3);
    provider.on_announce(at(1_001), &other_stream);
    provider.on_announce(at(1_002), &announce(1_002, OTHER, 9));
    let bye = LeaseRevoked {
        lease_id: LeaseId::new(1),
        stream_id: STREAM,
        client_id: ClientId::new(OTHER),
        role: EnumField::Known(Role::Producer),
        reason: EnumField::Known(LeaseRevokeReason::Detached),
    };
    provider.on_lease_revoked(&LeaseRevoked {
        role: EnumField::Known(Role::Consumer),
        ..bye
    });
    provider.on_timeout(at(1_003));
    assert_eq!(actions(&mut provider), [], "a consumer's good-bye");
    provider.on_lease_revoked(&bye);
    provider.on_timeout(at(1_004));
    ticket(&mut provider);
}

/// Proves [TP-CLI-3150].
#[test]
fn who_came_later_gives_way() {
    let mut provider = provided();
    let own = announce(10, provider.client_id().get(), OWN_EPOCH);
    provider.on_announce(at(10), &own);
    assert_eq!(events(&mut provider), []);
    provider.on_announce(at(20), &announce(20, OTHER, OWN_EPOCH - 1));
    let superseded = LossReason::Superseded(Epoch::new(OWN_EPOCH - 1));
    assert_eq!(events(&mut provider), [AttachEvent::Lost(superseded)]);
    assert_eq!(actions(&mut provider), [ProviderAction::Remove]);
    // What is still heard of the own announces does not count as a rival.
    provider.on_announce(at(30), &own);
    provider.on_timeout(at(3_019));
    assert_eq!(actions(&mut provider), []);
    provider.on_timeout(at(3_020));
    ticket(&mut provider);
}

/// Proves [TP-CLI-3155].
#[test]
fn who_was_first_gives_way_only_to_somebody_who_does_not() {
    let mut provider = provided();
    for ms in (0..3_000).step_by(500) {
        provider.on_announce(at(ms), &announce(ms, OTHER, OWN_EPOCH + 1));
        assert_eq!(events(&mut provider), [], "at {ms}");
    }
    provider.on_announce(at(3_000), &announce(3_000, OTHER, OWN_EPOCH + 1));
    let superseded = LossReason::Superseded(Epoch::new(OWN_EPOCH + 1));
    assert_eq!(events(&mut provider), [AttachEvent::Lost(superseded)]);
}

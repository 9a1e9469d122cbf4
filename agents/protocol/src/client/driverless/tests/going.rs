//! Closing in order, and in the middle of something.

use super::*;
use crate::client::AnnouncePath;

/// Proves [TP-CLI-3280], [TP-CLI-3285].
#[test]
fn a_provider_says_good_bye_before_its_regions_go_and_announces_nothing_after_it() {
    let mut provider = provided();
    assert_eq!(provider.peek_farewell(), None);
    provider.close(at(10));
    assert!(!provider.is_announce_due(AnnouncePath::Control));
    assert_eq!(actions(&mut provider), []);
    let farewell = provider.peek_farewell().unwrap();
    assert_eq!(
        (farewell.stream_id, farewell.client_id, farewell.role),
        (STREAM, provider.client_id(), Role::Producer)
    );
    provider.on_farewell_sent(at(11));
    assert_eq!(provider.peek_farewell(), None);
    assert_eq!(actions(&mut provider), [ProviderAction::Remove]);
    assert!(!provider.is_closed(), "the regions are still there");
    provider.on_removed(at(12));
    assert_eq!(events(&mut provider), [AttachEvent::Closed]);
}

#[test]
fn without_a_link_or_a_worker_closing_ends_all_the_same() {
    let mut provider = provided();
    provider.on_link_lost(at(5));
    provider.close(at(10));
    assert_eq!(actions(&mut provider), [ProviderAction::Remove]);
    provider.on_timeout(at(510));
    assert!(provider.is_closed());

    let mut silent = provided();
    silent.close(at(10));
    silent.on_timeout(at(510));
    assert_eq!(actions(&mut silent), [ProviderAction::Remove]);
    silent.on_timeout(at(1_010));
    assert!(silent.is_closed());
}

/// Proves [TP-CLI-3182].
#[test]
fn what_was_made_for_somebody_who_left_meanwhile_is_removed() {
    let (mut provider, ticket) = making();
    provider.close(at(1));
    assert!(!provider.is_closed());
    provider.on_provided(at(2), ticket, regions(OWN_EPOCH), 0);
    assert_eq!(actions(&mut provider), [ProviderAction::Remove]);
    assert_eq!(events(&mut provider), []);
    provider.on_removed(at(3));
    assert!(provider.is_closed());

    let (mut provider, _) = making();
    provider.close(at(1));
    provider.on_timeout(at(501));
    assert!(provider.is_closed(), "the worker takes too long");

    let mut waiting = Provider::new(config(Role::Producer));
    waiting.open(at(0));
    waiting.close(at(1));
    assert!(waiting.is_closed());
}

//! A consumer without a driver.

use super::*;
use crate::client::{AttachError, Watcher};

fn watcher(link_up: bool) -> Watcher {
    let mut watcher = Watcher::new(config(Role::Consumer));
    if link_up {
        watcher.on_link_up(at(0));
    }
    watcher.open(at(0));
    assert_eq!(watcher.poll_event(), Some(AttachEvent::Watching));
    watcher
}

/// Proves [TP-CLI-3245].
#[test]
fn a_first_producer_is_waited_for_as_long_as_an_attach_may_take() {
    let mut waiting = watcher(true);
    waiting.on_timeout(at(4_999));
    assert_eq!(waiting.poll_event(), None);
    waiting.on_mapping(true);
    waiting.on_timeout(at(5_000));
    assert_eq!(waiting.poll_event(), None, "one was found");
    waiting.on_mapping(false);
    waiting.on_timeout(at(5_000));
    let failed = AttachEvent::Failed(AttachError::NoProducer {
        stream_id: STREAM,
        waited_ns: 5_000 * MS,
    });
    assert_eq!(waiting.poll_event(), Some(failed));

    let mut lonely = watcher(false);
    lonely.on_timeout(at(5_000));
    assert!(matches!(
        lonely.poll_event(),
        Some(AttachEvent::Failed(AttachError::NoAnswer { .. }))
    ));

    let mut served = watcher(true);
    served.on_served();
    served.on_timeout(at(60_000));
    assert_eq!(served.poll_event(), None, "producers come and go");
}

/// Proves [TP-CLI-3290].
#[test]
fn a_consumer_says_good_bye() {
    let mut watcher = watcher(true);
    watcher.close(at(1));
    let farewell = watcher.peek_farewell().unwrap();
    assert_eq!(farewell.role, Role::Consumer);
    assert_eq!(farewell.client_id, watcher.client_id());
    assert_ne!(farewell.lease_id.get(), 0);
    watcher.on_farewell_sent(at(2));
    assert_eq!(watcher.poll_event(), Some(AttachEvent::Closed));
}

#[test]
fn nobody_waits_for_ever_to_say_good_bye() {
    let mut alone = watcher(false);
    alone.close(at(1));
    assert!(alone.is_closed());
    let mut held_up = watcher(true);
    held_up.close(at(1));
    held_up.on_timeout(at(501));
    assert!(held_up.is_closed());
}

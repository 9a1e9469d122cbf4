//! Random histories of everything that can happen to an attach client.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Send,
    Answer(u8),
    StaleAnswer,
    Revoke,
    Announce(u64),
    LinkLost,
    LinkUp,
    Shutdown(u64),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..1_500).prop_map(Step::Pass),
        4 => Just(Step::Send),
        4 => (0u8..5).prop_map(Step::Answer),
        1 => Just(Step::StaleAnswer),
        1 => Just(Step::Revoke),
        2 => (499u64..502).prop_map(Step::Announce),
        1 => Just(Step::LinkLost),
        1 => Just(Step::LinkUp),
        1 => (0u64..3).prop_map(Step::Shutdown),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #[test]
    fn random_histories_keep_the_promises(
        steps in prop::collection::vec(step(), 1..120), producer in any::<bool>(), seed in any::<u64>(),
    ) {
        let role = if producer { Role::Producer } else { Role::Consumer };
        let mut client = AttachClient::new(AttachConfig::new(STREAM, role, seed));
        client.open(at(0));
        let (mut ms, mut link, mut holds_lease, mut ended) = (0, false, false, false);
        let mut last_correlation = CorrelationId::new(0);
        for step in steps {
            match step {
                Step::Pass(delta) => {
                    ms += delta;
                    client.on_timeout(at(ms));
                }
                Step::Send => {
                    if client.peek_request().is_some() {
                        client.on_request_sent(at(ms));
                        prop_assert_eq!(client.peek_request(), None, "sent requests are not due");
                    }
                }
                Step::Answer(kind) => {
                    let answer = match kind {
                        0 | 1 => ok(last_correlation),
                        2 => rejected(last_correlation, "client_id already attached"),
                        3 => rejected(last_correlation, "producer already attached"),
                        _ => AttachResponse { lease_id: None, ..ok(last_correlation) },
                    };
                    client.on_attach_response(at(ms), &answer);
                }
                Step::StaleAnswer => client.on_attach_response(at(ms), &ok(CorrelationId::new(1))),
                Step::Revoke => client.on_lease_revoked(at(ms), &revoke_of(&client, 900)),
                Step::Announce(epoch) => client.on_announce(at(ms), &announce(ms, epoch)),
                Step::LinkLost => {
                    link = false;
                    client.on_link_lost(at(ms));
                }
                Step::LinkUp => {
                    link = true;
                    client.on_link_up(at(ms));
                }
                Step::Shutdown(stamp) => client.on_driver_shutdown(at(ms), DriverShutdown {
                    timestamp: at(stamp), reason: EnumField::Null,
                }),
                Step::Close => client.close(at(ms)),
            }
            while let Some(event) = client.poll_event() {
                prop_assert!(!ended, "nothing follows the end");
                match event {
                    AttachEvent::Attached(_) => {
                        prop_assert!(!holds_lease, "a lease follows a loss");
                        holds_lease = true;
                    }
                    AttachEvent::Lost(_) => {
                        prop_assert!(holds_lease);
                        holds_lease = false;
                    }
                    AttachEvent::Watching => prop_assert!(false, "there is a driver"),
                    AttachEvent::Retrying { .. } => prop_assert!(!holds_lease),
                    AttachEvent::IdShared(_) => prop_assert!(holds_lease),
                    AttachEvent::Failed(_) | AttachEvent::Closed => {
                        ended = true;
                        holds_lease = false;
                    }
                }
            }
            match client.peek_request() {
                Some(_) if !link => prop_assert!(false, "a request without a link"),
                Some(ControlRequest::Attach(request)) => {
                    prop_assert!(!holds_lease && request.client_id.get() != 0);
                    last_correlation = request.correlation_id;
                }
                Some(ControlRequest::Keepalive(_)) => prop_assert!(holds_lease),
                Some(ControlRequest::Detach(_)) | None => {}
            }
            prop_assert_eq!(client.is_closed(), ended);
            if ended {
                prop_assert_eq!(client.next_deadline(), None);
            }
        }
    }
}

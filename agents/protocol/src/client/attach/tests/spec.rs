//! Single promises about leases a client holds, each with a test of its own.

use super::*;

/// Proves [TP-CLI-0320].
#[test]
fn a_keepalive_that_was_not_sent_stays_due() {
    let mut client = attached(Role::Producer);
    for ms in [1, 50, 400, 900] {
        client.on_timeout(at(ms));
        let due = client.peek_request();
        assert!(matches!(due, Some(ControlRequest::Keepalive(_))), "{due:?}");
    }
    assert_eq!(client.stats().keepalives, 0);
    client.on_request_sent(at(900));
    assert_eq!(client.peek_request(), None);
}

/// Proves [TP-CLI-0430].
#[test]
fn a_lease_that_is_lost_is_asked_for_again_whatever_ended_it() {
    type Loss = fn(&mut AttachClient);
    let losses: [Loss; 5] = [
        |client| client.on_lease_revoked(at(10), &revoke_of(client, 900)),
        |client| {
            let notice = DriverShutdown {
                timestamp: at(5),
                reason: EnumField::Known(ShutdownReason::Admin),
            };
            client.on_driver_shutdown(at(10), notice);
        },
        |client| client.on_memory_damaged(at(10)),
        |client| client.on_announce(at(10), &announce(10, 501)),
        |client| {
            client.on_timeout(at(3_001));
        },
    ];
    for (index, lose) in losses.into_iter().enumerate() {
        let mut client = attached(Role::Producer);
        lose(&mut client);
        assert!(!client.is_attached(), "loss {index}");
        let told = events(&mut client);
        assert!(matches!(told[..], [AttachEvent::Lost(_)]), "{told:?}");
        client.on_timeout(at(3_200));
        let due = client.peek_request();
        assert!(
            matches!(due, Some(ControlRequest::Attach(_))),
            "loss {index}: {due:?}"
        );
    }
}

/// Proves [TP-CLI-0200].
#[test]
fn a_refusal_while_the_driver_drains_is_not_final() {
    let mut client = client(Role::Consumer);
    let id = correlation(&client);
    client.on_attach_response(at(1), &rejected(id, "driver draining"));
    let told = events(&mut client);
    assert!(
        matches!(told[..], [AttachEvent::Retrying { .. }]),
        "{told:?}"
    );
}

/// Proves [TP-CLI-0070].
#[test]
fn an_answer_with_a_code_nobody_knows_is_no_grant() {
    let mut client = client(Role::Consumer);
    let answer = AttachResponse {
        code: None,
        ..ok(correlation(&client))
    };
    client.on_attach_response(at(1), &answer);
    assert!(!client.is_attached());
    assert!(client.is_closed(), "a first refusal is final");
}

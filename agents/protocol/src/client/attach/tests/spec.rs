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

/// Proves [TP-CLI-0205].
#[test]
fn a_want_of_node_ids_is_waited_out_within_the_attach_timeout_and_then_named() {
    let seven = Some(NodeId::new(7));
    for (words, wanted, desired) in [
        ("node_id unavailable", None, None),
        ("node_id unavailable", Some(NodeId::new(0)), None),
        ("desired node_id unavailable", seven, seven),
    ] {
        let config = AttachConfig {
            desired_node_id: wanted,
            ..AttachConfig::new(STREAM, Role::Consumer, 42)
        };
        let mut client = AttachClient::new(config);
        client.on_link_up(at(0));
        client.open(at(0));
        let mut asked = Vec::new();
        let mut told = Vec::new();
        for ms in (0..=5_000).step_by(10) {
            client.on_timeout(at(ms));
            if client.peek_request().is_some() {
                let id = correlation(&client);
                client.on_request_sent(at(ms));
                client.on_attach_response(at(ms), &rejected(id, words));
                asked.push(ms);
            }
            told.append(&mut events(&mut client));
        }
        let pauses: Vec<u64> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((4..=12).contains(&asked.len()), "{asked:?}");
        assert!(pauses.last() > pauses.first(), "pauses grow: {pauses:?}");
        let (last, earlier) = told.split_last().unwrap();
        assert!(
            earlier
                .iter()
                .all(|event| matches!(event, AttachEvent::Retrying { .. })),
            "{earlier:?}"
        );
        let error = AttachError::NoNodeId { desired };
        assert!(error.to_string().contains("node_id unavailable"), "{error}");
        assert_eq!(last, &AttachEvent::Failed(error));
    }

    // Whom the cooldown of the others lets in is as good as any other.
    let mut client = client(Role::Consumer);
    let first = correlation(&client);
    client.on_attach_response(at(1), &rejected(first, "node_id unavailable"));
    client.on_timeout(at(1_000));
    let second = correlation(&client);
    client.on_attach_response(at(1_001), &ok(second));
    assert!(client.is_attached());

    // Any other want is not known to pass.
    let mut client = super::client(Role::Consumer);
    let id = correlation(&client);
    client.on_attach_response(at(1), &rejected(id, "lease limit reached"));
    let told = events(&mut client);
    let final_one = matches!(
        told[..],
        [AttachEvent::Failed(AttachError::Rejected { .. })]
    );
    assert!(final_one, "{told:?}");
}

/// Proves [TP-CLI-0460].
#[test]
fn an_id_that_was_chosen_and_is_used_by_somebody_else_is_given_back_for_another() {
    let mut client = attached(Role::Consumer);
    let first = client.client_id();
    client.on_foreign_report(at(10));
    client.on_foreign_report(at(11));
    client.on_foreign_report(at(509));
    assert!(client.is_attached(), "it may be left over from before");
    client.on_foreign_report(at(510));
    let told = events(&mut client);
    let lost = AttachEvent::Lost(LossReason::IdShared(first));
    assert_eq!(told, [lost]);
    let Some(ControlRequest::Detach(request)) = client.peek_request() else {
        panic!("the lease goes back: {:?}", client.peek_request());
    };
    assert_eq!(request.client_id, first);
    client.on_request_sent(at(511));
    let answer = DetachResponse {
        correlation_id: request.correlation_id,
        code: Some(ResponseCode::Ok),
    };
    client.on_detach_response(at(512), &answer);
    assert_ne!(client.client_id(), first);
    let id = correlation(&client);
    client.on_attach_response(at(513), &ok(id));
    assert!(client.is_attached());
    assert_eq!(client.stats().id_collisions, 1);
    assert!(!client.is_closed());

    // One that fell silent for long is forgotten: another one begins anew.
    client.on_foreign_report(at(1_000));
    client.on_foreign_report(at(7_000));
    assert!(client.is_attached());

    // Without an answer it goes on as well, and who closes meanwhile is closed.
    for closes in [false, true] {
        let mut client = attached(Role::Consumer);
        client.on_foreign_report(at(10));
        client.on_foreign_report(at(1_000));
        if closes {
            client.close(at(1_001));
        }
        client.on_timeout(at(2_000));
        assert_eq!(client.is_closed(), closes);
        let asks = matches!(client.peek_request(), Some(ControlRequest::Attach(_)));
        assert_eq!(asks, !closes);
    }
}

/// Proves [TP-CLI-0470].
#[test]
fn an_id_that_was_given_stays_and_so_does_the_last_of_many() {
    let given = AttachConfig {
        client_id: Some(ClientId::new(5)),
        ..AttachConfig::new(STREAM, Role::Consumer, 42)
    };
    let mut fixed = AttachClient::new(given);
    fixed.on_link_up(at(0));
    fixed.open(at(0));
    fixed.on_attach_response(at(1), &ok(correlation(&fixed)));
    events(&mut fixed);
    for ms in (10..3_000).step_by(300) {
        fixed.on_foreign_report(at(ms));
    }
    let told = AttachEvent::IdShared(ClientId::new(5));
    assert_eq!(events(&mut fixed), [told], "once");
    assert!(fixed.is_attached());

    let mut driven = attached(Role::Consumer);
    let mut ms = 10;
    let mut moves = 0;
    loop {
        driven.on_foreign_report(at(ms));
        driven.on_foreign_report(at(ms + 600));
        ms += 1_000;
        match events(&mut driven)[..] {
            [AttachEvent::Lost(LossReason::IdShared(_))] => moves += 1,
            [AttachEvent::IdShared(id)] => {
                assert_eq!(id, driven.client_id());
                break;
            }
            ref other => panic!("{other:?}"),
        }
        driven.on_timeout(at(ms + 600));
        driven.on_attach_response(at(ms + 600), &ok(correlation(&driven)));
        events(&mut driven);
        ms += 1_000;
    }
    assert_eq!(moves, 4);
    assert!(driven.is_attached());
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

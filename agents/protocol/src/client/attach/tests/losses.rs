//! Keeping a lease, losing it, getting it back, giving it back.

use super::*;

/// Proves [TP-CLI-0330].
#[test]
fn the_local_expiry_moves_with_each_keepalive_that_was_sent() {
    let mut client = attached(Role::Producer);
    run(&mut client, 10, 2_000);
    client.on_announce(at(2_000), &announce(2_000, 500));
    // The last keepalive left at 1010 ms; from now on none gets out.
    client.on_timeout(at(4_009));
    assert!(client.is_attached());
    client.on_timeout(at(4_011));
    assert_eq!(
        events(&mut client),
        [AttachEvent::Lost(LossReason::Expired)]
    );
}

/// Proves [TP-CLI-0340].
#[test]
fn a_lease_survives_a_short_link_loss_and_is_kept_alive_at_once_after_it() {
    let mut client = attached(Role::Producer);
    run(&mut client, 10, 20);
    client.on_link_lost(at(100));
    client.on_timeout(at(2_500));
    assert_eq!(client.peek_request(), None, "nothing can be sent");
    client.on_link_up(at(2_600));
    assert!(matches!(
        client.peek_request(),
        Some(ControlRequest::Keepalive(_))
    ));
    client.on_request_sent(at(2_600));
    client.on_timeout(at(3_500));
    assert!(
        client.is_attached(),
        "the driver's silence is counted from the link's return"
    );
    client.on_link_lost(at(3_600));
    client.on_timeout(at(5_601));
    assert_eq!(
        events(&mut client),
        [AttachEvent::Lost(LossReason::Expired)]
    );
    client.on_timeout(at(6_000));
    assert_eq!(client.peek_request(), None);
    client.on_link_up(at(6_001));
    client.on_timeout(at(6_001));
    assert!(matches!(
        client.peek_request(),
        Some(ControlRequest::Attach(_))
    ));
}

/// Proves [TP-CLI-0342].
#[test]
fn a_lease_stands_still_while_there_is_no_media_driver_and_begins_anew_after_it() {
    let mut client = attached(Role::Producer);
    run(&mut client, 10, 2_000);
    client.on_announce(at(2_000), &announce(2_000, 500));
    client.on_media_driver_lost(at(2_100));
    assert_eq!(client.next_deadline(), None);
    client.on_timeout(at(60_000));
    assert_eq!((events(&mut client), client.peek_request()), (vec![], None));
    client.on_link_up(at(60_000));
    assert!(matches!(
        client.peek_request(),
        Some(ControlRequest::Keepalive(_))
    ));
    // It cannot be sent, and the driver has to wait as long as if it were the first.
    client.on_announce(at(61_000), &announce(61_000, 500));
    client.on_timeout(at(62_999));
    assert!(client.is_attached());
    assert_eq!(client.next_deadline(), Some(at(60_000)), "the keepalive");
    client.on_timeout(at(63_000));
    assert_eq!(
        events(&mut client),
        [AttachEvent::Lost(LossReason::Expired)]
    );
}

/// Proves [TP-CLI-0344].
#[test]
fn a_lease_expires_in_its_time_while_only_this_client_is_cut_off() {
    let mut client = attached(Role::Producer);
    run(&mut client, 10, 20);
    client.on_link_lost(at(100));
    assert_eq!(client.next_deadline(), Some(at(3_010)));
    client.on_timeout(at(3_009));
    assert!(client.is_attached());
    client.on_timeout(at(3_010));
    assert_eq!(
        events(&mut client),
        [AttachEvent::Lost(LossReason::Expired)]
    );
}

/// Proves [TP-CLI-0346].
#[test]
fn a_client_that_stood_still_for_a_lease_time_has_no_lease_whatever_became_of_the_media_driver() {
    for (missed, survives) in [(3_009, true), (3_010, false)] {
        let mut client = attached(Role::Producer);
        run(&mut client, 10, 20);
        client.on_media_driver_lost(at(missed));
        client.on_timeout(at(missed));
        assert_eq!(client.is_attached(), survives, "missed at {missed}");
    }
}

/// Proves [TP-CLI-0172].
#[test]
fn who_is_refused_for_its_own_former_lease_is_told_so() {
    let mut client = attached(Role::Producer);
    let mine = Announce {
        producer_id: Some(client.client_id()),
        ..announce(10, 500)
    };
    client.on_announce(at(10), &mine);
    client.on_link_lost(at(20));
    client.on_timeout(at(4_000));
    client.on_link_up(at(4_000));
    client.on_timeout(at(4_000));
    let Some(ControlRequest::Attach(request)) = client.peek_request() else {
        panic!("{:?}", client.peek_request());
    };
    client.on_request_sent(at(4_000));
    events(&mut client);
    let refusal = rejected(request.correlation_id, "producer already attached");
    client.on_attach_response(at(4_001), &refusal);
    match &events(&mut client)[..] {
        [AttachEvent::Retrying { error, .. }] => {
            let text = error.to_string();
            assert!(text.contains("former lease of this very client"), "{text}");
            assert!(!text.contains("stop it"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

/// Proves [TP-CLI-0350].
#[test]
fn three_silent_periods_mean_that_the_driver_is_lost() {
    let mut client = attached(Role::Consumer);
    run(&mut client, 10, 1_000);
    client.on_announce(at(1_000), &announce(1_000, 500));
    run(&mut client, 1_010, 3_990);
    assert!(
        client.is_attached(),
        "keepalives alone prove nothing, but three periods are not over"
    );
    run(&mut client, 4_000, 4_010);
    assert_eq!(
        events(&mut client),
        [AttachEvent::Lost(LossReason::DriverLost)]
    );
}

/// Proves [TP-CLI-0360].
#[test]
fn announces_of_other_streams_are_no_sign_of_life() {
    let mut client = attached(Role::Consumer);
    for ms in (0..3_000).step_by(500) {
        let foreign = Announce {
            stream_id: StreamId::new(1),
            ..announce(ms, 500)
        };
        client.on_announce(at(ms), &foreign);
        run(&mut client, ms, ms + 490);
    }
    run(&mut client, 3_000, 3_010);
    assert!(!client.is_attached());
}

/// Proves [TP-CLI-0440], [TP-CLI-0450].
#[test]
fn after_a_loss_it_reattaches_with_growing_pauses_and_at_once_when_the_driver_is_heard() {
    let mut client = attached(Role::Consumer);
    run(&mut client, 10, 3_010);
    assert_eq!(
        events(&mut client),
        [AttachEvent::Lost(LossReason::DriverLost)]
    );
    let mut pauses = Vec::new();
    for ms in (3_020..60_000).step_by(10) {
        run(&mut client, ms, ms);
        for event in events(&mut client) {
            match event {
                AttachEvent::Retrying { delay_ns, .. } => pauses.push(delay_ns / MS),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(pauses.iter().all(|&pause| pause <= 3_200), "{pauses:?}");
    assert!(pauses.last() >= Some(&1_600), "{pauses:?}");
    // Drive into a pause, then let the driver announce.
    let mut ms = 60_000;
    while client.peek_request().is_some() || !matches!(client.state, State::Backoff(_)) {
        ms += 10;
        run(&mut client, ms, ms);
    }
    events(&mut client);
    client.on_announce(at(ms), &announce(ms, 600));
    client.on_timeout(at(ms));
    assert!(matches!(
        client.peek_request(),
        Some(ControlRequest::Attach(_))
    ));
}

/// Proves [TP-CLI-0310].
#[test]
fn a_client_that_stands_still_right_after_its_grant_keeps_its_lease_for_nearly_three_seconds() {
    let mut client = attached(Role::Consumer);
    let sent = run(&mut client, 10, 10);
    assert!(matches!(sent[..], [(10, ControlRequest::Keepalive(_))]));
    // The driver counts from that keepalive, and so does the client.
    client.on_timeout(at(2_910));
    assert!(client.is_attached());
    assert!(matches!(
        client.peek_request(),
        Some(ControlRequest::Keepalive(_))
    ));
    client.on_announce(at(2_910), &announce(2_910, 500));
    client.on_request_sent(at(2_910));
    client.on_timeout(at(5_909));
    assert!(client.is_attached(), "{:?}", events(&mut client));
    client.on_timeout(at(5_910));
    assert!(!client.is_attached());
}

/// Proves [TP-CLI-0370], [TP-CLI-0380].
#[test]
fn own_revokes_are_consumed_once_and_others_ignored() {
    let mut client = attached(Role::Producer);
    let foreign = LeaseRevoked {
        client_id: ClientId::new(1),
        ..revoke_of(&client, 900)
    };
    client.on_lease_revoked(at(10), &foreign);
    client.on_lease_revoked(at(10), &revoke_of(&client, 901));
    assert!(client.is_attached());
    client.on_lease_revoked(at(11), &revoke_of(&client, 900));
    client.on_lease_revoked(at(12), &revoke_of(&client, 900));
    let lost = LossReason::Revoked(Some(LeaseRevokeReason::Expired));
    assert_eq!(events(&mut client), [AttachEvent::Lost(lost)]);
}

/// Proves [TP-CLI-0390], [TP-CLI-0400].
#[test]
fn a_shutdown_notice_counts_once_even_after_the_driver_is_back() {
    let notice = DriverShutdown {
        timestamp: at(5),
        reason: EnumField::Known(ShutdownReason::Normal),
    };
    let mut client = attached(Role::Producer);
    client.on_driver_shutdown(at(10), notice);
    client.on_driver_shutdown(at(11), notice);
    let lost = LossReason::DriverShutdown(Some(ShutdownReason::Normal));
    assert_eq!(events(&mut client), [AttachEvent::Lost(lost)]);
    client.on_timeout(at(200));
    let id = correlation(&client);
    client.on_attach_response(at(201), &ok(id));
    events(&mut client);
    client.on_driver_shutdown(at(202), notice);
    assert!(
        client.is_attached(),
        "an old notice says nothing about the new driver"
    );
}

/// Proves [TP-CLI-0170].
#[test]
fn a_second_producer_is_retried_until_the_timeout_and_then_names_the_holder() {
    let mut client = client(Role::Producer);
    let held_since = at(0).get() - 7_350 * MS;
    client.on_announce(at(0), &announce(0, held_since));
    let mut attempts = 0;
    for ms in (0..5_000).step_by(10) {
        client.on_timeout(at(ms));
        if let Some(ControlRequest::Attach(request)) = client.peek_request() {
            attempts += 1;
            client.on_request_sent(at(ms));
            let answer = rejected(request.correlation_id, "producer already attached");
            client.on_attach_response(at(ms), &answer);
        }
        events(&mut client);
    }
    assert!(attempts > 10, "{attempts}");
    client.on_timeout(at(5_000));
    match &events(&mut client)[..] {
        [
            AttachEvent::Failed(
                error @ AttachError::ProducerHeld {
                    holder,
                    lease_age_ns,
                    ..
                },
            ),
        ] => {
            assert_eq!(*holder, Some(ClientId::new(77)));
            assert!(lease_age_ns.unwrap() >= 7_350 * MS);
            assert!(error.to_string().contains("client 77, for 12."), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

/// Proves [TP-CLI-0410].
#[test]
fn a_producer_whose_stream_went_on_without_it_has_lost_its_lease() {
    let mut client = attached(Role::Producer);
    client.on_announce(at(10), &announce(10, 500));
    assert!(client.is_attached());
    client.on_announce(at(11), &announce(11, 501));
    let lost = LossReason::Superseded(Epoch::new(501));
    assert_eq!(events(&mut client), [AttachEvent::Lost(lost)]);
    let mut consumer = attached(Role::Consumer);
    consumer.on_announce(at(11), &announce(11, 501));
    assert!(
        consumer.is_attached(),
        "a consumer follows the stream instead"
    );
}

/// Proves [TP-CLI-0420].
#[test]
fn damaged_memory_ends_the_lease_and_a_new_one_is_asked_for() {
    let mut client = attached(Role::Producer);
    client.on_memory_damaged(at(10));
    client.on_memory_damaged(at(11));
    assert_eq!(
        events(&mut client),
        [AttachEvent::Lost(LossReason::MemoryDamaged)]
    );
    client.on_timeout(at(200));
    assert!(matches!(
        client.peek_request(),
        Some(ControlRequest::Attach(_))
    ));
}

/// Proves [TP-CLI-0190].
#[test]
fn other_refusals_end_the_first_attach_but_not_a_reattach() {
    let mut first = client(Role::Producer);
    let id = correlation(&first);
    first.on_attach_response(at(1), &rejected(id, "stream not provisioned"));
    assert!(matches!(
        events(&mut first)[..],
        [AttachEvent::Failed(AttachError::Rejected { .. })]
    ));

    let mut again = attached(Role::Producer);
    again.on_lease_revoked(at(10), &revoke_of(&again, 900));
    events(&mut again);
    again.on_timeout(at(200));
    let id = correlation(&again);
    again.on_attach_response(at(201), &rejected(id, "stream not provisioned"));
    assert!(matches!(
        events(&mut again)[..],
        [AttachEvent::Retrying { .. }]
    ));
}

/// Proves [TP-CLI-0510].
#[test]
fn close_detaches_and_waits_for_the_answer_but_not_for_ever() {
    let mut client = attached(Role::Producer);
    run(&mut client, 10, 20);
    client.close(at(30));
    let Some(ControlRequest::Detach(request)) = client.peek_request() else {
        panic!("a detach is due");
    };
    assert_eq!(request.lease_id, LeaseId::new(900));
    client.on_request_sent(at(30));
    let answer = |code| DetachResponse {
        correlation_id: request.correlation_id,
        code: Some(code),
    };
    client.on_detach_response(at(31), &answer(ResponseCode::Ok));
    assert_eq!(events(&mut client), [AttachEvent::Closed]);

    let mut deaf = attached(Role::Producer);
    deaf.close(at(30));
    assert_eq!(run(&mut deaf, 30, 520).len(), 3, "the request is repeated");
    assert!(!deaf.is_closed());
    run(&mut deaf, 530, 540);
    assert_eq!(events(&mut deaf), [AttachEvent::Closed]);
}

/// Proves [TP-CLI-0520].
#[test]
fn a_rejected_detach_of_a_dynamic_stream_is_repeated_once_with_the_requested_id() {
    let mut client = client(Role::Producer);
    let id = correlation(&client);
    let dynamic = AttachResponse {
        stream_id: Some(StreamId::new(20_001)),
        ..ok(id)
    };
    client.on_attach_response(at(1), &dynamic);
    events(&mut client);
    client.close(at(2));
    let mut ids = Vec::new();
    while let Some(ControlRequest::Detach(request)) = client.peek_request() {
        ids.push(request.stream_id.get());
        client.on_request_sent(at(3));
        let correlation_id = request.correlation_id;
        let answer = DetachResponse {
            correlation_id,
            code: Some(ResponseCode::Rejected),
        };
        client.on_detach_response(at(3), &answer);
    }
    assert_eq!(ids, [20_001, 10_000]);
    assert!(client.is_closed());
}

/// Proves [TP-CLI-0525].
#[test]
fn a_client_that_was_given_any_stream_comes_back_to_that_one() {
    let mut client = AttachClient::new(AttachConfig::new(StreamId::new(0), Role::Producer, 7));
    client.on_link_up(at(0));
    client.open(at(0));
    let wanted = |client: &mut AttachClient| loop {
        if let Some(ControlRequest::Attach(request)) = client.peek_request() {
            break request;
        }
        let now = client.now;
        client.on_request_sent(now);
    };
    let first = wanted(&mut client);
    assert_eq!(first.stream_id, StreamId::new(0));
    assert_eq!(client.stream_id(), None);
    let grant = AttachResponse {
        stream_id: Some(StreamId::new(20_001)),
        ..ok(first.correlation_id)
    };
    client.on_attach_response(at(1), &grant);
    client.on_lease_revoked(at(2), &revoke_of(&client, 900));
    events(&mut client);
    assert_eq!(client.stream_id(), Some(StreamId::new(20_001)));
    client.on_timeout(at(5_000));
    assert_eq!(wanted(&mut client).stream_id, StreamId::new(20_001));
}

/// Proves [TP-CLI-0530].
#[test]
fn closing_without_a_lease_is_immediate_and_idempotent() {
    let mut client = client(Role::Producer);
    client.close(at(1));
    assert!(client.is_closed());
    client.close(at(2));
    assert_eq!(events(&mut client), [AttachEvent::Closed]);
    assert_eq!(client.next_deadline(), None);
}

/// Proves [TP-CLI-0535].
#[test]
fn a_lease_that_is_granted_after_the_close_goes_back() {
    let mut client = client(Role::Producer);
    let id = correlation(&client);
    client.on_request_sent(at(0));
    client.close(at(10));
    assert!(!client.is_closed(), "the request is under way");
    client.on_attach_response(at(11), &ok(CorrelationId::new(1)));
    client.on_attach_response(at(12), &ok(id));
    match client.peek_request() {
        Some(ControlRequest::Detach(detach)) => assert_eq!(detach.lease_id, LeaseId::new(900)),
        other => panic!("expected a detach, found {other:?}"),
    }
    assert!(!client.is_attached());
    assert_eq!(events(&mut client), [], "nobody was told of the grant");
}

/// Proves [TP-CLI-0537].
#[test]
fn closing_does_not_wait_for_ever_for_a_grant() {
    let mut client = client(Role::Consumer);
    client.on_request_sent(at(0));
    client.close(at(10));
    assert_eq!(client.next_deadline(), Some(at(510)));
    client.on_timeout(at(510));
    assert_eq!(events(&mut client), [AttachEvent::Closed]);
}

/// Proves [TP-CLI-0185].
#[test]
fn giving_up_right_after_a_refusal_names_the_refusal_and_not_silence() {
    let mut client = client(Role::Producer);
    let mut now = 0;
    while now < 4_700 {
        let Some(ControlRequest::Attach(request)) = client.peek_request() else {
            now += 50;
            client.on_timeout(at(now));
            continue;
        };
        client.on_request_sent(at(now));
        let held = rejected(request.correlation_id, "producer already attached");
        client.on_attach_response(at(now), &held);
        let _ = events(&mut client);
    }
    while client.peek_request().is_none() {
        now += 50;
        client.on_timeout(at(now));
    }
    assert!(now < 5_000);
    client.on_request_sent(at(now));
    let _ = events(&mut client);
    client.on_timeout(at(5_000));
    let failed = events(&mut client);
    assert!(
        matches!(
            failed[..],
            [AttachEvent::Failed(AttachError::ProducerHeld { .. })]
        ),
        "{failed:?}"
    );
}

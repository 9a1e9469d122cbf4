use proptest::prelude::*;
use tensorpool_codecs::types::{LeaseId, NodeId};

use super::*;
use crate::client::regions::tests::raw_regions;
use crate::client::{RegionsError, ResponseError};
use crate::common::{EnumField, LeaseRevokeReason, ShutdownReason};

const STREAM: StreamId = StreamId::new(10_000);
const MS: u64 = 1_000_000;

fn at(ms: u64) -> NanoTime {
    NanoTime::new(1_000_000_000_000 + ms * MS)
}

fn client(role: Role) -> AttachClient {
    let mut client = AttachClient::new(AttachConfig::new(STREAM, role, 42));
    client.on_link_up(at(0));
    client.open(at(0));
    client
}

fn correlation(client: &AttachClient) -> CorrelationId {
    match client.peek_request() {
        Some(ControlRequest::Attach(request)) => request.correlation_id,
        other => panic!("expected an attach request, found {other:?}"),
    }
}

fn ok(correlation_id: CorrelationId) -> AttachResponse {
    AttachResponse {
        correlation_id,
        code: Some(ResponseCode::Ok),
        lease_id: Some(LeaseId::new(900)),
        stream_id: Some(STREAM),
        epoch: Some(Epoch::new(500)),
        layout_version: Some(1),
        node_id: Some(NodeId::new(3)),
        regions: raw_regions(),
        error_message: String::new(),
    }
}

fn rejected(correlation_id: CorrelationId, message: &str) -> AttachResponse {
    AttachResponse {
        code: Some(ResponseCode::Rejected),
        lease_id: None,
        error_message: message.into(),
        ..ok(correlation_id)
    }
}

fn attached(role: Role) -> AttachClient {
    let mut client = client(role);
    let id = correlation(&client);
    client.on_request_sent(at(0));
    client.on_attach_response(at(1), &ok(id));
    assert!(matches!(
        client.poll_event(),
        Some(AttachEvent::Attached(_))
    ));
    client
}

fn announce(ms: u64, epoch: u64) -> Announce {
    Announce {
        stream_id: STREAM,
        producer_id: Some(ClientId::new(77)),
        epoch: Epoch::new(epoch),
        timestamp: at(ms),
        clock_domain: Some(ClockDomain::Monotonic),
        layout_version: 1,
        regions: raw_regions(),
    }
}

fn revoke_of(client: &AttachClient, lease: u64) -> LeaseRevoked {
    LeaseRevoked {
        lease_id: LeaseId::new(lease),
        stream_id: STREAM,
        client_id: client.client_id(),
        role: EnumField::Known(Role::Producer),
        reason: EnumField::Known(LeaseRevokeReason::Expired),
    }
}

/// Lets time pass in small steps, sending whatever is due.
fn run(client: &mut AttachClient, from_ms: u64, to_ms: u64) -> Vec<(u64, ControlRequest)> {
    let mut sent = Vec::new();
    for ms in (from_ms..=to_ms).step_by(10) {
        client.on_timeout(at(ms));
        if let Some(request) = client.peek_request() {
            client.on_request_sent(at(ms));
            sent.push((ms, request));
        }
    }
    sent
}

fn events(client: &mut AttachClient) -> Vec<AttachEvent> {
    std::iter::from_fn(|| client.poll_event()).collect()
}

#[test]
fn an_unanswered_request_is_resent_with_the_same_correlation_id() {
    let mut client = client(Role::Producer);
    let sent = run(&mut client, 0, 4_900);
    let ids: std::collections::HashSet<_> = sent
        .iter()
        .map(|(_, request)| match request {
            ControlRequest::Attach(attach) => attach.correlation_id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids.len(), 1);
    let times: Vec<u64> = sent.iter().map(|(ms, _)| *ms).collect();
    assert_eq!(times[..4], [0, 200, 600, 1_400]);
    assert!(
        times
            .windows(2)
            .all(|w| (200..=1_000).contains(&(w[1] - w[0]))),
        "{times:?}"
    );
}

#[test]
fn requests_carry_explicit_values_for_what_peers_reject_as_null() {
    let client = client(Role::Consumer);
    let Some(ControlRequest::Attach(request)) = client.peek_request() else {
        panic!("nothing to send");
    };
    assert_ne!(request.client_id.get(), 0);
    assert_eq!(
        request.publish_mode,
        crate::common::PublishMode::RequireExisting
    );
    assert_eq!(
        (request.correlation_id.get() as u64 >> 32) as u32,
        request.client_id.get()
    );
}

#[test]
fn the_first_attach_fails_when_nobody_answers_in_time() {
    let mut client = client(Role::Producer);
    run(&mut client, 0, 5_100);
    let events = events(&mut client);
    assert!(
        matches!(
            events[..],
            [AttachEvent::Failed(AttachError::NoAnswer { .. })]
        ),
        "{events:?}"
    );
    assert!(client.is_closed());
}

#[test]
fn a_keepalive_follows_the_grant_at_once_and_then_every_interval() {
    let mut client = attached(Role::Producer);
    let times: Vec<u64> = run(&mut client, 10, 2_500)
        .into_iter()
        .map(|(ms, request)| match request {
            ControlRequest::Keepalive(keepalive) => {
                assert_eq!(keepalive.lease_id, LeaseId::new(900));
                ms
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(times, [10, 1_010, 2_010]);
}

#[test]
fn anything_after_an_ok_is_ignored() {
    let mut client = client(Role::Producer);
    let id = correlation(&client);
    client.on_request_sent(at(0));
    client.on_attach_response(at(1), &ok(id));
    events(&mut client);
    client.on_attach_response(at(2), &rejected(id, "client_id already attached"));
    client.on_attach_response(at(2), &ok(id));
    assert!(client.is_attached());
    assert_eq!(events(&mut client), []);
    assert_eq!(client.stats().responses_ignored, 2);
}

#[test]
fn responses_to_others_and_late_ones_are_ignored() {
    let mut client = client(Role::Producer);
    client.on_attach_response(at(1), &ok(CorrelationId::new(1)));
    assert!(!client.is_attached());
    let first = correlation(&client);
    client.on_attach_response(at(2), &rejected(first, "driver draining"));
    client.on_timeout(at(2_000));
    assert_ne!(correlation(&client), first, "a new attempt has its own id");
    client.on_attach_response(at(2_001), &ok(first));
    assert!(
        !client.is_attached(),
        "an OK for a finished attempt is no grant"
    );
}

#[test]
fn an_automatic_client_id_is_replaced_when_taken_and_a_fixed_one_is_retried() {
    let mut client = client(Role::Consumer);
    let (id, first) = (client.client_id(), correlation(&client));
    client.on_attach_response(at(1), &rejected(first, "client_id already attached"));
    assert_ne!(client.client_id(), id);
    assert_ne!(correlation(&client), first);

    let fixed = AttachConfig {
        client_id: Some(ClientId::new(5)),
        ..AttachConfig::new(STREAM, Role::Consumer, 1)
    };
    let mut client = AttachClient::new(fixed);
    client.on_link_up(at(0));
    client.open(at(0));
    for ms in (0..5_000).step_by(10) {
        client.on_timeout(at(ms));
        if let Some(ControlRequest::Attach(request)) = client.peek_request() {
            assert_eq!(request.client_id, ClientId::new(5));
            client.on_request_sent(at(ms));
            let answer = rejected(request.correlation_id, "client_id already attached");
            client.on_attach_response(at(ms), &answer);
            events(&mut client);
        }
    }
    client.on_timeout(at(5_000));
    let failed = AttachError::ClientIdTaken {
        client_id: ClientId::new(5),
    };
    assert_eq!(events(&mut client), [AttachEvent::Failed(failed)]);
}

#[test]
fn the_granted_stream_is_adopted() {
    let mut client = client(Role::Producer);
    let id = correlation(&client);
    let other = AttachResponse {
        stream_id: Some(StreamId::new(20_001)),
        ..ok(id)
    };
    client.on_attach_response(at(1), &other);
    assert_eq!(client.stream_id(), Some(StreamId::new(20_001)));
    let Some(ControlRequest::Keepalive(keepalive)) = client.peek_request() else {
        panic!("a keepalive is due");
    };
    assert_eq!(keepalive.stream_id, StreamId::new(20_001));
}

#[test]
fn a_grant_that_lacks_what_it_must_carry_fails_closed() {
    type Change = fn(&mut AttachResponse);
    let changes: [Change; 6] = [
        |r| r.lease_id = None,
        |r| r.stream_id = None,
        |r| r.epoch = None,
        |r| r.layout_version = None,
        |r| r.regions.pools.clear(),
        |r| r.regions.header_slot_bytes = Some(255),
    ];
    for change in changes {
        let mut client = client(Role::Producer);
        let mut response = ok(correlation(&client));
        change(&mut response);
        client.on_attach_response(at(1), &response);
        let events = events(&mut client);
        assert!(
            matches!(
                events[..],
                [AttachEvent::Failed(AttachError::InvalidResponse(_))]
            ),
            "{events:?}"
        );
    }
    let mut no_layout = client(Role::Producer);
    let response = AttachResponse {
        layout_version: Some(9),
        ..ok(correlation(&no_layout))
    };
    no_layout.on_attach_response(at(1), &response);
    let expected = ResponseError::Regions(RegionsError::LayoutVersion(9));
    assert_eq!(
        events(&mut no_layout),
        [AttachEvent::Failed(AttachError::InvalidResponse(expected))]
    );
}

#[test]
fn optional_fields_of_a_grant_may_be_null() {
    let mut client = client(Role::Consumer);
    let response = AttachResponse {
        node_id: None,
        ..ok(correlation(&client))
    };
    client.on_attach_response(at(1), &response);
    assert!(client.is_attached());
}

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

#[test]
fn closing_without_a_lease_is_immediate_and_idempotent() {
    let mut client = client(Role::Producer);
    client.close(at(1));
    client.close(at(2));
    assert_eq!(events(&mut client), [AttachEvent::Closed]);
    assert_eq!(client.next_deadline(), None);
}

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
                    AttachEvent::Retrying { .. } => prop_assert!(!holds_lease),
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

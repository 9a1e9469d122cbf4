//! What the attach client promises, rule by rule; losing a lease and random histories have files of
//! their own.

use tensorpool_codecs::types::{LeaseId, NodeId};

use super::*;
use crate::client::regions::tests::raw_regions;
use crate::client::{RegionsError, ResponseError};
use crate::common::{EnumField, LeaseRevokeReason, ShutdownReason};

mod losses;
mod random;
mod spec;

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

/// Proves [TP-CLI-0030], [TP-CLI-0040].
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

/// Proves [TP-CLI-0010], [TP-CLI-0020].
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

/// Proves [TP-CLI-0180].
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

/// Proves [TP-CLI-0310].
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

/// Proves [TP-CLI-0060].
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

/// Proves [TP-CLI-0040], [TP-CLI-0050].
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

/// Proves [TP-CLI-0150], [TP-CLI-0160].
#[test]
fn an_automatic_client_id_is_replaced_when_taken_and_a_fixed_one_is_retried() {
    let mut client = client(Role::Consumer);
    let (id, first) = (client.client_id(), correlation(&client));
    client.on_attach_response(at(1), &rejected(first, "client_id already attached"));
    assert_ne!(client.client_id(), id);
    assert_ne!(correlation(&client), first);
    let (id, second) = (client.client_id(), correlation(&client));
    client.on_attach_response(at(2), &rejected(second, "driver draining"));
    assert_eq!(client.client_id(), id, "was not the reason");

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

/// Proves [TP-CLI-0140].
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

/// Proves [TP-CLI-0080], [TP-CLI-0090], [TP-CLI-0120].
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

/// Proves [TP-CLI-0130].
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

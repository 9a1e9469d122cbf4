use tensorpool_codecs::driver as wire;
use tensorpool_protocol::common::ResponseCode;
use tensorpool_protocol::driver::{Destination, LeaseAction, LeaseConfig, StreamSpec};

use super::*;
use crate::driver::config::DriverConfig;

const NOW: NanoTime = NanoTime::new(1_000_000_000);

fn table() -> LeaseTable {
    let spec: StreamSpec = DriverConfig::small().streams.remove(0);
    LeaseTable::new(LeaseConfig {
        streams: vec![spec],
        ..LeaseConfig::default()
    })
    .unwrap()
}

fn attach_bytes() -> [u8; wire::ShmAttachRequest::ENCODED_LEN] {
    let mut bytes = [0; wire::ShmAttachRequest::ENCODED_LEN];
    wire::ShmAttachRequest {
        correlation_id: -7,
        stream_id: 10_000,
        client_id: 9,
        role: wire::Role::Consumer,
        expected_layout_version: 1,
        publish_mode: Some(wire::PublishMode::ExistingOrCreate),
        require_hugepages: None,
        desired_node_id: Some(5),
    }
    .encode_into(&mut bytes);
    bytes
}

#[test]
fn an_attach_request_arrives_in_every_field() {
    let request = attach(&attach_bytes()).unwrap();
    let expected = AttachRequest {
        correlation_id: CorrelationId::new(-7),
        stream_id: StreamId::new(10_000),
        client_id: ClientId::new(9),
        role: Role::Consumer.into(),
        expected_layout_version: 1,
        publish_mode: PublishMode::ExistingOrCreate.into(),
        hugepages: EnumField::Null,
        desired_node_id: Some(NodeId::new(5)),
    };
    assert_eq!(request, expected);
}

/// Proves [TP-DRV-0120].
#[test]
fn unknown_enum_values_are_answered_not_dropped() {
    for offset in [ATTACH_ROLE, ATTACH_PUBLISH_MODE, ATTACH_HUGEPAGES] {
        let (mut table, mut bytes) = (table(), attach_bytes());
        bytes[offset] = 77;
        assert_eq!(deliver(&mut table, NOW, &bytes), Heard::Request);
        let Some(LeaseAction::AttachRefused(refusal)) = table.peek_action(Destination::Control)
        else {
            panic!("offset {offset}: no refusal")
        };
        assert_eq!(refusal.code, ResponseCode::InvalidParams);
        assert_eq!(refusal.correlation_id, CorrelationId::new(-7));
    }
}

/// Proves [TP-DRV-0110].
#[test]
fn a_newer_version_is_answered_unsupported() {
    let (mut table, mut bytes) = (table(), attach_bytes());
    bytes[6..8].copy_from_slice(&2u16.to_le_bytes());
    assert_eq!(deliver(&mut table, NOW, &bytes), Heard::Request);
    let action = table.peek_action(Destination::Control).cloned();
    let Some(LeaseAction::AttachRefused(refusal)) = action else {
        panic!("{action:?}")
    };
    assert_eq!(refusal.code, ResponseCode::Unsupported);
}

/// Proves [TP-DRV-0070].
#[test]
fn other_schemas_answers_and_noise_are_ignored() {
    let mut table = table();
    for schema in [900u16, 902, 903, 904, 910, 950, 12] {
        let mut bytes = attach_bytes();
        bytes[4..6].copy_from_slice(&schema.to_le_bytes());
        assert_eq!(
            deliver(&mut table, NOW, &bytes),
            Heard::Ignored,
            "schema {schema}"
        );
    }
    for template in [2u16, 4, 6, 7, 99] {
        let mut bytes = attach_bytes();
        bytes[2..4].copy_from_slice(&template.to_le_bytes());
        assert_eq!(
            deliver(&mut table, NOW, &bytes),
            Heard::Ignored,
            "template {template}"
        );
    }
    assert_eq!(deliver(&mut table, NOW, &[]), Heard::Ignored);
    assert_eq!(table.stats().attach_requests, 0);
}

/// Proves [TP-DRV-0080].
#[test]
fn every_truncation_is_malformed_and_changes_nothing() {
    let bytes = attach_bytes();
    let mut table = table();
    for len in 8..bytes.len() {
        assert_eq!(
            deliver(&mut table, NOW, &bytes[..len]),
            Heard::Malformed,
            "{len} bytes"
        );
    }
    assert_eq!(table.stats().attach_requests, 0);
}

/// Proves [TP-DRV-0080], [TP-DRV-0120].
#[test]
fn a_longer_block_is_read_as_far_as_it_is_known() {
    let mut bytes = attach_bytes().to_vec();
    bytes[..2].copy_from_slice(&40u16.to_le_bytes());
    assert_eq!(attach(&bytes), None, "the block is not all there");
    bytes.resize(8 + 40, 0);
    assert_eq!(attach(&bytes), attach(&attach_bytes()));
    bytes[ATTACH_ROLE] = 77;
    let role = attach(&bytes).map(|request| request.role);
    assert_eq!(role, Some(EnumField::Unknown(77)));
    bytes[..2].copy_from_slice(&26u16.to_le_bytes());
    assert_eq!(attach(&bytes), None, "a shorter block lacks a field");
}

#[test]
fn detach_keepalive_and_shutdown_request_are_delivered() {
    let mut table = table();
    let detach = wire::ShmDetachRequest {
        correlation_id: 1,
        lease_id: 2,
        stream_id: 3,
        client_id: 4,
        role: wire::Role::Producer,
    };
    let mut bytes = [0; wire::ShmDetachRequest::ENCODED_LEN];
    detach.encode_into(&mut bytes);
    assert_eq!(deliver(&mut table, NOW, &bytes), Heard::Request);
    bytes[LEASE_ROLE] = 9;
    assert_eq!(deliver(&mut table, NOW, &bytes), Heard::Request);
    let keepalive = wire::ShmLeaseKeepalive {
        lease_id: 2,
        stream_id: 3,
        client_id: 4,
        role: wire::Role::Producer,
        client_timestamp_ns: 5,
    };
    let mut bytes = [0; wire::ShmLeaseKeepalive::ENCODED_LEN];
    keepalive.encode_into(&mut bytes);
    assert_eq!(deliver(&mut table, NOW, &bytes), Heard::Request);
    let shutdown = wire::ShmDriverShutdownRequest {
        correlation_id: 1,
        reason: wire::ShutdownReason::Admin,
        token: b"?",
        error_message: b"",
    };
    let mut bytes = vec![0; shutdown.encoded_len().unwrap()];
    shutdown.encode(&mut bytes).unwrap();
    assert_eq!(deliver(&mut table, NOW, &bytes), Heard::Request);
    let stats = table.stats();
    assert_eq!((stats.detach_requests, stats.keepalives_unknown), (2, 1));
    assert_eq!(stats.shutdown_requests_ignored, 1);
}

//! Optional fields: which numbers mean absent, and which of them is written.

use tensorpool_codecs::wire::{FrameDescriptor, Mode, QosConsumer};
use tensorpool_codecs::{bridge, discovery, driver, event, merge, wire};

use crate::support::{bytes, patched};
use crate::{golden_driver, golden_services, golden_wire};

/// Sets the field at `$offset` to each of `$nulls`: it must read as absent, and be written as the
/// first of them.
macro_rules! absent {
    ($text:expr, $view:path, $field:ident, $offset:expr, [$($null:expr),+]) => {{
        let golden = bytes($text);
        let nulls = [$($null.to_le_bytes()),+];
        assert!(<$view>::decode(&golden).expect("golden").$field.is_some());
        for null in nulls {
            let message = patched(&golden, $offset, &null);
            let decoded = <$view>::decode(&message).expect("a null value");
            assert_eq!(decoded.$field, None, "{} from {null:?}", stringify!($field));
        }
        nulls[0]
    }};
}

/// Like `absent`, for a message that is written from what was read.
macro_rules! absent_both_ways {
    ($text:expr, $view:path, $field:ident, $offset:expr, [$($null:expr),+]) => {{
        let written = absent!($text, $view, $field, $offset, [$($null),+]);
        let golden = bytes($text);
        let mut value = <$view>::decode(&golden).expect("golden");
        value.$field = None;
        let mut encoded = vec![0xAA; golden.len()];
        assert_eq!(value.encode(&mut encoded), Ok(golden.len()));
        assert_eq!(encoded, patched(&golden, $offset, &written), "{}", stringify!($field));
    }};
}

/// Proves [TP-WIRE-0340].
#[test]
fn a_trace_id_of_zero_or_all_ones_is_absent_and_zero_is_written() {
    let text = golden_wire::FRAME_DESCRIPTOR;
    absent_both_ways!(text, wire::FrameDescriptor, trace_id, 32, [0_u64, u64::MAX]);
    let text = golden_services::BRIDGE_FRAME_CHUNK;
    absent_both_ways!(
        text,
        bridge::BridgeFrameChunk,
        trace_id,
        20,
        [0_u64, u64::MAX]
    );
}

/// Proves [TP-WIRE-0360].
#[test]
fn a_null_value_that_is_set_is_written_as_absent() {
    let untraced = |trace_id| {
        let mut encoded = [0xAA; FrameDescriptor::ENCODED_LEN];
        let value = FrameDescriptor {
            stream_id: 1,
            epoch: 2,
            seq: 3,
            timestamp_ns: None,
            meta_version: None,
            trace_id,
        };
        value.encode_into(&mut encoded);
        encoded
    };
    let absent = untraced(None);
    assert_eq!(absent[40..], [0; 8]);
    assert_eq!(untraced(Some(0)), absent);
    assert_eq!(untraced(Some(u64::MAX)), absent);
}

/// Proves [TP-WIRE-0350].
#[test]
fn a_consumer_mode_of_zero_is_absent() {
    let text = golden_wire::QOS_CONSUMER;
    absent_both_ways!(text, wire::QosConsumer, mode, 40, [0_u8, u8::MAX]);
    let limited = patched(&bytes(text), 40, &[2]);
    let decoded = QosConsumer::decode(&limited).expect("a known mode");
    assert_eq!(decoded.mode, Some(Mode::RateLimited));
}

/// Proves [TP-WIRE-0310].
#[test]
fn wire_fields_have_the_null_value_of_their_type() {
    let text = golden_wire::FRAME_DESCRIPTOR;
    absent_both_ways!(text, wire::FrameDescriptor, timestamp_ns, 20, [u64::MAX]);
    absent_both_ways!(text, wire::FrameDescriptor, meta_version, 28, [u32::MAX]);
    let text = golden_wire::QOS_PRODUCER;
    absent_both_ways!(text, wire::QosProducer, watermark, 24, [u32::MAX]);
    let text = golden_wire::CONSUMER_HELLO;
    absent_both_ways!(
        text,
        wire::ConsumerHello,
        progress_interval_us,
        19,
        [u32::MAX]
    );
    absent_both_ways!(
        text,
        wire::ConsumerHello,
        progress_bytes_delta,
        23,
        [u32::MAX]
    );
    absent_both_ways!(
        text,
        wire::ConsumerHello,
        progress_major_delta_units,
        27,
        [u32::MAX]
    );
}

/// Proves [TP-WIRE-0320].
#[test]
fn driver_fields_have_the_null_value_of_their_type() {
    let text = golden_driver::SHM_ATTACH_REQUEST;
    absent_both_ways!(text, driver::ShmAttachRequest, publish_mode, 21, [u8::MAX]);
    absent_both_ways!(
        text,
        driver::ShmAttachRequest,
        require_hugepages,
        22,
        [u8::MAX]
    );
    absent_both_ways!(
        text,
        driver::ShmAttachRequest,
        desired_node_id,
        23,
        [u32::MAX]
    );
    let text = golden_driver::SHM_ATTACH_RESPONSE;
    absent!(
        text,
        driver::ShmAttachResponseView,
        lease_id,
        12,
        [u64::MAX]
    );
    absent!(
        text,
        driver::ShmAttachResponseView,
        lease_expiry_timestamp_ns,
        20,
        [u64::MAX]
    );
    absent!(
        text,
        driver::ShmAttachResponseView,
        stream_id,
        28,
        [u32::MAX]
    );
    absent!(text, driver::ShmAttachResponseView, epoch, 32, [u64::MAX]);
    absent!(
        text,
        driver::ShmAttachResponseView,
        layout_version,
        40,
        [u32::MAX]
    );
    absent!(
        text,
        driver::ShmAttachResponseView,
        header_nslots,
        44,
        [u32::MAX]
    );
    absent!(
        text,
        driver::ShmAttachResponseView,
        header_slot_bytes,
        48,
        [u16::MAX]
    );
    absent!(text, driver::ShmAttachResponseView, node_id, 50, [u32::MAX]);
}

/// Proves [TP-WIRE-0370].
#[test]
fn a_rejection_writes_every_optional_field_as_null() {
    let golden = bytes(
        "36 00  02 00  85 03  01 00        # block 54, template 2, schema 901, version 1
         01 00 00 00 00 00 00 00           #  0 correlationId 1
         03 00 00 00                       #  8 code REJECTED
         FF FF FF FF FF FF FF FF           # 12 leaseId
         FF FF FF FF FF FF FF FF           # 20 leaseExpiryTimestampNs
         FF FF FF FF                       # 28 streamId
         FF FF FF FF FF FF FF FF           # 32 epoch
         FF FF FF FF                       # 40 layoutVersion
         FF FF FF FF                       # 44 headerNslots
         FF FF                             # 48 headerSlotBytes
         FF FF FF FF                       # 50 nodeId
         0A 00  00 00                      # payloadPools: none
         00 00 00 00                       # headerRegionUri empty
         03 00 00 00  77 68 79             # errorMessage why",
    );
    let value = driver::ShmAttachResponse {
        correlation_id: 1,
        code: driver::ResponseCode::Rejected,
        lease_id: None,
        lease_expiry_timestamp_ns: None,
        stream_id: None,
        epoch: None,
        layout_version: None,
        header_nslots: None,
        header_slot_bytes: None,
        node_id: None,
        payload_pools: &[],
        header_region_uri: b"",
        error_message: b"why",
    };
    let mut encoded = vec![0xAA; golden.len()];
    assert_eq!(value.encode(&mut encoded), Ok(golden.len()));
    assert_eq!(encoded, golden);
}

/// Proves [TP-WIRE-0330].
#[test]
fn service_fields_have_the_null_value_of_their_type() {
    let text = golden_services::SEQUENCE_MERGE_MAP_ANNOUNCE;
    absent!(
        text,
        merge::SequenceMergeMapAnnounceView,
        stale_timeout_ns,
        12,
        [u64::MAX]
    );
    let text = golden_services::TIMESTAMP_MERGE_MAP_ANNOUNCE;
    absent!(
        text,
        merge::TimestampMergeMapAnnounceView,
        stale_timeout_ns,
        12,
        [u64::MAX]
    );
    absent!(
        text,
        merge::TimestampMergeMapAnnounceView,
        lateness_ns,
        21,
        [u64::MAX]
    );
    let text = golden_services::DISCOVERY_REQUEST;
    absent!(
        text,
        discovery::DiscoveryRequestView,
        stream_id,
        16,
        [u32::MAX]
    );
    absent!(
        text,
        discovery::DiscoveryRequestView,
        producer_id,
        20,
        [u32::MAX]
    );
    absent!(
        text,
        discovery::DiscoveryRequestView,
        data_source_id,
        24,
        [u64::MAX]
    );
    let text = golden_services::EVENT_MESSAGE;
    absent_both_ways!(text, event::EventMessage, ref_stream_id, 20, [u32::MAX]);
    absent_both_ways!(text, event::EventMessage, ref_epoch, 24, [u64::MAX]);
    absent_both_ways!(text, event::EventMessage, ref_seq, 32, [u64::MAX]);
}

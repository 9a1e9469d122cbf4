//! Messages that are almost right: unknown values, lying lengths, values that do not fit.

use tensorpool_codecs::{
    DecodeError, EncodeError, bridge, discovery, driver, event, merge, tracelink, wire,
};

use crate::support::{bytes, patched};
use crate::{
    golden_driver as d, golden_services as s, golden_shared_memory as m, golden_wire as w,
};

/// The field at `$offset` set to `$raw` must be refused by its name and as the number `$value`.
macro_rules! unknown {
    ($text:expr, $offset:expr, $raw:expr, $module:ident::$view:ident, $what:expr, $value:expr) => {
        assert_eq!(
            $module::$view::decode(&patched(&bytes($text), $offset, &$raw)).err(),
            Some(DecodeError::UnknownEnum {
                what: $what,
                value: $value
            })
        );
    };
}

/// Proves [TP-WIRE-0450].
#[test]
fn unknown_enum_values_of_the_wire_are_errors_that_name_the_field() {
    let text = w::SHM_POOL_ANNOUNCE;
    unknown!(
        text,
        24,
        [3],
        wire::ShmPoolAnnounceView,
        "ShmPoolAnnounce.announceClockDomain",
        3
    );
    let text = w::CONSUMER_HELLO;
    unknown!(
        text,
        8,
        [2],
        wire::ConsumerHello,
        "ConsumerHello.supportsShm",
        2
    );
    unknown!(
        text,
        9,
        [255],
        wire::ConsumerHello,
        "ConsumerHello.supportsProgress",
        255
    );
    unknown!(text, 10, [0], wire::ConsumerHello, "ConsumerHello.mode", 0);
    let text = w::CONSUMER_CONFIG;
    unknown!(
        text,
        8,
        [2],
        wire::ConsumerConfig,
        "ConsumerConfig.useShm",
        2
    );
    unknown!(text, 9, [3], wire::ConsumerConfig, "ConsumerConfig.mode", 3);
    unknown!(
        w::FRAME_PROGRESS,
        28,
        [4],
        wire::FrameProgress,
        "FrameProgress.state",
        4
    );
    unknown!(
        w::QOS_CONSUMER,
        40,
        [3],
        wire::QosConsumer,
        "QosConsumer.mode",
        3
    );
    let text = m::TENSOR_HEADER;
    unknown!(
        text,
        0,
        [12, 0],
        wire::TensorHeader,
        "TensorHeader.dtype",
        12
    );
    unknown!(
        text,
        2,
        [0, 0x80],
        wire::TensorHeader,
        "TensorHeader.majorOrder",
        -32768
    );
    unknown!(
        text,
        6,
        [3],
        wire::TensorHeader,
        "TensorHeader.progressUnit",
        3
    );
    let (text, code) = (w::CONTROL_RESPONSE, "ControlResponse.code");
    unknown!(text, 8, [5, 0, 0, 0], wire::ControlResponse, code, 5);
    unknown!(
        text,
        8,
        [0, 0, 0, 0x80],
        wire::ControlResponse,
        code,
        -2_147_483_648
    );
}

/// Proves [TP-WIRE-0460].
#[test]
fn unknown_enum_values_of_the_driver_are_errors_that_name_the_field() {
    let text = d::SHM_ATTACH_REQUEST;
    unknown!(
        text,
        16,
        [0],
        driver::ShmAttachRequest,
        "ShmAttachRequest.role",
        0
    );
    unknown!(
        text,
        21,
        [3],
        driver::ShmAttachRequest,
        "ShmAttachRequest.publishMode",
        3
    );
    unknown!(
        text,
        22,
        [3],
        driver::ShmAttachRequest,
        "ShmAttachRequest.requireHugepages",
        3
    );
    let text = d::SHM_ATTACH_RESPONSE;
    unknown!(
        text,
        8,
        [255; 4],
        driver::ShmAttachResponseView,
        "ShmAttachResponse.code",
        -1
    );
    unknown!(
        d::SHM_DETACH_REQUEST,
        24,
        [3],
        driver::ShmDetachRequest,
        "ShmDetachRequest.role",
        3
    );
    let text = d::SHM_DETACH_RESPONSE;
    unknown!(
        text,
        8,
        [9, 0, 0, 0],
        driver::ShmDetachResponse,
        "ShmDetachResponse.code",
        9
    );
    let text = d::SHM_LEASE_KEEPALIVE;
    unknown!(
        text,
        16,
        [0],
        driver::ShmLeaseKeepalive,
        "ShmLeaseKeepalive.role",
        0
    );
    let text = d::SHM_DRIVER_SHUTDOWN;
    unknown!(
        text,
        8,
        [3],
        driver::ShmDriverShutdown,
        "ShmDriverShutdown.reason",
        3
    );
    let text = d::SHM_LEASE_REVOKED;
    unknown!(
        text,
        24,
        [0],
        driver::ShmLeaseRevoked,
        "ShmLeaseRevoked.role",
        0
    );
    unknown!(
        text,
        25,
        [0],
        driver::ShmLeaseRevoked,
        "ShmLeaseRevoked.reason",
        0
    );
    let text = d::SHM_DRIVER_SHUTDOWN_REQUEST;
    let what = "ShmDriverShutdownRequest.reason";
    unknown!(text, 8, [3], driver::ShmDriverShutdownRequest, what, 3);
}

/// Proves [TP-WIRE-0470].
#[test]
fn unknown_enum_values_of_the_services_are_errors_that_name_the_field() {
    let text = s::BRIDGE_FRAME_CHUNK;
    unknown!(
        text,
        52,
        [2],
        bridge::BridgeFrameChunk,
        "BridgeFrameChunk.headerIncluded",
        2
    );
    let (text, what) = (
        s::TIMESTAMP_MERGE_MAP_ANNOUNCE,
        "TimestampMergeMapAnnounce.clockDomain",
    );
    unknown!(text, 20, [0], merge::TimestampMergeMapAnnounceView, what, 0);
    let text = s::DISCOVERY_RESPONSE;
    unknown!(
        text,
        8,
        [0],
        discovery::DiscoveryResponseView,
        "DiscoveryResponse.status",
        0
    );
    unknown!(
        s::EVENT_MESSAGE,
        16,
        [0x80],
        event::EventMessage,
        "EventMessage.format",
        -128
    );
}

/// Proves [TP-WIRE-0470].
#[test]
fn an_unknown_enum_within_a_group_is_found_when_the_message_is_decoded() {
    let text = s::SEQUENCE_MERGE_MAP_ANNOUNCE;
    let (second_rule, what) = (20 + 4 + 13, "SequenceMergeMapAnnounceRule.ruleType");
    unknown!(
        text,
        second_rule + 4,
        [2],
        merge::SequenceMergeMapAnnounceView,
        what,
        2
    );
    let text = s::TIMESTAMP_MERGE_MAP_ANNOUNCE;
    let (first_rule, what) = (29 + 4, "TimestampMergeMapAnnounceRule.timestampSource");
    unknown!(
        text,
        first_rule + 5,
        [0],
        merge::TimestampMergeMapAnnounceView,
        what,
        0
    );
}

/// Proves [TP-WIRE-0160].
#[test]
fn group_entries_longer_than_ours_are_skipped_over() {
    let message = bytes(
        "1C 00  01 00  88 03  01 00  # TraceLinkSet
         01 00 00 00  02 00 00 00 00 00 00 00  03 00 00 00 00 00 00 00  04 00 00 00 00 00 00 00
         0B 00  02 00                # parents: block 11, two entries
           05 00 00 00 00 00 00 00  EE EE EE
           06 00 00 00 00 00 00 00  EE EE EE",
    );
    let decoded = tracelink::TraceLinkSetView::decode(&message).expect("longer entries");
    let parents: Vec<u64> = decoded
        .parents
        .iter()
        .map(|parent| parent.trace_id)
        .collect();
    assert_eq!(parents, [5, 6]);

    let message = bytes(
        "10 00  08 00  84 03  01 00  # DataSourceMeta
         01 00 00 00  02 00 00 00  03 00 00 00 00 00 00 00
         02 00  01 00                # attributes: block 2 where ours is 0
           EE EE  01 00 00 00 6B  00 00 00 00  01 00 00 00 76",
    );
    let decoded = wire::DataSourceMetaView::decode(&message).expect("longer entries");
    let attribute = decoded.attributes.iter().next().expect("one attribute");
    assert_eq!((attribute.key, attribute.value), (&b"k"[..], &b"v"[..]));
}

/// Proves [TP-WIRE-0170].
#[test]
fn group_entries_shorter_than_ours_are_refused() {
    let mut golden = bytes(s::TRACE_LINK_SET);
    golden[8 + 28] = 7;
    assert_eq!(
        tracelink::TraceLinkSetView::decode(&golden).err(),
        Some(DecodeError::BlockLength {
            what: "TraceLinkSet.parents",
            expected: 8,
            found: 7
        })
    );
}

/// Proves [TP-WIRE-0900].
#[test]
fn discovery_tags_may_state_a_block_of_zero_or_four_and_nothing_else() {
    let golden = bytes(s::DISCOVERY_REQUEST);
    let expected = discovery::DiscoveryRequestView::decode(&golden).expect("golden");
    for block in 0..=8_u16 {
        let message = patched(&golden, 32, &block.to_le_bytes());
        let outcome = discovery::DiscoveryRequestView::decode(&message);
        if block == 0 || block == 4 {
            assert_eq!(outcome, Ok(expected));
        } else {
            assert!(
                matches!(outcome, Err(DecodeError::BlockLength { found, .. }) if found == block)
            );
        }
    }
}

/// Proves [TP-WIRE-0140].
#[test]
fn a_group_that_claims_more_than_there_is_is_refused_before_it_is_walked() {
    let golden = bytes(s::TRACE_LINK_SET);
    assert_eq!(
        tracelink::TraceLinkSetView::decode(&patched(&golden, 30, &[0xFF, 0xFF])).err(),
        Some(DecodeError::GroupTooLarge {
            what: "TraceLinkSet.parents",
            count: 0xFFFF,
            available: 16
        })
    );
    let all_there_is = tracelink::TraceLinkSetView::decode(&golden).expect("two of 8 bytes");
    assert_eq!(all_there_is.parents.len(), 2);
}

/// Proves [TP-WIRE-0150].
#[test]
fn strings_that_claim_more_than_there_is_or_than_is_allowed_are_refused() {
    let golden = bytes(w::META_BLOB_CHUNK);
    assert_eq!(
        wire::MetaBlobChunk::decode(&patched(&golden, 16, &[4, 0, 0, 0])),
        Err(DecodeError::Truncated {
            what: "MetaBlobChunk.bytes",
            needed: 4,
            available: 3
        })
    );
    assert_eq!(
        wire::MetaBlobChunk::decode(&patched(&golden, 16, &[0xFF; 4])),
        Err(DecodeError::DataTooLong {
            what: "MetaBlobChunk.bytes",
            len: u32::MAX,
            max: 1 << 30
        })
    );
    let golden = bytes(s::BRIDGE_FRAME_CHUNK);
    assert_eq!(
        bridge::BridgeFrameChunk::decode(&patched(&golden, 53, &[1, 1, 0, 0])),
        Err(DecodeError::DataTooLong {
            what: "BridgeFrameChunk.headerBytes",
            len: 257,
            max: 256
        })
    );
    let longest = patched(&golden, 53, &[0, 1, 0, 0]);
    let longest = bridge::BridgeFrameChunk::decode(&longest);
    assert!(
        matches!(longest, Err(DecodeError::Truncated { needed: 256, .. })),
        "allowed, but not there: {longest:?}"
    );
}

/// Proves [TP-WIRE-0110].
#[test]
fn a_config_that_ends_after_its_block_has_empty_strings() {
    let golden = bytes(w::CONSUMER_CONFIG);
    let decoded = wire::ConsumerConfig::decode(&golden[..8 + 18]).expect("no strings at all");
    assert_eq!(decoded.payload_fallback_uri, b"");
    assert_eq!(decoded.descriptor_channel, b"");
    assert_eq!(decoded.control_channel, b"");
}

/// Proves [TP-WIRE-0130].
#[test]
fn values_too_long_for_their_type_are_not_encoded() {
    let parents = vec![tracelink::TraceLinkSetParent { trace_id: 1 }; 65536];
    let value = tracelink::TraceLinkSet {
        stream_id: 1,
        epoch: 1,
        seq: 1,
        trace_id: 1,
        parents: &parents,
    };
    let expected = EncodeError::GroupTooLarge {
        what: "TraceLinkSet.parents",
        count: 65536,
    };
    assert_eq!(value.encoded_len(), Err(expected));
    assert_eq!(value.encode(&mut vec![0; 1 << 20]), Err(expected));
    let most = tracelink::TraceLinkSet {
        parents: &parents[1..],
        ..value
    };
    assert_eq!(most.encoded_len(), Ok(8 + 28 + 4 + 65535 * 8));

    let header = [0; 257];
    let golden = bytes(s::BRIDGE_FRAME_CHUNK);
    let chunk = bridge::BridgeFrameChunk::decode(&golden).expect("golden");
    let longest = bridge::BridgeFrameChunk {
        header_bytes: &header[1..],
        ..chunk
    };
    assert!(longest.encoded_len().is_ok());
    let chunk = bridge::BridgeFrameChunk {
        header_bytes: &header,
        ..chunk
    };
    assert_eq!(
        chunk.encoded_len(),
        Err(EncodeError::DataTooLong {
            what: "BridgeFrameChunk.headerBytes",
            len: 257,
            max: 256
        })
    );
}

#[test]
fn errors_say_what_was_expected_and_found() {
    let golden = bytes(w::FRAME_DESCRIPTOR);
    let error = driver::ShmDetachResponse::decode(&golden).expect_err("another message");
    assert_eq!(
        error.to_string(),
        "ShmDetachResponse: expected schema 901 template 4, found schema 900 template 4"
    );
    let error = wire::FrameDescriptor::decode(&golden[..47]).expect_err("cut short");
    assert_eq!(
        error.to_string(),
        "FrameDescriptor: needs 40 bytes, 39 left"
    );
}

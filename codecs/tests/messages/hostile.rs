//! Bytes nobody should send: foreign messages, unknown values, lying lengths, noise.

use proptest::prelude::*;
use tensorpool_codecs::gate::{GateError, Message, gate};
use tensorpool_codecs::{
    DecodeError, bridge, discovery, driver, event, merge, slot, tracelink, wire,
};

use crate::support::{bytes, patched, with_header};
use crate::{
    golden_driver as d, golden_services as s, golden_shared_memory as m, golden_wire as w,
};

/// Every message: what it is, its golden bytes, and a decoder that reads all there is to read.
type Case = (
    Message,
    &'static str,
    fn(&[u8]) -> Result<usize, DecodeError>,
);

macro_rules! case {
    ($kind:ident, $module:ident::$name:ident, $view:ident, $text:expr) => {
        (
            Message::$kind($module::Template::$name),
            $text,
            // Formatting walks every group to its end.
            |buf| Ok(format!("{:?}", $module::$view::decode(buf)?).len()),
        )
    };
}

fn cases() -> Vec<Case> {
    vec![
        case!(
            Wire,
            wire::ShmPoolAnnounce,
            ShmPoolAnnounceView,
            w::SHM_POOL_ANNOUNCE
        ),
        case!(
            Wire,
            wire::ConsumerHello,
            ConsumerHelloView,
            w::CONSUMER_HELLO
        ),
        case!(
            Wire,
            wire::ConsumerConfig,
            ConsumerConfigView,
            w::CONSUMER_CONFIG
        ),
        case!(
            Wire,
            wire::FrameDescriptor,
            FrameDescriptorView,
            w::FRAME_DESCRIPTOR
        ),
        case!(
            Wire,
            wire::FrameProgress,
            FrameProgressView,
            w::FRAME_PROGRESS
        ),
        case!(Wire, wire::QosConsumer, QosConsumerView, w::QOS_CONSUMER),
        case!(Wire, wire::QosProducer, QosProducerView, w::QOS_PRODUCER),
        case!(Wire, wire::TensorHeader, TensorHeaderView, m::TENSOR_HEADER),
        case!(
            Wire,
            wire::DataSourceAnnounce,
            DataSourceAnnounceView,
            w::DATA_SOURCE_ANNOUNCE
        ),
        case!(
            Wire,
            wire::DataSourceMeta,
            DataSourceMetaView,
            w::DATA_SOURCE_META
        ),
        case!(
            Wire,
            wire::ControlResponse,
            ControlResponseView,
            w::CONTROL_RESPONSE
        ),
        case!(
            Wire,
            wire::MetaBlobAnnounce,
            MetaBlobAnnounceView,
            w::META_BLOB_ANNOUNCE
        ),
        case!(
            Wire,
            wire::MetaBlobChunk,
            MetaBlobChunkView,
            w::META_BLOB_CHUNK
        ),
        case!(
            Wire,
            wire::MetaBlobComplete,
            MetaBlobCompleteView,
            w::META_BLOB_COMPLETE
        ),
        case!(
            Driver,
            driver::ShmAttachRequest,
            ShmAttachRequestView,
            d::SHM_ATTACH_REQUEST
        ),
        case!(
            Driver,
            driver::ShmAttachResponse,
            ShmAttachResponseView,
            d::SHM_ATTACH_RESPONSE
        ),
        case!(
            Driver,
            driver::ShmDetachRequest,
            ShmDetachRequestView,
            d::SHM_DETACH_REQUEST
        ),
        case!(
            Driver,
            driver::ShmDetachResponse,
            ShmDetachResponseView,
            d::SHM_DETACH_RESPONSE
        ),
        case!(
            Driver,
            driver::ShmLeaseKeepalive,
            ShmLeaseKeepaliveView,
            d::SHM_LEASE_KEEPALIVE
        ),
        case!(
            Driver,
            driver::ShmDriverShutdown,
            ShmDriverShutdownView,
            d::SHM_DRIVER_SHUTDOWN
        ),
        case!(
            Driver,
            driver::ShmLeaseRevoked,
            ShmLeaseRevokedView,
            d::SHM_LEASE_REVOKED
        ),
        case!(
            Driver,
            driver::ShmDriverShutdownRequest,
            ShmDriverShutdownRequestView,
            d::SHM_DRIVER_SHUTDOWN_REQUEST
        ),
        case!(
            Bridge,
            bridge::BridgeFrameChunk,
            BridgeFrameChunkView,
            s::BRIDGE_FRAME_CHUNK
        ),
        case!(
            Merge,
            merge::SequenceMergeMapAnnounce,
            SequenceMergeMapAnnounceView,
            s::SEQUENCE_MERGE_MAP_ANNOUNCE
        ),
        case!(
            Merge,
            merge::SequenceMergeMapRequest,
            SequenceMergeMapRequestView,
            s::SEQUENCE_MERGE_MAP_REQUEST
        ),
        case!(
            Merge,
            merge::TimestampMergeMapAnnounce,
            TimestampMergeMapAnnounceView,
            s::TIMESTAMP_MERGE_MAP_ANNOUNCE
        ),
        case!(
            Merge,
            merge::TimestampMergeMapRequest,
            TimestampMergeMapRequestView,
            s::TIMESTAMP_MERGE_MAP_REQUEST
        ),
        case!(
            TraceLink,
            tracelink::TraceLinkSet,
            TraceLinkSetView,
            s::TRACE_LINK_SET
        ),
        case!(
            Discovery,
            discovery::DiscoveryRequest,
            DiscoveryRequestView,
            s::DISCOVERY_REQUEST
        ),
        case!(
            Discovery,
            discovery::DiscoveryResponse,
            DiscoveryResponseView,
            s::DISCOVERY_RESPONSE
        ),
        case!(
            Event,
            event::EventMessage,
            EventMessageView,
            s::EVENT_MESSAGE
        ),
    ]
}

#[test]
fn every_template_of_every_schema_is_among_the_cases() {
    let mut expected: Vec<Message> = Vec::new();
    expected.extend(wire::Template::ALL.map(Message::Wire));
    expected.extend(driver::Template::ALL.map(Message::Driver));
    expected.extend(bridge::Template::ALL.map(Message::Bridge));
    expected.extend(merge::Template::ALL.map(Message::Merge));
    expected.extend(tracelink::Template::ALL.map(Message::TraceLink));
    expected.extend(discovery::Template::ALL.map(Message::Discovery));
    expected.extend(event::Template::ALL.map(Message::Event));
    let found: Vec<Message> = cases().iter().map(|case| case.0).collect();
    for message in &expected {
        assert!(found.contains(message), "{} has no case", message.name());
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn the_gate_tells_every_message_and_only_its_own_decoder_takes_it() {
    for (message, text, decode) in cases() {
        let golden = bytes(text);
        let gated = gate(&golden).expect("a known message");
        assert_eq!(gated.message, message);
        assert_eq!(gated.len, golden.len());
        assert_eq!(gated.header.version, 1);
        assert!(8 + usize::from(gated.header.block_length) <= golden.len());
        assert!(decode(&golden).is_ok());
        for (other, _, decode_other) in cases() {
            if other != message {
                let outcome = decode_other(&golden);
                assert!(
                    matches!(outcome, Err(DecodeError::WrongMessage { .. })),
                    "{} taken for {}: {outcome:?}",
                    message.name(),
                    other.name()
                );
            }
        }
    }
}

#[test]
fn the_gate_names_what_it_does_not_know() {
    let golden = bytes(w::FRAME_DESCRIPTOR);
    assert_eq!(gate(&golden[..7]), Err(GateError::TooShort { len: 7 }));
    assert_eq!(
        gate(&with_header(&golden, 2, |_| 905)),
        Err(GateError::UnknownSchema {
            schema_id: 905,
            template_id: 4
        })
    );
    // 50 and 51 lie in shared memory and never travel.
    for template_id in [0, 14, 50, 51, u16::MAX] {
        assert_eq!(
            gate(&with_header(&golden, 1, |_| template_id)),
            Err(GateError::UnknownTemplate {
                schema_id: 900,
                template_id
            })
        );
    }
}

#[test]
fn unknown_enum_values_are_errors_that_name_the_field() {
    let cases: [(
        &str,
        usize,
        &[u8],
        fn(&[u8]) -> Option<DecodeError>,
        &str,
        i64,
    ); 17] = [
        (
            w::SHM_POOL_ANNOUNCE,
            24,
            &[3],
            |b| wire::ShmPoolAnnounceView::decode(b).err(),
            "ShmPoolAnnounce.announceClockDomain",
            3,
        ),
        (
            w::CONSUMER_HELLO,
            8,
            &[2],
            |b| wire::ConsumerHello::decode(b).err(),
            "ConsumerHello.supportsShm",
            2,
        ),
        (
            w::CONSUMER_HELLO,
            9,
            &[255],
            |b| wire::ConsumerHello::decode(b).err(),
            "ConsumerHello.supportsProgress",
            255,
        ),
        (
            w::CONSUMER_HELLO,
            10,
            &[0],
            |b| wire::ConsumerHello::decode(b).err(),
            "ConsumerHello.mode",
            0,
        ),
        (
            w::CONSUMER_CONFIG,
            9,
            &[3],
            |b| wire::ConsumerConfig::decode(b).err(),
            "ConsumerConfig.mode",
            3,
        ),
        (
            w::FRAME_PROGRESS,
            28,
            &[4],
            |b| wire::FrameProgress::decode(b).err(),
            "FrameProgress.state",
            4,
        ),
        (
            w::QOS_CONSUMER,
            40,
            &[3],
            |b| wire::QosConsumer::decode(b).err(),
            "QosConsumer.mode",
            3,
        ),
        (
            m::TENSOR_HEADER,
            0,
            &[12, 0],
            |b| wire::TensorHeader::decode(b).err(),
            "TensorHeader.dtype",
            12,
        ),
        (
            m::TENSOR_HEADER,
            2,
            &[0, 0x80],
            |b| wire::TensorHeader::decode(b).err(),
            "TensorHeader.majorOrder",
            -32768,
        ),
        (
            m::TENSOR_HEADER,
            6,
            &[3],
            |b| wire::TensorHeader::decode(b).err(),
            "TensorHeader.progressUnit",
            3,
        ),
        (
            w::CONTROL_RESPONSE,
            8,
            &[0, 0, 0, 0x80],
            |b| wire::ControlResponse::decode(b).err(),
            "ControlResponse.code",
            -2_147_483_648,
        ),
        (
            d::SHM_ATTACH_REQUEST,
            16,
            &[0],
            |b| driver::ShmAttachRequest::decode(b).err(),
            "ShmAttachRequest.role",
            0,
        ),
        (
            d::SHM_ATTACH_REQUEST,
            21,
            &[3],
            |b| driver::ShmAttachRequest::decode(b).err(),
            "ShmAttachRequest.publishMode",
            3,
        ),
        (
            d::SHM_ATTACH_REQUEST,
            22,
            &[3],
            |b| driver::ShmAttachRequest::decode(b).err(),
            "ShmAttachRequest.requireHugepages",
            3,
        ),
        (
            d::SHM_LEASE_REVOKED,
            25,
            &[0],
            |b| driver::ShmLeaseRevoked::decode(b).err(),
            "ShmLeaseRevoked.reason",
            0,
        ),
        (
            s::DISCOVERY_RESPONSE,
            8,
            &[0],
            |b| discovery::DiscoveryResponseView::decode(b).err(),
            "DiscoveryResponse.status",
            0,
        ),
        (
            s::EVENT_MESSAGE,
            16,
            &[0x80],
            |b| event::EventMessage::decode(b).err(),
            "EventMessage.format",
            -128,
        ),
    ];
    for (text, offset, patch, decode, what, value) in cases {
        let outcome = decode(&patched(&bytes(text), offset, patch));
        assert_eq!(outcome, Some(DecodeError::UnknownEnum { what, value }));
    }
}

#[test]
fn an_unknown_enum_within_a_group_is_found_when_the_message_is_decoded() {
    let golden = bytes(s::SEQUENCE_MERGE_MAP_ANNOUNCE);
    let second_rule_type = 20 + 4 + 13 + 4;
    assert_eq!(
        merge::SequenceMergeMapAnnounceView::decode(&patched(&golden, second_rule_type, &[2]))
            .err(),
        Some(DecodeError::UnknownEnum {
            what: "SequenceMergeMapAnnounceRule.ruleType",
            value: 2
        })
    );
}

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
}

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
}

#[test]
fn a_config_that_ends_after_its_block_has_empty_strings() {
    let golden = bytes(w::CONSUMER_CONFIG);
    let decoded = wire::ConsumerConfig::decode(&golden[..8 + 18]).expect("no strings at all");
    assert_eq!(decoded.payload_fallback_uri, b"");
    assert_eq!(decoded.descriptor_channel, b"");
    assert_eq!(decoded.control_channel, b"");
}

#[test]
fn values_too_long_for_their_type_are_not_encoded() {
    use tensorpool_codecs::EncodeError;
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

fn feed_everything(buf: &[u8]) {
    let gated = gate(buf);
    for (message, _, decode) in cases() {
        if decode(buf).is_ok() {
            assert_eq!(gated.map(|gated| gated.message), Ok(message));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn noise_never_panics(buf in prop::collection::vec(any::<u8>(), 0..300)) {
        feed_everything(&buf);
    }

    #[test]
    fn noise_behind_a_valid_header_never_panics(
        case in 0..cases().len(),
        mut body in prop::collection::vec(prop_oneof![4 => 0_u8..4, 1 => any::<u8>()], 0..400),
    ) {
        let (_, text, decode) = cases()[case];
        let mut buf = bytes(text)[..8].to_vec();
        buf.append(&mut body);
        let _ = decode(&buf);
        feed_everything(&buf);
    }

    #[test]
    fn damaged_messages_never_panic(
        case in 0..cases().len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (_, text, decode) = cases()[case];
        let mut buf = bytes(text);
        for (at, value) in damage {
            let at = at.index(buf.len());
            buf[at] = value;
        }
        let _ = decode(&buf);
        buf.truncate(cut.index(buf.len() + 1));
        feed_everything(&buf);
    }

    #[test]
    fn noise_in_a_slot_never_panics(
        mut buf in prop::array::uniform32(prop::array::uniform8(any::<u8>())),
        sound in any::<bool>(),
    ) {
        if sound {
            buf[7] = [0, 0, 0, 0, 192, 0, 0, 0];
            buf[8] = [184, 0, 52, 0, 132, 3, 1, 0];
        }
        let bytes: Vec<u8> = buf.concat();
        let bytes: [u8; slot::SLOT_LEN] = bytes.try_into().expect("256 bytes");
        let _ = slot::HeaderSlot::decode(&bytes);
        let superblock: &[u8; 64] = bytes.first_chunk().expect("64 bytes");
        let _ = wire::ShmRegionSuperblock::decode(superblock);
    }
}

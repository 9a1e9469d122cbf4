//! Rules of framing that hold for every message, each on its own.

use tensorpool_codecs::header::MessageHeader;
use tensorpool_codecs::wire::{
    DataSourceAnnounce, FrameDescriptor, MetaBlobChunk, ShmPoolAnnounce, ShmPoolAnnouncePayloadPool,
};
use tensorpool_codecs::{DecodeError, EncodeError, driver, tracelink, wire};

use crate::cases::cases;
use crate::support::{bytes, extended, with_header};

fn encoded(len: usize, encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>) -> Vec<u8> {
    let mut buf = vec![0xAA; len];
    assert_eq!(encode(&mut buf), Ok(len));
    buf
}

/// Proves [TP-WIRE-0010].
#[test]
fn header_is_four_little_endian_numbers() {
    let header = MessageHeader {
        block_length: 0x0102,
        template_id: 0x0304,
        schema_id: 0x0506,
        version: 0x0708,
    };
    let expected = [2, 1, 4, 3, 6, 5, 8, 7];
    assert_eq!(header.to_bytes(), expected);
    assert_eq!(MessageHeader::decode(&expected), Ok(header));
}

/// Proves [TP-WIRE-0020].
#[test]
fn group_starts_with_block_length_and_count() {
    let parents = vec![tracelink::TraceLinkSetParent { trace_id: 7 }; 0x0102];
    let value = tracelink::TraceLinkSet {
        stream_id: 1,
        epoch: 2,
        seq: 3,
        trace_id: 4,
        parents: &parents,
    };
    let buf = encoded(8 + 28 + 4 + 8 * 0x0102, |buf| value.encode(buf));
    assert_eq!(buf[36..40], [8, 0, 2, 1]);
    let decoded = tracelink::TraceLinkSetView::decode(&buf).expect("what was encoded");
    assert_eq!(decoded.parents.len(), 0x0102);
}

/// Proves [TP-WIRE-0030].
#[test]
fn data_starts_with_its_length_in_four_bytes() {
    let value = MetaBlobChunk {
        stream_id: 1,
        meta_version: 2,
        chunk_offset: 3,
        bytes: &[0x5A; 0x0102],
    };
    let buf = encoded(8 + 16 + 4 + 0x0102, |buf| value.encode(buf));
    assert_eq!(buf[24..28], [2, 1, 0, 0]);
    assert_eq!(buf[28..], [0x5A; 0x0102]);
}

/// Proves [TP-WIRE-0040].
#[test]
fn groups_follow_the_block_and_data_follows_the_groups() {
    let pools = [ShmPoolAnnouncePayloadPool {
        pool_id: 1,
        pool_nslots: 8,
        stride_bytes: 64,
        region_uri: b"POOL",
    }];
    let value = ShmPoolAnnounce {
        stream_id: 1,
        producer_id: 2,
        epoch: 3,
        announce_timestamp_ns: 4,
        announce_clock_domain: wire::ClockDomain::Monotonic,
        layout_version: 1,
        header_nslots: 8,
        header_slot_bytes: 256,
        payload_pools: &pools,
        header_region_uri: b"RING",
    };
    let (group, data) = (8 + 35, 8 + 35 + 4 + 10 + 4 + 4);
    let buf = encoded(data + 4 + 4, |buf| value.encode(buf));
    assert_eq!(buf[group..group + 4], [10, 0, 1, 0]);
    assert_eq!(buf[data - 4..data], *b"POOL");
    assert_eq!(buf[data + 4..], *b"RING");
}

/// Proves [TP-WIRE-0050].
#[test]
fn block_shorter_than_ours_is_refused() {
    for (message, text, decode) in cases() {
        assert!(decode(&bytes(text)).is_ok(), "{message:?}: one of ours");
        let short = with_header(&bytes(text), 0, |block| block - 1);
        let outcome = decode(&short);
        assert!(
            matches!(outcome, Err(DecodeError::BlockLength { .. })),
            "{message:?}: {outcome:?}"
        );
    }
}

/// Proves [TP-WIRE-0060].
#[test]
fn what_a_longer_block_adds_is_skipped() {
    for (message, text, decode) in cases() {
        let golden = bytes(text);
        assert_eq!(
            decode(&extended(&golden, 5)),
            decode(&golden),
            "{message:?}"
        );
    }
}

/// Proves [TP-WIRE-0070] and [TP-WIRE-0080].
#[test]
fn versions_start_at_one_and_later_ones_are_read() {
    for (message, text, decode) in cases() {
        let golden = bytes(text);
        let zero = decode(&with_header(&golden, 3, |_| 0));
        assert!(
            matches!(zero, Err(DecodeError::UnsupportedVersion { found: 0, .. })),
            "{message:?}: {zero:?}"
        );
        for version in [2, u16::MAX] {
            let later = decode(&with_header(&golden, 3, |_| version));
            assert_eq!(later, decode(&golden), "{message:?} version {version}");
        }
    }
}

/// Proves [TP-WIRE-0090].
#[test]
fn bytes_behind_a_message_are_ignored() {
    for (message, text, decode) in cases() {
        let golden = bytes(text);
        let followed = [golden.as_slice(), &[0xEE; 7]].concat();
        assert_eq!(decode(&followed), decode(&golden), "{message:?}");
    }
}

/// Proves [TP-WIRE-0100].
#[test]
fn message_cut_within_its_header_or_block_is_refused() {
    for (message, text, decode) in cases() {
        let golden = bytes(text);
        let block = usize::from(u16::from_le_bytes([golden[0], golden[1]]));
        for len in 0..8 + block {
            let outcome = decode(&golden[..len]);
            let refused = matches!(outcome, Err(DecodeError::Truncated { .. }));
            assert!(refused, "{message:?} cut to {len}: {outcome:?}");
        }
    }
}

/// Proves [TP-WIRE-0120].
#[test]
fn message_that_does_not_fit_its_buffer_is_not_written() {
    let value = FrameDescriptor {
        stream_id: 1,
        epoch: 2,
        seq: 3,
        timestamp_ns: None,
        meta_version: None,
        trace_id: None,
    };
    for available in [0, 7, 47] {
        let mut buf = vec![0xAA; available];
        let needed = 48;
        let too_small = EncodeError::BufferTooSmall { needed, available };
        assert_eq!(value.encode(&mut buf), Err(too_small));
        assert_eq!(buf, vec![0xAA; available]);
    }
}

/// Proves [TP-WIRE-0125].
#[test]
fn what_is_encoded_has_version_one_and_the_length_of_its_block() {
    let headers = [
        wire::FrameDescriptor::HEADER,
        wire::ConsumerConfig::HEADER,
        driver::ShmLeaseKeepalive::HEADER,
        driver::ShmDetachResponse::HEADER,
    ];
    assert_eq!(headers.map(|header| header.version), [1; 4]);
    assert_eq!(headers.map(|header| header.block_length), [40, 18, 25, 12]);
    let response = driver::ShmDetachResponse {
        correlation_id: 1,
        code: driver::ResponseCode::Ok,
        error_message: b"",
    };
    let buf = encoded(8 + 12 + 4, |buf| response.encode(buf));
    assert_eq!(buf[..8], [12, 0, 4, 0, 0x85, 3, 1, 0]);
}

/// Proves [TP-WIRE-0380].
#[test]
fn absent_string_is_one_of_length_zero() {
    let value = DataSourceAnnounce {
        stream_id: 1,
        producer_id: 2,
        epoch: 3,
        meta_version: 4,
        name: b"",
        summary: b"s",
    };
    let buf = encoded(8 + 20 + 4 + 4 + 1, |buf| value.encode(buf));
    assert_eq!(buf[28..], [0, 0, 0, 0, 1, 0, 0, 0, b's']);
    let decoded = DataSourceAnnounce::decode(&buf).expect("what was encoded");
    assert_eq!((decoded.name, decoded.summary), (&b""[..], &b"s"[..]));
}

/// Proves [TP-SHM-0670].
#[test]
fn tensor_has_exactly_eight_dimensions_of_room() {
    const ROOM: usize = wire::TensorHeader::MAX_DIMS as usize;
    let golden = bytes(crate::golden_shared_memory::TENSOR_HEADER);
    let tensor = wire::TensorHeader::decode(&golden).expect("the golden bytes");
    assert_eq!((ROOM, tensor.dims.len(), tensor.strides.len()), (8, 8, 8));
}

//! Schema 900: what lies in shared memory.

use tensorpool_codecs::wire::{
    Dtype, MajorOrder, ProgressUnit, RegionType, ShmRegionSuperblock, SlotHeader, TensorHeader,
};
use tensorpool_codecs::{DecodeError, slot};

use crate::support::{bytes, golden};

pub(crate) const TENSOR_HEADER: &str = "
    B8 00  34 00  84 03  01 00        # block 184, template 52, schema 900, version 1
    09 00                             #  0 dtype FLOAT32
    01 00                             #  2 majorOrder ROW
    02                                #  4 ndims 2
    00                                #  5 padAlign
    01                                #  6 progressUnit ROWS
    00 0A 00 00                       #  7 progressStrideBytes 2560
    E0 01 00 00  80 02 00 00          # 11 dims 480, 640
    00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00
    00 0A 00 00  04 00 00 00          # 43 strides 2560, 4
    00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00  00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 # 75 pad, 109 bytes
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    00
";

const TENSOR: TensorHeader = TensorHeader {
    dtype: Dtype::Float32,
    major_order: MajorOrder::Row,
    ndims: 2,
    progress_unit: ProgressUnit::Rows,
    progress_stride_bytes: 2560,
    dims: [480, 640, 0, 0, 0, 0, 0, 0],
    strides: [2560, 4, 0, 0, 0, 0, 0, 0],
};

golden!(
    /// Proves [TP-WIRE-0640].
    tensor_header: TENSOR_HEADER, TENSOR, TensorHeaderView from wire, tails []);

const SUPERBLOCK: &str = "
    31 4D 48 53 4C 50 4F 54           #  0 magic 0x544F504C53484D31
    01 00 00 00                       #  8 layoutVersion 1
    08 07 06 05 04 03 02 01           # 12 epoch
    10 27 00 00                       # 20 streamId 10000
    02 00                             # 24 regionType PAYLOAD_POOL
    03 00                             # 26 poolId 3
    40 00 00 00                       # 28 nslots 64
    00 10 00 00                       # 32 slotBytes 4096
    00 10 00 00                       # 36 strideBytes 4096
    39 30 00 00 00 00 00 00           # 40 pid 12345
    18 17 16 15 14 13 12 11           # 48 startTimestampNs
    28 27 26 25 24 23 22 21           # 56 activityTimestampNs
";

const REGION: ShmRegionSuperblock = ShmRegionSuperblock {
    magic: slot::SUPERBLOCK_MAGIC,
    layout_version: slot::LAYOUT_VERSION,
    epoch: 0x0102_0304_0506_0708,
    stream_id: 10000,
    region_type: RegionType::PayloadPool,
    pool_id: 3,
    nslots: 64,
    slot_bytes: 4096,
    stride_bytes: 4096,
    pid: 12345,
    start_timestamp_ns: 0x1112_1314_1516_1718,
    activity_timestamp_ns: 0x2122_2324_2526_2728,
};

/// Proves [TP-SHM-0010].
#[test]
fn superblock_is_64_bytes_without_a_message_header() {
    let golden: [u8; slot::SUPERBLOCK_LEN] = bytes(SUPERBLOCK).try_into().expect("64 bytes");
    let mut encoded = [0xAA; slot::SUPERBLOCK_LEN];
    REGION.encode_into(&mut encoded);
    assert_eq!(encoded, golden);
    assert_eq!(ShmRegionSuperblock::decode(&golden), Ok(REGION));
}

#[test]
fn superblock_of_an_unknown_region_type_is_refused() {
    let mut golden: [u8; 64] = bytes(SUPERBLOCK).try_into().expect("64 bytes");
    golden[24..26].copy_from_slice(&(-1_i16).to_le_bytes());
    assert_eq!(
        ShmRegionSuperblock::decode(&golden),
        Err(DecodeError::UnknownEnum {
            what: "ShmRegionSuperblock.regionType",
            value: -1
        })
    );
}

const SLOT_HEADER: &str = "
    03 00 00 00 00 00 00 00           #  0 seqCommit: frame 1, committed
    00 C0 12 00                       #  8 valuesLenBytes 1228800
    01 00 00 00                       # 12 payloadSlot 1
    03 00                             # 16 poolId 3
    00 00 00 00                       # 18 payloadOffset 0
    28 27 26 25 24 23 22 21           # 22 timestampNs
    05 00 00 00                       # 30 metaVersion 5
    00 00 00 00 00 00 00 00 00 00 00 00 00 # 34 pad, 26 bytes
    00 00 00 00 00 00 00 00 00 00 00 00 00
";

const SLOT: SlotHeader = SlotHeader {
    seq_commit: 3,
    values_len_bytes: 1_228_800,
    payload_slot: 1,
    pool_id: 3,
    payload_offset: 0,
    timestamp_ns: 0x2122_2324_2526_2728,
    meta_version: 5,
};

/// Proves [TP-SHM-0640].
#[test]
fn slot_header_is_60_bytes_and_zeroes_its_padding() {
    let golden: [u8; 60] = bytes(SLOT_HEADER).try_into().expect("60 bytes");
    let mut encoded = [0xAA; 60];
    SLOT.encode_into(&mut encoded);
    assert_eq!(encoded, golden);
    assert_eq!(SlotHeader::decode(&golden), Ok(SLOT));
}

fn golden_slot() -> [u8; slot::SLOT_LEN] {
    let mut all = bytes(SLOT_HEADER);
    all.extend(bytes("C0 00 00 00")); // 60: length 192
    all.extend(bytes(TENSOR_HEADER));
    all.try_into().expect("256 bytes")
}

const HEADER_SLOT: slot::HeaderSlot = slot::HeaderSlot {
    slot: SLOT,
    tensor: TENSOR,
};

/// Proves [TP-SHM-0620].
#[test]
fn header_slot_embeds_the_tensor_header_with_its_message_header() {
    let mut encoded = [0xAA; slot::SLOT_LEN];
    HEADER_SLOT.encode_into(&mut encoded);
    assert_eq!(encoded, golden_slot());
    assert_eq!(slot::HeaderSlot::decode(&golden_slot()), Ok(HEADER_SLOT));
}

/// Proves [TP-SHM-0630].
#[test]
fn header_slot_with_any_of_its_five_numbers_wrong_is_refused() {
    for (offset, len) in [(60, 4), (64, 2), (66, 2), (68, 2), (70, 2)] {
        for delta in [1_u8, 0xFF] {
            let mut wrong = golden_slot();
            wrong[offset] = wrong[offset].wrapping_add(delta);
            let outcome = slot::HeaderSlot::decode(&wrong);
            assert!(outcome.is_err(), "{len} bytes at {offset}: {outcome:?}");
        }
        let mut huge = golden_slot();
        huge[offset..offset + len].fill(0xFF);
        assert!(
            slot::HeaderSlot::decode(&huge).is_err(),
            "all ones at {offset}"
        );
    }
    let mut wrong = golden_slot();
    wrong[60] = 191;
    assert_eq!(
        slot::HeaderSlot::decode(&wrong),
        Err(DecodeError::SlotHeaderLength {
            expected: 192,
            found: 191
        })
    );
    let mut newer = golden_slot();
    newer[70] = 2;
    assert_eq!(
        slot::HeaderSlot::decode(&newer),
        Err(DecodeError::UnsupportedVersion {
            what: "TensorHeader",
            found: 2
        })
    );
}

/// Proves [TP-SHM-0650].
#[test]
fn header_slot_with_garbage_in_its_padding_reads_the_same() {
    let mut padded = golden_slot();
    padded[34..60].fill(0x5A);
    padded[72 + 5] = 0x5A;
    padded[72 + 75..].fill(0x5A);
    assert_eq!(slot::HeaderSlot::decode(&padded), Ok(HEADER_SLOT));
}

#[test]
fn all_that_a_tensor_header_says_lies_in_its_first_bytes() {
    let mut tensor: [u8; slot::TENSOR_HEADER_LEN] = golden_slot()[64..].try_into().expect("192");
    tensor[slot::TENSOR_FIELDS_LEN..].fill(0x5A);
    assert_eq!(slot::decode_tensor(&tensor), Ok(TENSOR));
    let last_field = slot::TENSOR_FIELDS_LEN - 8;
    tensor[last_field..].fill(0x5A);
    assert_ne!(
        slot::decode_tensor(&tensor),
        Ok(TENSOR),
        "and in all of them"
    );
}

#[test]
fn the_front_of_a_slot_with_a_wrong_length_is_refused() {
    let mut words: [u64; 8] = [0; 8];
    words[7] = (191_u64 << 32).to_le();
    let refused = DecodeError::SlotHeaderLength {
        expected: 192,
        found: 191,
    };
    assert_eq!(slot::decode_front(&words), Err(refused));
}

/// Proves [TP-SHM-0660].
#[test]
fn a_slot_nobody_wrote_yet_is_refused() {
    assert!(slot::HeaderSlot::decode(&[0; slot::SLOT_LEN]).is_err());
}

#[test]
fn tensor_header_has_room_for_eight_dimensions() {
    assert_eq!(usize::from(TensorHeader::MAX_DIMS), TENSOR.dims.len());
}

//! What a client checks in the 64 bytes at the start of a region, byte by byte.

use tensorpool_shm::mapping::Access;
use tensorpool_shm::superblock::SuperblockError as E;

use crate::support::{HEADER, POOL, Stream};

fn stream() -> Stream {
    Stream::new(8, 192)
}

/// Proves [TP-SHM-0030].
#[test]
fn magic_is_a_little_endian_number_and_no_other_maps() {
    let magic = [0x31, 0x4D, 0x48, 0x53, 0x4C, 0x50, 0x4F, 0x54];
    assert_eq!(stream().peek(HEADER, 0), magic);
    assert_eq!(stream().peek(POOL, 0), magic);
    for file in [HEADER, POOL] {
        let text = stream().refusal(file, 0, b"TPOLSHM1");
        assert!(matches!(text, E::Magic { .. }), "{text}");
        let one_bit = stream().refusal(file, 7, &[0x55]);
        assert!(matches!(one_bit, E::Magic { .. }), "{one_bit}");
    }
}

/// Proves [TP-SHM-0040].
#[test]
fn region_of_another_epoch_or_stream_does_not_map() {
    for file in [HEADER, POOL] {
        let error = stream().refusal(file, 12, &78_u64.to_le_bytes());
        assert!(
            matches!(error, E::Epoch { found, .. } if found.get() == 78),
            "{error}"
        );
        let error = stream().refusal(file, 20, &10_001_u32.to_le_bytes());
        assert!(
            matches!(error, E::Stream { found, .. } if found.get() == 10_001),
            "{error}"
        );
    }
}

/// Proves [TP-SHM-0050].
#[test]
fn region_of_another_layout_or_slot_count_does_not_map() {
    for file in [HEADER, POOL] {
        let error = stream().refusal(file, 8, &2_u32.to_le_bytes());
        assert!(
            matches!(error, E::LayoutVersion { found: 2, .. }),
            "{error}"
        );
        let error = stream().refusal(file, 28, &16_u32.to_le_bytes());
        assert!(matches!(error, E::SlotCount { found: 16, .. }), "{error}");
    }
}

/// Proves [TP-SHM-0060].
#[test]
fn region_of_another_type_or_pool_does_not_map() {
    for (file, other_type) in [(HEADER, 2_i16), (POOL, 1)] {
        let error = stream().refusal(file, 24, &other_type.to_le_bytes());
        assert!(matches!(error, E::RegionType { .. }), "{error}");
        let error = stream().refusal(file, 26, &9_u16.to_le_bytes());
        assert!(
            matches!(error, E::Pool { found, .. } if found.get() == 9),
            "{error}"
        );
    }
}

/// Proves [TP-SHM-0070].
#[test]
fn region_of_another_stride_does_not_map() {
    for file in [HEADER, POOL] {
        let error = stream().refusal(file, 36, &256_u32.to_le_bytes());
        assert!(matches!(error, E::Stride { found: 256, .. }), "{error}");
    }
}

/// Proves [TP-SHM-0080].
#[test]
fn header_ring_of_another_slot_size_does_not_map() {
    for slot_bytes in [0_u32, 128, 192, u32::MAX] {
        let error = stream().refusal(HEADER, 32, &slot_bytes.to_le_bytes());
        assert!(
            matches!(error, E::SlotBytes { expected: 256, .. }),
            "{error}"
        );
    }
}

/// Proves [TP-SHM-0090].
#[test]
fn pool_with_a_slot_size_known_peers_write_maps_and_any_other_does_not() {
    for slot_bytes in [0_u32, 256, u32::MAX] {
        let stream = stream();
        stream.poke(POOL, 32, &slot_bytes.to_le_bytes());
        assert!(stream.map(Access::ReadOnly).has_tolerated_slot_bytes());
    }
    for slot_bytes in [64_u32, 128, 193] {
        let error = stream().refusal(POOL, 32, &slot_bytes.to_le_bytes());
        assert!(
            matches!(error, E::SlotBytes { expected: 192, .. }),
            "{error}"
        );
    }
}

/// Proves [TP-SHM-0100].
#[test]
fn region_whose_creator_did_not_finish_does_not_map() {
    for file in [HEADER, POOL] {
        assert_eq!(stream().refusal(file, 40, &[0; 8]), E::NoPid);
    }
}

use proptest::prelude::*;

use super::*;

/// Id and stride.
const POOL: Option<(u16, u32)> = Some((3, 192));

fn expected(pool: Option<(u16, u32)>) -> ExpectedSuperblock {
    ExpectedSuperblock {
        layout_version: LAYOUT_VERSION,
        epoch: Epoch::new(42),
        stream: StreamId::new(7),
        slot_count: 64,
        pool: pool.map(|(id, stride)| (PoolId::new(id), stride)),
    }
}

fn written(pool: Option<(u16, u32)>) -> ShmRegionSuperblock {
    expected(pool).to_fields(99, NanoTime::new(5))
}

fn refused(
    pool: Option<(u16, u32)>,
    change: impl FnOnce(&mut ShmRegionSuperblock),
) -> SuperblockError {
    let mut fields = written(pool);
    change(&mut fields);
    expected(pool).check(fields).unwrap_err()
}

/// Proves [TP-SHM-0110].
#[test]
fn what_the_creator_writes_is_what_the_client_expects() {
    for pool in [None, POOL] {
        let checked = expected(pool).check(written(pool)).unwrap();
        assert!(!checked.tolerated_slot_bytes);
        assert_eq!(checked.fields.pid, 99);
    }
    let (header, pool) = (written(None), written(POOL));
    assert_eq!(
        (header.slot_bytes, header.stride_bytes, header.pool_id),
        (256, 0, 0)
    );
    assert_eq!(
        (pool.slot_bytes, pool.stride_bytes, pool.pool_id),
        (192, 192, 3)
    );
}

/// Proves [TP-SHM-0030], [TP-SHM-0050], [TP-SHM-0100].
#[test]
fn what_is_no_finished_region_of_this_layout_is_refused() {
    use SuperblockError as E;
    for region in [None, POOL] {
        let magic = SUPERBLOCK_MAGIC ^ 1;
        assert_eq!(
            refused(region, |s| s.magic = magic),
            E::Magic { found: magic }
        );
        for found in [0, 2] {
            let (expected, refused) = (1, refused(region, |s| s.layout_version = found));
            assert_eq!(refused, E::LayoutVersion { expected, found });
        }
        for found in [32, 128] {
            let (expected, refused) = (64, refused(region, |s| s.nslots = found));
            assert_eq!(refused, E::SlotCount { expected, found });
        }
        assert_eq!(refused(region, |s| s.pid = 0), E::NoPid);
    }
}

/// Proves [TP-SHM-0040], [TP-SHM-0060].
#[test]
fn a_region_of_something_else_is_refused() {
    use SuperblockError as E;
    for (region, other_type) in [
        (None, RegionType::PayloadPool),
        (POOL, RegionType::HeaderRing),
    ] {
        for epoch in [41, 43] {
            let error = refused(region, |s| s.epoch = epoch);
            assert!(matches!(error, E::Epoch { found, .. } if found == Epoch::new(epoch)));
        }
        for stream in [6, 8] {
            let error = refused(region, |s| s.stream_id = stream);
            assert!(matches!(error, E::Stream { found, .. } if found == StreamId::new(stream)));
        }
        let error = refused(region, |s| s.region_type = other_type);
        assert!(matches!(error, E::RegionType { found, .. } if found == other_type));
        let error = refused(region, |s| s.pool_id = 4);
        assert!(matches!(error, E::Pool { found, .. } if found == PoolId::new(4)));
    }
}

/// Proves [TP-SHM-0070], [TP-SHM-0080].
#[test]
fn a_region_with_other_slots_is_refused() {
    use SuperblockError as E;
    for (region, stride) in [(None, 0), (POOL, 192)] {
        for found in [64, 256] {
            let error = refused(region, |s| s.stride_bytes = found);
            let expected = stride;
            assert_eq!(error, E::Stride { expected, found });
        }
    }
    for found in [0, 64, 192, u32::MAX] {
        let error = refused(None, |s| s.slot_bytes = found);
        let expected = 256;
        assert_eq!(error, E::SlotBytes { expected, found });
    }
}

/// Proves [TP-SHM-0090].
#[test]
fn a_pools_slot_bytes_may_be_what_known_peers_write_but_that_is_noted() {
    for slot_bytes in [u32::MAX, 0, 256] {
        let mut fields = written(POOL);
        fields.slot_bytes = slot_bytes;
        let checked = expected(POOL).check(fields).unwrap();
        assert!(checked.tolerated_slot_bytes);
    }
    for found in [64, 191, 193] {
        let error = refused(POOL, |s| s.slot_bytes = found);
        let expected = 192;
        assert_eq!(error, SuperblockError::SlotBytes { expected, found });
    }
}

#[repr(align(64))]
struct Aligned([u8; 64]);

fn with_region<R>(bytes: [u8; 64], test: impl FnOnce(Foreign<'_>) -> R) -> R {
    let mut memory = Aligned(bytes);
    // SAFETY: aligned by its type, alive during the call and reached through the window only.
    test(unsafe { Foreign::new(memory.0.as_mut_ptr(), 64) })
}

/// Proves [TP-SHM-0120].
#[test]
fn pid_and_activity_are_live_words_at_their_places() {
    with_region([0; 64], |region| {
        write(region, &written(None));
        assert_eq!((pid(region), activity(region)), (99, NanoTime::new(5)));
        set_activity(region, NanoTime::new(1 << 40));
        assert_eq!(activity(region), NanoTime::new(1 << 40));
        assert_eq!(read(region).unwrap().activity_timestamp_ns, 1 << 40);
        assert_eq!(read(region).unwrap().pid, 99);
    });
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_never_taken_for_our_superblock(bytes: [u8; 32], rest: [u8; 32]) {
        let mut all = [0; 64];
        all[..32].copy_from_slice(&bytes);
        all[32..].copy_from_slice(&rest);
        let result = with_region(all, |region| {
            read(region).and_then(|fields| expected(None).check(fields))
        });
        prop_assert!(result.is_err());
    }
}

use proptest::prelude::*;

use super::*;

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
    for pool in [None, Some((3, 192))] {
        let checked = expected(pool).check(written(pool)).unwrap();
        assert!(!checked.tolerated_slot_bytes);
        assert_eq!(checked.fields.pid, 99);
    }
    let (header, pool) = (written(None), written(Some((3, 192))));
    assert_eq!(
        (header.slot_bytes, header.stride_bytes, header.pool_id),
        (256, 0, 0)
    );
    assert_eq!(
        (pool.slot_bytes, pool.stride_bytes, pool.pool_id),
        (192, 192, 3)
    );
}

#[test]
fn each_wrong_field_is_refused_by_its_own_error() {
    use SuperblockError as E;
    let pool = Some((3, 192));
    assert!(matches!(refused(pool, |s| s.magic ^= 1), E::Magic { .. }));
    assert!(matches!(
        refused(pool, |s| s.layout_version = 2),
        E::LayoutVersion { found: 2, .. }
    ));
    assert!(matches!(refused(pool, |s| s.epoch = 43), E::Epoch { .. }));
    assert!(matches!(
        refused(pool, |s| s.stream_id = 8),
        E::Stream { .. }
    ));
    assert!(matches!(
        refused(pool, |s| s.region_type = RegionType::HeaderRing),
        E::RegionType { .. }
    ));
    assert!(matches!(refused(pool, |s| s.pool_id = 4), E::Pool { .. }));
    assert!(matches!(
        refused(pool, |s| s.nslots = 32),
        E::SlotCount { found: 32, .. }
    ));
    assert!(matches!(
        refused(pool, |s| s.slot_bytes = 64),
        E::SlotBytes { found: 64, .. }
    ));
    assert!(matches!(
        refused(pool, |s| s.stride_bytes = 256),
        E::Stride { found: 256, .. }
    ));
    assert_eq!(refused(pool, |s| s.pid = 0), E::NoPid);
    assert!(matches!(
        refused(None, |s| s.slot_bytes = u32::MAX),
        E::SlotBytes { .. }
    ));
    assert!(matches!(
        refused(None, |s| s.stride_bytes = 256),
        E::Stride { .. }
    ));
}

#[test]
fn a_pools_slot_bytes_may_be_what_known_peers_write_but_that_is_noted() {
    for slot_bytes in [u32::MAX, 0, 256] {
        let mut fields = written(Some((3, 192)));
        fields.slot_bytes = slot_bytes;
        let checked = expected(Some((3, 192))).check(fields).unwrap();
        assert!(checked.tolerated_slot_bytes);
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

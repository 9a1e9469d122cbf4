use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use super::*;
use crate::allowed::OpenError;
use crate::driver::Fill;
use crate::frame::Frame;
use crate::layout::GeometryError;
use crate::producer::ProducerRing;
use crate::superblock::SuperblockError;
use crate::testkit::{CREATED, EPOCH, STREAM, TestEpoch, meta};

fn poke(epoch: &TestEpoch, file: &str, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new()
        .write(true)
        .open(epoch.file(file))
        .unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

fn superblock_error(result: Result<Arc<Mapping>, MapError>) -> (WhichRegion, SuperblockError) {
    match result {
        Err(MapError::Superblock { region, source }) => (region, source),
        other => panic!("expected a superblock error, found {other:?}"),
    }
}

#[test]
fn a_mapping_tells_what_was_mapped() {
    let epoch = TestEpoch::new(8, &[4096, 64]);
    let mapping = epoch.map(Access::ReadOnly);
    assert_eq!(
        (mapping.stream(), mapping.epoch(), mapping.slot_count()),
        (STREAM, EPOCH, 8)
    );
    assert_eq!((mapping.created(), mapping.activity()), (CREATED, CREATED));
    assert_eq!(mapping.pid(), u64::from(std::process::id()));
    assert_eq!(mapping.current_pid(), mapping.pid());
    let pools: Vec<_> = mapping.pools().collect();
    assert_eq!(pools, [(PoolId::new(2), 64), (PoolId::new(1), 4096)]);
    assert!(!mapping.has_tolerated_slot_bytes());
    assert!(mapping.revalidate().is_ok());
}

/// Proves [TP-SHM-0270].
#[test]
fn the_smallest_pool_that_fits_is_chosen() {
    let epoch = TestEpoch::new(8, &[4096, 64, 1024]);
    let mapping = epoch.map(Access::ReadOnly);
    for (len, pool) in [(0, 2), (64, 2), (65, 3), (1024, 3), (4096, 1)] {
        assert_eq!(
            mapping.fitting_pool(len),
            Some(PoolId::new(pool)),
            "{len} bytes"
        );
    }
    assert_eq!(mapping.fitting_pool(4097), None);
}

#[test]
fn every_superblock_is_checked_against_the_request() {
    let epoch = TestEpoch::new(8, &[64]);
    let map = |change: fn(&mut MapRequest<'_>)| epoch.map_with(Access::ReadOnly, change);
    let (region, error) = superblock_error(map(|r| r.epoch = Epoch::new(1)));
    assert_eq!(region, WhichRegion::Header);
    assert!(matches!(error, SuperblockError::Epoch { .. }));
    let (_, error) = superblock_error(map(|r| r.stream = StreamId::new(1)));
    assert!(matches!(error, SuperblockError::Stream { .. }));
    assert!(matches!(
        map(|r| r.layout_version = 2),
        Err(MapError::LayoutVersion { found: 2 })
    ));
    assert!(matches!(
        map(|r| r.slot_count = 7),
        Err(MapError::Geometry(GeometryError::SlotCount { found: 7 }))
    ));
    assert!(matches!(
        map(|r| r.slot_count = 16),
        Err(MapError::PoolSlotCount { .. })
    ));
    assert!(matches!(
        map(|r| r.pools = &[]),
        Err(MapError::Geometry(GeometryError::NoPools))
    ));
    assert!(matches!(
        map(|r| r.header_uri = "shm:nothing"),
        Err(MapError::Uri { .. })
    ));
}

/// Proves [TP-SHM-0520].
#[test]
fn a_damaged_pool_superblock_leaves_nothing_mapped() {
    let epoch = TestEpoch::new(8, &[64, 128]);
    poke(&epoch, "2.pool", 0, &[0]);
    let (region, error) = superblock_error(epoch.map_with(Access::ReadOnly, |_| {}));
    assert_eq!(region, WhichRegion::Pool(PoolId::new(2)));
    assert!(matches!(error, SuperblockError::Magic { .. }));
}

#[test]
fn a_peers_slot_bytes_are_tolerated_and_noted() {
    let epoch = TestEpoch::new(8, &[64]);
    poke(&epoch, "1.pool", 32, &u32::MAX.to_le_bytes());
    assert!(epoch.map(Access::ReadOnly).has_tolerated_slot_bytes());
}

#[test]
fn regions_of_another_length_do_not_map() {
    let epoch = TestEpoch::new(8, &[64]);
    let grow = |name: &str, by: u64| {
        let file = OpenOptions::new()
            .write(true)
            .open(epoch.file(name))
            .unwrap();
        file.set_len(file.metadata().unwrap().len() + by).unwrap();
    };
    grow("1.pool", 64);
    assert!(matches!(
        epoch.map_with(Access::ReadOnly, |_| {}),
        Err(MapError::Open {
            region: WhichRegion::Pool(_),
            source: OpenError::Size { .. }
        })
    ));
}

/// Proves [TP-SHM-0130].
#[test]
fn activity_is_refreshed_in_every_region_by_producers_only() {
    let epoch = TestEpoch::new(8, &[64]);
    let (reader, writer) = (epoch.map(Access::ReadOnly), epoch.map(Access::ReadWrite));
    let now = NanoTime::new(5_000_000_000);
    assert!(!reader.refresh_activity(now));
    assert_eq!(reader.activity(), CREATED);
    assert!(writer.refresh_activity(now));
    assert_eq!(reader.activity(), now);
    let mut bytes = [0; 8];
    File::open(epoch.file("1.pool"))
        .unwrap()
        .read_exact_at(&mut bytes, 56)
        .unwrap();
    assert_eq!(u64::from_le_bytes(bytes), now.get());
    writer.revoke();
    assert!(!writer.refresh_activity(NanoTime::new(6_000_000_000)));
    assert_eq!(reader.activity(), now);
}

/// Proves [TP-SHM-0530].
#[test]
fn revalidation_notices_a_changed_pid_and_a_changed_superblock() {
    let epoch = TestEpoch::new(8, &[64]);
    let mapping = epoch.map(Access::ReadOnly);
    let pid = mapping.pid();
    poke(&epoch, "header.ring", 40, &(pid + 1).to_le_bytes());
    assert_eq!(mapping.current_pid(), pid + 1);
    assert!(matches!(
        mapping.revalidate(),
        Err(RevalidateError::Pid { region: WhichRegion::Header, found, .. }) if found == pid + 1
    ));
    poke(&epoch, "header.ring", 40, &pid.to_le_bytes());
    assert!(mapping.revalidate().is_ok());
    poke(&epoch, "1.pool", 28, &16u32.to_le_bytes());
    assert!(matches!(
        mapping.revalidate(),
        Err(RevalidateError::Superblock {
            region: WhichRegion::Pool(_),
            source: SuperblockError::SlotCount { found: 16, .. }
        })
    ));
    mapping.revoke();
    assert!(matches!(
        mapping.revalidate(),
        Err(RevalidateError::Unusable(Unusable::Revoked))
    ));
}

/// Proves [TP-SHM-0250].
#[test]
fn a_pool_beyond_four_gib_is_addressed_without_wrapping() {
    const STRIDE: u32 = 1 << 28;
    let epoch = TestEpoch::with_fill(32, &[STRIDE], Fill::Sparse);
    let file = File::open(epoch.file("1.pool")).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 64 + (8 << 30));
    let mut ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
    let reader = epoch.map(Access::ReadOnly);
    for seq in 0..32u64 {
        let (published, _) = ring.publish(&meta(), &seq.to_le_bytes()).unwrap();
        assert_eq!(published.get(), seq);
    }
    for seq in 0..32u64 {
        let slot = reader
            .read_slot(tensorpool_codecs::types::Seq::new(seq))
            .unwrap();
        let mut copy = [0; 8];
        Frame::new(&reader, &slot)
            .unwrap()
            .copy_to(&mut copy)
            .unwrap();
        assert_eq!(u64::from_le_bytes(copy), seq);
        let mut raw = [0; 8];
        file.read_exact_at(&mut raw, 64 + seq * u64::from(STRIDE))
            .unwrap();
        assert_eq!(u64::from_le_bytes(raw), seq);
    }
}

#[test]
fn prefault_and_mlock_are_honoured() {
    let epoch = TestEpoch::new(8, &[4096]);
    let mapping = epoch.map_with(Access::ReadWrite, |request| {
        request.prefault = true;
        request.mlock = true;
    });
    let locked = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib: u64 = locked
        .lines()
        .find_map(|line| line.strip_prefix("VmLck:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap();
    match mapping {
        Ok(_mapping) => assert!(kib >= 36, "{kib} KiB are locked"),
        Err(MapError::Region {
            source: crate::region::RegionError::Lock { .. },
            ..
        }) => {}
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn mappings_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Mapping>();
    shared::<crate::frame::RetainedFrame>();
    shared::<crate::producer::Claim>();
}

//! What a client maps, and what it refuses to.

use tensorpool_shm::layout::GeometryError;
use tensorpool_shm::mapping::{Access, MapError};

use crate::support::Stream;

/// Proves [TP-SHM-0220].
#[test]
fn pool_of_another_slot_count_than_the_ring_does_not_map() {
    for slot_count in [4, 16] {
        let error = Stream::new(8, 64)
            .map_with(
                Access::ReadOnly,
                |_| {},
                |pool| pool.slot_count = slot_count,
            )
            .unwrap_err();
        let refused = matches!(error, MapError::PoolSlotCount { expected: 8, found, .. } if found == slot_count);
        assert!(refused, "{error}");
    }
}

/// Proves [TP-SHM-0230].
#[test]
fn strides_that_are_no_multiple_of_64_do_not_map_and_no_powers_of_two_do() {
    for stride_bytes in [0, 32, 100] {
        let error = Stream::new(8, 64)
            .map_with(
                Access::ReadOnly,
                |_| {},
                |pool| pool.stride_bytes = stride_bytes,
            )
            .unwrap_err();
        let refused = matches!(
            error,
            MapError::Geometry(GeometryError::Stride { found, .. }) if found == stride_bytes
        );
        assert!(refused, "{error}");
    }
    let mapping = Stream::new(8, 192).map(Access::ReadOnly);
    assert_eq!(mapping.pools().next().map(|(_, stride)| stride), Some(192));
}

/// Proves [TP-SHM-0510].
#[test]
fn no_layout_version_but_one_maps() {
    for layout_version in [0, 2, u32::MAX] {
        let change = |request: &mut tensorpool_shm::mapping::MapRequest<'_>| {
            request.layout_version = layout_version;
        };
        let error = Stream::new(8, 64)
            .map_with(Access::ReadOnly, change, |_| {})
            .unwrap_err();
        let refused = matches!(error, MapError::LayoutVersion { found } if found == layout_version);
        assert!(refused, "{error}");
    }
}

/// Proves [TP-SHM-0350].
#[test]
fn regions_map_where_they_were_announced_wherever_that_is() {
    let stream = Stream::new(8, 64);
    let elsewhere = stream.temp.path().join("elsewhere");
    std::fs::rename(stream.owned.path(), &elsewhere).unwrap();
    let canonical = stream.map_with(Access::ReadOnly, |_| {}, |_| {});
    assert!(
        matches!(canonical, Err(MapError::Open { .. })),
        "{canonical:?}"
    );
    let uri = |name: &str| format!("shm:file?path={}/{name}", elsewhere.display());
    let (header, pool) = (uri("header.ring"), uri("1.pool"));
    let geometry = stream.owned.geometry();
    let pools = [tensorpool_shm::mapping::PoolRequest {
        id: geometry.pools()[0].id,
        slot_count: geometry.slot_count(),
        stride_bytes: geometry.pools()[0].stride_bytes,
        uri: &pool,
    }];
    let request = tensorpool_shm::mapping::MapRequest {
        stream: stream.owned.stream(),
        epoch: stream.owned.epoch(),
        layout_version: 1,
        slot_count: geometry.slot_count(),
        header_uri: &header,
        pools: &pools,
        access: Access::ReadOnly,
        prefault: false,
        mlock: false,
    };
    let allowed = tensorpool_shm::allowed::AllowedDirs::new([stream.temp.path()]).unwrap();
    let mapping = tensorpool_shm::mapping::Mapping::open(&request, &allowed).unwrap();
    assert_eq!(mapping.epoch(), stream.owned.epoch());
}

//! The regions of one epoch as a driver names them, checked before anybody tries to map them.

use tensorpool_codecs::types::{Epoch, PoolId, StreamId};
use thiserror::Error;

use crate::common::{
    GeometryError, HEADER_SLOT_BYTES, LAYOUT_VERSION, MAX_POOLS, PoolGeometry, StreamGeometry,
};

/// One pool as a message names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPool {
    /// The pool's id.
    pub pool_id: PoolId,
    /// Its slots.
    pub slot_count: u32,
    /// Bytes per slot.
    pub stride_bytes: u32,
    /// Where it is.
    pub uri: String,
}

/// The regions of a response or an announce, unchecked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRegions {
    /// Slots of the header ring; `None` when null.
    pub header_slot_count: Option<u32>,
    /// Bytes of a header slot; `None` when null.
    pub header_slot_bytes: Option<u16>,
    /// Where the header ring is.
    pub header_uri: String,
    /// The payload pools.
    pub pools: Vec<RawPool>,
}

/// The checked regions of one epoch of one stream: what a worker can map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionSet {
    /// The stream.
    pub stream_id: StreamId,
    /// The epoch.
    pub epoch: Epoch,
    /// Slots and strides.
    pub geometry: StreamGeometry,
    /// Where the header ring is.
    pub header_uri: String,
    /// Where each pool is, in the order of `geometry.pools()`.
    pub pool_uris: Vec<String>,
}

/// Why a driver's description of its regions cannot be used. Fail closed: nothing is mapped.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionsError {
    /// A field that a grant must carry is null or empty.
    #[error("required field {0} is missing")]
    Missing(&'static str),
    /// Another layout than this version knows.
    #[error("expected layout version {LAYOUT_VERSION}, found {0}")]
    LayoutVersion(u32),
    /// Another slot size than the layout has.
    #[error("expected header slots of {HEADER_SLOT_BYTES} bytes, found {0}")]
    HeaderSlotBytes(u16),
    /// A pool's slots do not match the ring's.
    #[error("pool {pool_id} has {found} slots, the header ring has {expected}")]
    SlotCount {
        /// The pool.
        pool_id: PoolId,
        /// Slots of the header ring.
        expected: u32,
        /// Slots of the pool.
        found: u32,
    },
    /// More pools than anybody is known to use.
    #[error("expected at most {MAX_POOLS} payload pools, found {0}")]
    TooManyPools(usize),
    /// Slot count or strides are impossible.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
}

impl RegionSet {
    /// Checks what a driver said (Driver Model v1.0 §4, Wire v1.2 §15.3).
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(
        stream_id: StreamId,
        epoch: Epoch,
        layout_version: u32,
        raw: &RawRegions,
    ) -> Result<Self, RegionsError> {
        // [TP-CLI-0120] [TP-CLI-0740]
        if layout_version != LAYOUT_VERSION {
            return Err(RegionsError::LayoutVersion(layout_version));
        }
        // [TP-CLI-0090]
        let slot_count = raw
            .header_slot_count
            .ok_or(RegionsError::Missing("header slot count"))?;
        let slot_bytes = raw
            .header_slot_bytes
            .ok_or(RegionsError::Missing("header slot bytes"))?;
        // [TP-CLI-0100]
        if slot_bytes != HEADER_SLOT_BYTES {
            return Err(RegionsError::HeaderSlotBytes(slot_bytes));
        }
        // [TP-CLI-0090]
        if raw.header_uri.is_empty() {
            return Err(RegionsError::Missing("header region URI"));
        }
        // [TP-CLI-0090]
        if raw.pools.is_empty() {
            return Err(RegionsError::Missing("payload pools"));
        }
        if raw.pools.len() > MAX_POOLS {
            return Err(RegionsError::TooManyPools(raw.pools.len()));
        }
        for pool in &raw.pools {
            check_pool(pool, slot_count)?;
        }
        let geometry =
            StreamGeometry::new(slot_count, raw.pools.iter().map(geometry_of).collect())?;
        let pool_uris = geometry
            .pools()
            .iter()
            .map(|pool| uri_of(&raw.pools, pool.pool_id));
        Ok(Self {
            stream_id,
            epoch,
            pool_uris: pool_uris.collect(),
            geometry,
            header_uri: raw.header_uri.clone(),
        })
    }
}

fn check_pool(pool: &RawPool, expected: u32) -> Result<(), RegionsError> {
    // [TP-CLI-0090]
    if pool.uri.is_empty() {
        return Err(RegionsError::Missing("payload region URI"));
    }
    // [TP-CLI-0110]
    if pool.slot_count != expected {
        let RawPool {
            pool_id,
            slot_count: found,
            ..
        } = *pool;
        return Err(RegionsError::SlotCount {
            pool_id,
            expected,
            found,
        });
    }
    Ok(())
}

fn geometry_of(pool: &RawPool) -> PoolGeometry {
    PoolGeometry {
        pool_id: pool.pool_id,
        stride_bytes: pool.stride_bytes,
    }
}

fn uri_of(pools: &[RawPool], id: PoolId) -> String {
    pools
        .iter()
        .find(|pool| pool.pool_id == id)
        .map(|pool| pool.uri.clone())
        .unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn raw_regions() -> RawRegions {
        let pool = |id: u16, stride_bytes| RawPool {
            pool_id: PoolId::new(id),
            slot_count: 8,
            stride_bytes,
            uri: format!("shm:file?path=/pools/{id}"),
        };
        RawRegions {
            header_slot_count: Some(8),
            header_slot_bytes: Some(256),
            header_uri: "shm:file?path=/pools/header".into(),
            pools: vec![pool(1, 4096), pool(2, 64)],
        }
    }

    fn check(change: impl FnOnce(&mut RawRegions)) -> Result<RegionSet, RegionsError> {
        let mut raw = raw_regions();
        change(&mut raw);
        RegionSet::check(StreamId::new(1), Epoch::new(2), 1, &raw)
    }

    #[test]
    fn uris_follow_the_order_of_the_pools() {
        let set = check(|_| {}).unwrap();
        assert_eq!(set.geometry.pools()[0].pool_id, PoolId::new(2));
        assert_eq!(
            set.pool_uris,
            ["shm:file?path=/pools/2", "shm:file?path=/pools/1"]
        );
    }

    /// Proves [TP-CLI-0090].
    #[test]
    fn what_a_grant_must_carry_is_required() {
        let missing = |field| Err(RegionsError::Missing(field));
        assert_eq!(
            check(|r| r.header_slot_count = None),
            missing("header slot count")
        );
        assert_eq!(
            check(|r| r.header_slot_bytes = None),
            missing("header slot bytes")
        );
        assert_eq!(
            check(|r| r.header_uri.clear()),
            missing("header region URI")
        );
        assert_eq!(check(|r| r.pools.clear()), missing("payload pools"));
        assert_eq!(
            check(|r| r.pools[1].uri.clear()),
            missing("payload region URI")
        );
    }

    /// Proves [TP-CLI-0100], [TP-CLI-0110], [TP-CLI-0120].
    #[test]
    fn impossible_geometries_are_refused() {
        assert_eq!(
            check(|r| r.header_slot_bytes = Some(128)),
            Err(RegionsError::HeaderSlotBytes(128))
        );
        let mismatch = check(|r| r.pools[0].slot_count = 4).unwrap_err();
        assert!(matches!(
            mismatch,
            RegionsError::SlotCount {
                expected: 8,
                found: 4,
                ..
            }
        ));
        assert!(matches!(
            check(|r| r.pools[0].stride_bytes = 7),
            Err(RegionsError::Geometry(_))
        ));
        let many = check(|r| r.pools = vec![r.pools[0].clone(); 17]);
        assert_eq!(many, Err(RegionsError::TooManyPools(17)));
        let layout = RegionSet::check(StreamId::new(1), Epoch::new(2), 2, &raw_regions());
        assert_eq!(layout, Err(RegionsError::LayoutVersion(2)));
    }
}

//! The geometry of a stream's memory: one header ring and its payload pools, sizes in bytes.

use tensorpool_codecs::types::PoolId;

/// The only layout version that exists (Wire v1.2 §7).
pub const LAYOUT_VERSION: u32 = 1;
/// Bytes of a slot of the header ring.
pub const HEADER_SLOT_BYTES: u16 = 256;
/// Bytes of the superblock every region starts with.
pub const SUPERBLOCK_BYTES: u64 = 64;
/// Most payload pools a stream may have (our own limit, so that every list is bounded).
pub const MAX_POOLS: usize = 16;
/// What every stride is a multiple of, in bytes.
const STRIDE_UNIT_BYTES: u32 = 64;

/// One payload pool: as many slots as the header ring, each `stride_bytes` long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolGeometry {
    /// The pool's id, unique within its stream.
    pub pool_id: PoolId,
    /// Bytes of one slot: a positive multiple of 64.
    pub stride_bytes: u32,
}

/// The memory of one stream: slot count shared by the header ring and all pools, and the pools by
/// ascending stride.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamGeometry {
    slot_count: u32,
    pools: Vec<PoolGeometry>,
}

/// Why a geometry is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// The slot count is zero or no power of two.
    #[error("slot count {0} is not a power of two; use 1, 2, 4, 8, ...")]
    SlotCount(u32),
    /// A stream without pools cannot carry payloads, and the number of pools is limited.
    #[error("{0} payload pools; a stream needs 1 to {MAX_POOLS}")]
    PoolCount(usize),
    /// A stride is no positive multiple of 64.
    #[error(
        "pool {pool_id}: stride of {stride_bytes} bytes is not a positive multiple of \
         {STRIDE_UNIT_BYTES}"
    )]
    Stride {
        /// The pool in question.
        pool_id: PoolId,
        /// What was configured.
        stride_bytes: u32,
    },
    /// Two pools have the same id.
    #[error("pool id {0} is used twice; pool ids must differ within a stream")]
    DuplicatePool(PoolId),
}

impl StreamGeometry {
    /// Checks and sorts the pools by stride, so that the first that fits is the smallest.
    ///
    /// # Errors
    /// See [`GeometryError`].
    pub fn new(slot_count: u32, mut pools: Vec<PoolGeometry>) -> Result<Self, GeometryError> {
        if !slot_count.is_power_of_two() {
            return Err(GeometryError::SlotCount(slot_count));
        }
        // [TP-DRV-1350]
        if pools.is_empty() || pools.len() > MAX_POOLS {
            return Err(GeometryError::PoolCount(pools.len()));
        }
        for (index, pool) in pools.iter().enumerate() {
            let PoolGeometry {
                pool_id,
                stride_bytes,
            } = *pool;
            if stride_bytes == 0 || !stride_bytes.is_multiple_of(STRIDE_UNIT_BYTES) {
                return Err(GeometryError::Stride {
                    pool_id,
                    stride_bytes,
                });
            }
            if pools[..index].iter().any(|other| other.pool_id == pool_id) {
                return Err(GeometryError::DuplicatePool(pool_id));
            }
        }
        pools.sort_by_key(|pool| (pool.stride_bytes, pool.pool_id));
        Ok(Self { slot_count, pools })
    }

    /// Slots of the header ring and of every pool; a power of two.
    #[must_use]
    pub fn slot_count(&self) -> u32 {
        self.slot_count
    }

    /// The pools, smallest stride first.
    #[must_use]
    pub fn pools(&self) -> &[PoolGeometry] {
        &self.pools
    }

    /// Bytes of the header ring's region.
    #[must_use]
    pub fn header_region_len(&self) -> u64 {
        SUPERBLOCK_BYTES + u64::from(self.slot_count) * u64::from(HEADER_SLOT_BYTES)
    }

    /// Bytes of one pool's region; never overflows (u32 × u32).
    #[must_use]
    pub fn pool_region_len(&self, pool: PoolGeometry) -> u64 {
        SUPERBLOCK_BYTES + u64::from(self.slot_count) * u64::from(pool.stride_bytes)
    }

    /// Bytes of all regions of one epoch, saturating.
    #[must_use]
    pub fn total_len(&self) -> u64 {
        self.pools
            .iter()
            .fold(self.header_region_len(), |sum, pool| {
                sum.saturating_add(self.pool_region_len(*pool))
            })
    }

    /// The largest payload a frame of this stream can carry, in bytes.
    #[must_use]
    pub fn max_payload_len(&self) -> u32 {
        self.pools.last().map_or(0, |pool| pool.stride_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(id: u16, stride_bytes: u32) -> PoolGeometry {
        PoolGeometry {
            pool_id: PoolId::new(id),
            stride_bytes,
        }
    }

    #[test]
    fn sizes_are_exact_and_64_bit() {
        let geometry = StreamGeometry::new(8, vec![pool(2, 1 << 30), pool(1, 4096)]).unwrap();
        assert_eq!(geometry.header_region_len(), 64 + 8 * 256);
        assert_eq!(geometry.pools()[0].pool_id, PoolId::new(1));
        assert_eq!(
            geometry.pool_region_len(pool(2, 1 << 30)),
            64 + (8u64 << 30)
        );
        assert_eq!(
            geometry.total_len(),
            (64 + 2048) + (64 + 8 * 4096) + (64 + (8u64 << 30))
        );
        assert_eq!(geometry.max_payload_len(), 1 << 30);
    }

    /// Proves [TP-DRV-1350].
    #[test]
    fn bad_geometries_are_refused_by_name() {
        let refuse = |slots, pools| StreamGeometry::new(slots, pools).unwrap_err();
        assert_eq!(refuse(6, vec![pool(1, 64)]), GeometryError::SlotCount(6));
        assert_eq!(refuse(0, vec![pool(1, 64)]), GeometryError::SlotCount(0));
        assert_eq!(refuse(4, vec![]), GeometryError::PoolCount(0));
        assert_eq!(
            refuse(4, vec![pool(1, 100)]),
            GeometryError::Stride {
                pool_id: PoolId::new(1),
                stride_bytes: 100
            }
        );
        assert_eq!(
            refuse(4, vec![pool(1, 64), pool(1, 128)]),
            GeometryError::DuplicatePool(PoolId::new(1))
        );
        let many = (0..17).map(|id| pool(id, 64)).collect();
        assert_eq!(refuse(4, many), GeometryError::PoolCount(17));
    }
}

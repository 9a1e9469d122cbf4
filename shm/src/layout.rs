//! Sizes and offsets of regions, in checked 64-bit arithmetic.
//!
//! A region is a 64-byte superblock followed by `slot_count` slots: 256-byte slot headers in the
//! header ring, `stride` bytes of payload in a pool (Wire v1.2 §8). Nothing here touches memory or
//! files.

pub use tensorpool_codecs::slot::{LAYOUT_VERSION, SLOT_LEN, SUPERBLOCK_LEN};
use tensorpool_codecs::types::PoolId;
use thiserror::Error;

/// Payload strides are positive multiples of this, and payloads start on such a boundary.
pub const STRIDE_QUANTUM: u32 = 64;
/// At most this many payload pools per stream, as everywhere else.
pub const MAX_POOLS: usize = 16;

/// One payload pool: every pool of a stream has as many slots as its header ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolGeometry {
    /// The pool's id, unique within the stream.
    pub id: PoolId,
    /// Bytes per slot.
    pub stride_bytes: u32,
}

/// A validated set of sizes: what a stream's regions look like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    slot_count: u32,
    pools: Vec<PoolGeometry>,
}

/// Why a geometry cannot exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GeometryError {
    /// The slot count is zero or not a power of two.
    #[error("slot count must be a power of two, found {found}")]
    SlotCount {
        /// The count given.
        found: u32,
    },
    /// A stride is zero or not a multiple of 64.
    #[error("pool {pool}: stride must be a positive multiple of 64 bytes, found {found}")]
    Stride {
        /// The pool.
        pool: PoolId,
        /// The stride given.
        found: u32,
    },
    /// A stride is no power of two and the caller insisted.
    #[error("pool {pool}: stride must be a power of two, found {found}")]
    StrideNotPowerOfTwo {
        /// The pool.
        pool: PoolId,
        /// The stride given.
        found: u32,
    },
    /// No pool at all.
    #[error("a stream needs at least one payload pool")]
    NoPools,
    /// More pools than supported.
    #[error("at most {MAX_POOLS} payload pools are supported, found {found}")]
    TooManyPools {
        /// Pools given.
        found: usize,
    },
    /// Two pools share an id.
    #[error("pool id {pool} is used twice")]
    DuplicatePool {
        /// The id.
        pool: PoolId,
    },
    /// The sizes exceed what a file offset can hold.
    #[error("the regions add up to more than 2^63 bytes: use fewer slots or smaller strides")]
    TooLarge,
}

impl Geometry {
    /// Checks the sizes; strides may be any positive multiple of 64.
    pub fn new(slot_count: u32, pools: Vec<PoolGeometry>) -> Result<Self, GeometryError> {
        check_slot_count(slot_count)?;
        if pools.is_empty() {
            return Err(GeometryError::NoPools);
        }
        // [TP-SHM-0260]
        if pools.len() > MAX_POOLS {
            return Err(GeometryError::TooManyPools { found: pools.len() });
        }
        for (i, pool) in pools.iter().enumerate() {
            check_stride(*pool)?;
            // [TP-SHM-0260]
            if pools[..i].iter().any(|other| other.id == pool.id) {
                return Err(GeometryError::DuplicatePool { pool: pool.id });
            }
        }
        let geometry = Self { slot_count, pools };
        geometry
            .checked_total_len()
            .ok_or(GeometryError::TooLarge)?;
        Ok(geometry)
    }

    /// The stricter rule of Wire v1.2 for writers: strides are powers of two. [TP-SHM-0240]
    pub fn require_power_of_two_strides(&self) -> Result<(), GeometryError> {
        match self
            .pools
            .iter()
            .find(|pool| !pool.stride_bytes.is_power_of_two())
        {
            None => Ok(()),
            Some(pool) => Err(GeometryError::StrideNotPowerOfTwo {
                pool: pool.id,
                found: pool.stride_bytes,
            }),
        }
    }

    /// Slots of the header ring and of each pool.
    #[must_use]
    pub fn slot_count(&self) -> u32 {
        self.slot_count
    }

    /// The pools, in the order given.
    #[must_use]
    pub fn pools(&self) -> &[PoolGeometry] {
        &self.pools
    }

    /// Bytes of the header ring's region.
    #[must_use]
    pub fn header_len(&self) -> u64 {
        header_region_len(self.slot_count)
    }

    /// Bytes of all regions together, as files on a file system with 4 KiB pages may round up by
    /// less than a page each.
    #[must_use]
    pub fn total_len(&self) -> u64 {
        self.checked_total_len().unwrap_or(u64::MAX)
    }

    fn checked_total_len(&self) -> Option<u64> {
        let total = self.pools.iter().try_fold(self.header_len(), |sum, pool| {
            sum.checked_add(pool_region_len(self.slot_count, pool.stride_bytes))
        })?;
        (total <= i64::MAX as u64).then_some(total)
    }
}

/// Bytes of a header ring's region: cannot overflow. [TP-SHM-0020]
#[must_use]
pub const fn header_region_len(slot_count: u32) -> u64 {
    SUPERBLOCK_LEN as u64 + slot_count as u64 * SLOT_LEN as u64
}

/// Bytes of a pool's region: cannot overflow, as both factors have 32 bits.
/// [TP-SHM-0020] [TP-SHM-0250]
#[must_use]
pub const fn pool_region_len(slot_count: u32, stride_bytes: u32) -> u64 {
    (slot_count as u64 * stride_bytes as u64).saturating_add(SUPERBLOCK_LEN as u64)
}

/// Offset of slot `index` in the header ring's region, in bytes.
/// [TP-SHM-0610]
#[must_use]
pub const fn slot_offset(index: u32) -> u64 {
    header_region_len(index)
}

/// Offset of payload slot `index` in a pool's region, in bytes.
/// [TP-SHM-0810]
#[must_use]
pub const fn payload_offset(index: u32, stride_bytes: u32) -> u64 {
    pool_region_len(index, stride_bytes)
}

/// `len` rounded up to whole pages of `page_len` bytes (a power of two); `None` on overflow.
#[must_use]
pub const fn round_up(len: u64, page_len: u64) -> Option<u64> {
    match len.checked_add(page_len - 1) {
        Some(sum) => Some(sum & !(page_len - 1)),
        None => None,
    }
}

/// A slot count must be a power of two, so that `seq & (slot_count - 1)` is the slot's index.
/// [TP-SHM-0210]
pub fn check_slot_count(slot_count: u32) -> Result<(), GeometryError> {
    if slot_count.is_power_of_two() {
        Ok(())
    } else {
        Err(GeometryError::SlotCount { found: slot_count })
    }
}

/// A stride must be a positive multiple of 64. [TP-SHM-0230]
pub fn check_stride(pool: PoolGeometry) -> Result<(), GeometryError> {
    if pool.stride_bytes != 0 && pool.stride_bytes.is_multiple_of(STRIDE_QUANTUM) {
        Ok(())
    } else {
        Err(GeometryError::Stride {
            pool: pool.id,
            found: pool.stride_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(id: u16, stride_bytes: u32) -> PoolGeometry {
        PoolGeometry {
            id: PoolId::new(id),
            stride_bytes,
        }
    }

    /// Proves [TP-SHM-0020].
    #[test]
    fn region_sizes_are_exactly_superblock_plus_slots() {
        assert_eq!(header_region_len(64), 64 + 64 * 256);
        assert_eq!(pool_region_len(64, 192), 64 + 64 * 192);
        assert_eq!(slot_offset(3), 64 + 3 * 256);
        assert_eq!(payload_offset(3, 4096), 64 + 3 * 4096);
    }

    #[test]
    fn offsets_beyond_four_gib_do_not_wrap() {
        assert_eq!(payload_offset(31, 1 << 28), 64 + 31 * (1u64 << 28));
        assert_eq!(
            payload_offset(u32::MAX, u32::MAX),
            64 + u64::from(u32::MAX).pow(2)
        );
    }

    /// Proves [TP-SHM-0240].
    #[test]
    fn strides_are_positive_multiples_of_64_and_power_of_two_only_on_demand() {
        for stride in [0, 1, 32, 63, 65, 100] {
            assert_eq!(
                Geometry::new(8, vec![pool(1, stride)]),
                Err(GeometryError::Stride {
                    pool: PoolId::new(1),
                    found: stride
                })
            );
        }
        let geometry = Geometry::new(8, vec![pool(1, 64), pool(2, 192)]).unwrap();
        assert_eq!(
            geometry.require_power_of_two_strides(),
            Err(GeometryError::StrideNotPowerOfTwo {
                pool: PoolId::new(2),
                found: 192
            })
        );
        assert_eq!(
            Geometry::new(8, vec![pool(1, 4096)])
                .unwrap()
                .require_power_of_two_strides(),
            Ok(())
        );
    }

    /// Proves [TP-SHM-0210].
    #[test]
    fn slot_counts_are_powers_of_two() {
        for count in [0, 3, 5, 1000] {
            assert_eq!(
                Geometry::new(count, vec![pool(1, 64)]),
                Err(GeometryError::SlotCount { found: count })
            );
        }
        assert!(Geometry::new(1, vec![pool(1, 64)]).is_ok());
    }

    /// Proves [TP-SHM-0260].
    #[test]
    fn pools_are_required_bounded_and_unique() {
        assert_eq!(Geometry::new(8, vec![]), Err(GeometryError::NoPools));
        assert_eq!(
            Geometry::new(8, vec![pool(1, 64), pool(1, 128)]),
            Err(GeometryError::DuplicatePool {
                pool: PoolId::new(1)
            })
        );
        let many: Vec<_> = (0..=MAX_POOLS as u16).map(|id| pool(id, 64)).collect();
        assert_eq!(
            Geometry::new(8, many),
            Err(GeometryError::TooManyPools {
                found: MAX_POOLS + 1
            })
        );
    }

    #[test]
    fn a_sum_beyond_file_offsets_is_refused() {
        let huge = u32::MAX - 63;
        assert_eq!(
            Geometry::new(1 << 31, vec![pool(1, huge), pool(2, huge)]),
            Err(GeometryError::TooLarge)
        );
        let geometry = Geometry::new(64, vec![pool(1, 4096), pool(2, 1 << 20)]).unwrap();
        assert_eq!(
            geometry.total_len(),
            64 * 256 + 64 * 4096 + (64 << 20) + 3 * 64
        );
    }

    #[test]
    fn rounding_to_pages_keeps_whole_pages_and_refuses_overflow() {
        assert_eq!(round_up(0, 4096), Some(0));
        assert_eq!(round_up(1, 4096), Some(4096));
        assert_eq!(round_up(2 << 20, 2 << 20), Some(2 << 20));
        assert_eq!(round_up((2 << 20) + 64, 2 << 20), Some(4 << 20));
        assert_eq!(round_up(u64::MAX, 4096), None);
    }
}

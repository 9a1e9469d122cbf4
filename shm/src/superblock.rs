//! The 64 bytes at the start of every region: what they must say, and the two words that are live.
//!
//! The bytes themselves are encoded and decoded by `tensorpool_codecs`. The pid (offset 40) and the
//! activity timestamp (offset 56) are accessed as atomics, everything else is written once.

use core::sync::atomic::Ordering;

use tensorpool_codecs::DecodeError;
use tensorpool_codecs::slot::SUPERBLOCK_MAGIC;
use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, StreamId};
use tensorpool_codecs::wire::{RegionType, ShmRegionSuperblock};
use thiserror::Error;

use crate::foreign::Foreign;
use crate::layout::{LAYOUT_VERSION, SLOT_LEN, SUPERBLOCK_LEN};

const PID_OFFSET: usize = 40;
const ACTIVITY_OFFSET: usize = 56;

/// Values of `slot_bytes` that peers write into a payload pool's superblock instead of the stride.
const TOLERATED_POOL_SLOT_BYTES: [u32; 3] = [u32::MAX, 0, SLOT_LEN as u32];

/// What a region's superblock must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedSuperblock {
    /// The layout version agreed on.
    pub layout_version: u32,
    /// The epoch of the region.
    pub epoch: Epoch,
    /// The stream of the region.
    pub stream: StreamId,
    /// Slots of the region.
    pub slot_count: u32,
    /// The pool and its stride; `None` for the header ring.
    pub pool: Option<(PoolId, u32)>,
}

/// What was wrong with a superblock.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SuperblockError {
    /// Not decodable.
    #[error("superblock: {0}")]
    Malformed(#[from] DecodeError),
    /// Wrong magic.
    #[error(
        "superblock magic is {found:#018x}, expected {SUPERBLOCK_MAGIC:#018x}: not a tensor pool \
         region"
    )]
    Magic {
        /// What it says.
        found: u64,
    },
    /// Wrong layout version.
    #[error("superblock layout version is {found}, expected {expected}")]
    LayoutVersion {
        /// What was announced.
        expected: u32,
        /// What it says.
        found: u32,
    },
    /// Another epoch.
    #[error(
        "superblock epoch is {found}, expected {expected}: the region belongs to another life of \
         the stream"
    )]
    Epoch {
        /// What was announced.
        expected: Epoch,
        /// What it says.
        found: Epoch,
    },
    /// Another stream.
    #[error("superblock stream id is {found}, expected {expected}")]
    Stream {
        /// What was announced.
        expected: StreamId,
        /// What it says.
        found: StreamId,
    },
    /// A header ring where a pool is expected, or the reverse.
    #[error("superblock region type is {found:?}, expected {expected:?}")]
    RegionType {
        /// What it must be.
        expected: RegionType,
        /// What it says.
        found: RegionType,
    },
    /// Another pool.
    #[error("superblock pool id is {found}, expected {expected}")]
    Pool {
        /// What was announced, 0 for the header ring.
        expected: PoolId,
        /// What it says.
        found: PoolId,
    },
    /// Another slot count.
    #[error("superblock slot count is {found}, expected {expected}")]
    SlotCount {
        /// What was announced.
        expected: u32,
        /// What it says.
        found: u32,
    },
    /// Wrong slot size.
    #[error("superblock slot size is {found} bytes, expected {expected}")]
    SlotBytes {
        /// 256 for the header ring, the stride for a pool.
        expected: u32,
        /// What it says.
        found: u32,
    },
    /// Another stride.
    #[error("superblock stride is {found} bytes, expected {expected}")]
    Stride {
        /// The pool's stride; 0 for the header ring.
        expected: u32,
        /// What it says.
        found: u32,
    },
    /// A pid of 0.
    #[error("superblock names no creator (pid 0): its creator did not finish")]
    NoPid,
}

/// A superblock that is right, but for what is tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedSuperblock {
    /// Its fields.
    pub fields: ShmRegionSuperblock,
    /// A pool's `slot_bytes` is not its stride but one of the values known peers write; worth a
    /// warning.
    pub tolerated_slot_bytes: bool,
}

impl ExpectedSuperblock {
    /// Compares field by field, in the order of the layout; the first difference is the error.
    pub fn check(&self, found: ShmRegionSuperblock) -> Result<CheckedSuperblock, SuperblockError> {
        use SuperblockError as E;
        let (region_type, pool, slot_bytes, stride) = self.region_fields();
        // [TP-SHM-0030]
        if found.magic != SUPERBLOCK_MAGIC {
            return Err(E::Magic { found: found.magic });
        }
        // [TP-SHM-0050]
        if found.layout_version != self.layout_version {
            let expected = self.layout_version;
            return Err(E::LayoutVersion {
                expected,
                found: found.layout_version,
            });
        }
        // [TP-SHM-0040]
        if found.epoch != self.epoch.get() {
            return Err(E::Epoch {
                expected: self.epoch,
                found: Epoch::new(found.epoch),
            });
        }
        // [TP-SHM-0040]
        if found.stream_id != self.stream.get() {
            return Err(E::Stream {
                expected: self.stream,
                found: StreamId::new(found.stream_id),
            });
        }
        // [TP-SHM-0060]
        if found.region_type != region_type {
            return Err(E::RegionType {
                expected: region_type,
                found: found.region_type,
            });
        }
        // [TP-SHM-0060]
        if found.pool_id != pool.get() {
            return Err(E::Pool {
                expected: pool,
                found: PoolId::new(found.pool_id),
            });
        }
        // [TP-SHM-0050]
        if found.nslots != self.slot_count {
            return Err(E::SlotCount {
                expected: self.slot_count,
                found: found.nslots,
            });
        }
        // [TP-SHM-0080] [TP-SHM-0090]
        let tolerated_slot_bytes = found.slot_bytes != slot_bytes;
        if tolerated_slot_bytes
            && (self.pool.is_none() || !TOLERATED_POOL_SLOT_BYTES.contains(&found.slot_bytes))
        {
            return Err(E::SlotBytes {
                expected: slot_bytes,
                found: found.slot_bytes,
            });
        }
        // [TP-SHM-0070]
        if found.stride_bytes != stride {
            return Err(E::Stride {
                expected: stride,
                found: found.stride_bytes,
            });
        }
        // [TP-SHM-0100]
        if found.pid == 0 {
            return Err(E::NoPid);
        }
        Ok(CheckedSuperblock {
            fields: found,
            tolerated_slot_bytes,
        })
    }

    /// The fields of such a superblock as its creator writes it.
    /// [TP-SHM-0110]
    #[must_use]
    pub fn to_fields(&self, pid: u32, created: NanoTime) -> ShmRegionSuperblock {
        let (region_type, pool, slot_bytes, stride_bytes) = self.region_fields();
        ShmRegionSuperblock {
            magic: SUPERBLOCK_MAGIC,
            layout_version: LAYOUT_VERSION,
            epoch: self.epoch.get(),
            stream_id: self.stream.get(),
            region_type,
            pool_id: pool.get(),
            nslots: self.slot_count,
            slot_bytes,
            stride_bytes,
            pid: u64::from(pid),
            start_timestamp_ns: created.get(),
            activity_timestamp_ns: created.get(),
        }
    }

    // [TP-SHM-0110]
    fn region_fields(&self) -> (RegionType, PoolId, u32, u32) {
        match self.pool {
            None => (RegionType::HeaderRing, PoolId::new(0), SLOT_LEN as u32, 0),
            Some((pool, stride)) => (RegionType::PayloadPool, pool, stride, stride),
        }
    }
}

/// Reads the superblock of a mapped region.
/// [TP-SHM-0010]
pub(crate) fn read(region: Foreign<'_>) -> Result<ShmRegionSuperblock, SuperblockError> {
    let mut bytes = [0; SUPERBLOCK_LEN];
    region.read(0, &mut bytes);
    Ok(ShmRegionSuperblock::decode(&bytes)?)
}

/// Writes the superblock of a region nobody else knows of yet.
/// [TP-SHM-0010]
pub(crate) fn write(region: Foreign<'_>, fields: &ShmRegionSuperblock) {
    let mut bytes = [0; SUPERBLOCK_LEN];
    fields.encode_into(&mut bytes);
    region.write(0, &bytes);
}

/// The creator's pid as it stands now. [TP-SHM-0120]
pub(crate) fn pid(region: Foreign<'_>) -> u64 {
    region.word(PID_OFFSET).load(Ordering::Relaxed)
}

/// The activity timestamp as it stands now; zero means unknown. [TP-SHM-0120]
pub(crate) fn activity(region: Foreign<'_>) -> NanoTime {
    NanoTime::new(region.word(ACTIVITY_OFFSET).load(Ordering::Relaxed))
}

/// Stores the activity timestamp, whole.
pub(crate) fn set_activity(region: Foreign<'_>, now: NanoTime) {
    region
        .word(ACTIVITY_OFFSET)
        .store(now.get(), Ordering::Relaxed);
}

#[cfg(test)]
mod tests;

//! A stream's regions as a client maps them: header ring and all payload pools of one epoch, or
//! none.
//!
//! A [`Mapping`] is immutable but for its status: revoked by the conductor, or poisoned by the
//! SIGBUS handler. Both are final, and both make every later validation fail. Frames and claims
//! keep their mapping alive, so a remap never pulls memory away from under a reader; the old
//! mapping goes when its last frame does.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, StreamId};

use crate::foreign::Foreign;
use crate::layout::{SLOT_LEN, slot_offset};
use crate::region::Region;
use crate::seqlock::{self, CommitWord};
use crate::sigbus::Status;
use crate::superblock;

mod error;
mod open;
mod request;
#[cfg(test)]
mod tests;

pub use error::{MapError, RegionError, RevalidateError, Unusable, WhichRegion};
pub use request::{Access, MapRequest, PoolRequest};

/// The mapped regions of one epoch of a stream. `Send + Sync`; always behind an [`Arc`].
#[derive(Debug)]
pub struct Mapping {
    header: Region,
    pools: Box<[Pool]>,
    status: Arc<Status>,
    stream: StreamId,
    epoch: Epoch,
    layout_version: u32,
    slot_count: u32,
    pid: u64,
    created: NanoTime,
    access: Access,
    tolerated_slot_bytes: bool,
    /// Set by the one producer ring this mapping may ever have.
    producer_taken: AtomicBool,
}

/// A mapped payload pool.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) region: Region,
    pub(crate) id: PoolId,
    pub(crate) stride_bytes: u32,
}

impl Mapping {
    /// The stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The layout version the superblocks carry.
    #[must_use]
    pub fn layout_version(&self) -> u32 {
        self.layout_version
    }

    /// Slots of the header ring and of each pool; a power of two.
    #[must_use]
    pub fn slot_count(&self) -> u32 {
        self.slot_count
    }

    /// How it was mapped.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Ids and strides of the pools, smallest stride first.
    pub fn pools(&self) -> impl ExactSizeIterator<Item = (PoolId, u32)> + '_ {
        self.pools.iter().map(|pool| (pool.id, pool.stride_bytes))
    }

    /// The stride of a pool; `None` when the stream has no such pool.
    #[inline]
    #[must_use]
    pub fn stride_bytes(&self, pool: PoolId) -> Option<u32> {
        self.pool_index(pool)
            .map(|index| self.pools[index].stride_bytes)
    }

    /// The pool with the smallest stride that holds `len` bytes (Wire v1.2 §15.3).
    #[inline]
    #[must_use]
    pub fn fitting_pool(&self, len: usize) -> Option<PoolId> {
        self.fitting_pool_index(len)
            .map(|index| self.pools[index].id)
    }

    /// Whether a pool's superblock carried a tolerated value instead of its stride: warn the
    /// operator, since stricter clients refuse such regions.
    #[must_use]
    pub fn has_tolerated_slot_bytes(&self) -> bool {
        self.tolerated_slot_bytes
    }

    /// The creator's pid as found when mapping.
    #[must_use]
    pub fn pid(&self) -> u64 {
        self.pid
    }

    /// The creator's pid as it stands in the header ring now; another one than [`pid`](Self::pid)
    /// means that somebody recreated the region in place: unmap.
    #[must_use]
    pub fn current_pid(&self) -> u64 {
        superblock::pid(self.header.bytes())
    }

    /// When the regions were created, by the creator's monotonic clock.
    #[must_use]
    pub fn created(&self) -> NanoTime {
        self.created
    }

    /// The header ring's activity timestamp as it stands now; zero means unknown, not stale.
    #[must_use]
    pub fn activity(&self) -> NanoTime {
        superblock::activity(self.header.bytes())
    }

    /// Producer: stores `now` as the activity timestamp of header ring and pools. Call it once per
    /// announce period, whether or not frames are published. Does nothing on a mapping that is
    /// read-only, revoked or poisoned, and says so.
    /// [TP-SHM-0130]
    #[must_use = "an activity that was not refreshed makes consumers unmap"]
    pub fn refresh_activity(&self, now: NanoTime) -> bool {
        if self.access == Access::ReadOnly || self.status.flags() != 0 {
            return false;
        }
        superblock::set_activity(self.header.bytes(), now);
        for pool in &self.pools {
            superblock::set_activity(pool.region.bytes(), now);
        }
        self.status.flags() == 0
    }

    /// Ends the life of this mapping: from now on no frame of it validates and no claim of it
    /// commits.
    pub fn revoke(&self) {
        self.status.set(Status::REVOKED);
    }

    /// Whether [`revoke`](Self::revoke) was called.
    #[inline]
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.status.flags() & Status::REVOKED != 0
    }

    /// Whether a region was truncated while mapped, or could not be backed by memory when first
    /// touched.
    #[inline]
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.status.flags() & Status::POISONED != 0
    }

    /// Whether frames may still be read and written.
    #[inline]
    pub fn check_usable(&self) -> Result<(), Unusable> {
        match self.status.flags() {
            0 => Ok(()),
            flags => Err(Unusable::from_flags(flags)),
        }
    }

    /// The first word of header slot `index`, which is taken modulo the slot count. Everything that
    /// was written before it was stored is visible after this call.
    #[inline]
    #[must_use]
    pub fn commit_word(&self, index: u32) -> CommitWord {
        seqlock::observe(self.slot_bytes(index & (self.slot_count - 1)).word(0))
    }

    /// Header slot `index`, below the slot count.
    #[inline]
    pub(crate) fn slot_bytes(&self, index: u32) -> Foreign<'_> {
        self.header
            .bytes()
            .window(slot_offset(index) as usize, SLOT_LEN)
    }

    #[inline]
    pub(crate) fn pool_index(&self, id: PoolId) -> Option<usize> {
        self.pools.iter().position(|pool| pool.id == id)
    }

    /// Pool `index` of those [`pool_index`](Self::pool_index) finds.
    #[inline]
    pub(crate) fn pool(&self, index: usize) -> &Pool {
        &self.pools[index]
    }

    /// Bytes of all slots of pool `index`.
    #[inline]
    pub(crate) fn pool_len(&self, index: usize) -> u64 {
        u64::from(self.pools[index].stride_bytes) * u64::from(self.slot_count)
    }

    /// The place of the pool with the smallest stride that holds `len` bytes.
    /// [TP-SHM-0270]
    #[inline]
    pub(crate) fn fitting_pool_index(&self, len: usize) -> Option<usize> {
        self.pools
            .iter()
            .position(|pool| pool.stride_bytes as usize >= len)
    }

    /// Makes the caller this mapping's only producer ring; `false` when there was one before.
    pub(crate) fn take_producer(&self) -> bool {
        !self.producer_taken.swap(true, Ordering::AcqRel)
    }
}

impl Pool {
    /// The first `len` bytes of payload slot `index`. Panics when `len` exceeds the stride or the
    /// index the pool.
    #[inline]
    pub(crate) fn payload(&self, index: u32, len: usize) -> Foreign<'_> {
        assert!(
            len <= self.stride_bytes as usize,
            "payload longer than its slot"
        );
        let offset = crate::layout::payload_offset(index, self.stride_bytes);
        self.region.bytes().window(offset as usize, len)
    }
}

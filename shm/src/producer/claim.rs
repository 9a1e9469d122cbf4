//! A claimed slot, owned by whoever fills it.

use core::mem::ManuallyDrop;
use core::{fmt, ptr};
use std::sync::Arc;

use tensorpool_codecs::types::{Epoch, PoolId, Seq};

use super::FrameMeta;
use super::state::{Mark, Shared};
use crate::mapping::Mapping;
use crate::slot::{encode_tensor, store_slot};

/// A slot of the ring being written in place: fill [`payload_mut`](Self::payload_mut), then hand
/// the claim to [`ProducerRing::commit`](super::ProducerRing::commit). Dropping it aborts the
/// frame. `Send + Sync`: it may be filled on another thread, and outlives its ring, whose memory it
/// keeps mapped.
#[must_use = "a dropped claim is an aborted frame"]
pub struct Claim {
    shared: Arc<Shared>,
    seq: Seq,
    pool_index: usize,
    len: usize,
}

impl Claim {
    /// For the ring only, which gives each slot to one claim at a time.
    #[inline]
    pub(super) fn new(shared: Arc<Shared>, seq: Seq, pool_index: usize, len: usize) -> Self {
        Self {
            shared,
            seq,
            pool_index,
            len,
        }
    }

    /// The frame's sequence number. It is final once the claim is committed: an aborted newest
    /// claim gives its number to the next.
    #[inline]
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// The epoch it was claimed in.
    #[inline]
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.mapping.epoch()
    }

    /// The pool its payload lies in.
    #[inline]
    #[must_use]
    pub fn pool(&self) -> PoolId {
        self.shared.mapping.pool(self.pool_index).id
    }

    /// Bytes of payload.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no payload.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes the slot could hold.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.shared.mapping.pool(self.pool_index).stride_bytes as usize
    }

    /// The mapping it lies in.
    #[inline]
    #[must_use]
    pub fn mapping(&self) -> &Arc<Mapping> {
        &self.shared.mapping
    }

    /// The payload, to be written in place; it starts on a 64-byte boundary. Its initial contents
    /// are those of some earlier frame, or zero.
    #[inline]
    #[must_use]
    pub fn payload_mut(&mut self) -> &mut [u8] {
        // SAFETY: the ring gives a slot to one claim at a time, which is this one, and it is
        // borrowed exclusively.
        unsafe { self.shared.payload_mut(self.seq, self.pool_index, self.len) }
    }

    /// The payload as it is so far.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        // SAFETY: the ring gives a slot to one claim at a time, which is this one; it is borrowed,
        // so nobody has its payload for writing.
        unsafe { self.shared.payload_mut(self.seq, self.pool_index, self.len) }
    }

    /// Replaces what the slot says about the frame and sets its length, up to
    /// [`capacity`](Self::capacity). For producers that learn either only while filling the slot.
    /// Panics when `len` exceeds the capacity, or when progress was announced: readers go by what
    /// the slot said then. [TP-CLI-2580]
    #[inline]
    pub fn rewrite(&mut self, meta: &FrameMeta<'_>, len: usize) {
        assert!(
            !self.is_progress_announced(),
            "progress of frame {} was announced: its header must stay as it is",
            self.seq
        );
        assert!(
            len <= self.capacity(),
            "{len} bytes do not fit a slot of {}",
            self.capacity()
        );
        self.len = len;
        let index = self.shared.index(self.seq);
        let slot = meta.to_slot(self.seq, index, self.pool(), len as u32);
        let tensor = encode_tensor(meta.tensor);
        self.shared.set_tensor(index, 0);
        store_slot(&self.shared.mapping, index, &slot, Some(&tensor));
    }

    /// Records that progress was announced for this frame: its sequence number is then used up even
    /// if it is aborted. [TP-CLI-2560] [TP-SHM-0860]
    #[inline]
    pub fn progress_announced(&self) {
        self.shared.set(self.seq, Mark::Announced);
    }

    #[inline]
    fn is_progress_announced(&self) -> bool {
        self.shared.mark(self.seq) == Mark::Announced
    }

    /// Ends the claim without aborting it. Gives what it shared with the ring, for the next claim.
    #[inline]
    pub(super) fn settle(self) -> Arc<Shared> {
        let claim = ManuallyDrop::new(self);
        // SAFETY: the claim is neither dropped nor looked at again, so its reference moves here.
        unsafe { ptr::read(&raw const claim.shared) }
    }

    #[inline]
    pub(super) fn belongs_to(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }
}

impl Drop for Claim {
    #[inline]
    fn drop(&mut self) {
        // The slot stays WRITING: readers never take it for a frame. [TP-SHM-0860]
        let mark = if self.is_progress_announced() {
            Mark::Spent
        } else {
            Mark::Aborted
        };
        self.shared.set(self.seq, mark);
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("epoch", &self.epoch())
            .field("seq", &self.seq)
            .field("pool", &self.pool())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

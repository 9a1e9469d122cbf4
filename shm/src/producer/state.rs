//! What the ring and its claims share: per slot, whether its claim is settled, and which tensor
//! header it holds.
//!
//! A claim may be dropped on any thread, so its end is told through an atomic; everything else of
//! the ring belongs to the producer's thread.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::Arc;

use tensorpool_codecs::types::Seq;

use crate::mapping::Mapping;

/// The state of the claim on a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mark {
    /// Nobody claims it.
    Free = 0,
    /// Being written.
    Claimed = 1,
    /// Complete, waiting for older claims to be settled.
    Held = 2,
    /// Dropped; its sequence number may be given back.
    Aborted = 3,
    /// Dropped after progress was announced: its sequence number is used up.
    Spent = 4,
    /// Committed and visible.
    Visible = 5,
    /// Being written, and progress was announced.
    Announced = 6,
}

/// Shared by a ring and its claims.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) mapping: Arc<Mapping>,
    slots: Box<[SlotState]>,
}

#[derive(Debug, Default)]
struct SlotState {
    mark: AtomicU8,
    /// Which of the ring's tensor headers the slot holds; 0 is none of them.
    tensor: AtomicU32,
}

impl Shared {
    pub(super) fn new(mapping: Arc<Mapping>) -> Self {
        let slots = (0..mapping.slot_count())
            .map(|_| SlotState::default())
            .collect();
        Self { mapping, slots }
    }

    #[inline]
    // [TP-SHM-0610] [TP-SHM-0810]
    pub(super) fn index(&self, seq: Seq) -> u32 {
        seq.slot_index(self.mapping.slot_count())
    }

    #[inline]
    pub(super) fn mark(&self, seq: Seq) -> Mark {
        // Acquire: what the thread that dropped the claim did to the slot comes before what the
        // ring does next.
        match self.slots[self.index(seq) as usize]
            .mark
            .load(Ordering::Acquire)
        {
            1 => Mark::Claimed,
            2 => Mark::Held,
            3 => Mark::Aborted,
            4 => Mark::Spent,
            5 => Mark::Visible,
            6 => Mark::Announced,
            _ => Mark::Free,
        }
    }

    #[inline]
    pub(super) fn set(&self, seq: Seq, mark: Mark) {
        // Release: pairs with the load above.
        self.slots[self.index(seq) as usize]
            .mark
            .store(mark as u8, Ordering::Release);
    }

    /// Which tensor header a slot holds.
    #[inline]
    pub(super) fn tensor(&self, index: u32) -> u32 {
        self.slots[index as usize].tensor.load(Ordering::Relaxed)
    }

    /// Whoever has the slot claimed says so; its mark orders this.
    #[inline]
    pub(super) fn set_tensor(&self, index: u32, tensor: u32) {
        self.slots[index as usize]
            .tensor
            .store(tensor, Ordering::Relaxed);
    }

    /// The first `len` bytes of the payload slot of `seq`.
    ///
    /// # Safety
    /// `seq` is claimed, and nothing else in this process uses its payload slot through this
    /// mapping while the slice lives.
    ///
    /// That makes the slice exclusive, which is what `&mut` means: a mapping has at most one ring
    /// ever; frames are only made from read-only mappings, which lie at other addresses. Readers of
    /// those, in this process or another, do not matter to whoever holds the slice, and what they
    /// read is their seqlock's business. Another *writer* would matter: the driver grants one
    /// producer lease per stream, and a process that writes without one is as far outside of Rust's
    /// model as one that writes to /proc/self/mem.
    #[inline]
    #[allow(
        clippy::mut_from_ref,
        reason = "exclusive by the caller's promise, not by this borrow"
    )]
    pub(super) unsafe fn payload_mut(&self, seq: Seq, pool_index: usize, len: usize) -> &mut [u8] {
        // [TP-SHM-0810]
        let payload = self.mapping.pool(pool_index).payload(self.index(seq), len);
        // SAFETY: mapped for writing (the ring refuses other mappings) for as long as `self` lives,
        // `len` bytes; exclusive by the caller's promise, see above.
        unsafe { core::slice::from_raw_parts_mut(payload.as_ptr(), len) }
    }
}

//! What the ring and its claims share: one settled-or-not mark per slot.
//!
//! A claim may be dropped on any thread, so its end is told through an atomic; everything else of the
//! ring belongs to the producer's thread.

use core::sync::atomic::{AtomicU8, Ordering};
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
}

/// Shared by a ring and its claims.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) mapping: Arc<Mapping>,
    marks: Box<[AtomicU8]>,
}

impl Shared {
    pub(super) fn new(mapping: Arc<Mapping>) -> Self {
        let marks = (0..mapping.slot_count())
            .map(|_| AtomicU8::new(Mark::Free as u8))
            .collect();
        Self { mapping, marks }
    }

    #[inline]
    pub(super) fn index(&self, seq: Seq) -> u32 {
        seq.slot_index(self.mapping.slot_count())
    }

    #[inline]
    pub(super) fn mark(&self, seq: Seq) -> Mark {
        // Acquire: what the thread that dropped the claim did to the slot comes before what the ring does next.
        match self.marks[self.index(seq) as usize].load(Ordering::Acquire) {
            1 => Mark::Claimed,
            2 => Mark::Held,
            3 => Mark::Aborted,
            4 => Mark::Spent,
            5 => Mark::Visible,
            _ => Mark::Free,
        }
    }

    #[inline]
    pub(super) fn set(&self, seq: Seq, mark: Mark) {
        // Release: pairs with the load above.
        self.marks[self.index(seq) as usize].store(mark as u8, Ordering::Release);
    }
}

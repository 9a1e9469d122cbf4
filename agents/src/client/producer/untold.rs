//! Which frame consumers could not be told of, between a producer's handle, whose descriptor it was,
//! and its conductor, which reports.

use std::sync::atomic::{AtomicU64, Ordering};

/// The last frame whose descriptor met back-pressure; one word, written when that happens and when it
/// is over.
#[derive(Debug, Default)]
pub(crate) struct Untold(AtomicU64);

impl Untold {
    /// Handle: the frame before `next_seq` is held up.
    pub(crate) fn set(&self, next_seq: u64) {
        self.0.store(next_seq, Ordering::Relaxed);
    }

    /// Handle: it was told of, or is of no use any more.
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Conductor: whether the frame before `next_seq` is held up.
    pub(crate) fn is_before(&self, next_seq: u64) -> bool {
        next_seq != 0 && self.0.load(Ordering::Relaxed) == next_seq
    }
}

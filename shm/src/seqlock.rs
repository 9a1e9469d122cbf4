//! The per-slot seqlock: the commit word and the fences around what it guards.
//!
//! Writer: store `WRITING` relaxed, release fence, write the bytes, store `COMMITTED` release.
//! Reader: load acquire, copy the bytes, acquire fence, load relaxed, compare.
//!
//! The two fences are what the algorithm printed in Wire v1.2 (a release store of `WRITING`, an
//! acquire re-read) lacks. A release store orders what came *before* it, so the bytes could become
//! visible before `WRITING`; an acquire load orders what comes *after* it, so the re-read could
//! happen before the bytes were read. On x86 neither reordering exists, which is why the peers get
//! away with it.
//!
//! The proof for weakly ordered processors is the model checker's, not a test run's: the `loom`
//! tests explore every execution the C11 model allows of the functions below, and the same model
//! with one fence (or the re-read) taken out is shown to accept a torn frame.
//!
//! This module knows nothing of mapped memory; it is compiled unchanged against loom's atomics.

use core::fmt;

use tensorpool_codecs::types::Seq;

use crate::sync::{AtomicU64, Ordering, fence};

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, loom))]
mod loom_watch;
#[cfg(all(test, not(loom)))]
mod tests;

/// The first word of a slot: `(seq << 1) | committed` (Wire v1.2 §8.3).
///
/// A virgin slot is all zero, which reads as "sequence 0 is being written".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct CommitWord(u64);

impl CommitWord {
    /// Wraps the word as it stands in memory.
    #[must_use]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The word of a slot whose writer is at work on `seq`. [TP-SHM-0710]
    #[must_use]
    pub const fn writing(seq: Seq) -> Self {
        Self(seq.get() << 1)
    }

    /// The word of a slot that holds `seq`, complete. [TP-SHM-0710]
    #[must_use]
    pub const fn committed(seq: Seq) -> Self {
        Self((seq.get() << 1) | 1)
    }

    /// The word as it stands in memory.
    #[must_use]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The sequence number the slot is used for.
    #[must_use]
    pub const fn seq(self) -> Seq {
        Seq::new(self.0 >> 1)
    }

    /// Whether the slot is complete. [TP-SHM-0710]
    #[must_use]
    pub const fn is_committed(self) -> bool {
        self.0 & 1 == 1
    }

    /// Whether nothing was ever written here (or sequence 0 is being written: the words are equal).
    #[must_use]
    pub const fn is_virgin(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for CommitWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for CommitWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_committed() {
            "committed"
        } else {
            "writing"
        };
        write!(f, "seq {} {state}", self.seq())
    }
}

/// Writer: takes the slot for `seq`. Everything written to the slot comes after this call.
/// [TP-SHM-0720]
#[inline]
pub(crate) fn begin_write(word: &AtomicU64, seq: Seq) {
    word.store(CommitWord::writing(seq).raw(), Ordering::Relaxed);
    // Orders the store above before every store of the slot's bytes below: whoever reads one of
    // those bytes and then fences, sees WRITING or something later.
    fence(Ordering::Release);
}

/// Writer: publishes the slot. Everything written to the slot came before this call.
/// [TP-SHM-0740]
#[inline]
pub(crate) fn commit(word: &AtomicU64, seq: Seq) {
    // Release: orders every store of the slot's bytes before the word that vouches for them.
    word.store(CommitWord::committed(seq).raw(), Ordering::Release);
}

/// Reader: what the slot holds. Reads of the slot's bytes come after this call.
#[inline]
pub(crate) fn observe(word: &AtomicU64) -> CommitWord {
    // Acquire: pairs with the release store of `commit`.
    CommitWord::from_raw(word.load(Ordering::Acquire))
}

/// Reader: what the slot holds now that its bytes were read; they are whole if it equals what
/// [`observe`] returned.
/// [TP-SHM-0730]
#[inline]
pub(crate) fn observe_again(word: &AtomicU64) -> CommitWord {
    // Orders the reads of the slot's bytes before the load below: pairs with the fence of
    // `begin_write`.
    fence(Ordering::Acquire);
    CommitWord::from_raw(word.load(Ordering::Relaxed))
}

/// Writer: stores one guarded word, whole, in no particular order.
#[inline]
pub(crate) fn store_word(to: &AtomicU64, value: u64) {
    to.store(value, Ordering::Relaxed);
}

/// Reader: loads guarded words, each whole, in no particular order.
#[inline]
pub(crate) fn load_words(from: &[AtomicU64], to: &mut [u64]) {
    for (from, to) in from.iter().zip(to) {
        *to = from.load(Ordering::Relaxed);
    }
}

/// Reader: whether the first guarded words are these, in no particular order.
#[inline]
pub(crate) fn holds<const N: usize>(from: &[AtomicU64], words: &[u64; N]) -> bool {
    let pairs = from.iter().zip(words);
    // Without a branch per word: they nearly always are.
    let differing = pairs.fold(0, |bits, (from, word)| {
        bits | (from.load(Ordering::Relaxed) ^ word)
    });
    differing == 0
}

//! Reading header slots: a snapshot taken under the seqlock.
//!
//! Which sequence to look for, and what a frame's fields may say, is decided elsewhere; this is the
//! only place that reads a slot from shared memory: whole and by itself, or, frame after frame, as
//! one that most likely has the [same tensor header](TensorMemo) as the one before.

use std::array;

use tensorpool_codecs::DecodeError;
use tensorpool_codecs::slot::{HeaderSlot, TENSOR_HEADER_LEN, encode_front};
use tensorpool_codecs::types::Seq;
use tensorpool_codecs::wire::{SlotHeader, TensorHeader};
use thiserror::Error;

use crate::layout::SLOT_LEN;
use crate::mapping::{Mapping, Unusable};
use crate::seqlock::{self, CommitWord};

mod memo;

pub use memo::{KnownSlot, TensorMemo};

/// Words of a slot behind the commit word.
const GUARDED_WORDS: usize = SLOT_LEN / 8 - 1;
/// The word the embedded tensor header starts at: the second cache line of a slot.
const TENSOR_WORD: usize = (SLOT_LEN - TENSOR_HEADER_LEN) / 8;
const CACHE_LINE: usize = 64;
const _: () = assert!(TENSOR_WORD * 8 == CACHE_LINE);

/// A slot, copied out whole and decoded; committed, unless it was
/// [asked for](Mapping::read_open_slot) while it is written. It says nothing about the payload, which may
/// have been overwritten meanwhile: [`Frame`](crate::frame::Frame) validates that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotSnapshot {
    word: CommitWord,
    header: HeaderSlot,
}

/// Why a slot holds no frame for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SlotError {
    /// The slot is used for the frame asked for, which is not complete.
    #[error("frame {expected} is not committed")]
    Uncommitted {
        /// The frame asked for.
        expected: Seq,
    },
    /// The slot is used for another frame: an earlier one when the frame asked for was not written
    /// yet, a later one when the producer has lapped us.
    #[error("the slot of frame {expected} holds {found}")]
    OtherSeq {
        /// The frame asked for.
        expected: Seq,
        /// What the slot holds.
        found: CommitWord,
    },
    /// The slot changed while it was read.
    #[error("the slot of frame {expected} changed while it was read, to {found}")]
    Changed {
        /// The frame asked for.
        expected: Seq,
        /// What the slot holds now.
        found: CommitWord,
    },
    /// The slot is committed, but its bytes are no header.
    #[error("the header of frame {expected} is invalid: {source}")]
    Malformed {
        /// The frame asked for.
        expected: Seq,
        /// What is wrong.
        source: DecodeError,
    },
    /// The mapping is no longer to be used.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

impl SlotSnapshot {
    /// The commit word under which the slot was read.
    #[inline]
    #[must_use]
    pub fn word(&self) -> CommitWord {
        self.word
    }

    /// The frame's sequence number.
    #[inline]
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.word.seq()
    }

    /// What the slot says.
    #[inline]
    #[must_use]
    pub fn header(&self) -> &HeaderSlot {
        &self.header
    }
}

impl Mapping {
    /// The slot of frame `seq` will be read soon: brings its cache lines here, or those of what it
    /// is made of. Worth it once the frame is known to be complete: earlier, its writer would have
    /// to fetch them back.
    #[inline]
    pub fn prefetch_slot(&self, seq: Seq) {
        self.slot_bytes(seq.slot_index(self.slot_count()))
            .prefetch(SLOT_LEN / CACHE_LINE);
    }

    /// The same for its tensor header alone, which most writers leave as it was a lap before: worth
    /// it at any time.
    #[inline]
    pub fn prefetch_tensor(&self, seq: Seq) {
        self.slot_bytes(seq.slot_index(self.slot_count()))
            .window(CACHE_LINE, TENSOR_HEADER_LEN)
            .prefetch(TENSOR_HEADER_LEN / CACHE_LINE);
    }

    /// Copies the slot of frame `seq` out and decodes it. Wait-free; any thread.
    #[inline]
    pub fn read_slot(&self, seq: Seq) -> Result<SlotSnapshot, SlotError> {
        let mut memo = TensorMemo::<()>::default();
        let slot = self.read_slot_with(seq, &mut memo, |_| ())?;
        let header = HeaderSlot {
            slot: *slot.header(),
            tensor: *slot.tensor(),
        };
        let word = slot.word();
        Ok(SlotSnapshot { word, header })
    }

    /// Copies the slot of frame `seq` out and decodes it, committed or still being written. Of the
    /// latter the header is only there if its producer writes it first, as ours do; else it may be
    /// that of an earlier frame of the slot, or a mix. Wait-free; any thread.
    pub fn read_open_slot(&self, seq: Seq) -> Result<SlotSnapshot, SlotError> {
        let words = self
            .slot_bytes(seq.slot_index(self.slot_count()))
            .words::<{ SLOT_LEN / 8 }>(0);
        let word = seqlock::observe(&words[0]);
        if word.seq() != seq {
            self.check_usable()?;
            return Err(not_committed(seq, word));
        }
        let mut copy = [0u64; GUARDED_WORDS + 1];
        copy[0] = word.raw();
        seqlock::load_words(&words[1..], &mut copy[1..]);
        let found = seqlock::observe_again(&words[0]);
        self.check_usable()?;
        if found.seq() != seq {
            return Err(SlotError::Changed {
                expected: seq,
                found,
            });
        }
        match HeaderSlot::decode(&from_words(&copy)) {
            Ok(header) => Ok(SlotSnapshot { word, header }),
            Err(source) => Err(SlotError::Malformed {
                expected: seq,
                source,
            }),
        }
    }

    /// Whether the slot of `seq` still is that frame's, complete or not, and the mapping is usable:
    /// what its producer had announced before is then as it was announced. [TP-CLI-2660]
    #[inline]
    pub(crate) fn still_belongs_to(&self, seq: Seq) -> Result<(), StillError> {
        let slot = self.slot_bytes(seq.slot_index(self.slot_count()));
        let found = seqlock::observe_again(slot.word(0));
        self.check_usable().map_err(StillError::Unusable)?;
        if found.seq() == seq {
            Ok(())
        } else {
            Err(StillError::Holds(found))
        }
    }

    /// Whether the slot of `seq` still holds that frame, complete, and the mapping is usable:
    /// everything read from slot and payload before this call is then what the producer wrote.
    /// [TP-SHM-0750] [TP-SHM-1080]
    #[inline]
    pub(crate) fn still_holds(&self, seq: Seq) -> Result<(), StillError> {
        let slot = self.slot_bytes(seq.slot_index(self.slot_count()));
        let found = seqlock::observe_again(slot.word(0));
        // [TP-SHM-0540]
        self.check_usable().map_err(StillError::Unusable)?;
        if found == CommitWord::committed(seq) {
            Ok(())
        } else {
            Err(StillError::Holds(found))
        }
    }
}

/// Why a frame does not validate any more.
pub(crate) enum StillError {
    Holds(CommitWord),
    Unusable(Unusable),
}

#[cold]
fn not_committed(expected: Seq, found: CommitWord) -> SlotError {
    if found == CommitWord::writing(expected) {
        SlotError::Uncommitted { expected }
    } else {
        SlotError::OtherSeq { expected, found }
    }
}

/// Words as they lie in memory to bytes.
#[inline]
fn from_words(words: &[u64; SLOT_LEN / 8]) -> [u8; SLOT_LEN] {
    let mut bytes = [0; SLOT_LEN];
    for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *chunk = word.to_ne_bytes();
    }
    bytes
}

/// An encoded tensor header, as it lies in memory.
pub(crate) type TensorWords = [u64; TENSOR_HEADER_LEN / 8];

/// A tensor header as it lies in memory.
pub(crate) fn encode_tensor(tensor: &TensorHeader) -> TensorWords {
    let mut bytes = [0; TENSOR_HEADER_LEN];
    tensor.encode_into(&mut bytes);
    let chunks = bytes.as_chunks::<8>().0;
    array::from_fn(|index| u64::from_ne_bytes(chunks[index]))
}

/// Writes header slot `index`, all but its commit word; of what never changes while its tensor
/// header does not, and that itself, only if that is given. The slot must have been opened for
/// writing.
#[inline(always)]
pub(crate) fn store_slot(
    mapping: &Mapping,
    index: u32,
    header: &SlotHeader,
    tensor: Option<&TensorWords>,
) {
    let words = mapping.slot_bytes(index).words::<{ SLOT_LEN / 8 }>(0);
    let front = encode_front(header);
    // [TP-SHM-0640]
    let [_, fields @ .., pad0, pad1, length] = front;
    for (word, value) in words[1..].iter().zip(fields) {
        seqlock::store_word(word, value);
    }
    if let Some(tensor) = tensor {
        let rest = [pad0, pad1, length];
        let values = rest.iter().chain(tensor);
        for (word, value) in words[1 + fields.len()..].iter().zip(values) {
            seqlock::store_word(word, *value);
        }
    }
}

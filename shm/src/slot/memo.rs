//! Reading one slot after the other of a stream whose frames have one format.
//!
//! What makes a slot expensive to read is its tensor header, and what one makes of it. So it is
//! compared where it lies with the one that was read last, and neither copied nor decoded while it
//! stays the same.

use std::array;

use tensorpool_codecs::DecodeError;
use tensorpool_codecs::slot::{TENSOR_FIELDS_LEN, TENSOR_HEADER_LEN, decode_front, decode_tensor};
use tensorpool_codecs::types::Seq;
use tensorpool_codecs::wire::{Dtype, MajorOrder, ProgressUnit, SlotHeader, TensorHeader};

use super::{SlotError, TENSOR_WORD, not_committed};
use crate::layout::SLOT_LEN;
use crate::mapping::Mapping;
use crate::seqlock::{self, CommitWord};
use crate::sync::Ordering;

/// Words of a tensor header that mean something.
const FIELD_WORDS: usize = TENSOR_FIELDS_LEN / 8;

/// The tensor header that was read last, and what its reader made of it.
#[derive(Clone, Debug)]
pub struct TensorMemo<T> {
    /// Nothing is before the first one.
    is_set: bool,
    /// The header as it lies in memory.
    words: [u64; FIELD_WORDS],
    tensor: TensorHeader,
    meaning: T,
}

/// A committed slot, with its tensor header in the memo it was read with.
#[derive(Clone, Copy, Debug)]
pub struct KnownSlot<'t, T> {
    word: CommitWord,
    header: SlotHeader,
    tensor: &'t TensorHeader,
    meaning: &'t T,
}

impl<T: Default> Default for TensorMemo<T> {
    fn default() -> Self {
        Self {
            is_set: false,
            words: [0; FIELD_WORDS],
            tensor: TensorHeader {
                dtype: Dtype::Unknown,
                major_order: MajorOrder::Unknown,
                ndims: 0,
                progress_unit: ProgressUnit::None,
                progress_stride_bytes: 0,
                dims: [0; 8],
                strides: [0; 8],
            },
            meaning: T::default(),
        }
    }
}

impl<T> TensorMemo<T> {
    #[cold]
    fn learn(
        &mut self,
        words: &[u64; TENSOR_HEADER_LEN / 8],
        meaning: impl FnOnce(&TensorHeader) -> T,
    ) -> Result<(), DecodeError> {
        let mut bytes = [0; TENSOR_HEADER_LEN];
        for (chunk, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *chunk = word.to_ne_bytes();
        }
        let tensor = decode_tensor(&bytes)?;
        *self = Self {
            is_set: true,
            words: array::from_fn(|index| words[index]),
            meaning: meaning(&tensor),
            tensor,
        };
        Ok(())
    }
}

impl<'t, T> KnownSlot<'t, T> {
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

    /// Where the payload is and which frame it belongs to.
    #[inline]
    #[must_use]
    pub fn header(&self) -> &SlotHeader {
        &self.header
    }

    /// What the payload is.
    #[inline]
    #[must_use]
    pub fn tensor(&self) -> &'t TensorHeader {
        self.tensor
    }

    /// What its reader made of that.
    #[inline]
    #[must_use]
    pub fn meaning(&self) -> &'t T {
        self.meaning
    }
}

impl Mapping {
    /// As [`read_slot`](Mapping::read_slot), for one slot after the other: `meaning` is asked for
    /// tensor headers that differ from the one before. Wait-free; any thread.
    #[inline]
    pub fn read_slot_with<'t, T>(
        &self,
        seq: Seq,
        memo: &'t mut TensorMemo<T>,
        meaning: impl FnOnce(&TensorHeader) -> T,
    ) -> Result<KnownSlot<'t, T>, SlotError> {
        let slot = self.slot_bytes(seq.slot_index(self.slot_count()));
        let words = slot.words::<{ SLOT_LEN / 8 }>(0);
        let word = seqlock::observe(&words[0]);
        // [TP-SHM-1010]
        if word != CommitWord::committed(seq) {
            self.check_usable()?;
            return Err(not_committed(seq, word));
        }
        let mut front = [word.raw(), 0, 0, 0, 0, 0, 0, 0];
        // The words between are padding.
        for index in [1, 2, 3, 4, 7] {
            front[index] = words[index].load(Ordering::Relaxed);
        }
        let tensor = &words[TENSOR_WORD..];
        let is_known = memo.is_set && seqlock::holds(tensor, &memo.words);
        let mut copy = [0; TENSOR_HEADER_LEN / 8];
        if !is_known {
            seqlock::load_words(tensor, &mut copy);
        }
        let found = seqlock::observe_again(&words[0]);
        // After the words: zeros that replaced a truncated region are noticed here.
        self.check_usable()?;
        // [TP-SHM-0760]
        if found != word {
            return Err(SlotError::Changed {
                expected: seq,
                found,
            });
        }
        let malformed = |source| SlotError::Malformed {
            expected: seq,
            source,
        };
        // [TP-SHM-0630] [TP-SHM-1060]
        let header = decode_front(&front).map_err(malformed)?;
        if !is_known {
            memo.learn(&copy, meaning).map_err(malformed)?;
        }
        Ok(KnownSlot {
            word,
            header,
            tensor: &memo.tensor,
            meaning: &memo.meaning,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mapping::Access;
    use crate::producer::{FrameMeta, ProducerRing};
    use crate::slot::store_slot;
    use crate::testkit::{TestEpoch, meta, tensor};

    fn pair() -> (TestEpoch, ProducerRing, Arc<Mapping>) {
        let epoch = TestEpoch::new(4, &[64]);
        let ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
        let reader = epoch.map(Access::ReadOnly);
        (epoch, ring, reader)
    }

    fn publish(ring: &mut ProducerRing, dtype: Dtype) -> Seq {
        let meta = FrameMeta {
            tensor: &tensor(dtype),
            ..meta()
        };
        ring.publish(&meta, b"x").unwrap().0
    }

    #[test]
    fn a_format_is_asked_for_its_meaning_when_it_changes_and_only_then() {
        let (_epoch, mut ring, reader) = pair();
        let mut memo = TensorMemo::default();
        let mut asked = Vec::new();
        let formats = [
            Dtype::Uint8,
            Dtype::Uint8,
            Dtype::Float32,
            Dtype::Float32,
            Dtype::Uint8,
        ];
        for dtype in formats {
            let seq = publish(&mut ring, dtype);
            let slot = reader.read_slot_with(seq, &mut memo, |tensor| {
                asked.push(tensor.dtype);
                Some(tensor.dtype)
            });
            let slot = slot.unwrap();
            assert_eq!((slot.seq(), *slot.tensor()), (seq, tensor(dtype)));
            assert_eq!(slot.header().values_len_bytes, 1);
            assert_eq!(*slot.meaning(), Some(dtype));
        }
        assert_eq!(asked, [Dtype::Uint8, Dtype::Float32, Dtype::Uint8]);
    }

    /// Any word of the header may be the one that differs.
    #[test]
    fn a_header_that_differs_in_any_field_is_read_anew() {
        let (_epoch, mut ring, reader) = pair();
        let mut memo = TensorMemo::<()>::default();
        let base = tensor(Dtype::Uint8);
        let seq = publish(&mut ring, Dtype::Uint8);
        reader.read_slot_with(seq, &mut memo, |_| ()).unwrap();
        for axis in 0..8 {
            for change in [0, 1] {
                let mut other = base;
                if change == 0 {
                    other.dims[axis] = 77;
                } else {
                    other.strides[axis] = 77;
                }
                for format in [&other, &base] {
                    let meta = FrameMeta {
                        tensor: format,
                        ..meta()
                    };
                    let seq = ring.publish(&meta, b"x").unwrap().0;
                    let slot = reader.read_slot_with(seq, &mut memo, |_| ()).unwrap();
                    assert_eq!(slot.tensor(), format, "axis {axis}");
                }
            }
        }
    }

    #[test]
    fn a_slot_without_a_tensor_header_is_refused_by_an_empty_memo_and_by_a_full_one() {
        let (_epoch, mut ring, reader) = pair();
        let seq = publish(&mut ring, Dtype::Uint8);
        let header = reader.read_slot(seq).unwrap().header().slot;
        let nothing = [0; TENSOR_HEADER_LEN / 8];
        let index = seq.slot_index(4);
        let mut memo = TensorMemo::<()>::default();
        let read = |memo: &mut TensorMemo<()>| {
            let slot = reader.read_slot_with(seq, memo, |_| ());
            slot.map(|slot| *slot.tensor())
        };
        store_slot(ring.mapping(), index, &header, Some(&nothing));
        assert!(matches!(read(&mut memo), Err(SlotError::Malformed { .. })));
        let encoded = crate::slot::encode_tensor(&tensor(Dtype::Int8));
        store_slot(ring.mapping(), index, &header, Some(&encoded));
        assert_eq!(read(&mut memo), Ok(tensor(Dtype::Int8)));
        store_slot(ring.mapping(), index, &header, Some(&nothing));
        assert!(matches!(read(&mut memo), Err(SlotError::Malformed { .. })));
        store_slot(ring.mapping(), index, &header, Some(&encoded));
        assert_eq!(read(&mut memo), Ok(tensor(Dtype::Int8)), "still known");
    }
}

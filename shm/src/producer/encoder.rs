//! Encoding slots, and not writing what a slot holds already.
//!
//! Most streams have one format: the tensor header, three of a slot's four cache lines, is then the
//! same in every frame. It is encoded once and stored once per slot, so that a frame dirties one
//! line of the header ring, and its readers fetch one.

use tensorpool_codecs::slot::TENSOR_HEADER_LEN;
use tensorpool_codecs::wire::{SlotHeader, TensorHeader};

use super::state::Shared;
use crate::slot::{TensorWords, encode_tensor, store_slot};

/// The ring's encoder: the last tensor header, encoded.
#[derive(Debug)]
pub(super) struct SlotEncoder {
    encoded: TensorWords,
    tensor: Option<TensorHeader>,
    /// Names `tensor` in the slots' states; never 0.
    name: u32,
}

impl Default for SlotEncoder {
    fn default() -> Self {
        Self {
            encoded: [0; TENSOR_HEADER_LEN / 8],
            tensor: None,
            name: 0,
        }
    }
}

impl SlotEncoder {
    /// Writes a slot that was opened for writing, all but its commit word.
    // It and what it calls are always inlined, as the slot is put together in registers: stored field by
    // field and read back in whole words, each frame would wait until the one before has left for the
    // cache.
    #[inline(always)]
    pub(super) fn store(
        &mut self,
        shared: &Shared,
        index: u32,
        slot: &SlotHeader,
        tensor: &TensorHeader,
    ) {
        if self.tensor.as_ref() != Some(tensor) {
            self.change(shared, tensor);
        }
        // [TP-SHM-0830]
        if shared.tensor(index) == self.name {
            store_slot(&shared.mapping, index, slot, None);
        } else {
            store_slot(&shared.mapping, index, slot, Some(&self.encoded));
            shared.set_tensor(index, self.name);
        }
    }

    #[cold]
    // [TP-SHM-0830]
    fn change(&mut self, shared: &Shared, tensor: &TensorHeader) {
        self.encoded = encode_tensor(tensor);
        self.tensor = Some(*tensor);
        self.name = match self.name.checked_add(1) {
            Some(name) => name,
            None => {
                // All names were used: forget which slot holds what, and begin again.
                (0..shared.mapping.slot_count()).for_each(|index| shared.set_tensor(index, 0));
                1
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use tensorpool_codecs::types::Seq;
    use tensorpool_codecs::wire::Dtype;

    use super::*;
    use crate::mapping::Access;
    use crate::producer::{FrameMeta, ProducerRing};
    use crate::testkit::{TestEpoch, meta, tensor};

    fn dtypes(ring: &ProducerRing, seqs: core::ops::Range<u64>) -> Vec<Dtype> {
        seqs.map(|seq| {
            ring.mapping()
                .read_slot(Seq::new(seq))
                .unwrap()
                .header()
                .tensor
                .dtype
        })
        .collect()
    }

    #[test]
    fn every_slot_holds_its_own_frames_format_however_formats_change() {
        let epoch = TestEpoch::new(4, &[64]);
        let mut ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
        let formats = [
            Dtype::Uint8,
            Dtype::Uint8,
            Dtype::Float32,
            Dtype::Uint8,
            Dtype::Int16,
        ];
        for round in 0..8u64 {
            for i in 0..4 {
                let dtype = formats[(round as usize + i) % formats.len()];
                let meta = FrameMeta {
                    tensor: &tensor(dtype),
                    ..meta()
                };
                let _ = ring.publish(&meta, b"x").unwrap();
            }
            let expected: Vec<_> = (0..4)
                .map(|i| formats[(round as usize + i) % formats.len()])
                .collect();
            assert_eq!(dtypes(&ring, round * 4..round * 4 + 4), expected);
        }
    }

    #[test]
    fn a_rewritten_header_does_not_linger_in_its_slot() {
        let epoch = TestEpoch::new(2, &[64]);
        let mut ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
        let mut claim = ring.claim(&meta(), 1).unwrap();
        claim.rewrite(
            &FrameMeta {
                tensor: &tensor(Dtype::Float64),
                ..meta()
            },
            8,
        );
        let _ = ring.commit(claim).unwrap();
        assert_eq!(dtypes(&ring, 0..1), [Dtype::Float64]);
        for _ in 0..2 {
            let _ = ring.publish(&meta(), b"x").unwrap();
        }
        assert_eq!(dtypes(&ring, 1..3), [Dtype::Uint8; 2]);
    }

    #[test]
    fn names_that_ran_out_begin_again_without_mistaking_a_slot() {
        let epoch = TestEpoch::new(2, &[64]);
        let shared = Shared::new(epoch.map(Access::ReadWrite));
        let mut encoder = SlotEncoder {
            name: u32::MAX - 1,
            ..SlotEncoder::default()
        };
        let slot = meta().to_slot(Seq::new(0), 0, 1.into(), 1);
        encoder.store(&shared, 0, &slot, &tensor(Dtype::Uint8));
        assert_eq!(shared.tensor(0), u32::MAX);
        encoder.store(&shared, 1, &slot, &tensor(Dtype::Int8));
        assert_eq!((shared.tensor(0), shared.tensor(1)), (0, 1));
    }
}

//! The first bytes of a frame whose producer is still writing the others.

use std::sync::Arc;

use tensorpool_codecs::wire::TensorHeader;

use super::{CopyError, FrameError, Overwritten, Parts};
use crate::mapping::Mapping;
use crate::slot::SlotSnapshot;
use crate::view::FrameView;

/// What a producer has announced of a frame: the start of its payload, to be read in place.
///
/// As with a [`Frame`](super::Frame), bytes are used first and vouched for afterwards. They are good
/// as long as the slot is this frame's, complete or not: a producer announces what it has written
/// and does not write it again. That the announcement is the producer's is the caller's business.
#[derive(Clone, Copy, Debug)]
pub struct FramePrefix<'m> {
    mapping: &'m Arc<Mapping>,
    pub(super) parts: Parts,
    pub(super) tensor: TensorHeader,
}

impl<'m> FramePrefix<'m> {
    /// The first `filled` bytes of the frame an [open slot](Mapping::read_open_slot) describes.
    pub fn new(
        mapping: &'m Arc<Mapping>,
        slot: &SlotSnapshot,
        filled: u64,
    ) -> Result<Self, FrameError> {
        let header = slot.header();
        let mut parts = Parts::new(mapping, slot.seq(), &header.slot)?;
        parts.len = u32::try_from(filled)
            .ok()
            .filter(|&filled| filled <= parts.len)
            .ok_or(FrameError::BeyondPayload {
                seq: parts.seq,
                len: parts.len,
                found: filled,
            })?;
        Ok(Self {
            mapping,
            parts,
            tensor: header.tensor,
        })
    }

    /// Whether everything read of it before the call is good.
    ///
    /// # Errors
    /// When its slot is another frame's by now, or its mapping void.
    #[inline]
    pub fn validate(&self) -> Result<(), Overwritten> {
        let held = self.mapping.still_belongs_to(self.parts.seq);
        held.map_err(|error| self.parts.overwritten(error))
    }

    /// Copies what is there into `to`, which must be exactly as long, and validates it afterwards.
    ///
    /// # Errors
    /// Then the contents of `to` are worthless.
    pub fn copy_to(&self, to: &mut [u8]) -> Result<(), CopyError> {
        if to.len() != self.len() {
            return Err(CopyError::Length {
                expected: self.len(),
                found: to.len(),
            });
        }
        self.parts.payload(self.mapping).read(0, to);
        Ok(self.validate()?)
    }

    /// Lets `read` look at what is there, and releases its result only if it still was this
    /// frame's when it returned. The view ends where the announced bytes do.
    ///
    /// # Errors
    /// When it was not: `read` may have seen bytes of two frames mixed.
    pub fn with<R>(&self, read: impl FnOnce(&FrameView<'_>) -> R) -> Result<R, Overwritten> {
        let view = FrameView::new(self.parts.payload(self.mapping), &self.tensor);
        let result = read(&view);
        self.validate()?;
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use tensorpool_codecs::types::Seq;

    use super::*;
    use crate::frame::Frame;
    use crate::mapping::{Access, Unusable};
    use crate::producer::ProducerRing;
    use crate::seqlock::CommitWord;
    use crate::slot::SlotError;
    use crate::testkit::{TestEpoch, meta};

    fn pair(slot_count: u32) -> (TestEpoch, ProducerRing, Arc<Mapping>) {
        let epoch = TestEpoch::new(slot_count, &[64]);
        let ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
        let reader = epoch.map(Access::ReadOnly);
        (epoch, ring, reader)
    }

    fn copy(prefix: &FramePrefix<'_>) -> Result<Vec<u8>, CopyError> {
        let mut bytes = vec![0; prefix.len()];
        prefix.copy_to(&mut bytes).map(|()| bytes)
    }

    /// Proves [TP-CLI-2655], [TP-CLI-2575].
    #[test]
    fn a_prefix_is_what_was_announced_and_no_byte_more() {
        let (_epoch, mut ring, reader) = pair(4);
        let mut claim = ring.claim(&meta(), 10).unwrap();
        claim.payload_mut()[..6].copy_from_slice(b"abcdef");
        let slot = reader.read_open_slot(Seq::new(0)).unwrap();
        assert_eq!(slot.word(), CommitWord::writing(Seq::new(0)));
        assert_eq!(slot.header().tensor, *meta().tensor, "the header is there");
        let prefix = FramePrefix::new(&reader, &slot, 4).unwrap();
        assert_eq!((prefix.seq(), prefix.len()), (Seq::new(0), 4));
        assert_eq!(prefix.slot().values_len_bytes, 10);
        assert_eq!(copy(&prefix), Ok(b"abcd".to_vec()));
        let seen = prefix.with(|view| (view.len(), view.get::<u8>(3), view.get::<u8>(4)));
        assert_eq!(seen, Ok((4, Some(b'd'), None)));
        let mut longer = [0; 5];
        assert!(matches!(
            prefix.copy_to(&mut longer),
            Err(CopyError::Length { .. })
        ));
    }

    #[test]
    fn more_than_the_payload_is_refused_before_it_is_read() {
        let (_epoch, mut ring, reader) = pair(4);
        let _claim = ring.claim(&meta(), 10).unwrap();
        let slot = reader.read_open_slot(Seq::new(0)).unwrap();
        for found in [11, 64, 65, 1 << 32, (1 << 32) + 1, u64::MAX] {
            let refused = FramePrefix::new(&reader, &slot, found).unwrap_err();
            let seq = Seq::new(0);
            assert_eq!(
                refused,
                FrameError::BeyondPayload {
                    seq,
                    len: 10,
                    found
                }
            );
        }
    }

    /// Proves [TP-CLI-2660].
    #[test]
    fn a_prefix_stays_good_while_its_frame_is_completed_and_not_when_it_is_overwritten() {
        let (_epoch, mut ring, reader) = pair(2);
        let mut claim = ring.claim(&meta(), 8).unwrap();
        claim.payload_mut().fill(1);
        let slot = reader.read_open_slot(Seq::new(0)).unwrap();
        let prefix = FramePrefix::new(&reader, &slot, 8).unwrap();
        assert_eq!(copy(&prefix), Ok(vec![1; 8]));
        let _ = ring.commit(claim).unwrap();
        assert_eq!(copy(&prefix), Ok(vec![1; 8]));
        assert!(
            reader
                .read_open_slot(Seq::new(0))
                .unwrap()
                .word()
                .is_committed()
        );
        let _ = ring.publish(&meta(), b"x").unwrap();
        let mut next = ring.claim(&meta(), 8).unwrap();
        next.payload_mut().fill(2);
        let overwritten = Overwritten::Lapped {
            seq: Seq::new(0),
            found: CommitWord::writing(Seq::new(2)),
        };
        assert_eq!(copy(&prefix), Err(CopyError::Overwritten(overwritten)));
        assert_eq!(prefix.with(|_| ()), Err(overwritten));
    }

    /// Proves [TP-CLI-2660].
    #[test]
    fn a_prefix_of_a_revoked_mapping_is_not_vouched_for() {
        let (_epoch, mut ring, reader) = pair(2);
        let _claim = ring.claim(&meta(), 8).unwrap();
        let slot = reader.read_open_slot(Seq::new(0)).unwrap();
        let prefix = FramePrefix::new(&reader, &slot, 8).unwrap();
        reader.revoke();
        let void = Overwritten::Unusable(Unusable::Revoked);
        assert_eq!(prefix.validate(), Err(void));
        assert_eq!(
            reader.read_open_slot(Seq::new(0)),
            Err(SlotError::Unusable(Unusable::Revoked))
        );
    }

    #[test]
    fn virgin_slots_and_those_of_other_frames_are_not_open() {
        let (_epoch, mut ring, reader) = pair(2);
        // "Frame 0 is being written" is what a virgin slot reads like; it has no header.
        let virgin = reader.read_open_slot(Seq::new(0));
        assert!(
            matches!(virgin, Err(SlotError::Malformed { .. })),
            "{virgin:?}"
        );
        let _ = ring.publish(&meta(), b"x").unwrap();
        let other = reader.read_open_slot(Seq::new(2));
        assert!(
            matches!(other, Err(SlotError::OtherSeq { .. })),
            "{other:?}"
        );
    }

    #[test]
    fn an_open_slot_makes_no_frame_that_would_validate() {
        let (_epoch, mut ring, reader) = pair(2);
        let _claim = ring.claim(&meta(), 8).unwrap();
        let slot = reader.read_open_slot(Seq::new(0)).unwrap();
        let frame = Frame::new(&reader, &slot).unwrap();
        assert!(!frame.is_valid());
    }

    #[test]
    fn writable_mappings_have_no_prefixes() {
        let (_epoch, mut ring, _reader) = pair(2);
        let _claim = ring.claim(&meta(), 8).unwrap();
        let writable = Arc::clone(ring.mapping());
        let slot = writable.read_open_slot(Seq::new(0)).unwrap();
        assert_eq!(
            FramePrefix::new(&writable, &slot, 1).unwrap_err(),
            FrameError::WritableMapping
        );
    }
}

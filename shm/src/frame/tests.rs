use tensorpool_codecs::wire::Dtype;

use super::*;
use crate::mapping::Access;
use crate::producer::{FrameMeta, ProducerRing};
use crate::slot::{SlotError, encode_tensor, store_slot};
use crate::testkit::{TestEpoch, meta, tensor};
use crate::view::DtypeMismatch;

fn pair(slot_count: u32, strides: &[u32]) -> (TestEpoch, ProducerRing, Arc<Mapping>) {
    let epoch = TestEpoch::new(slot_count, strides);
    let ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
    let reader = epoch.map(Access::ReadOnly);
    (epoch, ring, reader)
}

fn publish(ring: &mut ProducerRing, payload: &[u8]) -> Seq {
    ring.publish(&meta(), payload).unwrap().0
}

fn frame_at(reader: &Arc<Mapping>, seq: u64) -> RetainedFrame {
    let slot = reader.read_slot(Seq::new(seq)).unwrap();
    Frame::new(reader, &slot).unwrap().retain()
}

#[test]
fn a_published_frame_is_read_whole_with_its_header() {
    let (_epoch, mut ring, reader) = pair(4, &[64, 4096]);
    publish(&mut ring, b"hello");
    let frame = frame_at(&reader, 0);
    assert_eq!(
        (frame.seq(), frame.len(), frame.is_empty()),
        (Seq::new(0), 5, false)
    );
    assert_eq!((frame.shape(), frame.strides()), (&[5][..], &[1][..]));
    assert_eq!(frame.tensor(), meta().tensor);
    assert_eq!(frame.slot().timestamp_ns, 77);
    assert_eq!(frame.slot().meta_version, u32::MAX);
    assert_eq!(frame.slot().pool_id, 1);
    let mut copy = [0; 5];
    frame.copy_to(&mut copy).unwrap();
    assert_eq!(&copy, b"hello");
    assert_eq!(
        frame.with(|view| (view.len(), view.get::<u8>(1), view.get::<u8>(5))),
        Ok((5, Some(b'e'), None))
    );
    assert!(frame.is_valid());
}

/// Proves [TP-SHM-1010].
#[test]
fn a_slot_not_written_yet_or_lapped_says_so() {
    let (_epoch, mut ring, reader) = pair(4, &[64]);
    let seq = Seq::new;
    assert_eq!(
        reader.read_slot(seq(0)),
        Err(SlotError::Uncommitted { expected: seq(0) })
    );
    let claim = ring.claim(&meta(), 1).unwrap();
    assert_eq!(
        reader.read_slot(seq(0)),
        Err(SlotError::Uncommitted { expected: seq(0) })
    );
    assert_eq!(ring.commit(claim).unwrap().collect::<Vec<_>>(), [seq(0)]);
    let found = CommitWord::committed(seq(0));
    assert_eq!(
        reader.read_slot(seq(4)),
        Err(SlotError::OtherSeq {
            expected: seq(4),
            found
        })
    );
    for _ in 0..4 {
        publish(&mut ring, b"x");
    }
    let found = CommitWord::committed(seq(4));
    assert_eq!(
        reader.read_slot(seq(0)),
        Err(SlotError::OtherSeq {
            expected: seq(0),
            found
        })
    );
    assert_eq!(reader.commit_word(0), found);
    assert_eq!(reader.commit_word(4), found);
    assert_eq!(reader.commit_word(1), CommitWord::committed(seq(1)));
}

/// Proves [TP-SHM-1070].
#[test]
fn a_frame_overwritten_while_it_is_read_is_an_error_and_its_result_withheld() {
    let (_epoch, mut ring, reader) = pair(2, &[64]);
    publish(&mut ring, b"old");
    let frame = frame_at(&reader, 0);
    let result = frame.with(|view| {
        let mut copy = [0; 3];
        view.copy_to(0, &mut copy);
        publish(&mut ring, b"new");
        publish(&mut ring, b"new");
        copy
    });
    let lapped = Overwritten::Lapped {
        seq: Seq::new(0),
        found: CommitWord::committed(Seq::new(2)),
    };
    assert_eq!(result, Err(lapped));
    assert_eq!(
        frame.copy_to(&mut [0; 3]),
        Err(CopyError::Overwritten(lapped))
    );
    assert!(!frame.is_valid());
}

/// Proves [TP-SHM-1080].
#[test]
fn a_slot_that_is_being_rewritten_invalidates_at_once() {
    let (_epoch, mut ring, reader) = pair(2, &[64]);
    publish(&mut ring, b"a");
    publish(&mut ring, b"b");
    let frame = frame_at(&reader, 0);
    let claim = ring.claim(&meta(), 1).unwrap();
    let found = CommitWord::writing(claim.seq());
    assert_eq!(
        frame.validate(),
        Err(Overwritten::Lapped {
            seq: Seq::new(0),
            found
        })
    );
}

/// Proves [TP-SHM-0540].
#[test]
fn a_revoked_mapping_holds_no_frames_although_its_slots_stay_committed() {
    let (_epoch, mut ring, reader) = pair(4, &[64]);
    publish(&mut ring, b"x");
    let frame = frame_at(&reader, 0);
    reader.revoke();
    assert!(reader.is_revoked() && !reader.is_poisoned());
    assert_eq!(
        frame.validate(),
        Err(Overwritten::Unusable(Unusable::Revoked))
    );
    assert_eq!(
        reader.read_slot(Seq::new(0)),
        Err(SlotError::Unusable(Unusable::Revoked))
    );
    assert_eq!(
        reader.read_slot(Seq::new(1)),
        Err(SlotError::Unusable(Unusable::Revoked))
    );
    assert!(reader.commit_word(0).is_committed());
}

/// Proves [TP-SHM-0560].
#[test]
fn a_retained_frame_keeps_its_mapping_alive() {
    let (epoch, mut ring, reader) = pair(4, &[64]);
    publish(&mut ring, b"hello");
    let frame = frame_at(&reader, 0);
    drop((ring, reader));
    let TestEpoch { owned, root, .. } = epoch;
    owned.unlink(&root.root).unwrap();
    let mut copy = [0; 5];
    frame.clone().copy_to(&mut copy).unwrap();
    assert_eq!(&copy, b"hello");
}

/// Proves [TP-SHM-0920].
#[test]
fn an_empty_payload_is_a_frame() {
    let (_epoch, mut ring, reader) = pair(4, &[64]);
    publish(&mut ring, b"");
    let frame = frame_at(&reader, 0);
    assert!(frame.is_empty());
    assert_eq!(frame.copy_to(&mut []), Ok(()));
    assert_eq!(frame.with(|view| view.is_empty()), Ok(true));
}

#[test]
fn the_destination_of_a_copy_must_fit_exactly() {
    let (_epoch, mut ring, reader) = pair(4, &[64]);
    publish(&mut ring, b"abc");
    let frame = frame_at(&reader, 0);
    for found in [2, 4] {
        let result = frame.copy_to(&mut vec![0; found]);
        assert_eq!(result, Err(CopyError::Length { expected: 3, found }));
    }
}

/// Proves [TP-SHM-1100].
#[test]
fn numbers_are_read_as_what_the_dtype_says() {
    let (_epoch, mut ring, reader) = pair(4, &[64]);
    let values = [1.5f32, -2.0, 1e9];
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let meta = FrameMeta {
        tensor: &tensor(Dtype::Float32),
        ..meta()
    };
    let _ = ring.publish(&meta, &bytes).unwrap();
    let frame = frame_at(&reader, 0);
    frame
        .with(|view| {
            assert_eq!(view.get::<f32>(2), Some(1e9));
            assert_eq!(view.get::<f32>(3), None);
            assert_eq!(view.get::<u32>(0), None);
            let typed = view.typed::<f32>().unwrap();
            assert_eq!(typed.iter().collect::<Vec<_>>(), values);
            let mut tail = [0.0f32; 2];
            typed.copy_to(1, &mut tail);
            assert_eq!(tail, [-2.0, 1e9]);
            let mismatch = view.typed::<u8>().map(|_| ()).unwrap_err();
            assert_eq!(
                mismatch,
                DtypeMismatch {
                    found: Dtype::Float32,
                    asked: "u8"
                }
            );
            // SAFETY: the producer is this thread, which does not publish meanwhile.
            assert_eq!(unsafe { view.as_slice() }, bytes);
        })
        .unwrap();
}

/// Proves [TP-SHM-0890].
#[test]
fn payloads_start_on_64_byte_boundaries_whatever_the_stride() {
    let (_epoch, mut ring, reader) = pair(4, &[192]);
    for seq in 0..4 {
        let mut claim = ring.claim(&meta(), 100).unwrap();
        assert!(claim.payload_mut().as_ptr().addr().is_multiple_of(64));
        let _ = ring.commit(claim).unwrap();
        let aligned = frame_at(&reader, seq).with(|view| {
            // SAFETY: only the address is used.
            unsafe { view.as_slice() }
                .as_ptr()
                .addr()
                .is_multiple_of(64)
        });
        assert_eq!(aligned, Ok(true));
    }
}

/// Commits frame 0 with a slot header changed by `change`.
fn with_forged_slot(change: impl FnOnce(&mut SlotHeader)) -> Result<(), FrameError> {
    let (_epoch, mut ring, reader) = pair(4, &[64]);
    let claim = ring.claim(&meta(), 5).unwrap();
    let _ = ring.commit(claim).unwrap();
    let mut header = *reader.read_slot(Seq::new(0)).unwrap().header();
    change(&mut header.slot);
    let tensor = encode_tensor(&header.tensor);
    store_slot(ring.mapping(), 0, &header.slot, Some(&tensor));
    Frame::new(&reader, &reader.read_slot(Seq::new(0)).unwrap()).map(|_| ())
}

/// Proves [TP-SHM-1020], [TP-SHM-1030] and [TP-SHM-1040].
#[test]
fn a_slot_that_leads_out_of_its_pool_makes_no_frame() {
    let seq = Seq::new(0);
    assert_eq!(with_forged_slot(|_| {}), Ok(()));
    assert_eq!(
        with_forged_slot(|slot| slot.pool_id = 9),
        Err(FrameError::UnknownPool {
            seq,
            found: PoolId::new(9)
        })
    );
    assert_eq!(
        with_forged_slot(|slot| slot.payload_slot = 1),
        Err(FrameError::PayloadSlot {
            seq,
            expected: 0,
            found: 1
        })
    );
    assert_eq!(
        with_forged_slot(|slot| slot.payload_offset = 64),
        Err(FrameError::PayloadOffset { seq, found: 64 })
    );
    for len in [65, u32::MAX] {
        assert_eq!(
            with_forged_slot(|slot| slot.values_len_bytes = len),
            Err(FrameError::TooLong {
                seq,
                pool: PoolId::new(1),
                stride_bytes: 64,
                found: len
            })
        );
    }
}

/// Proves [TP-SHM-1060].
#[test]
fn a_committed_slot_without_a_tensor_header_is_malformed() {
    let (_epoch, mut ring, reader) = pair(4, &[64]);
    publish(&mut ring, b"abc");
    // The template id of the embedded header, two bytes into it.
    ring.mapping()
        .slot_bytes(0)
        .write(64 + 2, &53u16.to_le_bytes());
    assert!(matches!(
        reader.read_slot(Seq::new(0)),
        Err(SlotError::Malformed { .. })
    ));
}

/// Proves [TP-SHM-1090].
#[test]
fn frames_are_not_made_from_writable_mappings() {
    let (_epoch, mut ring, _reader) = pair(4, &[64]);
    publish(&mut ring, b"abc");
    let slot = ring.mapping().read_slot(Seq::new(0)).unwrap();
    let result = Frame::new(ring.mapping(), &slot).map(|_| ());
    assert_eq!(result, Err(FrameError::WritableMapping));
}

use proptest::prelude::*;

use super::*;
use crate::common::PoolGeometry;
use tensorpool_codecs::slot::HeaderSlot;
use tensorpool_codecs::wire::{Dtype, MajorOrder, SlotHeader};

const EPOCH: Epoch = Epoch::new(77);
const STREAM: StreamId = StreamId::new(10_000);

fn geometry() -> StreamGeometry {
    let pools = vec![
        PoolGeometry {
            pool_id: PoolId::new(1),
            stride_bytes: 64,
        },
        PoolGeometry {
            pool_id: PoolId::new(2),
            stride_bytes: 4096,
        },
    ];
    StreamGeometry::new(4, pools).unwrap()
}

fn mapping(geometry: &StreamGeometry) -> MappingFacts<'_> {
    MappingFacts {
        stream_id: STREAM,
        epoch: EPOCH,
        geometry,
        revoked: false,
    }
}

fn descriptor(seq: u64) -> Descriptor {
    Descriptor {
        stream_id: STREAM,
        epoch: EPOCH,
        seq: Seq::new(seq),
    }
}

fn slot(seq: u64) -> HeaderSlot {
    let tensor = TensorLayout::contiguous(Dtype::Uint8, MajorOrder::Row, &[10]).unwrap();
    let slot = SlotHeader {
        seq_commit: seq << 1 | 1,
        values_len_bytes: 10,
        payload_slot: (seq % 4) as u32,
        pool_id: 1,
        payload_offset: 0,
        timestamp_ns: 5,
        meta_version: u32::MAX,
    };
    HeaderSlot {
        slot,
        tensor: tensor.to_header().unwrap(),
    }
}

/// What the gate says of the slot of frame `seq`, without its tensor.
fn judge(seq: u64, slot: &HeaderSlot) -> Result<(u64, PoolId, u32, u32), DropCause> {
    let tensor = TensorLayout::check(&slot.tensor).ok();
    let plan = FrameGate::check(Seq::new(seq), &slot.slot, tensor.as_ref(), &geometry())?;
    assert_eq!(Some(plan.tensor), tensor.as_ref());
    Ok((
        plan.seq_commit,
        plan.pool_id,
        plan.slot_index,
        plan.payload_len,
    ))
}

fn cause_of(change: impl FnOnce(&mut HeaderSlot)) -> Option<DropCause> {
    let mut slot = slot(6);
    change(&mut slot);
    judge(6, &slot).err()
}

/// Proves [TP-CLI-0980].
#[test]
fn a_payload_lies_in_the_slot_of_its_frame_from_the_start_and_fits() {
    let changes: [fn(&mut HeaderSlot); 3] = [
        |slot| slot.slot.payload_slot = 1,
        |slot| slot.slot.payload_offset = 1,
        |slot| slot.slot.values_len_bytes = u32::MAX,
    ];
    assert_eq!(cause_of(|_| {}), None);
    for change in changes {
        assert_eq!(cause_of(change), Some(DropCause::PayloadInvalid));
    }
}

#[test]
fn a_committed_slot_with_a_valid_header_is_a_frame() {
    assert_eq!(judge(6, &slot(6)), Ok((13, PoolId::new(1), 2, 10)));
}

/// Proves [TP-CLI-0910], [TP-CLI-0920].
#[test]
fn a_foreign_stream_is_ignored_and_another_epoch_is_dropped_before_the_slot_is_read() {
    let geometry = geometry();
    let foreign = Descriptor {
        stream_id: StreamId::new(1),
        epoch: Epoch::new(1),
        ..descriptor(6)
    };
    assert_eq!(
        FrameGate::admit(&foreign, &mapping(&geometry)),
        Verdict::Foreign
    );
    let old = Descriptor {
        epoch: Epoch::new(76),
        ..descriptor(6)
    };
    assert_eq!(
        FrameGate::admit(&old, &mapping(&geometry)),
        Verdict::Drop(DropCause::EpochMismatch)
    );
}

/// Proves [TP-CLI-0940].
#[test]
fn a_revoked_mapping_has_no_frames() {
    let geometry = geometry();
    let dead = MappingFacts {
        revoked: true,
        ..mapping(&geometry)
    };
    let verdict = FrameGate::admit(&descriptor(6), &dead);
    assert_eq!(verdict, Verdict::Drop(DropCause::Revoked));
    assert_eq!(FrameGate::confirm(13, 13, true), Err(DropCause::Revoked));
}

/// Proves [TP-CLI-0960].
#[test]
fn each_broken_rule_has_its_cause() {
    use DropCause::{FrameIdMismatch, HeaderInvalid, Odd, PayloadInvalid};
    type Change = fn(&mut HeaderSlot);
    let cases: &[(Change, DropCause)] = &[
        (|s| s.slot.seq_commit = 6 << 1, Odd),
        (|s| s.slot.seq_commit = 10 << 1 | 1, FrameIdMismatch),
        (|s| s.slot.seq_commit = 2 << 1 | 1, FrameIdMismatch),
        (|s| s.tensor.ndims = 0, HeaderInvalid),
        (|s| s.tensor.dtype = Dtype::Unknown, HeaderInvalid),
        (|s| s.tensor.strides[0] = -1, HeaderInvalid),
        (|s| s.slot.pool_id = 9, PayloadInvalid),
        (|s| s.slot.payload_slot = 3, PayloadInvalid),
        (|s| s.slot.payload_offset = 64, PayloadInvalid),
        (|s| s.slot.values_len_bytes = 65, PayloadInvalid),
    ];
    for (index, (change, cause)) in cases.iter().enumerate() {
        assert_eq!(cause_of(change), Some(*cause), "case {index}");
    }
}

/// Proves [TP-CLI-0950].
#[test]
fn the_first_broken_rule_in_order_decides() {
    let everything = |s: &mut HeaderSlot| {
        s.slot.seq_commit = 6 << 1;
        s.tensor.ndims = 9;
        s.slot.values_len_bytes = u32::MAX;
    };
    assert_eq!(cause_of(everything), Some(DropCause::Odd));
    let header_and_payload = |s: &mut HeaderSlot| {
        s.tensor.ndims = 9;
        s.slot.values_len_bytes = u32::MAX;
    };
    assert_eq!(cause_of(header_and_payload), Some(DropCause::HeaderInvalid));
}

/// Proves [TP-CLI-0990].
#[test]
fn an_empty_payload_is_a_frame() {
    assert_eq!(cause_of(|s| s.slot.values_len_bytes = 0), None);
}

/// Proves [TP-CLI-0970].
#[test]
fn a_slot_that_changed_under_the_reader_is_not_confirmed() {
    assert_eq!(FrameGate::confirm(13, 13, false), Ok(()));
    assert_eq!(FrameGate::confirm(13, 20, false), Err(DropCause::Changed));
    assert_eq!(FrameGate::confirm(13, 12, false), Err(DropCause::Changed));
}

/// Proves [TP-CLI-0970].
#[test]
fn every_cause_has_one_label_and_only_overtaken_frames_are_late() {
    let labels: std::collections::HashSet<_> = DropCause::ALL.iter().map(|c| c.label()).collect();
    assert_eq!(labels.len(), DropCause::COUNT);
    assert_eq!(DropCause::ALL.iter().filter(|c| c.is_late()).count(), 3);
}

proptest! {
    /// Proves [TP-CLI-0980].
    #[test]
    fn accepted_frames_lie_inside_their_pool(
        seq in 0u64..1 << 62, commit in any::<u64>(), exact in any::<bool>(), len in any::<u32>(),
        slot_number in 0u32..8, pool in 0u16..4, offset in 0u32..2,
    ) {
        let geometry = geometry();
        let mut facts = slot(seq);
        if !exact {
            facts.slot.seq_commit = commit;
        }
        facts.slot.values_len_bytes = len;
        facts.slot.payload_slot = slot_number;
        facts.slot.pool_id = pool;
        facts.slot.payload_offset = offset;
        if let Ok((seq_commit, pool_id, slot_index, payload_len)) = judge(seq, &facts) {
            let stride = pool_by_id(&geometry, pool_id).unwrap().stride_bytes;
            prop_assert!(payload_len <= stride && slot_index < geometry.slot_count());
            prop_assert_eq!(seq_commit, seq << 1 | 1);
            prop_assert_eq!(u64::from(slot_index), seq % 4);
        }
    }
}

//! Tests of what a consumer believes.

use tensorpool_codecs::slot::HeaderSlot;
use tensorpool_codecs::types::{Epoch, PoolId, StreamId};
use tensorpool_codecs::wire::{Dtype, MajorOrder, ProgressUnit, SlotHeader};

use super::*;
use crate::common::{PoolGeometry, StreamGeometry};
use crate::frame::{FrameGate, TensorLayout};

const STREAM: StreamId = StreamId::new(7);
const EPOCH: Epoch = Epoch::new(9);
const LEN: u64 = 1_000;

fn geometry() -> StreamGeometry {
    let pool = PoolGeometry {
        pool_id: PoolId::new(1),
        stride_bytes: 1_024,
    };
    StreamGeometry::new(8, vec![pool]).unwrap()
}

fn message(seq: u64, bytes_filled: u64, state: ProgressState) -> ProgressMessage {
    ProgressMessage {
        stream_id: STREAM,
        epoch: EPOCH,
        seq: Seq::new(seq),
        bytes_filled,
        state: Some(state),
    }
}

fn slot(seq: u64) -> HeaderSlot {
    let tensor = TensorLayout::contiguous(Dtype::Uint8, MajorOrder::Row, &[100, 10])
        .and_then(|tensor| tensor.with_progress(ProgressUnit::Rows))
        .and_then(|tensor| tensor.to_header());
    HeaderSlot {
        slot: SlotHeader {
            seq_commit: seq << 1,
            values_len_bytes: LEN as u32,
            payload_slot: (seq % 8) as u32,
            pool_id: 1,
            payload_offset: 0,
            timestamp_ns: 5,
            meta_version: u32::MAX,
        },
        tensor: tensor.unwrap(),
    }
}

/// Everything a message goes through, with the slot of its frame as `change` left it.
fn judge_with(
    tracker: &mut ProgressTracker,
    message: &ProgressMessage,
    change: impl FnOnce(&mut HeaderSlot),
) -> Option<Result<(), ProgressDrop>> {
    let geometry = geometry();
    let facts = MappingFacts {
        stream_id: STREAM,
        epoch: EPOCH,
        geometry: &geometry,
        revoked: false,
    };
    let state = match tracker.admit(message, &facts)? {
        Ok(state) => state,
        Err(cause) => return Some(Err(cause)),
    };
    let mut slot = slot(message.seq.get());
    change(&mut slot);
    if let Err(cause) = tracker.check_commit(message.seq, slot.slot.seq_commit) {
        return Some(Err(cause));
    }
    let tensor = TensorLayout::check(&slot.tensor).ok();
    let plan = FrameGate::plan(message.seq, &slot.slot, tensor.as_ref(), &geometry);
    let plan = plan.map_err(|_| ProgressDrop::Header);
    Some(plan.and_then(|plan| tracker.accept(message, state, &plan)))
}

fn judge(tracker: &mut ProgressTracker, message: &ProgressMessage) -> Result<(), ProgressDrop> {
    judge_with(tracker, message, |_| {}).expect("of our stream")
}

fn prefixes() -> ProgressTracker {
    ProgressTracker::new(ProgressRead::Prefix)
}

/// Proves [TP-CLI-2610], [TP-CLI-2612].
#[test]
fn other_streams_are_ignored_and_other_epochs_dropped() {
    let mut tracker = prefixes();
    let ours = message(3, 10, ProgressState::Started);
    let foreign = ProgressMessage {
        stream_id: StreamId::new(8),
        ..ours
    };
    assert_eq!(judge_with(&mut tracker, &foreign, |_| {}), None);
    for epoch in [0, 8, 10] {
        let epoch = Epoch::new(epoch);
        let other = ProgressMessage { epoch, ..ours };
        assert_eq!(judge(&mut tracker, &other), Err(ProgressDrop::Epoch));
    }
    assert_eq!(judge(&mut tracker, &ours), Ok(()));
    let geometry = geometry();
    let revoked = MappingFacts {
        stream_id: STREAM,
        epoch: EPOCH,
        geometry: &geometry,
        revoked: true,
    };
    assert_eq!(
        tracker.admit(&ours, &revoked),
        Some(Err(ProgressDrop::Epoch))
    );
}

/// Proves [TP-CLI-2615].
#[test]
fn a_message_without_a_known_state_is_dropped() {
    let mut tracker = prefixes();
    let unknown = ProgressMessage {
        state: None,
        ..message(3, 10, ProgressState::Started)
    };
    assert_eq!(judge(&mut tracker, &unknown), Err(ProgressDrop::State));
}

/// Proves [TP-CLI-2620].
#[test]
fn a_slot_that_holds_another_frame_says_nothing_of_this_one() {
    let mut tracker = prefixes();
    let told = message(11, 10, ProgressState::Progress);
    for found in [3 << 1, 3 << 1 | 1, 19 << 1, 19 << 1 | 1] {
        let judged = judge_with(&mut tracker, &told, |slot| slot.slot.seq_commit = found);
        assert_eq!(judged, Some(Err(ProgressDrop::OtherFrame)));
    }
    for seq in [1 << 63, u64::MAX] {
        let told = message(seq, 10, ProgressState::Progress);
        assert_eq!(judge(&mut tracker, &told), Err(ProgressDrop::OtherFrame));
    }
}

/// Proves [TP-CLI-2625], [TP-CLI-2630].
#[test]
fn frames_that_are_written_are_for_those_who_read_prefixes() {
    let (mut prefixes, mut committed) = (prefixes(), ProgressTracker::new(ProgressRead::default()));
    let told = message(4, 10, ProgressState::Progress);
    assert_eq!(judge(&mut committed, &told), Err(ProgressDrop::Uncommitted));
    assert_eq!(judge(&mut prefixes, &told), Ok(()));
    let complete = |tracker: &mut ProgressTracker| {
        let told = message(4, LEN, ProgressState::Complete);
        judge_with(tracker, &told, |slot| slot.slot.seq_commit |= 1)
    };
    assert_eq!(complete(&mut committed), Some(Ok(())));
    assert_eq!(complete(&mut prefixes), Some(Ok(())));
}

/// Proves [TP-CLI-2635].
#[test]
fn a_slot_without_a_valid_header_and_progress_stride_is_not_believed() {
    let broken: [fn(&mut HeaderSlot); 6] = [
        |slot| slot.tensor.progress_stride_bytes = 0,
        |slot| slot.tensor.progress_stride_bytes = 11,
        |slot| slot.tensor.ndims = 0,
        |slot| slot.tensor.dtype = Dtype::Unknown,
        |slot| slot.slot.pool_id = 2,
        |slot| slot.slot.payload_offset = 64,
    ];
    let mut tracker = prefixes();
    for change in broken {
        let told = message(4, 10, ProgressState::Progress);
        let judged = judge_with(&mut tracker, &told, change);
        assert_eq!(judged, Some(Err(ProgressDrop::Header)));
    }
    assert_eq!(
        judge(&mut tracker, &message(4, 0, ProgressState::Started)),
        Ok(())
    );
}

/// Proves [TP-CLI-2640].
#[test]
fn more_bytes_than_the_payload_has_are_not_believed() {
    let mut tracker = prefixes();
    for found in [LEN + 1, u64::MAX] {
        let told = message(4, found, ProgressState::Progress);
        assert_eq!(judge(&mut tracker, &told), Err(ProgressDrop::BeyondPayload));
    }
    assert_eq!(
        judge(&mut tracker, &message(4, LEN, ProgressState::Progress)),
        Ok(())
    );
}

/// Proves [TP-CLI-2645].
#[test]
fn bytes_and_states_only_go_forward() {
    let mut tracker = prefixes();
    let mut tell = |bytes, state| judge(&mut tracker, &message(4, bytes, state));
    assert_eq!(tell(100, ProgressState::Progress), Ok(()));
    assert_eq!(
        tell(99, ProgressState::Progress),
        Err(ProgressDrop::Regressed)
    );
    assert_eq!(
        tell(200, ProgressState::Started),
        Err(ProgressDrop::Regressed)
    );
    assert_eq!(
        tell(100, ProgressState::Progress),
        Ok(()),
        "no further is not back"
    );
    assert_eq!(tell(LEN, ProgressState::Complete), Ok(()));
    assert_eq!(
        tell(LEN, ProgressState::Complete),
        Err(ProgressDrop::Regressed)
    );
    // Of another frame nothing was believed yet.
    assert_eq!(
        judge(&mut tracker, &message(5, 0, ProgressState::Started)),
        Ok(())
    );
}

/// Proves [TP-CLI-2650].
#[test]
fn so_many_frames_are_followed_and_the_later_one_takes_the_place() {
    let mut tracker = prefixes();
    let capacity = u64::from(PROGRESS_CAPACITY);
    let mut tell = |seq, bytes| judge(&mut tracker, &message(seq, bytes, ProgressState::Progress));
    for seq in 0..capacity {
        assert_eq!(tell(seq, 500), Ok(()));
    }
    for seq in 0..capacity {
        assert_eq!(
            tell(seq, 499),
            Err(ProgressDrop::Regressed),
            "frame {seq} was forgotten"
        );
    }
    assert_eq!(tell(capacity + 3, 1), Ok(()));
    assert_eq!(tell(3, 900), Err(ProgressDrop::Evicted));
    assert_eq!(tell(4, 900), Ok(()));
}

#[test]
fn another_epoch_begins_without_what_was_believed() {
    let mut tracker = prefixes();
    assert_eq!(
        judge(&mut tracker, &message(260, LEN, ProgressState::Progress)),
        Ok(())
    );
    tracker.begin_epoch();
    assert_eq!(
        judge(&mut tracker, &message(4, 1, ProgressState::Started)),
        Ok(())
    );
}

#[test]
fn drops_are_counted_by_cause() {
    let mut drops = ProgressDrops::default();
    for (times, cause) in ProgressDrop::ALL.into_iter().enumerate() {
        (0..times).for_each(|_| drops.add(cause));
    }
    let counts = ProgressDrop::ALL.map(|cause| drops.get(cause));
    assert_eq!(counts, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(drops.total(), 28);
    assert_eq!(ProgressDrop::BeyondPayload.label(), "beyond_payload");
}

//! What the data path decides per frame: which pool, whether a slot is the frame, what the ring
//! shows next.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tensorpool::codecs::slot::HeaderSlot;
use tensorpool::codecs::types::{Epoch, PoolId, Seq, StreamId};
use tensorpool::codecs::wire::{Dtype, MajorOrder, SlotHeader};
use tensorpool::protocol::common::{PoolGeometry, StreamGeometry};
use tensorpool::protocol::frame::{
    Descriptor, FrameGate, MappingFacts, RingCursor, RingStep, TensorLayout, Verdict, smallest_fit,
};

const SLOTS: u32 = 64;
const STREAM: StreamId = StreamId::new(10_000);
const EPOCH: Epoch = Epoch::new(77);
const SEQ: Seq = Seq::new(1_000_006);

fn geometry() -> StreamGeometry {
    let strides = [4 << 10, 64 << 10, 1 << 20, 4 << 20];
    let pools = strides
        .into_iter()
        .zip(1..)
        .map(|(stride_bytes, id)| PoolGeometry {
            pool_id: PoolId::new(id),
            stride_bytes,
        });
    StreamGeometry::new(SLOTS, pools.collect()).expect("sizes are valid")
}

fn slot() -> HeaderSlot {
    let tensor = TensorLayout::contiguous(Dtype::Uint16, MajorOrder::Row, &[480, 640]);
    let tensor = tensor.expect("a valid shape");
    HeaderSlot {
        slot: SlotHeader {
            seq_commit: SEQ.get() << 1 | 1,
            values_len_bytes: 480 * 640 * 2,
            payload_slot: SEQ.slot_index(SLOTS),
            pool_id: 3,
            payload_offset: 0,
            timestamp_ns: 5,
            meta_version: u32::MAX,
        },
        tensor: tensor.to_header().expect("strides fit"),
    }
}

fn pools(c: &mut Criterion) {
    let geometry = geometry();
    let mut group = c.benchmark_group("pools");
    for (name, len) in [("first", 64), ("last", 3 << 20)] {
        group.bench_function(name, |b| {
            b.iter(|| smallest_fit(black_box(&geometry), black_box(len)).is_ok());
        });
    }
    group.finish();
}

fn gate(c: &mut Criterion) {
    let (geometry, slot) = (geometry(), slot());
    let mapping = MappingFacts {
        stream_id: STREAM,
        epoch: EPOCH,
        geometry: &geometry,
        revoked: false,
    };
    let descriptor = Descriptor {
        stream_id: STREAM,
        epoch: EPOCH,
        seq: SEQ,
    };
    let verdict = FrameGate::admit(&descriptor, &mapping);
    assert!(matches!(verdict, Verdict::Accept(_)), "{verdict:?}");
    let tensor = TensorLayout::check(&slot.tensor).expect("a valid layout");
    let plan = FrameGate::check(SEQ, &slot.slot, Some(&tensor), &geometry);
    assert!(plan.is_ok(), "{plan:?}");
    let mut group = c.benchmark_group("gate");
    group.bench_function("admit", |b| {
        b.iter(|| FrameGate::admit(black_box(&descriptor), black_box(&mapping)));
    });
    group.bench_function("check", |b| {
        b.iter(|| {
            let plan = FrameGate::check(SEQ, black_box(&slot.slot), Some(&tensor), &geometry);
            plan.is_ok()
        });
    });
    group.finish();
}

fn ring(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring");
    // A ring whose next frame is always there.
    group.bench_function("frame", |b| {
        let mut cursor = RingCursor::at(SLOTS, Seq::new(0));
        b.iter(|| black_box(&mut cursor).step(|seq| seq.get() << 1 | 1));
    });
    // One whose next frame never comes: its slot holds the one a lap before.
    group.bench_function("nothing", |b| {
        let mut cursor = RingCursor::at(SLOTS, SEQ);
        let before = (SEQ.get() - u64::from(SLOTS)) << 1 | 1;
        assert_eq!(cursor.step(|_| before), RingStep::Wait);
        b.iter(|| black_box(&mut cursor).step(|_| black_box(before)));
    });
    group.finish();
}

criterion_group!(benches, pools, gate, ring);
criterion_main!(benches);

//! Instructions of the hot paths, counted by callgrind: the same on every run, whatever else the
//! machine does. `cargo xtask bench --check` holds them against `benches/instructions.toml`.

#![allow(missing_docs, reason = "made by macros, and no library")]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use tensorpool::client::FrameMeta as ClientMeta;
use tensorpool::protocol::common::{PoolGeometry, StreamGeometry};
use tensorpool::protocol::frame::{
    Descriptor, FrameGate, FrameLedger, MappingFacts, Presence, RingCursor, RingStep, TensorLayout,
    Verdict, smallest_fit,
};
use tensorpool_benches::stream::{EPOCH, SLOTS, STREAM, Stream, meta};
use tensorpool_codecs::gate::gate;
use tensorpool_codecs::slot::{HeaderSlot, SLOT_LEN};
use tensorpool_codecs::types::{PoolId, Seq};
use tensorpool_codecs::wire::{FrameDescriptor, TensorHeader};
use tensorpool_shm::frame::Frame;
use tensorpool_shm::slot::{SlotSnapshot, TensorMemo};

const LEN: usize = 64;

const DESCRIPTOR: FrameDescriptor = FrameDescriptor {
    stream_id: STREAM.get(),
    epoch: EPOCH.get(),
    seq: 123_456,
    timestamp_ns: Some(1_234_567_890),
    meta_version: Some(1),
    trace_id: None,
};

/// A stream whose ring was gone round once, with the last frame complete.
fn used_stream() -> (Box<Stream>, Seq) {
    let mut stream = Box::new(Stream::new(LEN));
    for _ in 0..=SLOTS {
        let claim = stream.ring.claim(&meta(), LEN).expect("a slot");
        let _told = stream.ring.commit(claim).expect("its epoch lives").count();
    }
    let last = Seq::new(stream.ring.next_seq().get() - 1);
    (stream, last)
}

fn encoded() -> [u8; FrameDescriptor::ENCODED_LEN] {
    let mut bytes = [0; FrameDescriptor::ENCODED_LEN];
    DESCRIPTOR.encode_into(&mut bytes);
    bytes
}

/// What a consumer knows when a frame of the format it had before comes.
struct Reading {
    stream: Box<Stream>,
    seq: Seq,
    geometry: StreamGeometry,
    layouts: TensorMemo<Option<TensorLayout>>,
    ledger: FrameLedger,
}

fn reading() -> Box<Reading> {
    let (stream, seq) = used_stream();
    let pool = PoolGeometry {
        pool_id: PoolId::new(1),
        stride_bytes: LEN as u32,
    };
    let geometry = StreamGeometry::new(SLOTS, vec![pool]).expect("sizes are valid");
    let mut reading = Box::new(Reading {
        stream,
        seq,
        geometry,
        layouts: TensorMemo::default(),
        ledger: FrameLedger::default(),
    });
    reading.ledger.begin_epoch(Presence::Joined, 256, SLOTS);
    let _warm = read(&mut reading);
    reading
}

fn read(reading: &mut Reading) -> bool {
    let Reading {
        stream,
        seq,
        geometry,
        layouts,
        ledger,
    } = reading;
    let facts = MappingFacts {
        stream_id: STREAM,
        epoch: EPOCH,
        geometry,
        revoked: stream.reader.is_revoked(),
    };
    let descriptor = Descriptor {
        stream_id: STREAM,
        epoch: EPOCH,
        seq: *seq,
    };
    let Verdict::Accept(_) = FrameGate::admit(&descriptor, &facts) else {
        return false;
    };
    let is_new = ledger.on_descriptor(*seq);
    let layout = |tensor: &TensorHeader| TensorLayout::check(tensor).ok();
    let Ok(slot) = stream.reader.read_slot_with(*seq, layouts, layout) else {
        return false;
    };
    let tensor = slot.meaning().as_ref();
    if FrameGate::check(*seq, slot.header(), tensor, geometry).is_err() {
        return false;
    }
    let frame = Frame::of_known(&stream.reader, &slot);
    ledger.on_delivered();
    is_new && frame.is_ok_and(|frame| frame.is_valid())
}

#[library_benchmark]
fn descriptor_encode() {
    let mut bytes = [0; FrameDescriptor::ENCODED_LEN];
    black_box(&DESCRIPTOR).encode_into(black_box(&mut bytes));
    black_box(bytes);
}

#[library_benchmark]
#[bench::valid(encoded())]
fn descriptor_gate_and_decode(bytes: [u8; FrameDescriptor::ENCODED_LEN]) -> bool {
    let bytes: &[u8] = black_box(&bytes);
    gate(bytes).is_ok() && FrameDescriptor::decode(bytes).is_ok()
}

fn slot_bytes() -> [u8; SLOT_LEN] {
    let (stream, last) = used_stream();
    let slot = stream.reader.read_slot(last).expect("it is complete");
    let mut bytes = [0; SLOT_LEN];
    slot.header().encode_into(&mut bytes);
    bytes
}

#[library_benchmark]
#[bench::committed(slot_bytes())]
fn slot_decode(bytes: [u8; SLOT_LEN]) -> Option<HeaderSlot> {
    HeaderSlot::decode(black_box(&bytes)).ok()
}

#[library_benchmark]
#[bench::same_format(used_stream())]
fn claim_and_commit((mut stream, _last): (Box<Stream>, Seq)) -> (Box<Stream>, usize) {
    let claim = stream.ring.claim(black_box(&meta()), LEN).expect("a slot");
    let told = stream.ring.commit(claim).expect("its epoch lives").count();
    (stream, told)
}

#[library_benchmark]
#[bench::same_format(used_stream())]
fn publish_64_bytes((mut stream, _last): (Box<Stream>, Seq)) -> Box<Stream> {
    let payload = [7; LEN];
    let published = stream.ring.publish(black_box(&meta()), black_box(&payload));
    black_box(published.expect("a slot").0);
    stream
}

#[library_benchmark]
#[bench::complete(used_stream())]
fn slot_read((stream, last): (Box<Stream>, Seq)) -> (Box<Stream>, Option<SlotSnapshot>) {
    let slot = stream.reader.read_slot(black_box(last)).ok();
    (stream, slot)
}

// All a consumer does with a frame of the format it had before, from knowing its number to having
// validated it.
#[library_benchmark]
#[bench::same_format(next_frame())]
fn frame_read(mut reading: Box<Reading>) -> (Box<Reading>, bool) {
    let is_whole = read(black_box(&mut reading));
    (reading, is_whole)
}

fn next_frame() -> Box<Reading> {
    let mut reading = reading();
    let claim = reading.stream.ring.claim(&meta(), LEN).expect("a slot");
    let ring = &mut reading.stream.ring;
    let _told = ring.commit(claim).expect("its epoch lives").count();
    reading.seq = reading.seq.next();
    reading
}

#[library_benchmark]
fn ring_step_to_a_frame() -> RingStep {
    let mut cursor = RingCursor::at(SLOTS, Seq::new(0));
    black_box(&mut cursor).step(|seq| seq.get() << 1 | 1)
}

fn four_pools() -> StreamGeometry {
    let pools = [4 << 10, 64 << 10, 1 << 20, 4 << 20].into_iter().zip(1..);
    let pools = pools.map(|(stride_bytes, id)| PoolGeometry {
        pool_id: PoolId::new(id),
        stride_bytes,
    });
    StreamGeometry::new(SLOTS, pools.collect()).expect("sizes are valid")
}

#[library_benchmark]
#[bench::last_of_four(four_pools())]
fn pool_selection(geometry: StreamGeometry) -> (StreamGeometry, bool) {
    let found = smallest_fit(black_box(&geometry), black_box(3 << 20)).is_ok();
    (geometry, found)
}

#[library_benchmark]
fn frame_meta() -> bool {
    ClientMeta::bytes(black_box(LEN)).is_ok()
}

library_benchmark_group!(
    name = codecs,
    benchmarks = [descriptor_encode, descriptor_gate_and_decode, slot_decode]
);
library_benchmark_group!(
    name = memory,
    benchmarks = [claim_and_commit, publish_64_bytes, slot_read]
);
library_benchmark_group!(
    name = frames,
    benchmarks = [frame_read, ring_step_to_a_frame, pool_selection, frame_meta]
);
main!(library_benchmark_groups = codecs, memory, frames);

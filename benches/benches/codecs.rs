//! Encoding and decoding of the message every frame sends, the slot every frame writes, and the one
//! message with a group that everybody receives every second.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tensorpool_codecs::gate::gate;
use tensorpool_codecs::slot::{HeaderSlot, SLOT_LEN};
use tensorpool_codecs::wire::{
    ClockDomain, Dtype, FrameDescriptor, MajorOrder, ProgressUnit, ShmPoolAnnounce,
    ShmPoolAnnouncePayloadPool, ShmPoolAnnounceView, SlotHeader, TensorHeader,
};

const DESCRIPTOR: FrameDescriptor = FrameDescriptor {
    stream_id: 10000,
    epoch: 1_700_000_000_000_000_000,
    seq: 123_456,
    timestamp_ns: Some(1_234_567_890),
    meta_version: Some(1),
    trace_id: None,
};

/// What encoding is held against: one store per field, by hand, and no more.
#[inline]
fn store_plainly(of: &FrameDescriptor, bytes: &mut [u8; FrameDescriptor::ENCODED_LEN]) {
    bytes[..8].copy_from_slice(&FrameDescriptor::HEADER.to_bytes());
    bytes[8..12].copy_from_slice(&of.stream_id.to_le_bytes());
    bytes[12..20].copy_from_slice(&of.epoch.to_le_bytes());
    bytes[20..28].copy_from_slice(&of.seq.to_le_bytes());
    bytes[28..36].copy_from_slice(&of.timestamp_ns.unwrap_or(u64::MAX).to_le_bytes());
    bytes[36..40].copy_from_slice(&of.meta_version.unwrap_or(u32::MAX).to_le_bytes());
    bytes[40..].copy_from_slice(&of.trace_id.unwrap_or(0).to_le_bytes());
}

/// What decoding is held against: one load per field, of bytes that are taken on trust.
#[inline]
fn load_plainly(bytes: &[u8; FrameDescriptor::ENCODED_LEN]) -> FrameDescriptor {
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let (timestamp_ns, meta_version, trace_id) = (u64_at(28), u32_at(36), u64_at(40));
    FrameDescriptor {
        stream_id: u32_at(8),
        epoch: u64_at(12),
        seq: u64_at(20),
        timestamp_ns: (timestamp_ns != u64::MAX).then_some(timestamp_ns),
        meta_version: (meta_version != u32::MAX).then_some(meta_version),
        trace_id: (trace_id != 0).then_some(trace_id),
    }
}

fn frame_descriptor(c: &mut Criterion) {
    let mut group = c.benchmark_group("FrameDescriptor");
    group.throughput(Throughput::Elements(1));
    let mut bytes = [0; FrameDescriptor::ENCODED_LEN];
    group.bench_function("encode", |b| {
        b.iter(|| black_box(&DESCRIPTOR).encode_into(black_box(&mut bytes)));
    });
    group.bench_function("plain stores", |b| {
        b.iter(|| store_plainly(black_box(&DESCRIPTOR), black_box(&mut bytes)));
    });
    DESCRIPTOR.encode_into(&mut bytes);
    group.bench_function("decode", |b| {
        b.iter(|| FrameDescriptor::decode(black_box(&bytes)));
    });
    assert_eq!(FrameDescriptor::decode(&bytes), Ok(load_plainly(&bytes)));
    group.bench_function("plain loads", |b| {
        b.iter(|| load_plainly(black_box(&bytes)));
    });
    group.bench_function("gate and decode", |b| {
        b.iter(|| {
            let bytes: &[u8] = black_box(&bytes);
            gate(bytes).is_ok().then(|| FrameDescriptor::decode(bytes))
        });
    });
    group.finish();
}

fn shm_pool_announce(c: &mut Criterion) {
    let pools = [1_u16, 2, 3].map(|pool_id| ShmPoolAnnouncePayloadPool {
        pool_id,
        pool_nslots: 64,
        stride_bytes: 4096 << pool_id,
        region_uri:
            b"shm:file?path=/dev/shm/tensorpool-user/default/10000/1700000000000000000/1.pool",
    });
    let announce = ShmPoolAnnounce {
        stream_id: 10000,
        producer_id: 7,
        epoch: 1_700_000_000_000_000_000,
        announce_timestamp_ns: 1_234_567_890,
        announce_clock_domain: ClockDomain::Monotonic,
        layout_version: 1,
        header_nslots: 64,
        header_slot_bytes: 256,
        payload_pools: &pools,
        header_region_uri:
            b"shm:file?path=/dev/shm/tensorpool-user/default/10000/1700000000000000000/header.ring",
    };
    let mut bytes = vec![0; announce.encoded_len().expect("a short message")];
    let mut group = c.benchmark_group("ShmPoolAnnounce");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode", |b| {
        b.iter(|| black_box(&announce).encode(black_box(&mut bytes)));
    });
    announce.encode(&mut bytes).expect("exactly long enough");
    group.bench_function("decode and iterate", |b| {
        b.iter(|| {
            let view = ShmPoolAnnounceView::decode(black_box(&bytes)).expect("just written");
            view.payload_pools
                .iter()
                .map(|pool| u64::from(pool.stride_bytes))
                .sum::<u64>()
        });
    });
    group.finish();
}

fn header_slot(c: &mut Criterion) {
    let slot = HeaderSlot {
        slot: SlotHeader {
            seq_commit: 246_913,
            values_len_bytes: 1_228_800,
            payload_slot: 0,
            pool_id: 3,
            payload_offset: 0,
            timestamp_ns: 1_234_567_890,
            meta_version: 1,
        },
        tensor: TensorHeader {
            dtype: Dtype::Float32,
            major_order: MajorOrder::Row,
            ndims: 2,
            progress_unit: ProgressUnit::None,
            progress_stride_bytes: 0,
            dims: [480, 640, 0, 0, 0, 0, 0, 0],
            strides: [2560, 4, 0, 0, 0, 0, 0, 0],
        },
    };
    let mut bytes = [0; SLOT_LEN];
    let mut group = c.benchmark_group("HeaderSlot");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode", |b| {
        b.iter(|| black_box(&slot).encode_into(black_box(&mut bytes)));
    });
    slot.encode_into(&mut bytes);
    group.bench_function("decode", |b| {
        b.iter(|| HeaderSlot::decode(black_box(&bytes)))
    });
    group.finish();
}

criterion_group!(benches, frame_descriptor, shm_pool_announce, header_slot);
criterion_main!(benches);

//! What a frame costs in shared memory, without any messaging: header slots, seqlock, payload
//! copies.
//!
//! `memcpy` runs beside the copies as their anchor: it moves the same bytes between the same kinds
//! of memory, only without a slot around them. Run with `cargo bench -p tensorpool-benches --bench
//! shm`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tensorpool_benches::stream::{SLOTS, Stream, meta};
use tensorpool_codecs::slot::{HeaderSlot, SLOT_LEN};
use tensorpool_codecs::types::Seq;
use tensorpool_codecs::wire::SlotHeader;
use tensorpool_shm::frame::Frame;

const SIZES: [usize; 3] = [64, 64 << 10, 4 << 20];
/// Encoding and decoding of a header slot, in private memory.
fn slot_codec(c: &mut Criterion) {
    let header = HeaderSlot {
        slot: SlotHeader {
            seq_commit: 15,
            values_len_bytes: 64,
            payload_slot: 7,
            pool_id: 1,
            payload_offset: 0,
            timestamp_ns: 1,
            meta_version: u32::MAX,
        },
        tensor: *meta().tensor,
    };
    let mut bytes = [0; SLOT_LEN];
    header.encode_into(&mut bytes);
    let mut group = c.benchmark_group("shm/slot");
    group.bench_function("encode", |b| {
        b.iter(|| black_box(&header).encode_into(black_box(&mut bytes)));
    });
    group.bench_function("decode", |b| {
        b.iter(|| HeaderSlot::decode(black_box(&bytes)).unwrap())
    });
    group.finish();
}

/// A slot through the seqlock, with no payload to speak of.
fn seqlock(c: &mut Criterion) {
    let mut stream = Stream::new(64);
    let meta = meta();
    let mut group = c.benchmark_group("shm/seqlock");
    group.bench_function("claim_and_commit", |b| {
        b.iter(|| {
            let claim = stream.ring.claim(black_box(&meta), 64).unwrap();
            stream.ring.commit(claim).unwrap().count()
        });
    });
    let last = Seq::new(stream.ring.next_seq().get() - 1);
    group.bench_function("read_slot", |b| {
        b.iter(|| stream.reader.read_slot(black_box(last)).unwrap());
    });
    group.bench_function("frame_and_validate", |b| {
        let slot = stream.reader.read_slot(last).unwrap();
        b.iter(|| {
            Frame::new(&stream.reader, black_box(&slot))
                .unwrap()
                .is_valid()
        });
    });
    let index = last.slot_index(SLOTS);
    group.bench_function("commit_word", |b| {
        b.iter(|| stream.reader.commit_word(black_box(index)))
    });
    group.finish();
}

/// Payloads in and out of a slot, beside memcpy.
fn copies(c: &mut Criterion) {
    let mut group = c.benchmark_group("shm/copy");
    for len in SIZES {
        let mut stream = Stream::new(len);
        let (from, mut to) = (vec![7u8; len], vec![0u8; len]);
        let mut ring: Vec<Vec<u8>> = (0..SLOTS).map(|_| vec![0u8; len]).collect();
        let mut next = 0;
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("memcpy_into_ring", len), |b| {
            b.iter(|| {
                next = (next + 1) % ring.len();
                ring[next].copy_from_slice(black_box(&from));
                black_box(&ring[next]);
            });
        });
        let meta = meta();
        group.bench_function(BenchmarkId::new("publish", len), |b| {
            b.iter(|| stream.ring.publish(&meta, black_box(&from)).unwrap().0);
        });
        group.bench_function(BenchmarkId::new("claim_fill_commit", len), |b| {
            b.iter(|| {
                let mut claim = stream.ring.claim(&meta, len).unwrap();
                claim.payload_mut().copy_from_slice(black_box(&from));
                stream.ring.commit(claim).unwrap().count()
            });
        });
        let last = Seq::new(stream.ring.next_seq().get() - 1);
        group.bench_function(BenchmarkId::new("memcpy_out", len), |b| {
            b.iter(|| black_box(&mut to).copy_from_slice(black_box(&ring[next])));
        });
        group.bench_function(BenchmarkId::new("copy_to", len), |b| {
            let slot = stream.reader.read_slot(last).unwrap();
            let frame = Frame::new(&stream.reader, &slot).unwrap();
            b.iter(|| frame.copy_to(black_box(&mut to)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, slot_codec, seqlock, copies);
criterion_main!(benches);

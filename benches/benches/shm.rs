//! What a frame costs in shared memory, without any messaging: header slots, seqlock, payload
//! copies.
//!
//! `memcpy` runs beside the copies as their anchor: it moves the same bytes between the same kinds
//! of memory, only without a slot around them. Run with `cargo bench -p tensorpool-benches --bench
//! shm`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use tensorpool_codecs::slot::{HeaderSlot, SLOT_LEN};
use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, Seq, StreamId};
use tensorpool_codecs::wire::{Dtype, MajorOrder, ProgressUnit, SlotHeader, TensorHeader};
use tensorpool_shm::allowed::AllowedDirs;
use tensorpool_shm::driver::{EpochSpec, Fill, NamespaceRoot, OwnedEpoch, RootSpec};
use tensorpool_shm::frame::Frame;
use tensorpool_shm::layout::{Geometry, PoolGeometry};
use tensorpool_shm::mapping::{Access, MapRequest, Mapping, PoolRequest};
use tensorpool_shm::paths::{Namespace, UserName};
use tensorpool_shm::producer::{FrameMeta, ProducerRing};

const SLOTS: u32 = 16;
const SIZES: [usize; 3] = [64, 64 << 10, 4 << 20];
const STREAM: StreamId = StreamId::new(10_000);
const EPOCH: Epoch = Epoch::new(1_000_000);

/// A stream with one pool, mapped twice: for writing and for reading.
struct Stream {
    ring: ProducerRing,
    reader: Arc<Mapping>,
    _epoch: OwnedEpoch,
    _temp: TempDir,
}

impl Stream {
    fn new(payload_len: usize) -> Self {
        let temp = tempfile::Builder::new()
            .prefix("tpbench")
            .tempdir_in("/dev/shm")
            .unwrap();
        let root = NamespaceRoot::acquire(&RootSpec {
            base_dir: temp.path(),
            user: &UserName::sanitized("bench"),
            namespace: &Namespace::default(),
            file_mode: 0o660,
        })
        .unwrap();
        let pool = PoolGeometry {
            id: PoolId::new(1),
            stride_bytes: payload_len as u32,
        };
        let geometry = Geometry::new(SLOTS, vec![pool]).unwrap();
        let epoch = root
            .create_epoch(&EpochSpec {
                stream: STREAM,
                epoch: EPOCH,
                geometry: &geometry,
                pid: std::process::id(),
                created: NanoTime::new(1),
                fill: Fill::Allocated,
                prefault: true,
                mlock: false,
                require_hugepages: false,
            })
            .unwrap();
        let allowed = AllowedDirs::new([temp.path()]).unwrap();
        let writer = map(&epoch, pool, &allowed, Access::ReadWrite);
        let reader = map(&epoch, pool, &allowed, Access::ReadOnly);
        Self {
            ring: ProducerRing::new(writer).unwrap(),
            reader,
            _epoch: epoch,
            _temp: temp,
        }
    }
}

fn map(
    epoch: &OwnedEpoch,
    pool: PoolGeometry,
    allowed: &AllowedDirs,
    access: Access,
) -> Arc<Mapping> {
    let (header_uri, pool_uri) = (
        epoch.header_uri().to_string(),
        epoch.pool_uris()[0].uri.to_string(),
    );
    let pools = [PoolRequest {
        id: pool.id,
        slot_count: SLOTS,
        stride_bytes: pool.stride_bytes,
        uri: &pool_uri,
    }];
    let request = MapRequest {
        stream: STREAM,
        epoch: EPOCH,
        layout_version: 1,
        slot_count: SLOTS,
        header_uri: &header_uri,
        pools: &pools,
        access,
        prefault: true,
        mlock: false,
    };
    Mapping::open(&request, allowed).unwrap()
}

fn meta() -> FrameMeta {
    FrameMeta {
        timestamp: NanoTime::new(1),
        meta_version: None,
        tensor: TensorHeader {
            dtype: Dtype::Uint8,
            major_order: MajorOrder::Row,
            ndims: 1,
            progress_unit: ProgressUnit::None,
            progress_stride_bytes: 0,
            dims: [64, 0, 0, 0, 0, 0, 0, 0],
            strides: [1, 0, 0, 0, 0, 0, 0, 0],
        },
    }
}

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
        tensor: meta().tensor,
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

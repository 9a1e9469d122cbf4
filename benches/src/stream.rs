//! A stream without a driver and without messages: shared memory and nothing else.

use std::sync::Arc;

use tempfile::TempDir;
use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, StreamId};
use tensorpool_codecs::wire::{Dtype, MajorOrder, ProgressUnit, TensorHeader};
use tensorpool_shm::allowed::AllowedDirs;
use tensorpool_shm::driver::{EpochSpec, Fill, NamespaceRoot, OwnedEpoch, RootSpec};
use tensorpool_shm::layout::{Geometry, PoolGeometry};
use tensorpool_shm::mapping::{Access, MapRequest, Mapping, PoolRequest};
use tensorpool_shm::paths::{Namespace, UserName};
use tensorpool_shm::producer::{FrameMeta, ProducerRing};

/// Of its ring.
pub const SLOTS: u32 = 16;
/// Of all frames.
pub const STREAM: StreamId = StreamId::new(10_000);
/// Of all frames.
pub const EPOCH: Epoch = Epoch::new(1_000_000);

const WHOLE: &str = "a /dev/shm with room";

/// A stream with one pool, mapped twice: for writing and for reading.
#[derive(Debug)]
pub struct Stream {
    /// Writes it.
    pub ring: ProducerRing,
    /// Reads it.
    pub reader: Arc<Mapping>,
    _epoch: OwnedEpoch,
    _temp: TempDir,
}

impl Stream {
    /// For payloads of up to so many bytes, a power of two; in /dev/shm until it is dropped. Panics where
    /// that cannot be: there is nothing to measure then.
    #[must_use]
    pub fn new(payload_len: usize) -> Self {
        let temp = tempfile::Builder::new()
            .prefix("tpbench")
            .tempdir_in("/dev/shm")
            .expect(WHOLE);
        let root = NamespaceRoot::acquire(&RootSpec {
            base_dir: temp.path(),
            user: &UserName::sanitized("bench"),
            namespace: &Namespace::default(),
            file_mode: 0o660,
        })
        .expect(WHOLE);
        let pool = PoolGeometry {
            id: PoolId::new(1),
            stride_bytes: payload_len as u32,
        };
        let geometry = Geometry::new(SLOTS, vec![pool]).expect(WHOLE);
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
            .expect(WHOLE);
        let allowed = AllowedDirs::new([temp.path()]).expect(WHOLE);
        let writer = map(&epoch, pool, &allowed, Access::ReadWrite);
        let reader = map(&epoch, pool, &allowed, Access::ReadOnly);
        Self {
            ring: ProducerRing::new(writer).expect(WHOLE),
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
    Mapping::open(&request, allowed).expect(WHOLE)
}

/// What is said of each frame.
#[must_use]
pub fn meta() -> FrameMeta<'static> {
    const TENSOR: TensorHeader = TensorHeader {
        dtype: Dtype::Uint8,
        major_order: MajorOrder::Row,
        ndims: 1,
        progress_unit: ProgressUnit::None,
        progress_stride_bytes: 0,
        dims: [64, 0, 0, 0, 0, 0, 0, 0],
        strides: [1, 0, 0, 0, 0, 0, 0, 0],
    };
    FrameMeta {
        timestamp: NanoTime::new(1),
        meta_version: None,
        tensor: &TENSOR,
    }
}

//! What this crate's tests share: a private directory under /dev/shm, an epoch in it, and mappings
//! of that.

use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, StreamId};
use tensorpool_codecs::wire::{Dtype, MajorOrder, ProgressUnit, TensorHeader};

use crate::allowed::AllowedDirs;
use crate::driver::{EpochSpec, Fill, NamespaceRoot, OwnedEpoch, RootSpec};
use crate::layout::{Geometry, PoolGeometry};
use crate::mapping::{Access, MapError, MapRequest, Mapping, PoolRequest};
use crate::paths::{Namespace, UserName};
use crate::producer::FrameMeta;

pub(crate) const STREAM: StreamId = StreamId::new(10_000);
pub(crate) const EPOCH: Epoch = Epoch::new(123_456_789_000);
pub(crate) const CREATED: NanoTime = NanoTime::new(1_000);

/// A namespace in a directory of its own, removed with everything in it.
pub(crate) struct TestRoot {
    pub(crate) root: NamespaceRoot,
    pub(crate) temp: TempDir,
}

/// One epoch in a namespace of its own.
pub(crate) struct TestEpoch {
    pub(crate) owned: OwnedEpoch,
    pub(crate) root: TestRoot,
    pub(crate) allowed: AllowedDirs,
}

pub(crate) fn temp_dir() -> TempDir {
    tempfile::Builder::new()
        .prefix("tp")
        .tempdir_in("/dev/shm")
        .unwrap()
}

pub(crate) fn geometry(slot_count: u32, strides: &[u32]) -> Geometry {
    let pools = strides.iter().zip(1..).map(|(stride, id)| PoolGeometry {
        id: PoolId::new(id),
        stride_bytes: *stride,
    });
    Geometry::new(slot_count, pools.collect()).unwrap()
}

pub(crate) fn spec(geometry: &Geometry) -> EpochSpec<'_> {
    EpochSpec {
        stream: STREAM,
        epoch: EPOCH,
        geometry,
        pid: std::process::id(),
        created: CREATED,
        fill: Fill::Allocated,
        prefault: false,
        mlock: false,
        require_hugepages: false,
    }
}

pub(crate) fn meta() -> FrameMeta<'static> {
    const TENSOR: TensorHeader = tensor(Dtype::Uint8);
    FrameMeta {
        timestamp: NanoTime::new(77),
        meta_version: None,
        tensor: &TENSOR,
    }
}

pub(crate) const fn tensor(dtype: Dtype) -> TensorHeader {
    TensorHeader {
        dtype,
        major_order: MajorOrder::Row,
        ndims: 1,
        progress_unit: ProgressUnit::None,
        progress_stride_bytes: 0,
        dims: [5, 0, 0, 0, 0, 0, 0, 0],
        strides: [1, 0, 0, 0, 0, 0, 0, 0],
    }
}

impl TestRoot {
    pub(crate) fn new() -> Self {
        let temp = temp_dir();
        let root = NamespaceRoot::acquire(&RootSpec {
            base_dir: temp.path(),
            user: &UserName::sanitized("t"),
            namespace: &Namespace::default(),
            file_mode: 0o660,
        });
        Self {
            root: root.unwrap(),
            temp,
        }
    }
}

impl TestEpoch {
    pub(crate) fn new(slot_count: u32, strides: &[u32]) -> Self {
        Self::with_fill(slot_count, strides, Fill::Allocated)
    }

    pub(crate) fn with_fill(slot_count: u32, strides: &[u32], fill: Fill) -> Self {
        let root = TestRoot::new();
        let geometry = geometry(slot_count, strides);
        let owned = root
            .root
            .create_epoch(&EpochSpec {
                fill,
                ..spec(&geometry)
            })
            .unwrap();
        let allowed = AllowedDirs::new([root.temp.path()]).unwrap();
        Self {
            owned,
            root,
            allowed,
        }
    }

    /// Maps as announced, after `change` had its way with the request.
    pub(crate) fn map_with(
        &self,
        access: Access,
        change: impl FnOnce(&mut MapRequest<'_>),
    ) -> Result<Arc<Mapping>, MapError> {
        let header_uri = self.owned.header_uri().to_string();
        let uris: Vec<String> = self
            .owned
            .pool_uris()
            .iter()
            .map(|uri| uri.uri.to_string())
            .collect();
        let slot_count = self.owned.geometry().slot_count();
        let pools: Vec<PoolRequest<'_>> = self
            .owned
            .geometry()
            .pools()
            .iter()
            .zip(&uris)
            .map(|(pool, uri)| PoolRequest {
                id: pool.id,
                slot_count,
                stride_bytes: pool.stride_bytes,
                uri,
            })
            .collect();
        let mut request = MapRequest {
            stream: STREAM,
            epoch: EPOCH,
            layout_version: 1,
            slot_count,
            header_uri: &header_uri,
            pools: &pools,
            access,
            prefault: false,
            mlock: false,
        };
        change(&mut request);
        Mapping::open(&request, &self.allowed)
    }

    pub(crate) fn map(&self, access: Access) -> Arc<Mapping> {
        self.map_with(access, |_| {}).unwrap()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.owned.path().join(name)
    }
}

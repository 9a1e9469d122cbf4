//! One epoch of a stream in a private directory, its files, and mappings of it.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;
use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, StreamId};
use tensorpool_codecs::wire::{Dtype, MajorOrder, ProgressUnit, TensorHeader};
use tensorpool_shm::allowed::AllowedDirs;
use tensorpool_shm::driver::{EpochSpec, Fill, NamespaceRoot, OwnedEpoch, RootSpec};
use tensorpool_shm::layout::{Geometry, PoolGeometry};
use tensorpool_shm::mapping::{Access, MapError, MapRequest, Mapping, PoolRequest};
use tensorpool_shm::paths::{Namespace, UserName};
use tensorpool_shm::producer::FrameMeta;
use tensorpool_shm::superblock::SuperblockError;

/// The ring of the epoch.
pub(crate) const HEADER: &str = "header.ring";
/// Its only pool, id 1.
pub(crate) const POOL: &str = "1.pool";

/// An epoch with one pool. Everything is removed with it.
pub(crate) struct Stream {
    pub(crate) owned: OwnedEpoch,
    pub(crate) temp: TempDir,
    _root: NamespaceRoot,
    allowed: AllowedDirs,
}

impl Stream {
    pub(crate) fn new(slot_count: u32, stride_bytes: u32) -> Self {
        Self::filled(slot_count, stride_bytes, Fill::Allocated)
    }

    /// Memory comes page by page, as it is touched.
    pub(crate) fn sparse(slot_count: u32, stride_bytes: u32) -> Self {
        Self::filled(slot_count, stride_bytes, Fill::Sparse)
    }

    fn filled(slot_count: u32, stride_bytes: u32, fill: Fill) -> Self {
        let temp = tempfile::Builder::new()
            .prefix("tp-spec")
            .tempdir_in("/dev/shm")
            .unwrap();
        let root = NamespaceRoot::acquire(&RootSpec {
            base_dir: temp.path(),
            user: &UserName::sanitized("t"),
            namespace: &Namespace::default(),
            file_mode: 0o660,
        })
        .unwrap();
        let pool = PoolGeometry {
            id: PoolId::new(1),
            stride_bytes,
        };
        let geometry = Geometry::new(slot_count, vec![pool]).unwrap();
        let owned = root
            .create_epoch(&EpochSpec {
                stream: StreamId::new(10_000),
                epoch: Epoch::new(77),
                geometry: &geometry,
                pid: std::process::id(),
                created: NanoTime::new(1_000),
                fill,
                prefault: false,
                mlock: false,
                require_hugepages: false,
            })
            .unwrap();
        let allowed = AllowedDirs::new([temp.path()]).unwrap();
        Self {
            owned,
            temp,
            _root: root,
            allowed,
        }
    }

    pub(crate) fn map(&self, access: Access) -> Arc<Mapping> {
        self.map_with(access, |_| {}, |_| {}).unwrap()
    }

    /// Maps as announced, after request and pool were changed.
    pub(crate) fn map_with(
        &self,
        access: Access,
        change: impl FnOnce(&mut MapRequest<'_>),
        change_pool: impl FnOnce(&mut PoolRequest<'_>),
    ) -> Result<Arc<Mapping>, MapError> {
        let header_uri = self.owned.header_uri().to_string();
        let pool_uri = self.owned.pool_uris()[0].uri.to_string();
        let geometry = self.owned.geometry();
        let mut pool = PoolRequest {
            id: PoolId::new(1),
            slot_count: geometry.slot_count(),
            stride_bytes: geometry.pools()[0].stride_bytes,
            uri: &pool_uri,
        };
        change_pool(&mut pool);
        let pools = [pool];
        let mut request = MapRequest {
            stream: self.owned.stream(),
            epoch: self.owned.epoch(),
            layout_version: 1,
            slot_count: geometry.slot_count(),
            header_uri: &header_uri,
            pools: &pools,
            access,
            prefault: false,
            mlock: false,
        };
        change(&mut request);
        Mapping::open(&request, &self.allowed)
    }

    /// Why the stream does not map once `bytes` stand at `offset` of a file.
    pub(crate) fn refusal(self, file: &str, offset: u64, bytes: &[u8]) -> SuperblockError {
        self.poke(file, offset, bytes);
        match self.map_with(Access::ReadOnly, |_| {}, |_| {}) {
            Err(MapError::Superblock { source, .. }) => source,
            other => panic!("expected a superblock error, found {other:?}"),
        }
    }

    pub(crate) fn poke(&self, file: &str, offset: u64, bytes: &[u8]) {
        let file = OpenOptions::new().write(true).open(self.path(file));
        file.unwrap().write_all_at(bytes, offset).unwrap();
    }

    pub(crate) fn peek<const N: usize>(&self, file: &str, offset: u64) -> [u8; N] {
        let mut bytes = [0; N];
        let file = OpenOptions::new().read(true).open(self.path(file));
        file.unwrap().read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }

    fn path(&self, file: &str) -> PathBuf {
        self.owned.path().join(file)
    }
}

/// A frame of `len` bytes.
pub(crate) fn meta(len: i32) -> FrameMeta<'static> {
    let tensor = TensorHeader {
        dtype: Dtype::Uint8,
        major_order: MajorOrder::Row,
        ndims: 1,
        progress_unit: ProgressUnit::None,
        progress_stride_bytes: 0,
        dims: [len, 0, 0, 0, 0, 0, 0, 0],
        strides: [1, 0, 0, 0, 0, 0, 0, 0],
    };
    FrameMeta {
        timestamp: NanoTime::new(9),
        meta_version: None,
        tensor: Box::leak(Box::new(tensor)),
    }
}

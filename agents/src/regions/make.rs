//! Creating the regions of one epoch, as configured. Takes as long as it takes: on worker threads.

use tensorpool_codecs::types::{Epoch, StreamId};
use tensorpool_protocol::common::StreamGeometry;
use tensorpool_runtime::clock::monotonic_ns;
use tensorpool_shm::driver::{CreateError, EpochSpec, Fill, NamespaceRoot, OwnedEpoch};
use tensorpool_shm::layout::GeometryError;

use super::shm_geometry;

/// How regions get their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Maker {
    /// Brings all pages in before anybody gets them.
    pub(crate) prefault: bool,
    /// Keeps them in memory.
    pub(crate) mlock: bool,
    /// Insists on a hugetlbfs.
    pub(crate) require_hugepages: bool,
}

/// Why regions were not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    #[error(transparent)]
    Create(#[from] CreateError),
}

impl Maker {
    /// Creates all regions of an epoch with this process as their creator. Pages of an epoch that
    /// nobody writes yet are neither brought in nor locked.
    pub(crate) fn create(
        &self,
        root: &NamespaceRoot,
        (stream, epoch): (StreamId, Epoch),
        geometry: &StreamGeometry,
        fill: Fill,
    ) -> Result<OwnedEpoch, MakeError> {
        let geometry = shm_geometry(geometry)?;
        let is_written = fill == Fill::Allocated;
        let spec = EpochSpec {
            stream,
            epoch,
            geometry: &geometry,
            // [TP-CLI-3100]
            pid: std::process::id(),
            created: monotonic_ns(),
            fill,
            prefault: self.prefault && is_written,
            // [TP-DRV-0255]
            mlock: self.mlock && is_written,
            require_hugepages: self.require_hugepages,
        };
        Ok(root.create_epoch(&spec)?)
    }
}

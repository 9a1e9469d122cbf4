//! An epoch this process created: its URIs, its heartbeat, its end.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::AtFlags;
use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, StreamId};
use thiserror::Error;

use super::create::EpochSpec;
use super::existing::{remove_dir, remove_empty_parent};
use super::{ExistingError, NamespaceRoot};
use crate::layout::{self, Geometry};
use crate::region::Region;
use crate::sigbus::Status;
use crate::superblock;
use crate::uri::ShmUri;

/// The regions of one epoch, created by this process. `Send`: made on a worker thread, kept by the
/// conductor. Dropping it leaves the files: a driver that dies must not take its clients' memory
/// along.
#[derive(Debug)]
pub struct OwnedEpoch {
    stream: StreamId,
    epoch: Epoch,
    geometry: Geometry,
    path: PathBuf,
    stream_dir: OwnedFd,
    dir: OwnedFd,
    regions: Vec<OwnedRegion>,
    uris: Vec<RegionUri>,
    status: Arc<Status>,
}

/// A region and the mapping of its superblock.
#[derive(Debug)]
pub(super) struct OwnedRegion {
    pub(super) name: String,
    pub(super) pool: Option<(PoolId, u32)>,
    pub(super) head: Region,
}

/// A region's URI; the header ring has no pool id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionUri {
    /// The pool, `None` for the header ring.
    pub pool: Option<PoolId>,
    /// Where it is.
    pub uri: ShmUri,
}

/// The regions of an epoch were truncated or removed by somebody: bump the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "a region of stream {stream} epoch {epoch} at {} was truncated or removed: create another epoch",
    .path.display()
)]
#[non_exhaustive]
pub struct ActivityLost {
    /// The stream.
    pub stream: StreamId,
    /// The epoch.
    pub epoch: Epoch,
    /// Its directory.
    pub path: PathBuf,
}

impl OwnedEpoch {
    pub(super) fn new(
        spec: &EpochSpec<'_>,
        path: PathBuf,
        stream_dir: OwnedFd,
        dir: OwnedFd,
        regions: Vec<OwnedRegion>,
        uris: Vec<RegionUri>,
        status: Arc<Status>,
    ) -> Self {
        let (stream, epoch, geometry) = (spec.stream, spec.epoch, spec.geometry.clone());
        Self {
            stream,
            epoch,
            geometry,
            path,
            stream_dir,
            dir,
            regions,
            uris,
            status,
        }
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Slots and pools.
    #[must_use]
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The epoch's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The header ring's URI.
    #[must_use]
    pub fn header_uri(&self) -> &ShmUri {
        &self.uris[0].uri
    }

    /// The pools' URIs, in the order of [`geometry`](Self::geometry).
    #[must_use]
    pub fn pool_uris(&self) -> &[RegionUri] {
        &self.uris[1..]
    }

    /// Stores `now` as activity timestamp of every region. Once per announce period while no
    /// producer does it.
    /// [TP-SHM-0140]
    pub fn refresh_activity(&self, now: NanoTime) -> Result<(), ActivityLost> {
        if self.status.flags() == 0 {
            for region in &self.regions {
                superblock::set_activity(region.head.bytes(), now);
            }
        }
        if self.status.flags() == 0 {
            return Ok(());
        }
        Err(self.lost())
    }

    /// Looks whether every region is still there in full length. One `stat` each; for each announce, so
    /// that damage is noticed while a producer keeps the activity fresh, and new clients are not sent
    /// to files they cannot map.
    pub fn check_files(&self) -> Result<(), ActivityLost> {
        let intact = self.regions.iter().all(|region| {
            let expected = match region.pool {
                None => layout::header_region_len(self.geometry.slot_count()),
                Some((_, stride)) => layout::pool_region_len(self.geometry.slot_count(), stride),
            };
            rustix::fs::statat(&self.dir, region.name.as_str(), AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| stat.st_size.cast_unsigned() >= expected)
        });
        if intact { Ok(()) } else { Err(self.lost()) }
    }

    fn lost(&self) -> ActivityLost {
        ActivityLost {
            stream: self.stream,
            epoch: self.epoch,
            path: self.path.clone(),
        }
    }

    /// When somebody, driver or producer, last refreshed it.
    #[must_use]
    pub fn activity(&self) -> NanoTime {
        superblock::activity(self.regions[0].head.bytes())
    }

    /// Removes files and directory, and the stream's directory if that leaves it empty. Clients
    /// that still map the regions keep their memory until they unmap.
    /// [TP-SHM-1360]
    pub fn unlink(self, root: &NamespaceRoot) -> Result<(), ExistingError> {
        drop(self.regions);
        remove_dir(&self.stream_dir, &self.dir, &self.path)?;
        remove_empty_parent(root, self.stream);
        Ok(())
    }
}

//! The epochs this driver owns: their URIs as text, their activity timestamps, their end.

use std::collections::BTreeMap;

use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, StreamId};
use tensorpool_protocol::common::StreamGeometry;
use tensorpool_shm::driver::{ActivityLost, NamespaceRoot, OwnedEpoch};
use tensorpool_shm::layout::{Geometry, GeometryError, MAX_POOLS, PoolGeometry};

/// What can be configured can be made.
const _: () = assert!(MAX_POOLS == tensorpool_protocol::common::MAX_POOLS);

/// One epoch with its URIs written out, so that saying them costs nothing.
#[derive(Debug)]
pub(super) struct OwnedRegions {
    owned: OwnedEpoch,
    pub(super) header_uri: String,
    pub(super) pools: Vec<PoolUri>,
}

/// One pool as it is announced.
#[derive(Debug)]
pub(super) struct PoolUri {
    pub(super) pool_id: PoolId,
    pub(super) stride_bytes: u32,
    pub(super) uri: String,
}

/// All epochs of this driver that are on disk. Belongs to the agent's thread.
#[derive(Debug, Default)]
pub(super) struct Regions {
    epochs: BTreeMap<(StreamId, Epoch), OwnedRegions>,
    /// Epochs whose files were left: nothing of them is open any more.
    abandoned: Vec<(StreamId, Epoch)>,
}

impl Regions {
    pub(super) fn insert(&mut self, owned: OwnedEpoch) {
        let pools = owned.geometry().pools().iter().zip(owned.pool_uris());
        let pools = pools.map(|(pool, region)| PoolUri {
            pool_id: pool.id,
            stride_bytes: pool.stride_bytes,
            uri: region.uri.to_string(),
        });
        let key = (owned.stream(), owned.epoch());
        let regions = OwnedRegions {
            pools: pools.collect(),
            header_uri: owned.header_uri().to_string(),
            owned,
        };
        self.epochs.insert(key, regions);
    }

    pub(super) fn get(&self, stream_id: StreamId, epoch: Epoch) -> Option<&OwnedRegions> {
        self.epochs.get(&(stream_id, epoch))
    }

    /// Takes an epoch out, for unlinking it elsewhere.
    pub(super) fn take(&mut self, stream_id: StreamId, epoch: Epoch) -> Option<OwnedEpoch> {
        self.epochs
            .remove(&(stream_id, epoch))
            .map(|regions| regions.owned)
    }

    /// Lets go of an epoch and leaves its files, until the end if they are to be removed then.
    pub(super) fn abandon(&mut self, stream_id: StreamId, epoch: Epoch) {
        if self.epochs.remove(&(stream_id, epoch)).is_some() {
            self.abandoned.push((stream_id, epoch));
        }
    }

    /// Stores `now` into every region of an epoch; atomic stores, no system calls.
    pub(super) fn refresh(
        &self,
        now: NanoTime,
        stream_id: StreamId,
        epoch: Epoch,
    ) -> Result<(), ActivityLost> {
        self.get(stream_id, epoch)
            .map_or(Ok(()), |regions| regions.owned.refresh_activity(now))
    }

    /// Looks whether the files of an epoch are still whole.
    pub(super) fn check(&self, stream_id: StreamId, epoch: Epoch) -> Result<(), ActivityLost> {
        self.get(stream_id, epoch)
            .map_or(Ok(()), |regions| regions.owned.check_files())
    }

    /// Unlinks everything; the texts of what failed.
    pub(super) fn unlink_all(&mut self, root: &NamespaceRoot) -> Vec<String> {
        let epochs = core::mem::take(&mut self.epochs).into_values();
        let owned = epochs.map(|regions| regions.owned.unlink(root));
        let abandoned = core::mem::take(&mut self.abandoned).into_iter();
        let abandoned = abandoned.map(|(stream_id, epoch)| root.remove_epoch(stream_id, epoch));
        let failures = owned.chain(abandoned).filter_map(Result::err);
        failures.map(|failure| failure.to_string()).collect()
    }
}

/// The sizes as shared memory knows them.
pub(super) fn shm_geometry(geometry: &StreamGeometry) -> Result<Geometry, GeometryError> {
    let pools = geometry.pools().iter().map(|pool| PoolGeometry {
        id: pool.pool_id,
        stride_bytes: pool.stride_bytes,
    });
    Geometry::new(geometry.slot_count(), pools.collect())
}

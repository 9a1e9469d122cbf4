//! The epochs this driver owns: their activity timestamps, their end.

use std::collections::BTreeMap;

use tensorpool_codecs::types::{Epoch, NanoTime, StreamId};
use tensorpool_shm::driver::{ActivityLost, NamespaceRoot, OwnedEpoch};

use crate::regions::OwnedRegions;

/// All epochs of this driver that are on disk. Belongs to the agent's thread.
#[derive(Debug, Default)]
pub(super) struct Regions {
    epochs: BTreeMap<(StreamId, Epoch), OwnedRegions>,
    /// Epochs whose files were left: nothing of them is open any more.
    abandoned: Vec<(StreamId, Epoch)>,
}

impl Regions {
    pub(super) fn insert(&mut self, owned: OwnedEpoch) {
        let key = (owned.stream(), owned.epoch());
        self.epochs.insert(key, OwnedRegions::new(owned));
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

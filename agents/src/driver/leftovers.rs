//! Epochs that earlier drivers left in the namespace: which of them go, and when.

use std::sync::Arc;

use tensorpool_codecs::types::{Epoch, NanoTime, StreamId};
use tensorpool_runtime::clock::monotonic_ns;
use tensorpool_shm::driver::{ExistingEpoch, ExistingError, NamespaceRoot};

use super::config::DriverConfig;

/// What earlier drivers left in the namespace, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Epochs that were removed.
    pub removed: Vec<(StreamId, Epoch)>,
    /// Epochs that were in use a moment ago: they go when they have their minimum age, or when their
    /// room is needed.
    pub young: Vec<(StreamId, Epoch)>,
    /// Epochs that stay: somebody seems to live in them, they hold foreign files, or removal is
    /// turned off.
    pub kept: Vec<(StreamId, Epoch)>,
}

/// We hold the namespace's lock, so its creators are dead, except those that do not know the lock.
pub(super) fn clear_leftovers(
    root: &NamespaceRoot,
    config: &DriverConfig,
) -> Result<Leftovers, ExistingError> {
    let (mut leftovers, now) = (Leftovers::default(), monotonic_ns());
    for stream_id in root.streams()? {
        for existing in root.epochs(stream_id)? {
            let key = (stream_id, existing.epoch);
            // [TP-DRV-1360] [TP-DRV-1365]
            let removable = config.remove_leftovers && !is_inhabited(&existing, config, now);
            // [TP-DRV-1362]
            if removable && is_younger(&existing, config.epoch_min_age_ns, now) {
                leftovers.young.push(key);
            } else if removable && root.remove_epoch(stream_id, existing.epoch).is_ok() {
                leftovers.removed.push(key);
            } else {
                leftovers.kept.push(key);
            }
        }
    }
    Ok(leftovers)
}

/// Whether a driver that takes no lock seems to live in an epoch: its process exists, is not this
/// one, and somebody refreshed the epoch lately.
/// [TP-DRV-1370]
fn is_inhabited(existing: &ExistingEpoch, config: &DriverConfig, now: NanoTime) -> bool {
    existing.is_inhabited(now, config.announce_period_ns.saturating_mul(3))
}

/// Whether somebody refreshed an epoch less than `age_ns` ago. Times that are still to come are of an
/// earlier boot. [TP-DRV-1362]
fn is_younger(existing: &ExistingEpoch, age_ns: u64, now: NanoTime) -> bool {
    existing
        .activity()
        .is_some_and(|activity| activity <= now && now.since_ns(activity) < age_ns)
}

/// Removes the young ones when it is time. Looks at files: not on the agent's thread.
#[derive(Debug)]
pub(super) struct Collector {
    root: Arc<NamespaceRoot>,
    config: DriverConfig,
    waiting: Vec<(StreamId, Epoch)>,
}

impl Collector {
    pub(super) fn new(
        root: Arc<NamespaceRoot>,
        config: DriverConfig,
        waiting: Vec<(StreamId, Epoch)>,
    ) -> Self {
        Self {
            root,
            config,
            waiting,
        }
    }

    /// How many still wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Removes those that have their age, or all of them because their room is needed; never one
    /// that somebody has come to live in. Gives what could not be removed, and is not tried again.
    pub(super) fn collect(&mut self, room_is_needed: bool) -> Vec<String> {
        let (root, config, now) = (&self.root, &self.config, monotonic_ns());
        let mut failures = Vec::new();
        self.waiting.retain(|&(stream_id, epoch)| {
            let epochs = match root.epochs(stream_id) {
                Ok(epochs) => epochs,
                Err(error) => {
                    failures.push(error.to_string());
                    return false;
                }
            };
            let Some(existing) = epochs.into_iter().find(|one| one.epoch == epoch) else {
                return false;
            };
            if is_inhabited(&existing, config, now) {
                return false;
            }
            if !room_is_needed && is_younger(&existing, config.epoch_min_age_ns, now) {
                return true;
            }
            let removed = root.remove_epoch(stream_id, epoch);
            failures.extend(removed.err().map(|error| error.to_string()));
            false
        });
        failures
    }
}

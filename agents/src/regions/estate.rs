//! The memory of a producer without a driver: taken, cleared of what dead producers left, and given
//! back. On worker threads; only dropping happens elsewhere.

use std::path::PathBuf;
use std::sync::Arc;

use tensorpool_codecs::types::{Epoch, StreamId};
use tensorpool_protocol::client::{ProvideError, RawPool, RawRegions, RegionSet};
use tensorpool_protocol::common::{EpochSource, HEADER_SLOT_BYTES, LAYOUT_VERSION, StreamGeometry};
use tensorpool_runtime::clock::monotonic_ns;
use tensorpool_shm::driver::{CreateError, ExistingEpoch, Fill, RootError, RootSpec, StreamHold};
use tensorpool_shm::paths::{Namespace, UserName};

use super::make::{MakeError, Maker};
use super::{Announcement, OwnedRegions, shm_geometry};

/// The longest announce, in bytes: an eighth of the shortest terms that are usual, without headers.
const MAX_ANNOUNCE_LEN: usize = 8_000;

/// Where and how a producer makes its regions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plot {
    pub(crate) base_dir: PathBuf,
    pub(crate) namespace: String,
    pub(crate) permissions_mode: u32,
    pub(crate) geometry: Arc<StreamGeometry>,
    pub(crate) allow_any_stride: bool,
    pub(crate) maker: Maker,
    pub(crate) keep_files: bool,
    /// An epoch that was not refreshed for so long is stale.
    pub(crate) fresh_ns: u64,
}

/// A held stream and the regions of its one live epoch. Dropping it removes them, unless they are
/// to be kept, and gives the stream back. `Send`.
#[derive(Debug)]
pub(crate) struct Estate {
    regions: Option<OwnedRegions>,
    hold: Arc<StreamHold>,
    keep_files: bool,
    fresh_ns: u64,
    leftovers: usize,
}

impl Plot {
    /// Takes the stream, removes what dead producers left of it, and creates an epoch above all
    /// that were there.
    pub(crate) fn provide(&self, stream: StreamId) -> Result<Estate, ProvideError> {
        let geometry = shm_geometry(&self.geometry).map_err(other)?;
        if !self.allow_any_stride {
            geometry.require_power_of_two_strides().map_err(other)?;
        }
        let namespace = Namespace::new(&self.namespace).map_err(other)?;
        let spec = RootSpec {
            base_dir: &self.base_dir,
            user: &UserName::current(),
            namespace: &namespace,
            file_mode: self.permissions_mode,
        };
        let hold = StreamHold::take(&spec, stream).map_err(of_root)?;
        let existing = hold.epochs().map_err(other)?;
        let now = monotonic_ns();
        // [TP-CLI-3140]
        if let Some(live) = existing
            .iter()
            .find(|epoch| epoch.is_inhabited(now, self.fresh_ns))
        {
            return Err(ProvideError::Held(inhabited(live)));
        }
        // [TP-CLI-3110]
        let highest = hold.root().highest_epoch().map_err(other)?;
        let leftovers = clear(&hold, &existing, self.fresh_ns);
        let epoch = EpochSource::new(highest).next(monotonic_ns());
        let created = self.maker.create(
            hold.root(),
            (stream, epoch),
            &self.geometry,
            Fill::Allocated,
        );
        let regions = OwnedRegions::new(created.map_err(of_make)?);
        let estate = Estate {
            regions: Some(regions),
            hold: Arc::new(hold),
            keep_files: self.keep_files,
            fresh_ns: self.fresh_ns,
            leftovers,
        };
        estate.check_announce()?;
        Ok(estate)
    }
}

impl Estate {
    /// What is to be announced. `None` only while it is being dropped.
    pub(crate) fn regions(&self) -> Option<&OwnedRegions> {
        self.regions.as_ref()
    }

    /// Announces are messages of the client's streams, whose terms may be short.
    fn check_announce(&self) -> Result<(), ProvideError> {
        let Some(regions) = self.regions() else {
            return Ok(());
        };
        let announcement = Announcement {
            regions,
            producer: None,
        };
        let mut buffer = Vec::new();
        let len = announcement
            .encode(monotonic_ns(), &mut buffer)
            .map_err(other)?
            .len();
        if len > MAX_ANNOUNCE_LEN {
            return Err(other(format!(
                "its announce takes {len} bytes, {MAX_ANNOUNCE_LEN} are the most: use fewer pools or \
                 a shorter base directory"
            )));
        }
        Ok(())
    }

    /// Epochs of others that were still there when it was made.
    pub(crate) fn leftovers(&self) -> usize {
        self.leftovers
    }

    /// What is to be mapped.
    pub(crate) fn region_set(&self) -> Result<RegionSet, ProvideError> {
        let regions = self.regions.as_ref().ok_or_else(|| {
            ProvideError::Failed("the regions are being removed already".to_owned())
        })?;
        let owned = &regions.owned;
        let slot_count = owned.geometry().slot_count();
        let pools = regions.pools.iter().map(|pool| RawPool {
            pool_id: pool.pool_id,
            slot_count,
            stride_bytes: pool.stride_bytes,
            uri: pool.uri.clone(),
        });
        let raw = RawRegions {
            header_slot_count: Some(slot_count),
            header_slot_bytes: Some(HEADER_SLOT_BYTES),
            header_uri: regions.header_uri.clone(),
            pools: pools.collect(),
        };
        RegionSet::check(owned.stream(), owned.epoch(), LAYOUT_VERSION, &raw).map_err(other)
    }

    /// The epoch.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.regions().map(|regions| regions.owned.epoch())
    }

    /// Whether every file is there in full length.
    pub(crate) fn is_whole(&self) -> bool {
        self.regions()
            .is_some_and(|regions| regions.owned.check_files().is_ok())
    }

    /// What removes what dead producers left, for the worker.
    pub(crate) fn sweeper(&self) -> Sweeper {
        Sweeper {
            hold: Arc::clone(&self.hold),
            own: self.epoch(),
            fresh_ns: self.fresh_ns,
        }
    }
}

/// Removes what dead producers of a held stream left.
#[derive(Debug)]
pub(crate) struct Sweeper {
    hold: Arc<StreamHold>,
    own: Option<Epoch>,
    fresh_ns: u64,
}

impl Sweeper {
    /// Gives how many epochs of others are still there.
    pub(crate) fn sweep(&self) -> usize {
        let existing = self.hold.epochs().unwrap_or_default();
        let others = existing
            .into_iter()
            .filter(|epoch| Some(epoch.epoch) != self.own);
        clear(&self.hold, &others.collect::<Vec<_>>(), self.fresh_ns)
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        if let Some(regions) = self.regions.take()
            && !self.keep_files
        {
            // [TP-CLI-3180]
            // What cannot be removed is left to the next producer's start.
            let _left = regions.owned.unlink(self.hold.root());
        }
    }
}

/// Removes those of these epochs in which nobody lives; gives how many stay. [TP-CLI-3160]
fn clear(hold: &StreamHold, epochs: &[ExistingEpoch], fresh_ns: u64) -> usize {
    let now = monotonic_ns();
    let stays = |existing: &&ExistingEpoch| {
        !existing.is_dead(now, fresh_ns) || hold.remove_epoch(existing.epoch).is_err()
    };
    epochs.iter().filter(stays).count()
}

fn inhabited(existing: &ExistingEpoch) -> String {
    let pid = existing.superblock.map_or(0, |superblock| superblock.pid);
    format!(
        "another producer (pid {pid}) refreshes epoch {} in {}: stop it, or use another stream",
        existing.epoch,
        existing.path.display()
    )
}

fn of_root(error: RootError) -> ProvideError {
    match error {
        RootError::StreamHeld { .. } | RootError::Driver { .. } => {
            ProvideError::Held(error.to_string())
        }
        error => other(error),
    }
}

fn of_make(error: MakeError) -> ProvideError {
    match error {
        MakeError::Create(error @ CreateError::NoSpace { .. }) => {
            ProvideError::NoSpace(error.to_string())
        }
        error => other(error),
    }
}

fn other(error: impl std::fmt::Display) -> ProvideError {
    ProvideError::Failed(error.to_string())
}

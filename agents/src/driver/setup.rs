//! What happens before the driver serves anybody: the namespace is taken, leftovers go, sizes are
//! checked.

use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::Receiver;
use tensorpool_codecs::types::{Epoch, StreamId};
use tensorpool_protocol::driver::{LeaseConfig, LeaseConfigError, LeaseTable, NotEnoughSpace};
use tensorpool_runtime::counters::CounterSet;
use tensorpool_shm::driver::{ExistingError, NamespaceRoot, RootError, RootSpec};
use tensorpool_shm::layout::GeometryError;
use tensorpool_shm::paths::{Namespace, NamespaceError, UserName};

use super::config::DriverConfig;
use super::counters::DriverCounters;
use super::events::DriverEvent;
use super::leftovers::{Collector, Leftovers, clear_leftovers};
use crate::regions;
use crate::upkeep::Observers;

/// `f_type` of a hugetlbfs (linux/magic.h).
const HUGETLBFS_MAGIC: u32 = 0x9584_58f6;

/// Why a driver cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverSetupError {
    /// The namespace is no path component.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The namespace was not taken; another driver may hold it.
    #[error(transparent)]
    Root(#[from] RootError),
    /// What lies in the namespace cannot be listed.
    #[error(transparent)]
    Existing(#[from] ExistingError),
    /// Streams or policies contradict themselves.
    #[error(transparent)]
    Leases(#[from] LeaseConfigError),
    /// A stream's sizes cannot be mapped by every client.
    #[error("stream {stream_id}: {source}; allow any multiple of 64 to use it nevertheless")]
    Stride {
        /// The stream.
        stream_id: StreamId,
        /// What is wrong.
        source: GeometryError,
    },
    /// The sizes of dynamic streams cannot be mapped by every client.
    #[error("dynamic streams: {0}; allow any multiple of 64 to use it nevertheless")]
    DynamicStride(GeometryError),
    /// The streams do not fit.
    #[error("{path}: {source}", path = .path.display())]
    Space {
        /// The namespace's directory.
        path: std::path::PathBuf,
        /// The sum.
        source: NotEnoughSpace,
    },
    /// Hugepages are required, and the base directory has none.
    #[error("hugepages are required, but {} is not on a hugetlbfs", .path.display())]
    NoHugepages {
        /// The namespace's directory.
        path: std::path::PathBuf,
    },
    /// The base directory's pages have another size than the configuration says.
    #[error(
        "pages of {expected_bytes} bytes are configured, but the file system of {} has {found_bytes}; \
         mount it with that page size, or leave the page size out",
        .path.display()
    )]
    PageSize {
        /// The namespace's directory.
        path: std::path::PathBuf,
        /// As configured.
        expected_bytes: u32,
        /// As found.
        found_bytes: u64,
    },
    /// The file system did not tell.
    #[error("cannot ask the file system of {}: {source}", .path.display())]
    FileSystem {
        /// The namespace's directory.
        path: std::path::PathBuf,
        /// What it said.
        source: std::io::Error,
    },
}

/// A driver that has its namespace and has not begun to serve. `Send`: made on the thread that
/// reports errors, used on the agent's.
#[derive(Debug)]
pub struct DriverSetup {
    pub(super) config: DriverConfig,
    pub(super) root: Arc<NamespaceRoot>,
    pub(super) table: LeaseTable,
    pub(super) counters: DriverCounters,
    pub(super) counter_set: CounterSet,
    pub(super) observers: Observers<DriverEvent>,
    leftovers: Leftovers,
}

impl DriverSetup {
    /// Takes the namespace, removes leftovers of dead drivers, checks sizes.
    ///
    /// # Errors
    /// See [`DriverSetupError`]. The namespace is free again afterwards.
    pub fn prepare(config: DriverConfig) -> Result<Self, DriverSetupError> {
        check_strides(&config)?;
        let namespace = Namespace::new(&config.namespace)?;
        let root = NamespaceRoot::acquire(&RootSpec {
            base_dir: &config.base_dir,
            user: &UserName::current(),
            namespace: &namespace,
            file_mode: config.permissions_mode,
        })?;
        let (hugepages_available, found_bytes) = pages_of(&root)?;
        // [TP-DRV-1330]
        if config.require_hugepages && !hugepages_available {
            return Err(DriverSetupError::NoHugepages {
                path: root.path().to_owned(),
            });
        }
        // [TP-DRV-1335]
        if let Some(expected_bytes) = config.page_size_bytes
            && u64::from(expected_bytes) != found_bytes
        {
            return Err(DriverSetupError::PageSize {
                path: root.path().to_owned(),
                expected_bytes,
                found_bytes,
            });
        }
        // Before anything is removed: new epochs are higher than everything that was ever seen
        // here.
        // [TP-DRV-0940]
        let highest_existing_epoch = root.highest_epoch()?;
        let root = Arc::new(root);
        let mut leftovers = clear_leftovers(&root, &config)?;
        let leases = lease_config(&config, hugepages_available, highest_existing_epoch);
        if check_space(&root, &leases).is_err() {
            // What is left afterwards is found to be there again below. [TP-DRV-1364]
            let young = std::mem::take(&mut leftovers.young);
            let mut collector = Collector::new(Arc::clone(&root), config.clone(), young.clone());
            let _too_little_is_freed = collector.collect(true);
            leftovers.removed.extend(young);
            check_space(&root, &leases)?;
        }
        let (counters, counter_set) = DriverCounters::new(&config);
        let table = LeaseTable::new(leases)?;
        Ok(Self {
            config,
            root,
            table,
            counters,
            counter_set,
            observers: Observers::default(),
            leftovers,
        })
    }

    /// What removes the young ones of these.
    pub(super) fn collector(&self) -> Collector {
        let young = self.leftovers.young.clone();
        Collector::new(Arc::clone(&self.root), self.config.clone(), young)
    }

    /// What earlier drivers left.
    #[must_use]
    pub fn leftovers(&self) -> &Leftovers {
        &self.leftovers
    }

    /// The directory its regions are created in: below what the base directory leads to.
    #[must_use]
    pub fn region_dir(&self) -> &Path {
        self.root.path()
    }

    /// A queue of what the driver does from now on, for whoever runs it. One at a time.
    pub fn observe(&mut self) -> Receiver<DriverEvent> {
        self.observers.observe()
    }

    /// The driver's counters, for whoever shows them.
    #[must_use]
    pub fn counters(&self) -> &CounterSet {
        &self.counter_set
    }

    /// The driver's counters, for adding those of the thread it runs on.
    pub fn counters_mut(&mut self) -> &mut CounterSet {
        &mut self.counter_set
    }
}

// [TP-DRV-1320]
fn check_strides(config: &DriverConfig) -> Result<(), DriverSetupError> {
    if config.allow_any_stride {
        return Ok(());
    }
    let check = |geometry| {
        regions::shm_geometry(geometry).and_then(|geometry| geometry.require_power_of_two_strides())
    };
    for spec in &config.streams {
        let stream_id = spec.stream_id;
        check(&spec.geometry).map_err(|source| DriverSetupError::Stride { stream_id, source })?;
    }
    let dynamic = config.dynamic.as_ref();
    dynamic
        .map_or(Ok(()), |dynamic| check(&dynamic.geometry))
        .map_err(DriverSetupError::DynamicStride)
}

/// Whether the base directory has huge pages, and the size of its pages in bytes.
/// [TP-DRV-0190] [TP-DRV-1330] [TP-DRV-1335]
fn pages_of(root: &NamespaceRoot) -> Result<(bool, u64), DriverSetupError> {
    let stat = rustix::fs::statfs(root.path()).map_err(|errno| file_system(root, errno.into()))?;
    // The types' widths differ between platforms; the magic has 32 bits, a size is positive.
    let is_hugetlbfs = stat.f_type as u32 == HUGETLBFS_MAGIC;
    Ok((is_hugetlbfs, stat.f_bsize as u64))
}

fn file_system(root: &NamespaceRoot, source: std::io::Error) -> DriverSetupError {
    DriverSetupError::FileSystem {
        path: root.path().to_owned(),
        source,
    }
}

fn lease_config(
    config: &DriverConfig,
    hugepages_available: bool,
    highest_existing_epoch: Option<Epoch>,
) -> LeaseConfig {
    LeaseConfig {
        streams: config.streams.clone(),
        dynamic: config.dynamic.clone(),
        announce_period_ns: config.announce_period_ns,
        keepalive_interval_ns: config.keepalive_interval_ns,
        expiry_grace_intervals: config.expiry_grace_intervals,
        node_id_cooldown_ns: config.node_id_cooldown_ns,
        kept_epochs: config.kept_epochs,
        epoch_min_age_ns: config.epoch_min_age_ns,
        gc_enabled: config.gc_enabled,
        require_hugepages: config.require_hugepages,
        hugepages_available,
        max_leases: config.max_leases,
        shutdown_timeout_ns: config.shutdown_timeout_ns,
        shutdown_token: config.shutdown_token.clone().into_bytes(),
        // [TP-DRV-0520]
        lease_id_seed: random(),
        highest_existing_epoch,
        ..LeaseConfig::default()
    }
}

// [TP-DRV-1310]
fn check_space(root: &NamespaceRoot, leases: &LeaseConfig) -> Result<(), DriverSetupError> {
    let available = root
        .available_bytes()
        .map_err(|source| file_system(root, source))?;
    leases
        .check_space(available)
        .map_err(|source| DriverSetupError::Space {
            path: root.path().to_owned(),
            source,
        })
}

/// A number nobody can guess from an earlier run; the standard library seeds its hashers with one.
/// [TP-DRV-0520]
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

//! Why regions were not mapped, or are no longer to be used.

use core::fmt;

use tensorpool_codecs::types::PoolId;
use thiserror::Error;

use crate::allowed::OpenError;
use crate::layout::{GeometryError, LAYOUT_VERSION};
pub use crate::region::RegionError;
use crate::sigbus::Status;
use crate::superblock::SuperblockError;
use crate::uri::UriError;

/// The header ring or one of the pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhichRegion {
    /// The header ring.
    Header,
    /// A payload pool.
    Pool(PoolId),
}

impl fmt::Display for WhichRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("header ring"),
            Self::Pool(id) => write!(f, "pool {id}"),
        }
    }
}

/// Why a stream was not mapped. Nothing stays mapped then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MapError {
    /// A layout nobody knows.
    #[error("layout version {found} is not supported, expected {LAYOUT_VERSION}")]
    LayoutVersion {
        /// The version announced.
        found: u32,
    },
    /// Impossible sizes.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// A pool's slot count differs from the header ring's.
    #[error("pool {pool} has {found} slots, the header ring has {expected}: they must be equal")]
    PoolSlotCount {
        /// The pool.
        pool: PoolId,
        /// The header ring's.
        expected: u32,
        /// The pool's.
        found: u32,
    },
    /// A URI does not parse.
    #[error("{region}: {source}")]
    Uri {
        /// The region.
        region: WhichRegion,
        /// What is wrong with it.
        source: UriError,
    },
    /// A file was not opened.
    #[error("{region}: {source}")]
    Open {
        /// The region.
        region: WhichRegion,
        /// Why not.
        source: OpenError,
    },
    /// A file was not mapped.
    #[error("{region}: {source}")]
    Region {
        /// The region.
        region: WhichRegion,
        /// Why not.
        source: RegionError,
    },
    /// A superblock says something else than the announce.
    #[error("{region}: {source}")]
    Superblock {
        /// The region.
        region: WhichRegion,
        /// The first field that differs.
        source: SuperblockError,
    },
    /// A region was truncated while it was being mapped.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Why a mapping that was once fine must be given up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RevalidateError {
    /// A superblock changed.
    #[error("{region} changed while mapped: {source}")]
    Superblock {
        /// The region.
        region: WhichRegion,
        /// The first field that differs.
        source: SuperblockError,
    },
    /// Somebody recreated a region in place.
    #[error("{region} changed while mapped: creator pid was {expected}, is {found}")]
    Pid {
        /// The region.
        region: WhichRegion,
        /// The pid when it was mapped.
        expected: u64,
        /// The pid now.
        found: u64,
    },
    /// Revoked or poisoned.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Why nothing of a mapping is valid any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// The lease below it ended, or another epoch took its place.
    #[error("the mapping was revoked: its lease ended or its epoch was superseded")]
    Revoked,
    /// A region was truncated while mapped, or its file system was full when a sparse page was
    /// first touched.
    #[error(
        "the mapping is poisoned: a region was truncated while mapped or its file system is full"
    )]
    Poisoned,
}

impl Unusable {
    /// What nonzero flags mean; poison weighs more.
    #[cold]
    pub(crate) fn from_flags(flags: u32) -> Self {
        if flags & Status::POISONED != 0 {
            Self::Poisoned
        } else {
            Self::Revoked
        }
    }
}

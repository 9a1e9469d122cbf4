//! One mapped region file, protected against truncation for as long as it is mapped.

use std::fs::File;
use std::io;
use std::sync::Arc;

use memmap2::{MmapOptions, MmapRaw};
use thiserror::Error;

use crate::foreign::Foreign;
use crate::mapping::Access;
use crate::sigbus::{ProtectError, Registration, Status, protect};

/// A mapping of the first `region_len` bytes of a file. Shared between threads freely: its bytes
/// are only reached through [`Foreign`].
#[derive(Debug)]
pub(crate) struct Region {
    /// Dropped before the memory: an unmapped range must not be in the table.
    _protection: Option<Registration>,
    memory: MmapRaw,
    region_len: usize,
}

/// How a region is to be mapped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapOptions {
    pub(crate) access: Access,
    /// Bytes of the file to map, whole pages on a hugetlbfs.
    pub(crate) map_len: u64,
    /// Bytes that belong to the region.
    pub(crate) region_len: u64,
    pub(crate) page_len: usize,
    /// Bring all pages in now.
    pub(crate) prefault: bool,
    /// Keep all pages in memory.
    pub(crate) mlock: bool,
}

/// Why a region was not mapped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegionError {
    /// Larger than the address space.
    #[error("a region of {len} bytes does not fit the address space")]
    TooLarge {
        /// Its length.
        len: u64,
    },
    /// `mmap` failed.
    #[error("cannot map {len} bytes: {source}")]
    Map {
        /// Bytes to be mapped.
        len: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// `mlock` failed.
    #[error("cannot lock {len} bytes in memory: {source}; raise RLIMIT_MEMLOCK or turn mlock off")]
    Lock {
        /// Bytes to be locked.
        len: u64,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It cannot be protected against truncation.
    #[error(transparent)]
    Protect(#[from] ProtectError),
}

impl Region {
    pub(crate) fn map(
        file: &File,
        options: MapOptions,
        status: &Arc<Status>,
    ) -> Result<Self, RegionError> {
        let len = options.map_len;
        let too_large = |_| RegionError::TooLarge { len };
        let map_len = usize::try_from(len).map_err(too_large)?;
        let region_len = usize::try_from(options.region_len.min(len)).map_err(too_large)?;
        let mut mmap = MmapOptions::new();
        mmap.len(map_len);
        if options.prefault {
            mmap.populate();
        }
        let memory = match options.access {
            Access::ReadOnly => mmap.map_raw_read_only(file),
            Access::ReadWrite => mmap.map_raw(file),
        }
        .map_err(|source| RegionError::Map { len, source })?;
        let start = memory.as_mut_ptr().expose_provenance();
        let writable = options.access == Access::ReadWrite;
        let protection = protect(start, map_len, options.page_len, writable, status)?;
        if options.mlock {
            memory
                .lock()
                .map_err(|source| RegionError::Lock { len, source })?;
        }
        Ok(Self {
            _protection: protection,
            memory,
            region_len,
        })
    }

    /// Has the file system write the first `len` bytes, as far as it writes anything anywhere.
    pub(crate) fn write_back(&self, len: usize) -> io::Result<()> {
        self.memory.flush_range(0, len)
    }

    /// The region's bytes.
    #[inline]
    pub(crate) fn bytes(&self) -> Foreign<'_> {
        // SAFETY: mapped for as long as `self` lives, page-aligned, readable; whoever writes has
        // mapped it for writing (`Mapping` and `OwnedEpoch` see to that). No reference to these
        // bytes exists but atomics and the slices of claims, each over a slot of its own that
        // nothing else here touches while it is claimed.
        unsafe { Foreign::new(self.memory.as_mut_ptr(), self.region_len) }
    }
}

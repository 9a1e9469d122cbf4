//! Creating the regions of one epoch.
//!
//! Order: a fresh directory, files with `O_EXCL` and exact mode, memory, optionally prefault and
//! mlock, then the superblocks. All slots are zero, which is virgin. Whatever fails, what was
//! created so far is removed.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;
use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, StreamId};

use super::epoch::{OwnedEpoch, OwnedRegion};
use super::existing::{remove_dir, remove_empty_parent};
use super::root::{available_bytes, ensure_dir, open_dir, retry_while_removed, set_dir_mode};
use super::{CreateError, NamespaceRoot, RegionUri, RootError};
use crate::layout::{Geometry, LAYOUT_VERSION, SUPERBLOCK_LEN, pool_region_len};
use crate::mapping::Access;
use crate::open::{PageInfo, page_info};
use crate::paths::{HEADER_FILE, pool_file};
use crate::region::{MapOptions, Region};
use crate::sigbus::Status;
use crate::superblock::{self, ExpectedSuperblock};
use crate::uri::ShmUri;

/// Whether region files get their memory at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fill {
    /// All of it, now, or [`CreateError::NoSpace`]: for epochs somebody writes.
    Allocated,
    /// Page by page as they are touched: for epochs nobody writes yet.
    Sparse,
}

/// What to create.
#[derive(Clone, Debug)]
pub struct EpochSpec<'a> {
    /// The stream.
    pub stream: StreamId,
    /// The epoch, which must not exist.
    pub epoch: Epoch,
    /// Slots and pools.
    pub geometry: &'a Geometry,
    /// The pid to write: ours, as nobody else creates regions.
    pub pid: u32,
    /// Start and first activity timestamp, by the monotonic clock.
    pub created: NanoTime,
    /// Allocate now or later.
    pub fill: Fill,
    /// Bring all pages in now; only with [`Fill::Allocated`].
    pub prefault: bool,
    /// Keep all pages in memory while the [`OwnedEpoch`] lives; failing to is an error.
    pub mlock: bool,
    /// Insist on a hugetlbfs.
    pub require_hugepages: bool,
}

impl NamespaceRoot {
    /// Creates all regions of an epoch. Takes as long as zeroing that much memory: call it on a
    /// worker thread.
    pub fn create_epoch(&self, spec: &EpochSpec<'_>) -> Result<OwnedEpoch, CreateError> {
        let page = page_info(self.dir())
            .map_err(|errno| io_error("inspect the file system of", self.path(), errno))?;
        if spec.require_hugepages && !page.hugetlbfs {
            return Err(CreateError::NotHugepages {
                path: self.path().to_owned(),
            });
        }
        self.check_room(spec, page)?;
        let stream_path = self.path().join(spec.stream.to_string());
        let stream_dir = self.stream_dir(&stream_path)?;
        let path = stream_path.join(spec.epoch.to_string());
        let dir = fresh_dir(&stream_dir, &path, spec, self.file_mode())?;
        let (stream, parent) = (spec.stream, &stream_dir);
        let mut cleanup = Cleanup {
            root: self,
            stream,
            parent,
            dir: &dir,
            path: &path,
            armed: true,
        };
        let status = Arc::default();
        let file_mode = self.file_mode();
        let builder = Builder {
            spec,
            dir: &dir,
            path: &path,
            page,
            file_mode,
            status: &status,
        };
        let regions = builder.regions()?;
        let uris = builder.uris()?;
        cleanup.armed = false;
        drop(cleanup);
        Ok(OwnedEpoch::new(
            spec, path, stream_dir, dir, regions, uris, status,
        ))
    }

    /// The stream's directory; somebody may just be removing it because it was empty.
    fn stream_dir(&self, path: &Path) -> Result<OwnedFd, RootError> {
        retry_while_removed(|| ensure_dir(self.dir(), path, self.file_mode()))
    }

    fn check_room(&self, spec: &EpochSpec<'_>, page: PageInfo) -> Result<(), CreateError> {
        if spec.fill == Fill::Sparse {
            return Ok(());
        }
        let needed_bytes = needed_bytes(spec.geometry, page);
        let available_bytes = available_bytes(self.dir())
            .map_err(|errno| io_error("ask for the free space of", self.path(), errno))?;
        // [TP-SHM-1340]
        if needed_bytes > available_bytes {
            let (stream, path) = (spec.stream, self.path().to_owned());
            return Err(CreateError::NoSpace {
                stream,
                path,
                needed_bytes,
                available_bytes,
            });
        }
        Ok(())
    }
}

/// What all files together take, in whole pages.
fn needed_bytes(geometry: &Geometry, page: PageInfo) -> u64 {
    let whole = |len| crate::layout::round_up(len, page.len as u64).unwrap_or(u64::MAX);
    geometry
        .pools()
        .iter()
        .map(|pool| whole(pool_region_len(geometry.slot_count(), pool.stride_bytes)))
        .fold(whole(geometry.header_len()), u64::saturating_add)
}

fn fresh_dir(
    stream_dir: &OwnedFd,
    path: &Path,
    spec: &EpochSpec<'_>,
    file_mode: u32,
) -> Result<OwnedFd, CreateError> {
    let name = spec.epoch.to_string();
    match rustix::fs::mkdirat(stream_dir, &*name, Mode::RWXU) {
        Ok(()) => {}
        // [TP-SHM-1310]
        Err(Errno::EXIST) => {
            let (stream, epoch, path) = (spec.stream, spec.epoch, path.to_owned());
            return Err(CreateError::Exists {
                stream,
                epoch,
                path,
            });
        }
        Err(errno) => return Err(io_error("create directory", path, errno)),
    }
    let open = || {
        let dir = open_dir(stream_dir, &*name)?;
        set_dir_mode(&dir, file_mode)?;
        Ok(dir)
    };
    open().map_err(|errno| {
        // Nothing is in it yet; if it cannot be removed either, the first error is the one to
        // report.
        let _ = rustix::fs::unlinkat(stream_dir, &*name, AtFlags::REMOVEDIR);
        io_error("open directory", path, errno)
    })
}

/// Removes what was created unless told that all went well.
struct Cleanup<'a> {
    root: &'a NamespaceRoot,
    stream: StreamId,
    parent: &'a OwnedFd,
    dir: &'a OwnedFd,
    path: &'a Path,
    armed: bool,
}

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        // [TP-SHM-1350]
        if self.armed {
            // Best effort: the error that brought us here is the one to report.
            let _ = remove_dir(self.parent, self.dir, self.path);
            remove_empty_parent(self.root, self.stream);
        }
    }
}

struct Builder<'a> {
    spec: &'a EpochSpec<'a>,
    dir: &'a OwnedFd,
    path: &'a Path,
    page: PageInfo,
    file_mode: u32,
    status: &'a Arc<Status>,
}

impl Builder<'_> {
    /// Creates all files, then writes all superblocks.
    fn regions(&self) -> Result<Vec<OwnedRegion>, CreateError> {
        let geometry = self.spec.geometry;
        let mut regions = vec![self.file(HEADER_FILE.to_owned(), geometry.header_len(), None)?];
        for pool in geometry.pools() {
            let len = pool_region_len(geometry.slot_count(), pool.stride_bytes);
            let dimensions = Some((pool.id, pool.stride_bytes));
            regions.push(self.file(pool_file(pool.id), len, dimensions)?);
        }
        for region in &regions {
            let expected = ExpectedSuperblock {
                layout_version: LAYOUT_VERSION,
                epoch: self.spec.epoch,
                stream: self.spec.stream,
                slot_count: geometry.slot_count(),
                pool: region.pool,
            };
            let fields = expected.to_fields(self.spec.pid, self.spec.created);
            superblock::write(region.head.bytes(), &fields);
            if self.status.flags() != 0 {
                return Err(CreateError::Poisoned {
                    path: self.path.join(&region.name),
                });
            }
            // Not the region: on a disk that would be gigabytes of nothing. [TP-SHM-1355]
            let written = region.head.write_back(SUPERBLOCK_LEN);
            written.map_err(|source| CreateError::Io {
                what: "write back the superblock of",
                path: self.path.join(&region.name),
                source,
            })?;
        }
        Ok(regions)
    }

    fn uris(&self) -> Result<Vec<RegionUri>, CreateError> {
        let huge = self.spec.require_hugepages;
        let uri = |name: String, pool: Option<PoolId>| {
            Ok(RegionUri {
                pool,
                uri: ShmUri::new(self.path.join(name), huge)?,
            })
        };
        core::iter::once(uri(HEADER_FILE.to_owned(), None))
            .chain(
                self.spec
                    .geometry
                    .pools()
                    .iter()
                    .map(|pool| uri(pool_file(pool.id), Some(pool.id))),
            )
            .collect()
    }

    /// Creates one file, gives it memory and maps its superblock.
    fn file(
        &self,
        name: String,
        region_len: u64,
        pool: Option<(PoolId, u32)>,
    ) -> Result<OwnedRegion, CreateError> {
        let path = self.path.join(&name);
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.dir, &*name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| io_error("create", &path, errno))?;
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(self.file_mode))
            .map_err(|errno| io_error("set the mode of", &path, errno))?;
        let file_len = self.page.file_len(region_len);
        // What is not written is zero. [TP-SHM-1320]
        rustix::fs::ftruncate(&fd, file_len)
            .map_err(|errno| self.space_error("set the length of", &path, errno))?;
        // The superblock is written in any case.
        // [TP-SHM-1330]
        let allocated_len = match self.spec.fill {
            Fill::Allocated => file_len,
            Fill::Sparse => SUPERBLOCK_LEN as u64,
        };
        allocate(&fd, allocated_len).map_err(|errno| self.space_error("allocate", &path, errno))?;
        let head = self.map(&File::from(fd), &path, file_len)?;
        Ok(OwnedRegion { name, pool, head })
    }

    /// Maps the superblock for good; all of the file first if it is to be prefaulted, and for good
    /// if locked.
    fn map(&self, file: &File, path: &Path, file_len: u64) -> Result<Region, CreateError> {
        let prefault = self.spec.prefault && self.spec.fill == Fill::Allocated;
        let map = |map_len, prefault, mlock| {
            let options = MapOptions {
                access: Access::ReadWrite,
                map_len,
                region_len: SUPERBLOCK_LEN as u64,
                page_len: self.page.len,
                prefault,
                mlock,
            };
            Region::map(file, options, self.status).map_err(|source| CreateError::Region {
                path: path.to_owned(),
                source,
            })
        };
        if self.spec.mlock {
            return map(file_len, prefault, true);
        }
        if prefault {
            drop(map(file_len, true, false)?);
        }
        map((self.page.len as u64).min(file_len), false, false)
    }

    /// Tells a full file system from other errors.
    fn space_error(&self, what: &'static str, path: &Path, errno: Errno) -> CreateError {
        if !matches!(errno, Errno::NOSPC | Errno::NOMEM | Errno::DQUOT) {
            return io_error(what, path, errno);
        }
        CreateError::NoSpace {
            stream: self.spec.stream,
            path: self.path.to_owned(),
            needed_bytes: needed_bytes(self.spec.geometry, self.page),
            // Without a limit of its own, the file system has run out of what the machine has.
            available_bytes: available_bytes(self.dir)
                .ok()
                .filter(|len| *len < u64::MAX)
                .unwrap_or(0),
        }
    }
}

/// Allocates a file's memory; a signal may interrupt that, after which it is begun again.
/// [TP-SHM-1330]
fn allocate(fd: impl AsFd, len: u64) -> rustix::io::Result<()> {
    rustix::io::retry_on_intr(|| rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, len))
}

fn io_error(what: &'static str, path: &Path, errno: Errno) -> CreateError {
    CreateError::Io {
        what,
        path: path.to_owned(),
        source: errno.into(),
    }
}

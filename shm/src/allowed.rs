//! Which directories region files may be opened in, and opening them without being led astray.
//!
//! A path reaches a client in a message, so it is untrusted: it must lie below one of the
//! configured directories, without `..` and without any symbolic link after the directory itself,
//! and the file must be a regular one of exactly the expected size that other users cannot touch
//! (Wire v1.2 §15.21).

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use thiserror::Error;

use crate::denied::{Denial, our_groups};
use crate::mapping::Access;
use crate::open::open_beneath;

/// Permission bits no region file may have: anything for "other".
const FORBIDDEN_MODE: u32 = 0o007;

/// The allowlist: directories canonicalised once, when the configuration is read.
///
/// An empty list allows nothing. Shared between threads freely.
#[derive(Debug, Default)]
pub struct AllowedDirs {
    dirs: Vec<AllowedDir>,
}

#[derive(Debug)]
struct AllowedDir {
    /// As configured, so that a URI that spells it the same way matches.
    given: PathBuf,
    canonical: PathBuf,
    fd: OwnedFd,
}

/// Why a directory cannot be on the allowlist.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AllowedDirError {
    /// Relative path.
    #[error("allowed base directory must be absolute, found {}", .dir.display())]
    Relative {
        /// The directory.
        dir: PathBuf,
    },
    /// This user may not enter it.
    #[error("allowed base directory {} may not be entered: {denial}", .dir.display())]
    Denied {
        /// The directory.
        dir: PathBuf,
        /// Who is refused, and by what.
        denial: Box<Denial>,
    },
    /// It does not exist, or is no directory.
    #[error("allowed base directory {}: {source}", .dir.display())]
    Unusable {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a region file was not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The allowlist is empty.
    #[error("no allowed base directory is configured: refusing {}", .path.display())]
    NothingAllowed {
        /// The region's path.
        path: PathBuf,
    },
    /// Relative path.
    #[error("region path must be absolute, found {}", .path.display())]
    Relative {
        /// The region's path.
        path: PathBuf,
    },
    /// The path contains `..`.
    #[error("region path must not contain \"..\", found {}", .path.display())]
    ParentComponent {
        /// The region's path.
        path: PathBuf,
    },
    /// Not below any allowed directory.
    #[error(
        "region path {} is outside of the allowed base directories {allowed:?}",
        .path.display()
    )]
    Outside {
        /// The region's path.
        path: PathBuf,
        /// The directories allowed.
        allowed: Vec<PathBuf>,
    },
    /// A component below the allowed directory is a symbolic link.
    #[error("region path {} contains a symbolic link", .path.display())]
    Symlink {
        /// The region's path.
        path: PathBuf,
    },
    /// This user may not.
    #[error("region {} may not be opened for {access}: {denial}", .path.display())]
    Denied {
        /// The region's path.
        path: PathBuf,
        /// What for.
        access: &'static str,
        /// Who is refused, and by what.
        denial: Box<Denial>,
    },
    /// The system refused.
    #[error("cannot open region {}: {source}", .path.display())]
    Io {
        /// The region's path.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A FIFO, device, directory or socket.
    #[error("region {} is not a regular file", .path.display())]
    NotRegular {
        /// The region's path.
        path: PathBuf,
    },
    /// Other users may touch it.
    #[error(
        "region {} has mode {found:04o}: bits for other users ({FORBIDDEN_MODE:04o}) must be clear",
        .path.display()
    )]
    Permissions {
        /// The region's path.
        path: PathBuf,
        /// Its permission bits.
        found: u32,
    },
    /// It belongs to a stranger.
    #[error(
        "region {} belongs to uid {uid}, gid {gid}: expected this user, root, or one of our groups",
        .path.display()
    )]
    Owner {
        /// The region's path.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// It is shorter or longer than the announced geometry says.
    #[error("region {} is {found} bytes long, expected {expected}", .path.display())]
    Size {
        /// The region's path.
        path: PathBuf,
        /// What the geometry asks for, rounded up to huge pages on a hugetlbfs.
        expected: u64,
        /// What it is.
        found: u64,
    },
    /// Huge pages are required, and the file lies elsewhere.
    #[error("region {} must lie on a hugetlbfs, but does not", .path.display())]
    NotHugepages {
        /// The region's path.
        path: PathBuf,
    },
}

/// An opened and checked region file.
#[derive(Debug)]
pub(crate) struct OpenedRegion {
    pub(crate) file: File,
    /// Bytes to map: the file's length.
    pub(crate) file_len: u64,
    /// Size of the pages below it.
    pub(crate) page_len: usize,
}

impl AllowedDirs {
    /// Canonicalises and opens each directory; all must exist.
    pub fn new<P: AsRef<Path>>(dirs: impl IntoIterator<Item = P>) -> Result<Self, AllowedDirError> {
        let dirs = dirs
            .into_iter()
            .map(|dir| AllowedDir::new(dir.as_ref()))
            .collect::<Result<_, _>>()?;
        Ok(Self { dirs })
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dirs.is_empty()
    }

    /// Opens the region file at `path`, which must hold `region_len` bytes.
    pub(crate) fn open(
        &self,
        path: &Path,
        region_len: u64,
        require_hugepages: bool,
        access: Access,
    ) -> Result<OpenedRegion, OpenError> {
        // [TP-SHM-0350]
        let (dir, below) = self.locate(path)?;
        let flags = match access {
            Access::ReadOnly => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
        // NONBLOCK: opening a FIFO must not wait for its other end.
        let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = open_beneath(&dir.fd, below, flags, Mode::empty())
            .map_err(|errno| open_error(errno, path, access))?;
        check_opened(fd, path, region_len, require_hugepages)
    }

    /// The allowed directory `path` lies below, and the rest of the path.
    /// [TP-SEC-0020]
    fn locate<'p>(&self, path: &'p Path) -> Result<(&AllowedDir, &'p Path), OpenError> {
        // [TP-SEC-0030]
        if self.dirs.is_empty() {
            return Err(OpenError::NothingAllowed {
                path: path.to_owned(),
            });
        }
        // [TP-SEC-0010]
        if !path.is_absolute() {
            return Err(OpenError::Relative {
                path: path.to_owned(),
            });
        }
        if path
            .components()
            // [TP-SEC-0010]
            .any(|component| component == Component::ParentDir)
        {
            return Err(OpenError::ParentComponent {
                path: path.to_owned(),
            });
        }
        // Component by component: "/dev/shmX" is not below "/dev/shm".
        let below = |dir: &AllowedDir| {
            path.strip_prefix(&dir.canonical)
                .or_else(|_| path.strip_prefix(&dir.given))
                .ok()
        };
        self.dirs
            .iter()
            .filter_map(|dir| Some((dir, below(dir)?)))
            .find(|(_, below)| !below.as_os_str().is_empty())
            .ok_or_else(|| OpenError::Outside {
                path: path.to_owned(),
                allowed: self.dirs.iter().map(|dir| dir.canonical.clone()).collect(),
            })
    }
}

impl AllowedDir {
    // [TP-SEC-0040] [TP-SEC-0060]
    fn new(dir: &Path) -> Result<Self, AllowedDirError> {
        if !dir.is_absolute() {
            return Err(AllowedDirError::Relative {
                dir: dir.to_owned(),
            });
        }
        let unusable = |source: io::Error| {
            let is_denied = source.kind() == io::ErrorKind::PermissionDenied;
            let dir = dir.to_owned();
            match is_denied.then(|| Denial::of(&dir)).flatten() {
                Some(denial) => AllowedDirError::Denied {
                    dir,
                    denial: Box::new(denial),
                },
                None => AllowedDirError::Unusable { dir, source },
            }
        };
        let canonical = dir.canonicalize().map_err(unusable)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = rustix::fs::open(&canonical, flags, Mode::empty())
            .map_err(|errno| unusable(errno.into()))?;
        Ok(Self {
            given: dir.to_owned(),
            canonical,
            fd,
        })
    }
}

fn open_error(errno: Errno, path: &Path, access: Access) -> OpenError {
    let denial = (errno == Errno::ACCESS).then(|| Denial::of(path)).flatten();
    let path = path.to_owned();
    match (errno, denial) {
        (Errno::LOOP, _) => OpenError::Symlink { path },
        // [TP-SEC-0120]
        (_, Some(denial)) => OpenError::Denied {
            path,
            access: match access {
                Access::ReadOnly => "reading",
                Access::ReadWrite => "writing",
            },
            denial: Box::new(denial),
        },
        (errno, None) => OpenError::Io {
            path,
            source: errno.into(),
        },
    }
}

fn check_opened(
    fd: OwnedFd,
    path: &Path,
    region_len: u64,
    require_hugepages: bool,
) -> Result<OpenedRegion, OpenError> {
    let io = |errno: rustix::io::Errno| OpenError::Io {
        path: path.to_owned(),
        source: errno.into(),
    };
    let stat = rustix::fs::fstat(&fd).map_err(io)?;
    // [TP-SEC-0070]
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(OpenError::NotRegular {
            path: path.to_owned(),
        });
    }
    let mode = stat.st_mode & 0o7777;
    // [TP-SEC-0090]
    if mode & FORBIDDEN_MODE != 0 {
        return Err(OpenError::Permissions {
            path: path.to_owned(),
            found: mode,
        });
    }
    if !is_trusted_owner(&stat) {
        return Err(OpenError::Owner {
            path: path.to_owned(),
            uid: stat.st_uid,
            gid: stat.st_gid,
        });
    }
    let page = crate::open::page_info(&fd).map_err(io)?;
    // [TP-SEC-0110]
    if require_hugepages && !page.hugetlbfs {
        return Err(OpenError::NotHugepages {
            path: path.to_owned(),
        });
    }
    let expected = page.file_len(region_len);
    let found = stat.st_size.cast_unsigned();
    // [TP-SEC-0100]
    if found != expected {
        return Err(OpenError::Size {
            path: path.to_owned(),
            expected,
            found,
        });
    }
    Ok(OpenedRegion {
        file: File::from(fd),
        file_len: found,
        page_len: page.len,
    })
}

fn is_trusted_owner(stat: &Stat) -> bool {
    let uid = rustix::process::geteuid().as_raw();
    trusts(uid, &our_groups(), stat.st_uid, stat.st_gid)
}

/// Whether `uid`, who is in `groups`, trusts a file of `owner` and `group`: its own, root's, or one
/// shared through a group. Root trusts everyone, as it can read from everyone.
fn trusts(uid: u32, groups: &[u32], owner: u32, group: u32) -> bool {
    uid == 0 || owner == uid || owner == 0 || groups.contains(&group)
}

#[cfg(test)]
mod tests;

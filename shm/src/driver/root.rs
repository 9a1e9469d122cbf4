//! The namespace directory and the lock that keeps a second driver out of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::RootError;
use crate::paths::{Namespace, UserName};

/// Name of the lock file; hidden, so that nobody takes it for a stream.
const LOCK_FILE: &str = ".driver.lock";

/// Where a driver keeps its streams.
#[derive(Clone, Debug)]
pub struct RootSpec<'a> {
    /// The base directory, which must exist; usually `/dev/shm` or a hugetlbfs.
    pub base_dir: &'a Path,
    /// The user in the path.
    pub user: &'a UserName,
    /// The namespace in the path.
    pub namespace: &'a Namespace,
    /// Exact mode of region files, whatever the umask; directories get the search bits to match.
    pub file_mode: u32,
}

/// A namespace this process owns until it is dropped. Shared between threads freely.
#[derive(Debug)]
pub struct NamespaceRoot {
    dir: OwnedFd,
    path: PathBuf,
    file_mode: u32,
    /// Unlocked when closed. The file stays: removing it would let two drivers lock two files of
    /// the same name.
    _lock: OwnedFd,
}

impl NamespaceRoot {
    /// Creates the directories that are missing and locks the namespace; a second driver is
    /// refused, and told the pid of the first.
    pub fn acquire(spec: &RootSpec<'_>) -> Result<Self, RootError> {
        if !spec.base_dir.is_absolute() {
            return Err(RootError::Relative {
                path: spec.base_dir.to_owned(),
            });
        }
        let base = spec
            .base_dir
            .canonicalize()
            .map_err(|source| io_error("find base directory", spec.base_dir, source))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base_fd = rustix::fs::open(&base, flags, Mode::empty())
            .map_err(|errno| io_error("open base directory", &base, errno.into()))?;
        let user_path = base.join(spec.user.dir_name());
        let user_fd = ensure_dir(&base_fd, &user_path, spec.file_mode)?;
        let path = user_path.join(spec.namespace.as_str());
        let dir = ensure_dir(&user_fd, &path, spec.file_mode)?;
        let lock = lock(&dir, &path)?;
        Ok(Self {
            dir,
            path,
            file_mode: spec.file_mode,
            _lock: lock,
        })
    }

    /// The namespace's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Exact mode of region files.
    #[must_use]
    pub fn file_mode(&self) -> u32 {
        self.file_mode
    }

    /// Bytes the file system below could still take; `u64::MAX` when it has no limit of its own (a
    /// hugetlbfs or tmpfs mounted without a size).
    pub fn available_bytes(&self) -> io::Result<u64> {
        Ok(available_bytes(&self.dir)?)
    }

    pub(super) fn dir(&self) -> impl AsFd + '_ {
        self.dir.as_fd()
    }
}

/// Opens `path`, whose parent is `parent`, as a directory of ours; creates it if need be.
pub(super) fn ensure_dir(
    parent: impl AsFd,
    path: &Path,
    file_mode: u32,
) -> Result<OwnedFd, RootError> {
    let name = path.file_name().unwrap_or_default();
    let created = match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(errno) => return Err(io_error("create directory", path, errno.into())),
    };
    let fd =
        open_dir(&parent, name).map_err(|errno| io_error("open directory", path, errno.into()))?;
    let stat = rustix::fs::fstat(&fd)
        .map_err(|errno| io_error("inspect directory", path, errno.into()))?;
    let expected = rustix::process::geteuid().as_raw();
    if stat.st_uid != expected {
        return Err(RootError::ForeignDirectory {
            path: path.to_owned(),
            owner: stat.st_uid,
            expected,
        });
    }
    if created {
        rustix::fs::fchmod(&fd, dir_mode(file_mode))
            .map_err(|errno| io_error("set the mode of", path, errno.into()))?;
    }
    Ok(fd)
}

/// Opens a directory for use with the `*at` calls, following no link.
pub(super) fn open_dir(
    parent: impl AsFd,
    name: impl rustix::path::Arg,
) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// The mode of a directory that holds files of `file_mode`: search where reading is allowed, for
/// user and group; nothing for others.
pub(super) fn dir_mode(file_mode: u32) -> Mode {
    let read = file_mode & 0o440;
    Mode::from_raw_mode((file_mode & 0o770) | (read >> 2))
}

/// What the file system of `fd` could still take; one that states no size states no limit.
pub(super) fn available_bytes(fd: impl AsFd) -> rustix::io::Result<u64> {
    let stat = rustix::fs::fstatvfs(fd)?;
    if stat.f_blocks == 0 {
        return Ok(u64::MAX);
    }
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Takes the lock and writes our pid into its file.
fn lock(dir: &OwnedFd, path: &Path) -> Result<OwnedFd, RootError> {
    let error = |what, errno: Errno| io_error(what, &path.join(LOCK_FILE), errno.into());
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let fd = rustix::fs::openat(dir, LOCK_FILE, flags, mode)
        .map_err(|errno| error("open lock file", errno))?;
    match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(RootError::Held {
                path: path.to_owned(),
                holder: read_holder(&fd),
            });
        }
        Err(errno) => return Err(error("lock", errno)),
    }
    write_holder(&fd).map_err(|errno| error("write lock file", errno))?;
    Ok(fd)
}

/// Leaves our pid in the lock file. A hugetlbfs has no `write`: there the kernel's list of locks
/// must do.
fn write_holder(fd: &OwnedFd) -> rustix::io::Result<()> {
    rustix::fs::ftruncate(fd, 0)?;
    let text = format!("{}\n", std::process::id());
    match rustix::io::pwrite(fd, text.as_bytes(), 0) {
        Ok(_) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn read_holder(fd: &OwnedFd) -> Option<u32> {
    let mut text = [0; 16];
    let len = rustix::io::pread(fd, &mut text, 0).unwrap_or(0);
    let written = str::from_utf8(&text[..len])
        .ok()
        .and_then(|text| text.trim().parse().ok());
    written.or_else(|| {
        let stat = rustix::fs::fstat(fd).ok()?;
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        flock_holder(&locks, stat.st_dev, stat.st_ino)
    })
}

/// Who holds the `flock` on a file, by the kernel's list: lines like `1: FLOCK ADVISORY WRITE 77
/// 00:1a:4242 0 EOF`.
fn flock_holder(locks: &str, dev: u64, inode: u64) -> Option<u32> {
    let (major, minor) = (rustix::fs::major(dev), rustix::fs::minor(dev));
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        (fields.next()? == "FLOCK").then_some(())?;
        let pid = fields.nth(2)?.parse().ok()?;
        (fields.next()? == file).then_some(pid)
    })
}

/// Whether `name` in `dir` is a regular file, not followed if it is a link.
pub(super) fn is_regular(dir: impl AsFd, name: &str) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> RootError {
    RootError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_lock_is_found_in_the_kernels_list() {
        let temp = crate::testkit::temp_dir();
        let file = std::fs::File::create(temp.path().join("lock")).unwrap();
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).unwrap();
        // The file is empty, as on a file system without `write`.
        assert_eq!(read_holder(&OwnedFd::from(file)), Some(std::process::id()));
    }

    #[test]
    fn waiting_and_foreign_locks_do_not_count() {
        let dev = rustix::fs::makedev(0, 0x1a);
        let locks = "1: POSIX  ADVISORY  WRITE 5 00:1a:42 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 6 00:1a:43 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 8 00:1a:42 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 7 00:1a:42 0 EOF\n";
        assert_eq!(flock_holder(locks, dev, 42), Some(7));
        assert_eq!(flock_holder(locks, dev, 44), None);
    }
}

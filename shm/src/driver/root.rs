//! The namespace directory: taken, and given back without a trace.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::RootError;
use super::lock::Lock;
use crate::paths::{Namespace, UserName};

/// How often something is begun again because a directory on the way was removed meanwhile.
const ATTEMPTS: usize = 1_000;

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
///
/// Dropping it removes the lock file, and the directories of namespace and user if that leaves them
/// empty; epochs that were not removed stay.
#[derive(Debug)]
pub struct NamespaceRoot {
    base_dir: OwnedFd,
    user_dir: OwnedFd,
    dir: OwnedFd,
    path: PathBuf,
    file_mode: u32,
    lock: Lock,
}

impl NamespaceRoot {
    /// Creates the directories that are missing and locks the namespace; a second driver is
    /// refused, and told the pid of the first.
    pub fn acquire(spec: &RootSpec<'_>) -> Result<Self, RootError> {
        let base = canonical_base(spec)?;
        retry_while_removed(|| Self::attempt(spec, &base, Lock::take))
    }

    /// As [`acquire`](Self::acquire), for somebody who needs no driver: shared with others of that
    /// kind, each of which [holds](super::StreamHold) streams of its own, and refused by a driver.
    pub fn join(spec: &RootSpec<'_>) -> Result<Self, RootError> {
        let base = canonical_base(spec)?;
        retry_while_removed(|| Self::attempt(spec, &base, Lock::share))
    }

    fn attempt(
        spec: &RootSpec<'_>,
        base: &Path,
        lock: fn(&OwnedFd, &Path) -> Result<Lock, RootError>,
    ) -> Result<Self, RootError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base_dir = rustix::fs::open(base, flags, Mode::empty())
            .map_err(|errno| io_error("open base directory", base, errno.into()))?;
        let user_path = base.join(spec.user.dir_name());
        let user_dir = ensure_dir(&base_dir, &user_path, spec.file_mode)?;
        let path = user_path.join(spec.namespace.as_str());
        let dir = ensure_dir(&user_dir, &path, spec.file_mode)?;
        let lock = lock(&dir, &path)?;
        Ok(Self {
            base_dir,
            user_dir,
            dir,
            path,
            file_mode: spec.file_mode,
            lock,
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

impl Drop for NamespaceRoot {
    fn drop(&mut self) {
        // Best effort: what stays does no harm, the next driver takes it over.
        self.lock.unlink(&self.dir);
        let user_path = self.path.parent().unwrap_or(&self.path);
        remove_if_empty(&self.user_dir, &self.path);
        remove_if_empty(&self.base_dir, user_path);
    }
}

fn canonical_base(spec: &RootSpec<'_>) -> Result<PathBuf, RootError> {
    if !spec.base_dir.is_absolute() {
        return Err(RootError::Relative {
            path: spec.base_dir.to_owned(),
        });
    }
    // [TP-SEC-0250]
    spec.base_dir
        .canonicalize()
        .map_err(|source| io_error("find base directory", spec.base_dir, source))
}

/// Removes the directory `path` from `parent`. One that somebody uses is not empty: the kernel
/// refuses.
fn remove_if_empty(parent: &OwnedFd, path: &Path) {
    let name = path.file_name().unwrap_or_default();
    let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
}

/// Begins again while something that was just there is not: directories go as soon as they are
/// empty. Each failed attempt means that somebody else got on.
pub(super) fn retry_while_removed<T>(
    mut attempt: impl FnMut() -> Result<T, RootError>,
) -> Result<T, RootError> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(RootError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
    }
    attempt()
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
        set_dir_mode(&fd, file_mode)
            .map_err(|errno| io_error("set the mode of", path, errno.into()))?;
    }
    Ok(fd)
}

/// Gives a new directory its exact mode. The set-group-id bit it may have inherited stays: it hands
/// the group of the base directory down to every file. [TP-SEC-0240]
pub(super) fn set_dir_mode(dir: &OwnedFd, file_mode: u32) -> rustix::io::Result<()> {
    let inherited = Mode::from_raw_mode(rustix::fs::fstat(dir)?.st_mode).intersection(Mode::SGID);
    rustix::fs::fchmod(dir, dir_mode(file_mode).union(inherited))
}

/// Opens a directory for use with the `*at` calls, following no link.
pub(super) fn open_dir(
    parent: impl AsFd,
    name: impl rustix::path::Arg,
) -> rustix::io::Result<OwnedFd> {
    // [TP-SEC-0230]
    const FLAGS: OFlags = OFlags::RDONLY
        .union(OFlags::DIRECTORY)
        .union(OFlags::NOFOLLOW)
        .union(OFlags::CLOEXEC);
    rustix::fs::openat(parent, name, FLAGS, Mode::empty())
}

/// The mode of a directory that holds files of `file_mode`: search where reading is allowed, for
/// user and group; nothing for others. [TP-SEC-0210]
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

/// Whether `name` in `dir` is a regular file, not followed if it is a link.
pub(super) fn is_regular(dir: impl AsFd, name: &str) -> bool {
    rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

pub(super) fn io_error(what: &'static str, path: &Path, source: io::Error) -> RootError {
    RootError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves [TP-SEC-0210].
    #[test]
    fn directories_are_searched_by_whom_files_are_read_by_and_by_nobody_else() {
        let modes = [
            (0o600, 0o700),
            (0o640, 0o750),
            (0o660, 0o770),
            (0o666, 0o770),
            (0o444, 0o550),
            (0o220, 0o220),
            (0o770, 0o770),
        ];
        for (files, dirs) in modes {
            let found = dir_mode(files).as_raw_mode();
            assert_eq!(found, dirs, "{files:o} gives {found:o}");
        }
    }
}

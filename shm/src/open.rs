//! Opening files below a directory without following anything out of it, and asking for page sizes.
//!
//! Shared by clients (which distrust the path) and by the driver (which distrusts the directories
//! other users may have prepared for it).

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

/// hugetlbfs, as `fstatfs` reports it.
const HUGETLBFS_MAGIC: i64 = 0x958458f6;

/// How often a lookup that lost a race against a rename is repeated.
const RACE_RETRIES: usize = 8;

/// Opens `below`, a relative path without `..`, under `dir`; a symbolic link anywhere in it is
/// `ELOOP`.
/// [TP-SEC-0050] [TP-SEC-0065]
pub(crate) fn open_beneath(
    dir: impl AsFd,
    below: &Path,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RACE_RETRIES {
        match rustix::fs::openat2(&dir, below, flags, mode, resolve) {
            Err(Errno::AGAIN) => {}
            // A kernel before 5.6: walk component by component. Any other refusal stands.
            Err(Errno::NOSYS) => return open_by_component(dir, below, flags, mode),
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// The same without `openat2`: every directory on the way is opened without following links.
/// [TP-SEC-0080]
/// [TP-SEC-0050] [TP-SEC-0065]
pub(crate) fn open_by_component(
    dir: impl AsFd,
    below: &Path,
    flags: OFlags,
    mode: Mode,
) -> Result<OwnedFd> {
    let mut components = below.components().peekable();
    let mut parent: Option<OwnedFd> = None;
    loop {
        let Some(Component::Normal(name)) = components.next() else {
            return Err(Errno::INVAL);
        };
        let at = parent.as_ref().map_or(dir.as_fd(), OwnedFd::as_fd);
        if components.peek().is_none() {
            return rustix::fs::openat(at, name, flags | OFlags::NOFOLLOW, mode);
        }
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = rustix::fs::openat(at, name, step, Mode::empty()).map_err(|errno| {
            // A link in the middle is "not a directory" to O_NOFOLLOW | O_DIRECTORY: call it by its
            // name.
            if errno == Errno::NOTDIR && is_symlink(at, name) {
                Errno::LOOP
            } else {
                errno
            }
        })?;
        parent = Some(next);
    }
}

fn is_symlink(dir: impl AsFd, name: &std::ffi::OsStr) -> bool {
    rustix::fs::statat(dir, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| {
        rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Symlink
    })
}

/// What a file lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageInfo {
    pub(crate) hugetlbfs: bool,
    /// Bytes per page: huge on a hugetlbfs.
    pub(crate) len: usize,
}

impl PageInfo {
    /// Length of the file that holds a region of `region_len` bytes: itself, or whole huge pages.
    pub(crate) fn file_len(self, region_len: u64) -> u64 {
        if self.hugetlbfs {
            crate::layout::round_up(region_len, self.len as u64).unwrap_or(u64::MAX)
        } else {
            region_len
        }
    }
}

/// Asks `fstatfs` for the kind of file system and its page size.
pub(crate) fn page_info(fd: impl AsFd) -> Result<PageInfo> {
    let statfs = rustix::fs::fstatfs(fd)?;
    // The magic has 32 significant bits; f_type is signed and of varying width.
    let hugetlbfs = (statfs.f_type as i64) & 0xFFFF_FFFF == HUGETLBFS_MAGIC;
    let len = if hugetlbfs {
        statfs.f_bsize as usize
    } else {
        rustix::param::page_size()
    };
    Ok(PageInfo { hugetlbfs, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hugetlbfs_files_are_rounded_to_whole_huge_pages_and_others_are_exact() {
        let huge = PageInfo {
            hugetlbfs: true,
            len: 2 << 20,
        };
        assert_eq!(huge.file_len(64 + (2 << 20)), 4 << 20);
        assert_eq!(huge.file_len(2 << 20), 2 << 20);
        let plain = PageInfo {
            hugetlbfs: false,
            len: 4096,
        };
        assert_eq!(plain.file_len(65), 65);
    }
}

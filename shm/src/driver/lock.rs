//! The lock that keeps a second driver out of a namespace, and drivers and producers without one
//! out of each other's.
//!
//! A driver holds it alone, producers without a driver share it. The file goes with its last holder,
//! so a lock counts only while the file that is locked is the one the path names: whoever opened it
//! just before it was removed begins again.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::RootError;
use super::root::io_error;

/// Hidden, so that nobody takes it for a stream.
const LOCK_FILE: &str = ".driver.lock";

/// Held until dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: OwnedFd,
    is_shared: bool,
}

impl Lock {
    /// Locks the namespace `dir` at `path` and writes our pid into the file. "Not found" when its
    /// last holder was just removing file or directory: begin again with the directory.
    pub(super) fn take(dir: &OwnedFd, path: &Path) -> Result<Self, RootError> {
        let (lock, locked) = Self::attempt(dir, path, false)?;
        if !locked {
            let path = path.to_owned();
            return Err(match kernel_holder(&lock.file) {
                // [TP-CLI-3135]
                Some((holder, LockKind::Shared)) => RootError::Shared { path, holder },
                _ => RootError::Held {
                    path,
                    holder: read_holder(&lock.file),
                },
            });
        }
        write_holder(&lock.file).map_err(|errno| file_error("write lock file", path, errno))?;
        Ok(lock)
    }

    /// Locks the namespace `dir` at `path` against drivers, with others who do so.
    pub(super) fn share(dir: &OwnedFd, path: &Path) -> Result<Self, RootError> {
        let (lock, locked) = Self::attempt(dir, path, true)?;
        if !locked {
            return Err(RootError::Driver {
                path: path.to_owned(),
                holder: read_holder(&lock.file),
            });
        }
        // The pid of a driver that was killed says nothing any more.
        rustix::fs::ftruncate(&lock.file, 0)
            .map_err(|errno| file_error("write lock file", path, errno))?;
        Ok(lock)
    }

    /// The lock, and whether it was had.
    fn attempt(dir: &OwnedFd, path: &Path, is_shared: bool) -> Result<(Self, bool), RootError> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(dir, LOCK_FILE, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| file_error("open lock file", path, errno))?;
        let operation = match is_shared {
            true => FlockOperation::NonBlockingLockShared,
            false => FlockOperation::NonBlockingLockExclusive,
        };
        let locked = match rustix::fs::flock(&file, operation) {
            Ok(()) => true,
            Err(Errno::WOULDBLOCK) => false,
            Err(errno) => return Err(file_error("lock", path, errno)),
        };
        let lock = Self { file, is_shared };
        if !lock.is_named_in(dir) {
            return Err(file_error("keep lock file", path, Errno::NOENT));
        }
        Ok((lock, locked))
    }

    /// Removes the file, still locked, unless others share it. From here on another driver may take
    /// the namespace.
    pub(super) fn unlink(&self, dir: &OwnedFd) {
        let alone = FlockOperation::NonBlockingLockExclusive;
        if self.is_shared && rustix::fs::flock(&self.file, alone).is_err() {
            return;
        }
        if self.is_named_in(dir) {
            // What stays is locked anew by the next driver.
            let _ = rustix::fs::unlinkat(dir, LOCK_FILE, AtFlags::empty());
        }
    }

    fn is_named_in(&self, dir: &OwnedFd) -> bool {
        let named = rustix::fs::statat(dir, LOCK_FILE, AtFlags::SYMLINK_NOFOLLOW);
        let (Ok(named), Ok(ours)) = (named, rustix::fs::fstat(&self.file)) else {
            return false;
        };
        (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)
    }
}

/// How often the kernel's list of locks is read before the holder is unknown.
const LOOKS: usize = 5;

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

// [TP-SEC-0220]
fn read_holder(fd: &OwnedFd) -> Option<u32> {
    let mut text = [0; 16];
    let len = rustix::io::pread(fd, &mut text, 0).unwrap_or(0);
    let written = str::from_utf8(&text[..len])
        .ok()
        .and_then(|text| text.trim().parse().ok());
    written.or_else(|| kernel_holder(fd).map(|(pid, _)| pid))
}

/// Whether a lock is for one or for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LockKind {
    Exclusive,
    Shared,
}

/// Who holds a lock on an open file or directory, by the kernel's list.
pub(super) fn kernel_holder(fd: &OwnedFd) -> Option<(u32, LockKind)> {
    let stat = rustix::fs::fstat(fd).ok()?;
    // The list comes in pieces, and locks that others release meanwhile shift it.
    (0..LOOKS).find_map(|_| {
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        flock_holder(&locks, stat.st_dev, stat.st_ino)
    })
}

fn file_error(what: &'static str, path: &Path, errno: Errno) -> RootError {
    io_error(what, &path.join(LOCK_FILE), errno.into())
}

/// Who holds the `flock` on a file, by the kernel's list: lines like `1: FLOCK ADVISORY WRITE 77
/// 00:1a:4242 0 EOF`.
fn flock_holder(locks: &str, dev: u64, inode: u64) -> Option<(u32, LockKind)> {
    let (major, minor) = (rustix::fs::major(dev), rustix::fs::minor(dev));
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        (fields.next()? == "FLOCK").then_some(())?;
        let kind = match fields.nth(1)? {
            "READ" => LockKind::Shared,
            _ => LockKind::Exclusive,
        };
        let pid = fields.next()?.parse().ok()?;
        (fields.next()? == file).then_some((pid, kind))
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tempfile::TempDir;

    use super::*;
    use crate::driver::{NamespaceRoot, RootSpec};
    use crate::paths::{Namespace, UserName};
    use crate::testkit::{TestEpoch, temp_dir};

    fn acquire(temp: &TempDir, namespace: &str) -> Result<NamespaceRoot, RootError> {
        NamespaceRoot::acquire(&RootSpec {
            base_dir: temp.path(),
            user: &UserName::sanitized("t"),
            namespace: &Namespace::new(namespace).unwrap(),
            file_mode: 0o660,
        })
    }

    #[test]
    fn the_holder_of_a_lock_is_found_in_the_kernels_list() {
        let temp = temp_dir();
        let file = fs::File::create(temp.path().join("lock")).unwrap();
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
        assert_eq!(flock_holder(locks, dev, 42), Some((7, LockKind::Exclusive)));
        let shared = "1: FLOCK  ADVISORY  READ 9 00:1a:42 0 EOF\n";
        assert_eq!(flock_holder(shared, dev, 42), Some((9, LockKind::Shared)));
        assert_eq!(flock_holder(locks, dev, 44), None);
    }

    #[test]
    fn a_namespace_given_back_leaves_nothing_and_takes_nothing_of_others() {
        let temp = temp_dir();
        let (one, two) = (
            acquire(&temp, "one").unwrap(),
            acquire(&temp, "two").unwrap(),
        );
        drop(one);
        let names = fs::read_dir(temp.path().join("tensorpool-t")).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["two"]);
        drop(two);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn epochs_that_were_not_removed_stay_where_they_are() {
        let TestEpoch { owned, root, .. } = TestEpoch::new(2, &[64]);
        let (path, namespace) = (owned.path().to_owned(), root.root.path().to_owned());
        drop(root.root);
        assert!(path.join("header.ring").exists());
        assert!(!namespace.join(LOCK_FILE).exists());
    }

    #[test]
    fn a_lock_file_that_was_replaced_is_not_removed() {
        let temp = temp_dir();
        let root = acquire(&temp, "one").unwrap();
        let file = root.path().join(LOCK_FILE);
        fs::remove_file(&file).unwrap();
        let successor = acquire(&temp, "one").unwrap();
        drop(root);
        assert!(file.exists());
        assert!(matches!(acquire(&temp, "one"), Err(RootError::Held { .. })));
        drop(successor);
    }

    #[test]
    fn a_lock_on_a_removed_file_is_no_lock() {
        let temp = temp_dir();
        let root = acquire(&temp, "one").unwrap();
        let dir = OwnedFd::from(fs::File::open(root.path()).unwrap());
        let path = root.path().to_owned();
        drop(root);
        let error = Lock::take(&dir, &path).unwrap_err();
        let RootError::Io { source, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
    }

    #[test]
    fn threads_that_take_and_give_back_a_namespace_are_never_two_holders() {
        const ROUNDS: u32 = 2_000;
        const THREADS: usize = 2;
        let temp = temp_dir();
        let holders = AtomicU32::new(0);
        let start = Barrier::new(THREADS);
        let take_and_give_back = || {
            start.wait();
            let mut taken = 0;
            while taken < ROUNDS {
                match acquire(&temp, "one") {
                    Ok(root) => {
                        taken += 1;
                        assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                        assert!(root.path().join(LOCK_FILE).exists());
                        holders.fetch_sub(1, Ordering::SeqCst);
                    }
                    Err(RootError::Held { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(take_and_give_back);
            }
        });
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }
}

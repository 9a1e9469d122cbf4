//! One stream that this process provides for without a driver.
//!
//! The stream's directory itself is locked: nothing is left behind by a holder that is killed, and
//! the kernel knows who it is.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation};
use rustix::io::Errno;
use tensorpool_codecs::types::{Epoch, StreamId};

use super::existing::{remove_dir, remove_empty_parent};
use super::lock::kernel_holder;
use super::root::{ensure_dir, io_error, open_dir, retry_while_removed};
use super::{ExistingEpoch, ExistingError, NamespaceRoot, RootError, RootSpec};

/// A stream held by this process until it is dropped: nobody else provides for it meanwhile, and no
/// driver takes its namespace. Dropping it removes the stream's directory if that is empty, and the
/// directories above as [`NamespaceRoot`] does. `Send`.
#[derive(Debug)]
pub struct StreamHold {
    dir: OwnedFd,
    stream: StreamId,
    path: PathBuf,
    root: NamespaceRoot,
}

impl StreamHold {
    /// Takes the stream; a second holder is refused and told the pid of the first, whatever process
    /// it is.
    pub fn take(spec: &RootSpec<'_>, stream: StreamId) -> Result<Self, RootError> {
        let root = NamespaceRoot::join(spec)?;
        let path = root.path().join(stream.to_string());
        let dir = retry_while_removed(|| lock(&root, stream, &path))?;
        Ok(Self {
            dir,
            stream,
            path,
            root,
        })
    }

    /// The namespace it lies in.
    #[must_use]
    pub fn root(&self) -> &NamespaceRoot {
        &self.root
    }

    /// The stream.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// The epochs of the stream that have a directory, ascending.
    pub fn epochs(&self) -> Result<Vec<ExistingEpoch>, ExistingError> {
        self.root.epochs(self.stream)
    }

    /// Removes an epoch's region files and directory, as [`NamespaceRoot::remove_epoch`] does, and
    /// leaves the stream's.
    pub fn remove_epoch(&self, epoch: Epoch) -> Result<(), ExistingError> {
        let path = self.path.join(epoch.to_string());
        match open_dir(&self.dir, &*epoch.to_string()) {
            Ok(dir) => remove_dir(&self.dir, &dir, &path),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(ExistingError {
                what: "open directory",
                path,
                source: errno.into(),
            }),
        }
    }
}

impl Drop for StreamHold {
    fn drop(&mut self) {
        // Still locked: whoever opened the directory meanwhile finds that it is not named any more.
        if is_named(&self.root, self.stream, &self.dir) {
            remove_empty_parent(&self.root, self.stream);
        }
    }
}

/// "Not found" when its last holder was just removing the directory: begin again.
fn lock(root: &NamespaceRoot, stream: StreamId, path: &Path) -> Result<OwnedFd, RootError> {
    let dir = ensure_dir(root.dir(), path, root.file_mode())?;
    match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        // [TP-CLI-3130]
        Err(Errno::WOULDBLOCK) => {
            return Err(RootError::StreamHeld {
                stream,
                path: path.to_owned(),
                holder: kernel_holder(&dir).map(|(pid, _)| pid),
            });
        }
        Err(errno) => return Err(io_error("lock", path, errno.into())),
    }
    if is_named(root, stream, &dir) {
        Ok(dir)
    } else {
        Err(io_error("keep", path, Errno::NOENT.into()))
    }
}

fn is_named(root: &NamespaceRoot, stream: StreamId, dir: &OwnedFd) -> bool {
    let named = rustix::fs::statat(root.dir(), &*stream.to_string(), AtFlags::SYMLINK_NOFOLLOW);
    let (Ok(named), Ok(ours)) = (named, rustix::fs::fstat(dir)) else {
        return false;
    };
    (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;
    use tensorpool_codecs::types::{NanoTime, PoolId};

    use super::*;
    use crate::driver::{EpochSpec, Fill};
    use crate::layout::{Geometry, PoolGeometry};
    use crate::paths::{Namespace, UserName};
    use crate::testkit::temp_dir;

    const STREAM: StreamId = StreamId::new(7);
    const SECOND: u64 = 1_000_000_000;

    fn with_spec<T>(temp: &TempDir, namespace: &str, then: impl FnOnce(&RootSpec<'_>) -> T) -> T {
        then(&RootSpec {
            base_dir: temp.path(),
            user: &UserName::sanitized("t"),
            namespace: &Namespace::new(namespace).unwrap(),
            file_mode: 0o660,
        })
    }

    fn hold(temp: &TempDir, stream: u32) -> Result<StreamHold, RootError> {
        with_spec(temp, "n", |spec| {
            StreamHold::take(spec, StreamId::new(stream))
        })
    }

    fn acquire(temp: &TempDir) -> Result<NamespaceRoot, RootError> {
        with_spec(temp, "n", NamespaceRoot::acquire)
    }

    fn create(hold: &StreamHold, epoch: u64, pid: u32, created: u64) {
        let pools = vec![PoolGeometry {
            id: PoolId::new(1),
            stride_bytes: 64,
        }];
        let geometry = Geometry::new(4, pools).unwrap();
        let spec = EpochSpec {
            stream: hold.stream(),
            epoch: Epoch::new(epoch),
            geometry: &geometry,
            pid,
            created: NanoTime::new(created),
            fill: Fill::Allocated,
            prefault: false,
            mlock: false,
            require_hugepages: false,
        };
        drop(hold.root().create_epoch(&spec).unwrap());
    }

    /// Proves [TP-CLI-3130].
    #[test]
    fn a_second_holder_of_a_stream_is_told_the_pid_of_the_first() {
        let temp = temp_dir();
        let first = hold(&temp, 7).unwrap();
        let error = hold(&temp, 7).unwrap_err();
        let own = std::process::id();
        assert!(error.to_string().contains(&format!("pid {own}")), "{error}");
        let other = hold(&temp, 8).unwrap();
        drop(first);
        let again = hold(&temp, 7).unwrap();
        drop((other, again));
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0, "no trace");
    }

    /// Proves [TP-CLI-3135].
    #[test]
    fn drivers_and_producers_without_one_keep_out_of_each_others_namespace() {
        let temp = temp_dir();
        let held = hold(&temp, 7).unwrap();
        let error = acquire(&temp).unwrap_err();
        let own = std::process::id();
        assert!(matches!(error, RootError::Shared { holder, .. } if holder == own));
        drop(held);
        let driver = acquire(&temp).unwrap();
        let error = hold(&temp, 7).unwrap_err();
        assert!(matches!(error, RootError::Driver { holder: Some(pid), .. } if pid == own));
        drop(driver);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0, "no trace");
    }

    /// Proves [TP-CLI-3160].
    #[test]
    fn an_epoch_is_dead_when_it_is_stale_and_its_creator_is_gone_or_this_process() {
        const GONE: u32 = 0x3fff_fff0;
        let temp = temp_dir();
        let held = hold(&temp, 7).unwrap();
        let own = std::process::id();
        let parent = std::os::unix::process::parent_id();
        for (epoch, pid) in [(1, GONE), (2, own), (3, parent)] {
            create(&held, epoch, pid, 10 * SECOND);
        }
        let facts = |now: u64| -> Vec<(bool, bool)> {
            let now = NanoTime::new(now * SECOND);
            let facts = |existing: &ExistingEpoch| {
                (
                    existing.is_dead(now, 3 * SECOND),
                    existing.is_inhabited(now, 3 * SECOND),
                )
            };
            held.epochs().unwrap().iter().map(facts).collect()
        };
        assert_eq!(facts(12), [(false, false), (false, false), (false, true)]);
        assert_eq!(facts(13), [(true, false), (true, false), (false, false)]);
        assert_eq!(facts(9), [(true, false), (true, false), (false, false)]);
        for epoch in 1..=3 {
            held.remove_epoch(Epoch::new(epoch)).unwrap();
        }
        assert!(held.epochs().unwrap().is_empty());
        let error = hold(&temp, STREAM.get()).unwrap_err();
        assert!(matches!(error, RootError::StreamHeld { .. }), "still held");
    }
}

//! Epochs that lie in the namespace, whoever made them: what garbage collection and the choice of
//! the next epoch need to know. Nothing is decided here.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use tensorpool_codecs::types::{Epoch, NanoTime, StreamId};
use tensorpool_codecs::wire::ShmRegionSuperblock;

use super::root::{is_regular, open_dir};
use super::{ExistingError, NamespaceRoot};
use crate::layout::SUPERBLOCK_LEN;
use crate::paths::HEADER_FILE;

/// An epoch's directory as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingEpoch {
    /// The stream.
    pub stream: StreamId,
    /// The epoch.
    pub epoch: Epoch,
    /// The directory.
    pub path: PathBuf,
    /// The header ring's superblock, if there is a readable one.
    pub superblock: Option<ShmRegionSuperblock>,
    /// Memory its files take.
    pub allocated_bytes: u64,
}

impl ExistingEpoch {
    /// When somebody last refreshed it, by the monotonic clock of the boot it was made in; one
    /// later than now is from an earlier boot.
    #[must_use]
    pub fn activity(&self) -> Option<NanoTime> {
        self.superblock
            .map(|superblock| NanoTime::new(superblock.activity_timestamp_ns))
    }

    /// Whether a process with its creator's pid exists. True for a process of another user, too.
    #[must_use]
    pub fn creator_exists(&self) -> bool {
        self.superblock
            .is_some_and(|superblock| is_process_alive(superblock.pid))
    }

    /// Whether somebody else seems to live in it: the process that created it exists, is not this
    /// one, and somebody refreshed it in the last `fresh_ns` nanoseconds before `now`.
    #[must_use]
    pub fn is_inhabited(&self, now: NanoTime, fresh_ns: u64) -> bool {
        self.is_fresh(now, fresh_ns) && !self.is_own() && self.creator_exists()
    }

    /// Whether nobody lives in it any more: it was not refreshed in the last `fresh_ns` nanoseconds
    /// before `now`, and no other process that exists created it. The epoch of a creator that did
    /// not come as far as a superblock is as old as its number says. [TP-CLI-3160]
    #[must_use]
    pub fn is_dead(&self, now: NanoTime, fresh_ns: u64) -> bool {
        !self.is_fresh(now, fresh_ns) && (self.is_own() || !self.creator_exists())
    }

    fn is_fresh(&self, now: NanoTime, fresh_ns: u64) -> bool {
        let unborn = NanoTime::new(self.epoch.get());
        let activity = self.activity().unwrap_or(unborn);
        activity <= now && now.since_ns(activity) < fresh_ns
    }

    fn is_own(&self) -> bool {
        let own = u64::from(std::process::id());
        self.superblock
            .is_some_and(|superblock| superblock.pid == own)
    }
}

/// Whether a process with this pid, as a superblock has it, exists; also one of another user. False
/// for what cannot be a pid.
#[must_use]
pub fn is_process_alive(pid: u64) -> bool {
    i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(process_exists)
}

fn process_exists(pid: rustix::process::Pid) -> bool {
    !matches!(rustix::process::test_kill_process(pid), Err(Errno::SRCH))
}

impl NamespaceRoot {
    /// The streams that have a directory, ascending.
    pub fn streams(&self) -> Result<Vec<StreamId>, ExistingError> {
        let dir = rustix::fs::openat(
            self.dir(),
            ".",
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let dir = dir.map_err(|errno| error("open directory", self.path(), errno))?;
        let mut streams: Vec<StreamId> = numbers(&dir, self.path())?
            .filter_map(|n| u32::try_from(n).ok())
            .map(StreamId::new)
            .collect();
        streams.sort_unstable();
        Ok(streams)
    }

    /// The epochs of a stream that have a directory, ascending; none if the stream has none.
    pub fn epochs(&self, stream: StreamId) -> Result<Vec<ExistingEpoch>, ExistingError> {
        let path = self.path().join(stream.to_string());
        let dir = match open_dir(self.dir(), &*stream.to_string()) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(error("open directory", &path, errno)),
        };
        let mut epochs: Vec<ExistingEpoch> = numbers(&dir, &path)?
            .filter_map(|epoch| inspect(&dir, &path, stream, epoch))
            .collect();
        epochs.sort_unstable_by_key(|existing| existing.epoch);
        Ok(epochs)
    }

    /// The highest epoch of any stream that has a directory: the next one must be higher.
    pub fn highest_epoch(&self) -> Result<Option<Epoch>, ExistingError> {
        let mut highest = None;
        for stream in self.streams()? {
            let last = self.epochs(stream)?.last().map(|existing| existing.epoch);
            highest = highest.max(last);
        }
        Ok(highest)
    }

    /// Removes an epoch's region files and directory, and the stream's directory if that leaves it
    /// empty. Touches nothing but region files: a directory with anything else in it stays, and is
    /// an error. An epoch that does not exist is removed already.
    pub fn remove_epoch(&self, stream: StreamId, epoch: Epoch) -> Result<(), ExistingError> {
        let stream_path = self.path().join(stream.to_string());
        let path = stream_path.join(epoch.to_string());
        let open = || {
            let parent = open_dir(self.dir(), &*stream.to_string())?;
            let dir = open_dir(&parent, &*epoch.to_string())?;
            Ok((parent, dir))
        };
        match open() {
            Ok((parent, dir)) => remove_dir(&parent, &dir, &path)?,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(error("open directory", &path, errno)),
        }
        remove_empty_parent(self, stream);
        Ok(())
    }
}

/// The decimal numbers among the names in a directory.
fn numbers(dir: impl AsFd, path: &Path) -> Result<impl Iterator<Item = u64>, ExistingError> {
    Ok(names(dir)
        .map_err(|errno| error("list", path, errno))?
        .into_iter()
        .filter_map(|name| {
            let number: u64 = name.parse().ok()?;
            // Only the canonical spelling: "007" and "+7" are somebody else's.
            (number.to_string() == name).then_some(number)
        }))
}

fn names(dir: impl AsFd) -> rustix::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str()
            && name != "."
            && name != ".."
        {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn inspect(
    stream_dir: &OwnedFd,
    stream_path: &Path,
    stream: StreamId,
    epoch: u64,
) -> Option<ExistingEpoch> {
    let name = epoch.to_string();
    let dir = open_dir(stream_dir, &*name).ok()?;
    let allocated_bytes = names(&dir)
        .unwrap_or_default()
        .iter()
        .filter_map(|file| rustix::fs::statat(&dir, &**file, AtFlags::SYMLINK_NOFOLLOW).ok())
        .map(|stat| stat.st_blocks.cast_unsigned().saturating_mul(512))
        .sum();
    Some(ExistingEpoch {
        stream,
        epoch: Epoch::new(epoch),
        path: stream_path.join(name),
        superblock: read_superblock(&dir),
        allocated_bytes,
    })
}

fn read_superblock(dir: &OwnedFd) -> Option<ShmRegionSuperblock> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, HEADER_FILE, flags, Mode::empty()).ok()?;
    if !is_regular(dir, HEADER_FILE) {
        return None;
    }
    let mut bytes = [0; SUPERBLOCK_LEN];
    let len = rustix::io::pread(&fd, &mut bytes, 0).ok()?;
    (len == SUPERBLOCK_LEN)
        .then(|| ShmRegionSuperblock::decode(&bytes).ok())
        .flatten()
}

/// Removes the region files in `dir`, then `dir` itself from `parent`.
pub(super) fn remove_dir(
    parent: impl AsFd,
    dir: impl AsFd,
    path: &Path,
) -> Result<(), ExistingError> {
    for name in names(&dir).map_err(|errno| error("list", path, errno))? {
        if is_region_file(&name) && is_regular(&dir, &name) {
            match rustix::fs::unlinkat(&dir, &*name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(error("remove", &path.join(name), errno)),
            }
        }
    }
    let name = path.file_name().unwrap_or_default();
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(error("remove directory", path, errno)),
    }
}

/// Removes a stream's directory if it is empty; if not, it is not our business.
pub(super) fn remove_empty_parent(root: &NamespaceRoot, stream: StreamId) {
    let _ = rustix::fs::unlinkat(root.dir(), &*stream.to_string(), AtFlags::REMOVEDIR);
}

// [TP-SHM-1370]
fn is_region_file(name: &str) -> bool {
    name == HEADER_FILE
        || name.strip_suffix(".pool").is_some_and(|id| {
            id.parse::<u16>()
                .is_ok_and(|number| number.to_string() == id)
        })
}

fn error(what: &'static str, path: &Path, errno: Errno) -> ExistingError {
    ExistingError {
        what,
        path: path.to_owned(),
        source: errno.into(),
    }
}

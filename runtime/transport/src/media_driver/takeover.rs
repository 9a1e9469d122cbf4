//! Whether a directory is free for a media driver: empty, or left by one that is dead.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::link::core::{FileId, Observation, ProcessState};
use crate::link::watcher::{Watcher, file_id};

use super::embedded::MediaDriverError;

/// Held exclusively by a media driver of ours for as long as it lives, so that the kernel tells a dead one
/// from a stopped one, across pid namespaces too. Goes with the directory.
const LOCK_FILE: &str = "tensorpool-media-driver.lock";

/// What a media driver puts into its directory.
const AERON_ENTRIES: [&str; 5] = [
    "cnc.dat",
    "loss-report.dat",
    "publications",
    "images",
    LOCK_FILE,
];

/// How long a driver that is not ours, and whose process cannot be seen, is watched for a heartbeat.
const WATCH: Duration = Duration::from_millis(2_500);

/// Keeps two media drivers from starting in one directory at the same time: each would take the other's
/// half-made files for a dead one's. Lies beside the directory, and only while one starts.
#[derive(Debug)]
pub(crate) struct StartGuard {
    path: PathBuf,
    _lock: File,
}

impl StartGuard {
    /// Longer than any start takes.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// Waits for another start to end.
    pub(crate) fn acquire(dir: &Path) -> io::Result<Self> {
        let mut name = dir.file_name().unwrap_or_default().to_owned();
        name.push(".starting");
        let path = dir.with_file_name(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let deadline = Instant::now() + Self::PATIENCE;
        loop {
            let lock = open_lock_file(&path)?;
            // Whoever held it has removed it: then the lock is on a file that nobody else will find.
            if try_lock(&lock) && is_at(&lock, &path) {
                return Ok(Self { path, _lock: lock });
            }
            if Instant::now() > deadline {
                let text = format!(
                    "another media driver has been starting for too long ({path:?} is locked)"
                );
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for StartGuard {
    fn drop(&mut self) {
        // Before the lock is released; a leftover does no harm, it is locked anew.
        let _ = fs::remove_file(&self.path);
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let Ok(stat) = rustix::fs::fstat(file) else {
        return false;
    };
    file_id(path)
        == Some(FileId {
            device: stat.st_dev,
            inode: stat.st_ino,
        })
}

fn open_lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
}

/// Makes the directory free or says why it is not.
pub(crate) fn prepare(dir: &Path, delete_stale: bool) -> Result<(), MediaDriverError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(MediaDriverError::Dir {
                dir: dir.into(),
                source,
            });
        }
    };
    let names: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name())
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    // Aeron would delete whatever is in its directory.
    let foreign = |name: &&std::ffi::OsString| {
        let name = name.to_string_lossy();
        !AERON_ENTRIES.contains(&&*name) && !name.ends_with("-error.log")
    };
    if let Some(name) = names.iter().find(foreign) {
        return Err(MediaDriverError::NotAeron {
            dir: dir.into(),
            entry: PathBuf::from(name),
        });
    }
    // [TP-RT-1030]
    if let Some(pid) = live_driver(dir) {
        return Err(MediaDriverError::DriverIsRunning {
            dir: dir.into(),
            pid,
        });
    }
    if !delete_stale {
        return Err(MediaDriverError::Stale { dir: dir.into() });
    }
    fs::remove_dir_all(dir).map_err(|source| MediaDriverError::Dir {
        dir: dir.into(),
        source,
    })
}

/// The process of the driver that lives in a directory.
/// [TP-RT-1030]
fn live_driver(dir: &Path) -> Option<i64> {
    let mut watcher = Watcher::new(dir);
    let observation = watcher.observe();
    let pid = match &observation {
        Observation::Present { pid, .. } => *pid,
        Observation::Missing | Observation::Denied(_) | Observation::Unusable(_) => 0,
    };
    if let Ok(lock) = File::open(dir.join(LOCK_FILE)) {
        return (!try_lock(&lock)).then_some(pid);
    }
    let deadline = Instant::now() + WATCH;
    is_beating(&mut watcher, &observation, deadline).then_some(pid)
}

/// Whether a driver that is not ours beats: at once when its process can be seen and has beaten lately,
/// otherwise when its heartbeat changes before the deadline.
fn is_beating(watcher: &mut Watcher, first: &Observation, deadline: Instant) -> bool {
    let Observation::Present {
        file,
        process,
        heartbeat_ms,
        realtime_ms,
        ..
    } = *first
    else {
        return false;
    };
    if heartbeat_ms <= 0 || process == ProcessState::Gone {
        return false;
    }
    let watch_ms = u64::try_from(WATCH.as_millis()).unwrap_or(u64::MAX);
    let is_recent = realtime_ms.abs_diff(heartbeat_ms) <= watch_ms;
    if process == ProcessState::Running && is_recent {
        return true;
    }
    if process == ProcessState::Unknown && !is_recent {
        return false;
    }
    while Instant::now() < deadline {
        match watcher.observe() {
            Observation::Present {
                file: now_file,
                heartbeat_ms: now_ms,
                ..
            } => {
                if now_file != file || now_ms != heartbeat_ms {
                    return now_ms > 0;
                }
            }
            Observation::Missing | Observation::Denied(_) | Observation::Unusable(_) => {
                return false;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Marks the directory as taken by this process; the lock ends with the file that is returned.
pub(crate) fn lock(dir: &Path) -> io::Result<(File, Option<FileId>)> {
    let lock = open_lock_file(&dir.join(LOCK_FILE))?;
    if !try_lock(&lock) {
        return Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "another media driver holds the directory's lock",
        ));
    }
    Ok((lock, file_id(&dir.join("cnc.dat"))))
}

fn try_lock(file: &File) -> bool {
    flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()
}

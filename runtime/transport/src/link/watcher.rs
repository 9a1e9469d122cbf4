//! Looks at a media driver's directory: which CnC file is there, does its driver beat, does its process live.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Access;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::native::cnc::NativeCnc;

use super::config::c_path;
use super::core::{FileId, Observation, ProcessState};

/// Keeps the CnC file that is there mapped, and a handle of its process.
#[derive(Debug)]
pub(crate) struct Watcher {
    dir: CString,
    cnc_path: PathBuf,
    view: Option<View>,
}

#[derive(Debug)]
struct View {
    file: FileId,
    cnc: NativeCnc,
    pid: i64,
    /// Tells when the process ends, a zombie and a reused pid included. None when it cannot be seen.
    process: Option<OwnedFd>,
}

impl Watcher {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: c_path(dir).unwrap_or_default(),
            cnc_path: dir.join("cnc.dat"),
            view: None,
        }
    }

    /// One look: a `stat`, a load and a `poll`; a changed file is mapped.
    pub(crate) fn observe(&mut self) -> Observation {
        let Some(file) = file_id(&self.cnc_path) else {
            self.view = None;
            return self.denied().unwrap_or(Observation::Missing);
        };
        if self.view.as_ref().is_none_or(|view| view.file != file) {
            self.view = None;
            match self.open(file) {
                Ok(view) => self.view = Some(view),
                Err(reason) => {
                    return self.denied().unwrap_or(Observation::Unusable(reason));
                }
            }
        }
        let Some(view) = &self.view else {
            return Observation::Missing;
        };
        Observation::Present {
            file,
            pid: view.pid,
            process: view.process_state(),
            heartbeat_ms: view.cnc.heartbeat_ms(),
            realtime_ms: realtime_ms(),
        }
    }

    /// The file of the last observation.
    pub(crate) fn file(&self) -> Option<FileId> {
        self.view.as_ref().map(|view| view.file)
    }

    fn denied(&self) -> Option<Observation> {
        denial(&self.cnc_path, Access::READ_OK).map(Observation::Denied)
    }

    /// Why this user may not be a client, if that is so: clients write the CnC file as well.
    pub(crate) fn denied_use(&self) -> Option<String> {
        denial(&self.cnc_path, Access::READ_OK | Access::WRITE_OK)
    }

    /// Why this user may not open the logs of publications or of images, if that is so: clients write
    /// both. Aeron says no more than that it failed. Of logs that went with the attempt their directory
    /// tells, which has the rights they had.
    pub(crate) fn denied_logs(&self) -> Option<String> {
        let wanted = Access::READ_OK | Access::WRITE_OK;
        ["publications", "images"].iter().find_map(|name| {
            let dir = self.cnc_path.with_file_name(name);
            let logs = std::fs::read_dir(&dir).ok();
            let mut logs = logs.into_iter().flatten().flatten().peekable();
            match logs.peek() {
                Some(_) => logs.find_map(|log| denial(&log.path(), wanted)),
                None => denial(&dir, wanted | Access::EXEC_OK),
            }
        })
    }

    fn open(&self, file: FileId) -> Result<View, String> {
        let cnc = NativeCnc::open(&self.dir).map_err(|error| error.to_string())?;
        if file_id(&self.cnc_path) != Some(file) {
            return Err("it was replaced while it was opened".into());
        }
        let pid = cnc.constants().pid;
        Ok(View {
            file,
            cnc,
            pid,
            process: open_process(pid),
        })
    }
}

impl View {
    fn process_state(&self) -> ProcessState {
        match &self.process {
            None => ProcessState::Unknown,
            Some(process) if has_ended(process) => ProcessState::Gone,
            Some(_) => ProcessState::Running,
        }
    }
}

/// Why this user may not use a file or directory of a media driver like this, if that is so.
pub(crate) fn denial(path: &Path, wanted: Access) -> Option<String> {
    if rustix::fs::access(path, wanted) != Err(Errno::ACCESS) {
        return None;
    }
    // Whatever cannot be looked at is hidden by the directory before it.
    let (at, found) = path
        .ancestors()
        .find_map(|at| Some((at, at.symlink_metadata().ok()?)))?;
    Some(format!(
        "{} belongs to uid {}, gid {} and has mode {:04o}, which refuses uid {}; run the media driver with \
         umask 007 in a directory of a group that both users are in (chgrp, chmod g+s)",
        at.display(),
        found.uid(),
        found.gid(),
        found.mode() & 0o7777,
        rustix::process::geteuid().as_raw()
    ))
}

/// Which file a path names now.
pub(crate) fn file_id(path: &Path) -> Option<FileId> {
    let stat = rustix::fs::stat(path).ok()?;
    Some(FileId {
        device: stat.st_dev,
        inode: stat.st_ino,
    })
}

/// A handle of a running process that can be seen from here.
pub(crate) fn open_process(pid: i64) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(pid).ok().filter(|&pid| pid > 0)?)?;
    pidfd_open(pid, PidfdFlags::empty())
        .ok()
        .filter(|process| !has_ended(process))
}

fn has_ended(process: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    matches!(poll(&mut fds, Some(&at_once)), Ok(count) if count > 0)
}

/// The realtime clock, as Aeron's heartbeats use it.
pub(crate) fn realtime_ms() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

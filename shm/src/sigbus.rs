//! Surviving a region that is truncated while it is mapped.
//!
//! Touching a page beyond a file's new end raises SIGBUS, and so does the first touch of a sparse
//! page when the file system is full. Files on tmpfs cannot be sealed against truncation by their
//! owner, so a peer could kill every process that maps its memory. The handler installed here (with
//! the first mapping) looks whether the faulting address lies in one of our mappings. If so it
//! marks that mapping poisoned, puts private zero pages over the rest of the region and returns;
//! every validation then fails with "poisoned". Anything else goes to the handler that was there
//! before, or to the default action.
//!
//! A program that wants SIGBUS for itself calls [`opt_out`] first. A handler installed later over
//! ours takes our place unless it chains.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::io;
use std::sync::{Arc, OnceLock};

use thiserror::Error;

mod handler;
mod registry;

pub use registry::CAPACITY;
pub(crate) use registry::Registration;

/// What became of a mapping: zero while all is well. Shared by all its regions and read by every
/// validation.
#[derive(Debug, Default)]
pub(crate) struct Status(AtomicU32);

impl Status {
    pub(crate) const REVOKED: u32 = 1;
    pub(crate) const POISONED: u32 = 2;

    /// Sets a flag for good. Async-signal-safe.
    #[inline]
    pub(crate) fn set(&self, flag: u32) {
        // SeqCst: whoever sees a zero page that replaced foreign memory must see the flag set
        // before it.
        self.0.fetch_or(flag, Ordering::SeqCst);
    }

    /// The flags set so far.
    #[inline]
    pub(crate) fn flags(&self) -> u32 {
        // Acquire: a flag seen here was set before anything that depends on it below.
        self.0.load(Ordering::Acquire)
    }
}

/// Why a mapping cannot be protected.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProtectError {
    /// The handler could not be installed.
    #[error("cannot install the SIGBUS handler: {source}")]
    Install {
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Too many regions are mapped in this process.
    #[error(
        "more than {CAPACITY} shared regions are mapped in this process: unmap some, or call \
         tensorpool_shm::sigbus::opt_out() before the first mapping"
    )]
    Full,
}

static OPTED_OUT: AtomicBool = AtomicBool::new(false);

/// Leaves SIGBUS alone: a truncated region then kills the process. Call before anything is mapped;
/// mappings that exist keep their protection.
pub fn opt_out() {
    OPTED_OUT.store(true, Ordering::SeqCst);
}

/// Registers `len` bytes at `start` so that faults in them set `status` to poisoned; installs the
/// handler if need be. `None` when the program opted out.
pub(crate) fn protect(
    start: usize,
    len: usize,
    page_len: usize,
    writable: bool,
    status: &Arc<Status>,
) -> Result<Option<Registration>, ProtectError> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    if OPTED_OUT.load(Ordering::SeqCst) {
        return Ok(None);
    }
    let installed = INSTALLED
        .get_or_init(|| handler::install().map_err(|error| error.raw_os_error().unwrap_or(0)));
    if let Err(code) = installed {
        return Err(ProtectError::Install {
            source: io::Error::from_raw_os_error(*code),
        });
    }
    registry::register(start, len, page_len, writable, status)
        .map(Some)
        .ok_or(ProtectError::Full)
}

#[cfg(test)]
mod tests;

//! The table of protected mappings: lock-free, of fixed capacity, readable from a signal handler.
//!
//! Entries are written by whoever maps and unmaps. The handler reads all of them, but only ever
//! acts on one that covers the address its own thread is accessing, and whoever accesses a mapping
//! keeps it alive: that entry cannot change meanwhile. The version word keeps it from acting on
//! another one that is just changing.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::Arc;

use super::Status;

/// How many regions one process can protect at a time.
pub const CAPACITY: usize = 16 * 1024;

/// One protected mapping. `version` is even while the entry is free or being changed, so that a
/// free table is all zero and takes no room in the binary.
struct Entry {
    taken: AtomicBool,
    writable: AtomicBool,
    version: AtomicU64,
    start: AtomicUsize,
    len: AtomicUsize,
    page_len: AtomicUsize,
    status: AtomicPtr<Status>,
}

impl Entry {
    const fn free() -> Self {
        Self {
            taken: AtomicBool::new(false),
            writable: AtomicBool::new(false),
            version: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            page_len: AtomicUsize::new(0),
            status: AtomicPtr::new(core::ptr::null_mut()),
        }
    }
}

static TABLE: [Entry; CAPACITY] = [const { Entry::free() }; CAPACITY];
/// No entry at or above this index was ever taken.
static HIGH_WATER: AtomicUsize = AtomicUsize::new(0);
/// Where to look for a free entry first.
static HINT: AtomicUsize = AtomicUsize::new(0);

/// A protected mapping; dropping it, before unmapping, ends the protection.
#[derive(Debug)]
pub(crate) struct Registration {
    index: usize,
    /// Keeps the status alive that the entry points to.
    _status: Arc<Status>,
}

/// What the handler needs to know of the mapping around an address.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) page_len: usize,
    pub(super) writable: bool,
    pub(super) status: *const Status,
}

pub(super) fn register(
    start: usize,
    len: usize,
    page_len: usize,
    writable: bool,
    status: &Arc<Status>,
) -> Option<Registration> {
    let hint = HINT.load(Ordering::Relaxed);
    let index = (0..CAPACITY).map(|i| (hint + i) % CAPACITY).find(|index| {
        let taken = &TABLE[*index].taken;
        !taken.load(Ordering::Relaxed) && !taken.swap(true, Ordering::Acquire)
    })?;
    HINT.store(index + 1, Ordering::Relaxed);
    HIGH_WATER.fetch_max(index + 1, Ordering::SeqCst);
    let entry = &TABLE[index];
    // Orders the end of the entry's last life before the stores below: whoever sees one of these
    // sees a newer version, too.
    fence(Ordering::Release);
    entry.start.store(start, Ordering::Relaxed);
    entry.len.store(len, Ordering::Relaxed);
    entry.page_len.store(page_len, Ordering::Relaxed);
    entry.writable.store(writable, Ordering::Relaxed);
    entry
        .status
        .store(Arc::as_ptr(status).cast_mut(), Ordering::Relaxed);
    // Odd: valid from here on, with everything stored above.
    entry.version.fetch_add(1, Ordering::Release);
    Some(Registration {
        index,
        _status: Arc::clone(status),
    })
}

impl Drop for Registration {
    fn drop(&mut self) {
        let entry = &TABLE[self.index];
        // Even: invalid from here on; the fence keeps later stores to the entry behind it.
        entry.version.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
        entry.status.store(core::ptr::null_mut(), Ordering::Relaxed);
        entry.taken.store(false, Ordering::Release);
        HINT.store(self.index, Ordering::Relaxed);
    }
}

/// The mapping that covers `address`. Async-signal-safe.
pub(super) fn find(address: usize) -> Option<Found> {
    let used = HIGH_WATER.load(Ordering::SeqCst).min(CAPACITY);
    TABLE[..used].iter().find_map(|entry| {
        let version = entry.version.load(Ordering::Acquire);
        if version & 1 == 0 {
            return None;
        }
        let found = Found {
            start: entry.start.load(Ordering::Relaxed),
            len: entry.len.load(Ordering::Relaxed),
            page_len: entry.page_len.load(Ordering::Relaxed),
            writable: entry.writable.load(Ordering::Relaxed),
            status: entry.status.load(Ordering::Relaxed),
        };
        // Orders the loads above before the second look at the version.
        fence(Ordering::Acquire);
        let stable = entry.version.load(Ordering::Relaxed) == version;
        (stable && address.wrapping_sub(found.start) < found.len).then_some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_while_its_mapping_is_registered() {
        // Addresses no mapping of this process has: the first page is never mapped.
        let (start, len) = (64, 128);
        let status = Arc::new(Status::default());
        assert!(find(start).is_none());
        let registration = register(start, len, 4096, true, &status).unwrap();
        let found = find(start + len - 1).unwrap();
        assert_eq!((found.start, found.len, found.page_len), (start, len, 4096));
        assert!(found.writable);
        assert_eq!(found.status, Arc::as_ptr(&status));
        assert!(find(start + len).is_none() && find(start - 1).is_none());
        drop(registration);
        assert!(find(start).is_none());
    }
}

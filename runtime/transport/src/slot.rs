//! How a native handle gets from the link to the application's handle and back.
//!
//! The native publication or subscription is *owned* by the application's handle, so that offering and
//! polling take no lock: one relaxed load of the slot's word tells whether the link has changed anything.
//! When it has, the handle (on its own thread, at its next call) takes the slot's mutex once, picks up what
//! the link left there, and posts the old native handle to the link's [`Returns`], which closes it on its
//! own thread.
//!
//! ```text
//!  link thread                          slot                      application thread
//!  add is answered ── put(native) ──▶ [native] word += 1 ──▶ word changed: take native, post the old one
//!  driver lost ────── withdraw() ───▶ [ empty] word += 1 ──▶ word changed: post the old one, LinkDown
//! ```
//!
//! A handle holds one native handle at a time, so there are never more retired clients than handles, however
//! often the link is rebuilt under handles that nobody uses.
//!
//! The load may be relaxed: a stale value only means that the old native handle is used a little longer,
//! which its own reference to its client keeps valid; everything the handle picks up is ordered by the
//! mutex.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::native::publication::NativePublication;
use crate::native::subscription::NativeSubscription;

/// Why there is no native handle, or that there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotStatus {
    /// No media driver.
    LinkDown,
    /// Asked for, or refused and to be asked for again.
    Registering,
    /// In the slot or with the handle.
    Live,
    /// The link was closed.
    Closed,
}

/// Shared between a handle and the link's entry for it.
#[derive(Debug)]
pub(crate) struct Slot<N> {
    word: AtomicU32,
    inner: Mutex<SlotInner<N>>,
}

#[derive(Debug)]
struct SlotInner<N> {
    native: Option<N>,
    status: SlotStatus,
}

impl<N> Slot<N> {
    pub(crate) fn new() -> Arc<Self> {
        let inner = SlotInner {
            native: None,
            status: SlotStatus::LinkDown,
        };
        Arc::new(Self {
            word: AtomicU32::new(0),
            inner: Mutex::new(inner),
        })
    }

    /// Link: offers a native handle; gives back one that was never picked up.
    pub(crate) fn put(&self, native: N) -> Option<N> {
        self.change(Some(native), SlotStatus::Live)
    }

    /// Link: says that there is none; gives back one that was never picked up.
    pub(crate) fn withdraw(&self, status: SlotStatus) -> Option<N> {
        self.change(None, status)
    }

    fn change(&self, native: Option<N>, status: SlotStatus) -> Option<N> {
        let mut inner = self.inner.lock();
        inner.status = status;
        let old = std::mem::replace(&mut inner.native, native);
        self.word.fetch_add(1, Ordering::Relaxed);
        old
    }
}

/// The application's end of a slot.
#[derive(Debug)]
pub(crate) struct Held<N: Returnable> {
    current: Option<N>,
    seen: u32,
    status: SlotStatus,
    slot: Arc<Slot<N>>,
    returns: Arc<Returns>,
    id: u64,
}

impl<N: Returnable> Held<N> {
    pub(crate) fn new(slot: Arc<Slot<N>>, returns: Arc<Returns>, id: u64) -> Self {
        let seen = slot.word.load(Ordering::Relaxed);
        Self {
            current: None,
            seen: seen.wrapping_sub(1),
            status: SlotStatus::LinkDown,
            slot,
            returns,
            id,
        }
    }

    /// The native handle to use now, or why there is none.
    #[inline]
    pub(crate) fn native(&mut self) -> Result<&mut N, SlotStatus> {
        if self.is_outdated() {
            self.exchange();
        }
        self.current.as_mut().ok_or(self.status)
    }

    /// Whether the link has changed something since the last call of [`Held::native`].
    #[inline]
    pub(crate) fn is_outdated(&self) -> bool {
        self.slot.word.load(Ordering::Relaxed) != self.seen
    }

    /// Which of the link's changes was picked up last: another value, another native handle (or none).
    #[inline]
    pub(crate) fn seen(&self) -> u32 {
        self.seen
    }

    /// What [`Held::native`] gave last, looked at without an exchange.
    #[inline]
    pub(crate) fn current(&self) -> Option<&N> {
        self.current.as_ref()
    }

    #[inline]
    pub(crate) fn current_mut(&mut self) -> Option<&mut N> {
        self.current.as_mut()
    }

    /// Aeron takes no more messages on the native handle: it goes back, and the link registers another.
    #[cold]
    pub(crate) fn renew(&mut self, status: SlotStatus) {
        if let Some(spent) = self.current.take() {
            self.status = status;
            self.returns.post(spent.into_returned());
            self.returns.post(Returned::Spent(self.id));
        }
    }

    /// Which entry of the link it belongs to.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    #[cold]
    fn exchange(&mut self) {
        let picked_up = {
            let mut inner = self.slot.inner.lock();
            self.seen = self.slot.word.load(Ordering::Relaxed);
            self.status = inner.status;
            inner.native.take()
        };
        if let Some(old) = std::mem::replace(&mut self.current, picked_up) {
            self.returns.post(old.into_returned());
        }
    }
}

impl<N: Returnable> Drop for Held<N> {
    fn drop(&mut self) {
        if let Some(native) = self.current.take() {
            self.returns.post(native.into_returned());
        }
        self.returns.post(Returned::Dropped(self.id));
    }
}

/// What handles send back to the link.
#[derive(Debug)]
pub(crate) enum Returned {
    Publication(NativePublication),
    Subscription(NativeSubscription),
    /// The handle of this entry needs another native handle.
    Spent(u64),
    /// The handle of this entry is gone.
    Dropped(u64),
}

/// Native handles that can be sent back.
pub(crate) trait Returnable: Send {
    fn into_returned(self) -> Returned;
}

impl Returnable for NativePublication {
    fn into_returned(self) -> Returned {
        Returned::Publication(self)
    }
}

impl Returnable for NativeSubscription {
    fn into_returned(self) -> Returned {
        Returned::Subscription(self)
    }
}

/// The queue back to the link. Used when a handle is exchanged or dropped, never per message.
#[derive(Debug)]
pub(crate) struct Returns {
    is_filled: AtomicBool,
    queue: Mutex<Option<Vec<Returned>>>,
}

impl Returns {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            is_filled: AtomicBool::new(false),
            queue: Mutex::new(Some(Vec::new())),
        })
    }

    /// Application: sends back. After the link is gone the native handle is let go here, and the last one of
    /// a client closes it here: see the native module's rule 4.
    pub(crate) fn post(&self, returned: Returned) {
        let mut queue = self.queue.lock();
        let too_late = match queue.as_mut() {
            Some(queue) => {
                queue.push(returned);
                self.is_filled.store(true, Ordering::Release);
                None
            }
            None => Some(returned),
        };
        drop(queue);
        drop(too_late);
    }

    /// Link: everything that came back since.
    pub(crate) fn take(&self) -> Vec<Returned> {
        if !self.is_filled.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut queue = self.queue.lock();
        self.is_filled.store(false, Ordering::Relaxed);
        queue.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Link: takes what came back and accepts nothing more.
    pub(crate) fn close(&self) -> Vec<Returned> {
        self.queue.lock().take().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stands for a native handle; comes back as its own number.
    #[derive(Debug, PartialEq)]
    struct Fake(u64);

    impl Returnable for Fake {
        fn into_returned(self) -> Returned {
            Returned::Dropped(self.0)
        }
    }

    fn numbers(returned: Vec<Returned>) -> Vec<u64> {
        let number = |returned| match returned {
            Returned::Dropped(number) => number,
            other => panic!("not a fake: {other:?}"),
        };
        returned.into_iter().map(number).collect()
    }

    const OWNER: u64 = u64::MAX;

    fn pair() -> (Arc<Slot<Fake>>, Arc<Returns>, Held<Fake>) {
        let (slot, returns) = (Slot::new(), Returns::new());
        let held = Held::new(Arc::clone(&slot), Arc::clone(&returns), OWNER);
        (slot, returns, held)
    }

    #[test]
    fn what_the_link_puts_is_picked_up_at_the_next_call_and_the_old_one_comes_back() {
        let (slot, returns, mut held) = pair();
        assert_eq!(held.native(), Err(SlotStatus::LinkDown));
        assert_eq!(slot.withdraw(SlotStatus::Registering), None);
        assert_eq!(held.native(), Err(SlotStatus::Registering));
        assert_eq!(slot.put(Fake(1)), None);
        assert_eq!(held.native(), Ok(&mut Fake(1)));
        let seen = held.seen();
        assert_eq!(slot.put(Fake(2)), None);
        assert!(held.is_outdated());
        assert_eq!(held.native(), Ok(&mut Fake(2)));
        assert_ne!(held.seen(), seen);
        assert_eq!(numbers(returns.take()), [1]);
    }

    #[test]
    fn a_spent_one_goes_back_once_and_the_next_takes_its_place() {
        let (slot, returns, mut held) = pair();
        slot.put(Fake(1));
        held.native().unwrap();
        held.renew(SlotStatus::Registering);
        held.renew(SlotStatus::Registering);
        assert_eq!(held.native(), Err(SlotStatus::Registering));
        let returned = returns.take();
        assert!(matches!(returned[..], [_, Returned::Spent(OWNER)]));
        slot.put(Fake(2));
        assert_eq!(held.native(), Ok(&mut Fake(2)));
        assert!(returns.take().is_empty());
    }

    #[test]
    fn what_was_not_picked_up_goes_back_to_the_link_directly() {
        let (slot, returns, mut held) = pair();
        slot.put(Fake(1));
        assert_eq!(slot.put(Fake(2)), Some(Fake(1)));
        assert_eq!(slot.withdraw(SlotStatus::LinkDown), Some(Fake(2)));
        assert_eq!(held.native(), Err(SlotStatus::LinkDown));
        assert!(returns.take().is_empty());
    }

    #[test]
    fn a_dropped_handle_sends_back_what_it_has_and_says_that_it_is_gone() {
        let (slot, returns, mut held) = pair();
        slot.put(Fake(1));
        held.native().unwrap();
        std::thread::spawn(move || drop(held)).join().unwrap();
        assert_eq!(numbers(returns.take()), [1, OWNER]);
        assert!(returns.take().is_empty());
    }

    #[test]
    fn after_the_link_is_gone_nothing_is_queued() {
        let (slot, returns, mut held) = pair();
        slot.put(Fake(1));
        held.native().unwrap();
        slot.withdraw(SlotStatus::Closed);
        assert!(returns.close().is_empty());
        assert_eq!(held.native(), Err(SlotStatus::Closed));
        drop(held);
        assert!(returns.take().is_empty() && returns.close().is_empty());
    }

    #[test]
    fn every_native_handle_comes_back_exactly_once_under_concurrent_change() {
        const COUNT: u64 = 20_000;
        let (slot, returns, mut held) = pair();
        let mut back = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(move || while held.native() != Err(SlotStatus::Closed) {});
            for number in 0..COUNT {
                back.extend(slot.put(Fake(number)).map(|fake| fake.0));
                if number % 3 == 0 {
                    back.extend(slot.withdraw(SlotStatus::LinkDown).map(|fake| fake.0));
                }
                back.extend(numbers(returns.take()));
            }
            back.extend(slot.withdraw(SlotStatus::Closed).map(|fake| fake.0));
        });
        back.extend(numbers(returns.take()));
        back.sort_unstable();
        assert_eq!(back.pop(), Some(OWNER), "the handle says that it is gone");
        assert_eq!(back, (0..COUNT).collect::<Vec<_>>());
    }
}

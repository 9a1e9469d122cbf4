//! An agent's counters as labelled Aeron counters, where every tool looks for them.
//!
//! Values are copied from the agent's cells at an interval, on the link's thread: agents never touch Aeron's
//! memory. Type ids, labels and keys are those of the [`CounterSet`].

use std::sync::Arc;

use tensorpool_runtime::counters::{CounterEntry, CounterSet};

use crate::link::LinkEvent;
use crate::link::ResourceKind;
use crate::link::table::Resource;
use crate::native::client::{Added, ClientDriver};
use crate::native::counter::{NativeCounter, PendingCounter};
use crate::native::error::NativeError;
use crate::slot::{Returned, Returns, SlotStatus};

/// Keeps the counters of one agent published; dropping it, on any thread, frees them in the media driver.
///
/// Created by [`Link::publish_counters`](crate::Link::publish_counters). They are registered in a later duty
/// cycle, registered again after every rebuild, and end with the link.
#[derive(Debug)]
pub struct CounterPublisher {
    id: u64,
    count: usize,
    returns: Arc<Returns>,
}

impl CounterPublisher {
    pub(crate) fn new(id: u64, count: usize, returns: Arc<Returns>) -> Self {
        Self { id, count, returns }
    }

    /// How many counters it publishes.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

impl Drop for CounterPublisher {
    fn drop(&mut self) {
        self.returns.post(Returned::Dropped(self.id));
    }
}

/// One counter of the link.
#[derive(Debug)]
pub(crate) struct CounterResource {
    entry: CounterEntry,
    native: Option<NativeCounter>,
}

impl CounterResource {
    pub(crate) fn all_of(set: &CounterSet) -> impl Iterator<Item = Self> {
        set.entries().iter().map(|entry| Self {
            entry: entry.clone(),
            native: None,
        })
    }

    /// Copies the value.
    pub(crate) fn mirror(&self) {
        if let Some(native) = &self.native {
            native.set(self.entry.reader.get().cast_signed());
        }
    }
}

impl Resource for CounterResource {
    type Pending = PendingCounter;

    fn add(&mut self, driver: &mut ClientDriver) -> Result<PendingCounter, NativeError> {
        driver.add_counter(self.entry.type_id, &self.entry.key, &self.entry.label)
    }

    fn poll(
        &mut self,
        driver: &mut ClientDriver,
        pending: PendingCounter,
    ) -> Added<PendingCounter, ()> {
        match driver.poll_counter(pending) {
            Added::Pending(pending) => Added::Pending(pending),
            Added::Failed(error) => Added::Failed(error),
            Added::Ready(native) => {
                self.native = Some(native);
                self.mirror();
                Added::Ready(())
            }
        }
    }

    fn cancel(driver: &mut ClientDriver, pending: PendingCounter) {
        driver.cancel_counter(pending);
    }

    fn withdraw(&mut self, driver: Option<&mut ClientDriver>, _status: SlotStatus) {
        if let (Some(native), Some(driver)) = (self.native.take(), driver) {
            driver.close_counter(native);
        }
    }

    fn adapt(&mut self, _error: &NativeError) -> Option<LinkEvent> {
        None
    }

    fn describe(&self) -> (ResourceKind, String, i32) {
        (
            ResourceKind::Counter,
            self.entry.label.clone(),
            self.entry.type_id,
        )
    }
}

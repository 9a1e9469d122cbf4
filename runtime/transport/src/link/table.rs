//! The resources of one kind: asked for, answered, refused and asked for again. What kinds there are is not
//! known here.

use tensorpool_codecs::types::NanoTime;

use crate::native::client::{Added, ClientDriver};
use crate::native::error::NativeError;
use crate::slot::SlotStatus;

use super::event::{LinkEvent, ResourceKind};

/// What the three kinds do differently.
pub(crate) trait Resource {
    type Pending: std::fmt::Debug;

    /// Asks for it.
    fn add(&mut self, driver: &mut ClientDriver) -> Result<Self::Pending, NativeError>;
    /// Looks for the answer; a native handle goes where it belongs.
    fn poll(
        &mut self,
        driver: &mut ClientDriver,
        pending: Self::Pending,
    ) -> Added<Self::Pending, ()>;
    /// Gives up an add.
    fn cancel(driver: &mut ClientDriver, pending: Self::Pending);
    /// Takes back what was not picked up; closes it if the client is still driven.
    fn withdraw(&mut self, driver: Option<&mut ClientDriver>, status: SlotStatus);
    /// Changes what is asked for after a refusal, if that may help; says what was changed.
    fn adapt(&mut self, error: &NativeError) -> Option<LinkEvent>;
    /// Kind, channel and stream, for reports.
    fn describe(&self) -> (ResourceKind, String, i32);
}

#[derive(Debug)]
enum Phase<P> {
    /// To be asked for at a time, or as soon as there is a client.
    Waiting(NanoTime),
    Asked(P),
    Live,
}

#[derive(Debug)]
struct Entry<R: Resource> {
    owner_id: u64,
    resource: R,
    phase: Phase<R::Pending>,
    retry_ns: u64,
    /// Why it was refused, until it is registered.
    refusal: Option<String>,
}

/// All resources of one kind.
#[derive(Debug)]
pub(crate) struct Table<R: Resource> {
    entries: Vec<Entry<R>>,
    unsettled_count: usize,
    retry_min_ns: u64,
    retry_max_ns: u64,
}

impl<R: Resource> Table<R> {
    pub(crate) fn new((retry_min_ns, retry_max_ns): (u64, u64)) -> Self {
        Self {
            entries: Vec::new(),
            unsettled_count: 0,
            retry_min_ns,
            retry_max_ns,
        }
    }

    pub(crate) fn insert(&mut self, owner_id: u64, resource: R) {
        let phase = Phase::Waiting(NanoTime::new(0));
        self.entries.push(Entry {
            owner_id,
            resource,
            phase,
            retry_ns: self.retry_min_ns,
            refusal: None,
        });
        self.unsettled_count += 1;
    }

    /// Why the resource of an owner was refused; `None` when it was not.
    pub(crate) fn refusal(&self, owner_id: u64) -> Option<&str> {
        let mut refusals = self
            .entries
            .iter()
            .filter(|entry| entry.owner_id == owner_id);
        refusals.find_map(|entry| entry.refusal.as_deref())
    }

    /// A live resource of an owner is of no more use: it is asked for anew, after `prepare`, which says what
    /// happened.
    pub(crate) fn renew(
        &mut self,
        owner_id: u64,
        driver: &mut ClientDriver,
        prepare: impl FnOnce(&mut R) -> LinkEvent,
    ) -> Option<LinkEvent> {
        let is_meant = |entry: &&mut Entry<R>| {
            entry.owner_id == owner_id && matches!(entry.phase, Phase::Live)
        };
        let entry = self.entries.iter_mut().find(is_meant)?;
        entry.phase = Phase::Waiting(NanoTime::new(0));
        self.unsettled_count += 1;
        // One that was put there meanwhile is closed, not lost.
        entry
            .resource
            .withdraw(Some(driver), SlotStatus::Registering);
        Some(prepare(&mut entry.resource))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn live_count(&self) -> usize {
        self.entries.len() - self.unsettled_count
    }

    /// All resources, live or not.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &R> {
        self.entries.iter().map(|entry| &entry.resource)
    }

    /// One turn: asks, looks for answers. Gives the number of steps taken.
    pub(crate) fn do_work(
        &mut self,
        now: NanoTime,
        driver: &mut ClientDriver,
        on_event: &mut impl FnMut(LinkEvent),
    ) -> usize {
        if self.unsettled_count == 0 {
            return 0;
        }
        let retry_max_ns = self.retry_max_ns;
        let retry_min_ns = self.retry_min_ns;
        let mut work_count = 0;
        for entry in &mut self.entries {
            let answer = match std::mem::replace(&mut entry.phase, Phase::Live) {
                Phase::Live => continue,
                Phase::Waiting(at) if at > now => {
                    entry.phase = Phase::Waiting(at);
                    continue;
                }
                Phase::Waiting(_) => {
                    work_count += 1;
                    match entry.resource.add(driver) {
                        Ok(pending) => Added::Pending(pending),
                        Err(error) => Added::Failed(error),
                    }
                }
                Phase::Asked(pending) => entry.resource.poll(driver, pending),
            };
            match answer {
                Added::Pending(pending) => entry.phase = Phase::Asked(pending),
                Added::Ready(()) => {
                    entry.retry_ns = retry_min_ns;
                    entry.refusal = None;
                    self.unsettled_count -= 1;
                    work_count += 1;
                }
                Added::Failed(error) => {
                    entry.on_failure(now, &error, retry_max_ns, on_event);
                    work_count += 1;
                }
            }
        }
        work_count
    }

    /// The client is given up: everything is to be asked for again from the next one.
    /// [TP-RT-1020]
    pub(crate) fn on_link_down(&mut self) {
        for entry in &mut self.entries {
            entry.phase = Phase::Waiting(NanoTime::new(0));
            entry.retry_ns = self.retry_min_ns;
            entry.refusal = None;
            entry.resource.withdraw(None, SlotStatus::LinkDown);
        }
        self.unsettled_count = self.entries.len();
    }

    /// Gives up all resources of an owner; an unknown one has none of this kind.
    pub(crate) fn remove(&mut self, owner_id: u64, mut driver: Option<&mut ClientDriver>) {
        let is_owned = |entry: &Entry<R>| entry.owner_id == owner_id;
        while let Some(index) = self.entries.iter().position(is_owned) {
            let entry = self.entries.swap_remove(index);
            if !matches!(entry.phase, Phase::Live) {
                self.unsettled_count -= 1;
            }
            entry.close(driver.as_deref_mut());
        }
    }

    /// Gives up all.
    pub(crate) fn close(&mut self, mut driver: Option<&mut ClientDriver>) {
        for entry in self.entries.drain(..) {
            entry.close(driver.as_deref_mut());
        }
        self.unsettled_count = 0;
    }
}

impl<R: Resource> Entry<R> {
    fn on_failure(
        &mut self,
        now: NanoTime,
        error: &NativeError,
        retry_max_ns: u64,
        on_event: &mut impl FnMut(LinkEvent),
    ) {
        if let Some(changed) = self.resource.adapt(error) {
            self.phase = Phase::Waiting(now);
            on_event(changed);
            return;
        }
        let retry_in_ns = self.retry_ns;
        self.phase = Phase::Waiting(now.after_ns(retry_in_ns));
        self.retry_ns = (retry_in_ns * 2).min(retry_max_ns);
        let (kind, channel, stream_id) = self.resource.describe();
        let event = LinkEvent::AddFailed {
            kind,
            channel,
            stream_id,
            reason: error.to_string(),
            retry_in_ns,
        };
        self.refusal = Some(event.to_string());
        on_event(event);
    }

    fn close(mut self, mut driver: Option<&mut ClientDriver>) {
        if let (Phase::Asked(pending), Some(driver)) = (self.phase, driver.as_deref_mut()) {
            R::cancel(driver, pending);
        }
        self.resource.withdraw(driver, SlotStatus::Closed);
    }
}

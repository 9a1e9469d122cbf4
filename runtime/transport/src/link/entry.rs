//! One publication, subscription or counter of the link: asked for, answered, refused and asked for again.

use std::ffi::CString;
use std::sync::Arc;

use tensorpool_codecs::types::NanoTime;

use crate::channel::Channel;
use crate::native::client::{Added, ClientDriver};
use crate::native::error::NativeError;
use crate::native::publication::{NativePublication, PendingPublication};
use crate::native::subscription::{ImageCounters, NativeSubscription, PendingSubscription};
use crate::slot::{Slot, SlotStatus};

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

/// Whether the media driver refused because a log of the stream exists with another term length.
fn is_term_length_conflict(error: &NativeError) -> bool {
    error.message.contains("different 'term-length'")
}

#[derive(Debug)]
pub(crate) struct PublicationResource {
    given: Channel,
    asked: Channel,
    stream_id: i32,
    slot: Arc<Slot<NativePublication>>,
}

impl PublicationResource {
    pub(crate) fn new(
        channel: Channel,
        stream_id: i32,
        slot: Arc<Slot<NativePublication>>,
    ) -> Self {
        Self {
            asked: channel.clone(),
            given: channel,
            stream_id,
            slot,
        }
    }
}

impl Resource for PublicationResource {
    type Pending = PendingPublication;

    fn add(&mut self, driver: &mut ClientDriver) -> Result<PendingPublication, NativeError> {
        self.slot.withdraw(SlotStatus::Registering);
        driver.add_publication(&c_uri(&self.asked), self.stream_id)
    }

    fn poll(
        &mut self,
        driver: &mut ClientDriver,
        pending: PendingPublication,
    ) -> Added<PendingPublication, ()> {
        match driver.poll_publication(pending) {
            Added::Pending(pending) => Added::Pending(pending),
            Added::Failed(error) => Added::Failed(error),
            Added::Ready(native) => {
                if let Some(old) = self.slot.put(native) {
                    driver.close_publication(old);
                }
                Added::Ready(())
            }
        }
    }

    fn cancel(driver: &mut ClientDriver, pending: PendingPublication) {
        driver.cancel_publication(pending);
    }

    fn withdraw(&mut self, driver: Option<&mut ClientDriver>, status: SlotStatus) {
        self.asked = self.given.clone();
        if let (Some(old), Some(driver)) = (self.slot.withdraw(status), driver) {
            driver.close_publication(old);
        }
    }

    fn adapt(&mut self, error: &NativeError) -> Option<LinkEvent> {
        if !is_term_length_conflict(error) || self.asked.term_length().is_none() {
            return None;
        }
        self.asked = self.asked.clone().without_param("term-length");
        Some(LinkEvent::TermLengthDropped {
            channel: self.given.to_string(),
            stream_id: self.stream_id,
        })
    }

    fn describe(&self) -> (ResourceKind, String, i32) {
        (
            ResourceKind::Publication,
            self.asked.to_string(),
            self.stream_id,
        )
    }
}

#[derive(Debug)]
pub(crate) struct SubscriptionResource {
    channel: Channel,
    stream_id: i32,
    slot: Arc<Slot<NativeSubscription>>,
    images: Arc<ImageCounters>,
}

impl SubscriptionResource {
    pub(crate) fn new(
        channel: Channel,
        stream_id: i32,
        slot: Arc<Slot<NativeSubscription>>,
        images: Arc<ImageCounters>,
    ) -> Self {
        Self {
            channel,
            stream_id,
            slot,
            images,
        }
    }
}

impl Resource for SubscriptionResource {
    type Pending = PendingSubscription;

    fn add(&mut self, driver: &mut ClientDriver) -> Result<PendingSubscription, NativeError> {
        self.slot.withdraw(SlotStatus::Registering);
        driver.add_subscription(&c_uri(&self.channel), self.stream_id, &self.images)
    }

    fn poll(
        &mut self,
        driver: &mut ClientDriver,
        pending: PendingSubscription,
    ) -> Added<PendingSubscription, ()> {
        match driver.poll_subscription(pending) {
            Added::Pending(pending) => Added::Pending(pending),
            Added::Failed(error) => Added::Failed(error),
            Added::Ready(native) => {
                if let Some(old) = self.slot.put(native) {
                    driver.close_subscription(old);
                }
                Added::Ready(())
            }
        }
    }

    fn cancel(driver: &mut ClientDriver, pending: PendingSubscription) {
        driver.cancel_subscription(pending);
    }

    fn withdraw(&mut self, driver: Option<&mut ClientDriver>, status: SlotStatus) {
        if let (Some(old), Some(driver)) = (self.slot.withdraw(status), driver) {
            driver.close_subscription(old);
        }
    }

    fn adapt(&mut self, _error: &NativeError) -> Option<LinkEvent> {
        None
    }

    fn describe(&self) -> (ResourceKind, String, i32) {
        (
            ResourceKind::Subscription,
            self.channel.to_string(),
            self.stream_id,
        )
    }
}

/// A channel holds no NUL (see [`Channel`]), so this never yields the empty string.
fn c_uri(channel: &Channel) -> CString {
    CString::new(channel.to_string()).unwrap_or_default()
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
    id: u64,
    resource: R,
    phase: Phase<R::Pending>,
    retry_ns: u64,
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

    pub(crate) fn insert(&mut self, id: u64, resource: R) {
        let phase = Phase::Waiting(NanoTime::new(0));
        self.entries.push(Entry {
            id,
            resource,
            phase,
            retry_ns: self.retry_min_ns,
        });
        self.unsettled_count += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn live_count(&self) -> usize {
        self.entries.len() - self.unsettled_count
    }

    pub(crate) fn resources(&mut self) -> impl Iterator<Item = (u64, &mut R)> {
        self.entries
            .iter_mut()
            .map(|entry| (entry.id, &mut entry.resource))
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
    pub(crate) fn on_link_down(&mut self) {
        for entry in &mut self.entries {
            entry.phase = Phase::Waiting(NanoTime::new(0));
            entry.retry_ns = self.retry_min_ns;
            entry.resource.withdraw(None, SlotStatus::LinkDown);
        }
        self.unsettled_count = self.entries.len();
    }

    /// Gives up one resource; an unknown id is not of this kind.
    pub(crate) fn remove(&mut self, id: u64, driver: Option<&mut ClientDriver>) {
        let Some(index) = self.entries.iter().position(|entry| entry.id == id) else {
            return;
        };
        let entry = self.entries.swap_remove(index);
        if !matches!(entry.phase, Phase::Live) {
            self.unsettled_count -= 1;
        }
        entry.close(driver);
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
        on_event(LinkEvent::AddFailed {
            kind,
            channel,
            stream_id,
            reason: error.to_string(),
            retry_in_ns,
        });
    }

    fn close(mut self, mut driver: Option<&mut ClientDriver>) {
        if let (Phase::Asked(pending), Some(driver)) = (self.phase, driver.as_deref_mut()) {
            R::cancel(driver, pending);
        }
        self.resource.withdraw(driver, SlotStatus::Closed);
    }
}

#[cfg(test)]
mod tests {
    use super::{PublicationResource, Resource};
    use crate::channel::Channel;
    use crate::link::LinkEvent;
    use crate::native::error::NativeError;
    use crate::slot::Slot;

    fn refusal(message: &str) -> NativeError {
        NativeError {
            code: -22,
            message: message.into(),
        }
    }

    #[test]
    fn a_term_length_conflict_is_asked_again_without_the_parameter() {
        let channel = Channel::ipc().with_term_length(1 << 20).unwrap();
        let mut resource = PublicationResource::new(channel, 1000, Slot::new());
        let conflict = refusal(
            "existing publication has different 'term-length': existing=4194304 requested=1048576",
        );
        let event = resource.adapt(&conflict).unwrap();
        assert_eq!(
            event,
            LinkEvent::TermLengthDropped {
                channel: "aeron:ipc?term-length=1048576".into(),
                stream_id: 1000
            }
        );
        assert_eq!(resource.describe().1, "aeron:ipc");
        assert_eq!(
            resource.adapt(&conflict),
            None,
            "without the parameter there is nothing more to change"
        );

        resource.withdraw(None, super::SlotStatus::LinkDown);
        assert_eq!(
            resource.describe().1,
            "aeron:ipc?term-length=1048576",
            "another driver may accept it"
        );
    }

    #[test]
    fn other_refusals_change_nothing() {
        let channel = Channel::ipc().with_term_length(1 << 20).unwrap();
        let mut resource = PublicationResource::new(channel, 1000, Slot::new());
        assert_eq!(
            resource.adapt(&refusal("existing publication has different 'mtu'")),
            None
        );
    }
}

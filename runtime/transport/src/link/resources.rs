//! What the link keeps registered for an application: a publication or a subscription.

use std::ffi::CString;
use std::sync::Arc;

use crate::channel::Channel;
use crate::native::client::{Added, ClientDriver};
use crate::native::error::NativeError;
use crate::native::publication::{NativePublication, PendingPublication};
use crate::native::subscription::{ImageCounters, NativeSubscription, PendingSubscription};
use crate::slot::{Slot, SlotStatus};

use super::event::{LinkEvent, ResourceKind};
use super::table::Resource;

/// Where in the stream a publication begins.
const POSITION_PARAMS: [&str; 3] = ["init-term-id", "term-id", "term-offset"];

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

    /// The next one begins where Aeron likes: a position the channel named was used up with the last.
    pub(crate) fn renewed(&mut self) -> LinkEvent {
        let channel = self.given.to_string();
        for param in POSITION_PARAMS {
            self.given = self.given.clone().without_param(param);
        }
        self.asked = self.given.clone();
        LinkEvent::Renewed {
            channel,
            stream_id: self.stream_id,
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

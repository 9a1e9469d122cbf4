//! Subscribing: reassembled messages from all sessions of a stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::assembler::Assembler;
use crate::link::ResourceId;
use crate::native::subscription::{ImageCounters, NativeSubscription};
use crate::slot::Held;

/// How a subscription is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// Whether publishers wait for this subscription (Aeron's `tether`). Without it a publisher that fills
    /// its window drops the subscription from the stream for a while instead of stalling everybody else:
    /// right for descriptors, QoS and every tool, wrong for control streams whose messages must not be lost.
    pub tether: bool,
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self { tether: true }
    }
}

impl SubscriptionOptions {
    /// Publishers do not wait for it.
    pub const UNTETHERED: Self = Self { tether: false };
}

/// Where a message came from and where its stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentInfo {
    /// The publication's session.
    pub session_id: i32,
    /// The Aeron stream.
    pub stream_id: i32,
    /// The stream position after the message (its last fragment), in bytes.
    pub position: i64,
    /// The reserved value of the (first) frame; 0 unless the publisher sets it.
    pub reserved_value: i64,
}

/// A subscription to all sessions of a stream.
///
/// Belongs to one thread at a time: `Send`, not `Sync`. Created by [`Link::add_subscription`]; it becomes
/// live in a later duty cycle of the link, is replaced underneath when the link is rebuilt, and may be
/// dropped on any thread, before or after the link. It must be polled for as long as it exists: a tethered
/// subscription nobody polls stalls every publisher of its stream.
///
/// It joins an IPC stream where the slowest subscriber is, so it may see messages from before it was added.
///
/// [`Link::add_subscription`]: crate::Link::add_subscription
#[derive(Debug)]
pub struct Subscription {
    held: Held<NativeSubscription>,
    stream_id: i32,
    images: Arc<ImageCounters>,
    assembler: Assembler,
    /// Which native subscription the messages under way come from.
    assembled_from: u32,
    /// `images_down` when messages of images that went were last looked for.
    down_seen: u64,
}

impl Subscription {
    pub(crate) fn new(
        held: Held<NativeSubscription>,
        stream_id: i32,
        images: Arc<ImageCounters>,
    ) -> Self {
        Self {
            held,
            stream_id,
            images,
            assembler: Assembler::default(),
            assembled_from: 0,
            down_seen: 0,
        }
    }

    /// Calls `handler` once per whole message, with up to `limit` fragments read, whose number it returns (so
    /// that 0 means there was nothing to do, even while a long message is still coming in).
    ///
    /// Never blocks. Allocates only while the reassembly buffers grow to the longest message; messages of one
    /// fragment are passed on in place. A panic of `handler` ends the poll (the message counts as consumed)
    /// and goes on to the caller; the subscription stays usable.
    #[inline]
    pub fn poll<F: FnMut(&[u8], FragmentInfo)>(&mut self, limit: usize, mut handler: F) -> usize {
        let is_live = self.held.native().is_ok();
        if self.held.seen() != self.assembled_from {
            // Another native subscription, other sessions: what was under way never becomes whole.
            self.assembled_from = self.held.seen();
            self.assembler.clear();
        }
        let Some(native) = self.held.current_mut().filter(|_| is_live) else {
            return 0;
        };
        let assembler = &mut self.assembler;
        // [TP-RT-1040]
        let fragments = native.poll(limit, &mut |payload: &[u8], header| {
            assembler.on_fragment(payload, header, &mut handler);
        });
        if self.assembler.has_partial() {
            self.forget_partials_of_lost_images();
        }
        fragments
    }

    #[cold]
    fn forget_partials_of_lost_images(&mut self) {
        let down = self.images.down.load(Ordering::Relaxed);
        if down == self.down_seen {
            return;
        }
        self.down_seen = down;
        if let Ok(native) = self.held.native() {
            self.assembler
                .retain_partials(|session_id| native.has_image(session_id));
        }
    }

    /// How many publications it currently reads from; 0 while the link is down.
    pub fn image_count(&mut self) -> usize {
        self.held.native().map_or(0, |native| native.image_count())
    }

    /// Whether at least one publication is there to read from.
    pub fn is_connected(&mut self) -> bool {
        self.held.native().is_ok_and(|native| native.is_connected())
    }

    /// Whether it is registered with a media driver.
    pub fn is_live(&mut self) -> bool {
        self.held.native().is_ok()
    }

    /// How many images have come, since the handle was created. Never decreases.
    #[must_use]
    pub fn images_up(&self) -> u64 {
        self.images.up.load(Ordering::Relaxed)
    }

    /// How many images have gone. Images that went together with the link are not counted:
    /// [`LinkEvent::Lost`](crate::LinkEvent::Lost) tells of them.
    #[must_use]
    pub fn images_down(&self) -> u64 {
        self.images.down.load(Ordering::Relaxed)
    }

    /// How many images have gone before their end was read: this subscription is untethered and was left
    /// behind, or its publisher died. What came in between is missed. [TP-RT-1015]
    #[must_use]
    pub fn images_left_behind(&self) -> u64 {
        self.images.unread.load(Ordering::Relaxed)
    }

    /// Messages that never became whole, because their publication went or their fragments did not fit.
    #[must_use]
    pub fn incomplete_message_count(&self) -> u64 {
        self.assembler.incomplete_count()
    }

    /// The Aeron stream.
    #[must_use]
    pub fn stream_id(&self) -> i32 {
        self.stream_id
    }

    /// What the link knows it by, see [`Link::refusal`](crate::Link::refusal).
    #[must_use]
    pub fn resource_id(&self) -> ResourceId {
        ResourceId(self.held.id())
    }
}

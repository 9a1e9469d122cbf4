//! Publishing: an exclusive publication that outlives the media driver it was registered with.

use std::fmt;

use crate::link::ResourceId;
use crate::native::publication::NativePublication;
use crate::offer::Offer;
use crate::slot::{Held, SlotStatus};

/// How a publication is added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicationOptions {
    /// Leaves the channel as it is: otherwise `untethered-window-limit-timeout`, `untethered-linger-timeout`
    /// and `untethered-resting-timeout` are added to it unless it has them (see
    /// [`Channel::with_untethered_timeouts`](crate::Channel::with_untethered_timeouts)).
    pub plain_channel: bool,
}

/// An exclusive publication.
///
/// Belongs to one thread at a time: `Send`, not `Sync`. Created by [`Link::add_publication`]; it becomes
/// live in a later duty cycle of the link, is replaced underneath when the link is rebuilt, and may be
/// dropped on any thread, before or after the link.
///
/// [`Link::add_publication`]: crate::Link::add_publication
#[derive(Debug)]
pub struct Publication {
    held: Held<NativePublication>,
    stream_id: i32,
}

impl Publication {
    pub(crate) fn new(held: Held<NativePublication>, stream_id: i32) -> Self {
        Self { held, stream_id }
    }

    /// Copies a message into the log, in fragments if it must. Never blocks, never allocates.
    #[inline]
    pub fn offer(&mut self, message: &[u8]) -> Offer {
        match self.held.native() {
            Ok(native) if message.len() > native.max_message_len => Offer::TooLong,
            Ok(native) => {
                // [TP-RT-1040]
                let offer = Offer::of(native.offer(message));
                if offer.is_end() {
                    self.renew(offer);
                }
                offer
            }
            Err(status) => outcome_of(status),
        }
    }

    /// Aeron closed it, or its position can grow no further: the link registers another in its place.
    /// [TP-RT-0915]
    #[cold]
    fn renew(&mut self, end: Offer) {
        self.held.renew(match end {
            // Mostly it went with the client, which is found out in the link's next cycle.
            Offer::LinkDown => SlotStatus::LinkDown,
            _ => SlotStatus::Registering,
        });
    }

    /// Room for `len` bytes in the log itself, to be filled in place and committed. `len` is at most
    /// [`Publication::max_payload_len`]; longer messages go through [`Publication::offer`].
    ///
    /// # Errors
    /// Anything but [`Offer::Sent`].
    #[inline]
    pub fn try_claim(&mut self, len: usize) -> Result<PublicationClaim<'_>, Offer> {
        let native = self.held.native().map_err(outcome_of)?;
        if len > native.max_payload_len {
            return Err(Offer::TooLong);
        }
        // [TP-RT-1040]
        match Offer::of(native.try_claim(len)) {
            Offer::Sent { position } => Ok(PublicationClaim {
                held: &mut self.held,
                position,
            }),
            other => {
                if other.is_end() {
                    self.renew(other);
                }
                Err(other)
            }
        }
    }

    /// Whether the link is up and somebody subscribes. The first offers after that may still be
    /// [`Offer::BackPressured`]: the media driver makes room one duty cycle later.
    #[inline]
    pub fn is_connected(&mut self) -> bool {
        self.held.native().is_ok_and(|native| native.is_connected())
    }

    /// Whether it is registered with a media driver.
    #[inline]
    pub fn is_live(&mut self) -> bool {
        self.held.native().is_ok()
    }

    /// The longest message that can be claimed, in bytes; `None` while it is not registered.
    pub fn max_payload_len(&mut self) -> Option<usize> {
        self.held.native().ok().map(|native| native.max_payload_len)
    }

    /// The longest message that can be offered, in bytes; `None` while it is not registered.
    pub fn max_message_len(&mut self) -> Option<usize> {
        self.held.native().ok().map(|native| native.max_message_len)
    }

    /// The length of a term, in bytes; the window is half of it. `None` while it is not registered.
    pub fn term_len(&mut self) -> Option<usize> {
        self.held.native().ok().map(|native| native.term_len)
    }

    /// The session subscribers see; `None` while it is not registered, and another one after a rebuild.
    pub fn session_id(&mut self) -> Option<i32> {
        self.held.native().ok().map(|native| native.session_id)
    }

    /// The stream position after the last message, in bytes; `None` while it is not registered.
    pub fn position(&mut self) -> Option<i64> {
        self.held.native().ok().map(|native| native.position())
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

/// Room in the log, claimed and not published yet. Dropped without a commit it becomes padding.
///
/// Borrows its publication: there is one at a time, and none outlives it. A leaked claim (`mem::forget`) is
/// aborted by the publication's next call.
pub struct PublicationClaim<'a> {
    held: &'a mut Held<NativePublication>,
    position: i64,
}

impl PublicationClaim<'_> {
    /// The claimed bytes; what the log held before is not promised.
    #[inline]
    pub fn payload_mut(&mut self) -> &mut [u8] {
        self.held
            .current_mut()
            .map_or(&mut [], NativePublication::claimed_mut)
    }

    /// The claimed bytes.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.held.current().map_or(&[], NativePublication::claimed)
    }

    /// Publishes the message. [`Offer::LinkDown`] when the link was lost since the claim: then nobody gets it.
    #[inline]
    pub fn commit(self) -> Offer {
        let committed = self
            .held
            .current_mut()
            .is_some_and(NativePublication::commit_open_claim);
        // [TP-RT-0910]
        if !committed || self.held.is_outdated() {
            return Offer::LinkDown;
        }
        Offer::Sent {
            position: self.position,
        }
    }

    /// Gives the room back as padding; the same as dropping it.
    #[inline]
    pub fn abort(self) {}
}

impl Drop for PublicationClaim<'_> {
    #[inline]
    // [TP-RT-0980]
    fn drop(&mut self) {
        if let Some(native) = self.held.current_mut() {
            native.abort_open_claim();
        }
    }
}

impl fmt::Debug for PublicationClaim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicationClaim")
            .field("len", &self.payload().len())
            .field("position", &self.position)
            .finish()
    }
}

#[cold]
// [TP-RT-0910]
fn outcome_of(status: SlotStatus) -> Offer {
    match status {
        SlotStatus::LinkDown => Offer::LinkDown,
        SlotStatus::Registering | SlotStatus::Live => Offer::NotConnected,
        SlotStatus::Closed => Offer::Closed,
    }
}

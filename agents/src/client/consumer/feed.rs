//! Where a consumer's descriptors come from: the shared stream, one of its own, or both while it
//! changes over. Application's thread.
//!
//! ```text
//!   next:             ·   ·   ·  7  8  9      its first descriptor, 7, is held back
//!   current:  3   4   5   6   7   8           read up to that, or until it has no more
//!   the ring: (what neither told of)          read up to that
//!             ───────────────────────▶ 7, then next is current
//! ```
//! A producer tells of one frame on all of its streams before it tells of the next. So when a
//! descriptor is there on one stream, all earlier ones are there on the other: reading that first
//! delivers every frame once and in order.

use tensorpool_codecs::wire::FrameDescriptor;
use tensorpool_protocol::client::AeronEndpoint;
use tensorpool_transport::Subscription;

use super::frame::Frame;
use super::reader::Reader;

/// A subscription to descriptors.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) subscription: Subscription,
    /// `None` for the stream of everybody.
    pub(crate) own: Option<AeronEndpoint>,
    /// Whether what comes is a selection at the consumer's rate.
    pub(crate) rate_capped: bool,
}

/// What the conductor has a feed do.
#[derive(Debug)]
pub(crate) struct Change {
    /// The consumer's own stream, as assigned; `None` for the stream of everybody.
    pub(crate) assigned: Option<AeronEndpoint>,
    /// What to change over to, if that is not read already.
    pub(crate) source: Source,
}

/// One source of descriptors, and another one while it changes over.
#[derive(Debug)]
pub(crate) struct Feed {
    current: Source,
    next: Option<Source>,
    assigned: Option<AeronEndpoint>,
    /// The first descriptor of what is or was `next`.
    held: Option<[u8; FrameDescriptor::ENCODED_LEN]>,
}

impl Feed {
    /// Reads the stream of everybody.
    pub(crate) fn new(subscription: Subscription) -> Self {
        Self {
            current: Source {
                subscription,
                own: None,
                rate_capped: false,
            },
            next: None,
            assigned: None,
            held: None,
        }
    }

    /// Whether its subscription is registered.
    pub(crate) fn is_live(&mut self) -> bool {
        self.current.subscription.is_live()
    }

    /// Publications it hears.
    pub(super) fn image_count(&mut self) -> usize {
        let next = self.next.as_mut().map(|next| &mut next.subscription);
        self.current.subscription.image_count() + next.map_or(0, Subscription::image_count)
    }

    /// The own stream that frames come from, `None` for the shared one. While it changes over, the
    /// one before.
    pub(crate) fn own_stream(&self) -> Option<&AeronEndpoint> {
        self.current.own.as_ref()
    }

    /// Whether a change-over has come so far that another one has to wait for its end, which the
    /// next poll brings.
    pub(super) fn is_settling(&self) -> bool {
        self.held.is_some()
    }

    /// Whether its own stream, if one is assigned, has a publication.
    pub(super) fn hears_own(&mut self) -> Option<bool> {
        let assigned = self.assigned.as_ref()?;
        let sources = [Some(&mut self.current), self.next.as_mut()];
        sources
            .into_iter()
            .flatten()
            .find(|source| source.own.as_ref() == Some(assigned))
            .map(|source| source.subscription.is_connected())
    }

    /// Begins to change over. What is read already goes on, and what was to come is replaced.
    /// [TP-CLI-2193], [TP-CLI-2195], [TP-CLI-2196]
    pub(crate) fn change(&mut self, change: Change) {
        self.assigned = change.assigned;
        if self.current.own != change.source.own {
            self.next = Some(change.source);
        } else {
            // It never changed over, and goes on listening for what is still assigned.
            self.next.take_if(|next| next.own != self.assigned);
        }
    }

    /// Reads up to `limit` descriptors; gives their number, 0 when there are none.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        limit: usize,
        reader: &mut Reader<'_>,
        on_frame: &mut impl FnMut(&Frame<'_>),
    ) -> usize {
        if self.next.is_none() && self.held.is_none() {
            return self.current.subscription.poll(limit, |bytes, _| {
                reader.on_descriptor(bytes, on_frame);
            });
        }
        self.poll_both(limit, reader, on_frame)
    }

    #[cold]
    fn poll_both(
        &mut self,
        limit: usize,
        reader: &mut Reader<'_>,
        on_frame: &mut impl FnMut(&Frame<'_>),
    ) -> usize {
        let mut fragments = self.listen(limit, reader);
        let Some(held) = self.held else {
            return fragments
                + self.current.subscription.poll(limit, |bytes, _| {
                    reader.on_descriptor(bytes, on_frame);
                });
        };
        if self.next.is_some() {
            let mut is_reached = false;
            let drained = self.current.subscription.poll(limit, |bytes, _| {
                is_reached |= reader.reaches(bytes, &held);
                if !is_reached {
                    reader.on_descriptor(bytes, on_frame);
                }
            });
            fragments += drained;
            if drained > 0 && !is_reached {
                return fragments;
            }
            self.go_over();
            reader.ledger.set_rate_capped(false);
        }
        if reader.settle(&held, limit, on_frame) {
            self.held = None;
            reader.ledger.set_rate_capped(self.current.rate_capped);
        }
        fragments + 1
    }

    /// Looks for the first descriptor of the next source. Until then that source decides nothing,
    /// and nothing of it is counted.
    fn listen(&mut self, limit: usize, reader: &mut Reader<'_>) -> usize {
        let (Some(next), None) = (&mut self.next, self.held) else {
            return 0;
        };
        let mut fragments = 0;
        while self.held.is_none() && fragments < limit {
            let read = next.subscription.poll(1, |bytes, _| {
                self.held = reader.first_of(bytes);
            });
            if read == 0 {
                break;
            }
            fragments += read;
        }
        fragments
    }

    /// The next source is the current one. The consumer's own stays at hand when it only was silent.
    fn go_over(&mut self) {
        if let Some(next) = self.next.take() {
            let old = std::mem::replace(&mut self.current, next);
            let is_assigned = old.own.is_some() && old.own == self.assigned;
            self.next = is_assigned.then_some(old);
        }
    }
}

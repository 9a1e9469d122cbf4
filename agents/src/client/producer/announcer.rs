//! Tells consumers of frames that became visible: one descriptor each, in order, on the shared
//! stream and on those of consumers' own. Application's thread only.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tensorpool_codecs::types::{Epoch, MetaVersion, NanoTime, Seq, StreamId, TraceId};
use tensorpool_codecs::wire::FrameDescriptor;
use tensorpool_protocol::client::{StallChange, StallWatch};
use tensorpool_runtime::clock::monotonic_ns;
use tensorpool_shm::producer::{FrameMeta, Released};
use tensorpool_transport::{Offer, Publication};

use super::own_streams::OwnStreams;
use super::untold::Untold;
use crate::client::event::Event;
use crate::client::shared::{Events, ProducerShared};
use crate::client::stats::{ProducerCounters, ProducerStats};

pub(crate) const DESCRIPTOR_LEN: usize = FrameDescriptor::ENCODED_LEN;

/// How often a message is tried while the log is being rotated.
const ADMIN_ACTION_TRIES: u32 = 3;

/// Offers a message; again if it met the rotation of the log, which is over with that.
// [TP-CLI-2347]
#[inline]
pub(super) fn offer_past_rotation(publication: &mut Publication, message: &[u8]) -> Offer {
    let mut offer = publication.offer(message);
    for _ in 1..ADMIN_ACTION_TRIES {
        if offer != Offer::AdminAction {
            break;
        }
        offer = publication.offer(message);
    }
    offer
}

/// The same of a descriptor that is written where it is read: on its way through memory it would be
/// stored in small pieces and read back in larger ones, which waits for all stores before it.
#[inline]
fn offer_in_place(publication: &mut Publication, descriptor: &FrameDescriptor) -> Offer {
    let claimed = publication.try_claim(DESCRIPTOR_LEN).map(|mut claim| {
        if let Some(bytes) = claim.payload_mut().first_chunk_mut() {
            descriptor.encode_into(bytes);
        }
        claim.commit()
    });
    match claimed {
        Err(Offer::AdminAction | Offer::TooLong) => {
            offer_past_rotation(publication, &encoded(descriptor))
        }
        Ok(offer) | Err(offer) => offer,
    }
}

#[inline]
fn encoded(descriptor: &FrameDescriptor) -> [u8; DESCRIPTOR_LEN] {
    let mut bytes = [0; DESCRIPTOR_LEN];
    descriptor.encode_into(&mut bytes);
    bytes
}

/// What became of the announcement of a frame. The frame itself is committed in any case, and its
/// sequence number used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announced {
    /// Consumers are told.
    Sent,
    /// Nobody subscribes.
    NotConnected,
    /// A subscriber of the descriptor stream is a window behind and holds all others up. The next call
    /// tries once more; if another frame finds no room either, nobody is told of this one, and
    /// consumers count it as a gap.
    BackPressured,
    /// The media driver is gone: nobody is told until it is back.
    LinkDown,
    /// An older claim is still open: the frame becomes visible with that one's commit.
    HeldBack,
    /// Lossless: consumers will be told, later.
    Queued,
    /// Aeron refused; see the counters. Also when the publication reached its last position: another takes
    /// its place at once.
    Failed,
}

/// What consumers are told beyond the sequence number, kept per slot until the frame becomes
/// visible.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said {
    meta_version: Option<MetaVersion>,
    trace_id: Option<TraceId>,
}

impl Said {
    #[inline]
    pub(crate) fn of(slot: &FrameMeta<'_>, trace_id: Option<TraceId>) -> Self {
        Self {
            meta_version: slot.meta_version,
            trace_id,
        }
    }
}

/// The epoch frames are told of in, and what is to be said of each slot's frame.
#[derive(Debug)]
pub(super) struct Telling {
    pub(crate) stream_id: StreamId,
    pub(crate) epoch: Epoch,
    said: Box<[Said]>,
}

impl Telling {
    pub(crate) fn new(stream_id: StreamId, epoch: Epoch, slot_count: u32) -> Self {
        let said = vec![Said::default(); slot_count as usize].into_boxed_slice();
        Self {
            stream_id,
            epoch,
            said,
        }
    }

    #[inline]
    pub(crate) fn say(&mut self, seq: Seq, said: Said) {
        let index = seq.slot_index(self.said.len() as u32) as usize;
        self.said[index] = said;
    }

    #[inline]
    // [TP-CLI-1460]
    fn descriptor(&self, seq: Seq, published_ns: u64) -> FrameDescriptor {
        let said = &self.said[seq.slot_index(self.said.len() as u32) as usize];
        FrameDescriptor {
            stream_id: self.stream_id.get(),
            epoch: self.epoch.get(),
            seq: seq.get(),
            timestamp_ns: Some(published_ns),
            meta_version: said.meta_version.map(MetaVersion::get),
            trace_id: said.trace_id.map(TraceId::get),
        }
    }
}

/// The descriptor publication of one producer.
#[derive(Debug)]
pub(super) struct Announcer {
    pub(crate) publication: Publication,
    /// Lossless: descriptors that are still to be sent, oldest first. Otherwise that of the last frame,
    /// if it met back-pressure.
    pub(crate) unsent: VecDeque<[u8; DESCRIPTOR_LEN]>,
    /// Streams of consumers' own.
    pub(crate) own: OwnStreams,
    pub(crate) counters: ProducerCounters,
    channel: Arc<str>,
    stall: StallWatch,
    untold: Arc<Untold>,
    /// Stalls and their ends, for the application.
    pub(crate) events: Events,
    lossless: bool,
    slot_count: u32,
    /// Lossless: nobody subscribes, and still consumers have seen what they were not told of: they
    /// watch the header ring. Until somebody subscribes.
    is_watched: bool,
}

impl Announcer {
    pub(crate) fn new(
        (channel, publication): (Arc<str>, Publication),
        own: OwnStreams,
        counters: ProducerCounters,
        untold: Arc<Untold>,
        lossless: bool,
    ) -> Self {
        Self {
            publication,
            unsent: VecDeque::with_capacity(1),
            own,
            counters,
            channel,
            stall: StallWatch::default(),
            untold,
            events: Events::default(),
            lossless,
            slot_count: 0,
            is_watched: false,
        }
    }

    /// Whether a descriptor waits that must not be lost.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || self.own.has_unsent()
    }

    /// Lossless: whether frames wait that nobody was told of. What comes after them waits as well.
    #[inline]
    pub(super) fn is_behind(&self) -> bool {
        self.lossless && !self.unsent.is_empty()
    }

    pub(crate) fn stats(&self) -> ProducerStats {
        self.counters.stats(self.own.counters())
    }

    pub(crate) fn is_live(&mut self) -> bool {
        self.publication.is_live()
    }

    /// A new epoch: what was not sent belongs to the old one and is of no use.
    pub(crate) fn begin_epoch(&mut self, slot_count: u32) {
        self.unsent.clear();
        self.untold.clear();
        self.slot_count = slot_count;
        self.is_watched = false;
        if self.lossless {
            self.unsent.reserve(slot_count as usize);
        }
        self.own.begin_epoch(slot_count);
    }

    /// Sends the descriptors of the frames that became visible. Gives what became of the last one. `now` is
    /// the time, if it was just read.
    #[inline]
    pub(crate) fn announce(
        &mut self,
        shared: &ProducerShared,
        telling: &Telling,
        released: Released<'_>,
        now: Option<NanoTime>,
    ) -> Announced {
        let mut announced = Announced::HeldBack;
        // [TP-CLI-1410] [TP-CLI-1420] [TP-CLI-1430]
        for seq in released {
            // [TP-CLI-1450]
            let published_ns = now.unwrap_or_else(monotonic_ns).get();
            // In this order: who sees the sequence number sees a time that is not older.
            shared.published_ns.store(published_ns, Ordering::Release);
            shared.next_seq.set(seq.next().get());
            self.counters.frames_published.increment();
            let descriptor = telling.descriptor(seq, published_ns);
            // [TP-CLI-1410]
            announced = self.send(shared, seq, &descriptor);
            // Whatever became of the shared one. [TP-CLI-2350]
            if !self.own.is_empty()
                && self
                    .own
                    .tell(&encoded(&descriptor), NanoTime::new(published_ns))
            {
                self.untold.set(seq.next().get());
            }
        }
        announced
    }

    /// Sends what was held back. True when nothing waits that must not be lost.
    pub(crate) fn flush(&mut self, shared: &ProducerShared) -> bool {
        if !self.lossless {
            self.tell_last();
            return true;
        }
        let mut is_done = self.own.flush();
        while let Some(&descriptor) = self.unsent.front() {
            let offer = self.publication.offer(&descriptor);
            self.watch(offer);
            if offer == Offer::NotConnected && self.is_seen(shared, &descriptor) {
                self.is_watched = true;
            }
            if !self.is_settled(shared, offer) {
                self.count(offer);
                is_done = false;
                break;
            }
            self.is_watched &= !offer.is_sent();
            self.unsent.pop_front();
        }
        is_done
    }

    /// Not lossless: the last frame, if it met back-pressure, once more. True unless it does again.
    // [TP-CLI-1432]
    fn tell_last(&mut self) -> bool {
        let Some(descriptor) = self.unsent.front() else {
            return true;
        };
        let offer = offer_past_rotation(&mut self.publication, descriptor);
        self.watch(offer);
        if is_held_up(offer) {
            return false;
        }
        self.unsent.clear();
        self.untold.clear();
        true
    }

    /// Not lossless: the only frame that is tried again is the last.
    #[cold]
    fn hold_last(&mut self, next_seq: u64, descriptor: &[u8; DESCRIPTOR_LEN]) {
        self.unsent.clear();
        self.unsent.push_back(*descriptor);
        self.untold.set(next_seq);
    }

    /// Whether every consumer there is has reported the frame of this descriptor.
    // [TP-CLI-3050]
    #[cold]
    fn is_seen(&self, shared: &ProducerShared, descriptor: &[u8; DESCRIPTOR_LEN]) -> bool {
        let (Some((epoch, limit)), Ok(told)) =
            (shared.limit.get(), FrameDescriptor::decode(descriptor))
        else {
            return false;
        };
        // 0 while the producer is held, the maximum without consumers.
        let needed = limit.saturating_sub(u64::from(self.slot_count));
        limit != u64::MAX && epoch.get() == told.epoch && told.seq < needed
    }

    #[inline]
    fn send(
        &mut self,
        shared: &ProducerShared,
        seq: Seq,
        descriptor: &FrameDescriptor,
    ) -> Announced {
        // [TP-CLI-1410]
        if !self.unsent.is_empty() {
            if self.lossless {
                self.unsent.push_back(encoded(descriptor));
                return Announced::Queued;
            }
            // [TP-CLI-1432]
            if !self.tell_last() {
                self.count(Offer::BackPressured);
                self.hold_last(seq.next().get(), &encoded(descriptor));
                return Announced::BackPressured;
            }
        }
        let offer = offer_in_place(&mut self.publication, descriptor);
        if offer.is_sent() {
            self.is_watched = false;
            if self.stall.is_held_up() {
                self.watch(offer);
            }
            return Announced::Sent;
        }
        self.watch(offer);
        self.count(offer);
        if self.lossless && !self.is_settled(shared, offer) {
            self.unsent.push_back(encoded(descriptor));
            return Announced::Queued;
        }
        // [TP-CLI-1432]
        if is_held_up(offer) {
            self.hold_last(seq.next().get(), &encoded(descriptor));
        }
        // [TP-CLI-1430]
        match offer {
            Offer::Sent { .. } => Announced::Sent,
            Offer::NotConnected => Announced::NotConnected,
            Offer::BackPressured | Offer::AdminAction => Announced::BackPressured,
            Offer::LinkDown | Offer::Closed => Announced::LinkDown,
            Offer::MaxPositionExceeded | Offer::TooLong | Offer::Failed(_) => Announced::Failed,
        }
    }

    /// Whether trying again is of no use. Nobody subscribed is an answer only while no consumer is
    /// known to be there that listens here, or all of them watch the header ring. [TP-CLI-2356]
    fn is_settled(&self, shared: &ProducerShared, offer: Offer) -> bool {
        match offer {
            Offer::Sent { .. } => true,
            Offer::NotConnected => {
                // Those that asked for a rate are not waited for. [TP-CLI-2354]
                let waits_for_nobody = shared
                    .limit
                    .get()
                    .is_some_and(|(_, limit)| limit == u64::MAX);
                // [TP-CLI-2354] [TP-CLI-2356] [TP-CLI-3050]
                self.is_watched
                    || waits_for_nobody
                    || shared.consumers_on_shared.load(Ordering::Relaxed) == 0
            }
            _ => false,
        }
    }

    /// Finds out whether a subscriber holds the stream up. [TP-CLI-2364]
    #[cold]
    fn watch(&mut self, offer: Offer) {
        let change = match offer {
            Offer::BackPressured => self.stall.on_back_pressure(monotonic_ns()),
            Offer::AdminAction => None,
            Offer::Sent { .. }
            | Offer::NotConnected
            | Offer::Closed
            | Offer::LinkDown
            | Offer::MaxPositionExceeded
            | Offer::TooLong
            | Offer::Failed(_) => self.stall.on_flow(),
        };
        let (channel, stream_id) = (&self.channel, self.publication.stream_id());
        match change {
            Some(StallChange::Stalled { since }) => {
                self.counters.stalls.increment();
                self.events.push(Event::Stalled {
                    channel: Arc::clone(channel),
                    stream_id,
                    since,
                });
            }
            Some(StallChange::Flowing { since }) => self.events.push(Event::Flowing {
                channel: Arc::clone(channel),
                stream_id,
                since,
            }),
            None => {}
        }
    }

    #[cold]
    fn count(&self, offer: Offer) {
        let counters = &self.counters;
        match offer {
            Offer::Sent { .. } => {}
            Offer::NotConnected => counters.not_connected.increment(),
            Offer::BackPressured => counters.backpressured.increment(),
            Offer::AdminAction => counters.admin_action.increment(),
            Offer::Closed | Offer::LinkDown => counters.closed.increment(),
            Offer::MaxPositionExceeded => counters.max_position_exceeded.increment(),
            Offer::TooLong | Offer::Failed(_) => counters.errors.increment(),
        }
    }
}

/// Whether it may go through soon.
fn is_held_up(offer: Offer) -> bool {
    matches!(offer, Offer::BackPressured | Offer::AdminAction)
}

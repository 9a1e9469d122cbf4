//! The producer: writes frames into shared memory and tells of them, on the application's own
//! thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use tensorpool_codecs::types::{ClientId, Epoch, NodeId, Seq, StreamId};
use tensorpool_runtime::IdleStrategy;
use tensorpool_runtime::clock::monotonic_ns;
use tensorpool_shm::mapping::Unusable;
use tensorpool_shm::producer::{Claim, ClaimError, ProducerRing};
use tensorpool_transport::Publication;

use crate::client::conductor::command::Command;
use crate::client::conductor::session::CloseProducer;
use crate::client::conductor::worker::SessionId;
use crate::client::config::nanos;
use crate::client::error::{OfferError, OpenError};
use crate::client::event::Event;
use crate::client::metadata::MetadataEditor;
use crate::client::options::ProducerOptions;
use crate::client::pending::Pending;
use crate::client::shared::{Events, Notice, ProducerShared};
use crate::client::stats::{OwnCounters, ProducerCounters, ProducerStats};

pub(super) mod announcer;
pub(super) mod meta;
mod metadata;
mod notices;
pub(super) mod own_streams;
pub(super) mod payload_flush;
mod reporting;
pub(super) mod speaker;
pub(super) mod untold;

use announcer::{Announced, Announcer, Said, Telling};
use meta::FrameMeta;
use own_streams::OwnStreams;
use speaker::Speaker;
use untold::Untold;

/// A frame that was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The epoch it was written in.
    pub epoch: Epoch,
    /// Its sequence number in that.
    pub seq: Seq,
    /// What became of the last descriptor this call sent: its own, unless it is held back.
    pub announced: Announced,
}

/// How a close went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseReport {
    /// Whether all consumers that were there have seen the last frame.
    pub all_seen: bool,
    /// Descriptors that never got out.
    pub unsent: usize,
}

/// Frames up to this length are published in the moment they are written in.
const MOMENT_LEN: usize = 1024;

/// What is written at the moment.
#[derive(Debug)]
struct Current {
    ring: ProducerRing,
    telling: Telling,
    client_id: ClientId,
    node_id: Option<NodeId>,
}

/// A handle on one stream, for writing. `Send`; one thread at a time uses it.
///
/// Offers and claims go straight to shared memory and the publication: no lock, no allocation, no
/// other thread. Lease, epochs and reports are the conductor's; what it has to tell is taken up by
/// every call, and by [`Producer::events`]. Dropping it gives the lease back without waiting;
/// [`Producer::close`] waits for consumers.
#[derive(Debug)]
pub struct Producer {
    id: SessionId,
    stream_id: StreamId,
    shared: Arc<ProducerShared>,
    notices: rtrb::Consumer<Notice>,
    announcer: Option<Announcer>,
    speaker: Option<Box<Speaker>>,
    commands: Sender<Command>,
    current: Option<Current>,
    events: Events,
    options: ProducerOptions,
    metadata: MetadataEditor,
}

pub(super) struct ProducerSetup {
    pub(super) id: SessionId,
    pub(super) stream_id: StreamId,
    pub(super) shared: Arc<ProducerShared>,
    pub(super) notices: rtrb::Consumer<Notice>,
    /// Where frames are told of, and its channel.
    pub(super) publication: (Arc<str>, Publication),
    /// For progress, if it is told.
    pub(super) progress: Option<Publication>,
    pub(super) commands: Sender<Command>,
    pub(super) untold: Arc<Untold>,
    pub(super) counters: (ProducerCounters, OwnCounters),
    pub(super) options: ProducerOptions,
    pub(super) metadata: MetadataEditor,
}

impl Producer {
    pub(super) fn new(setup: ProducerSetup) -> Self {
        let (counters, own_counters) = setup.counters;
        let own = OwnStreams::new(own_counters, setup.options.lossless);
        let announcer = Announcer::new(
            setup.publication,
            own,
            counters,
            setup.untold,
            setup.options.lossless,
        );
        Self {
            id: setup.id,
            stream_id: setup.stream_id,
            shared: setup.shared,
            notices: setup.notices,
            announcer: Some(announcer),
            speaker: setup
                .progress
                .map(|publication| Box::new(Speaker::new(publication))),
            commands: setup.commands,
            current: None,
            events: Events::default(),
            options: setup.options,
            metadata: setup.metadata,
        }
    }

    /// Whether its publication is registered and its first epoch is there. Conductor's thread,
    /// before it is handed over.
    pub(super) fn is_ready(&mut self) -> bool {
        self.take_notices();
        self.current.is_some()
            && self.announcer.as_mut().is_some_and(Announcer::is_live)
            && self
                .speaker
                .as_mut()
                .is_none_or(|speaker| speaker.is_live())
    }

    /// Copies a frame into the next slot, commits it and tells consumers. Never blocks.
    ///
    /// # Errors
    /// When nothing was written; no sequence number is used then.
    #[inline]
    pub fn offer(&mut self, meta: &FrameMeta, payload: &[u8]) -> Result<Offered, OfferError> {
        if self.options.flush.is_some() {
            return self.offer_flushed(meta, payload);
        }
        self.make_ready()?;
        let (Some(current), Some(announcer)) = (&mut self.current, &mut self.announcer) else {
            return Err(self.closed_or(OfferError::NotAttached));
        };
        let mut now = None;
        let in_force = self.metadata.version();
        let slot = meta.slot_meta(in_force, || *now.insert(monotonic_ns()));
        // [TP-CLI-1500]
        let (seq, released) = match current.ring.publish(&slot, payload) {
            Ok(published) => published,
            // [TP-CLI-1440] [TP-CLI-1470]
            Err(error) => return Err(self.claim_error(error)),
        };
        // Copying it took less than reading the clock again would.
        let now = now.filter(|_| payload.len() <= MOMENT_LEN);
        current.telling.say(seq, Said::of(&slot, meta.trace_id));
        let visible = released.clone();
        let announced = announcer.announce(&self.shared, &current.telling, released, now);
        if let Some(speaker) = &mut self.speaker {
            speaker.on_visible(visible, announcer.is_behind());
        }
        let epoch = current.telling.epoch;
        current.ring.prefetch_ahead(payload.len());
        Ok(Offered {
            epoch,
            seq,
            announced,
        })
    }

    /// Claims the next slot, to be filled in place and [committed](Producer::commit). Several may
    /// be in flight, up to half the ring; they become visible in the order they were claimed. A
    /// dropped claim is an aborted frame.
    ///
    /// # Errors
    /// When there is no slot; no sequence number is used then.
    #[inline]
    pub fn claim(&mut self, meta: &FrameMeta, len: usize) -> Result<Claim, OfferError> {
        self.make_ready()?;
        let Some(current) = &mut self.current else {
            return Err(self.closed_or(OfferError::NotAttached));
        };
        let slot = meta.slot_meta(self.metadata.version(), monotonic_ns);
        // [TP-CLI-1500]
        match current.ring.claim(&slot, len) {
            Ok(claim) => {
                let said = Said::of(&slot, meta.trace_id);
                current.telling.say(claim.seq(), said);
                if let Some(speaker) = &mut self.speaker {
                    speaker.on_claimed(&claim, meta);
                }
                Ok(claim)
            }
            Err(error) => Err(self.claim_error(error)),
        }
    }

    /// Commits a claim and tells consumers of it, and of what was held back for it.
    ///
    /// # Errors
    /// [`OfferError::Stale`] when its epoch ended meanwhile: the claim is aborted, the frame lost.
    #[inline]
    pub fn commit(&mut self, claim: Claim) -> Result<Offered, OfferError> {
        self.take_notices();
        let (claimed, seq, len) = (claim.epoch(), claim.seq(), claim.len());
        let (Some(current), Some(announcer)) = (&mut self.current, &mut self.announcer) else {
            return Err(OfferError::Stale { claimed });
        };
        if claimed == current.telling.epoch {
            if let Some(speaker) = &mut self.speaker {
                speaker.on_committed(&claim);
            }
            // [TP-CLI-2583]
            if let Some(flush) = &self.options.flush {
                flush.flush(claim.payload());
            }
        }
        // [TP-CLI-1500]
        let Ok(released) = current.ring.commit(claim) else {
            return Err(OfferError::Stale { claimed });
        };
        let visible = released.clone();
        let announced = announcer.announce(&self.shared, &current.telling, released, None);
        if let Some(speaker) = &mut self.speaker {
            speaker.on_visible(visible, announcer.is_behind());
        }
        current.ring.prefetch_ahead(len);
        Ok(Offered {
            epoch: claimed,
            seq,
            announced,
        })
    }

    /// Takes up what the conductor has to tell, and sends what was held back. To be called now and
    /// then by a producer that does not offer.
    pub fn poll(&mut self) {
        self.take_notices();
        self.release_held();
        if let Some(announcer) = &mut self.announcer
            && announcer.flush(&self.shared)
            && let Some(speaker) = &mut self.speaker
        {
            speaker.flush();
        }
    }

    /// What happened and was not taken yet, at most the latest 256; taken one by one. See [`Event`].
    pub fn events(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.take_notices();
        if let Some(announcer) = &mut self.announcer {
            for event in announcer.events.take() {
                self.events.push(event);
            }
        }
        self.events.take()
    }

    /// Consumers that have mapped the current epoch: those the next frame can reach.
    #[must_use]
    pub fn consumers(&self) -> usize {
        self.shared.mapped_consumers.load(Ordering::Relaxed) as usize
    }

    /// Waits until so many consumers have mapped the current epoch. Blocks.
    ///
    /// # Errors
    /// [`OfferError::TimedOut`], [`OfferError::ClientClosed`].
    pub fn wait_consumers(&mut self, count: usize, timeout: Duration) -> Result<(), OfferError> {
        self.wait_until(timeout, |producer| {
            producer.poll();
            producer.consumers() >= count
        })
    }

    /// Waits until a lease is held and, if lossless, the next frame overwrites nothing that a
    /// consumer still needs. Blocks.
    ///
    /// # Errors
    /// [`OfferError::TimedOut`], [`OfferError::ClientClosed`].
    pub fn wait_room(&mut self, timeout: Duration) -> Result<(), OfferError> {
        self.wait_until(timeout, |producer| {
            producer.poll();
            producer.has_room()
        })
    }

    /// Whether a lease is held and the next offer would not be [paced](OfferError::Paced).
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.live().is_some_and(|current| !self.is_paced(current))
    }

    /// Gives the lease back, after waiting up to `linger` for all consumers to have seen the last
    /// frame. The conductor does that; poll or wait for the result, or drop it.
    pub fn close(mut self, linger: Duration) -> Pending<CloseReport> {
        self.poll();
        let (reply, receiver) = bounded(1);
        self.leave(nanos(linger), Some(reply));
        Pending::new(receiver, None)
    }

    /// The stream.
    #[must_use]
    pub fn stream_id(&self) -> StreamId {
        self.current
            .as_ref()
            .map_or(self.stream_id, |current| current.ring.mapping().stream())
    }

    /// The epoch being written; `None` before the first and while the lease is lost.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.live().map(|current| current.telling.epoch)
    }

    /// The sequence number of the next frame.
    #[must_use]
    pub fn next_seq(&self) -> Option<Seq> {
        self.live().map(|current| current.ring.next_seq())
    }

    /// The client id of its lease.
    #[must_use]
    pub fn client_id(&self) -> Option<ClientId> {
        self.current.as_ref().map(|current| current.client_id)
    }

    /// The node id for trace ids, if the driver hands them out.
    #[must_use]
    pub fn node_id(&self) -> Option<NodeId> {
        self.current.as_ref().and_then(|current| current.node_id)
    }

    /// Slots of the ring; frames that far apart share a slot.
    #[must_use]
    pub fn slot_count(&self) -> Option<u32> {
        self.current
            .as_ref()
            .map(|current| current.ring.mapping().slot_count())
    }

    /// The longest payload a frame can carry.
    #[must_use]
    pub fn max_payload_len(&self) -> Option<u32> {
        let mapping = self.current.as_ref()?.ring.mapping();
        mapping.pools().map(|(_, stride)| stride).max()
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> ProducerStats {
        self.announcer
            .as_ref()
            .map(Announcer::stats)
            .unwrap_or_default()
    }

    fn live(&self) -> Option<&Current> {
        self.current
            .as_ref()
            .filter(|current| !current.ring.mapping().is_revoked())
    }

    #[inline]
    fn make_ready(&mut self) -> Result<(), OfferError> {
        self.take_notices();
        if self.options.lossless {
            self.make_ready_lossless()
        } else {
            Ok(())
        }
    }

    fn make_ready_lossless(&mut self) -> Result<(), OfferError> {
        if let Some(announcer) = &mut self.announcer
            && announcer.has_unsent()
        {
            announcer.flush(&self.shared);
        }
        match self.live() {
            Some(current) if self.is_paced(current) => Err(self.closed_or(OfferError::Paced)),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a consumer may still need what the next frame would overwrite.
    /// [TP-CLI-1830]
    fn is_paced(&self, current: &Current) -> bool {
        if !self.options.lossless {
            return false;
        }
        let has_unsent = self.announcer.as_ref().is_some_and(Announcer::has_unsent);
        // A limit of another epoch says nothing about this one: wait for the conductor.
        let limit = self.shared.limit.of(current.telling.epoch).unwrap_or(0);
        has_unsent || current.ring.next_seq().get() >= limit
    }

    /// Tells of frames that were held back for claims dropped since.
    fn release_held(&mut self) {
        if let (Some(current), Some(announcer)) = (&mut self.current, &mut self.announcer) {
            let released = current.ring.poll();
            let visible = released.clone();
            announcer.announce(&self.shared, &current.telling, released, None);
            if let Some(speaker) = &mut self.speaker {
                speaker.on_visible(visible, announcer.is_behind());
            }
        }
    }

    #[inline]
    fn take_notices(&mut self) {
        while let Ok(notice) = self.notices.pop() {
            self.on_notice(notice);
        }
    }

    // [TP-CLI-1440] [TP-CLI-1470]
    fn claim_error(&self, error: ClaimError) -> OfferError {
        self.closed_or(match error {
            ClaimError::NoFittingPool { len, largest } => {
                OfferError::NoFittingPool { len, largest }
            }
            ClaimError::TooManyClaims { limit } => OfferError::TooManyClaims { limit },
            ClaimError::Unusable(Unusable::Poisoned) => OfferError::Poisoned,
            _ => OfferError::NotAttached,
        })
    }

    fn closed_or(&self, error: OfferError) -> OfferError {
        if self.shared.closed.load(Ordering::Acquire) {
            OfferError::ClientClosed
        } else {
            error
        }
    }

    fn wait_until(
        &mut self,
        timeout: Duration,
        mut is_done: impl FnMut(&mut Self) -> bool,
    ) -> Result<(), OfferError> {
        let (started, mut idler) = (Instant::now(), IdleStrategy::default().idler());
        while !is_done(self) {
            if self.shared.closed.load(Ordering::Acquire) {
                return Err(OfferError::ClientClosed);
            }
            if started.elapsed() >= timeout {
                return Err(OfferError::TimedOut { waited: timeout });
            }
            idler.idle(0);
        }
        Ok(())
    }

    fn leave(&mut self, linger_ns: u64, reply: Option<Sender<Result<CloseReport, OpenError>>>) {
        let Some(Announcer {
            publication,
            unsent,
            own,
            ..
        }) = self.announcer.take()
        else {
            return;
        };
        // [TP-CLI-1910]
        let close = CloseProducer {
            publication,
            unsent,
            own,
            linger_ns,
            reply,
        };
        // Without a conductor the lease has ended with it.
        let _gone = self
            .commands
            .send(Command::CloseProducer(self.id, Box::new(close)));
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.leave(0, None);
    }
}

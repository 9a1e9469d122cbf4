//! The consumer: turns descriptors, or what the header ring shows, into validated frames, on the
//! application's own thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Sender, bounded};
use tensorpool_codecs::types::{ClientId, Epoch, Seq, StreamId};
use tensorpool_protocol::client::ConsumerSettings;
use tensorpool_protocol::client::metadata::SourceMetadata;
use tensorpool_protocol::common::StreamGeometry;
use tensorpool_protocol::frame::{DropCause, FrameLedger, Throttle};
use tensorpool_shm::mapping::Mapping;
use tensorpool_transport::Subscription;

use crate::client::conductor::command::Command;
use crate::client::conductor::worker::SessionId;
use crate::client::error::PollError;
use crate::client::event::Event;
use crate::client::options::ConsumerOptions;
use crate::client::pending::Pending;
use crate::client::shared::{ConsumerShared, Events, Notice, OwnStreamState};
use crate::client::stats::{ConsumerCounters, ConsumerStats, EpochStats};

mod configured;
mod ending;
pub(super) mod feed;
pub(super) mod frame;
mod hearing;
pub(super) mod listener;
mod notices;
pub(super) mod progress;
pub(super) mod reader;
pub(super) mod ring_reader;

use configured::Fallback;
use ending::Ending;
use feed::Feed;
use frame::Frame;
use listener::Listener;
use reader::{Layouts, Reader};
use ring_reader::RingWatch;

/// Descriptors of lost frames that one poll may skip beyond its limit, so that a slow consumer
/// catches up.
const SKIP_LIMIT: usize = 4096;

/// What is read at the moment.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) mapping: Arc<Mapping>,
    pub(super) geometry: Arc<StreamGeometry>,
    pub(super) stream_id: StreamId,
    pub(super) epoch: Epoch,
}

/// How a consumer hears of frames.
#[derive(Debug)]
pub(super) enum Intake {
    Descriptors(Box<Feed>),
    Ring(RingWatch),
}

/// A handle on one stream, for reading. `Send`; one thread at a time uses it.
///
/// Polls go straight to the subscription and to shared memory: no lock, no allocation, no other
/// thread. Lease, epochs and reports are the conductor's; what it has to tell is taken up by
/// [`Consumer::poll`] and [`Consumer::events`]. A new epoch, and the end of a stream, take effect
/// when they are taken up: keep polling. Dropping it gives the lease back.
#[derive(Debug)]
pub struct Consumer {
    id: SessionId,
    stream_id: StreamId,
    shared: Arc<ConsumerShared>,
    notices: rtrb::Consumer<Notice>,
    intake: Intake,
    listener: Option<Box<Listener>>,
    throttle: Throttle,
    layouts: Layouts,
    settings: ConsumerSettings,
    /// Set while payloads do not come from shared memory.
    fallback: Option<Fallback>,
    commands: Sender<Command>,
    options: ConsumerOptions,
    current: Option<Current>,
    /// The epoch the ledger is at.
    accounted: Option<Epoch>,
    client_id: Option<ClientId>,
    ending: Option<Ending>,
    /// The last account that another epoch closed, and where that epoch ended.
    closed: Option<(Epoch, Option<Seq>)>,
    events: Events,
    ledger: FrameLedger,
    remaps: u64,
    counters: ConsumerCounters,
}

pub(super) struct ConsumerSetup {
    pub(super) id: SessionId,
    pub(super) stream_id: StreamId,
    pub(super) shared: Arc<ConsumerShared>,
    pub(super) notices: rtrb::Consumer<Notice>,
    pub(super) intake: Intake,
    /// For progress, if it was asked for.
    pub(super) progress: Option<Subscription>,
    pub(super) commands: Sender<Command>,
    pub(super) counters: ConsumerCounters,
    pub(super) options: ConsumerOptions,
    pub(super) settings: ConsumerSettings,
}

impl Consumer {
    pub(super) fn new(setup: ConsumerSetup) -> Self {
        Self {
            id: setup.id,
            stream_id: setup.stream_id,
            shared: setup.shared,
            notices: setup.notices,
            intake: setup.intake,
            listener: setup.progress.map(|subscription| {
                Box::new(Listener::new(subscription, setup.options.progress_read))
            }),
            throttle: Throttle::new(setup.options.local_rate_hz()),
            layouts: Layouts::default(),
            settings: setup.settings,
            fallback: None,
            commands: setup.commands,
            options: setup.options,
            current: None,
            accounted: None,
            client_id: None,
            ending: None,
            closed: None,
            events: Events::default(),
            ledger: FrameLedger::default(),
            remaps: 0,
            counters: setup.counters,
        }
    }

    /// Whether its subscription, if it has one, is registered and its first epoch is there. Conductor's thread,
    /// before it is handed over.
    pub(super) fn is_ready(&mut self) -> bool {
        if let Intake::Descriptors(feed) = &mut self.intake
            && !feed.is_live()
        {
            return false;
        }
        let hears = |listener: &mut Box<Listener>| listener.is_live();
        if !self.listener.as_mut().is_none_or(hears) {
            return false;
        }
        self.take_notices();
        self.current.is_some() || self.fallback.is_some()
    }

    /// Delivers up to `limit` frames that are there, in order, and gives their number. Never
    /// blocks. Frames that were lost are counted and skipped; they do not count against the limit.
    ///
    /// # Errors
    /// When nothing will ever come.
    pub fn poll(
        &mut self,
        mut on_frame: impl FnMut(&Frame<'_>),
        limit: usize,
    ) -> Result<usize, PollError> {
        self.take_notices();
        if let Some(listener) = &mut self.listener {
            listener.listen(self.stream_id);
        }
        // [TP-CLI-1500]
        let (delivered, idle) = match self.intake {
            Intake::Descriptors(_) => self.hear(limit, &mut on_frame),
            Intake::Ring(_) => self.watch(limit, &mut on_frame),
        };
        self.report(idle);
        if self.ending.is_some() {
            self.go_on_ending(idle);
        }
        // [TP-CLI-0540]
        if delivered == 0 && self.shared.closed.load(Ordering::Acquire) && self.notices.is_empty() {
            return Err(PollError::ClientClosed);
        }
        Ok(delivered)
    }

    /// Delivers what descriptors tell of; gives how many frames, and whether nothing is left.
    #[inline]
    fn hear(&mut self, limit: usize, on_frame: &mut impl FnMut(&Frame<'_>)) -> (usize, bool) {
        let (mut delivered, mut budget) = (0, limit.saturating_add(SKIP_LIMIT));
        let mut idle = false;
        while delivered < limit && budget > 0 && !idle {
            let Intake::Descriptors(feed) = &mut self.intake else {
                break;
            };
            let mut reader = Reader {
                stream_id: self.stream_id,
                current: self.current.as_ref(),
                ledger: &mut self.ledger,
                throttle: &mut self.throttle,
                layouts: &mut self.layouts,
                shared: &self.shared,
                delivered: 0,
            };
            let fragments = feed.poll((limit - delivered).min(budget), &mut reader, on_frame);
            delivered += reader.delivered;
            budget -= fragments.min(budget);
            idle = fragments == 0;
        }
        if idle {
            let (found, is_end) = self.look_for_untold(limit - delivered, on_frame);
            delivered += found;
            idle = is_end;
        }
        (delivered, idle)
    }

    /// Delivers what the header ring shows; gives how many frames, and whether nothing is left.
    #[inline]
    fn watch(&mut self, limit: usize, on_frame: &mut impl FnMut(&Frame<'_>)) -> (usize, bool) {
        let passed = self.published_up_to();
        let Intake::Ring(watch) = &mut self.intake else {
            return (0, true);
        };
        let mut reader = Reader {
            stream_id: self.stream_id,
            current: self.current.as_ref(),
            ledger: &mut self.ledger,
            throttle: &mut self.throttle,
            layouts: &mut self.layouts,
            shared: &self.shared,
            delivered: 0,
        };
        let idle = watch.read(&mut reader, limit, passed, on_frame);
        (reader.delivered, idle)
    }

    /// A position whose frames are all published: the producer was there long ago, or said so with
    /// its last words.
    /// [TP-CLI-1265]
    #[inline]
    fn published_up_to(&self) -> Option<u64> {
        let current = self.current.as_ref()?;
        let ended = self.ending.filter(|ending| ending.epoch == current.epoch);
        match ended.and_then(|ending| ending.owed) {
            Some(end) => Some(end.get()),
            None => self.shared.overdue.of(current.epoch),
        }
    }

    /// All descriptors are read. Published frames that were not told of never will be: they are
    /// looked for in the ring [TP-CLI-1265]. Gives the frames delivered, and whether that were all.
    #[inline]
    fn look_for_untold(
        &mut self,
        limit: usize,
        on_frame: &mut impl FnMut(&Frame<'_>),
    ) -> (usize, bool) {
        let (Some(current), Some(overdue)) = (&self.current, self.published_up_to()) else {
            return (0, true);
        };
        if self
            .ledger
            .last_seq()
            .is_some_and(|last| overdue <= last.get() + 1)
        {
            return (0, true);
        }
        let mut reader = Reader {
            stream_id: self.stream_id,
            current: Some(current),
            ledger: &mut self.ledger,
            throttle: &mut self.throttle,
            layouts: &mut self.layouts,
            shared: &self.shared,
            delivered: 0,
        };
        if reader.ledger.is_rate_capped() {
            reader.skip_untold(overdue);
            return (0, true);
        }
        let is_end = reader.catch_up(overdue, limit, on_frame);
        (reader.delivered, is_end)
    }

    /// What happened and was not taken yet, at most the latest 256; taken one by one. See [`Event`].
    pub fn events(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.take_notices();
        self.events.take()
    }

    /// What describes the stream, the latest version that was heard; `None` before the first, and
    /// unless it was [asked for](crate::client::ConsumerBuilder::metadata). A frame says in
    /// [`FrameInfo::meta_version`](crate::client::FrameInfo::meta_version) which version is meant.
    /// Not to be called per frame.
    #[must_use]
    pub fn metadata(&self) -> Option<Arc<SourceMetadata>> {
        self.shared.description()
    }

    /// Gives the lease back, as dropping it does, and tells when the driver has it. Poll or wait for
    /// that, or drop it.
    pub fn close(self) -> Pending<()> {
        let (reply, receiver) = bounded(1);
        // Without a conductor the reply is dropped, which the pending answer reports.
        let _gone = self
            .commands
            .send(Command::CloseConsumer(self.id, Some(reply)));
        Pending::new(receiver, None)
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> ConsumerStats {
        ConsumerStats::new(self.ledger, self.remaps)
    }

    /// What became of the frames of the epoch in use, or of the last one: not of those before it,
    /// which [`Event::AccountClosed`] told of. `None` before the first.
    #[must_use]
    pub fn account(&self) -> Option<EpochStats> {
        let epoch = self.accounted?;
        Some(EpochStats::new(epoch, self.ledger.account()))
    }

    /// The stream.
    #[must_use]
    pub fn stream_id(&self) -> StreamId {
        self.stream_id
    }

    /// The epoch being read; `None` before the first and while the lease is lost.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        self.current
            .as_ref()
            .filter(|current| !current.mapping.is_revoked())
            .map(|current| current.epoch)
    }

    /// The last frame accounted for in this epoch.
    #[must_use]
    pub fn last_seq(&self) -> Option<Seq> {
        self.ledger.last_seq()
    }

    /// The client id of its lease.
    #[must_use]
    pub fn client_id(&self) -> Option<ClientId> {
        self.client_id
    }

    /// Slots of the ring: a frame is overwritten by the one that many later.
    #[must_use]
    pub fn slot_count(&self) -> Option<u32> {
        self.current
            .as_ref()
            .map(|current| current.geometry.slot_count())
    }

    /// Publications of the descriptor stream it hears at the moment, of whatever stream; none if it
    /// watches the header ring.
    pub fn publication_count(&mut self) -> usize {
        match &mut self.intake {
            Intake::Descriptors(feed) => feed.image_count(),
            Intake::Ring(_) => 0,
        }
    }

    /// Takes up what the conductor has to tell, up to the end of a source that is still to be read
    /// to its end.
    #[inline]
    fn take_notices(&mut self) {
        while self.ending.is_none() && !self.is_settling() {
            let Ok(notice) = self.notices.pop() else {
                return;
            };
            self.on_notice(notice);
        }
    }

    /// Whether a change-over of descriptor streams is about to be finished by the next poll.
    fn is_settling(&self) -> bool {
        matches!(&self.intake, Intake::Descriptors(feed) if feed.is_settling())
    }

    /// What the conductor puts into reports. Progress itself was noted frame by frame.
    #[inline]
    fn report(&mut self, idle: bool) {
        if idle
            && let Intake::Descriptors(feed) = &mut self.intake
            && let Some(has_publication) = feed.hears_own()
        {
            let heard = if has_publication {
                OwnStreamState::Heard
            } else {
                OwnStreamState::Silent
            };
            self.shared.own_stream.store(heard as u8, Ordering::Relaxed);
        }
        // The conductor reads what lies beside it.
        if self.shared.idle.load(Ordering::Relaxed) != idle {
            self.shared.idle.store(idle, Ordering::Relaxed);
        }
        if self.counters.mirror(&self.ledger, self.remaps) {
            let drops = self.ledger.drops();
            let gap = drops.get(DropCause::Gap);
            self.shared.drops_gap.store(gap, Ordering::Relaxed);
            self.shared
                .drops_late
                .store(drops.late(), Ordering::Relaxed);
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // Without a conductor the lease has ended with it.
        let _gone = self.commands.send(Command::CloseConsumer(self.id, None));
    }
}

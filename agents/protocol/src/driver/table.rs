//! The lease table itself: its state, its outboxes and its clock. What it does on each input stands
//! in the module named after the input.

use tensorpool_codecs::types::{Epoch, NanoTime, StreamId};

use super::actions::{Announcement, Backing, Destination, LeaseAction, ProvisionOrder};
use super::announces::AnnounceQueue;
use super::config::{LeaseConfig, LeaseConfigError};
use super::leases::Leases;
use super::node_ids::NodeIds;
use super::stats::LeaseStats;
use super::streams::{Provisioning, Stream};
use crate::common::{EpochSource, Outbox, ShutdownReason};

/// Time from one announce to the one that follows an attach: peers that take the first announce for
/// their join time want a second, at least 50 ms later.
pub(super) const FOLLOW_UP_NS: u64 = 60_000_000;
/// Shutdown notices said, because a peer may miss one.
pub(super) const SHUTDOWN_NOTICES: usize = 2;

/// Where in its life the driver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Granting leases.
    Serving,
    /// A shutdown was requested: no new leases, notice at `notice_at`.
    Draining {
        /// Why.
        reason: ShutdownReason,
        /// When the notice goes out.
        notice_at: NanoTime,
    },
    /// The notice is queued or out; nothing more happens.
    Closed {
        /// Why.
        reason: ShutdownReason,
    },
}

/// Who holds which lease on which stream, in which epoch (Driver Model v1.0).
///
/// Single-threaded and free of clocks and I/O. Feed it `on_*` inputs with a `CLOCK_MONOTONIC` time
/// (times that go backwards count as standing still), call [`on_timeout`](Self::on_timeout) no
/// later than [`next_deadline`](Self::next_deadline), and drain each destination by
/// [`peek_action`](Self::peek_action) and [`pop_action`](Self::pop_action). Faults of peers become
/// coded answers, never errors of this type.
///
/// Work per input is bounded by the number of leases and streams, memory by [`LeaseConfig`]. Each
/// lease has room for its revocation from the start; a request that does not fit is dropped and
/// counted, and its client asks again.
#[derive(Debug)]
pub struct LeaseTable {
    pub(super) config: LeaseConfig,
    pub(super) now: NanoTime,
    pub(super) phase: Phase,
    pub(super) link_lost: bool,
    /// Sorted by id.
    pub(super) streams: Vec<Stream>,
    pub(super) leases: Leases,
    pub(super) node_ids: NodeIds,
    pub(super) epochs: EpochSource,
    pub(super) control: Outbox<LeaseAction>,
    pub(super) announces: AnnounceQueue,
    pub(super) region: Outbox<LeaseAction>,
    pub(super) stats: LeaseStats,
    /// No later than the earliest thing to do.
    pub(super) deadline: Option<NanoTime>,
}

impl LeaseTable {
    /// An empty table: no stream has memory yet.
    ///
    /// # Errors
    /// See [`LeaseConfigError`].
    pub fn new(config: LeaseConfig) -> Result<Self, LeaseConfigError> {
        config.check()?;
        let mut streams: Vec<_> = config
            .streams
            .iter()
            .map(|spec| Stream::new(spec.stream_id, spec.geometry.clone()))
            .collect();
        streams.sort_by_key(|stream| stream.id);
        let count = streams.len();
        let max_count = config.max_streams();
        // [TP-DRV-0270]
        let answers = config.max_queued_answers + 2 * config.max_leases + max_count;
        let mut control = Outbox::with_capacity(answers + SHUTDOWN_NOTICES);
        let mut region = Outbox::with_capacity(3 * max_count + 16);
        let has_room = control.reserve(SHUTDOWN_NOTICES) && region.reserve(count);
        debug_assert!(has_room, "fresh outboxes hold their reservations");
        Ok(Self {
            now: NanoTime::new(0),
            phase: Phase::Serving,
            link_lost: false,
            leases: Leases::new(config.lease_id_seed),
            node_ids: NodeIds::new(config.node_id_cooldown_ns),
            epochs: EpochSource::new(config.highest_existing_epoch),
            control,
            announces: AnnounceQueue::for_streams(max_count),
            region,
            streams,
            stats: LeaseStats::default(),
            deadline: None,
            config,
        })
    }

    /// What the table was built from.
    #[must_use]
    pub fn config(&self) -> &LeaseConfig {
        &self.config
    }

    /// Where in its life the driver is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Counts and gauges. Costs the same however many streams there are: asked for in every cycle.
    #[must_use]
    pub fn stats(&self) -> LeaseStats {
        LeaseStats {
            leases: self.leases.len() as u64,
            attaches_waiting: (self.leases.client_count() - self.leases.len()) as u64,
            streams: self.streams.len() as u64,
            ..self.stats
        }
    }

    /// The live epoch of a stream, `None` when it has no memory or does not exist.
    #[must_use]
    pub fn live_epoch(&self, stream_id: StreamId) -> Option<Epoch> {
        let stream = &self.streams[self.stream_index(stream_id)?];
        stream.live.map(|live| live.epoch)
    }

    /// When [`on_timeout`](Self::on_timeout) wants to be called; it may find nothing to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<NanoTime> {
        self.deadline
    }

    /// The next action for a destination. Carry it out, then pop it; if that is not possible now,
    /// come back later.
    #[must_use]
    pub fn peek_action(&self, destination: Destination) -> Option<&LeaseAction> {
        match destination {
            Destination::Control => self.control.peek(),
            // [TP-DRV-1200]
            Destination::Announce => self.announces.peek(self.control.popped()),
            Destination::Region => self.region.peek(),
        }
    }

    /// Removes the action [`peek_action`](Self::peek_action) shows. Call it only after the action
    /// was carried out.
    pub fn pop_action(&mut self, destination: Destination) {
        match destination {
            Destination::Control => {
                self.control.pop();
            }
            Destination::Announce => {
                if let Some(stream_id) = self.announces.pop(self.control.popped()) {
                    self.announced(stream_id);
                }
            }
            Destination::Region => {
                if let Some(LeaseAction::Provision(_)) = self.region.pop() {
                    let kept = self.region.reserve(1);
                    debug_assert!(kept, "the place that was just freed is free");
                }
            }
        }
        self.check_invariants();
    }

    // [TP-DRV-0610]
    pub(super) fn advance(&mut self, now: NanoTime) {
        self.now = self.now.max(now);
    }

    pub(super) fn stream_index(&self, stream_id: StreamId) -> Option<usize> {
        self.streams
            .binary_search_by_key(&stream_id, |stream| stream.id)
            .ok()
    }

    /// Makes sure `on_timeout` is called at `time` or before.
    pub(super) fn wake_at(&mut self, time: NanoTime) {
        self.deadline = Some(self.deadline.map_or(time, |deadline| deadline.min(time)));
    }

    /// Begins the next epoch of a stream; the worker's answer goes on from here.
    pub(super) fn provision(&mut self, index: usize, backing: Backing) {
        if backing == Backing::Allocated {
            self.make_room(index);
        }
        // [TP-DRV-0930]
        let epoch = self.epochs.next(self.now);
        self.stats.epochs += 1;
        self.order(
            index,
            Provisioning {
                epoch,
                backing,
                retried: false,
            },
        );
    }

    pub(super) fn order(&mut self, index: usize, work: Provisioning) {
        let stream = &mut self.streams[index];
        stream.work = Some(work);
        self.region
            .push_reserved(LeaseAction::Provision(ProvisionOrder {
                stream_id: stream.id,
                epoch: work.epoch,
                backing: work.backing,
                geometry: stream.geometry.clone(),
            }));
        self.note_idle(index);
    }

    /// Queues an announce of a live stream, after everything queued for control so far if
    /// `after_control`.
    pub(super) fn announce(&mut self, index: usize, after_control: bool) {
        let stream = &mut self.streams[index];
        // [TP-DRV-1120]
        let Some(live) = stream.live else { return };
        stream.announce_due = None;
        // [TP-DRV-0770] [TP-DRV-1160]
        let ticket = if after_control {
            self.control.ticket()
        } else {
            0
        };
        self.announces.put(
            ticket,
            Announcement {
                stream_id: stream.id,
                // [TP-DRV-1130]
                producer: stream.producer.map(|(_, client_id)| client_id),
                epoch: live.epoch,
                geometry: stream.geometry.clone(),
            },
        );
    }

    /// An announce has left: plan the next, and answer who waited for this one.
    fn announced(&mut self, stream_id: StreamId) {
        self.stats.announces += 1;
        let Some(index) = self.stream_index(stream_id) else {
            return;
        };
        // [TP-DRV-1170]
        let soon = core::mem::take(&mut self.streams[index].follow_up);
        let delay_ns = if soon {
            FOLLOW_UP_NS
        } else {
            self.config.announce_period_ns
        };
        // [TP-DRV-1110]
        let due = self
            .now
            .after_ns(delay_ns.min(self.config.announce_period_ns));
        self.streams[index].announce_due = Some(due);
        self.wake_at(due);
        // [TP-DRV-0810]
        self.answer_detaches(index, None);
    }
}

//! State of one stream: its epochs, its producer, and who waits for its memory.

use std::sync::Arc;

use tensorpool_codecs::types::{
    ClientId, CorrelationId, Epoch, LeaseId, NanoTime, NodeId, StreamId,
};

use super::actions::Backing;
use super::config::LeaseConfig;
use super::leases::LeaseKey;
use crate::common::{Role, StreamGeometry};

/// An epoch whose regions exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EpochOnDisk {
    pub(super) epoch: Epoch,
    /// Whether a producer ever had it; what nobody wrote is not worth keeping.
    pub(super) written: bool,
    /// Since when it is superseded; meaningless while it is live.
    pub(super) superseded_at: NanoTime,
}

/// Superseded epochs of a stream nobody wrote that may wait for their age; beyond that the oldest
/// go at once, so that they do not pile up when producers come and go all the time.
const MAX_YOUNG: usize = 8;

/// Regions the worker is creating.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provisioning {
    pub(super) epoch: Epoch,
    pub(super) backing: Backing,
    /// Whether this is the second try, after old epochs made room.
    pub(super) retried: bool,
}

/// An attach that is answered when memory is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttachWaiter {
    pub(super) client_id: ClientId,
    pub(super) role: Role,
    pub(super) node_id: NodeId,
    pub(super) correlation_id: CorrelationId,
    /// The stream id of the request; another than the stream's when it left the choice to us.
    pub(super) requested: StreamId,
}

/// A producer's detach that is answered once the next epoch was announced, or at the deadline.
#[derive(Clone, Copy, Debug)]
pub(super) struct DetachWaiter {
    pub(super) key: LeaseKey,
    pub(super) correlation_id: CorrelationId,
    pub(super) deadline: NanoTime,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) geometry: Arc<StreamGeometry>,
    /// Whether a client brought it into being; such a stream ends when nobody uses it.
    pub(super) is_dynamic: bool,
    /// Leases on it, the producer's included.
    pub(super) lease_count: usize,
    /// Since when nobody holds or waits for anything of a dynamic stream.
    pub(super) idle_since: Option<NanoTime>,
    /// What is announced and mapped.
    pub(super) live: Option<EpochOnDisk>,
    /// Earlier epochs that are still on disk, oldest first.
    pub(super) superseded: Vec<EpochOnDisk>,
    pub(super) work: Option<Provisioning>,
    pub(super) producer: Option<(LeaseId, ClientId)>,
    pub(super) attaches: Vec<AttachWaiter>,
    pub(super) detaches: Vec<DetachWaiter>,
    /// When to announce next; `None` while an announce is queued or nothing is live.
    pub(super) announce_due: Option<NanoTime>,
    /// Whether the next announce comes soon after the last one.
    pub(super) follow_up: bool,
    /// When to refresh the activity timestamps next, as long as nobody produces.
    pub(super) refresh_due: NanoTime,
}

impl Stream {
    pub(super) fn new(id: StreamId, geometry: Arc<StreamGeometry>) -> Self {
        Self {
            id,
            geometry,
            is_dynamic: false,
            lease_count: 0,
            idle_since: None,
            live: None,
            superseded: Vec::new(),
            work: None,
            producer: None,
            attaches: Vec::new(),
            detaches: Vec::new(),
            announce_due: None,
            follow_up: false,
            refresh_due: NanoTime::new(0),
        }
    }

    pub(super) fn dynamic(id: StreamId, geometry: Arc<StreamGeometry>) -> Self {
        Self {
            is_dynamic: true,
            ..Self::new(id, geometry)
        }
    }

    /// Whether somebody holds a lease, waits for an answer, or memory is being made.
    /// [TP-DRV-1570]
    pub(super) fn is_in_use(&self) -> bool {
        let waits = !self.attaches.is_empty() || !self.detaches.is_empty();
        self.lease_count > 0 || waits || self.work.is_some()
    }

    /// The client that produces, or will as soon as there is memory.
    /// [TP-DRV-0210]
    pub(super) fn claimed_by_producer(&self) -> bool {
        self.producer.is_some() || self.waiting_producer().is_some()
    }

    pub(super) fn waiting_producer(&self) -> Option<&AttachWaiter> {
        self.attaches
            .iter()
            .find(|waiter| waiter.role == Role::Producer)
    }

    /// Makes `epoch` the live one and what was live a superseded one. `live_count` is of all streams.
    pub(super) fn set_live(&mut self, epoch: Epoch, now: NanoTime, live_count: &mut u64) {
        self.supersede_live(now, live_count);
        *live_count += 1;
        self.live = Some(EpochOnDisk {
            epoch,
            written: false,
            superseded_at: now,
        });
    }

    /// Ends the live epoch. `live_count` is of all streams.
    pub(super) fn supersede_live(&mut self, now: NanoTime, live_count: &mut u64) {
        // [TP-DRV-1020]
        if let Some(old) = self.live.take() {
            *live_count -= 1;
            self.superseded.push(EpochOnDisk {
                superseded_at: now,
                ..old
            });
        }
        self.announce_due = None;
    }

    /// The oldest epoch a producer wrote that need not be kept.
    /// [TP-DRV-1010] [TP-DRV-1013]
    pub(super) fn written_surplus(&self, config: &LeaseConfig) -> Option<Epoch> {
        let kept = (config.kept_epochs.max(1) - 1) as usize;
        let mut written = self.superseded.iter().filter(|old| old.written);
        let count = written.clone().count();
        written.next().filter(|_| count > kept).map(|old| old.epoch)
    }

    /// The oldest superseded epoch that need not be kept, and from when on it may go: those nobody
    /// wrote, and of the written ones all but the newest ([TP-DRV-1010], [TP-DRV-1012]).
    pub(super) fn next_to_retire(&self, config: &LeaseConfig) -> Option<(Epoch, NanoTime)> {
        let surplus = self.written_surplus(config);
        let mut goes = self
            .superseded
            .iter()
            .filter(|old| !old.written || surplus.is_some());
        let unwritten = self.superseded.iter().filter(|old| !old.written).count();
        let oldest = goes.next()?;
        // [TP-DRV-1012] [TP-DRV-1014]
        let due = if unwritten > MAX_YOUNG {
            oldest.superseded_at
        } else {
            oldest.superseded_at.after_ns(config.epoch_min_age_ns)
        };
        Some((oldest.epoch, due))
    }

    /// Forgets a superseded epoch.
    pub(super) fn forget(&mut self, epoch: Epoch) {
        self.superseded.retain(|old| old.epoch != epoch);
    }
}

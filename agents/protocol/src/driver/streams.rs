//! State of one stream: its epochs, its producer, and who waits for its memory.

use std::sync::Arc;

use tensorpool_codecs::types::{
    ClientId, CorrelationId, Epoch, LeaseId, NanoTime, NodeId, StreamId,
};

use super::actions::Backing;
use super::leases::LeaseKey;
use crate::common::{Role, StreamGeometry};

/// An epoch whose regions exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EpochOnDisk {
    pub(super) epoch: Epoch,
    /// Whether a producer ever had it; what nobody wrote is not worth keeping.
    pub(super) written: bool,
}

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

    /// The client that produces, or will as soon as there is memory.
    pub(super) fn claimed_by_producer(&self) -> bool {
        self.producer.is_some() || self.waiting_producer().is_some()
    }

    pub(super) fn waiting_producer(&self) -> Option<&AttachWaiter> {
        self.attaches
            .iter()
            .find(|waiter| waiter.role == Role::Producer)
    }

    /// Makes `epoch` the live one and what was live a superseded one.
    pub(super) fn set_live(&mut self, epoch: Epoch) {
        self.supersede_live();
        self.live = Some(EpochOnDisk {
            epoch,
            written: false,
        });
    }

    /// Ends the live epoch.
    pub(super) fn supersede_live(&mut self) {
        if let Some(old) = self.live.take() {
            self.superseded.push(old);
        }
        self.announce_due = None;
    }

    /// Takes out the oldest superseded epoch that need not be kept when `kept_epochs` newest are.
    pub(super) fn next_to_retire(&self, kept_epochs: u32) -> Option<Epoch> {
        if let Some(unwritten) = self.superseded.iter().find(|old| !old.written) {
            return Some(unwritten.epoch);
        }
        let keep = (kept_epochs.max(1) - 1) as usize;
        if self.superseded.len() > keep {
            Some(self.superseded[0].epoch)
        } else {
            None
        }
    }

    /// Forgets a superseded epoch.
    pub(super) fn forget(&mut self, epoch: Epoch) {
        self.superseded.retain(|old| old.epoch != epoch);
    }
}

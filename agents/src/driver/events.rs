//! What a driver tells whoever runs it. For people and logs: nothing depends on an event arriving.

use crossbeam_channel::{Receiver, Sender, bounded};
use tensorpool_codecs::types::{ClientId, Epoch, LeaseId, StreamId};
use tensorpool_protocol::common::{LeaseRevokeReason, Role};
use tensorpool_protocol::driver::LeaseAction;
use tensorpool_transport::LostReason;

/// Events that wait for an observer; more are left out.
const QUEUE_LEN: usize = 1024;

/// What happened, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DriverEvent {
    /// Clients can attach: at the start, and again after each loss of the link.
    Ready,
    /// There is no media driver yet; the driver waits for one.
    NoMediaDriver {
        /// What is missing.
        reason: String,
    },
    /// There is a media driver that this user may not use; the driver waits until it may.
    MediaDriverDenied {
        /// Who is refused, and by what.
        reason: String,
    },
    /// The media driver is gone. Leases stand still until one is back.
    LinkLost {
        /// How that was noticed.
        reason: LostReason,
    },
    /// A lease was granted and said so.
    Attached {
        /// On which stream.
        stream_id: StreamId,
        /// To whom.
        client_id: ClientId,
        /// As what.
        role: Role,
        /// Its id.
        lease_id: LeaseId,
        /// The epoch it was granted on.
        epoch: Epoch,
    },
    /// A lease is over.
    LeaseEnded {
        /// On which stream.
        stream_id: StreamId,
        /// Whose.
        client_id: ClientId,
        /// As what.
        role: Role,
        /// Its id.
        lease_id: LeaseId,
        /// Why.
        reason: LeaseRevokeReason,
    },
    /// Something failed; the driver goes on.
    Fault {
        /// What kind of thing.
        code: &'static str,
        /// The particulars.
        text: String,
    },
}

/// The driver's end of a queue of events; does nothing while nobody observes.
#[derive(Debug, Default)]
pub(super) struct Observers {
    sender: Option<Sender<DriverEvent>>,
}

impl Observers {
    /// From now on there is one; it replaces the one before.
    pub(super) fn observe(&mut self) -> Receiver<DriverEvent> {
        let (sender, receiver) = bounded(QUEUE_LEN);
        self.sender = Some(sender);
        receiver
    }

    /// Tells of an event unless the observer is far behind. Never blocks.
    pub(super) fn tell(&self, event: impl FnOnce() -> DriverEvent) {
        if let Some(sender) = &self.sender {
            let _full_or_gone = sender.try_send(event());
        }
    }

    /// Tells of an action that was carried out, if it is one to tell of.
    pub(super) fn tell_action(&self, action: &LeaseAction) {
        match action {
            LeaseAction::AttachOk(grant) => self.tell(|| DriverEvent::Attached {
                stream_id: grant.stream_id,
                client_id: grant.client_id,
                role: grant.role,
                lease_id: grant.lease_id,
                epoch: grant.epoch,
            }),
            LeaseAction::Revoke(revocation) => self.tell(|| DriverEvent::LeaseEnded {
                stream_id: revocation.stream_id,
                client_id: revocation.client_id,
                role: revocation.role,
                lease_id: revocation.lease_id,
                reason: revocation.reason,
            }),
            LeaseAction::AttachRefused(_)
            | LeaseAction::Detached(_)
            | LeaseAction::ShutdownNotice { .. }
            | LeaseAction::Announce(_)
            | LeaseAction::Provision(_)
            | LeaseAction::RefreshActivity { .. }
            | LeaseAction::Retire { .. }
            | LeaseAction::Abandon { .. } => {}
        }
    }
}

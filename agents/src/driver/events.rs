//! What a driver tells whoever runs it. For people and logs: nothing depends on an event arriving.

use tensorpool_codecs::types::{ClientId, Epoch, LeaseId, StreamId};
use tensorpool_protocol::common::{LeaseRevokeReason, Role};
use tensorpool_protocol::driver::LeaseAction;
use tensorpool_transport::LostReason;

use crate::upkeep::Observers;

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
    /// Another driver answers clients on the control stream of this one: each ends the leases of the
    /// other's clients.
    RivalDriver {
        /// Where its memory is, if it said so.
        region_uri: Option<String>,
        /// The control stream of both.
        control: String,
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

/// Tells of an action that was carried out, if it is one to tell of.
pub(super) fn tell_action(observers: &Observers<DriverEvent>, action: &LeaseAction) {
    match action {
        LeaseAction::AttachOk(grant) => observers.tell(|| DriverEvent::Attached {
            stream_id: grant.stream_id,
            client_id: grant.client_id,
            role: grant.role,
            lease_id: grant.lease_id,
            epoch: grant.epoch,
        }),
        LeaseAction::Revoke(revocation) => observers.tell(|| DriverEvent::LeaseEnded {
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

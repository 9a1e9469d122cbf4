//! Outputs of the lease table: owned plain data, carried out by the agent.

use std::borrow::Cow;
use std::sync::Arc;

use tensorpool_codecs::types::{
    ClientId, CorrelationId, Epoch, LeaseId, NanoTime, NodeId, StreamId,
};

use crate::common::{LeaseRevokeReason, ResponseCode, Role, ShutdownReason, StreamGeometry};

/// Where an action goes. Each destination has its own outbox, so that one that is blocked holds up
/// no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// The control stream: answers, revocations, the shutdown notice.
    Control,
    /// The announce stream.
    Announce,
    /// The region worker and the activity timestamps.
    Region,
}

impl Destination {
    /// Every destination, in the order an agent drains them.
    pub const ALL: [Self; 3] = [Self::Region, Self::Control, Self::Announce];
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseAction {
    /// Control: answer an attach by a lease.
    AttachOk(AttachGrant),
    /// Control: answer an attach by an error.
    AttachRefused(AttachRefusal),
    /// Control: answer a detach.
    Detached(DetachAnswer),
    /// Control: tell that a lease is over.
    Revoke(Revocation),
    /// Control: tell everybody that the driver goes away.
    ShutdownNotice {
        /// Why.
        reason: ShutdownReason,
    },
    /// Announce: tell where a stream's memory is.
    Announce(Announcement),
    /// Region: create the regions of an epoch; answer by `on_region_ready` or `on_region_failed`.
    Provision(ProvisionOrder),
    /// Region: store the time into the activity field of every region of a live epoch nobody
    /// writes.
    RefreshActivity {
        /// The stream.
        stream_id: StreamId,
        /// Its live epoch.
        epoch: Epoch,
    },
    /// Region: unlink the regions of a superseded epoch.
    Retire {
        /// The stream.
        stream_id: StreamId,
        /// An epoch that is not and will not be live again.
        epoch: Epoch,
    },
    /// Region: let go of the regions of a superseded epoch, and leave their files.
    Abandon {
        /// The stream.
        stream_id: StreamId,
        /// An epoch that is not and will not be live again.
        epoch: Epoch,
    },
}

/// A granted lease, as the attach response tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachGrant {
    /// Of the request.
    pub correlation_id: CorrelationId,
    /// The lease.
    pub lease_id: LeaseId,
    /// Its holder.
    pub client_id: ClientId,
    /// Its role.
    pub role: Role,
    /// When it ends unless a keepalive arrives.
    pub lease_expiry: NanoTime,
    /// The stream.
    pub stream_id: StreamId,
    /// Its live epoch.
    pub epoch: Epoch,
    /// The holder's node id.
    pub node_id: NodeId,
    /// The stream's memory.
    pub geometry: Arc<StreamGeometry>,
}

/// A refused attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachRefusal {
    /// Of the request.
    pub correlation_id: CorrelationId,
    /// Never [`ResponseCode::Ok`].
    pub code: ResponseCode,
    /// What the client may show.
    pub text: Cow<'static, str>,
}

/// The answer to a detach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachAnswer {
    /// Of the request.
    pub correlation_id: CorrelationId,
    /// Outcome.
    pub code: ResponseCode,
    /// Empty when OK.
    pub text: &'static str,
}

/// The end of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// When it ended.
    pub timestamp: NanoTime,
    /// The lease.
    pub lease_id: LeaseId,
    /// The stream it was on.
    pub stream_id: StreamId,
    /// Its holder.
    pub client_id: ClientId,
    /// Its role.
    pub role: Role,
    /// Why.
    pub reason: LeaseRevokeReason,
}

/// The state of a stream's memory, said periodically and after every change. The agent stamps it
/// when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The stream.
    pub stream_id: StreamId,
    /// The producer's client id; `None` (0 on the wire) while nobody produces.
    pub producer: Option<ClientId>,
    /// The live epoch.
    pub epoch: Epoch,
    /// The stream's memory.
    pub geometry: Arc<StreamGeometry>,
}

/// Whether the pages of new regions are allocated at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backing {
    /// Nobody will write: the files may stay sparse.
    Sparse,
    /// A producer waits: allocate every page, so that a full file system is an error now and not a
    /// signal later.
    Allocated,
}

/// Work for the region worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvisionOrder {
    /// The stream.
    pub stream_id: StreamId,
    /// The new epoch.
    pub epoch: Epoch,
    /// Sparse or allocated.
    pub backing: Backing,
    /// What to create.
    pub geometry: Arc<StreamGeometry>,
}

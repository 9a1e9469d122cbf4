//! Inputs of the lease table: requests as plain data, decoded at the edge.

use tensorpool_codecs::types::{ClientId, CorrelationId, LeaseId, NodeId, StreamId};

use crate::common::{EnumField, HugepagesPolicy, PublishMode, Role, ShutdownReason};

/// A client asks for a lease on a stream (Driver Model v1.0, ShmAttachRequest).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachRequest {
    /// Echoed in the answer.
    pub correlation_id: CorrelationId,
    /// The stream to attach to.
    pub stream_id: StreamId,
    /// Who asks; 0 is refused.
    pub client_id: ClientId,
    /// Producer or consumer.
    pub role: EnumField<Role>,
    /// The layout the client can map, 0 for any.
    pub expected_layout_version: u32,
    /// Null means [`PublishMode::RequireExisting`].
    pub publish_mode: EnumField<PublishMode>,
    /// Null means [`HugepagesPolicy::Unspecified`].
    pub hugepages: EnumField<HugepagesPolicy>,
    /// A wish; `None` and 0 leave the choice to the driver.
    pub desired_node_id: Option<NodeId>,
}

/// A client gives its lease back (Driver Model v1.0, ShmDetachRequest).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetachRequest {
    /// Echoed in the answer.
    pub correlation_id: CorrelationId,
    /// The lease to end.
    pub lease_id: LeaseId,
    /// The stream it is on.
    pub stream_id: StreamId,
    /// Its holder.
    pub client_id: ClientId,
    /// Its role.
    pub role: EnumField<Role>,
}

/// A client says that it is alive (Driver Model v1.0, ShmLeaseKeepalive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// The lease to extend.
    pub lease_id: LeaseId,
    /// The stream it is on.
    pub stream_id: StreamId,
    /// Its holder.
    pub client_id: ClientId,
    /// Its role.
    pub role: EnumField<Role>,
}

/// An administrator asks the driver to stop (Driver Model v1.0, ShmDriverShutdownRequest).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownRequest<'a> {
    /// Why.
    pub reason: EnumField<ShutdownReason>,
    /// Must equal the configured token.
    pub token: &'a [u8],
}

/// Why regions could not be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionFailure {
    /// The file system is full.
    #[error(
        "needs {needed_bytes} bytes, {available_bytes} bytes available; \
         free space or use a smaller profile"
    )]
    NoSpace {
        /// Bytes of all regions of the epoch.
        needed_bytes: u64,
        /// Bytes the file system had left.
        available_bytes: u64,
    },
    /// Anything else, as the operating system says it.
    #[error("{0}")]
    Other(String),
}

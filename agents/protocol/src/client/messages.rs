//! What goes in and out of the client cores: decoded messages and requests, plain and owned.

use tensorpool_codecs::types::{
    ClientId, CorrelationId, Epoch, LeaseId, NanoTime, NodeId, StreamId,
};

use super::regions::RawRegions;
use crate::common::{
    ConsumerMode, EnumField, HugepagesPolicy, LeaseRevokeReason, PublishMode, ResponseCode, Role,
    ShutdownReason,
};

/// ShmAttachRequest, ready to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachRequest {
    /// Fixed for one attempt, resends included.
    pub correlation_id: CorrelationId,
    /// The wanted stream; 0 asks for a new dynamic one.
    pub stream_id: StreamId,
    /// Who asks.
    pub client_id: ClientId,
    /// What for.
    pub role: Role,
    /// 0 accepts any layout.
    pub expected_layout_version: u32,
    /// Always explicit on the wire.
    pub publish_mode: PublishMode,
    /// Never null on the wire: peers reject that.
    pub hugepages: HugepagesPolicy,
    /// Null on the wire when `None`.
    pub desired_node_id: Option<NodeId>,
}

/// ShmLeaseKeepalive, ready to encode; its timestamp is the time of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// The lease.
    pub lease_id: LeaseId,
    /// Its stream.
    pub stream_id: StreamId,
    /// Its client.
    pub client_id: ClientId,
    /// Its role.
    pub role: Role,
}

/// ShmDetachRequest, ready to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetachRequest {
    /// Fixed over resends.
    pub correlation_id: CorrelationId,
    /// The lease.
    pub lease_id: LeaseId,
    /// Its stream.
    pub stream_id: StreamId,
    /// Its client.
    pub client_id: ClientId,
    /// Its role.
    pub role: Role,
}

/// What an attach client wants to say on the control stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRequest {
    /// Ask for a lease.
    Attach(AttachRequest),
    /// Keep a lease.
    Keepalive(Keepalive),
    /// Give a lease back.
    Detach(DetachRequest),
}

/// ShmAttachResponse as it was decoded; optional fields are `None` when null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachResponse {
    /// Of the request it answers.
    pub correlation_id: CorrelationId,
    /// `None` for a code this version does not know: not OK.
    pub code: Option<ResponseCode>,
    /// The granted lease.
    pub lease_id: Option<LeaseId>,
    /// The granted stream; adopt it, it may differ from the requested one.
    pub stream_id: Option<StreamId>,
    /// The stream's epoch.
    pub epoch: Option<Epoch>,
    /// Layout of the regions.
    pub layout_version: Option<u32>,
    /// Node id for trace ids.
    pub node_id: Option<NodeId>,
    /// The regions, unchecked.
    pub regions: RawRegions,
    /// Why not.
    pub error_message: String,
}

/// ShmDetachResponse as it was decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetachResponse {
    /// Of the request it answers.
    pub correlation_id: CorrelationId,
    /// `None` for an unknown code.
    pub code: Option<ResponseCode>,
}

/// ShmLeaseRevoked as it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRevoked {
    /// The lease that ended.
    pub lease_id: LeaseId,
    /// Its stream.
    pub stream_id: StreamId,
    /// Its client.
    pub client_id: ClientId,
    /// Its role.
    pub role: EnumField<Role>,
    /// Why it ended.
    pub reason: EnumField<LeaseRevokeReason>,
}

/// ShmDriverShutdown as it was decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriverShutdown {
    /// The driver's clock; with `reason` it tells a repeated notice from a new one.
    pub timestamp: NanoTime,
    /// Why.
    pub reason: EnumField<ShutdownReason>,
}

/// Which clock an announce was stamped with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockDomain {
    /// `CLOCK_MONOTONIC` of this host.
    Monotonic,
    /// `CLOCK_REALTIME`, synchronised between hosts.
    RealtimeSynced,
}

/// ShmPoolAnnounce as it was decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The stream.
    pub stream_id: StreamId,
    /// Client id of its producer, `None` when 0.
    pub producer_id: Option<ClientId>,
    /// Its epoch.
    pub epoch: Epoch,
    /// When it was announced.
    pub timestamp: NanoTime,
    /// By which clock; `None` for a domain this version does not know.
    pub clock_domain: Option<ClockDomain>,
    /// Layout of the regions.
    pub layout_version: u32,
    /// The regions, unchecked.
    pub regions: RawRegions,
}

/// ConsumerConfig as it was decoded: what the authority of a stream has one consumer use.
///
/// Strings that are missing at the end of the message are empty, as some in the field send it. The
/// streams are unchecked: one is assigned only when its channel is not empty and its id not 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// The stream.
    pub stream_id: StreamId,
    /// The consumer addressed.
    pub consumer_id: ClientId,
    /// Whether payloads are read from shared memory.
    pub use_shm: bool,
    /// How it gets its frames.
    pub mode: ConsumerMode,
    /// The Aeron stream of its descriptors; 0 for the shared one.
    pub descriptor_stream_id: u32,
    /// The Aeron stream of its progress messages; 0 for the shared one.
    pub control_stream_id: u32,
    /// Where payloads come from without shared memory; empty for nowhere.
    pub payload_fallback_uri: String,
    /// The channel of its descriptors; empty for the shared one.
    pub descriptor_channel: String,
    /// The channel of its progress messages; empty for the shared one.
    pub control_channel: String,
}

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

/// A channel and an Aeron stream on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AeronEndpoint {
    /// As it stands in the message: not checked, not empty.
    pub channel: String,
    /// Never 0 or null.
    pub stream_id: u32,
}

/// A stream for one consumer alone, as a hello asks for it and a config assigns it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum OwnStream {
    /// None: neither a channel nor a stream id. The shared stream is meant.
    #[default]
    Absent,
    /// This one.
    On(AeronEndpoint),
    /// A channel without a stream id. Wire v1.2 §10.1.2 forbids it; a driver with a range of ids
    /// may choose one (Driver Model v1.0 §11).
    ChannelOnly(String),
    /// A stream id without a channel: invalid.
    IdOnly(u32),
}

impl OwnStream {
    /// Reads the two fields of a message. A stream id is absent when 0 or null. [TP-CLI-2300],
    /// [TP-CLI-2304]
    #[must_use]
    pub fn from_wire(channel: String, stream_id: u32) -> Self {
        match (channel.is_empty(), matches!(stream_id, 0 | u32::MAX)) {
            (true, true) => Self::Absent,
            (false, false) => Self::On(AeronEndpoint { channel, stream_id }),
            (false, true) => Self::ChannelOnly(channel),
            (true, false) => Self::IdOnly(stream_id),
        }
    }

    /// The stream, if it is one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&AeronEndpoint> {
        match self {
            Self::On(endpoint) => Some(endpoint),
            Self::Absent | Self::ChannelOnly(_) | Self::IdOnly(_) => None,
        }
    }
}

/// How often a consumer wants to hear of progress; each `None` without a wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProgressHints {
    /// Least time between two messages, in microseconds.
    pub interval_us: Option<u32>,
    /// Least bytes between two messages.
    pub bytes_delta: Option<u32>,
    /// Least rows or columns between two messages.
    pub major_delta_units: Option<u32>,
}

impl ProgressHints {
    /// Reads the fields of a message: null and 0 are both no wish. [TP-CLI-2302]
    #[must_use]
    pub fn from_wire(
        interval_us: Option<u32>,
        bytes_delta: Option<u32>,
        major_delta_units: Option<u32>,
    ) -> Self {
        let wish = |value: Option<u32>| value.filter(|value| *value != 0);
        Self {
            interval_us: wish(interval_us),
            bytes_delta: wish(bytes_delta),
            major_delta_units: wish(major_delta_units),
        }
    }
}

/// ConsumerHello as it was decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHello {
    /// The stream.
    pub stream_id: StreamId,
    /// Who is there.
    pub consumer_id: ClientId,
    /// Whether it can map shared memory.
    pub supports_shm: bool,
    /// Whether it wants to hear of progress.
    pub supports_progress: bool,
    /// How it wants its frames.
    pub mode: ConsumerMode,
    /// Frames a second at most; 0 without a limit, null as well.
    pub max_rate_hz: u32,
    /// Layout it understands; 0 is any.
    pub expected_layout_version: u32,
    /// How often it wants to hear of progress.
    pub progress: ProgressHints,
    /// The stream it wants its descriptors on.
    pub descriptor: OwnStream,
    /// The stream it wants to hear of progress on.
    pub control: OwnStream,
}

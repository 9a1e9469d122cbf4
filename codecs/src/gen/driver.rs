// Generated from schemas/driver.xml by `cargo xtask codegen`. Do not edit.

//! Attach, lease and shutdown messages between clients and the driver.
//!
//! Schema 901, version 1, package `shm.tensorpool.driver`.

use crate::error::{DecodeError, EncodeError};
use crate::group::{Element, Group};
use crate::header::MessageHeader;
use crate::raw::{Measure, Reader, Writer, at, non_null, or_null, put};

/// The schema id in every message header.
pub const SCHEMA_ID: u16 = 901;

/// The schema version that is sent; any version from 1 is accepted.
pub const SCHEMA_VERSION: u16 = 1;

/// The messages of this schema that travel with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Template {
    /// A client asks for a lease on a stream.
    ShmAttachRequest = 1,
    /// The driver grants a lease, or says why not.
    ShmAttachResponse = 2,
    /// A client gives a lease back.
    ShmDetachRequest = 3,
    /// The answer to a detach.
    ShmDetachResponse = 4,
    /// A client says that it still uses its lease. Not answered.
    ShmLeaseKeepalive = 5,
    /// The driver stops; every lease ends.
    ShmDriverShutdown = 6,
    /// A lease ended.
    ShmLeaseRevoked = 7,
    /// An administrator asks the driver to stop.
    ShmDriverShutdownRequest = 8,
}

impl Template {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 8] = [
        Self::ShmAttachRequest,
        Self::ShmAttachResponse,
        Self::ShmDetachRequest,
        Self::ShmDetachResponse,
        Self::ShmLeaseKeepalive,
        Self::ShmDriverShutdown,
        Self::ShmLeaseRevoked,
        Self::ShmDriverShutdownRequest,
    ];

    /// The message with this template id, if there is one.
    #[inline]
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::ShmAttachRequest),
            2 => Some(Self::ShmAttachResponse),
            3 => Some(Self::ShmDetachRequest),
            4 => Some(Self::ShmDetachResponse),
            5 => Some(Self::ShmLeaseKeepalive),
            6 => Some(Self::ShmDriverShutdown),
            7 => Some(Self::ShmLeaseRevoked),
            8 => Some(Self::ShmDriverShutdownRequest),
            _ => None,
        }
    }

    /// The template id.
    #[inline]
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShmAttachRequest => "ShmAttachRequest",
            Self::ShmAttachResponse => "ShmAttachResponse",
            Self::ShmDetachRequest => "ShmDetachRequest",
            Self::ShmDetachResponse => "ShmDetachResponse",
            Self::ShmLeaseKeepalive => "ShmLeaseKeepalive",
            Self::ShmDriverShutdown => "ShmDriverShutdown",
            Self::ShmLeaseRevoked => "ShmLeaseRevoked",
            Self::ShmDriverShutdownRequest => "ShmDriverShutdownRequest",
        }
    }
}

/// Whether regions must be in huge pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum HugepagesPolicy {
    /// Either will do.
    Unspecified = 0,
    /// Ordinary pages.
    Standard = 1,
    /// Huge pages or nothing.
    Hugepages = 2,
}

impl HugepagesPolicy {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 3] = [Self::Unspecified, Self::Standard, Self::Hugepages];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Unspecified),
            1 => Some(Self::Standard),
            2 => Some(Self::Hugepages),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "UNSPECIFIED",
            Self::Standard => "STANDARD",
            Self::Hugepages => "HUGEPAGES",
        }
    }

    #[inline]
    fn checked(value: u8, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum ResponseCode {
    /// Granted or done.
    Ok = 0,
    /// The peer does not implement what was asked.
    Unsupported = 1,
    /// A parameter is out of range or contradictory.
    InvalidParams = 2,
    /// Valid, but refused by policy or present state.
    Rejected = 3,
    /// The peer failed; trying again may help.
    InternalError = 4,
}

impl ResponseCode {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 5] = [
        Self::Ok,
        Self::Unsupported,
        Self::InvalidParams,
        Self::Rejected,
        Self::InternalError,
    ];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: i32) -> Option<Self> {
        match value {
            0 => Some(Self::Ok),
            1 => Some(Self::Unsupported),
            2 => Some(Self::InvalidParams),
            3 => Some(Self::Rejected),
            4 => Some(Self::InternalError),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> i32 {
        self as i32
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unsupported => "UNSUPPORTED",
            Self::InvalidParams => "INVALID_PARAMS",
            Self::Rejected => "REJECTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    #[inline]
    fn checked(value: i32, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// What the client does with the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Role {
    /// Writes frames; one per stream.
    Producer = 1,
    /// Reads frames.
    Consumer = 2,
}

impl Role {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 2] = [Self::Producer, Self::Consumer];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Producer),
            2 => Some(Self::Consumer),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Producer => "PRODUCER",
            Self::Consumer => "CONSUMER",
        }
    }

    #[inline]
    fn checked(value: u8, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// Whether attaching may create the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PublishMode {
    /// The stream must exist.
    RequireExisting = 1,
    /// Create it when it does not exist.
    ExistingOrCreate = 2,
}

impl PublishMode {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 2] = [Self::RequireExisting, Self::ExistingOrCreate];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::RequireExisting),
            2 => Some(Self::ExistingOrCreate),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RequireExisting => "REQUIRE_EXISTING",
            Self::ExistingOrCreate => "EXISTING_OR_CREATE",
        }
    }

    #[inline]
    fn checked(value: u8, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LeaseRevokeReason {
    /// The client detached.
    Detached = 1,
    /// Keepalives stopped.
    Expired = 2,
    /// The driver took it back.
    Revoked = 3,
}

impl LeaseRevokeReason {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 3] = [Self::Detached, Self::Expired, Self::Revoked];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Detached),
            2 => Some(Self::Expired),
            3 => Some(Self::Revoked),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Detached => "DETACHED",
            Self::Expired => "EXPIRED",
            Self::Revoked => "REVOKED",
        }
    }

    #[inline]
    fn checked(value: u8, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// Why the driver stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ShutdownReason {
    /// In the ordinary course.
    Normal = 0,
    /// Somebody asked it to.
    Admin = 1,
    /// Something failed.
    Error = 2,
}

impl ShutdownReason {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 3] = [Self::Normal, Self::Admin, Self::Error];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Normal),
            1 => Some(Self::Admin),
            2 => Some(Self::Error),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Admin => "ADMIN",
            Self::Error => "ERROR",
        }
    }

    #[inline]
    fn checked(value: u8, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// A client asks for a lease on a stream.
///
/// Template 1, block of 27 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmAttachRequest {
    /// Ties the response to this request.
    pub correlation_id: i64,
    /// The stream; 0 asks for a new one.
    pub stream_id: u32,
    /// The client; unique over all its leases, never 0.
    pub client_id: u32,
    /// What the client does with the stream.
    pub role: Role,
    /// Layout version it understands; 0 is any.
    pub expected_layout_version: u32,
    /// Whether to create the stream; absent means REQUIRE_EXISTING.
    pub publish_mode: Option<PublishMode>,
    /// Wish for huge pages; absent means UNSPECIFIED. Always send a value.
    pub require_hugepages: Option<HugepagesPolicy>,
    /// Node id it would like to have.
    pub desired_node_id: Option<u32>,
}

impl ShmAttachRequest {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 1;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 27;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    pub const ENCODED_LEN: usize = 35;

    /// Bytes the message takes: always [`ENCODED_LEN`](Self::ENCODED_LEN).
    ///
    /// # Errors
    /// None; other messages can be too long.
    #[inline]
    pub const fn encoded_len(&self) -> Result<usize, EncodeError> {
        Ok(Self::ENCODED_LEN)
    }

    /// Writes the message with its header to the start of `buf` and tells its length.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`].
    #[inline]
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        self.encode_into(Writer::new(buf, Self::ENCODED_LEN)?.block()?);
        Ok(Self::ENCODED_LEN)
    }

    /// Writes the message with its header.
    #[inline]
    pub fn encode_into(&self, bytes: &mut [u8; 35]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.correlation_id.to_le_bytes());
        put::<16, _, _>(bytes, self.stream_id.to_le_bytes());
        put::<20, _, _>(bytes, self.client_id.to_le_bytes());
        put::<24, _, _>(bytes, self.role.to_wire().to_le_bytes());
        put::<25, _, _>(bytes, self.expected_layout_version.to_le_bytes());
        put::<29, _, _>(
            bytes,
            self.publish_mode
                .map_or(u8::MAX, PublishMode::to_wire)
                .to_le_bytes(),
        );
        put::<30, _, _>(
            bytes,
            self.require_hugepages
                .map_or(u8::MAX, HugepagesPolicy::to_wire)
                .to_le_bytes(),
        );
        put::<31, _, _>(
            bytes,
            or_null(self.desired_node_id, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<27>(buf, "ShmAttachRequest", Self::HEADER)?;
        Ok(Self {
            correlation_id: i64::from_le_bytes(at::<0, _, _>(block)),
            stream_id: u32::from_le_bytes(at::<8, _, _>(block)),
            client_id: u32::from_le_bytes(at::<12, _, _>(block)),
            role: Role::checked(
                u8::from_le_bytes(at::<16, _, _>(block)),
                "ShmAttachRequest.role",
            )?,
            expected_layout_version: u32::from_le_bytes(at::<17, _, _>(block)),
            publish_mode: match u8::from_le_bytes(at::<21, _, _>(block)) {
                u8::MAX => None,
                value => Some(PublishMode::checked(value, "ShmAttachRequest.publishMode")?),
            },
            require_hugepages: match u8::from_le_bytes(at::<22, _, _>(block)) {
                u8::MAX => None,
                value => Some(HugepagesPolicy::checked(
                    value,
                    "ShmAttachRequest.requireHugepages",
                )?),
            },
            desired_node_id: non_null(u32::from_le_bytes(at::<23, _, _>(block)), [u32::MAX]),
        })
    }
}

/// [`ShmAttachRequest`] has no groups: it is read the way it is written.
pub type ShmAttachRequestView = ShmAttachRequest;

/// One entry of a group: The payload pools of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmAttachResponsePayloadPool<'a> {
    /// The pool, unique within the stream.
    pub pool_id: u16,
    /// Slots in the pool; the same power of two as the header ring.
    pub pool_nslots: u32,
    /// Bytes from one slot to the next; a multiple of 64.
    pub stride_bytes: u32,
    /// Where the pool is mapped from: `shm:file?path=..`.
    pub region_uri: &'a [u8],
}

impl<'a> ShmAttachResponsePayloadPool<'a> {
    #[inline]
    fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
        len.block(10);
        len.data(
            "ShmAttachResponsePayloadPool.regionUri",
            self.region_uri,
            1073741824,
        )?;
        Ok(())
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.write_block(out.block::<10>()?);
        out.data("ShmAttachResponsePayloadPool.regionUri", self.region_uri)?;
        Ok(())
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 10]) {
        put::<0, _, _>(block, self.pool_id.to_le_bytes());
        put::<2, _, _>(block, self.pool_nslots.to_le_bytes());
        put::<6, _, _>(block, self.stride_bytes.to_le_bytes());
    }
}

impl<'a> Element<'a> for ShmAttachResponsePayloadPool<'a> {
    const BLOCK_LEN: u16 = 10;

    const MIN_LEN: usize = 14;

    fn read(reader: &mut Reader<'a>, block_len: u16) -> Result<Self, DecodeError> {
        let block = reader.block::<10>("ShmAttachResponsePayloadPool", block_len)?;
        let region_uri = reader.data("ShmAttachResponsePayloadPool.regionUri", 1073741824)?;
        Ok(Self {
            pool_id: u16::from_le_bytes(at::<0, _, _>(block)),
            pool_nslots: u32::from_le_bytes(at::<2, _, _>(block)),
            stride_bytes: u32::from_le_bytes(at::<6, _, _>(block)),
            region_uri,
        })
    }
}

/// The driver grants a lease, or says why not.
///
/// Template 2, block of 54 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmAttachResponse<'a> {
    /// The request answered.
    pub correlation_id: i64,
    /// How it ended; the optional fields are set when OK.
    pub code: ResponseCode,
    /// The lease.
    pub lease_id: Option<u64>,
    /// When it ends without a keepalive.
    pub lease_expiry_timestamp_ns: Option<u64>,
    /// The stream granted; may differ from the one asked for.
    pub stream_id: Option<u32>,
    /// The epoch to map.
    pub epoch: Option<u64>,
    /// Version of the layout: 1.
    pub layout_version: Option<u32>,
    /// Slots in the header ring.
    pub header_nslots: Option<u32>,
    /// Bytes per header slot: 256.
    pub header_slot_bytes: Option<u16>,
    /// Node id assigned, for trace ids.
    pub node_id: Option<u32>,
    /// The payload pools of the stream.
    pub payload_pools: &'a [ShmAttachResponsePayloadPool<'a>],
    /// Where the header ring is mapped from.
    pub header_region_uri: &'a [u8],
    /// Why not; empty when OK.
    pub error_message: &'a [u8],
}

impl<'a> ShmAttachResponse<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 2;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 54;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    ///
    /// # Errors
    /// [`EncodeError`] when a group or a string is too long for its type.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut len = Measure::new(62);
        len.group("ShmAttachResponse.payloadPools", self.payload_pools.len())?;
        for entry in self.payload_pools {
            entry.measure(&mut len)?;
        }
        len.data(
            "ShmAttachResponse.headerRegionUri",
            self.header_region_uri,
            1073741824,
        )?;
        len.data(
            "ShmAttachResponse.errorMessage",
            self.error_message,
            1073741824,
        )?;
        Ok(len.len())
    }

    /// Writes the message with its header to the start of `buf` and tells its length.
    ///
    /// # Errors
    /// [`EncodeError`] when `buf` is shorter than [`encoded_len`](Self::encoded_len), or that fails.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let len = self.encoded_len()?;
        let mut out = Writer::new(buf, len)?;
        out.header(Self::HEADER)?;
        self.write_block(out.block::<54>()?);
        out.group(
            "ShmAttachResponse.payloadPools",
            10,
            self.payload_pools.len(),
        )?;
        for entry in self.payload_pools {
            entry.write(&mut out)?;
        }
        out.data("ShmAttachResponse.headerRegionUri", self.header_region_uri)?;
        out.data("ShmAttachResponse.errorMessage", self.error_message)?;
        Ok(len)
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 54]) {
        put::<0, _, _>(block, self.correlation_id.to_le_bytes());
        put::<8, _, _>(block, self.code.to_wire().to_le_bytes());
        put::<12, _, _>(
            block,
            or_null(self.lease_id, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
        put::<20, _, _>(
            block,
            or_null(self.lease_expiry_timestamp_ns, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
        put::<28, _, _>(
            block,
            or_null(self.stream_id, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
        put::<32, _, _>(
            block,
            or_null(self.epoch, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
        put::<40, _, _>(
            block,
            or_null(self.layout_version, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
        put::<44, _, _>(
            block,
            or_null(self.header_nslots, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
        put::<48, _, _>(
            block,
            or_null(self.header_slot_bytes, u16::MAX, [u16::MAX]).to_le_bytes(),
        );
        put::<50, _, _>(
            block,
            or_null(self.node_id, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
    }
}

/// The driver grants a lease, or says why not.
///
/// Template 2, block of 54 bytes.
///
/// This is [`ShmAttachResponse`] as it is read: groups are iterated over in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShmAttachResponseView<'a> {
    /// The request answered.
    pub correlation_id: i64,
    /// How it ended; the optional fields are set when OK.
    pub code: ResponseCode,
    /// The lease.
    pub lease_id: Option<u64>,
    /// When it ends without a keepalive.
    pub lease_expiry_timestamp_ns: Option<u64>,
    /// The stream granted; may differ from the one asked for.
    pub stream_id: Option<u32>,
    /// The epoch to map.
    pub epoch: Option<u64>,
    /// Version of the layout: 1.
    pub layout_version: Option<u32>,
    /// Slots in the header ring.
    pub header_nslots: Option<u32>,
    /// Bytes per header slot: 256.
    pub header_slot_bytes: Option<u16>,
    /// Node id assigned, for trace ids.
    pub node_id: Option<u32>,
    /// The payload pools of the stream.
    pub payload_pools: Group<'a, ShmAttachResponsePayloadPool<'a>>,
    /// Where the header ring is mapped from.
    pub header_region_uri: &'a [u8],
    /// Why not; empty when OK.
    pub error_message: &'a [u8],
}

impl<'a> ShmAttachResponseView<'a> {
    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<54>(buf, "ShmAttachResponse", ShmAttachResponse::HEADER)?;
        let payload_pools = reader.group("ShmAttachResponse.payloadPools")?;
        let header_region_uri =
            reader.trailing_data("ShmAttachResponse.headerRegionUri", 1073741824)?;
        let error_message = reader.trailing_data("ShmAttachResponse.errorMessage", 1073741824)?;
        Ok(Self {
            correlation_id: i64::from_le_bytes(at::<0, _, _>(block)),
            code: ResponseCode::checked(
                i32::from_le_bytes(at::<8, _, _>(block)),
                "ShmAttachResponse.code",
            )?,
            lease_id: non_null(u64::from_le_bytes(at::<12, _, _>(block)), [u64::MAX]),
            lease_expiry_timestamp_ns: non_null(
                u64::from_le_bytes(at::<20, _, _>(block)),
                [u64::MAX],
            ),
            stream_id: non_null(u32::from_le_bytes(at::<28, _, _>(block)), [u32::MAX]),
            epoch: non_null(u64::from_le_bytes(at::<32, _, _>(block)), [u64::MAX]),
            layout_version: non_null(u32::from_le_bytes(at::<40, _, _>(block)), [u32::MAX]),
            header_nslots: non_null(u32::from_le_bytes(at::<44, _, _>(block)), [u32::MAX]),
            header_slot_bytes: non_null(u16::from_le_bytes(at::<48, _, _>(block)), [u16::MAX]),
            node_id: non_null(u32::from_le_bytes(at::<50, _, _>(block)), [u32::MAX]),
            payload_pools,
            header_region_uri,
            error_message,
        })
    }
}

/// A client gives a lease back.
///
/// Template 3, block of 25 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmDetachRequest {
    /// Ties the response to this request.
    pub correlation_id: i64,
    /// The lease.
    pub lease_id: u64,
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The client.
    pub client_id: u32,
    /// What the client does with the stream.
    pub role: Role,
}

impl ShmDetachRequest {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 3;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 25;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    pub const ENCODED_LEN: usize = 33;

    /// Bytes the message takes: always [`ENCODED_LEN`](Self::ENCODED_LEN).
    ///
    /// # Errors
    /// None; other messages can be too long.
    #[inline]
    pub const fn encoded_len(&self) -> Result<usize, EncodeError> {
        Ok(Self::ENCODED_LEN)
    }

    /// Writes the message with its header to the start of `buf` and tells its length.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`].
    #[inline]
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        self.encode_into(Writer::new(buf, Self::ENCODED_LEN)?.block()?);
        Ok(Self::ENCODED_LEN)
    }

    /// Writes the message with its header.
    #[inline]
    pub fn encode_into(&self, bytes: &mut [u8; 33]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.correlation_id.to_le_bytes());
        put::<16, _, _>(bytes, self.lease_id.to_le_bytes());
        put::<24, _, _>(bytes, self.stream_id.to_le_bytes());
        put::<28, _, _>(bytes, self.client_id.to_le_bytes());
        put::<32, _, _>(bytes, self.role.to_wire().to_le_bytes());
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<25>(buf, "ShmDetachRequest", Self::HEADER)?;
        Ok(Self {
            correlation_id: i64::from_le_bytes(at::<0, _, _>(block)),
            lease_id: u64::from_le_bytes(at::<8, _, _>(block)),
            stream_id: u32::from_le_bytes(at::<16, _, _>(block)),
            client_id: u32::from_le_bytes(at::<20, _, _>(block)),
            role: Role::checked(
                u8::from_le_bytes(at::<24, _, _>(block)),
                "ShmDetachRequest.role",
            )?,
        })
    }
}

/// [`ShmDetachRequest`] has no groups: it is read the way it is written.
pub type ShmDetachRequestView = ShmDetachRequest;

/// The answer to a detach.
///
/// Template 4, block of 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmDetachResponse<'a> {
    /// The request answered.
    pub correlation_id: i64,
    /// How it ended.
    pub code: ResponseCode,
    /// Why not; empty when OK.
    pub error_message: &'a [u8],
}

impl<'a> ShmDetachResponse<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 4;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 12;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    ///
    /// # Errors
    /// [`EncodeError`] when a group or a string is too long for its type.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut len = Measure::new(20);
        len.data(
            "ShmDetachResponse.errorMessage",
            self.error_message,
            1073741824,
        )?;
        Ok(len.len())
    }

    /// Writes the message with its header to the start of `buf` and tells its length.
    ///
    /// # Errors
    /// [`EncodeError`] when `buf` is shorter than [`encoded_len`](Self::encoded_len), or that fails.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let len = self.encoded_len()?;
        let mut out = Writer::new(buf, len)?;
        out.header(Self::HEADER)?;
        self.write_block(out.block::<12>()?);
        out.data("ShmDetachResponse.errorMessage", self.error_message)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<12>(buf, "ShmDetachResponse", ShmDetachResponse::HEADER)?;
        let error_message = reader.trailing_data("ShmDetachResponse.errorMessage", 1073741824)?;
        Ok(Self {
            correlation_id: i64::from_le_bytes(at::<0, _, _>(block)),
            code: ResponseCode::checked(
                i32::from_le_bytes(at::<8, _, _>(block)),
                "ShmDetachResponse.code",
            )?,
            error_message,
        })
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 12]) {
        put::<0, _, _>(block, self.correlation_id.to_le_bytes());
        put::<8, _, _>(block, self.code.to_wire().to_le_bytes());
    }
}

/// [`ShmDetachResponse`] has no groups: it is read the way it is written.
pub type ShmDetachResponseView<'a> = ShmDetachResponse<'a>;

/// A client says that it still uses its lease. Not answered.
///
/// Template 5, block of 25 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmLeaseKeepalive {
    /// The lease.
    pub lease_id: u64,
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The client.
    pub client_id: u32,
    /// What the client does with the stream.
    pub role: Role,
    /// When the client sent it.
    pub client_timestamp_ns: u64,
}

impl ShmLeaseKeepalive {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 5;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 25;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    pub const ENCODED_LEN: usize = 33;

    /// Bytes the message takes: always [`ENCODED_LEN`](Self::ENCODED_LEN).
    ///
    /// # Errors
    /// None; other messages can be too long.
    #[inline]
    pub const fn encoded_len(&self) -> Result<usize, EncodeError> {
        Ok(Self::ENCODED_LEN)
    }

    /// Writes the message with its header to the start of `buf` and tells its length.
    ///
    /// # Errors
    /// [`EncodeError::BufferTooSmall`].
    #[inline]
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        self.encode_into(Writer::new(buf, Self::ENCODED_LEN)?.block()?);
        Ok(Self::ENCODED_LEN)
    }

    /// Writes the message with its header.
    #[inline]
    pub fn encode_into(&self, bytes: &mut [u8; 33]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.lease_id.to_le_bytes());
        put::<16, _, _>(bytes, self.stream_id.to_le_bytes());
        put::<20, _, _>(bytes, self.client_id.to_le_bytes());
        put::<24, _, _>(bytes, self.role.to_wire().to_le_bytes());
        put::<25, _, _>(bytes, self.client_timestamp_ns.to_le_bytes());
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<25>(buf, "ShmLeaseKeepalive", Self::HEADER)?;
        Ok(Self {
            lease_id: u64::from_le_bytes(at::<0, _, _>(block)),
            stream_id: u32::from_le_bytes(at::<8, _, _>(block)),
            client_id: u32::from_le_bytes(at::<12, _, _>(block)),
            role: Role::checked(
                u8::from_le_bytes(at::<16, _, _>(block)),
                "ShmLeaseKeepalive.role",
            )?,
            client_timestamp_ns: u64::from_le_bytes(at::<17, _, _>(block)),
        })
    }
}

/// [`ShmLeaseKeepalive`] has no groups: it is read the way it is written.
pub type ShmLeaseKeepaliveView = ShmLeaseKeepalive;

/// The driver stops; every lease ends.
///
/// Template 6, block of 9 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmDriverShutdown<'a> {
    /// When.
    pub timestamp_ns: u64,
    /// Why.
    pub reason: ShutdownReason,
    /// More about why; may be empty.
    pub error_message: &'a [u8],
}

impl<'a> ShmDriverShutdown<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 6;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 9;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    ///
    /// # Errors
    /// [`EncodeError`] when a group or a string is too long for its type.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut len = Measure::new(17);
        len.data(
            "ShmDriverShutdown.errorMessage",
            self.error_message,
            1073741824,
        )?;
        Ok(len.len())
    }

    /// Writes the message with its header to the start of `buf` and tells its length.
    ///
    /// # Errors
    /// [`EncodeError`] when `buf` is shorter than [`encoded_len`](Self::encoded_len), or that fails.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let len = self.encoded_len()?;
        let mut out = Writer::new(buf, len)?;
        out.header(Self::HEADER)?;
        self.write_block(out.block::<9>()?);
        out.data("ShmDriverShutdown.errorMessage", self.error_message)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<9>(buf, "ShmDriverShutdown", ShmDriverShutdown::HEADER)?;
        let error_message = reader.trailing_data("ShmDriverShutdown.errorMessage", 1073741824)?;
        Ok(Self {
            timestamp_ns: u64::from_le_bytes(at::<0, _, _>(block)),
            reason: ShutdownReason::checked(
                u8::from_le_bytes(at::<8, _, _>(block)),
                "ShmDriverShutdown.reason",
            )?,
            error_message,
        })
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 9]) {
        put::<0, _, _>(block, self.timestamp_ns.to_le_bytes());
        put::<8, _, _>(block, self.reason.to_wire().to_le_bytes());
    }
}

/// [`ShmDriverShutdown`] has no groups: it is read the way it is written.
pub type ShmDriverShutdownView<'a> = ShmDriverShutdown<'a>;

/// A lease ended.
///
/// Template 7, block of 26 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmLeaseRevoked<'a> {
    /// When.
    pub timestamp_ns: u64,
    /// The lease.
    pub lease_id: u64,
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The client that had it.
    pub client_id: u32,
    /// What that client did with the stream.
    pub role: Role,
    /// Why.
    pub reason: LeaseRevokeReason,
    /// More about why; may be empty.
    pub error_message: &'a [u8],
}

impl<'a> ShmLeaseRevoked<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 7;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 26;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    ///
    /// # Errors
    /// [`EncodeError`] when a group or a string is too long for its type.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut len = Measure::new(34);
        len.data(
            "ShmLeaseRevoked.errorMessage",
            self.error_message,
            1073741824,
        )?;
        Ok(len.len())
    }

    /// Writes the message with its header to the start of `buf` and tells its length.
    ///
    /// # Errors
    /// [`EncodeError`] when `buf` is shorter than [`encoded_len`](Self::encoded_len), or that fails.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let len = self.encoded_len()?;
        let mut out = Writer::new(buf, len)?;
        out.header(Self::HEADER)?;
        self.write_block(out.block::<26>()?);
        out.data("ShmLeaseRevoked.errorMessage", self.error_message)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<26>(buf, "ShmLeaseRevoked", ShmLeaseRevoked::HEADER)?;
        let error_message = reader.trailing_data("ShmLeaseRevoked.errorMessage", 1073741824)?;
        Ok(Self {
            timestamp_ns: u64::from_le_bytes(at::<0, _, _>(block)),
            lease_id: u64::from_le_bytes(at::<8, _, _>(block)),
            stream_id: u32::from_le_bytes(at::<16, _, _>(block)),
            client_id: u32::from_le_bytes(at::<20, _, _>(block)),
            role: Role::checked(
                u8::from_le_bytes(at::<24, _, _>(block)),
                "ShmLeaseRevoked.role",
            )?,
            reason: LeaseRevokeReason::checked(
                u8::from_le_bytes(at::<25, _, _>(block)),
                "ShmLeaseRevoked.reason",
            )?,
            error_message,
        })
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 26]) {
        put::<0, _, _>(block, self.timestamp_ns.to_le_bytes());
        put::<8, _, _>(block, self.lease_id.to_le_bytes());
        put::<16, _, _>(block, self.stream_id.to_le_bytes());
        put::<20, _, _>(block, self.client_id.to_le_bytes());
        put::<24, _, _>(block, self.role.to_wire().to_le_bytes());
        put::<25, _, _>(block, self.reason.to_wire().to_le_bytes());
    }
}

/// [`ShmLeaseRevoked`] has no groups: it is read the way it is written.
pub type ShmLeaseRevokedView<'a> = ShmLeaseRevoked<'a>;

/// An administrator asks the driver to stop.
///
/// Template 8, block of 9 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmDriverShutdownRequest<'a> {
    /// Ties a response to this request.
    pub correlation_id: i64,
    /// Why.
    pub reason: ShutdownReason,
    /// Proof that the sender may ask.
    pub token: &'a [u8],
    /// More about why; may be empty.
    pub error_message: &'a [u8],
}

impl<'a> ShmDriverShutdownRequest<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 8;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 9;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    ///
    /// # Errors
    /// [`EncodeError`] when a group or a string is too long for its type.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut len = Measure::new(17);
        len.data("ShmDriverShutdownRequest.token", self.token, 1073741824)?;
        len.data(
            "ShmDriverShutdownRequest.errorMessage",
            self.error_message,
            1073741824,
        )?;
        Ok(len.len())
    }

    /// Writes the message with its header to the start of `buf` and tells its length.
    ///
    /// # Errors
    /// [`EncodeError`] when `buf` is shorter than [`encoded_len`](Self::encoded_len), or that fails.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let len = self.encoded_len()?;
        let mut out = Writer::new(buf, len)?;
        out.header(Self::HEADER)?;
        self.write_block(out.block::<9>()?);
        out.data("ShmDriverShutdownRequest.token", self.token)?;
        out.data("ShmDriverShutdownRequest.errorMessage", self.error_message)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) = Reader::open::<9>(
            buf,
            "ShmDriverShutdownRequest",
            ShmDriverShutdownRequest::HEADER,
        )?;
        let token = reader.trailing_data("ShmDriverShutdownRequest.token", 1073741824)?;
        let error_message =
            reader.trailing_data("ShmDriverShutdownRequest.errorMessage", 1073741824)?;
        Ok(Self {
            correlation_id: i64::from_le_bytes(at::<0, _, _>(block)),
            reason: ShutdownReason::checked(
                u8::from_le_bytes(at::<8, _, _>(block)),
                "ShmDriverShutdownRequest.reason",
            )?,
            token,
            error_message,
        })
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 9]) {
        put::<0, _, _>(block, self.correlation_id.to_le_bytes());
        put::<8, _, _>(block, self.reason.to_wire().to_le_bytes());
    }
}

/// [`ShmDriverShutdownRequest`] has no groups: it is read the way it is written.
pub type ShmDriverShutdownRequestView<'a> = ShmDriverShutdownRequest<'a>;

// Generated from schemas/wire.xml by `cargo xtask codegen`. Do not edit.

//! Frames, their shared-memory layout, and the control messages around them.
//!
//! Schema 900, version 1, package `shm.tensorpool.control`.

use crate::error::{DecodeError, EncodeError};
use crate::group::{Element, Group};
use crate::header::MessageHeader;
use crate::raw::{Measure, Reader, Writer, at, bool_from_wire, non_null, or_null, put};

/// The schema id in every message header.
pub const SCHEMA_ID: u16 = 900;

/// The schema version that is sent; any version from 1 is accepted.
pub const SCHEMA_VERSION: u16 = 1;

/// The messages of this schema that travel with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Template {
    /// Tells, about once a second, where a stream lives and that it does.
    ShmPoolAnnounce = 1,
    /// A consumer introduces itself and says what it would like.
    ConsumerHello = 2,
    /// The answer to a hello: what the consumer is to use.
    ConsumerConfig = 3,
    /// A frame was committed: where to look for it.
    FrameDescriptor = 4,
    /// How much of a frame has been written so far.
    FrameProgress = 11,
    /// What a consumer has seen and lost.
    QosConsumer = 5,
    /// Where a producer stands.
    QosProducer = 6,
    /// What the payload of a slot is; a message with header, embedded in the slot.
    TensorHeader = 52,
    /// Names a data source.
    DataSourceAnnounce = 7,
    /// The metadata of a data source.
    DataSourceMeta = 8,
    /// A general answer; nobody sends it today.
    ControlResponse = 9,
    /// A metadata blob is about to be sent in chunks.
    MetaBlobAnnounce = 10,
    /// A piece of a metadata blob.
    MetaBlobChunk = 12,
    /// All chunks of a metadata blob were sent.
    MetaBlobComplete = 13,
}

impl Template {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 14] = [
        Self::ShmPoolAnnounce,
        Self::ConsumerHello,
        Self::ConsumerConfig,
        Self::FrameDescriptor,
        Self::FrameProgress,
        Self::QosConsumer,
        Self::QosProducer,
        Self::TensorHeader,
        Self::DataSourceAnnounce,
        Self::DataSourceMeta,
        Self::ControlResponse,
        Self::MetaBlobAnnounce,
        Self::MetaBlobChunk,
        Self::MetaBlobComplete,
    ];

    /// The message with this template id, if there is one.
    #[inline]
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::ShmPoolAnnounce),
            2 => Some(Self::ConsumerHello),
            3 => Some(Self::ConsumerConfig),
            4 => Some(Self::FrameDescriptor),
            11 => Some(Self::FrameProgress),
            5 => Some(Self::QosConsumer),
            6 => Some(Self::QosProducer),
            52 => Some(Self::TensorHeader),
            7 => Some(Self::DataSourceAnnounce),
            8 => Some(Self::DataSourceMeta),
            9 => Some(Self::ControlResponse),
            10 => Some(Self::MetaBlobAnnounce),
            12 => Some(Self::MetaBlobChunk),
            13 => Some(Self::MetaBlobComplete),
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
            Self::ShmPoolAnnounce => "ShmPoolAnnounce",
            Self::ConsumerHello => "ConsumerHello",
            Self::ConsumerConfig => "ConsumerConfig",
            Self::FrameDescriptor => "FrameDescriptor",
            Self::FrameProgress => "FrameProgress",
            Self::QosConsumer => "QosConsumer",
            Self::QosProducer => "QosProducer",
            Self::TensorHeader => "TensorHeader",
            Self::DataSourceAnnounce => "DataSourceAnnounce",
            Self::DataSourceMeta => "DataSourceMeta",
            Self::ControlResponse => "ControlResponse",
            Self::MetaBlobAnnounce => "MetaBlobAnnounce",
            Self::MetaBlobChunk => "MetaBlobChunk",
            Self::MetaBlobComplete => "MetaBlobComplete",
        }
    }
}

/// How a consumer wants its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Mode {
    /// Every frame.
    Stream = 1,
    /// At most `maxRateHz` frames a second.
    RateLimited = 2,
}

impl Mode {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 2] = [Self::Stream, Self::RateLimited];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Stream),
            2 => Some(Self::RateLimited),
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
            Self::Stream => "STREAM",
            Self::RateLimited => "RATE_LIMITED",
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

/// How far a frame has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum FrameProgressState {
    /// Not stated.
    Unknown = 0,
    /// Writing began.
    Started = 1,
    /// Some bytes are in place.
    Progress = 2,
    /// All bytes are in place.
    Complete = 3,
}

impl FrameProgressState {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Started, Self::Progress, Self::Complete];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Unknown),
            1 => Some(Self::Started),
            2 => Some(Self::Progress),
            3 => Some(Self::Complete),
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
            Self::Unknown => "UNKNOWN",
            Self::Started => "STARTED",
            Self::Progress => "PROGRESS",
            Self::Complete => "COMPLETE",
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

/// What `progressStrideBytes` measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ProgressUnit {
    /// No progress is reported.
    None = 0,
    /// One row, the stride of the first dimension.
    Rows = 1,
    /// One column, the stride of the second dimension.
    Columns = 2,
}

impl ProgressUnit {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 3] = [Self::None, Self::Rows, Self::Columns];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::None),
            1 => Some(Self::Rows),
            2 => Some(Self::Columns),
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
            Self::None => "NONE",
            Self::Rows => "ROWS",
            Self::Columns => "COLUMNS",
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

/// The clock a timestamp was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ClockDomain {
    /// CLOCK_MONOTONIC of this machine.
    Monotonic = 1,
    /// A realtime clock synchronised across machines.
    RealtimeSynced = 2,
}

impl ClockDomain {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 2] = [Self::Monotonic, Self::RealtimeSynced];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Monotonic),
            2 => Some(Self::RealtimeSynced),
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
            Self::Monotonic => "MONOTONIC",
            Self::RealtimeSynced => "REALTIME_SYNCED",
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

/// What a shared-memory region holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum RegionType {
    /// The ring of 256-byte header slots.
    HeaderRing = 1,
    /// Payload slots of one stride.
    PayloadPool = 2,
}

impl RegionType {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 2] = [Self::HeaderRing, Self::PayloadPool];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: i16) -> Option<Self> {
        match value {
            1 => Some(Self::HeaderRing),
            2 => Some(Self::PayloadPool),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> i16 {
        self as i16
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeaderRing => "HEADER_RING",
            Self::PayloadPool => "PAYLOAD_POOL",
        }
    }

    #[inline]
    fn checked(value: i16, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// The element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum Dtype {
    /// Not stated.
    Unknown = 0,
    /// Unsigned, 1 byte.
    Uint8 = 1,
    /// Signed, 1 byte.
    Int8 = 2,
    /// Unsigned, 2 bytes.
    Uint16 = 3,
    /// Signed, 2 bytes.
    Int16 = 4,
    /// Unsigned, 4 bytes.
    Uint32 = 5,
    /// Signed, 4 bytes.
    Int32 = 6,
    /// Unsigned, 8 bytes.
    Uint64 = 7,
    /// Signed, 8 bytes.
    Int64 = 8,
    /// IEEE 754, 4 bytes.
    Float32 = 9,
    /// IEEE 754, 8 bytes.
    Float64 = 10,
    /// One byte per truth value.
    Boolean = 11,
    /// Opaque bytes.
    Bytes = 13,
    /// Bits, counted as one byte per element.
    Bit = 14,
}

impl Dtype {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 14] = [
        Self::Unknown,
        Self::Uint8,
        Self::Int8,
        Self::Uint16,
        Self::Int16,
        Self::Uint32,
        Self::Int32,
        Self::Uint64,
        Self::Int64,
        Self::Float32,
        Self::Float64,
        Self::Boolean,
        Self::Bytes,
        Self::Bit,
    ];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: i16) -> Option<Self> {
        match value {
            0 => Some(Self::Unknown),
            1 => Some(Self::Uint8),
            2 => Some(Self::Int8),
            3 => Some(Self::Uint16),
            4 => Some(Self::Int16),
            5 => Some(Self::Uint32),
            6 => Some(Self::Int32),
            7 => Some(Self::Uint64),
            8 => Some(Self::Int64),
            9 => Some(Self::Float32),
            10 => Some(Self::Float64),
            11 => Some(Self::Boolean),
            13 => Some(Self::Bytes),
            14 => Some(Self::Bit),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> i16 {
        self as i16
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Uint8 => "UINT8",
            Self::Int8 => "INT8",
            Self::Uint16 => "UINT16",
            Self::Int16 => "INT16",
            Self::Uint32 => "UINT32",
            Self::Int32 => "INT32",
            Self::Uint64 => "UINT64",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::Bytes => "BYTES",
            Self::Bit => "BIT",
        }
    }

    #[inline]
    fn checked(value: i16, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// Which dimension varies slowest in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum MajorOrder {
    /// Not stated.
    Unknown = 0,
    /// The first (C order).
    Row = 1,
    /// The last (Fortran order).
    Column = 2,
}

impl MajorOrder {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Row, Self::Column];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: i16) -> Option<Self> {
        match value {
            0 => Some(Self::Unknown),
            1 => Some(Self::Row),
            2 => Some(Self::Column),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> i16 {
        self as i16
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Row => "ROW",
            Self::Column => "COLUMN",
        }
    }

    #[inline]
    fn checked(value: i16, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// One entry of a group: The payload pools of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmPoolAnnouncePayloadPool<'a> {
    /// The pool, unique within the stream.
    pub pool_id: u16,
    /// Slots in the pool; the same power of two as the header ring.
    pub pool_nslots: u32,
    /// Bytes from one slot to the next; a multiple of 64.
    pub stride_bytes: u32,
    /// Where the pool is mapped from: `shm:file?path=..`.
    pub region_uri: &'a [u8],
}

impl<'a> ShmPoolAnnouncePayloadPool<'a> {
    #[inline]
    fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
        len.block(10);
        len.data(
            "ShmPoolAnnouncePayloadPool.regionUri",
            self.region_uri,
            1073741824,
        )?;
        Ok(())
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.write_block(out.block::<10>()?);
        out.data("ShmPoolAnnouncePayloadPool.regionUri", self.region_uri)?;
        Ok(())
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 10]) {
        put::<0, _, _>(block, self.pool_id.to_le_bytes());
        put::<2, _, _>(block, self.pool_nslots.to_le_bytes());
        put::<6, _, _>(block, self.stride_bytes.to_le_bytes());
    }
}

impl<'a> Element<'a> for ShmPoolAnnouncePayloadPool<'a> {
    const BLOCK_LEN: u16 = 10;

    const MIN_LEN: usize = 14;

    fn read(reader: &mut Reader<'a>, block_len: u16) -> Result<Self, DecodeError> {
        let block = reader.block::<10>("ShmPoolAnnouncePayloadPool", block_len)?;
        let region_uri = reader.data("ShmPoolAnnouncePayloadPool.regionUri", 1073741824)?;
        Ok(Self {
            pool_id: u16::from_le_bytes(at::<0, _, _>(block)),
            pool_nslots: u32::from_le_bytes(at::<2, _, _>(block)),
            stride_bytes: u32::from_le_bytes(at::<6, _, _>(block)),
            region_uri,
        })
    }
}

/// Tells, about once a second, where a stream lives and that it does.
///
/// Template 1, block of 35 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmPoolAnnounce<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The client that produces; 0 when there is none.
    pub producer_id: u32,
    /// The epoch of the regions announced.
    pub epoch: u64,
    /// When this was sent, by `announceClockDomain`.
    pub announce_timestamp_ns: u64,
    /// The clock of `announceTimestampNs`.
    pub announce_clock_domain: ClockDomain,
    /// Version of the shared-memory layout: 1.
    pub layout_version: u32,
    /// Slots in the header ring; a power of two.
    pub header_nslots: u32,
    /// Bytes per header slot: 256.
    pub header_slot_bytes: u16,
    /// The payload pools of the stream.
    pub payload_pools: &'a [ShmPoolAnnouncePayloadPool<'a>],
    /// Where the header ring is mapped from.
    pub header_region_uri: &'a [u8],
}

impl<'a> ShmPoolAnnounce<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 1;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 35;

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
        let mut len = Measure::new(43);
        len.group("ShmPoolAnnounce.payloadPools", self.payload_pools.len())?;
        for entry in self.payload_pools {
            entry.measure(&mut len)?;
        }
        len.data(
            "ShmPoolAnnounce.headerRegionUri",
            self.header_region_uri,
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
        self.write_block(out.block::<35>()?);
        out.group("ShmPoolAnnounce.payloadPools", 10, self.payload_pools.len())?;
        for entry in self.payload_pools {
            entry.write(&mut out)?;
        }
        out.data("ShmPoolAnnounce.headerRegionUri", self.header_region_uri)?;
        Ok(len)
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 35]) {
        put::<0, _, _>(block, self.stream_id.to_le_bytes());
        put::<4, _, _>(block, self.producer_id.to_le_bytes());
        put::<8, _, _>(block, self.epoch.to_le_bytes());
        put::<16, _, _>(block, self.announce_timestamp_ns.to_le_bytes());
        put::<24, _, _>(block, self.announce_clock_domain.to_wire().to_le_bytes());
        put::<25, _, _>(block, self.layout_version.to_le_bytes());
        put::<29, _, _>(block, self.header_nslots.to_le_bytes());
        put::<33, _, _>(block, self.header_slot_bytes.to_le_bytes());
    }
}

/// Tells, about once a second, where a stream lives and that it does.
///
/// Template 1, block of 35 bytes.
///
/// This is [`ShmPoolAnnounce`] as it is read: groups are iterated over in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShmPoolAnnounceView<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The client that produces; 0 when there is none.
    pub producer_id: u32,
    /// The epoch of the regions announced.
    pub epoch: u64,
    /// When this was sent, by `announceClockDomain`.
    pub announce_timestamp_ns: u64,
    /// The clock of `announceTimestampNs`.
    pub announce_clock_domain: ClockDomain,
    /// Version of the shared-memory layout: 1.
    pub layout_version: u32,
    /// Slots in the header ring; a power of two.
    pub header_nslots: u32,
    /// Bytes per header slot: 256.
    pub header_slot_bytes: u16,
    /// The payload pools of the stream.
    pub payload_pools: Group<'a, ShmPoolAnnouncePayloadPool<'a>>,
    /// Where the header ring is mapped from.
    pub header_region_uri: &'a [u8],
}

impl<'a> ShmPoolAnnounceView<'a> {
    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<35>(buf, "ShmPoolAnnounce", ShmPoolAnnounce::HEADER)?;
        let payload_pools = reader.group("ShmPoolAnnounce.payloadPools")?;
        let header_region_uri =
            reader.trailing_data("ShmPoolAnnounce.headerRegionUri", 1073741824)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            producer_id: u32::from_le_bytes(at::<4, _, _>(block)),
            epoch: u64::from_le_bytes(at::<8, _, _>(block)),
            announce_timestamp_ns: u64::from_le_bytes(at::<16, _, _>(block)),
            announce_clock_domain: ClockDomain::checked(
                u8::from_le_bytes(at::<24, _, _>(block)),
                "ShmPoolAnnounce.announceClockDomain",
            )?,
            layout_version: u32::from_le_bytes(at::<25, _, _>(block)),
            header_nslots: u32::from_le_bytes(at::<29, _, _>(block)),
            header_slot_bytes: u16::from_le_bytes(at::<33, _, _>(block)),
            payload_pools,
            header_region_uri,
        })
    }
}

/// A consumer introduces itself and says what it would like.
///
/// Template 2, block of 39 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerHello<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The consumer.
    pub consumer_id: u32,
    /// Whether it can map shared memory.
    pub supports_shm: bool,
    /// Whether it wants FrameProgress.
    pub supports_progress: bool,
    /// How it wants its frames.
    pub mode: Mode,
    /// Frames a second at most; 0 is unlimited. Send no more than 65535.
    pub max_rate_hz: u32,
    /// Layout version it understands; 0 is any.
    pub expected_layout_version: u32,
    /// Least time between progress messages. 0 also means no wish.
    pub progress_interval_us: Option<u32>,
    /// Least bytes between progress messages. 0 also means no wish.
    pub progress_bytes_delta: Option<u32>,
    /// Least rows or columns between progress messages. 0 also means no wish.
    pub progress_major_delta_units: Option<u32>,
    /// Aeron stream wanted for descriptors of its own; 0 for none.
    pub descriptor_stream_id: u32,
    /// Aeron stream wanted for control of its own; 0 for none.
    pub control_stream_id: u32,
    /// Channel wanted for descriptors; empty for none.
    pub descriptor_channel: &'a [u8],
    /// Channel wanted for control; empty for none.
    pub control_channel: &'a [u8],
}

impl<'a> ConsumerHello<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 2;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 39;

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
        let mut len = Measure::new(47);
        len.data(
            "ConsumerHello.descriptorChannel",
            self.descriptor_channel,
            1073741824,
        )?;
        len.data(
            "ConsumerHello.controlChannel",
            self.control_channel,
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
        self.write_block(out.block::<39>()?);
        out.data("ConsumerHello.descriptorChannel", self.descriptor_channel)?;
        out.data("ConsumerHello.controlChannel", self.control_channel)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) = Reader::open::<39>(buf, "ConsumerHello", ConsumerHello::HEADER)?;
        let descriptor_channel =
            reader.trailing_data("ConsumerHello.descriptorChannel", 1073741824)?;
        let control_channel = reader.trailing_data("ConsumerHello.controlChannel", 1073741824)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            consumer_id: u32::from_le_bytes(at::<4, _, _>(block)),
            supports_shm: bool_from_wire(
                u8::from_le_bytes(at::<8, _, _>(block)),
                "ConsumerHello.supportsShm",
            )?,
            supports_progress: bool_from_wire(
                u8::from_le_bytes(at::<9, _, _>(block)),
                "ConsumerHello.supportsProgress",
            )?,
            mode: Mode::checked(
                u8::from_le_bytes(at::<10, _, _>(block)),
                "ConsumerHello.mode",
            )?,
            max_rate_hz: u32::from_le_bytes(at::<11, _, _>(block)),
            expected_layout_version: u32::from_le_bytes(at::<15, _, _>(block)),
            progress_interval_us: non_null(u32::from_le_bytes(at::<19, _, _>(block)), [u32::MAX]),
            progress_bytes_delta: non_null(u32::from_le_bytes(at::<23, _, _>(block)), [u32::MAX]),
            progress_major_delta_units: non_null(
                u32::from_le_bytes(at::<27, _, _>(block)),
                [u32::MAX],
            ),
            descriptor_stream_id: u32::from_le_bytes(at::<31, _, _>(block)),
            control_stream_id: u32::from_le_bytes(at::<35, _, _>(block)),
            descriptor_channel,
            control_channel,
        })
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 39]) {
        put::<0, _, _>(block, self.stream_id.to_le_bytes());
        put::<4, _, _>(block, self.consumer_id.to_le_bytes());
        put::<8, _, _>(block, u8::from(self.supports_shm).to_le_bytes());
        put::<9, _, _>(block, u8::from(self.supports_progress).to_le_bytes());
        put::<10, _, _>(block, self.mode.to_wire().to_le_bytes());
        put::<11, _, _>(block, self.max_rate_hz.to_le_bytes());
        put::<15, _, _>(block, self.expected_layout_version.to_le_bytes());
        put::<19, _, _>(
            block,
            or_null(self.progress_interval_us, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
        put::<23, _, _>(
            block,
            or_null(self.progress_bytes_delta, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
        put::<27, _, _>(
            block,
            or_null(self.progress_major_delta_units, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
        put::<31, _, _>(block, self.descriptor_stream_id.to_le_bytes());
        put::<35, _, _>(block, self.control_stream_id.to_le_bytes());
    }
}

/// [`ConsumerHello`] has no groups: it is read the way it is written.
pub type ConsumerHelloView<'a> = ConsumerHello<'a>;

/// The answer to a hello: what the consumer is to use.
///
/// Template 3, block of 18 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerConfig<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The consumer addressed.
    pub consumer_id: u32,
    /// Whether to read payloads from shared memory.
    pub use_shm: bool,
    /// The mode granted.
    pub mode: Mode,
    /// Aeron stream for its descriptors; 0 for the shared one.
    pub descriptor_stream_id: u32,
    /// Aeron stream for its control; 0 for the shared one.
    pub control_stream_id: u32,
    /// Where payloads come from without shared memory; may be empty.
    pub payload_fallback_uri: &'a [u8],
    /// Channel of its descriptors; empty for the shared one.
    pub descriptor_channel: &'a [u8],
    /// Channel of its control; empty for the shared one.
    pub control_channel: &'a [u8],
}

impl<'a> ConsumerConfig<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 3;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 18;

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
        let mut len = Measure::new(26);
        len.data(
            "ConsumerConfig.payloadFallbackUri",
            self.payload_fallback_uri,
            1073741824,
        )?;
        len.data(
            "ConsumerConfig.descriptorChannel",
            self.descriptor_channel,
            1073741824,
        )?;
        len.data(
            "ConsumerConfig.controlChannel",
            self.control_channel,
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
        self.write_block(out.block::<18>()?);
        out.data(
            "ConsumerConfig.payloadFallbackUri",
            self.payload_fallback_uri,
        )?;
        out.data("ConsumerConfig.descriptorChannel", self.descriptor_channel)?;
        out.data("ConsumerConfig.controlChannel", self.control_channel)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<18>(buf, "ConsumerConfig", ConsumerConfig::HEADER)?;
        let payload_fallback_uri =
            reader.trailing_data("ConsumerConfig.payloadFallbackUri", 1073741824)?;
        let descriptor_channel =
            reader.trailing_data("ConsumerConfig.descriptorChannel", 1073741824)?;
        let control_channel = reader.trailing_data("ConsumerConfig.controlChannel", 1073741824)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            consumer_id: u32::from_le_bytes(at::<4, _, _>(block)),
            use_shm: bool_from_wire(
                u8::from_le_bytes(at::<8, _, _>(block)),
                "ConsumerConfig.useShm",
            )?,
            mode: Mode::checked(
                u8::from_le_bytes(at::<9, _, _>(block)),
                "ConsumerConfig.mode",
            )?,
            descriptor_stream_id: u32::from_le_bytes(at::<10, _, _>(block)),
            control_stream_id: u32::from_le_bytes(at::<14, _, _>(block)),
            payload_fallback_uri,
            descriptor_channel,
            control_channel,
        })
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 18]) {
        put::<0, _, _>(block, self.stream_id.to_le_bytes());
        put::<4, _, _>(block, self.consumer_id.to_le_bytes());
        put::<8, _, _>(block, u8::from(self.use_shm).to_le_bytes());
        put::<9, _, _>(block, self.mode.to_wire().to_le_bytes());
        put::<10, _, _>(block, self.descriptor_stream_id.to_le_bytes());
        put::<14, _, _>(block, self.control_stream_id.to_le_bytes());
    }
}

/// [`ConsumerConfig`] has no groups: it is read the way it is written.
pub type ConsumerConfigView<'a> = ConsumerConfig<'a>;

/// A frame was committed: where to look for it.
///
/// Template 4, block of 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameDescriptor {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The epoch the frame was written in.
    pub epoch: u64,
    /// The frame; its slot is `seq` modulo the slots of the ring.
    pub seq: u64,
    /// When the frame was published.
    pub timestamp_ns: Option<u64>,
    /// The metadata version that describes it.
    pub meta_version: Option<u32>,
    /// Trace id; absent reads from 0 and from all ones, and writes 0.
    pub trace_id: Option<u64>,
}

impl FrameDescriptor {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 4;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 40;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    pub const ENCODED_LEN: usize = 48;

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
    pub fn encode_into(&self, bytes: &mut [u8; 48]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.stream_id.to_le_bytes());
        put::<12, _, _>(bytes, self.epoch.to_le_bytes());
        put::<20, _, _>(bytes, self.seq.to_le_bytes());
        put::<28, _, _>(
            bytes,
            or_null(self.timestamp_ns, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
        put::<36, _, _>(
            bytes,
            or_null(self.meta_version, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
        put::<40, _, _>(
            bytes,
            or_null(self.trace_id, 0, [0, u64::MAX]).to_le_bytes(),
        );
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<40>(buf, "FrameDescriptor", Self::HEADER)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            epoch: u64::from_le_bytes(at::<4, _, _>(block)),
            seq: u64::from_le_bytes(at::<12, _, _>(block)),
            timestamp_ns: non_null(u64::from_le_bytes(at::<20, _, _>(block)), [u64::MAX]),
            meta_version: non_null(u32::from_le_bytes(at::<28, _, _>(block)), [u32::MAX]),
            trace_id: non_null(u64::from_le_bytes(at::<32, _, _>(block)), [0, u64::MAX]),
        })
    }
}

/// [`FrameDescriptor`] has no groups: it is read the way it is written.
pub type FrameDescriptorView = FrameDescriptor;

/// How much of a frame has been written so far.
///
/// Template 11, block of 29 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameProgress {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The epoch the frame is written in.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// Bytes in place, from the start of the payload.
    pub payload_bytes_filled: u64,
    /// How far it is.
    pub state: FrameProgressState,
}

impl FrameProgress {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 11;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 29;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    pub const ENCODED_LEN: usize = 37;

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
    pub fn encode_into(&self, bytes: &mut [u8; 37]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.stream_id.to_le_bytes());
        put::<12, _, _>(bytes, self.epoch.to_le_bytes());
        put::<20, _, _>(bytes, self.seq.to_le_bytes());
        put::<28, _, _>(bytes, self.payload_bytes_filled.to_le_bytes());
        put::<36, _, _>(bytes, self.state.to_wire().to_le_bytes());
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<29>(buf, "FrameProgress", Self::HEADER)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            epoch: u64::from_le_bytes(at::<4, _, _>(block)),
            seq: u64::from_le_bytes(at::<12, _, _>(block)),
            payload_bytes_filled: u64::from_le_bytes(at::<20, _, _>(block)),
            state: FrameProgressState::checked(
                u8::from_le_bytes(at::<28, _, _>(block)),
                "FrameProgress.state",
            )?,
        })
    }
}

/// [`FrameProgress`] has no groups: it is read the way it is written.
pub type FrameProgressView = FrameProgress;

/// What a consumer has seen and lost.
///
/// Template 5, block of 41 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QosConsumer {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The consumer.
    pub consumer_id: u32,
    /// The epoch it has mapped; 0 when none.
    pub epoch: u64,
    /// The last frame seen.
    pub last_seq_seen: u64,
    /// Frames lost because descriptors were missed.
    pub drops_gap: u64,
    /// Frames lost because they were overwritten.
    pub drops_late: u64,
    /// The mode in effect; absent (0, sent by some peers) means STREAM.
    pub mode: Option<Mode>,
}

impl QosConsumer {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 5;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 41;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    pub const ENCODED_LEN: usize = 49;

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
    pub fn encode_into(&self, bytes: &mut [u8; 49]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.stream_id.to_le_bytes());
        put::<12, _, _>(bytes, self.consumer_id.to_le_bytes());
        put::<16, _, _>(bytes, self.epoch.to_le_bytes());
        put::<24, _, _>(bytes, self.last_seq_seen.to_le_bytes());
        put::<32, _, _>(bytes, self.drops_gap.to_le_bytes());
        put::<40, _, _>(bytes, self.drops_late.to_le_bytes());
        put::<48, _, _>(bytes, self.mode.map_or(0, Mode::to_wire).to_le_bytes());
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<41>(buf, "QosConsumer", Self::HEADER)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            consumer_id: u32::from_le_bytes(at::<4, _, _>(block)),
            epoch: u64::from_le_bytes(at::<8, _, _>(block)),
            last_seq_seen: u64::from_le_bytes(at::<16, _, _>(block)),
            drops_gap: u64::from_le_bytes(at::<24, _, _>(block)),
            drops_late: u64::from_le_bytes(at::<32, _, _>(block)),
            mode: match u8::from_le_bytes(at::<40, _, _>(block)) {
                0 | u8::MAX => None,
                value => Some(Mode::checked(value, "QosConsumer.mode")?),
            },
        })
    }
}

/// [`QosConsumer`] has no groups: it is read the way it is written.
pub type QosConsumerView = QosConsumer;

/// Where a producer stands.
///
/// Template 6, block of 28 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QosProducer {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The producer.
    pub producer_id: u32,
    /// The epoch it writes in.
    pub epoch: u64,
    /// The next frame to be written.
    pub current_seq: u64,
    /// High-water mark; peers also send 0 for none.
    pub watermark: Option<u32>,
}

impl QosProducer {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 6;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 28;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    pub const ENCODED_LEN: usize = 36;

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
    pub fn encode_into(&self, bytes: &mut [u8; 36]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.stream_id.to_le_bytes());
        put::<12, _, _>(bytes, self.producer_id.to_le_bytes());
        put::<16, _, _>(bytes, self.epoch.to_le_bytes());
        put::<24, _, _>(bytes, self.current_seq.to_le_bytes());
        put::<32, _, _>(
            bytes,
            or_null(self.watermark, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<28>(buf, "QosProducer", Self::HEADER)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            producer_id: u32::from_le_bytes(at::<4, _, _>(block)),
            epoch: u64::from_le_bytes(at::<8, _, _>(block)),
            current_seq: u64::from_le_bytes(at::<16, _, _>(block)),
            watermark: non_null(u32::from_le_bytes(at::<24, _, _>(block)), [u32::MAX]),
        })
    }
}

/// [`QosProducer`] has no groups: it is read the way it is written.
pub type QosProducerView = QosProducer;

/// The first 64 bytes of every region.
///
/// Template 50; 64 bytes in shared memory, no message header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmRegionSuperblock {
    /// 0x544F504C53484D31.
    pub magic: u64,
    /// Version of the layout: 1.
    pub layout_version: u32,
    /// The epoch of the region.
    pub epoch: u64,
    /// The tensor pool stream.
    pub stream_id: u32,
    /// What the region holds.
    pub region_type: RegionType,
    /// The pool; 0 for a header ring.
    pub pool_id: u16,
    /// Slots in the region; a power of two.
    pub nslots: u32,
    /// 256 for a header ring, the stride for a pool.
    pub slot_bytes: u32,
    /// Bytes from one payload slot to the next; 0 for a header ring.
    pub stride_bytes: u32,
    /// Process that created the region.
    pub pid: u64,
    /// When it was created.
    pub start_timestamp_ns: u64,
    /// When its owner was last seen alive.
    pub activity_timestamp_ns: u64,
}

impl ShmRegionSuperblock {
    /// Bytes it takes.
    pub const ENCODED_LEN: usize = 64;

    /// Writes all bytes; what is not a field becomes zero.
    #[inline]
    pub fn encode_into(&self, bytes: &mut [u8; 64]) {
        put::<0, _, _>(bytes, self.magic.to_le_bytes());
        put::<8, _, _>(bytes, self.layout_version.to_le_bytes());
        put::<12, _, _>(bytes, self.epoch.to_le_bytes());
        put::<20, _, _>(bytes, self.stream_id.to_le_bytes());
        put::<24, _, _>(bytes, self.region_type.to_wire().to_le_bytes());
        put::<26, _, _>(bytes, self.pool_id.to_le_bytes());
        put::<28, _, _>(bytes, self.nslots.to_le_bytes());
        put::<32, _, _>(bytes, self.slot_bytes.to_le_bytes());
        put::<36, _, _>(bytes, self.stride_bytes.to_le_bytes());
        put::<40, _, _>(bytes, self.pid.to_le_bytes());
        put::<48, _, _>(bytes, self.start_timestamp_ns.to_le_bytes());
        put::<56, _, _>(bytes, self.activity_timestamp_ns.to_le_bytes());
    }

    /// Reads a stable copy of the bytes.
    ///
    /// # Errors
    /// [`DecodeError::UnknownEnum`]; any other content is a value.
    #[inline]
    pub fn decode(bytes: &[u8; 64]) -> Result<Self, DecodeError> {
        Ok(Self {
            magic: u64::from_le_bytes(at::<0, _, _>(bytes)),
            layout_version: u32::from_le_bytes(at::<8, _, _>(bytes)),
            epoch: u64::from_le_bytes(at::<12, _, _>(bytes)),
            stream_id: u32::from_le_bytes(at::<20, _, _>(bytes)),
            region_type: RegionType::checked(
                i16::from_le_bytes(at::<24, _, _>(bytes)),
                "ShmRegionSuperblock.regionType",
            )?,
            pool_id: u16::from_le_bytes(at::<26, _, _>(bytes)),
            nslots: u32::from_le_bytes(at::<28, _, _>(bytes)),
            slot_bytes: u32::from_le_bytes(at::<32, _, _>(bytes)),
            stride_bytes: u32::from_le_bytes(at::<36, _, _>(bytes)),
            pid: u64::from_le_bytes(at::<40, _, _>(bytes)),
            start_timestamp_ns: u64::from_le_bytes(at::<48, _, _>(bytes)),
            activity_timestamp_ns: u64::from_le_bytes(at::<56, _, _>(bytes)),
        })
    }
}

/// The first 60 bytes of a header slot.
///
/// Template 51; 60 bytes in shared memory, no message header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotHeader {
    /// Twice the sequence number, plus 1 once committed.
    pub seq_commit: u64,
    /// Bytes of payload.
    pub values_len_bytes: u32,
    /// Slot within the pool: the header slot of the same frame.
    pub payload_slot: u32,
    /// The pool the payload is in.
    pub pool_id: u16,
    /// Where in the payload slot it starts: 0.
    pub payload_offset: u32,
    /// When the frame was taken, as the application says.
    pub timestamp_ns: u64,
    /// The metadata version that describes it.
    pub meta_version: u32,
}

impl SlotHeader {
    /// Bytes it takes.
    pub const ENCODED_LEN: usize = 60;

    /// Writes all bytes; what is not a field becomes zero.
    #[inline]
    pub fn encode_into(&self, bytes: &mut [u8; 60]) {
        *bytes = [0; 60];
        put::<0, _, _>(bytes, self.seq_commit.to_le_bytes());
        put::<8, _, _>(bytes, self.values_len_bytes.to_le_bytes());
        put::<12, _, _>(bytes, self.payload_slot.to_le_bytes());
        put::<16, _, _>(bytes, self.pool_id.to_le_bytes());
        put::<18, _, _>(bytes, self.payload_offset.to_le_bytes());
        put::<22, _, _>(bytes, self.timestamp_ns.to_le_bytes());
        put::<30, _, _>(bytes, self.meta_version.to_le_bytes());
    }

    /// Reads a stable copy of the bytes.
    ///
    /// # Errors
    /// [`DecodeError::UnknownEnum`]; any other content is a value.
    #[inline]
    pub fn decode(bytes: &[u8; 60]) -> Result<Self, DecodeError> {
        Ok(Self {
            seq_commit: u64::from_le_bytes(at::<0, _, _>(bytes)),
            values_len_bytes: u32::from_le_bytes(at::<8, _, _>(bytes)),
            payload_slot: u32::from_le_bytes(at::<12, _, _>(bytes)),
            pool_id: u16::from_le_bytes(at::<16, _, _>(bytes)),
            payload_offset: u32::from_le_bytes(at::<18, _, _>(bytes)),
            timestamp_ns: u64::from_le_bytes(at::<22, _, _>(bytes)),
            meta_version: u32::from_le_bytes(at::<30, _, _>(bytes)),
        })
    }
}

/// What the payload of a slot is; a message with header, embedded in the slot.
///
/// Template 52, block of 184 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorHeader {
    /// Element type.
    pub dtype: Dtype,
    /// Order of the dimensions.
    pub major_order: MajorOrder,
    /// Dimensions in use, from 1 to 8.
    pub ndims: u8,
    /// Unit of progress reports.
    pub progress_unit: ProgressUnit,
    /// Bytes per unit; 0 without a unit.
    pub progress_stride_bytes: u32,
    /// Elements per dimension; 0 beyond `ndims`.
    pub dims: [i32; 8],
    /// Bytes between elements per dimension; 0 lets the reader infer; 0 beyond `ndims`.
    pub strides: [i32; 8],
}

impl TensorHeader {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 52;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 184;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Dimensions the arrays have room for.
    pub const MAX_DIMS: u8 = 8;

    /// Bytes the message takes, header included.
    pub const ENCODED_LEN: usize = 192;

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
    pub fn encode_into(&self, bytes: &mut [u8; 192]) {
        *bytes = [0; 192];
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.dtype.to_wire().to_le_bytes());
        put::<10, _, _>(bytes, self.major_order.to_wire().to_le_bytes());
        put::<12, _, _>(bytes, self.ndims.to_le_bytes());
        put::<14, _, _>(bytes, self.progress_unit.to_wire().to_le_bytes());
        put::<15, _, _>(bytes, self.progress_stride_bytes.to_le_bytes());
        put::<19, _, _>(bytes, self.dims[0].to_le_bytes());
        put::<23, _, _>(bytes, self.dims[1].to_le_bytes());
        put::<27, _, _>(bytes, self.dims[2].to_le_bytes());
        put::<31, _, _>(bytes, self.dims[3].to_le_bytes());
        put::<35, _, _>(bytes, self.dims[4].to_le_bytes());
        put::<39, _, _>(bytes, self.dims[5].to_le_bytes());
        put::<43, _, _>(bytes, self.dims[6].to_le_bytes());
        put::<47, _, _>(bytes, self.dims[7].to_le_bytes());
        put::<51, _, _>(bytes, self.strides[0].to_le_bytes());
        put::<55, _, _>(bytes, self.strides[1].to_le_bytes());
        put::<59, _, _>(bytes, self.strides[2].to_le_bytes());
        put::<63, _, _>(bytes, self.strides[3].to_le_bytes());
        put::<67, _, _>(bytes, self.strides[4].to_le_bytes());
        put::<71, _, _>(bytes, self.strides[5].to_le_bytes());
        put::<75, _, _>(bytes, self.strides[6].to_le_bytes());
        put::<79, _, _>(bytes, self.strides[7].to_le_bytes());
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<184>(buf, "TensorHeader", Self::HEADER)?;
        Ok(Self {
            dtype: Dtype::checked(
                i16::from_le_bytes(at::<0, _, _>(block)),
                "TensorHeader.dtype",
            )?,
            major_order: MajorOrder::checked(
                i16::from_le_bytes(at::<2, _, _>(block)),
                "TensorHeader.majorOrder",
            )?,
            ndims: u8::from_le_bytes(at::<4, _, _>(block)),
            progress_unit: ProgressUnit::checked(
                u8::from_le_bytes(at::<6, _, _>(block)),
                "TensorHeader.progressUnit",
            )?,
            progress_stride_bytes: u32::from_le_bytes(at::<7, _, _>(block)),
            dims: [
                i32::from_le_bytes(at::<11, _, _>(block)),
                i32::from_le_bytes(at::<15, _, _>(block)),
                i32::from_le_bytes(at::<19, _, _>(block)),
                i32::from_le_bytes(at::<23, _, _>(block)),
                i32::from_le_bytes(at::<27, _, _>(block)),
                i32::from_le_bytes(at::<31, _, _>(block)),
                i32::from_le_bytes(at::<35, _, _>(block)),
                i32::from_le_bytes(at::<39, _, _>(block)),
            ],
            strides: [
                i32::from_le_bytes(at::<43, _, _>(block)),
                i32::from_le_bytes(at::<47, _, _>(block)),
                i32::from_le_bytes(at::<51, _, _>(block)),
                i32::from_le_bytes(at::<55, _, _>(block)),
                i32::from_le_bytes(at::<59, _, _>(block)),
                i32::from_le_bytes(at::<63, _, _>(block)),
                i32::from_le_bytes(at::<67, _, _>(block)),
                i32::from_le_bytes(at::<71, _, _>(block)),
            ],
        })
    }
}

/// [`TensorHeader`] has no groups: it is read the way it is written.
pub type TensorHeaderView = TensorHeader;

/// Names a data source.
///
/// Template 7, block of 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSourceAnnounce<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// Its producer.
    pub producer_id: u32,
    /// The epoch of the memory meant.
    pub epoch: u64,
    /// The metadata version in force.
    pub meta_version: u32,
    /// Its name.
    pub name: &'a [u8],
    /// One line about it.
    pub summary: &'a [u8],
}

impl<'a> DataSourceAnnounce<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 7;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 20;

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
        let mut len = Measure::new(28);
        len.data("DataSourceAnnounce.name", self.name, 1073741824)?;
        len.data("DataSourceAnnounce.summary", self.summary, 1073741824)?;
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
        self.write_block(out.block::<20>()?);
        out.data("DataSourceAnnounce.name", self.name)?;
        out.data("DataSourceAnnounce.summary", self.summary)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<20>(buf, "DataSourceAnnounce", DataSourceAnnounce::HEADER)?;
        let name = reader.trailing_data("DataSourceAnnounce.name", 1073741824)?;
        let summary = reader.trailing_data("DataSourceAnnounce.summary", 1073741824)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            producer_id: u32::from_le_bytes(at::<4, _, _>(block)),
            epoch: u64::from_le_bytes(at::<8, _, _>(block)),
            meta_version: u32::from_le_bytes(at::<16, _, _>(block)),
            name,
            summary,
        })
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 20]) {
        put::<0, _, _>(block, self.stream_id.to_le_bytes());
        put::<4, _, _>(block, self.producer_id.to_le_bytes());
        put::<8, _, _>(block, self.epoch.to_le_bytes());
        put::<16, _, _>(block, self.meta_version.to_le_bytes());
    }
}

/// [`DataSourceAnnounce`] has no groups: it is read the way it is written.
pub type DataSourceAnnounceView<'a> = DataSourceAnnounce<'a>;

/// One entry of a group: The attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSourceMetaAttribute<'a> {
    /// Name of the attribute.
    pub key: &'a [u8],
    /// How to read the value, such as `text/plain`.
    pub format: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

impl<'a> DataSourceMetaAttribute<'a> {
    #[inline]
    fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
        len.data("DataSourceMetaAttribute.key", self.key, 1073741824)?;
        len.data("DataSourceMetaAttribute.format", self.format, 1073741824)?;
        len.data("DataSourceMetaAttribute.value", self.value, 1073741824)?;
        Ok(())
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
        out.data("DataSourceMetaAttribute.key", self.key)?;
        out.data("DataSourceMetaAttribute.format", self.format)?;
        out.data("DataSourceMetaAttribute.value", self.value)?;
        Ok(())
    }
}

impl<'a> Element<'a> for DataSourceMetaAttribute<'a> {
    const BLOCK_LEN: u16 = 0;

    const MIN_LEN: usize = 12;

    fn read(reader: &mut Reader<'a>, block_len: u16) -> Result<Self, DecodeError> {
        reader.block::<0>("DataSourceMetaAttribute", block_len)?;
        let key = reader.data("DataSourceMetaAttribute.key", 1073741824)?;
        let format = reader.data("DataSourceMetaAttribute.format", 1073741824)?;
        let value = reader.data("DataSourceMetaAttribute.value", 1073741824)?;
        Ok(Self { key, format, value })
    }
}

/// The metadata of a data source.
///
/// Template 8, block of 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataSourceMeta<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The version these attributes make up.
    pub meta_version: u32,
    /// When they came into force.
    pub timestamp_ns: u64,
    /// The attributes.
    pub attributes: &'a [DataSourceMetaAttribute<'a>],
}

impl<'a> DataSourceMeta<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 8;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 16;

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
        let mut len = Measure::new(24);
        len.group("DataSourceMeta.attributes", self.attributes.len())?;
        for entry in self.attributes {
            entry.measure(&mut len)?;
        }
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
        self.write_block(out.block::<16>()?);
        out.group("DataSourceMeta.attributes", 0, self.attributes.len())?;
        for entry in self.attributes {
            entry.write(&mut out)?;
        }
        Ok(len)
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 16]) {
        put::<0, _, _>(block, self.stream_id.to_le_bytes());
        put::<4, _, _>(block, self.meta_version.to_le_bytes());
        put::<8, _, _>(block, self.timestamp_ns.to_le_bytes());
    }
}

/// The metadata of a data source.
///
/// Template 8, block of 16 bytes.
///
/// This is [`DataSourceMeta`] as it is read: groups are iterated over in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DataSourceMetaView<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The version these attributes make up.
    pub meta_version: u32,
    /// When they came into force.
    pub timestamp_ns: u64,
    /// The attributes.
    pub attributes: Group<'a, DataSourceMetaAttribute<'a>>,
}

impl<'a> DataSourceMetaView<'a> {
    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<16>(buf, "DataSourceMeta", DataSourceMeta::HEADER)?;
        let attributes = reader.group("DataSourceMeta.attributes")?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            meta_version: u32::from_le_bytes(at::<4, _, _>(block)),
            timestamp_ns: u64::from_le_bytes(at::<8, _, _>(block)),
            attributes,
        })
    }
}

/// A general answer; nobody sends it today.
///
/// Template 9, block of 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlResponse<'a> {
    /// The request answered.
    pub correlation_id: i64,
    /// How it ended.
    pub code: ResponseCode,
    /// Why; empty when OK.
    pub error_message: &'a [u8],
}

impl<'a> ControlResponse<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 9;

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
            "ControlResponse.errorMessage",
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
        out.data("ControlResponse.errorMessage", self.error_message)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<12>(buf, "ControlResponse", ControlResponse::HEADER)?;
        let error_message = reader.trailing_data("ControlResponse.errorMessage", 1073741824)?;
        Ok(Self {
            correlation_id: i64::from_le_bytes(at::<0, _, _>(block)),
            code: ResponseCode::checked(
                i32::from_le_bytes(at::<8, _, _>(block)),
                "ControlResponse.code",
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

/// [`ControlResponse`] has no groups: it is read the way it is written.
pub type ControlResponseView<'a> = ControlResponse<'a>;

/// A metadata blob is about to be sent in chunks.
///
/// Template 10, block of 28 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaBlobAnnounce {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The metadata version it belongs to.
    pub meta_version: u32,
    /// What it is, by agreement.
    pub blob_type: u32,
    /// Bytes in all.
    pub total_len: u64,
    /// Checksum of the whole, by agreement.
    pub checksum: u64,
}

impl MetaBlobAnnounce {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 10;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 28;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    pub const ENCODED_LEN: usize = 36;

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
    pub fn encode_into(&self, bytes: &mut [u8; 36]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.stream_id.to_le_bytes());
        put::<12, _, _>(bytes, self.meta_version.to_le_bytes());
        put::<16, _, _>(bytes, self.blob_type.to_le_bytes());
        put::<20, _, _>(bytes, self.total_len.to_le_bytes());
        put::<28, _, _>(bytes, self.checksum.to_le_bytes());
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<28>(buf, "MetaBlobAnnounce", Self::HEADER)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            meta_version: u32::from_le_bytes(at::<4, _, _>(block)),
            blob_type: u32::from_le_bytes(at::<8, _, _>(block)),
            total_len: u64::from_le_bytes(at::<12, _, _>(block)),
            checksum: u64::from_le_bytes(at::<20, _, _>(block)),
        })
    }
}

/// [`MetaBlobAnnounce`] has no groups: it is read the way it is written.
pub type MetaBlobAnnounceView = MetaBlobAnnounce;

/// A piece of a metadata blob.
///
/// Template 12, block of 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaBlobChunk<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The metadata version it belongs to.
    pub meta_version: u32,
    /// Where in the blob the piece starts.
    pub chunk_offset: u64,
    /// The piece.
    pub bytes: &'a [u8],
}

impl<'a> MetaBlobChunk<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 12;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 16;

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
        let mut len = Measure::new(24);
        len.data("MetaBlobChunk.bytes", self.bytes, 1073741824)?;
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
        self.write_block(out.block::<16>()?);
        out.data("MetaBlobChunk.bytes", self.bytes)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) = Reader::open::<16>(buf, "MetaBlobChunk", MetaBlobChunk::HEADER)?;
        let bytes = reader.trailing_data("MetaBlobChunk.bytes", 1073741824)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            meta_version: u32::from_le_bytes(at::<4, _, _>(block)),
            chunk_offset: u64::from_le_bytes(at::<8, _, _>(block)),
            bytes,
        })
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 16]) {
        put::<0, _, _>(block, self.stream_id.to_le_bytes());
        put::<4, _, _>(block, self.meta_version.to_le_bytes());
        put::<8, _, _>(block, self.chunk_offset.to_le_bytes());
    }
}

/// [`MetaBlobChunk`] has no groups: it is read the way it is written.
pub type MetaBlobChunkView<'a> = MetaBlobChunk<'a>;

/// All chunks of a metadata blob were sent.
///
/// Template 13, block of 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaBlobComplete {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The metadata version it belongs to.
    pub meta_version: u32,
    /// Checksum of the whole, by agreement.
    pub checksum: u64,
}

impl MetaBlobComplete {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 13;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 16;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    pub const ENCODED_LEN: usize = 24;

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
    pub fn encode_into(&self, bytes: &mut [u8; 24]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.stream_id.to_le_bytes());
        put::<12, _, _>(bytes, self.meta_version.to_le_bytes());
        put::<16, _, _>(bytes, self.checksum.to_le_bytes());
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<16>(buf, "MetaBlobComplete", Self::HEADER)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            meta_version: u32::from_le_bytes(at::<4, _, _>(block)),
            checksum: u64::from_le_bytes(at::<8, _, _>(block)),
        })
    }
}

/// [`MetaBlobComplete`] has no groups: it is read the way it is written.
pub type MetaBlobCompleteView = MetaBlobComplete;

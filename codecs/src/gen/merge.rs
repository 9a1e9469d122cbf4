// Generated from schemas/merge.xml by `cargo xtask codegen`. Do not edit.

//! Merge maps of join barriers.
//!
//! Schema 903, version 1, package `shm.tensorpool.merge`.

use crate::error::{DecodeError, EncodeError};
use crate::group::{Element, Group};
use crate::header::MessageHeader;
use crate::raw::{Measure, Reader, Writer, at, non_null, or_null, put};

/// The schema id in every message header.
pub const SCHEMA_ID: u16 = 903;

/// The schema version that is sent; any version from 1 is accepted.
pub const SCHEMA_VERSION: u16 = 1;

/// The messages of this schema that travel with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Template {
    /// The rules that join streams by sequence number.
    SequenceMergeMapAnnounce = 1,
    /// Asks for the sequence rules of a stream.
    SequenceMergeMapRequest = 2,
    /// The rules that join streams by time.
    TimestampMergeMapAnnounce = 3,
    /// Asks for the time rules of a stream.
    TimestampMergeMapRequest = 4,
}

impl Template {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 4] = [
        Self::SequenceMergeMapAnnounce,
        Self::SequenceMergeMapRequest,
        Self::TimestampMergeMapAnnounce,
        Self::TimestampMergeMapRequest,
    ];

    /// The message with this template id, if there is one.
    #[inline]
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::SequenceMergeMapAnnounce),
            2 => Some(Self::SequenceMergeMapRequest),
            3 => Some(Self::TimestampMergeMapAnnounce),
            4 => Some(Self::TimestampMergeMapRequest),
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
            Self::SequenceMergeMapAnnounce => "SequenceMergeMapAnnounce",
            Self::SequenceMergeMapRequest => "SequenceMergeMapRequest",
            Self::TimestampMergeMapAnnounce => "TimestampMergeMapAnnounce",
            Self::TimestampMergeMapRequest => "TimestampMergeMapRequest",
        }
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

/// Which timestamp of a frame counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum TimestampSource {
    /// When it was published.
    FrameDescriptor = 1,
    /// When it was taken, as the application says.
    SlotHeader = 2,
}

impl TimestampSource {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 2] = [Self::FrameDescriptor, Self::SlotHeader];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::FrameDescriptor),
            2 => Some(Self::SlotHeader),
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
            Self::FrameDescriptor => "FRAME_DESCRIPTOR",
            Self::SlotHeader => "SLOT_HEADER",
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

/// How sequence numbers are matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MergeRuleType {
    /// At a fixed distance.
    Offset = 0,
    /// Within a window.
    Window = 1,
}

impl MergeRuleType {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 2] = [Self::Offset, Self::Window];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Offset),
            1 => Some(Self::Window),
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
            Self::Offset => "OFFSET",
            Self::Window => "WINDOW",
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

/// How timestamps are matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MergeTimeRuleType {
    /// At a fixed distance.
    OffsetNs = 0,
    /// Within a window.
    WindowNs = 1,
}

impl MergeTimeRuleType {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 2] = [Self::OffsetNs, Self::WindowNs];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::OffsetNs),
            1 => Some(Self::WindowNs),
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
            Self::OffsetNs => "OFFSET_NS",
            Self::WindowNs => "WINDOW_NS",
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

/// One entry of a group: One rule per input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceMergeMapAnnounceRule {
    /// The input.
    pub input_stream_id: u32,
    /// How to match it.
    pub rule_type: MergeRuleType,
    /// The distance, for OFFSET.
    pub offset: Option<i32>,
    /// The window, for WINDOW.
    pub window_size: Option<u32>,
}

impl SequenceMergeMapAnnounceRule {
    #[inline]
    fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
        len.block(13);
        Ok(())
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.write_block(out.block::<13>()?);
        Ok(())
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 13]) {
        put::<0, _, _>(block, self.input_stream_id.to_le_bytes());
        put::<4, _, _>(block, self.rule_type.to_wire().to_le_bytes());
        put::<5, _, _>(
            block,
            or_null(self.offset, i32::MIN, [i32::MIN]).to_le_bytes(),
        );
        put::<9, _, _>(
            block,
            or_null(self.window_size, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
    }
}

impl<'a> Element<'a> for SequenceMergeMapAnnounceRule {
    const BLOCK_LEN: u16 = 13;

    const MIN_LEN: usize = 13;

    fn read(reader: &mut Reader<'a>, block_len: u16) -> Result<Self, DecodeError> {
        let block = reader.block::<13>("SequenceMergeMapAnnounceRule", block_len)?;
        Ok(Self {
            input_stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            rule_type: MergeRuleType::checked(
                u8::from_le_bytes(at::<4, _, _>(block)),
                "SequenceMergeMapAnnounceRule.ruleType",
            )?,
            offset: non_null(i32::from_le_bytes(at::<5, _, _>(block)), [i32::MIN]),
            window_size: non_null(u32::from_le_bytes(at::<9, _, _>(block)), [u32::MAX]),
        })
    }
}

/// The rules that join streams by sequence number.
///
/// Template 1, block of 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceMergeMapAnnounce<'a> {
    /// The stream that is joined up.
    pub out_stream_id: u32,
    /// The epoch of that stream.
    pub epoch: u64,
    /// How long an input may be silent before it is left out.
    pub stale_timeout_ns: Option<u64>,
    /// One rule per input.
    pub rules: &'a [SequenceMergeMapAnnounceRule],
}

impl<'a> SequenceMergeMapAnnounce<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 1;

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
        len.group("SequenceMergeMapAnnounce.rules", self.rules.len())?;
        for entry in self.rules {
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
        self.write_block(out.block::<20>()?);
        out.group("SequenceMergeMapAnnounce.rules", 13, self.rules.len())?;
        for entry in self.rules {
            entry.write(&mut out)?;
        }
        Ok(len)
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 20]) {
        put::<0, _, _>(block, self.out_stream_id.to_le_bytes());
        put::<4, _, _>(block, self.epoch.to_le_bytes());
        put::<12, _, _>(
            block,
            or_null(self.stale_timeout_ns, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
    }
}

/// The rules that join streams by sequence number.
///
/// Template 1, block of 20 bytes.
///
/// This is [`SequenceMergeMapAnnounce`] as it is read: groups are iterated over in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SequenceMergeMapAnnounceView<'a> {
    /// The stream that is joined up.
    pub out_stream_id: u32,
    /// The epoch of that stream.
    pub epoch: u64,
    /// How long an input may be silent before it is left out.
    pub stale_timeout_ns: Option<u64>,
    /// One rule per input.
    pub rules: Group<'a, SequenceMergeMapAnnounceRule>,
}

impl<'a> SequenceMergeMapAnnounceView<'a> {
    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) = Reader::open::<20>(
            buf,
            "SequenceMergeMapAnnounce",
            SequenceMergeMapAnnounce::HEADER,
        )?;
        let rules = reader.group("SequenceMergeMapAnnounce.rules")?;
        Ok(Self {
            out_stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            epoch: u64::from_le_bytes(at::<4, _, _>(block)),
            stale_timeout_ns: non_null(u64::from_le_bytes(at::<12, _, _>(block)), [u64::MAX]),
            rules,
        })
    }
}

/// Asks for the sequence rules of a stream.
///
/// Template 2, block of 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceMergeMapRequest {
    /// The stream that is joined up.
    pub out_stream_id: u32,
    /// The epoch of that stream.
    pub epoch: u64,
}

impl SequenceMergeMapRequest {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 2;

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
    pub const ENCODED_LEN: usize = 20;

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
    pub fn encode_into(&self, bytes: &mut [u8; 20]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.out_stream_id.to_le_bytes());
        put::<12, _, _>(bytes, self.epoch.to_le_bytes());
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<12>(buf, "SequenceMergeMapRequest", Self::HEADER)?;
        Ok(Self {
            out_stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            epoch: u64::from_le_bytes(at::<4, _, _>(block)),
        })
    }
}

/// [`SequenceMergeMapRequest`] has no groups: it is read the way it is written.
pub type SequenceMergeMapRequestView = SequenceMergeMapRequest;

/// One entry of a group: One rule per input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampMergeMapAnnounceRule {
    /// The input.
    pub input_stream_id: u32,
    /// How to match it.
    pub rule_type: MergeTimeRuleType,
    /// Which timestamp counts.
    pub timestamp_source: TimestampSource,
    /// The distance, for OFFSET_NS.
    pub offset_ns: Option<i64>,
    /// The window, for WINDOW_NS.
    pub window_ns: Option<u64>,
}

impl TimestampMergeMapAnnounceRule {
    #[inline]
    fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
        len.block(22);
        Ok(())
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.write_block(out.block::<22>()?);
        Ok(())
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 22]) {
        put::<0, _, _>(block, self.input_stream_id.to_le_bytes());
        put::<4, _, _>(block, self.rule_type.to_wire().to_le_bytes());
        put::<5, _, _>(block, self.timestamp_source.to_wire().to_le_bytes());
        put::<6, _, _>(
            block,
            or_null(self.offset_ns, i64::MIN, [i64::MIN]).to_le_bytes(),
        );
        put::<14, _, _>(
            block,
            or_null(self.window_ns, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
    }
}

impl<'a> Element<'a> for TimestampMergeMapAnnounceRule {
    const BLOCK_LEN: u16 = 22;

    const MIN_LEN: usize = 22;

    fn read(reader: &mut Reader<'a>, block_len: u16) -> Result<Self, DecodeError> {
        let block = reader.block::<22>("TimestampMergeMapAnnounceRule", block_len)?;
        Ok(Self {
            input_stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            rule_type: MergeTimeRuleType::checked(
                u8::from_le_bytes(at::<4, _, _>(block)),
                "TimestampMergeMapAnnounceRule.ruleType",
            )?,
            timestamp_source: TimestampSource::checked(
                u8::from_le_bytes(at::<5, _, _>(block)),
                "TimestampMergeMapAnnounceRule.timestampSource",
            )?,
            offset_ns: non_null(i64::from_le_bytes(at::<6, _, _>(block)), [i64::MIN]),
            window_ns: non_null(u64::from_le_bytes(at::<14, _, _>(block)), [u64::MAX]),
        })
    }
}

/// The rules that join streams by time.
///
/// Template 3, block of 29 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampMergeMapAnnounce<'a> {
    /// The stream that is joined up.
    pub out_stream_id: u32,
    /// The epoch of that stream.
    pub epoch: u64,
    /// How long an input may be silent before it is left out.
    pub stale_timeout_ns: Option<u64>,
    /// The clock the timestamps come from.
    pub clock_domain: ClockDomain,
    /// How late a frame may be.
    pub lateness_ns: Option<u64>,
    /// One rule per input.
    pub rules: &'a [TimestampMergeMapAnnounceRule],
}

impl<'a> TimestampMergeMapAnnounce<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 3;

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
    ///
    /// # Errors
    /// [`EncodeError`] when a group or a string is too long for its type.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut len = Measure::new(37);
        len.group("TimestampMergeMapAnnounce.rules", self.rules.len())?;
        for entry in self.rules {
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
        self.write_block(out.block::<29>()?);
        out.group("TimestampMergeMapAnnounce.rules", 22, self.rules.len())?;
        for entry in self.rules {
            entry.write(&mut out)?;
        }
        Ok(len)
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 29]) {
        put::<0, _, _>(block, self.out_stream_id.to_le_bytes());
        put::<4, _, _>(block, self.epoch.to_le_bytes());
        put::<12, _, _>(
            block,
            or_null(self.stale_timeout_ns, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
        put::<20, _, _>(block, self.clock_domain.to_wire().to_le_bytes());
        put::<21, _, _>(
            block,
            or_null(self.lateness_ns, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
    }
}

/// The rules that join streams by time.
///
/// Template 3, block of 29 bytes.
///
/// This is [`TimestampMergeMapAnnounce`] as it is read: groups are iterated over in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimestampMergeMapAnnounceView<'a> {
    /// The stream that is joined up.
    pub out_stream_id: u32,
    /// The epoch of that stream.
    pub epoch: u64,
    /// How long an input may be silent before it is left out.
    pub stale_timeout_ns: Option<u64>,
    /// The clock the timestamps come from.
    pub clock_domain: ClockDomain,
    /// How late a frame may be.
    pub lateness_ns: Option<u64>,
    /// One rule per input.
    pub rules: Group<'a, TimestampMergeMapAnnounceRule>,
}

impl<'a> TimestampMergeMapAnnounceView<'a> {
    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) = Reader::open::<29>(
            buf,
            "TimestampMergeMapAnnounce",
            TimestampMergeMapAnnounce::HEADER,
        )?;
        let rules = reader.group("TimestampMergeMapAnnounce.rules")?;
        Ok(Self {
            out_stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            epoch: u64::from_le_bytes(at::<4, _, _>(block)),
            stale_timeout_ns: non_null(u64::from_le_bytes(at::<12, _, _>(block)), [u64::MAX]),
            clock_domain: ClockDomain::checked(
                u8::from_le_bytes(at::<20, _, _>(block)),
                "TimestampMergeMapAnnounce.clockDomain",
            )?,
            lateness_ns: non_null(u64::from_le_bytes(at::<21, _, _>(block)), [u64::MAX]),
            rules,
        })
    }
}

/// Asks for the time rules of a stream.
///
/// Template 4, block of 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampMergeMapRequest {
    /// The stream that is joined up.
    pub out_stream_id: u32,
    /// The epoch of that stream.
    pub epoch: u64,
}

impl TimestampMergeMapRequest {
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
    pub const ENCODED_LEN: usize = 20;

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
    pub fn encode_into(&self, bytes: &mut [u8; 20]) {
        put::<0, _, _>(bytes, Self::HEADER.to_bytes());
        put::<8, _, _>(bytes, self.out_stream_id.to_le_bytes());
        put::<12, _, _>(bytes, self.epoch.to_le_bytes());
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    #[inline]
    pub fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        let (block, _) = Reader::open::<12>(buf, "TimestampMergeMapRequest", Self::HEADER)?;
        Ok(Self {
            out_stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            epoch: u64::from_le_bytes(at::<4, _, _>(block)),
        })
    }
}

/// [`TimestampMergeMapRequest`] has no groups: it is read the way it is written.
pub type TimestampMergeMapRequestView = TimestampMergeMapRequest;

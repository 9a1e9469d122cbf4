// Generated from schemas/event.xml by `cargo xtask codegen`. Do not edit.

//! Events to and from services.
//!
//! Schema 950, version 1, package `shm.tensorpool.event`.

use crate::error::{DecodeError, EncodeError};
use crate::header::MessageHeader;
use crate::raw::{Measure, Reader, Writer, at, non_null, or_null, put};

/// The schema id in every message header.
pub const SCHEMA_ID: u16 = 950;

/// The schema version that is sent; any version from 1 is accepted.
pub const SCHEMA_VERSION: u16 = 1;

/// The messages of this schema that travel with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Template {
    /// A command to a service, or its state.
    EventMessage = 1,
}

impl Template {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 1] = [Self::EventMessage];

    /// The message with this template id, if there is one.
    #[inline]
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::EventMessage),
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
            Self::EventMessage => "EventMessage",
        }
    }
}

/// How to read the value of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum Format {
    /// There is no value.
    Nothing = 0,
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
    /// One byte, 0 or 1.
    Boolean = 11,
    /// Text.
    String = 12,
    /// Opaque bytes.
    Bytes = 13,
    /// Bits.
    Bit = 14,
    /// The frame named by the ref fields; no value.
    Ref = 15,
}

impl Format {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 16] = [
        Self::Nothing,
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
        Self::String,
        Self::Bytes,
        Self::Bit,
        Self::Ref,
    ];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: i8) -> Option<Self> {
        match value {
            0 => Some(Self::Nothing),
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
            12 => Some(Self::String),
            13 => Some(Self::Bytes),
            14 => Some(Self::Bit),
            15 => Some(Self::Ref),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> i8 {
        self as i8
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "NOTHING",
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
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Bit => "BIT",
            Self::Ref => "REF",
        }
    }

    #[inline]
    fn checked(value: i8, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// A command to a service, or its state.
///
/// Template 1, block of 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventMessage<'a> {
    /// When it was sent.
    pub timestamp_ns: i64,
    /// Ties an answer or an echo to a command.
    pub correlation_id: i64,
    /// How to read `value`.
    pub format: Format,
    /// Stream of the frame meant, for REF.
    pub ref_stream_id: Option<u32>,
    /// Epoch of the frame meant, for REF.
    pub ref_epoch: Option<u64>,
    /// Sequence number of the frame meant, for REF.
    pub ref_seq: Option<u64>,
    /// The service addressed or speaking.
    pub tag: &'a [u8],
    /// What is set or told.
    pub key: &'a [u8],
    /// The value, by `format`.
    pub value: &'a [u8],
}

impl<'a> EventMessage<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 1;

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
    ///
    /// # Errors
    /// [`EncodeError`] when a group or a string is too long for its type.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut len = Measure::new(48);
        len.data("EventMessage.tag", self.tag, 1073741824)?;
        len.data("EventMessage.key", self.key, 1073741824)?;
        len.data("EventMessage.value", self.value, 1073741824)?;
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
        self.write_block(out.block::<40>()?);
        out.data("EventMessage.tag", self.tag)?;
        out.data("EventMessage.key", self.key)?;
        out.data("EventMessage.value", self.value)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) = Reader::open::<40>(buf, "EventMessage", EventMessage::HEADER)?;
        let tag = reader.trailing_data("EventMessage.tag", 1073741824)?;
        let key = reader.trailing_data("EventMessage.key", 1073741824)?;
        let value = reader.trailing_data("EventMessage.value", 1073741824)?;
        Ok(Self {
            timestamp_ns: i64::from_le_bytes(at::<0, _, _>(block)),
            correlation_id: i64::from_le_bytes(at::<8, _, _>(block)),
            format: Format::checked(
                i8::from_le_bytes(at::<16, _, _>(block)),
                "EventMessage.format",
            )?,
            ref_stream_id: non_null(u32::from_le_bytes(at::<20, _, _>(block)), [u32::MAX]),
            ref_epoch: non_null(u64::from_le_bytes(at::<24, _, _>(block)), [u64::MAX]),
            ref_seq: non_null(u64::from_le_bytes(at::<32, _, _>(block)), [u64::MAX]),
            tag,
            key,
            value,
        })
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 40]) {
        *block = [0; 40];
        put::<0, _, _>(block, self.timestamp_ns.to_le_bytes());
        put::<8, _, _>(block, self.correlation_id.to_le_bytes());
        put::<16, _, _>(block, self.format.to_wire().to_le_bytes());
        put::<20, _, _>(
            block,
            or_null(self.ref_stream_id, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
        put::<24, _, _>(
            block,
            or_null(self.ref_epoch, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
        put::<32, _, _>(
            block,
            or_null(self.ref_seq, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
    }
}

/// [`EventMessage`] has no groups: it is read the way it is written.
pub type EventMessageView<'a> = EventMessage<'a>;

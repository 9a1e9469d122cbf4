// Generated from schemas/bridge.xml by `cargo xtask codegen`. Do not edit.

//! Frames on their way to another machine.
//!
//! Schema 902, version 1, package `shm.tensorpool.bridge`.

use crate::error::{DecodeError, EncodeError};
use crate::header::MessageHeader;
use crate::raw::{Measure, Reader, Writer, at, bool_from_wire, non_null, or_null, put};

/// The schema id in every message header.
pub const SCHEMA_ID: u16 = 902;

/// The schema version that is sent; any version from 1 is accepted.
pub const SCHEMA_VERSION: u16 = 1;

/// The messages of this schema that travel with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Template {
    /// One piece of a frame.
    BridgeFrameChunk = 1,
}

impl Template {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 1] = [Self::BridgeFrameChunk];

    /// The message with this template id, if there is one.
    #[inline]
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::BridgeFrameChunk),
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
            Self::BridgeFrameChunk => "BridgeFrameChunk",
        }
    }
}

/// One piece of a frame.
///
/// Template 1, block of 53 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeFrameChunk<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The epoch the frame was written in.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// Trace id; absent reads from 0 and from all ones, and writes 0.
    pub trace_id: Option<u64>,
    /// Which piece, from 0; below 65536.
    pub chunk_index: u32,
    /// How many pieces; at most 65535.
    pub chunk_count: u32,
    /// Where in the payload the piece starts.
    pub chunk_offset: u32,
    /// Payload bytes in this piece; at most 65535.
    pub chunk_length: u32,
    /// Payload bytes in all; at most 1 GiB.
    pub payload_length: u32,
    /// CRC32C of the payload; 0 when not computed.
    pub payload_crc32c: u32,
    /// Whether `headerBytes` holds the header slot; the first piece has it.
    pub header_included: bool,
    /// The 256-byte header slot, or nothing.
    pub header_bytes: &'a [u8],
    /// The payload bytes of this piece.
    pub payload_bytes: &'a [u8],
}

impl<'a> BridgeFrameChunk<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 1;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 53;

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
        let mut len = Measure::new(61);
        len.data("BridgeFrameChunk.headerBytes", self.header_bytes, 256)?;
        len.data(
            "BridgeFrameChunk.payloadBytes",
            self.payload_bytes,
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
        self.write_block(out.block::<53>()?);
        out.data("BridgeFrameChunk.headerBytes", self.header_bytes)?;
        out.data("BridgeFrameChunk.payloadBytes", self.payload_bytes)?;
        Ok(len)
    }

    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<53>(buf, "BridgeFrameChunk", BridgeFrameChunk::HEADER)?;
        let header_bytes = reader.trailing_data("BridgeFrameChunk.headerBytes", 256)?;
        let payload_bytes = reader.trailing_data("BridgeFrameChunk.payloadBytes", 1073741824)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            epoch: u64::from_le_bytes(at::<4, _, _>(block)),
            seq: u64::from_le_bytes(at::<12, _, _>(block)),
            trace_id: non_null(u64::from_le_bytes(at::<20, _, _>(block)), [0, u64::MAX]),
            chunk_index: u32::from_le_bytes(at::<28, _, _>(block)),
            chunk_count: u32::from_le_bytes(at::<32, _, _>(block)),
            chunk_offset: u32::from_le_bytes(at::<36, _, _>(block)),
            chunk_length: u32::from_le_bytes(at::<40, _, _>(block)),
            payload_length: u32::from_le_bytes(at::<44, _, _>(block)),
            payload_crc32c: u32::from_le_bytes(at::<48, _, _>(block)),
            header_included: bool_from_wire(
                u8::from_le_bytes(at::<52, _, _>(block)),
                "BridgeFrameChunk.headerIncluded",
            )?,
            header_bytes,
            payload_bytes,
        })
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 53]) {
        put::<0, _, _>(block, self.stream_id.to_le_bytes());
        put::<4, _, _>(block, self.epoch.to_le_bytes());
        put::<12, _, _>(block, self.seq.to_le_bytes());
        put::<20, _, _>(
            block,
            or_null(self.trace_id, 0, [0, u64::MAX]).to_le_bytes(),
        );
        put::<28, _, _>(block, self.chunk_index.to_le_bytes());
        put::<32, _, _>(block, self.chunk_count.to_le_bytes());
        put::<36, _, _>(block, self.chunk_offset.to_le_bytes());
        put::<40, _, _>(block, self.chunk_length.to_le_bytes());
        put::<44, _, _>(block, self.payload_length.to_le_bytes());
        put::<48, _, _>(block, self.payload_crc32c.to_le_bytes());
        put::<52, _, _>(block, u8::from(self.header_included).to_le_bytes());
    }
}

/// [`BridgeFrameChunk`] has no groups: it is read the way it is written.
pub type BridgeFrameChunkView<'a> = BridgeFrameChunk<'a>;

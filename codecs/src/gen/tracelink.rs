// Generated from schemas/tracelink.xml by `cargo xtask codegen`. Do not edit.

//! Lineage of frames.
//!
//! Schema 904, version 1, package `shm.tensorpool.tracelink`.

use crate::error::{DecodeError, EncodeError};
use crate::group::{Element, Group};
use crate::header::MessageHeader;
use crate::raw::{Measure, Reader, Writer, at, put};

/// The schema id in every message header.
pub const SCHEMA_ID: u16 = 904;

/// The schema version that is sent; any version from 1 is accepted.
pub const SCHEMA_VERSION: u16 = 1;

/// The messages of this schema that travel with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Template {
    /// The parents of a frame that has more than one.
    TraceLinkSet = 1,
}

impl Template {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 1] = [Self::TraceLinkSet];

    /// The message with this template id, if there is one.
    #[inline]
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::TraceLinkSet),
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
            Self::TraceLinkSet => "TraceLinkSet",
        }
    }
}

/// One entry of a group: The frames it was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceLinkSetParent {
    /// Trace id of a parent.
    pub trace_id: u64,
}

impl TraceLinkSetParent {
    #[inline]
    fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
        len.block(8);
        Ok(())
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.write_block(out.block::<8>()?);
        Ok(())
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 8]) {
        put::<0, _, _>(block, self.trace_id.to_le_bytes());
    }
}

impl<'a> Element<'a> for TraceLinkSetParent {
    const BLOCK_LEN: u16 = 8;

    const MIN_LEN: usize = 8;

    fn read(reader: &mut Reader<'a>, block_len: u16) -> Result<Self, DecodeError> {
        let block = reader.block::<8>("TraceLinkSetParent", block_len)?;
        Ok(Self {
            trace_id: u64::from_le_bytes(at::<0, _, _>(block)),
        })
    }
}

/// The parents of a frame that has more than one.
///
/// Template 1, block of 28 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceLinkSet<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The epoch the frame was written in.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// Its trace id.
    pub trace_id: u64,
    /// The frames it was made from.
    pub parents: &'a [TraceLinkSetParent],
}

impl<'a> TraceLinkSet<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 1;

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
    ///
    /// # Errors
    /// [`EncodeError`] when a group or a string is too long for its type.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut len = Measure::new(36);
        len.group("TraceLinkSet.parents", self.parents.len())?;
        for entry in self.parents {
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
        self.write_block(out.block::<28>()?);
        out.group("TraceLinkSet.parents", 8, self.parents.len())?;
        for entry in self.parents {
            entry.write(&mut out)?;
        }
        Ok(len)
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 28]) {
        put::<0, _, _>(block, self.stream_id.to_le_bytes());
        put::<4, _, _>(block, self.epoch.to_le_bytes());
        put::<12, _, _>(block, self.seq.to_le_bytes());
        put::<20, _, _>(block, self.trace_id.to_le_bytes());
    }
}

/// The parents of a frame that has more than one.
///
/// Template 1, block of 28 bytes.
///
/// This is [`TraceLinkSet`] as it is read: groups are iterated over in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceLinkSetView<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// The epoch the frame was written in.
    pub epoch: u64,
    /// The frame.
    pub seq: u64,
    /// Its trace id.
    pub trace_id: u64,
    /// The frames it was made from.
    pub parents: Group<'a, TraceLinkSetParent>,
}

impl<'a> TraceLinkSetView<'a> {
    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) = Reader::open::<28>(buf, "TraceLinkSet", TraceLinkSet::HEADER)?;
        let parents = reader.group("TraceLinkSet.parents")?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            epoch: u64::from_le_bytes(at::<4, _, _>(block)),
            seq: u64::from_le_bytes(at::<12, _, _>(block)),
            trace_id: u64::from_le_bytes(at::<20, _, _>(block)),
            parents,
        })
    }
}

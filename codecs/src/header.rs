//! The eight bytes in front of every message.

use crate::error::DecodeError;
use crate::raw::{at, put};

/// Which message follows, as four little-endian `u16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageHeader {
    /// Bytes of fixed fields that follow the header.
    pub block_length: u16,
    /// The message within its schema.
    pub template_id: u16,
    /// The schema; template ids repeat across schemas.
    pub schema_id: u16,
    /// Version of the schema, from 1.
    pub version: u16,
}

impl MessageHeader {
    /// Bytes a header takes.
    pub const ENCODED_LEN: usize = 8;

    /// Reads the header at the start of `buf`. Checks nothing but the length.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when there are fewer than 8 bytes.
    #[inline]
    pub const fn decode(buf: &[u8]) -> Result<Self, DecodeError> {
        match buf.first_chunk::<{ Self::ENCODED_LEN }>() {
            Some(bytes) => Ok(Self::from_bytes(bytes)),
            None => Err(DecodeError::Truncated {
                what: "message header",
                needed: Self::ENCODED_LEN,
                available: buf.len(),
            }),
        }
    }

    /// The header in `bytes`.
    /// [TP-WIRE-0010]
    #[inline]
    #[must_use]
    pub const fn from_bytes(bytes: &[u8; 8]) -> Self {
        Self {
            block_length: u16::from_le_bytes(at::<0, _, _>(bytes)),
            template_id: u16::from_le_bytes(at::<2, _, _>(bytes)),
            schema_id: u16::from_le_bytes(at::<4, _, _>(bytes)),
            version: u16::from_le_bytes(at::<6, _, _>(bytes)),
        }
    }

    /// The header as it goes on the wire.
    /// [TP-WIRE-0010]
    #[inline]
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        put::<0, _, _>(&mut bytes, self.block_length.to_le_bytes());
        put::<2, _, _>(&mut bytes, self.template_id.to_le_bytes());
        put::<4, _, _>(&mut bytes, self.schema_id.to_le_bytes());
        put::<6, _, _>(&mut bytes, self.version.to_le_bytes());
        bytes
    }
}

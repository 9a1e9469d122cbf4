//! The 256-byte slot of a header ring, put together from its two structures (Wire v1.2 §8).
//!
//! ```text
//!   0  SlotHeader block, 60 bytes, no message header; the seqlock word comes first
//!  60  u32 length of what follows: 192
//!  64  message header of TensorHeader: 184, 52, 900, 1
//!  72  TensorHeader block, 184 bytes
//! 256
//! ```
//! Plain bytes only: atomics, fences and mappings are the business of whoever owns the memory.

use crate::error::DecodeError;
use crate::header::MessageHeader;
use crate::raw::{at, put};
use crate::wire::{SlotHeader, TensorHeader};

/// First eight bytes of a region, as a little-endian number.
pub const SUPERBLOCK_MAGIC: u64 = 0x544F_504C_5348_4D31;
/// Version of the shared-memory layout.
pub const LAYOUT_VERSION: u32 = 1;
/// Bytes in front of the slots of a region. With strides that are multiples of it, payloads start on
/// boundaries of it. [TP-SHM-0890]
pub const SUPERBLOCK_LEN: usize = 64;
/// Bytes per header slot.
pub const SLOT_LEN: usize = 256;
/// Bytes of the embedded tensor header, with its message header.
pub const TENSOR_HEADER_LEN: usize = TensorHeader::ENCODED_LEN;

const LENGTH_OFFSET: usize = SlotHeader::ENCODED_LEN;
const TENSOR_OFFSET: usize = LENGTH_OFFSET + 4;
const _: () = assert!(TENSOR_OFFSET + TENSOR_HEADER_LEN == SLOT_LEN);

/// Everything a header slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderSlot {
    /// Where the payload is and which frame it belongs to.
    pub slot: SlotHeader,
    /// What the payload is.
    pub tensor: TensorHeader,
}

impl HeaderSlot {
    /// Writes all 256 bytes; what is not a field becomes zero.
    #[inline]
    pub fn encode_into(&self, bytes: &mut [u8; SLOT_LEN]) {
        // [TP-SHM-0620] [TP-SHM-0640]
        let mut slot = [0; SlotHeader::ENCODED_LEN];
        self.slot.encode_into(&mut slot);
        let mut tensor = [0; TENSOR_HEADER_LEN];
        self.tensor.encode_into(&mut tensor);
        put::<0, _, _>(bytes, slot);
        put::<LENGTH_OFFSET, _, _>(bytes, (TENSOR_HEADER_LEN as u32).to_le_bytes());
        put::<TENSOR_OFFSET, _, _>(bytes, tensor);
    }

    /// Reads a slot from a stable copy of its bytes.
    ///
    /// The length word and all four numbers of the embedded message header must be exactly the
    /// expected ones: a slot has a fixed size, so nothing in it can have grown.
    ///
    /// # Errors
    /// [`DecodeError`] naming the number or enumeration that is wrong.
    #[inline]
    pub fn decode(bytes: &[u8; SLOT_LEN]) -> Result<Self, DecodeError> {
        // [TP-SHM-0620] [TP-SHM-0630] [TP-SHM-0660]
        let found = u32::from_le_bytes(at::<LENGTH_OFFSET, _, _>(bytes));
        if found != TENSOR_HEADER_LEN as u32 {
            return Err(DecodeError::SlotHeaderLength {
                expected: TENSOR_HEADER_LEN as u32,
                found,
            });
        }
        let tensor: [u8; TENSOR_HEADER_LEN] = at::<TENSOR_OFFSET, _, _>(bytes);
        let header = MessageHeader::from_bytes(&at::<0, _, _>(&tensor));
        let decoded = TensorHeader::decode(&tensor)?;
        // [TP-SHM-0630]
        if header.version != TensorHeader::HEADER.version {
            return Err(DecodeError::UnsupportedVersion {
                what: "TensorHeader",
                found: header.version,
            });
        }
        // A longer block does not fit the slot, so `decode` has refused it already.
        // [TP-SHM-0650]
        Ok(Self {
            slot: SlotHeader::decode(&at::<0, _, _>(bytes))?,
            tensor: decoded,
        })
    }
}

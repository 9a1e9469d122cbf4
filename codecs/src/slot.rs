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

/// Bytes of it that mean something, rounded up to whole words: the rest is padding.
pub const TENSOR_FIELDS_LEN: usize = 88;

/// Words in front of the embedded tensor header.
pub const FRONT_WORDS: usize = 8;

const LENGTH_OFFSET: usize = SlotHeader::ENCODED_LEN;
const TENSOR_OFFSET: usize = LENGTH_OFFSET + 4;
const _: () =
    assert!(TENSOR_OFFSET + TENSOR_HEADER_LEN == SLOT_LEN && TENSOR_OFFSET == 8 * FRONT_WORDS);

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
        check_length(u32::from_le_bytes(at::<LENGTH_OFFSET, _, _>(bytes)))?;
        let tensor = decode_tensor(&at::<TENSOR_OFFSET, _, _>(bytes))?;
        // [TP-SHM-0650]
        Ok(Self {
            slot: SlotHeader::decode(&at::<0, _, _>(bytes))?,
            tensor,
        })
    }
}

/// The words in front of the embedded tensor header, as they lie in memory; what is not a field
/// becomes zero. The same as by [`HeaderSlot::encode_into`], but nothing goes through memory.
#[inline(always)]
#[must_use]
pub fn encode_front(slot: &SlotHeader) -> [u64; FRONT_WORDS] {
    let SlotHeader {
        seq_commit,
        values_len_bytes,
        payload_slot,
        pool_id,
        payload_offset,
        timestamp_ns,
        meta_version,
    } = *slot;
    [
        seq_commit,
        u64::from(values_len_bytes) | u64::from(payload_slot) << 32,
        u64::from(pool_id) | u64::from(payload_offset) << 16 | timestamp_ns << 48,
        timestamp_ns >> 16 | u64::from(meta_version) << 48,
        u64::from(meta_version) >> 16,
        0,
        0,
        (TENSOR_HEADER_LEN as u64) << 32,
    ]
    .map(u64::to_le)
}

/// Reads what stands in front of the embedded tensor header, from a stable copy of its words as
/// they lie in memory. The same as by [`HeaderSlot::decode`], but nothing goes through memory again.
///
/// # Errors
/// [`DecodeError::SlotHeaderLength`].
#[inline]
pub fn decode_front(words: &[u64; FRONT_WORDS]) -> Result<SlotHeader, DecodeError> {
    let [
        seq_commit,
        len_and_slot,
        pool_on,
        time_on,
        meta_on,
        _,
        _,
        length_on,
    ] = words.map(u64::from_le);
    check_length((length_on >> 32) as u32)?;
    Ok(SlotHeader {
        seq_commit,
        values_len_bytes: len_and_slot as u32,
        payload_slot: (len_and_slot >> 32) as u32,
        pool_id: pool_on as u16,
        payload_offset: (pool_on >> 16) as u32,
        timestamp_ns: (pool_on >> 48) | (time_on << 16),
        meta_version: ((time_on >> 48) | (meta_on << 16)) as u32,
    })
}

/// Reads the embedded tensor header, from a stable copy of its bytes.
///
/// # Errors
/// [`DecodeError`] naming the number or enumeration that is wrong.
#[inline]
pub fn decode_tensor(bytes: &[u8; TENSOR_HEADER_LEN]) -> Result<TensorHeader, DecodeError> {
    let header = MessageHeader::from_bytes(&at::<0, _, _>(bytes));
    // A longer block does not fit the slot: it is refused here.
    let decoded = TensorHeader::decode(bytes)?;
    // [TP-SHM-0630]
    if header.version != TensorHeader::HEADER.version {
        return Err(DecodeError::UnsupportedVersion {
            what: "TensorHeader",
            found: header.version,
        });
    }
    Ok(decoded)
}

#[inline]
fn check_length(found: u32) -> Result<(), DecodeError> {
    // [TP-SHM-0620] [TP-SHM-0630] [TP-SHM-0660]
    if found == TENSOR_HEADER_LEN as u32 {
        Ok(())
    } else {
        Err(DecodeError::SlotHeaderLength {
            expected: TENSOR_HEADER_LEN as u32,
            found,
        })
    }
}

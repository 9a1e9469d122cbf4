//! The few primitives generated code is made of: reads and writes at offsets proven at compile
//! time, and cursors over bytes of unknown length. Nothing here panics or allocates; nothing here
//! knows a message.

use crate::error::{DecodeError, EncodeError};
use crate::group::{Element, Group};
use crate::header::MessageHeader;

/// The `N` bytes at `OFFSET` of `block`; that they lie within it is checked when this is compiled.
#[inline]
pub(crate) const fn at<const OFFSET: usize, const N: usize, const B: usize>(
    block: &[u8; B],
) -> [u8; N] {
    const { assert!(OFFSET + N <= B, "field outside its block") };
    match block.split_at(OFFSET).1.first_chunk() {
        Some(bytes) => *bytes,
        None => [0; N],
    }
}

/// Stores `bytes` at `OFFSET` of `block`; that they lie within it is checked when this is compiled.
#[inline]
pub(crate) const fn put<const OFFSET: usize, const N: usize, const B: usize>(
    block: &mut [u8; B],
    bytes: [u8; N],
) {
    const { assert!(OFFSET + N <= B, "field outside its block") };
    if let Some(place) = block.split_at_mut(OFFSET).1.first_chunk_mut() {
        *place = bytes;
    }
}

/// `None` when `value` is one of the `nulls` of an optional field.
/// [TP-WIRE-0310] [TP-WIRE-0320] [TP-WIRE-0330] [TP-WIRE-0340] [TP-WIRE-0350]
#[inline]
pub(crate) fn non_null<T: Copy + PartialEq, const N: usize>(value: T, nulls: [T; N]) -> Option<T> {
    if nulls.contains(&value) {
        None
    } else {
        Some(value)
    }
}

/// What an optional field writes: the first of `nulls` when absent, or when the value means absent.
/// [TP-WIRE-0360]
#[inline]
pub(crate) fn or_null<T: Copy + PartialEq, const N: usize>(
    value: Option<T>,
    null: T,
    nulls: [T; N],
) -> T {
    match value {
        Some(value) if !nulls.contains(&value) => value,
        _ => null,
    }
}

/// A truth value; anything but 0 and 1 is an error.
/// [TP-WIRE-0480]
#[inline]
pub(crate) fn bool_from_wire(value: u8, what: &'static str) -> Result<bool, DecodeError> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        }),
    }
}

/// A cursor over the bytes of a message that are still to be read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A cursor over `rest`.
    #[inline]
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Checks the header of `buf` against `expected` and reads the block behind it.
    ///
    /// The schema and template must be the expected ones, the version at least 1, and the block at
    /// least as long as ours; the length the sender states is the one that is skipped.
    #[inline]
    pub(crate) fn open<const B: usize>(
        buf: &'a [u8],
        what: &'static str,
        expected: MessageHeader,
    ) -> Result<(&'a [u8; B], Self), DecodeError> {
        // [TP-WIRE-0100]
        let Some((header, rest)) = buf.split_first_chunk::<{ MessageHeader::ENCODED_LEN }>() else {
            return Err(truncated(what, MessageHeader::ENCODED_LEN, buf.len()));
        };
        // Nearly always the very header that we write, and all of the block.
        if *header == expected.to_bytes()
            && let Some((block, rest)) = rest.split_first_chunk()
        {
            return Ok((block, Self::new(rest)));
        }
        Self::open_other(header, rest, what, expected)
    }

    /// The same for a header that differs, if only in a part that may.
    #[cold]
    fn open_other<const B: usize>(
        header: &[u8; MessageHeader::ENCODED_LEN],
        rest: &'a [u8],
        what: &'static str,
        expected: MessageHeader,
    ) -> Result<(&'a [u8; B], Self), DecodeError> {
        let found = MessageHeader::from_bytes(header);
        // [TP-WIRE-0220]
        if found.schema_id != expected.schema_id || found.template_id != expected.template_id {
            return Err(wrong_message(what, expected, found));
        }
        // [TP-WIRE-0070] [TP-WIRE-0080]
        if found.version < 1 {
            return Err(DecodeError::UnsupportedVersion {
                what,
                found: found.version,
            });
        }
        // [TP-WIRE-0050]
        if found.block_length < expected.block_length {
            return Err(DecodeError::BlockLength {
                what,
                expected: expected.block_length,
                found: found.block_length,
            });
        }
        let mut reader = Self::new(rest);
        // [TP-WIRE-0060] [TP-WIRE-0100]
        let block = reader.block(what, found.block_length)?;
        Ok((block, reader))
    }

    /// The next block, of which the sender says that it is `block_len` bytes long, and we know the
    /// first `B`.
    #[inline]
    pub(crate) fn block<const B: usize>(
        &mut self,
        what: &'static str,
        block_len: u16,
    ) -> Result<&'a [u8; B], DecodeError> {
        // [TP-WIRE-0060] [TP-WIRE-0160]
        let bytes = self.take(what, usize::from(block_len))?;
        bytes.first_chunk().ok_or(truncated(what, B, bytes.len()))
    }

    /// The next string or blob: a `u32` length and as many bytes.
    #[inline]
    pub(crate) fn data(&mut self, what: &'static str, max: u32) -> Result<&'a [u8], DecodeError> {
        // [TP-WIRE-0030]
        let Some((len, rest)) = self.rest.split_first_chunk::<4>() else {
            return Err(truncated(what, 4, self.rest.len()));
        };
        let len = u32::from_le_bytes(*len);
        // [TP-WIRE-0150]
        if len > max {
            return Err(DecodeError::DataTooLong { what, len, max });
        }
        self.rest = rest;
        self.take(what, usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// Like [`data`](Self::data), but empty when the message ends exactly here: some peers leave
    /// out empty strings at the end of a message.
    /// [TP-WIRE-0110]
    #[inline]
    pub(crate) fn trailing_data(
        &mut self,
        what: &'static str,
        max: u32,
    ) -> Result<&'a [u8], DecodeError> {
        if self.rest.is_empty() {
            Ok(&[])
        } else {
            self.data(what, max)
        }
    }

    /// The next group, walked to its end so that iterating over it later cannot fail.
    pub(crate) fn group<E: Element<'a>>(
        &mut self,
        what: &'static str,
    ) -> Result<Group<'a, E>, DecodeError> {
        // [TP-WIRE-0020]
        let Some((dimensions, rest)) = self.rest.split_first_chunk::<4>() else {
            return Err(truncated(what, 4, self.rest.len()));
        };
        let block_len = u16::from_le_bytes(at::<0, _, _>(dimensions));
        let count = u16::from_le_bytes(at::<2, _, _>(dimensions));
        if !E::accepts_block_len(block_len) {
            return Err(DecodeError::BlockLength {
                what,
                expected: E::BLOCK_LEN,
                found: block_len,
            });
        }
        // [TP-WIRE-0140]
        if usize::from(count).saturating_mul(E::MIN_LEN) > rest.len() {
            return Err(DecodeError::GroupTooLarge {
                what,
                count,
                available: rest.len(),
            });
        }
        self.rest = rest;
        for _ in 0..count {
            E::read(self, block_len)?;
        }
        let walked = rest.len() - self.rest.len();
        Ok(Group::new(
            rest.get(..walked).unwrap_or_default(),
            block_len,
            count,
        ))
    }

    #[inline]
    fn take(&mut self, what: &'static str, len: usize) -> Result<&'a [u8], DecodeError> {
        // [TP-WIRE-0100] [TP-WIRE-0150]
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(truncated(what, len, self.rest.len())),
        }
    }
}

#[inline]
const fn truncated(what: &'static str, needed: usize, available: usize) -> DecodeError {
    DecodeError::Truncated {
        what,
        needed,
        available,
    }
}

#[cold]
const fn wrong_message(
    what: &'static str,
    expected: MessageHeader,
    found: MessageHeader,
) -> DecodeError {
    DecodeError::WrongMessage {
        what,
        expected_schema: expected.schema_id,
        expected_template: expected.template_id,
        found_schema: found.schema_id,
        found_template: found.template_id,
    }
}

/// Adds up how long a message will be, and refuses what its types cannot say.
#[derive(Debug)]
pub(crate) struct Measure {
    len: usize,
}

impl Measure {
    /// Starts with `len` bytes of header and block.
    #[inline]
    pub(crate) const fn new(len: usize) -> Self {
        Self { len }
    }

    /// Adds the block of a group entry.
    #[inline]
    pub(crate) const fn block(&mut self, len: usize) {
        self.len = self.len.saturating_add(len);
    }

    /// Adds the dimensions of a group of `count` entries.
    #[inline]
    pub(crate) const fn group(
        &mut self,
        what: &'static str,
        count: usize,
    ) -> Result<(), EncodeError> {
        // [TP-WIRE-0130]
        if count > u16::MAX as usize {
            return Err(EncodeError::GroupTooLarge { what, count });
        }
        self.len = self.len.saturating_add(4);
        Ok(())
    }

    /// Adds a string or blob.
    #[inline]
    pub(crate) const fn data(
        &mut self,
        what: &'static str,
        data: &[u8],
        max: u32,
    ) -> Result<(), EncodeError> {
        // [TP-WIRE-0130]
        if data.len() as u64 > max as u64 {
            return Err(EncodeError::DataTooLong {
                what,
                len: data.len(),
                max,
            });
        }
        self.len = self.len.saturating_add(4).saturating_add(data.len());
        Ok(())
    }

    /// The length of the message.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

/// A cursor over the bytes of a message that are still to be written.
#[derive(Debug)]
pub(crate) struct Writer<'b> {
    rest: &'b mut [u8],
}

impl<'b> Writer<'b> {
    /// A cursor over the first `len` bytes of `buf`.
    #[inline]
    pub(crate) fn new(buf: &'b mut [u8], len: usize) -> Result<Self, EncodeError> {
        let available = buf.len();
        // [TP-WIRE-0120]
        match buf.get_mut(..len) {
            Some(rest) => Ok(Self { rest }),
            None => Err(EncodeError::BufferTooSmall {
                needed: len,
                available,
            }),
        }
    }

    /// Writes the message header.
    #[inline]
    pub(crate) fn header(&mut self, header: MessageHeader) -> Result<(), EncodeError> {
        // [TP-WIRE-0125]
        *self.block()? = header.to_bytes();
        Ok(())
    }

    /// The next `B` bytes, to be overwritten entirely.
    #[inline]
    pub(crate) fn block<const B: usize>(&mut self) -> Result<&'b mut [u8; B], EncodeError> {
        let available = self.rest.len();
        match core::mem::take(&mut self.rest).split_first_chunk_mut() {
            Some((block, rest)) => {
                self.rest = rest;
                Ok(block)
            }
            None => Err(EncodeError::BufferTooSmall {
                needed: B,
                available,
            }),
        }
    }

    /// Writes the dimensions of a group.
    #[inline]
    pub(crate) fn group(
        &mut self,
        what: &'static str,
        block_len: u16,
        count: usize,
    ) -> Result<(), EncodeError> {
        let Ok(short_count) = u16::try_from(count) else {
            return Err(EncodeError::GroupTooLarge { what, count });
        };
        let dimensions = self.block::<4>()?;
        // [TP-WIRE-0020]
        put::<0, _, _>(dimensions, block_len.to_le_bytes());
        put::<2, _, _>(dimensions, short_count.to_le_bytes());
        Ok(())
    }

    /// Writes a string or blob.
    #[inline]
    pub(crate) fn data(&mut self, what: &'static str, data: &[u8]) -> Result<(), EncodeError> {
        let Ok(len) = u32::try_from(data.len()) else {
            return Err(EncodeError::DataTooLong {
                what,
                len: data.len(),
                max: u32::MAX,
            });
        };
        // [TP-WIRE-0030] [TP-WIRE-0380]
        *self.block()? = len.to_le_bytes();
        let available = self.rest.len();
        match core::mem::take(&mut self.rest).split_at_mut_checked(data.len()) {
            Some((bytes, rest)) => {
                bytes.copy_from_slice(data);
                self.rest = rest;
                Ok(())
            }
            None => Err(EncodeError::BufferTooSmall {
                needed: data.len(),
                available,
            }),
        }
    }
}

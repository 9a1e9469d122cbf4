//! Repeating groups of a decoded message.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;

use crate::error::DecodeError;
use crate::raw::Reader;

/// An entry of a group. Implemented by generated code only.
pub trait Element<'a>: Sized {
    /// Bytes of fixed fields per entry.
    const BLOCK_LEN: u16;
    /// Bytes an entry takes at least.
    const MIN_LEN: usize;

    /// Whether a group may state this block length.
    /// [TP-WIRE-0170]
    #[must_use]
    fn accepts_block_len(block_len: u16) -> bool {
        block_len >= Self::BLOCK_LEN
    }

    /// Reads the next entry.
    ///
    /// # Errors
    /// Whatever is wrong with its bytes.
    fn read(reader: &mut Reader<'a>, block_len: u16) -> Result<Self, DecodeError>;
}

/// The entries of a group, read one by one out of the message they are in. All of them were checked
/// when the message was decoded.
pub struct Group<'a, E> {
    bytes: &'a [u8],
    block_len: u16,
    count: u16,
    element: PhantomData<fn() -> E>,
}

impl<'a, E: Element<'a>> Group<'a, E> {
    /// A group whose entries were walked and found sound.
    pub(crate) const fn new(bytes: &'a [u8], block_len: u16, count: u16) -> Self {
        Self {
            bytes,
            block_len,
            count,
            element: PhantomData,
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entries, in order.
    #[must_use]
    pub const fn iter(&self) -> GroupIter<'a, E> {
        GroupIter {
            reader: Reader::new(self.bytes),
            block_len: self.block_len,
            remaining: self.count,
            element: PhantomData,
        }
    }
}

impl<E> Clone for Group<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Group<'_, E> {}

impl<'a, E: Element<'a> + fmt::Debug> fmt::Debug for Group<'a, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a, E: Element<'a> + PartialEq> PartialEq for Group<'a, E> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, E: Element<'a>> IntoIterator for Group<'a, E> {
    type Item = E;
    type IntoIter = GroupIter<'a, E>;

    fn into_iter(self) -> GroupIter<'a, E> {
        self.iter()
    }
}

impl<'a, E: Element<'a>> IntoIterator for &Group<'a, E> {
    type Item = E;
    type IntoIter = GroupIter<'a, E>;

    fn into_iter(self) -> GroupIter<'a, E> {
        self.iter()
    }
}

/// Iterator over the entries of a [`Group`].
pub struct GroupIter<'a, E> {
    reader: Reader<'a>,
    block_len: u16,
    remaining: u16,
    element: PhantomData<fn() -> E>,
}

impl<'a, E: Element<'a>> Iterator for GroupIter<'a, E> {
    type Item = E;

    fn next(&mut self) -> Option<E> {
        self.remaining = self.remaining.checked_sub(1)?;
        // The entries were walked when the message was decoded, so this cannot fail.
        let entry = E::read(&mut self.reader, self.block_len);
        debug_assert!(entry.is_ok(), "a checked group entry no longer reads");
        entry.ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (
            usize::from(self.remaining),
            Some(usize::from(self.remaining)),
        )
    }
}

impl<'a, E: Element<'a>> ExactSizeIterator for GroupIter<'a, E> {}
impl<'a, E: Element<'a>> FusedIterator for GroupIter<'a, E> {}

impl<E> fmt::Debug for GroupIter<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupIter")
            .field("remaining", &self.remaining)
            .finish_non_exhaustive()
    }
}

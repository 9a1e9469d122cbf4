//! The payload of a frame while it may still be overwritten: numbers and copies, not slices.

use core::marker::PhantomData;

use tensorpool_codecs::wire::{Dtype, TensorHeader};
use thiserror::Error;

use crate::element::Element;
use crate::foreign::Foreign;

/// A look at a payload in place. What is read through it is good only if the frame validates
/// afterwards, which [`Frame::with`](crate::frame::Frame::with) sees to.
#[derive(Clone, Copy)]
pub struct FrameView<'v> {
    bytes: Foreign<'v>,
    tensor: &'v TensorHeader,
}

/// A payload seen as numbers of one type.
#[derive(Clone, Copy)]
pub struct TypedView<'v, T> {
    bytes: Foreign<'v>,
    element: PhantomData<T>,
}

/// A payload was asked for numbers it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the payload's dtype is {found:?}, which cannot be read as {asked}")]
#[non_exhaustive]
pub struct DtypeMismatch {
    /// The frame's dtype.
    pub found: Dtype,
    /// The type asked for.
    pub asked: &'static str,
}

impl<'v> FrameView<'v> {
    #[inline]
    pub(crate) fn new(bytes: Foreign<'v>, tensor: &'v TensorHeader) -> Self {
        Self { bytes, tensor }
    }

    /// Bytes of payload.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no payload.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == 0
    }

    /// What the payload is.
    #[inline]
    #[must_use]
    pub fn tensor(&self) -> &'v TensorHeader {
        self.tensor
    }

    /// Copies `to.len()` bytes from `offset` on. Panics when they do not lie within the payload.
    #[inline]
    pub fn copy_to(&self, offset: usize, to: &mut [u8]) {
        self.bytes.read(offset, to);
    }

    /// Number `index` of the payload taken as an array; `None` beyond its end or when the dtype is
    /// another.
    #[inline]
    #[must_use]
    pub fn get<T: Element>(&self, index: usize) -> Option<T> {
        if T::reads(self.tensor.dtype) {
            self.bytes.element(index)
        } else {
            None
        }
    }

    /// The payload as numbers of type `T`, the dtype being checked once. [TP-SHM-1100]
    #[inline]
    pub fn typed<T: Element>(&self) -> Result<TypedView<'v, T>, DtypeMismatch> {
        if T::reads(self.tensor.dtype) {
            Ok(TypedView {
                bytes: self.bytes,
                element: PhantomData,
            })
        } else {
            Err(DtypeMismatch {
                found: self.tensor.dtype,
                asked: core::any::type_name::<T>(),
            })
        }
    }

    /// The payload as a slice, for SIMD kernels and foreign libraries. It starts on a 64-byte
    /// boundary.
    ///
    /// # Safety
    /// The producer may write to these bytes while the slice lives, which Rust forbids. The caller
    /// must be sure that it does not (more slots than it can fill meanwhile, a paced or stopped
    /// producer), or accept that the reads are a data race and use only code for which a mix of two
    /// frames is harmless: no index, length or branch target may be derived from the bytes before
    /// the frame validated.
    #[inline]
    #[must_use]
    pub unsafe fn as_slice(&self) -> &'v [u8] {
        // SAFETY: mapped and readable for `'v`; that nobody writes meanwhile is the caller's
        // promise.
        unsafe { core::slice::from_raw_parts(self.bytes.as_ptr(), self.bytes.len()) }
    }
}

impl<T: Element> TypedView<'_, T> {
    /// Whole numbers in the payload.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / size_of::<T>()
    }

    /// Whether there is not one.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number `index`; `None` beyond the end.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T> {
        self.bytes.element(index)
    }

    /// All numbers in order.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = T> + '_ {
        (0..self.len()).map(|index| self.bytes.element(index).unwrap_or_default())
    }

    /// Copies the numbers from `start` on. Panics when they do not lie within the payload.
    #[inline]
    pub fn copy_to(&self, start: usize, to: &mut [T]) {
        let len = size_of_val(to);
        // SAFETY: any bytes are valid numbers (`Element` is sealed over such types), and the slice
        // is exclusive.
        let bytes = unsafe { core::slice::from_raw_parts_mut(to.as_mut_ptr().cast::<u8>(), len) };
        self.bytes.read(start.saturating_mul(size_of::<T>()), bytes);
    }
}

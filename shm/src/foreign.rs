//! The choke point: every access to memory that another process may write goes through here.
//!
//! Such bytes change under our eyes, so no reference to them is ever formed but `&AtomicU64` for
//! whole aligned words. Payloads are read through one copy primitive the compiler cannot look into,
//! elements through relaxed atomic loads. The one exception is the slot a producer has claimed:
//! until it commits, nobody else writes it, and it is written as the slice it then is. What was
//! read means nothing until the seqlock says so.

use core::marker::PhantomData;
use core::sync::atomic::AtomicU64;

use crate::element::Element;

mod copy;
mod prefetch;
mod stream;

pub(crate) use copy::copy_bytes;
pub(crate) use stream::copy_past_caches;

const CACHE_LINE: usize = 64;

/// A bounded window on memory other processes share; `'a` is the life of the mapping below it.
#[derive(Clone, Copy)]
pub(crate) struct Foreign<'a> {
    base: *mut u8,
    len: usize,
    mapping: PhantomData<&'a ()>,
}

impl<'a> Foreign<'a> {
    /// # Safety
    /// `base` is 64-byte aligned and readable for `len` bytes during `'a`; writable as well if any
    /// method that writes is called. Nobody in this process holds a reference to these bytes while
    /// they are accessed here, except references to atomics and a claim's slice of its own slot.
    #[inline]
    pub(crate) unsafe fn new(base: *mut u8, len: usize) -> Self {
        debug_assert!(base.addr().is_multiple_of(64));
        Self {
            base,
            len,
            mapping: PhantomData,
        }
    }

    /// Bytes in the window.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// The address of the window, for unsafe views.
    #[inline]
    pub(crate) fn as_ptr(self) -> *mut u8 {
        self.base
    }

    /// A part of the window. Panics when it does not lie within, or does not start at a multiple of
    /// 64.
    #[inline]
    pub(crate) fn window(self, offset: usize, len: usize) -> Self {
        self.check(offset, len);
        assert!(
            offset.is_multiple_of(64),
            "windows start at multiples of 64"
        );
        // SAFETY: within this window (checked), which makes the same promises; base and offset are
        // aligned.
        unsafe { Self::new(self.base.add(offset), len) }
    }

    /// The aligned words at `offset`. Panics when they do not lie within the window or are
    /// unaligned.
    #[inline]
    pub(crate) fn words<const N: usize>(self, offset: usize) -> &'a [AtomicU64; N] {
        self.check(offset, N * 8);
        assert!(offset.is_multiple_of(8), "words start at multiples of 8");
        // SAFETY: within the window (checked) and aligned (base is, offset is); AtomicU64 has the
        // layout of u64 and may be shared with writers in other processes as long as those store
        // whole words atomically; a peer that writes a word with narrower stores is read as a mix
        // of both, which the seqlock rejects. In this process these words are only ever accessed as
        // atomics.
        unsafe { &*self.base.add(offset).cast::<[AtomicU64; N]>() }
    }

    /// One aligned word.
    #[inline]
    pub(crate) fn word(self, offset: usize) -> &'a AtomicU64 {
        &self.words::<1>(offset)[0]
    }

    /// Copies bytes out. Panics when they do not lie within the window.
    #[inline]
    pub(crate) fn read(self, offset: usize, to: &mut [u8]) {
        self.check(offset, to.len());
        // SAFETY: source within the window (checked), destination is a slice; they cannot overlap,
        // as no Rust object lives in the window.
        unsafe { copy_bytes(to.as_mut_ptr(), self.base.add(offset), to.len()) }
    }

    /// Copies bytes in. Panics when they do not lie within the window.
    #[inline]
    pub(crate) fn write(self, offset: usize, from: &[u8]) {
        self.check(offset, from.len());
        // SAFETY: destination within the window (checked), which is writable (promised to `new`);
        // no overlap.
        unsafe { copy_bytes(self.base.add(offset), from.as_ptr(), from.len()) }
    }

    /// Loads element `index`; `None` when it does not lie wholly within the window.
    #[inline]
    pub(crate) fn element<T: Element>(self, index: usize) -> Option<T> {
        if index >= self.len / size_of::<T>() {
            return None;
        }
        // SAFETY: within the window (checked); aligned to the size of T, as base is to 64 and T is
        // a power of two.
        Some(unsafe { T::load(self.base.add(index * size_of::<T>())) })
    }

    /// The window, up to its first `lines` cache lines, will be read soon.
    #[inline]
    pub(crate) fn prefetch(self, lines: usize) {
        for offset in (0..self.len).step_by(CACHE_LINE).take(lines) {
            prefetch::to_read(self.base.wrapping_add(offset));
        }
    }

    /// The first cache line of the window will be written soon.
    #[inline]
    pub(crate) fn prefetch_to_write(self) {
        prefetch::to_write(self.base);
    }

    #[inline]
    fn check(self, offset: usize, len: usize) {
        assert!(
            offset <= self.len && len <= self.len - offset,
            "access outside of a shared region: offset {offset}, len {len}, region {}",
            self.len
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(64))]
    struct Aligned([u8; 256]);

    fn with_window<R>(test: impl FnOnce(Foreign<'_>) -> R) -> R {
        let mut memory = Aligned(core::array::from_fn(|i| i as u8));
        // SAFETY: aligned by its type, alive during the call and reached through the window only.
        test(unsafe { Foreign::new(memory.0.as_mut_ptr(), 256) })
    }

    #[test]
    fn bytes_go_in_and_come_out() {
        with_window(|window| {
            window.write(3, b"hello");
            let mut out = [0; 7];
            window.read(2, &mut out);
            assert_eq!(&out, b"\x02hello\x08");
        });
    }

    #[test]
    fn accesses_outside_of_the_window_panic() {
        let outside: [fn(Foreign<'_>); 5] = [
            |w| w.write(250, &[0; 7]),
            |w| w.read(usize::MAX, &mut [0]),
            |w| _ = w.word(256).as_ptr(),
            |w| _ = w.word(4).as_ptr(),
            |w| _ = w.window(192, 128).as_ptr(),
        ];
        for access in outside {
            with_window(|window| {
                let access = std::panic::AssertUnwindSafe(|| access(window));
                assert!(std::panic::catch_unwind(access).is_err());
            });
        }
    }

    #[test]
    fn elements_are_little_endian_numbers_within_the_window() {
        with_window(|window| {
            assert_eq!(window.element::<u16>(1), Some(0x0302));
            assert_eq!(
                window.element::<u64>(31),
                Some(u64::from_le_bytes([248, 249, 250, 251, 252, 253, 254, 255]))
            );
            assert_eq!(window.element::<u64>(32), None);
            assert_eq!(window.window(0, 7).element::<u32>(1), None);
            assert_eq!(window.element::<u8>(usize::MAX), None);
        });
    }
}

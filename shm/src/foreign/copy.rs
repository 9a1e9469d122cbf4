//! The copy primitive: moves bytes to or from memory that changes under our eyes.
//!
//! It has to be opaque to the compiler: a plain `memcpy` from memory another process writes would
//! be a data race in Rust's eyes, and the optimiser may then read twice or assume stability.
//! Volatile byte loops are opaque too, but reach a tenth of memcpy's bandwidth.
//!
//! On x86-64 it is inline assembly: `rep movsb` (microcoded, full bandwidth on every processor of
//! the last decade), and for short lengths, where its start-up cost shows, a few 16-byte moves.
//! String stores are not reordered with the stores around them, nor string loads with later loads,
//! so the fences of the seqlock hold for it as they do for plain moves. Elsewhere relaxed atomic
//! words do the same.

/// Copies `len` bytes.
///
/// # Safety
/// `from` is readable and `to` writable for `len` bytes, and they do not overlap. Either may be
/// accessed by other processes at the same time.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) unsafe fn copy_bytes(to: *mut u8, from: *const u8, len: usize) {
    if (16..=SHORT_LEN).contains(&len) {
        // SAFETY: the caller's promises, and len is at least 16.
        unsafe { copy_short(to, from, len) }
    } else {
        // SAFETY: the caller's promises; the direction flag is clear by the ABI.
        unsafe {
            core::arch::asm!(
                "rep movsb",
                inout("rcx") len => _,
                inout("rdi") to => _,
                inout("rsi") from => _,
                options(nostack, preserves_flags),
            );
        }
    }
}

/// Longest copy done with 16-byte moves.
#[cfg(target_arch = "x86_64")]
const SHORT_LEN: usize = 256;

/// Copies 16 bytes at a time; the last move overlaps the one before it.
///
/// # Safety
/// As [`copy_bytes`], and `len` is at least 16.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn copy_short(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: every move lies within the `len >= 16` bytes both pointers are good for.
    unsafe {
        core::arch::asm!(
            "xor {at:e}, {at:e}",
            "2:",
            "movdqu {data}, [{from} + {at}]",
            "movdqu [{to} + {at}], {data}",
            "add {at}, 16",
            "cmp {at}, {last}",
            "jb 2b",
            "movdqu {data}, [{from} + {last}]",
            "movdqu [{to} + {last}], {data}",
            at = out(reg) _,
            data = out(xmm_reg) _,
            from = in(reg) from,
            to = in(reg) to,
            last = in(reg) len - 16,
            options(nostack),
        );
    }
}

/// Copies `len` bytes.
///
/// # Safety
/// As on x86-64.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) unsafe fn copy_bytes(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promises.
    unsafe { copy_words(to, from, len) }
}

/// The portable copy: relaxed atomic words where both sides are aligned alike, relaxed atomic bytes
/// elsewhere.
///
/// # Safety
/// As [`copy_bytes`].
#[cfg(any(test, not(target_arch = "x86_64")))]
unsafe fn copy_words(to: *mut u8, from: *const u8, len: usize) {
    use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

    let alike = (to.addr() ^ from.addr()).is_multiple_of(8);
    let head = if alike {
        from.addr().wrapping_neg() % 8
    } else {
        len
    }
    .min(len);
    let words = (len - head) / 8;
    let byte = |i: usize| {
        // SAFETY: `i` is below `len`, and the caller promised `len` bytes on both sides; bytes are
        // aligned.
        unsafe {
            let value = AtomicU8::from_ptr(from.cast_mut().add(i)).load(Relaxed);
            AtomicU8::from_ptr(to.add(i)).store(value, Relaxed);
        }
    };
    (0..head).for_each(byte);
    for word in 0..words {
        let i = head + word * 8;
        // SAFETY: eight bytes from `i` are below `len`; both sides are 8-aligned after `head`
        // bytes.
        unsafe {
            let value = AtomicU64::from_ptr(from.cast_mut().add(i).cast()).load(Relaxed);
            AtomicU64::from_ptr(to.add(i).cast()).store(value, Relaxed);
        }
    }
    (head + words * 8..len).for_each(byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies every length at every mutual alignment between guard bytes.
    fn check(copy: unsafe fn(*mut u8, *const u8, usize)) {
        let from: Vec<u8> = (0..1200u32).map(|i| (i * 7 + i / 256) as u8).collect();
        for len in (0..300).chain([511, 512, 513, 1000]) {
            for (a, b) in [(0, 0), (0, 1), (1, 0), (3, 3), (5, 2), (8, 15)] {
                let mut to = vec![0xEE; len + b + 32];
                // SAFETY: both vectors are long enough for the offsets and lengths used.
                unsafe { copy(to.as_mut_ptr().add(b), from.as_ptr().add(a), len) };
                assert_eq!(
                    to[b..b + len],
                    from[a..a + len],
                    "len {len}, offsets {a} and {b}"
                );
                assert!(
                    to[..b]
                        .iter()
                        .chain(&to[b + len..])
                        .all(|byte| *byte == 0xEE)
                );
            }
        }
    }

    #[test]
    fn the_primitive_copies_exactly_the_bytes_asked_for() {
        check(copy_bytes);
    }

    #[test]
    fn the_portable_primitive_copies_exactly_the_bytes_asked_for() {
        check(copy_words);
    }
}

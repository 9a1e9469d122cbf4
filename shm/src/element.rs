//! The number types a payload can be read as, and the dtype each stands for.

use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

use tensorpool_codecs::wire::Dtype;

mod sealed {
    pub trait Sealed {}
}

/// A number a payload can hold: any bit pattern is a value. Sealed.
pub trait Element: sealed::Sealed + Copy + Default + Send + Sync + 'static {
    /// The dtype of this type.
    const DTYPE: Dtype;

    /// Whether a payload of dtype `found` may be read as this type: its own dtype, and for `u8`
    /// also booleans, bytes and bits.
    #[must_use]
    fn reads(found: Dtype) -> bool {
        found == Self::DTYPE
    }

    /// Loads one value in a single relaxed atomic access.
    ///
    /// # Safety
    /// `from` is readable for the size of the type and aligned to it.
    #[doc(hidden)]
    unsafe fn load(from: *mut u8) -> Self;
}

macro_rules! element {
    ($type:ty, $code:expr, $atomic:ty, $from:expr $(, $also:pat)?) => {
        impl sealed::Sealed for $type {}

        impl Element for $type {
            const DTYPE: Dtype = $code;

            $(
                fn reads(found: Dtype) -> bool {
                    found == Self::DTYPE || matches!(found, $also)
                }
            )?

            #[inline]
            unsafe fn load(from: *mut u8) -> Self {
                // SAFETY: readable and aligned (the caller's promise); foreign writers do not make
                // an atomic load undefined, they only make its value arbitrary.
                $from(unsafe { <$atomic>::from_ptr(from.cast()) }.load(Relaxed))
            }
        }
    };
}

element!(
    u8,
    Dtype::Uint8,
    AtomicU8,
    |bits| bits,
    Dtype::Boolean | Dtype::Bytes | Dtype::Bit
);
element!(i8, Dtype::Int8, AtomicU8, |bits: u8| bits.cast_signed());
element!(u16, Dtype::Uint16, AtomicU16, |bits| bits);
element!(i16, Dtype::Int16, AtomicU16, |bits: u16| bits.cast_signed());
element!(u32, Dtype::Uint32, AtomicU32, |bits| bits);
element!(i32, Dtype::Int32, AtomicU32, |bits: u32| bits.cast_signed());
element!(u64, Dtype::Uint64, AtomicU64, |bits| bits);
element!(i64, Dtype::Int64, AtomicU64, |bits: u64| bits.cast_signed());
element!(f32, Dtype::Float32, AtomicU32, f32::from_bits);
element!(f64, Dtype::Float64, AtomicU64, f64::from_bits);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_reads_its_own_dtype_and_u8_reads_byte_like_ones() {
        for dtype in [Dtype::Uint8, Dtype::Boolean, Dtype::Bytes, Dtype::Bit] {
            assert!(u8::reads(dtype));
        }
        assert!(!u8::reads(Dtype::Int8) && !u8::reads(Dtype::Unknown));
        assert!(f32::reads(Dtype::Float32) && !f32::reads(Dtype::Float64));
        assert!(!f32::reads(Dtype::Uint32));
    }
}

//! What a tensor may look like: dims, strides and how absent strides are inferred.
//!
//! Used by the reading side (a slot's tensor header becomes a [`TensorLayout`] or a drop) and by
//! the writing side (what an application asks for becomes a header with explicit strides). All
//! arithmetic is checked u64.

use tensorpool_codecs::wire::{Dtype, MajorOrder, ProgressUnit, TensorHeader};
use thiserror::Error;

/// The most dimensions a tensor header can carry (Wire v1.2 §8.2).
// [TP-SHM-0670]
pub const MAX_DIMS: usize = 8;

const EMPTY: TensorHeader = TensorHeader {
    dtype: Dtype::Unknown,
    major_order: MajorOrder::Unknown,
    ndims: 0,
    progress_unit: ProgressUnit::None,
    progress_stride_bytes: 0,
    dims: [0; MAX_DIMS],
    strides: [0; MAX_DIMS],
};

/// Bytes per element. Bits count as one byte each: packing eight to a byte is the application's
/// business.
#[must_use]
pub const fn element_len(dtype: Dtype) -> u64 {
    match dtype {
        Dtype::Unknown => 0,
        Dtype::Uint8 | Dtype::Int8 | Dtype::Boolean | Dtype::Bytes | Dtype::Bit => 1,
        Dtype::Uint16 | Dtype::Int16 => 2,
        Dtype::Uint32 | Dtype::Int32 | Dtype::Float32 => 4,
        Dtype::Uint64 | Dtype::Int64 | Dtype::Float64 => 8,
    }
}

/// Why a tensor header is not usable.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TensorError {
    /// No axis, or more than the header has room for.
    #[error("expected 1 to {MAX_DIMS} dimensions, found {0}")]
    Ndims(usize),
    /// The element type is not stated.
    #[error("the dtype is not stated: a tensor needs one")]
    Dtype,
    /// The major order is not stated.
    #[error("the major order is not stated: expected row or column")]
    MajorOrder,
    /// A dimension is negative.
    #[error("dimension of axis {axis} is negative ({found})")]
    NegativeDim {
        /// The axis.
        axis: usize,
        /// Its dimension.
        found: i32,
    },
    /// A stride is negative.
    #[error("stride of axis {axis} is negative ({found}): the protocol has no reversed axes")]
    NegativeStride {
        /// The axis.
        axis: usize,
        /// Its stride in bytes.
        found: i32,
    },
    /// Neighbours along an axis would share bytes.
    #[error("stride of axis {axis} is {found} bytes, its inner extent needs at least {needed}")]
    Overlapping {
        /// The axis.
        axis: usize,
        /// Its stride in bytes.
        found: u64,
        /// What the axes inside it take.
        needed: u64,
    },
    /// The product of dims and element size does not fit in 64 bits.
    #[error("the extent of axis {axis} and what is inside it exceeds 64 bits")]
    TooLarge {
        /// The axis at which it overflowed.
        axis: usize,
    },
    /// A stride that must be written does not fit the header's field.
    #[error("stride of axis {axis} is {found} bytes, the header holds at most {max}", max = i32::MAX)]
    StrideNotEncodable {
        /// The axis.
        axis: usize,
        /// Its stride in bytes.
        found: u64,
    },
    /// The progress stride is not the stride of the axis that progress counts.
    #[error("progress stride is {found} bytes, the counted axis has {expected}")]
    ProgressStride {
        /// Stride of the counted axis, 0 when the tensor has no such axis.
        expected: u64,
        /// What the header says.
        found: u32,
    },
}

/// A checked tensor: every stride explicit, nothing overlapping, nothing overflowing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorLayout {
    dtype: Dtype,
    major_order: MajorOrder,
    ndims: u8,
    dims: [i32; MAX_DIMS],
    strides: [u64; MAX_DIMS],
    progress_unit: ProgressUnit,
}

impl TensorLayout {
    /// Checks a header found in a slot (Wire v1.2 §8.2, §15.4).
    ///
    /// A stride of 0 is inferred from the axes inside it; an explicit stride must be at least their
    /// extent. A dimension of 0 is legal and counts as 1 in stride products.
    ///
    /// # Errors
    /// The first rule that is broken, in the order dims, types, strides, progress.
    pub fn check(raw: &TensorHeader) -> Result<Self, TensorError> {
        let ndims = usize::from(raw.ndims);
        // [TP-CLI-1010]
        if ndims == 0 || ndims > MAX_DIMS {
            return Err(TensorError::Ndims(ndims));
        }
        let TensorHeader {
            dtype,
            major_order,
            progress_unit,
            ..
        } = *raw;
        // [TP-CLI-1020]
        if dtype == Dtype::Unknown {
            return Err(TensorError::Dtype);
        }
        // [TP-CLI-1020]
        if major_order == MajorOrder::Unknown {
            return Err(TensorError::MajorOrder);
        }
        let strides = infer_strides(
            dtype,
            major_order,
            &raw.dims[..ndims],
            &raw.strides[..ndims],
        )?;
        check_progress(progress_unit, raw.progress_stride_bytes, &strides[..ndims])?;
        let mut dims = [0; MAX_DIMS];
        dims[..ndims].copy_from_slice(&raw.dims[..ndims]);
        Ok(Self {
            dtype,
            major_order,
            ndims: raw.ndims,
            dims,
            strides,
            progress_unit,
        })
    }

    /// A contiguous tensor of this shape.
    ///
    /// # Errors
    /// When the shape has no or too many axes, a negative one, or overflows.
    pub fn contiguous(dtype: Dtype, order: MajorOrder, dims: &[i32]) -> Result<Self, TensorError> {
        Self::with_strides(dtype, order, dims, &[])
    }

    /// A tensor of this shape with strides in bytes; missing or 0 strides are inferred.
    ///
    /// # Errors
    /// As [`TensorLayout::check`].
    pub fn with_strides(
        dtype: Dtype,
        order: MajorOrder,
        dims: &[i32],
        strides: &[i32],
    ) -> Result<Self, TensorError> {
        if dims.is_empty() || dims.len() > MAX_DIMS || strides.len() > dims.len() {
            return Err(TensorError::Ndims(dims.len().max(strides.len())));
        }
        let mut raw = TensorHeader {
            dtype,
            major_order: order,
            ndims: dims.len() as u8,
            ..EMPTY
        };
        raw.dims[..dims.len()].copy_from_slice(dims);
        raw.strides[..strides.len()].copy_from_slice(strides);
        Self::check(&raw)
    }

    /// The same tensor, announcing progress in this unit.
    ///
    /// # Errors
    /// When the tensor lacks the axis that the unit counts.
    pub fn with_progress(mut self, unit: ProgressUnit) -> Result<Self, TensorError> {
        let stride = progress_axis_stride(unit, &self.strides[..usize::from(self.ndims)]);
        if unit != ProgressUnit::None && (stride == 0 || stride > u64::from(u32::MAX)) {
            return Err(TensorError::ProgressStride {
                expected: stride,
                found: 0,
            });
        }
        self.progress_unit = unit;
        Ok(self)
    }

    /// The header to write for this tensor: strides explicit, unused entries zero.
    ///
    /// # Errors
    /// [`TensorError::StrideNotEncodable`] when a stride exceeds what the header can hold.
    pub fn to_header(&self) -> Result<TensorHeader, TensorError> {
        let mut raw = TensorHeader {
            dtype: self.dtype,
            major_order: self.major_order,
            ndims: self.ndims,
            progress_unit: self.progress_unit,
            dims: self.dims,
            ..EMPTY
        };
        // [TP-CLI-1100] [TP-CLI-1110]
        for (axis, &stride) in self.strides().iter().enumerate() {
            raw.strides[axis] =
                i32::try_from(stride).map_err(|_| TensorError::StrideNotEncodable {
                    axis,
                    found: stride,
                })?;
        }
        let progress = progress_axis_stride(self.progress_unit, self.strides());
        raw.progress_stride_bytes =
            u32::try_from(progress).map_err(|_| TensorError::StrideNotEncodable {
                axis: 0,
                found: progress,
            })?;
        Ok(raw)
    }

    /// The element type.
    #[must_use]
    pub const fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The major order.
    #[must_use]
    pub const fn major_order(&self) -> MajorOrder {
        self.major_order
    }

    /// Elements per axis.
    #[must_use]
    pub fn dims(&self) -> &[i32] {
        &self.dims[..usize::from(self.ndims)]
    }

    /// Bytes between neighbours, per axis; never 0.
    #[must_use]
    pub fn strides(&self) -> &[u64] {
        &self.strides[..usize::from(self.ndims)]
    }

    /// What progress is counted in.
    #[must_use]
    pub const fn progress_unit(&self) -> ProgressUnit {
        self.progress_unit
    }

    /// Number of elements; saturating.
    #[must_use]
    pub fn element_count(&self) -> u64 {
        self.dims().iter().fold(1u64, |count, &dim| {
            count.saturating_mul(dim.unsigned_abs().into())
        })
    }

    /// Bytes from the first to behind the last element; 0 when an axis is empty; saturating.
    #[must_use]
    pub fn extent_bytes(&self) -> u64 {
        if self.dims().contains(&0) {
            return 0;
        }
        self.dims().iter().zip(self.strides()).fold(
            element_len(self.dtype),
            |extent, (&dim, &stride)| {
                extent.saturating_add(stride.saturating_mul(u64::from(dim.unsigned_abs()) - 1))
            },
        )
    }

    /// True when elements lie back to back in the major order.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        infer_strides(
            self.dtype,
            self.major_order,
            self.dims(),
            &[0; MAX_DIMS][..self.dims().len()],
        )
        .is_ok_and(|inferred| inferred[..self.dims().len()] == *self.strides())
    }
}

fn infer_strides(
    dtype: Dtype,
    order: MajorOrder,
    dims: &[i32],
    strides: &[i32],
) -> Result<[u64; MAX_DIMS], TensorError> {
    let ndims = dims.len();
    let mut out = [0u64; MAX_DIMS];
    let mut needed = element_len(dtype);
    for step in 0..ndims {
        // [TP-CLI-1040]
        let axis = match order {
            MajorOrder::Row | MajorOrder::Unknown => ndims - 1 - step,
            MajorOrder::Column => step,
        };
        // [TP-CLI-1030]
        let dim = u64::try_from(dims[axis]).map_err(|_| TensorError::NegativeDim {
            axis,
            found: dims[axis],
        })?;
        let given = u64::try_from(strides[axis]).map_err(|_| TensorError::NegativeStride {
            axis,
            found: strides[axis],
        })?;
        // [TP-CLI-1040]
        let stride = if given == 0 { needed } else { given };
        // [TP-CLI-1050]
        if stride < needed {
            return Err(TensorError::Overlapping {
                axis,
                found: stride,
                needed,
            });
        }
        out[axis] = stride;
        // [TP-CLI-1060] [TP-CLI-1090]
        needed = stride
            .checked_mul(dim.max(1))
            .ok_or(TensorError::TooLarge { axis })?;
    }
    Ok(out)
}

// [TP-CLI-1070]
fn progress_axis_stride(unit: ProgressUnit, strides: &[u64]) -> u64 {
    match unit {
        ProgressUnit::None => 0,
        ProgressUnit::Rows => strides.first().copied().unwrap_or(0),
        ProgressUnit::Columns => strides.get(1).copied().unwrap_or(0),
    }
}

/// Rows count axis 0 and columns axis 1 whatever the major order; without a unit the stride field
/// is not looked at.
/// [TP-CLI-1070] [TP-CLI-1080]
fn check_progress(unit: ProgressUnit, found: u32, strides: &[u64]) -> Result<(), TensorError> {
    let expected = progress_axis_stride(unit, strides);
    let fits = unit == ProgressUnit::None || (expected != 0 && expected == u64::from(found));
    if fits {
        Ok(())
    } else {
        Err(TensorError::ProgressStride { expected, found })
    }
}

#[cfg(test)]
#[path = "tensor_tests.rs"]
mod tests;

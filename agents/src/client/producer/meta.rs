//! What a producer says about a frame.

use tensorpool_codecs::types::{MetaVersion, NanoTime, TraceId};
use tensorpool_codecs::wire::{Dtype, MajorOrder, ProgressUnit, TensorHeader};
use tensorpool_protocol::frame::TensorLayout;

use crate::client::error::MetaError;

/// What a producer says about a frame beyond its bytes. Checked once when made; cheap to copy per
/// frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMeta {
    layout: TensorLayout,
    header: TensorHeader,
    /// When the frame was taken, by the application's clock; `None` stamps the monotonic time of
    /// the offer.
    pub timestamp: Option<NanoTime>,
    /// The metadata version that describes it; `None` takes the one the producer has
    /// [set](crate::client::Producer::set_metadata), if any.
    pub meta_version: Option<MetaVersion>,
    /// For tracing; `None` when untraced.
    pub trace_id: Option<TraceId>,
}

impl FrameMeta {
    /// A contiguous row-major tensor (C order).
    ///
    /// # Errors
    /// When the shape is impossible.
    pub fn new(dtype: Dtype, shape: &[u64]) -> Result<Self, MetaError> {
        Self::with_order(dtype, MajorOrder::Row, shape)
    }

    /// A contiguous tensor of either major order.
    ///
    /// # Errors
    /// When the shape is impossible.
    pub fn with_order(dtype: Dtype, order: MajorOrder, shape: &[u64]) -> Result<Self, MetaError> {
        let mut dims = [0i32; tensorpool_protocol::frame::MAX_DIMS];
        let count = shape.len().min(dims.len());
        for (axis, (dim, &found)) in dims.iter_mut().zip(shape).enumerate() {
            *dim = i32::try_from(found).map_err(|_| MetaError::Dim { axis, found })?;
        }
        if shape.len() > count {
            let error = tensorpool_protocol::frame::TensorError::Ndims(shape.len());
            return Err(error.into());
        }
        Self::from_layout(TensorLayout::contiguous(dtype, order, &dims[..count])?)
    }

    /// Opaque bytes, one axis long.
    ///
    /// # Errors
    /// When there are more than `i32::MAX` of them.
    pub fn bytes(len: usize) -> Result<Self, MetaError> {
        Self::new(Dtype::Bytes, &[len as u64])
    }

    /// Any tensor that was checked, with strides and progress unit of its own.
    ///
    /// # Errors
    /// When a stride exceeds the header's field.
    pub fn from_layout(layout: TensorLayout) -> Result<Self, MetaError> {
        // [TP-CLI-1100] [TP-CLI-1110]
        let header = layout.to_header()?;
        Ok(Self {
            layout,
            header,
            timestamp: None,
            meta_version: None,
            trace_id: None,
        })
    }

    /// The same, announcing progress in this unit.
    ///
    /// # Errors
    /// When the tensor lacks the axis that the unit counts.
    pub fn with_progress(self, unit: ProgressUnit) -> Result<Self, MetaError> {
        let layout = self.layout.with_progress(unit)?;
        Ok(Self {
            layout,
            header: layout.to_header()?,
            ..self
        })
    }

    /// The tensor.
    #[must_use]
    pub fn layout(&self) -> &TensorLayout {
        &self.layout
    }

    /// Bytes a payload of this tensor takes.
    #[must_use]
    pub fn payload_len(&self) -> u64 {
        self.layout.extent_bytes()
    }

    /// What the slot says, with the metadata version in force unless the application gave one. The
    /// clock is read only if it gave no time.
    #[inline]
    pub(super) fn slot_meta(
        &self,
        in_force: Option<MetaVersion>,
        now: impl FnOnce() -> NanoTime,
    ) -> tensorpool_shm::producer::FrameMeta<'_> {
        tensorpool_shm::producer::FrameMeta {
            timestamp: self.timestamp.unwrap_or_else(now),
            meta_version: self.meta_version.or(in_force),
            tensor: &self.header,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_become_explicit_strides() {
        let meta = FrameMeta::new(Dtype::Uint16, &[480, 640]).unwrap();
        assert_eq!(meta.payload_len(), 480 * 640 * 2);
        assert_eq!(meta.header.strides[..2], [1280, 2]);
        let column = FrameMeta::with_order(Dtype::Uint16, MajorOrder::Column, &[480, 640]).unwrap();
        assert_eq!(column.header.strides[..2], [2, 960]);
    }

    #[test]
    fn impossible_shapes_are_refused_by_name() {
        let huge = FrameMeta::new(Dtype::Uint8, &[1, 1 << 31]).unwrap_err();
        assert_eq!(
            huge.to_string(),
            "dimension 2147483648 of axis 1 exceeds 2147483647"
        );
        assert!(FrameMeta::new(Dtype::Uint8, &[]).is_err());
        assert!(FrameMeta::new(Dtype::Uint8, &[1; 9]).is_err());
        assert!(FrameMeta::new(Dtype::Unknown, &[1]).is_err());
    }

    #[test]
    fn the_offer_stamps_what_the_application_does_not() {
        let mut meta = FrameMeta::bytes(10).unwrap();
        let now = || NanoTime::new(7);
        assert_eq!(meta.slot_meta(None, now).timestamp, NanoTime::new(7));
        meta.timestamp = Some(NanoTime::new(3));
        assert_eq!(meta.slot_meta(None, now).timestamp, NanoTime::new(3));
    }
}

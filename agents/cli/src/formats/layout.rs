//! What every frame of an input or output looks like.

use std::fmt;

use super::dtype::ElementType;
use super::shape::Shape;

/// Which index varies slowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MajorOrder {
    /// The first, as in C.
    #[default]
    Row,
    /// The last, as in Fortran.
    Column,
}

/// Element type, shape and order of a frame without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FrameLayout {
    /// Type of the elements.
    pub element_type: ElementType,
    /// Extents.
    pub shape: Shape,
    /// Order of the elements.
    pub major_order: MajorOrder,
}

impl FrameLayout {
    /// A row-major layout.
    #[must_use]
    pub fn row_major(element_type: ElementType, shape: Shape) -> Self {
        Self {
            element_type,
            shape,
            major_order: MajorOrder::Row,
        }
    }

    /// Bytes of one frame.
    #[must_use]
    pub fn frame_len(&self) -> u64 {
        self.shape
            .element_count()
            .saturating_mul(self.element_type.size_bytes() as u64)
    }
}

impl fmt::Display for FrameLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.major_order {
            MajorOrder::Row => "",
            MajorOrder::Column => " column-major",
        };
        write!(f, "{} {}{order}", self.element_type, self.shape)
    }
}

//! Shapes: the extents of a tensor, slowest-varying first as NumPy counts them.

use std::fmt;
use std::str::FromStr;

/// The most dimensions a tensor header holds (Wire v1.2, MAX_DIMS).
pub const MAX_DIMS: usize = 8;

/// One to eight extents, each above 0 and within `i32`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    dims: Vec<u32>,
}

/// A shape that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// None, or too many dimensions.
    #[error("a tensor has 1 to 8 dimensions, found {count}")]
    DimensionCount {
        /// How many.
        count: usize,
    },
    /// An extent of 0 or beyond what a tensor header holds.
    #[error(
        "axis {axis} has extent {extent}: a frame has 1 to 2147483647 elements along every axis"
    )]
    Extent {
        /// Which axis.
        axis: usize,
        /// The extent.
        extent: u64,
    },
    /// More elements than can be counted.
    #[error("the tensor has more elements than 64 bits can count")]
    TooLarge,
    /// Not written as a shape.
    #[error("'{given}' is not a shape: expected extents such as 480x640x3")]
    Syntax {
        /// What was given.
        given: String,
    },
}

impl Shape {
    /// Checks the extents.
    pub fn new(extents: &[u64]) -> Result<Self, ShapeError> {
        if extents.is_empty() || extents.len() > MAX_DIMS {
            return Err(ShapeError::DimensionCount {
                count: extents.len(),
            });
        }
        let mut dims = Vec::with_capacity(extents.len());
        let mut element_count = 1_u64;
        for (axis, &extent) in extents.iter().enumerate() {
            let dim = i32::try_from(extent).ok().filter(|dim| *dim > 0);
            let dim = dim.ok_or(ShapeError::Extent { axis, extent })?;
            element_count = element_count
                .checked_mul(extent)
                .ok_or(ShapeError::TooLarge)?;
            dims.push(dim.unsigned_abs());
        }
        Ok(Self { dims })
    }

    /// The extents.
    #[must_use]
    pub fn dims(&self) -> &[u32] {
        &self.dims
    }

    /// The number of elements.
    #[must_use]
    pub fn element_count(&self) -> u64 {
        self.dims.iter().map(|&dim| u64::from(dim)).product()
    }
}

impl FromStr for Shape {
    type Err = ShapeError;

    /// `480x640x3`, also with commas.
    fn from_str(text: &str) -> Result<Self, ShapeError> {
        let extents: Result<Vec<u64>, _> = text
            .trim()
            .split(['x', 'X', ','])
            .map(|extent| extent.trim().parse())
            .collect();
        Self::new(&extents.map_err(|_| ShapeError::Syntax {
            given: text.to_owned(),
        })?)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (axis, dim) in self.dims.iter().enumerate() {
            let separator = if axis == 0 { "" } else { "x" };
            write!(f, "{separator}{dim}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_and_shown() {
        let shape: Shape = "480x640x3".parse().expect("a shape");
        assert_eq!(shape.dims(), [480, 640, 3]);
        assert_eq!(shape.element_count(), 921_600);
        assert_eq!(shape.to_string(), "480x640x3");
        assert_eq!("480, 640,3".parse(), Ok(shape));
        assert_eq!("7".parse::<Shape>().expect("one axis").dims(), [7]);
    }

    #[test]
    fn impossible_shapes_say_why() {
        let error = |text: &str| text.parse::<Shape>().unwrap_err().to_string();
        assert_eq!(
            error("4x"),
            "'4x' is not a shape: expected extents such as 480x640x3"
        );
        assert_eq!(
            error("4x0"),
            "axis 1 has extent 0: a frame has 1 to 2147483647 elements along every axis"
        );
        assert_eq!(
            error("1x2x3x4x5x6x7x8x9"),
            "a tensor has 1 to 8 dimensions, found 9"
        );
        let huge = "2147483647x2147483647x2147483647";
        assert_eq!(
            error(huge),
            "the tensor has more elements than 64 bits can count"
        );
        assert_eq!(
            Shape::new(&[]),
            Err(ShapeError::DimensionCount { count: 0 })
        );
    }
}

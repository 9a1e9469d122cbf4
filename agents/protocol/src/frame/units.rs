//! Rows and columns: how many of a tensor's are whole when the first bytes of its payload are
//! there.

use tensorpool_codecs::wire::{MajorOrder, ProgressUnit};

use super::tensor::{TensorLayout, element_len};

impl TensorLayout {
    /// How many rows or columns, from the first, lie in the first `filled` bytes of the payload
    /// with all their elements; `None` for a tensor that counts neither. [TP-CLI-2675]
    ///
    /// Rows are the places along axis 0 and columns those along axis 1, whatever the major order.
    #[must_use]
    pub fn units_within(&self, filled: u64) -> Option<u64> {
        let axis = self.progress_axis()?;
        let dims = self.dims();
        if dims.contains(&0) {
            return Some(0);
        }
        // From the first to behind the last element of one unit; it never exceeds the tensor's.
        let unit_extent = (0..dims.len())
            .filter(|&other| other != axis)
            .fold(element_len(self.dtype()), |extent, other| {
                extent.saturating_add(self.span(other))
            });
        let Some(rest) = filled.checked_sub(unit_extent) else {
            return Some(0);
        };
        let count = u64::from(dims[axis].unsigned_abs());
        Some((rest / self.strides()[axis] + 1).min(count))
    }

    /// Bytes from one row or column to the next; 0 for a tensor that counts neither.
    #[must_use]
    pub fn unit_bytes(&self) -> u32 {
        let stride = self.progress_axis().map_or(0, |axis| self.strides()[axis]);
        // Checked when the unit was: a progress stride has 32 bits.
        u32::try_from(stride).unwrap_or(0)
    }

    /// Whether the first bytes of the payload can be read as what they are before the last are
    /// there: elements lie back to back, or whole rows or columns are counted. [TP-CLI-2670]
    #[must_use]
    pub fn has_readable_prefix(&self) -> bool {
        self.progress_axis().is_some() || self.is_contiguous()
    }

    /// The unit that makes the first bytes whole first: what is outermost in memory. For a tensor
    /// of one axis these are rows.
    #[must_use]
    pub fn outermost_unit(&self) -> ProgressUnit {
        match (self.major_order(), self.dims().len()) {
            (MajorOrder::Column, 2) => ProgressUnit::Columns,
            (MajorOrder::Column, 3..) => ProgressUnit::None,
            _ => ProgressUnit::Rows,
        }
    }

    fn progress_axis(&self) -> Option<usize> {
        match self.progress_unit() {
            ProgressUnit::None => None,
            ProgressUnit::Rows => Some(0),
            ProgressUnit::Columns => Some(1),
        }
    }

    /// Bytes from the first to the last place along an axis.
    fn span(&self, axis: usize) -> u64 {
        let places = u64::from(self.dims()[axis].unsigned_abs());
        self.strides()[axis].saturating_mul(places - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tensorpool_codecs::wire::Dtype;

    fn tensor(
        order: MajorOrder,
        dims: &[i32],
        strides: &[i32],
        unit: ProgressUnit,
    ) -> TensorLayout {
        TensorLayout::with_strides(Dtype::Uint16, order, dims, strides)
            .unwrap()
            .with_progress(unit)
            .unwrap()
    }

    /// Proves [TP-CLI-2675].
    #[test]
    fn a_row_is_there_with_its_last_element() {
        let rows = tensor(MajorOrder::Row, &[480, 640], &[], ProgressUnit::Rows);
        assert_eq!(rows.unit_bytes(), 1_280);
        let counts = [0, 1_279, 1_280, 2_559, 2_560, 480 * 1_280, 1 << 40]
            .map(|filled| rows.units_within(filled));
        assert_eq!(counts, [0, 0, 1, 1, 2, 480, 480].map(Some));
        // Padded rows: the padding of a row need not be there.
        let padded = tensor(MajorOrder::Row, &[4, 10], &[64, 2], ProgressUnit::Rows);
        assert_eq!(
            [19, 20, 83, 84, 64 * 3 + 20].map(|filled| padded.units_within(filled)),
            [0, 1, 1, 2, 4].map(Some)
        );
    }

    /// Proves [TP-CLI-2675].
    #[test]
    fn units_that_lie_across_the_memory_are_there_only_near_its_end() {
        // Columns of a row-major image: each has an element in the last row.
        let columns = tensor(MajorOrder::Row, &[480, 640], &[], ProgressUnit::Columns);
        assert_eq!(columns.units_within(479 * 1_280 + 1), Some(0));
        assert_eq!(columns.units_within(479 * 1_280 + 2), Some(1));
        assert_eq!(columns.units_within(480 * 1_280), Some(640));
        // And those of a column-major one come one after the other.
        let major = tensor(MajorOrder::Column, &[480, 640], &[], ProgressUnit::Columns);
        assert_eq!(
            (major.unit_bytes(), major.units_within(960 * 3)),
            (960, Some(3))
        );
    }

    #[test]
    fn tensors_that_count_nothing_or_have_nothing_have_no_units() {
        let none = tensor(MajorOrder::Row, &[4, 4], &[], ProgressUnit::None);
        assert_eq!((none.unit_bytes(), none.units_within(100)), (0, None));
        let empty = tensor(MajorOrder::Row, &[4, 0], &[], ProgressUnit::Rows);
        assert_eq!(empty.units_within(1 << 20), Some(0));
    }

    /// Proves [TP-CLI-2670].
    #[test]
    fn only_contiguous_or_counted_tensors_are_readable_from_the_start() {
        let readable = |strides: &[i32], unit| {
            tensor(MajorOrder::Row, &[4, 10], strides, unit).has_readable_prefix()
        };
        assert!(readable(&[], ProgressUnit::None));
        assert!(!readable(&[64, 2], ProgressUnit::None));
        assert!(readable(&[64, 2], ProgressUnit::Rows));
    }

    #[test]
    fn the_outermost_unit_is_the_one_whose_first_is_whole_first() {
        let outermost =
            |order, dims: &[i32]| tensor(order, dims, &[], ProgressUnit::None).outermost_unit();
        assert_eq!(outermost(MajorOrder::Row, &[3, 4, 5]), ProgressUnit::Rows);
        assert_eq!(
            outermost(MajorOrder::Column, &[3, 4]),
            ProgressUnit::Columns
        );
        assert_eq!(outermost(MajorOrder::Column, &[3]), ProgressUnit::Rows);
        assert_eq!(
            outermost(MajorOrder::Column, &[3, 4, 5]),
            ProgressUnit::None
        );
    }

    /// Whether all elements of unit `index` end within `filled` bytes: looks at every element.
    fn is_whole(tensor: &TensorLayout, axis: usize, index: usize, filled: u64) -> bool {
        let (dims, strides) = (tensor.dims(), tensor.strides());
        (0..dims[0] as usize).all(|row| {
            (0..dims[1] as usize).all(|column| {
                let at = [row, column];
                let end = row as u64 * strides[0] + column as u64 * strides[1] + 2;
                at[axis] != index || end <= filled
            })
        })
    }

    proptest! {
        #[test]
        fn the_count_is_that_of_looking_at_every_element(
            dims in [1..6_i32, 1..6_i32], pad in 0..5_i32, by_row: bool, rows: bool, filled in 0..200_u64,
        ) {
            let (order, unit) = (
                if by_row { MajorOrder::Row } else { MajorOrder::Column },
                if rows { ProgressUnit::Rows } else { ProgressUnit::Columns },
            );
            let inner = 2 * if by_row { dims[1] } else { dims[0] } + 2 * pad;
            let strides = if by_row { [inner, 2] } else { [2, inner] };
            let tensor = tensor(order, &dims, &strides, unit);
            let axis = usize::from(!rows);
            let whole = (0..dims[axis] as usize)
                .take_while(|&index| is_whole(&tensor, axis, index, filled))
                .count();
            prop_assert_eq!(tensor.units_within(filled), Some(whole as u64));
        }
    }
}

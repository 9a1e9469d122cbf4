use proptest::prelude::*;

use super::*;

fn raw(order: MajorOrder, dims: &[i32], strides: &[i32]) -> TensorHeader {
    let mut raw = TensorHeader {
        dtype: Dtype::Uint16,
        major_order: order,
        ndims: dims.len() as u8,
        ..EMPTY
    };
    raw.dims[..dims.len()].copy_from_slice(dims);
    raw.strides[..strides.len()].copy_from_slice(strides);
    raw
}

/// Proves [TP-CLI-1040].
#[test]
fn zero_strides_are_inferred_for_both_major_orders() {
    let row = TensorLayout::check(&raw(MajorOrder::Row, &[3, 4, 5], &[])).unwrap();
    assert_eq!(row.strides(), [40, 10, 2]);
    assert!(row.is_contiguous());
    let column = TensorLayout::check(&raw(MajorOrder::Column, &[3, 4, 5], &[])).unwrap();
    assert_eq!(column.strides(), [2, 6, 24]);
    assert_eq!(column.extent_bytes(), 120);
}

/// Proves [TP-CLI-1040].
#[test]
fn a_zero_stride_outside_an_explicit_one_is_inferred_from_it() {
    let padded = TensorLayout::check(&raw(MajorOrder::Row, &[3, 4], &[0, 64])).unwrap();
    assert_eq!(padded.strides(), [256, 64]);
    assert!(!padded.is_contiguous());
}

/// Proves [TP-CLI-1050].
#[test]
fn overlapping_strides_are_rejected() {
    let error = TensorLayout::check(&raw(MajorOrder::Row, &[3, 4], &[6, 2])).unwrap_err();
    assert_eq!(
        error,
        TensorError::Overlapping {
            axis: 0,
            found: 6,
            needed: 8
        }
    );
    assert!(TensorLayout::check(&raw(MajorOrder::Column, &[3, 4], &[2, 4])).is_err());
}

/// Proves [TP-CLI-1060].
#[test]
fn an_empty_axis_counts_as_one_in_stride_products() {
    let empty = TensorLayout::check(&raw(MajorOrder::Row, &[3, 0, 5], &[])).unwrap();
    assert_eq!(empty.strides(), [10, 10, 2]);
    assert_eq!((empty.extent_bytes(), empty.element_count()), (0, 0));
}

/// Proves [TP-CLI-1010], [TP-CLI-1020], [TP-CLI-1030].
#[test]
fn dimension_counts_types_and_signs_are_checked() {
    assert_eq!(
        TensorLayout::check(&raw(MajorOrder::Row, &[], &[])),
        Err(TensorError::Ndims(0))
    );
    let mut nine = raw(MajorOrder::Row, &[1], &[]);
    nine.ndims = 9;
    assert_eq!(TensorLayout::check(&nine), Err(TensorError::Ndims(9)));
    let mut unknown = raw(MajorOrder::Row, &[1], &[]);
    unknown.dtype = Dtype::Unknown;
    assert_eq!(TensorLayout::check(&unknown), Err(TensorError::Dtype));
    let unordered = raw(MajorOrder::Unknown, &[1], &[]);
    assert_eq!(
        TensorLayout::check(&unordered),
        Err(TensorError::MajorOrder)
    );
    let negative = TensorLayout::check(&raw(MajorOrder::Row, &[-1], &[]));
    assert_eq!(
        negative,
        Err(TensorError::NegativeDim { axis: 0, found: -1 })
    );
    let negative = TensorLayout::check(&raw(MajorOrder::Row, &[1], &[-2]));
    assert_eq!(
        negative,
        Err(TensorError::NegativeStride { axis: 0, found: -2 })
    );
}

/// Proves [TP-CLI-1070], [TP-CLI-1080].
#[test]
fn rows_count_axis_0_and_columns_axis_1_whatever_the_major_order() {
    for order in [MajorOrder::Row, MajorOrder::Column] {
        let mut header = raw(order, &[4, 6], &[]);
        let strides: Vec<u64> = TensorLayout::check(&header).unwrap().strides().to_vec();
        for (unit, axis) in [(ProgressUnit::Rows, 0), (ProgressUnit::Columns, 1)] {
            header.progress_unit = unit;
            header.progress_stride_bytes = strides[axis] as u32;
            assert!(TensorLayout::check(&header).is_ok());
            header.progress_stride_bytes += 1;
            assert!(TensorLayout::check(&header).is_err());
        }
    }
    let mut flat = raw(MajorOrder::Row, &[4], &[]);
    flat.progress_unit = ProgressUnit::Columns;
    assert!(TensorLayout::check(&flat).is_err(), "columns need two axes");
    flat.progress_unit = ProgressUnit::None;
    flat.progress_stride_bytes = 77;
    assert!(
        TensorLayout::check(&flat).is_ok(),
        "without a unit the field means nothing"
    );
}

/// Proves [TP-CLI-1090].
#[test]
fn products_beyond_64_bits_are_errors_and_not_wraparounds() {
    let dims = [i32::MAX; 4];
    let error = TensorLayout::contiguous(Dtype::Float64, MajorOrder::Row, &dims).unwrap_err();
    assert!(matches!(error, TensorError::TooLarge { .. }));
}

/// Proves [TP-CLI-1110].
#[test]
fn strides_beyond_the_header_field_can_be_read_but_not_written() {
    let huge = TensorLayout::contiguous(Dtype::Uint8, MajorOrder::Row, &[2, 3, 1 << 30]).unwrap();
    assert_eq!(huge.strides()[0], 3 << 30);
    assert_eq!(
        huge.to_header(),
        Err(TensorError::StrideNotEncodable {
            axis: 0,
            found: 3 << 30
        })
    );
}

/// Proves [TP-CLI-1100].
#[test]
fn written_headers_carry_explicit_strides_and_zeroed_tails() {
    let layout = TensorLayout::contiguous(Dtype::Float32, MajorOrder::Row, &[480, 640])
        .unwrap()
        .with_progress(ProgressUnit::Rows)
        .unwrap();
    let header = layout.to_header().unwrap();
    assert_eq!(header.strides, [2560, 4, 0, 0, 0, 0, 0, 0]);
    assert_eq!(header.dims, [480, 640, 0, 0, 0, 0, 0, 0]);
    assert_eq!(header.progress_stride_bytes, 2560);
    assert_eq!(TensorLayout::check(&header), Ok(layout));
}

/// Every element's byte range by brute force: no two may share a byte.
fn elements_are_disjoint(layout: &TensorLayout) -> bool {
    let mut taken = std::collections::HashSet::new();
    let mut index = vec![0i32; layout.dims().len()];
    let count = layout.element_count();
    for _ in 0..count {
        let offset: u64 = index
            .iter()
            .zip(layout.strides())
            .map(|(&i, &s)| i as u64 * s)
            .sum();
        for byte in offset..offset + element_len(layout.dtype()) {
            if !taken.insert(byte) || byte >= layout.extent_bytes() {
                return false;
            }
        }
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            if index[axis] < layout.dims()[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    true
}

proptest! {
    /// Proves [TP-CLI-1050].
    #[test]
    fn accepted_tensors_never_overlap_and_stay_inside_their_extent(
        column in any::<bool>(),
        shape in prop::collection::vec((0i32..5, 0i32..70), 1..4),
    ) {
        let order = if column { MajorOrder::Column } else { MajorOrder::Row };
        let dims: Vec<i32> = shape.iter().map(|s| s.0).collect();
        let strides: Vec<i32> = shape.iter().map(|s| s.1).collect();
        if let Ok(layout) = TensorLayout::check(&raw(order, &dims, &strides)) {
            prop_assert!(elements_are_disjoint(&layout));
            prop_assert_eq!(TensorLayout::check(&layout.to_header().unwrap()), Ok(layout));
            for (axis, &given) in strides.iter().enumerate() {
                prop_assert!(given == 0 || layout.strides()[axis] == given as u64);
            }
        }
    }

    #[test]
    fn contiguous_strides_match_the_simple_model(column in any::<bool>(), dims in prop::collection::vec(1i32..9, 1..=8)) {
        let order = if column { MajorOrder::Column } else { MajorOrder::Row };
        let layout = TensorLayout::contiguous(Dtype::Float64, order, &dims).unwrap();
        for axis in 0..dims.len() {
            let inner = if column { &dims[..axis] } else { &dims[axis + 1..] };
            let model: u64 = 8 * inner.iter().map(|&d| d as u64).product::<u64>();
            prop_assert_eq!(layout.strides()[axis], model);
        }
        prop_assert_eq!(layout.extent_bytes(), layout.element_count() * 8);
    }

    #[test]
    fn any_header_gives_a_layout_or_a_typed_error(
        dtype in prop::sample::select(Dtype::ALL.to_vec()), order in prop::sample::select(MajorOrder::ALL.to_vec()),
        unit in prop::sample::select(ProgressUnit::ALL.to_vec()), ndims in any::<u8>(), progress in any::<u32>(),
        dims in any::<[i32; 8]>(), strides in any::<[i32; 8]>(),
    ) {
        let header = TensorHeader {
            dtype, major_order: order, ndims, progress_unit: unit, progress_stride_bytes: progress, dims, strides,
        };
        if let Ok(layout) = TensorLayout::check(&header) {
            let _ = (layout.extent_bytes(), layout.element_count(), layout.is_contiguous(), layout.to_header());
        }
    }
}

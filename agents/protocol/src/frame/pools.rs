//! Which payload pool a frame goes to, and which one a slot names. Lookups only: no allocation per
//! frame.

use tensorpool_codecs::types::PoolId;
use thiserror::Error;

use crate::common::{PoolGeometry, StreamGeometry};

/// No pool has room for a payload.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "payload of {payload_len} bytes fits no pool: the largest slot holds {max_payload_len} bytes; \
     use a profile with larger slots"
)]
pub struct SelectError {
    /// What was asked for, in bytes.
    pub payload_len: u64,
    /// The largest slot there is, in bytes.
    pub max_payload_len: u32,
}

/// The pool with the smallest stride that holds `payload_len` bytes (Wire v1.2 §15.3).
///
/// # Errors
/// [`SelectError`] when none does; that uses up no sequence number.
pub fn smallest_fit(
    geometry: &StreamGeometry,
    payload_len: u64,
) -> Result<PoolGeometry, SelectError> {
    let fit = geometry
        .pools()
        .iter()
        .find(|pool| u64::from(pool.stride_bytes) >= payload_len);
    fit.copied().ok_or_else(|| SelectError {
        payload_len,
        max_payload_len: geometry.max_payload_len(),
    })
}

/// The pool with this id; at most 16 to look at.
#[must_use]
pub fn pool_by_id(geometry: &StreamGeometry, id: PoolId) -> Option<PoolGeometry> {
    geometry
        .pools()
        .iter()
        .find(|pool| pool.pool_id == id)
        .copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn geometry(pools: &[(u16, u32)]) -> StreamGeometry {
        let pools = pools.iter().map(|&(id, stride_bytes)| PoolGeometry {
            pool_id: PoolId::new(id),
            stride_bytes,
        });
        StreamGeometry::new(8, pools.collect()).unwrap()
    }

    #[test]
    fn the_smallest_pool_that_fits_is_chosen() {
        let geometry = geometry(&[(1, 4096), (2, 64), (3, 192)]);
        for (len, id) in [(0, 2), (64, 2), (65, 3), (192, 3), (193, 1), (4096, 1)] {
            assert_eq!(
                smallest_fit(&geometry, len).unwrap().pool_id,
                PoolId::new(id)
            );
        }
        let error = smallest_fit(&geometry, 4097).unwrap_err();
        assert_eq!(
            error,
            SelectError {
                payload_len: 4097,
                max_payload_len: 4096
            }
        );
        assert_eq!(
            pool_by_id(&geometry, PoolId::new(3)).unwrap().stride_bytes,
            192
        );
        assert_eq!(pool_by_id(&geometry, PoolId::new(9)), None);
    }

    proptest! {
        #[test]
        fn the_choice_agrees_with_a_linear_model(
            strides in prop::collection::vec(1u32..64, 1..8), len in 0u64..5000,
        ) {
            let pools: Vec<(u16, u32)> =
                strides.iter().enumerate().map(|(id, units)| (id as u16, units * 64)).collect();
            let model = pools.iter().map(|p| p.1).filter(|&s| u64::from(s) >= len).min();
            let chosen = smallest_fit(&geometry(&pools), len).ok().map(|p| p.stride_bytes);
            prop_assert_eq!(chosen, model);
        }
    }
}

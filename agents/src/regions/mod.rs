//! The regions of epochs that this process makes, for whoever owns them: a driver, or a producer
//! that does without one. Making them, their URIs as text, and announcing them.

mod announcement;
mod estate;
mod make;

pub(crate) use announcement::Announcement;
pub(crate) use estate::{Estate, Plot, Sweeper};
pub(crate) use make::{MakeError, Maker};

use tensorpool_codecs::types::PoolId;
use tensorpool_protocol::common::StreamGeometry;
use tensorpool_shm::driver::OwnedEpoch;
use tensorpool_shm::layout::{Geometry, GeometryError, MAX_POOLS, PoolGeometry};

/// What can be configured can be made.
const _: () = assert!(MAX_POOLS == tensorpool_protocol::common::MAX_POOLS);

/// One epoch with its URIs written out, so that saying them costs nothing.
#[derive(Debug)]
pub(crate) struct OwnedRegions {
    pub(crate) owned: OwnedEpoch,
    pub(crate) header_uri: String,
    pub(crate) pools: Vec<PoolUri>,
}

/// One pool as it is announced.
#[derive(Debug)]
pub(crate) struct PoolUri {
    pub(crate) pool_id: PoolId,
    pub(crate) stride_bytes: u32,
    pub(crate) uri: String,
}

impl OwnedRegions {
    pub(crate) fn new(owned: OwnedEpoch) -> Self {
        let pools = owned.geometry().pools().iter().zip(owned.pool_uris());
        let pools = pools.map(|(pool, region)| PoolUri {
            pool_id: pool.id,
            stride_bytes: pool.stride_bytes,
            uri: region.uri.to_string(),
        });
        Self {
            pools: pools.collect(),
            header_uri: owned.header_uri().to_string(),
            owned,
        }
    }
}

/// The sizes as shared memory knows them.
pub(crate) fn shm_geometry(geometry: &StreamGeometry) -> Result<Geometry, GeometryError> {
    let pools = geometry.pools().iter().map(|pool| PoolGeometry {
        id: pool.pool_id,
        stride_bytes: pool.stride_bytes,
    });
    Geometry::new(geometry.slot_count(), pools.collect())
}

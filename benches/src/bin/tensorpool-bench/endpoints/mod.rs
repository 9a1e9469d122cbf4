//! What messages go through: each subject of a measurement, as one side sees it.

use std::time::Duration;

mod aeron;
mod floor;
mod frames;
mod iceoryx;
mod memcpy;

pub(crate) use aeron::{AeronEndpoint, aeron_dir};
pub(crate) use floor::FloorEndpoint;
pub(crate) use frames::{FramesEndpoint, STREAMS as FRAME_STREAMS, region_dir};
pub(crate) use iceoryx::{IceoryxEndpoint, remove_leftovers};
pub(crate) use memcpy::CopyRing;

/// Of the processors this is for.
pub(crate) const CACHE_LINE: usize = 64;
/// How long two processes may take to find each other.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

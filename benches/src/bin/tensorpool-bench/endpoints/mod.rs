//! What messages go through: each subject of a measurement, as one side sees it.

mod aeron;
mod floor;
mod frames;
mod memcpy;

pub(crate) use aeron::{AeronEndpoint, aeron_dir};
pub(crate) use floor::FloorEndpoint;
pub(crate) use frames::{FramesEndpoint, STREAMS as FRAME_STREAMS, region_dir};
pub(crate) use memcpy::CopyRing;

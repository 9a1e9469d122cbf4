//! Frames from and to files, pipes and generators.
//!
//! Readers fill a buffer the caller owns and writers take one, so that a frame can go straight from
//! a pipe into shared memory. Nothing here knows how frames travel.

pub mod checksum;
pub mod dtype;
pub mod input;
pub mod layout;
pub mod npy;
pub mod output;
pub mod pace;
pub mod part;
pub mod pattern;
pub mod raw;
pub mod shape;
pub mod size;
pub mod y4m;

mod stream;

//! NumPy array files (`.npy`, versions 1 to 3).
//!
//! Headers are written as NumPy 1.24 and later write them, so that an array that is read and
//! written again is the same file.

mod header;
mod reader;
mod writer;

pub use header::{MAGIC, NpyError, NpyHeader};
pub use reader::{NpyReader, Split};
pub use writer::{NpyWriter, Stacking};

//! What the benchmarks share.

pub mod stream;

//! Requirements of the specification that need a test of their own, through the public API and the
//! bytes in the files: what a peer would see.
#![cfg(not(loom))]

mod mapping;
mod slots;
mod superblock;
mod support;
mod swapped;
mod torn;

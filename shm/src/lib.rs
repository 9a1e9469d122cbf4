//! Shared-memory regions, seqlock slots and payload pools of the tensor pool protocol.
//!
//! What lives here: region files (creation by the driver, opening by clients), mappings, the
//! seqlock that guards slots, the payload copy primitive, claims of a producer and frames of a
//! consumer, and the handler that turns a truncated region into an error instead of a dead process.
//!
//! What must not: protocol decisions (who may map what, which descriptor is a frame, when an epoch
//! ends), clocks, Aeron. All bytes that another process may write are touched in `foreign` only.
//!
//! Map of the crate: [`uri`], [`paths`] and [`allowed`] name and find files; [`layout`] computes
//! with sizes; [`driver`] creates, refreshes and removes regions; [`mapping`] maps and validates
//! them; [`producer`] writes slots, [`slot`] and [`frame`] read them; [`seqlock`] is the ordering
//! both rely on. [`words`] is for tools that measure.
//!
//! This crate fulfils `docs/spec/20-shared-memory.md`.
#![allow(unsafe_code)]
// Under loom only the seqlock is compiled, and used by its model alone.
#![cfg_attr(all(loom, not(test)), allow(dead_code))]

#[cfg(any(target_endian = "big", not(target_pointer_width = "64")))]
compile_error!(
    "shared regions are little-endian and may exceed 4 GiB: a 64-bit little-endian target is needed"
);

mod sync;

pub mod seqlock;

#[cfg(not(loom))]
pub mod allowed;
#[cfg(not(loom))]
pub mod denied;
#[cfg(not(loom))]
pub mod driver;
#[cfg(not(loom))]
pub mod element;
#[cfg(not(loom))]
mod foreign;
#[cfg(not(loom))]
pub mod frame;
#[cfg(not(loom))]
pub mod layout;
#[cfg(not(loom))]
pub mod mapping;
#[cfg(not(loom))]
mod open;
#[cfg(not(loom))]
pub mod paths;
#[cfg(not(loom))]
pub mod producer;
#[cfg(not(loom))]
mod region;
#[cfg(not(loom))]
pub mod sigbus;
#[cfg(not(loom))]
pub mod slot;
#[cfg(not(loom))]
pub mod superblock;
#[cfg(all(test, not(loom)))]
mod testkit;
#[cfg(not(loom))]
pub mod uri;
#[cfg(not(loom))]
pub mod view;
#[cfg(not(loom))]
pub mod words;

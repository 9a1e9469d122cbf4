//! Runs tensorpool agents, and publishes and subscribes to frames, from the command line.
//!
//! Everything the program does is in these modules, so that tests can reach it; the binary only calls it.
//! What an application needs is in the library `tensorpool`, which does not depend on any of this.
//!
//! No document of `docs/spec/` is about this crate: no other program depends on its options and its
//! output, and what it says on the wire is the library's.

pub mod args;
pub mod commands;
pub mod config;
pub mod formats;
pub mod report;
pub mod signals;

//! What the system tests share: a sandbox of its own for every test, and child processes that are watched and
//! always cleaned up.
//!
//! Tests themselves live in `tests/tests/`; nothing here asserts anything about tensorpool.
#![forbid(unsafe_code)]

pub mod process;
pub mod sandbox;

pub use process::Process;
pub use sandbox::{PoolConfig, Sandbox, StreamConfig};

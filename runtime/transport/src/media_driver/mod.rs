//! The media driver that comes with the product: in the process that asked for it, on threads of its own.
//!
//! The command line's `run media-driver` role uses the same type. Settings and reasons: `docs/media-driver.md`.

mod config;
mod embedded;
mod takeover;

pub use config::{DriverIdle, DriverThreading, MediaDriverConfig};
pub use embedded::{EmbeddedMediaDriver, MediaDriverError};

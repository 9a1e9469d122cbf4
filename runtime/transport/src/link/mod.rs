//! The link to the media driver: one client, its publications and subscriptions, and what keeps them going.

mod config;
pub(crate) mod core;
mod event;
mod reports;
mod resources;
mod shell;
pub(crate) mod table;
pub(crate) mod watcher;

pub(crate) use config::c_path;
pub use config::{LinkConfig, LinkError};
pub use core::{LinkState, LostReason, WaitReason};
pub use event::{LinkEvent, LinkStats, ResourceId, ResourceKind};
pub use shell::{CloseReport, Link};

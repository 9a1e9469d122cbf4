//! The driver's side: owning a namespace, creating epochs, keeping them fresh, removing them.
//!
//! A [`NamespaceRoot`] holds the lock on `<base>/tensorpool-<user>/<namespace>`; everything below
//! is created and removed through it, relative to directory descriptors, so that nothing another
//! user puts in the way is followed. Which epochs to create, keep and remove is decided elsewhere.

mod create;
mod epoch;
mod error;
mod existing;
mod hold;
mod lock;
mod root;
#[cfg(test)]
mod tests;

pub use create::{EpochSpec, Fill};
pub use epoch::{ActivityLost, OwnedEpoch, RegionUri};
pub use error::{CreateError, ExistingError, RootError};
pub use existing::{ExistingEpoch, is_process_alive};
pub use hold::StreamHold;
pub use root::{NamespaceRoot, RootSpec};

//! Core of the driver: who holds which lease on which stream, in which epoch, and what has to be
//! said about it.
//!
//! [`LeaseTable`] is told decoded requests, the time and what became of slow work on memory, and
//! answers with [`LeaseAction`]s in one bounded outbox per [`Destination`]. It knows neither paths
//! nor files nor Aeron.

mod actions;
mod announces;
mod attach;
mod config;
mod detach;
mod dynamic;
mod invariants;
mod keepalive;
mod leases;
mod node_ids;
mod regions;
mod requests;
mod shutdown;
mod stats;
mod streams;
mod table;
mod timeouts;

#[cfg(test)]
mod tests;

pub use actions::{
    Announcement, AttachGrant, AttachRefusal, Backing, Destination, DetachAnswer, LeaseAction,
    ProvisionOrder, Revocation,
};
pub use config::{LeaseConfig, LeaseConfigError, NotEnoughSpace, StreamSpec};
pub use dynamic::{DynamicStreams, RangeError, StreamIdRange};
pub use requests::{AttachRequest, DetachRequest, Keepalive, RegionFailure, ShutdownRequest};
pub use stats::LeaseStats;
pub use table::{LeaseTable, Phase};

/// The refusal both known peers look for, byte for byte: it makes a client retry with another
/// client id.
pub const CLIENT_ID_ALREADY_ATTACHED: &str = "client_id already attached";

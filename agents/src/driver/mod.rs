//! The driver: owns the memory of all streams, grants leases on it, says where it is.
//!
//! [`DriverSetup`] takes the namespace and checks that everything fits; [`DriverAgent`] runs the
//! lease table (`tensorpool_protocol::driver`) on Aeron and shared memory. Decisions are the lease
//! table's: what lives here decodes, encodes, hands slow work to a thread of its own, and counts.

mod adapter;
mod agent;
mod config;
mod counters;
mod events;
mod hands;
mod leftovers;
mod proxy;
mod region_worker;
mod regions;
mod rivals;
mod setup;

pub use agent::{DriverAgent, DriverAgentError};
pub use config::{DriverConfig, Endpoint};
pub use counters::kinds;
pub use events::DriverEvent;
pub use leftovers::Leftovers;
pub use setup::{DriverSetup, DriverSetupError};

//! The supervisor: follows producers and consumers, and tells each consumer how it is to get its
//! frames.
//!
//! [`SupervisorSetup`] checks the configuration and hands out what others hold of a supervisor;
//! [`SupervisorAgent`] runs its core (`tensorpool_protocol::supervisor`) on Aeron. It runs alone, or
//! composed with a driver on one thread. One supervisor at a time answers hellos on a control
//! stream. Decisions are the core's: what lives here decodes, encodes and counts.

mod adapter;
mod agent;
mod config;
mod counters;
mod handle;
mod notices;
mod proxy;
mod setup;

pub use agent::{SupervisorAgent, SupervisorAgentError};
pub use config::SupervisorConfig;
pub use counters::kinds;
pub use handle::{HandleError, SupervisorHandle};
pub use notices::SupervisorNotice;
pub use setup::SupervisorSetup;
pub use tensorpool_protocol::supervisor::{
    Answering, ConfigRequest, ConsumerConfig, ConsumerKey, ConsumerStatus, CoreConfig,
    CoreConfigError, Declined, FallbackUri, FallbackUriError, LostReason, OwnStream, OwnStreams,
    Policy, Snapshot, StreamStatus, SupervisorEvent,
};

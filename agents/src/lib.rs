//! Moves large tensors between processes at memory speed: agents, client conductor and client API.
//!
//! With the decisions of `tensorpool-protocol` this crate fulfils `docs/spec/40-driver.md`
//! ([`driver`]), `docs/spec/45-supervisor.md` ([`supervisor`]) and `docs/spec/50-client.md` with
//! `docs/spec/60-no-driver.md` ([`client`]).

pub mod client;
pub mod driver;
mod regions;
pub mod supervisor;
mod upkeep;

/// Messages and plain types of the protocol.
pub use tensorpool_codecs as codecs;
/// The sans-IO cores the agents carry out.
pub use tensorpool_protocol as protocol;
/// Agents, runners, clocks and counters.
pub use tensorpool_runtime as runtime;
/// Regions, mappings and frames.
pub use tensorpool_shm as shm;
/// Channels, links and the media driver.
pub use tensorpool_transport as transport;

/// The README's example must compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

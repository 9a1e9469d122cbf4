//! Moves large tensors between processes at memory speed: agents, client conductor and client API.

pub mod driver;

/// Messages and plain types of the protocol.
pub use tensorpool_codecs as codecs;
/// Agents, runners, clocks and counters.
pub use tensorpool_runtime as runtime;
/// Channels, links and the media driver.
pub use tensorpool_transport as transport;

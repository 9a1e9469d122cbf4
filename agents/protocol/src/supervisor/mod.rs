//! Core of the supervisor: who produces and consumes, how they are doing, and what each consumer is
//! told about its mode, its payloads and streams of its own.
//!
//! [`SupervisorCore`] is told decoded messages and the time, and answers every ConsumerHello with a
//! [`ConsumerConfig`] in a bounded outbox. It hands out Aeron stream ids from the configured ranges,
//! and it is the only one on its control stream that does. It knows nothing of Aeron beyond that.

mod answers;
mod config;
mod consumers;
mod events;
mod grants;
mod hellos;
mod ids;
mod liveness;
mod messages;
mod rates;
mod status;
mod streams;

#[cfg(test)]
mod tests;

pub use answers::{ConsumerConfig, OwnStream};
pub use config::{
    Answering, CoreConfig, CoreConfigError, FallbackUri, FallbackUriError, MAX_CAPACITY,
    OwnStreams, Policy,
};
pub use events::{Declined, LostReason, SupervisorEvent};
pub use hellos::SupervisorCore;
pub use messages::{
    Announced, ConfigRequest, ConsumerKey, ConsumerReport, Hello, LeaseEnd, ProducerReport,
    StreamRequest,
};
pub use status::{ConsumerStatus, Snapshot, StreamStatus, SupervisorStats};

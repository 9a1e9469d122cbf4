//! Streams without a driver: producers that provide for themselves, consumers that follow their
//! announces (Wire v1.2 §10.1.1, §15.14).
//!
//! A [`Provider`] has memory made, announces it and takes it away again; a [`Watcher`] does no more
//! than wait for the first producer and say good-bye. Both stand in for the attach client and tell
//! their owner the same events. Which epoch a consumer maps is the mapping core's business, as ever.

mod beacon;
mod provider;
mod rivals;
mod types;
mod watcher;

#[cfg(test)]
mod tests;

pub use beacon::{ANNOUNCE_GAP_NS, AnnouncePath};
pub use provider::Provider;
pub use types::{Farewell, ProvideError, ProvideTicket, ProviderAction};
pub use watcher::Watcher;

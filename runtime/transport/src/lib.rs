//! The only crate that sees Aeron: link, publications, subscriptions, counters, media driver.
//!
//! ```text
//!  conductor's thread                     application threads
//!  Link::do_work ─ Aeron client           Publication::offer, try_claim
//!    │  adds, closes, watches cnc.dat     Subscription::poll
//!    └──── slots and return queue ─────────── handles (Send, not Sync)
//! ```
//!
//! - One [`Link`] per thread and Aeron client. It creates, replaces and closes everything; nothing in it
//!   waits for the media driver.
//! - Handles outlive the media driver: when it dies, is restarted, or the process was stopped too long, the
//!   link is rebuilt underneath and an offer meanwhile is [`Offer::LinkDown`], never a success.
//! - Every publication is exclusive: a process killed between claim and commit on a shared one would deafen
//!   its stream until Aeron unblocks it.
//! - An offer is `Sent` when it is in the log. Between the death of a media driver and the link's next look
//!   ([`LinkConfig::observe_interval_ns`]) that log has no reader any more.
//! - No unsafe code outside the private `native` module, whose documentation gives the argument.
//!
//! This crate fulfils what `docs/spec/10-runtime.md` says of the link to the media driver.
//!
//! ```no_run
//! use tensorpool_codecs::types::NanoTime;
//! use tensorpool_transport::media_driver::{EmbeddedMediaDriver, MediaDriverConfig};
//! use tensorpool_transport::{Channel, Link, LinkConfig, PublicationOptions, SubscriptionOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # fn monotonic_now() -> NanoTime { NanoTime::new(0) }
//! let driver = EmbeddedMediaDriver::start(MediaDriverConfig::default())?;
//! let mut link = Link::new(LinkConfig::for_dir(driver.dir()))?;
//! let channel: Channel = "aeron:ipc?term-length=4m".parse()?;
//! let mut publication = link.add_publication(&channel, 1100, PublicationOptions::default());
//! let mut subscription = link.add_subscription(&channel, 1100, SubscriptionOptions::UNTETHERED);
//! loop {
//!     link.do_work(monotonic_now());
//!     if publication.offer(b"hello").is_sent() {
//!         subscription.poll(16, |message, info| println!("{message:?} at {}", info.position));
//!     }
//! }
//! # }
//! ```

mod assembler;
mod channel;
pub mod cnc;
mod counters;
mod link;
pub mod media_driver;
mod native;
mod offer;
mod publication;
mod slot;
mod subscription;

use std::path::PathBuf;

pub use channel::{Channel, ChannelError, Media};
pub use counters::CounterPublisher;
pub use link::{
    CloseReport, Link, LinkConfig, LinkError, LinkEvent, LinkState, LinkStats, LostReason,
    ResourceId, ResourceKind, WaitReason,
};
pub use native::error::NativeError;
pub use offer::Offer;
pub use publication::{Publication, PublicationClaim, PublicationOptions};
pub use subscription::{FragmentInfo, Subscription, SubscriptionOptions};

/// Aeron's directory unless configured otherwise: `AERON_DIR`, else `/dev/shm/aeron-<user>`, as all of
/// Aeron's own programs choose it.
#[must_use]
pub fn default_dir() -> PathBuf {
    match std::env::var_os("AERON_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => dir.into(),
        None => native::client::default_dir(),
    }
}

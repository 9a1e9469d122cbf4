//! The client: publish and consume frames from an application's own threads.
//!
//! ```no_run
//! use std::time::Duration;
//! use tensorpool::client::{Client, ClientConfig, FrameMeta};
//! use tensorpool::codecs::types::StreamId;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(ClientConfig::default())?;
//! let wait = Duration::from_secs(5);
//! let mut producer = client.producer(StreamId::new(10_000)).wait(wait)?;
//! let mut consumer = client.consumer(StreamId::new(10_000)).wait(wait)?;
//! producer.wait_consumers(1, wait)?;
//!
//! producer.offer(&FrameMeta::bytes(5)?, b"hello")?;
//! let mut claim = producer.claim(&FrameMeta::bytes(5)?, 5)?;
//! claim.payload_mut().copy_from_slice(b"there");
//! producer.commit(claim)?;
//!
//! consumer.poll(|frame| println!("{} bytes in frame {}", frame.len(), frame.seq()), 10)?;
//! for event in consumer.events() {
//!     println!("{event:?}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Data calls ([`Producer::offer`], [`Consumer::poll`]) run on the caller's thread straight on
//! shared memory and Aeron: no hop, no lock, no allocation. Everything else is the conductor's:
//! leases, epochs, reports, losses and their repair. See [`ClientConfig`] for what a client costs.

mod conductor;
mod config;
mod connection;
mod consumer;
mod error;
mod event;
mod handover;
mod metadata;
mod options;
mod pending;
mod producer;
mod shared;
mod stats;

pub use config::ClientConfig;
pub use connection::{Client, ConsumerBuilder, InvokedClient, ProducerBuilder};
pub use consumer::Consumer;
pub use consumer::frame::{Frame, FrameInfo, RetainedFrame};
pub use consumer::listener::ProgressHeard;
pub use consumer::progress::{Progress, ProgressInfo};
pub use error::{ConnectError, MetaError, OfferError, OpenError, PollError, ReportError};
pub use event::{Event, FinalCounts};
pub use metadata::ReceivedBlob;
pub use options::{Availability, OwnRegions, OwnStreams};
pub use pending::Pending;
pub use producer::announcer::Announced;
pub use producer::meta::FrameMeta;
pub use producer::speaker::{ProgressSent, ProgressTold};
pub use producer::{CloseReport, Offered, Producer};
pub use stats::{ConsumerStats, EpochStats, ProducerStats, kinds};

pub use crate::driver::Endpoint;
pub use tensorpool_protocol::client::metadata::{
    Attribute, Blob, BlobDefect, BlobError, BlobId, BlobOutcome, Metadata, MetadataBuilder,
    MetadataError, SourceMetadata,
};
pub use tensorpool_protocol::client::{
    AttachError, LossReason, ProgressDrop, ProgressError, ProgressFloors, ProgressHints,
    ProgressState,
};
pub use tensorpool_protocol::common::{
    ConsumerMode, GeometryError, HugepagesPolicy, LeaseRevokeReason, PublishMode,
};
pub use tensorpool_protocol::frame::{DropCause, TensorLayout};
pub use tensorpool_shm::frame::{CopyError, FramePrefix, Overwritten};
pub use tensorpool_shm::producer::Claim;
pub use tensorpool_shm::view::FrameView;

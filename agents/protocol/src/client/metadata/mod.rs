//! What describes a stream beside its frames: a name, attributes, and blobs too large for those.
//!
//! [`Metadata`] is what an application sets and reads, [`MetadataPublisher`] says when it is sent,
//! [`MetadataCache`] makes it up again from what was heard. [`BlobSender`] cuts a blob into
//! messages, [`BlobAssembler`] puts it together. None of them is on the path of a frame.

mod blob_assembler;
mod blob_sender;
mod blobs;
mod cache;
mod content;
mod publisher;
mod version;

pub use blob_assembler::{BlobAssembler, BlobEvent};
pub use blob_sender::{BlobMessage, BlobSender};
pub use blobs::{
    Blob, BlobAnnounce, BlobChunk, BlobComplete, BlobDefect, BlobError, BlobId, BlobLimits,
    BlobOutcome, BlobStats, CHUNK_MAX, OutgoingBlob, checksum_of,
};
pub use cache::{CacheLimits, CacheStats, MetadataCache, SourceAnnounce, SourceAttributes};
pub use content::{Attribute, Metadata, MetadataBuilder, MetadataError, MetadataLimits};
pub use publisher::{MetadataMessage, MetadataPublisher, MetadataSource};
pub use version::{VersionedMetadata, is_newer, successor};

use tensorpool_codecs::types::{ClientId, Epoch, MetaVersion, NanoTime, StreamId};

/// How often metadata is repeated.
pub const METADATA_PERIOD_NS: u64 = 1_000_000_000;

/// The metadata of a stream as it was heard, complete in itself. Shared, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceMetadata {
    /// The stream.
    pub stream_id: StreamId,
    /// The version frames refer to it by.
    pub version: MetaVersion,
    /// Its producer; `None` while only attributes were heard.
    pub producer_id: Option<ClientId>,
    /// The epoch it was announced for; `None` while only attributes were heard.
    pub epoch: Option<Epoch>,
    /// When it came into force, by its producer's clock; `None` while only its name was heard.
    pub timestamp: Option<NanoTime>,
    /// Name, summary and attributes.
    pub metadata: Metadata,
}

//! Metadata too large for attributes, as tables of offsets: what both ends of a blob know of it.

use std::sync::Arc;

use tensorpool_codecs::types::{MetaVersion, StreamId};
use thiserror::Error;

/// Bytes of the longest chunk that is sent. [TP-CLI-2845]
pub const CHUNK_MAX: usize = 64 << 10;

/// A blob that is or was being sent, as its producer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub u64);

/// A blob to be sent.
#[derive(Clone, Debug)]
pub struct OutgoingBlob {
    /// How its producer knows it.
    pub id: BlobId,
    /// The metadata version it belongs to.
    pub version: MetaVersion,
    /// What it is, by agreement between applications.
    pub blob_type: u32,
    /// The blob.
    pub bytes: Arc<[u8]>,
    /// 0 for none.
    pub checksum: u64,
}

/// A MetaBlobAnnounce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobAnnounce {
    /// The stream.
    pub stream_id: StreamId,
    /// The metadata version it belongs to.
    pub version: MetaVersion,
    /// What it is, by agreement between applications.
    pub blob_type: u32,
    /// Bytes in all.
    pub total_len: u64,
    /// 0 for none.
    pub checksum: u64,
}

/// A MetaBlobChunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobChunk<'a> {
    /// The stream.
    pub stream_id: StreamId,
    /// The metadata version it belongs to.
    pub version: MetaVersion,
    /// Where in the blob it starts, in bytes.
    pub offset: u64,
    /// The piece.
    pub bytes: &'a [u8],
}

/// A MetaBlobComplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobComplete {
    /// The stream.
    pub stream_id: StreamId,
    /// The metadata version it belongs to.
    pub version: MetaVersion,
    /// That of the announce.
    pub checksum: u64,
}

/// A blob that arrived whole.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    /// The stream.
    pub stream_id: StreamId,
    /// The metadata version it belongs to.
    pub version: MetaVersion,
    /// What it is, by agreement between applications.
    pub blob_type: u32,
    /// As its sender said; 0 for none.
    pub checksum: u64,
    /// The blob.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blob")
            .field("stream_id", &self.stream_id)
            .field("version", &self.version)
            .field("blob_type", &self.blob_type)
            .field("checksum", &self.checksum)
            .field("len", &self.bytes.len())
            .finish()
    }
}

/// What became of a blob that was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobOutcome {
    /// All of it is in the log; whether it was read is not known.
    Sent,
    /// Nobody subscribed, or nobody read on, for five seconds.
    TimedOut,
    /// A message of it cannot be sent: the publication's messages are too short.
    Refused,
}

/// Why a blob cannot be published.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobError {
    /// There is no metadata it could belong to.
    #[error("no metadata was set: a blob belongs to a version of it, set some first")]
    NoMetadata,
    /// Too long to be sent.
    #[error("the blob has {found} bytes, at most {max} are allowed: publish it in parts")]
    TooLong {
        /// Its bytes.
        found: usize,
        /// Bytes that are allowed.
        max: usize,
    },
    /// Too many are under way.
    #[error("{max} blobs are under way, which is the most: wait until one is done")]
    Busy {
        /// How many may be.
        max: usize,
    },
    /// The client was closed.
    #[error("the client is closed")]
    ClientClosed,
}

/// Why a blob that was announced did not arrive.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobDefect {
    /// Bytes are missing before a chunk.
    #[error("a gap: the next chunk was to start at {expected}, found {found}")]
    Gap {
        /// Where it was to start.
        expected: u64,
        /// Where it starts.
        found: u64,
    },
    /// A chunk repeats bytes.
    #[error("an overlap: the next chunk was to start at {expected}, found {found}")]
    Overlap {
        /// Where it was to start.
        expected: u64,
        /// Where it starts.
        found: u64,
    },
    /// A chunk ends behind the blob.
    #[error("an overrun: {total} bytes were announced, a chunk ends at {end}")]
    Overrun {
        /// Bytes announced.
        total: u64,
        /// Where the chunk ends.
        end: u64,
    },
    /// A chunk has no bytes.
    #[error("an empty chunk")]
    EmptyChunk,
    /// It ended too early.
    #[error("incomplete: {total} bytes were announced, {received} came")]
    Incomplete {
        /// Bytes announced.
        total: u64,
        /// Bytes that came.
        received: u64,
    },
    /// Announce and end say different checksums.
    #[error("checksum {announced:#x} was announced, {completed:#x} stands at the end")]
    ChecksumsDiffer {
        /// At the start.
        announced: u64,
        /// At the end.
        completed: u64,
    },
    /// The bytes have another checksum.
    #[error("checksum {announced:#x} was announced, the bytes have {computed:#x}")]
    Corrupt {
        /// As said.
        announced: u64,
        /// CRC-32C of the bytes.
        computed: u64,
    },
    /// Another blob of the same stream and version was announced before its end.
    #[error("another blob of the same version was announced before its end")]
    Superseded,
    /// Nothing more of it came for five seconds.
    #[error("nothing more of it came")]
    TimedOut,
    /// More bytes than are taken.
    #[error("{total} bytes were announced, at most {max} are taken")]
    TooLong {
        /// Bytes announced.
        total: u64,
        /// Bytes that are taken.
        max: u64,
    },
    /// Too many blobs are under way, or wait for the application.
    #[error("too many blobs are under way or wait for the application")]
    NoRoom,
}

/// What is taken of blobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobLimits {
    /// Bytes of a blob.
    pub max_len: u64,
    /// Blobs under way at a time.
    pub max_under_way: usize,
    /// How long the next message of a blob may be in coming, or in leaving.
    pub timeout_ns: u64,
    /// Whether checksums are taken for CRC-32C and the bytes held against them. [TP-CLI-2870]
    pub verify: bool,
}

impl Default for BlobLimits {
    fn default() -> Self {
        Self {
            max_len: 16 << 20,
            max_under_way: 4,
            timeout_ns: 5_000_000_000,
            verify: false,
        }
    }
}

/// What came of blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobStats {
    /// Arrived whole.
    pub completed: u64,
    /// Announced, and discarded for a defect.
    pub failed: u64,
    /// Chunks and ends of blobs that are not known: announced too early, or discarded. [TP-CLI-2890]
    pub orphans: u64,
}

/// CRC-32C of a blob, as its checksum.
#[must_use]
pub fn checksum_of(bytes: &[u8]) -> u64 {
    u64::from(crc32c::crc32c(bytes))
}

//! What can go wrong for an application, one enum per operation.

use std::time::Duration;

use tensorpool_codecs::types::Epoch;
use tensorpool_protocol::client::{AttachError, ProgressError};
use tensorpool_protocol::frame::TensorError;
use tensorpool_shm::allowed::AllowedDirError;
use tensorpool_shm::mapping::MapError;
use tensorpool_transport::LinkError;
use thiserror::Error;

/// Why a client could not be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A base directory cannot be used.
    #[error(transparent)]
    BaseDir(#[from] AllowedDirError),
    /// The Aeron settings cannot be used.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A thread could not be started.
    #[error("cannot start the thread {name}: {reason}")]
    Thread {
        /// Its name.
        name: String,
        /// What the system said.
        reason: String,
    },
}

/// Why a producer or consumer was not opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The driver did not grant a lease.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// It did, but its regions cannot be mapped.
    #[error("the stream's memory cannot be mapped: {0}")]
    Map(#[from] MapError),
    /// There is no media driver: nothing can be asked for.
    #[error("no media driver in {dir}: {reason}; start one, or name its directory")]
    NoMediaDriver {
        /// The directory.
        dir: String,
        /// What is missing.
        reason: String,
    },
    /// There is a media driver, but this user may not use it.
    #[error("the media driver in {dir} may not be used: {reason}")]
    MediaDriverDenied {
        /// The directory.
        dir: String,
        /// Who is refused, and by what.
        reason: String,
    },
    /// There is a media driver, but it does not register what the producer or consumer needs.
    #[error(
        "the media driver in {dir} refused what this takes: {reason}; give it more of what it lacks, \
         or have others need less, and open again"
    )]
    Refused {
        /// The directory.
        dir: String,
        /// What was refused, and its words.
        reason: String,
    },
    /// No driver answered, and Aeron's client had reported something of its own before.
    #[error("{error} Aeron's client reported {} s ago: {reason}", age.as_secs())]
    AeronClient {
        /// What was waited for.
        error: AttachError,
        /// How long ago it was reported.
        age: Duration,
        /// Its words.
        reason: String,
    },
    /// No driver answered, and the media driver had run out of something: who asks may not be heard.
    #[error(
        "{error} The media driver in {dir} reported {} s ago: {reason}; give it more of what it lacks, or \
         have others need less",
        age.as_secs()
    )]
    MediaDriverShort {
        /// What was waited for.
        error: AttachError,
        /// The media driver's directory.
        dir: String,
        /// How long ago it was reported last.
        age: Duration,
        /// Its words.
        reason: String,
    },
    /// The wait was over first. The attempt goes on until its [`Pending`](crate::client::Pending)
    /// is dropped.
    #[error("not opened within {} ms; the attempt was given up", .waited.as_millis())]
    TimedOut {
        /// How long was waited.
        waited: Duration,
    },
    /// The client was closed.
    #[error("the client is closed")]
    ClientClosed,
}

/// Why a frame was not published. No sequence number was used, but by [`OfferError::Stale`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OfferError {
    /// No pool has slots that large.
    #[error(
        "no payload pool fits {len} bytes: the largest holds {largest}; use a profile with larger slots"
    )]
    NoFittingPool {
        /// Bytes asked for.
        len: usize,
        /// Bytes per slot of the largest pool.
        largest: u32,
    },
    /// There is no lease at the moment; events tell why and when it is back.
    #[error("not attached: the lease is gone and a new one is being asked for")]
    NotAttached,
    /// A region was truncated while mapped, or its file system is full.
    #[error("the stream's memory was damaged while mapped; it is being mapped anew")]
    Poisoned,
    /// Lossless: a consumer has not come far enough. Try again, or use
    /// [`Producer::wait_room`](crate::client::Producer::wait_room).
    #[error("lossless: a consumer still needs what this frame would overwrite")]
    Paced,
    /// Half the ring is claimed.
    #[error("{limit} claims are in flight, which is the most: commit or drop one")]
    TooManyClaims {
        /// How many may be.
        limit: u32,
    },
    /// The claim is of an epoch that ended. It was aborted.
    #[error("the claim was made in epoch {claimed}, which has ended: claim again")]
    Stale {
        /// Its epoch.
        claimed: Epoch,
    },
    /// The wait was over first.
    #[error("not within {} ms", .waited.as_millis())]
    TimedOut {
        /// How long was waited.
        waited: Duration,
    },
    /// The client was closed.
    #[error("the client is closed")]
    ClientClosed,
}

/// Why a report of progress was refused. Nobody was told.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReportError {
    /// The producer was not opened for it.
    #[error("the producer was opened without progress: give its builder progress floors")]
    NotEnabled,
    /// The claim is of an epoch that ended: it cannot be committed.
    #[error("the claim was made in epoch {claimed}, which has ended: claim again")]
    Stale {
        /// Its epoch.
        claimed: Epoch,
    },
    /// It cannot be true.
    #[error(transparent)]
    Impossible(#[from] ProgressError),
}

/// Why frames cannot be polled.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PollError {
    /// The client was closed.
    #[error("the client is closed")]
    ClientClosed,
    /// The consumer was not opened for progress.
    #[error("the consumer was opened without progress: give its builder progress hints")]
    NoProgress,
}

/// Why a frame cannot be described.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MetaError {
    /// The tensor is impossible.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A dimension exceeds the header's field.
    #[error("dimension {found} of axis {axis} exceeds {max}", max = i32::MAX)]
    Dim {
        /// The axis.
        axis: usize,
        /// Its dimension.
        found: u64,
    },
}

//! Why a frame was not claimed or committed.

use tensorpool_codecs::types::Epoch;
use thiserror::Error;

use crate::mapping::Unusable;

/// Why a mapping cannot be written through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProducerError {
    /// Mapped for reading.
    #[error("the mapping is read-only: map it with read-write access to produce")]
    ReadOnly,
    /// Two rings would hand out the same slots.
    #[error("this mapping already had its producer: map the stream again for another one")]
    AlreadyProducing,
}

/// Why no slot was claimed. No sequence number was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Longer than the largest stride.
    #[error("no payload pool fits {len} bytes: the largest holds {largest}")]
    NoFittingPool {
        /// Bytes asked for.
        len: usize,
        /// Bytes per slot of the largest pool.
        largest: u32,
    },
    /// Half the ring is in flight.
    #[error("{limit} claims are in flight, which is the most: commit or drop one")]
    TooManyClaims {
        /// How many may be.
        limit: u32,
    },
    /// The mapping is no longer to be used.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Why a claim was not committed. It was aborted instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommitError {
    /// The claim belongs to an epoch this producer no longer writes.
    #[error(
        "the claim was made in epoch {claimed}, the producer is now in epoch {current}: claim again"
    )]
    EpochChanged {
        /// The claim's epoch.
        claimed: Epoch,
        /// The ring's epoch.
        current: Epoch,
    },
    /// The mapping is no longer to be used: the epoch ended.
    #[error(
        "epoch {claimed} ended while the claim was open: {source}; claim again after reattaching"
    )]
    Unusable {
        /// The claim's epoch.
        claimed: Epoch,
        /// How it ended.
        source: Unusable,
    },
}

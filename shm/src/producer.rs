//! The writing side of a mapping: sequence numbers, claims, and commits in order.
//!
//! A [`ProducerRing`] belongs to one thread at a time and hands out owned [`Claim`]s, which may be
//! filled anywhere. Frames become visible in sequence order: a commit that overtakes an older claim
//! is held back until that one is settled. A claim that is dropped is aborted. An aborted newest
//! claim gives its sequence number back, unless progress was announced for it; any other abort is a
//! hole, which consumers count as a gap.
//!
//! ```text
//!            head                      next
//!   ... 4 5 | 6       7         8     | 9 ...
//!   settled | claimed committed       |
//!           |         held back       |
//! ```
//!
//! Descriptors, timestamps and counters are the caller's business: each operation that settles
//! frames returns their sequence numbers, in order ([`Released`]).

mod claim;
mod encoder;
mod error;
mod released;
mod ring;
mod state;
#[cfg(test)]
mod tests;

pub use claim::Claim;
pub use error::{ClaimError, CommitError, ProducerError};
pub use released::Released;
pub use ring::ProducerRing;

use tensorpool_codecs::types::{MetaVersion, NanoTime, PoolId, Seq};
use tensorpool_codecs::wire::{SlotHeader, TensorHeader};

use crate::seqlock::CommitWord;

/// What a producer says about a frame beyond its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameMeta<'t> {
    /// When the frame was taken, by the application's clock.
    pub timestamp: NanoTime,
    /// The metadata version that describes it; `None` while no metadata was announced.
    pub meta_version: Option<MetaVersion>,
    /// What the payload is. Strides should be explicit.
    pub tensor: &'t TensorHeader,
}

impl FrameMeta<'_> {
    #[inline(always)]
    fn to_slot(self, seq: Seq, index: u32, pool: PoolId, len: u32) -> SlotHeader {
        SlotHeader {
            seq_commit: CommitWord::writing(seq).raw(),
            values_len_bytes: len,
            payload_slot: index,
            pool_id: pool.get(),
            payload_offset: 0,
            timestamp_ns: self.timestamp.get(),
            meta_version: self.meta_version.map_or(u32::MAX, MetaVersion::get),
        }
    }
}

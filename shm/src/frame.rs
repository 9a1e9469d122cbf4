//! A committed frame, read in place.
//!
//! Nothing here hands out the payload as a plain slice: another process may overwrite it at any
//! moment. The bytes are used first and vouched for afterwards, by a second look at the commit
//! word: [`Frame::copy_to`] and [`Frame::with`] release their result only then.

use std::sync::Arc;

use tensorpool_codecs::types::{PoolId, Seq};
use tensorpool_codecs::wire::{SlotHeader, TensorHeader};
use thiserror::Error;

use crate::foreign::Foreign;
use crate::mapping::{Access, Mapping, Unusable};
use crate::seqlock::CommitWord;
use crate::slot::{KnownSlot, SlotSnapshot, StillError};
use crate::view::FrameView;

mod prefix;

pub use prefix::FramePrefix;

/// A frame within the callback it was delivered to.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'m> {
    mapping: &'m Arc<Mapping>,
    parts: Parts,
    tensor: &'m TensorHeader,
}

/// A frame that keeps its mapping alive: `Send + Sync`, may outlive consumer, lease and epoch (it
/// validates as revoked then). It does not keep its slot from being overwritten.
#[derive(Clone, Debug)]
pub struct RetainedFrame {
    mapping: Arc<Mapping>,
    parts: Parts,
    tensor: TensorHeader,
}

#[derive(Clone, Copy, Debug)]
struct Parts {
    seq: Seq,
    slot: SlotHeader,
    /// Where the mapping keeps the frame's pool.
    pool_index: usize,
    /// Within the pool's stride: checked when the frame was made.
    len: u32,
}

/// Why a slot's payload cannot be read in place: reading it would leave its slot or its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Frames are read through mappings that cannot write: the same bytes may be a claim's slice in
    /// this process.
    #[error(
        "frames are read through a read-only mapping, but this one is writable: map the stream \
         again"
    )]
    WritableMapping,
    /// No such pool is mapped.
    #[error("frame {seq} lies in pool {found}, which the stream does not have")]
    UnknownPool {
        /// The frame.
        seq: Seq,
        /// The pool its slot names.
        found: PoolId,
    },
    /// Header and payload slots always have the same index.
    #[error("frame {seq} lies in payload slot {found}, expected {expected}")]
    PayloadSlot {
        /// The frame.
        seq: Seq,
        /// The index of its header slot.
        expected: u32,
        /// The index its slot names.
        found: u32,
    },
    /// Payloads start where their slot does.
    #[error("frame {seq} has payload offset {found}, expected 0")]
    PayloadOffset {
        /// The frame.
        seq: Seq,
        /// The offset its slot names.
        found: u32,
    },
    /// Longer than a slot of its pool.
    #[error("frame {seq} is {found} bytes long, slots of pool {pool} hold {stride_bytes}")]
    TooLong {
        /// The frame.
        seq: Seq,
        /// Its pool.
        pool: PoolId,
        /// Bytes per slot of that pool.
        stride_bytes: u32,
        /// Its length.
        found: u32,
    },
    /// More of it is said to be there than it has.
    #[error("{found} bytes of frame {seq} are said to be there, it has {len}")]
    BeyondPayload {
        /// The frame.
        seq: Seq,
        /// Its length.
        len: u32,
        /// What was said.
        found: u64,
    },
}

/// Why what was read of a frame cannot be vouched for: throw it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Overwritten {
    /// The producer took the slot for a later frame.
    #[error("frame {seq} was overwritten while it was read: its slot now holds {found}")]
    Lapped {
        /// The frame.
        seq: Seq,
        /// What its slot holds.
        found: CommitWord,
    },
    /// The mapping is no longer to be used.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Why a frame was not copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The destination is not exactly as long as the payload.
    #[error("the destination is {found} bytes long, the frame {expected}")]
    Length {
        /// The payload's length.
        expected: usize,
        /// The destination's.
        found: usize,
    },
    /// What was copied is worthless.
    #[error(transparent)]
    Overwritten(#[from] Overwritten),
}

impl<'m> Frame<'m> {
    /// The frame a slot describes. Only what memory safety needs is checked: known pool, own slot,
    /// length within the stride.
    #[inline]
    pub fn new(mapping: &'m Arc<Mapping>, slot: &'m SlotSnapshot) -> Result<Self, FrameError> {
        let header = slot.header();
        Ok(Self {
            mapping,
            parts: Parts::new(mapping, slot.seq(), &header.slot)?,
            tensor: &header.tensor,
        })
    }

    /// The same of a slot that was read [with a memo](Mapping::read_slot_with).
    #[inline]
    pub fn of_known<T>(
        mapping: &'m Arc<Mapping>,
        slot: &KnownSlot<'m, T>,
    ) -> Result<Self, FrameError> {
        Ok(Self {
            mapping,
            parts: Parts::new(mapping, slot.seq(), slot.header())?,
            tensor: slot.tensor(),
        })
    }

    /// An owned frame that keeps the mapping alive. One reference count, no copy of the payload.
    /// [TP-SHM-0560]
    #[inline]
    #[must_use]
    pub fn retain(&self) -> RetainedFrame {
        RetainedFrame {
            mapping: Arc::clone(self.mapping),
            parts: self.parts,
            tensor: *self.tensor,
        }
    }
}

impl Parts {
    #[inline]
    fn new(mapping: &Mapping, seq: Seq, slot: &SlotHeader) -> Result<Self, FrameError> {
        // [TP-SHM-1090]
        if mapping.access() != Access::ReadOnly {
            return Err(FrameError::WritableMapping);
        }
        let SlotHeader {
            pool_id,
            payload_slot,
            payload_offset,
            values_len_bytes,
            ..
        } = *slot;
        let pool = PoolId::new(pool_id);
        // [TP-SHM-1050]
        let Some(pool_index) = mapping.pool_index(pool) else {
            return Err(FrameError::UnknownPool { seq, found: pool });
        };
        let stride_bytes = mapping.pool(pool_index).stride_bytes;
        let expected = seq.slot_index(mapping.slot_count());
        // [TP-SHM-1020]
        if payload_slot != expected {
            return Err(FrameError::PayloadSlot {
                seq,
                expected,
                found: payload_slot,
            });
        }
        // [TP-SHM-1030]
        if payload_offset != 0 {
            return Err(FrameError::PayloadOffset {
                seq,
                found: payload_offset,
            });
        }
        // [TP-SHM-1040]
        if values_len_bytes > stride_bytes {
            let found = values_len_bytes;
            return Err(FrameError::TooLong {
                seq,
                pool,
                stride_bytes,
                found,
            });
        }
        Ok(Self {
            seq,
            slot: *slot,
            pool_index,
            len: values_len_bytes,
        })
    }
}

/// What can be said of a frame without a look at its payload.
macro_rules! description_methods {
    ($frame:ty) => {
        impl $frame {
            /// The frame's sequence number.
            #[inline]
            #[must_use]
            pub fn seq(&self) -> Seq {
                self.parts.seq
            }

            /// Bytes of payload that are there; 0 is a frame as well. [TP-CLI-2655]
            #[inline]
            #[must_use]
            pub fn len(&self) -> usize {
                self.parts.len as usize
            }

            /// Whether there is none.
            #[inline]
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.parts.len == 0
            }

            /// What the slot said: pool, timestamp, metadata version, length of the whole payload.
            #[inline]
            #[must_use]
            pub fn slot(&self) -> &SlotHeader {
                &self.parts.slot
            }

            /// What the whole payload is: dtype, major order, dims, strides.
            #[inline]
            #[must_use]
            pub fn tensor(&self) -> &TensorHeader {
                &self.tensor
            }
        }
    };
}

description_methods!(Frame<'_>);
description_methods!(RetainedFrame);
description_methods!(FramePrefix<'_>);

macro_rules! frame_methods {
    ($frame:ty) => {
        impl $frame {
            /// The extents, one per dimension. [TP-SHM-1110]
            #[inline]
            #[must_use]
            pub fn shape(&self) -> &[i32] {
                let tensor = &self.tensor;
                &tensor.dims[..usize::from(tensor.ndims).min(tensor.dims.len())]
            }

            /// The strides in bytes, one per dimension; 0 asks for the contiguous one.
            /// [TP-SHM-1110]
            #[inline]
            #[must_use]
            pub fn strides(&self) -> &[i32] {
                let tensor = &self.tensor;
                &tensor.strides[..usize::from(tensor.ndims).min(tensor.strides.len())]
            }

            /// The mapping the frame lies in.
            #[inline]
            #[must_use]
            pub fn mapping(&self) -> &Arc<Mapping> {
                &self.mapping
            }

            /// Whether the frame was still whole a moment ago. Everything read before the call is
            /// then good; of what is read after it, nothing is known.
            #[inline]
            #[must_use]
            pub fn is_valid(&self) -> bool {
                self.validate().is_ok()
            }

            /// Like [`is_valid`](Self::is_valid), with the reason.
            #[inline]
            pub fn validate(&self) -> Result<(), Overwritten> {
                self.parts.validate(&self.mapping)
            }

            /// Copies the whole payload into `to`, which must be exactly as long, and validates it
            /// afterwards. On an error the contents of `to` are worthless.
            #[inline]
            pub fn copy_to(&self, to: &mut [u8]) -> Result<(), CopyError> {
                if to.len() != self.len() {
                    return Err(CopyError::Length {
                        expected: self.len(),
                        found: to.len(),
                    });
                }
                self.parts.payload(&self.mapping).read(0, to);
                Ok(self.validate()?)
            }

            /// Lets `read` look at the payload in place, and releases its result only if the frame
            /// was still whole when it returned. `read` may see bytes of two frames mixed: it must
            /// not act on them outside of its result.
            #[inline]
            pub fn with<R>(
                &self,
                read: impl FnOnce(&FrameView<'_>) -> R,
            ) -> Result<R, Overwritten> {
                let view = FrameView::new(self.parts.payload(&self.mapping), &self.tensor);
                let result = read(&view);
                self.validate()?;
                Ok(result)
            }
        }
    };
}

frame_methods!(Frame<'_>);
frame_methods!(RetainedFrame);

impl Parts {
    #[inline]
    fn payload<'m>(&self, mapping: &'m Mapping) -> Foreign<'m> {
        let index = self.seq.slot_index(mapping.slot_count());
        mapping
            .pool(self.pool_index)
            .payload(index, self.len as usize)
    }

    // [TP-SHM-1070]
    #[inline]
    fn validate(&self, mapping: &Mapping) -> Result<(), Overwritten> {
        let held = mapping.still_holds(self.seq);
        held.map_err(|error| self.overwritten(error))
    }

    #[cold]
    fn overwritten(&self, error: StillError) -> Overwritten {
        match error {
            StillError::Holds(found) => Overwritten::Lapped {
                seq: self.seq,
                found,
            },
            StillError::Unusable(unusable) => Overwritten::Unusable(unusable),
        }
    }
}

#[cfg(test)]
mod stress;
#[cfg(test)]
mod tests;

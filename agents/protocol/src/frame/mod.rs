//! The data path: frame gate, header ring cursor and end, sequence accounting, pool selection and tensor
//! rules. No queues, no owned actions.
//!
//! Everything here is called once per frame on an application's thread: plain values in, `Copy`
//! values out, no allocation and no clock.

mod gate;
mod header_ring;
mod ledger;
mod pools;
mod ring_end;
mod seq_tracker;
mod tensor;
mod throttle;
mod units;

pub use gate::{Descriptor, DropCause, FrameGate, FramePlan, MappingFacts, Verdict};
pub use header_ring::{RingCursor, RingLoss, RingStep};
pub use ledger::{DropCounts, EpochAccount, FrameLedger};
pub use pools::{SelectError, pool_by_id, smallest_fit};
pub use ring_end::ring_end;
pub use seq_tracker::{Presence, SeqEvent, SeqTracker};
pub use tensor::{MAX_DIMS, TensorError, TensorLayout, element_len};
pub use throttle::Throttle;

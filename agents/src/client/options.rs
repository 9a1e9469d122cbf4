//! What applications ask for when they open a producer or a consumer: filled by the builders,
//! carried to the conductor, and read there by session and handle. Plain values; what an option
//! means is said at the builder's method that sets it.

/// Frames a consumer may miss in a row before it starts over behind the gap.
const MAX_OUTSTANDING_GAP: u64 = 256;

/// How a producer is opened, beside its lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProducerOptions {
    /// Waits for consumers instead of overwriting what they need.
    pub(super) lossless: bool,
}

/// How a consumer is opened, beside its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConsumerOptions {
    /// Hears metadata and blobs of its stream.
    pub(super) metadata: bool,
    /// Frames it may miss in a row; 0 for any number.
    pub(super) max_outstanding_gap: u64,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            metadata: false,
            max_outstanding_gap: MAX_OUTSTANDING_GAP,
        }
    }
}

//! What applications ask for when they open a producer or a consumer: filled by the builders,
//! carried to the conductor, and read there by session and handle. Plain values; what an option
//! means is said at the builder's method that sets it.

use tensorpool_protocol::client::{ProgressFloors, ProgressHints, ProgressRead};

use super::payload_flush::PayloadFlush;

/// Frames a consumer may miss in a row before it starts over behind the gap.
const MAX_OUTSTANDING_GAP: u64 = 256;

/// How a consumer hears of frames. Validation, accounts, events and reports are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Availability {
    /// By the descriptors of the published protocol, over Aeron.
    #[default]
    Descriptor,
    /// By watching the header ring itself: the next slot's commit word is the signal, one
    /// cache-line transfer instead of a message. For low latency, on polls that come often.
    ///
    /// No descriptor is subscribed to. Publish time and trace id, which only descriptors carry, are
    /// `None`. Needs producers that complete frames in the order of their numbers, as those of this
    /// library do. It joins behind the latest complete frame, and goes on half a ring behind the
    /// latest claim when it is overtaken.
    HeaderRing,
}

/// How a producer is opened, beside its lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProducerOptions {
    /// Waits for consumers instead of overwriting what they need.
    pub(super) lossless: bool,
    /// Tells of frames that are being written, no more often than this.
    pub(super) progress: Option<ProgressFloors>,
    /// What is done with payloads before anybody may read them.
    pub(super) flush: Option<PayloadFlush>,
}

/// How a consumer is opened, beside its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConsumerOptions {
    /// Hears metadata and blobs of its stream.
    pub(super) metadata: bool,
    /// How it hears of frames.
    pub(super) availability: Availability,
    /// Frames it may miss in a row; 0 for any number.
    pub(super) max_outstanding_gap: u64,
    /// Hears of frames that are being written, as often as this.
    pub(super) progress: Option<ProgressHints>,
    /// Of which ones.
    pub(super) progress_read: ProgressRead,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            metadata: false,
            availability: Availability::default(),
            max_outstanding_gap: MAX_OUTSTANDING_GAP,
            progress: None,
            progress_read: ProgressRead::default(),
        }
    }
}

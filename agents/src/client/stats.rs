//! What producers and consumers count, and under which labels observers find it.

use tensorpool_protocol::frame::{DropCause, FrameLedger};
use tensorpool_runtime::counters::CounterCell;

/// The counters of one producer. Written by the application's thread.
#[derive(Debug, Default)]
pub(super) struct ProducerCounters {
    pub(super) frames_published: CounterCell,
    pub(super) backpressured: CounterCell,
    pub(super) not_connected: CounterCell,
    pub(super) admin_action: CounterCell,
    pub(super) closed: CounterCell,
    pub(super) max_position_exceeded: CounterCell,
    pub(super) errors: CounterCell,
}

/// What a producer counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerStats {
    /// Frames that became visible.
    pub frames_published: u64,
    /// Descriptors refused because a subscriber of the stream does not keep up.
    pub descriptors_backpressured: u64,
    /// Descriptors nobody subscribed to.
    pub descriptors_not_connected: u64,
    /// Descriptors that met a log being rotated.
    pub descriptors_admin_action: u64,
    /// Descriptors without a media driver.
    pub descriptors_link_down: u64,
    /// Descriptors Aeron refused for other reasons.
    pub descriptor_errors: u64,
}

impl ProducerCounters {
    pub(super) fn stats(&self) -> ProducerStats {
        ProducerStats {
            frames_published: self.frames_published.get(),
            descriptors_backpressured: self.backpressured.get(),
            descriptors_not_connected: self.not_connected.get(),
            descriptors_admin_action: self.admin_action.get(),
            descriptors_link_down: self.closed.get(),
            descriptor_errors: self.errors.get() + self.max_position_exceeded.get(),
        }
    }
}

/// What a consumer counted so far: `seen = delivered + lost`, over every frame it was owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerStats {
    ledger: FrameLedger,
    /// Times another epoch was put into use.
    pub remaps: u64,
}

impl ConsumerStats {
    pub(super) fn new(ledger: FrameLedger, remaps: u64) -> Self {
        Self { ledger, remaps }
    }

    /// Frames it was owed, over all epochs, up to the last it heard of.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.ledger.seen()
    }

    /// Frames that reached the application whole.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.ledger.delivered()
    }

    /// Frames lost, whatever the cause.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.ledger.drops().lost()
    }

    /// Frames lost because they were overtaken by the producer.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.ledger.drops().late()
    }

    /// Frames dropped for one cause.
    #[must_use]
    pub fn drops(&self, cause: DropCause) -> u64 {
        self.ledger.drops().get(cause)
    }

    /// Descriptors that were duplicates or older than the last.
    #[must_use]
    pub fn seq_regressions(&self) -> u64 {
        self.ledger.regressions()
    }
}

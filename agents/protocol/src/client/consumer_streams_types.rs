//! What goes out of the core of own streams, plain and owned.

use tensorpool_codecs::types::NanoTime;

use super::messages::AeronEndpoint;

/// One publication of an own stream; never used again for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnStreamId(pub(super) u64);

/// What an own stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OwnStreamKind {
    /// Frame descriptors.
    Descriptor,
    /// Progress messages, nothing else.
    Control,
}

/// How often a stream is told of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pace {
    /// Least time between two descriptors; 0 for every frame.
    pub min_interval_ns: u64,
    /// Whether a lossless producer waits until a descriptor is out.
    pub is_lossless: bool,
}

impl Pace {
    /// All frames, none of them may be missing.
    pub const EVERY_FRAME: Self = Self {
        min_interval_ns: 0,
        is_lossless: true,
    };

    /// At most so many a second; 0 for every frame, none of which is waited for.
    #[must_use]
    pub const fn limited(max_rate_hz: u32) -> Self {
        Self {
            // Rounded up: never more than was asked for.
            min_interval_ns: match max_rate_hz {
                0 => 0,
                rate => 1_000_000_000u64.div_ceil(rate as u64),
            },
            is_lossless: false,
        }
    }

    /// What satisfies both.
    #[must_use]
    pub fn most_demanding(self, other: Self) -> Self {
        Self {
            min_interval_ns: self.min_interval_ns.min(other.min_interval_ns),
            is_lossless: self.is_lossless || other.is_lossless,
        }
    }
}

/// A stream that was just opened is told of every frame.
impl Default for Pace {
    fn default() -> Self {
        Self::EVERY_FRAME
    }
}

/// Keeps the pace of one stream: says when a frame is due, and is told which ones went out. A frame
/// that could not be sent is not made up for by waiting another interval. Inline, per frame.
///
/// Within any second no more than the rate and one frame pass. [TP-CLI-2342]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceGate {
    due: NanoTime,
}

impl PaceGate {
    /// Whether a frame that is there now is to be told of.
    #[inline]
    #[must_use]
    pub fn is_due(&self, now: NanoTime) -> bool {
        now >= self.due
    }

    /// One was. Frames keep to a grid while they come fast enough, so that the rate is met.
    #[inline]
    pub fn on_sent(&mut self, now: NanoTime, pace: Pace) {
        let interval_ns = pace.min_interval_ns;
        if interval_ns == 0 {
            return;
        }
        let is_late = now.since_ns(self.due) >= interval_ns;
        let grid = if is_late { now } else { self.due };
        self.due = grid.after_ns(interval_ns);
    }
}

/// What the publisher of own streams has to do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnStreamAction {
    /// Publish there as well, [every frame](Pace::EVERY_FRAME) until told otherwise; or say that it
    /// cannot be done.
    Open {
        /// Names it from now on.
        id: OwnStreamId,
        /// What for.
        kind: OwnStreamKind,
        /// Where.
        endpoint: AeronEndpoint,
    },
    /// Tell of frames as often as this.
    SetPace {
        /// Where.
        id: OwnStreamId,
        /// How often.
        pace: Pace,
    },
    /// Publish there no more, and close it.
    Close {
        /// Which.
        id: OwnStreamId,
    },
}

/// What the core of own streams counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerStreamsStats {
    /// Own streams at the moment.
    pub open: u64,
    /// Requests and assignments that cannot be followed, repetitions included.
    pub invalid: u64,
    /// Consumers, hellos and assignments for which there was no room.
    pub overflow: u64,
    /// Consumers that lost their own streams because they went silent.
    pub stale: u64,
}

//! Where the time comes from: the two system clocks, a cached reading per duty cycle, and a
//! hand-driven clock for tests.
//!
//! Protocol code never reads a clock; it is told `now`. Only agents hold a clock, and they read it
//! once per cycle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};
use tensorpool_codecs::types::NanoTime;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLI: u64 = 1_000_000;

/// `CLOCK_MONOTONIC`, the clock of every lease, announce and freshness rule. Comparable between the
/// processes of one host. Never fails, never allocates.
/// [TP-RT-0510]
#[must_use]
pub fn monotonic_ns() -> NanoTime {
    read(ClockId::Monotonic)
}

/// `CLOCK_REALTIME` since 1970. May step in either direction; for trace ids, file names and reports
/// only.
/// [TP-RT-0520]
#[must_use]
pub fn realtime_ns() -> NanoTime {
    read(ClockId::Realtime)
}

/// [`realtime_ns`] in whole milliseconds.
#[must_use]
pub fn realtime_ms() -> u64 {
    realtime_ns().get() / NANOS_PER_MILLI
}

// [TP-RT-0510] [TP-RT-0520]
fn read(clock: ClockId) -> NanoTime {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    NanoTime::new(
        seconds
            .saturating_mul(NANOS_PER_SECOND)
            .saturating_add(nanos),
    )
}

/// A clock that only moves when told to. Clones are handles on the same clock, also across threads.
#[derive(Clone, Debug, Default)]
pub struct ManualClock {
    now_ns: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: NanoTime) -> Self {
        Self {
            now_ns: Arc::new(AtomicU64::new(now.get())),
        }
    }

    /// The time it stands at.
    #[must_use]
    pub fn now(&self) -> NanoTime {
        NanoTime::new(self.now_ns.load(Ordering::Acquire))
    }

    /// Sets the time, in either direction.
    pub fn set(&self, now: NanoTime) {
        self.now_ns.store(now.get(), Ordering::Release);
    }

    /// Moves it forward and returns the new time.
    pub fn advance_ns(&self, duration_ns: u64) -> NanoTime {
        NanoTime::new(self.now_ns.fetch_add(duration_ns, Ordering::AcqRel) + duration_ns)
    }
}

/// What a [`CachedNanoClock`] reads.
#[derive(Clone, Debug, Default)]
pub enum ClockSource {
    /// `CLOCK_MONOTONIC`.
    #[default]
    Monotonic,
    /// `CLOCK_REALTIME`.
    Realtime,
    /// A clock driven by a test.
    Manual(ManualClock),
}

impl ClockSource {
    /// Reads the clock itself.
    #[must_use]
    pub fn read(&self) -> NanoTime {
        match self {
            Self::Monotonic => monotonic_ns(),
            Self::Realtime => realtime_ns(),
            Self::Manual(clock) => clock.now(),
        }
    }
}

/// One clock reading per duty cycle: [`update`](Self::update) at its start, [`now`](Self::now)
/// within it.
///
/// Belongs to one agent and its thread.
#[derive(Debug)]
pub struct CachedNanoClock {
    source: ClockSource,
    now: NanoTime,
}

impl CachedNanoClock {
    /// Reads `source` once and keeps the reading.
    #[must_use]
    pub fn new(source: ClockSource) -> Self {
        let now = source.read();
        Self { source, now }
    }

    /// Reads the clock and returns the new time.
    /// [TP-RT-0530]
    pub fn update(&mut self) -> NanoTime {
        self.now = self.source.read();
        self.now
    }

    /// The time of the last [`update`](Self::update).
    /// [TP-RT-0530]
    #[must_use]
    pub fn now(&self) -> NanoTime {
        self.now
    }
}

impl Default for CachedNanoClock {
    fn default() -> Self {
        Self::new(ClockSource::Monotonic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_clock_never_goes_back_and_realtime_is_after_2020() {
        let first = monotonic_ns();
        let second = monotonic_ns();
        assert!(second >= first);
        assert!(realtime_ms() > 1_577_836_800_000);
    }

    /// Proves [TP-RT-0530].
    #[test]
    fn cached_clock_stands_still_between_updates() {
        let manual = ManualClock::new(NanoTime::new(5));
        let mut clock = CachedNanoClock::new(ClockSource::Manual(manual.clone()));
        manual.advance_ns(10);
        assert_eq!(clock.now(), NanoTime::new(5));
        assert_eq!(clock.update(), NanoTime::new(15));
        assert_eq!(clock.now(), NanoTime::new(15));
    }

    #[test]
    fn manual_clock_handles_move_together_and_may_go_back() {
        let clock = ManualClock::default();
        let other = clock.clone();
        clock.set(NanoTime::new(100));
        assert_eq!(other.now(), NanoTime::new(100));
        other.set(NanoTime::new(7));
        assert_eq!(clock.now(), NanoTime::new(7));
    }
}

//! How long an agent's cycles take, and whether it was stopped in between.

use tensorpool_codecs::types::NanoTime;

use crate::counters::{CounterCell, CounterSet, common};

/// Watches the time from the start of one cycle to the start of the next, idling included.
///
/// The agent feeds it the one clock reading of its cycle; it reads no clock itself. Belongs to the
/// agent's thread.
#[derive(Debug)]
pub struct DutyCycleTracker {
    stall_threshold_ns: u64,
    last_cycle: Option<NanoTime>,
    max_cycle_time_ns: CounterCell,
    stall_count: CounterCell,
}

impl DutyCycleTracker {
    /// Counts as a stall what takes `stall_threshold_ns` or longer.
    #[must_use]
    pub fn new(stall_threshold_ns: u64) -> Self {
        let (max_cycle_time_ns, stall_count) = (CounterCell::new(), CounterCell::new());
        Self {
            stall_threshold_ns,
            last_cycle: None,
            max_cycle_time_ns,
            stall_count,
        }
    }

    /// Like [`new`](Self::new), with both counters added to `counters`.
    #[must_use]
    pub fn counted(stall_threshold_ns: u64, counters: &mut CounterSet) -> Self {
        let max_cycle_time_ns = counters.add(common::MAX_CYCLE_TIME_NS);
        let stall_count = counters.add(common::CYCLE_STALLS);
        Self {
            stall_threshold_ns,
            last_cycle: None,
            max_cycle_time_ns,
            stall_count,
        }
    }

    /// To be called at the start of each cycle. Returns the length of the gap when it was a stall:
    /// the process was stopped, the machine slept, or somebody blocked the cycle, and whatever has
    /// a timeout shorter than that must be taken for dead.
    #[inline]
    pub fn on_cycle(&mut self, now: NanoTime) -> Option<u64> {
        // [TP-RT-0820]
        let gap_ns = self.last_cycle.map_or(0, |last| now.since_ns(last));
        self.last_cycle = Some(now);
        self.max_cycle_time_ns.propose_max(gap_ns);
        // [TP-RT-0810]
        if gap_ns < self.stall_threshold_ns {
            return None;
        }
        self.stall_count.increment();
        Some(gap_ns)
    }

    /// The longest cycle so far.
    #[must_use]
    pub fn max_cycle_time_ns(&self) -> u64 {
        self.max_cycle_time_ns.get()
    }

    /// The number of stalls so far.
    #[must_use]
    pub fn stall_count(&self) -> u64 {
        self.stall_count.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::AgentKind;

    const fn at(ns: u64) -> NanoTime {
        NanoTime::new(ns)
    }

    /// Proves [TP-RT-0810].
    #[test]
    fn a_gap_at_the_threshold_is_reported_once() {
        let mut counters = CounterSet::new(AgentKind::Driver, 0, "Driver");
        let mut tracker = DutyCycleTracker::counted(100, &mut counters);
        assert_eq!(
            tracker.on_cycle(at(1_000)),
            None,
            "the first cycle has no gap"
        );
        assert_eq!(tracker.on_cycle(at(1_099)), None);
        assert_eq!(tracker.on_cycle(at(1_199)), Some(100));
        assert_eq!(tracker.on_cycle(at(1_200)), None);
        assert_eq!(counters.value_of("MaxCycleTimeNs"), Some(100));
        assert_eq!(counters.value_of("CycleStalls"), Some(1));
    }

    /// Proves [TP-RT-0820].
    #[test]
    fn time_going_back_is_no_gap() {
        let mut tracker = DutyCycleTracker::new(10);
        let _first = tracker.on_cycle(at(500));
        assert_eq!(tracker.on_cycle(at(5)), None);
        assert_eq!(tracker.on_cycle(at(14)), None);
        assert_eq!((tracker.max_cycle_time_ns(), tracker.stall_count()), (9, 0));
    }
}

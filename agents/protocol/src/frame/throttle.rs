//! At most so many frames a second: the local half of mode RATE_LIMITED (Wire v1.2 §11).
//!
//! Integers only. Frames become due on a grid of one period, so that the rate is kept on average
//! although frames come when they come; time in which none came is not made up for.

use tensorpool_codecs::types::NanoTime;

const SECOND_NS: u64 = 1_000_000_000;

/// Lets frames pass at a rate, and says which.
///
/// Within any time `t` no more than `t / period + 2` pass: one for each period that fits, one for
/// each end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    /// 0 without a limit.
    period_ns: u64,
    due: NanoTime,
}

impl Throttle {
    /// Of this rate in frames a second; 0 without a limit.
    #[must_use]
    pub const fn new(max_rate_hz: u16) -> Self {
        let mut throttle = Self {
            period_ns: 0,
            due: NanoTime::new(0),
        };
        throttle.set_rate(max_rate_hz);
        throttle
    }

    /// Another rate from now on; the same one changes nothing.
    pub const fn set_rate(&mut self, max_rate_hz: u16) {
        self.period_ns = match max_rate_hz {
            0 => 0,
            // Rounded up: rather a nanosecond too slow than a frame too many.
            rate => SECOND_NS.div_ceil(rate as u64),
        };
    }

    /// Whether there is a limit. Without one no clock needs to be read.
    #[inline]
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.period_ns != 0
    }

    /// Whether a frame that is there at `now` may pass; tell when it did. [TP-CLI-2210]
    #[inline]
    #[must_use]
    pub fn is_due(&self, now: NanoTime) -> bool {
        self.period_ns == 0 || now >= self.due
    }

    /// How many frames at most would have passed by `now` and did not come: one for each period
    /// since the first of them was due, none before any has passed.
    #[must_use]
    pub const fn missed(&self, now: NanoTime) -> u64 {
        if self.period_ns == 0 || self.due.get() == 0 || now.get() < self.due.get() {
            return 0;
        }
        (now.get() - self.due.get()) / self.period_ns
    }

    /// A frame that was there at `now`, when one was due, has passed.
    #[inline]
    pub fn on_passed(&mut self, now: NanoTime) {
        let grid = if now.since_ns(self.due) < self.period_ns {
            self.due
        } else {
            now
        };
        self.due = grid.after_ns(self.period_ns);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    impl Throttle {
        fn admit(&mut self, now: NanoTime) -> bool {
            let due = self.is_due(now);
            if due {
                self.on_passed(now);
            }
            due
        }
    }

    fn passes(throttle: &mut Throttle, period_ns: u64, count: u64) -> usize {
        (0..count)
            .filter(|index| throttle.admit(NanoTime::new((index + 1) * period_ns)))
            .count()
    }

    /// Proves [TP-CLI-2210].
    #[test]
    fn thirty_of_a_thousand_frames_a_second_pass() {
        let mut throttle = Throttle::new(30);
        assert_eq!(passes(&mut throttle, MS, 10_000), 300);
    }

    #[test]
    fn a_rate_that_does_not_divide_the_frames_evenly_is_kept_on_average() {
        let mut throttle = Throttle::new(40);
        assert_eq!(
            passes(&mut throttle, 1_000 * MS / 60, 6_000),
            4_000,
            "two of three"
        );
    }

    #[test]
    fn frames_slower_than_the_limit_all_pass() {
        let mut throttle = Throttle::new(100);
        assert_eq!(passes(&mut throttle, 11 * MS, 500), 500);
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let mut throttle = Throttle::new(10);
        assert!(throttle.admit(NanoTime::new(100 * MS)));
        assert!(throttle.admit(NanoTime::new(5_000 * MS)));
        assert!(!throttle.admit(NanoTime::new(5_099 * MS)));
        assert!(throttle.admit(NanoTime::new(5_100 * MS)));
    }

    #[test]
    fn what_was_missed_is_a_frame_for_each_whole_period_since_one_was_due() {
        let mut throttle = Throttle::new(10);
        assert_eq!(throttle.missed(NanoTime::new(5_000 * MS)), 0, "none passed");
        assert!(throttle.admit(NanoTime::new(5_000 * MS)));
        for (now_ms, missed) in [(5_050, 0), (5_199, 0), (5_200, 1), (5_450, 3)] {
            assert_eq!(throttle.missed(NanoTime::new(now_ms * MS)), missed);
        }
        throttle.set_rate(0);
        assert_eq!(throttle.missed(NanoTime::new(9_000 * MS)), 0);
    }

    #[test]
    fn without_a_limit_everything_passes_and_a_limit_can_be_lifted() {
        let mut throttle = Throttle::new(0);
        assert!(!throttle.is_limited() && throttle.admit(NanoTime::new(0)));
        throttle.set_rate(1);
        assert!(throttle.is_limited() && throttle.admit(NanoTime::new(7)));
        assert!(!throttle.admit(NanoTime::new(8)));
        throttle.set_rate(0);
        assert!(throttle.admit(NanoTime::new(8)));
    }

    proptest! {
        /// Proves [TP-CLI-2210].
        #[test]
        fn no_stretch_of_time_holds_more_than_its_rate(
            rate in 1u16.., gaps in prop::collection::vec(0u64..200 * MS, 1..200),
            from in 0usize..200, len in 1usize..200,
        ) {
            let mut throttle = Throttle::new(rate);
            let mut now = 0;
            let mut passed = Vec::new();
            for gap in gaps {
                now += gap;
                if throttle.admit(NanoTime::new(now)) {
                    passed.push(now);
                }
            }
            let from = from % passed.len();
            let to = (from + len).min(passed.len()) - 1;
            let (count, time) = ((to - from + 1) as u64, passed[to] - passed[from]);
            prop_assert!(count <= time * u64::from(rate) / SECOND_NS + 2);
        }
    }
}

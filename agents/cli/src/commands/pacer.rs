//! When the next frame is due: for publishing at a rate, and for reading slowly.

use std::time::{Duration, Instant};

/// Gives every frame its intended time: `start + n / rate`, never drifting with what came before.
///
/// A producer that falls behind by more than a second starts a new grid, so that it does not send a burst.
pub(crate) struct Pacer {
    rate_hz: Option<f64>,
    grid_start: Option<Instant>,
    sent_on_grid: u64,
}

/// Behind by more than this, the old grid is given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(1);

impl Pacer {
    /// Paces at `rate_hz`, or not at all.
    pub(crate) fn new(rate_hz: Option<f64>) -> Self {
        Self {
            rate_hz,
            grid_start: None,
            sent_on_grid: 0,
        }
    }

    /// How long to wait at `now` until the next frame is due; zero when it is.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        let Some(rate_hz) = self.rate_hz else {
            return Duration::ZERO;
        };
        let start = *self.grid_start.get_or_insert(now);
        let offset = Duration::try_from_secs_f64(self.sent_on_grid as f64 / rate_hz);
        let Some(due) = offset.ok().and_then(|offset| start.checked_add(offset)) else {
            // Beyond what a clock can tell: never.
            return Duration::MAX;
        };
        if now.saturating_duration_since(due) > GIVE_UP_AFTER {
            self.grid_start = Some(now);
            self.sent_on_grid = 0;
            return Duration::ZERO;
        }
        due.saturating_duration_since(now)
    }

    /// Nothing can go out at the moment, and what is due meanwhile is not made up for: the grid begins
    /// anew with the next frame.
    pub(crate) fn pause(&mut self) {
        self.grid_start = None;
        self.sent_on_grid = 0;
    }

    /// A frame went out.
    pub(crate) fn sent(&mut self) {
        self.sent_on_grid += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_due_on_a_grid_that_does_not_drift() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(100.0));
        assert_eq!(pacer.wait(start), Duration::ZERO);
        pacer.sent();
        // The first frame took 4 ms: the second is due 10 ms after the start all the same.
        assert_eq!(
            pacer.wait(start + Duration::from_millis(4)),
            Duration::from_millis(6)
        );
        assert_eq!(
            pacer.wait(start + Duration::from_millis(12)),
            Duration::ZERO
        );
        pacer.sent();
        assert_eq!(
            pacer.wait(start + Duration::from_millis(12)),
            Duration::from_millis(8)
        );
    }

    #[test]
    fn a_producer_that_was_stopped_does_not_catch_up_in_a_burst() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(1000.0));
        assert_eq!(pacer.wait(start), Duration::ZERO);
        pacer.sent();
        let late = start + Duration::from_secs(5);
        assert_eq!(pacer.wait(late), Duration::ZERO);
        pacer.sent();
        assert_eq!(pacer.wait(late), Duration::from_millis(1));
    }

    #[test]
    fn a_pause_however_short_is_not_made_up_for() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Some(1000.0));
        assert_eq!(pacer.wait(start), Duration::ZERO);
        pacer.sent();
        pacer.pause();
        let late = start + Duration::from_millis(500);
        assert_eq!(pacer.wait(late), Duration::ZERO);
        pacer.sent();
        assert_eq!(pacer.wait(late), Duration::from_millis(1));
    }

    #[test]
    fn a_frame_that_is_due_beyond_all_clocks_is_waited_for_and_nothing_worse() {
        let now = Instant::now();
        for rate_hz in [f64::MIN_POSITIVE, 1e-300, 1e-19, f64::NAN] {
            let mut pacer = Pacer::new(Some(rate_hz));
            pacer.sent();
            assert_eq!(pacer.wait(now), Duration::MAX, "{rate_hz}");
        }
    }

    #[test]
    fn without_a_rate_every_frame_is_due_at_once() {
        let mut pacer = Pacer::new(None);
        pacer.sent();
        assert_eq!(pacer.wait(Instant::now()), Duration::ZERO);
    }
}

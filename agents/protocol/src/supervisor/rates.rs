//! Rates and losses from reports that come about once a second and may begin anew.

use tensorpool_codecs::types::{Epoch, NanoTime, Seq};

/// Time over which a rate is taken, at least: fast consumers report every few milliseconds.
const WINDOW_NS: u64 = 500_000_000;

/// Where somebody stood when it reported last, and how fast it was getting there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Progress {
    pub(super) epoch: Epoch,
    pub(super) seq: Seq,
    pub(super) rate_hz: f64,
    base: Seq,
    base_at: NanoTime,
}

impl Progress {
    /// The progress after a report; a rate needs two of one epoch, half a second apart.
    /// [TP-DRV-2510]
    pub(super) fn next(last: Option<Self>, now: NanoTime, epoch: Epoch, seq: Seq) -> Self {
        let Some(last) = last.filter(|last| last.epoch == epoch && last.seq <= seq) else {
            return Self {
                epoch,
                seq,
                rate_hz: 0.0,
                base: seq,
                base_at: now,
            };
        };
        let elapsed_ns = now.since_ns(last.base_at);
        if elapsed_ns < WINDOW_NS {
            return Self { seq, ..last };
        }
        let frames = seq.get() - last.base.get();
        Self {
            epoch,
            seq,
            rate_hz: frames as f64 * 1e9 / elapsed_ns as f64,
            base: seq,
            base_at: now,
        }
    }
}

/// A count somebody else keeps, and begins anew when it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ForeignCount {
    last: u64,
    pub(super) total: u64,
}

impl ForeignCount {
    /// What was added since the last report. A count below the last one has begun anew.
    /// [TP-DRV-2540]
    pub(super) fn advance(&mut self, reported: u64) -> u64 {
        let added = if reported >= self.last {
            reported - self.last
        } else {
            reported
        };
        self.last = reported;
        self.total = self.total.saturating_add(added);
        added
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_two_reports_of_one_epoch() {
        let (epoch, second) = (Epoch::new(5), 1_000_000_000);
        let at = |n: u64| NanoTime::new(n * second);
        let first = Progress::next(None, at(1), epoch, Seq::new(100));
        assert_eq!(first.rate_hz, 0.0);
        let next = Progress::next(Some(first), at(3), epoch, Seq::new(160));
        assert_eq!(next.rate_hz, 30.0);
        let soon = Progress::next(Some(next), at(3).after_ns(2), epoch, Seq::new(161));
        assert_eq!((soon.rate_hz, soon.seq), (30.0, Seq::new(161)));
        let later = Progress::next(Some(soon), at(4), epoch, Seq::new(170));
        assert_eq!(
            later.rate_hz, 10.0,
            "since the last rate, not the last report"
        );
        let begun_anew = Progress::next(Some(next), at(4), Epoch::new(6), Seq::new(170));
        assert_eq!(begun_anew.rate_hz, 0.0);
        let went_back = Progress::next(Some(next), at(4), epoch, Seq::new(3));
        assert_eq!(went_back.rate_hz, 0.0);
    }
}

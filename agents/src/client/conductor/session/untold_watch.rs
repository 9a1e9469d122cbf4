//! A producer's last frame that nobody could be told of: what consumers learn from descriptors is
//! said by reports then, sooner than once a second.

use std::sync::Arc;

use tensorpool_codecs::types::NanoTime;

use crate::client::producer::untold::Untold;

/// A frame that is held up for so long is reported; the handle may get its descriptor out until then.
const UNTOLD_NS: u64 = 5_000_000;
/// Consumers look for what a report told of when the next one comes.
const REPORTS: u32 = 2;

#[derive(Clone, Copy, Debug)]
struct HeldUp {
    next_seq: u64,
    since: NanoTime,
    reports: u32,
}

/// When to report for the sake of the last frame.
#[derive(Debug)]
pub(crate) struct UntoldWatch {
    untold: Arc<Untold>,
    held_up: Option<HeldUp>,
}

impl UntoldWatch {
    pub(crate) fn new(untold: Arc<Untold>) -> Self {
        Self {
            untold,
            held_up: None,
        }
    }

    /// Whether a report is due; `next_seq` is what it will say. True [`REPORTS`] times per frame.
    pub(super) fn is_report_due(&mut self, now: NanoTime, next_seq: u64) -> bool {
        if !self.untold.is_before(next_seq) {
            self.held_up = None;
            return false;
        }
        let held_up = match &mut self.held_up {
            Some(held_up) if held_up.next_seq == next_seq => held_up,
            other => other.insert(HeldUp {
                next_seq,
                since: now,
                reports: 0,
            }),
        };
        if held_up.reports >= REPORTS || now.since_ns(held_up.since) < UNTOLD_NS {
            return false;
        }
        held_up.since = now;
        held_up.reports += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_last_frame_that_is_held_up_is_reported_twice_and_a_told_one_never() {
        let untold = Arc::new(Untold::default());
        let mut watch = UntoldWatch::new(Arc::clone(&untold));
        let mut due_at = |next_seq| {
            let due = |&ms: &u64| watch.is_report_due(NanoTime::new(ms * MS), next_seq);
            (0..100).filter(due).collect::<Vec<_>>()
        };
        assert_eq!(due_at(0), [0; 0], "nothing was published");
        assert_eq!(due_at(7), [0; 0], "all were told of");
        untold.set(7);
        assert_eq!(due_at(7), [5, 10]);
        assert_eq!(due_at(7), [0; 0], "not again");
        assert_eq!(due_at(8), [0; 0], "another one followed");
        untold.set(9);
        assert_eq!(due_at(9), [5, 10]);
        untold.clear();
        assert_eq!(due_at(9), [0; 0]);
    }
}

//! What is said while an input stalls in the middle of a frame: the loop that else says how it goes waits
//! for the rest.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use serde_json::json;

use crate::commands::session::ProgressTimer;
use crate::report::Reporter;

/// How far the publisher had come when it began to read.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    frames: u64,
    bytes: u64,
    consumers: usize,
}

/// The progress of a publisher, when it is due, whoever waits. One thread.
pub(super) struct Stall {
    report: Rc<Reporter>,
    timer: RefCell<ProgressTimer>,
    /// None before the first frame: waiting for an input to begin is no stall.
    standing: Cell<Option<Standing>>,
}

impl Stall {
    pub(super) fn new(report: Rc<Reporter>) -> Self {
        Self {
            report,
            timer: RefCell::new(ProgressTimer::new()),
            standing: Cell::new(None),
        }
    }

    /// Whether progress is due; the next is, an interval later.
    pub(super) fn is_due_at(&self, now: Instant) -> bool {
        self.timer.borrow_mut().is_due_at(now)
    }

    /// A frame is going to be read.
    pub(super) fn begin_frame(&self, frames: u64, bytes: u64, consumers: usize) {
        self.standing.set(Some(Standing {
            frames,
            bytes,
            consumers,
        }));
    }

    /// Nothing came for a moment: says how it goes, if that is due.
    pub(super) fn on_wait(&self) {
        let Some(Standing {
            frames,
            bytes,
            consumers,
        }) = self.standing.get()
        else {
            return;
        };
        if !self.is_due_at(Instant::now()) {
            return;
        }
        self.report.progress(
            &format!("{frames} frames, 0 frames/s, waiting for the rest of a frame"),
            json!({
                "frames": frames,
                "bytes": bytes,
                "frames_per_s": 0.0,
                "bytes_per_s": 0.0,
                "consumers": consumers,
                "waiting_for": "input",
            }),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_line_is_due_once_an_interval_whoever_asks_and_not_before_the_first_frame() {
        let stall = Stall::new(Rc::new(Reporter::new(false, true)));
        let later = Instant::now() + Duration::from_secs(60);
        stall.on_wait();
        assert!(stall.is_due_at(later), "nobody had anything to say");
        stall.begin_frame(1, 2, 3);
        assert!(!stall.is_due_at(later), "said just now");
    }
}

//! What a runner's thread is doing right now, for whoever waits for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use parking_lot::Mutex;

/// The stage a runner's thread has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// The factory builds the agent.
    Building = 0,
    /// The agent is in `on_start`.
    Starting = 1,
    /// The agent runs its duty cycle.
    Working = 2,
    /// The agent is in `on_close`, or being dropped.
    Closing = 3,
    /// The thread is over.
    Done = 4,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Building => "being built",
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Closing => "closing",
            Self::Done => "done",
        })
    }
}

const NO_PART: usize = usize::MAX;

/// A handle on a thread's progress. The thread writes with relaxed stores; observers on other
/// threads read.
#[derive(Clone, Debug)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    phase: AtomicU8,
    part: AtomicUsize,
    part_names: Mutex<Vec<String>>,
}

impl Progress {
    /// Progress of a thread that is about to build its agent.
    #[must_use]
    pub fn new() -> Self {
        let part_names = Mutex::new(Vec::new());
        let phase = AtomicU8::new(Phase::Building as u8);
        Self {
            shared: Arc::new(Shared {
                phase,
                part: AtomicUsize::new(NO_PART),
                part_names,
            }),
        }
    }

    /// The stage reached.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.shared.phase.load(Ordering::Acquire) {
            0 => Phase::Building,
            1 => Phase::Starting,
            2 => Phase::Working,
            3 => Phase::Closing,
            _ => Phase::Done,
        }
    }

    /// The child of a composite agent that was entered last, while it has not returned.
    /// [TP-RT-0370]
    #[must_use]
    pub fn current_part(&self) -> Option<String> {
        let part = self.shared.part.load(Ordering::Relaxed);
        self.shared.part_names.lock().get(part).cloned()
    }

    pub(crate) fn enter_phase(&self, phase: Phase) {
        self.shared.phase.store(phase as u8, Ordering::Release);
    }

    /// Makes names for parts known and returns the number of the first.
    pub(crate) fn register_parts(&self, names: impl Iterator<Item = String>) -> usize {
        let mut known = self.shared.part_names.lock();
        let first = known.len();
        known.extend(names);
        first
    }

    pub(crate) fn enter_part(&self, part: usize) {
        self.shared.part.store(part, Ordering::Relaxed);
    }

    pub(crate) fn leave_parts(&self) {
        self.shared.part.store(NO_PART, Ordering::Relaxed);
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_and_parts_are_seen_through_any_handle() {
        let progress = Progress::new();
        let observer = progress.clone();
        assert_eq!(observer.phase(), Phase::Building);
        assert_eq!(observer.current_part(), None);
        let first = progress.register_parts(["a".to_owned(), "b".to_owned()].into_iter());
        progress.enter_phase(Phase::Closing);
        progress.enter_part(first + 1);
        assert_eq!(observer.phase(), Phase::Closing);
        assert_eq!(observer.current_part().as_deref(), Some("b"));
        progress.leave_parts();
        assert_eq!(observer.current_part(), None);
    }
}

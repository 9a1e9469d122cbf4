//! How an agent fails, and where faults are noted: one entry per distinct fault, however often it
//! recurs.
//!
//! Errors a peer caused are not here: they are answered and counted by the protocol. A broken
//! invariant of our own is a panic.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use tensorpool_codecs::types::NanoTime;

/// What an agent's start, work or close can end with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Something went wrong; the agent can be called again. Noted in the error log and counted.
    #[error("{code}: {source}")]
    Fault {
        /// Names the place and kind of fault; stable, lower case with dashes.
        code: &'static str,
        /// What happened.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The agent is done, for good or ill, and wants to be closed.
    #[error("{code}: {source}")]
    Terminate {
        /// Names the reason; stable, lower case with dashes.
        code: &'static str,
        /// What happened.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl AgentError {
    /// A fault that is noted and survived.
    pub fn fault(code: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Fault {
            code,
            source: source.into(),
        }
    }

    /// An end that is asked for.
    pub fn terminate(code: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Terminate {
            code,
            source: source.into(),
        }
    }

    /// Whether the agent is to be closed.
    #[must_use]
    pub fn is_terminate(&self) -> bool {
        matches!(self, Self::Terminate { .. })
    }

    /// The stable name of the error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Fault { code, .. } | Self::Terminate { code, .. } => code,
        }
    }
}

/// One distinct fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorObservation {
    /// What was said, cut to [`DistinctErrorLog::MAX_TEXT_LEN`] bytes.
    pub text: String,
    /// How often.
    pub count: u64,
    /// When first.
    pub first_seen: NanoTime,
    /// When last.
    pub last_seen: NanoTime,
}

/// Distinct faults with count and first and last time, bounded in number and size.
///
/// Clones are handles on the same log. Recording takes a lock, so it belongs on the failure path
/// only; recording a fault that is already known allocates nothing.
#[derive(Clone, Debug)]
pub struct DistinctErrorLog {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    observations: Vec<ErrorObservation>,
    capacity: usize,
    overflow_count: u64,
    total_count: u64,
    scratch: String,
}

impl DistinctErrorLog {
    /// The longest text kept, in bytes.
    pub const MAX_TEXT_LEN: usize = 512;

    /// A log for at most `capacity` distinct faults; more are only counted.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let inner = Inner {
            observations: Vec::with_capacity(capacity),
            capacity,
            overflow_count: 0,
            total_count: 0,
            scratch: String::with_capacity(Self::MAX_TEXT_LEN),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// Notes a fault seen at `at`. Returns true the first time this text is seen, so that a caller
    /// may print it once.
    pub fn record(&self, at: NanoTime, error: &dyn fmt::Display) -> bool {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.total_count += 1;
        inner.scratch.clear();
        // A full buffer answers with an error to stop the formatting: the text is cut there on
        // purpose.
        // [TP-RT-0130]
        let _cut = write!(
            Bounded {
                text: &mut inner.scratch,
                limit: Self::MAX_TEXT_LEN
            },
            "{error}"
        );
        // [TP-RT-0110]
        let known = inner
            .observations
            .iter_mut()
            .find(|known| known.text == inner.scratch);
        if let Some(known) = known {
            known.count += 1;
            known.last_seen = at;
            return false;
        }
        // [TP-RT-0120]
        if inner.observations.len() == inner.capacity {
            inner.overflow_count += 1;
            return false;
        }
        let text = inner.scratch.clone();
        inner.observations.push(ErrorObservation {
            text,
            count: 1,
            first_seen: at,
            last_seen: at,
        });
        true
    }

    /// A copy of all distinct faults, oldest first.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ErrorObservation> {
        self.inner.lock().observations.clone()
    }

    /// How many faults were recorded in all.
    #[must_use]
    pub fn total_count(&self) -> u64 {
        self.inner.lock().total_count
    }

    /// How many faults found the log full and are in no observation.
    #[must_use]
    pub fn overflow_count(&self) -> u64 {
        self.inner.lock().overflow_count
    }
}

impl Default for DistinctErrorLog {
    fn default() -> Self {
        Self::new(128)
    }
}

struct Bounded<'a> {
    text: &'a mut String,
    limit: usize,
}

impl fmt::Write for Bounded<'_> {
    // [TP-RT-0130]
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = self.limit - self.text.len();
        let fitting = part.floor_char_boundary(room);
        self.text.push_str(&part[..fitting]);
        if fitting == part.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ns: u64) -> NanoTime {
        NanoTime::new(ns)
    }

    /// Proves [TP-RT-0110].
    #[test]
    fn a_recurring_fault_is_one_entry_with_first_and_last_time() {
        let log = DistinctErrorLog::new(4);
        assert!(log.record(at(10), &"disk full"));
        assert!(!log.record(at(20), &"disk full"));
        assert!(log.record(at(30), &"other"));
        let snapshot = log.snapshot();
        assert_eq!(snapshot.len(), 2);
        assert_eq!(snapshot[0].count, 2);
        assert_eq!(
            (snapshot[0].first_seen, snapshot[0].last_seen),
            (at(10), at(20))
        );
        assert_eq!(log.total_count(), 3);
    }

    /// Proves [TP-RT-0120].
    #[test]
    fn a_full_log_counts_what_it_cannot_hold_and_still_updates_what_it_knows() {
        let log = DistinctErrorLog::new(1);
        log.record(at(1), &"a");
        log.record(at(2), &"b");
        log.record(at(3), &"a");
        assert_eq!(log.snapshot().len(), 1);
        assert_eq!(log.snapshot()[0].count, 2);
        assert_eq!(log.overflow_count(), 1);
    }

    /// Proves [TP-RT-0130].
    #[test]
    fn long_texts_are_cut_at_a_character_and_stay_one_entry() {
        let log = DistinctErrorLog::new(2);
        let long = format!("x{}", "é".repeat(1_000));
        log.record(at(1), &long);
        log.record(at(2), &long);
        let snapshot = log.snapshot();
        assert_eq!(snapshot.len(), 1);
        assert_eq!(snapshot[0].text.len(), 511);
    }

    #[test]
    fn handles_share_one_log() {
        let log = DistinctErrorLog::default();
        let other = log.clone();
        other.record(at(1), &AgentError::fault("region-create", "no space"));
        assert_eq!(log.snapshot()[0].text, "region-create: no space");
    }

    #[test]
    fn tiers_are_told_apart() {
        assert!(AgentError::terminate("done", "end of input").is_terminate());
        let fault = AgentError::fault("poll", std::io::Error::other("gone"));
        assert!(!fault.is_terminate());
        assert_eq!(fault.code(), "poll");
        assert_eq!(fault.to_string(), "poll: gone");
    }
}

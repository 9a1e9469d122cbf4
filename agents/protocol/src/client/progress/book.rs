//! What a producer has told of the frames it is writing, and what is due.

use tensorpool_codecs::types::{NanoTime, Seq};
use thiserror::Error;

use super::{ProgressLimits, ProgressState};

/// Messages of frames under way that may follow each other without a pause.
const BURST: u32 = 8;

/// A report that cannot be true. Nothing was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProgressError {
    /// More than the payload holds.
    #[error("{found} bytes of frame {seq} are reported as filled, its payload has {len}")]
    BeyondPayload {
        /// The frame.
        seq: Seq,
        /// Bytes of its payload.
        len: u64,
        /// Bytes reported.
        found: u64,
    },
    /// Less than was reported before.
    #[error("{found} bytes of frame {seq} are reported as filled, after {before}")]
    Backwards {
        /// The frame.
        seq: Seq,
        /// Bytes reported before.
        before: u64,
        /// Bytes reported now.
        found: u64,
    },
    /// The frame is not being written.
    #[error(
        "frame {seq} is not being written by this producer: report progress between its claim and its commit"
    )]
    NotOpen {
        /// The frame.
        seq: Seq,
    },
}

/// What is to be told of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgressReport {
    /// The frame.
    pub seq: Seq,
    /// Bytes in place.
    pub bytes_filled: u64,
    /// Of them, those that were told before.
    pub told_before: u64,
    /// How far it is.
    pub state: ProgressState,
}

/// What a report of the application comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// This is to be told now; [`ProgressBook::on_sent`] once it was.
    Due(ProgressReport),
    /// It is too early to tell anybody.
    Early,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Not written, or nothing is known of it.
    #[default]
    Closed,
    /// Being written; nobody was told.
    Open,
    /// Being written, and STARTED was told.
    Started,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    seq: u64,
    phase: Phase,
    len: u64,
    /// Bytes of a row or column; 0 when the tensor counts neither.
    unit_bytes: u32,
    /// What the application reported last.
    filled: u64,
    /// What was told last, and when.
    told: u64,
    told_at: NanoTime,
}

/// The frames of one epoch that are being written. One entry per slot; allocates once.
///
/// An application reports as often as it likes; [`ProgressBook::report`] says what is due, and
/// [`ProgressBook::on_sent`] is told that it went out. What did not go out is due again.
#[derive(Clone, Debug)]
pub struct ProgressBook {
    entries: Box<[Entry]>,
    /// When the next message of a frame under way would be on time; earlier by up to a burst.
    paid_until: NanoTime,
}

impl ProgressBook {
    /// Of a ring with so many slots, a power of two.
    #[must_use]
    pub fn new(slot_count: u32) -> Self {
        Self {
            entries: vec![Entry::default(); slot_count.max(1) as usize].into_boxed_slice(),
            paid_until: NanoTime::new(0),
        }
    }

    /// A slot was claimed for frame `seq` of `len` bytes, whose rows or columns, if it counts them,
    /// take `unit_bytes` each.
    #[inline]
    pub fn on_claimed(&mut self, seq: Seq, len: u64, unit_bytes: u32) {
        *self.entry(seq) = Entry {
            seq: seq.get(),
            phase: Phase::Open,
            len,
            unit_bytes,
            ..Entry::default()
        };
    }

    /// The application has filled the first `filled` bytes of a frame. What is to be told of it, if
    /// anything: STARTED first, then PROGRESS when one of the limits has passed since the last
    /// message, in the mean at most one per interval.
    ///
    /// # Errors
    /// When that is more than its payload, or less than before.
    #[inline]
    pub fn report(
        &mut self,
        now: NanoTime,
        seq: Seq,
        filled: u64,
        limits: &ProgressLimits,
    ) -> Result<Report, ProgressError> {
        self.note(seq, filled)?;
        let earliest = self.earliest(limits);
        let entry = self.entry(seq);
        let told_before = entry.told;
        let report = |state| {
            Report::Due(ProgressReport {
                seq,
                bytes_filled: filled,
                told_before,
                state,
            })
        };
        // [TP-CLI-2525], [TP-CLI-2535]
        Ok(match entry.phase {
            Phase::Open => report(ProgressState::Started),
            Phase::Started if entry.is_due(now, limits) && now >= earliest => {
                report(ProgressState::Progress)
            }
            Phase::Started | Phase::Closed => Report::Early,
        })
    }

    /// As [`ProgressBook::report`], while nobody is to be told.
    ///
    /// # Errors
    /// The same.
    #[inline]
    pub fn note(&mut self, seq: Seq, filled: u64) -> Result<(), ProgressError> {
        let entry = self.entry(seq);
        entry.check(seq, filled)?;
        entry.filled = filled;
        Ok(())
    }

    /// What [`ProgressBook::report`] gave went out.
    #[inline]
    pub fn on_sent(&mut self, now: NanoTime, report: &ProgressReport, limits: &ProgressLimits) {
        if report.state == ProgressState::Progress {
            self.paid_until = now.max(self.paid_until).after_ns(limits.interval_ns);
        }
        let entry = self.entry(report.seq);
        if entry.seq == report.seq.get() {
            entry.phase = Phase::Started;
            entry.told = report.bytes_filled;
            entry.told_at = now;
        }
    }

    /// A frame is about to be committed with this length; it may still become visible later.
    #[inline]
    pub fn on_committed(&mut self, seq: Seq, len: u64) {
        let entry = self.entry(seq);
        if entry.seq == seq.get() {
            entry.len = len;
        }
    }

    /// A frame became visible: what is to be told of it, once, if it was ever told of.
    /// [TP-CLI-2550]
    #[inline]
    pub fn on_visible(&mut self, seq: Seq) -> Option<ProgressReport> {
        let entry = self.entry(seq);
        if entry.seq != seq.get() {
            return None;
        }
        let was_told = core::mem::take(&mut entry.phase) == Phase::Started;
        was_told.then_some(ProgressReport {
            seq,
            bytes_filled: entry.len,
            told_before: entry.told,
            state: ProgressState::Complete,
        })
    }

    /// Before this the burst is used up.
    fn earliest(&self, limits: &ProgressLimits) -> NanoTime {
        let burst_ns = limits.interval_ns.saturating_mul(u64::from(BURST - 1));
        NanoTime::new(self.paid_until.get().saturating_sub(burst_ns))
    }

    #[inline]
    fn entry(&mut self, seq: Seq) -> &mut Entry {
        let index = seq.slot_index(self.entries.len() as u32) as usize;
        &mut self.entries[index]
    }
}

impl Entry {
    /// [TP-CLI-2540], [TP-CLI-2545]
    #[inline]
    fn check(&self, seq: Seq, found: u64) -> Result<(), ProgressError> {
        if self.seq != seq.get() || self.phase == Phase::Closed {
            return Err(ProgressError::NotOpen { seq });
        }
        if found > self.len {
            let len = self.len;
            return Err(ProgressError::BeyondPayload { seq, len, found });
        }
        if found < self.filled {
            let before = self.filled;
            return Err(ProgressError::Backwards { seq, before, found });
        }
        Ok(())
    }

    /// [TP-CLI-2530]
    #[inline]
    fn is_due(&self, now: NanoTime, limits: &ProgressLimits) -> bool {
        let further = self.filled - self.told;
        let units_due = limits.major_units.is_some_and(|units| {
            let unit_bytes = u64::from(self.unit_bytes);
            unit_bytes != 0 && self.filled / unit_bytes - self.told / unit_bytes >= units.into()
        });
        let time_due = now.since_ns(self.told_at) >= limits.interval_ns;
        further > 0 && (time_due || further >= limits.bytes || units_due)
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;

//! When a QosProducer, QosConsumer or ConsumerHello is due: once a second, at once after mapping,
//! and for consumers also when they have got on, so that a lossless producer is released quickly.

use tensorpool_codecs::types::{NanoTime, Seq};

/// Pause between reports when nothing happens.
pub const REPORT_PERIOD_NS: u64 = 1_000_000_000;

/// Shortest pause between two reports that only say "caught up".
pub const CAUGHT_UP_PERIOD_NS: u64 = 2_000_000;

/// A report that is due once per period and whenever it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    period_ns: u64,
    due_at: Option<NanoTime>,
}

impl Cadence {
    /// Silent until [`Cadence::start`].
    #[must_use]
    pub const fn new(period_ns: u64) -> Self {
        Self {
            period_ns,
            due_at: None,
        }
    }

    /// Due now, and from then on every period.
    pub const fn start(&mut self, now: NanoTime) {
        self.due_at = Some(now);
    }

    /// Not due any more.
    pub const fn stop(&mut self) {
        self.due_at = None;
    }

    /// Whether it is due; it stays due until [`Cadence::on_sent`].
    /// [TP-CLI-1610] [TP-CLI-1640]
    #[must_use]
    pub fn is_due(&self, now: NanoTime) -> bool {
        self.due_at.is_some_and(|at| now >= at)
    }

    /// It went out.
    /// [TP-CLI-1610] [TP-CLI-1640]
    pub const fn on_sent(&mut self, now: NanoTime) {
        if self.due_at.is_some() {
            self.due_at = Some(now.after_ns(self.period_ns));
        }
    }

    /// When it is due next.
    #[must_use]
    pub const fn next_deadline(&self) -> Option<NanoTime> {
        self.due_at
    }
}

/// What a consumer's data path says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerProgress {
    /// The last frame it is done with; `None` before the first.
    pub last_seq: Option<Seq>,
    /// Whether its last poll found nothing more.
    pub idle: bool,
}

/// When a consumer reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerReporter {
    cadence: Cadence,
    quarter_ring: u64,
    reported: Option<Seq>,
    sent_at: NanoTime,
    /// "Frame 0 is done" reads like "nothing yet" and is said twice.
    repeats_zero: bool,
}

impl ConsumerReporter {
    /// Silent until something is mapped.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            cadence: Cadence::new(REPORT_PERIOD_NS),
            quarter_ring: 1,
            reported: None,
            sent_at: NanoTime::new(0),
            repeats_zero: false,
        }
    }

    /// An epoch with `slot_count` slots was mapped: report at once.
    pub fn on_mapped(&mut self, now: NanoTime, slot_count: u32) {
        // [TP-CLI-1640]
        self.cadence.start(now);
        // [TP-CLI-1670]
        self.quarter_ring = u64::from(slot_count / 4).max(1);
        self.reported = None;
        self.repeats_zero = false;
    }

    /// The mapping is gone; reports with epoch 0 go on, so that the consumer is not forgotten.
    pub fn on_unmapped(&mut self, now: NanoTime) {
        // [TP-CLI-1700]
        self.cadence.start(now);
        self.reported = None;
    }

    /// The link is back after a loss: whoever waits for us hears it at once.
    /// [TP-CLI-1700]
    pub const fn on_link_up(&mut self, now: NanoTime) {
        if self.cadence.next_deadline().is_some() {
            self.cadence.start(now);
        }
    }

    /// Whether a report is due: the period is over, a quarter of the ring was consumed since the
    /// last one, or the consumer caught up with the producer.
    #[must_use]
    pub fn is_due(&self, now: NanoTime, progress: ConsumerProgress) -> bool {
        if self.cadence.is_due(now) {
            return true;
        }
        let Some(last) = progress
            .last_seq
            .filter(|_| self.cadence.next_deadline().is_some())
        else {
            return false;
        };
        // [TP-CLI-1670]
        let advanced = match self.reported {
            Some(reported) => last.get().saturating_sub(reported.get()),
            None => last.get() + 1,
        };
        // [TP-CLI-1680]
        let caught_up = progress.idle && now.since_ns(self.sent_at) >= CAUGHT_UP_PERIOD_NS;
        advanced >= self.quarter_ring || ((advanced > 0 || self.repeats_zero) && caught_up)
    }

    /// A report with this progress went out.
    pub fn on_sent(&mut self, now: NanoTime, progress: ConsumerProgress) {
        self.cadence.on_sent(now);
        self.sent_at = now;
        // [TP-CLI-1690]
        let zero = Some(Seq::new(0));
        self.repeats_zero = progress.last_seq == zero && self.reported != zero;
        self.reported = progress.last_seq;
    }
}

impl Default for ConsumerReporter {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> NanoTime {
        NanoTime::new(ms * MS)
    }

    fn done(seq: u64, idle: bool) -> ConsumerProgress {
        ConsumerProgress {
            last_seq: Some(Seq::new(seq)),
            idle,
        }
    }

    const NOTHING: ConsumerProgress = ConsumerProgress {
        last_seq: None,
        idle: true,
    };

    /// Proves [TP-CLI-1640].
    #[test]
    fn a_cadence_is_due_at_once_and_then_every_period_until_sent() {
        let mut cadence = Cadence::new(REPORT_PERIOD_NS);
        assert!(!cadence.is_due(at(0)));
        cadence.start(at(5));
        assert!(
            cadence.is_due(at(5)) && cadence.is_due(at(900)),
            "due until it was sent"
        );
        cadence.on_sent(at(10));
        assert!(!cadence.is_due(at(1_009)) && cadence.is_due(at(1_010)));
        cadence.stop();
        cadence.on_sent(at(1_010));
        assert_eq!(cadence.next_deadline(), None);
    }

    /// Proves [TP-CLI-1640].
    #[test]
    fn a_consumer_reports_on_mapping_and_every_second() {
        let mut reporter = ConsumerReporter::new();
        assert!(!reporter.is_due(at(0), done(5, true)), "nothing is mapped");
        reporter.on_mapped(at(0), 64);
        assert!(reporter.is_due(at(0), NOTHING));
        reporter.on_sent(at(0), NOTHING);
        assert!(!reporter.is_due(at(999), NOTHING));
        assert!(reporter.is_due(at(1_000), NOTHING));
    }

    /// Proves [TP-CLI-1670].
    #[test]
    fn a_quarter_of_the_ring_is_reported_even_while_busy() {
        let mut reporter = ConsumerReporter::new();
        reporter.on_mapped(at(0), 64);
        reporter.on_sent(at(0), done(9, false));
        assert!(!reporter.is_due(at(1), done(24, false)));
        assert!(reporter.is_due(at(1), done(25, false)));
        let mut tiny = ConsumerReporter::new();
        tiny.on_mapped(at(0), 2);
        tiny.on_sent(at(0), NOTHING);
        assert!(
            tiny.is_due(at(0), done(0, false)),
            "a ring of two reports every frame"
        );
    }

    /// Proves [TP-CLI-1680], [TP-CLI-1690].
    #[test]
    fn catching_up_is_reported_but_not_too_often() {
        let mut reporter = ConsumerReporter::new();
        reporter.on_mapped(at(0), 1_024);
        reporter.on_sent(at(0), NOTHING);
        assert!(!reporter.is_due(at(1), done(0, true)));
        assert!(reporter.is_due(at(2), done(0, true)));
        assert!(!reporter.is_due(at(2), done(0, false)), "still busy");
        reporter.on_sent(at(2), done(0, true));
        assert!(!reporter.is_due(at(3), done(0, true)));
        assert!(
            reporter.is_due(at(4), done(0, true)),
            "frame 0 is reported twice"
        );
        reporter.on_sent(at(4), done(0, true));
        assert!(!reporter.is_due(at(10), done(0, true)), "nothing new");
    }

    /// Proves [TP-CLI-1700].
    #[test]
    fn the_links_return_is_reported_at_once_if_there_is_anything_to_report() {
        let mut reporter = ConsumerReporter::new();
        reporter.on_link_up(at(0));
        assert!(!reporter.is_due(at(0), NOTHING));
        reporter.on_mapped(at(0), 64);
        reporter.on_sent(at(0), NOTHING);
        reporter.on_link_up(at(10));
        assert!(reporter.is_due(at(10), NOTHING));
    }

    /// Proves [TP-CLI-1700].
    #[test]
    fn losing_the_mapping_is_reported_at_once() {
        let mut reporter = ConsumerReporter::new();
        reporter.on_mapped(at(0), 64);
        reporter.on_sent(at(0), done(3, true));
        reporter.on_unmapped(at(10));
        assert!(reporter.is_due(at(10), NOTHING));
    }
}

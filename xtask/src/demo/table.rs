//! The demo's result: a row for each consumer in each phase.

use std::fmt::Write as _;

use super::summary::{Received, Sent};

/// What one consumer got of what was sent.
pub(super) struct Row {
    pub(super) phase: &'static str,
    /// Counted from 1.
    pub(super) consumer: usize,
    pub(super) sent: Sent,
    pub(super) received: Received,
}

impl Row {
    /// What is wrong with it, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        let Self {
            phase,
            consumer,
            sent,
            received,
        } = self;
        let accounted_for = received.frames + received.dropped();
        let fault = if received.wrong > 0 {
            format!("{} torn or wrong frames", received.wrong)
        } else if received.frames == 0 {
            "no frame arrived".to_owned()
        } else if accounted_for != sent.frames {
            format!(
                "{} received and {} dropped are not {} sent",
                received.frames,
                received.dropped(),
                sent.frames
            )
        } else {
            return None;
        };
        Some(format!("{phase}, consumer {consumer}: {fault}"))
    }

    fn gigabytes_per_s(&self) -> f64 {
        if self.received.seconds > 0.0 {
            self.received.bytes as f64 / self.received.seconds / 1e9
        } else {
            0.0
        }
    }
}

/// The table, with a line end after each row.
pub(super) fn render(rows: &[Row]) -> String {
    let mut table = format!(
        "{:<12} {:>8} {:>10} {:>10} {:>7} {:>10} {:>10} {:>10} {:>5}\n",
        "phase", "consumer", "sent", "received", "GB/s", "dropped", "p50", "p99", "wrong"
    );
    for row in rows {
        let (p50, p99) = row.received.latency_ns.map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |latency| (microseconds(latency.p50), microseconds(latency.p99)),
        );
        _ = writeln!(
            table,
            "{:<12} {:>8} {:>10} {:>10} {:>7.2} {:>10} {p50:>10} {p99:>10} {:>5}",
            row.phase,
            row.consumer,
            row.sent.frames,
            row.received.frames,
            row.gigabytes_per_s(),
            row.received.dropped(),
            row.received.wrong,
        );
    }
    table
}

fn microseconds(latency_ns: u64) -> String {
    format!("{:.1} us", latency_ns as f64 / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::summary::Latency;

    fn row(sent: u64, frames: u64, dropped: u64, wrong: u64) -> Row {
        let received = Received {
            frames,
            bytes: 3_000_000_000,
            seconds: 2.0,
            drops: [("gap".to_owned(), dropped)].into(),
            latency_ns: Some(Latency {
                p50: 900,
                p99: 12_345,
            }),
            wrong,
        };
        Row {
            phase: "1 kHz",
            consumer: 2,
            sent: Sent { frames: sent },
            received,
        }
    }

    #[test]
    fn every_frame_has_to_be_accounted_for() {
        assert_eq!(row(100, 90, 10, 0).fault(), None);
        let lost = row(100, 90, 9, 0).fault().unwrap();
        assert_eq!(
            lost,
            "1 kHz, consumer 2: 90 received and 9 dropped are not 100 sent"
        );
    }

    #[test]
    fn torn_frame_and_silence_are_faults() {
        assert!(row(100, 100, 0, 1).fault().is_some());
        assert!(row(100, 0, 100, 0).fault().is_some());
    }

    #[test]
    fn table_shows_bandwidth_and_latency() {
        let table = render(&[row(100, 90, 10, 0)]);
        assert!(table.contains("1.50"), "{table}");
        assert!(table.contains("12.3 us"), "{table}");
    }
}

//! Frames, bytes, drops and latencies of a run, and their rates.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// Latencies above this are recorded as this.
const LATENCY_CEILING_NS: u64 = 60_000_000_000;

/// Percentiles of one-way latency, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LatencySummary {
    /// How many frames carried a publish time.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// The largest.
    pub max_ns: u64,
}

impl LatencySummary {
    fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            p50_ns: histogram.value_at_quantile(0.50),
            p99_ns: histogram.value_at_quantile(0.99),
            p999_ns: histogram.value_at_quantile(0.999),
            max_ns: histogram.max(),
        }
    }

    /// For JSON lines; null when nothing was measured.
    #[must_use]
    pub fn json(&self) -> Value {
        if self.count == 0 {
            return Value::Null;
        }
        json!({ "p50": self.p50_ns, "p99": self.p99_ns, "p99.9": self.p999_ns, "max": self.max_ns })
    }
}

/// What a run has moved so far.
///
/// Recording allocates nothing; one thread owns it.
pub struct Figures {
    started: Instant,
    frames: u64,
    bytes: u64,
    latency: Histogram<u64>,
    interval_latency: Histogram<u64>,
    age: Histogram<u64>,
    last_at: Instant,
    last_frames: u64,
    last_bytes: u64,
}

/// One progress interval.
#[derive(Debug, Clone, Copy)]
pub struct Interval {
    /// Frames since the start.
    pub frames: u64,
    /// Bytes since the start.
    pub bytes: u64,
    /// Frames per second in this interval.
    pub frames_per_s: f64,
    /// Bytes per second in this interval.
    pub bytes_per_s: f64,
    /// Latency in this interval.
    pub latency: LatencySummary,
}

impl Figures {
    /// Starts counting now.
    ///
    /// # Panics
    /// Never: the histogram's bounds are constants.
    #[must_use]
    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_CEILING_NS, 3)
            .expect("constant histogram bounds are valid");
        let now = Instant::now();
        Self {
            started: now,
            frames: 0,
            bytes: 0,
            interval_latency: histogram.clone(),
            age: histogram.clone(),
            latency: histogram,
            last_at: now,
            last_frames: 0,
            last_bytes: 0,
        }
    }

    /// Counts a frame of `bytes` bytes.
    pub fn frame(&mut self, bytes: usize) {
        if self.frames == 0 {
            // Rates are of the transfer, not of the wait for its first frame.
            let now = Instant::now();
            self.started = now;
            self.last_at = now;
        }
        self.frames += 1;
        self.bytes += bytes as u64;
    }

    /// Records the one-way latency of a frame.
    pub fn latency(&mut self, latency_ns: u64) {
        self.latency.saturating_record(latency_ns.max(1));
        self.interval_latency.saturating_record(latency_ns.max(1));
    }

    /// Records how long ago a frame was stamped. Stamps of another clock are off by days, and left
    /// out.
    pub fn age(&mut self, age_ns: u64) {
        if (1..LATENCY_CEILING_NS).contains(&age_ns) {
            self.age.saturating_record(age_ns);
        }
    }

    /// Age of the frames of the whole run.
    #[must_use]
    pub fn age_summary(&self) -> LatencySummary {
        LatencySummary::of(&self.age)
    }

    /// Frames so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Time since the first frame.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Latency of the whole run.
    #[must_use]
    pub fn latency_summary(&self) -> LatencySummary {
        LatencySummary::of(&self.latency)
    }

    /// Closes the current progress interval and starts the next.
    pub fn take_interval(&mut self) -> Interval {
        let now = Instant::now();
        let seconds = now.duration_since(self.last_at).as_secs_f64().max(1e-9);
        let interval = Interval {
            frames: self.frames,
            bytes: self.bytes,
            frames_per_s: (self.frames - self.last_frames) as f64 / seconds,
            bytes_per_s: (self.bytes - self.last_bytes) as f64 / seconds,
            latency: LatencySummary::of(&self.interval_latency),
        };
        self.interval_latency.reset();
        self.last_at = now;
        self.last_frames = self.frames;
        self.last_bytes = self.bytes;
        interval
    }
}

impl Default for Figures {
    fn default() -> Self {
        Self::new()
    }
}

/// 1 frame, 2 frames.
#[must_use]
pub fn count_text(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// What a whole run moved: `300 frames, 414720000 bytes in 5.003 s (82.9 MB/s)`. One frame alone
/// has no rate.
#[must_use]
pub fn moved_text(frames: u64, bytes: u64, elapsed: Duration) -> String {
    let moved = format!(
        "{}, {}",
        count_text(frames, "frame"),
        count_text(bytes, "byte")
    );
    if frames < 2 {
        return moved;
    }
    let seconds = elapsed.as_secs_f64();
    let rate = bandwidth_text(per_second(bytes, elapsed));
    format!("{moved} in {seconds:.3} s ({rate})")
}

/// How many a second; none when no time has passed.
#[must_use]
pub fn per_second(count: u64, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

/// 12.3 GB/s, 4.5 MB/s, 678 B/s.
#[must_use]
pub fn bandwidth_text(bytes_per_s: f64) -> String {
    match bytes_per_s {
        b if b >= 1e9 => format!("{:.2} GB/s", b / 1e9),
        b if b >= 1e6 => format!("{:.1} MB/s", b / 1e6),
        b if b >= 1e3 => format!("{:.1} kB/s", b / 1e3),
        b => format!("{b:.0} B/s"),
    }
}

/// 812 ns, 3.4 us, 1.20 ms, 2.5 s.
#[must_use]
pub fn nanos_text(nanos: u64) -> String {
    match nanos as f64 {
        n if n >= 1e9 => format!("{:.1} s", n / 1e9),
        n if n >= 1e6 => format!("{:.2} ms", n / 1e6),
        n if n >= 1e3 => format!("{:.1} us", n / 1e3),
        n => format!("{n:.0} ns"),
    }
}

/// `, latency p50 3.4 us p99 5.6 us max 1.20 ms`; empty when nothing was measured.
#[must_use]
pub fn latency_text(latency: &LatencySummary) -> String {
    percentiles_text("latency", latency)
}

/// As [`latency_text`], under another name.
#[must_use]
pub fn percentiles_text(name: &str, latency: &LatencySummary) -> String {
    if latency.count == 0 {
        return String::new();
    }
    format!(
        ", {name} p50 {} p99 {} max {}",
        nanos_text(latency.p50_ns),
        nanos_text(latency.p99_ns),
        nanos_text(latency.max_ns)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_count_only_what_came_since_the_last() {
        let mut figures = Figures::new();
        figures.frame(100);
        figures.frame(100);
        figures.latency(500);
        let first = figures.take_interval();
        assert_eq!(
            (first.frames, first.bytes, first.latency.count),
            (2, 200, 1)
        );
        let second = figures.take_interval();
        assert_eq!((second.frames, second.latency.count), (2, 0));
        assert!(second.frames_per_s.abs() < f64::EPSILON);
        assert_eq!(figures.latency_summary().count, 1);
    }

    #[test]
    fn ages_by_another_clock_are_left_out() {
        let mut figures = Figures::new();
        for age_ns in [0, 700, LATENCY_CEILING_NS, u64::MAX] {
            figures.age(age_ns);
        }
        let ages = figures.age_summary();
        assert_eq!((ages.count, ages.max_ns), (1, 700));
        assert_eq!(
            percentiles_text("age", &ages),
            ", age p50 700 ns p99 700 ns max 700 ns"
        );
    }

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!(
            moved_text(300, 4_500_000, Duration::from_secs(2)),
            "300 frames, 4500000 bytes in 2.000 s (2.2 MB/s)"
        );
        assert_eq!(
            moved_text(1, 7, Duration::from_nanos(1)),
            "1 frame, 7 bytes"
        );
        assert_eq!(moved_text(0, 0, Duration::ZERO), "0 frames, 0 bytes");
        assert_eq!(bandwidth_text(12.34e9), "12.34 GB/s");
        assert_eq!(bandwidth_text(4.5e6), "4.5 MB/s");
        assert_eq!(nanos_text(812), "812 ns");
        assert_eq!(nanos_text(3_400), "3.4 us");
        assert_eq!(nanos_text(1_200_000), "1.20 ms");
    }
}

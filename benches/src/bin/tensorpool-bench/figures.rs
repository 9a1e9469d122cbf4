//! What is said about many measured values: quartiles of samples, percentiles of delays.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;

/// Percentiles per halving of what is left, as HdrHistogram's own tools print them.
const TICKS_PER_HALF: u32 = 5;

/// The middle of samples, and how far they scatter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Quartiles {
    pub(crate) p25: f64,
    pub(crate) p50: f64,
    pub(crate) p75: f64,
}

impl Quartiles {
    /// `None` without samples.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        let last = samples.len().checked_sub(1)?;
        let at = |quarter: usize| samples[last * quarter / 4];
        Some(Self {
            p25: at(1),
            p50: at(2),
            p75: at(3),
        })
    }
}

/// Percentiles of delays, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
    pub(crate) max: u64,
    /// The whole distribution: percentile and delay, for plots.
    pub(crate) curve: Vec<(f64, u64)>,
}

/// Delays and how often each was seen.
pub(crate) struct Delays(Histogram<u64>);

impl Delays {
    /// `None` when nothing was recorded.
    pub(crate) fn of(counts: &[(u64, u64)]) -> Result<Option<Self>> {
        let mut histogram = Histogram::new(3)?;
        for &(delay_ns, count) in counts {
            histogram.record_n(delay_ns, count)?;
        }
        Ok((!histogram.is_empty()).then_some(Self(histogram)))
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile);
        let steps = self.0.iter_quantiles(TICKS_PER_HALF);
        Percentiles {
            count: self.0.len(),
            p50: at(0.5),
            p99: at(0.99),
            p99_9: at(0.999),
            max: self.0.max(),
            curve: steps
                .map(|step| {
                    (
                        step.quantile_iterated_to() * 100.0,
                        step.value_iterated_to(),
                    )
                })
                .collect(),
        }
    }

    /// As a file there, for HdrHistogram's plotter, under the name of the row.
    pub(crate) fn write(&self, dir: &Path, name: &str) -> Result<()> {
        std::fs::create_dir_all(dir)?;
        let file = dir.join(format!("{}.hgrm", name.replace('/', "-")));
        std::fs::write(&file, self.hgrm()).with_context(|| format!("{}", file.display()))
    }

    /// The text that HdrHistogram's plotter reads.
    fn hgrm(&self) -> String {
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        let mut total = 0;
        for step in self.0.iter_quantiles(TICKS_PER_HALF) {
            total += step.count_since_last_iteration();
            let (value, quantile) = (step.value_iterated_to(), step.quantile_iterated_to());
            let left = 1.0 - quantile;
            // Writing to a string cannot fail.
            let _done = match left > 0.0 {
                true => writeln!(
                    text,
                    "{value:>12} {quantile:>14.12} {total:>10} {:>14.2}",
                    1.0 / left
                ),
                false => writeln!(text, "{value:>12} {quantile:>14.12} {total:>10}"),
            };
        }
        let (mean, stdev) = (self.0.mean(), self.0.stdev());
        let (max, count) = (self.0.max(), self.0.len());
        let _done = write!(
            text,
            "#[Mean    = {mean:>12.3}, StdDeviation   = {stdev:>12.3}]\n\
             #[Max     = {max:>12}, Total count    = {count:>12}]\n"
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_samples_and_none_of_none() {
        let found = Quartiles::of([5.0, 1.0, 4.0, 2.0, 3.0]);
        let expected = Quartiles {
            p25: 2.0,
            p50: 3.0,
            p75: 4.0,
        };
        assert_eq!(found, Some(expected));
        assert_eq!(Quartiles::of([]), None);
    }

    #[test]
    fn delays_keep_their_tail() {
        let delays = Delays::of(&[(100, 990), (5_000, 9), (70_000, 1)]);
        let percentiles = delays.unwrap().expect("recorded").percentiles();
        assert_eq!((percentiles.count, percentiles.p50), (1_000, 100));
        assert_eq!(percentiles.p99, 100);
        assert!((4_990..=5_010).contains(&percentiles.p99_9));
        assert!((69_900..=70_100).contains(&percentiles.max));
        assert!(Delays::of(&[]).unwrap().is_none());
    }

    #[test]
    fn hgrm_is_what_plotters_read() {
        let text = Delays::of(&[(100, 3), (200, 1)])
            .unwrap()
            .expect("some")
            .hgrm();
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(
            header,
            ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
        );
        let last = text.lines().rfind(|line| !line.starts_with('#'));
        let last: Vec<&str> = last.unwrap().split_whitespace().collect();
        assert_eq!(last, ["200", "1.000000000000", "4"]);
        assert!(text.contains("Total count    =            4]"), "{text}");
    }
}

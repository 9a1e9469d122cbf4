//! Latencies of the steps, and how they are shown.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// One histogram for each kind of step, in nanoseconds up to a minute.
#[derive(Default)]
pub(crate) struct Latencies {
    steps: Vec<(Step, Histogram<u64>)>,
}

/// What is measured: from the call to the answer, mapping included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    ConsumerAttach,
    ConsumerDetach,
    ProducerAttach,
    ProducerDetach,
    CrowdAttach,
    CrowdDetach,
}

const MAX_NS: u64 = 60_000_000_000;
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

impl Latencies {
    pub(crate) fn record(&mut self, step: Step, took: Duration) {
        let found = self.steps.iter().position(|(of, _)| *of == step);
        let index = found.unwrap_or_else(|| {
            // The bounds are constants, and valid.
            let empty = Histogram::new_with_bounds(1, MAX_NS, 3).expect("valid bounds");
            self.steps.push((step, empty));
            self.steps.len() - 1
        });
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(MAX_NS);
        self.steps[index].1.saturating_record(took_ns.max(1));
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<18}{:>8}{:>11}{:>11}{:>11}{:>11}{:>11}",
            "milliseconds", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
        for (step, histogram) in &self.steps {
            write!(f, "{:<18}{:>8}", step.name(), histogram.len())?;
            for quantile in QUANTILES {
                write!(f, "{:>11.3}", ms(histogram.value_at_quantile(quantile)))?;
            }
            writeln!(f, "{:>11.3}", ms(histogram.max()))?;
        }
        Ok(())
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::ConsumerAttach => "consumer attach",
            Self::ConsumerDetach => "consumer detach",
            Self::ProducerAttach => "producer attach",
            Self::ProducerDetach => "producer detach",
            Self::CrowdAttach => "crowd attach",
            Self::CrowdDetach => "crowd detach",
        }
    }
}

fn ms(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

//! A row of the report: what was measured, under which conditions, and what came out.

use serde::Serialize;

use crate::figures::{Percentiles, Quartiles};
use crate::plan::{Availability, Exercise, Mode, Pacing, Touch};

/// One line of `--json`, or of the table. No row without its conditions.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) event: &'static str,
    /// Unique within a run.
    pub(crate) name: String,
    /// `floor`, `aeron`, `tensorpool`, `iceoryx2`, `memcpy`, `driver`.
    pub(crate) subject: &'static str,
    /// `ping-pong`, `open-loop`, `burst`, `cost`, `copy`, `attach`, `idle`.
    pub(crate) exercise: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frames: Option<FramesSaid>,
    /// Payload bytes per message.
    pub(crate) size: usize,
    pub(crate) conditions: Conditions,
    pub(crate) results: Results,
}

/// What is special about frames.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct FramesSaid {
    pub(crate) availability: Availability,
    pub(crate) mode: Mode,
    pub(crate) touch: Touch,
    pub(crate) consumers: usize,
    pub(crate) streams: usize,
    pub(crate) slots: u32,
    pub(crate) pacing: Pacing,
}

/// What a figure is worth nothing without.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Conditions {
    /// Processes that took part in the measurement, those of drivers apart.
    pub(crate) processes: u32,
    /// Of those processes, in their order; `unpinned` otherwise.
    pub(crate) cores: String,
    /// What a cache line took from one core to the other in the same rounds, in nanoseconds.
    pub(crate) placement_floor_ns: Quartiles,
    /// How messages were paced, and how receivers waited for them.
    pub(crate) pacing: String,
    /// Bytes the reader touched per message, whole cache lines.
    pub(crate) reader_bytes: usize,
    /// Payload bytes the writer wrote per message.
    pub(crate) writer_bytes: usize,
    /// Batches, interleaved with those of the other lanes.
    pub(crate) rounds: u32,
    /// Messages in all of them.
    pub(crate) messages: u64,
    /// Of the Aeron logs the messages went through, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) term_length: Option<usize>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Results {
    /// Per message: half a round trip, a message's share of a burst, a copy, or the sender's
    /// processor time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ns: Option<Quartiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) per_second: Option<f64>,
    /// Payload bytes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_second: Option<f64>,
    /// Against the floor, raw Aeron, iceoryx2, and a plain copy of the same round, in that order of quotients:
    /// this row's nanoseconds over theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_floor: Option<Quartiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_aeron: Option<Quartiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_iceoryx2: Option<Quartiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_memcpy: Option<Quartiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay_ns: Option<Percentiles>,
    /// Of one core, 1 being all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) core_share: Option<f64>,
    /// Frames lost, whatever the cause.
    pub(crate) lost: u64,
    /// Frames consumers were not told of.
    pub(crate) unannounced: u64,
}

impl Row {
    /// For people: two lines.
    pub(crate) fn text(&self) -> String {
        let (results, conditions) = (&self.results, &self.conditions);
        let mut parts = Vec::new();
        if let Some(ns) = results.ns {
            parts.push(format!("{:.1} ns ({:.1} to {:.1})", ns.p50, ns.p25, ns.p75));
        }
        if let Some(per_second) = results.per_second {
            parts.push(format!("{:.3} M/s", per_second / 1e6));
        }
        if let Some(bytes) = results.bytes_per_second {
            parts.push(format!("{:.2} GB/s", bytes / 1e9));
        }
        let ratios = [
            ("floor", results.over_floor),
            ("raw Aeron", results.over_aeron),
            ("iceoryx2", results.over_iceoryx2),
            ("memcpy", results.over_memcpy),
        ];
        for (what, ratio) in ratios {
            if let Some(ratio) = ratio {
                parts.push(format!("{:.2} x {what}", ratio.p50));
            }
        }
        if let Some(delay) = &results.delay_ns {
            parts.push(format!(
                "p50 {} ns, p99 {} ns, p99.9 {} ns, max {} ns",
                delay.p50, delay.p99, delay.p99_9, delay.max
            ));
        }
        if let Some(share) = results.core_share {
            parts.push(format!("{:.2} % of a core", share * 100.0));
        }
        if results.lost > 0 {
            parts.push(format!("{} LOST", results.lost));
        }
        if results.unannounced > 0 {
            parts.push(format!("{} unannounced", results.unannounced));
        }
        format!(
            "{}: {}\n    {} processes, cores {}, floor {:.1} ns ({:.1} to {:.1}), {}, reader touched {} B, \
             {} rounds, {} messages",
            self.name,
            parts.join(", "),
            conditions.processes,
            conditions.cores,
            conditions.placement_floor_ns.p50,
            conditions.placement_floor_ns.p25,
            conditions.placement_floor_ns.p75,
            conditions.pacing,
            conditions.reader_bytes,
            conditions.rounds,
            conditions.messages,
        )
    }
}

impl Exercise {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PingPong { .. } => "ping-pong",
            Self::OpenLoop { .. } => "open-loop",
            Self::Burst { .. } => "burst",
            Self::Cost { .. } => "cost",
            Self::Copy { .. } => "copy",
        }
    }
}

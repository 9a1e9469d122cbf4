//! A row as `tensorpool-bench` prints it. One without its conditions is refused.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) subject: String,
    pub(super) exercise: String,
    pub(super) size: u64,
    pub(super) frames: Option<Frames>,
    pub(super) conditions: Conditions,
    pub(super) results: Results,
    /// As it was printed.
    #[serde(skip)]
    pub(super) text: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Frames {
    pub(super) availability: String,
    pub(super) mode: String,
    pub(super) touch: String,
    pub(super) consumers: u64,
}

/// All of these must be there.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Conditions {
    pub(super) processes: u32,
    pub(super) cores: String,
    pub(super) placement_floor_ns: Quartiles,
    pub(super) pacing: String,
    pub(super) reader_bytes: u64,
    pub(super) rounds: u32,
    pub(super) messages: u64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Quartiles {
    pub(super) p25: f64,
    pub(super) p50: f64,
    pub(super) p75: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Results {
    pub(super) ns: Option<Quartiles>,
    pub(super) per_second: Option<f64>,
    pub(super) bytes_per_second: Option<f64>,
    pub(super) over_floor: Option<Quartiles>,
    pub(super) over_aeron: Option<Quartiles>,
    pub(super) over_iceoryx2: Option<Quartiles>,
    pub(super) over_memcpy: Option<Quartiles>,
    pub(super) delay_ns: Option<Percentiles>,
    pub(super) core_share: Option<f64>,
    pub(super) lost: u64,
    pub(super) unannounced: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Percentiles {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) p99_9: u64,
    pub(super) max: u64,
    pub(super) curve: Vec<(f64, u64)>,
}

impl Row {
    /// Fails when anything is missing that a figure is worth nothing without.
    pub(super) fn parse(line: &str) -> Result<Self> {
        let mut row: Self = serde_json::from_str(line).context("this is no complete row")?;
        let conditions = &row.conditions;
        let carries = !matches!(row.exercise.as_str(), "attach" | "idle");
        let expected = match row.exercise.as_str() {
            "copy" | "attach" | "idle" => 1,
            _ => 2,
        };
        ensure!(
            conditions.processes == expected,
            "{} processes took part, {expected} are needed",
            conditions.processes
        );
        ensure!(!conditions.cores.is_empty(), "the cores are not said");
        ensure!(!conditions.pacing.is_empty(), "the pacing is not said");
        ensure!(
            conditions.placement_floor_ns.p50 > 0.0,
            "the placement is not said: no floor was measured beside it"
        );
        ensure!(
            conditions.reader_bytes > 0 || !carries,
            "what the reader touched is not said"
        );
        ensure!(
            conditions.rounds > 0 && (conditions.messages > 0 || !carries),
            "nothing was measured"
        );
        ensure!(
            row.results.ns.is_some()
                || row.results.delay_ns.is_some()
                || row.results.core_share.is_some(),
            "it has no result"
        );
        line.clone_into(&mut row.text);
        Ok(row)
    }

    /// In a few words, for whoever waits.
    pub(super) fn line(&self) -> String {
        let results = &self.results;
        let mut parts = vec![self.name.clone()];
        if let Some(ns) = results.ns {
            parts.push(format!("{:.1} ns", ns.p50));
        }
        if let Some(delay) = &results.delay_ns {
            parts.push(format!("p50 {} ns, p99 {} ns", delay.p50, delay.p99));
        }
        if let Some(share) = results.core_share {
            parts.push(format!("{:.2} % of a core", share * 100.0));
        }
        if results.lost > 0 {
            parts.push(format!("{} lost", results.lost));
        }
        parts.join("  ")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn complete() -> Value {
        json!({
            "event": "row", "name": "tensorpool/descriptor/copy/64B/ping-pong",
            "subject": "tensorpool", "exercise": "ping-pong", "size": 64,
            "frames": {"availability": "descriptor", "mode": "copy", "touch": "header",
                "consumers": 1, "streams": 1, "slots": 1024, "pacing": "credit"},
            "conditions": {"processes": 2, "cores": "0,1",
                "placement_floor_ns": {"p25": 44.0, "p50": 45.0, "p75": 46.0},
                "pacing": "closed loop, busy-spin", "reader_bytes": 256, "writer_bytes": 64,
                "rounds": 200, "messages": 200000},
            "results": {"ns": {"p25": 290.0, "p50": 300.0, "p75": 310.0},
                "over_floor": {"p25": 6.0, "p50": 6.6, "p75": 7.0},
                "over_aeron": {"p25": 1.0, "p50": 1.05, "p75": 1.2},
                "lost": 0, "unannounced": 0},
        })
    }

    #[test]
    fn a_complete_row_is_taken() {
        let row = Row::parse(&complete().to_string()).unwrap();
        assert_eq!((row.size, row.conditions.rounds), (64, 200));
    }

    #[test]
    fn a_row_without_any_one_condition_is_refused() {
        let conditions = [
            "processes",
            "cores",
            "placement_floor_ns",
            "pacing",
            "reader_bytes",
        ];
        for condition in conditions {
            let mut row = complete();
            row["conditions"].as_object_mut().unwrap().remove(condition);
            let error = Row::parse(&row.to_string()).unwrap_err();
            assert!(format!("{error:#}").contains(condition), "{error:#}");
        }
    }

    #[test]
    fn conditions_that_say_nothing_are_refused() {
        for (condition, nothing) in [
            ("processes", json!(1)),
            ("cores", json!("")),
            ("pacing", json!("")),
            ("reader_bytes", json!(0)),
            ("rounds", json!(0)),
            (
                "placement_floor_ns",
                json!({"p25": 0.0, "p50": 0.0, "p75": 0.0}),
            ),
        ] {
            let mut row = complete();
            row["conditions"][condition] = nothing;
            assert!(Row::parse(&row.to_string()).is_err(), "{condition}");
        }
        let mut row = complete();
        row["results"].as_object_mut().unwrap().remove("ns");
        assert!(Row::parse(&row.to_string()).is_err());
    }
}

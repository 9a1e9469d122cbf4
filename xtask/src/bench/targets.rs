//! The seven targets, and whether they are met.

use super::criterion::Estimates;
use super::row::Row;

/// How far the 99th percentiles of two samples of one distribution may lie apart.
const FLAT_P99: f64 = 1.25;

/// One target, or one part of it.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) number: u32,
    pub(super) what: String,
    pub(super) expected: String,
    pub(super) found: String,
    pub(super) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Met,
    NotMet,
    /// The run had nothing to tell.
    NotMeasured,
}

impl Verdict {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "NOT met",
            Self::NotMeasured => "not measured",
        }
    }
}

impl Target {
    pub(super) fn line(&self) -> String {
        let (number, what) = (self.number, &self.what);
        let (found, expected) = (&self.found, &self.expected);
        format!(
            "{number}  {:<12}  {what}: {found} (expected {expected})",
            self.verdict.text()
        )
    }

    fn at_most(number: u32, what: &str, found: Option<f64>, limit: f64, unit: &str) -> Self {
        let is_met = found.map(|found| found <= limit);
        Self::of(
            number,
            what,
            found,
            is_met,
            format!("at most {limit:.2}{unit}"),
            unit,
        )
    }

    fn at_least(number: u32, what: &str, found: Option<f64>, limit: f64, unit: &str) -> Self {
        let is_met = found.map(|found| found >= limit);
        Self::of(
            number,
            what,
            found,
            is_met,
            format!("at least {limit:.2}{unit}"),
            unit,
        )
    }

    fn of(
        number: u32,
        what: &str,
        found: Option<f64>,
        is_met: Option<bool>,
        expected: String,
        unit: &str,
    ) -> Self {
        Self {
            number,
            what: what.to_owned(),
            expected,
            found: found.map_or("-".into(), |found| format!("{found:.2}{unit}")),
            verdict: match is_met {
                Some(true) => Verdict::Met,
                Some(false) => Verdict::NotMet,
                None => Verdict::NotMeasured,
            },
        }
    }

    fn elsewhere(number: u32, what: &str, expected: &str, found: &str) -> Self {
        Self {
            number,
            what: what.to_owned(),
            expected: expected.to_owned(),
            found: found.to_owned(),
            verdict: Verdict::NotMeasured,
        }
    }
}

/// All targets, in order.
pub(super) fn judge(rows: &[Row], estimates: &Estimates) -> Vec<Target> {
    let mut targets = descriptor_path(rows);
    targets.extend(ring_path(rows));
    targets.extend(throughput(rows));
    targets.push(Target::elsewhere(
        4,
        "heap allocations per frame and per idle cycle",
        "none",
        "counted by the tests no_allocations and allocation",
    ));
    let most = |names: [&str; 2]| {
        let found = names.map(|name| estimates.get(name));
        Some(found[0]?.max(found[1]?))
    };
    targets.push(Target::at_most(
        5,
        "encode and decode of FrameDescriptor",
        most(["FrameDescriptor/encode", "FrameDescriptor/decode"]),
        2.0,
        " ns",
    ));
    targets.push(Target::at_most(
        6,
        "composite of 4 idle agents, a cycle",
        estimates.get("runtime/composite_of_4_idle_agents"),
        15.0,
        " ns",
    ));
    let runner = estimates.get("runtime/invoker_of_an_idle_agent");
    let bare = estimates.get("runtime/idle_agent");
    targets.push(Target::at_most(
        6,
        "what a runner adds to a cycle",
        runner.zip(bare).map(|(runner, bare)| runner - bare),
        5.0,
        " ns",
    ));
    targets.extend(scale(rows));
    targets
}

fn descriptor_path(rows: &[Row]) -> Vec<Target> {
    let small = find(rows, "tensorpool/descriptor/copy/64B/ping-pong");
    let over_aeron = |row: &Row| row.results.over_aeron.map(|ratio| ratio.p50);
    let claims = rows.iter().filter(|row| {
        let frames = row.frames.as_ref();
        row.exercise == "ping-pong"
            && frames.is_some_and(|frames| {
                frames.mode == "claim"
                    && frames.availability == "descriptor"
                    && frames.touch == "header"
            })
    });
    // Against raw Aeron of the same round: sizes are compared across what the host does meanwhile.
    let ratios: Vec<f64> = claims.filter_map(over_aeron).collect();
    let smallest = ratios.iter().copied().reduce(f64::min);
    let largest = ratios.iter().copied().reduce(f64::max);
    let spread = smallest.zip(largest).filter(|_| ratios.len() > 1);
    vec![
        Target::at_most(
            1,
            "descriptor path, one way, 64 B, over raw Aeron",
            small.and_then(over_aeron),
            1.10,
            " x",
        ),
        Target::at_most(
            1,
            "the same, claimed, largest over smallest of 64 B to 64 MiB",
            spread.map(|(smallest, largest)| largest / smallest),
            1.10,
            " x",
        ),
        agreement(rows),
    ]
}

/// Whether our raw Aeron is as fast as Aeron's own: what frames are held against is worth it.
fn agreement(rows: &[Row]) -> Target {
    let peer = rows.iter().find(|row| row.subject == "cping");
    let ratio = peer
        .and_then(|row| row.results.over_aeron)
        .map(|ratio| ratio.p50);
    let is_met = ratio.map(|ratio| (ratio - 1.0).abs() <= 0.05);
    let expected = "0.95 to 1.05 x".to_owned();
    Target::of(
        1,
        "Aeron's own cping over our raw Aeron",
        ratio,
        is_met,
        expected,
        " x",
    )
}

fn ring_path(rows: &[Row]) -> Vec<Target> {
    let small = find(rows, "tensorpool/header-ring/copy/64B/ping-pong");
    let over_floor = small.and_then(|row| row.results.over_floor);
    let over_iceoryx2 = small.and_then(|row| row.results.over_iceoryx2);
    let is_near = small.is_some_and(|row| row.conditions.placement_floor_ns.p50 < 100.0);
    vec![
        Target::at_most(
            2,
            "header-ring path, one way, 64 B, over the floor",
            over_floor.map(|ratio| ratio.p50),
            1.5,
            " x",
        ),
        Target::at_least(
            2,
            "the same, times faster than iceoryx2",
            over_iceoryx2.map(|ratio| 1.0 / ratio.p50),
            if is_near { 3.0 } else { 2.5 },
            " x",
        ),
    ]
}

fn throughput(rows: &[Row]) -> Vec<Target> {
    let inverse = |ratio: Option<super::row::Quartiles>| ratio.map(|ratio| 1.0 / ratio.p50);
    let small = find(rows, "tensorpool/descriptor/copy/64B/burst");
    let mut targets = vec![Target::at_least(
        3,
        "64 B frames a second over raw Aeron's messages",
        small.and_then(|row| inverse(row.results.over_aeron)),
        0.56,
        " x",
    )];
    for (size, said) in [(640 << 10, "640 KiB"), (4 << 20, "4 MiB")] {
        for (touch, suffix, limit) in [
            ("header only", "", 0.95),
            ("every line read", "/lines", 0.55),
        ] {
            let row = find(
                rows,
                &format!("tensorpool/descriptor/copy/{size}B{suffix}/burst"),
            );
            targets.push(Target::at_least(
                3,
                &format!("{said} copied, {touch}, over memcpy"),
                row.and_then(|row| inverse(row.results.over_memcpy)),
                limit,
                " x",
            ));
        }
    }
    targets
}

fn scale(rows: &[Row]) -> Vec<Target> {
    let mut targets = Vec::new();
    for availability in ["descriptor", "header-ring"] {
        let ns = |consumers: u64| {
            let mut rows = rows.iter().filter(|row| {
                row.exercise == "cost"
                    && row.frames.as_ref().is_some_and(|frames| {
                        frames.availability == availability && frames.consumers == consumers
                    })
            });
            Some(rows.next()?.results.ns?.p50)
        };
        targets.push(Target::at_most(
            7,
            &format!("producer's processor time per frame, 16 over 1 consumers, {availability}"),
            ns(16).zip(ns(1)).map(|(many, one)| many / one),
            1.10,
            " x",
        ));
    }
    let attach = |streams: u32| {
        let row = find(rows, &format!("driver/{streams}-streams/attach"))?;
        Some(row.results.delay_ns.as_ref()?.p99 as f64)
    };
    targets.push(Target::at_most(
        7,
        "attach p99, a driver of 1,000 streams over one of 1",
        attach(1_000).zip(attach(1)).map(|(many, one)| many / one),
        FLAT_P99,
        " x",
    ));
    let idle = find(rows, "driver/1000-streams/idle").and_then(|row| row.results.core_share);
    targets.push(Target::at_most(
        7,
        "an idle driver of 1,000 streams that backs off",
        idle.map(|share| share * 100.0),
        2.0,
        " % of a core",
    ));
    targets
}

fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::complete;
    use super::*;

    fn verdicts(rows: &[Row], estimates: &Estimates, number: u32) -> Vec<Verdict> {
        let targets = judge(rows, estimates);
        let of_number = targets.iter().filter(|target| target.number == number);
        of_number.map(|target| target.verdict).collect()
    }

    fn row(name: &str, change: impl FnOnce(&mut serde_json::Value)) -> Row {
        let mut value = complete();
        value["name"] = name.into();
        change(&mut value);
        Row::parse(&value.to_string()).unwrap()
    }

    #[test]
    fn all_seven_are_judged_and_nothing_is_met_without_figures() {
        let targets = judge(&[], &Estimates::default());
        let mut numbers: Vec<u32> = targets.iter().map(|target| target.number).collect();
        numbers.dedup();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
        assert!(
            targets
                .iter()
                .all(|target| target.verdict == Verdict::NotMeasured)
        );
    }

    #[test]
    fn the_descriptor_path_is_met_at_its_limit_and_not_beyond() {
        let none = Estimates::default();
        for (ratio, expected) in [(1.10, Verdict::Met), (1.11, Verdict::NotMet)] {
            let row = row("tensorpool/descriptor/copy/64B/ping-pong", |value| {
                value["results"]["over_aeron"]["p50"] = ratio.into();
            });
            assert_eq!(verdicts(&[row], &none, 1)[0], expected);
        }
    }

    #[test]
    fn sizes_are_flat_when_the_slowest_is_within_a_tenth_of_the_fastest() {
        let claimed = |size: u64, ratio: f64| {
            row(
                &format!("tensorpool/descriptor/claim/{size}B/ping-pong"),
                |value| {
                    value["frames"]["mode"] = "claim".into();
                    value["results"]["over_aeron"]["p50"] = ratio.into();
                },
            )
        };
        let none = Estimates::default();
        let flat = [claimed(64, 1.0), claimed(1 << 26, 1.09)];
        assert_eq!(verdicts(&flat, &none, 1)[1], Verdict::Met);
        let steep = [claimed(64, 1.0), claimed(1 << 26, 1.2)];
        assert_eq!(verdicts(&steep, &none, 1)[1], Verdict::NotMet);
        assert_eq!(verdicts(&steep[..1], &none, 1)[1], Verdict::NotMeasured);
    }

    #[test]
    fn throughput_is_a_quotient_the_other_way_round() {
        let none = Estimates::default();
        for (ratio, expected) in [(1.7, Verdict::Met), (1.9, Verdict::NotMet)] {
            let row = row("tensorpool/descriptor/copy/64B/burst", |value| {
                value["exercise"] = "burst".into();
                value["results"]["over_aeron"]["p50"] = ratio.into();
            });
            assert_eq!(verdicts(&[row], &none, 3)[0], expected);
        }
    }

    #[test]
    fn single_operations_are_judged_by_the_slower_one() {
        let estimates = |decode| {
            Estimates::of(&[
                ("FrameDescriptor/encode", 1.0),
                ("FrameDescriptor/decode", decode),
                ("runtime/idle_agent", 1.0),
                ("runtime/invoker_of_an_idle_agent", 5.5),
            ])
        };
        assert_eq!(verdicts(&[], &estimates(1.9), 5), [Verdict::Met]);
        assert_eq!(verdicts(&[], &estimates(2.1), 5), [Verdict::NotMet]);
        let runner = [Verdict::NotMeasured, Verdict::Met];
        assert_eq!(verdicts(&[], &estimates(1.0), 6), runner);
    }
}

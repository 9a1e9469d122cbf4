//! Charts as SVG that needs nothing else.

use std::fmt::Write as _;

use super::html::escaped;
use super::row::Row;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 290.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 8] = [
    "#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#b58900", "#2a9d8f", "#6c757d", "#d6336c",
];
/// Percentiles that are marked.
const NINES: [(f64, &str); 6] = [
    (0.0, "0 %"),
    (90.0, "90 %"),
    (99.0, "99 %"),
    (99.9, "99.9 %"),
    (99.99, "99.99 %"),
    (99.999, "99.999 %"),
];

/// A chart and what its file is called.
pub(super) struct Chart {
    pub(super) name: &'static str,
    pub(super) svg: String,
}

struct Series<'a> {
    label: &'a str,
    /// Positions along the axis, and values above 0.
    points: Vec<(f64, f64)>,
}

/// All charts there are rows for.
pub(super) fn all(rows: &[Row]) -> Vec<Chart> {
    [delays(rows), sizes(rows)].into_iter().flatten().collect()
}

/// Delays at a rate: percentiles, each nine as wide as the one before.
fn delays(rows: &[Row]) -> Option<Chart> {
    let nines = |percentile: f64| -(1.0 - percentile.min(99.9999) / 100.0).log10();
    let series = rows.iter().filter_map(|row| {
        let curve = &row.results.delay_ns.as_ref()?.curve;
        let points = curve
            .iter()
            .map(|&(percentile, ns)| (nines(percentile), ns.max(1) as f64));
        Some(Series {
            label: &row.name,
            points: points.collect(),
        })
    });
    let ticks = NINES.map(|(percentile, label)| (nines(percentile), label.to_owned()));
    let title = "Delay since each message was due, ns";
    draw("delays", title, &series.collect::<Vec<_>>(), &ticks)
}

/// Half a round trip over the size of the payload.
fn sizes(rows: &[Row]) -> Option<Chart> {
    let kinds = [
        ("descriptor", "copy"),
        ("descriptor", "claim"),
        ("header-ring", "copy"),
        ("header-ring", "claim"),
    ];
    let labels = kinds.map(|(availability, mode)| format!("{availability}, {mode}"));
    let series = kinds
        .iter()
        .zip(&labels)
        .filter_map(|(&(availability, mode), label)| {
            let of_kind = rows.iter().filter(|row| {
                row.exercise == "ping-pong"
                    && row.frames.as_ref().is_some_and(|frames| {
                        frames.availability == availability
                            && frames.mode == mode
                            && frames.touch == "header"
                    })
            });
            let points =
                of_kind.filter_map(|row| Some(((row.size as f64).log2(), row.results.ns?.p50)));
            let points: Vec<(f64, f64)> = points.collect();
            (points.len() > 1).then_some(Series { label, points })
        });
    let ticks = [
        (6.0, "64 B"),
        (12.0, "4 KiB"),
        (16.0, "64 KiB"),
        (20.0, "1 MiB"),
        (22.0, "4 MiB"),
        (26.0, "64 MiB"),
    ];
    let ticks = ticks.map(|(at, label)| (at, label.to_owned()));
    draw(
        "sizes",
        "One way (half a round trip), ns",
        &series.collect::<Vec<_>>(),
        &ticks,
    )
}

/// Lines over a linear axis of positions and a logarithmic one of values.
fn draw(
    name: &'static str,
    title: &str,
    series: &[Series<'_>],
    ticks: &[(f64, String)],
) -> Option<Chart> {
    let points = || series.iter().flat_map(|series| &series.points);
    let low = points()
        .map(|point| point.1)
        .reduce(f64::min)?
        .log10()
        .floor();
    let high = points()
        .map(|point| point.1)
        .reduce(f64::max)?
        .log10()
        .ceil()
        .max(low + 1.0);
    let first = ticks.first()?.0;
    let last = points()
        .map(|point| point.0)
        .reduce(f64::max)?
        .max(first + 1.0);
    let x = |at: f64| LEFT + (at - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| {
        HEIGHT - BOTTOM - (value.log10() - low) / (high - low) * (HEIGHT - TOP - BOTTOM)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    // Writing to a string cannot fail, here and below.
    for exponent in low as i32..=high as i32 {
        let at = y(10f64.powi(exponent));
        let label = 10f64.powi(exponent);
        let _done = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    for (at, label) in ticks.iter().filter(|(at, _)| *at <= last) {
        let at = x(*at);
        let _done = writeln!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#eee\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            bottom + 20.0
        );
    }
    for (index, series) in series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let dashes = if index < COLOURS.len() { "none" } else { "6 3" };
        let points: Vec<String> = (series.points.iter())
            .map(|&(at, value)| format!("{:.1},{:.1}", x(at), y(value)))
            .collect();
        let key = TOP + 18.0 * index as f64;
        let _done = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" \
             stroke-dasharray=\"{dashes}\" points=\"{}\"/>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{key:.1}\" y2=\"{key:.1}\" stroke=\"{colour}\" \
             stroke-width=\"3\" stroke-dasharray=\"{dashes}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\">{}</text>",
            points.join(" "),
            right + 14.0,
            right + 34.0,
            right + 40.0,
            key + 4.0,
            escaped(series.label)
        );
    }
    svg += "</svg>\n";
    Some(Chart { name, svg })
}

#[cfg(test)]
mod tests {
    use super::super::row::tests::complete;
    use super::*;

    #[test]
    fn charts_need_rows() {
        assert!(all(&[]).is_empty());
    }

    #[test]
    fn a_line_per_measurement_with_its_name() {
        let mut value = complete();
        value["results"]["delay_ns"] = serde_json::json!({
            "count": 3, "p50": 100, "p99": 200, "p99_9": 300, "max": 300,
            "curve": [[0.0, 90], [50.0, 100], [99.0, 200], [100.0, 300]],
        });
        let row = Row::parse(&value.to_string()).unwrap();
        let charts = all(&[row]);
        assert_eq!(charts.len(), 1, "one size makes no line");
        let svg = &charts[0].svg;
        assert_eq!(svg.matches("<polyline").count(), 1);
        assert!(svg.contains("tensorpool/descriptor/copy/64B/ping-pong"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}

//! The report as tables of text, and the summary that is kept with the code.

use std::fmt::Write as _;

use super::Measured;
use super::criterion::Estimates;
use super::row::{Quartiles, Row};
use super::targets::Target;

/// How to read all this; the same in the report and in the summary.
const READING: &str = "\
Two processes of their own, pinned and spinning without a pause; media driver and driver in a third\n\
one, backing off, on the same cores. Batches of a millisecond or ten take turns with batches of the\n\
floor (one cache line there and back), of raw Aeron IPC and of iceoryx2; a ratio is the median of the quotients\n\
within a round, since the host re-places virtual cores from one second to the next. One way is half\n\
of a round trip. Delays at a rate count from the time a message was due, whenever it was sent.\n";

/// Columns of a line.
const WIDTH: usize = 118;

/// Everything.
pub(super) fn report(measured: &Measured, targets: &[Target]) -> String {
    let mut text = head(measured, "# Measurements");
    section(&mut text, "Targets", &target_cells(targets));
    section(&mut text, "All measurements", &row_cells(&measured.rows));
    section(
        &mut text,
        "Single operations",
        &estimate_cells(&measured.estimates),
    );
    text
}

/// What comes before this line in the document is written by people, and kept.
const MARKER: &str = "<!-- From here on written by `cargo xtask bench --write-docs`. -->";

/// The document that is kept with the code, with the measurements of this run instead of those in it.
pub(super) fn summary(document: &str, measured: &Measured, targets: &[Target]) -> String {
    let written = match document.split_once(MARKER) {
        Some((written, _)) => written.trim_end(),
        None => "# Performance",
    };
    let mut text = head(measured, &format!("{written}\n\n{MARKER}\n\n## Measured"));
    section(&mut text, "Targets", &target_cells(targets));
    section(&mut text, "Measurements", &row_cells(&measured.rows));
    text
}

fn head(measured: &Measured, title: &str) -> String {
    let (command, machine) = (&measured.command, &measured.machine);
    let seconds = measured.took.as_secs();
    let origin = wrapped(&format!("`{command}`, {seconds} s, on {machine}."));
    format!("{title}\n\n{origin}\n\n{READING}")
}

/// In lines as short as those of other documents.
fn wrapped(text: &str) -> String {
    let (mut lines, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if column > 0 && column + 1 + len > WIDTH {
            lines.push('\n');
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += len;
    }
    lines
}

/// The first line are the headings.
fn section(text: &mut String, title: &str, lines: &[Vec<String>]) {
    let _done = writeln!(text, "\n## {title}\n");
    for (index, cells) in lines.iter().enumerate() {
        let _done = writeln!(text, "| {} |", cells.join(" | "));
        if index == 0 {
            let _done = writeln!(text, "|{}", "---|".repeat(cells.len()));
        }
    }
}

fn line(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

pub(super) fn target_cells(targets: &[Target]) -> Vec<Vec<String>> {
    let mut lines = vec![line(&["", "target", "expected", "found", "verdict"])];
    lines.extend(targets.iter().map(|target| {
        vec![
            target.number.to_string(),
            target.what.clone(),
            target.expected.clone(),
            target.found.clone(),
            target.verdict.text().to_owned(),
        ]
    }));
    lines
}

pub(super) fn row_cells(rows: &[Row]) -> Vec<Vec<String>> {
    let mut lines = vec![line(&[
        "measurement",
        "ns (quartiles)",
        "rate",
        "over floor",
        "over raw Aeron",
        "over iceoryx2",
        "over memcpy",
        "p50 / p99 / p99.9 / max ns",
        "lost",
        "processes",
        "cores",
        "floor ns",
        "pacing",
        "reader touched",
        "rounds",
    ])];
    lines.extend(rows.iter().map(row_line));
    lines
}

fn row_line(row: &Row) -> Vec<String> {
    let (results, conditions) = (&row.results, &row.conditions);
    let dash = || "-".to_owned();
    let ratio =
        |ratio: Option<Quartiles>| ratio.map_or_else(dash, |ratio| format!("{:.2}", ratio.p50));
    let ns = |ns: Quartiles| format!("{:.1} ({:.1} to {:.1})", ns.p50, ns.p25, ns.p75);
    let rate = results.per_second.map(|count| {
        let bytes = results.bytes_per_second.unwrap_or_default();
        format!("{:.3} M/s, {:.2} GB/s", count / 1e6, bytes / 1e9)
    });
    let delays = results.delay_ns.as_ref().map(|delay| {
        format!(
            "{} / {} / {} / {}",
            delay.p50, delay.p99, delay.p99_9, delay.max
        )
    });
    let lost = match results.unannounced {
        0 => results.lost.to_string(),
        unannounced => format!("{} ({unannounced} unannounced)", results.lost),
    };
    let share = results.core_share;
    let share = share.map(|share| format!("{:.2} % of a core", share * 100.0));
    vec![
        row.name.clone(),
        results.ns.map_or_else(dash, ns),
        rate.or(share).unwrap_or_else(dash),
        ratio(results.over_floor),
        ratio(results.over_aeron),
        ratio(results.over_iceoryx2),
        ratio(results.over_memcpy),
        delays.unwrap_or_else(dash),
        lost,
        conditions.processes.to_string(),
        conditions.cores.clone(),
        format!("{:.0}", conditions.placement_floor_ns.p50),
        conditions.pacing.clone(),
        format!("{} B", conditions.reader_bytes),
        conditions.rounds.to_string(),
    ]
}

pub(super) fn estimate_cells(estimates: &Estimates) -> Vec<Vec<String>> {
    let mut lines = vec![line(&["benchmark (criterion, one thread)", "median ns"])];
    lines.extend(
        estimates
            .iter()
            .map(|(name, ns)| vec![name.to_owned(), format!("{ns:.2}")]),
    );
    lines
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::machine::Machine;
    use super::super::row::tests::complete;
    use super::*;
    use crate::bench::{html, targets};

    #[test]
    fn every_row_appears_with_all_its_conditions_in_text_and_page() {
        let rows = vec![Row::parse(&complete().to_string()).unwrap()];
        let measured = Measured {
            machine: Machine::read(),
            command: "cargo xtask bench".into(),
            took: Duration::from_secs(7),
            estimates: Estimates::of(&[("FrameDescriptor/encode", 1.0)]),
            rows,
        };
        let targets = targets::judge(&measured.rows, &measured.estimates);
        let text = report(&measured, &targets);
        let page = html::page(&measured, &targets, &[]);
        for said in [
            "descriptor/copy/64B",
            "0,1",
            "closed loop, busy-spin",
            "256 B",
            "1.05",
        ] {
            assert!(text.contains(said), "{said} is not in {text}");
            assert!(page.contains(said), "{said} is not in {page}");
        }
        let document = format!("# Performance\n\nWhy.\n\n{MARKER}\n\nold figures\n");
        let summary = summary(&document, &measured, &targets);
        assert!(summary.contains("`cargo xtask bench`, 7 s"), "{summary}");
        assert!(
            summary.starts_with("# Performance\n\nWhy.\n\n<!--"),
            "{summary}"
        );
        assert!(!summary.contains("old figures"), "{summary}");
        let table = text.lines().filter(|line| line.starts_with('|'));
        assert!(table.count() > 10);
    }
}

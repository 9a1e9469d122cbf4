//! The report as one page that needs nothing else.

use std::fmt::Write as _;

use super::Measured;
use super::chart::Chart;
use super::markdown;
use super::targets::Target;

const STYLE: &str = "body{font-family:sans-serif;max-width:75em;margin:2em auto;padding:0 1em}\
table{border-collapse:collapse;font-size:90%}td,th{border:1px solid #ccc;padding:.25em .6em;\
text-align:left}svg{max-width:60em;display:block;margin:1em 0}";

pub(super) fn page(measured: &Measured, targets: &[Target], charts: &[Chart]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>tensorpool: \
         measurements</title><style>{STYLE}</style></head><body>\n<h1>Measurements</h1>\n\
         <p><code>{}</code>, {} s.<br>{}</p>\n",
        escaped(&measured.command),
        measured.took.as_secs(),
        escaped(&measured.machine.to_string())
    );
    table(&mut page, "Targets", &markdown::target_cells(targets));
    for chart in charts {
        page += &chart.svg;
    }
    table(
        &mut page,
        "All measurements",
        &markdown::row_cells(&measured.rows),
    );
    table(
        &mut page,
        "Single operations",
        &markdown::estimate_cells(&measured.estimates),
    );
    page += "</body></html>\n";
    page
}

/// The first line are the headings.
fn table(page: &mut String, title: &str, lines: &[Vec<String>]) {
    let _done = writeln!(page, "<h2>{}</h2>\n<table>", escaped(title));
    for (index, cells) in lines.iter().enumerate() {
        let tag = if index == 0 { "th" } else { "td" };
        let cells = cells
            .iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)));
        let _done = writeln!(page, "<tr>{}</tr>", cells.collect::<String>());
    }
    *page += "</table>\n";
}

/// Text that is no markup.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

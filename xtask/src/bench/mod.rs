//! `cargo xtask bench`: runs the measurements, holds them against the targets, writes a report.

mod chart;
mod criterion;
mod html;
pub(crate) mod instructions;
mod machine;
mod markdown;
mod peers;
mod row;
mod set;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::shell::Cmd;
use crate::workspace;

use self::criterion::Estimates;
use self::machine::Machine;
use self::row::Row;
pub(crate) use self::set::Extent;
use self::targets::Target;

/// Where the summary goes that is kept with the code.
const DOCUMENT: &str = "docs/PERFORMANCE.md";
/// The default set must not take longer than this.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// What `cargo xtask bench` was asked for.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) extent: Extent,
    pub(crate) write_docs: bool,
    /// A `tensorpool-bench` to use instead of building one.
    pub(crate) tool: Option<PathBuf>,
    /// As the tool takes it.
    pub(crate) cores: String,
}

/// Everything that a report is made of.
pub(crate) struct Measured {
    machine: Machine,
    command: String,
    took: Duration,
    rows: Vec<Row>,
    estimates: Estimates,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tool = match &options.tool {
        Some(tool) => tool.clone(),
        None => build()?,
    };
    let dir = workspace::target_dir().join("bench-report");
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot empty {}", dir.display()))?;
    }
    fs::create_dir_all(&dir)?;
    let started = Instant::now();
    let rows = measure(options, &tool, &dir)?;
    let estimates = match options.tool {
        Some(_) => Estimates::default(),
        None => Estimates::measure(options.extent)?,
    };
    let measured = Measured {
        machine: Machine::read(),
        command: command(options),
        took: started.elapsed(),
        rows,
        estimates,
    };
    let targets = targets::judge(&measured.rows, &measured.estimates);
    write(&dir, &measured, &targets)?;
    for target in &targets {
        println!("{}", target.line());
    }
    println!("\nThe report is in {}", dir.display());
    if options.write_docs {
        let document = fs::read_to_string(DOCUMENT).unwrap_or_default();
        let text = markdown::summary(&document, &measured, &targets);
        fs::write(DOCUMENT, text).with_context(|| format!("cannot write {DOCUMENT}"))?;
        println!("The summary is in {DOCUMENT}");
    }
    if options.extent == Extent::Default && measured.took > LIMIT {
        eprintln!(
            "warning: the default set took longer than {} minutes",
            LIMIT.as_secs() / 60
        );
    }
    Ok(())
}

fn build() -> Result<PathBuf> {
    // With the benchmarks, so that both are built from the same dependencies.
    Cmd::cargo("build --release -p tensorpool-benches --bins --benches").run()?;
    Ok(workspace::target_dir().join("release/tensorpool-bench"))
}

/// All rows of all measurements. A measurement that fails, or leaves out a condition, ends it all.
fn measure(options: &Options, tool: &Path, dir: &Path) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let hgrm = dir.join("hgrm");
    let mut set = set::measurements(options.extent);
    match peers::build() {
        Ok(arguments) => set.push(arguments),
        // Needs a C compiler and the Aeron of a release; everything else does not.
        Err(error) => eprintln!("warning: Aeron's own samples are left out: {error:#}"),
    }
    for arguments in set {
        let command = Cmd::new(tool)
            .args(arguments.split_whitespace())
            .args(["--json", "--cores", &options.cores, "--hgrm"])
            .arg(&hgrm);
        for line in command.run_for_stdout()?.lines() {
            let row = Row::parse(line).with_context(|| format!("{arguments}: {line}"))?;
            println!("  {}", row.line());
            // Anchors come with each measurement; those of the first one are shown.
            if rows.iter().all(|known| known.name != row.name) {
                rows.push(row);
            }
        }
    }
    ensure!(!rows.is_empty(), "nothing was measured");
    let file = dir.join("rows.jsonl");
    let lines: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    fs::write(&file, lines.join("\n") + "\n")?;
    Ok(rows)
}

fn write(dir: &Path, measured: &Measured, targets: &[Target]) -> Result<()> {
    let charts = chart::all(&measured.rows);
    for chart in &charts {
        fs::write(dir.join(format!("{}.svg", chart.name)), &chart.svg)?;
    }
    fs::write(dir.join("report.md"), markdown::report(measured, targets))?;
    let page = html::page(measured, targets, &charts);
    fs::write(dir.join("report.html"), page)?;
    Ok(())
}

/// What a reader would type to get the same.
fn command(options: &Options) -> String {
    let extent = match options.extent {
        Extent::Quick => " --quick",
        Extent::Default => "",
        Extent::Full => " --full",
    };
    format!("cargo xtask bench{extent} --cores {}", options.cores)
}

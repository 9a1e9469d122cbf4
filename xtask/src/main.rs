//! The project's front door: setup, demo, soak, test, ci, codegen, tidy, spec, bench.
//!
//! Only the command line lives here; each command has a module of its own. Nothing in this crate
//! may depend on the project's other crates or on Aeron: it builds before `cargo xtask setup` ran.

mod bench;
mod ci;
mod codegen;
mod demo;
mod report;
mod setup;
mod shell;
mod soak;
mod spec;
mod stage;
mod test;
mod tidy;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::setup::Purpose;

/// What developers and CI machines run. Start with `cargo xtask demo` or `cargo xtask test`.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_version_flag = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check what building needs and install what is missing (apt packages, cmake, test tools).
    ///
    /// System packages come from apt (through sudo when not root); cmake >= 3.30 and the cargo tools
    /// go into a private directory, target/tools. Where packages cannot be installed, the one
    /// command that does is printed. Running it again costs nothing.
    Setup {
        /// What the machine is going to be used for.
        #[arg(long = "for", value_enum, default_value_t = Purpose::Test)]
        purpose: Purpose,
    },
    /// Build a release and run the whole system as separate processes for about ten seconds.
    ///
    /// Media driver, driver, a producer and two consumers, once at full speed and once at 1 kHz;
    /// then a table of frames, bandwidth, drops and latency. Needs 48 MiB of /dev/shm beyond Aeron's
    /// own buffers, leaves nothing behind and fails if any frame is unaccounted for.
    Demo,
    /// Run the whole system for minutes, kill a producer and the driver meanwhile, and account for every
    /// frame.
    ///
    /// Two producers and five consumers of different kinds on two streams, each a process of its own.
    /// At the end a table says what was published, received, and dropped for which cause; a frame that
    /// nobody explains is a failure, as is a torn one, a process that ended, or a file left behind.
    /// Needs 150 MiB of /dev/shm beyond Aeron's own buffers. With AGENT_RUNNER set to a program nothing
    /// is built, and that is played with.
    Soak {
        /// How long, in minutes.
        #[arg(long, default_value_t = 10.0)]
        minutes: f64,
        /// Print the result as JSON as well, on the last line.
        #[arg(long)]
        json: bool,
    },
    /// Run every test: unit, property and system tests, documentation examples, loom models.
    Test,
    /// Run everything CI checks: format, lints, generated code, house rules, tests, specification, docs,
    /// licences, and the demo.
    Ci,
    /// Generate the message codecs from schemas/*.xml.
    Codegen {
        /// Change nothing; fail when the committed code is not what the schemas say.
        #[arg(long)]
        check: bool,
    },
    /// Check the house rules no compiler checks: layering, where unsafe lives, file sizes, links.
    Tidy,
    /// Extract docs/requirements/*.yaml and docs/COMPLIANCE.md from docs/spec/ and from its tests.
    ///
    /// Fails on a broken id, keyword, anchor or link, on a MUST without a test of its own, and on a
    /// test that did not run and pass. Tests run if there is no fresh report of them.
    #[command(args_conflicts_with_subcommands = true)]
    Spec {
        /// Change nothing; fail when the committed files are not what the specification says.
        #[arg(long)]
        check: bool,
        /// A JUnit report to believe instead; may be given several times.
        #[arg(long = "report", value_name = "FILE")]
        reports: Vec<PathBuf>,
        #[command(subcommand)]
        command: Option<SpecCommand>,
    },
    /// Measure latency and throughput between two processes, and hold them against the targets.
    ///
    /// Builds a release, runs `tensorpool-bench` and the criterion benchmarks, and writes
    /// target/bench-report/: tables in report.md and report.html, charts as SVG, percentiles as
    /// .hgrm, all rows as JSON. Takes some minutes and both cores: nothing else should run. Fails
    /// when a measurement fails or leaves out its conditions, never because of a time.
    Bench {
        /// A look at everything in about a minute; figures are worth little.
        #[arg(long, conflicts_with = "full")]
        quick: bool,
        /// The whole cross of availabilities, modes, sizes, consumers and streams: hours.
        #[arg(long)]
        full: bool,
        /// Also write the summary to docs/PERFORMANCE.md.
        #[arg(long)]
        write_docs: bool,
        /// Use this tensorpool-bench instead of building one, and leave the criterion benchmarks
        /// out.
        #[arg(long, value_name = "FILE")]
        tool: Option<PathBuf>,
        /// The cores of the two processes, or `none`.
        #[arg(long, default_value = "0,1")]
        cores: String,
        /// Instead: count the instructions of the hot paths with callgrind, and fail when one differs
        /// by more than 2 % from benches/instructions.toml.
        #[arg(long, conflicts_with_all = ["quick", "full", "write_docs", "tool"])]
        check: bool,
        /// Instead: count them, and write that file.
        #[arg(long, conflicts_with_all = ["quick", "full", "write_docs", "tool", "check"])]
        write_baseline: bool,
    },
}

#[derive(Debug, Subcommand)]
enum SpecCommand {
    /// Break code that carries requirement ids, and see whether the tests that carry them notice.
    ///
    /// Works on a copy in target/mutate, never on the repository. Lists the survivors by name and fails
    /// when fewer than 90 % of the mutants are caught. The same seed on the same code draws the same.
    Mutate {
        /// Which mutants are drawn; may be given several times, which builds once for all of them.
        #[arg(long = "seed", required = true)]
        seeds: Vec<u64>,
        /// How many for each seed.
        #[arg(long, default_value_t = 50)]
        count: usize,
        /// Try those again, too, that were caught in an earlier run.
        #[arg(long)]
        anew: bool,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = workspace::enter().and_then(|()| match cli.command {
        Command::Setup { purpose } => setup::run(purpose),
        Command::Demo => demo::run(),
        Command::Soak { minutes, json } => soak::run(minutes, json),
        Command::Test => test::run(),
        Command::Ci => ci::run(),
        Command::Codegen { check } => codegen::run(check),
        Command::Tidy => tidy::run(),
        Command::Spec {
            command: Some(SpecCommand::Mutate { seeds, count, anew }),
            ..
        } => spec::mutate::run(&seeds, count, anew),
        Command::Spec { check, reports, .. } => spec::run(check, &reports),
        Command::Bench { check: true, .. } => bench::instructions::check(),
        Command::Bench {
            write_baseline: true,
            ..
        } => bench::instructions::write_baseline(),
        Command::Bench {
            quick,
            full,
            write_docs,
            tool,
            cores,
            ..
        } => bench::run(&bench::Options {
            extent: match (quick, full) {
                (true, _) => bench::Extent::Quick,
                (false, true) => bench::Extent::Full,
                (false, false) => bench::Extent::Default,
            },
            write_docs,
            tool,
            cores,
        }),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

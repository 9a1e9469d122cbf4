//! `cargo xtask ci`: what has to hold before a change lands.

use std::time::Duration;

use anyhow::Result;

use crate::report::{Outcome, Report};
use crate::setup::{self, Purpose};
use crate::shell::{Bounded, Cmd};
use crate::{codegen, demo, spec, test, tidy};

/// How long the advisory database may take to arrive.
const ADVISORIES_LIMIT: Duration = Duration::from_secs(60);

/// What cargo-deny says when it cannot get the advisory database.
const UNREACHABLE: &str = "failed to fetch advisory database";

/// Runs everything: what is quick and needs no build first, the demo last.
pub(crate) fn run() -> Result<()> {
    let mut report = Report::new();
    report.step("setup", || setup::ensure(Purpose::Ci));
    report.gate()?;

    report.step("format", || Cmd::cargo("fmt --all --check").run());
    report.step("generated code", || codegen::run(true));
    report.step("house rules", tidy::run);
    report.step("licences and sources", || {
        Cmd::cargo("deny --log-level error check bans licenses sources").run()
    });
    report.skippable_step("advisories", advisories);
    report.gate()?;

    report.step("clippy", || {
        Cmd::cargo("clippy --quiet --workspace --all-targets -- -D warnings").run()
    });
    test::run_steps(&mut report)?;
    report.step("specification", || spec::run(true, &test::reports()));
    report.step("documentation", || {
        Cmd::cargo("doc --quiet --workspace --no-deps")
            .env("RUSTDOCFLAGS", "-Dwarnings")
            .run()
    });
    report.gate()?;

    report.step("demo", demo::build_and_play);
    report.finish()
}

/// Known vulnerabilities, where the database can be had: not every machine may reach it.
fn advisories() -> Result<Outcome> {
    let check = Cmd::cargo("deny --log-level error check advisories");
    Ok(match check.run_within(ADVISORIES_LIMIT)? {
        Bounded::Succeeded => Outcome::Passed,
        Bounded::TimedOut => Outcome::Skipped("unreachable: the database took too long".to_owned()),
        Bounded::Failed(output) if output.contains(UNREACHABLE) => {
            Outcome::Skipped("unreachable: the advisory database cannot be fetched".to_owned())
        }
        Bounded::Failed(output) => {
            print!("{output}");
            Outcome::Failed("cargo deny found advisories".to_owned())
        }
    })
}

//! `cargo xtask test`: every test there is.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::report::Report;
use crate::setup::{self, Purpose};
use crate::shell::Cmd;
use crate::{spec, workspace};

/// Tells system tests which `agent-runner` to start; `.config/nextest.toml` sets it otherwise.
pub(crate) const AGENT_RUNNER_VARIABLE: &str = "AGENT_RUNNER";

/// nextest's profile for all tests but the loom models.
pub(crate) const PROFILE: &str = "default";

/// nextest's profile for the loom models.
pub(crate) const LOOM_PROFILE: &str = "loom";

/// Where nextest writes the JUnit report of a profile: below the workspace, wherever builds go.
pub(crate) fn junit(profile: &str) -> PathBuf {
    workspace::root()
        .join("target/nextest")
        .join(profile)
        .join("junit.xml")
}

/// The reports [`run_steps`] leaves behind.
pub(crate) fn reports() -> [PathBuf; 2] {
    [PROFILE, LOOM_PROFILE].map(junit)
}

/// Sets up, then runs all tests.
pub(crate) fn run() -> Result<()> {
    let mut report = Report::new();
    report.step("setup", || setup::ensure(Purpose::Test));
    report.gate()?;
    run_steps(&mut report)?;
    report.finish()
}

/// The steps that test; the same for a developer and for CI.
///
/// Every kind of test runs even when another one failed; only a failing build stops them.
pub(crate) fn run_steps(report: &mut Report) -> Result<()> {
    let mut agent_runner = None;
    report.step("build tests", || {
        agent_runner = Some(build_tests()?);
        Ok(())
    });
    report.gate()?;
    report.step("tests", || {
        // An old report must not pass for that of a run that broke off.
        spec::runs::remove(&junit(PROFILE))?;
        let nextest = Cmd::cargo("nextest run --workspace");
        let nextest = agent_runner.iter().fold(nextest, |command, path| {
            command.env(AGENT_RUNNER_VARIABLE, path)
        });
        nextest.run()
    });
    report.step("documentation tests", || {
        Cmd::cargo("test --quiet --doc --workspace").run()
    });
    report.step("loom models", loom_models);
    Ok(())
}

/// Builds all tests, and `agent-runner` with the same features: one build of each dependency.
fn build_tests() -> Result<PathBuf> {
    let build = Cmd::cargo("build --workspace --lib --bins --tests --examples");
    executable(build, "agent-runner")
}

/// Runs a `cargo build` and answers where it put the program `name`.
pub(crate) fn executable(build: Cmd, name: &str) -> Result<PathBuf> {
    let messages = build
        .arg("--message-format=json-render-diagnostics")
        .run_for_stdout()?;
    find_executable(&messages, name).with_context(|| format!("cargo built no program {name}"))
}

/// The path of the program `name` among cargo's JSON messages; not its unit tests' path.
fn find_executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| {
            let is_program = message["target"]["name"] == name
                && message["target"]["kind"][0] == "bin"
                && message["profile"]["test"] == false;
            is_program
                .then(|| message["executable"].as_str().map(PathBuf::from))
                .flatten()
        })
}

/// Checks shared memory's lock-free algorithms under every interleaving.
///
/// `--cfg loom` rebuilds everything, so it has a target directory of its own.
pub(crate) fn loom_models() -> Result<()> {
    spec::runs::remove(&junit(LOOM_PROFILE))?;
    Cmd::cargo("nextest run --release --package tensorpool-shm --profile")
        .arg(LOOM_PROFILE)
        .arg("--target-dir")
        .arg(workspace::target_dir().join("loom"))
        .env("RUSTFLAGS", "--cfg loom")
        .run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_is_told_from_its_unit_tests() {
        let message = |test: bool, path: &str| {
            serde_json::json!({
                "reason": "compiler-artifact",
                "target": { "name": "agent-runner", "kind": ["bin"] },
                "profile": { "test": test },
                "executable": path,
            })
        };
        let messages = format!(
            "{}\n{}\n",
            message(true, "deps/a-1"),
            message(false, "debug/a")
        );
        assert_eq!(
            find_executable(&messages, "agent-runner"),
            Some(PathBuf::from("debug/a"))
        );
        assert_eq!(find_executable(&messages, "other"), None);
    }
}

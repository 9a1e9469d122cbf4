//! Steps: a heading before each, a timing after it, a table of all at the end.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As it should.
    Passed,
    /// Not run, and why; this is not a failure.
    Skipped(String),
    /// With this message.
    Failed(String),
}

#[derive(Debug)]
struct Step {
    name: &'static str,
    outcome: Outcome,
    duration: Duration,
}

/// The steps of one command, in the order they ran.
#[derive(Debug)]
pub(crate) struct Report {
    started: Instant,
    steps: Vec<Step>,
}

impl Report {
    /// An empty report; time starts now.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            steps: Vec::new(),
        }
    }

    /// Runs `work` as a step. A failure is printed and recorded, and the caller goes on:
    /// [`Report::gate`] is where failures stop the command.
    pub(crate) fn step(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) {
        self.skippable_step(name, || work().map(|()| Outcome::Passed));
    }

    /// Like [`Report::step`], for work that may find that it cannot be done here.
    pub(crate) fn skippable_step(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<Outcome>,
    ) {
        println!("\n== {name}");
        let started = Instant::now();
        let outcome = work().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        let duration = started.elapsed();
        match &outcome {
            Outcome::Passed => println!("-- {name}: ok, {}", seconds(duration)),
            Outcome::Skipped(why) => println!("-- {name}: skipped: {why}"),
            Outcome::Failed(why) => println!("-- {name}: FAILED: {why}"),
        }
        self.steps.push(Step {
            name,
            outcome,
            duration,
        });
    }

    /// Fails, with the table, if a step so far failed.
    pub(crate) fn gate(&self) -> Result<()> {
        let failed: Vec<_> = self.steps.iter().filter(|step| step.failed()).collect();
        let Some(first) = failed.first() else {
            return Ok(());
        };
        print!("{}", self.table());
        if let ([only], Outcome::Failed(why)) = (failed.as_slice(), &first.outcome) {
            bail!("{} failed: {why}", only.name);
        }
        let names: Vec<_> = failed.iter().map(|step| step.name).collect();
        bail!("{} steps failed: {}", names.len(), names.join(", "));
    }

    /// Prints the table, and fails if a step failed.
    pub(crate) fn finish(self) -> Result<()> {
        self.gate()?;
        print!("{}", self.table());
        Ok(())
    }

    fn table(&self) -> String {
        let width = self
            .steps
            .iter()
            .map(|step| step.name.len())
            .max()
            .unwrap_or(0);
        let mut table = String::from("\n== summary\n");
        for step in &self.steps {
            let verdict = match &step.outcome {
                Outcome::Passed => "ok".to_owned(),
                Outcome::Skipped(why) => format!("skipped: {why}"),
                Outcome::Failed(_) => "FAILED".to_owned(),
            };
            let time = seconds(step.duration);
            _ = writeln!(table, "{:width$}  {time:>8}  {verdict}", step.name);
        }
        _ = writeln!(
            table,
            "{:width$}  {:>8}",
            "total",
            seconds(self.started.elapsed())
        );
        table
    }
}

impl Step {
    fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }
}

/// `duration` for people: milliseconds matter below a second, minutes above one.
pub(crate) fn seconds(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.2} s", duration.as_secs_f64()),
        whole => format!("{}m {:02}s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_failures_up_to_a_gate_are_named() {
        let mut report = Report::new();
        report.step("first", || bail!("broken"));
        report.step("second", || Ok(()));
        report.step("third", || bail!("broken too"));
        assert_eq!(
            report.gate().unwrap_err().to_string(),
            "2 steps failed: first, third"
        );
    }

    #[test]
    fn single_failure_is_reported_with_its_reason() {
        let mut report = Report::new();
        report.step("only", || bail!("`cargo fmt` failed"));
        let message = report.finish().unwrap_err().to_string();
        assert_eq!(message, "only failed: `cargo fmt` failed");
    }

    #[test]
    fn skipped_step_is_no_failure_and_says_why() {
        let mut report = Report::new();
        report.skippable_step("advisories", || {
            Ok(Outcome::Skipped("unreachable".to_owned()))
        });
        assert!(report.table().contains("skipped: unreachable"));
        assert!(report.finish().is_ok());
    }

    #[test]
    fn durations_read_as_seconds_then_minutes() {
        assert_eq!(seconds(Duration::from_millis(1_234)), "1.23 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2m 05s");
    }
}

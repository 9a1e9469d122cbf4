//! `agent-runner config`: what a configuration says before anything is run with it.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::{ConfigAction, ConfigArgs, ConfigFileArgs};
use crate::config::{self, ConfigError, Diagnostic, LoadedConfig, Override, Severity};
use crate::report::failure::misuse;
use crate::report::figures::count_text;
use crate::report::{Reporter, warn};

use super::settings;

/// The exit code for a configuration that cannot be run with.
const UNUSABLE: u8 = 2;

/// Checks, shows or generates a configuration.
///
/// # Errors
/// When `show` is given a configuration that cannot be run with.
pub(super) fn execute(args: &ConfigArgs) -> anyhow::Result<ExitCode> {
    // What is printed has no event's frame around it, also where it is JSON.
    let report = Reporter::new(false, false);
    let code = match &args.action {
        ConfigAction::Check(args) => check(&report, args),
        ConfigAction::Show(args) => show(&report, args)?,
        ConfigAction::Generate => {
            print(&report, config::default_config_text().trim_end());
            ExitCode::SUCCESS
        }
    };
    Ok(report.conclude(code))
}

fn check(report: &Reporter, args: &ConfigFileArgs) -> ExitCode {
    let verdict = Verdict::of(settings::try_load(&args.aeron, args.file.as_deref()));
    if args.aeron.json {
        print(report, &verdict.json().to_string());
    } else {
        verdict.print(report);
    }
    if verdict.is_usable() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNUSABLE)
    }
}

fn show(report: &Reporter, args: &ConfigFileArgs) -> anyhow::Result<ExitCode> {
    let coloured = !args.aeron.json && std::io::stderr().is_terminal();
    let loaded = settings::try_load(&args.aeron, args.file.as_deref())
        .map_err(|error| misuse(error.render(coloured)))?;
    let entries = config::entries(&loaded);
    if args.aeron.json {
        print(report, &config::as_json(&entries, &loaded.path).to_string());
    } else {
        print(report, config::as_toml(&entries, &loaded.path).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// To standard output, whatever else is said.
fn print(report: &Reporter, text: &str) {
    report.event("config", text, Value::Null);
}

/// What a check comes to.
struct Verdict {
    path: String,
    source_text: String,
    diagnostics: Vec<Diagnostic>,
    overrides: Vec<Override>,
    without_effect: Vec<String>,
}

impl Verdict {
    fn of(loaded: Result<LoadedConfig, ConfigError>) -> Self {
        match loaded {
            Ok(loaded) => Self {
                without_effect: settings::without_effect(&loaded.settings),
                path: loaded.path,
                source_text: loaded.source_text,
                diagnostics: loaded.diagnostics,
                overrides: loaded.overrides,
            },
            Err(error) => Self {
                path: error.path,
                source_text: error.source_text,
                diagnostics: error.diagnostics,
                overrides: Vec::new(),
                without_effect: Vec::new(),
            },
        }
    }

    fn count(&self, severity: Severity) -> usize {
        let all = self.diagnostics.iter();
        all.filter(|one| one.severity == severity).count()
    }

    fn is_usable(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    fn warning_count(&self) -> usize {
        self.count(Severity::Warning) + self.without_effect.len()
    }

    /// What is odd goes to standard error, the verdict to standard output.
    fn print(&self, report: &Reporter) {
        let coloured = std::io::stderr().is_terminal();
        for diagnostic in &self.diagnostics {
            warn(&diagnostic.render(&self.path, &self.source_text, coloured));
        }
        for text in &self.without_effect {
            warn(&format!("warning: without effect: {text}"));
        }
        for set in &self.overrides {
            warn(&settings::describe(set));
        }
        let verdict = if self.is_usable() {
            "ok"
        } else {
            "cannot be run with"
        };
        let mut text = format!("{}: {verdict}", self.path);
        for (count, what) in [
            (self.count(Severity::Error), "error"),
            (self.warning_count(), "warning"),
            (self.count(Severity::Notice), "note"),
            (self.overrides.len(), "override"),
        ] {
            if count > 0 {
                // Writing to a string cannot fail.
                let _infallible = write!(text, ", {}", count_text(count as u64, what));
            }
        }
        print(report, &text);
    }

    fn json(&self) -> Value {
        let diagnostic = |one: &Diagnostic| {
            let position = one.position(&self.source_text);
            json!({
                "severity": match one.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                    Severity::Notice => "note",
                },
                "title": one.title,
                "line": position.map(|(line, _)| line),
                "column": position.map(|(_, column)| column),
                "label": one.place.as_ref().map(|(_, label)| label),
                "help": one.help,
            })
        };
        let override_of = |set: &Override| {
            let value = if config::is_secret(set.key) {
                "(set)"
            } else {
                &set.value
            };
            json!({ "key": set.key, "origin": set.origin, "value": value })
        };
        json!({
            "path": self.path,
            "usable": self.is_usable(),
            "errors": self.count(Severity::Error),
            "warnings": self.warning_count(),
            "diagnostics": self.diagnostics.iter().map(diagnostic).collect::<Value>(),
            "without_effect": self.without_effect,
            "overrides": self.overrides.iter().map(override_of).collect::<Value>(),
        })
    }
}

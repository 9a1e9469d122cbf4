//! Cargo in the working copy, behind everybody else on the machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::copy::WorkingCopy;
use crate::shell::{Cmd, Exit};
use crate::workspace;

/// Longer than any build takes.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// What the code is compiled with: it is compiled more often than it runs. Dependencies keep theirs.
const OPTIMISATION: (&str, &str) = ("CARGO_PROFILE_DEV_OPT_LEVEL", "0");

/// An error of the compiler, by the places it names.
#[derive(Debug)]
pub(super) struct Complaint {
    /// File, first and last line.
    pub(super) places: Vec<(String, usize, usize)>,
    pub(super) text: String,
}

/// What a build made, or what is wrong.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub(super) programs: Vec<Program>,
    pub(super) complaints: Vec<Complaint>,
}

#[derive(Debug)]
pub(super) struct Program {
    /// As nextest names it, such as `tensorpool::client_spec`; a program that is no test is named itself.
    pub(super) binary: String,
    pub(super) path: PathBuf,
    /// Where its package is.
    pub(super) directory: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
    message: Option<Diagnostic>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Profile {
    test: bool,
}

#[derive(Debug, Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
    spans: Vec<Place>,
}

#[derive(Debug, Deserialize)]
struct Place {
    file_name: String,
    line_start: usize,
    line_end: usize,
    is_primary: bool,
}

/// Runs `cargo` with these arguments, which build something.
pub(super) fn build(copy: &WorkingCopy, arguments: &[String]) -> Result<Built> {
    let (variable, level) = OPTIMISATION;
    let cargo = Cmd::new("nice")
        .args(["-n", "10", "cargo"])
        .args(arguments)
        .args(["--offline", "--quiet", "--message-format=json"])
        .env(variable, level)
        .env(workspace::TARGET_DIR_VARIABLE, copy.build())
        .current_dir(copy.root());
    let shown = cargo.to_string();
    let (exit, output) = cargo.outcome_within(LIMIT)?;
    let built = read(&output, copy.root());
    match exit {
        Exit::Code(0) => Ok(built),
        Exit::Code(_) if !built.complaints.is_empty() => Ok(built),
        exit => bail!("`{shown}` ended with {exit:?}:\n{output}"),
    }
}

fn read(output: &str, root: &Path) -> Built {
    let mut built = Built::default();
    let messages = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    for message in messages {
        match message.reason.as_str() {
            "compiler-message" => {
                // How many errors there were is one as well, of no place.
                let diagnostic = message
                    .message
                    .filter(|message| message.level == "error" && !message.spans.is_empty());
                built.complaints.extend(diagnostic.map(complaint));
            }
            "compiler-artifact" => built.programs.extend(program(message, root)),
            _ => {}
        }
    }
    built
}

fn complaint(diagnostic: Diagnostic) -> Complaint {
    // The primary places first: what is said of the others explains.
    let mut places = diagnostic.spans;
    places.sort_by_key(|place| !place.is_primary);
    let places = places.into_iter();
    Complaint {
        places: places
            .map(|place| (place.file_name, place.line_start, place.line_end))
            .collect(),
        text: diagnostic.rendered.unwrap_or_default(),
    }
}

fn program(message: Message, root: &Path) -> Option<Program> {
    let (path, target) = (message.executable?, message.target?);
    let id = message.package_id?;
    let (place, version) = id.split_once('#')?;
    let package = match version.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next()?,
    };
    let is_test = message.profile.is_some_and(|profile| profile.test);
    let binary = match (is_test, target.kind.first()?.as_str()) {
        (false, _) => target.name,
        (true, "lib") => package.to_owned(),
        (true, "test") => format!("{package}::{}", target.name),
        (true, kind) => format!("{package}::{kind}/{}", target.name),
    };
    let manifest = message.manifest_path?;
    let directory = manifest.parent().unwrap_or(root).to_owned();
    Some(Program {
        binary,
        path,
        directory,
    })
}

/// Programs by the name nextest gives them.
pub(super) type Programs = BTreeMap<String, Program>;

impl Built {
    /// The programs; an error when there are complaints.
    pub(super) fn programs(self) -> Result<Programs> {
        if let Some(complaint) = self.complaints.first() {
            bail!("the working copy does not compile:\n{}", complaint.text);
        }
        let programs = self.programs.into_iter();
        Ok(programs
            .map(|program| (program.binary.clone(), program))
            .collect())
    }

    /// What one program is.
    pub(super) fn path_of(&self, name: &str) -> Result<PathBuf> {
        let found = self.programs.iter().find(|program| program.binary == name);
        let found = found.with_context(|| format!("cargo built no {name}"))?;
        Ok(found.path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_complaints_are_read_from_what_cargo_says() {
        let output = [
            r#"{"reason":"compiler-artifact","package_id":"path+file:///w/shm#tensorpool-shm@0.1.0",
               "manifest_path":"/w/shm/Cargo.toml","target":{"name":"tensorpool_shm","kind":["lib"]},
               "profile":{"test":true},"executable":"/b/shm-1"}"#,
            r#"{"reason":"compiler-artifact","package_id":"path+file:///w/tensorpool#0.1.0",
               "manifest_path":"/w/tensorpool/Cargo.toml","target":{"name":"spec","kind":["test"]},
               "profile":{"test":true},"executable":"/b/spec-1"}"#,
            r#"{"reason":"compiler-artifact","package_id":"path+file:///w/cli#agent-runner@0.1.0",
               "manifest_path":"/w/cli/Cargo.toml","target":{"name":"agent-runner","kind":["bin"]},
               "profile":{"test":false},"executable":"/b/agent-runner"}"#,
            r#"{"reason":"compiler-message","message":{"level":"error","rendered":"mismatch","spans":[
               {"file_name":"b.rs","line_start":9,"line_end":9,"is_primary":false},
               {"file_name":"a.rs","line_start":3,"line_end":4,"is_primary":true}]}}"#,
            r#"{"reason":"compiler-message","message":{"level":"warning","rendered":"","spans":[]}}"#,
        ]
        .map(|line| line.replace('\n', ""))
        .join("\n");
        let built = read(&output, Path::new("/w"));
        let names: Vec<&str> = built.programs.iter().map(|p| p.binary.as_str()).collect();
        assert_eq!(
            names,
            ["tensorpool-shm", "tensorpool::spec", "agent-runner"]
        );
        assert_eq!(built.programs[0].directory, Path::new("/w/shm"));
        assert_eq!(built.complaints.len(), 1);
        assert_eq!(built.complaints[0].places[0], ("a.rs".to_owned(), 3, 4));
        assert_eq!(
            built.path_of("agent-runner").unwrap(),
            Path::new("/b/agent-runner")
        );
        assert!(built.programs().is_err());
    }
}

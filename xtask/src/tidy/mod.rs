//! `cargo xtask tidy`: the house rules that no compiler checks.
//!
//! Each check takes plain input (a file, a manifest, metadata) and returns findings, so that its
//! tests need no repository; only this module touches the disk.

pub(crate) mod finding;
mod layers;
pub(crate) mod links;
mod manifests;
pub(crate) mod prose;
pub(crate) mod source;
mod text;
mod tokens;

use std::path::Path;

use anyhow::{Context, Result, bail};

use self::finding::{Finding, Severity};
use self::source::SourceFile;
use crate::shell::Cmd;

/// Checks the repository the current directory is in; prints every finding.
pub(crate) fn run() -> Result<()> {
    let paths = repository_files()?;
    let files = read_files(&paths)?;
    let mut findings: Vec<Finding> = files
        .iter()
        .flat_map(|file| check_file(file, &paths))
        .collect();
    findings.extend(check_layers(&files)?);
    findings.extend(manifests::check_lock(&committed("Cargo.lock")?));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    let errors = findings
        .iter()
        .filter(|each| each.severity == Severity::Error)
        .count();
    println!(
        "tidy: {} files, {errors} errors, {} warnings",
        files.len(),
        findings.len() - errors
    );
    if errors > 0 {
        bail!("tidy: {errors} findings");
    }
    Ok(())
}

/// All checks that look at one file.
fn check_file(file: &SourceFile, repository: &[String]) -> Vec<Finding> {
    let mut findings = text::check(file);
    if file.is_rust() {
        findings.extend(tokens::check(file));
    }
    if file.is_markdown() {
        findings.extend(prose::check(file));
        findings.extend(links::check(file, repository));
    }
    if file.is_crate_manifest() {
        findings.extend(manifests::check(file));
    }
    findings
}

fn check_layers(files: &[SourceFile]) -> Result<Vec<Finding>> {
    let metadata = Cmd::cargo("metadata --format-version 1 --no-deps --locked --offline").probe();
    let metadata = metadata.context("`cargo metadata` failed; run it to see why")?;
    layers::check(&metadata, files)
}

/// Tracked files and new ones that are not ignored, with `/` between components.
pub(crate) fn repository_files() -> Result<Vec<String>> {
    let listing = Cmd::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .probe()
        .context("`git ls-files` failed: tidy needs git and a clone")?;
    let mut paths: Vec<_> = listing
        .split('\0')
        .filter(|path| !path.is_empty())
        .collect();
    paths.sort_unstable();
    paths.dedup();
    Ok(paths
        .into_iter()
        .filter(|path| Path::new(path).exists())
        .map(str::to_owned)
        .collect())
}

fn committed(path: &str) -> Result<String> {
    Cmd::new("git")
        .args(["ls-files", "--", path])
        .probe()
        .context("`git ls-files` failed")
}

/// The files that are text; binary ones have no lines to check.
pub(crate) fn read_files(paths: &[String]) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for path in paths.iter().filter(|path| Path::new(path).is_file()) {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile::new(path.clone(), text));
        }
    }
    Ok(files)
}

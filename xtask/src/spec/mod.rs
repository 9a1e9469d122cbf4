//! `cargo xtask spec`: the specification in `docs/spec/`, the tests that prove it, and what is made of both.
//!
//! Reading, judging and rendering work on plain text, so that their tests need no repository; only
//! this module and `runs` touch the disk.

mod binaries;
mod document;
#[cfg(test)]
mod example;
mod id;
mod lint;
mod mentions;
pub(crate) mod mutate;
mod proofs;
mod render;
mod results;
pub(crate) mod runs;
mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use self::document::Document;
use self::mentions::Mention;
use self::proofs::{Proof, TestBinary};
use self::trace::Trace;
use crate::shell::Cmd;
use crate::tidy;
use crate::tidy::finding::Finding;
use crate::tidy::source::SourceFile;

const DOCUMENTS: &str = "docs/spec/";

/// This tool's own sources: their ids are examples.
const TOOL: &str = "xtask/";

/// Extracts the specification, or only checks it with `check`.
///
/// `reports` are the JUnit reports to believe; without any, fresh ones are looked for, and the tests
/// run if there are none.
pub(crate) fn run(check: bool, reports: &[PathBuf]) -> Result<()> {
    let repository = tidy::repository_files()?;
    let files = tidy::read_files(&repository)?;
    let metadata = Cmd::cargo("metadata --format-version 1 --no-deps --offline").probe();
    let metadata = metadata.context("`cargo metadata` failed; run it to see why")?;
    let (specification, findings) = read(&files, &repository, &binaries::find(&metadata)?);
    conclude(findings)?;

    let Specification {
        documents,
        proofs,
        mentions,
    } = &specification;
    let results = runs::results(reports, proofs, last_change(&files)?)?;
    let trace = Trace::new(documents, proofs, mentions, &results);
    conclude(trace.check())?;

    let outputs = outputs(&trace);
    if check {
        conclude(drift(&outputs, &files))?;
    } else {
        write(&outputs, &files)?;
    }
    let count = documents.iter().flat_map(Document::requirements).count();
    let files = documents.len();
    println!(
        "spec: {count} requirements in {files} documents, {} tests",
        proofs.len()
    );
    Ok(())
}

/// Everything that was read.
#[derive(Debug)]
struct Specification {
    documents: Vec<Document>,
    proofs: Vec<Proof>,
    mentions: Vec<Mention>,
}

/// Reads all files and applies all lints that need no results.
fn read(
    files: &[SourceFile],
    repository: &[String],
    binaries: &[TestBinary],
) -> (Specification, Vec<Finding>) {
    let mut findings = Vec::new();
    let markdown: BTreeMap<&str, &SourceFile> = files
        .iter()
        .filter(|file| file.is_markdown())
        .map(|file| (file.path.as_str(), file))
        .collect();
    let sources: Vec<&&SourceFile> = markdown
        .values()
        .filter(|file| file.path.starts_with(DOCUMENTS))
        .collect();
    let (documents, found): (Vec<_>, Vec<_>) =
        sources.iter().map(|file| document::parse(file)).unzip();
    findings.extend(found.into_iter().flatten());
    // What this run is about to write may be linked to.
    let mut targets = repository.to_vec();
    targets.extend(
        documents
            .iter()
            .filter_map(render::yaml)
            .map(|(path, _)| path),
    );
    targets.push(render::COMPLIANCE.to_owned());
    for file in sources {
        findings.extend(lint::check_links(file, &targets, &markdown));
    }
    findings.extend(lint::check_ids(&documents));

    let code: Vec<&SourceFile> = files
        .iter()
        .filter(|file| file.is_rust() && !file.path.starts_with(TOOL))
        .collect();
    let sources = code
        .iter()
        .map(|file| (file.path.as_str(), file.text.as_str()))
        .collect();
    let proofs = proofs::find(binaries, &sources);
    findings.extend(proofs.findings);
    let mut mentions = Vec::new();
    for file in code {
        let (found, wrong) = mentions::find(file, proofs.lines.get(&file.path));
        mentions.extend(found);
        findings.extend(wrong);
    }
    findings.extend(trace::check_unknown(&documents, &proofs.proofs, &mentions));
    let specification = Specification {
        documents,
        proofs: proofs.proofs,
        mentions,
    };
    (specification, findings)
}

/// The generated files by path.
fn outputs(trace: &Trace<'_>) -> BTreeMap<String, String> {
    let extracts = trace.documents.iter().filter_map(render::yaml);
    let report = (render::COMPLIANCE.to_owned(), render::compliance(trace));
    extracts.chain([report]).collect()
}

/// Generated files that are there and should not be.
fn stale<'f>(
    outputs: &BTreeMap<String, String>,
    files: &'f [SourceFile],
) -> impl Iterator<Item = &'f str> {
    let directory = format!("{}/", render::REQUIREMENTS);
    let paths = files.iter().map(|file| file.path.as_str());
    paths.filter(move |path| path.starts_with(&directory) && !outputs.contains_key(*path))
}

/// Where the generated files are not what they would become.
fn drift(outputs: &BTreeMap<String, String>, files: &[SourceFile]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = stale(outputs, files)
        .map(|path| Finding::error(path, 1, "no document for it: run `cargo xtask spec`"))
        .collect();
    for (path, expected) in outputs {
        let found = files.iter().find(|file| file.path == *path);
        let found = found.map_or("", |file| file.text.as_str());
        if found == expected {
            continue;
        }
        let same = found
            .lines()
            .zip(expected.lines())
            .take_while(|(found, expected)| found == expected)
            .count();
        let line = expected.lines().nth(same).unwrap_or("the end of the file");
        let message = format!("out of date: expected {line}; run `cargo xtask spec` and commit");
        findings.push(Finding::error(path, same + 1, message));
    }
    findings
}

fn write(outputs: &BTreeMap<String, String>, files: &[SourceFile]) -> Result<()> {
    for path in stale(outputs, files) {
        fs::remove_file(path).with_context(|| format!("cannot remove {path}"))?;
    }
    for (path, text) in outputs {
        if let Some(directory) = Path::new(path).parent() {
            fs::create_dir_all(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        fs::write(path, text).with_context(|| format!("cannot write {path}"))?;
        println!("spec: wrote {path}");
    }
    Ok(())
}

/// When the newest file a test result depends on was written.
fn last_change(files: &[SourceFile]) -> Result<SystemTime> {
    let matters = |file: &&SourceFile| {
        let built = [".rs", ".toml", ".xml"];
        built.iter().any(|end| file.path.ends_with(end)) && !file.path.starts_with(TOOL)
    };
    let mut newest = SystemTime::UNIX_EPOCH;
    for file in files.iter().filter(matters) {
        let written = fs::metadata(&file.path).and_then(|file| file.modified());
        newest = newest.max(written.with_context(|| format!("cannot inspect {}", file.path))?);
    }
    Ok(newest)
}

/// Prints findings; fails if there are any.
fn conclude(mut findings: Vec<Finding>) -> Result<()> {
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("spec: {} findings", findings.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::results::Results;
    use super::*;

    fn files(spec: &str, code: &str) -> Vec<SourceFile> {
        vec![
            SourceFile::new("docs/spec/20-shared-memory.md", spec),
            SourceFile::new("shm/src/lib.rs", code),
            SourceFile::new("xtask/src/main.rs", "//! [TP-SHM-0990] and [TP-NONE-1]\n"),
        ]
    }

    fn read_all(files: &[SourceFile]) -> (Specification, Vec<String>) {
        let repository: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
        let (specification, findings) = read(files, &repository, &[example::binary()]);
        (
            specification,
            findings.iter().map(ToString::to_string).collect(),
        )
    }

    fn outputs_of(specification: &Specification) -> BTreeMap<String, String> {
        let results = Results::parse(example::JUNIT).unwrap();
        let Specification {
            documents,
            proofs,
            mentions,
        } = specification;
        outputs(&Trace::new(documents, proofs, mentions, &results))
    }

    #[test]
    fn sound_specification_has_no_findings_and_this_tools_own_ids_do_not_count() {
        let (specification, findings) = read_all(&files(example::SPEC, example::CODE));
        assert_eq!(findings, [""; 0]);
        assert_eq!(specification.documents.len(), 1);
        assert_eq!(specification.proofs.len(), 1);
        assert!(specification.mentions.is_empty());
    }

    #[test]
    fn every_lint_is_applied() {
        let spec = format!("{}- [dead](gone.md)\n{}\n", example::SPEC, "w".repeat(101));
        let spec = spec.replace("tp-shm-0020", "tp-shm-0030");
        let code = example::CODE.replace("fn slot", "/// [TP-SHM-0770]\nfn slot");
        let (_, findings) = read_all(&files(&spec, &code));
        let expected = ["columns", "start with", "gone.md", "unknown id TP-SHM-0770"];
        for part in expected {
            assert!(
                findings.iter().any(|finding| finding.contains(part)),
                "{part}: {findings:?}"
            );
        }
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
    }

    #[test]
    fn second_run_changes_nothing_and_any_edit_is_drift() {
        let mut files = files(example::SPEC, example::CODE);
        let outputs = outputs_of(&read_all(&files).0);
        assert_eq!(outputs, outputs_of(&read_all(&files).0));
        assert_eq!(drift(&outputs, &files).len(), 2, "nothing was written yet");
        files.extend(
            outputs
                .iter()
                .map(|(path, text)| SourceFile::new(path, text.clone())),
        );
        assert_eq!(drift(&outputs, &files), []);

        let report = files
            .iter_mut()
            .find(|file| file.path == render::COMPLIANCE)
            .unwrap();
        report.text = report.text.replace("| MUST | proved |", "| MUST | hoped |");
        let found = drift(&outputs, &files);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("| MUST | proved |"), "{found:?}");
    }

    #[test]
    fn extract_of_a_removed_document_is_drift() {
        let mut files = files(example::SPEC, example::CODE);
        let outputs = outputs_of(&read_all(&files).0);
        files.extend(
            outputs
                .iter()
                .map(|(path, text)| SourceFile::new(path, text.clone())),
        );
        files.push(SourceFile::new("docs/requirements/90-gone.yaml", ""));
        let found = drift(&outputs, &files);
        assert_eq!(found.len(), 1);
        assert!(
            found[0]
                .to_string()
                .starts_with("docs/requirements/90-gone.yaml:1: no document")
        );
    }
}

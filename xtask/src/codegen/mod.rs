//! `cargo xtask codegen`: the SBE schemas of `schemas/` become the modules of `codecs/src/gen/`.
//!
//! The generator reads the part of SBE these schemas use and refuses everything else, with file and
//! line: an attribute that is silently ignored changes what is on the wire. Output is the same for
//! the same input, formatted by rustfmt, and committed; `--check` compares and writes nothing.

mod emit;
mod emit_block;
mod emit_group;
mod emit_message;
mod names;
mod parse;
mod schema;
#[cfg(test)]
mod tests;
mod types;
mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

const SCHEMAS: &str = "schemas";
const GENERATED: &str = "codecs/src/gen";

/// Generates all modules. With `check`, compares them with what is committed and changes nothing.
///
/// # Errors
/// What a schema says that is not understood (file and line), or which generated files differ.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask has no parent")?;
    let schemas = read_dir(&root.join(SCHEMAS), "xml")?;
    let expected = generate(root, &schemas)?;
    let found = read_dir(&root.join(GENERATED), "rs")?;
    let changes = changes(&expected, &found);
    if check {
        if changes.is_empty() {
            return Ok(());
        }
        bail!(
            "not what the schemas say: {}\nrun `cargo xtask codegen` and commit the result",
            changes
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    for name in &changes {
        let path = root.join(name);
        match expected.get(name) {
            Some(text) => {
                fs::write(&path, text).with_context(|| format!("cannot write {name}"))?;
                println!("wrote {name}");
            }
            None => {
                fs::remove_file(&path).with_context(|| format!("cannot remove {name}"))?;
                println!("removed {name}");
            }
        }
    }
    Ok(())
}

/// All generated files, by path relative to the root.
fn generate(root: &Path, schemas: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    let mut ids = BTreeMap::new();
    let mut files = BTreeMap::new();
    for (path, text) in schemas {
        let module = Path::new(path)
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let label = format!("{SCHEMAS}/{module}.xml");
        let schema = parse::parse(module, &label, text)?;
        if let Some(other) = ids.insert(schema.id, label.clone()) {
            bail!("{label}: the schema id {} is taken by {other}", schema.id);
        }
        let code = rustfmt(root, &emit::module(&schema)?)
            .with_context(|| format!("cannot format the code for {label}"))?;
        files.insert(format!("{GENERATED}/{module}.rs"), code);
    }
    Ok(files)
}

/// Paths that are missing, superfluous or different.
fn changes(
    expected: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
) -> BTreeSet<String> {
    let all = expected.keys().chain(found.keys());
    all.filter(|path| expected.get(*path) != found.get(*path))
        .cloned()
        .collect()
}

/// The files of `dir` with this extension, by path relative to the root, in order.
fn read_dir(dir: &Path, extension: &str) -> Result<BTreeMap<String, String>> {
    let name = if extension == "xml" {
        SCHEMAS
    } else {
        GENERATED
    };
    let mut files = BTreeMap::new();
    let entries = fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))?;
    for entry in entries {
        let path: PathBuf = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let file = path
                .file_name()
                .and_then(|file| file.to_str())
                .unwrap_or_default();
            files.insert(format!("{name}/{file}"), text);
        }
    }
    Ok(files)
}

fn rustfmt(root: &Path, code: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args([
            "--edition",
            "2024",
            "--emit",
            "stdout",
            "--quiet",
            "--config-path",
        ])
        .arg(root.join("rustfmt.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context(
            "cannot run rustfmt; it comes with the toolchain (rustup component add rustfmt)",
        )?;
    let mut stdin = child.stdin.take().context("rustfmt has no input")?;
    // Fed from a thread: rustfmt may answer before it has read everything.
    let input = code.to_owned();
    let feeder = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    feeder
        .join()
        .map_err(|_| anyhow!("feeding rustfmt failed"))??;
    if !output.status.success() {
        bail!("rustfmt failed ({})", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

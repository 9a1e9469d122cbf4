//! Aeron's own samples cping and cpong, built from the sources that come with the Aeron we use.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::shell::Cmd;
use crate::workspace;

/// The crate that brings Aeron's sources.
const AERON_CRATE: &str = "rusteron-client";
const LIBRARY: &str = "out/build/lib/libaeron_static.a";
/// What the samples need and Aeron does not bring.
const HEADERS: &str = "benches/peers";
/// As Aeron builds its samples for release, for the processors we build Aeron for.
const FLAGS: &str = "-O3 -std=gnu11 -march=x86-64-v2 -D_GNU_SOURCE -D_DEFAULT_SOURCE \
    -DDISABLE_BOUNDS_CHECKS -DNDEBUG";
const LIBRARIES: &str = "-lm -lpthread -ldl -lbsd -luuid";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// The arguments of `tensorpool-bench` that measure them.
pub(super) fn build() -> Result<String> {
    let aeron = aeron_sources()?;
    let client = aeron.join("aeron-client/src/main/c");
    let samples = aeron.join("aeron-samples/src/main/c");
    let library = library(&workspace::target_dir().join("release/build"))?;
    let dir = workspace::target_dir().join("bench-peers");
    fs::create_dir_all(&dir)?;
    let mut arguments = "cping".to_owned();
    for program in ["cping", "cpong"] {
        let output = dir.join(program);
        Cmd::new("cc")
            .args(FLAGS.split_whitespace())
            .arg("-I")
            .arg(HEADERS)
            .arg("-I")
            .arg(&client)
            .arg("-I")
            .arg(&samples)
            .arg(samples.join(program).with_extension("c"))
            .arg(samples.join("sample_util.c"))
            .arg(&library)
            .arg("-o")
            .arg(&output)
            .args(LIBRARIES.split_whitespace())
            .run()?;
        arguments += &format!(" --{program} {}", output.display());
    }
    Ok(arguments)
}

fn aeron_sources() -> Result<PathBuf> {
    let metadata = Cmd::cargo("metadata --format-version 1").probe();
    let metadata = metadata.context("`cargo metadata` failed")?;
    let metadata: Metadata = serde_json::from_str(&metadata)?;
    let mut packages = metadata.packages.into_iter();
    let package = packages.find(|package| package.name == AERON_CRATE);
    let package = package.with_context(|| format!("{AERON_CRATE} is no dependency"))?;
    let dir = package.manifest_path.parent().unwrap_or(Path::new("."));
    Ok(dir.join("aeron"))
}

/// The one that was built last: the release has just been made.
fn library(builds: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(builds).with_context(|| format!("{}", builds.display()))?;
    let found = entries.flatten().filter_map(|entry| {
        let is_aeron = entry.file_name().to_string_lossy().starts_with(AERON_CRATE);
        let library = entry.path().join(LIBRARY);
        let built = library
            .metadata()
            .ok()?
            .modified()
            .unwrap_or(SystemTime::UNIX_EPOCH);
        is_aeron.then_some((built, library))
    });
    let newest = found.max().map(|(_, library)| library);
    newest.with_context(|| format!("no {LIBRARY} below {}", builds.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_looked_for_where_the_release_puts_it() {
        let dir = tempfile::tempdir().unwrap();
        let error = library(dir.path()).unwrap_err();
        assert!(error.to_string().contains(LIBRARY), "{error}");
        let file = dir.path().join("rusteron-client-0123").join(LIBRARY);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        assert_eq!(library(dir.path()).unwrap(), file);
    }
}

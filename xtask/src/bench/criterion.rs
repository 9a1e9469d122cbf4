//! What the criterion benchmarks say about single operations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::set::Extent;
use crate::shell::Cmd;
use crate::workspace;

/// The benchmark programs, and those of their benchmarks the targets ask about.
const PROGRAMS: [(&str, &str); 2] = [("codecs", "FrameDescriptor"), ("runtime", "runtime")];

/// Median nanoseconds of each benchmark, by its path.
#[derive(Debug, Default)]
pub(super) struct Estimates(BTreeMap<String, f64>);

#[derive(Deserialize)]
struct EstimatesFile {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

impl Estimates {
    /// Runs them, briefly, or in full for the whole cross.
    pub(super) fn measure(extent: Extent) -> Result<Self> {
        let dir = workspace::target_dir().join("criterion");
        let times = match extent {
            Extent::Quick => "--warm-up-time 0.1 --measurement-time 0.5 --sample-size 10",
            Extent::Default | Extent::Full => "--warm-up-time 1 --measurement-time 2",
        };
        for (program, filter) in PROGRAMS {
            let filter = if extent == Extent::Full { "" } else { filter };
            Cmd::cargo(&format!("bench -p tensorpool-benches --bench {program} --"))
                .args(filter.split_whitespace())
                .args(["--noplot"])
                .args(times.split_whitespace())
                .run()?;
        }
        let mut estimates = Self::default();
        estimates.read(&dir, &dir)?;
        Ok(estimates)
    }

    /// All results below a directory.
    fn read(&mut self, root: &Path, dir: &Path) -> Result<()> {
        let entries = std::fs::read_dir(dir).with_context(|| format!("{}", dir.display()))?;
        let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        for path in paths.into_iter().filter(|path| path.is_dir()) {
            let file = path.join("estimates.json");
            if path.ends_with("new") && file.exists() {
                let text = std::fs::read_to_string(&file)?;
                let found: EstimatesFile = serde_json::from_str(&text)
                    .with_context(|| format!("{} is not criterion's", file.display()))?;
                let name = dir.strip_prefix(root).unwrap_or(dir).display().to_string();
                self.0.insert(name, found.median.point_estimate);
            } else {
                self.read(root, &path)?;
            }
        }
        Ok(())
    }

    /// Nanoseconds of this benchmark, if it was run.
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, ns)| (name.as_str(), *ns))
    }

    #[cfg(test)]
    pub(super) fn of(estimates: &[(&str, f64)]) -> Self {
        let owned = estimates.iter().map(|(name, ns)| ((*name).to_owned(), *ns));
        Self(owned.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_found_where_criterion_puts_them() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("FrameDescriptor/encode/new");
        std::fs::create_dir_all(&new).unwrap();
        std::fs::create_dir_all(dir.path().join("FrameDescriptor/encode/base")).unwrap();
        let text = r#"{"mean":{"point_estimate":9.0},"median":{"point_estimate":1.5}}"#;
        std::fs::write(new.join("estimates.json"), text).unwrap();
        let mut estimates = Estimates::default();
        estimates.read(dir.path(), dir.path()).unwrap();
        assert_eq!(estimates.get("FrameDescriptor/encode"), Some(1.5));
        assert_eq!(estimates.iter().count(), 1);
    }
}

//! Where things are: the repository root, the target directory, the private tools.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};

/// Cargo's variable for the target directory.
pub(crate) const TARGET_DIR_VARIABLE: &str = "CARGO_TARGET_DIR";

/// `CARGO_TARGET_DIR` as it was given, made absolute before the current directory changed.
static CUSTOM_TARGET_DIR: OnceLock<Option<PathBuf>> = OnceLock::new();

/// The repository root.
///
/// Cargo names the manifest of the running package in the environment, which stays right when a
/// target directory is shared between clones; the compiled-in path serves a binary started by hand.
pub(crate) fn root() -> PathBuf {
    let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest_dir
        .parent()
        .map_or_else(|| manifest_dir.clone(), Path::to_path_buf)
}

/// Makes the repository root the current directory: every path and child process starts there.
pub(crate) fn enter() -> Result<()> {
    custom_target_dir();
    let root = root();
    env::set_current_dir(&root).with_context(|| format!("cannot enter {}", root.display()))
}

/// The target directory the user chose with `CARGO_TARGET_DIR`, absolute.
pub(crate) fn custom_target_dir() -> Option<&'static Path> {
    CUSTOM_TARGET_DIR
        .get_or_init(|| {
            let given = env::var_os(TARGET_DIR_VARIABLE).filter(|dir| !dir.is_empty())?;
            std::path::absolute(given).ok()
        })
        .as_deref()
}

/// Cargo's target directory.
pub(crate) fn target_dir() -> PathBuf {
    custom_target_dir().map_or_else(|| root().join("target"), Path::to_path_buf)
}

/// Private tools: `cmake/` is a Python environment, `bin/` holds cargo tools.
///
/// `.cargo/cmake-shim` looks here too.
pub(crate) fn tools_dir() -> PathBuf {
    target_dir().join("tools")
}

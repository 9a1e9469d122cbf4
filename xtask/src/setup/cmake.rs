//! A cmake new enough for Aeron: the one on PATH, or a private one from its Python wheel.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{Remedy, Requirement};
use crate::shell::{Cmd, find_program};
use crate::workspace;

/// The oldest cmake that configures Aeron. `.cargo/cmake-shim` checks the same.
const OLDEST: (u32, u32) = (3, 30);

/// What pip is asked for.
const WHEEL: &str = "cmake>=3.30,<5";

/// What a Python environment needs that a bare Debian does not have.
const PYTHON_PACKAGES: &[&str] = &["python3", "python3-venv"];

/// cmake, private or on PATH.
pub(super) fn requirement() -> Requirement {
    let candidates = private_binary().into_iter().chain(find_program("cmake"));
    let found = candidates
        .filter_map(|path| version_of(&path))
        .find(|version| is_enough(version));
    Requirement {
        name: "cmake 3.30 or newer",
        found,
        remedy: Remedy::PrivateCmake,
    }
}

/// Packages that [`install`] needs and that are not there.
pub(super) fn missing_packages() -> &'static [&'static str] {
    let environment_works = Cmd::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .probe();
    if environment_works.is_some() {
        &[]
    } else {
        PYTHON_PACKAGES
    }
}

/// Makes the private environment anew; what an interrupted run left is replaced.
pub(super) fn install() -> Result<()> {
    let environment = environment();
    Cmd::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&environment)
        .run()?;
    Cmd::new(environment.join("bin/python3"))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            WHEEL,
        ])
        .run()
        .context("cmake 3.30 or newer is needed; install one on PATH, or let pip reach an index")?;
    match requirement().found {
        Some(_) => Ok(()),
        None => bail!(
            "pip installed a cmake in {}, but it does not run",
            environment.display()
        ),
    }
}

fn environment() -> PathBuf {
    workspace::tools_dir().join("cmake")
}

/// The wheel's binary itself; the launcher beside pip starts a whole Python first.
fn private_binary() -> Option<PathBuf> {
    let versions = std::fs::read_dir(environment().join("lib")).ok()?;
    versions
        .flatten()
        .map(|python| python.path().join("site-packages/cmake/data/bin/cmake"))
        .find(|binary| binary.is_file())
}

/// What the cmake at `path` says it is.
fn version_of(path: &PathBuf) -> Option<String> {
    let text = Cmd::new(path).arg("--version").probe()?;
    let version = text.lines().next()?.rsplit(' ').next()?;
    Some(format!("{version} ({})", path.display()))
}

fn is_enough(version: &str) -> bool {
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmake_is_new_enough_from_3_30_on() {
        assert!(is_enough("3.30.0 (/usr/bin/cmake)"));
        assert!(is_enough("4.0.1"));
        assert!(is_enough("3.31.6-gfa10"));
        assert!(!is_enough("3.25.1"));
        assert!(!is_enough("2.31"));
        assert!(!is_enough("unknown"));
    }
}

//! `cargo xtask setup`: what building needs is there, or is installed, or is named.
//!
//! Everything is checked first and nothing runs when all is there, so that the other commands can
//! afford to call [`ensure`] each time.

mod cargo_tools;
mod cmake;
mod system;

use std::fs::{self, File};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::report::seconds;
use crate::workspace;

/// What the machine is going to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Build and run.
    Build,
    /// Also run the tests: cargo-nextest.
    Test,
    /// Also run what CI runs: cargo-deny, rustfmt and clippy.
    Ci,
    /// Run the mutation tests of the specification: cargo-mutants, beside what tests need.
    Mutate,
    /// Count instructions: valgrind and gungraun-runner, beside what building needs.
    Bench,
}

/// Something that has to be there.
struct Requirement {
    /// What users know it as.
    name: &'static str,
    /// Where or in which version it was found.
    found: Option<String>,
    /// How to get it.
    remedy: Remedy,
}

/// How a missing requirement is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// Debian packages.
    Packages(&'static [&'static str]),
    /// A private Python environment with cmake in it.
    PrivateCmake,
    /// `cargo install` into the private tools.
    CargoTool(&'static cargo_tools::CargoTool),
    /// `rustup component add`.
    RustupComponent(&'static str),
}

/// Checks, installs, and prints every requirement.
pub(crate) fn run(purpose: Purpose) -> Result<()> {
    let started = Instant::now();
    install_missing(&requirements(purpose))?;
    for requirement in requirements(purpose) {
        let found = requirement.found.unwrap_or_default();
        println!("ok  {:24} {found}", requirement.name);
    }
    println!("setup: all there, {}", seconds(started.elapsed()));
    Ok(())
}

/// Checks and installs what is missing; prints one line when nothing is.
pub(crate) fn ensure(purpose: Purpose) -> Result<()> {
    let started = Instant::now();
    install_missing(&requirements(purpose))?;
    println!("setup: all there, {}", seconds(started.elapsed()));
    Ok(())
}

fn requirements(purpose: Purpose) -> Vec<Requirement> {
    let mut all = system::requirements();
    all.push(cmake::requirement());
    if matches!(purpose, Purpose::Test | Purpose::Ci | Purpose::Mutate) {
        all.push(cargo_tools::NEXTEST.requirement());
    }
    match purpose {
        Purpose::Build | Purpose::Test => {}
        Purpose::Ci => {
            all.push(cargo_tools::DENY.requirement());
            all.extend(cargo_tools::components());
        }
        Purpose::Mutate => all.push(cargo_tools::MUTANTS.requirement()),
        Purpose::Bench => {
            all.push(system::valgrind());
            all.push(cargo_tools::GUNGRAUN.requirement());
        }
    }
    all
}

fn install_missing(requirements: &[Requirement]) -> Result<()> {
    let missing: Vec<_> = requirements
        .iter()
        .filter(|each| each.found.is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|each| each.name).collect();
    println!("setup: missing: {}", names.join(", "));
    let _lock = lock_tools()?;
    system::install(&packages(&missing))?;
    for requirement in missing {
        match requirement.remedy {
            Remedy::Packages(_) => {}
            Remedy::PrivateCmake => cmake::install()?,
            Remedy::CargoTool(tool) => tool.install()?,
            Remedy::RustupComponent(component) => cargo_tools::add_component(component)?,
        }
    }
    Ok(())
}

/// The packages that meet `missing`, without repetitions.
fn packages(missing: &[&Requirement]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for requirement in missing {
        match requirement.remedy {
            Remedy::Packages(names) => packages.extend_from_slice(names),
            Remedy::PrivateCmake => packages.extend_from_slice(cmake::missing_packages()),
            Remedy::CargoTool(_) | Remedy::RustupComponent(_) => {}
        }
    }
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// Held while installing, so that two commands started at once do not install over each other.
fn lock_tools() -> Result<File> {
    let tools = workspace::tools_dir();
    fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    let path = tools.join(".lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    file.lock()
        .with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

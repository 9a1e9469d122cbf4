//! Cargo tools: used when they are installed, else built into the private tools directory.

use std::fs;

use anyhow::{Context, Result};

use super::{Remedy, Requirement};
use crate::shell::{Cmd, find_program};
use crate::workspace;

/// A program that extends cargo.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CargoTool {
    /// Name of the crate and of its program.
    name: &'static str,
    /// The version that is installed when there is none; builds with the pinned toolchain.
    version: &'static str,
    /// How long that takes on two cores, so that nobody thinks it hangs.
    minutes: u32,
}

/// Runs the tests.
pub(super) static NEXTEST: CargoTool = CargoTool {
    name: "cargo-nextest",
    version: "0.9.143",
    minutes: 4,
};

/// Checks licences and sources of dependencies.
pub(super) static DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
    minutes: 3,
};

/// Knows what can be broken in a program.
pub(super) static MUTANTS: CargoTool = CargoTool {
    name: "cargo-mutants",
    version: "27.1.0",
    minutes: 3,
};

/// Runs benchmarks under callgrind; of the version of the library in `Cargo.toml`.
pub(super) static GUNGRAUN: CargoTool = CargoTool {
    name: "gungraun-runner",
    version: "0.20.0",
    minutes: 4,
};

impl CargoTool {
    pub(super) fn requirement(&'static self) -> Requirement {
        let found = find_program(self.name).map(|path| path.display().to_string());
        Requirement {
            name: self.name,
            found,
            remedy: Remedy::CargoTool(self),
        }
    }

    /// Builds the tool away from this workspace: its configuration and flags are not the tool's.
    pub(super) fn install(&self) -> Result<()> {
        let Self {
            name,
            version,
            minutes,
        } = self;
        println!("setup: building {name} {version}, about {minutes} minutes on two cores");
        let tools = workspace::tools_dir();
        let build = tools.join("build");
        let elsewhere = tempfile::tempdir().context("cannot create a temporary directory")?;
        let mut install = Cmd::cargo("install --quiet --locked")
            .args([name, "--version"])
            .arg(format!("={version}"))
            .arg("--root")
            .arg(&tools)
            .current_dir(elsewhere.path())
            .env(workspace::TARGET_DIR_VARIABLE, &build);
        for ours in [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "CMAKE",
        ] {
            install = install.env_remove(ours);
        }
        let outcome = install.run();
        // Hundreds of megabytes that nobody needs again; a leftover is not worth failing for.
        _ = fs::remove_dir_all(&build);
        outcome
    }
}

/// rustfmt and clippy, which a minimal toolchain lacks.
pub(super) fn components() -> [Requirement; 2] {
    [("rustfmt", "cargo-fmt"), ("clippy", "cargo-clippy")].map(|(name, program)| Requirement {
        name,
        found: Cmd::new(program).arg("--version").probe(),
        remedy: Remedy::RustupComponent(name),
    })
}

/// Adds a component to the pinned toolchain.
pub(super) fn add_component(component: &str) -> Result<()> {
    Cmd::new("rustup")
        .args(["component", "add", component])
        .run()
        .with_context(|| {
            format!("{component} is part of the pinned toolchain (rust-toolchain.toml)")
        })
}

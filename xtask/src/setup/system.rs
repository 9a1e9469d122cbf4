//! What has to come from the system: compilers, headers, libclang; and apt, which has them.

use std::env;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{Remedy, Requirement};
use crate::shell::{Cmd, find_program};

/// Why someone who has to install packages by hand should.
const REASON: &str = "the Aeron C sources are built with this project and need them";

/// What instructions are counted with.
pub(super) fn valgrind() -> Requirement {
    program("valgrind", &["valgrind"], &["valgrind"])
}

fn program(
    name: &'static str,
    programs: &[&str],
    packages: &'static [&'static str],
) -> Requirement {
    let mut programs = programs.iter();
    Requirement {
        name,
        found: programs
            .find_map(|name| find_program(name))
            .map(|path| path.display().to_string()),
        remedy: Remedy::Packages(packages),
    }
}

/// What Aeron's C sources and their bindings need.
pub(super) fn requirements() -> Vec<Requirement> {
    vec![
        program("C compiler", &["cc"], &["gcc", "libc6-dev"]),
        program("C++ compiler", &["c++"], &["g++", "libc6-dev"]),
        program("make", &["make"], &["make"]),
        program("pkg-config", &["pkg-config"], &["pkg-config"]),
        library("uuid headers", "uuid", &["uuid-dev"]),
        library("libbsd headers", "libbsd", &["libbsd-dev"]),
        Requirement {
            name: "libclang",
            found: libclang().map(|path| path.display().to_string()),
            remedy: Remedy::Packages(&["libclang-dev"]),
        },
    ]
}

/// A library found by pkg-config.
fn library(
    name: &'static str,
    module: &'static str,
    packages: &'static [&'static str],
) -> Requirement {
    let version = Cmd::new("pkg-config")
        .args(["--modversion", module])
        .probe();
    Requirement {
        name,
        found: version,
        remedy: Remedy::Packages(packages),
    }
}

/// A libclang that comes with clang's own headers, where bindgen looks for it.
///
/// The runtime package alone has the library but not `stddef.h`, and bindgen then fails on the
/// first system header.
fn libclang() -> Option<PathBuf> {
    if let Some(given) = env::var_os("LIBCLANG_PATH") {
        let given = PathBuf::from(given);
        return if given.is_file() {
            Some(given)
        } else {
            shared_libclang(&given)
        };
    }
    let mut dirs = subdirectories(Path::new("/usr/lib"), "llvm-")
        .map(|llvm| llvm.join("lib"))
        .collect::<Vec<_>>();
    dirs.extend(["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from));
    dirs.into_iter().find_map(|dir| {
        let headers = |version: PathBuf| version.join("include/stddef.h").is_file();
        let has_headers = subdirectories(&dir.join("clang"), "").any(headers);
        has_headers.then(|| shared_libclang(&dir)).flatten()
    })
}

/// `libclang.so`, `libclang-14.so`, `libclang.so.1`: any of the names bindgen accepts.
fn shared_libclang(dir: &Path) -> Option<PathBuf> {
    std::fs::read_dir(dir)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let versioned = name.starts_with("libclang.so") || name.starts_with("libclang-");
            versioned && name.contains(".so") && path.exists()
        })
}

fn subdirectories(dir: &Path, prefix: &str) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let matching =
        entries.filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix));
    matching.map(|entry| entry.path())
}

/// How packages can be installed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Privilege {
    /// We are root.
    Root,
    /// sudo is there; it may ask for a password on a terminal.
    Sudo,
    /// Neither, or no apt: the user has to do it.
    None,
}

/// Installs `packages` with apt, or fails with the one command that does.
pub(super) fn install(packages: &[&'static str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let privilege = privilege();
    if privilege == Privilege::None {
        bail!(
            "packages are missing, and {REASON}. Install them with:\n\n    {}\n",
            manual(packages)
        );
    }
    // Stale or unreachable third-party lists do not matter when the packages install all the same.
    if let Err(error) = apt(privilege).arg("update").run() {
        println!("setup: {error:#}; trying to install with the lists there are");
    }
    let options = ["install", "--yes", "--no-install-recommends"];
    let installed = apt(privilege).args(options).args(packages).run();
    installed.map_err(|error| {
        error.context(format!(
            "packages are missing; install them with `{}`",
            manual(packages)
        ))
    })
}

fn privilege() -> Privilege {
    if find_program("apt-get").is_none() {
        Privilege::None
    } else if rustix::process::geteuid().is_root() {
        Privilege::Root
    } else if sudo_is_usable() {
        Privilege::Sudo
    } else {
        Privilege::None
    }
}

/// Whether sudo exists and either needs no password or has a terminal to ask on.
fn sudo_is_usable() -> bool {
    find_program("sudo").is_some()
        && (std::io::stdin().is_terminal()
            || Cmd::new("sudo").args(["-n", "true"]).probe().is_some())
}

/// `apt-get` without questions, waiting for another apt to finish.
fn apt(privilege: Privilege) -> Cmd {
    const QUIET: &str = "DEBIAN_FRONTEND=noninteractive";
    let env = if privilege == Privilege::Sudo {
        Cmd::new("sudo").args(["env", QUIET])
    } else {
        Cmd::new("env").arg(QUIET)
    };
    env.args(["apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=120"])
}

/// What a user who can become root types.
fn manual(packages: &[&str]) -> String {
    format!(
        "sudo apt-get install --no-install-recommends {}",
        packages.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libclang_is_recognised_by_any_of_its_names() {
        for name in [
            "libclang.so",
            "libclang-14.so",
            "libclang.so.1",
            "libclang-14.so.14.0.6",
        ] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join(name), "").unwrap();
            assert!(shared_libclang(dir.path()).is_some(), "{name}");
        }
    }

    #[test]
    fn other_clang_libraries_are_not_libclang() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["libclang-cpp.a", "libclangAST.a", "libLLVM.so"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(shared_libclang(dir.path()), None);
    }

    #[test]
    fn manual_command_names_every_package() {
        let command = manual(&["g++", "uuid-dev"]);
        assert_eq!(
            command,
            "sudo apt-get install --no-install-recommends g++ uuid-dev"
        );
    }
}

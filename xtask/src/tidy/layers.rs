//! Checks who may depend on whom, from `cargo metadata`.

use anyhow::{Context, Result};
use serde::Deserialize;

use self::Allowed::{Anything, Nothing, Ours};
use super::finding::Finding;
use super::source::SourceFile;

/// What a member may depend on among the project's own crates, whatever the kind of dependency.
struct Layer {
    name: &'static str,
    may_use: Allowed,
}

enum Allowed {
    /// These, and any crate from outside.
    Ours(&'static [&'static str]),
    /// No crate at all, except to test itself.
    Nothing,
    /// Any of ours: the top of the house.
    Anything,
}

/// The layers, from the bottom. Who is on top of `tensorpool` is decided here too: only programs,
/// benchmarks and tests may name it.
const LAYERS: [Layer; 10] = [
    Layer {
        name: "xtask",
        may_use: Ours(&[]),
    },
    Layer {
        name: CODECS,
        may_use: Nothing,
    },
    Layer {
        name: "tensorpool-shm",
        may_use: Ours(&[CODECS]),
    },
    Layer {
        name: RUNTIME,
        may_use: Ours(&[CODECS]),
    },
    Layer {
        name: TRANSPORT,
        may_use: Ours(&[CODECS, RUNTIME]),
    },
    Layer {
        name: "tensorpool-protocol",
        may_use: Ours(&[CODECS]),
    },
    Layer {
        name: "tensorpool",
        may_use: Ours(&BELOW_AGENTS),
    },
    Layer {
        name: "agent-runner",
        may_use: Anything,
    },
    Layer {
        name: "tensorpool-benches",
        may_use: Anything,
    },
    Layer {
        name: "tensorpool-tests",
        may_use: Anything,
    },
];

const CODECS: &str = "tensorpool-codecs";
const RUNTIME: &str = "tensorpool-runtime";
const TRANSPORT: &str = "tensorpool-transport";
const BELOW_AGENTS: [&str; 5] = [
    CODECS,
    RUNTIME,
    TRANSPORT,
    "tensorpool-protocol",
    "tensorpool-shm",
];

/// Bindings that only the transport may see.
const AERON_PREFIX: &str = "rusteron-";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// None for a normal dependency.
    kind: Option<String>,
}

/// `metadata` is what `cargo metadata --no-deps` prints; `files` hold the manifests, for line numbers.
pub(super) fn check(metadata: &str, files: &[SourceFile]) -> Result<Vec<Finding>> {
    let metadata: Metadata =
        serde_json::from_str(metadata).context("`cargo metadata` printed something unexpected")?;
    let mut findings = Vec::new();
    for package in &metadata.packages {
        let manifest = package.manifest_path.strip_prefix(&metadata.workspace_root);
        let path = manifest
            .unwrap_or(&package.manifest_path)
            .trim_start_matches('/');
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == package.name) else {
            let message = format!(
                "crate {} has no layer: give it one in tidy's table",
                package.name
            );
            findings.push(Finding::error(path, 1, message));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(message) = violation(layer, dependency) {
                findings.push(Finding::error(
                    path,
                    line_of(files, path, &dependency.name),
                    message,
                ));
            }
        }
    }
    Ok(findings)
}

/// Why `layer` may not have `dependency`.
fn violation(layer: &Layer, dependency: &Dependency) -> Option<String> {
    let (user, used) = (layer.name, dependency.name.as_str());
    if used.starts_with(AERON_PREFIX) && user != TRANSPORT {
        return Some(format!(
            "{user} depends on {used}: only {TRANSPORT} sees Aeron"
        ));
    }
    let is_ours = LAYERS.iter().any(|layer| layer.name == used);
    match layer.may_use {
        Anything if used == "xtask" => Some(format!("{user} depends on xtask, which is a tool")),
        Anything => None,
        Nothing if dependency.kind.as_deref() == Some("dev") && !is_ours => None,
        Nothing => Some(format!("{user} depends on {used}: it depends on nothing")),
        Ours(allowed) if is_ours && !allowed.contains(&used) => {
            let may = if allowed.is_empty() {
                "none".to_owned()
            } else {
                allowed.join(", ")
            };
            Some(format!(
                "{user} depends on {used}: of the project's crates it may use {may}"
            ))
        }
        Ours(_) => None,
    }
}

/// The line in the manifest that names the dependency.
fn line_of(files: &[SourceFile], manifest: &str, dependency: &str) -> usize {
    let names = |line: &str| {
        line.strip_prefix(dependency)
            .is_some_and(|rest| rest.starts_with([' ', '.', '=']))
    };
    let file = files.iter().find(|file| file.path == manifest);
    let line = file.and_then(|file| file.lines().find(|(_, line)| names(line)));
    line.map_or(1, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(package: &str, dependency: &str, kind: Option<&str>) -> Vec<String> {
        let metadata = serde_json::json!({
            "workspace_root": "/repo",
            "packages": [{
                "name": package,
                "manifest_path": "/repo/some/Cargo.toml",
                "dependencies": [{ "name": dependency, "kind": kind }],
            }],
        });
        let manifest = SourceFile::new(
            "some/Cargo.toml",
            format!("[dependencies]\n{dependency} = \"1\"\n"),
        );
        let findings = check(&metadata.to_string(), &[manifest]).unwrap();
        findings.iter().map(ToString::to_string).collect()
    }

    fn allowed(package: &str, dependency: &str) -> bool {
        findings(package, dependency, None).is_empty()
    }

    #[test]
    fn dependencies_point_down() {
        assert!(allowed("tensorpool-protocol", CODECS));
        assert!(allowed("tensorpool", "tensorpool-shm"));
        assert!(allowed("tensorpool-tests", "tensorpool"));
        assert!(!allowed("tensorpool-protocol", "tensorpool-shm"));
        assert!(!allowed("tensorpool-shm", RUNTIME));
        assert!(!allowed(TRANSPORT, "tensorpool"));
        assert!(!allowed("tensorpool", "agent-runner"));
    }

    #[test]
    fn codecs_depend_on_nothing_but_may_test_themselves() {
        assert!(!allowed(CODECS, "serde"));
        assert!(findings(CODECS, "proptest", Some("dev")).is_empty());
        assert!(!findings(CODECS, RUNTIME, Some("dev")).is_empty());
        assert!(!findings(CODECS, "cc", Some("build")).is_empty());
    }

    #[test]
    fn only_transport_sees_aeron() {
        assert!(allowed(TRANSPORT, "rusteron-client"));
        assert!(!allowed("tensorpool-tests", "rusteron-media-driver"));
    }

    #[test]
    fn xtask_builds_without_the_project() {
        assert!(allowed("xtask", "syn"));
        assert!(!allowed("xtask", CODECS));
    }

    #[test]
    fn violation_points_at_the_line_of_the_manifest() {
        let found = findings(RUNTIME, "tensorpool", None);
        assert!(found[0].starts_with("some/Cargo.toml:2: "), "{found:?}");
    }

    #[test]
    fn crate_without_a_layer_is_found() {
        assert_eq!(findings("tensorpool-new", "serde", None).len(), 1);
    }
}

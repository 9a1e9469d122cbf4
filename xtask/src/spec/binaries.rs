//! The test binaries of the workspace and their names in nextest's reports, from `cargo metadata`.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::proofs::TestBinary;

/// This tool's own tests are full of ids that mean nothing.
const TOOL: &str = "xtask";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: String,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    src_path: String,
    test: bool,
}

/// `metadata` is what `cargo metadata --no-deps` prints.
pub(super) fn find(metadata: &str) -> Result<Vec<TestBinary>> {
    let metadata: Metadata =
        serde_json::from_str(metadata).context("`cargo metadata` printed something unexpected")?;
    let root = format!("{}/", metadata.workspace_root);
    let mut binaries = Vec::new();
    for package in metadata
        .packages
        .iter()
        .filter(|package| package.name != TOOL)
    {
        for target in package.targets.iter().filter(|target| target.test) {
            let name = match target.kind.first().map(String::as_str) {
                Some("lib") => package.name.clone(),
                Some("test") => format!("{}::{}", package.name, target.name),
                Some("bin") => format!("{}::bin/{}", package.name, target.name),
                _ => continue,
            };
            let path = target.src_path.strip_prefix(&root);
            binaries.push(TestBinary {
                package: package.name.clone(),
                name,
                root: path.unwrap_or(&target.src_path).to_owned(),
            });
        }
    }
    Ok(binaries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_are_named_as_nextest_names_them() {
        let target = |name: &str, kind: &str, path: &str, test: bool| serde_json::json!({ "name": name, "kind": [kind], "src_path": path, "test": test });
        let metadata = serde_json::json!({
            "workspace_root": "/repo",
            "packages": [
                { "name": "agent-runner", "targets": [
                    target("agent_runner", "lib", "/repo/cli/src/lib.rs", true),
                    target("agent-runner", "bin", "/repo/cli/src/main.rs", true),
                    target("slow", "test", "/repo/cli/tests/slow.rs", true),
                    target("none", "test", "/repo/cli/tests/none.rs", false),
                    target("show", "example", "/repo/cli/examples/show.rs", true),
                ] },
                { "name": "xtask", "targets": [target("xtask", "bin", "/repo/xtask/src/main.rs", true)] },
            ],
        });
        let binaries = find(&metadata.to_string()).unwrap();
        let described: Vec<_> = binaries
            .iter()
            .map(|binary| (binary.name.as_str(), binary.root.as_str()))
            .collect();
        let expected = [
            ("agent-runner", "cli/src/lib.rs"),
            ("agent-runner::bin/agent-runner", "cli/src/main.rs"),
            ("agent-runner::slow", "cli/tests/slow.rs"),
        ];
        assert_eq!(described, expected);
    }
}

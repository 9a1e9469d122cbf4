//! Checks on manifests: every crate has the workspace's lints, and the lock file is committed.

use super::finding::Finding;
use super::source::SourceFile;

pub(super) fn check(file: &SourceFile) -> Option<Finding> {
    let manifest = match file.text.parse::<toml::Table>() {
        Ok(manifest) => manifest,
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            let line = file.text[..start].lines().count().max(1);
            return Some(Finding::error(
                &file.path,
                line,
                format!("not TOML: {}", error.message()),
            ));
        }
    };
    // A crate outside the workspace, such as fuzz targets, brings its own table.
    if manifest.contains_key("workspace") {
        return None;
    }
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    let inherited = lints.and_then(toml::Value::as_bool) == Some(true);
    let message = "does not inherit the workspace lints: add `[lints]` with `workspace = true`";
    (!inherited).then(|| Finding::error(&file.path, 1, message))
}

/// `listed` is what git answers when it is asked for Cargo.lock.
pub(super) fn check_lock(listed: &str) -> Option<Finding> {
    let message = "not committed: a build has to be the same everywhere";
    listed
        .is_empty()
        .then(|| Finding::error("Cargo.lock", 1, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Option<String> {
        check(&SourceFile::new("shm/Cargo.toml", text)).map(|finding| finding.to_string())
    }

    #[test]
    fn crate_has_to_inherit_the_lints() {
        assert_eq!(message("[package]\n[lints]\nworkspace = true\n"), None);
        assert!(message("[package]\n").is_some());
        assert!(message("[package]\n[lints.rust]\nunsafe_code = \"allow\"\n").is_some());
    }

    #[test]
    fn crate_of_another_workspace_is_left_alone() {
        assert_eq!(message("[package]\n[workspace]\n"), None);
    }

    #[test]
    fn malformed_manifest_is_found_with_its_line() {
        let message = message("[package]\nname = \n").unwrap();
        assert!(
            message.starts_with("shm/Cargo.toml:2: not TOML"),
            "{message}"
        );
    }

    #[test]
    fn missing_lock_file_is_found() {
        assert!(check_lock("").is_some());
        assert!(check_lock("Cargo.lock").is_none());
    }
}

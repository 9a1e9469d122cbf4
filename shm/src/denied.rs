//! Why the system refuses a path to this user, in words for whoever can change that.

use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who is refused, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The file, or the directory on the way to it, that refuses.
    pub at: PathBuf,
    /// Its owner.
    pub owner: u32,
    /// Its group.
    pub group: u32,
    /// Its permission bits.
    pub mode: u32,
    /// This process's effective user.
    pub uid: u32,
    /// Its groups, the effective one first.
    pub groups: Vec<u32>,
}

impl Denial {
    /// What refuses `path`, which could just not be opened for lack of permission; `None` when
    /// nothing of it can be looked at.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        // Whatever cannot be looked at is hidden by the directory before it.
        let (at, found) = path
            .ancestors()
            .find_map(|at| Some((at, at.symlink_metadata().ok()?)))?;
        Some(Self {
            at: at.to_owned(),
            owner: found.uid(),
            group: found.gid(),
            mode: found.permissions().mode() & 0o7777,
            uid: rustix::process::geteuid().as_raw(),
            groups: our_groups(),
        })
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} belongs to uid {}, gid {} and has mode {:04o}, which refuses uid {} with groups {:?}; \
             let both users share a group, and give it the driver's base directory (chgrp, chmod g+s)",
            self.at.display(),
            self.owner,
            self.group,
            self.mode,
            self.uid,
            self.groups
        )
    }
}

/// The groups of this process, the effective one first.
pub(crate) fn our_groups() -> Vec<u32> {
    let supplementary = rustix::process::getgroups().unwrap_or_default();
    let mut groups = vec![rustix::process::getegid().as_raw()];
    groups.extend(supplementary.iter().map(|group| group.as_raw()));
    groups.dedup();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::temp_dir;

    #[test]
    fn the_deepest_thing_that_can_be_seen_is_what_refuses() {
        let temp = temp_dir();
        let file = temp.path().join("f");
        std::fs::write(&file, b"x").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let denial = Denial::of(&file).unwrap();
        assert_eq!((&denial.at, denial.mode), (&file, 0o640));
        assert_eq!(denial.owner, denial.uid);
        let behind = Denial::of(&file.join("hidden/deeper")).unwrap();
        assert_eq!(behind, denial);
        let text = denial.to_string();
        assert!(text.contains("has mode 0640"), "{text}");
        assert!(text.contains("share a group"), "{text}");
    }
}

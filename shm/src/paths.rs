//! The canonical place of a stream's files:
//! `<base>/tensorpool-<user>/<namespace>/<stream>/<epoch>/{header.ring,<pool>.pool}` (Driver Model
//! v1.0 §4).
//!
//! Only the creator of regions computes paths; a client always uses the URI it was given.

use core::fmt;
use std::ffi::CStr;

use tensorpool_codecs::types::PoolId;
use thiserror::Error;

/// File name of the header ring within an epoch's directory.
pub const HEADER_FILE: &str = "header.ring";
/// Namespace used when none is configured.
pub const DEFAULT_NAMESPACE: &str = "default";
/// Base directory used when none is configured.
pub const DEFAULT_BASE_DIR: &str = "/dev/shm";

/// File name of a pool within an epoch's directory.
#[must_use]
pub fn pool_file(pool: PoolId) -> String {
    format!("{pool}.pool")
}

/// A namespace: one path component that separates drivers under one base directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace(String);

/// Why a text is no namespace.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("namespace must be 1 to 128 of [A-Za-z0-9_.-] and not start with a dot, found {found:?}")]
#[non_exhaustive]
pub struct NamespaceError {
    /// The text given.
    pub found: String,
}

impl Namespace {
    /// Checks that `text` is one harmless path component.
    pub fn new(text: &str) -> Result<Self, NamespaceError> {
        // [TP-SHM-0340]
        let harmless =
            (1..=128).contains(&text.len()) && text.chars().all(is_plain) && !text.starts_with('.');
        if harmless {
            Ok(Self(text.to_owned()))
        } else {
            Err(NamespaceError {
                found: text.to_owned(),
            })
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(DEFAULT_NAMESPACE.to_owned())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The user in `tensorpool-<user>`, fit for a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserName(String);

impl UserName {
    /// Replaces every character outside `[A-Za-z0-9_.-]` by an underscore; dots stay. [TP-SHM-0320]
    #[must_use]
    pub fn sanitized(name: &str) -> Self {
        Self(
            name.chars()
                .map(|c| if is_plain(c) { c } else { '_' })
                .collect(),
        )
    }

    /// The user this process runs as: environment `USER`, then the password database, then
    /// `uid<N>`.
    #[must_use]
    pub fn current() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        Self::resolve(std::env::var("USER").ok(), || passwd_name(uid), uid)
    }

    // [TP-SHM-0330]
    fn resolve(
        from_env: Option<String>,
        from_passwd: impl FnOnce() -> Option<String>,
        uid: u32,
    ) -> Self {
        let name = from_env
            .filter(|name| !name.is_empty())
            .or_else(|| from_passwd().filter(|name| !name.is_empty()))
            .unwrap_or_else(|| format!("uid{uid}"));
        Self::sanitized(&name)
    }

    /// The directory of this user under a base directory. [TP-SHM-0310]
    #[must_use]
    pub fn dir_name(&self) -> String {
        format!("tensorpool-{}", self.0)
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// The name of `uid` in the password database.
fn passwd_name(uid: u32) -> Option<String> {
    let mut buffer = vec![0u8; 16 * 1024];
    // SAFETY: `passwd` is a plain C struct of integers and pointers, for which zero is a valid
    // value.
    let mut entry: libc::passwd = unsafe { core::mem::zeroed() };
    let mut found: *mut libc::passwd = core::ptr::null_mut();
    // SAFETY: all pointers are valid for the call, and the buffer's length is passed with it.
    let rc = unsafe {
        libc::getpwuid_r(
            uid,
            &mut entry,
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            &mut found,
        )
    };
    if rc != 0 || found.is_null() || entry.pw_name.is_null() {
        return None;
    }
    // SAFETY: on success `pw_name` points to a NUL-terminated string inside `buffer`, which is
    // alive.
    let name = unsafe { CStr::from_ptr(entry.pw_name) };
    name.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves [TP-SHM-0320].
    #[test]
    fn user_names_keep_dots_and_lose_everything_unsafe() {
        assert_eq!(
            UserName::sanitized("ada.lovelace").dir_name(),
            "tensorpool-ada.lovelace"
        );
        assert_eq!(
            UserName::sanitized("a/../b c\u{e9}").dir_name(),
            "tensorpool-a_.._b_c_"
        );
    }

    /// Proves [TP-SHM-0330].
    #[test]
    fn the_environment_comes_before_the_password_database_before_the_uid() {
        let passwd = || Some("from-passwd".to_owned());
        assert_eq!(UserName::resolve(Some("env".into()), passwd, 7).0, "env");
        assert_eq!(
            UserName::resolve(Some(String::new()), passwd, 7).0,
            "from-passwd"
        );
        assert_eq!(UserName::resolve(None, || None, 7).0, "uid7");
    }

    #[test]
    fn the_password_database_knows_root_and_not_an_absent_uid() {
        assert_eq!(passwd_name(0).as_deref(), Some("root"));
        assert_eq!(passwd_name(0x7fff_fff0), None);
    }

    /// Proves [TP-SHM-0340].
    #[test]
    fn namespaces_are_single_harmless_components() {
        assert_eq!(Namespace::new("cam-1.left").unwrap().as_str(), "cam-1.left");
        assert_eq!(Namespace::default().as_str(), "default");
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "a/b",
            "a|b",
            "a b",
            &"x".repeat(129),
        ] {
            assert!(Namespace::new(bad).is_err(), "{bad:?} must be refused");
        }
    }
}

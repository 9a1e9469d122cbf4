//! Region URIs: `shm:file?path=<absolute path>[|require_hugepages=true]` (Wire v1.2 §15.22).
//!
//! Text only: whether a path may be opened is decided in [`allowed`](crate::allowed).

use core::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

/// Longest URI accepted or written, in bytes.
pub const MAX_URI_LEN: usize = 4096;

const SCHEME: &str = "shm:file?";

/// A parsed region URI: an absolute path and whether it must lie on a hugetlbfs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShmUri {
    path: PathBuf,
    require_hugepages: bool,
}

/// Why a text is no region URI.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UriError {
    /// Longer than [`MAX_URI_LEN`].
    #[error("region URI is {found} bytes long, at most {MAX_URI_LEN} are allowed")]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// Not `shm:file?`.
    #[error("region URI must start with \"{SCHEME}\", found {found:?}")]
    Scheme {
        /// What it starts with.
        found: String,
    },
    /// A parameter without `=`.
    #[error("region URI parameter must read key=value, found {found:?}")]
    Parameter {
        /// The parameter.
        found: String,
    },
    /// A key nobody defined.
    #[error("unknown region URI key {found:?}: expected \"path\" or \"require_hugepages\"")]
    UnknownKey {
        /// The key.
        found: String,
    },
    /// A key given twice.
    #[error("region URI key \"{key}\" is given twice")]
    DuplicateKey {
        /// The key.
        key: &'static str,
    },
    /// No `path`.
    #[error("region URI has no path")]
    NoPath,
    /// The path is relative or empty.
    #[error("region path must be absolute, found {found:?}")]
    RelativePath {
        /// The path.
        found: String,
    },
    /// The path holds a character a URI or a file name cannot carry.
    #[error("region path must be UTF-8 without '|' and NUL, found {found:?}")]
    PathCharacter {
        /// The path.
        found: String,
    },
    /// `require_hugepages` is neither `true` nor `false`.
    #[error("require_hugepages must be \"true\" or \"false\", found {found:?}")]
    Bool {
        /// The value.
        found: String,
    },
}

impl ShmUri {
    /// The URI of a region at `path`, which must be absolute.
    pub fn new(path: impl Into<PathBuf>, require_hugepages: bool) -> Result<Self, UriError> {
        let path = path.into();
        let Some(text) = path.to_str() else {
            return Err(UriError::PathCharacter {
                found: path.to_string_lossy().into_owned(),
            });
        };
        check_path(text)?;
        let uri = Self {
            path,
            require_hugepages,
        };
        let len = uri.to_string().len();
        if len > MAX_URI_LEN {
            return Err(UriError::TooLong { found: len });
        }
        Ok(uri)
    }

    /// Parses strictly: parameters in any order, none twice, none unknown.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        // [TP-SHM-0450]
        if text.len() > MAX_URI_LEN {
            return Err(UriError::TooLong { found: text.len() });
        }
        // [TP-SHM-0430]
        let Some(parameters) = text.strip_prefix(SCHEME) else {
            let found = text.chars().take(SCHEME.len() + 8).collect();
            return Err(UriError::Scheme { found });
        };
        let (mut path, mut require_hugepages) = (None, None);
        for parameter in parameters.split('|') {
            let Some((key, value)) = parameter.split_once('=') else {
                return Err(UriError::Parameter {
                    found: parameter.to_owned(),
                });
            };
            match key {
                "path" => set_once(&mut path, "path", value)?,
                "require_hugepages" => {
                    set_once(
                        &mut require_hugepages,
                        "require_hugepages",
                        parse_bool(value)?,
                    )?;
                }
                _ => {
                    return Err(UriError::UnknownKey {
                        found: key.to_owned(),
                    });
                }
            }
        }
        let path = path.ok_or(UriError::NoPath)?;
        check_path(path)?;
        Ok(Self {
            path: PathBuf::from(path),
            require_hugepages: require_hugepages.unwrap_or(false),
        })
    }

    /// The absolute path of the region's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file must lie on a hugetlbfs.
    #[must_use]
    pub fn require_hugepages(&self) -> bool {
        self.require_hugepages
    }
}

impl fmt::Display for ShmUri {
    // [TP-SHM-0460]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}path={}", self.path.display())?;
        if self.require_hugepages {
            f.write_str("|require_hugepages=true")?;
        }
        Ok(())
    }
}

impl FromStr for ShmUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

// [TP-SHM-0420]
fn set_once<T>(slot: &mut Option<T>, key: &'static str, value: T) -> Result<(), UriError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(UriError::DuplicateKey { key }),
    }
}

// [TP-SHM-0410]
fn parse_bool(value: &str) -> Result<bool, UriError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(UriError::Bool {
            found: value.to_owned(),
        }),
    }
}

fn check_path(path: &str) -> Result<(), UriError> {
    // [TP-SHM-0440]
    if !path.starts_with('/') {
        return Err(UriError::RelativePath {
            found: path.to_owned(),
        });
    }
    if path.contains(['|', '\0']) {
        return Err(UriError::PathCharacter {
            found: path.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn err(text: &str) -> UriError {
        ShmUri::parse(text).unwrap_err()
    }

    /// Proves [TP-SHM-0410].
    #[test]
    fn parameters_may_come_in_any_order_and_false_is_the_default() {
        let plain = ShmUri::parse("shm:file?path=/dev/shm/a").unwrap();
        assert_eq!(plain.path(), Path::new("/dev/shm/a"));
        assert!(!plain.require_hugepages());
        assert_eq!(
            ShmUri::parse("shm:file?path=/dev/shm/a|require_hugepages=false"),
            Ok(plain)
        );
        let huge = ShmUri::parse("shm:file?require_hugepages=true|path=/mnt/h").unwrap();
        assert!(huge.require_hugepages());
        assert_eq!(
            huge.to_string(),
            "shm:file?path=/mnt/h|require_hugepages=true"
        );
    }

    /// Proves [TP-SHM-0420].
    #[test]
    fn unknown_duplicate_and_abbreviated_keys_are_refused() {
        assert_eq!(
            err("shm:file?path=/a|mode=1"),
            UriError::UnknownKey {
                found: "mode".into()
            }
        );
        assert_eq!(
            err("shm:file?p=/a"),
            UriError::UnknownKey { found: "p".into() }
        );
        assert_eq!(
            err("shm:file?path=/a|path=/b"),
            UriError::DuplicateKey { key: "path" }
        );
        assert_eq!(
            err("shm:file?require_hugepages=true|path=/a|require_hugepages=true"),
            UriError::DuplicateKey {
                key: "require_hugepages"
            }
        );
    }

    /// Proves [TP-SHM-0430] and [TP-SHM-0440].
    #[test]
    fn malformed_texts_are_refused_each_with_its_reason() {
        assert!(matches!(err("file:path=/a"), UriError::Scheme { .. }));
        assert!(matches!(err("SHM:file?path=/a"), UriError::Scheme { .. }));
        assert_eq!(
            err("shm:file?"),
            UriError::Parameter {
                found: String::new()
            }
        );
        assert_eq!(
            err("shm:file?path=/a|"),
            UriError::Parameter {
                found: String::new()
            }
        );
        assert_eq!(err("shm:file?require_hugepages=true"), UriError::NoPath);
        assert_eq!(
            err("shm:file?path=a/b"),
            UriError::RelativePath {
                found: "a/b".into()
            }
        );
        assert_eq!(
            err("shm:file?path="),
            UriError::RelativePath {
                found: String::new()
            }
        );
        assert!(matches!(
            err("shm:file?path=/a\0b"),
            UriError::PathCharacter { .. }
        ));
        assert_eq!(
            err("shm:file?path=/a|require_hugepages=1"),
            UriError::Bool { found: "1".into() }
        );
    }

    /// Proves [TP-SHM-0450].
    #[test]
    fn the_length_limit_is_4096_bytes() {
        let head = "shm:file?path=/";
        let longest = format!("{head}{}", "a".repeat(MAX_URI_LEN - head.len()));
        assert!(ShmUri::parse(&longest).is_ok());
        assert_eq!(
            err(&format!("{longest}a")),
            UriError::TooLong {
                found: MAX_URI_LEN + 1
            }
        );
        assert!(ShmUri::new(format!("/{}", "a".repeat(MAX_URI_LEN)), false).is_err());
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused_at_once() {
        assert!(matches!(
            ShmUri::new("/a|b", false),
            Err(UriError::PathCharacter { .. })
        ));
        assert!(matches!(
            ShmUri::new("a", false),
            Err(UriError::RelativePath { .. })
        ));
    }

    proptest! {
        /// Proves [TP-SHM-0460].
        #[test]
        fn what_is_written_parses_back(path in "/[a-zA-Z0-9_./ =?&%-]{0,200}", huge: bool) {
            let uri = ShmUri::new(path, huge).unwrap();
            prop_assert_eq!(ShmUri::parse(&uri.to_string()), Ok(uri));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "(shm:file\\?)?[ -~|=]{0,60}") {
            if let Ok(uri) = ShmUri::parse(&text) {
                prop_assert!(uri.path().is_absolute());
            }
        }
    }
}

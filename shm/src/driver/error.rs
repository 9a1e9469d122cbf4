//! What can go wrong with directories, locks and new regions.

use std::io;
use std::path::PathBuf;

use tensorpool_codecs::types::{Epoch, StreamId};
use thiserror::Error;

use crate::region::RegionError;
use crate::uri::UriError;

/// Why a namespace was not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootError {
    /// The base directory is relative.
    #[error("base directory must be absolute, found {}", .path.display())]
    Relative {
        /// The directory.
        path: PathBuf,
    },
    /// Another driver holds it.
    #[error(
        "another driver{} holds {}: stop it, or configure another base directory or namespace",
        .holder.map_or_else(String::new, |pid| format!(" (pid {pid})")),
        .path.display()
    )]
    Held {
        /// The namespace's directory.
        path: PathBuf,
        /// Who holds it, if it said so.
        holder: Option<u32>,
    },
    /// Producers without a driver work in it.
    #[error(
        "a producer without a driver (pid {holder}) works in {}: stop it, or configure another base \
         directory or namespace",
        .path.display()
    )]
    Shared {
        /// The namespace's directory.
        path: PathBuf,
        /// One of them.
        holder: u32,
    },
    /// A driver holds it, and this process wanted to do without.
    #[error(
        "a driver{} holds {}: use it, or configure another base directory or namespace",
        .holder.map_or_else(String::new, |pid| format!(" (pid {pid})")),
        .path.display()
    )]
    Driver {
        /// The namespace's directory.
        path: PathBuf,
        /// Who it is, if it said so.
        holder: Option<u32>,
    },
    /// Somebody else provides for the stream.
    #[error(
        "another producer{} provides for stream {stream} in {}: stop it, or use another stream",
        .holder.map_or_else(String::new, |pid| format!(" (pid {pid})")),
        .path.display()
    )]
    StreamHeld {
        /// The stream.
        stream: StreamId,
        /// The stream's directory.
        path: PathBuf,
        /// Who it is, if that is known.
        holder: Option<u32>,
    },
    /// A directory belongs to another user, who could replace what is in it.
    #[error(
        "directory {} belongs to uid {owner}, expected {expected}: remove it or use another base \
         directory",
        .path.display()
    )]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Us.
        expected: u32,
    },
    /// The system refused.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Why an epoch was not created. Nothing of it is left behind.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CreateError {
    /// Its directory exists.
    #[error(
        "epoch {epoch} of stream {stream} exists already at {}: choose a higher one",
        .path.display()
    )]
    Exists {
        /// The stream.
        stream: StreamId,
        /// The epoch.
        epoch: Epoch,
        /// The directory.
        path: PathBuf,
    },
    /// The file system is too full.
    #[error(
        "no room for stream {stream} at {}: its regions need {needed_bytes} bytes in sum, \
         {available_bytes} are available; make the file system larger or the pools smaller",
        .path.display()
    )]
    NoSpace {
        /// The stream.
        stream: StreamId,
        /// Where.
        path: PathBuf,
        /// All regions together.
        needed_bytes: u64,
        /// What the file system said just before.
        available_bytes: u64,
    },
    /// Huge pages are required, and the base directory has none.
    #[error("huge pages are required, but {} does not lie on a hugetlbfs", .path.display())]
    NotHugepages {
        /// The directory.
        path: PathBuf,
    },
    /// The path cannot be written as a URI.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// A region was not mapped or locked.
    #[error("{}: {source}", .path.display())]
    Region {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: RegionError,
    },
    /// A region was truncated, or ran out of memory, while it was created.
    #[error("{} was truncated while it was created", .path.display())]
    Poisoned {
        /// The file.
        path: PathBuf,
    },
    /// A directory on the way belongs to another user, or is no directory.
    #[error(transparent)]
    Root(#[from] RootError),
    /// The system refused.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Why existing epochs were not listed or removed.
#[derive(Debug, Error)]
#[error("cannot {what} {}: {source}", .path.display())]
#[non_exhaustive]
pub struct ExistingError {
    /// What was attempted.
    pub what: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

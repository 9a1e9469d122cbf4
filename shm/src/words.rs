//! Words that processes share, each on cache lines of its own: for tools that measure the machine,
//! or go in step, without messages in between.
//!
//! No part of the protocol. Whoever maps the file may write any word at any time, so a word is a
//! hint between processes that trust each other, and never an index or a length.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use crate::mapping::Access;
use crate::region::{MapOptions, Region, RegionError};
use crate::sigbus::Status;

/// From one word to the next: two lines, as some processors fetch them in pairs.
const STRIDE: usize = 128;

/// A file of words, mapped. `Send + Sync`.
#[derive(Debug)]
pub struct SharedWords {
    region: Region,
    count: usize,
}

/// Why words cannot be shared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WordsError {
    /// The file cannot be created, opened or measured.
    #[error(transparent)]
    File(#[from] io::Error),
    /// It cannot be mapped.
    #[error(transparent)]
    Region(#[from] RegionError),
    /// It is not the file that was asked for.
    #[error("a file of {expected} bytes was expected, this one has {found}")]
    Length {
        /// Bytes that many words take.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
}

impl SharedWords {
    /// A new file of `count` words, all zero.
    ///
    /// # Errors
    /// When there is a file already, or it cannot be created or mapped.
    pub fn create(path: &Path, count: usize) -> Result<Self, WordsError> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        file.set_len(len_of(count))?;
        Self::map(&file, count)
    }

    /// A file another process created with as many words.
    ///
    /// # Errors
    /// When there is none, it has another length, or it cannot be mapped.
    pub fn open(path: &Path, count: usize) -> Result<Self, WordsError> {
        let file = File::options().read(true).write(true).open(path)?;
        let (expected, found) = (len_of(count), file.metadata()?.len());
        if found != expected {
            return Err(WordsError::Length { expected, found });
        }
        Self::map(&file, count)
    }

    fn map(file: &File, count: usize) -> Result<Self, WordsError> {
        let options = MapOptions {
            access: Access::ReadWrite,
            map_len: len_of(count),
            region_len: len_of(count),
            page_len: rustix::param::page_size(),
            prefault: true,
            mlock: false,
        };
        let region = Region::map(file, options, &Arc::new(Status::default()))?;
        Ok(Self { region, count })
    }

    /// Word `index`. What its writer did before storing it is seen after this call. Panics beyond
    /// the last one.
    #[inline]
    #[must_use]
    pub fn load(&self, index: usize) -> u64 {
        // Acquire: pairs with the release of `store`.
        self.word(index).load(Ordering::Acquire)
    }

    /// Sets word `index`. Panics beyond the last one.
    #[inline]
    pub fn store(&self, index: usize, value: u64) {
        // Release: orders whatever this thread did before it.
        self.word(index).store(value, Ordering::Release);
    }

    #[inline]
    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(
            index < self.count,
            "word {index} of {} shared words",
            self.count
        );
        self.region.bytes().word(index * STRIDE)
    }
}

fn len_of(count: usize) -> u64 {
    (count * STRIDE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").unwrap()
    }

    #[test]
    fn what_one_mapping_stores_another_one_loads() {
        let dir = dir();
        let path = dir.path().join("words");
        let ours = SharedWords::create(&path, 3).unwrap();
        let theirs = SharedWords::open(&path, 3).unwrap();
        ours.store(0, 7);
        theirs.store(2, u64::MAX);
        assert_eq!([0, 1, 2].map(|index| theirs.load(index)), [7, 0, u64::MAX]);
        assert_eq!([0, 1, 2].map(|index| ours.load(index)), [7, 0, u64::MAX]);
    }

    #[test]
    fn files_that_are_not_the_ones_asked_for_are_refused() {
        let dir = dir();
        let path = dir.path().join("words");
        assert!(matches!(
            SharedWords::open(&path, 2),
            Err(WordsError::File(_))
        ));
        let _words = SharedWords::create(&path, 2).unwrap();
        assert!(matches!(
            SharedWords::create(&path, 2),
            Err(WordsError::File(_))
        ));
        let error = SharedWords::open(&path, 3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a file of 384 bytes was expected, this one has 256"
        );
    }

    #[test]
    #[should_panic(expected = "word 2 of 2 shared words")]
    fn there_is_no_word_beyond_the_last() {
        let dir = dir();
        let words = SharedWords::create(&dir.path().join("words"), 2).unwrap();
        let _beyond = words.load(2);
    }
}

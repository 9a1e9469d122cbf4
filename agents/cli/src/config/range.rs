//! Ranges of stream ids, in every spelling in use.

use std::fmt;

/// Stream ids from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdRange {
    /// The first id, above 0.
    pub first: u32,
    /// The last id, not below the first.
    pub last: u32,
}

impl IdRange {
    /// The range, unless it is empty or starts at 0.
    #[must_use]
    pub fn new(first: u32, last: u32) -> Option<Self> {
        (first > 0 && first <= last).then_some(Self { first, last })
    }

    /// Whether `id` is in the range.
    #[must_use]
    pub fn contains(self, id: u32) -> bool {
        (self.first..=self.last).contains(&id)
    }

    /// Whether some id is in both ranges.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Reads `first-last` or `first,last`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').or_else(|| text.split_once(','))?;
        Self::new(first.trim().parse().ok()?, last.trim().parse().ok()?)
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

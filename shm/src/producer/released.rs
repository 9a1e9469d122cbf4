//! The frames an operation made visible.

use core::iter::FusedIterator;

use tensorpool_codecs::types::Seq;

use super::state::{Mark, Shared};

/// The sequence numbers of the frames that became visible, in order; send a descriptor for each.
/// They are visible whether or not this is iterated. Numbers left out belong to aborted frames.
/// Allocates nothing.
#[derive(Clone, Debug)]
#[must_use = "each released frame needs its descriptor"]
pub struct Released<'r> {
    shared: &'r Shared,
    next: Seq,
    end: Seq,
}

impl<'r> Released<'r> {
    #[inline]
    pub(super) fn new(shared: &'r Shared, next: Seq, end: Seq) -> Self {
        Self { shared, next, end }
    }
}

impl Iterator for Released<'_> {
    type Item = Seq;

    #[inline]
    fn next(&mut self) -> Option<Seq> {
        while self.next < self.end {
            let seq = self.next;
            self.next = seq.next();
            // Marks of settled slots stay until the slot is claimed again, which needs the ring
            // this borrows.
            if self.shared.mark(seq) == Mark::Visible {
                return Some(seq);
            }
        }
        None
    }
}

impl FusedIterator for Released<'_> {}

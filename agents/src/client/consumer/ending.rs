//! The end of a source: told of once its last frames are read. Where it ended is what its ring says,
//! which is looked at once per epoch; what a producer reports is up to a period old.

use tensorpool_codecs::types::{Epoch, Seq};
use tensorpool_protocol::client::SourceEnd;
use tensorpool_protocol::frame::{DropCause, ring_end};

use super::reader::was_written;
use super::ring_reader::word;
use super::{Consumer, Current};
use crate::client::event::{Event, FinalCounts};

/// A source that ended and whose last frames are still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) epoch: Epoch,
    /// The position up to which its frames are to be accounted for.
    pub(super) owed: Option<Seq>,
    /// The same, unless more may have been published than is known.
    end_seq: Option<Seq>,
    end: SourceEnd,
}

impl Consumer {
    /// A source ended; `reported` is the last position that was heard of it.
    #[cold]
    pub(super) fn begin_ending(&mut self, epoch: Epoch, reported: Option<Seq>, end: SourceEnd) {
        let current = self.current.as_ref();
        let current = current.filter(|current| current.epoch == epoch);
        let (owed, is_known) = match (current, self.closed) {
            (Some(current), _) => {
                let found = self.found_end(current);
                // Said by somebody; what counts is what the ring says.
                let reported = reported.filter(|end| {
                    let last = end.get().checked_sub(1).map(Seq::new);
                    last.is_none_or(|last| was_written(current, last))
                });
                // Frames that were seen were published, whoever said what. [TP-CLI-1922]
                let seen = self.ledger.last_seq().map(Seq::next);
                let owed = found.max(reported).map(|end| Some(end).max(seen));
                // A producer that closed in order said where. [TP-CLI-1924]
                (
                    owed.flatten(),
                    found.is_some() || end == SourceEnd::Detached,
                )
            }
            (None, Some((of, found))) if of == epoch => (found, true),
            (None, _) => (reported, true),
        };
        self.ending = Some(Ending {
            epoch,
            owed,
            end_seq: owed.filter(|_| is_known),
            end,
        });
        // At once when nothing is left to be read.
        self.go_on_ending(false);
    }

    /// Where the ring that is read ends; `None` if it was damaged, or began anew underneath.
    fn found_end(&self, current: &Current) -> Option<Seq> {
        let end = ring_end(current.geometry.slot_count(), |seq| word(current, seq))?;
        // Pages that are gone read as a ring nobody wrote to. [TP-CLI-1924]
        let is_there = end.get() > 0 || !current.mapping.is_poisoned();
        let has_what_was_seen = self.ledger.last_seq().is_none_or(|last| last < end);
        (is_there && has_what_was_seen).then_some(end)
    }

    /// Another epoch takes over, whether or not it is known by now how this one ended: what it had
    /// published and is not accounted for was lost.
    // [TP-CLI-1926]
    #[cold]
    pub(super) fn settle_account(&mut self) {
        let Some((epoch, current)) = self.accounted.zip(self.current.as_ref()) else {
            return;
        };
        if current.epoch != epoch {
            return;
        }
        let found = self.found_end(current);
        if let Some(end) = found {
            self.join_where_told(epoch);
            self.ledger.on_end(end);
        }
        self.closed = Some((epoch, found));
    }

    /// Nothing may have come of what was owed.
    fn join_where_told(&mut self, epoch: Epoch) {
        if let (None, Some(joined_at)) = (self.ledger.last_seq(), self.shared.joined_at.of(epoch)) {
            self.ledger.on_producer_position(Seq::new(joined_at));
        }
    }

    /// A source that ended is told of once nothing more can come of it: all descriptors it sent
    /// were in the log before its end was known, so an empty poll, or its last frame, is the end.
    pub(super) fn go_on_ending(&mut self, idle: bool) {
        let Some(ending) = self.ending else {
            return;
        };
        let current = self
            .current
            .as_ref()
            .filter(|current| current.epoch == ending.epoch);
        let next = self.ledger.last_seq().map_or(0, |last| last.get() + 1);
        let complete = ending.owed.is_some_and(|end| next >= end.get());
        // [TP-CLI-1920]
        if current.is_some() && !idle && !complete {
            return;
        }
        self.ending = None;
        if let Some(current) = current {
            current.mapping.revoke();
        }
        let mut tail = 0;
        if self.accounted == Some(ending.epoch) {
            self.join_where_told(ending.epoch);
            // [TP-CLI-1270]
            tail = ending.owed.map_or(0, |end| self.ledger.on_end(end));
        }
        let counts = FinalCounts {
            end_seq: ending.end_seq,
            seen: self.ledger.seen(),
            delivered: self.ledger.delivered(),
            lost: self.ledger.drops().lost(),
            rate_limited: self.ledger.drops().get(DropCause::RateLimited),
            tail,
        };
        let epoch = ending.epoch;
        self.events.push(match ending.end {
            // [TP-CLI-1950]
            SourceEnd::Detached => Event::EndOfStream { epoch, counts },
            SourceEnd::Lost(reason) => Event::SourceLost {
                epoch,
                reason,
                counts,
            },
        });
        self.take_notices();
    }
}

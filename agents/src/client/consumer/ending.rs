//! The end of a source: told of once its last frames are read.

use tensorpool_codecs::types::{Epoch, Seq};
use tensorpool_protocol::client::SourceEnd;
use tensorpool_protocol::frame::DropCause;

use super::Consumer;
use super::reader::was_written;
use crate::client::event::{Event, FinalCounts};

/// A source that ended and whose last frames are still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub(super) epoch: Epoch,
    pub(super) end_seq: Option<Seq>,
    pub(super) end: SourceEnd,
}

impl Consumer {
    /// A source that ended is told of once nothing more can come of it: all descriptors it sent
    /// were in the log before its end was known, so an empty poll, or its last frame, is the end.
    pub(super) fn go_on_ending(&mut self, idle: bool) {
        let Some(mut ending) = self.ending else {
            return;
        };
        let current = self
            .current
            .as_ref()
            .filter(|current| current.epoch == ending.epoch);
        let next = self.ledger.last_seq().map_or(0, |last| last.get() + 1);
        let complete = ending.end_seq.is_some_and(|end| next >= end.get());
        // [TP-CLI-1920]
        if current.is_some() && !idle && !complete {
            return;
        }
        self.ending = None;
        let mut tail = 0;
        if let Some(current) = current {
            // Said by somebody; what counts is what the ring says.
            ending.end_seq = ending.end_seq.filter(|end| {
                end.get()
                    .checked_sub(1)
                    .is_none_or(|last| was_written(current, Seq::new(last)))
            });
            current.mapping.revoke();
        }
        if self.accounted == Some(ending.epoch) {
            // Nothing may have come of what was owed.
            if let (None, Some(joined_at)) = (
                self.ledger.last_seq(),
                self.shared.joined_at.of(ending.epoch),
            ) {
                self.ledger.on_producer_position(Seq::new(joined_at));
            }
            // [TP-CLI-1270]
            tail = ending.end_seq.map_or(0, |end| self.ledger.on_end(end));
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

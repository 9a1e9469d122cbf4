//! Which frame a consumer reads next when it watches the header ring itself instead of listening to
//! descriptors.
//!
//! Sans-IO: the cursor asks for the commit words of slots through a closure and answers what to do;
//! the caller reads frames and keeps the account. A word is `(seq << 1) | committed`. While frame
//! `n` is expected, what its slot holds says:
//!
//! ```text
//!  the slot holds          so
//!  n, committed            it is there: read it
//!  n, being written        not yet; but when a later one is committed, n was aborted
//!  n - slots, or nothing   not yet: one cache line was looked at
//!  later than n            overtaken: go on with what the ring still holds, at a distance from
//!                          where it is overwritten that grows until it is caught up with
//!  older than n - slots    the ring began anew
//!  what cannot be there    nothing
//! ```
//! It relies on what producers promise: numbers are claimed in order, and frames become visible in
//! order. So a frame that still is being written when a later one was seen complete never will be,
//! provided that its slot is looked at *again* after that: between the two looks it may have become
//! complete itself. The words must be loaded with acquire semantics, one after the other.

use tensorpool_codecs::types::Seq;

use super::gate::DropCause;

/// The first sequence number a commit word has no room for: behind it nothing is ever found.
#[cfg(test)]
const END_OF_NUMBERS: u64 = 1 << 63;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingStep {
    /// Nothing is there that was not taken up: look again later.
    Wait,
    /// This frame is complete: read and validate it. The cursor is behind it already.
    Frame(Seq),
    /// Frames that will never be read; the cursor is behind them already.
    Lost {
        /// The first of them.
        first: Seq,
        /// How many they are, at least one.
        count: u64,
        /// Why.
        why: RingLoss,
    },
    /// The ring holds older frames than it did before: its stream began anew underneath. The cursor
    /// stays where it is; the regions are to be mapped anew.
    Restarted,
}

/// Why frames of the ring are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingLoss {
    /// Their claims were aborted, so that nobody will complete them.
    Aborted,
    /// The producer has overwritten them, or is about to.
    Overtaken,
}

impl RingLoss {
    /// Under which cause they count: a hole is a gap, as it is for those who hear of frames.
    // [TP-CLI-2950] [TP-CLI-2960]
    #[must_use]
    pub const fn cause(self) -> DropCause {
        match self {
            Self::Aborted => DropCause::Gap,
            Self::Overtaken => DropCause::FrameIdMismatch,
        }
    }
}

/// What a commit word means to whom expects a certain frame in its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// The frame, complete.
    Complete,
    /// The frame, claimed and not complete.
    Open,
    /// The frame of the lap before, or none ever: not claimed yet.
    Before,
    /// A later frame.
    Beyond(u64),
    /// An older frame than the lap before.
    Older,
    /// Nothing that could be in this slot.
    Nonsense,
}

/// Where a consumer stands in a header ring. One epoch, one mapping; `Copy`, no allocation.
///
/// `look` gives the commit word of the slot of a frame, by an acquire load, as it stands at that
/// moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingCursor {
    slot_count: u64,
    /// The frame that is expected.
    next: u64,
    /// Behind the latest frame that was seen complete: what is claimed before it and is not
    /// complete when it is looked at from now on was aborted.
    seen: u64,
    /// How often it was overtaken since it last had read everything.
    overtaken: u32,
}

impl RingCursor {
    /// Expects frame `next` of a ring of `slot_count` slots, a power of two.
    #[must_use]
    pub const fn at(slot_count: u32, next: Seq) -> Self {
        Self {
            slot_count: slot_count as u64,
            next: next.get(),
            seen: 0,
            overtaken: 0,
        }
    }

    /// Joins a ring: expects the frame behind the latest that is complete, or was. Looks at each
    /// slot once. Owed is what becomes complete from now on.
    // [TP-CLI-2910]
    #[must_use]
    pub fn join(slot_count: u32, mut look: impl FnMut(Seq) -> u64) -> Self {
        let slots = u64::from(slot_count);
        let mut next = 0;
        for index in 0..slots {
            let (seq, complete) = parts(look(Seq::new(index)));
            if seq % slots == index {
                // Whoever overwrites a frame is done with it.
                let behind = if complete {
                    seq + 1
                } else {
                    (seq + 1).saturating_sub(slots)
                };
                next = next.max(behind);
            }
        }
        Self::at(slot_count, Seq::new(next))
    }

    /// The frame that is expected.
    #[must_use]
    pub const fn next(&self) -> Seq {
        Seq::new(self.next)
    }

    /// What to do next. Looks at one slot when nothing is there; at those being written behind the
    /// expected frame while that is being written; at a logarithm of the ring when it was overtaken.
    #[inline]
    pub fn step(&mut self, mut look: impl FnMut(Seq) -> u64) -> RingStep {
        loop {
            // What was known before this look decides about what it shows.
            // [TP-CLI-2945]
            let settled = self.next < self.seen;
            match self.sight(self.next, look(Seq::new(self.next))) {
                // [TP-CLI-2935]
                Sight::Before => {
                    self.overtaken = 0;
                    return RingStep::Wait;
                }
                // [TP-CLI-2930]
                Sight::Complete => {
                    let seq = Seq::new(self.next);
                    self.next += 1;
                    return RingStep::Frame(seq);
                }
                Sight::Open | Sight::Nonsense if settled => {
                    return self.pass(1, RingLoss::Aborted);
                }
                Sight::Open | Sight::Nonsense => {
                    if !self.see_later(&mut look) {
                        self.overtaken = 0;
                        return RingStep::Wait;
                    }
                }
                Sight::Beyond(found) => return self.on_overtaken(found, &mut look),
                Sight::Older => return RingStep::Restarted,
            }
        }
    }

    /// The frame of the last [`RingStep::Frame`] was overwritten while it was read, and is counted:
    /// those behind it are about to be, which is better known before they are read. Waits unless
    /// some are passed.
    // [TP-CLI-2972]
    #[cold]
    pub fn on_torn(&mut self, mut look: impl FnMut(Seq) -> u64) -> RingStep {
        let Some(torn) = self.next.checked_sub(1) else {
            return RingStep::Wait;
        };
        match self.sight(torn, look(Seq::new(torn))) {
            Sight::Beyond(found) => {
                // A producer that overwrites what is being read does not rest.
                self.overtaken = self.overtaken.max(1);
                self.on_overtaken(found, &mut look)
            }
            _ => RingStep::Wait,
        }
    }

    /// Somebody who should know says that the stream has passed the expected frame although that
    /// was never claimed: passes to the first complete frame that follows in the ring. Looks at
    /// each slot twice at most; without such a frame nothing is believed.
    // [TP-CLI-2990]
    #[cold]
    pub fn pass_hole(&mut self, mut look: impl FnMut(Seq) -> u64) -> RingStep {
        let mut sight = |seq: u64| self.sight(seq, look(Seq::new(seq)));
        let mut ring = self.next + 1..self.next + self.slot_count;
        let Some(later) = ring.find(|&seq| sight(seq) == Sight::Complete) else {
            return RingStep::Wait;
        };
        // Who claims in order has claimed ours before that one: it would show by now.
        if sight(self.next) != Sight::Before {
            return RingStep::Wait;
        }
        let first = (self.next + 1..later).find(|&seq| sight(seq) == Sight::Complete);
        let count = first.unwrap_or(later) - self.next;
        self.pass(count, RingLoss::Aborted)
    }

    /// Looks on behind the expected frame while slots are claimed; true when it met a frame that
    /// says that the expected one is settled.
    // [TP-CLI-2940]
    #[cold]
    fn see_later(&mut self, look: &mut impl FnMut(Seq) -> u64) -> bool {
        for seq in self.next + 1..self.next + self.slot_count {
            match self.sight(seq, look(Seq::new(seq))) {
                Sight::Complete => {
                    self.seen = seq + 1;
                    return true;
                }
                // That slot was claimed a lap later, so ours was claimed anew before.
                Sight::Beyond(_) => {
                    self.seen = self.seen.max(self.next + 1);
                    return true;
                }
                Sight::Open | Sight::Nonsense => {}
                Sight::Before | Sight::Older => return false,
            }
        }
        false
    }

    /// The slot of the expected frame, or of the one before, was claimed for `found`: goes on with
    /// what the ring holds, [`RingCursor::margin`] frames from where it is overwritten next.
    // [TP-CLI-2970]
    #[cold]
    fn on_overtaken(&mut self, found: u64, look: &mut impl FnMut(Seq) -> u64) -> RingStep {
        // Slots from `found` on are claimed up to the latest claim, and a lap older behind it.
        let (mut claimed, mut not_claimed) = (0, self.slot_count);
        while not_claimed - claimed > 1 {
            let middle = claimed + (not_claimed - claimed) / 2;
            let seq = found.saturating_add(middle);
            match self.sight(seq, look(Seq::new(seq))) {
                Sight::Complete | Sight::Open | Sight::Beyond(_) => claimed = middle,
                Sight::Before | Sight::Older | Sight::Nonsense => not_claimed = middle,
            }
        }
        let kept = self.slot_count - self.margin();
        let resume = (found + claimed + 1).saturating_sub(kept);
        self.overtaken = self.overtaken.saturating_add(1);
        match resume.saturating_sub(self.next) {
            0 => RingStep::Wait,
            count => self.pass(count, RingLoss::Overtaken),
        }
    }

    /// How many frames are left to a producer that overtook us. None the first time: as long as it
    /// rests, as when both share a core, everything the ring holds can be read. An eighth of a ring
    /// when that failed, and twice as many each further time, up to half a ring: a producer that
    /// goes on overtakes us again, and the further away we begin, the more is read until then.
    // [TP-CLI-2971]
    fn margin(&self) -> u64 {
        let most = self.slot_count / 2;
        match self.overtaken.checked_sub(1) {
            None => 0,
            Some(again) if again < 3 => ((self.slot_count / 8) << again).max(1).min(most),
            Some(_) => most,
        }
    }

    fn pass(&mut self, count: u64, why: RingLoss) -> RingStep {
        let first = Seq::new(self.next);
        self.next += count;
        RingStep::Lost { first, count, why }
    }

    /// What `word` says about frame `expected`, whose slot it was found in.
    /// [TP-CLI-2980]
    #[inline]
    fn sight(&self, expected: u64, word: u64) -> Sight {
        let (seq, complete) = parts(word);
        if seq == expected {
            return if complete {
                Sight::Complete
            } else {
                Sight::Open
            };
        }
        if seq < expected && (expected - seq == self.slot_count || word == 0) {
            return Sight::Before;
        }
        self.odd_sight(expected, seq)
    }

    #[cold]
    // [TP-CLI-2955]
    fn odd_sight(&self, expected: u64, seq: u64) -> Sight {
        if !self.is_slot_of(expected, seq) {
            Sight::Nonsense
        } else if seq > expected {
            Sight::Beyond(seq)
        } else {
            Sight::Older
        }
    }

    const fn is_slot_of(&self, expected: u64, seq: u64) -> bool {
        (seq ^ expected) & (self.slot_count - 1) == 0
    }
}

/// Sequence number, and whether the frame is complete.
const fn parts(word: u64) -> (u64, bool) {
    (word >> 1, word & 1 == 1)
}

#[cfg(test)]
#[path = "header_ring_model.rs"]
mod model;
#[cfg(test)]
#[path = "header_ring_tests.rs"]
mod tests;

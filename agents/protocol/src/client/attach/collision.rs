//! Somebody else goes by our client id. Drivers grant an id once, but not all who report have a driver,
//! nor the same one (Wire v1.2 §10.1.2).

use tensorpool_codecs::types::{ClientId, NanoTime};

use super::{AttachClient, Detach, State};
use crate::client::attach_types::{AttachEvent, LossReason};
use crate::client::qos::REPORT_PERIOD_NS;

/// Reports that far apart are of somebody who lives; what is closer may be left over from before.
const APART_NS: u64 = REPORT_PERIOD_NS / 2;
/// A report this old belongs to nobody who is still there.
const FORGOTTEN_NS: u64 = 5 * REPORT_PERIOD_NS;
/// Times one client moves on to another id; whoever is driven further is told, and stays.
const MAX_MOVES: u32 = 4;

/// What is known of somebody who reports under our id.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::client) struct Namesake {
    /// When it was heard first, and last.
    heard: Option<(NanoTime, NanoTime)>,
    /// Whether the owner was told, for the lease at hand.
    is_told: bool,
    moves: u32,
}

/// What is to be done about a namesake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Remedy {
    /// Nothing, or not yet.
    None,
    /// The owner is told.
    Tell,
    /// Another id is taken.
    MoveOn,
}

impl Namesake {
    /// Another report of it: whether it is beyond doubt that somebody is there.
    fn is_beyond_doubt(&mut self, now: NanoTime) -> bool {
        let known = self
            .heard
            .filter(|(_, last)| now.since_ns(*last) < FORGOTTEN_NS);
        let first = known.map_or(now, |(first, _)| first);
        self.heard = Some((first, now));
        now.since_ns(first) >= APART_NS
    }

    /// A lease was granted, under whatever id.
    pub(in crate::client) fn begin(&mut self) {
        self.heard = None;
        self.is_told = false;
    }

    /// Another report of it; `is_given` says whether our id was given, and not chosen. What is to be
    /// done about it, once per lease.
    pub(in crate::client) fn on_report(&mut self, now: NanoTime, is_given: bool) -> Remedy {
        if !self.is_beyond_doubt(now) || self.is_told {
            return Remedy::None;
        }
        self.is_told = true;
        // [TP-CLI-0470]
        if is_given || self.moves >= MAX_MOVES {
            return Remedy::Tell;
        }
        // [TP-CLI-0460]
        self.moves += 1;
        Remedy::MoveOn
    }
}

impl AttachClient {
    /// A report under our stream and client id that is not ours. An id that was chosen is exchanged:
    /// the lease goes back, and another is asked for. Of an id that was given, the owner is told once
    /// per lease.
    pub fn on_foreign_report(&mut self, now: NanoTime) {
        self.advance(now);
        let State::Attached(lease) = &self.state else {
            return;
        };
        let (lease_id, stream_id) = (lease.lease_id, lease.stream_id);
        let is_given = self.config.client_id.is_some();
        let remedy = self.namesake.on_report(self.now, is_given);
        self.stats.id_collisions += u64::from(remedy != Remedy::None);
        match remedy {
            Remedy::None => return,
            Remedy::Tell => return self.emit(AttachEvent::IdShared(self.client_id)),
            Remedy::MoveOn => {}
        }
        self.stats.losses += 1;
        let request = self.detach_request(lease_id, stream_id);
        let expires = self.now.after_ns(self.config.detach_timeout_ns);
        self.state = State::Detaching(Detach {
            request,
            send_at: self.now,
            expires,
            moves_on: true,
        });
        self.emit(AttachEvent::Lost(LossReason::IdShared(self.client_id)));
    }

    /// The lease is back, or was not answered for: on with another id.
    pub(super) fn move_on(&mut self) {
        self.client_id = ClientId::new(self.random.next_nonzero_u32());
        self.begin_attempt();
    }
}

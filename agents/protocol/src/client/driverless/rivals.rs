//! Who else announces a provider's stream. Nobody decides between two producers without a driver,
//! so both follow the same rule: who came later gives way.

use std::cmp::Ordering;

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime};

use crate::client::messages::{Announce, ClockDomain, LeaseRevoked};
use crate::common::Role;

/// Somebody who announces our stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rival {
    pub(super) producer_id: Option<ClientId>,
    pub(super) epoch: Epoch,
    since: NanoTime,
    heard: NanoTime,
}

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rivals {
    /// Announces that were made before this say nothing about now.
    opened: NanoTime,
    /// Ours, live or given up: hearing oneself is nothing.
    own: Option<Epoch>,
    rival: Option<Rival>,
}

impl Rivals {
    pub(super) fn open(&mut self, now: NanoTime) {
        self.opened = now;
    }

    pub(super) fn begin_epoch(&mut self, epoch: Epoch) {
        self.own = Some(epoch);
    }

    /// An announce of our stream.
    pub(super) fn on_announce(&mut self, now: NanoTime, announce: &Announce) {
        // [TP-CLI-3146]
        let is_fresh = match announce.clock_domain {
            Some(ClockDomain::Monotonic) => announce.timestamp >= self.opened,
            Some(ClockDomain::RealtimeSynced) => true,
            None => false,
        };
        if !is_fresh || self.own == Some(announce.epoch) {
            return;
        }
        let before = self.rival.filter(|rival| rival.epoch == announce.epoch);
        self.rival = Some(Rival {
            producer_id: announce.producer_id,
            epoch: announce.epoch,
            since: before.map_or(now, |rival| rival.since),
            heard: now,
        });
    }

    /// Somebody said good-bye.
    pub(super) fn on_lease_revoked(&mut self, revoked: &LeaseRevoked) {
        let is_producer = revoked.role.known() == Some(Role::Producer);
        self.rival
            .take_if(|rival| is_producer && rival.producer_id == Some(revoked.client_id));
    }

    /// Who was heard in the last `silence_ns` nanoseconds.
    pub(super) fn live(&self, now: NanoTime, silence_ns: u64) -> Option<Rival> {
        self.rival
            .filter(|rival| now.since_ns(rival.heard) < silence_ns)
    }

    /// When the one there is counts as gone if it is not heard again.
    pub(super) fn silence_ends(&self, silence_ns: u64) -> Option<NanoTime> {
        self.rival.map(|rival| rival.heard.after_ns(silence_ns))
    }

    /// Whom the provider of `own` gives way to: who was there before it, and who came later and
    /// does not give way for that long. [TP-CLI-3150], [TP-CLI-3155]
    pub(super) fn yields_to(&self, now: NanoTime, own: Epoch, silence_ns: u64) -> Option<Epoch> {
        let rival = self.live(now, silence_ns)?;
        let gives_way = match rival.epoch.cmp(&own) {
            Ordering::Less => true,
            Ordering::Equal => false,
            Ordering::Greater => rival.heard.since_ns(rival.since) >= silence_ns,
        };
        gives_way.then_some(rival.epoch)
    }
}

//! What happens when an epoch is wanted, adopted or void. Only the mapping core calls this.

use std::cmp::Ordering;

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime};

use super::{Mapped, MappingCore, State, Successor, Target};
use crate::client::mapping_types::{Adoption, MapTicket, MappingAction};
use crate::client::regions::RegionSet;

/// How often in a row a lower epoch must be announced before a stale mapping gives way to it.
const LOWER_EPOCH_REPEATS: u32 = 2;

/// Mappings that may fail in a row before other epochs have to wait as well.
const FREE_TRIES: u32 = 4;

impl MappingCore {
    pub(super) fn on_fresh_announce(
        &mut self,
        regions: Box<RegionSet>,
        producer_id: Option<ClientId>,
    ) {
        let epoch = regions.epoch;
        if let State::Mapping(target) | State::Remapping(_, target) = &mut self.state
            && target.regions == regions
        {
            target.producer_id = producer_id;
            self.lower = None;
            return;
        }
        // [TP-CLI-0690]
        let highest = match &self.state {
            _ if self.successor.is_some() => self.successor.as_ref().map(Successor::epoch),
            State::Mapping(target) | State::Remapping(_, target) if !target.has_failed => {
                Some(target.regions.epoch)
            }
            State::Remapping(mapped, _) | State::Mapped(mapped) => Some(mapped.regions.epoch),
            State::Mapping(_) | State::Unmapped => self.last_adopted,
        };
        match highest.map_or(Ordering::Greater, |highest| epoch.cmp(&highest)) {
            // [TP-CLI-0620]
            Ordering::Greater => {
                self.lower = None;
                self.follow(regions, producer_id);
            }
            Ordering::Equal => {
                self.lower = None;
                self.on_same_epoch(regions, producer_id);
            }
            // [TP-CLI-0670]
            Ordering::Less => self.on_lower_epoch(regions, producer_id),
        }
    }

    /// Idempotent unless the regions changed, or somebody else took over an epoch whose producer
    /// had ended.
    fn on_same_epoch(&mut self, regions: Box<RegionSet>, producer_id: Option<ClientId>) {
        // [TP-CLI-0790]
        if let Some(ended) = self.ended.filter(|ended| ended.epoch == regions.epoch) {
            if producer_id.is_some_and(|id| id != ended.producer_id) {
                self.ended = None;
                self.follow(regions, producer_id);
            }
            return;
        }
        // [TP-CLI-0660]
        match &mut self.state {
            // That of the target itself is not news, see above. If it is what is in use, nothing is
            // to replace that any more.
            State::Mapping(_) | State::Remapping(..) => self.follow(regions, producer_id),
            // [TP-CLI-0665]
            State::Mapped(mapped) if mapped.regions == regions => mapped.producer_id = producer_id,
            State::Mapped(_) | State::Unmapped => self.want(regions, producer_id),
        }
    }

    /// A lower epoch may be the truth after a reboot of the host, but only if what is mapped is
    /// dead.
    fn on_lower_epoch(&mut self, regions: Box<RegionSet>, producer_id: Option<ClientId>) {
        self.stats.announces_lower_epoch += 1;
        // [TP-CLI-0670] [TP-CLI-0680]
        let stale = match &self.state {
            State::Mapped(mapped) | State::Remapping(mapped, _) => mapped.stale,
            State::Unmapped => true,
            State::Mapping(target) => target.has_failed,
        };
        let repeats = match self.lower {
            Some((epoch, repeats)) if epoch == regions.epoch => repeats + 1,
            Some(_) | None => 1,
        };
        self.lower = Some((regions.epoch, repeats));
        if stale && repeats >= LOWER_EPOCH_REPEATS {
            self.lower = None;
            self.follow(regions, producer_id);
        }
    }

    /// What was announced is wanted: now, or as soon as the worker is done with the one before,
    /// which is put into use then. Otherwise announces that come fast enough would keep each other
    /// from ever being mapped. [TP-CLI-0652]
    fn follow(&mut self, regions: Box<RegionSet>, producer_id: Option<ClientId>) {
        let is_busy = match &self.state {
            State::Mapping(target) | State::Remapping(_, target) => target.ticket.is_some(),
            State::Unmapped | State::Mapped(_) => false,
        };
        if is_busy {
            self.successor = Some(Successor {
                regions,
                producer_id,
            });
        } else {
            self.want(regions, producer_id);
        }
    }

    /// Asks for a mapping; what is in use stays in use until it is there, and is not mapped twice.
    pub(super) fn want(&mut self, regions: Box<RegionSet>, producer_id: Option<ClientId>) {
        // [TP-CLI-0630] [TP-CLI-0660]
        if let State::Mapped(mapped) | State::Remapping(mapped, _) = &self.state
            && mapped.regions == regions
        {
            let mut mapped = mapped.clone();
            mapped.producer_id = producer_id;
            self.state = State::Mapped(mapped);
            return;
        }
        // [TP-CLI-0695]
        let is_held_back = self.failed_in_row >= FREE_TRIES;
        let has_to_wait = is_held_back && self.now < self.not_before;
        let target = Target {
            ticket: None,
            regions,
            producer_id,
            retry_at: has_to_wait.then_some(self.not_before),
            has_failed: false,
        };
        // [TP-CLI-0630]
        self.state = match std::mem::replace(&mut self.state, State::Unmapped) {
            State::Unmapped | State::Mapping(_) => State::Mapping(target),
            State::Mapped(mapped) | State::Remapping(mapped, _) => State::Remapping(mapped, target),
        };
        if !is_held_back {
            self.backoff.reset();
        }
        if !has_to_wait {
            self.request_target();
        }
    }

    /// Hands the wanted regions to the worker under a fresh ticket, once it has answered the last
    /// one. [TP-CLI-0651]
    pub(super) fn request_target(&mut self) {
        let (State::Mapping(target) | State::Remapping(_, target)) = &mut self.state else {
            return;
        };
        target.retry_at = None;
        if self.under_way.is_some() {
            return;
        }
        self.next_ticket += 1;
        let ticket = MapTicket(self.next_ticket);
        target.ticket = Some(ticket);
        self.under_way = Some(ticket);
        let regions = target.regions.clone();
        self.emit(MappingAction::Map { ticket, regions });
    }

    pub(super) fn on_answered(&mut self, ticket: MapTicket) {
        if self.under_way == Some(ticket) {
            self.under_way = None;
        }
    }

    /// The worker is free again: what waited for it, and for nothing else, is asked for.
    pub(super) fn request_waiting(&mut self) {
        if let State::Mapping(target) | State::Remapping(_, target) = &self.state
            && target.ticket.is_none()
            && target.retry_at.is_none()
        {
            self.request_target();
        }
    }

    /// Another mapping failed; gives the pause before it is tried again. Others wait no longer than
    /// a period: the driver announces what is true as often.
    pub(super) fn note_failure(&mut self) -> u64 {
        let delay_ns = self.backoff.next_delay_ns(&mut self.random);
        self.failed_in_row = self.failed_in_row.saturating_add(1);
        let others_ns = delay_ns.min(self.config.announce_period_ns);
        self.not_before = self.now.after_ns(others_ns);
        delay_ns
    }

    pub(super) fn forget_failures(&mut self) {
        self.backoff.reset();
        self.failed_in_row = 0;
        self.not_before = NanoTime::new(0);
    }

    pub(super) fn adopt(&mut self, old: Option<Mapped>, ticket: MapTicket, target: Target) {
        let epoch = target.regions.epoch;
        let adoption = match self.last_adopted {
            None => Adoption::First,
            Some(last) => match epoch.cmp(&last) {
                // [TP-CLI-0860] [TP-CLI-3262]
                Ordering::Equal if self.is_recreated() => Adoption::OlderEpoch { old: last },
                // [TP-CLI-0860]
                Ordering::Equal => Adoption::SameEpoch,
                Ordering::Greater => Adoption::NewEpoch { old: last },
                Ordering::Less => Adoption::OlderEpoch { old: last },
            },
        };
        // [TP-CLI-1940]
        if let Some(old) = old {
            let told = self
                .ended
                .is_some_and(|ended| ended.epoch == old.regions.epoch);
            let replaced = old.regions.epoch != epoch && !told;
            self.replaced = replaced.then_some((old.regions.epoch, old.producer_id));
            self.tell_replaced();
        }
        self.stats.adoptions += 1;
        if !matches!(adoption, Adoption::First | Adoption::SameEpoch) {
            self.stats.remaps += 1;
        }
        self.last_adopted = Some(epoch);
        self.forget_failures();
        let stream_id = target.regions.stream_id;
        self.state = State::Mapped(Mapped {
            regions: target.regions,
            producer_id: target.producer_id,
            pid: None,
            stale: false,
        });
        self.emit(MappingAction::Adopt {
            ticket,
            stream_id,
            epoch,
            adoption,
        });
    }

    /// Everything is void: the mapping in use and the one being made.
    /// [TP-CLI-0650] [TP-CLI-0770]
    pub(super) fn revoke(&mut self) {
        self.replaced = None;
        self.successor = None;
        if let State::Mapped(mapped) | State::Remapping(mapped, _) =
            std::mem::replace(&mut self.state, State::Unmapped)
        {
            self.emit(MappingAction::Revoke {
                epoch: mapped.regions.epoch,
            });
        }
    }

    /// The mapping in use is void, the one being made is still wanted.
    /// [TP-CLI-0780]
    pub(super) fn revoke_current(&mut self) {
        let (state, epoch): (State, Option<Epoch>) =
            match std::mem::replace(&mut self.state, State::Unmapped) {
                State::Mapped(mapped) => (State::Unmapped, Some(mapped.regions.epoch)),
                State::Remapping(mapped, target) => {
                    (State::Mapping(target), Some(mapped.regions.epoch))
                }
                other => (other, None),
            };
        self.state = state;
        if let Some(epoch) = epoch {
            self.emit(MappingAction::Revoke { epoch });
        }
    }

    /// The mapping in use is void, its regions are still wanted unless newer ones are.
    /// [TP-CLI-0830] [TP-CLI-0840]
    pub(super) fn remap_in_place(&mut self) {
        let (State::Mapped(mapped) | State::Remapping(mapped, _)) = &self.state else {
            return;
        };
        let (regions, producer_id) = (mapped.regions.clone(), mapped.producer_id);
        let wanted = matches!(self.state, State::Remapping(..));
        self.revoke_current();
        if !wanted {
            self.want(regions, producer_id);
        }
    }
}

impl Successor {
    fn epoch(&self) -> Epoch {
        self.regions.epoch
    }
}

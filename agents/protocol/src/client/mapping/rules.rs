//! What happens when an epoch is wanted, adopted or void. Only the mapping core calls this.

use std::cmp::Ordering;

use tensorpool_codecs::types::{ClientId, Epoch};

use super::{Mapped, MappingCore, State, Target};
use crate::client::mapping_types::{Adoption, MapTicket, MappingAction};
use crate::client::regions::RegionSet;

/// How often in a row a lower epoch must be announced before a stale mapping gives way to it.
const LOWER_EPOCH_REPEATS: u32 = 2;

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
        let highest = match &self.state {
            State::Mapping(target) | State::Remapping(_, target) if !target.has_failed => {
                Some(target.regions.epoch)
            }
            State::Remapping(mapped, _) | State::Mapped(mapped) => Some(mapped.regions.epoch),
            State::Mapping(_) | State::Unmapped => self.last_adopted,
        };
        match highest.map_or(Ordering::Greater, |highest| epoch.cmp(&highest)) {
            Ordering::Greater => {
                self.lower = None;
                self.want(regions, producer_id);
            }
            Ordering::Equal => {
                self.lower = None;
                self.on_same_epoch(regions, producer_id);
            }
            Ordering::Less => self.on_lower_epoch(regions, producer_id),
        }
    }

    /// Idempotent unless the regions changed, or somebody else took over an epoch whose producer
    /// had ended.
    fn on_same_epoch(&mut self, regions: Box<RegionSet>, producer_id: Option<ClientId>) {
        if let Some(ended) = self.ended.filter(|ended| ended.epoch == regions.epoch) {
            if producer_id.is_some_and(|id| id != ended.producer_id) {
                self.ended = None;
                self.want(regions, producer_id);
            }
            return;
        }
        match &mut self.state {
            // What is in use is announced again, and what was to replace it cannot be mapped.
            State::Remapping(mapped, target) if target.has_failed && mapped.regions == regions => {
                let mut mapped = mapped.clone();
                mapped.producer_id = producer_id;
                self.state = State::Mapped(mapped);
            }
            // That of the target itself is not news, see above.
            State::Mapping(_) | State::Remapping(..) => self.want(regions, producer_id),
            State::Mapped(mapped) => {
                mapped.producer_id = producer_id;
                if mapped.regions != regions {
                    self.want(regions, producer_id);
                }
            }
            State::Unmapped => self.want(regions, producer_id),
        }
    }

    /// A lower epoch may be the truth after a reboot of the host, but only if what is mapped is
    /// dead.
    fn on_lower_epoch(&mut self, regions: Box<RegionSet>, producer_id: Option<ClientId>) {
        self.stats.announces_lower_epoch += 1;
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
            self.want(regions, producer_id);
        }
    }

    /// Asks for a mapping; what is in use stays in use until it is there.
    pub(super) fn want(&mut self, regions: Box<RegionSet>, producer_id: Option<ClientId>) {
        let target = Target {
            ticket: MapTicket(0),
            regions,
            producer_id,
            retry_at: None,
            has_failed: false,
        };
        self.state = match std::mem::replace(&mut self.state, State::Unmapped) {
            State::Unmapped | State::Mapping(_) => State::Mapping(target),
            State::Mapped(mapped) | State::Remapping(mapped, _) => State::Remapping(mapped, target),
        };
        self.backoff.reset();
        self.request_target();
    }

    /// Hands the wanted regions to the worker under a fresh ticket.
    pub(super) fn request_target(&mut self) {
        let (State::Mapping(target) | State::Remapping(_, target)) = &mut self.state else {
            return;
        };
        self.next_ticket += 1;
        target.ticket = MapTicket(self.next_ticket);
        target.retry_at = None;
        let (ticket, regions) = (target.ticket, target.regions.clone());
        self.emit(MappingAction::Map { ticket, regions });
    }

    pub(super) fn adopt(&mut self, old: Option<Mapped>, target: Target) {
        let epoch = target.regions.epoch;
        let adoption = match self.last_adopted {
            None => Adoption::First,
            Some(last) => match epoch.cmp(&last) {
                Ordering::Equal => Adoption::SameEpoch,
                Ordering::Greater => Adoption::NewEpoch { old: last },
                Ordering::Less => Adoption::OlderEpoch { old: last },
            },
        };
        if let Some(old) = old {
            let told = self
                .ended
                .is_some_and(|ended| ended.epoch == old.regions.epoch);
            let replaced = old.regions.epoch != epoch && !told;
            self.replaced = replaced.then_some((old.regions.epoch, old.producer_id));
        }
        self.stats.adoptions += 1;
        if !matches!(adoption, Adoption::First | Adoption::SameEpoch) {
            self.stats.remaps += 1;
        }
        self.last_adopted = Some(epoch);
        self.backoff.reset();
        let (ticket, stream_id) = (target.ticket, target.regions.stream_id);
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
    pub(super) fn revoke(&mut self) {
        self.replaced = None;
        if let State::Mapped(mapped) | State::Remapping(mapped, _) =
            std::mem::replace(&mut self.state, State::Unmapped)
        {
            self.emit(MappingAction::Revoke {
                epoch: mapped.regions.epoch,
            });
        }
    }

    /// The mapping in use is void, the one being made is still wanted.
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

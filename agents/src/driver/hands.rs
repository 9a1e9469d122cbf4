//! Carries out single actions of the lease table, and says whether one is done with.

use tensorpool_codecs::types::{LeaseId, NanoTime};
use tensorpool_protocol::driver::LeaseAction;
use tensorpool_shm::driver::ActivityLost;

use super::counters::DriverCounters;
use super::proxy::{DriverProxy, Said};
use super::region_worker::{Job, RegionWorker};
use super::regions::Regions;

/// What became of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// Not possible now: keep it and come back.
    NotYet,
    /// It is done with.
    Out,
    /// A grant that cannot be said, whatever was said instead: its lease must end.
    Unsaid(LeaseId),
}

impl Carried {
    fn out_if(done: bool) -> Self {
        if done { Self::Out } else { Self::NotYet }
    }
}

/// What the lease table's actions are carried out with.
#[derive(Debug)]
pub(super) struct Hands {
    pub(super) proxy: DriverProxy,
    pub(super) worker: RegionWorker,
    pub(super) regions: Regions,
    pub(super) counters: DriverCounters,
    pub(super) lost: Vec<ActivityLost>,
}

impl Hands {
    /// Carries an action out, or as much of it as is possible.
    pub(super) fn carry_out(&mut self, now: NanoTime, action: &LeaseAction) -> Carried {
        match action {
            // [TP-DRV-1050]
            LeaseAction::Provision(order) => {
                Carried::out_if(self.worker.submit(Job::Create(order.clone())).is_ok())
            }
            LeaseAction::Retire { stream_id, epoch } => {
                let Some(owned) = self.regions.take(*stream_id, *epoch) else {
                    return Carried::Out;
                };
                match self.worker.submit(Job::Remove(Box::new(owned))) {
                    Err(Job::Remove(owned)) => {
                        self.regions.insert(*owned);
                        Carried::NotYet
                    }
                    Ok(()) | Err(Job::Create(_) | Job::Collect { .. }) => Carried::Out,
                }
            }
            LeaseAction::Abandon { stream_id, epoch } => {
                // [TP-DRV-1018]
                self.regions.abandon(*stream_id, *epoch);
                Carried::Out
            }
            LeaseAction::RefreshActivity { stream_id, epoch } => {
                self.lost
                    .extend(self.regions.refresh(now, *stream_id, *epoch).err());
                Carried::Out
            }
            LeaseAction::Announce(announcement) => {
                let (stream_id, epoch) = (announcement.stream_id, announcement.epoch);
                let carried = self.say(now, action);
                if carried == Carried::Out {
                    // [TP-DRV-1030]
                    self.lost.extend(self.regions.check(stream_id, epoch).err());
                }
                carried
            }
            _ => self.say(now, action),
        }
    }

    fn say(&mut self, now: NanoTime, action: &LeaseAction) -> Carried {
        let said = self.proxy.say(now, action, &self.regions);
        let counters = &mut self.counters;
        match (said, action) {
            (Said::Later, _) => {
                counters.back_pressured.increment();
                return Carried::NotYet;
            }
            (Said::NotYet, _) => return Carried::NotYet,
            // [TP-DRV-0095]
            (Said::Refused, LeaseAction::AttachOk(grant)) => {
                counters.attach_responses.increment();
                return Carried::Unsaid(grant.lease_id);
            }
            // [TP-DRV-0095]
            (Said::Lost, LeaseAction::AttachOk(grant)) => {
                counters.answers_lost += 1;
                return Carried::Unsaid(grant.lease_id);
            }
            (Said::Unheard, _) => counters.announces_unheard.increment(),
            (Said::Lost, _) => counters.answers_lost += 1,
            (Said::Sent, LeaseAction::AttachOk(_) | LeaseAction::AttachRefused(_)) => {
                counters.attach_responses.increment();
            }
            (Said::Sent, LeaseAction::Detached(_)) => counters.detach_responses.increment(),
            (Said::Sent, LeaseAction::Revoke(_)) => counters.lease_revoked.increment(),
            (Said::Sent, LeaseAction::Announce(_)) => counters.announces.increment(),
            (Said::Sent | Said::Refused, _) => {}
        }
        Carried::Out
    }
}

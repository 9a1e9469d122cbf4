//! Carries out single actions of the lease table, and says whether one is done with.

use tensorpool_codecs::types::NanoTime;
use tensorpool_protocol::driver::LeaseAction;
use tensorpool_shm::driver::ActivityLost;

use super::counters::DriverCounters;
use super::proxy::{DriverProxy, Said};
use super::region_worker::{Job, RegionWorker};
use super::regions::Regions;

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
    /// Whether the action is done with; otherwise it is to be kept.
    pub(super) fn carry_out(&mut self, now: NanoTime, action: &LeaseAction) -> bool {
        match action {
            LeaseAction::Provision(order) => self.worker.submit(Job::Create(order.clone())).is_ok(),
            LeaseAction::Retire { stream_id, epoch } => {
                let Some(owned) = self.regions.take(*stream_id, *epoch) else {
                    return true;
                };
                match self.worker.submit(Job::Remove(Box::new(owned))) {
                    Err(Job::Remove(owned)) => {
                        self.regions.insert(*owned);
                        false
                    }
                    Ok(()) | Err(Job::Create(_)) => true,
                }
            }
            LeaseAction::RefreshActivity { stream_id, epoch } => {
                self.lost
                    .extend(self.regions.refresh(now, *stream_id, *epoch).err());
                true
            }
            LeaseAction::Announce(announcement) => {
                let (stream_id, epoch) = (announcement.stream_id, announcement.epoch);
                let done = self.say(now, action);
                if done {
                    self.lost.extend(self.regions.check(stream_id, epoch).err());
                }
                done
            }
            _ => self.say(now, action),
        }
    }

    fn say(&mut self, now: NanoTime, action: &LeaseAction) -> bool {
        let said = self.proxy.say(now, action, &self.regions);
        let counters = &mut self.counters;
        match (said, action) {
            (Said::Later, _) => {
                counters.back_pressured.increment();
                return false;
            }
            (Said::NotYet, _) => return false,
            (Said::Unheard, _) => counters.announces_unheard.increment(),
            (Said::Lost, _) => counters.answers_lost += 1,
            (Said::Sent, LeaseAction::AttachOk(_) | LeaseAction::AttachRefused(_)) => {
                counters.attach_responses.increment();
            }
            (Said::Sent, LeaseAction::Detached(_)) => counters.detach_responses.increment(),
            (Said::Sent, LeaseAction::Revoke(_)) => counters.lease_revoked.increment(),
            (Said::Sent, LeaseAction::Announce(_)) => counters.announces.increment(),
            (Said::Sent, _) => {}
        }
        true
    }
}

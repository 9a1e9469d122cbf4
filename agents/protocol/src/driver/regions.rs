//! Answers of the region worker, and which epochs may leave the disk.

use tensorpool_codecs::types::{Epoch, LeaseId, NanoTime, StreamId};

use super::actions::{Backing, LeaseAction};
use super::attach::backing_for;
use super::requests::RegionFailure;
use super::streams::{AttachWaiter, Provisioning};
use super::table::LeaseTable;
use crate::common::{LeaseRevokeReason, ResponseCode, Role};

impl LeaseTable {
    /// The regions of an epoch exist: it becomes live, and who waited for it gets its lease.
    pub fn on_region_ready(&mut self, now: NanoTime, stream_id: StreamId, epoch: Epoch) {
        self.advance(now);
        if let Some((index, work)) = self.take_work(stream_id, epoch) {
            self.streams[index].set_live(epoch, self.now, &mut self.stats.streams_live);
            self.streams[index].refresh_due = self.now.after_ns(self.config.announce_period_ns);
            self.wake_at(self.streams[index].refresh_due);
            // Whatever was queued told the epoch before; what follows is about this one.
            // [TP-DRV-0750] [TP-DRV-0770]
            self.announce(index, true);
            // [TP-DRV-0990]
            let granted = |waiter: &AttachWaiter| {
                waiter.role == Role::Consumer || work.backing == Backing::Allocated
            };
            for waiter in self.take_waiters(index, granted) {
                self.grant(index, waiter);
            }
            // [TP-DRV-0910]
            if !self.streams[index].attaches.is_empty() {
                self.provision(index, backing_for(Role::Producer));
            }
            self.note_idle(index);
            self.retire_superseded();
        }
        self.check_invariants();
    }

    /// The regions of an epoch could not be created (and nothing of them is left).
    ///
    /// If old epochs can make room, they are unlinked and the same is tried once more. Otherwise a
    /// consumer waiter gets the epoch that is still live, everybody else an error that says why.
    pub fn on_region_failed(
        &mut self,
        now: NanoTime,
        stream_id: StreamId,
        epoch: Epoch,
        failure: &RegionFailure,
    ) {
        self.advance(now);
        if let Some((index, work)) = self.take_work(stream_id, epoch) {
            // [TP-DRV-1000]
            let no_space = matches!(failure, RegionFailure::NoSpace { .. });
            if no_space && !work.retried && self.retire_everything_superseded() {
                self.order(
                    index,
                    Provisioning {
                        retried: true,
                        ..work
                    },
                );
            } else {
                self.give_up(index, epoch, failure);
                self.give_up_idle_streams();
            }
        }
        self.check_invariants();
    }

    /// The regions of an epoch turned out to be destroyed (truncated by somebody): a live epoch
    /// ends, its producer's lease is revoked, and the next epoch begins.
    pub fn on_region_lost(&mut self, now: NanoTime, stream_id: StreamId, epoch: Epoch) {
        self.advance(now);
        // [TP-DRV-1030]
        let live = self.live_epoch(stream_id) == Some(epoch);
        if let Some(index) = self.stream_index(stream_id).filter(|_| live) {
            match self.streams[index].producer {
                // [TP-DRV-1040]
                Some((lease_id, _)) => {
                    self.stats.leases_revoked += 1;
                    self.end_lease(lease_id, LeaseRevokeReason::Revoked);
                }
                // [TP-DRV-1030]
                None => self.end_epoch(index),
            }
        }
        self.check_invariants();
    }

    /// A grant could not be said and was refused instead, or lost: its lease ends at once, so that
    /// it blocks neither its client nor the stream until it expires.
    /// [TP-DRV-0095]
    pub fn on_grant_unsaid(&mut self, now: NanoTime, lease_id: LeaseId) {
        self.advance(now);
        self.stats.grants_unsaid += 1;
        if self
            .end_lease(lease_id, LeaseRevokeReason::Revoked)
            .is_some()
        {
            self.stats.leases_revoked += 1;
        }
        self.check_invariants();
    }

    fn give_up(&mut self, index: usize, epoch: Epoch, failure: &RegionFailure) {
        self.stats.provision_failures += 1;
        let id = self.streams[index].id;
        // [TP-DRV-0250]
        let text = format!("failed to provision SHM: stream {id} epoch {epoch}: {failure}");
        for waiter in self.take_waiters(index, |_| true) {
            // [TP-DRV-0980]
            if waiter.role == Role::Consumer && self.streams[index].live.is_some() {
                self.grant(index, waiter);
            } else {
                self.turn_away(waiter, ResponseCode::InternalError, text.clone().into());
            }
        }
        // [TP-DRV-0830]
        self.answer_detaches(index, None);
    }

    fn take_work(&mut self, stream_id: StreamId, epoch: Epoch) -> Option<(usize, Provisioning)> {
        let awaited = self.stream_index(stream_id).filter(|index| {
            let work = self.streams[*index].work;
            work.is_some_and(|work| work.epoch == epoch) && !self.is_still_ordered(epoch)
        });
        let Some(index) = awaited else {
            self.stats.stale_region_answers += 1;
            return None;
        };
        self.streams[index].work.take().map(|work| (index, work))
    }

    fn is_still_ordered(&self, epoch: Epoch) -> bool {
        let mut queued = self.region.iter();
        queued.any(|action| matches!(action, LeaseAction::Provision(order) if order.epoch == epoch))
    }

    fn take_waiters(
        &mut self,
        index: usize,
        which: impl Fn(&AttachWaiter) -> bool,
    ) -> Vec<AttachWaiter> {
        self.streams[index]
            .attaches
            .extract_if(.., |waiter| which(waiter))
            .collect()
    }

    /// Hands out superseded epochs beyond those kept that are old enough, as far as there is room;
    /// the rest comes later.
    pub(super) fn retire_superseded(&mut self) {
        for index in 0..self.streams.len() {
            while let Some((epoch, due)) = self.streams[index].next_to_retire(&self.config) {
                if due > self.now {
                    self.wake_at(due);
                    break;
                }
                if !self.let_go(index, epoch) {
                    return;
                }
            }
        }
    }

    /// Hands out the written epochs of a stream beyond those kept, however young: a stream takes no
    /// more than its kept epochs and the one that is made ([TP-DRV-1013]).
    pub(super) fn make_room(&mut self, index: usize) {
        while let Some(epoch) = self.streams[index].written_surplus(&self.config) {
            if !self.let_go(index, epoch) {
                return;
            }
        }
    }

    /// Hands out every superseded epoch, however young; whether there was one. Nothing when
    /// collection is turned off ([TP-DRV-1016]).
    fn retire_everything_superseded(&mut self) -> bool {
        let mut any = false;
        if !self.config.gc_enabled {
            return any;
        }
        for index in 0..self.streams.len() {
            while let Some(old) = self.streams[index].superseded.first().copied() {
                if !self.let_go(index, old.epoch) {
                    return any;
                }
                any = true;
            }
        }
        any
    }

    /// Hands out one superseded epoch: for unlinking, or with collection turned off for leaving its
    /// files where they are. `false` when there is no room.
    pub(super) fn let_go(&mut self, index: usize, epoch: Epoch) -> bool {
        let stream_id = self.streams[index].id;
        let (action, counter) = if self.config.gc_enabled {
            let action = LeaseAction::Retire { stream_id, epoch };
            (action, &mut self.stats.epochs_retired)
        } else {
            // [TP-DRV-1018]
            let action = LeaseAction::Abandon { stream_id, epoch };
            (action, &mut self.stats.epochs_abandoned)
        };
        if self.region.try_push(action).is_err() {
            return false;
        }
        *counter += 1;
        self.streams[index].forget(epoch);
        true
    }
}

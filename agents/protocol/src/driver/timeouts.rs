//! What happens by itself: expiry, periodic announces, activity refreshes, patience of detaches;
//! and what a stall of the driver or of its link does to leases.

use tensorpool_codecs::types::NanoTime;

use super::actions::LeaseAction;
use super::streams::Stream;
use super::table::{LeaseTable, Phase};
use crate::common::LeaseRevokeReason;

impl LeaseTable {
    /// Does everything that is due at `now`. Calling it early or twice does no harm.
    pub fn on_timeout(&mut self, now: NanoTime) {
        self.advance(now);
        if let Phase::Closed { .. } = self.phase {
            self.deadline = None;
            return;
        }
        self.expire_leases();
        for index in 0..self.streams.len() {
            self.answer_detaches(index, Some(self.now));
            self.refresh_activity(index);
            if self.streams[index]
                .announce_due
                // [TP-DRV-1110]
                .is_some_and(|due| due <= self.now)
            {
                self.announce(index, false);
            }
        }
        self.retire_superseded();
        self.give_up_idle_streams();
        self.finish_draining();
        self.plan();
        self.check_invariants();
    }

    /// The driver itself stood still for `gap_ns`: keepalives of that time are still unread, so
    /// leases get it back.
    pub fn on_stall(&mut self, now: NanoTime, gap_ns: u64) {
        self.advance(now);
        self.stats.stalls += 1;
        // [TP-DRV-0590]
        for lease in self.leases.iter_mut() {
            lease.expiry = lease.expiry.after_ns(gap_ns);
        }
        self.check_invariants();
    }

    /// The link is gone: no keepalive can arrive, so no lease expires until it is back.
    pub fn on_link_lost(&mut self, now: NanoTime) {
        self.advance(now);
        // [TP-DRV-0600]
        self.link_lost = true;
        self.check_invariants();
    }

    /// The link is back: every client gets a whole lease time to find it again, and every stream is
    /// announced.
    pub fn on_link_up(&mut self, now: NanoTime) {
        self.advance(now);
        if core::mem::take(&mut self.link_lost) {
            // [TP-DRV-0600]
            let expiry = self.now.after_ns(self.config.lease_expiry_ns());
            for lease in self.leases.iter_mut() {
                lease.expiry = lease.expiry.max(expiry);
            }
            for index in 0..self.streams.len() {
                self.streams[index].follow_up = true;
                // [TP-DRV-1210]
                self.announce(index, false);
            }
            self.restart_patience();
            self.wake_at(expiry);
        }
        self.check_invariants();
    }

    fn expire_leases(&mut self) {
        // [TP-DRV-0600]
        if self.link_lost {
            return;
        }
        // [TP-DRV-0560]
        while let Some(lease_id) = self.leases.expired(self.now) {
            self.stats.leases_expired += 1;
            self.end_lease(lease_id, LeaseRevokeReason::Expired);
        }
    }

    /// While nobody produces, nobody else shows that the regions are alive (Driver Model v1.0 §3).
    fn refresh_activity(&mut self, index: usize) {
        let stream = &mut self.streams[index];
        // [TP-DRV-1220]
        let Some(live) = stream.live else { return };
        // [TP-DRV-1220] [TP-DRV-1230]
        if stream.producer.is_some() || stream.refresh_due > self.now {
            return;
        }
        stream.refresh_due = self.now.after_ns(self.config.announce_period_ns);
        let action = LeaseAction::RefreshActivity {
            stream_id: stream.id,
            epoch: live.epoch,
        };
        if self.region.try_push(action).is_ok() {
            self.stats.activity_refreshes += 1;
        }
    }

    /// Computes the deadline anew.
    fn plan(&mut self) {
        if let Phase::Closed { .. } = self.phase {
            return;
        }
        let expiry = self.leases.next_expiry().filter(|_| !self.link_lost);
        let notice = match self.phase {
            Phase::Draining { notice_at, .. } => Some(notice_at),
            Phase::Serving | Phase::Closed { .. } => None,
        };
        let idle = (0..self.streams.len()).filter_map(|index| self.gives_up_at(index));
        let old = self.streams.iter();
        let old = old.filter_map(|stream| Some(stream.next_to_retire(&self.config)?.1));
        let streams = self.streams.iter().filter_map(due).chain(idle).chain(old);
        self.deadline = streams.chain(expiry).chain(notice).min();
    }
}

/// The earliest thing a stream waits for.
/// [TP-DRV-1110] [TP-DRV-1220]
fn due(stream: &Stream) -> Option<NanoTime> {
    let idle = stream.live.is_some() && stream.producer.is_none();
    let refresh = idle.then_some(stream.refresh_due);
    let detach = stream.detaches.iter().map(|waiter| waiter.deadline).min();
    [refresh, detach, stream.announce_due]
        .into_iter()
        .flatten()
        .min()
}

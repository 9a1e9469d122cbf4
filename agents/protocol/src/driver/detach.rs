//! The end of leases: detach requests, and what every kind of end has in common.

use tensorpool_codecs::types::{LeaseId, NanoTime};

use super::actions::{Backing, DetachAnswer, LeaseAction, Revocation};
use super::leases::{Lease, LeaseKey};
use super::requests::DetachRequest;
use super::streams::DetachWaiter;
use super::table::{LeaseTable, Phase};
use crate::common::{LeaseRevokeReason, ResponseCode, Role};

/// The longest a detach waits for the announce of the next epoch.
const DETACH_PATIENCE_NS: u64 = 1_000_000_000;

impl LeaseTable {
    /// A client gives its lease back.
    ///
    /// Order of what follows (Driver Model v1.0 §4.9 and §6): revocation; for a producer the next
    /// epoch and its announce; the answer. A repeated detach of a lease that ended less than five
    /// seconds ago is answered OK again.
    pub fn on_detach(&mut self, now: NanoTime, request: &DetachRequest) {
        self.advance(now);
        self.stats.detach_requests += 1;
        self.detach(request);
        self.check_invariants();
    }

    fn detach(&mut self, request: &DetachRequest) {
        let DetachRequest {
            correlation_id,
            lease_id,
            stream_id,
            client_id,
            ..
        } = *request;
        let answer = |code, text| DetachAnswer {
            correlation_id,
            code,
            text,
        };
        // [TP-DRV-0800]
        let Some(role) = request.role.known() else {
            return self.answer_detach(answer(ResponseCode::InvalidParams, "unknown role"));
        };
        let key = self.leases.resolve(LeaseKey {
            lease_id,
            stream_id,
            client_id,
            role,
        });
        // [TP-DRV-0780] [TP-DRV-0790]
        if self
            .leases
            .get(lease_id)
            .is_some_and(|lease| lease.key == key)
        {
            return self.end_by_holder(key, request);
        }
        // [TP-DRV-0850]
        if self.join_detach(key, request) {
            self.stats.detach_joined += 1;
        } else if self.leases.was_released(self.now, key) {
            self.answer_detach(answer(ResponseCode::Ok, ""));
        } else {
            self.answer_detach(answer(ResponseCode::Rejected, "unknown lease"));
        }
    }

    fn end_by_holder(&mut self, key: LeaseKey, request: &DetachRequest) {
        if !self.control.reserve(1) {
            self.stats.detach_dropped += 1;
            return;
        }
        self.stats.leases_detached += 1;
        let ended = self.end_lease(key.lease_id, LeaseRevokeReason::Detached);
        let index = self.stream_index(key.stream_id);
        // A driver that closes makes no epoch any more, so there is no announce to wait for.
        let closed = matches!(self.phase, Phase::Closed { .. });
        // [TP-DRV-0810] [TP-DRV-0820] [TP-DRV-1475]
        if let (Some(_), Some(index), Role::Producer, false) = (ended, index, key.role, closed) {
            let deadline = self.now.after_ns(DETACH_PATIENCE_NS);
            let correlation_id = request.correlation_id;
            self.streams[index].detaches.push(DetachWaiter {
                key,
                correlation_id,
                deadline,
            });
            self.wake_at(deadline);
        } else {
            // [TP-DRV-0010] [TP-DRV-0780]
            self.control
                .push_reserved(detached_ok(request.correlation_id));
            self.stats.detach_ok += 1;
        }
        if let Some(index) = index {
            self.note_idle(index);
        }
    }

    // [TP-DRV-0850]
    fn join_detach(&mut self, key: LeaseKey, request: &DetachRequest) -> bool {
        let Some(index) = self.stream_index(key.stream_id) else {
            return false;
        };
        let mut waiters = self.streams[index].detaches.iter_mut();
        let Some(waiter) = waiters.find(|waiter| waiter.key == key) else {
            return false;
        };
        waiter.correlation_id = request.correlation_id;
        true
    }

    fn answer_detach(&mut self, answer: DetachAnswer) {
        let ok = answer.code == ResponseCode::Ok;
        match self.control.try_push(LeaseAction::Detached(answer)) {
            Ok(()) if ok => self.stats.detach_ok += 1,
            Ok(()) => self.stats.detach_refused += 1,
            Err(_) => self.stats.detach_dropped += 1,
        }
    }

    /// Revokes a lease and, if it was the producer's, begins the next epoch of its stream.
    pub(super) fn end_lease(&mut self, id: LeaseId, reason: LeaseRevokeReason) -> Option<Lease> {
        // [TP-DRV-0720]
        let lease = self.leases.remove(self.now, id)?;
        self.node_ids.release(self.now, lease.node_id);
        let LeaseKey {
            lease_id,
            stream_id,
            client_id,
            role,
        } = lease.key;
        // [TP-DRV-0710]
        let timestamp = self.now;
        self.control.push_reserved(LeaseAction::Revoke(Revocation {
            timestamp,
            lease_id,
            stream_id,
            client_id,
            role,
            reason,
        }));
        if let Some(index) = self.stream_index(stream_id) {
            self.streams[index].lease_count -= 1;
            // [TP-DRV-0750] [TP-DRV-0760]
            if role == Role::Producer {
                self.end_epoch(index);
            }
            self.note_idle(index);
        }
        Some(lease)
    }

    /// The live epoch is over: its announces stop, and a sparse successor is ordered unless one is
    /// being made.
    pub(super) fn end_epoch(&mut self, index: usize) {
        let now = self.now;
        let stream = &mut self.streams[index];
        // [TP-DRV-0740]
        stream.producer = None;
        stream.supersede_live(now, &mut self.stats.streams_live);
        // [TP-DRV-1180]
        if self.announces.withdraw(self.streams[index].id) {
            self.stats.announces_withdrawn += 1;
        }
        // [TP-DRV-0750]
        let serving = matches!(self.phase, Phase::Serving | Phase::Draining { .. });
        if serving && self.streams[index].work.is_none() {
            self.provision(index, Backing::Sparse);
        }
    }

    /// Answers the detaches that wait on a stream: all, or those whose patience ended by
    /// `overdue_at`.
    pub(super) fn answer_detaches(&mut self, index: usize, overdue_at: Option<NanoTime>) {
        let control = &mut self.control;
        let stats = &mut self.stats;
        self.streams[index].detaches.retain(|waiter| {
            // [TP-DRV-0820]
            if overdue_at.is_some_and(|now| waiter.deadline > now) {
                return true;
            }
            // [TP-DRV-0010]
            control.push_reserved(detached_ok(waiter.correlation_id));
            stats.detach_ok += 1;
            false
        });
        self.note_idle(index);
    }
}

// [TP-DRV-0010]
fn detached_ok(correlation_id: tensorpool_codecs::types::CorrelationId) -> LeaseAction {
    LeaseAction::Detached(DetachAnswer {
        correlation_id,
        code: ResponseCode::Ok,
        text: "",
    })
}

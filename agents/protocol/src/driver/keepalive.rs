//! Keepalives: strict matching, and an answer for those whose lease does not exist (any more).

use tensorpool_codecs::types::NanoTime;

use super::actions::{LeaseAction, Revocation};
use super::leases::LeaseKey;
use super::requests::Keepalive;
use super::table::{LeaseTable, Phase};
use crate::common::LeaseRevokeReason;

impl LeaseTable {
    /// A client says that it is alive.
    ///
    /// All four fields must match to extend the lease (Driver Model v1.0 §4.4). A lease this driver
    /// does not know is answered by a revocation addressed to the sender, at most once per second
    /// and lease: keepalives have no answer otherwise, and a producer could go on for ever on a
    /// lease that a restarted driver never granted.
    pub fn on_keepalive(&mut self, now: NanoTime, keepalive: &Keepalive) {
        self.advance(now);
        self.extend(keepalive);
        self.check_invariants();
    }

    fn extend(&mut self, keepalive: &Keepalive) {
        let Keepalive {
            lease_id,
            stream_id,
            client_id,
            role,
        } = *keepalive;
        // [TP-DRV-0550] [TP-DRV-0575]
        let Some(role) = role.known() else {
            self.stats.keepalives_mismatched += 1;
            return;
        };
        let key = self.leases.resolve(LeaseKey {
            lease_id,
            stream_id,
            client_id,
            role,
        });
        // [TP-DRV-0540]
        let expiry = self.now.after_ns(self.config.lease_expiry_ns());
        match self.leases.get_mut(lease_id) {
            // [TP-DRV-0540] [TP-DRV-0550]
            Some(lease) if lease.key == key => {
                lease.expiry = lease.expiry.max(expiry);
                lease.keepalive_seen = true;
                self.stats.keepalives += 1;
            }
            // [TP-DRV-0575]
            Some(_) => self.stats.keepalives_mismatched += 1,
            None => self.answer_unknown(key),
        }
    }

    fn answer_unknown(&mut self, key: LeaseKey) {
        // [TP-DRV-0575]
        self.stats.keepalives_unknown += 1;
        let closed = matches!(self.phase, Phase::Closed { .. });
        if closed || self.control.free() == 0 {
            return;
        }
        // [TP-DRV-0580]
        if !self.leases.may_answer_unknown(self.now, key.lease_id) {
            return;
        }
        let LeaseKey {
            lease_id,
            stream_id,
            client_id,
            role,
        } = key;
        // [TP-DRV-0570]
        let answer = LeaseAction::Revoke(Revocation {
            timestamp: self.now,
            lease_id,
            stream_id,
            client_id,
            role,
            reason: LeaseRevokeReason::Revoked,
        });
        if self.control.try_push(answer).is_ok() {
            self.stats.unknown_leases_revoked += 1;
        }
    }
}

//! Going away: shutdown requests, draining, the notice.

use std::borrow::Cow;

use tensorpool_codecs::types::NanoTime;

use super::actions::LeaseAction;
use super::attach::DRAINING;
use super::requests::ShutdownRequest;
use super::table::{LeaseTable, Phase, SHUTDOWN_NOTICES};
use crate::common::{ResponseCode, ShutdownReason};

impl LeaseTable {
    /// An administrator asks the driver to stop. With the right token it drains: attaches are
    /// refused, every live stream is announced once more, and after the shutdown timeout the notice
    /// goes out. Anything else is ignored.
    pub fn on_shutdown_request(&mut self, now: NanoTime, request: &ShutdownRequest<'_>) {
        self.advance(now);
        let configured = &self.config.shutdown_token;
        // [TP-DRV-1410] [TP-DRV-1420]
        let authorised =
            !configured.is_empty() && equal_in_constant_time(configured, request.token);
        match (self.phase, request.reason.known()) {
            (Phase::Serving, Some(reason)) if authorised => {
                // [TP-DRV-1450]
                let notice_at = self.now.after_ns(self.config.shutdown_timeout_ns);
                self.phase = Phase::Draining { reason, notice_at };
                for index in 0..self.streams.len() {
                    // [TP-DRV-1440]
                    self.announce(index, false);
                }
                self.wake_at(notice_at);
            }
            _ => self.stats.shutdown_requests_ignored += 1,
        }
        self.check_invariants();
    }

    /// The driver closes (Driver Model v1.0 §4.12): attaches and detaches under way are answered,
    /// the notice is queued (twice), and nothing more happens. Leases are not revoked.
    pub fn on_close(&mut self, now: NanoTime, reason: ShutdownReason) {
        self.advance(now);
        self.close(reason);
        self.check_invariants();
    }

    // [TP-DRV-1450] [TP-DRV-1455]
    pub(super) fn finish_draining(&mut self) {
        match self.phase {
            Phase::Draining { reason, notice_at } if notice_at <= self.now => self.close(reason),
            Phase::Serving | Phase::Draining { .. } | Phase::Closed { .. } => {}
        }
    }

    fn close(&mut self, reason: ShutdownReason) {
        if let Phase::Closed { .. } = self.phase {
            return;
        }
        self.phase = Phase::Closed { reason };
        for index in 0..self.streams.len() {
            // [TP-DRV-1470]
            self.answer_detaches(index, None);
            for waiter in core::mem::take(&mut self.streams[index].attaches) {
                self.turn_away(waiter, ResponseCode::Rejected, Cow::Borrowed(DRAINING));
            }
        }
        // [TP-DRV-1450] [TP-DRV-1460] [TP-DRV-1480]
        for _ in 0..SHUTDOWN_NOTICES {
            self.control
                .push_reserved(LeaseAction::ShutdownNotice { reason });
        }
        self.deadline = None;
    }
}

/// Compares without telling by its duration how much was right.
/// [TP-DRV-1410]
fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |sum, (l, r)| sum | (l ^ r));
    std::hint::black_box(difference) == 0 && left.len() == right.len()
}

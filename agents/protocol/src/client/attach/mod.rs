//! One lease of one stream: ask, keep, lose, ask again, give back (Driver Model v1.0 §3-§5, §9).
//!
//! Sans-IO: told the time and decoded messages, it answers with at most one pending
//! [`ControlRequest`] (peek, send,
//! [`AttachClient::on_request_sent`]) and with [`AttachEvent`]s, which the owner drains after every input.
//! Mapping memory is the mapping core's business.

use tensorpool_codecs::types::{ClientId, CorrelationId, Epoch, LeaseId, NanoTime, StreamId};

use super::attach_types::{
    AttachConfig, AttachError, AttachEvent, AttachStats, CLIENT_ID_TAKEN, LossReason, NO_NODE_ID,
    PRODUCER_HELD,
};
use super::backoff::{Backoff, SplitMix64};
use super::messages::{
    Announce, AttachResponse, ClockDomain, ControlRequest, DetachRequest, DetachResponse,
    DriverShutdown, Keepalive, LeaseRevoked,
};
use crate::common::{Outbox, ResponseCode, Role};

pub(super) mod collision;
mod transitions;

use collision::Namesake;
use transitions::grant_of;

const EVENT_CAPACITY: usize = 16;
const MAX_CLIENT_ID_TRIES: u32 = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Attempt {
    correlation_id: CorrelationId,
    begun: NanoTime,
    expires: NanoTime,
    send_at: NanoTime,
    resend_ns: u64,
    /// Whether a driver may have heard of it.
    is_sent: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Lease {
    lease_id: LeaseId,
    stream_id: StreamId,
    epoch: Epoch,
    keepalive_at: NanoTime,
    expires: NanoTime,
    /// The media driver is gone, and no lease expires.
    stands_still: bool,
    driver_heard: NanoTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Wait {
    until: NanoTime,
    why: AttachError,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detach {
    request: DetachRequest,
    send_at: NanoTime,
    expires: NanoTime,
    /// Whether another lease is asked for afterwards, under another client id.
    moves_on: bool,
}

/// An attempt that is not wanted any more and may still be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leaving {
    correlation_id: CorrelationId,
    expires: NanoTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Detached,
    Attaching(Attempt),
    Leaving(Leaving),
    Attached(Lease),
    Backoff(Wait),
    Detaching(Detach),
    Closed,
}

/// The attach client. Not started until [`AttachClient::open`].
#[derive(Debug)]
pub struct AttachClient {
    config: AttachConfig,
    random: SplitMix64,
    client_id: ClientId,
    client_id_tries: u32,
    namesake: Namesake,
    correlation_low: u32,
    backoff: Backoff,
    state: State,
    events: Outbox<AttachEvent>,
    now: NanoTime,
    link_up: bool,
    give_up_at: Option<NanoTime>,
    /// Why the last attempt was not granted.
    last_refusal: Option<AttachError>,
    last_shutdown: Option<DriverShutdown>,
    last_announced: Option<(Option<ClientId>, Epoch)>,
    /// The stream id that is asked for: the configured one, and where that is 0, once there was a
    /// grant, the granted one.
    wanted: StreamId,
    /// The stream id that was asked for when the lease was granted.
    asked: StreamId,
    stats: AttachStats,
}

impl AttachClient {
    /// A client in state Detached. The link counts as down until [`AttachClient::on_link_up`].
    #[must_use]
    pub fn new(config: AttachConfig) -> Self {
        let mut random = SplitMix64::new(config.seed);
        // [TP-CLI-0010]
        let client_id = config.draw_client_id(&mut random);
        Self {
            client_id,
            client_id_tries: 0,
            namesake: Namesake::default(),
            correlation_low: random.next_u64() as u32,
            backoff: Backoff::new(config.backoff_min_ns, config.backoff_max_ns),
            state: State::Detached,
            events: Outbox::with_capacity(EVENT_CAPACITY),
            now: NanoTime::new(0),
            link_up: false,
            give_up_at: None,
            last_refusal: None,
            last_shutdown: None,
            last_announced: None,
            wanted: config.stream_id,
            asked: config.stream_id,
            stats: AttachStats::default(),
            random,
            config,
        }
    }

    /// Starts attaching; gives up for good when no lease was granted within the attach timeout.
    pub fn open(&mut self, now: NanoTime) {
        self.advance(now);
        if self.state == State::Detached {
            // [TP-CLI-0180]
            self.give_up_at = Some(self.now.after_ns(self.config.attach_timeout_ns));
            self.begin_attempt();
        }
    }

    /// Gives the lease back and waits for the answer, a short while, and likewise for a lease that
    /// was asked for and is given back when it comes; without either closes at once. Idempotent.
    pub fn close(&mut self, now: NanoTime) {
        self.advance(now);
        match &mut self.state {
            // [TP-CLI-0510]
            State::Attached(lease) => {
                let (lease_id, stream_id) = (lease.lease_id, lease.stream_id);
                let request = self.detach_request(lease_id, stream_id);
                let expires = self.now.after_ns(self.config.detach_timeout_ns);
                self.state = State::Detaching(Detach {
                    request,
                    send_at: self.now,
                    expires,
                    moves_on: false,
                });
            }
            // [TP-CLI-0530] [TP-CLI-0535] [TP-CLI-0537]
            State::Attaching(attempt) if attempt.is_sent && self.link_up => {
                self.give_up_at = None;
                self.state = State::Leaving(Leaving {
                    correlation_id: attempt.correlation_id,
                    expires: self.now.after_ns(self.config.detach_timeout_ns),
                });
            }
            // [TP-CLI-0530]
            State::Detached | State::Attaching(_) | State::Backoff(_) => self.finish(),
            State::Detaching(detach) => detach.moves_on = false,
            State::Leaving(_) | State::Closed => {}
        }
    }

    /// Aeron is usable (again): whatever is due goes out at once.
    pub fn on_link_up(&mut self, now: NanoTime) {
        self.advance(now);
        self.link_up = true;
        match &mut self.state {
            State::Attaching(attempt) => attempt.send_at = self.now,
            // [TP-CLI-0340]
            State::Attached(lease) => {
                lease.keepalive_at = self.now;
                // [TP-CLI-0342]
                if core::mem::take(&mut lease.stands_still) {
                    lease.expires = self.now.after_ns(self.config.lease_duration_ns());
                }
                lease.driver_heard = self.now;
            }
            State::Backoff(wait) => wait.until = self.now,
            State::Detaching(detach) => detach.send_at = self.now,
            State::Leaving(_) | State::Detached | State::Closed => {}
        }
    }

    /// This client cannot use Aeron, and others may: a lease survives that until its local expiry.
    // [TP-CLI-0344]
    pub fn on_link_lost(&mut self, now: NanoTime) {
        self.advance(now);
        self.link_up = false;
    }

    /// Nobody can use Aeron, the driver neither: it gives no lease to anybody else, and a lease
    /// stands still until the link is up.
    pub fn on_media_driver_lost(&mut self, now: NanoTime) {
        self.on_link_lost(now);
        if let State::Attached(lease) = &mut self.state {
            // What passed before counts: the driver was not held up then.
            // [TP-CLI-0342] [TP-CLI-0346]
            lease.stands_still = self.now < lease.expires;
        }
    }

    /// A response of a driver to anybody. Only the one to the outstanding attempt counts: what
    /// comes after an OK or belongs to an older attempt is ignored.
    pub fn on_attach_response(&mut self, now: NanoTime, response: &AttachResponse) {
        self.advance(now);
        // [TP-CLI-0050] [TP-CLI-0060]
        match &self.state {
            State::Attaching(attempt) if attempt.correlation_id == response.correlation_id => {}
            State::Leaving(leaving) if leaving.correlation_id == response.correlation_id => {
                self.on_late_response(response);
                return;
            }
            _ => {
                self.stats.responses_ignored += 1;
                return;
            }
        }
        // [TP-CLI-0190]
        match response.code {
            Some(ResponseCode::Ok) => match grant_of(self.client_id, response) {
                Ok(grant) => self.on_granted(grant),
                Err(error) => self.on_refused(AttachError::InvalidResponse(error)),
            },
            // [TP-CLI-0150]
            Some(ResponseCode::Rejected) if response.error_message.contains(CLIENT_ID_TAKEN) => {
                self.on_client_id_taken();
            }
            // [TP-CLI-0170]
            Some(ResponseCode::Rejected) if response.error_message.contains(PRODUCER_HELD) => {
                let error = self.held_error();
                self.wait(self.config.held_retry_ns, error);
            }
            // [TP-CLI-0205]
            Some(ResponseCode::Rejected) if response.error_message.contains(NO_NODE_ID) => {
                let desired = self.config.desired_node_id.filter(|id| id.get() != 0);
                let delay = self.backoff.next_delay_ns(&mut self.random);
                self.wait(delay, AttachError::NoNodeId { desired });
            }
            // [TP-CLI-0070] [TP-CLI-0190]
            code => self.on_refused(AttachError::Rejected {
                code,
                message: response.error_message.clone(),
            }),
        }
    }

    /// A response to a detach request of anybody.
    pub fn on_detach_response(&mut self, now: NanoTime, response: &DetachResponse) {
        self.advance(now);
        let State::Detaching(detach) = &self.state else {
            return;
        };
        if detach.request.correlation_id != response.correlation_id {
            return;
        }
        let requested = self.asked;
        // [TP-CLI-0520]
        if response.code == Some(ResponseCode::Rejected) && detach.request.stream_id != requested {
            // Some drivers file a dynamic stream's lease under the id that was asked for.
            let (lease_id, expires) = (detach.request.lease_id, detach.expires);
            let moves_on = detach.moves_on;
            let request = self.detach_request(lease_id, requested);
            self.state = State::Detaching(Detach {
                request,
                send_at: self.now,
                expires,
                moves_on,
            });
        } else {
            self.finish_detach();
        }
    }

    /// A lease of anybody was revoked. Ours is recognised by lease and client id, and consumed
    /// once.
    pub fn on_lease_revoked(&mut self, now: NanoTime, revoked: &LeaseRevoked) {
        self.advance(now);
        // [TP-CLI-0380]
        if revoked.client_id != self.client_id {
            return;
        }
        match &self.state {
            // [TP-CLI-0370] [TP-CLI-0380]
            State::Attached(lease) if lease.lease_id == revoked.lease_id => {
                self.lose(LossReason::Revoked(revoked.reason.known()));
            }
            State::Detaching(detach) if detach.request.lease_id == revoked.lease_id => {
                self.finish_detach();
            }
            _ => {}
        }
    }

    /// The driver announced a stream. Of our stream that is the driver's sign of life.
    pub fn on_announce(&mut self, now: NanoTime, announce: &Announce) {
        self.advance(now);
        // [TP-CLI-0360]
        if Some(announce.stream_id) != self.stream_id() {
            return;
        }
        self.last_announced = Some((announce.producer_id, announce.epoch));
        let heard = match announce.clock_domain {
            Some(ClockDomain::Monotonic) => announce.timestamp.min(self.now),
            Some(ClockDomain::RealtimeSynced) | None => self.now,
        };
        match &mut self.state {
            State::Attached(lease) => {
                // [TP-CLI-0350]
                lease.driver_heard = lease.driver_heard.max(heard);
                // [TP-CLI-0410]
                if self.config.role == Role::Producer && announce.epoch > lease.epoch {
                    self.lose(LossReason::Superseded(announce.epoch));
                }
            }
            // [TP-CLI-0450]
            State::Backoff(wait) if wait.why.is_silence() => wait.until = self.now,
            _ => {}
        }
    }

    /// The mapped memory turned out to be damaged, as by a truncation. A producer needs another
    /// epoch, so the lease is left to expire and a new one asked for.
    /// [TP-CLI-0420]
    pub fn on_memory_damaged(&mut self, now: NanoTime) {
        self.advance(now);
        if let State::Attached(_) = self.state {
            self.lose(LossReason::MemoryDamaged);
        }
    }

    /// The driver says it goes away. The same notice counts once, however often it is repeated.
    pub fn on_driver_shutdown(&mut self, now: NanoTime, notice: DriverShutdown) {
        self.advance(now);
        // [TP-CLI-0400]
        if self.last_shutdown == Some(notice) {
            return;
        }
        self.last_shutdown = Some(notice);
        // [TP-CLI-0390]
        if let State::Attached(_) = self.state {
            self.lose(LossReason::DriverShutdown(notice.reason.known()));
        }
    }

    /// Carries out what time alone decides. Idempotent; ignores time going backwards.
    pub fn on_timeout(&mut self, now: NanoTime) {
        self.advance(now);
        let now = self.now;
        let gave_up = self.give_up_at.is_some_and(|at| now >= at);
        match &self.state {
            // [TP-CLI-0180] [TP-CLI-0185]
            State::Attaching(attempt) if gave_up => self.fail(self.give_up_error(attempt)),
            // [TP-CLI-0537]
            State::Leaving(leaving) if now >= leaving.expires => self.finish(),
            State::Attaching(attempt) if now >= attempt.expires => {
                let delay = self.backoff.next_delay_ns(&mut self.random);
                self.wait(delay, self.timeout_error());
            }
            // [TP-CLI-0160] [TP-CLI-0170] [TP-CLI-0185]
            State::Backoff(wait) if gave_up => self.fail(wait.why.clone()),
            // [TP-CLI-0430]
            State::Backoff(wait) if now >= wait.until && self.link_up => self.begin_attempt(),
            // [TP-CLI-0330] [TP-CLI-0342]
            State::Attached(lease) if !lease.stands_still && now >= lease.expires => {
                self.lose(LossReason::Expired);
            }
            // [TP-CLI-0350]
            State::Attached(lease) if self.link_up && now >= self.silence_ends(lease) => {
                self.lose(LossReason::DriverLost);
            }
            // [TP-CLI-0510]
            State::Detaching(detach) if now >= detach.expires => self.finish_detach(),
            _ => {}
        }
        self.check_invariants();
    }

    /// When [`AttachClient::on_timeout`] or [`AttachClient::peek_request`] has something to do
    /// next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<NanoTime> {
        let send = |at: NanoTime| self.link_up.then_some(at);
        let own = match &self.state {
            State::Detached | State::Closed => None,
            State::Attaching(attempt) => earliest(Some(attempt.expires), send(attempt.send_at)),
            State::Leaving(leaving) => Some(leaving.expires),
            State::Backoff(wait) => send(wait.until),
            State::Attached(lease) => {
                let silence = send(self.silence_ends(lease));
                let expiry = (!lease.stands_still).then_some(lease.expires);
                earliest(earliest(expiry, silence), send(lease.keepalive_at))
            }
            State::Detaching(detach) => earliest(Some(detach.expires), send(detach.send_at)),
        };
        match self.state {
            State::Attaching(_) | State::Backoff(_) => earliest(own, self.give_up_at),
            _ => own,
        }
    }

    /// The request that is due, if any; it stays due until [`AttachClient::on_request_sent`].
    #[must_use]
    pub fn peek_request(&self) -> Option<ControlRequest> {
        if !self.link_up {
            return None;
        }
        match &self.state {
            // [TP-CLI-0030]
            State::Attaching(attempt) if self.now >= attempt.send_at => Some(
                ControlRequest::Attach(self.attach_request(attempt.correlation_id)),
            ),
            // [TP-CLI-0310] [TP-CLI-0320]
            State::Attached(lease) if self.now >= lease.keepalive_at => {
                Some(ControlRequest::Keepalive(Keepalive {
                    lease_id: lease.lease_id,
                    stream_id: lease.stream_id,
                    client_id: self.client_id,
                    role: self.config.role,
                }))
            }
            // [TP-CLI-0510]
            State::Detaching(detach) if self.now >= detach.send_at => {
                Some(ControlRequest::Detach(detach.request))
            }
            _ => None,
        }
    }

    /// The peeked request went out at `now`. A keepalive that went out moves the local expiry; one
    /// that did not, does not.
    pub fn on_request_sent(&mut self, now: NanoTime) {
        self.advance(now);
        let now = self.now;
        match &mut self.state {
            State::Attaching(attempt) => {
                attempt.is_sent = true;
                // [TP-CLI-0030]
                attempt.send_at = now.after_ns(attempt.resend_ns);
                attempt.resend_ns = (attempt.resend_ns * 2).min(self.config.resend_max_ns);
                self.stats.attach_requests += 1;
            }
            State::Attached(lease) => {
                // [TP-CLI-0310]
                lease.keepalive_at = now.after_ns(self.config.keepalive_interval_ns);
                // [TP-CLI-0330]
                lease.expires = now.after_ns(self.config.lease_duration_ns());
                self.stats.keepalives += 1;
            }
            State::Detaching(detach) => {
                // [TP-CLI-0510]
                detach.send_at = now.after_ns(self.config.resend_min_ns);
            }
            State::Detached | State::Leaving(_) | State::Backoff(_) | State::Closed => {}
        }
    }

    /// The oldest event that was not taken yet.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<AttachEvent> {
        self.events.pop()
    }

    /// The client id in use; changes when an automatic one turned out to be taken.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.client_id
    }

    /// The stream: the granted one while attached, before that the requested one if it is definite.
    #[must_use]
    pub fn stream_id(&self) -> Option<StreamId> {
        match &self.state {
            // [TP-CLI-0140]
            State::Attached(lease) => Some(lease.stream_id),
            _ => Some(self.wanted).filter(|id| id.get() != 0),
        }
    }

    /// Whether a lease is held.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        matches!(self.state, State::Attached(_))
    }

    /// Whether nothing will ever happen again.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Counts so far.
    #[must_use]
    pub fn stats(&self) -> AttachStats {
        self.stats
    }

    fn advance(&mut self, now: NanoTime) {
        self.now = self.now.max(now);
    }
}

fn earliest(a: Option<NanoTime>, b: Option<NanoTime>) -> Option<NanoTime> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod tests;

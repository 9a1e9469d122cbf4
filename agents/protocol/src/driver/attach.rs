//! Attach requests: who gets a lease, who is refused by which words, and who is only told again.

use std::borrow::Cow;

use tensorpool_codecs::types::{CorrelationId, LeaseId, NanoTime};

use super::CLIENT_ID_ALREADY_ATTACHED;
use super::actions::{AttachGrant, AttachRefusal, Backing, LeaseAction};
use super::dynamic::Place;
use super::leases::{ClientSlot, Lease, LeaseKey};
use super::requests::AttachRequest;
use super::streams::AttachWaiter;
use super::table::{LeaseTable, Phase};
use crate::common::{EnumField, HugepagesPolicy, LAYOUT_VERSION, ResponseCode, Role};

/// A refusal and its words; where a peer has words for the case, they are used.
pub(super) type Refusal = (ResponseCode, Cow<'static, str>);

pub(super) const fn invalid<T>(text: &'static str) -> Result<T, Refusal> {
    Err((ResponseCode::InvalidParams, Cow::Borrowed(text)))
}

pub(super) const fn rejected<T>(text: &'static str) -> Result<T, Refusal> {
    Err((ResponseCode::Rejected, Cow::Borrowed(text)))
}

/// Refusal of a driver that is going away.
pub(super) const DRAINING: &str = "driver draining";

/// What to do about a request that is not refused.
enum Verdict {
    /// A retry of a request that was granted: the same grant again.
    Resend(LeaseId),
    /// A retry of a request that is under way.
    Join { stream: usize },
    /// The first of its kind.
    Admit { place: Place, role: Role },
}

impl LeaseTable {
    /// A client asks for a lease.
    ///
    /// Retries are recognised: the same correlation id gets the same grant, another one does so
    /// within two keepalive intervals of the grant as long as no keepalive came (Driver Model v1.0,
    /// appendix B). Consumers of a stream with live memory are answered at once, everybody else
    /// when the region worker has answered.
    pub fn on_attach(&mut self, now: NanoTime, request: &AttachRequest) {
        self.advance(now);
        self.stats.attach_requests += 1;
        match self.judge(request) {
            Err(refusal) => self.refuse(request.correlation_id, refusal),
            Ok(Verdict::Resend(lease_id)) => self.resend(lease_id, request.correlation_id),
            Ok(Verdict::Join { stream }) => self.join(stream, request),
            Ok(Verdict::Admit { place, role }) => self.admit(place, role, request),
        }
        self.check_invariants();
    }

    /// An attach request of a schema version this driver does not read; only its correlation id is
    /// known.
    pub fn on_unsupported_attach(&mut self, now: NanoTime, correlation_id: CorrelationId) {
        self.advance(now);
        self.stats.attach_requests += 1;
        // [TP-DRV-0010] [TP-DRV-0110]
        self.refuse(
            correlation_id,
            (
                ResponseCode::Unsupported,
                Cow::Borrowed("schema version not supported"),
            ),
        );
        self.check_invariants();
    }

    fn judge(&self, request: &AttachRequest) -> Result<Verdict, Refusal> {
        // [TP-DRV-1430]
        if self.phase != Phase::Serving {
            return rejected(DRAINING);
        }
        // [TP-DRV-0130]
        if request.client_id.get() == 0 {
            return invalid("client_id must be non-zero");
        }
        // [TP-DRV-0120]
        let Some(role) = request.role.known() else {
            return invalid("unknown role");
        };
        // [TP-DRV-0120] [TP-DRV-0160]
        if let EnumField::Unknown(_) = request.publish_mode {
            return invalid("unknown publish mode");
        }
        if let Some(verdict) = self.judge_client(role, request)? {
            return Ok(verdict);
        }
        // [TP-DRV-0140] [TP-DRV-0150]
        if ![0, LAYOUT_VERSION].contains(&request.expected_layout_version) {
            return rejected("layout_version mismatch");
        }
        self.judge_hugepages(request.hugepages)?;
        let place = self.judge_stream(request)?;
        // [TP-DRV-0210]
        if let (Role::Producer, Place::Known(stream)) = (role, &place)
            && self.streams[*stream].claimed_by_producer()
        {
            return rejected("producer already attached");
        }
        // [TP-DRV-0240]
        if self.leases.client_count() >= self.config.max_leases {
            return rejected("lease limit reached");
        }
        Ok(Verdict::Admit { place, role })
    }

    /// A client id is unique over all leases; the same client asking for the same again is a retry.
    fn judge_client(
        &self,
        role: Role,
        request: &AttachRequest,
    ) -> Result<Option<Verdict>, Refusal> {
        match self.leases.client(request.client_id) {
            // [TP-DRV-0220] [TP-DRV-0230]
            None => Ok(None),
            // [TP-DRV-0220] [TP-DRV-0340]
            Some(ClientSlot::Waits(stream_id)) => match self.stream_index(stream_id) {
                Some(stream) if self.waits_as(stream, role, request) => {
                    Ok(Some(Verdict::Join { stream }))
                }
                _ => rejected(CLIENT_ID_ALREADY_ATTACHED),
            },
            // [TP-DRV-0220] [TP-DRV-0310] [TP-DRV-0320] [TP-DRV-0330]
            Some(ClientSlot::Holds(lease_id)) => match self.leases.get(lease_id) {
                Some(lease) if self.is_retry(lease, role, request) => {
                    Ok(Some(Verdict::Resend(lease_id)))
                }
                _ => rejected(CLIENT_ID_ALREADY_ATTACHED),
            },
        }
    }

    // [TP-DRV-0340]
    fn waits_as(&self, stream: usize, role: Role, request: &AttachRequest) -> bool {
        let mut waiters = self.streams[stream].attaches.iter();
        waiters.any(|waiter| {
            waiter.client_id == request.client_id
                && waiter.role == role
                && waiter.requested == request.stream_id
        })
    }

    fn is_retry(&self, lease: &Lease, role: Role, request: &AttachRequest) -> bool {
        // [TP-DRV-0320] [TP-DRV-0330]
        let window_ns = self.config.keepalive_interval_ns.saturating_mul(2);
        let fresh = !lease.keepalive_seen && self.now.since_ns(lease.granted_at) <= window_ns;
        // [TP-DRV-0310] [TP-DRV-1555]
        lease.requested == request.stream_id
            && lease.key.role == role
            && (lease.correlation_ids.contains(&request.correlation_id) || fresh)
    }

    fn judge_hugepages(&self, policy: EnumField<HugepagesPolicy>) -> Result<(), Refusal> {
        match policy {
            // [TP-DRV-0120]
            EnumField::Unknown(_) => invalid("unknown hugepages policy"),
            // [TP-DRV-0160]
            EnumField::Null | EnumField::Known(HugepagesPolicy::Unspecified) => Ok(()),
            // [TP-DRV-0200]
            EnumField::Known(HugepagesPolicy::Standard) if self.config.require_hugepages => {
                rejected("hugepages required by driver policy")
            }
            // [TP-DRV-0205]
            EnumField::Known(HugepagesPolicy::Standard) if self.config.hugepages_available => {
                rejected("standard pages required but unavailable")
            }
            EnumField::Known(HugepagesPolicy::Standard) => Ok(()),
            // [TP-DRV-0190]
            EnumField::Known(HugepagesPolicy::Hugepages) if !self.config.hugepages_available => {
                rejected("hugepages required but unavailable")
            }
            EnumField::Known(HugepagesPolicy::Hugepages) => Ok(()),
        }
    }

    fn refuse(&mut self, correlation_id: CorrelationId, (code, text): Refusal) {
        let refusal = AttachRefusal {
            correlation_id,
            code,
            text,
        };
        match self.control.try_push(LeaseAction::AttachRefused(refusal)) {
            Ok(()) => self.stats.attach_refused += 1,
            Err(_) => self.stats.attach_dropped += 1,
        }
    }

    // [TP-DRV-0310] [TP-DRV-0320]
    fn resend(&mut self, lease_id: LeaseId, correlation_id: CorrelationId) {
        let Some(grant) = self.grant_of(lease_id, correlation_id) else {
            self.stats.attach_dropped += 1;
            return;
        };
        if self.control.try_push(LeaseAction::AttachOk(grant)).is_err() {
            self.stats.attach_dropped += 1;
            return;
        }
        self.stats.attach_resent += 1;
        if let Some(lease) = self.leases.get_mut(lease_id) {
            lease.correlation_ids[1] = correlation_id;
        }
    }

    /// The newest correlation id is answered: a client that changes it accepts the new one in any
    /// case.
    /// [TP-DRV-0340]
    fn join(&mut self, stream: usize, request: &AttachRequest) {
        let mut waiters = self.streams[stream].attaches.iter_mut();
        if let Some(waiter) = waiters.find(|waiter| waiter.client_id == request.client_id) {
            waiter.correlation_id = request.correlation_id;
            self.stats.attach_joined += 1;
        }
    }

    fn admit(&mut self, place: Place, role: Role, request: &AttachRequest) {
        let client_id = request.client_id;
        let creates = matches!(place, Place::New(..));
        // [TP-DRV-0270]
        if self.control.free() < 2 || (creates && self.region.free() == 0) {
            self.stats.attach_dropped += 1;
            return;
        }
        let desired = request.desired_node_id;
        // [TP-DRV-0430]
        let Some(node_id) = self.node_ids.acquire(self.now, client_id, desired) else {
            return self.refuse(
                request.correlation_id,
                (ResponseCode::Rejected, Cow::Borrowed("node_id unavailable")),
            );
        };
        let has_room = self.control.reserve(2);
        debug_assert!(has_room, "checked above");
        let index = match place {
            Place::Known(index) => index,
            Place::New(id, geometry) => self.create_stream(id, geometry),
        };
        let waiter = AttachWaiter {
            client_id,
            role,
            node_id,
            correlation_id: request.correlation_id,
            requested: request.stream_id,
        };
        // [TP-DRV-0920]
        if role == Role::Consumer && self.streams[index].live.is_some() {
            return self.grant(index, waiter);
        }
        // [TP-DRV-0220]
        self.leases.wait(client_id, self.streams[index].id);
        self.streams[index].attaches.push(waiter);
        self.note_idle(index);
        // [TP-DRV-0180] [TP-DRV-0910]
        if self.streams[index].work.is_none() {
            self.provision(index, backing_for(role));
        }
    }

    /// Turns a waiter with its two reserved places into a lease: one place for the answer, one for
    /// the revocation.
    pub(super) fn grant(&mut self, index: usize, waiter: AttachWaiter) {
        let AttachWaiter {
            client_id,
            role,
            node_id,
            correlation_id,
            requested,
        } = waiter;
        let lease_id = self.leases.next_id();
        // [TP-DRV-1545]
        let stream_id = self.streams[index].id;
        // [TP-DRV-0040]
        let expiry = self.now.after_ns(self.config.lease_expiry_ns());
        self.leases.insert(Lease {
            key: LeaseKey {
                lease_id,
                stream_id,
                client_id,
                role,
            },
            requested,
            node_id,
            granted_at: self.now,
            expiry,
            keepalive_seen: false,
            correlation_ids: [correlation_id; 2],
        });
        let stream = &mut self.streams[index];
        stream.lease_count += 1;
        if role == Role::Producer {
            stream.producer = Some((lease_id, client_id));
            if let Some(live) = stream.live.as_mut() {
                live.written = true;
            }
        }
        // [TP-DRV-1170]
        stream.follow_up = true;
        // [TP-DRV-0010]
        if let Some(grant) = self.grant_of(lease_id, correlation_id) {
            self.control.push_reserved(LeaseAction::AttachOk(grant));
        }
        self.stats.attach_granted += 1;
        // [TP-DRV-1150] [TP-DRV-1160]
        self.announce(index, true);
        self.note_idle(index);
        self.wake_at(expiry);
    }

    /// Refuses a waiter and gives everything it held back.
    /// [TP-DRV-0260]
    pub(super) fn turn_away(
        &mut self,
        waiter: AttachWaiter,
        code: ResponseCode,
        text: Cow<'static, str>,
    ) {
        self.leases.stop_waiting(waiter.client_id);
        self.node_ids.release(self.now, waiter.node_id);
        self.control
            .push_reserved(LeaseAction::AttachRefused(AttachRefusal {
                correlation_id: waiter.correlation_id,
                code,
                text,
            }));
        self.control.release(1);
        self.stats.attach_refused += 1;
    }

    fn grant_of(&self, lease_id: LeaseId, correlation_id: CorrelationId) -> Option<AttachGrant> {
        let lease = self.leases.get(lease_id)?;
        let stream = &self.streams[self.stream_index(lease.key.stream_id)?];
        // [TP-DRV-0010] [TP-DRV-0020]
        Some(AttachGrant {
            correlation_id,
            lease_id,
            client_id: lease.key.client_id,
            role: lease.key.role,
            lease_expiry: lease.expiry,
            stream_id: stream.id,
            epoch: stream.live?.epoch,
            node_id: lease.node_id,
            geometry: stream.geometry.clone(),
        })
    }
}

/// Consumers only read: what they bring into being may stay sparse.
/// [TP-DRV-0990]
pub(super) fn backing_for(role: Role) -> Backing {
    match role {
        Role::Producer => Backing::Allocated,
        Role::Consumer => Backing::Sparse,
    }
}

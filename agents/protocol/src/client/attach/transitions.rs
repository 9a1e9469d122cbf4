//! What happens when a state changes. Only the attach client calls this.

use tensorpool_codecs::types::{ClientId, CorrelationId, LeaseId, NanoTime, StreamId};

use super::{AttachClient, Attempt, Detach, Lease, MAX_CLIENT_ID_TRIES, State, Wait};
use crate::client::attach_types::{
    AttachError, AttachEvent, DRAINING, Grant, LossReason, ResponseError,
};
use crate::client::messages::{AttachRequest, AttachResponse, DetachRequest};
use crate::client::regions::RegionSet;
use crate::common::{LAYOUT_VERSION, ResponseCode};

impl AttachClient {
    pub(super) fn begin_attempt(&mut self) {
        // [TP-CLI-0040]
        self.correlation_low = self.correlation_low.wrapping_add(1);
        self.state = State::Attaching(Attempt {
            correlation_id: self.correlation_id(),
            begun: self.now,
            expires: self.now.after_ns(self.config.attach_timeout_ns),
            send_at: self.now,
            resend_ns: self.config.resend_min_ns,
            is_sent: false,
        });
    }

    // [TP-CLI-0020]
    pub(super) fn correlation_id(&self) -> CorrelationId {
        let high = u64::from(self.client_id.get()) << 32;
        CorrelationId::new((high | u64::from(self.correlation_low)) as i64)
    }

    // [TP-CLI-0010]
    pub(super) fn attach_request(&self, correlation_id: CorrelationId) -> AttachRequest {
        AttachRequest {
            correlation_id,
            stream_id: self.wanted,
            client_id: self.client_id,
            role: self.config.role,
            expected_layout_version: LAYOUT_VERSION,
            publish_mode: self.config.publish_mode,
            hugepages: self.config.hugepages,
            desired_node_id: self.config.desired_node_id,
        }
    }

    pub(super) fn detach_request(
        &mut self,
        lease_id: LeaseId,
        stream_id: StreamId,
    ) -> DetachRequest {
        self.correlation_low = self.correlation_low.wrapping_add(1);
        DetachRequest {
            correlation_id: self.correlation_id(),
            lease_id,
            stream_id,
            client_id: self.client_id,
            role: self.config.role,
        }
    }

    /// Who was given any stream stays with it: its consumers know it by that id ([TP-CLI-0525]).
    pub(super) fn on_granted(&mut self, grant: Grant) {
        self.asked = self.wanted;
        if self.wanted.get() == 0 {
            self.wanted = grant.regions.stream_id;
        }
        self.state = State::Attached(Lease {
            lease_id: grant.lease_id,
            // [TP-CLI-0140]
            stream_id: grant.regions.stream_id,
            epoch: grant.regions.epoch,
            // [TP-CLI-0310]
            keepalive_at: self.now,
            expires: self.now.after_ns(self.config.lease_duration_ns()),
            stands_still: false,
            driver_heard: self.now,
        });
        self.backoff.reset();
        self.client_id_tries = 0;
        self.namesake.begin();
        self.give_up_at = None;
        self.last_refusal = None;
        self.stats.grants += 1;
        self.emit(AttachEvent::Attached(Box::new(grant)));
    }

    pub(super) fn on_client_id_taken(&mut self) {
        // [TP-CLI-0150]
        if self.config.client_id.is_none() && self.client_id_tries < MAX_CLIENT_ID_TRIES {
            self.client_id_tries += 1;
            self.client_id = ClientId::new(self.random.next_nonzero_u32());
            self.begin_attempt();
        } else {
            // Most likely our own dead lease of a former life: it expires within seconds.
            // [TP-CLI-0160]
            let error = AttachError::ClientIdTaken {
                client_id: self.client_id,
            };
            self.wait(self.config.held_retry_ns, error);
        }
    }

    /// Before the first lease a refusal is final, unless it is known to pass; afterwards it is
    /// tried for ever.
    pub(super) fn on_refused(&mut self, error: AttachError) {
        // [TP-CLI-0200]
        let passes =
            matches!(&error, AttachError::Rejected { message, .. } if message.contains(DRAINING));
        // [TP-CLI-0190]
        if self.give_up_at.is_some() && !passes {
            self.fail(error);
        } else {
            let delay = self.backoff.next_delay_ns(&mut self.random);
            self.wait(delay, error);
        }
    }

    /// The answer to an attempt that is not wanted any more: what was granted goes back.
    /// [TP-CLI-0535]
    pub(super) fn on_late_response(&mut self, response: &AttachResponse) {
        match (response.code, response.lease_id, response.stream_id) {
            (Some(ResponseCode::Ok), Some(lease_id), Some(stream_id)) => {
                let request = self.detach_request(lease_id, stream_id);
                let expires = self.now.after_ns(self.config.detach_timeout_ns);
                self.state = State::Detaching(Detach {
                    request,
                    send_at: self.now,
                    expires,
                    moves_on: false,
                });
            }
            _ => self.finish(),
        }
    }

    // [TP-CLI-0185]
    pub(super) fn wait(&mut self, delay_ns: u64, why: AttachError) {
        self.stats.refusals += 1;
        self.last_refusal = Some(why.clone());
        self.emit(AttachEvent::Retrying {
            error: why.clone(),
            delay_ns,
        });
        self.state = State::Backoff(Wait {
            until: self.now.after_ns(delay_ns),
            why,
        });
    }

    pub(super) fn lose(&mut self, reason: LossReason) {
        self.stats.losses += 1;
        // [TP-CLI-0430] [TP-CLI-0440]
        let delay = self.backoff.next_delay_ns(&mut self.random);
        let why = AttachError::Lost(reason);
        self.state = State::Backoff(Wait {
            until: self.now.after_ns(delay),
            why,
        });
        self.emit(AttachEvent::Lost(reason));
    }

    pub(super) fn fail(&mut self, error: AttachError) {
        self.state = State::Closed;
        self.emit(AttachEvent::Failed(error));
    }

    /// The detach was answered, or never will be.
    pub(super) fn finish_detach(&mut self) {
        match &self.state {
            State::Detaching(detach) if detach.moves_on => self.move_on(),
            _ => self.finish(),
        }
    }

    pub(super) fn finish(&mut self) {
        self.state = State::Closed;
        self.emit(AttachEvent::Closed);
    }

    pub(super) fn emit(&mut self, event: AttachEvent) {
        assert!(
            self.events.try_push(event).is_ok(),
            "attach events must be drained after every input"
        );
    }

    // [TP-CLI-0350]
    pub(super) fn silence_ends(&self, lease: &Lease) -> NanoTime {
        lease.driver_heard.after_ns(self.config.driver_silence_ns())
    }

    pub(super) fn timeout_error(&self) -> AttachError {
        AttachError::NoAnswer {
            stream_id: self.config.stream_id,
            waited_ns: self.config.attach_timeout_ns,
        }
    }

    /// Why the first attach failed: the last answer there was, if the attempt under way had no time
    /// to be answered.
    /// [TP-CLI-0185]
    pub(super) fn give_up_error(&self, attempt: &Attempt) -> AttachError {
        let unanswered = self.now.since_ns(attempt.begun) >= self.config.resend_max_ns;
        let refusal = self.last_refusal.clone().filter(|_| !unanswered);
        refusal.unwrap_or_else(|| self.timeout_error())
    }

    // [TP-CLI-0170]
    pub(super) fn held_error(&self) -> AttachError {
        let (holder, epoch) = match self.last_announced {
            Some((holder, epoch)) => (holder, Some(epoch)),
            None => (None, None),
        };
        // [TP-CLI-0172]
        if holder == Some(self.client_id) {
            return AttachError::FormerLease {
                stream_id: self.config.stream_id,
                client_id: self.client_id,
            };
        }
        // Epochs are monotonic nanoseconds at the grant; one that lies ahead of us is no such
        // clock.
        let age = epoch.map(|epoch| self.now.get().checked_sub(epoch.get()));
        AttachError::ProducerHeld {
            stream_id: self.config.stream_id,
            holder,
            lease_age_ns: age.flatten().filter(|_| holder.is_some()),
        }
    }

    pub(super) fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            let waiting = matches!(self.state, State::Attaching(_) | State::Backoff(_));
            let attached = matches!(self.state, State::Attached(_) | State::Detaching(_));
            assert!(
                !attached || self.give_up_at.is_none(),
                "a grant ends the attach timeout"
            );
            assert!(!waiting || self.next_deadline().is_some() || !self.link_up);
            assert_ne!(self.client_id.get(), 0, "client id 0 is reserved");
        }
    }
}

// [TP-CLI-0080]
pub(super) fn grant_of(
    client_id: ClientId,
    response: &AttachResponse,
) -> Result<Grant, ResponseError> {
    let lease_id = response
        .lease_id
        .ok_or(ResponseError::Missing("lease id"))?;
    let stream_id = response
        .stream_id
        .ok_or(ResponseError::Missing("stream id"))?;
    let epoch = response.epoch.ok_or(ResponseError::Missing("epoch"))?;
    let layout = response
        .layout_version
        .ok_or(ResponseError::Missing("layout version"))?;
    let regions = RegionSet::check(stream_id, epoch, layout, &response.regions)?;
    Ok(Grant {
        lease_id,
        client_id,
        // [TP-CLI-0130]
        node_id: response.node_id,
        regions,
    })
}

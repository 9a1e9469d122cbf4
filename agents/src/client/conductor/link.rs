//! What happens to the conductor's link, and what of it an application has to know: the link tries
//! again by itself, but who waits for it wants to know why.

use tensorpool_codecs::types::NanoTime;
use tensorpool_runtime::AgentError;
use tensorpool_transport::{Link, LinkEvent, ResourceId};

use super::ClientConductor;
use crate::upkeep::Faults;

/// What went wrong with Aeron.
#[derive(Debug)]
pub(crate) struct Troubles {
    /// Without these nothing can be asked for.
    needed: [ResourceId; 3],
    /// The last error Aeron's client reported by itself, of the present client.
    client_error: Option<(NanoTime, String)>,
    faults: Faults,
}

impl Troubles {
    pub(super) fn new(needed: [ResourceId; 3]) -> Self {
        Self {
            needed,
            client_error: None,
            faults: Faults::default(),
        }
    }

    /// Why the media driver keeps requests from being sent or answered, if it does.
    pub(crate) fn refusal<'a>(&self, link: &'a Link) -> Option<&'a str> {
        self.needed.iter().find_map(|id| link.refusal(*id))
    }

    /// What Aeron's client reported last, and for how many nanoseconds that is past.
    pub(crate) fn client_error(&self, now: NanoTime) -> Option<(&str, u64)> {
        let (at, reason) = self.client_error.as_ref()?;
        Some((reason, now.since_ns(*at)))
    }

    /// What a duty cycle returns: the oldest fault, or what it has done.
    pub(super) fn conclude(&mut self, work: usize) -> Result<usize, AgentError> {
        self.faults.conclude(work)
    }

    fn note(&mut self, now: NanoTime, event: &LinkEvent) {
        match event {
            LinkEvent::Up { .. } | LinkEvent::Lost { .. } => self.client_error = None,
            LinkEvent::ClientError { reason } => self.client_error = Some((now, reason.clone())),
            _ => {}
        }
        // Those beyond what is kept are counted all the same.
        if let Some(code) = event.fault_code() {
            self.faults.keep(code, event.to_string());
        }
    }
}

impl ClientConductor {
    pub(super) fn take_link_events(&mut self, now: NanoTime) -> usize {
        let mut count = 0;
        while let Some(event) = self.link.poll_event() {
            count += 1;
            // [TP-CLI-2372]
            self.troubles.note(now, &event);
            match event {
                LinkEvent::Up { .. } => {
                    for session in &mut self.sessions {
                        session.on_link_up(now, self.was_up);
                    }
                    self.was_up = true;
                }
                LinkEvent::Lost { reason } => {
                    for session in &mut self.sessions {
                        session.on_link_lost(now, &reason);
                    }
                }
                // The link tries again by itself.
                _ => {}
            }
        }
        if count > 0 {
            self.inbound_counters.mirror_link(&self.link.stats());
        }
        let joined = self.announces.is_live();
        if joined && !self.has_joined {
            for session in &mut self.sessions {
                session.on_joined(now);
            }
        }
        self.has_joined = joined;
        count
    }
}

//! What happens when a provider's state changes. Only the provider calls this.

use tensorpool_codecs::types::NanoTime;

use super::{Provider, State};
use crate::client::attach_types::{AttachError, AttachEvent, LossReason};
use crate::client::driverless::types::{ProvideTicket, ProviderAction};

impl Provider {
    pub(super) fn begin(&mut self) {
        self.next_ticket += 1;
        let ticket = ProvideTicket(self.next_ticket);
        self.state = State::Making(ticket);
        self.act(ProviderAction::Provide { ticket });
    }

    pub(super) fn wait(&mut self, delay_ns: u64, why: AttachError) {
        self.state = State::Waiting(self.now.after_ns(delay_ns), why.clone());
        self.emit(AttachEvent::Retrying {
            error: why,
            delay_ns,
        });
    }

    pub(super) fn lose(&mut self, reason: LossReason) {
        let delay_ns = self.backoff.next_delay_ns(&mut self.random);
        self.beacon.stop();
        self.sweep_at = None;
        self.state = State::Waiting(self.now.after_ns(delay_ns), AttachError::Lost(reason));
        self.emit(AttachEvent::Lost(reason));
        self.act(ProviderAction::Remove);
    }

    pub(super) fn remove(&mut self) {
        self.state = State::Removing(self.now.after_ns(self.config.detach_timeout_ns));
        self.act(ProviderAction::Remove);
    }

    pub(super) fn plan_sweep(&mut self, leftovers: usize) {
        // [TP-CLI-3165]
        self.sweep_at = (leftovers > 0).then(|| self.now.after_ns(self.silence_ns()));
    }

    pub(super) fn fail(&mut self, error: AttachError) {
        self.state = State::Closed;
        self.emit(AttachEvent::Failed(error));
    }

    pub(super) fn finish(&mut self) {
        self.state = State::Closed;
        self.emit(AttachEvent::Closed);
    }

    pub(super) fn no_answer(&self) -> AttachError {
        AttachError::NoAnswer {
            stream_id: self.config.stream_id,
            waited_ns: self.config.attach_timeout_ns,
        }
    }

    pub(super) fn silence_ns(&self) -> u64 {
        self.config.driver_silence_ns()
    }

    pub(super) fn advance(&mut self, now: NanoTime) {
        self.now = self.now.max(now);
    }

    pub(super) fn emit(&mut self, event: AttachEvent) {
        assert!(
            self.events.try_push(event).is_ok(),
            "events must be drained after every input"
        );
    }

    pub(super) fn act(&mut self, action: ProviderAction) {
        assert!(
            self.actions.try_push(action).is_ok(),
            "actions must be drained after every input"
        );
    }
}

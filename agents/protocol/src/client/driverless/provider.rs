//! A producer that owns its memory: has it made, announces it, gives way, cleans up.
//!
//! Sans-IO: a worker makes and removes regions. The owner drains events and actions after every
//! input.

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, StreamId};

use super::beacon::{AnnouncePath, Beacon};
use super::rivals::Rivals;
use super::types::{Farewell, ProvideError, ProvideTicket, ProviderAction};
use crate::client::attach_types::{AttachConfig, AttachError, AttachEvent, Grant, LossReason};
use crate::client::backoff::{Backoff, SplitMix64};
use crate::client::messages::{Announce, LeaseRevoked};
use crate::client::regions::RegionSet;
use crate::common::{Outbox, Role};

mod transitions;

const EVENT_CAPACITY: usize = 16;
const ACTION_CAPACITY: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Detached,
    /// Until then, or until whoever announces the stream is silent.
    Waiting(NanoTime, AttachError),
    /// The worker is at it.
    Making(ProvideTicket),
    Provided(Epoch),
    /// Not wanted any more, and the worker is still at it.
    Withdrawing(ProvideTicket, NanoTime),
    /// Says good-bye, until then at the latest.
    Leaving(NanoTime),
    /// The worker removes the regions, until then at the latest.
    Removing(NanoTime),
    Closed,
}

/// The producer's stand-in for a driver. Not started until [`Provider::open`].
#[derive(Debug)]
pub struct Provider {
    config: AttachConfig,
    random: SplitMix64,
    farewell: Farewell,
    backoff: Backoff,
    state: State,
    events: Outbox<AttachEvent>,
    actions: Outbox<ProviderAction>,
    now: NanoTime,
    link_up: bool,
    give_up_at: Option<NanoTime>,
    next_ticket: u64,
    beacon: Beacon,
    rivals: Rivals,
    sweep_at: Option<NanoTime>,
}

impl Provider {
    /// Nothing is made yet. Of the configuration the lease times are of no use here.
    #[must_use]
    pub fn new(config: AttachConfig) -> Self {
        let mut random = SplitMix64::new(config.seed);
        Self {
            farewell: Farewell::of(&config, Role::Producer, &mut random),
            backoff: Backoff::new(config.backoff_min_ns, config.backoff_max_ns),
            state: State::Detached,
            events: Outbox::with_capacity(EVENT_CAPACITY),
            actions: Outbox::with_capacity(ACTION_CAPACITY),
            now: NanoTime::new(0),
            link_up: false,
            give_up_at: None,
            next_ticket: 0,
            beacon: Beacon::new(config.announce_period_ns),
            rivals: Rivals::default(),
            sweep_at: None,
            random,
            config,
        }
    }

    /// Starts providing; gives up for good when nothing was made within the attach timeout.
    pub fn open(&mut self, now: NanoTime) {
        self.advance(now);
        if self.state != State::Detached {
            return;
        }
        if self.config.stream_id.get() == 0 {
            self.fail(AttachError::NoStreamId);
            return;
        }
        self.rivals.open(self.now);
        self.give_up_at = Some(self.now.after_ns(self.config.attach_timeout_ns));
        self.state = State::Waiting(self.now, self.no_answer());
    }

    /// Says good-bye and has the regions removed, and waits for both a short while.
    pub fn close(&mut self, now: NanoTime) {
        self.advance(now);
        let expires = self.now.after_ns(self.config.detach_timeout_ns);
        match &self.state {
            State::Provided(_) => {
                // [TP-CLI-3285]
                self.beacon.stop();
                self.sweep_at = None;
                self.state = State::Leaving(expires);
                if !self.link_up {
                    self.remove();
                }
            }
            State::Making(ticket) => self.state = State::Withdrawing(*ticket, expires),
            State::Detached | State::Waiting(..) => self.finish(),
            State::Withdrawing(..) | State::Leaving(_) | State::Removing(_) | State::Closed => {}
        }
    }

    /// Aeron is usable (again): somebody may have missed announces.
    pub fn on_link_up(&mut self, now: NanoTime) {
        self.advance(now);
        self.link_up = true;
        // [TP-CLI-3225]
        self.beacon.hurry(self.now);
        if let State::Waiting(until, _) = &mut self.state {
            *until = self.now;
        }
    }

    /// Aeron is not usable. The regions stay.
    pub fn on_link_lost(&mut self, now: NanoTime) {
        self.advance(now);
        self.link_up = false;
    }

    /// The worker made the regions of `ticket`, and found so many epochs of others in which
    /// somebody may live.
    pub fn on_provided(
        &mut self,
        now: NanoTime,
        ticket: ProvideTicket,
        regions: RegionSet,
        leftovers: usize,
    ) {
        self.advance(now);
        match self.state {
            State::Making(of) if of == ticket => {
                self.state = State::Provided(regions.epoch);
                self.give_up_at = None;
                self.backoff.reset();
                self.rivals.begin_epoch(regions.epoch);
                // [TP-CLI-3205]
                self.beacon.start(self.now);
                self.plan_sweep(leftovers);
                self.emit(AttachEvent::Attached(Box::new(Grant {
                    lease_id: self.farewell.lease_id,
                    client_id: self.farewell.client_id,
                    node_id: None,
                    regions,
                })));
            }
            // [TP-CLI-3182]
            State::Withdrawing(of, _) if of == ticket => self.remove(),
            // Whoever has them by then lets them go.
            _ => {}
        }
    }

    /// The worker could not.
    pub fn on_provide_failed(
        &mut self,
        now: NanoTime,
        ticket: ProvideTicket,
        error: &ProvideError,
    ) {
        self.advance(now);
        match self.state {
            State::Making(of) if of == ticket => {}
            State::Withdrawing(of, _) if of == ticket => return self.finish(),
            _ => return,
        }
        let (ProvideError::Held(text) | ProvideError::NoSpace(text) | ProvideError::Failed(text)) =
            error;
        let why = AttachError::NotProvided {
            stream_id: self.config.stream_id,
            reason: text.clone(),
        };
        match error {
            // Both pass: with the other one, and with what a dead producer left.
            ProvideError::Held(_) | ProvideError::NoSpace(_) => {
                self.wait(self.config.held_retry_ns, why);
            }
            // [TP-CLI-3148]
            ProvideError::Failed(_) if self.give_up_at.is_some() => self.fail(why),
            ProvideError::Failed(_) => {
                let delay_ns = self.backoff.next_delay_ns(&mut self.random);
                self.wait(delay_ns, why);
            }
        }
    }

    /// The worker removed what was to be removed, as far as it could.
    pub fn on_removed(&mut self, now: NanoTime) {
        self.advance(now);
        if let State::Removing(_) = self.state {
            self.finish();
        }
    }

    /// The worker removed what dead producers left, and so many epochs of others stay.
    pub fn on_swept(&mut self, now: NanoTime, leftovers: usize) {
        self.advance(now);
        if let State::Provided(_) = self.state {
            self.plan_sweep(leftovers);
        }
    }

    /// An announce of any stream.
    pub fn on_announce(&mut self, now: NanoTime, announce: &Announce) {
        self.advance(now);
        if announce.stream_id != self.config.stream_id {
            return;
        }
        self.rivals.on_announce(self.now, announce);
        if let State::Provided(own) = self.state
            && let Some(epoch) = self.rivals.yields_to(self.now, own, self.silence_ns())
        {
            self.lose(LossReason::Superseded(epoch));
        }
    }

    /// Somebody's lease ended, as a good-bye says.
    pub fn on_lease_revoked(&mut self, revoked: &LeaseRevoked) {
        if revoked.stream_id == self.config.stream_id {
            self.rivals.on_lease_revoked(revoked);
        }
    }

    /// Somebody is there that was not before.
    pub fn on_newcomer(&mut self, now: NanoTime) {
        self.advance(now);
        self.beacon.hurry(self.now);
    }

    /// The memory is damaged: another epoch is made.
    pub fn on_memory_damaged(&mut self, now: NanoTime) {
        self.advance(now);
        if let State::Provided(_) = self.state {
            // [TP-CLI-3120]
            self.lose(LossReason::MemoryDamaged);
        }
    }

    /// Carries out what time alone decides. Idempotent; ignores time going backwards.
    pub fn on_timeout(&mut self, now: NanoTime) {
        self.advance(now);
        let now = self.now;
        let gave_up = self.give_up_at.is_some_and(|at| now >= at);
        if self.sweep_at.take_if(|at| now >= *at).is_some() {
            self.act(ProviderAction::Sweep);
        }
        match &self.state {
            State::Waiting(until, why) => {
                let rival = self.rivals.live(now, self.silence_ns());
                // [TP-CLI-3145]
                let rival = rival.map(|rival| AttachError::AnnouncedElsewhere {
                    stream_id: self.config.stream_id,
                    holder: rival.producer_id,
                    epoch: rival.epoch,
                });
                let is_due = now >= *until && self.link_up && rival.is_none();
                let has_tried = self.next_ticket > 0;
                if is_due && (!has_tried || !gave_up) {
                    self.begin();
                } else if gave_up {
                    // What the worker found says more than what was heard.
                    let found = matches!(why, AttachError::NotProvided { .. });
                    let why = rival.filter(|_| !found).unwrap_or_else(|| why.clone());
                    self.fail(why);
                }
            }
            State::Withdrawing(_, expires) | State::Removing(expires) if now >= *expires => {
                self.finish();
            }
            State::Leaving(expires) if now >= *expires => self.remove(),
            _ => {}
        }
    }

    /// When [`Provider::on_timeout`], an announce or the good-bye is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<NanoTime> {
        let own = match &self.state {
            State::Detached | State::Closed | State::Making(_) => None,
            State::Waiting(until, _) => {
                let silent = self.rivals.silence_ends(self.silence_ns());
                let begin = silent.map_or(*until, |at| at.max(*until));
                let begin = self.link_up.then_some(begin);
                [begin, self.give_up_at].into_iter().flatten().min()
            }
            State::Provided(_) => self.beacon.next_deadline().filter(|_| self.link_up),
            State::Leaving(_) if self.link_up => Some(self.now),
            State::Withdrawing(_, at) | State::Leaving(at) | State::Removing(at) => Some(*at),
        };
        [own, self.sweep_at].into_iter().flatten().min()
    }

    /// Whether the stream is to be announced there now; until [`Provider::on_announced`].
    #[must_use]
    pub fn is_announce_due(&self, path: AnnouncePath) -> bool {
        self.link_up && self.beacon.is_due(self.now, path)
    }

    /// It was announced there, at `now`.
    pub fn on_announced(&mut self, now: NanoTime, path: AnnouncePath) {
        self.advance(now);
        self.beacon.on_sent(self.now, path);
    }

    /// The good-bye that is to be said; until [`Provider::on_farewell_sent`].
    #[must_use]
    pub fn peek_farewell(&self) -> Option<Farewell> {
        let is_leaving = self.link_up && matches!(self.state, State::Leaving(_));
        // [TP-CLI-3280]
        is_leaving.then_some(self.farewell)
    }

    /// It was said.
    pub fn on_farewell_sent(&mut self, now: NanoTime) {
        self.advance(now);
        if let State::Leaving(_) = self.state {
            self.remove();
        }
    }

    /// The oldest event that was not taken yet.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<AttachEvent> {
        self.events.pop()
    }

    /// The oldest action that was not taken yet.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<ProviderAction> {
        self.actions.pop()
    }

    /// The client id.
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.farewell.client_id
    }

    /// The stream.
    #[must_use]
    pub fn stream_id(&self) -> StreamId {
        self.config.stream_id
    }

    /// Whether there is memory to write to.
    #[must_use]
    pub fn is_provided(&self) -> bool {
        matches!(self.state, State::Provided(_))
    }

    /// Whether nothing will ever happen again.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }
}

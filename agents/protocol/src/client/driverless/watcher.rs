//! A consumer without a driver: nobody grants it anything, so it waits for the first producer, a
//! while, and says good-bye when it goes.

use tensorpool_codecs::types::{ClientId, NanoTime, StreamId};

use super::types::Farewell;
use crate::client::attach::collision::{Namesake, Remedy};
use crate::client::attach_types::{AttachConfig, AttachError, AttachEvent, LossReason};
use crate::client::backoff::SplitMix64;
use crate::common::{Outbox, Role};

const EVENT_CAPACITY: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Detached,
    /// For a first mapping, until then.
    Waiting(NanoTime),
    Watching,
    /// Says good-bye, until then at the latest.
    Leaving(NanoTime),
    Closed,
}

/// The consumer's stand-in for a lease. Not started until [`Watcher::open`].
#[derive(Debug)]
pub struct Watcher {
    config: AttachConfig,
    random: SplitMix64,
    farewell: Farewell,
    namesake: Namesake,
    state: State,
    events: Outbox<AttachEvent>,
    now: NanoTime,
    link_up: bool,
    is_mapping: bool,
}

impl Watcher {
    /// Nothing is watched yet. Of the configuration the lease times are of no use here.
    #[must_use]
    pub fn new(config: AttachConfig) -> Self {
        let mut random = SplitMix64::new(config.seed);
        Self {
            farewell: Farewell::of(&config, Role::Consumer, &mut random),
            state: State::Detached,
            events: Outbox::with_capacity(EVENT_CAPACITY),
            now: NanoTime::new(0),
            link_up: false,
            is_mapping: false,
            namesake: Namesake::default(),
            random,
            config,
        }
    }

    /// Watches; gives up for good when nothing was mapped within the attach timeout.
    pub fn open(&mut self, now: NanoTime) {
        self.advance(now);
        if self.state != State::Detached {
            return;
        }
        if self.config.stream_id.get() == 0 {
            self.fail(AttachError::NoStreamId);
            return;
        }
        self.state = State::Waiting(self.now.after_ns(self.config.attach_timeout_ns));
        self.emit(AttachEvent::Watching);
    }

    /// Says good-bye, and waits until that is out a short while.
    pub fn close(&mut self, now: NanoTime) {
        self.advance(now);
        match self.state {
            State::Waiting(_) | State::Watching if self.link_up => {
                self.state = State::Leaving(self.now.after_ns(self.config.detach_timeout_ns));
            }
            State::Detached | State::Waiting(_) | State::Watching => self.finish(),
            State::Leaving(_) | State::Closed => {}
        }
    }

    /// Aeron is usable (again).
    pub fn on_link_up(&mut self, now: NanoTime) {
        self.advance(now);
        self.link_up = true;
    }

    /// Aeron is not usable.
    pub fn on_link_lost(&mut self, now: NanoTime) {
        self.advance(now);
        self.link_up = false;
    }

    /// A report under our stream and client id that is not ours. An id that was chosen is exchanged:
    /// what is mapped is lost and looked for again, so that producers hear of somebody new. Nobody
    /// says good-bye, which would be heard as that of the other one. Of an id that was given, the
    /// owner is told once.
    pub fn on_foreign_report(&mut self, now: NanoTime) {
        self.advance(now);
        if !self.is_watching() {
            return;
        }
        let (old, is_given) = (self.client_id(), self.config.client_id.is_some());
        // [TP-CLI-3251]
        match self.namesake.on_report(self.now, is_given) {
            Remedy::None => {}
            Remedy::Tell => self.emit(AttachEvent::IdShared(old)),
            Remedy::MoveOn => {
                self.farewell = Farewell::of(&self.config, Role::Consumer, &mut self.random);
                self.namesake.begin();
                self.emit(AttachEvent::Lost(LossReason::IdShared(old)));
                self.emit(AttachEvent::Watching);
            }
        }
    }

    /// Whether a worker is at a mapping, which takes as long as it takes.
    pub fn on_mapping(&mut self, is_mapping: bool) {
        self.is_mapping = is_mapping;
    }

    /// Something is mapped, or payloads come from elsewhere: there is nothing to give up any more.
    pub fn on_served(&mut self) {
        if let State::Waiting(_) = self.state {
            self.state = State::Watching;
        }
    }

    /// Carries out what time alone decides. Idempotent; ignores time going backwards.
    pub fn on_timeout(&mut self, now: NanoTime) {
        self.advance(now);
        match self.state {
            State::Waiting(until) if self.now >= until && !self.is_mapping => {
                let (stream_id, waited_ns) = (self.config.stream_id, self.config.attach_timeout_ns);
                // [TP-CLI-3245]
                self.fail(match self.link_up {
                    true => AttachError::NoProducer {
                        stream_id,
                        waited_ns,
                    },
                    false => AttachError::NoAnswer {
                        stream_id,
                        waited_ns,
                    },
                });
            }
            State::Leaving(expires) if self.now >= expires => self.finish(),
            _ => {}
        }
    }

    /// When [`Watcher::on_timeout`] or the good-bye is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<NanoTime> {
        match self.state {
            State::Leaving(_) if self.link_up => Some(self.now),
            State::Waiting(at) | State::Leaving(at) => Some(at),
            State::Detached | State::Watching | State::Closed => None,
        }
    }

    /// The good-bye that is to be said; until [`Watcher::on_farewell_sent`].
    #[must_use]
    pub fn peek_farewell(&self) -> Option<Farewell> {
        let is_leaving = self.link_up && matches!(self.state, State::Leaving(_));
        // [TP-CLI-3290]
        is_leaving.then_some(self.farewell)
    }

    /// It was said.
    pub fn on_farewell_sent(&mut self, now: NanoTime) {
        self.advance(now);
        if let State::Leaving(_) = self.state {
            self.finish();
        }
    }

    /// The oldest event that was not taken yet.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<AttachEvent> {
        self.events.pop()
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

    /// Whether announces are followed.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        matches!(self.state, State::Waiting(_) | State::Watching)
    }

    /// Whether nothing will ever happen again.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    fn fail(&mut self, error: AttachError) {
        self.state = State::Closed;
        self.emit(AttachEvent::Failed(error));
    }

    fn finish(&mut self) {
        self.state = State::Closed;
        self.emit(AttachEvent::Closed);
    }

    fn advance(&mut self, now: NanoTime) {
        self.now = self.now.max(now);
    }

    fn emit(&mut self, event: AttachEvent) {
        assert!(
            self.events.try_push(event).is_ok(),
            "events must be drained after every input"
        );
    }
}

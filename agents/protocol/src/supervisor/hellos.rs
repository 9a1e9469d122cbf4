//! The supervisor itself: its state, its outbox and its clock, hellos and what follows from them.

use tensorpool_codecs::types::NanoTime;
use tensorpool_codecs::wire::Mode;

use super::answers::{Answers, ConsumerConfig};
use super::config::{Answering, CoreConfig, CoreConfigError, Policy};
use super::consumers::{Consumers, Entry, Wishes};
use super::events::{Declined, EventLog, SupervisorEvent};
use super::grants::Grants;
use super::messages::{ConfigRequest, ConsumerKey, Hello};
use super::status::SupervisorStats;
use super::streams::Streams;

/// Between two complaints of the same kind.
const COMPLAINT_NS: u64 = 10_000_000_000;

/// Follows producers and consumers, and tells each consumer how it is to get its frames (Wire v1.2
/// §10.1.2, §10.1.3, §10.5).
///
/// Single-threaded and free of clocks and I/O. Feed it `on_*` inputs with a `CLOCK_MONOTONIC` time
/// (times that go backwards count as standing still), call [`on_timeout`](Self::on_timeout) no
/// later than [`next_deadline`](Self::next_deadline), and say what
/// [`peek_answer`](Self::peek_answer) gives until it was sent, then
/// [`pop_answer`](Self::pop_answer). Memory and work per input are bounded by [`CoreConfig`].
#[derive(Debug)]
pub struct SupervisorCore {
    pub(super) now: NanoTime,
    pub(super) stale_ns: u64,
    answering: Answering,
    policy: Policy,
    pub(super) consumers: Consumers,
    pub(super) streams: Streams,
    pub(super) descriptor: Grants,
    pub(super) control: Grants,
    pub(super) answers: Answers,
    pub(super) events: EventLog,
    pub(super) stats: SupervisorStats,
    pub(super) next_sweep: NanoTime,
    pub(super) link_lost: bool,
    told_full_at: Option<NanoTime>,
    told_foreign_at: Option<NanoTime>,
    pub(super) told_collision_at: Option<NanoTime>,
}

impl SupervisorCore {
    /// A supervisor that has heard of nobody.
    ///
    /// # Errors
    /// See [`CoreConfigError`].
    pub fn new(config: CoreConfig) -> Result<Self, CoreConfigError> {
        config.check()?;
        let (delay_ns, capacity) = (config.id_reuse_delay_ns, config.consumer_capacity);
        Ok(Self {
            now: NanoTime::new(0),
            stale_ns: config.consumer_stale_ns,
            answering: config.answering,
            policy: config.policy,
            consumers: Consumers::new(capacity),
            streams: Streams::default(),
            descriptor: Grants::new(config.descriptor, delay_ns, capacity),
            control: Grants::new(config.control, delay_ns, capacity),
            answers: Answers::new(capacity),
            events: EventLog::new(),
            stats: SupervisorStats::default(),
            next_sweep: NanoTime::new(0),
            link_lost: false,
            told_full_at: None,
            told_foreign_at: None,
            told_collision_at: None,
        })
    }

    /// A consumer says that it is there, and what it wants; it is answered. [TP-DRV-2010]
    pub fn on_hello(&mut self, now: NanoTime, hello: &Hello<'_>) {
        self.advance(now);
        self.stats.hellos += 1;
        let key = hello.key;
        if self.note(key, true) == Entry::Full {
            self.answer_untracked(hello);
        } else if let Some(consumer) = self.consumers.get_mut(key) {
            let wishes = Wishes::of(hello, consumer.wishes.as_ref());
            // [TP-DRV-2070]
            let is_concerned = wishes.asks() || consumer.told.is_some();
            consumer.wishes = Some(wishes);
            // [TP-DRV-2075]
            if is_concerned || self.answering == Answering::EveryHello {
                self.tell(key, false);
            }
        }
        self.check_invariants();
    }

    /// Somebody else's ConsumerConfig was heard. [TP-DRV-2650]
    pub fn on_foreign_config(&mut self, now: NanoTime, key: ConsumerKey) {
        self.advance(now);
        self.stats.foreign_configs += 1;
        if is_due(&mut self.told_foreign_at, self.now) {
            let event = SupervisorEvent::ForeignConfig { key };
            self.events.push(self.now, event);
        }
    }

    /// What holds for everybody from now on; who is concerned is told. [TP-DRV-2160]
    pub fn set_policy(&mut self, now: NanoTime, policy: Policy) {
        self.advance(now);
        self.policy = policy;
        let told = self.consumers.iter();
        let told = told.filter(|(_, consumer)| consumer.told.is_some());
        let keys: Vec<_> = told.map(|(key, _)| key).collect();
        for key in keys {
            self.tell(key, true);
        }
        self.check_invariants();
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Tells one consumer something else than the policy says, at once and for as long as it is
    /// there; one that was not heard of yet is waited for. False when there is no room for it.
    /// [TP-DRV-2170]
    pub fn emit_config(&mut self, now: NanoTime, key: ConsumerKey, request: ConfigRequest) -> bool {
        self.advance(now);
        self.note(key, true);
        let Some(consumer) = self.consumers.get_mut(key) else {
            return false;
        };
        consumer.request = request;
        self.tell(key, false);
        self.check_invariants();
        true
    }

    /// The answer that is to be said next.
    #[must_use]
    pub fn peek_answer(&self) -> Option<&ConsumerConfig> {
        self.answers.peek()
    }

    /// It was said, or can never be. [TP-DRV-2050]
    pub fn pop_answer(&mut self) {
        if self.answers.pop().is_some() {
            self.stats.configs_published += 1;
        }
    }

    /// Answers that wait to be said.
    #[must_use]
    pub fn waiting_answers(&self) -> usize {
        self.answers.len()
    }

    /// What was noticed since the last call.
    pub fn poll_event(&mut self) -> Option<SupervisorEvent> {
        self.events.poll()
    }

    /// Counts and gauges.
    #[must_use]
    pub fn stats(&self) -> SupervisorStats {
        let producers = self.streams.iter();
        let producers = producers.filter(|(_, stream)| stream.producer.is_some());
        SupervisorStats {
            consumers: self.consumers.len() as u64,
            streams: self.streams.len() as u64,
            producers: producers.count() as u64,
            own_descriptor_streams: self.descriptor.ids.held_count() as u64,
            own_control_streams: self.control.ids.held_count() as u64,
            ..self.stats
        }
    }

    /// Notes a sign of life; says when there is no room for it.
    pub(super) fn note(&mut self, key: ConsumerKey, is_hello: bool) -> Entry {
        let entry = self.consumers.note(self.now, key, is_hello);
        match entry {
            Entry::Known => {}
            Entry::New => {
                let event = SupervisorEvent::ConsumerJoined { key };
                self.events.push(self.now, event);
            }
            Entry::Gone => self.stats.late_reports += 1,
            Entry::Full => {
                self.stats.consumers_overflow += 1;
                if is_due(&mut self.told_full_at, self.now) {
                    let capacity = self.consumers.capacity();
                    let event = SupervisorEvent::Full { capacity };
                    self.events.push(self.now, event);
                }
            }
        }
        entry
    }

    /// Settles what a consumer that is followed is told, and queues it: in any case, or only when it
    /// is something else than before.
    fn tell(&mut self, key: ConsumerKey, only_changes: bool) {
        let now = self.now;
        let Some(consumer) = self.consumers.get_mut(key) else {
            return;
        };
        let (descriptor, control) = match &consumer.wishes {
            None => (Ok(None), Ok(None)),
            Some(wishes) => (
                self.descriptor.settle(now, key, &wishes.descriptor),
                self.control.settle(now, key, &wishes.control),
            ),
        };
        let declined = [&descriptor, &control].map(|granted| granted.as_ref().err().copied());
        let mut config = plain_config(key, consumer.wishes.as_ref(), &self.policy);
        apply(&mut config, consumer.wishes.as_ref(), &consumer.request);
        // A decline is said as no stream at all, never as the shared one. [TP-DRV-2210]
        config.descriptor = descriptor.unwrap_or_default();
        config.control = control.unwrap_or_default();
        let is_new = consumer.told.as_ref() != Some(&config);
        // Being told what it asked for is no news. [TP-DRV-2630]
        let is_news = is_new
            && (consumer.told.is_some()
                || declined.iter().any(Option::is_some)
                || !is_as_asked(&config, consumer.wishes.as_ref()));
        if is_new {
            consumer.told = Some(config.clone());
        }
        self.count(declined);
        if is_news {
            let [descriptor, control] = declined;
            let config = config.clone();
            let event = SupervisorEvent::Configured {
                config,
                descriptor,
                control,
            };
            self.events.push(now, event);
        }
        // [TP-DRV-2165]
        if (is_new || !only_changes) && !self.answers.put(config) {
            self.stats.hellos_dropped += 1;
        }
    }

    fn count(&mut self, declined: [Option<Declined>; 2]) {
        for reason in declined.into_iter().flatten() {
            self.stats.requests_declined += 1;
            self.stats.ids_exhausted += u64::from(reason == Declined::Exhausted);
        }
    }

    /// A consumer there is no room to follow gets what holds for everybody, and no streams of its
    /// own. [TP-DRV-2430]
    fn answer_untracked(&mut self, hello: &Hello<'_>) {
        let wishes = Wishes::of(hello, None);
        if self.answering == Answering::StreamRequests && !wishes.asks() {
            return;
        }
        self.stats.requests_declined += u64::from(wishes.asks());
        let config = plain_config(hello.key, Some(&wishes), &self.policy);
        let (answers, consumers) = (&mut self.answers, &self.consumers);
        if !answers.put_untracked(config, |key| consumers.contains(key)) {
            self.stats.hellos_dropped += 1;
        }
    }

    /// Time does not go back.
    /// [TP-DRV-2495]
    pub(super) fn advance(&mut self, now: NanoTime) {
        self.now = self.now.max(now);
    }
}

/// What the policy says. [TP-DRV-2110] [TP-DRV-2120] [TP-DRV-2130] [TP-DRV-2140]
fn plain_config(key: ConsumerKey, wishes: Option<&Wishes>, policy: &Policy) -> ConsumerConfig {
    let asked_mode = wishes.map_or(Mode::Stream, |wishes| wishes.mode);
    ConsumerConfig {
        key,
        use_shm: wishes.is_none_or(|wishes| wishes.supports_shm) && !policy.force_no_shm,
        mode: policy.force_mode.unwrap_or(asked_mode),
        payload_fallback_uri: policy.payload_fallback_uri.clone(),
        descriptor: None,
        control: None,
    }
}

/// What an operator wants beyond that; nobody is sent to memory it cannot map.
fn apply(config: &mut ConsumerConfig, wishes: Option<&Wishes>, request: &ConfigRequest) {
    if let Some(use_shm) = request.use_shm {
        config.use_shm = use_shm && wishes.is_none_or(|wishes| wishes.supports_shm);
    }
    config.mode = request.mode.unwrap_or(config.mode);
    if let Some(uri) = &request.payload_fallback_uri {
        config.payload_fallback_uri = Some(uri.clone());
    }
}

/// Whether a consumer is told nothing but what it would do anyway.
fn is_as_asked(config: &ConsumerConfig, wishes: Option<&Wishes>) -> bool {
    let on_shared_streams = config.descriptor.is_none() && config.control.is_none();
    let agrees = wishes
        .is_some_and(|wishes| (config.use_shm, config.mode) == (wishes.supports_shm, wishes.mode));
    on_shared_streams && agrees
}

/// Whether a complaint is due; if so, the next one is a while away.
pub(super) fn is_due(told_at: &mut Option<NanoTime>, now: NanoTime) -> bool {
    let is_due = told_at.is_none_or(|at| now.since_ns(at) >= COMPLAINT_NS);
    if is_due {
        *told_at = Some(now);
    }
    is_due
}

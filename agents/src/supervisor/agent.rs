//! The supervisor's duty cycle.

use crossbeam_channel::Receiver;
use tensorpool_codecs::types::NanoTime;
use tensorpool_protocol::supervisor::SupervisorCore;
use tensorpool_runtime::clock::CachedNanoClock;
use tensorpool_runtime::{Agent, AgentError};
use tensorpool_transport::{
    CounterPublisher, Link, LinkConfig, LinkError, LinkEvent, PublicationOptions, Subscription,
    SubscriptionOptions,
};

use super::adapter::{self, Heard};
use super::counters::SupervisorCounters;
use super::handle::Command;
use super::notices::SupervisorNotice;
use super::proxy::{Said, SupervisorProxy};
use super::setup::SupervisorSetup;
use crate::upkeep::{Faults, Observers, Readiness, Standing};

/// Messages read from each stream per cycle.
const FRAGMENT_LIMIT: usize = 64;
/// Answers said per cycle.
const ANSWER_LIMIT: usize = 32;
/// Commands taken per cycle.
const COMMAND_LIMIT: usize = 8;

/// Why the agent could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorAgentError {
    /// The link's configuration cannot work.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// The supervisor as an agent.
///
/// Owns its link, so it lives on the thread that made it; make it in an agent runner's factory from a
/// [`SupervisorSetup`], alone or beside other agents. No duty cycle waits for anything. It survives
/// the loss of the media driver: nobody is taken for gone until one is back. It never holds anybody
/// up: its subscriptions are untethered and always polled, its publication is its own.
#[derive(Debug)]
pub struct SupervisorAgent {
    name: String,
    clock: CachedNanoClock,
    core: SupervisorCore,
    counters: SupervisorCounters,
    observers: Observers<SupervisorNotice>,
    commands: Receiver<Command>,
    proxy: SupervisorProxy,
    /// Control first: hellos and the ends of leases.
    subscriptions: Vec<Subscription>,
    _counters: CounterPublisher,
    link: Link,
    faults: Faults,
    readiness: Readiness,
}

impl SupervisorAgent {
    /// A supervisor that connects as soon as it runs; the media driver need not exist yet.
    ///
    /// # Errors
    /// See [`SupervisorAgentError`].
    pub fn new(setup: SupervisorSetup) -> Result<Self, SupervisorAgentError> {
        let SupervisorSetup {
            config,
            core,
            counters,
            counter_set,
            observers,
            commands,
            ..
        } = setup;
        let mut link = Link::new(LinkConfig {
            client_name: format!("tensorpool supervisor {}", config.instance_id),
            ..LinkConfig::for_dir(&config.aeron_dir)
        })?;
        let control = &config.control;
        let options = PublicationOptions::default();
        let publication = link.add_publication(&control.channel, control.stream_id, options);
        let sources = config.sources().into_iter();
        // [TP-DRV-2710]
        let options = SubscriptionOptions::UNTETHERED;
        let subscriptions = sources
            .map(|source| link.add_subscription(&source.channel, source.stream_id, options))
            .collect();
        let published = link.publish_counters(&counter_set);
        Ok(Self {
            name: format!("supervisor {}", config.instance_id),
            clock: CachedNanoClock::default(),
            core,
            counters,
            observers,
            commands,
            proxy: SupervisorProxy::new(publication),
            subscriptions,
            _counters: published,
            link,
            faults: Faults::default(),
            readiness: Readiness::default(),
        })
    }

    /// What the supervisor knows, for tests and tools in the same thread.
    #[must_use]
    pub fn core(&self) -> &SupervisorCore {
        &self.core
    }

    /// A gap in the duty cycle means that what was said in that time is still unread.
    fn note_stall(&mut self, now: NanoTime) {
        if let Some(gap_ns) = self.counters.cycles.on_cycle(now) {
            self.core.on_stall(now, gap_ns);
        }
    }

    fn note_link_events(&mut self, now: NanoTime) {
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Up { .. } => self.core.on_link_up(now),
                LinkEvent::Lost { reason } => {
                    self.counters.link_lost.increment();
                    self.core.on_link_lost(now);
                    let text = format!("media driver lost: {reason}");
                    self.faults.keep("supervisor-link-lost", text);
                    self.observers
                        .tell(|| SupervisorNotice::LinkLost { reason });
                }
                event => {
                    if let Some(code) = event.fault_code() {
                        let text = event.to_string();
                        self.observers.tell(|| SupervisorNotice::Fault {
                            code,
                            text: text.clone(),
                        });
                        self.faults.keep(code, text);
                    }
                }
            }
        }
    }

    fn poll_streams(&mut self, now: NanoTime) -> usize {
        let own = (self.proxy.stream_id(), self.proxy.session_id());
        let (core, counters) = (&mut self.core, &self.counters);
        let mut work_count = 0;
        for subscription in &mut self.subscriptions {
            work_count += subscription.poll(FRAGMENT_LIMIT, |message, info| {
                if (info.stream_id, Some(info.session_id)) == own {
                    return;
                }
                match adapter::deliver(core, now, message, info.session_id) {
                    Heard::Told => {}
                    Heard::Ignored => counters.ignored.increment(),
                    Heard::Malformed => counters.malformed.increment(),
                }
            });
        }
        work_count
    }

    /// Nobody waits for a supervisor. Who left it behind is asked again by its own repetitions; that it
    /// happened is counted and told. [TP-DRV-2715]
    fn note_left_behind(&mut self) {
        let counted = self.counters.left_behind.get();
        let behind = self
            .subscriptions
            .iter()
            .map(Subscription::images_left_behind);
        let total: u64 = behind.sum();
        if total == counted {
            return;
        }
        self.counters.left_behind.set(total);
        let (code, text) = (
            "supervisor-left-behind",
            format!(
                "messages were missed: {} publisher(s) could not wait for the supervisor, or died; it needs \
                 a core that is less busy, or the stream longer terms",
                total - counted
            ),
        );
        self.observers.tell(|| SupervisorNotice::Fault {
            code,
            text: text.clone(),
        });
        self.faults.keep(code, text);
    }

    fn take_commands(&mut self, now: NanoTime) -> usize {
        let mut work_count = 0;
        for command in self.commands.try_iter().take(COMMAND_LIMIT) {
            work_count += 1;
            match command {
                Command::SetPolicy(policy) => self.core.set_policy(now, policy),
                Command::Emit(key, request) => {
                    // A supervisor that is full says so itself.
                    let _has_room = self.core.emit_config(now, key, request);
                }
                Command::Look(sender) => {
                    let _nobody_waits = sender.try_send(self.core.snapshot(now));
                }
            }
        }
        work_count
    }

    fn run_timers(&mut self, now: NanoTime) -> usize {
        let is_due = self.core.next_deadline() <= now;
        if is_due {
            self.core.on_timeout(now);
        }
        usize::from(is_due)
    }

    /// An answer leaves the core when it was sent. [TP-DRV-2050]
    fn say_answers(&mut self) -> usize {
        for said in 0..ANSWER_LIMIT {
            let Some(answer) = self.core.peek_answer() else {
                return said;
            };
            match self.proxy.say(answer) {
                Said::Sent => self.counters.config_published.increment(),
                Said::Lost => self.counters.answers_lost.increment(),
                Said::Later => {
                    self.counters.back_pressured.increment();
                    return said;
                }
                Said::NotYet => return said,
            }
            self.core.pop_answer();
        }
        ANSWER_LIMIT
    }

    fn tell_events(&mut self) {
        while let Some(event) = self.core.poll_event() {
            self.observers.tell(|| SupervisorNotice::Noticed(event));
        }
    }

    /// Tells when consumers can be heard and answered, and once that there is no media driver.
    fn note_readiness(&mut self) {
        let hears = self.subscriptions.iter_mut().all(Subscription::is_live);
        let is_ready = self.link.is_up() && hears && self.proxy.is_ready();
        self.counters.ready.set(u64::from(is_ready));
        let Some(standing) = self.readiness.on_cycle(is_ready, self.link.state()) else {
            return;
        };
        self.observers.tell(|| match standing {
            Standing::Ready => SupervisorNotice::Ready,
            Standing::Waiting(reason) => SupervisorNotice::NoMediaDriver { reason },
            Standing::Denied(reason) => SupervisorNotice::MediaDriverDenied { reason },
        });
    }
}

impl Agent for SupervisorAgent {
    fn name(&self) -> &str {
        &self.name
    }

    fn do_work(&mut self) -> Result<usize, AgentError> {
        let now = self.clock.update();
        self.note_stall(now);
        let mut work_count = self.link.do_work(now);
        self.note_link_events(now);
        work_count += self.run_timers(now);
        work_count += self.poll_streams(now);
        self.note_left_behind();
        work_count += self.take_commands(now);
        work_count += self.say_answers();
        if work_count > 0 {
            self.counters.mirror(&self.core.stats());
            self.tell_events();
        }
        self.note_readiness();
        self.faults.conclude(work_count)
    }
}

//! The driver's duty cycle.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tensorpool_codecs::types::NanoTime;
use tensorpool_protocol::common::ShutdownReason;
use tensorpool_protocol::driver::{Destination, LeaseTable, Phase};
use tensorpool_runtime::clock::{CachedNanoClock, monotonic_ns};
use tensorpool_runtime::{Agent, AgentError};
use tensorpool_shm::driver::NamespaceRoot;
use tensorpool_transport::{
    CounterPublisher, Link, LinkConfig, LinkError, LinkEvent, PublicationOptions, Subscription,
    SubscriptionOptions,
};

use super::adapter::{self, Heard};
use super::events::{self, DriverEvent};
use super::hands::{Carried, Hands};
use super::proxy::DriverProxy;
use super::region_worker::{Job, Outcome, RegionJobs, RegionWorker};
use super::regions::Regions;
use super::rivals::Rivals;
use super::setup::DriverSetup;
use crate::upkeep::{Faults, Observers, Readiness, Standing};

/// Messages read from control per cycle.
const FRAGMENT_LIMIT: usize = 32;
/// Actions carried out per destination and cycle.
const ACTION_LIMIT: usize = 32;
/// The longest a closing driver tries to say what is left.
const LAST_WORDS_NS: u64 = 250_000_000;

/// Why the agent could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverAgentError {
    /// The link's configuration cannot work.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The system refused a thread.
    #[error("no thread for creating regions: {0}")]
    Thread(std::io::Error),
}

/// The driver as an agent.
///
/// Owns its link, so it lives on the thread that made it; make it in an agent runner's factory from
/// a [`DriverSetup`]. No duty cycle waits for the media driver, the disk or a peer. It survives the
/// loss of the media driver: leases stand still until the link is back. Ends by itself after an
/// accepted shutdown request.
#[derive(Debug)]
pub struct DriverAgent {
    name: String,
    clock: CachedNanoClock,
    table: LeaseTable,
    hands: Hands,
    control: Subscription,
    control_name: String,
    rivals: Rivals,
    _counters: CounterPublisher,
    link: Link,
    cleanup_on_exit: bool,
    /// Epochs of earlier drivers that wait for their age, and when they are looked at next.
    leftovers: usize,
    next_collect: NanoTime,
    announce_period_ns: u64,
    faults: Faults,
    observers: Observers<DriverEvent>,
    readiness: Readiness,
    // Last: the namespace is free for another driver when everything else is gone.
    root: Arc<NamespaceRoot>,
}

impl DriverAgent {
    /// A driver that connects as soon as it runs; the media driver need not exist yet.
    ///
    /// # Errors
    /// See [`DriverAgentError`].
    pub fn new(setup: DriverSetup) -> Result<Self, DriverAgentError> {
        let mut jobs = RegionJobs::new(&setup);
        Self::with_worker(setup, move |job| jobs.carry_out(job))
    }

    /// A driver whose regions are made and removed by `worker`, on a thread of its own.
    fn with_worker(
        setup: DriverSetup,
        worker: impl FnMut(Job) -> Option<Outcome> + Send + 'static,
    ) -> Result<Self, DriverAgentError> {
        let leftovers = setup.leftovers().young.len();
        let DriverSetup {
            config,
            root,
            table,
            counters,
            counter_set,
            observers,
            ..
        } = setup;
        let mut link = Link::new(LinkConfig {
            client_name: format!("tensorpool driver {}", config.instance_id),
            ..LinkConfig::for_dir(&config.aeron_dir)
        })?;
        let worker = RegionWorker::spawn(&config, worker).map_err(DriverAgentError::Thread)?;
        let (control, announce) = (&config.control, &config.announce);
        let mut publication = |endpoint: &super::Endpoint| {
            let options = PublicationOptions::default();
            link.add_publication(&endpoint.channel, endpoint.stream_id, options)
        };
        let own_announce = (announce != control).then_some(announce);
        let proxy = DriverProxy::new(publication(control), own_announce.map(&mut publication));
        let control_name = format!("{} stream {}", control.channel, control.stream_id);
        let tethered = SubscriptionOptions::default();
        let control = link.add_subscription(&control.channel, control.stream_id, tethered);
        let published = link.publish_counters(&counter_set);
        Ok(Self {
            name: format!("driver {}", config.instance_id),
            clock: CachedNanoClock::default(),
            table,
            hands: Hands {
                proxy,
                worker,
                regions: Regions::default(),
                counters,
                lost: Vec::new(),
            },
            control,
            control_name,
            rivals: Rivals::default(),
            _counters: published,
            link,
            cleanup_on_exit: config.cleanup_on_exit,
            leftovers,
            next_collect: NanoTime::new(0),
            announce_period_ns: config.announce_period_ns,
            faults: Faults::default(),
            observers,
            readiness: Readiness::default(),
            root,
        })
    }

    /// The driver's protocol state, for tests and tools in the same thread.
    #[must_use]
    pub fn leases(&self) -> &LeaseTable {
        &self.table
    }

    /// A gap in the duty cycle means that keepalives of that time are still unread.
    /// [TP-DRV-0590]
    fn note_stall(&mut self, now: NanoTime) {
        if let Some(gap_ns) = self.hands.counters.cycles.on_cycle(now) {
            self.table.on_stall(now, gap_ns);
        }
    }

    fn note_link_events(&mut self, now: NanoTime) {
        while let Some(event) = self.link.poll_event() {
            match event {
                LinkEvent::Up { .. } => self.table.on_link_up(now),
                LinkEvent::Lost { reason } => {
                    self.hands.counters.link_lost.increment();
                    self.table.on_link_lost(now);
                    let text = format!("media driver lost: {reason}");
                    self.faults.keep("driver-link-lost", text);
                    self.observers.tell(|| DriverEvent::LinkLost { reason });
                }
                event => {
                    if let Some(code) = event.fault_code() {
                        self.note(code, event.to_string());
                    }
                }
            }
        }
    }

    fn run_timers(&mut self, now: NanoTime) -> usize {
        let due = self
            .table
            .next_deadline()
            .is_some_and(|deadline| deadline <= now);
        if due {
            self.table.on_timeout(now);
        }
        usize::from(due)
    }

    fn poll_control(&mut self, now: NanoTime) -> usize {
        self.rivals
            .on_own_session(self.hands.proxy.control_session());
        let (table, counters) = (&mut self.table, &self.hands.counters);
        let (rivals, mut found) = (&mut self.rivals, None);
        let work_count =
            self.control.poll(FRAGMENT_LIMIT, |message, info| {
                match adapter::deliver(table, now, message) {
                    Heard::Request => {}
                    Heard::Ignored => {
                        counters.ignored.increment();
                        found = rivals.on_message(info.session_id, message).or(found.take());
                    }
                    Heard::Malformed => counters.malformed.increment(),
                }
            });
        if let Some(region_uri) = found {
            self.note_rival(region_uri);
        }
        work_count
    }

    fn take_outcomes(&mut self, now: NanoTime) -> Result<usize, AgentError> {
        let mut work_count = 0;
        loop {
            let polled = self.hands.worker.poll();
            let polled = polled.map_err(|died| AgentError::terminate("driver-regions", died))?;
            let Some(outcome) = polled else {
                return Ok(work_count);
            };
            self.take_outcome(now, outcome);
            work_count += 1;
        }
    }

    /// Has those of what earlier drivers left removed that are old enough by now.
    fn collect_leftovers(&mut self, now: NanoTime) -> usize {
        if self.leftovers == 0 || now < self.next_collect {
            return 0;
        }
        self.next_collect = now.after_ns(self.announce_period_ns);
        // A worker with too much to do is asked again.
        usize::from(
            self.hands
                .worker
                .submit(Job::Collect { all: false })
                .is_ok(),
        )
    }

    fn take_outcome(&mut self, now: NanoTime, outcome: Outcome) {
        match outcome {
            Outcome::Created(owned) => {
                let (stream_id, epoch) = (owned.stream(), owned.epoch());
                self.hands.regions.insert(owned);
                self.table.on_region_ready(now, stream_id, epoch);
            }
            Outcome::Failed {
                stream_id,
                epoch,
                failure,
            } => {
                self.note("driver-provision", format!("stream {stream_id}: {failure}"));
                self.table.on_region_failed(now, stream_id, epoch, &failure);
            }
            Outcome::NotRemoved(text) => self.note("driver-retire", text),
            Outcome::Collected { waiting, failures } => {
                self.leftovers = waiting;
                for text in failures {
                    self.note("driver-leftovers", text);
                }
            }
        }
    }

    fn carry_out(&mut self, now: NanoTime) -> usize {
        let mut work_count = 0;
        for destination in Destination::ALL {
            for _ in 0..ACTION_LIMIT {
                let Some(action) = self.table.peek_action(destination) else {
                    break;
                };
                let carried = self.hands.carry_out(now, action);
                match carried {
                    Carried::NotYet => break,
                    Carried::Out => events::tell_action(&self.observers, action),
                    Carried::Unsaid(_) => {}
                }
                self.table.pop_action(destination);
                if let Carried::Unsaid(lease_id) = carried {
                    self.table.on_grant_unsaid(now, lease_id);
                    self.note(
                        "driver-grant-unsaid",
                        format!("lease {lease_id} was granted and could not be said; it has ended"),
                    );
                }
                work_count += 1;
            }
        }
        while let Some(lost) = self.hands.lost.pop() {
            self.table.on_region_lost(now, lost.stream, lost.epoch);
            self.note("driver-region-lost", lost.to_string());
        }
        work_count
    }

    /// Another driver is told of and reported.
    #[cold]
    fn note_rival(&mut self, region_uri: Option<String>) {
        let control = self.control_name.clone();
        let text = format!(
            "another driver answers clients on {control}{}; each driver needs a control stream of its \
             own",
            region_uri
                .as_ref()
                .map_or(String::new(), |uri| format!(" with {uri}"))
        );
        self.faults.keep("driver-rival", text);
        self.observers.tell(|| DriverEvent::RivalDriver {
            region_uri,
            control,
        });
    }

    /// A fault is told of and reported.
    fn note(&mut self, code: &'static str, text: String) {
        self.observers.tell(|| DriverEvent::Fault {
            code,
            text: text.clone(),
        });
        self.faults.keep(code, text);
    }

    /// Tells when clients can attach, and once that there is no media driver to attach through.
    fn note_readiness(&mut self) {
        let is_ready = self.link.is_up() && self.hands.proxy.is_ready();
        self.hands.counters.ready.set(u64::from(is_ready));
        let Some(standing) = self.readiness.on_cycle(is_ready, self.link.state()) else {
            return;
        };
        self.observers.tell(|| match standing {
            Standing::Ready => DriverEvent::Ready,
            Standing::Waiting(reason) => DriverEvent::NoMediaDriver { reason },
            Standing::Denied(reason) => DriverEvent::MediaDriverDenied { reason },
        });
    }

    fn conclude(&mut self, work_count: usize) -> Result<usize, AgentError> {
        self.hands.counters.mirror(&self.table.stats());
        self.note_readiness();
        let work_count = self.faults.conclude(work_count)?;
        match self.table.phase() {
            // Whatever is left to be said is said on closing.
            // [TP-DRV-1450] [TP-DRV-1455]
            Phase::Closed { reason } => {
                let text = format!("a shutdown request was accepted ({reason:?})");
                Err(AgentError::terminate("driver-shutdown", text))
            }
            Phase::Serving | Phase::Draining { .. } => Ok(work_count),
        }
    }

    /// Says the shutdown notice and whatever else is queued, for as long as the link lets it.
    fn say_last_words(&mut self) {
        let start = monotonic_ns();
        self.table.on_close(start, ShutdownReason::Normal);
        while self.table.peek_action(Destination::Control).is_some() {
            let now = monotonic_ns();
            // [TP-DRV-1455] [TP-DRV-1460]
            if now.since_ns(start) > LAST_WORDS_NS {
                return;
            }
            self.link.do_work(now);
            if self.carry_out(now) == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

#[cfg(test)]
mod tests;

impl Agent for DriverAgent {
    fn name(&self) -> &str {
        &self.name
    }

    fn do_work(&mut self) -> Result<usize, AgentError> {
        let now = self.clock.update();
        self.note_stall(now);
        let mut work_count = self.link.do_work(now);
        self.note_link_events(now);
        work_count += self.run_timers(now);
        work_count += self.collect_leftovers(now);
        work_count += self.poll_control(now);
        work_count += self.take_outcomes(now)?;
        work_count += self.carry_out(now);
        self.conclude(work_count)
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        self.say_last_words();
        if self.cleanup_on_exit && self.leftovers > 0 {
            // One that is too busy leaves them to the next driver.
            let _left = self.hands.worker.submit(Job::Collect { all: true });
        }
        for outcome in self.hands.worker.close() {
            if let Outcome::Created(owned) = outcome {
                self.hands.regions.insert(owned);
            }
        }
        // [TP-DRV-1490]
        if !self.cleanup_on_exit {
            return Ok(());
        }
        let failures = self.hands.regions.unlink_all(&self.root);
        if failures.is_empty() {
            return Ok(());
        }
        Err(AgentError::fault("driver-cleanup", failures.join("; ")))
    }
}

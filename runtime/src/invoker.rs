//! The state machine around an agent: start, invoke, close, each at most once or only while
//! running.
//!
//! Threads, idling and deadlines are the runner's; this part is the same whether a thread or the
//! application drives it.

use crate::agent::Agent;
use crate::clock::ClockSource;
use crate::counters::{CounterCell, CounterSet, common};
use crate::errors::{AgentError, DistinctErrorLog};

/// Where an agent is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// Built, not started.
    New,
    /// Started; `do_work` may be called.
    Running,
    /// Closed for good.
    Closed,
}

/// Where an invoker notes faults and counts cycles.
#[derive(Debug)]
pub struct InvokerContext {
    /// Faults of start, work and close.
    pub errors: DistinctErrorLog,
    /// Time of the faults; read on the failure path only.
    pub clock: ClockSource,
    /// Calls of `do_work`.
    pub duty_cycles: CounterCell,
    /// Sum of what `do_work` returned.
    pub work_done: CounterCell,
    /// Errors of any tier.
    pub error_count: CounterCell,
}

impl InvokerContext {
    /// Counts into cells that belong to no set and stamps faults with the realtime clock.
    #[must_use]
    pub fn new(errors: DistinctErrorLog) -> Self {
        Self {
            errors,
            clock: ClockSource::Realtime,
            duty_cycles: CounterCell::new(),
            work_done: CounterCell::new(),
            error_count: CounterCell::new(),
        }
    }

    /// Like [`new`](Self::new), with the three counters added to `counters`.
    #[must_use]
    pub fn counted(errors: DistinctErrorLog, counters: &mut CounterSet) -> Self {
        Self {
            // [TP-RT-0080]
            duty_cycles: counters.add(common::TOTAL_DUTY_CYCLES),
            work_done: counters.add(common::TOTAL_WORK_DONE),
            error_count: counters.add(common::ERRORS),
            ..Self::new(errors)
        }
    }
}

/// Owns an agent and calls it in the right order. Belongs to one thread.
///
/// ```text
///          start ok              close, or do_work asks to terminate
///   New ─────────────▶ Running ─────────────────────────────────────▶ Closed
///    └── start fails, or close ──────────────────────────────────────────▲
/// ```
/// `on_close` is called once on each way into `Closed`. Dropping an invoker does not close the
/// agent.
#[derive(Debug)]
pub struct AgentInvoker<A: Agent> {
    agent: A,
    state: AgentState,
    context: InvokerContext,
    termination: Option<AgentError>,
}

impl<A: Agent> AgentInvoker<A> {
    /// Takes over an agent that was not started.
    pub fn new(agent: A, context: InvokerContext) -> Self {
        Self {
            agent,
            state: AgentState::New,
            context,
            termination: None,
        }
    }

    /// Starts the agent. On an error it is closed and the error returned. Starting a running agent
    /// again does nothing; a closed one cannot be started.
    pub fn start(&mut self) -> Result<(), AgentError> {
        // [TP-RT-0010]
        match self.state {
            AgentState::New => {}
            AgentState::Running => return Ok(()),
            AgentState::Closed => {
                let what = format!("agent '{}' is closed: build a new one", self.agent.name());
                return Err(AgentError::terminate("agent-closed", what));
            }
        }
        match self.agent.on_start() {
            Ok(()) => {
                self.state = AgentState::Running;
                Ok(())
            }
            Err(error) => {
                // [TP-RT-0020]
                self.note(&error);
                // The start's error is what the caller needs; the close's is in the error log.
                let _noted = self.close();
                Err(error)
            }
        }
    }

    /// Runs one duty cycle and returns the work it did: 0 when idle, after a fault (noted and
    /// counted), and when the agent is not running. When the agent asks to terminate it is closed
    /// and [`termination`](Self::termination) says why.
    pub fn invoke(&mut self) -> usize {
        if self.state != AgentState::Running {
            return 0;
        }
        // [TP-RT-0080]
        self.context.duty_cycles.increment();
        match self.agent.do_work() {
            Ok(work) => {
                // [TP-RT-0080]
                self.context.work_done.add(work as u64);
                work
            }
            Err(error) => {
                // [TP-RT-0040]
                self.on_error(error);
                0
            }
        }
    }

    #[cold]
    fn on_error(&mut self, error: AgentError) {
        self.note(&error);
        if error.is_terminate() {
            // [TP-RT-0060]
            self.termination = Some(error);
            // An error on closing is in the error log; the reason to terminate is the one to
            // report.
            let _noted = self.close();
        }
    }

    /// Closes the agent unless it is closed. An error is noted and returned; the agent is closed
    /// all the same.
    pub fn close(&mut self) -> Result<(), AgentError> {
        // [TP-RT-0010]
        if self.state == AgentState::Closed {
            return Ok(());
        }
        // [TP-RT-0030] [TP-RT-0070]
        self.state = AgentState::Closed;
        let result = self.agent.on_close();
        if let Err(error) = &result {
            self.note(error);
        }
        result
    }

    /// Where the agent is in its life.
    #[must_use]
    pub fn state(&self) -> AgentState {
        self.state
    }

    /// Whether [`invoke`](Self::invoke) would call the agent.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == AgentState::Running
    }

    /// Why the agent asked to be closed, if it did.
    #[must_use]
    pub fn termination(&self) -> Option<&AgentError> {
        self.termination.as_ref()
    }

    /// The agent and why it asked to be closed. The agent is not closed by this.
    #[must_use]
    pub fn into_parts(self) -> (A, Option<AgentError>) {
        (self.agent, self.termination)
    }

    /// The agent.
    #[must_use]
    pub fn agent(&self) -> &A {
        &self.agent
    }

    /// The agent, for calls that are not part of its duty cycle.
    pub fn agent_mut(&mut self) -> &mut A {
        &mut self.agent
    }

    // [TP-RT-0050]
    fn note(&self, error: &AgentError) {
        self.context.error_count.increment();
        let name = self.agent.name();
        self.context
            .errors
            .record(self.context.clock.read(), &format_args!("{name}: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use tensorpool_codecs::types::NanoTime;

    use super::*;
    use crate::agent::scripted::{Journal, Scripted, fault, terminate};
    use crate::clock::ManualClock;

    fn context(clock: &ManualClock) -> InvokerContext {
        InvokerContext {
            clock: ClockSource::Manual(clock.clone()),
            ..InvokerContext::new(DistinctErrorLog::new(8))
        }
    }

    /// Proves [TP-RT-0010].
    #[test]
    fn calls_come_in_order_and_close_comes_once() {
        let journal = Journal::default();
        let agent = Scripted::new("a", &journal, |_| Ok(3));
        let mut invoker = AgentInvoker::new(agent, context(&ManualClock::default()));
        assert_eq!(invoker.invoke(), 0, "not started");
        invoker.start().expect("starts");
        invoker.start().expect("a second start does nothing");
        assert_eq!(invoker.invoke(), 3);
        invoker.close().expect("closes");
        invoker.close().expect("a second close does nothing");
        assert_eq!(invoker.invoke(), 0, "closed");
        assert_eq!(*journal.borrow(), ["a start", "a work", "a close"]);
        assert_eq!(invoker.start().unwrap_err().code(), "agent-closed");
    }

    /// Proves [TP-RT-0020].
    #[test]
    fn failing_start_closes_without_work_and_reports_the_start() {
        let journal = Journal::default();
        let mut agent = Scripted::new("a", &journal, |_| Ok(1));
        agent.start = Some(fault("no memory"));
        agent.close = Some(fault("nothing to close"));
        let mut invoker = AgentInvoker::new(agent, context(&ManualClock::default()));
        assert_eq!(
            invoker.start().unwrap_err().to_string(),
            "test-fault: no memory"
        );
        assert_eq!(invoker.state(), AgentState::Closed);
        assert_eq!(invoker.invoke(), 0);
        assert_eq!(*journal.borrow(), ["a start", "a close"]);
        assert_eq!(invoker.context.error_count.get(), 2);
    }

    /// Proves [TP-RT-0040] and [TP-RT-0050].
    #[test]
    fn fault_in_work_is_noted_with_its_time_and_the_agent_goes_on() {
        let journal = Journal::default();
        let clock = ManualClock::new(NanoTime::new(50));
        let agent = Scripted::new("a", &journal, |call| {
            if call == 1 { Ok(2) } else { Err(fault("x")) }
        });
        let mut invoker = AgentInvoker::new(agent, context(&clock));
        invoker.start().expect("starts");
        assert_eq!(invoker.invoke(), 0);
        assert_eq!(invoker.invoke(), 2);
        clock.advance_ns(10);
        assert_eq!(invoker.invoke(), 0);
        assert!(invoker.is_running());
        let noted = invoker.context.errors.snapshot();
        assert_eq!(noted.len(), 1);
        assert_eq!(noted[0].text, "a: test-fault: x");
        assert_eq!(noted[0].count, 2);
        assert_eq!(noted[0].first_seen, NanoTime::new(50));
        assert_eq!(noted[0].last_seen, NanoTime::new(60));
    }

    /// Proves [TP-RT-0060].
    #[test]
    fn asking_to_terminate_closes_and_keeps_the_reason() {
        let journal = Journal::default();
        let agent = Scripted::new("a", &journal, |_| Err(terminate("end of input")));
        let mut invoker = AgentInvoker::new(agent, context(&ManualClock::default()));
        invoker.start().expect("starts");
        assert_eq!(invoker.invoke(), 0);
        assert_eq!(invoker.state(), AgentState::Closed);
        assert_eq!(*journal.borrow(), ["a start", "a work", "a close"]);
        let reason = invoker.termination().expect("reason").to_string();
        assert_eq!(reason, "test-end: end of input");
    }

    /// Proves [TP-RT-0070].
    #[test]
    fn failing_close_is_noted_and_still_closes() {
        let journal = Journal::default();
        let mut agent = Scripted::new("a", &journal, |_| Ok(0));
        agent.close = Some(fault("flush"));
        let mut invoker = AgentInvoker::new(agent, context(&ManualClock::default()));
        invoker.start().expect("starts");
        assert!(invoker.close().is_err());
        assert_eq!(invoker.state(), AgentState::Closed);
        assert_eq!(
            invoker.context.errors.snapshot()[0].text,
            "a: test-fault: flush"
        );
    }

    /// Proves [TP-RT-0030].
    #[test]
    fn an_agent_that_never_started_is_closed_too() {
        let journal = Journal::default();
        let agent = Scripted::new("a", &journal, |_| Ok(0));
        let mut invoker = AgentInvoker::new(agent, context(&ManualClock::default()));
        invoker.close().expect("closes");
        assert_eq!(*journal.borrow(), ["a close"]);
    }

    /// Proves [TP-RT-0080].
    #[test]
    fn cycles_and_work_are_counted_under_the_published_labels() {
        use crate::counters::AgentKind;
        let mut counters = CounterSet::new(AgentKind::Driver, 0, "Driver");
        let context = InvokerContext::counted(DistinctErrorLog::default(), &mut counters);
        let agent = Scripted::new("a", &Journal::default(), |_| Ok(5));
        let mut invoker = AgentInvoker::new(agent, context);
        invoker.start().expect("starts");
        invoker.invoke();
        invoker.invoke();
        assert_eq!(counters.value_of("TotalDutyCycles"), Some(2));
        assert_eq!(counters.value_of("TotalWorkDone"), Some(10));
        assert_eq!(counters.value_of("Errors"), Some(0));
    }
}

//! A thread around an [`AgentInvoker`]: named, pinned, idling, and closed within a deadline.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError, bounded};

use crate::agent::Agent;
use crate::clock::ClockSource;
use crate::errors::{AgentError, DistinctErrorLog};
use crate::idle::{IdleStrategy, Idler};
use crate::invoker::{AgentInvoker, InvokerContext};
use crate::progress::{Phase, Progress};

mod exit;
#[cfg(test)]
mod tests;

pub use exit::{AgentExit, SpawnError, StuckAgent};

/// How long dropping a runner waits for its agent to close.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);

/// How to run an agent.
#[derive(Debug)]
pub struct RunnerConfig {
    /// Name of the thread; the system shows the first 15 bytes.
    pub name: String,
    /// What to do when there is no work; also after a fault, so that a failing agent cannot spin
    /// hot.
    pub idle: IdleStrategy,
    /// The core to pin the thread to.
    pub core: Option<usize>,
    /// Where faults are noted and cycles counted.
    pub context: InvokerContext,
}

impl RunnerConfig {
    /// Backoff idling, no pinning, an error log and counters of its own.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            idle: IdleStrategy::default(),
            core: None,
            context: InvokerContext::new(DistinctErrorLog::default()),
        }
    }
}

/// A thread that builds, starts, runs and closes one agent.
///
/// Belongs to whoever spawned it. Dropping it asks the agent to close and waits up to five seconds;
/// an agent stuck for longer is noted in the error log and left to itself.
#[derive(Debug)]
pub struct AgentRunner {
    name: String,
    stop: Arc<AtomicBool>,
    progress: Progress,
    errors: DistinctErrorLog,
    clock: ClockSource,
    exits: Receiver<AgentExit>,
    thread: Option<JoinHandle<()>>,
    exit: Option<AgentExit>,
}

impl AgentRunner {
    /// Starts a thread, and on it builds the agent with `factory` and runs it until it is closed.
    /// The factory is told the thread's [`Progress`], for a
    /// [composite](crate::CompositeAgent::reporting_to) to report to. Returns before the agent is
    /// built; what becomes of it is in [`try_exit`](Self::try_exit).
    pub fn spawn<A, F>(config: RunnerConfig, factory: F) -> Result<Self, SpawnError>
    where
        A: Agent + 'static,
        F: FnOnce(&Progress) -> Result<A, AgentError> + Send + 'static,
    {
        check_core(&config)?;
        let RunnerConfig {
            name,
            idle,
            core,
            context,
        } = config;
        let (errors, clock) = (context.errors.clone(), context.clock.clone());
        let stop = Arc::new(AtomicBool::new(false));
        let progress = Progress::new();
        let (exit_sender, exits) = bounded(1);
        let life = Life {
            name: name.clone(),
            stop: Arc::clone(&stop),
            progress: progress.clone(),
            idler: idle.idler(),
            core,
        };
        // [TP-RT-0310]
        let thread = Builder::new().name(name.clone()).spawn(move || {
            let exit = life.run(context, factory);
            // The runner may be gone already: then nobody asks how it ended.
            let _unasked = exit_sender.send(exit);
        });
        let thread = match thread {
            Ok(thread) => Some(thread),
            Err(source) => return Err(SpawnError::Thread { name, source }),
        };
        Ok(Self {
            name,
            stop,
            progress,
            errors,
            clock,
            exits,
            thread,
            exit: None,
        })
    }

    /// The name of the runner and its thread.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the thread is doing.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Where the faults are noted.
    #[must_use]
    pub fn errors(&self) -> &DistinctErrorLog {
        &self.errors
    }

    /// Asks the agent to close after its current cycle and wakes it. Does not wait.
    pub fn request_close(&self) {
        self.stop.store(true, Ordering::Release);
        // [TP-RT-0320]
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }

    /// Asks the agent to close and waits for it up to `timeout`. Can be called again after it
    /// answered [`StuckAgent`], and after the end.
    pub fn close(&mut self, timeout: Duration) -> Result<&AgentExit, StuckAgent> {
        self.request_close();
        self.wait(timeout)
    }

    /// Waits up to `timeout` for the agent to end of its own accord.
    pub fn wait(&mut self, timeout: Duration) -> Result<&AgentExit, StuckAgent> {
        if self.exit.is_none() {
            match self.exits.recv_timeout(timeout) {
                Ok(exit) => self.finish(exit),
                Err(RecvTimeoutError::Disconnected) => self.finish(lost_exit()),
                Err(RecvTimeoutError::Timeout) => return Err(self.stuck(timeout)),
            }
        }
        self.exit.as_ref().ok_or_else(|| self.stuck(timeout))
    }

    /// How the agent ended, if it has.
    pub fn try_exit(&mut self) -> Option<&AgentExit> {
        if self.exit.is_none() {
            match self.exits.try_recv() {
                Ok(exit) => self.finish(exit),
                Err(TryRecvError::Disconnected) => self.finish(lost_exit()),
                Err(TryRecvError::Empty) => {}
            }
        }
        self.exit.as_ref()
    }

    fn finish(&mut self, exit: AgentExit) {
        if let Some(thread) = self.thread.take() {
            // Panics of the agent were caught; the exit tells them.
            let _joined = thread.join();
        }
        self.exit = Some(exit);
    }

    // [TP-RT-0360] [TP-RT-0370]
    fn stuck(&self, waited: Duration) -> StuckAgent {
        let (phase, part) = (self.progress.phase(), self.progress.current_part());
        StuckAgent {
            name: self.name.clone(),
            phase,
            part,
            waited,
        }
    }
}

impl Drop for AgentRunner {
    fn drop(&mut self) {
        let at = self.clock.read();
        if let Err(stuck) = self.close(DROP_TIMEOUT) {
            self.errors.record(at, &stuck);
        }
    }
}

fn lost_exit() -> AgentExit {
    AgentExit::Panicked("the thread ended without saying how".to_owned())
}

// [TP-RT-0380]
fn check_core(config: &RunnerConfig) -> Result<(), SpawnError> {
    let Some(core) = config.core else {
        return Ok(());
    };
    let available: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .iter()
        .map(|core| core.id)
        .collect();
    if available.contains(&core) {
        return Ok(());
    }
    Err(SpawnError::NoSuchCore {
        name: config.name.clone(),
        core,
        available,
    })
}

/// What the thread itself holds.
struct Life {
    name: String,
    stop: Arc<AtomicBool>,
    progress: Progress,
    idler: Idler,
    core: Option<usize>,
}

impl Life {
    fn run<A, F>(mut self, context: InvokerContext, factory: F) -> AgentExit
    where
        A: Agent,
        F: FnOnce(&Progress) -> Result<A, AgentError>,
    {
        let (errors, clock) = (context.errors.clone(), context.clock.clone());
        // Nothing of the agent is looked at after a panic: it is dropped while unwinding.
        // [TP-RT-0350]
        let exit = catch_unwind(AssertUnwindSafe(|| self.live(context, factory)));
        let exit = exit.unwrap_or_else(|panic| AgentExit::Panicked(panic_message(&*panic)));
        if matches!(exit, AgentExit::Panicked(_) | AgentExit::BuildFailed(_)) {
            errors.record(clock.read(), &format_args!("{}: {exit}", self.name));
        }
        self.progress.enter_phase(Phase::Done);
        exit
    }

    fn live<A, F>(&mut self, context: InvokerContext, factory: F) -> AgentExit
    where
        A: Agent,
        F: FnOnce(&Progress) -> Result<A, AgentError>,
    {
        if let Err(error) = self.pin() {
            return AgentExit::BuildFailed(error);
        }
        // [TP-RT-0340]
        let agent = match factory(&self.progress) {
            Ok(agent) => agent,
            Err(error) => return AgentExit::BuildFailed(error),
        };
        let mut invoker = AgentInvoker::new(agent, context);
        self.progress.enter_phase(Phase::Starting);
        // [TP-RT-0340]
        if let Err(error) = invoker.start() {
            return AgentExit::StartFailed(error);
        }
        self.progress.enter_phase(Phase::Working);
        while invoker.is_running() && !self.stop.load(Ordering::Relaxed) {
            let work = invoker.invoke();
            // [TP-RT-0330]
            self.idler.idle(work);
        }
        self.progress.enter_phase(Phase::Closing);
        let closed = invoker.close();
        let (agent, termination) = invoker.into_parts();
        drop(agent);
        // [TP-RT-0340]
        match (termination, closed) {
            (Some(reason), _) => AgentExit::Terminated(reason),
            (None, Err(error)) => AgentExit::CloseFailed(error),
            (None, Ok(())) => AgentExit::Closed,
        }
    }

    fn pin(&self) -> Result<(), AgentError> {
        match self.core {
            Some(id) if !core_affinity::set_for_current(core_affinity::CoreId { id }) => {
                let what = format!("the system refused to pin the thread to core {id}");
                Err(AgentError::terminate("core-pinning", what))
            }
            Some(_) | None => Ok(()),
        }
    }
}

// [TP-RT-0350]
fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "with a value that is no text".to_owned())
}

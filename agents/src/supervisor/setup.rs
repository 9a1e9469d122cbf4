//! What happens before a supervisor listens: the configuration is checked, and others get what they
//! hold of it.

use crossbeam_channel::Receiver;
use tensorpool_protocol::supervisor::{CoreConfigError, SupervisorCore};
use tensorpool_runtime::counters::CounterSet;

use super::config::SupervisorConfig;
use super::counters::SupervisorCounters;
use super::handle::{Command, SupervisorHandle};
use super::notices::SupervisorNotice;
use crate::upkeep::Observers;

/// A supervisor that has not begun to listen. `Send`: made on the thread that reports errors, used
/// on the agent's.
#[derive(Debug)]
pub struct SupervisorSetup {
    pub(super) config: SupervisorConfig,
    pub(super) core: SupervisorCore,
    pub(super) counters: SupervisorCounters,
    pub(super) counter_set: CounterSet,
    pub(super) observers: Observers<SupervisorNotice>,
    pub(super) commands: Receiver<Command>,
    handle: SupervisorHandle,
}

impl SupervisorSetup {
    /// Checks the configuration.
    ///
    /// # Errors
    /// See [`CoreConfigError`].
    pub fn prepare(config: SupervisorConfig) -> Result<Self, CoreConfigError> {
        let core = SupervisorCore::new(config.core.clone())?;
        let (counters, counter_set) = SupervisorCounters::new(&config);
        let (handle, commands) = SupervisorHandle::new();
        Ok(Self {
            config,
            core,
            counters,
            counter_set,
            observers: Observers::default(),
            commands,
            handle,
        })
    }

    /// A queue of what the supervisor notices from now on, for whoever runs it. One at a time.
    pub fn observe(&mut self) -> Receiver<SupervisorNotice> {
        self.observers.observe()
    }

    /// For talking to it while it runs.
    #[must_use]
    pub fn handle(&self) -> SupervisorHandle {
        self.handle.clone()
    }

    /// Its counters, for whoever shows them.
    #[must_use]
    pub fn counters(&self) -> &CounterSet {
        &self.counter_set
    }

    /// Its counters, for adding those of the thread it runs on.
    pub fn counters_mut(&mut self) -> &mut CounterSet {
        &mut self.counter_set
    }
}

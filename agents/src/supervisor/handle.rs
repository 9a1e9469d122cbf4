//! What others hold of a running supervisor: changes of policy, and a look at what it knows.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tensorpool_protocol::supervisor::{ConfigRequest, ConsumerKey, Policy, Snapshot};

/// Commands that wait for the supervisor's next cycles.
const QUEUE_LEN: usize = 64;

/// What the supervisor is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    SetPolicy(Policy),
    Emit(ConsumerKey, ConfigRequest),
    Look(Sender<Snapshot>),
}

/// Why a supervisor was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// It has not taken earlier commands yet.
    #[error("the supervisor is busy: {QUEUE_LEN} commands are waiting already; try again")]
    Busy,
    /// It has ended.
    #[error("the supervisor has ended")]
    Gone,
    /// It did not answer in time.
    #[error("the supervisor did not answer in time")]
    TimedOut,
}

/// Talks to a supervisor from any thread. Cheap to clone. Nothing blocks but what says `wait`.
#[derive(Clone, Debug)]
pub struct SupervisorHandle {
    commands: Sender<Command>,
}

impl SupervisorHandle {
    pub(super) fn new() -> (Self, Receiver<Command>) {
        let (commands, receiver) = bounded(QUEUE_LEN);
        (Self { commands }, receiver)
    }

    /// What holds for everybody from now on. Consumers for which that is a change are told at once.
    ///
    /// # Errors
    /// [`HandleError::Busy`], [`HandleError::Gone`].
    pub fn set_policy(&self, policy: Policy) -> Result<(), HandleError> {
        self.send(Command::SetPolicy(policy))
    }

    /// Tells one consumer something else than the policy says, at once and for as long as it is
    /// there. A consumer nobody has heard of is waited for like one that went silent, and ignored
    /// when there is no room for it.
    ///
    /// # Errors
    /// [`HandleError::Busy`], [`HandleError::Gone`].
    pub fn emit_config(&self, key: ConsumerKey, request: ConfigRequest) -> Result<(), HandleError> {
        self.send(Command::Emit(key, request))
    }

    /// Everything the supervisor knows. Waits for its next cycle, at most this long.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn wait_snapshot(&self, patience: Duration) -> Result<Snapshot, HandleError> {
        let (sender, receiver) = bounded(1);
        self.send(Command::Look(sender))?;
        receiver
            .recv_timeout(patience)
            .map_err(|_| HandleError::TimedOut)
    }

    fn send(&self, command: Command) -> Result<(), HandleError> {
        self.commands
            .try_send(command)
            .map_err(|error| match error {
                TrySendError::Full(_) => HandleError::Busy,
                TrySendError::Disconnected(_) => HandleError::Gone,
            })
    }
}

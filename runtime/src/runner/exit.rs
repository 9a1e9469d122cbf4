//! How starting and ending a runner can turn out.

use std::fmt;
use std::time::Duration;

use crate::errors::AgentError;
use crate::progress::Phase;

/// Why a runner could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// The core to pin to is not one this process may use.
    #[error(
        "agent '{name}' cannot be pinned to core {core}: this process may use cores {available:?}"
    )]
    NoSuchCore {
        /// The runner.
        name: String,
        /// What was asked for.
        core: usize,
        /// What there is.
        available: Vec<usize>,
    },
    /// The system refused a thread.
    #[error("no thread for agent '{name}': {source}")]
    Thread {
        /// The runner.
        name: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// How an agent's thread ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum AgentExit {
    /// Closed because it was asked to.
    Closed,
    /// Closed because it was asked to; `on_close` failed.
    CloseFailed(AgentError),
    /// Closed because the agent asked for it.
    Terminated(AgentError),
    /// The factory failed; there never was an agent.
    BuildFailed(AgentError),
    /// `on_start` failed; the agent was closed.
    StartFailed(AgentError),
    /// The agent broke an invariant; it was dropped, not closed.
    Panicked(String),
}

impl AgentExit {
    /// Whether the agent closed without an error, because it was asked to.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Closed)
    }
}

impl fmt::Display for AgentExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::CloseFailed(error) => write!(f, "failed to close: {error}"),
            Self::Terminated(error) => write!(f, "terminated: {error}"),
            Self::BuildFailed(error) => write!(f, "could not be built: {error}"),
            Self::StartFailed(error) => write!(f, "failed to start: {error}"),
            Self::Panicked(message) => write!(f, "panicked: {message}"),
        }
    }
}

/// An agent that did not close in time. Its thread is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckAgent {
    /// The runner.
    pub name: String,
    /// Where it is.
    pub phase: Phase,
    /// The child of a composite agent that has not returned.
    pub part: Option<String>,
    /// How long it was waited for.
    pub waited: Duration,
}

impl fmt::Display for StuckAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            phase,
            part,
            waited,
        } = self;
        write!(
            f,
            "agent '{name}' did not close within {waited:?}: still {phase}"
        )?;
        match part {
            Some(part) => write!(f, " in '{part}'"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StuckAgent {}

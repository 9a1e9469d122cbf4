//! Something the conductor is about to answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use super::error::OpenError;

/// An answer that comes later. Nothing blocks unless asked to: [`Pending::poll`] it, or
/// [`Pending::wait`] for it. Dropping it gives the attempt up.
#[derive(Debug)]
pub struct Pending<T> {
    receiver: Receiver<Result<T, OpenError>>,
    /// The conductor looks whether this is still there.
    _waiting: Option<Arc<()>>,
}

impl<T> Pending<T> {
    pub(super) fn new(receiver: Receiver<Result<T, OpenError>>, waiting: Option<Arc<()>>) -> Self {
        Self {
            receiver,
            _waiting: waiting,
        }
    }

    /// The answer, if it is there. It is given once.
    pub fn poll(&mut self) -> Option<Result<T, OpenError>> {
        match self.receiver.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(OpenError::ClientClosed)),
        }
    }

    /// Waits for the answer. Needs somebody else to drive the conductor: with an
    /// [`InvokedClient`](crate::client::InvokedClient) on this thread use its `wait`.
    ///
    /// # Errors
    /// What went wrong, or [`OpenError::TimedOut`].
    pub fn wait(self, timeout: Duration) -> Result<T, OpenError> {
        match self.receiver.recv_timeout(timeout) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(OpenError::TimedOut { waited: timeout }),
            Err(RecvTimeoutError::Disconnected) => Err(OpenError::ClientClosed),
        }
    }

    pub(super) fn wait_driving(
        mut self,
        timeout: Duration,
        mut drive: impl FnMut(),
    ) -> Result<T, OpenError> {
        let started = Instant::now();
        loop {
            drive();
            if let Some(answer) = self.poll() {
                return answer;
            }
            if started.elapsed() >= timeout {
                return Err(OpenError::TimedOut { waited: timeout });
            }
        }
    }
}

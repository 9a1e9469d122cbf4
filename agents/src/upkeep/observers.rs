//! The queue an agent tells its observer by.

use crossbeam_channel::{Receiver, Sender, bounded};

/// What waits for an observer; more is left out.
const QUEUE_LEN: usize = 1024;

/// An agent's end of a queue of `T`; does nothing while nobody observes.
#[derive(Debug)]
pub(crate) struct Observers<T> {
    sender: Option<Sender<T>>,
}

impl<T> Default for Observers<T> {
    fn default() -> Self {
        Self { sender: None }
    }
}

impl<T> Observers<T> {
    /// From now on there is one; it replaces the one before.
    pub(crate) fn observe(&mut self) -> Receiver<T> {
        let (sender, receiver) = bounded(QUEUE_LEN);
        self.sender = Some(sender);
        receiver
    }

    /// Tells unless the observer is far behind. Never blocks.
    pub(crate) fn tell(&self, what: impl FnOnce() -> T) {
        if let Some(sender) = &self.sender {
            let _full_or_gone = sender.try_send(what());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observer_that_is_far_behind_or_gone_stops_nobody() {
        let mut observers = Observers::default();
        observers.tell(|| unreachable!("nobody observes"));
        let receiver = observers.observe();
        for n in 0..=QUEUE_LEN {
            observers.tell(|| n);
        }
        assert!(receiver.try_iter().eq(0..QUEUE_LEN));
        drop(receiver);
        observers.tell(|| 0);
    }
}

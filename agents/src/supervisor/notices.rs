//! What a supervisor tells whoever runs it. For people and logs: nothing depends on a notice
//! arriving.

use crossbeam_channel::{Receiver, Sender, bounded};
use tensorpool_protocol::supervisor::SupervisorEvent;
use tensorpool_transport::LostReason;

/// Notices that wait for an observer; more are left out.
const QUEUE_LEN: usize = 1024;

/// What happened, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SupervisorNotice {
    /// Consumers can be heard and answered: at the start, and again after each loss of the link.
    Ready,
    /// There is no media driver yet; the supervisor waits for one.
    NoMediaDriver {
        /// What is missing.
        reason: String,
    },
    /// The media driver is gone. Nobody is taken for gone until one is back.
    LinkLost {
        /// How that was noticed.
        reason: LostReason,
    },
    /// Something was noticed about producers and consumers.
    Noticed(SupervisorEvent),
    /// Something failed; the supervisor goes on.
    Fault {
        /// What kind of thing.
        code: &'static str,
        /// The particulars.
        text: String,
    },
}

/// The supervisor's end of a queue of notices; does nothing while nobody observes.
#[derive(Debug, Default)]
pub(super) struct Observers {
    sender: Option<Sender<SupervisorNotice>>,
}

impl Observers {
    /// From now on there is one; it replaces the one before.
    pub(super) fn observe(&mut self) -> Receiver<SupervisorNotice> {
        let (sender, receiver) = bounded(QUEUE_LEN);
        self.sender = Some(sender);
        receiver
    }

    /// Tells unless the observer is far behind. Never blocks.
    pub(super) fn tell(&self, notice: impl FnOnce() -> SupervisorNotice) {
        if let Some(sender) = &self.sender {
            let _full_or_gone = sender.try_send(notice());
        }
    }
}

//! What a supervisor tells whoever runs it. For people and logs: nothing depends on a notice
//! arriving.

use tensorpool_protocol::supervisor::SupervisorEvent;
use tensorpool_transport::LostReason;

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
    /// There is a media driver that this user may not use; the supervisor waits until it may.
    MediaDriverDenied {
        /// Who is refused, and by what.
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

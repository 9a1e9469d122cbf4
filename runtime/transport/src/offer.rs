//! What becomes of an offered message.

use std::fmt;

use rusteron_client::bindings as aeron;

/// The outcome of an offer or a claim. Only [`Offer::Sent`] means that the message is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a message is sent only when the outcome says so"]
pub enum Offer {
    /// In the log; the stream position after it.
    Sent {
        /// In bytes, including framing.
        position: i64,
    },
    /// Nobody subscribes yet, or the publication is being registered.
    NotConnected,
    /// The slowest subscriber is a window behind: try again.
    BackPressured,
    /// The log was being rotated: try again at once.
    AdminAction,
    /// The link was closed, for good.
    Closed,
    /// The publication has reached its last position. Another takes its place, as after the loss of a link:
    /// try again.
    MaxPositionExceeded,
    /// Longer than `max_message_len` (offer) or `max_payload_len` (claim).
    TooLong,
    /// The media driver is gone or being reconnected to; the same handle works again afterwards.
    LinkDown,
    /// Aeron's code for anything else.
    Failed(i64),
}

impl Offer {
    /// Whether the message is in the log.
    #[must_use]
    #[inline]
    pub const fn is_sent(self) -> bool {
        matches!(self, Self::Sent { .. })
    }

    /// Whether the same call may succeed soon without anybody doing anything (back-pressure, log rotation).
    #[must_use]
    #[inline]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::BackPressured | Self::AdminAction)
    }

    /// Whether Aeron will take nothing more on this publication, of all that Aeron itself answers.
    #[inline]
    pub(crate) const fn is_end(self) -> bool {
        matches!(self, Self::MaxPositionExceeded | Self::LinkDown)
    }

    /// From Aeron's return value.
    /// [TP-RT-0910]
    #[inline]
    pub(crate) fn of(result: i64) -> Self {
        if result > 0 {
            return Self::Sent { position: result };
        }
        Self::of_status(result)
    }

    #[cold]
    // [TP-RT-0910]
    fn of_status(result: i64) -> Self {
        match i32::try_from(result) {
            Ok(aeron::AERON_PUBLICATION_NOT_CONNECTED) => Self::NotConnected,
            Ok(aeron::AERON_PUBLICATION_BACK_PRESSURED) => Self::BackPressured,
            Ok(aeron::AERON_PUBLICATION_ADMIN_ACTION) => Self::AdminAction,
            // The client closed its resources because it lost the driver or was not driven in time; the link
            // finds that out in its next cycle and replaces the publication.
            Ok(aeron::AERON_PUBLICATION_CLOSED) => Self::LinkDown,
            Ok(aeron::AERON_PUBLICATION_MAX_POSITION_EXCEEDED) => Self::MaxPositionExceeded,
            _ => Self::Failed(result),
        }
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { position } => write!(f, "sent, position {position}"),
            Self::NotConnected => f.write_str("not connected: nobody subscribes"),
            Self::BackPressured => {
                f.write_str("back-pressured: the slowest subscriber is a window behind")
            }
            Self::AdminAction => f.write_str("admin action: the log is being rotated"),
            Self::Closed => f.write_str("closed: the link was closed"),
            Self::MaxPositionExceeded => {
                f.write_str("the publication has reached its last position and is being replaced")
            }
            Self::TooLong => f.write_str("the message is too long for the publication"),
            Self::LinkDown => f.write_str("link down: no media driver"),
            Self::Failed(code) => write!(f, "failed with Aeron code {code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Offer;

    /// Proves [TP-RT-0910].
    #[test]
    fn every_status_of_aeron_has_an_outcome() {
        assert_eq!(Offer::of(96), Offer::Sent { position: 96 });
        assert_eq!(Offer::of(1), Offer::Sent { position: 1 });
        assert_eq!(Offer::of(0), Offer::Failed(0), "no position, and no status");
        assert_eq!(Offer::of(-1), Offer::NotConnected);
        assert_eq!(Offer::of(-2), Offer::BackPressured);
        assert_eq!(Offer::of(-3), Offer::AdminAction);
        assert_eq!(Offer::of(-4), Offer::LinkDown);
        assert_eq!(Offer::of(-5), Offer::MaxPositionExceeded);
        assert_eq!(Offer::of(-6), Offer::Failed(-6));
    }

    #[test]
    fn a_publication_that_aeron_closed_or_that_is_at_its_end_takes_nothing_more() {
        let ends: Vec<i64> = (-6..=1).filter(|&code| Offer::of(code).is_end()).collect();
        assert_eq!(ends, [-5, -4]);
    }

    #[test]
    fn only_back_pressure_and_rotation_are_worth_an_immediate_retry() {
        assert!(Offer::BackPressured.is_retryable() && Offer::AdminAction.is_retryable());
        assert!(!Offer::LinkDown.is_retryable() && !Offer::NotConnected.is_retryable());
    }
}

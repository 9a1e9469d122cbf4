//! Whether an agent can work, said when it changes.

use tensorpool_transport::{LinkState, WaitReason};

/// What there is to say of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It can work: at the start, and again after each loss of the link.
    Ready,
    /// It waits for a media driver, and what is missing.
    Waiting(String),
    /// There is a media driver that this user may not use, and why.
    Denied(String),
}

/// What was said of an agent so far.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    told_ready: bool,
    /// Whether it was said that there is no media driver, or need not be.
    told_waiting: bool,
}

impl Readiness {
    /// Whether [`Standing::Ready`] holds since it was last said.
    #[cfg(test)]
    pub(crate) fn is_ready(&self) -> bool {
        self.told_ready
    }

    /// To be called each duty cycle; gives what is to be said now. That it waits is said once, and
    /// only of an agent that never was ready: of others the loss of the link was.
    pub(crate) fn on_cycle(&mut self, is_ready: bool, link: &LinkState) -> Option<Standing> {
        let became_ready = is_ready && !self.told_ready;
        self.told_ready = is_ready;
        self.told_waiting |= is_ready;
        if became_ready {
            return Some(Standing::Ready);
        }
        if self.told_waiting {
            return None;
        }
        let standing = match link {
            LinkState::Connecting(WaitReason::Starting) => return None,
            LinkState::Connecting(WaitReason::Denied(reason)) => Standing::Denied(reason.clone()),
            LinkState::Connecting(reason) => Standing::Waiting(reason.to_string()),
            _ => return None,
        };
        self.told_waiting = true;
        Some(standing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connecting(reason: WaitReason) -> LinkState {
        LinkState::Connecting(reason)
    }

    #[test]
    fn waiting_is_said_once_with_its_reason() {
        let mut readiness = Readiness::default();
        assert_eq!(
            readiness.on_cycle(false, &connecting(WaitReason::Starting)),
            None
        );
        let dead = connecting(WaitReason::NoHeartbeat { pid: 7 });
        let Some(Standing::Waiting(reason)) = readiness.on_cycle(false, &dead) else {
            panic!("a media driver that does not beat is waited for, and that is said");
        };
        assert!(reason.contains("pid 7"), "{reason}");
        assert_eq!(
            readiness.on_cycle(false, &connecting(WaitReason::NoDriver)),
            None
        );
    }

    #[test]
    fn a_refusal_is_said_as_such() {
        let denied = connecting(WaitReason::Denied("mode 0600".into()));
        let standing = Readiness::default().on_cycle(false, &denied);
        assert_eq!(standing, Some(Standing::Denied("mode 0600".into())));
    }

    #[test]
    fn ready_is_said_each_time_it_comes_about_and_waiting_no_more() {
        let mut readiness = Readiness::default();
        let (up, lost) = (LinkState::Up, connecting(WaitReason::NoDriver));
        assert_eq!(readiness.on_cycle(true, &up), Some(Standing::Ready));
        assert_eq!(readiness.on_cycle(true, &up), None);
        assert_eq!(readiness.on_cycle(false, &lost), None);
        assert_eq!(readiness.on_cycle(true, &up), Some(Standing::Ready));
    }
}

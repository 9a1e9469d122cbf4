//! From the open to the handle: handing it over once it can be used, or saying why it cannot.

use std::time::Duration;

use tensorpool_protocol::client::AttachError;
use tensorpool_transport::{Link, LinkState, WaitReason};

use super::{Context, Session, Side};
use crate::client::error::OpenError;

impl Session {
    /// Hands the handle over once it can be used: mapped, and its descriptor stream registered.
    pub(super) fn progress_opening(&mut self, ctx: &mut Context<'_>) -> usize {
        let Some(waiting) = &self.opening else {
            return 0;
        };
        if waiting.strong_count() == 0 {
            self.opening = None;
            self.side.close();
            return 1;
        }
        let is_fallback = matches!(&self.side, Side::Consumer(side) if side.is_fallback());
        if self.current.is_none() && !is_fallback {
            return 0;
        }
        let opened = match &mut self.side {
            Side::Producer(side) => side.hand_over(),
            Side::Consumer(side) => side.hand_over(ctx.now),
        };
        self.tenure.on_served();
        if opened {
            self.opening = None;
        } else if ctx.now >= self.open_until {
            self.give_up_opening(ctx);
        }
        usize::from(opened)
    }

    /// It is attached and mapped, but the media driver still refuses what it needs.
    // [TP-CLI-0187]
    fn give_up_opening(&mut self, ctx: &Context<'_>) {
        let refusal = self.needed.iter().find_map(|id| ctx.link.refusal(*id));
        if let Some(reason) = refusal {
            self.opening = None;
            self.fail_open(denied(ctx.link).unwrap_or_else(|| refused(ctx.link, reason)));
            self.side.close();
        }
    }

    pub(super) fn fail_open(&mut self, error: OpenError) {
        match &mut self.side {
            Side::Producer(side) => side.fail_open(error),
            Side::Consumer(side) => side.fail_open(error),
        }
    }
}

/// When nobody could answer, or be asked: say that instead.
pub(super) fn open_error(error: AttachError, ctx: &Context<'_>) -> OpenError {
    let link = &*ctx.link;
    let troubles = ctx.troubles;
    match (error, link.state()) {
        // [TP-SEC-0130]
        (AttachError::NoAnswer { .. }, LinkState::Connecting(WaitReason::Denied(reason))) => {
            OpenError::MediaDriverDenied {
                dir: link.dir().display().to_string(),
                reason: reason.clone(),
            }
        }
        (AttachError::NoAnswer { .. }, LinkState::Connecting(reason)) => OpenError::NoMediaDriver {
            dir: link.dir().display().to_string(),
            reason: reason.to_string(),
        },
        (AttachError::NoAnswer { .. }, LinkState::Lost(reason)) => OpenError::NoMediaDriver {
            dir: link.dir().display().to_string(),
            reason: reason.to_string(),
        },
        // [TP-CLI-0187]
        (error @ AttachError::NoAnswer { waited_ns, .. }, _) => {
            match (troubles.refusal(link), troubles.client_error(ctx.now)) {
                (Some(reason), _) => denied(link).unwrap_or_else(|| refused(link, reason)),
                (None, Some((reason, age_ns))) => {
                    denied(link).unwrap_or_else(|| OpenError::AeronClient {
                        error,
                        age: Duration::from_nanos(age_ns),
                        reason: reason.to_owned(),
                    })
                }
                // [TP-CLI-0188]
                (None, None) => match link.shortage(Duration::from_nanos(waited_ns)) {
                    Some((reason, age)) => OpenError::MediaDriverShort {
                        error,
                        dir: link.dir().display().to_string(),
                        age,
                        reason,
                    },
                    None => OpenError::Attach(error),
                },
            }
        }
        (error, _) => OpenError::Attach(error),
    }
}

/// Where logs cannot be opened that is the cause, whatever Aeron says.
// [TP-SEC-0132]
fn denied(link: &Link) -> Option<OpenError> {
    let reason = link.denied_logs()?;
    let dir = link.dir().display().to_string();
    Some(OpenError::MediaDriverDenied { dir, reason })
}

fn refused(link: &Link, reason: &str) -> OpenError {
    OpenError::Refused {
        dir: link.dir().display().to_string(),
        reason: reason.to_owned(),
    }
}

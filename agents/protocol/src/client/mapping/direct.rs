//! Without a driver: mapping from announces alone, and finding out by oneself that a producer is
//! gone (Wire v1.2 §7.1, §15.2, §15.14).

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, StreamId};

use super::{Ended, MappingCore, State};
use crate::client::mapping_types::{MapTicket, MappingAction, SourceEnd};
use crate::client::messages::Announce;
use crate::common::LeaseRevokeReason;

/// What is known of the source of the mapped epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// Its last fresh announce.
    heard: NanoTime,
    /// While announces cannot be heard, silence says nothing.
    can_hear: bool,
    /// Who created the regions that were mapped last.
    creator: Option<(Epoch, u64)>,
    /// That changed since: sequence numbers begin anew.
    is_recreated: bool,
}

impl MappingCore {
    /// Announces of this stream are followed from now on, by nobody's leave; there is no driver.
    // [TP-CLI-3240]
    pub fn on_watching(&mut self, now: NanoTime, stream_id: StreamId) {
        self.advance(now);
        self.attached = true;
        self.stream_id = Some(stream_id);
        self.direct = Some(Source {
            heard: self.now,
            can_hear: true,
            creator: None,
            is_recreated: false,
        });
    }

    /// Whether announces can be heard at the moment.
    pub fn on_hearing(&mut self, now: NanoTime, can_hear: bool) {
        self.advance(now);
        let now = self.now;
        if let Some(direct) = &mut self.direct {
            // [TP-CLI-3253]
            direct.can_hear = can_hear;
            direct.heard = now;
        }
    }

    /// Without a driver: whether regions with this activity timestamp are worth being put into use.
    /// 0 is unknown, which is.
    #[must_use]
    pub fn accepts_activity(&self, now: NanoTime, activity: NanoTime) -> bool {
        // [TP-CLI-3250]
        self.direct.is_none()
            || activity.get() == 0
            || now.since_ns(activity) <= self.config.freshness_ns()
    }

    /// Without a driver: the process that created the mapped regions, which was there before, is
    /// gone.
    pub fn on_creator_gone(&mut self, now: NanoTime, epoch: Epoch) {
        self.advance(now);
        if self.direct.is_some() && self.mapped_epoch() == Some(epoch) {
            // [TP-CLI-3254]
            self.lose_source();
        }
    }

    pub(super) fn note_sign_of_life(&mut self, announce: &Announce) {
        let is_mapped = self.mapped_epoch() == Some(announce.epoch);
        let now = self.now;
        if let Some(direct) = &mut self.direct
            && is_mapped
        {
            direct.heard = now;
        }
        // [TP-CLI-3260]
        self.ended.take_if(|ended| {
            ended.epoch == announce.epoch && ended.lost_at.is_some_and(|at| announce.timestamp > at)
        });
    }

    pub(super) fn note_creator(&mut self, ticket: MapTicket, pid: u64) {
        let (State::Mapping(target) | State::Remapping(_, target)) = &self.state else {
            return;
        };
        if target.ticket != Some(ticket) {
            return;
        }
        let (epoch, now) = (target.regions.epoch, self.now);
        if let Some(direct) = &mut self.direct {
            direct.heard = now;
            let before = direct.creator.filter(|(of, _)| *of == epoch);
            // [TP-CLI-3262]
            direct.is_recreated = pid != 0 && before.is_some_and(|(_, known)| known != pid);
            direct.creator = (pid != 0).then_some((epoch, pid)).or(before);
        }
    }

    /// Whether what is put into use now was begun anew by another process.
    pub(super) fn is_recreated(&self) -> bool {
        self.direct.is_some_and(|direct| direct.is_recreated)
    }

    pub(super) fn watch_silence(&mut self) {
        // [TP-CLI-3252]
        if self.silence_ends().is_some_and(|at| self.now >= at) {
            self.lose_source();
        }
    }

    pub(super) fn silence_ends(&self) -> Option<NanoTime> {
        let direct = self.direct.filter(|direct| direct.can_hear)?;
        let mapped = self.mapped_epoch()?;
        let has_ended = self.ended.is_some_and(|ended| ended.epoch == mapped);
        (!has_ended).then(|| direct.heard.after_ns(self.config.freshness_ns()))
    }

    /// The source of what is mapped is gone: it is told, and what is mapped is void. Somebody who
    /// said good-bye before is read to the end. [TP-CLI-3258]
    pub(super) fn lose_source(&mut self) {
        let (State::Mapped(mapped) | State::Remapping(mapped, _)) = &self.state else {
            return;
        };
        let (epoch, producer_id) = (mapped.regions.epoch, mapped.producer_id);
        if self.ended.is_some_and(|ended| ended.epoch == epoch) {
            return;
        }
        self.ended = Some(Ended {
            epoch,
            producer_id: producer_id.unwrap_or(ClientId::new(0)),
            lost_at: Some(self.now),
        });
        self.emit(MappingAction::SourceEnded {
            epoch,
            producer_id,
            end: SourceEnd::Lost(None::<LeaseRevokeReason>),
        });
        self.revoke_current();
    }

    /// Another epoch took over before the end of this one was known.
    pub(super) fn tell_replaced(&mut self) {
        if self.direct.is_some()
            && let Some((epoch, producer_id)) = self.replaced.take()
        {
            // [TP-CLI-3264]
            self.emit(MappingAction::SourceEnded {
                epoch,
                producer_id,
                end: SourceEnd::Lost(None),
            });
        }
    }
}

//! Which epoch of a stream is mapped, when it is replaced, and when it is void (Wire v1.2 §7,
//! §10.1, §15).
//!
//! Sans-IO: a worker maps. The core asks for it with [`MappingAction::Map`] and is told the
//! outcome. Its owner drains the actions after every input. Whether a lease is held is the attach
//! core's business.

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, StreamId};

use crate::client::backoff::{Backoff, SplitMix64};
use crate::client::mapping_types::{
    MapTicket, MappingAction, MappingConfig, MappingStats, SourceEnd,
};
use crate::client::messages::{Announce, ClockDomain, LeaseRevoked};
use crate::client::regions::RegionSet;
use crate::common::{LeaseRevokeReason, Outbox, Role};

mod direct;
mod rules;

const ACTION_CAPACITY: usize = 16;

/// A mapping that is wanted: the worker is at it, or it waits for a time, or for the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    /// The request the worker is at.
    ticket: Option<MapTicket>,
    regions: Box<RegionSet>,
    producer_id: Option<ClientId>,
    /// Not asked for before this.
    retry_at: Option<NanoTime>,
    /// It could not be mapped so far: whoever announced it may have been wrong.
    has_failed: bool,
}

/// A newer epoch, heard of while the worker is at another one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Successor {
    regions: Box<RegionSet>,
    producer_id: Option<ClientId>,
}

/// The mapping in use.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapped {
    regions: Box<RegionSet>,
    producer_id: Option<ClientId>,
    pid: Option<u64>,
    stale: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Unmapped,
    Mapping(Target),
    Mapped(Mapped),
    /// The old one stays in use until the new one is there.
    Remapping(Mapped, Target),
}

/// An epoch whose producer is gone: not mapped again unless another producer took it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ended {
    epoch: Epoch,
    producer_id: ClientId,
    /// Without a driver: it went silent then, and may be heard again.
    lost_at: Option<NanoTime>,
}

/// The mapping core of one attached stream.
#[derive(Debug)]
pub struct MappingCore {
    config: MappingConfig,
    random: SplitMix64,
    backoff: Backoff,
    state: State,
    actions: Outbox<MappingAction>,
    now: NanoTime,
    attached: bool,
    shm_allowed: bool,
    stream_id: Option<StreamId>,
    joined: Option<NanoTime>,
    next_ticket: u64,
    /// The one request the worker has not answered, wanted or not.
    under_way: Option<MapTicket>,
    successor: Option<Successor>,
    /// Mappings that failed since one was put into use or a lease was granted.
    failed_in_row: u32,
    /// While many fail in a row, other epochs are not tried before this.
    not_before: NanoTime,
    last_adopted: Option<Epoch>,
    /// An epoch that was replaced before its end was told.
    replaced: Option<(Epoch, Option<ClientId>)>,
    ended: Option<Ended>,
    last_announce: Option<(Epoch, NanoTime)>,
    /// The latest epoch that was announced while there was no lease, and when that was heard.
    unheeded: Option<(NanoTime, Box<Announce>)>,
    lower: Option<(Epoch, u32)>,
    /// Without a driver: what is known of the source itself.
    direct: Option<direct::Source>,
    stats: MappingStats,
}

impl MappingCore {
    /// Nothing is mapped, nothing is attached.
    #[must_use]
    pub fn new(config: MappingConfig) -> Self {
        Self {
            random: SplitMix64::new(config.seed),
            backoff: Backoff::new(config.retry_min_ns, config.retry_max_ns),
            state: State::Unmapped,
            actions: Outbox::with_capacity(ACTION_CAPACITY),
            now: NanoTime::new(0),
            attached: false,
            shm_allowed: true,
            stream_id: None,
            joined: None,
            next_ticket: 0,
            under_way: None,
            successor: None,
            failed_in_row: 0,
            not_before: NanoTime::new(0),
            last_adopted: None,
            replaced: None,
            ended: None,
            last_announce: None,
            unheeded: None,
            lower: None,
            direct: None,
            stats: MappingStats::default(),
            config,
        }
    }

    /// The announce subscription became available: older announces say nothing about now.
    pub fn on_joined(&mut self, now: NanoTime) {
        self.advance(now);
        // [TP-CLI-0710]
        self.joined = Some(self.now);
    }

    /// A lease was granted: its regions are mapped at once, without waiting for an announce. A later
    /// epoch that was announced just before is followed then: who reads announces before answers
    /// hears of it first, and would hear of it again with the next announce only.
    pub fn on_granted(&mut self, now: NanoTime, regions: &RegionSet) {
        self.advance(now);
        let unheeded = self.unheeded.take();
        self.attached = true;
        self.stream_id = Some(regions.stream_id);
        self.ended = None;
        self.lower = None;
        self.successor = None;
        self.forget_failures();
        if !self.shm_allowed {
            return;
        }
        // [TP-CLI-0610] [TP-CLI-0860]
        self.want(Box::new(regions.clone()), None);
        // [TP-CLI-0625]
        if let Some((heard_at, announce)) = unheeded
            && announce.stream_id == regions.stream_id
            && announce.epoch > regions.epoch
            && self.now.since_ns(heard_at) <= self.config.freshness_ns()
        {
            self.heed(&announce);
        }
    }

    /// The lease is gone: what is mapped is void, what is being mapped is not wanted.
    pub fn on_lost(&mut self, now: NanoTime) {
        self.advance(now);
        // [TP-CLI-0770]
        self.attached = false;
        self.revoke();
    }

    /// Whether shared memory may be used, as a config said. Without it what is mapped is void, and
    /// neither grants nor announces are mapped; with it again, the next one is. What is mapped then
    /// is a first mapping: what came in between came from elsewhere, and is not owed. [TP-CLI-2295]
    pub fn on_shm_allowed(&mut self, now: NanoTime, allowed: bool) {
        self.advance(now);
        if self.shm_allowed && !allowed {
            self.revoke();
            self.last_adopted = None;
        }
        self.shm_allowed = allowed;
    }

    /// See [`MappingCore::on_shm_allowed`].
    #[must_use]
    pub fn is_shm_allowed(&self) -> bool {
        self.shm_allowed
    }

    /// An announce of any stream. Ignored by producers, and only remembered without a lease.
    ///
    /// Accepted are fresh announces from after the join: a higher epoch is mapped and then takes
    /// over, the same epoch changes nothing unless its regions changed, a lower one is ignored
    /// unless the mapped one is stale and the lower one was announced twice in a row. An epoch that
    /// could not be mapped is no measure for others.
    pub fn on_announce(&mut self, now: NanoTime, realtime_now: NanoTime, announce: &Announce) {
        self.advance(now);
        // [TP-CLI-0750] [TP-CLI-0760]
        if !self.shm_allowed
            || self.config.role == Role::Producer
            || self.stream_id != Some(announce.stream_id)
        {
            return;
        }
        let is_fresh = self.is_fresh(realtime_now, announce);
        // [TP-CLI-0770]
        if !self.attached {
            if is_fresh {
                self.unheeded = Some((self.now, Box::new(announce.clone())));
            }
            return;
        }
        // [TP-CLI-0700]
        if !is_fresh {
            self.stats.announces_stale += 1;
            return;
        }
        self.heed(announce);
    }

    /// A fresh announce of our stream.
    fn heed(&mut self, announce: &Announce) {
        self.note_sign_of_life(announce);
        // [TP-CLI-0680] [TP-CLI-3242]
        let key = (announce.epoch, announce.timestamp);
        if self.last_announce == Some(key) {
            return;
        }
        self.last_announce = Some(key);
        let checked = RegionSet::check(
            announce.stream_id,
            announce.epoch,
            announce.layout_version,
            &announce.regions,
        );
        // [TP-CLI-0740]
        match checked {
            Ok(regions) => self.on_fresh_announce(Box::new(regions), announce.producer_id),
            Err(_) => {
                self.stats.announces_invalid += 1;
                // What is in use is as good as it was. [TP-CLI-2294]
                if self.mapped_epoch().is_none() {
                    let epoch = announce.epoch;
                    self.emit(MappingAction::Unreadable { epoch });
                }
            }
        }
    }

    /// A lease of anybody was revoked. If it is that of our stream's producer, its epoch has ended.
    /// Told once.
    pub fn on_lease_revoked(&mut self, now: NanoTime, revoked: &LeaseRevoked) {
        self.advance(now);
        // [TP-CLI-0810]
        let of_source = revoked.role.known() == Some(Role::Producer)
            && self.stream_id == Some(revoked.stream_id);
        if !of_source || self.config.role == Role::Producer {
            return;
        }
        // [TP-CLI-0780] [TP-CLI-0800]
        let end = match revoked.reason.known() {
            Some(LeaseRevokeReason::Detached) => SourceEnd::Detached,
            reason => SourceEnd::Lost(reason),
        };
        let client_id = revoked.client_id;
        // [TP-CLI-1940]
        if let Some((epoch, producer_id)) = self.replaced
            && producer_id == Some(client_id)
        {
            self.replaced = None;
            self.emit(MappingAction::SourceEnded {
                epoch,
                producer_id,
                end,
            });
            return;
        }
        let (State::Mapped(mapped) | State::Remapping(mapped, _)) = &self.state else {
            return;
        };
        let epoch = mapped.regions.epoch;
        // [TP-CLI-0810]
        let known_other = mapped.producer_id.is_some_and(|id| id != client_id);
        // [TP-CLI-1930]
        let already = self.ended.is_some_and(|ended| ended.epoch == epoch);
        if known_other || already {
            return;
        }
        // [TP-CLI-0790]
        self.ended = Some(Ended {
            epoch,
            producer_id: client_id,
            lost_at: None,
        });
        self.emit(MappingAction::SourceEnded {
            epoch,
            producer_id: Some(client_id),
            end,
        });
        // [TP-CLI-0780] [TP-CLI-0800]
        if end != SourceEnd::Detached {
            self.revoke_current();
        }
    }

    /// The worker made the mapping of `ticket`.
    pub fn on_mapped(&mut self, now: NanoTime, ticket: MapTicket) {
        self.on_mapped_of(now, ticket, 0);
    }

    /// As [`MappingCore::on_mapped`], of regions that this process created, by their superblock; 0
    /// if that is unknown. Without a driver another one than before has begun the epoch anew.
    pub fn on_mapped_of(&mut self, now: NanoTime, ticket: MapTicket, pid: u64) {
        self.advance(now);
        self.on_answered(ticket);
        self.note_creator(ticket, pid);
        let (old, target) = match std::mem::replace(&mut self.state, State::Unmapped) {
            State::Mapping(target) if target.ticket == Some(ticket) => (None, target),
            State::Remapping(old, target) if target.ticket == Some(ticket) => (Some(old), target),
            // [TP-CLI-0650]
            other => {
                self.state = other;
                self.emit(MappingAction::Discard { ticket });
                self.request_waiting();
                return;
            }
        };
        self.adopt(old, ticket, target);
        if let Some(successor) = self.successor.take() {
            self.on_fresh_announce(successor.regions, successor.producer_id);
        }
    }

    /// The worker could not map `ticket`; it is tried again unless another epoch is wanted by now,
    /// and what is in use stays in use.
    pub fn on_map_failed(&mut self, now: NanoTime, ticket: MapTicket) {
        self.advance(now);
        self.on_answered(ticket);
        let epoch = match &mut self.state {
            State::Mapping(target) | State::Remapping(_, target)
                if target.ticket == Some(ticket) =>
            {
                target.ticket = None;
                target.has_failed = true;
                target.regions.epoch
            }
            _ => {
                self.request_waiting();
                return;
            }
        };
        self.stats.failures += 1;
        // [TP-CLI-0640]
        let delay_ns = self.note_failure();
        let retry_at = self.now.after_ns(delay_ns);
        if let State::Mapping(target) | State::Remapping(_, target) = &mut self.state {
            target.retry_at = Some(retry_at);
        }
        self.emit(MappingAction::RetryMap { epoch, delay_ns });
        // [TP-CLI-0690]
        if let Some(successor) = self.successor.take() {
            self.want(successor.regions, successor.producer_id);
        }
    }

    /// What the superblock of the mapped header ring says. 0 means unknown, for both.
    ///
    /// Another process id than before means that somebody else took the memory over: it is mapped
    /// anew. Activity older than three periods is told once as [`MappingAction::SourceStale`].
    pub fn on_superblock(&mut self, now: NanoTime, epoch: Epoch, activity: NanoTime, pid: u64) {
        self.advance(now);
        let (State::Mapped(mapped) | State::Remapping(mapped, _)) = &mut self.state else {
            return;
        };
        if mapped.regions.epoch != epoch {
            return;
        }
        // [TP-CLI-0850]
        let stale = activity.get() != 0 && self.now.since_ns(activity) > self.config.freshness_ns();
        let newly_stale = stale && !mapped.stale;
        mapped.stale = stale;
        // [TP-CLI-0840]
        let changed = pid != 0 && mapped.pid.is_some_and(|known| known != pid);
        if pid != 0 {
            mapped.pid = Some(pid);
        }
        if changed {
            self.stats.pid_changes += 1;
        }
        match (newly_stale || changed) && self.direct.is_some() {
            // [TP-CLI-3256]
            true => self.lose_source(),
            // [TP-CLI-0840]
            false if changed => self.remap_in_place(),
            // [TP-CLI-0850]
            false if newly_stale => self.emit(MappingAction::SourceStale { epoch }),
            false => {}
        }
    }

    /// The mapping of `epoch` turned out to be unusable, as when a region was truncated: it is
    /// void, and mapped anew once that is possible.
    /// [TP-CLI-0830]
    pub fn on_unusable(&mut self, now: NanoTime, epoch: Epoch) {
        self.advance(now);
        if self.mapped_epoch() == Some(epoch) {
            self.remap_in_place();
        }
    }

    /// The mapped regions are not what they were, as after a truncation: without a driver nobody but
    /// their producer could mend them, and that is lost. With one they are mapped anew.
    pub fn on_memory_damaged(&mut self, now: NanoTime, epoch: Epoch) {
        self.advance(now);
        let has_ended = self.ended.is_some_and(|ended| ended.epoch == epoch);
        if self.direct.is_none() {
            self.on_unusable(now, epoch);
        } else if self.mapped_epoch() == Some(epoch) {
            if has_ended {
                // [TP-CLI-3259]
                self.revoke_current();
            } else {
                // [TP-CLI-3257]
                self.lose_source();
            }
        }
    }

    /// Carries out what time alone decides. Idempotent; ignores time going backwards.
    /// [TP-CLI-0640]
    pub fn on_timeout(&mut self, now: NanoTime) {
        self.advance(now);
        let due = match &self.state {
            State::Mapping(target) | State::Remapping(_, target) => {
                target.retry_at.is_some_and(|at| self.now >= at)
            }
            State::Unmapped | State::Mapped(_) => false,
        };
        if due {
            self.request_target();
        }
        self.watch_silence();
    }

    /// When [`MappingCore::on_timeout`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<NanoTime> {
        let retry_at = match &self.state {
            State::Mapping(target) | State::Remapping(_, target) => target.retry_at,
            State::Unmapped | State::Mapped(_) => None,
        };
        [retry_at, self.silence_ends()].into_iter().flatten().min()
    }

    /// The oldest action that was not taken yet.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<MappingAction> {
        self.actions.pop()
    }

    /// The epoch in use.
    #[must_use]
    pub fn mapped_epoch(&self) -> Option<Epoch> {
        match &self.state {
            State::Mapped(mapped) | State::Remapping(mapped, _) => Some(mapped.regions.epoch),
            State::Unmapped | State::Mapping(_) => None,
        }
    }

    /// Counts so far.
    #[must_use]
    pub fn stats(&self) -> MappingStats {
        self.stats
    }

    fn is_fresh(&self, realtime_now: NanoTime, announce: &Announce) -> bool {
        let fresh = self.config.freshness_ns();
        let stamp = announce.timestamp;
        match announce.clock_domain {
            // [TP-CLI-0720]
            _ if stamp.get() == 0 => false,
            // [TP-CLI-0700] [TP-CLI-0710]
            Some(ClockDomain::Monotonic) => {
                let joined = self.joined.unwrap_or(NanoTime::new(0));
                self.now.since_ns(stamp) <= fresh
                    && stamp.after_ns(self.config.announce_period_ns) >= joined
            }
            // [TP-CLI-0700] [TP-CLI-0730]
            Some(ClockDomain::RealtimeSynced) => realtime_now.since_ns(stamp) <= fresh,
            // [TP-CLI-0720]
            None => false,
        }
    }

    fn advance(&mut self, now: NanoTime) {
        self.now = self.now.max(now);
    }

    fn emit(&mut self, action: MappingAction) {
        assert!(
            self.actions.try_push(action).is_ok(),
            "mapping actions must be drained after every input"
        );
    }
}

#[cfg(test)]
mod tests;

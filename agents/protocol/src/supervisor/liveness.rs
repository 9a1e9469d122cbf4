//! Signs of life: reports, announces, the ends of leases, silence, and times in which nobody could be
//! heard.

use core::str;

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, StreamId};

use super::consumers::{Consumer, Entry};
use super::events::{LostReason, SupervisorEvent};
use super::hellos::{SupervisorCore, is_due};
use super::messages::{Announced, ConsumerKey, ConsumerReport, LeaseEnd, ProducerReport};
use super::rates::Progress;
use crate::common::Role;

/// Between two news of one consumer's losses.
const DROPS_NEWS_NS: u64 = 1_000_000_000;
/// Liveness is looked at so many times within the time after which somebody is gone.
const SWEEPS: u64 = 8;
/// The longest name of a stream that is kept, in bytes.
const MAX_NAME_LEN: usize = 64;

impl SupervisorCore {
    /// A consumer says how far it has come and what it lost; a sign of life like a hello.
    /// [TP-DRV-2410]
    pub fn on_consumer_report(&mut self, now: NanoTime, report: &ConsumerReport) {
        self.advance(now);
        let entry = self.note(report.key, false);
        let Some(consumer) = self.consumers.get_mut(report.key) else {
            return;
        };
        let (epoch, seq) = (report.epoch, report.last_seq);
        consumer.progress = Some(Progress::next(consumer.progress, self.now, epoch, seq));
        // [TP-DRV-2660]
        let is_first = entry == Entry::New || consumer.told_drops_at.is_none();
        let gap = consumer.drops_gap.advance(report.drops_gap);
        let late = consumer.drops_late.advance(report.drops_late);
        if is_first {
            // What it lost before it was heard of is no news.
            consumer.told_drops_at = Some(self.now);
            return;
        }
        consumer.untold.0 += gap;
        consumer.untold.1 += late;
        self.tell_drops(report.key);
    }

    /// By which Aeron session a consumer's report came; told after the report. Two consumers that
    /// report under one id are noticed by it. [TP-DRV-2670]
    pub fn on_report_session(&mut self, now: NanoTime, key: ConsumerKey, session_id: i32) {
        self.advance(now);
        let takes_turns = |consumer: &mut Consumer| consumer.takes_turns(session_id);
        if !self.consumers.get_mut(key).is_some_and(takes_turns) {
            return;
        }
        self.stats.id_collisions += 1;
        if is_due(&mut self.told_collision_at, self.now) {
            let event = SupervisorEvent::IdShared { key };
            self.events.push(self.now, event);
        }
    }

    /// News of losses: at most once a second for each consumer, with nothing left out.
    fn tell_drops(&mut self, key: ConsumerKey) {
        let Some(consumer) = self.consumers.get_mut(key) else {
            return;
        };
        // [TP-DRV-2620]
        let is_due = consumer
            .told_drops_at
            .is_none_or(|at| self.now.since_ns(at) >= DROPS_NEWS_NS);
        if consumer.untold == (0, 0) || !is_due {
            return;
        }
        let (gap, late) = core::mem::take(&mut consumer.untold);
        consumer.told_drops_at = Some(self.now);
        let event = SupervisorEvent::Drops { key, gap, late };
        self.events.push(self.now, event);
    }

    /// A producer says where it stands. It is taken for the stream's producer unless the stream is
    /// announced: who announces knows better.
    pub fn on_producer_report(&mut self, now: NanoTime, report: &ProducerReport) {
        self.advance(now);
        let (now, stale_ns) = (self.now, self.stale_ns);
        let Some(stream) = self.streams.note(report.stream_id) else {
            return;
        };
        let (epoch, seq) = (report.epoch, report.next_seq);
        stream.progress = Some(Progress::next(stream.progress, now, epoch, seq));
        let is_known = stream
            .producer
            .is_some_and(|(id, _)| id == report.producer_id);
        if is_known {
            stream.producer = Some((report.producer_id, now));
        } else if !stream.is_announced(now, stale_ns) {
            self.set_producer(report.stream_id, Some(report.producer_id), epoch);
        }
    }

    /// A stream is announced: it has this producer, or none. [TP-DRV-2440] [TP-DRV-2450]
    pub fn on_announce(&mut self, now: NanoTime, announced: &Announced) {
        self.advance(now);
        let (now, stale_ns) = (self.now, self.stale_ns);
        let Announced {
            stream_id,
            producer_id,
            epoch,
            monotonic,
        } = *announced;
        let is_old = monotonic.is_some_and(|at| now.since_ns(at) >= stale_ns);
        let is_superseded = self.streams.get(stream_id).is_some_and(|stream| {
            let known = stream.announced.map(|(epoch, _)| epoch);
            stream.is_announced(now, stale_ns) && known.is_some_and(|known| epoch < known)
        });
        if is_old || is_superseded {
            self.stats.announces_stale += 1;
            return;
        }
        let Some(stream) = self.streams.note(stream_id) else {
            return;
        };
        stream.announced = Some((epoch, now));
        let has_ended = |id: &ClientId| {
            let ended = stream.ended.filter(|(ended, _)| ended == id);
            ended.is_some_and(|(_, last)| epoch <= last)
        };
        let producer_id = producer_id.filter(|id| !has_ended(id));
        self.set_producer(stream_id, producer_id, epoch);
    }

    /// A stream has a name.
    pub fn on_source_name(&mut self, now: NanoTime, stream_id: StreamId, name: &[u8]) {
        self.advance(now);
        let Some(stream) = self.streams.get_mut(stream_id) else {
            return;
        };
        let text = str::from_utf8(name).unwrap_or_default();
        let text = &text[..text.floor_char_boundary(MAX_NAME_LEN)];
        let is_plain = !text.is_empty() && !text.chars().any(char::is_control);
        if stream.name.as_deref() != Some(text) {
            stream.name = is_plain.then(|| text.into());
        }
    }

    fn set_producer(&mut self, stream_id: StreamId, producer_id: Option<ClientId>, epoch: Epoch) {
        let now = self.now;
        let Some(stream) = self.streams.get_mut(stream_id) else {
            return;
        };
        let last = stream.producer.map(|(id, _)| id);
        stream.producer = producer_id.map(|id| (id, now));
        // [TP-DRV-2610]
        if last == producer_id {
            return;
        }
        if let Some(producer_id) = last {
            let reason = LostReason::Replaced;
            self.lose_producer(stream_id, producer_id, reason);
        }
        if let Some(producer_id) = producer_id {
            let event = SupervisorEvent::ProducerJoined {
                stream_id,
                producer_id,
                epoch,
            };
            self.events.push(now, event);
        }
    }

    fn lose_producer(&mut self, stream_id: StreamId, producer_id: ClientId, reason: LostReason) {
        let event = SupervisorEvent::ProducerLost {
            stream_id,
            producer_id,
            reason,
        };
        self.events.push(self.now, event);
    }

    /// The driver ended a lease: its holder is gone, and its streams are free. [TP-DRV-2420]
    pub fn on_lease_end(&mut self, now: NanoTime, end: &LeaseEnd) {
        self.advance(now);
        let reason = LostReason::LeaseEnded(end.reason);
        match end.role {
            Role::Consumer => {
                let key = ConsumerKey::new(end.stream_id, end.client_id);
                if self.lose_consumer(key, reason) {
                    self.stats.consumers_ended += 1;
                }
                self.consumers.remember_gone(self.now, key);
            }
            Role::Producer => {
                let Some(stream) = self.streams.get_mut(end.stream_id) else {
                    return;
                };
                let epoch = stream.announced.map_or(Epoch::new(0), |(epoch, _)| epoch);
                stream.ended = Some((end.client_id, epoch));
                // [TP-DRV-2460]
                if stream.producer.is_some_and(|(id, _)| id == end.client_id) {
                    stream.producer = None;
                    self.lose_producer(end.stream_id, end.client_id, reason);
                }
            }
        }
        self.check_invariants();
    }

    fn lose_consumer(&mut self, key: ConsumerKey, reason: LostReason) -> bool {
        // [TP-DRV-2610]
        if self.consumers.remove(key).is_none() {
            return false;
        }
        self.descriptor.ids.release(self.now, key);
        self.control.ids.release(self.now, key);
        self.answers.withdraw(key);
        let event = SupervisorEvent::ConsumerLost { key, reason };
        self.events.push(self.now, event);
        true
    }

    /// Lets go of those who went silent. Idempotent. [TP-DRV-2410]
    pub fn on_timeout(&mut self, now: NanoTime) {
        self.advance(now);
        self.events.on_time(self.now);
        if self.now < self.next_sweep {
            return;
        }
        self.next_sweep = self.now.after_ns((self.stale_ns / SWEEPS).max(1));
        self.stats.liveness_checks += 1;
        // [TP-DRV-2480]
        if self.link_lost {
            return;
        }
        let (now, stale_ns) = (self.now, self.stale_ns);
        let silent = self.consumers.iter();
        let silent = silent.filter(|(_, consumer)| now.since_ns(consumer.heard) >= stale_ns);
        let silent: Vec<_> = silent.map(|(key, _)| key).collect();
        for key in silent {
            self.lose_consumer(key, LostReason::Silent);
            self.stats.consumers_silent += 1;
        }
        let untold = self.consumers.iter();
        let untold = untold.filter(|(_, consumer)| consumer.untold != (0, 0));
        let untold: Vec<_> = untold.map(|(key, _)| key).collect();
        for key in untold {
            self.tell_drops(key);
        }
        self.sweep_streams();
        self.check_invariants();
    }

    fn sweep_streams(&mut self) {
        let (now, stale_ns) = (self.now, self.stale_ns);
        let mut lost = Vec::new();
        for (stream_id, stream) in self.streams.iter_mut() {
            let is_silent = |heard: NanoTime| now.since_ns(heard) >= stale_ns;
            // [TP-DRV-2460]
            if let Some((producer_id, heard)) = stream.producer
                && is_silent(heard)
            {
                stream.producer = None;
                lost.push((stream_id, producer_id));
            }
        }
        for (stream_id, producer_id) in lost {
            self.lose_producer(stream_id, producer_id, LostReason::Silent);
        }
        let consumers = &self.consumers;
        self.streams.retain(|stream_id, stream| {
            stream.producer.is_some()
                || stream.is_announced(now, stale_ns)
                || consumers.iter().any(|(key, _)| key.stream_id == stream_id)
        });
    }

    /// When [`on_timeout`](Self::on_timeout) has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> NanoTime {
        self.next_sweep
    }

    /// The supervisor itself stood still for this long: what was said meanwhile is still unread.
    /// [TP-DRV-2490]
    pub fn on_stall(&mut self, now: NanoTime, gap_ns: u64) {
        self.advance(now);
        self.excuse(|heard, now| heard.after_ns(gap_ns).min(now));
    }

    /// Nobody can be heard from now on. [TP-DRV-2480]
    pub fn on_link_lost(&mut self, now: NanoTime) {
        self.advance(now);
        self.link_lost = true;
    }

    /// The link is there, or back: everybody has a full period of silence from here.
    /// [TP-DRV-2720]
    pub fn on_link_up(&mut self, now: NanoTime) {
        self.advance(now);
        self.link_lost = false;
        self.excuse(|_, now| now);
    }

    fn excuse(&mut self, heard: impl Fn(NanoTime, NanoTime) -> NanoTime) {
        let now = self.now;
        for consumer in self.consumers.iter_mut() {
            consumer.heard = heard(consumer.heard, now);
        }
        for (_, stream) in self.streams.iter_mut() {
            if let Some((_, at)) = &mut stream.announced {
                *at = heard(*at, now);
            }
            if let Some((_, at)) = &mut stream.producer {
                *at = heard(*at, now);
            }
        }
    }

    /// Panics when the supervisor contradicts itself; does nothing in builds without debug
    /// assertions.
    pub fn check_invariants(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        assert!(self.consumers.len() <= self.consumers.capacity());
        let mut taken = std::collections::BTreeSet::new();
        for (key, consumer) in self.consumers.iter() {
            let told = consumer.told.as_ref();
            for (own, ids) in [
                (
                    told.and_then(|told| told.descriptor.as_ref()),
                    &self.descriptor.ids,
                ),
                (
                    told.and_then(|told| told.control.as_ref()),
                    &self.control.ids,
                ),
            ] {
                let own = own.map(|own| own.stream_id);
                assert_eq!(own, ids.held_by(key), "{key} is told what it holds");
                assert!(
                    own.is_none_or(|id| taken.insert(id)),
                    "{own:?} is held twice"
                );
            }
        }
        let held = self.descriptor.ids.held_count() + self.control.ids.held_count();
        assert_eq!(held, taken.len(), "nobody who is gone holds a stream");
    }
}

//! Who asks for progress, and how often it is told at most.

use tensorpool_codecs::types::{ClientId, NanoTime, StreamId};

use super::{ProgressFloors, ProgressLimits};
use crate::client::consumers::{CONSUMER_STALE_NS, MAX_CONSUMERS};
use crate::client::messages::ProgressHints;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asking {
    id: ClientId,
    heard: NanoTime,
    hints: ProgressHints,
}

/// The consumers of one stream that take progress, and what is agreed with all of them: the
/// smallest of each hint, but nothing below the producer's floors.
///
/// Fed from ConsumerHello and QosConsumer. Called by one thread; bounded; allocates once.
#[derive(Clone, Debug)]
pub struct ProgressPolicy {
    floors: ProgressFloors,
    stream_id: StreamId,
    asking: Vec<Asking>,
    overflow: u64,
}

impl ProgressPolicy {
    /// Nobody asks yet.
    #[must_use]
    pub fn new(stream_id: StreamId, floors: ProgressFloors) -> Self {
        Self {
            floors,
            stream_id,
            asking: Vec::with_capacity(MAX_CONSUMERS),
            overflow: 0,
        }
    }

    /// The producer goes on with this stream; of another one nobody has asked yet.
    pub fn begin_stream(&mut self, stream_id: StreamId) {
        if stream_id != self.stream_id {
            self.asking.clear();
            self.stream_id = stream_id;
        }
    }

    /// A ConsumerHello: `hints` of a consumer that takes progress, `None` of one that does not.
    pub fn on_hello(
        &mut self,
        now: NanoTime,
        stream_id: StreamId,
        id: ClientId,
        hints: Option<ProgressHints>,
    ) {
        if stream_id != self.stream_id {
            return;
        }
        // [TP-CLI-2505]
        let Some(hints) = hints.map(effective) else {
            self.forget(id);
            return;
        };
        let asking = Asking {
            id,
            heard: now,
            hints,
        };
        if let Some(entry) = self.asking.iter_mut().find(|asking| asking.id == id) {
            *entry = asking;
        } else if self.asking.len() < MAX_CONSUMERS {
            self.asking.push(asking);
        } else {
            self.overflow += 1;
        }
    }

    /// A QosConsumer: who sends one is still there, and asks for what it asked for.
    pub fn on_report(&mut self, now: NanoTime, stream_id: StreamId, id: ClientId) {
        if stream_id == self.stream_id
            && let Some(entry) = self.asking.iter_mut().find(|asking| asking.id == id)
        {
            entry.heard = now;
        }
    }

    /// The driver ended a consumer's lease.
    /// [TP-CLI-2505]
    pub fn on_gone(&mut self, stream_id: StreamId, id: ClientId) {
        if stream_id == self.stream_id {
            self.forget(id);
        }
    }

    /// Forgets consumers that have gone silent. Idempotent.
    /// [TP-CLI-2505]
    pub fn on_timeout(&mut self, now: NanoTime) {
        self.asking
            .retain(|asking| now.since_ns(asking.heard) < CONSUMER_STALE_NS);
    }

    /// What is agreed; `None` while nobody asks, and nothing is to be told. [TP-CLI-2500]
    #[must_use]
    pub fn limits(&self) -> Option<ProgressLimits> {
        if self.asking.is_empty() {
            return None;
        }
        // [TP-CLI-2510], [TP-CLI-2515]
        let floors = &self.floors;
        let interval_us = self.smallest(|hints| hints.interval_us);
        let bytes = self.smallest(|hints| hints.bytes_delta);
        let interval_us = interval_us.unwrap_or(0).max(floors.interval_us);
        Some(ProgressLimits {
            interval_ns: u64::from(interval_us) * 1_000,
            bytes: bytes.unwrap_or(0).max(floors.bytes).into(),
            major_units: self
                .smallest(|hints| hints.major_delta_units)
                .map(|units| units.max(floors.major_units)),
        })
    }

    /// Hellos that found no room.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.overflow
    }

    fn smallest(&self, of: impl Fn(&ProgressHints) -> Option<u32>) -> Option<u32> {
        self.asking
            .iter()
            .filter_map(|asking| of(&asking.hints))
            .min()
    }

    fn forget(&mut self, id: ClientId) {
        self.asking.retain(|asking| asking.id != id);
    }
}

/// The hints that say something: 0 asks for nothing, and neither does what is absent on the wire.
/// [TP-CLI-2520]
fn effective(hints: ProgressHints) -> ProgressHints {
    let hint = |value: Option<u32>| value.filter(|&value| value != 0 && value != u32::MAX);
    ProgressHints {
        interval_us: hint(hints.interval_us),
        bytes_delta: hint(hints.bytes_delta),
        major_delta_units: hint(hints.major_delta_units),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: StreamId = StreamId::new(7);
    const S: u64 = 1_000_000_000;

    fn at(ns: u64) -> NanoTime {
        NanoTime::new(ns)
    }

    fn hints(interval_us: u32, bytes: u32, major_units: u32) -> Option<ProgressHints> {
        Some(ProgressHints {
            interval_us: Some(interval_us),
            bytes_delta: Some(bytes),
            major_delta_units: Some(major_units),
        })
    }

    fn policy() -> ProgressPolicy {
        ProgressPolicy::new(STREAM, ProgressFloors::default())
    }

    fn hello(policy: &mut ProgressPolicy, id: u32, hints: Option<ProgressHints>) {
        policy.on_hello(at(0), STREAM, ClientId::new(id), hints);
    }

    fn limits(interval_us: u64, bytes: u64, major_units: Option<u32>) -> Option<ProgressLimits> {
        Some(ProgressLimits {
            interval_ns: interval_us * 1_000,
            bytes,
            major_units,
        })
    }

    /// Proves [TP-CLI-2500].
    #[test]
    fn nothing_is_told_while_nobody_asks() {
        let mut policy = policy();
        assert_eq!(policy.limits(), None);
        hello(&mut policy, 1, None);
        assert_eq!(policy.limits(), None);
        policy.on_hello(at(0), StreamId::new(8), ClientId::new(2), hints(1, 1, 1));
        assert_eq!(
            policy.limits(),
            None,
            "somebody asks, but for another stream"
        );
        hello(&mut policy, 1, Some(ProgressHints::default()));
        assert!(policy.limits().is_some());
    }

    /// Proves [TP-CLI-2510].
    #[test]
    fn the_smallest_of_each_hint_holds_for_all() {
        let mut policy = policy();
        hello(&mut policy, 1, hints(900, 1 << 20, 40));
        assert_eq!(policy.limits(), limits(900, 1 << 20, Some(40)));
        hello(&mut policy, 2, hints(400, 2 << 20, 64));
        hello(&mut policy, 3, Some(ProgressHints::default()));
        assert_eq!(policy.limits(), limits(400, 1 << 20, Some(40)));
        hello(&mut policy, 1, hints(500, 3 << 20, 80));
        assert_eq!(policy.limits(), limits(400, 2 << 20, Some(64)));
    }

    /// Proves [TP-CLI-2515].
    #[test]
    fn hints_below_the_floors_are_raised_to_them() {
        let mut policy = policy();
        hello(&mut policy, 1, hints(1, 1, 1));
        assert_eq!(policy.limits(), limits(250, 65_536, Some(1)));
        let floors = ProgressFloors {
            interval_us: 1_000,
            bytes: 1 << 20,
            major_units: 16,
        };
        let mut coarse = ProgressPolicy::new(STREAM, floors);
        hello(&mut coarse, 1, hints(300, 70_000, 2));
        assert_eq!(coarse.limits(), limits(1_000, 1 << 20, Some(16)));
    }

    /// Proves [TP-CLI-2520].
    #[test]
    fn zero_and_absent_hints_ask_for_nothing_in_particular() {
        let mut policy = policy();
        hello(&mut policy, 1, hints(0, 0, 0));
        assert_eq!(policy.limits(), limits(250, 65_536, None));
        hello(&mut policy, 2, hints(u32::MAX, u32::MAX, u32::MAX));
        assert_eq!(policy.limits(), limits(250, 65_536, None));
        hello(&mut policy, 3, hints(800, 90_000, 8));
        assert_eq!(policy.limits(), limits(800, 90_000, Some(8)));
    }

    /// Proves [TP-CLI-2505].
    #[test]
    fn a_consumer_asks_until_it_says_otherwise_falls_silent_or_loses_its_lease() {
        let mut policy = policy();
        for id in 1..=3 {
            hello(&mut policy, id, hints(300 * id, 70_000, 0));
        }
        hello(&mut policy, 1, None);
        assert_eq!(policy.limits(), limits(600, 70_000, None));
        policy.on_gone(StreamId::new(8), ClientId::new(2));
        policy.on_gone(STREAM, ClientId::new(2));
        assert_eq!(policy.limits(), limits(900, 70_000, None));
        policy.on_report(at(3 * S), STREAM, ClientId::new(3));
        policy.on_timeout(at(5 * S));
        assert!(policy.limits().is_some(), "it reported two seconds ago");
        policy.on_timeout(at(8 * S));
        assert_eq!(policy.limits(), None);
        policy.on_report(at(8 * S), STREAM, ClientId::new(3));
        assert_eq!(policy.limits(), None, "a report asks for nothing");
    }

    #[test]
    fn another_stream_begins_without_consumers_and_the_same_one_keeps_them() {
        let mut policy = policy();
        hello(&mut policy, 1, hints(300, 70_000, 0));
        policy.begin_stream(STREAM);
        assert!(policy.limits().is_some());
        policy.begin_stream(StreamId::new(8));
        assert_eq!(policy.limits(), None);
    }

    #[test]
    fn consumers_beyond_the_limit_are_counted_and_not_followed() {
        let mut policy = policy();
        for id in 0..=MAX_CONSUMERS as u32 {
            hello(&mut policy, 1_000 - id, hints(1_000 - id, 70_000, 0));
        }
        assert_eq!(policy.overflow(), 1);
        let first_without = 1_000 - MAX_CONSUMERS as u64;
        assert_eq!(policy.limits(), limits(first_without + 1, 70_000, None));
    }
}

//! Aeron stream ids for single consumers: in turn from the ranges, the same one for a consumer that
//! comes back, a delay before anybody else gets it.

use core::ops::RangeInclusive;
use std::collections::BTreeMap;

use tensorpool_codecs::types::NanoTime;

use super::messages::ConsumerKey;

/// Released ids remembered beyond those that are held.
const REMEMBERED: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Held,
    Released { at: NanoTime },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: ConsumerKey,
    hold: Hold,
}

/// Who has which id. Never two consumers one id, never an id outside the ranges. Work per call is
/// bounded by the ids in use, whatever the size of the ranges.
#[derive(Debug)]
pub(super) struct IdPool {
    ranges: Vec<RangeInclusive<u32>>,
    total: u64,
    reuse_delay_ns: u64,
    max_entries: usize,
    entries: BTreeMap<u32, Entry>,
    by_key: BTreeMap<ConsumerKey, u32>,
    /// Where the search for the next id begins: ids are given out as late as possible again.
    cursor: u64,
}

impl IdPool {
    /// Ids of these ranges, which are checked, for at most `capacity` consumers at a time.
    pub(super) fn new(
        ranges: Vec<RangeInclusive<u32>>,
        reuse_delay_ns: u64,
        capacity: usize,
    ) -> Self {
        let len = |range: &RangeInclusive<u32>| u64::from(range.end() - range.start()) + 1;
        Self {
            total: ranges.iter().map(len).sum(),
            ranges,
            reuse_delay_ns,
            max_entries: capacity + REMEMBERED,
            entries: BTreeMap::new(),
            by_key: BTreeMap::new(),
            cursor: 0,
        }
    }

    /// Whether there are ids at all.
    pub(super) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Ids that are held.
    pub(super) fn held_count(&self) -> usize {
        let held = self
            .entries
            .values()
            .filter(|entry| entry.hold == Hold::Held);
        held.count()
    }

    /// An id for `key`: the one it has or had, else `wanted` if that is free, else any. `None` when
    /// all are taken or waiting. [TP-DRV-2310] [TP-DRV-2340] [TP-DRV-2350]
    pub(super) fn acquire(&mut self, now: NanoTime, key: ConsumerKey, wanted: u32) -> Option<u32> {
        // [TP-DRV-2320]
        let id = match self.by_key.get(&key) {
            Some(id) => *id,
            None => {
                self.make_room(now)?;
                self.choose(now, wanted)?
            }
        };
        let entry = Entry {
            key,
            hold: Hold::Held,
        };
        if let Some(last) = self.entries.insert(id, entry) {
            self.by_key.remove(&last.key);
        }
        self.by_key.insert(key, id);
        Some(id)
    }

    /// Gives the id of `key` back, if it has one.
    pub(super) fn release(&mut self, now: NanoTime, key: ConsumerKey) {
        let entry = self
            .by_key
            .get(&key)
            .and_then(|id| self.entries.get_mut(id));
        if let Some(entry) = entry.filter(|entry| entry.hold == Hold::Held) {
            entry.hold = Hold::Released { at: now };
        }
    }

    fn is_open(&self, now: NanoTime, id: u32) -> bool {
        match self.entries.get(&id).map(|entry| entry.hold) {
            None => true,
            Some(Hold::Held) => false,
            Some(Hold::Released { at }) => now.since_ns(at) >= self.reuse_delay_ns,
        }
    }

    fn choose(&mut self, now: NanoTime, wanted: u32) -> Option<u32> {
        // [TP-DRV-2240] [TP-DRV-2355]
        if self.ranges.iter().any(|range| range.contains(&wanted)) && self.is_open(now, wanted) {
            return Some(wanted);
        }
        // Of so many different ids one is in nobody's hands.
        let tries = self.total.min(self.entries.len() as u64 + 1);
        for step in 0..tries {
            let offset = (self.cursor + step) % self.total;
            let id = self.nth(offset)?;
            if self.is_open(now, id) {
                self.cursor = (offset + 1) % self.total;
                return Some(id);
            }
        }
        None
    }

    // [TP-DRV-2240]
    fn nth(&self, mut offset: u64) -> Option<u32> {
        for range in &self.ranges {
            let len = u64::from(range.end() - range.start()) + 1;
            if offset < len {
                return u32::try_from(u64::from(*range.start()) + offset).ok();
            }
            offset -= len;
        }
        None
    }

    /// Forgets who had the id that was released first, when too many are remembered; `None` when
    /// all of them are still waiting.
    /// [TP-DRV-2370]
    fn make_room(&mut self, now: NanoTime) -> Option<()> {
        if self.entries.len() < self.max_entries {
            return Some(());
        }
        let released = self
            .entries
            .iter()
            .filter_map(|(id, entry)| match entry.hold {
                Hold::Released { at } if now.since_ns(at) >= self.reuse_delay_ns => Some((at, *id)),
                Hold::Released { .. } | Hold::Held => None,
            });
        let (_, id) = released.min()?;
        let entry = self.entries.remove(&id)?;
        self.by_key.remove(&entry.key);
        Some(())
    }

    /// The id `key` holds.
    pub(super) fn held_by(&self, key: ConsumerKey) -> Option<u32> {
        let id = *self.by_key.get(&key)?;
        (self.entries.get(&id)?.hold == Hold::Held).then_some(id)
    }

    /// Ids that are remembered, held or not.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use tensorpool_codecs::types::{ClientId, StreamId};

    use super::*;

    const T0: NanoTime = NanoTime::new(1_000);
    const DELAY: u64 = 100;

    fn key(consumer: u32) -> ConsumerKey {
        ConsumerKey::new(StreamId::new(1), ClientId::new(consumer))
    }

    fn pool(ranges: &[RangeInclusive<u32>]) -> IdPool {
        IdPool::new(ranges.to_vec(), DELAY, 8)
    }

    #[test]
    fn ids_come_in_turn_from_all_ranges_and_then_no_more() {
        let mut ids = pool(&[10..=11, 20..=20]);
        let got: Vec<_> = (1..=4).map(|n| ids.acquire(T0, key(n), 0)).collect();
        assert_eq!(got, [Some(10), Some(11), Some(20), None]);
        assert_eq!(ids.acquire(T0, key(2), 0), Some(11), "who has one keeps it");
        assert_eq!(ids.held_count(), 3);
    }

    #[test]
    fn an_id_goes_to_others_after_the_delay_and_to_its_last_holder_at_once() {
        let mut ids = pool(&[10..=10]);
        assert_eq!(ids.acquire(T0, key(1), 0), Some(10));
        ids.release(T0, key(1));
        assert_eq!(ids.acquire(T0.after_ns(DELAY - 1), key(2), 10), None);
        assert_eq!(ids.acquire(T0.after_ns(1), key(1), 0), Some(10));
        ids.release(T0.after_ns(1), key(1));
        assert_eq!(ids.acquire(T0.after_ns(1 + DELAY), key(2), 0), Some(10));
        assert_eq!(ids.acquire(T0.after_ns(1 + DELAY), key(1), 0), None);
    }

    #[test]
    fn a_wanted_id_is_given_if_it_is_free_and_in_range() {
        let mut ids = pool(&[10..=19]);
        assert_eq!(ids.acquire(T0, key(1), 15), Some(15));
        assert_eq!(ids.acquire(T0, key(2), 15), Some(10));
        assert_eq!(ids.acquire(T0, key(3), 99), Some(11));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_forgotten_too_early() {
        let mut ids = pool(&[1..=2_000_000_000]);
        let mut now = T0;
        for n in 0..5_000 {
            now = now.after_ns(DELAY);
            assert!(ids.acquire(now, key(n), 0).is_some());
            ids.release(now, key(n));
            assert!(ids.remembered() <= 8 + REMEMBERED);
        }
        for n in 5_000..8_000 {
            if ids.acquire(now, key(n), 0).is_some() {
                ids.release(now, key(n));
            }
        }
        assert!(ids.remembered() <= 8 + REMEMBERED);
        assert_eq!(ids.acquire(now, key(9_000), 0), None, "all of them wait");
        assert!(ids.acquire(now.after_ns(DELAY), key(9_000), 0).is_some());
    }
}

//! Deadlines: a bounded set of timers, ordered by when they are due.
//!
//! A heap with an index, so that cancelling and moving a timer need no search. Nothing is allocated
//! after construction.

use tensorpool_codecs::types::NanoTime;

/// Names a scheduled timer. Ids of timers that fired or were cancelled are never mistaken for later
/// ones in the same place (until a place was used 2^32 times).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    place: u32,
    generation: u32,
}

/// No room for another timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "all {capacity} timers are in use: raise the capacity or cancel timers that are not needed"
)]
pub struct TimersFull {
    /// How many timers there are.
    pub capacity: usize,
}

/// A timer that fell due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    /// Which one; no longer scheduled.
    pub id: TimerId,
    /// What the caller attached to it.
    pub token: u64,
    /// When it was due.
    pub deadline: NanoTime,
}

/// At most a fixed number of deadlines. Asking whether any is due costs one comparison; each one
/// that is due, and each schedule, cancel and reschedule, costs the logarithm of the number
/// scheduled.
///
/// Timers with the same deadline fall due in the order they were scheduled.
#[derive(Debug)]
pub struct DeadlineTimers {
    places: Vec<Place>,
    free: Vec<u32>,
    heap: Vec<u32>,
    next_order: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    deadline: NanoTime,
    order: u64,
    token: u64,
    generation: u32,
    heap_index: u32,
}

const NOT_SCHEDULED: u32 = u32::MAX;

impl DeadlineTimers {
    /// Room for `capacity` timers (fewer than 2^32 - 1).
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let limit = u32::try_from(capacity)
            .unwrap_or(NOT_SCHEDULED)
            .min(NOT_SCHEDULED - 1);
        let empty = Place {
            deadline: NanoTime::new(0),
            order: 0,
            token: 0,
            generation: 0,
            heap_index: NOT_SCHEDULED,
        };
        Self {
            places: vec![empty; limit as usize],
            free: (0..limit).rev().collect(),
            heap: Vec::with_capacity(limit as usize),
            next_order: 0,
        }
    }

    /// Schedules a timer that carries `token`.
    pub fn schedule(&mut self, deadline: NanoTime, token: u64) -> Result<TimerId, TimersFull> {
        // [TP-RT-0630]
        let place = self.free.pop().ok_or(TimersFull {
            capacity: self.places.len(),
        })?;
        let heap_index = self.heap.len();
        let order = self.take_order();
        let entry = &mut self.places[place as usize];
        entry.deadline = deadline;
        entry.order = order;
        entry.token = token;
        let generation = entry.generation;
        self.heap.push(place);
        self.put(heap_index, place);
        self.sift_up(heap_index);
        Ok(TimerId { place, generation })
    }

    /// Moves a timer to another deadline; false when it is not scheduled any more.
    /// [TP-RT-0640]
    pub fn reschedule(&mut self, id: TimerId, deadline: NanoTime) -> bool {
        let Some(heap_index) = self.scheduled_index(id) else {
            return false;
        };
        let order = self.take_order();
        let entry = &mut self.places[id.place as usize];
        entry.deadline = deadline;
        entry.order = order;
        let heap_index = self.sift_up(heap_index);
        self.sift_down(heap_index);
        true
    }

    /// Takes a timer off; false when it is not scheduled any more.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let Some(heap_index) = self.scheduled_index(id) else {
            return false;
        };
        self.remove(heap_index);
        true
    }

    /// Takes off and returns the earliest timer that is due at `now`, if any. Call until it returns
    /// nothing, or as often as the cycle's limit allows.
    pub fn pop_due(&mut self, now: NanoTime) -> Option<Expired> {
        let place = *self.heap.first()?;
        let Place {
            deadline,
            token,
            generation,
            ..
        } = self.places[place as usize];
        if deadline > now {
            return None;
        }
        self.remove(0);
        Some(Expired {
            id: TimerId { place, generation },
            token,
            deadline,
        })
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<NanoTime> {
        self.heap
            .first()
            .map(|&place| self.places[place as usize].deadline)
    }

    /// How many timers are scheduled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none is scheduled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn take_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    // [TP-RT-0620]
    fn scheduled_index(&self, id: TimerId) -> Option<usize> {
        let entry = self.places.get(id.place as usize)?;
        let is_scheduled = entry.generation == id.generation && entry.heap_index != NOT_SCHEDULED;
        is_scheduled.then_some(entry.heap_index as usize)
    }

    fn remove(&mut self, heap_index: usize) {
        let place = self.heap.swap_remove(heap_index);
        let entry = &mut self.places[place as usize];
        entry.heap_index = NOT_SCHEDULED;
        // [TP-RT-0620]
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(place);
        if heap_index < self.heap.len() {
            self.put(heap_index, self.heap[heap_index]);
            let heap_index = self.sift_up(heap_index);
            self.sift_down(heap_index);
        }
    }

    fn put(&mut self, heap_index: usize, place: u32) {
        self.heap[heap_index] = place;
        self.places[place as usize].heap_index = heap_index as u32;
    }

    // [TP-RT-0610]
    fn rank(&self, heap_index: usize) -> (NanoTime, u64) {
        let entry = &self.places[self.heap[heap_index] as usize];
        (entry.deadline, entry.order)
    }

    fn swap(&mut self, left: usize, right: usize) {
        let (left_place, right_place) = (self.heap[left], self.heap[right]);
        self.put(left, right_place);
        self.put(right, left_place);
    }

    // [TP-RT-0610]
    fn sift_up(&mut self, mut index: usize) -> usize {
        while index > 0 && self.rank(index) < self.rank((index - 1) / 2) {
            self.swap(index, (index - 1) / 2);
            index = (index - 1) / 2;
        }
        index
    }

    // [TP-RT-0610]
    fn sift_down(&mut self, mut index: usize) {
        loop {
            let mut earliest = index;
            let children = [2 * index + 1, 2 * index + 2];
            for child in children
                .into_iter()
                .filter(|child| *child < self.heap.len())
            {
                if self.rank(child) < self.rank(earliest) {
                    earliest = child;
                }
            }
            if earliest == index {
                return;
            }
            self.swap(index, earliest);
            index = earliest;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(ns: u64) -> NanoTime {
        NanoTime::new(ns)
    }

    fn due_tokens(timers: &mut DeadlineTimers, now: u64) -> Vec<u64> {
        std::iter::from_fn(|| timers.pop_due(at(now)))
            .map(|expired| expired.token)
            .collect()
    }

    /// Proves [TP-RT-0610].
    #[test]
    fn timers_fall_due_in_order_of_deadline_then_of_scheduling() {
        let mut timers = DeadlineTimers::new(8);
        for (deadline, token) in [(30, 3), (10, 1), (20, 2), (10, 11)] {
            timers.schedule(at(deadline), token).expect("room");
        }
        assert_eq!(timers.next_deadline(), Some(at(10)));
        assert_eq!(due_tokens(&mut timers, 9), [0; 0]);
        assert_eq!(due_tokens(&mut timers, 20), [1, 11, 2]);
        assert_eq!(timers.len(), 1);
        assert_eq!(due_tokens(&mut timers, u64::MAX), [3]);
        assert!(timers.is_empty());
        assert_eq!(timers.next_deadline(), None);
    }

    /// Proves [TP-RT-0620].
    #[test]
    fn cancelled_and_fired_ids_do_nothing_and_never_hit_a_later_timer() {
        let mut timers = DeadlineTimers::new(1);
        let first = timers.schedule(at(1), 1).expect("room");
        assert!(timers.cancel(first));
        assert!(!timers.cancel(first));
        let second = timers.schedule(at(2), 2).expect("room again");
        assert!(!timers.cancel(first), "an old id in the same place");
        assert!(!timers.reschedule(first, at(9)));
        assert_eq!(
            timers.pop_due(at(2)).map(|expired| expired.id),
            Some(second)
        );
        assert!(!timers.reschedule(second, at(9)));
        assert!(!timers.cancel(second));
    }

    /// Proves [TP-RT-0640].
    #[test]
    fn rescheduling_moves_either_way() {
        let mut timers = DeadlineTimers::new(4);
        let a = timers.schedule(at(10), 1).expect("room");
        let b = timers.schedule(at(20), 2).expect("room");
        assert!(timers.reschedule(a, at(40)));
        assert!(timers.reschedule(b, at(5)));
        assert_eq!(timers.next_deadline(), Some(at(5)));
        assert_eq!(due_tokens(&mut timers, 39), [2]);
        assert_eq!(due_tokens(&mut timers, 40), [1]);
    }

    /// Proves [TP-RT-0630].
    #[test]
    fn a_full_set_says_so() {
        let mut timers = DeadlineTimers::new(2);
        timers.schedule(at(1), 0).expect("room");
        timers.schedule(at(1), 0).expect("room");
        let error = timers.schedule(at(1), 0).unwrap_err();
        assert!(error.to_string().starts_with("all 2 timers are in use"));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Schedule(u64),
        Cancel(usize),
        Reschedule(usize, u64),
        Pop(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_u64..100).prop_map(Step::Schedule),
            1 => (0_usize..64).prop_map(Step::Cancel),
            1 => (0_usize..64, 0_u64..100).prop_map(|(i, at)| Step::Reschedule(i, at)),
            2 => (0_u64..100).prop_map(Step::Pop),
        ]
    }

    proptest! {
        /// Proves [TP-RT-0610], [TP-RT-0620], [TP-RT-0640].
        #[test]
        fn behaves_as_a_sorted_list(steps in prop::collection::vec(step(), 0..200)) {
            let mut timers = DeadlineTimers::new(16);
            let mut ids = Vec::new();
            let mut model: Vec<(u64, u64, TimerId)> = Vec::new();
            let mut order = 0;
            for step in steps {
                order += 1;
                match step {
                    Step::Schedule(deadline) => match timers.schedule(at(deadline), 0) {
                        Ok(id) => {
                            ids.push(id);
                            model.push((deadline, order, id));
                        }
                        Err(_) => prop_assert_eq!(model.len(), 16),
                    },
                    Step::Cancel(i) if i < ids.len() => {
                        let known = model.iter().position(|entry| entry.2 == ids[i]);
                        prop_assert_eq!(timers.cancel(ids[i]), known.is_some());
                        known.map(|known| model.remove(known));
                    }
                    Step::Reschedule(i, deadline) if i < ids.len() => {
                        let known = model.iter_mut().find(|entry| entry.2 == ids[i]);
                        prop_assert_eq!(timers.reschedule(ids[i], at(deadline)), known.is_some());
                        if let Some(known) = known {
                            (known.0, known.1) = (deadline, order);
                        }
                    }
                    Step::Cancel(_) | Step::Reschedule(..) => {}
                    Step::Pop(now) => {
                        model.sort_by_key(|entry| (entry.0, entry.1));
                        let due = model.first().filter(|entry| entry.0 <= now).map(|entry| entry.2);
                        prop_assert_eq!(timers.pop_due(at(now)).map(|expired| expired.id), due);
                        if due.is_some() {
                            model.remove(0);
                        }
                    }
                }
                prop_assert_eq!(timers.len(), model.len());
                let earliest = model.iter().map(|entry| entry.0).min().map(at);
                prop_assert_eq!(timers.next_deadline(), earliest);
            }
        }
    }
}

//! The cursor against a model of a ring: a writer takes random steps between any two looks of the
//! reader, also between those of one step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::frame::{FrameLedger, Presence};

/// What a writer does.
#[derive(Clone, Copy, Debug)]
enum Op {
    Rest,
    Claim,
    /// Finishes one of the open claims.
    Commit(usize),
    /// Drops one of the open claims, after its progress was announced if `spent`.
    Abort {
        nth: usize,
        spent: bool,
    },
    /// Publishes so many frames in one go: up to several laps.
    Publish(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Open,
    Held,
    Aborted,
    Spent,
}

/// A ring and its writer: claims in order, complete in order, gives numbers back.
#[derive(Debug)]
struct Ring {
    words: Vec<u64>,
    /// Claims that are not settled.
    marks: BTreeMap<u64, Mark>,
    next: u64,
    /// Behind the latest claim there ever was: numbers are given back.
    claimed: u64,
    complete: BTreeSet<u64>,
}

impl Ring {
    /// As if `start` frames had been written before.
    fn new(slots: u64, start: u64) -> Self {
        let mut words = vec![0; slots as usize];
        for seq in start.saturating_sub(slots)..start {
            words[(seq % slots) as usize] = seq << 1 | 1;
        }
        Self {
            words,
            marks: BTreeMap::new(),
            next: start,
            claimed: start,
            complete: BTreeSet::new(),
        }
    }

    fn slots(&self) -> u64 {
        self.words.len() as u64
    }

    fn word(&mut self, seq: u64) -> &mut u64 {
        let index = seq % self.slots();
        &mut self.words[index as usize]
    }

    fn claim(&mut self) -> bool {
        self.give_back();
        let limit = (self.slots() / 2).max(1);
        if self.marks.len() as u64 >= limit || self.next >= END_OF_NUMBERS {
            return false;
        }
        let seq = self.next;
        self.next += 1;
        self.claimed = self.claimed.max(self.next);
        *self.word(seq) = seq << 1;
        self.marks.insert(seq, Mark::Open);
        true
    }

    fn settle(&mut self, nth: usize, mark: Mark) {
        let open: Vec<u64> = self
            .marks
            .iter()
            .filter(|(_, mark)| **mark == Mark::Open)
            .map(|(seq, _)| *seq)
            .collect();
        if let Some(seq) = open.get(nth % open.len().max(1)) {
            self.marks.insert(*seq, mark);
        }
        self.release();
    }

    fn give_back(&mut self) {
        while let Some((&newest, Mark::Aborted)) = self.marks.last_key_value() {
            self.marks.remove(&newest);
            self.next = newest;
        }
    }

    fn release(&mut self) {
        self.give_back();
        while let Some((&oldest, &mark)) = self.marks.first_key_value() {
            match mark {
                Mark::Open => return,
                Mark::Held => {
                    *self.word(oldest) = oldest << 1 | 1;
                    assert!(self.complete.insert(oldest), "{oldest} is complete twice");
                }
                Mark::Aborted | Mark::Spent => {}
            }
            self.marks.remove(&oldest);
        }
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Rest => {}
            Op::Claim => {
                self.claim();
            }
            Op::Commit(nth) => self.settle(nth, Mark::Held),
            Op::Abort { nth, spent } => {
                self.settle(nth, if spent { Mark::Spent } else { Mark::Aborted });
            }
            Op::Publish(count) => {
                for _ in 0..count {
                    if !self.claim() {
                        return;
                    }
                    let newest = self.next - 1;
                    self.marks.insert(newest, Mark::Held);
                    self.release();
                }
            }
        }
    }

    /// Settles every claim, in the order of their numbers.
    fn finish(&mut self) {
        while self.marks.values().any(|mark| *mark == Mark::Open) {
            self.settle(0, Mark::Held);
        }
        self.release();
    }
}

/// A ring whose writer goes on whenever the reader looks.
struct World {
    ring: Ring,
    ops: std::vec::IntoIter<Op>,
}

impl World {
    fn look(&mut self, seq: Seq) -> u64 {
        if let Some(op) = self.ops.next() {
            self.ring.act(op);
        }
        *self.ring.word(seq.get())
    }

    fn is_over(&self) -> bool {
        self.ops.as_slice().is_empty()
    }
}

/// What the reader made of one epoch.
#[derive(Default)]
struct Account {
    /// Every number it was told of, in order.
    told: Vec<u64>,
    delivered: Vec<u64>,
    aborted: Vec<u64>,
}

/// One step of a reader, with its account.
fn read_once(
    cursor: &mut RingCursor,
    world: &mut World,
    ledger: &mut FrameLedger,
    account: &mut Account,
) -> RingStep {
    let claimed = world.ring.claimed;
    let (expected, margin) = (cursor.next(), cursor.margin());
    let step = cursor.step(|seq| world.look(seq));
    match step {
        RingStep::Wait => {
            assert_eq!(cursor.next(), expected);
            // Whatever a producer is said to have done: this one leaves no holes.
            let passed = cursor.pass_hole(|seq| world.look(seq));
            assert_eq!((passed, cursor.next()), (RingStep::Wait, expected));
        }
        RingStep::Restarted => panic!("this ring never restarts: {cursor:?} {:?}", world.ring),
        RingStep::Frame(seq) => {
            assert_eq!(seq, expected);
            assert!(world.ring.complete.contains(&seq.get()));
            account.told.push(seq.get());
            assert!(ledger.on_descriptor(seq));
            // The frame is read here, and validated by another look.
            let again = world.look(seq);
            if again == seq.get() << 1 | 1 {
                account.delivered.push(seq.get());
                ledger.on_delivered();
            } else {
                ledger.on_dropped(DropCause::Changed);
                let (claimed, expected) = (world.ring.claimed, cursor.next());
                let margin = cursor.margin().max((world.ring.slots() / 8).max(1));
                let margin = margin.min(world.ring.slots() / 2);
                match cursor.on_torn(|seq| world.look(seq)) {
                    RingStep::Wait => assert_eq!(cursor.next(), expected),
                    RingStep::Lost { first, count, why } => {
                        assert_eq!((first, why), (expected, RingLoss::Overtaken));
                        account.told.extend(first.get()..first.get() + count);
                        ledger.on_passed(count, why.cause());
                        expect_resumed(cursor, world, claimed, margin);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        RingStep::Lost { first, count, why } => {
            assert_eq!(first, expected);
            assert!(count > 0 && cursor.next().get() == first.get() + count);
            let numbers = first.get()..first.get() + count;
            account.told.extend(numbers.clone());
            ledger.on_passed(count, why.cause());
            match why {
                RingLoss::Aborted => account.aborted.extend(numbers),
                RingLoss::Overtaken => {
                    let (slots, now) = (world.ring.slots(), world.ring.claimed);
                    assert!(first.get() + slots < now, "not overtaken at all");
                    expect_resumed(cursor, world, claimed, margin);
                }
            }
        }
    }
    step
}

/// It went on this far from where it is overwritten next; `claimed` is what was claimed before.
fn expect_resumed(cursor: &RingCursor, world: &World, claimed: u64, margin: u64) {
    let (next, now) = (cursor.next().get(), world.ring.claimed);
    let kept = world.ring.slots() - margin;
    assert!(next + kept <= now, "skipped too much: {cursor:?}");
    assert!(next + kept >= claimed, "too close: {cursor:?}");
}

fn ops(max: usize) -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => Just(Op::Rest),
        6 => Just(Op::Claim),
        6 => (0usize..8).prop_map(Op::Commit),
        2 => (0usize..8, any::<bool>()).prop_map(|(nth, spent)| Op::Abort { nth, spent }),
        3 => (1u64..4).prop_map(Op::Publish),
        1 => (1u64..70).prop_map(Op::Publish),
    ];
    prop::collection::vec(op, 0..max)
}

/// An epoch: how many frames were written before, what its writer does before the reader is there,
/// and while it reads.
fn epoch() -> impl Strategy<Value = (Vec<Op>, Vec<Op>)> {
    (ops(40), ops(300))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// Proves [TP-CLI-2930], [TP-CLI-2945], [TP-CLI-3030].
    #[test]
    fn every_frame_owed_is_delivered_or_counted_once_and_in_order(
        slots in prop::sample::select(vec![1u64, 2, 4, 8, 16]),
        start in prop::sample::select(vec![0u64, 3, 100, END_OF_NUMBERS - 60]),
        epochs in prop::collection::vec(epoch(), 1..4),
        reads_per_pause in 1usize..6,
    ) {
        let mut ledger = FrameLedger::default();
        let (mut owed, mut delivered) = (0, 0);
        for (index, (before, during)) in epochs.into_iter().enumerate() {
            // The first is joined; those that follow are owed from their frame 0.
            let mut ring = Ring::new(slots, if index == 0 { start } else { 0 });
            let mut world = World { ops: Vec::new().into_iter(), ring: Ring::new(1, 0) };
            let mut complete_before = BTreeSet::new();
            let mut cursor = if index == 0 {
                before.into_iter().for_each(|op| ring.act(op));
                let latest = ring.complete.last().copied().or(start.checked_sub(1));
                (world.ring, world.ops) = (ring, during.into_iter());
                let cursor = RingCursor::join(slots as u32, |seq| world.look(seq));
                let joined = cursor.next().get();
                prop_assert!(latest.is_none_or(|latest| joined > latest), "a replay");
                complete_before.clone_from(&world.ring.complete);
                ledger.begin_epoch(Presence::Joined, 256, slots as u32);
                ledger.on_producer_position(cursor.next());
                cursor
            } else {
                (world.ring, world.ops) = (ring, before.into_iter().chain(during).collect::<Vec<_>>().into_iter());
                ledger.begin_epoch(Presence::FromStart, 256, slots as u32);
                RingCursor::at(slots as u32, Seq::new(0))
            };
            let first = cursor.next().get();
            let mut account = Account::default();
            while !world.is_over() {
                for _ in 0..reads_per_pause {
                    read_once(&mut cursor, &mut world, &mut ledger, &mut account);
                }
                world.look(Seq::new(0));
            }
            world.ring.finish();
            while read_once(&mut cursor, &mut world, &mut ledger, &mut account) != RingStep::Wait {}
            let since = world.ring.complete.difference(&complete_before);
            prop_assert!(since.into_iter().all(|seq| *seq >= first), "owed, and not told of");
            // Each number once, in order, and no frame that became complete is missing. What was
            // aborted behind the last of them may have been passed, or not.
            let next = cursor.next().get();
            let last = world.ring.complete.last().map_or(first, |last| last + 1);
            prop_assert!(last <= next && next <= world.ring.claimed.max(first), "{:?}", &world.ring);
            prop_assert!(account.told.iter().copied().eq(first..next));
            prop_assert!(account.delivered.is_sorted_by(|a, b| a < b));
            for seq in &account.aborted {
                prop_assert!(!world.ring.complete.contains(seq), "{} was complete", seq);
            }
            for seq in &account.delivered {
                prop_assert!(world.ring.complete.contains(seq), "{} was not complete", seq);
            }
            prop_assert_eq!(ledger.on_end(cursor.next()), 0);
            owed += next - first;
            delivered += account.delivered.len() as u64;
            prop_assert_eq!(ledger.seen(), owed);
            prop_assert_eq!(ledger.delivered(), delivered);
            prop_assert_eq!(ledger.delivered() + ledger.drops().lost(), owed);
        }
    }

    /// Proves [TP-CLI-2980].
    #[test]
    fn a_ring_full_of_nonsense_neither_stops_nor_confuses_the_cursor(
        slots in prop::sample::select(vec![1u32, 2, 8]),
        next in prop::sample::select(vec![0u64, 9, END_OF_NUMBERS - 1, END_OF_NUMBERS]),
        words in prop::collection::vec(prop_oneof![any::<u64>(), 0u64..40, Just(u64::MAX)], 200),
    ) {
        let mut ledger = FrameLedger::default();
        ledger.begin_epoch(Presence::Joined, 256, slots);
        let mut cursor = RingCursor::at(slots, Seq::new(next));
        ledger.on_producer_position(cursor.next());
        let mut words = words.into_iter();
        let mut looks = 0u32;
        while words.len() > 0 {
            let before = cursor.next();
            let looked = looks;
            match cursor.step(|_| { looks += 1; words.next().unwrap_or_default() }) {
                RingStep::Wait | RingStep::Restarted => prop_assert_eq!(cursor.next(), before),
                RingStep::Frame(seq) => {
                    prop_assert_eq!((seq, cursor.next()), (before, before.next()));
                    prop_assert!(ledger.on_descriptor(seq));
                    ledger.on_dropped(DropCause::Changed);
                    let before = cursor.next();
                    let torn = cursor.on_torn(|_| { looks += 1; words.next().unwrap_or_default() });
                    if let RingStep::Lost { count, why, .. } = torn {
                        prop_assert_eq!(cursor.next().get() - before.get(), count);
                        ledger.on_passed(count, why.cause());
                    }
                }
                RingStep::Lost { count, why, .. } => {
                    prop_assert_eq!(cursor.next().get() - before.get(), count);
                    ledger.on_passed(count, why.cause());
                }
            }
            prop_assert!(looks - looked <= 2 * slots + 2, "bounded work");
            prop_assert!(cursor.next().get() <= END_OF_NUMBERS);
            prop_assert_eq!(ledger.seen(), ledger.delivered() + ledger.drops().lost());
        }
        let joined = RingCursor::join(slots, |seq| seq.get().wrapping_mul(0x9E37_79B9_7F4A_7C15));
        prop_assert!(joined.next().get() <= END_OF_NUMBERS);
    }
}

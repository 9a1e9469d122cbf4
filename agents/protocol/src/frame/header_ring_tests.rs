use super::*;

const SLOTS: u32 = 8;

/// A ring by hand.
#[derive(Clone, Debug, Default)]
struct Ring {
    words: [u64; SLOTS as usize],
    /// The slots that were looked at.
    looks: Vec<u64>,
}

impl Ring {
    fn set(&mut self, seq: u64, complete: bool) -> &mut Self {
        self.words[(seq % u64::from(SLOTS)) as usize] = seq << 1 | u64::from(complete);
        self
    }

    fn complete(&mut self, seqs: impl IntoIterator<Item = u64>) -> &mut Self {
        for seq in seqs {
            self.set(seq, true);
        }
        self
    }

    fn look(&mut self, seq: Seq) -> u64 {
        let index = seq.slot_index(SLOTS);
        self.looks.push(u64::from(index));
        self.words[index as usize]
    }

    fn step(&mut self, cursor: &mut RingCursor) -> RingStep {
        self.looks.clear();
        cursor.step(|seq| self.look(seq))
    }

    fn join(&mut self) -> RingCursor {
        self.looks.clear();
        RingCursor::join(SLOTS, |seq| self.look(seq))
    }
}

fn at(next: u64) -> RingCursor {
    RingCursor::at(SLOTS, Seq::new(next))
}

fn frame(seq: u64) -> RingStep {
    RingStep::Frame(Seq::new(seq))
}

fn lost(first: u64, count: u64, why: RingLoss) -> RingStep {
    let first = Seq::new(first);
    RingStep::Lost { first, count, why }
}

/// Proves [TP-CLI-2930].
#[test]
fn complete_frames_are_read_in_order_and_then_the_next_is_waited_for() {
    let (mut ring, mut cursor) = (Ring::default(), at(0));
    assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    ring.complete([0, 1]);
    assert_eq!(ring.step(&mut cursor), frame(0));
    assert_eq!(ring.step(&mut cursor), frame(1));
    assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    assert_eq!(cursor.next(), Seq::new(2));
}

/// Proves [TP-CLI-2935].
#[test]
fn one_slot_is_looked_at_while_the_next_frame_is_not_claimed() {
    for next in [5, 8, 13] {
        let (mut ring, mut cursor) = (Ring::default(), at(next));
        ring.complete(0..next);
        assert_eq!(ring.step(&mut cursor), RingStep::Wait);
        assert_eq!(ring.looks, [next % 8], "expecting {next}");
    }
}

/// Proves [TP-CLI-2910].
#[test]
fn joining_begins_behind_the_latest_complete_frame() {
    assert_eq!(Ring::default().join().next(), Seq::new(0));
    let mut ring = Ring::default();
    assert_eq!(ring.complete(0..3).join().next(), Seq::new(3));
    assert_eq!(ring.complete(3..21).join().next(), Seq::new(21));
    assert_eq!(ring.looks.len(), SLOTS as usize, "each slot once");
    // Those being written are owed, and those that were aborted are not complete.
    ring.set(21, false).set(22, false);
    assert_eq!(ring.join().next(), Seq::new(21));
    ring.set(22, true);
    assert_eq!(ring.join().next(), Seq::new(23));
}

/// Proves [TP-CLI-2910].
#[test]
fn a_frame_that_is_being_overwritten_was_complete_before_the_join() {
    let mut ring = Ring::default();
    ring.set(0, false).set(1, false);
    assert_eq!(ring.join().next(), Seq::new(0), "nothing was complete yet");
    ring.complete(30..38).set(38, false).set(39, false);
    assert_eq!(ring.join().next(), Seq::new(38));
    // The latest frame is overwritten while the others were looked at before they were complete.
    ring.complete(29..37).set(45, false);
    assert_eq!(ring.join().next(), Seq::new(38));
}

/// Proves [TP-CLI-2940].
#[test]
fn a_frame_being_written_is_waited_for_until_a_later_one_is_complete() {
    let (mut ring, mut cursor) = (Ring::default(), at(2));
    ring.complete([0, 1])
        .set(2, false)
        .set(3, false)
        .set(4, false);
    for _ in 0..3 {
        assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    }
    ring.set(4, true);
    assert_eq!(ring.step(&mut cursor), lost(2, 1, RingLoss::Aborted));
    assert_eq!(ring.step(&mut cursor), lost(3, 1, RingLoss::Aborted));
    assert_eq!(ring.looks, [3], "what was seen once is known");
    assert_eq!(ring.step(&mut cursor), frame(4));
}

/// Proves [TP-CLI-2940].
#[test]
fn an_aborted_frame_zero_looks_like_a_slot_nobody_wrote_and_is_passed_as_well() {
    let (mut ring, mut cursor) = (Ring::default(), at(0));
    ring.set(1, true);
    assert_eq!(ring.step(&mut cursor), lost(0, 1, RingLoss::Aborted));
    assert_eq!(ring.step(&mut cursor), frame(1));
}

/// Proves [TP-CLI-2945].
#[test]
fn a_frame_that_is_completed_between_two_looks_is_not_taken_for_aborted() {
    let (mut ring, mut cursor) = (Ring::default(), at(2));
    ring.complete([0, 1]).set(2, false).set(3, false);
    let mut looks = 0;
    let step = cursor.step(|seq| {
        looks += 1;
        if looks == 2 {
            ring.complete([2, 3]);
        }
        ring.look(seq)
    });
    assert_eq!(step, frame(2));
    assert_eq!(ring.looks, [2, 3, 2], "its slot again, after the later one");
}

/// Proves [TP-CLI-2950], [TP-CLI-2960].
#[test]
fn holes_count_as_gaps_and_overtaken_frames_as_late() {
    assert_eq!(RingLoss::Aborted.cause(), DropCause::Gap);
    assert!(!RingLoss::Aborted.cause().is_late());
    assert_eq!(RingLoss::Overtaken.cause(), DropCause::FrameIdMismatch);
    assert!(RingLoss::Overtaken.cause().is_late());
}

/// Proves [TP-CLI-2955].
#[test]
fn a_number_that_was_given_back_is_one_frame() {
    let (mut ring, mut cursor) = (Ring::default(), at(2));
    ring.complete([0, 1]).set(2, false).set(3, false);
    assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    // Both claims were aborted, the newest first, and nobody claims for a while.
    assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    ring.set(2, false);
    assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    ring.set(2, true);
    assert_eq!(ring.step(&mut cursor), frame(2));
    assert_eq!(ring.step(&mut cursor), RingStep::Wait, "3 is to come again");
    ring.set(3, true);
    assert_eq!(ring.step(&mut cursor), frame(3));
}

/// Proves [TP-CLI-2970].
#[test]
fn an_overtaken_cursor_goes_on_with_all_that_the_ring_still_holds() {
    // The slot of 2 holds 10; the latest claim is `latest`.
    for latest in 10..=17 {
        let (mut ring, mut cursor) = (Ring::default(), at(2));
        ring.complete(2..latest).set(latest, false);
        let resume = latest + 1 - 8;
        let expected = lost(2, resume - 2, RingLoss::Overtaken);
        assert_eq!(ring.step(&mut cursor), expected, "latest {latest}");
        assert!(ring.looks.len() <= 1 + 3, "{:?}", ring.looks);
        for seq in resume..latest {
            assert_eq!(ring.step(&mut cursor), frame(seq));
        }
        assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    }
}

/// Proves [TP-CLI-2971].
#[test]
fn a_producer_that_does_not_rest_is_given_a_start_until_it_is_caught_up_with() {
    let (mut ring, mut cursor) = (Ring::default(), at(0));
    let mut latest = 0;
    let mut overtake = |ring: &mut Ring, cursor: &mut RingCursor| {
        ring.complete(latest..latest + 100);
        latest += 100;
        let RingStep::Lost { count, why, .. } = ring.step(cursor) else {
            panic!("it was overtaken");
        };
        assert!(count > 0 && why == RingLoss::Overtaken);
        latest - cursor.next().get()
    };
    // Frames that are kept of a ring of eight, a little less each time.
    let kept: Vec<u64> = (0..6).map(|_| overtake(&mut ring, &mut cursor)).collect();
    assert_eq!(kept, [8, 7, 6, 4, 4, 4]);
    // Having read some of them is not having read them all.
    assert!(matches!(ring.step(&mut cursor), RingStep::Frame(_)));
    assert_eq!(overtake(&mut ring, &mut cursor), 4);
    while ring.step(&mut cursor) != RingStep::Wait {}
    assert_eq!(overtake(&mut ring, &mut cursor), 8);
    assert_eq!(overtake(&mut ring, &mut cursor), 7);
}

/// Proves [TP-CLI-2972].
#[test]
fn a_frame_that_was_overwritten_while_it_was_read_takes_those_about_to_be_along() {
    let (mut ring, mut cursor) = (Ring::default(), at(0));
    ring.complete(0..8);
    assert_eq!(ring.step(&mut cursor), frame(0));
    assert_eq!(cursor.on_torn(|seq| ring.look(seq)), RingStep::Wait);
    ring.complete(8..10).set(10, false);
    // 10 is the latest claim: 3 is overwritten next.
    let passed = lost(1, 3, RingLoss::Overtaken);
    assert_eq!(cursor.on_torn(|seq| ring.look(seq)), passed);
    assert_eq!(ring.step(&mut cursor), frame(4));
    assert_eq!(at(0).on_torn(|_| u64::MAX), RingStep::Wait, "none was read");
}

/// Proves [TP-CLI-2970].
#[test]
fn laps_that_passed_unseen_are_counted_whole() {
    let (mut ring, mut cursor) = (Ring::default(), at(5));
    ring.complete(1_000_000..1_000_008);
    let step = ring.step(&mut cursor);
    assert_eq!(step, lost(5, 1_000_000 - 5, RingLoss::Overtaken));
    assert_eq!(ring.step(&mut cursor), frame(1_000_000));
}

/// Proves [TP-CLI-2970].
#[test]
fn a_ring_of_one_slot_keeps_the_frame_it_holds() {
    let mut cursor = RingCursor::at(1, Seq::new(3));
    assert_eq!(cursor.step(|_| 9 << 1 | 1), lost(3, 6, RingLoss::Overtaken));
    assert_eq!(cursor.step(|_| 9 << 1 | 1), frame(9));
    assert_eq!(cursor.step(|_| 9 << 1 | 1), RingStep::Wait);
}

/// Proves [TP-CLI-2975].
#[test]
fn a_slot_more_than_a_ring_behind_says_that_the_ring_began_anew() {
    let (mut ring, mut cursor) = (Ring::default(), at(21));
    ring.complete(13..21);
    assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    ring.set(5, false);
    assert_eq!(ring.step(&mut cursor), RingStep::Restarted);
    assert_eq!(ring.step(&mut cursor), RingStep::Restarted, "until mapped");
    ring.words[5] = 0;
    assert_eq!(ring.step(&mut cursor), RingStep::Wait, "nothing is nothing");
}

/// Proves [TP-CLI-2980].
#[test]
fn a_word_that_cannot_be_in_its_slot_stops_nothing() {
    let (mut ring, mut cursor) = (Ring::default(), at(2));
    ring.complete([0, 1]);
    ring.words[2] = 1_001 << 1 | 1;
    assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    ring.complete([3]);
    assert_eq!(ring.step(&mut cursor), lost(2, 1, RingLoss::Aborted));
    assert_eq!(ring.step(&mut cursor), frame(3));
}

/// Proves [TP-CLI-2990].
#[test]
fn a_number_nobody_claimed_is_passed_once_it_is_said_to_be_behind() {
    let (mut ring, mut cursor) = (Ring::default(), at(9));
    ring.complete((1..9).chain([12, 13]));
    assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    let step = cursor.pass_hole(|seq| ring.look(seq));
    assert_eq!(step, lost(9, 3, RingLoss::Aborted));
    assert_eq!(ring.step(&mut cursor), frame(12));
    assert_eq!(ring.step(&mut cursor), frame(13));
    let nothing = cursor.pass_hole(|seq| ring.look(seq));
    assert_eq!(nothing, RingStep::Wait, "the ring does not bear it out");
}

/// Proves [TP-CLI-2990].
#[test]
fn passing_a_hole_looks_again_at_what_came_meanwhile() {
    for filled in 9..12 {
        let (mut ring, mut cursor) = (Ring::default(), at(9));
        ring.complete(1..9);
        let step = cursor.pass_hole(|seq| {
            if ring.looks.len() as u64 == filled - 9 {
                ring.complete(9..=12);
            }
            ring.look(seq)
        });
        assert_eq!(step, RingStep::Wait, "nothing was passed");
        assert_eq!(ring.step(&mut cursor), frame(9));
    }
}

/// Proves [TP-CLI-2930].
#[test]
fn the_last_number_a_word_can_hold_is_the_last_frame() {
    let last = END_OF_NUMBERS - 1;
    let (mut ring, mut cursor) = (Ring::default(), at(last - 1));
    ring.complete(last - 8..=last);
    assert_eq!(ring.step(&mut cursor), frame(last - 1));
    assert_eq!(ring.step(&mut cursor), frame(last));
    assert_eq!(ring.step(&mut cursor), RingStep::Wait);
    assert_eq!(ring.join().next(), Seq::new(END_OF_NUMBERS));
    let mut behind = at(0);
    let step = ring.step(&mut behind);
    assert_eq!(step, lost(0, last - 7, RingLoss::Overtaken));
}

//! Tests of who a producer thinks is listening, with an integer clock.

use proptest::prelude::*;

use super::*;

const STREAM: StreamId = StreamId::new(1);
const EPOCH: Epoch = Epoch::new(50);
const SECOND: u64 = 1_000_000_000;

fn tracker() -> ConsumerTracker {
    let mut tracker = ConsumerTracker::new(STREAM);
    tracker.begin_epoch(STREAM, EPOCH, 8);
    tracker
}

fn qos(tracker: &mut ConsumerTracker, now: u64, id: u32, epoch: Epoch, seq: u64) {
    tracker.on_qos(
        NanoTime::new(now),
        STREAM,
        ClientId::new(id),
        epoch,
        Seq::new(seq),
        ConsumerMode::Stream,
    );
}

/// Proves [TP-CLI-1820].
#[test]
fn a_hello_is_heard_but_only_a_report_of_the_epoch_counts_as_mapped() {
    let mut tracker = tracker();
    tracker.on_hello(NanoTime::new(0), STREAM, ClientId::new(1));
    tracker.on_hello(NanoTime::new(0), StreamId::new(2), ClientId::new(9));
    assert_eq!(
        (tracker.listening(), tracker.mapped(), tracker.floor()),
        (1, 0, None)
    );
    qos(&mut tracker, 0, 1, Epoch::new(0), 0);
    assert_eq!(tracker.mapped(), 0, "mapped nothing");
    qos(&mut tracker, 0, 1, EPOCH, 0);
    assert_eq!((tracker.listening(), tracker.mapped()), (1, 1));
}

/// Proves [TP-CLI-2354].
#[test]
fn who_asked_for_a_rate_is_not_waited_for_while_it_does() {
    let mut tracker = tracker();
    qos(&mut tracker, 0, 1, EPOCH, 7);
    let mut report = |seen, mode| {
        let (now, id) = (NanoTime::new(1), ClientId::new(2));
        tracker.on_qos(now, STREAM, id, EPOCH, Seq::new(seen), mode);
        let saw = tracker.all_saw(Seq::new(7), NanoTime::new(0));
        (tracker.mapped(), tracker.floor(), saw)
    };
    let floor = |seq| Some(Seq::new(seq));
    assert_eq!(report(3, ConsumerMode::RateLimited), (2, floor(8), true));
    assert_eq!(report(4, ConsumerMode::Stream), (2, floor(5), false));
}

/// Proves [TP-CLI-1830].
#[test]
fn the_slowest_live_consumer_of_the_epoch_sets_the_floor() {
    let mut tracker = tracker();
    qos(&mut tracker, 0, 1, EPOCH, 7);
    qos(&mut tracker, 0, 2, EPOCH, 4);
    qos(&mut tracker, 0, 3, Epoch::new(49), 1);
    assert_eq!(tracker.floor(), Some(Seq::new(5)));
    qos(&mut tracker, 0, 4, EPOCH, 0);
    assert_eq!(
        tracker.floor(),
        Some(Seq::new(0)),
        "0 may mean that nothing was seen"
    );
}

/// Proves [TP-CLI-1820].
#[test]
fn a_new_epoch_asks_everybody_to_report_anew() {
    let mut tracker = tracker();
    qos(&mut tracker, 0, 1, EPOCH, 7);
    tracker.begin_epoch(STREAM, Epoch::new(51), 8);
    assert_eq!(
        (tracker.mapped(), tracker.listening(), tracker.floor()),
        (0, 1, None)
    );
    qos(&mut tracker, 0, 1, Epoch::new(51), 0);
    assert_eq!(tracker.floor(), Some(Seq::new(0)));
}

/// Proves [TP-CLI-1810].
#[test]
fn silent_consumers_are_forgotten_after_five_seconds() {
    let mut tracker = tracker();
    qos(&mut tracker, 0, 1, EPOCH, 7);
    qos(&mut tracker, 2 * SECOND, 2, EPOCH, 9);
    tracker.on_timeout(NanoTime::new(5 * SECOND - 1));
    assert_eq!(tracker.mapped(), 2);
    tracker.on_timeout(NanoTime::new(5 * SECOND));
    assert_eq!((tracker.mapped(), tracker.floor()), (1, Some(Seq::new(10))));
}

/// Proves [TP-CLI-1860].
#[test]
fn a_restarted_count_does_not_take_progress_back() {
    let mut tracker = tracker();
    qos(&mut tracker, 0, 1, EPOCH, 7);
    qos(&mut tracker, 0, 1, EPOCH, 0);
    assert_eq!(tracker.floor(), Some(Seq::new(8)));
}

/// Proves [TP-CLI-1870].
#[test]
fn having_seen_frame_zero_takes_two_reports_after_it() {
    let mut tracker = tracker();
    let published = NanoTime::new(10);
    assert!(
        tracker.all_saw(Seq::new(0), published),
        "nobody has to see it"
    );
    qos(&mut tracker, 9, 1, EPOCH, 0);
    qos(&mut tracker, 11, 1, EPOCH, 0);
    assert!(!tracker.all_saw(Seq::new(0), published));
    qos(&mut tracker, 12, 1, EPOCH, 0);
    assert!(tracker.all_saw(Seq::new(0), published));
    assert!(!tracker.all_saw(Seq::new(1), published));
    qos(&mut tracker, 13, 1, EPOCH, 1);
    assert!(tracker.all_saw(Seq::new(1), published));
    assert!(
        tracker.all_saw(Seq::new(0), NanoTime::new(20)),
        "no doubt is left"
    );
}

/// Proves [TP-CLI-1840].
#[test]
fn nobody_waits_for_a_consumer_whose_lease_ended() {
    let mut tracker = tracker();
    qos(&mut tracker, 0, 1, EPOCH, 7);
    qos(&mut tracker, 0, 2, EPOCH, 3);
    tracker.on_gone(NanoTime::new(1), StreamId::new(9), ClientId::new(2));
    assert_eq!(tracker.mapped(), 2, "of another stream");
    tracker.on_gone(NanoTime::new(1), STREAM, ClientId::new(2));
    qos(&mut tracker, 2, 2, EPOCH, 3);
    assert_eq!((tracker.mapped(), tracker.floor()), (1, Some(Seq::new(8))));
    qos(&mut tracker, 2 * SECOND, 2, EPOCH, 3);
    assert_eq!(tracker.mapped(), 2, "it came back");
}

/// Proves [TP-CLI-1850].
#[test]
fn who_joins_late_is_owed_what_the_ring_still_holds_and_the_next_frame_can_be_written() {
    let mut tracker = tracker();
    tracker.on_position(Seq::new(1_000), NanoTime::new(1));
    qos(&mut tracker, 2, 1, EPOCH, 0);
    assert_eq!(
        tracker.floor(),
        Some(Seq::new(993)),
        "seq 1000 takes the slot of 992"
    );
    tracker.on_position(Seq::new(1_001), NanoTime::new(3));
    qos(&mut tracker, 4, 1, EPOCH, 0);
    assert_eq!(tracker.floor(), Some(Seq::new(993)), "what is owed stays");
    qos(&mut tracker, 5, 1, EPOCH, 1_000);
    assert_eq!(tracker.floor(), Some(Seq::new(1_001)));
}

/// Proves [TP-CLI-1850].
#[test]
fn who_comes_back_after_the_ring_went_round_does_not_hold_it_up() {
    let mut tracker = tracker();
    qos(&mut tracker, 0, 1, EPOCH, 7);
    tracker.on_timeout(NanoTime::new(5 * SECOND));
    tracker.on_position(Seq::new(1_000), NanoTime::new(5 * SECOND));
    qos(&mut tracker, 8 * SECOND, 1, EPOCH, 7);
    assert_eq!(tracker.floor(), Some(Seq::new(993)));
}

/// Proves [TP-CLI-1870].
#[test]
fn a_ring_of_one_slot_is_free_again_once_frame_zero_was_surely_seen() {
    let mut tracker = ConsumerTracker::new(STREAM);
    tracker.begin_epoch(STREAM, EPOCH, 1);
    qos(&mut tracker, 1, 1, EPOCH, 0);
    tracker.on_position(Seq::new(1), NanoTime::new(10));
    qos(&mut tracker, 11, 1, EPOCH, 0);
    assert_eq!(tracker.floor(), Some(Seq::new(0)));
    qos(&mut tracker, 12, 1, EPOCH, 0);
    assert_eq!(tracker.floor(), Some(Seq::new(1)));
}

/// Proves [TP-CLI-1880].
#[test]
fn after_a_link_loss_consumers_count_again_when_they_are_heard() {
    let mut tracker = tracker();
    qos(&mut tracker, 0, 1, EPOCH, 7);
    qos(&mut tracker, 0, 2, EPOCH, 7);
    assert_eq!(tracker.unconfirmed(), 0);
    tracker.on_link_up(NanoTime::new(10));
    assert_eq!((tracker.unconfirmed(), tracker.mapped()), (2, 2));
    qos(&mut tracker, 10, 1, EPOCH, 7);
    assert_eq!(tracker.unconfirmed(), 1);
}

/// Proves [TP-CLI-1890].
#[test]
fn the_table_is_bounded() {
    let mut tracker = tracker();
    for id in 0..MAX_CONSUMERS as u32 + 3 {
        qos(&mut tracker, 0, id + 1, EPOCH, 1);
    }
    assert_eq!((tracker.mapped(), tracker.overflow()), (MAX_CONSUMERS, 3));
}

/// Proves [TP-CLI-1895].
#[test]
fn a_flood_of_hellos_hides_no_consumer_that_reports_the_epoch() {
    let mut tracker = tracker();
    for id in 1_000..2_000 {
        tracker.on_hello(NanoTime::new(u64::from(id)), STREAM, ClientId::new(id));
    }
    for id in 1..=3 {
        qos(&mut tracker, 2_000, id, EPOCH, 5);
    }
    assert_eq!((tracker.mapped(), tracker.floor()), (3, Some(Seq::new(6))));
    assert_eq!(tracker.listening(), MAX_CONSUMERS);
    for id in 5_000..6_000 {
        tracker.on_hello(NanoTime::new(3_000), STREAM, ClientId::new(id));
        qos(&mut tracker, 3_000, id, Epoch::new(49), 1);
    }
    assert_eq!(tracker.mapped(), 3, "and neither do those of other epochs");
}

/// Proves [TP-CLI-1895].
#[test]
fn a_reader_takes_the_place_of_who_was_silent_for_longest_and_of_no_other_reader() {
    let mut tracker = tracker();
    for id in 0..MAX_CONSUMERS as u32 - 1 {
        qos(&mut tracker, 10, id + 1, EPOCH, 1);
    }
    tracker.on_hello(NanoTime::new(20), STREAM, ClientId::new(9_999));
    qos(&mut tracker, 30, 8_888, EPOCH, 1);
    assert_eq!(tracker.mapped(), MAX_CONSUMERS);
    qos(&mut tracker, 40, 7_777, EPOCH, 0);
    assert_eq!(
        tracker.floor(),
        Some(Seq::new(2)),
        "there is no room for it"
    );
}

proptest! {
    #[test]
    fn the_floor_never_passes_what_a_live_consumer_still_needs(
        reports in prop::collection::vec((1u32..6, 0u64..100, any::<bool>()), 1..60),
    ) {
        let mut tracker = tracker();
        let mut model = std::collections::HashMap::new();
        for (id, seq, current) in reports {
            let epoch = if current { EPOCH } else { Epoch::new(1) };
            qos(&mut tracker, 0, id, epoch, seq);
            let entry = model.entry(id).or_insert((epoch, 0));
            if entry.0 != epoch {
                *entry = (epoch, 0);
            }
            entry.1 = entry.1.max(seq);
            let needed = model.values().filter(|(e, _)| *e == EPOCH)
                .map(|&(_, seen)| if seen == 0 { 0 } else { seen + 1 }).min();
            prop_assert_eq!(tracker.floor().map(Seq::get), needed);
        }
    }
}

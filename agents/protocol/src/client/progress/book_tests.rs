//! Tests of the producer's book of progress, with a clock in microseconds.

use super::*;

const KIB: u64 = 1 << 10;

const LIMITS: ProgressLimits = ProgressLimits {
    interval_ns: 250_000,
    bytes: 64 * KIB,
    major_units: None,
};

fn at_us(us: u64) -> NanoTime {
    NanoTime::new(us * 1_000)
}

fn book_with(seq: u64, len: u64) -> ProgressBook {
    let mut book = ProgressBook::new(8);
    book.on_claimed(Seq::new(seq), len, 0);
    book
}

/// Reports and sends what is due; gives that.
fn tell(
    book: &mut ProgressBook,
    us: u64,
    seq: u64,
    filled: u64,
    limits: &ProgressLimits,
) -> Option<(ProgressState, u64)> {
    match book.report(at_us(us), Seq::new(seq), filled, limits) {
        Ok(Report::Due(report)) => {
            book.on_sent(at_us(us), &report, limits);
            Some((report.state, report.bytes_filled))
        }
        Ok(Report::Early) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Proves [TP-CLI-2525].
#[test]
fn the_first_message_of_a_frame_is_started_and_no_other_is() {
    let mut book = book_with(3, 1 << 20);
    assert_eq!(
        tell(&mut book, 0, 3, 0, &LIMITS),
        Some((ProgressState::Started, 0))
    );
    for step in 1..=5 {
        let told = tell(&mut book, step * 300, 3, step * KIB, &LIMITS);
        assert_eq!(told, Some((ProgressState::Progress, step * KIB)));
    }
}

#[test]
fn started_tells_what_is_filled_already() {
    let mut book = book_with(3, 1 << 20);
    assert_eq!(
        tell(&mut book, 0, 3, 5_000, &LIMITS),
        Some((ProgressState::Started, 5_000))
    );
}

/// Proves [TP-CLI-2530].
#[test]
fn a_message_is_due_after_the_interval_or_so_many_bytes_or_units_whichever_is_first() {
    let limits = ProgressLimits {
        major_units: Some(4),
        ..LIMITS
    };
    let mut book = ProgressBook::new(8);
    book.on_claimed(Seq::new(0), 1 << 20, 10_000);
    assert!(tell(&mut book, 1_000, 0, 0, &limits).is_some());
    assert_eq!(tell(&mut book, 1_249, 0, 9_999, &limits), None);
    assert!(
        tell(&mut book, 1_250, 0, 9_999, &limits).is_some(),
        "the interval is over"
    );
    assert_eq!(tell(&mut book, 1_251, 0, 39_999, &limits), None);
    assert!(
        tell(&mut book, 1_252, 0, 40_000, &limits).is_some(),
        "four rows further"
    );
    // Rows that are not counted do not make a message due; bytes do.
    book.on_claimed(Seq::new(1), 1 << 20, 0);
    assert!(tell(&mut book, 1_252, 1, 0, &limits).is_some());
    assert_eq!(tell(&mut book, 1_252, 1, 64 * KIB - 1, &limits), None);
    assert!(
        tell(&mut book, 1_252, 1, 64 * KIB, &limits).is_some(),
        "64 KiB further"
    );
}

#[test]
fn without_progress_nothing_is_due_however_long_it_takes() {
    let mut book = book_with(0, 1 << 20);
    assert!(tell(&mut book, 0, 0, 100, &LIMITS).is_some());
    assert_eq!(tell(&mut book, 1_000_000, 0, 100, &LIMITS), None);
}

/// Proves [TP-CLI-2535].
#[test]
fn in_the_mean_there_is_one_message_per_interval_over_all_frames() {
    let mut book = ProgressBook::new(8);
    for seq in 0..4 {
        book.on_claimed(Seq::new(seq), 1 << 40, 0);
        assert!(tell(&mut book, 10_000, seq, 0, &LIMITS).is_some());
    }
    // Each report is 64 KiB further and due for that; one per microsecond, of four frames in turn.
    let mut sent = 0;
    for us in 0..25_000u64 {
        let told = tell(&mut book, 10_000 + us, us % 4, (us + 1) * 64 * KIB, &LIMITS);
        sent += u64::from(told.is_some());
        assert!(sent <= 8 + us / 250, "{sent} messages within {us} us");
    }
    assert!(sent >= 100, "{sent} messages in 100 intervals");
}

/// Proves [TP-CLI-2540].
#[test]
fn a_report_of_less_than_before_is_refused_and_tells_nothing() {
    let mut book = book_with(5, 1 << 20);
    assert!(tell(&mut book, 0, 5, 70_000, &LIMITS).is_some());
    // Never told, but reported: it counts.
    assert_eq!(tell(&mut book, 1, 5, 80_000, &LIMITS), None);
    let refused = book.report(at_us(900), Seq::new(5), 79_999, &LIMITS);
    let error = ProgressError::Backwards {
        seq: Seq::new(5),
        before: 80_000,
        found: 79_999,
    };
    assert_eq!(refused, Err(error));
    assert!(tell(&mut book, 900, 5, 80_000, &LIMITS).is_some());
}

/// Proves [TP-CLI-2545].
#[test]
fn a_report_of_more_than_the_payload_is_refused_and_tells_nothing() {
    let mut book = book_with(5, 1_000);
    let refused = book.report(at_us(0), Seq::new(5), 1_001, &LIMITS);
    let error = ProgressError::BeyondPayload {
        seq: Seq::new(5),
        len: 1_000,
        found: 1_001,
    };
    assert_eq!(refused, Err(error));
    assert_eq!(
        tell(&mut book, 0, 5, 1_000, &LIMITS),
        Some((ProgressState::Started, 1_000))
    );
}

/// Proves [TP-CLI-2550].
#[test]
fn complete_is_told_once_of_a_visible_frame_that_was_started_and_of_no_other() {
    let mut book = book_with(5, 1_000);
    assert!(tell(&mut book, 0, 5, 10, &LIMITS).is_some());
    book.on_committed(Seq::new(5), 1_000);
    let complete = ProgressReport {
        seq: Seq::new(5),
        bytes_filled: 1_000,
        told_before: 10,
        state: ProgressState::Complete,
    };
    assert_eq!(book.on_visible(Seq::new(5)), Some(complete));
    assert_eq!(book.on_visible(Seq::new(5)), None, "once");
    // Claimed but never reported, and never claimed at all.
    book.on_claimed(Seq::new(6), 1_000, 0);
    assert_eq!(book.on_visible(Seq::new(6)), None);
    assert_eq!(book.on_visible(Seq::new(7)), None);
    // Another frame of the same slot.
    book.on_claimed(Seq::new(5), 1_000, 0);
    assert!(tell(&mut book, 0, 5, 10, &LIMITS).is_some());
    assert_eq!(book.on_visible(Seq::new(13)), None);
}

/// Proves [TP-CLI-2565].
#[test]
fn what_did_not_go_out_is_due_again() {
    let mut book = book_with(5, 1 << 20);
    let due = |book: &mut ProgressBook, us, filled| match book.report(
        at_us(us),
        Seq::new(5),
        filled,
        &LIMITS,
    ) {
        Ok(Report::Due(report)) => Some((report.state, report.bytes_filled)),
        _ => None,
    };
    assert_eq!(due(&mut book, 0, 0), Some((ProgressState::Started, 0)));
    assert_eq!(due(&mut book, 1, 7), Some((ProgressState::Started, 7)));
    assert!(tell(&mut book, 2, 5, 8, &LIMITS).is_some());
    assert_eq!(due(&mut book, 300, 9), Some((ProgressState::Progress, 9)));
    assert_eq!(due(&mut book, 301, 10), Some((ProgressState::Progress, 10)));
    // A frame of which nobody was told ends without a word.
    book.on_claimed(Seq::new(6), 100, 0);
    let _ = book.report(at_us(302), Seq::new(6), 5, &LIMITS);
    assert_eq!(book.on_visible(Seq::new(6)), None);
}

#[test]
fn a_sequence_number_that_is_given_out_again_begins_anew() {
    let mut book = book_with(5, 1_000);
    // Reported while nobody was told, then aborted and claimed again.
    let _ = book.report(at_us(0), Seq::new(5), 900, &LIMITS);
    book.on_claimed(Seq::new(5), 500, 0);
    assert_eq!(
        tell(&mut book, 1, 5, 0, &LIMITS),
        Some((ProgressState::Started, 0))
    );
}

#[test]
fn frames_that_are_not_being_written_have_no_progress() {
    let mut book = book_with(5, 1_000);
    for seq in [4, 13, 1 << 40] {
        let refused = book.report(at_us(0), Seq::new(seq), 0, &LIMITS);
        let seq = Seq::new(seq);
        assert_eq!(refused, Err(ProgressError::NotOpen { seq }));
    }
    let _ = book.on_visible(Seq::new(5));
    let refused = book.report(at_us(0), Seq::new(5), 0, &LIMITS);
    assert!(matches!(refused, Err(ProgressError::NotOpen { .. })));
}

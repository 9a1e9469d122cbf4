//! The model of a consumer that watches the ring: two slots, and what it may conclude of the first
//! from the second.
//!
//! Frames become visible in order. Whoever sees a later one complete, and *then* looks at an
//! earlier one, sees what that has come to: complete, or aborted for good. See `loom_tests` for how
//! to run it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::Arc;
use loom::thread;

use super::*;

const FIRST: Seq = Seq::new(1);
const SECOND: Seq = Seq::new(2);

/// The commit words of two frames that are being written.
struct Ring {
    first: AtomicU64,
    second: AtomicU64,
}

/// What a consumer makes of the first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conclusion {
    Waits,
    Reads,
    Passes,
}

type Writer = fn(&Ring);
type Reader = fn(&Ring) -> Conclusion;

fn completes_both(ring: &Ring) {
    commit(&ring.first, FIRST);
    commit(&ring.second, SECOND);
}

fn aborts_the_first(ring: &Ring) {
    commit(&ring.second, SECOND);
}

/// A writer whose commits do not release what came before.
fn completes_both_relaxed(ring: &Ring) {
    for (word, seq) in [(&ring.first, FIRST), (&ring.second, SECOND)] {
        word.store(CommitWord::committed(seq).raw(), Ordering::Relaxed);
    }
}

/// Looks at the first, at the second, and again at the first.
fn looks_again(ring: &Ring) -> Conclusion {
    watch(ring, |ring| observe(&ring.second).is_committed(), true)
}

fn looks_once(ring: &Ring) -> Conclusion {
    watch(ring, |ring| observe(&ring.second).is_committed(), false)
}

/// Loads the later word without acquiring what was written before it.
fn looks_relaxed(ring: &Ring) -> Conclusion {
    let later =
        |ring: &Ring| CommitWord::from_raw(ring.second.load(Ordering::Relaxed)).is_committed();
    watch(ring, later, true)
}

fn watch(ring: &Ring, sees_later: impl Fn(&Ring) -> bool, again: bool) -> Conclusion {
    if observe(&ring.first).is_committed() {
        return Conclusion::Reads;
    }
    if !sees_later(ring) {
        return Conclusion::Waits;
    }
    if again && observe(&ring.first).is_committed() {
        return Conclusion::Reads;
    }
    Conclusion::Passes
}

/// A reader beside a writer: it passes the first frame only if `aborted`, and does so once all is
/// over.
fn explore(writer: Writer, reader: Reader, aborted: bool) {
    loom::model(move || {
        let ring = Arc::new(Ring {
            first: AtomicU64::new(CommitWord::writing(FIRST).raw()),
            second: AtomicU64::new(CommitWord::writing(SECOND).raw()),
        });
        let thread = {
            let ring = Arc::clone(&ring);
            thread::spawn(move || writer(&ring))
        };
        let early = reader(&ring);
        assert!(
            aborted || early != Conclusion::Passes,
            "a frame that became complete was passed"
        );
        thread.join().unwrap();
        let expected = if aborted {
            Conclusion::Passes
        } else {
            Conclusion::Reads
        };
        assert_eq!(reader(&ring), expected);
    });
}

fn must_be_caught(writer: Writer, reader: Reader) {
    let found = catch_unwind(AssertUnwindSafe(|| explore(writer, reader, false)))
        .expect_err("the model checker accepted a consumer that is known to be broken");
    let message = found.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = message.or_else(|| found.downcast_ref::<String>().cloned());
    let message = message.unwrap_or_default();
    assert!(
        message.contains("a frame that became complete was passed"),
        "failed for another reason: {message}"
    );
}

/// Proves [TP-CLI-2945].
#[test]
fn no_execution_passes_a_frame_that_becomes_complete() {
    explore(completes_both, looks_again, false);
}

/// Proves [TP-CLI-2940].
#[test]
fn an_aborted_frame_is_passed_in_every_execution() {
    explore(aborts_the_first, looks_again, true);
}

#[test]
fn a_consumer_that_does_not_look_again_is_caught() {
    must_be_caught(completes_both, looks_once);
}

#[test]
fn a_consumer_that_does_not_acquire_the_later_word_is_caught() {
    must_be_caught(completes_both, looks_relaxed);
}

#[test]
fn a_writer_whose_commits_do_not_release_is_caught() {
    must_be_caught(completes_both_relaxed, looks_again);
}

//! The model: one slot of two guarded words, a writer that overwrites it, a reader that reads it
//! once.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo nextest run -p tensorpool-shm --lib --release
//! --target-dir target/loom`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use loom::sync::Arc;
use loom::thread;

use super::*;

const OLD: Seq = Seq::new(1);

struct Slot {
    word: AtomicU64,
    bytes: [AtomicU64; 2],
}

/// A writer or a reader: the real one, or one with a part taken out.
#[derive(Clone, Copy)]
struct Variant {
    writer: fn(&Slot, Seq),
    reader: fn(&Slot) -> Option<(Seq, [u64; 2])>,
}

const REAL: Variant = Variant {
    writer: write,
    reader: read,
};

fn store_bytes(slot: &Slot, seq: Seq) {
    for word in &slot.bytes {
        store_word(word, seq.get());
    }
}

fn write(slot: &Slot, seq: Seq) {
    begin_write(&slot.word, seq);
    store_bytes(slot, seq);
    commit(&slot.word, seq);
}

fn read(slot: &Slot) -> Option<(Seq, [u64; 2])> {
    let mut copy = [0; 2];
    let first = observe(&slot.word);
    if !first.is_committed() {
        return None;
    }
    load_words(&slot.bytes, &mut copy);
    (observe_again(&slot.word) == first).then_some((first.seq(), copy))
}

/// The writer as Wire v1.2 prints it: WRITING is a release store and no fence follows.
fn write_without_release_fence(slot: &Slot, seq: Seq) {
    slot.word
        .store(CommitWord::writing(seq).raw(), Ordering::Release);
    store_bytes(slot, seq);
    commit(&slot.word, seq);
}

/// A writer that never says WRITING.
fn write_without_writing_mark(slot: &Slot, seq: Seq) {
    store_bytes(slot, seq);
    commit(&slot.word, seq);
}

/// A writer whose commit does not release the bytes.
fn write_with_relaxed_commit(slot: &Slot, seq: Seq) {
    begin_write(&slot.word, seq);
    store_bytes(slot, seq);
    slot.word
        .store(CommitWord::committed(seq).raw(), Ordering::Relaxed);
}

/// The reader as Wire v1.2 prints it: the second read is an acquire load and no fence precedes it.
fn read_without_acquire_fence(slot: &Slot) -> Option<(Seq, [u64; 2])> {
    let mut copy = [0; 2];
    let first = observe(&slot.word);
    if !first.is_committed() {
        return None;
    }
    load_words(&slot.bytes, &mut copy);
    let second = CommitWord::from_raw(slot.word.load(Ordering::Acquire));
    (second == first).then_some((first.seq(), copy))
}

/// A reader that does not look again.
fn read_without_revalidation(slot: &Slot) -> Option<(Seq, [u64; 2])> {
    let mut copy = [0; 2];
    let first = observe(&slot.word);
    load_words(&slot.bytes, &mut copy);
    first.is_committed().then_some((first.seq(), copy))
}

fn explore(variant: Variant, writes: u64) {
    loom::model(move || {
        let slot = Arc::new(Slot {
            word: AtomicU64::new(CommitWord::committed(OLD).raw()),
            bytes: [AtomicU64::new(OLD.get()), AtomicU64::new(OLD.get())],
        });
        let writer = {
            let slot = Arc::clone(&slot);
            thread::spawn(move || {
                for n in 1..=writes {
                    (variant.writer)(&slot, Seq::new(OLD.get() + n));
                }
            })
        };
        if let Some((seq, copy)) = (variant.reader)(&slot) {
            assert_eq!(copy, [seq.get(); 2], "a torn frame was accepted");
        }
        writer.join().unwrap();
        let (seq, copy) = (variant.reader)(&slot).expect("the last frame is committed");
        assert_eq!(
            (seq.get(), copy),
            (OLD.get() + writes, [OLD.get() + writes; 2])
        );
    });
}

/// The model must find a torn frame in this variant: a test that could not fail would prove
/// nothing.
fn must_be_caught(variant: Variant) {
    let found = catch_unwind(AssertUnwindSafe(|| explore(variant, 1)))
        .expect_err("the model checker accepted a seqlock that is known to be broken");
    let message = found
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| found.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default();
    assert!(
        message.contains("a torn frame was accepted"),
        "failed for another reason: {message}"
    );
}

/// Proves [TP-SHM-0720], [TP-SHM-0730] and [TP-SHM-0740].
#[test]
fn no_execution_accepts_a_torn_frame() {
    explore(REAL, 1);
}

/// Proves [TP-SHM-0750].
#[test]
fn no_execution_accepts_a_torn_frame_when_the_writer_laps_the_reader() {
    explore(REAL, 2);
}

#[test]
fn the_writer_without_its_release_fence_is_caught() {
    must_be_caught(Variant {
        writer: write_without_release_fence,
        ..REAL
    });
}

#[test]
fn the_writer_without_its_writing_mark_is_caught() {
    must_be_caught(Variant {
        writer: write_without_writing_mark,
        ..REAL
    });
}

#[test]
fn the_writer_with_a_relaxed_commit_is_caught() {
    must_be_caught(Variant {
        writer: write_with_relaxed_commit,
        ..REAL
    });
}

#[test]
fn the_reader_without_its_acquire_fence_is_caught() {
    must_be_caught(Variant {
        reader: read_without_acquire_fence,
        ..REAL
    });
}

#[test]
fn the_reader_without_revalidation_is_caught() {
    must_be_caught(Variant {
        reader: read_without_revalidation,
        ..REAL
    });
}

/// A writer that announces a frame before it commits it, and then goes on to the next; a reader of
/// what was announced. `begin` is how a slot is taken.
fn explore_prefix(begin: fn(&AtomicU64, Seq)) {
    loom::model(move || {
        let slot = Arc::new(Slot {
            word: AtomicU64::new(CommitWord::committed(OLD).raw()),
            bytes: [AtomicU64::new(OLD.get()), AtomicU64::new(OLD.get())],
        });
        let announced = Arc::new(AtomicU64::new(0));
        let [first, second] = [1, 2].map(|n| Seq::new(OLD.get() + n));
        let writer = {
            let (slot, announced) = (Arc::clone(&slot), Arc::clone(&announced));
            thread::spawn(move || {
                begin(&slot.word, first);
                store_bytes(&slot, first);
                // What a message through Aeron is to memory.
                announced.store(first.get(), Ordering::Release);
                commit(&slot.word, first);
                begin(&slot.word, second);
                store_bytes(&slot, second);
            })
        };
        if announced.load(Ordering::Acquire) == first.get() {
            let mut copy = [0; 2];
            let before = observe(&slot.word);
            load_words(&slot.bytes, &mut copy);
            let after = observe_again(&slot.word);
            if before.seq() == first && after.seq() == first {
                assert_eq!(copy, [first.get(); 2], "a torn prefix was accepted");
            }
        }
        writer.join().unwrap();
    });
}

/// Proves [TP-CLI-2660].
#[test]
fn no_execution_accepts_a_prefix_of_another_frame() {
    explore_prefix(begin_write);
}

#[test]
fn a_prefix_of_a_writer_without_its_release_fence_is_caught() {
    let broken: fn(&AtomicU64, Seq) = |word, seq| {
        word.store(CommitWord::writing(seq).raw(), Ordering::Release);
    };
    let found = catch_unwind(AssertUnwindSafe(|| explore_prefix(broken)));
    assert!(
        found.is_err(),
        "the model checker accepted a broken seqlock"
    );
}

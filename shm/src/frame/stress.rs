//! A producer that laps its reader all the time. With the validation of [`Frame::copy_to`] no torn
//! frame is ever accepted; with the validation taken out the same run finds torn frames, so it
//! would have noticed.
//!
//! On x86 this says nothing about the fences, which the processor does not need there: see the loom
//! model.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::mapping::Access;
use crate::producer::ProducerRing;
use crate::slot::TensorMemo;
use crate::testkit::{TestEpoch, meta};

const SLOTS: u32 = 4;
const LEN: usize = 64 << 10;
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Counts {
    accepted: u64,
    refused: u64,
    torn: u64,
}

/// Copies a frame and says whether to trust the copy.
type Copy = fn(&Frame<'_>, &mut [u8]) -> bool;

fn validated(frame: &Frame<'_>, to: &mut [u8]) -> bool {
    frame.copy_to(to).is_ok()
}

fn not_validated(frame: &Frame<'_>, to: &mut [u8]) -> bool {
    frame.parts.payload(frame.mapping).read(0, to);
    true
}

/// Every word of frame `seq` is `seq`.
fn fill(payload: &mut [u8], seq: Seq) {
    for word in payload.as_chunks_mut::<8>().0 {
        *word = seq.get().to_le_bytes();
    }
}

fn is_whole(payload: &[u8], seq: Seq) -> bool {
    payload
        .as_chunks::<8>()
        .0
        .iter()
        .all(|word| *word == seq.get().to_le_bytes())
}

/// Publishes as fast as it can until told to stop: copies and claims in turn.
fn produce(mut ring: ProducerRing, stop: &AtomicBool) {
    let mut buffer = vec![0; LEN];
    while !stop.load(Ordering::Relaxed) {
        fill(&mut buffer, ring.next_seq());
        let _ = ring.publish(&meta(), &buffer).unwrap();
        let mut claim = ring.claim(&meta(), LEN).unwrap();
        let seq = claim.seq();
        fill(claim.payload_mut(), seq);
        let _ = ring.commit(claim).unwrap();
    }
}

/// The oldest frame still there: the next to be overwritten.
fn oldest(mapping: &Mapping) -> Option<Seq> {
    (0..SLOTS)
        .map(|index| mapping.commit_word(index))
        .filter(|word| word.is_committed())
        .map(CommitWord::seq)
        .min()
}

fn consume(mapping: &Arc<Mapping>, copy: Copy, enough: fn(&Counts) -> bool) -> Counts {
    let (mut counts, mut buffer) = (Counts::default(), vec![0; LEN]);
    let mut memo = TensorMemo::<()>::default();
    let started = Instant::now();
    while !enough(&counts) && started.elapsed() < DEADLINE {
        let Some(seq) = oldest(mapping) else { continue };
        let Ok(slot) = mapping.read_slot_with(seq, &mut memo, |_| ()) else {
            counts.refused += 1;
            continue;
        };
        let frame = Frame::of_known(mapping, &slot).unwrap();
        if !copy(&frame, &mut buffer) {
            counts.refused += 1;
        } else if is_whole(&buffer, seq) {
            counts.accepted += 1;
        } else {
            counts.torn += 1;
        }
    }
    counts
}

fn run(copy: Copy, enough: fn(&Counts) -> bool) -> Counts {
    let epoch = TestEpoch::new(SLOTS, &[LEN as u32]);
    let ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
    let mapping = epoch.map(Access::ReadOnly);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| produce(ring, &stop));
        let counts = consume(&mapping, copy, enough);
        stop.store(true, Ordering::Relaxed);
        counts
    })
}

/// Proves [TP-SHM-0750].
#[test]
fn no_torn_frame_is_accepted_from_a_producer_that_laps_its_reader() {
    let counts = run(validated, |counts| {
        counts.accepted >= 2_000 && counts.refused >= 200
    });
    assert_eq!(counts.torn, 0, "{counts:?}");
    assert!(
        counts.accepted > 0 && counts.refused > 0,
        "the run tried too little: {counts:?}"
    );
}

#[test]
fn without_the_second_look_the_same_run_accepts_torn_frames() {
    let counts = run(not_validated, |counts| counts.torn > 0);
    assert!(counts.torn > 0, "{counts:?}");
}

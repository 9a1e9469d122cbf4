use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::mapping::{Access, Mapping, Unusable};
use crate::slot::SlotError;
use crate::testkit::{TestEpoch, meta};

fn ring(slot_count: u32) -> (TestEpoch, ProducerRing) {
    let epoch = TestEpoch::new(slot_count, &[64, 4096]);
    let ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
    (epoch, ring)
}

fn claim(ring: &mut ProducerRing) -> Claim {
    ring.claim(&meta(), 8).unwrap()
}

fn seqs(released: Released<'_>) -> Vec<u64> {
    released.map(Seq::get).collect()
}

fn committed(mapping: &Arc<Mapping>, seq: u64) -> bool {
    mapping.read_slot(Seq::new(seq)).is_ok()
}

/// Proves [TP-SHM-0840].
#[test]
fn commits_become_visible_in_sequence_order() {
    let (_epoch, mut ring) = ring(16);
    let [a, b, c] = [claim(&mut ring), claim(&mut ring), claim(&mut ring)];
    assert_eq!(seqs(ring.commit(c).unwrap()), []);
    assert_eq!(seqs(ring.commit(b).unwrap()), []);
    assert!(!committed(ring.mapping(), 1) && !committed(ring.mapping(), 2));
    assert_eq!(ring.in_flight(), 3);
    assert_eq!(seqs(ring.commit(a).unwrap()), [0, 1, 2]);
    assert!((0..3).all(|seq| committed(ring.mapping(), seq)));
    assert_eq!(ring.in_flight(), 0);
}

#[test]
fn what_is_filled_in_place_is_what_is_committed() {
    let (epoch, mut ring) = ring(16);
    let mut claim = ring.claim(&meta(), 65).unwrap();
    assert_eq!(
        (claim.len(), claim.capacity(), claim.pool()),
        (65, 4096, PoolId::new(2))
    );
    claim.payload_mut().fill(0xAB);
    assert_eq!(seqs(ring.commit(claim).unwrap()), [0]);
    let reader = epoch.map(Access::ReadOnly);
    let slot = reader.read_slot(Seq::new(0)).unwrap();
    assert_eq!(slot.header().slot.values_len_bytes, 65);
    assert_eq!(slot.header().slot.payload_slot, 0);
    let mut copy = [0; 65];
    crate::frame::Frame::new(&reader, &slot)
        .unwrap()
        .copy_to(&mut copy)
        .unwrap();
    assert_eq!(copy, [0xAB; 65]);
}

/// Proves [TP-SHM-0850].
#[test]
fn an_aborted_newest_claim_gives_its_number_back() {
    let (_epoch, mut ring) = ring(16);
    drop(claim(&mut ring));
    assert_eq!(claim(&mut ring).seq(), Seq::new(0));
    let (a, b) = (claim(&mut ring), claim(&mut ring));
    assert_eq!((a.seq(), b.seq()), (Seq::new(0), Seq::new(1)));
    drop(a);
    assert_eq!(seqs(ring.abort(b)), []);
    assert_eq!((ring.next_seq(), ring.in_flight()), (Seq::new(0), 0));
}

/// Proves [TP-SHM-0870].
#[test]
fn any_other_abort_is_a_hole_and_releases_what_waited_for_it() {
    let (_epoch, mut ring) = ring(16);
    let [a, b, c] = [claim(&mut ring), claim(&mut ring), claim(&mut ring)];
    assert_eq!(seqs(ring.commit(c).unwrap()), []);
    drop(b);
    assert_eq!(seqs(ring.commit(a).unwrap()), [0, 2]);
    let waiting = SlotError::Uncommitted {
        expected: Seq::new(1),
    };
    assert_eq!(ring.mapping().read_slot(Seq::new(1)), Err(waiting));
    let (d, e) = (claim(&mut ring), claim(&mut ring));
    assert_eq!(seqs(ring.commit(e).unwrap()), []);
    assert_eq!(seqs(ring.abort(d)), [4]);
    assert_eq!(ring.next_seq(), Seq::new(5));
}

/// Proves [TP-SHM-0870], [TP-SHM-0880].
#[test]
fn a_hole_holds_up_nothing_in_the_laps_after_it() {
    let (_epoch, mut ring) = ring(8);
    let [a, b, c] = [claim(&mut ring), claim(&mut ring), claim(&mut ring)];
    drop(b);
    assert_eq!(seqs(ring.commit(a).unwrap()), [0]);
    assert_eq!(seqs(ring.commit(c).unwrap()), [2]);
    for expected in 3..30 {
        let (seq, released) = ring.publish(&meta(), b"x").unwrap();
        assert_eq!((seq.get(), seqs(released)), (expected, vec![expected]));
        assert_eq!(ring.in_flight(), 0);
        assert_eq!(seqs(ring.poll()), []);
    }
}

/// Proves [TP-SHM-0850].
#[test]
fn a_number_that_was_passed_over_is_not_given_back() {
    let (_epoch, mut ring) = ring(16);
    let [a, b, c] = [claim(&mut ring), claim(&mut ring), claim(&mut ring)];
    drop(b);
    assert_eq!(seqs(ring.commit(a).unwrap()), [0]);
    drop(c);
    assert_eq!(claim(&mut ring).seq(), Seq::new(2));
}

/// Proves [TP-SHM-0860].
#[test]
fn a_claim_progress_was_announced_for_keeps_its_number() {
    let (_epoch, mut ring) = ring(16);
    let announced = claim(&mut ring);
    announced.progress_announced();
    drop(announced);
    assert_eq!(claim(&mut ring).seq(), Seq::new(1));
}

#[test]
fn a_claim_dropped_on_another_thread_is_settled_by_the_next_poll() {
    let (_epoch, mut ring) = ring(16);
    let (a, b) = (claim(&mut ring), claim(&mut ring));
    assert_eq!(seqs(ring.commit(b).unwrap()), []);
    std::thread::spawn(move || drop(a)).join().unwrap();
    assert_eq!(seqs(ring.poll()), [1]);
    assert_eq!(seqs(ring.poll()), []);
}

/// Proves [TP-SHM-0880].
#[test]
fn half_the_ring_may_be_in_flight() {
    let (_epoch, mut ring) = ring(8);
    let mut claims: Vec<_> = (0..4).map(|_| claim(&mut ring)).collect();
    assert_eq!(
        ring.claim(&meta(), 8).unwrap_err(),
        ClaimError::TooManyClaims { limit: 4 }
    );
    assert_eq!(
        ring.publish(&meta(), b"x").unwrap_err(),
        ClaimError::TooManyClaims { limit: 4 }
    );
    drop(claims.remove(0));
    claims.push(claim(&mut ring));
    assert_eq!(claims[3].seq(), Seq::new(4));
    assert_eq!(ring.in_flight(), 4);
    assert_eq!(
        ring.claim(&meta(), 8).unwrap_err(),
        ClaimError::TooManyClaims { limit: 4 }
    );
}

/// Proves [TP-SHM-0880].
#[test]
fn a_ring_of_one_slot_takes_one_claim_at_a_time() {
    let (_epoch, mut ring) = ring(1);
    let first = claim(&mut ring);
    assert_eq!(
        ring.claim(&meta(), 8).unwrap_err(),
        ClaimError::TooManyClaims { limit: 1 }
    );
    assert_eq!(seqs(ring.commit(first).unwrap()), [0]);
    assert_eq!(claim(&mut ring).seq(), Seq::new(1));
}

/// Proves [TP-SHM-0280].
#[test]
fn a_payload_no_pool_fits_uses_no_sequence_number() {
    let (_epoch, mut ring) = ring(8);
    assert_eq!(
        ring.claim(&meta(), 4097).unwrap_err(),
        ClaimError::NoFittingPool {
            len: 4097,
            largest: 4096
        }
    );
    assert_eq!(ring.next_seq(), Seq::new(0));
}

#[test]
fn a_published_frame_waits_for_older_claims() {
    let (_epoch, mut ring) = ring(8);
    let first = claim(&mut ring);
    let (seq, released) = ring.publish(&meta(), b"x").unwrap();
    assert_eq!((seq, seqs(released)), (Seq::new(1), vec![]));
    assert_eq!(seqs(ring.commit(first).unwrap()), [0, 1]);
}

/// Proves [TP-CLI-2560].
#[test]
fn progress_that_was_announced_does_not_keep_a_claim_from_being_committed_or_waited_for() {
    let (_epoch, mut ring) = ring(16);
    let (a, b) = (claim(&mut ring), claim(&mut ring));
    a.progress_announced();
    b.progress_announced();
    assert_eq!(seqs(ring.commit(b).unwrap()), []);
    assert_eq!(seqs(ring.poll()), []);
    drop(a);
    assert_eq!(seqs(ring.poll()), [1], "frame 0 is a hole");
}

/// Proves [TP-CLI-2580].
#[test]
#[should_panic(expected = "progress of frame 0 was announced")]
fn a_header_is_not_rewritten_once_progress_was_announced() {
    let (_epoch, mut ring) = ring(8);
    let mut claim = ring.claim(&meta(), 64).unwrap();
    claim.progress_announced();
    claim.rewrite(&meta(), 10);
}

#[test]
fn a_claim_shows_what_was_written_to_it() {
    let (_epoch, mut ring) = ring(8);
    let mut claim = ring.claim(&meta(), 3).unwrap();
    claim.payload_mut().copy_from_slice(b"abc");
    assert_eq!(claim.payload(), b"abc");
}

#[test]
fn a_header_may_be_rewritten_before_the_commit() {
    let (_epoch, mut ring) = ring(8);
    let mut claim = ring.claim(&meta(), 64).unwrap();
    let later = FrameMeta {
        timestamp: NanoTime::new(99),
        meta_version: Some(MetaVersion::new(3)),
        ..meta()
    };
    claim.rewrite(&later, 10);
    assert_eq!(claim.payload_mut().len(), 10);
    let _ = ring.commit(claim).unwrap();
    let slot = ring.mapping().read_slot(Seq::new(0)).unwrap().header().slot;
    assert_eq!(
        (slot.values_len_bytes, slot.timestamp_ns, slot.meta_version),
        (10, 99, 3)
    );
}

/// Proves [TP-SHM-0550].
#[test]
fn a_revoked_mapping_takes_no_claims_and_no_commits() {
    let (epoch, mut ring) = ring(8);
    let open = claim(&mut ring);
    ring.mapping().revoke();
    let source = Unusable::Revoked;
    let claimed = ring.epoch();
    assert_eq!(
        ring.commit(open).unwrap_err(),
        CommitError::Unusable { claimed, source }
    );
    assert_eq!(
        ring.claim(&meta(), 8).unwrap_err(),
        ClaimError::Unusable(source)
    );
    assert_eq!(
        ring.publish(&meta(), b"x").unwrap_err(),
        ClaimError::Unusable(source)
    );
    assert!(!epoch.map(Access::ReadOnly).commit_word(0).is_committed());
}

/// Proves [TP-SHM-0910].
#[test]
fn a_claim_of_another_ring_is_refused() {
    let (_old_epoch, mut old) = ring(8);
    let (_new_epoch, mut new) = ring(8);
    let stale = claim(&mut old);
    let (claimed, current) = (old.epoch(), new.epoch());
    assert_eq!(
        new.commit(stale).unwrap_err(),
        CommitError::EpochChanged { claimed, current }
    );
    assert_eq!(claim(&mut old).seq(), Seq::new(0));
}

/// Proves [TP-SHM-0900].
#[test]
fn a_mapping_has_one_producer_ever_and_only_if_writable() {
    let (epoch, ring) = ring(8);
    let mapping = Arc::clone(ring.mapping());
    drop(ring);
    assert_eq!(
        ProducerRing::new(mapping).unwrap_err(),
        ProducerError::AlreadyProducing
    );
    let read_only = epoch.map(Access::ReadOnly);
    assert_eq!(
        ProducerRing::new(read_only).unwrap_err(),
        ProducerError::ReadOnly
    );
}

#[derive(Clone, Debug)]
enum Step {
    Claim,
    Publish,
    Commit(usize),
    Drop(usize),
    Abort(usize),
    Poll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Claim),
        1 => Just(Step::Publish),
        3 => (0..8usize).prop_map(Step::Commit),
        1 => (0..8usize).prop_map(Step::Drop),
        1 => (0..8usize).prop_map(Step::Abort),
        1 => Just(Step::Poll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the order of operations: frames come out in order, each once, each visible when it
    /// does, and none that was aborted; the number of claims stays within its limit.
    #[test]
    fn frames_come_out_once_and_in_order(steps in prop::collection::vec(step(), 1..120)) {
        let (_epoch, mut ring) = ring(8);
        let mut open: Vec<Claim> = Vec::new();
        let (mut accepted, mut seen): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
        for step in steps {
            let out = match step {
                Step::Claim => {
                    if let Ok(claim) = ring.claim(&meta(), 8) {
                        open.push(claim);
                    }
                    Vec::new()
                }
                Step::Publish => match ring.publish(&meta(), b"x") {
                    Ok((seq, released)) => {
                        accepted.push(seq.get());
                        seqs(released)
                    }
                    Err(_) => Vec::new(),
                },
                Step::Commit(i) if i < open.len() => {
                    let claim = open.remove(i);
                    accepted.push(claim.seq().get());
                    seqs(ring.commit(claim).unwrap())
                }
                Step::Drop(i) if i < open.len() => {
                    drop(open.remove(i));
                    Vec::new()
                }
                Step::Abort(i) if i < open.len() => {
                    let claim = open.remove(i);
                    seqs(ring.abort(claim))
                }
                Step::Commit(_) | Step::Drop(_) | Step::Abort(_) | Step::Poll => seqs(ring.poll()),
            };
            for seq in &out {
                prop_assert!(committed(ring.mapping(), *seq));
            }
            seen.extend(out);
            prop_assert!(ring.in_flight() <= ring.claim_limit());
            prop_assert!(open.len() <= ring.in_flight() as usize);
        }
        open.clear();
        seen.extend(seqs(ring.poll()));
        prop_assert!(seen.is_sorted_by(|a, b| a < b), "{:?}", seen);
        accepted.sort_unstable();
        prop_assert_eq!(seen, accepted);
        prop_assert_eq!(ring.in_flight(), 0);
    }
}

#[test]
fn large_frames_of_large_rings_arrive_whole_wherever_their_copy_takes_them() {
    let epoch = TestEpoch::new(16, &[2 << 20]);
    let mut ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
    let reader = epoch.map(Access::ReadOnly);
    let bytes: Vec<u8> = (0..400_000u32)
        .map(|at| (at * 7 + at / 251) as u8)
        .collect();
    // Around the length from which frames are copied past the caches, and not whole cache lines.
    for (seq, len) in [262_143, 262_144, 262_145, 300_007, 400_000]
        .into_iter()
        .enumerate()
    {
        let (published, visible) = ring.publish(&meta(), &bytes[..len]).unwrap();
        assert_eq!((published.get(), visible.count()), (seq as u64, 1));
        let slot = reader.read_slot(published).unwrap();
        let frame = crate::frame::Frame::new(&reader, &slot).unwrap();
        let mut read = vec![0; len];
        frame.copy_to(&mut read).unwrap();
        assert!(read == bytes[..len], "a frame of {len} bytes");
    }
}

//! Headers read while the writer laps the reader: each is whole or refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tensorpool_codecs::types::{MetaVersion, NanoTime, Seq};
use tensorpool_codecs::wire::TensorHeader;
use tensorpool_shm::mapping::{Access, Mapping};
use tensorpool_shm::producer::{FrameMeta, ProducerRing};
use tensorpool_shm::slot::SlotError;

use crate::support::{Stream, meta};

const DEADLINE: Duration = Duration::from_secs(30);
const SLOTS: u32 = 2;

/// Publishes frames whose header says the sequence number from end to end.
fn produce(mut ring: ProducerRing, stop: &AtomicBool) {
    let format = *meta(0).tensor;
    while !stop.load(Ordering::Relaxed) {
        let number = ring.next_seq().get() as i32;
        let tensor = TensorHeader {
            dims: [number; 8],
            strides: [number; 8],
            ..format
        };
        let meta = FrameMeta {
            timestamp: NanoTime::new(number as u64),
            meta_version: Some(MetaVersion::new(number as u32)),
            tensor: &tensor,
        };
        let _ = ring.publish(&meta, b"").unwrap();
    }
}

/// Reads slots until some were accepted and some had changed, or time is up; how many of each.
fn consume(mapping: &Mapping) -> (u64, u64) {
    let (mut accepted, mut changed) = (0, 0);
    let started = Instant::now();
    while (accepted < 10_000 || changed < 10) && started.elapsed() < DEADLINE {
        let word = mapping.commit_word(accepted as u32 % SLOTS);
        match mapping.read_slot(word.seq()) {
            Ok(slot) => {
                assert_whole(word.seq(), slot.header());
                accepted += 1;
            }
            Err(SlotError::Changed { .. }) => changed += 1,
            Err(_) => {}
        }
    }
    (accepted, changed)
}

fn assert_whole(seq: Seq, header: &tensorpool_codecs::slot::HeaderSlot) {
    let number = seq.get() as i32;
    let (slot, tensor) = (header.slot, header.tensor);
    assert_eq!(slot.timestamp_ns, number as u64, "frame {seq}");
    assert_eq!(slot.meta_version, number as u32, "frame {seq}");
    assert_eq!(
        (tensor.dims, tensor.strides),
        ([number; 8], [number; 8]),
        "frame {seq}"
    );
}

/// Proves [TP-SHM-0760].
#[test]
fn header_that_changes_while_it_is_read_is_refused() {
    let stream = Stream::new(SLOTS, 64);
    let ring = ProducerRing::new(stream.map(Access::ReadWrite)).unwrap();
    let reader = stream.map(Access::ReadOnly);
    let stop = AtomicBool::new(false);
    let (accepted, changed) = std::thread::scope(|scope| {
        scope.spawn(|| produce(ring, &stop));
        // Stops the producer also when a header was torn.
        let consumed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| consume(&reader)));
        stop.store(true, Ordering::Relaxed);
        consumed.unwrap_or_else(|torn| std::panic::resume_unwind(torn))
    });
    assert!(
        accepted > 0 && changed > 0,
        "tried too little: {accepted} whole, {changed} changed"
    );
}

//! Where frames lie, as a peer would find them in the files.

use std::sync::Arc;

use tensorpool_codecs::slot::HeaderSlot;
use tensorpool_codecs::types::{PoolId, Seq};
use tensorpool_codecs::wire::{Dtype, TensorHeader};
use tensorpool_shm::frame::{Frame, FrameError};
use tensorpool_shm::mapping::{Access, Mapping};
use tensorpool_shm::producer::{FrameMeta, ProducerRing};

use crate::support::{HEADER, POOL, Stream, meta};

const STRIDE: u64 = 192;

fn producing() -> (Stream, ProducerRing) {
    let stream = Stream::new(4, STRIDE as u32);
    let ring = ProducerRing::new(stream.map(Access::ReadWrite)).unwrap();
    (stream, ring)
}

fn publish(ring: &mut ProducerRing, payload: &[u8]) -> Seq {
    let (seq, released) = ring.publish(&meta(payload.len() as i32), payload).unwrap();
    assert_eq!(released.collect::<Vec<_>>(), [seq]);
    seq
}

fn slot(stream: &Stream, index: u64) -> HeaderSlot {
    HeaderSlot::decode(&stream.peek(HEADER, 64 + 256 * index)).unwrap()
}

/// Proves [TP-SHM-0610].
#[test]
fn slot_of_a_frame_is_its_sequence_modulo_the_slot_count() {
    let (stream, mut ring) = producing();
    for seq in 0..6_u64 {
        assert_eq!(publish(&mut ring, b"x"), Seq::new(seq));
        let word = u64::from_le_bytes(stream.peek(HEADER, 64 + 256 * (seq % 4)));
        assert_eq!(word, seq * 2 + 1);
    }
    let others = [4, 5, 2, 3].map(|seq: u64| seq * 2 + 1);
    let found = [0, 1, 2, 3].map(|index| slot(&stream, index).slot.seq_commit);
    assert_eq!(found, others);
}

/// Proves [TP-SHM-0810].
#[test]
fn payload_lies_in_the_slot_of_its_header_from_the_start() {
    let (stream, mut ring) = producing();
    for seq in 0..6_u64 {
        publish(&mut ring, &seq.to_le_bytes());
        let index = seq % 4;
        let header = slot(&stream, index).slot;
        assert_eq!(
            (u64::from(header.payload_slot), header.payload_offset),
            (index, 0)
        );
        let payload = u64::from_le_bytes(stream.peek(POOL, 64 + STRIDE * index));
        assert_eq!(payload, seq);
    }
}

/// Proves [TP-SHM-0250].
#[test]
fn payloads_beyond_4_gib_lie_where_their_slot_is() {
    const GIB: u64 = 1 << 30;
    let stream = Stream::sparse(8, GIB as u32);
    let mut ring = ProducerRing::new(stream.map(Access::ReadWrite)).unwrap();
    for seq in 0..8_u64 {
        publish(&mut ring, &(seq + 100).to_le_bytes());
    }
    for seq in 0..8 {
        let payload = u64::from_le_bytes(stream.peek(POOL, 64 + GIB * seq));
        assert_eq!(payload, seq + 100, "slot {seq}");
    }
}

/// Proves [TP-SHM-0820].
#[test]
fn sequences_of_an_epoch_start_at_zero_and_have_no_gaps() {
    let (_stream, mut ring) = producing();
    let seqs: Vec<u64> = (0..9).map(|_| publish(&mut ring, b"x").get()).collect();
    assert_eq!(seqs, (0..9).collect::<Vec<_>>());
}

/// Proves [TP-SHM-0830].
#[test]
fn slot_says_nothing_of_the_frames_it_held_before() {
    let (stream, mut ring) = producing();
    let narrow = meta(8);
    let tensor = TensorHeader {
        dtype: Dtype::Float64,
        ndims: 8,
        dims: [1; 8],
        strides: [8; 8],
        ..*narrow.tensor
    };
    let wide = FrameMeta {
        tensor: &tensor,
        ..narrow
    };
    // Laps a ring of four with formats that change at every pace, also back to one a slot has held.
    let formats: [&FrameMeta<'_>; 13] = [
        &wide, &wide, &narrow, &wide, &narrow, &wide, &narrow, &narrow, &wide, &narrow, &narrow,
        &wide, &wide,
    ];
    for (seq, format) in (0_u64..).zip(formats) {
        let _ = ring.publish(format, &[0; 8]).unwrap();
        let mut expected = [0; 256];
        let mut header = slot(&stream, seq % 4);
        assert_eq!(header.tensor, *format.tensor, "frame {seq}");
        header.slot.timestamp_ns = format.timestamp.get();
        header.encode_into(&mut expected);
        assert_eq!(
            stream.peek(HEADER, 64 + 256 * (seq % 4)),
            expected,
            "frame {seq}"
        );
    }
}

fn frame_of(reader: &Arc<Mapping>) -> Result<(), FrameError> {
    let slot = reader.read_slot(Seq::new(0)).unwrap();
    Frame::new(reader, &slot).map(|_| ())
}

/// Proves [TP-SHM-1050].
#[test]
fn frame_in_a_pool_that_was_not_announced_is_dropped() {
    let (stream, mut ring) = producing();
    let seq = publish(&mut ring, b"x");
    let reader = stream.map(Access::ReadOnly);
    assert_eq!(frame_of(&reader), Ok(()));
    for id in [0_u16, 2, u16::MAX] {
        stream.poke(HEADER, 64 + 16, &id.to_le_bytes());
        let found = PoolId::new(id);
        assert_eq!(
            frame_of(&reader),
            Err(FrameError::UnknownPool { seq, found })
        );
    }
}

/// Proves [TP-SHM-1110].
#[test]
fn dimensions_beyond_the_count_are_not_there() {
    let (stream, mut ring) = producing();
    let tensor = TensorHeader {
        ndims: 2,
        dims: [2, 4, 99, -1, 5, 5, 5, 5],
        strides: [4, 1, 77, -1, 7, 7, 7, 7],
        ..*meta(8).tensor
    };
    let odd = FrameMeta {
        tensor: &tensor,
        ..meta(8)
    };
    let _ = ring.publish(&odd, &[0; 8]).unwrap();
    let reader = stream.map(Access::ReadOnly);
    let slot = reader.read_slot(Seq::new(0)).unwrap();
    let frame = Frame::new(&reader, &slot).unwrap();
    assert_eq!((frame.shape(), frame.strides()), (&[2, 4][..], &[4, 1][..]));
}

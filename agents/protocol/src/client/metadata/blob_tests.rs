//! The assembler alone, with every defect, and together with the sender.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::blob_sender::{BlobMessage, BlobSender};
use super::super::blobs::{BlobId, OutgoingBlob};
use super::*;

const STREAM: StreamId = StreamId::new(7);
const VERSION: MetaVersion = MetaVersion::new(3);
const SECOND: u64 = 1_000_000_000;

fn at(now: u64) -> NanoTime {
    NanoTime::new(now)
}

fn announce(total_len: u64, checksum: u64) -> BlobAnnounce {
    BlobAnnounce {
        stream_id: STREAM,
        version: VERSION,
        blob_type: 9,
        total_len,
        checksum,
    }
}

fn chunk(offset: u64, bytes: &[u8]) -> BlobChunk<'_> {
    BlobChunk {
        stream_id: STREAM,
        version: VERSION,
        offset,
        bytes,
    }
}

fn complete(checksum: u64) -> BlobComplete {
    BlobComplete {
        stream_id: STREAM,
        version: VERSION,
        checksum,
    }
}

/// What a blob of ten bytes fails with, after the first four of them.
fn defect_of(then: impl FnOnce(&mut BlobAssembler)) -> BlobDefect {
    let mut assembler = BlobAssembler::default();
    assembler.on_announce(at(0), announce(10, 0));
    assembler.on_chunk(at(0), &chunk(0, b"0123"));
    assert_eq!(assembler.poll_event(), None);
    then(&mut assembler);
    assert_eq!(assembler.stats().failed, 1);
    let orphans = assembler.stats().orphans;
    assembler.on_chunk(at(0), &chunk(4, b"456789"));
    assembler.on_complete(&complete(0));
    assert_eq!(
        assembler.stats().orphans,
        orphans + 2,
        "nothing is left of it"
    );
    match assembler.poll_event() {
        Some(BlobEvent::Failed { announce, defect }) => {
            assert_eq!((announce.stream_id, announce.total_len), (STREAM, 10));
            defect
        }
        other => panic!("{other:?}"),
    }
}

/// Proves [TP-CLI-2860].
#[test]
fn a_chunk_that_is_not_the_next_one_discards_the_blob() {
    let defect = defect_of(|a| a.on_chunk(at(0), &chunk(5, b"5")));
    assert_eq!(
        defect,
        BlobDefect::Gap {
            expected: 4,
            found: 5
        }
    );
    let defect = defect_of(|a| a.on_chunk(at(0), &chunk(3, b"3456")));
    assert_eq!(
        defect,
        BlobDefect::Overlap {
            expected: 4,
            found: 3
        }
    );
    let defect = defect_of(|a| a.on_chunk(at(0), &chunk(0, b"0123")));
    assert_eq!(
        defect,
        BlobDefect::Overlap {
            expected: 4,
            found: 0
        }
    );
    let defect = defect_of(|a| a.on_chunk(at(0), &chunk(4, b"4567890")));
    assert_eq!(defect, BlobDefect::Overrun { total: 10, end: 11 });
    let defect = defect_of(|a| a.on_chunk(at(0), &chunk(u64::MAX, b"xy")));
    assert_eq!(
        defect,
        BlobDefect::Overrun {
            total: 10,
            end: u64::MAX
        }
    );
    let defect = defect_of(|a| a.on_chunk(at(0), &chunk(4, b"")));
    assert_eq!(defect, BlobDefect::EmptyChunk);
}

/// Proves [TP-CLI-2865].
#[test]
fn an_end_that_comes_too_early_or_says_another_checksum_discards_the_blob() {
    let defect = defect_of(|a| a.on_complete(&complete(0)));
    assert_eq!(
        defect,
        BlobDefect::Incomplete {
            total: 10,
            received: 4
        }
    );
    let defect = defect_of(|a| {
        a.on_chunk(at(0), &chunk(4, b"456789"));
        a.on_complete(&complete(1));
    });
    let differ = BlobDefect::ChecksumsDiffer {
        announced: 0,
        completed: 1,
    };
    assert_eq!(defect, differ);
}

/// Proves [TP-CLI-2870].
#[test]
fn bytes_are_held_against_their_checksum_only_if_that_was_asked_for() {
    let outcome = |verify, checksum| {
        let mut assembler = BlobAssembler::new(BlobLimits {
            verify,
            ..BlobLimits::default()
        });
        assembler.on_announce(at(0), announce(9, checksum));
        assembler.on_chunk(at(0), &chunk(0, b"123456789"));
        assembler.on_complete(&complete(checksum));
        assembler.poll_event()
    };
    let arrived = |event| matches!(event, Some(BlobEvent::Arrived(_)));
    // The check value of CRC-32C.
    assert!(arrived(outcome(true, 0xe306_9283)));
    assert!(arrived(outcome(true, 0)), "0 says that there is none");
    assert!(arrived(outcome(false, 0x1234)), "agreed upon elsewhere");
    match outcome(true, 0x1234) {
        Some(BlobEvent::Failed { defect, .. }) => assert_eq!(
            defect.to_string(),
            "checksum 0x1234 was announced, the bytes have 0xe3069283"
        ),
        other => panic!("{other:?}"),
    }
}

/// Proves [TP-CLI-2875].
#[test]
fn blobs_of_several_streams_and_versions_come_in_side_by_side() {
    let mut assembler = BlobAssembler::default();
    let keys = [(7, 3), (7, 4), (8, 3)];
    let of = |(stream, version): (u32, u32)| (StreamId::new(stream), MetaVersion::new(version));
    for key in keys {
        let (stream_id, version) = of(key);
        let announce = BlobAnnounce {
            stream_id,
            version,
            ..announce(2, 0)
        };
        assembler.on_announce(at(0), announce);
    }
    for offset in 0..2u8 {
        for (index, key) in keys.into_iter().enumerate() {
            let (stream_id, version) = of(key);
            let bytes = [10 * index as u8 + offset];
            let chunk = BlobChunk {
                stream_id,
                version,
                ..chunk(offset.into(), &bytes)
            };
            assembler.on_chunk(at(0), &chunk);
        }
    }
    for (index, key) in keys.into_iter().enumerate() {
        let (stream_id, version) = of(key);
        assembler.on_complete(&BlobComplete {
            stream_id,
            version,
            checksum: 0,
        });
        let blob = match assembler.poll_event() {
            Some(BlobEvent::Arrived(blob)) => blob,
            other => panic!("{other:?}"),
        };
        assert_eq!((blob.stream_id, blob.version), (stream_id, version));
        assert_eq!(blob.bytes, [10 * index as u8, 10 * index as u8 + 1]);
    }
}

/// Proves [TP-CLI-2875].
#[test]
fn another_announce_of_the_same_version_replaces_the_blob_under_way() {
    let mut assembler = BlobAssembler::default();
    assembler.on_announce(at(0), announce(10, 0));
    assembler.on_chunk(at(0), &chunk(0, b"0123"));
    assembler.on_announce(at(1), announce(2, 0));
    assembler.on_chunk(at(1), &chunk(0, b"ab"));
    assembler.on_complete(&complete(0));
    let superseded = assembler.poll_event();
    assert!(matches!(
        superseded,
        Some(BlobEvent::Failed { announce, defect: BlobDefect::Superseded }) if announce.total_len == 10
    ));
    assert!(
        matches!(assembler.poll_event(), Some(BlobEvent::Arrived(blob)) if blob.bytes == b"ab")
    );
}

/// Proves [TP-CLI-2880].
#[test]
fn a_blob_nothing_more_comes_of_is_discarded_after_five_seconds() {
    let mut assembler = BlobAssembler::default();
    assembler.on_announce(at(0), announce(10, 0));
    assembler.on_chunk(at(SECOND), &chunk(0, b"0123"));
    assembler.on_timeout(at(6 * SECOND - 1));
    assert_eq!(assembler.poll_event(), None);
    assembler.on_timeout(at(6 * SECOND));
    assert!(matches!(
        assembler.poll_event(),
        Some(BlobEvent::Failed {
            defect: BlobDefect::TimedOut,
            ..
        })
    ));
}

/// Proves [TP-CLI-2885].
#[test]
fn blobs_are_bounded_in_length_and_number() {
    let mut assembler = BlobAssembler::new(BlobLimits {
        max_len: 10,
        max_under_way: 2,
        ..BlobLimits::default()
    });
    let defect = |assembler: &mut BlobAssembler| match assembler.poll_event() {
        Some(BlobEvent::Failed { defect, .. }) => Some(defect),
        _ => None,
    };
    assembler.on_announce(at(0), announce(11, 0));
    assert_eq!(
        defect(&mut assembler),
        Some(BlobDefect::TooLong { total: 11, max: 10 })
    );
    assembler.on_announce(at(0), announce(u64::MAX, 0));
    assert!(defect(&mut assembler).is_some());
    for version in 1..=3 {
        assembler.on_announce(
            at(0),
            BlobAnnounce {
                version: MetaVersion::new(version),
                ..announce(10, 0)
            },
        );
    }
    assert_eq!(defect(&mut assembler), Some(BlobDefect::NoRoom));
    assembler.retain(|_| false);
    assembler.on_announce(at(0), announce(10, 0));
    assert_eq!(defect(&mut assembler), None, "there is room again");
}

/// Proves [TP-CLI-2890].
#[test]
fn chunks_and_ends_of_blobs_nobody_announced_are_ignored_and_counted() {
    let mut assembler = BlobAssembler::default();
    assembler.on_chunk(at(0), &chunk(0, b"0123"));
    assembler.on_complete(&complete(0));
    assert_eq!(assembler.poll_event(), None);
    assert_eq!(
        (assembler.stats().orphans, assembler.stats().failed),
        (2, 0)
    );
}

proptest! {
    /// Whatever is dropped, repeated or swapped on the way: a blob that arrives is the one that was
    /// sent, and one that met with nothing arrives.
    #[test]
    fn what_arrives_is_what_was_sent(
        len in 0usize..5_000,
        max_chunk_len in 1usize..2_000,
        harm in prop::option::of((any::<prop::sample::Index>(), 0u8..3)),
    ) {
        let bytes: Arc<[u8]> = (0..len).map(|i| (i * 7) as u8).collect();
        let mut sender = BlobSender::new(SECOND);
        sender.push(at(0), OutgoingBlob {
            id: BlobId(1),
            version: VERSION,
            blob_type: 9,
            checksum: checksum_of(&bytes),
            bytes: Arc::clone(&bytes),
        });
        let mut messages: Vec<(u64, Option<Vec<u8>>, u64)> = Vec::new();
        let mut total = 0;
        while let Some(message) = sender.peek(STREAM, max_chunk_len) {
            messages.push(match message {
                BlobMessage::Announce(a) => {
                    total = a.total_len;
                    (0, None, a.checksum)
                }
                BlobMessage::Chunk(c) => (c.offset, Some(c.bytes.to_vec()), 0),
                BlobMessage::Complete(c) => (1, None, c.checksum),
            });
            sender.on_sent(at(0), max_chunk_len);
        }
        let intact = messages.clone();
        if let Some((index, kind)) = harm {
            let index = index.index(messages.len());
            match kind {
                0 => { messages.remove(index); }
                1 => { let again = messages[index].clone(); messages.insert(index, again); }
                _ => { let other = (index + 1) % messages.len(); messages.swap(index, other); }
            }
        }
        let mut assembler = BlobAssembler::new(BlobLimits { verify: true, ..BlobLimits::default() });
        for (place, data, checksum) in &messages {
            match (place, data) {
                (offset, Some(data)) => assembler.on_chunk(at(0), &chunk(*offset, data)),
                (0, None) => assembler.on_announce(at(0), announce(total, *checksum)),
                (_, None) => assembler.on_complete(&complete(*checksum)),
            }
        }
        let mut arrived = 0;
        while let Some(event) = assembler.poll_event() {
            if let BlobEvent::Arrived(blob) = event {
                prop_assert_eq!(&blob.bytes[..], &bytes[..]);
                arrived += 1;
            }
        }
        if messages == intact {
            prop_assert_eq!(arrived, 1);
        }
    }
}

//! Blobs from producers of ours, and from peers that send them wrong.

use std::time::Instant;

use tensorpool::client::{
    BlobDefect, BlobError, BlobId, BlobOutcome, ClientConfig, Event, Metadata,
};
use tensorpool::codecs::gate::{Message, gate};
use tensorpool::codecs::types::MetaVersion;
use tensorpool::codecs::wire::{MetaBlobAnnounce, MetaBlobChunk, MetaBlobComplete, Template};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{Link, LinkConfig, Subscription, SubscriptionOptions};

use crate::peer::Peer;
use crate::support::{STREAM, WAIT, World};
use crate::{camera, listener, wait_event, wait_producer_event, wait_version, world_with_producer};

fn blob_bytes(len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (i as u32).wrapping_mul(2_654_435_761) as u8)
        .collect()
}

fn is_done(event: &Event) -> Option<(BlobId, BlobOutcome)> {
    match event {
        Event::BlobDone { id, outcome } => Some((*id, *outcome)),
        _ => None,
    }
}

/// Proves [TP-CLI-2850], [TP-CLI-2840].
#[test]
fn blobs_arrive_whole_and_in_order_with_the_checksum_that_was_asked_for() {
    for blob_checksums in [false, true] {
        let world = World::new();
        let client = tensorpool::client::Client::connect(ClientConfig {
            blob_checksums,
            ..world.client_config()
        })
        .unwrap();
        let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
        let mut consumer = listener(&client);
        producer.set_metadata(camera()).unwrap();
        wait_version(&mut consumer, 1);
        let blobs = [blob_bytes(5 << 20), Vec::new(), blob_bytes(1)];
        for (blob_type, bytes) in blobs.iter().enumerate() {
            producer
                .publish_blob(blob_type as u32, bytes.clone())
                .unwrap();
        }
        let (started, mut arrived, mut done) = (Instant::now(), Vec::new(), Vec::new());
        while arrived.len() < blobs.len() || done.len() < blobs.len() {
            consumer.poll(|_| {}, 1).unwrap();
            for event in consumer.events() {
                match event {
                    Event::Blob(blob) => arrived.push(blob.shared()),
                    Event::BlobFailed { defect, .. } => panic!("{defect}"),
                    _ => {}
                }
            }
            done.extend(producer.events().filter_map(|event| is_done(&event)));
            assert!(started.elapsed() < WAIT, "{arrived:?} {done:?}");
        }
        for (blob_type, (blob, bytes)) in arrived.iter().zip(&blobs).enumerate() {
            assert_eq!(
                (blob.stream_id, blob.version),
                (STREAM, MetaVersion::new(1))
            );
            assert_eq!(blob.blob_type, blob_type as u32);
            assert!(blob.bytes == *bytes, "{} bytes", bytes.len());
            let crc = tensorpool::protocol::client::metadata::checksum_of(bytes);
            assert_eq!(blob.checksum, if blob_checksums { crc } else { 0 });
        }
        let all_sent = [1, 2, 3].map(|id| (BlobId(id), BlobOutcome::Sent));
        assert_eq!(done, all_sent);
    }
}

#[test]
fn blobs_that_cannot_be_sent_are_refused() {
    let (_world, _client, mut producer) = world_with_producer();
    let refused = producer.publish_blob(1, blob_bytes(1));
    assert_eq!(refused, Err(BlobError::NoMetadata));
    producer.set_metadata(Metadata::default()).unwrap();
    let refused = producer.publish_blob(1, vec![0; (16 << 20) + 1]);
    assert!(
        matches!(refused, Err(BlobError::TooLong { .. })),
        "{refused:?}"
    );
}

/// Proves [TP-CLI-2857].
#[test]
fn a_blob_nobody_subscribes_to_is_given_up() {
    let (_world, client, mut producer) = world_with_producer();
    producer.set_metadata(camera()).unwrap();
    let lost = producer.publish_blob(1, blob_bytes(10)).unwrap();
    let done = wait_producer_event(&mut producer, is_done);
    assert_eq!(done, (lost, BlobOutcome::TimedOut));
    let mut consumer = listener(&client);
    wait_version(&mut consumer, 1);
    let sent = producer.publish_blob(1, blob_bytes(10)).unwrap();
    let done = wait_producer_event(&mut producer, is_done);
    assert_eq!(done, (sent, BlobOutcome::Sent));
}

/// Somebody who holds the metadata stream up: he is waited for, and does not read. Beside him somebody
/// reads what there is.
struct HoldUp {
    link: Link,
    _held: Subscription,
    reader: Subscription,
}

impl HoldUp {
    fn new(world: &World) -> Self {
        let endpoint = world.client_config().metadata;
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let mut subscribe =
            |options| link.add_subscription(&endpoint.channel, endpoint.stream_id, options);
        let mut held = subscribe(SubscriptionOptions::default());
        let reader = subscribe(SubscriptionOptions::UNTETHERED);
        let started = Instant::now();
        while !held.is_connected() {
            link.do_work(monotonic_ns());
            assert!(started.elapsed() < WAIT);
        }
        Self {
            link,
            _held: held,
            reader,
        }
    }

    /// Reads until a chunk came.
    fn wait_chunk(&mut self) {
        let (started, mut came) = (Instant::now(), false);
        while !came {
            self.link.do_work(monotonic_ns());
            self.reader.poll(64, |bytes, _| {
                let message = gate(bytes).map(|gated| gated.message);
                came |= message == Ok(Message::Wire(Template::MetaBlobChunk));
            });
            assert!(started.elapsed() < WAIT);
        }
    }
}

/// Proves [TP-CLI-2855].
#[test]
fn a_blob_that_the_end_of_the_media_driver_cut_short_arrives_whole_afterwards() {
    let (mut world, client, mut producer) = world_with_producer();
    let mut consumer = listener(&client);
    producer.set_metadata(camera()).unwrap();
    wait_version(&mut consumer, 1);
    let mut hold_up = HoldUp::new(&world);
    // More than the window of a publication that nobody goes on reading.
    let bytes = blob_bytes(8 << 20);
    let id = producer.publish_blob(7, bytes.clone()).unwrap();
    hold_up.wait_chunk();
    world.media = None;
    drop(hold_up);
    assert!(producer.events().all(|event| is_done(&event).is_none()));
    world.start_media_driver();
    let arrived = wait_event(&mut consumer, |event| match event {
        Event::Blob(blob) => Some(blob.shared()),
        _ => None,
    });
    assert!(arrived.bytes == bytes, "{} bytes", arrived.bytes.len());
    let done = wait_producer_event(&mut producer, is_done);
    assert_eq!(done, (id, BlobOutcome::Sent));
}

struct Sender(Peer);

impl Sender {
    fn announce(&mut self, meta_version: u32, total_len: u64, checksum: u64) {
        let mut bytes = [0; MetaBlobAnnounce::ENCODED_LEN];
        let announce = MetaBlobAnnounce {
            stream_id: STREAM.get(),
            meta_version,
            blob_type: 6,
            total_len,
            checksum,
        };
        announce.encode(&mut bytes).unwrap();
        self.0.say(&bytes);
    }

    fn chunk(&mut self, meta_version: u32, chunk_offset: u64, bytes: &[u8]) {
        let chunk = MetaBlobChunk {
            stream_id: STREAM.get(),
            meta_version,
            chunk_offset,
            bytes,
        };
        let mut message = [0; 128];
        let len = chunk.encode(&mut message).unwrap();
        self.0.say(&message[..len]);
    }

    fn complete(&mut self, meta_version: u32, checksum: u64) {
        let mut bytes = [0; MetaBlobComplete::ENCODED_LEN];
        let complete = MetaBlobComplete {
            stream_id: STREAM.get(),
            meta_version,
            checksum,
        };
        complete.encode(&mut bytes).unwrap();
        self.0.say(&bytes);
    }
}

/// Proves [TP-CLI-2860], [TP-CLI-2865], [TP-CLI-2875].
#[test]
fn blobs_that_peers_send_wrong_are_told_of_and_the_next_one_arrives() {
    let (world, client, _producer) = world_with_producer();
    let mut consumer = listener(&client);
    let mut sender = Sender(Peer::speaker(&world));
    let mut next = || {
        wait_event(&mut consumer, |event| match event {
            Event::Blob(blob) => Some((blob.version.get(), Ok(blob.shared().bytes.clone()))),
            Event::BlobFailed {
                version, defect, ..
            } => Some((version.get(), Err(*defect))),
            _ => None,
        })
    };
    let mut expect = |version, outcome: Result<&[u8], BlobDefect>| {
        assert_eq!(next(), (version, outcome.map(<[u8]>::to_vec)));
    };
    // Two at a time, one of which is good.
    sender.announce(1, 4, 0x99);
    sender.announce(2, 4, 0);
    sender.chunk(1, 0, b"ab");
    sender.chunk(2, 1, b"b");
    expect(
        2,
        Err(BlobDefect::Gap {
            expected: 0,
            found: 1,
        }),
    );
    sender.chunk(1, 2, b"cd");
    sender.complete(1, 0x99);
    expect(1, Ok(b"abcd"));
    sender.chunk(2, 0, b"abcd");
    sender.complete(2, 0);
    sender.announce(3, 2, 0);
    sender.chunk(3, 0, b"a");
    sender.chunk(3, 0, b"a");
    expect(
        3,
        Err(BlobDefect::Overlap {
            expected: 1,
            found: 0,
        }),
    );
    sender.announce(4, 2, 0);
    sender.chunk(4, 0, b"abc");
    expect(4, Err(BlobDefect::Overrun { total: 2, end: 3 }));
    sender.announce(5, 2, 0);
    sender.complete(5, 0);
    expect(
        5,
        Err(BlobDefect::Incomplete {
            total: 2,
            received: 0,
        }),
    );
    sender.announce(6, 1, 7);
    sender.chunk(6, 0, b"a");
    sender.complete(6, 8);
    let differ = BlobDefect::ChecksumsDiffer {
        announced: 7,
        completed: 8,
    };
    expect(6, Err(differ));
    sender.announce(7, u64::MAX, 0);
    expect(
        7,
        Err(BlobDefect::TooLong {
            total: u64::MAX,
            max: 16 << 20,
        }),
    );
    // A chunk without its bytes, and one that says more than it has.
    sender.announce(8, 2, 0);
    sender.chunk(8, 0, b"");
    expect(8, Err(BlobDefect::EmptyChunk));
    sender.announce(9, 2, 0);
    sender.announce(9, 1, 0);
    expect(9, Err(BlobDefect::Superseded));
    sender.chunk(9, 0, b"z");
    sender.complete(9, 0);
    expect(9, Ok(b"z"));
}

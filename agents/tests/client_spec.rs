//! Single promises of the client that only show on the wire and in shared memory.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::{STREAM, WAIT, World};
use tensorpool::client::{
    Announced, Consumer, DropCause, Event, FrameInfo, FrameMeta, OfferError, Producer,
};
use tensorpool::codecs::driver::{
    LeaseRevokeReason, ResponseCode, ShmAttachResponseView, ShmLeaseKeepalive, ShmLeaseRevoked,
    Template as DriverTemplate,
};
use tensorpool::codecs::gate::{Message, gate};
use tensorpool::codecs::types::{ClientId, Epoch, Seq, StreamId, TraceId};
use tensorpool::codecs::wire::{
    ConsumerHello, FrameDescriptor, Mode, QosConsumer, QosProducer, Template,
};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::transport::{
    Link, LinkConfig, Publication, PublicationOptions, Subscription, SubscriptionOptions,
};

mod support;

/// Offsets within a revocation, its header included.
const ROLE: usize = 8 + 24;
const REASON: usize = 8 + 25;

/// Somebody else on the streams of a world.
struct Peer {
    link: Link,
    subscriptions: Vec<Subscription>,
    descriptors: Publication,
}

impl Peer {
    /// Listens to control, announces and reports, and can publish descriptors.
    fn new(world: &World) -> Self {
        let config = world.client_config();
        let mut link = Link::new(LinkConfig::for_dir(&world.aeron_dir())).unwrap();
        let endpoints = [&config.control, &config.announce, &config.qos];
        let subscriptions = endpoints.map(|endpoint| {
            let options = SubscriptionOptions::default();
            link.add_subscription(&endpoint.channel, endpoint.stream_id, options)
        });
        let (channel, stream_id) = (&config.descriptor.channel, config.descriptor.stream_id);
        let descriptors = link.add_publication(channel, stream_id, PublicationOptions::default());
        let mut peer = Self {
            link,
            subscriptions: subscriptions.into(),
            descriptors,
        };
        let started = Instant::now();
        while !peer.subscriptions.iter_mut().all(Subscription::is_live) {
            peer.link.do_work(monotonic_ns());
            assert!(started.elapsed() < WAIT);
        }
        peer
    }

    /// Hears what there is; gives its number.
    fn hear(&mut self, mut on_message: impl FnMut(&[u8], Message)) -> usize {
        self.link.do_work(monotonic_ns());
        let poll = |subscription: &mut Subscription| {
            subscription.poll(64, |bytes, _| {
                if let Ok(gated) = gate(bytes) {
                    on_message(bytes, gated.message);
                }
            })
        };
        self.subscriptions.iter_mut().map(poll).sum()
    }

    /// Hears messages until one is what is looked for, and what came with it.
    fn find<T>(&mut self, mut find: impl FnMut(&[u8], Message) -> Option<T>) -> T {
        let (started, mut found) = (Instant::now(), None);
        loop {
            self.hear(|bytes, message| {
                let this = find(bytes, message);
                found = found.take().or(this);
            });
            if let Some(found) = found {
                return found;
            }
            assert!(started.elapsed() < WAIT, "not heard in time");
        }
    }

    fn describe(&mut self, stream_id: StreamId, epoch: Epoch, seq: u64) {
        let mut bytes = [0; FrameDescriptor::ENCODED_LEN];
        FrameDescriptor {
            stream_id: stream_id.get(),
            epoch: epoch.get(),
            seq,
            timestamp_ns: None,
            meta_version: None,
            trace_id: None,
        }
        .encode_into(&mut bytes);
        let started = Instant::now();
        while !self.descriptors.offer(&bytes).is_sent() {
            self.link.do_work(monotonic_ns());
            assert!(started.elapsed() < WAIT);
        }
    }
}

fn open(world: &World) -> (tensorpool::client::Client, Producer, Consumer) {
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    producer.wait_consumers(1, WAIT).unwrap();
    (client, producer, consumer)
}

fn poll_infos(consumer: &mut Consumer, count: usize) -> Vec<FrameInfo> {
    let (mut infos, started) = (Vec::new(), Instant::now());
    while infos.len() < count {
        consumer.poll(|frame| infos.push(frame.info()), 16).unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    infos
}

/// The header ring of an epoch.
fn header_ring(dir: &Path, epoch: Epoch) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir).ok()?;
    entries
        .flatten()
        .map(|entry| entry.path())
        .find_map(|path| {
            let file = path.join("header.ring");
            match path.file_name() {
                Some(name) if *name == *epoch.get().to_string() && file.exists() => Some(file),
                _ => header_ring(&path, epoch),
            }
        })
}

/// Proves [TP-CLI-1430].
#[test]
fn a_frame_nobody_listens_to_is_committed_and_takes_its_number() {
    let world = World::new();
    let client = world.client();
    let mut producer = client.producer(STREAM).wait(WAIT).unwrap();
    let meta = FrameMeta::bytes(1).unwrap();
    for seq in 0..3 {
        let offered = producer.offer(&meta, b"x").unwrap();
        assert_eq!(offered.seq, Seq::new(seq));
        assert_eq!(offered.announced, Announced::NotConnected);
    }
    assert_eq!(producer.next_seq(), Some(Seq::new(3)));
    let ring = header_ring(world.dir.path(), producer.epoch().unwrap()).unwrap();
    let ring = std::fs::read(ring).unwrap();
    let commit = |slot: usize| &ring[64 + 256 * slot..][..8];
    for seq in 0..3u64 {
        assert_eq!(commit(seq as usize), (seq << 1 | 1).to_le_bytes());
    }
}

/// Proves [TP-CLI-1440].
#[test]
fn a_refused_offer_takes_no_number() {
    let world = World::new();
    let (_client, mut producer, mut consumer) = open(&world);
    let too_long = vec![0; (64 << 10) + 1];
    let refused = producer.offer(&FrameMeta::bytes(too_long.len()).unwrap(), &too_long);
    assert!(matches!(refused, Err(OfferError::NoFittingPool { .. })));
    // Half the ring is claimed: no more than that.
    let meta = FrameMeta::bytes(1).unwrap();
    let claims: Vec<_> = (0..4).map(|_| producer.claim(&meta, 1).unwrap()).collect();
    let limit = |error| matches!(error, OfferError::TooManyClaims { limit: 4 });
    assert!(limit(producer.claim(&meta, 1).unwrap_err()));
    assert!(limit(producer.offer(&meta, b"x").unwrap_err()));
    for (claim, seq) in claims.into_iter().zip(0..) {
        assert_eq!(producer.commit(claim).unwrap().seq, Seq::new(seq));
    }
    poll_infos(&mut consumer, 4);
    let offered = producer.offer(&meta, b"x").unwrap();
    assert_eq!(offered.seq, Seq::new(4));
    poll_infos(&mut consumer, 1);
    assert_eq!(consumer.stats().lost(), 0);
}

/// Proves [TP-CLI-1440].
#[test]
fn an_offer_into_memory_that_was_truncated_says_so_and_takes_no_number() {
    let world = World::new();
    let (_client, mut producer, _consumer) = open(&world);
    let meta = FrameMeta::bytes(1).unwrap();
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < WAIT);
        let Ok(offered) = producer.offer(&meta, b"x") else {
            continue;
        };
        let ring = header_ring(world.dir.path(), offered.epoch).unwrap();
        let pool = ring.with_file_name("1.pool");
        let pool = std::fs::File::options().write(true).open(pool).unwrap();
        pool.set_len(0).unwrap();
        match producer.offer(&meta, b"y") {
            // The conductor saw it first: once more, in the next epoch.
            Err(OfferError::NotAttached) => continue,
            Err(OfferError::Poisoned) => {}
            other => panic!("{other:?}"),
        }
        let next = producer.next_seq();
        assert!(next.is_none_or(|next| next == Seq::new(offered.seq.get() + 1)));
        return;
    }
}

/// Proves [TP-CLI-1450], [TP-CLI-1460].
#[test]
fn descriptors_carry_the_time_of_publishing_and_the_trace_and_no_metadata_version() {
    let world = World::new();
    let (_client, mut producer, mut consumer) = open(&world);
    let mut meta = FrameMeta::bytes(1).unwrap();
    meta.trace_id = Some(TraceId::new(77));
    let mut claim = producer.claim(&meta, 1).unwrap();
    claim.payload_mut()[0] = 1;
    let before = monotonic_ns();
    producer.commit(claim).unwrap();
    let after = monotonic_ns();
    let info = poll_infos(&mut consumer, 1)[0];
    let published = info.published.expect("a time");
    assert!(before <= published && published <= after);
    assert!(info.timestamp <= before, "of the claim");
    assert_eq!(info.trace_id, Some(TraceId::new(77)));
    assert_eq!(info.meta_version, None);
}

/// Proves [TP-CLI-1480].
#[test]
fn an_idle_producer_shows_that_it_lives() {
    let world = World::new();
    let client = world.client();
    let producer = client.producer(STREAM).wait(WAIT).unwrap();
    let ring = header_ring(world.dir.path(), producer.epoch().unwrap()).unwrap();
    let activity = || {
        let superblock = std::fs::read(&ring).unwrap();
        u64::from_le_bytes(superblock[56..64].try_into().unwrap())
    };
    let (started, mut seen) = (Instant::now(), vec![activity()]);
    while seen.len() < 4 {
        let now = activity();
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        assert!(started.elapsed() < WAIT, "{seen:?}");
        std::thread::yield_now();
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
}

/// Proves [TP-CLI-0820].
#[test]
fn a_region_that_is_no_longer_what_was_mapped_is_not_used_any_more() {
    let world = World::new();
    let (_client, producer, mut consumer) = open(&world);
    let ring = header_ring(world.dir.path(), producer.epoch().unwrap()).unwrap();
    let file = std::fs::File::options().write(true).open(ring).unwrap();
    file.write_all_at(b"NOTMAGIC", 0).unwrap();
    let started = Instant::now();
    loop {
        consumer.poll(|_| {}, 1).unwrap();
        let failed = |event: Event| matches!(event, Event::MapFailed { .. });
        if consumer.events().any(failed) {
            break;
        }
        assert!(started.elapsed() < WAIT);
    }
    assert_eq!(consumer.epoch(), None);
}

/// Proves [TP-CLI-1610], [TP-CLI-1620], [TP-CLI-1630].
#[test]
fn a_hello_says_shared_memory_and_asks_for_no_streams_of_its_own() {
    let world = World::new();
    let mut peer = Peer::new(&world);
    let client = world.client();
    let consumer = client.consumer(STREAM).wait(WAIT).unwrap();
    let mut heard = 0;
    // Three: hellos are repeated.
    peer.find(|bytes, message| {
        if message != Message::Wire(Template::ConsumerHello) {
            return None;
        }
        let hello = ConsumerHello::decode(bytes).unwrap();
        assert_eq!(hello.stream_id, STREAM.get());
        assert_eq!(
            Some(hello.consumer_id),
            consumer.client_id().map(|id| id.get())
        );
        assert!(hello.supports_shm && !hello.supports_progress);
        assert_eq!((hello.mode, hello.max_rate_hz), (Mode::Stream, 0));
        assert_eq!(
            (hello.descriptor_stream_id, hello.control_stream_id),
            (0, 0)
        );
        assert!(hello.descriptor_channel.is_empty() && hello.control_channel.is_empty());
        heard += 1;
        (heard == 3).then_some(())
    });
}

/// Proves [TP-CLI-1650], [TP-CLI-1660].
#[test]
fn reports_name_the_epoch_and_how_far_it_was_written_and_read() {
    let world = World::new();
    let mut peer = Peer::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    let epoch = producer.epoch().unwrap();
    for _ in 0..5 {
        producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
    }
    poll_infos(&mut consumer, 5);
    consumer.poll(|_| {}, 1).unwrap();
    let (mut written, mut read) = (false, false);
    peer.find(|bytes, message| {
        match message {
            Message::Wire(Template::QosProducer) => {
                let qos = QosProducer::decode(bytes).unwrap();
                let ours = (qos.stream_id, qos.epoch) == (STREAM.get(), epoch.get());
                written |= ours && qos.current_seq == 5;
            }
            Message::Wire(Template::QosConsumer) => {
                let qos = QosConsumer::decode(bytes).unwrap();
                let ours = (qos.stream_id, qos.epoch) == (STREAM.get(), epoch.get());
                read |= ours && qos.last_seq_seen == 4 && qos.mode == Some(Mode::Stream);
            }
            _ => {}
        }
        (written && read).then_some(())
    });
}

/// Proves [TP-CLI-1490].
#[test]
fn a_producer_leaves_announcing_to_the_driver() {
    let world = World::new();
    let mut peer = Peer::new(&world);
    let (client, producer, consumer) = open(&world);
    let (mut publications, mut announces) = (std::collections::HashSet::new(), 0);
    let _closing = producer.close(Duration::ZERO);
    let started = Instant::now();
    while announces < 4 {
        peer.link.do_work(monotonic_ns());
        for (index, subscription) in peer.subscriptions.iter_mut().enumerate() {
            subscription.poll(8, |bytes, info| {
                let message = gate(bytes).map(|gated| gated.message);
                if message == Ok(Message::Wire(Template::ShmPoolAnnounce)) {
                    publications.insert((index, info.session_id));
                    announces += 1;
                }
            });
        }
        assert!(started.elapsed() < WAIT);
    }
    assert_eq!(publications.len(), 1, "{publications:?}");
    drop((client, consumer));
}

/// Proves [TP-CLI-0910], [TP-CLI-0930].
#[test]
fn descriptors_of_other_streams_and_epochs_do_not_harm_a_consumer() {
    let world = World::new();
    let mut peer = Peer::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    let epoch = producer.epoch().unwrap();
    peer.describe(StreamId::new(1), epoch, 0);
    peer.describe(STREAM, Epoch::new(epoch.get() + 1), 3);
    peer.describe(STREAM, Epoch::new(1), 9);
    let started = Instant::now();
    while consumer.stats().drops(DropCause::EpochMismatch) < 2 {
        assert_eq!(consumer.poll(|_| {}, 16).unwrap(), 0);
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    assert_eq!(consumer.epoch(), Some(epoch), "still mapped");
    producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
    poll_infos(&mut consumer, 1);
    assert_eq!(
        (consumer.stats().delivered(), consumer.stats().lost()),
        (1, 0)
    );
}

/// Proves [TP-CLI-1910].
#[test]
fn a_closed_producer_says_its_position_before_its_lease_goes_back() {
    let world = World::new();
    let mut peer = Peer::new(&world);
    let (_client, mut producer, _consumer) = open(&world);
    let epoch = producer.epoch().unwrap();
    // Who hears one report hears all that follow: the order of the last two words is about to count.
    peer.find(|bytes, message| {
        let is_report = message == Message::Wire(Template::QosProducer);
        (is_report && QosProducer::decode(bytes).unwrap().epoch == epoch.get()).then_some(())
    });
    for _ in 0..3 {
        producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
    }
    let closing = producer.close(Duration::ZERO);
    let mut told = false;
    let mut note = |bytes: &[u8], message| {
        if message == Message::Wire(Template::QosProducer) {
            let qos = QosProducer::decode(bytes).unwrap();
            told |= qos.epoch == epoch.get() && qos.current_seq == 3;
        }
    };
    peer.find(|bytes, message| {
        note(bytes, message);
        (message == Message::Driver(DriverTemplate::ShmDetachRequest)).then_some(())
    });
    // Whatever was said before is in the log by now.
    while peer.hear(&mut note) > 0 {}
    assert!(told, "the last report comes first");
    closing.wait(WAIT).unwrap();
}

/// Proves [TP-CLI-1255].
#[test]
fn a_descriptor_that_runs_ahead_of_the_ring_is_not_believed() {
    let world = World::new();
    let mut peer = Peer::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    let epoch = producer.epoch().unwrap();
    producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
    poll_infos(&mut consumer, 1);
    for seq in [7, 1 << 40, 1 << 63, u64::MAX] {
        peer.describe(STREAM, epoch, seq);
    }
    // Behind them, so that they were looked at when it has come.
    peer.describe(STREAM, Epoch::new(1), 0);
    let started = Instant::now();
    while consumer.stats().drops(DropCause::EpochMismatch) < 1 {
        assert_eq!(consumer.poll(|_| {}, 16).unwrap(), 0);
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
    producer.offer(&FrameMeta::bytes(1).unwrap(), b"y").unwrap();
    let info = poll_infos(&mut consumer, 1)[0];
    assert_eq!(info.seq, Seq::new(1));
    assert_eq!(consumer.stats().lost(), 0, "{:?}", consumer.stats());
}

/// Proves [TP-CLI-0385].
#[test]
fn a_revocation_with_a_role_or_reason_nobody_knows_is_refused() {
    let world = World::new();
    let mut peer = Peer::new(&world);
    let (_client, mut producer, mut consumer) = open(&world);
    // Our own words, heard back: a revocation for each lease, spoilt in one field at a time.
    let control = world.client_config().control;
    let options = PublicationOptions::default();
    let mut publication = peer
        .link
        .add_publication(&control.channel, control.stream_id, options);
    let mut leases = std::collections::BTreeMap::new();
    peer.find(|bytes, message| {
        if message == Message::Driver(DriverTemplate::ShmLeaseKeepalive) {
            let keepalive = ShmLeaseKeepalive::decode(bytes).unwrap();
            leases.insert(keepalive.lease_id, keepalive);
        }
        (leases.len() == 2).then_some(())
    });
    for keepalive in leases.values() {
        let revoked = ShmLeaseRevoked {
            timestamp_ns: 1,
            lease_id: keepalive.lease_id,
            stream_id: keepalive.stream_id,
            client_id: keepalive.client_id,
            role: keepalive.role,
            reason: LeaseRevokeReason::Revoked,
            error_message: b"",
        };
        let mut bytes = vec![0; revoked.encoded_len().unwrap()];
        for spoilt in [ROLE, REASON] {
            revoked.encode(&mut bytes).unwrap();
            bytes[spoilt] = 77;
            let started = Instant::now();
            while !publication.offer(&bytes).is_sent() {
                peer.link.do_work(monotonic_ns());
                assert!(started.elapsed() < WAIT);
            }
        }
    }
    // The next keepalives come from clients that have read all this.
    let mut heard = std::collections::BTreeMap::new();
    peer.find(|bytes, message| {
        if message == Message::Driver(DriverTemplate::ShmLeaseKeepalive) {
            let keepalive = ShmLeaseKeepalive::decode(bytes).unwrap();
            *heard.entry(keepalive.lease_id).or_insert(0) += 1;
        }
        (heard.len() == 2 && heard.values().all(|count| *count >= 2)).then_some(())
    });
    assert!(leases.keys().eq(heard.keys()), "the same leases");
    producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
    poll_infos(&mut consumer, 1);
}

/// Proves [TP-CLI-1960].
#[test]
fn who_closes_is_told_once_the_driver_has_the_lease() {
    let world = World::new();
    let client = world.client();
    let mut peer = Peer::new(&world);
    let id = Some(ClientId::new(77));
    for round in 1..=10 {
        // A client id is free again with its lease, and a wait of any length would show.
        let consumer = client.consumer(STREAM).client_id(id);
        let consumer = consumer.attach_timeout(WAIT).wait(WAIT).unwrap();
        consumer.close().wait(WAIT).unwrap();
        let producer = client.producer(STREAM).client_id(id);
        let producer = producer.attach_timeout(WAIT).wait(WAIT).unwrap();
        producer.close(Duration::ZERO).wait(WAIT).unwrap();
        let (mut refused, mut detached) = (0, 0);
        peer.find(|bytes, message| {
            match message {
                Message::Driver(DriverTemplate::ShmAttachResponse) => {
                    let response = ShmAttachResponseView::decode(bytes).unwrap();
                    refused += usize::from(response.code != ResponseCode::Ok);
                }
                Message::Driver(DriverTemplate::ShmDetachResponse) => detached += 1,
                _ => {}
            }
            (detached == 2).then_some(())
        });
        assert_eq!(refused, 0, "in round {round}");
    }
}

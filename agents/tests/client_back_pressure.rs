//! Descriptor logs that are full: nobody can be told of a frame, and somebody waits for it.

use std::time::Instant;

use support::{STREAM, WAIT, World};
use tensorpool::client::{
    Announced, Client, ClientConfig, Consumer, Endpoint, FrameMeta, OfferError, Producer,
};
use tensorpool::codecs::types::Seq;

mod support;

/// So often that finding each of them with the reports of every second takes longer than [`WAIT`].
const ROUNDS: usize = 12;

/// A producer and a consumer whose descriptor log has room for a few hundred frames.
struct Scene {
    _world: World,
    _clients: [Client; 2],
    producer: Producer,
    consumer: Consumer,
}

impl Scene {
    fn new(lossless: bool) -> Self {
        let world = World::new();
        let descriptor = Endpoint {
            channel: "aeron:ipc?term-length=64k".parse().unwrap(),
            stream_id: 1100,
        };
        let config = ClientConfig {
            descriptor,
            ..world.client_config()
        };
        let clients = [Client::connect(config).unwrap(), world.client()];
        let builder = clients[0].producer(STREAM).lossless(lossless);
        let mut producer = builder.wait(WAIT).unwrap();
        // A frame behind a long gap is delivered like any other.
        let builder = clients[1].consumer(STREAM).max_outstanding_gap(0);
        let consumer = builder.wait(WAIT).unwrap();
        producer.wait_consumers(1, WAIT).unwrap();
        Self {
            _world: world,
            _clients: clients,
            producer,
            consumer,
        }
    }

    fn offer(&mut self) -> Result<(Seq, Announced), OfferError> {
        let meta = FrameMeta::bytes(64).unwrap();
        let offered = self.producer.offer(&meta, &[7; 64])?;
        Ok((offered.seq, offered.announced))
    }

    /// Offers until a frame meets back-pressure, and gives that.
    fn fill(&mut self) -> Seq {
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < WAIT, "there is always room");
            if let (seq, Announced::BackPressured) = self.offer().unwrap() {
                return seq;
            }
        }
    }

    /// Reads on until this frame is there.
    fn receive(&mut self, wanted: Seq, mut meanwhile: impl FnMut(&mut Producer)) {
        let (started, mut last) = (Instant::now(), None);
        while last != Some(wanted) {
            meanwhile(&mut self.producer);
            let take = |frame: &tensorpool::client::Frame<'_>| last = Some(frame.seq());
            if self.consumer.poll(take, 16).unwrap() == 0 {
                std::thread::yield_now();
            }
            let stats = self.consumer.stats();
            assert!(started.elapsed() < WAIT, "{wanted} {last:?} {stats:?}");
        }
    }
}

/// Proves [TP-CLI-1432].
#[test]
fn the_last_frame_of_a_full_log_is_told_of_by_a_producer_that_looks_after_itself() {
    let mut scene = Scene::new(false);
    let started = Instant::now();
    for _ in 0..ROUNDS {
        let last = scene.fill();
        scene.receive(last, Producer::poll);
    }
    assert!(started.elapsed() < WAIT, "{:?}", started.elapsed());
}

/// Proves [TP-CLI-1432].
#[test]
fn the_next_offer_tells_of_the_frame_that_met_back_pressure_as_well() {
    let mut scene = Scene::new(false);
    let mut before = scene.fill();
    // Room comes with a duty cycle of the media driver; frames that find none take the place of
    // the one before.
    let (mut seen, started) = (Vec::new(), Instant::now());
    let told = loop {
        while scene
            .consumer
            .poll(|frame| seen.push(frame.seq()), 16)
            .unwrap()
            > 0
        {}
        let (seq, announced) = scene.offer().unwrap();
        if announced == Announced::Sent {
            break seq;
        }
        before = seq;
        assert!(started.elapsed() < WAIT);
    };
    while seen.last() != Some(&told) {
        scene
            .consumer
            .poll(|frame| seen.push(frame.seq()), 16)
            .unwrap();
        assert!(started.elapsed() < WAIT, "{seen:?}");
    }
    assert!(seen.contains(&before), "{before} {told} {seen:?}");
}

/// Proves [TP-CLI-1665].
#[test]
fn the_last_frame_of_a_full_log_is_reported_by_a_producer_that_does_nothing_more() {
    let mut scene = Scene::new(false);
    let started = Instant::now();
    for _ in 0..ROUNDS {
        let last = scene.fill();
        scene.receive(last, |_| {});
    }
    assert!(started.elapsed() < WAIT, "{:?}", started.elapsed());
}

#[test]
fn every_frame_of_a_lossless_producer_goes_through_a_log_of_the_least_size() {
    const FRAMES: u64 = 20_000;
    let mut scene = Scene::new(true);
    let (started, mut seen) = (Instant::now(), 0);
    while seen < FRAMES {
        scene.producer.poll();
        while scene.producer.next_seq() < Some(Seq::new(FRAMES)) && scene.offer().is_ok() {}
        let take = |frame: &tensorpool::client::Frame<'_>| {
            assert_eq!(frame.seq(), Seq::new(seen));
            seen += 1;
        };
        if scene.consumer.poll(take, 64).unwrap() == 0 {
            std::thread::yield_now();
        }
        assert!(started.elapsed() < 3 * WAIT, "{seen}");
    }
    assert_eq!(scene.consumer.stats().lost(), 0);
}

//! A producer and two consumers under a driver and a supervisor, all ours: each consumer hears of its
//! frames on a stream of its own, and misses none on the way there.

use std::time::{Duration, Instant};

use tensorpool::client::{Client, ClientConfig, Consumer, FrameMeta, OwnStreams, Producer};
use tensorpool::supervisor::ConsumerStatus;
use tensorpool_codecs::types::StreamId;

use super::fixture::{Fixture, Running, STREAM, WATCHDOG};

fn client(fixture: &Fixture) -> Client {
    let driver = fixture.driver_config();
    let config = ClientConfig {
        allowed_base_dirs: vec![driver.base_dir],
        keepalive_interval: Duration::from_nanos(driver.keepalive_interval_ns),
        announce_period: Duration::from_nanos(driver.announce_period_ns),
        ..ClientConfig::for_dir(fixture.aeron_dir())
    };
    Client::connect(config).unwrap()
}

fn consumer(client: &Client) -> Consumer {
    let builder = client.consumer(StreamId::new(STREAM));
    let own = OwnStreams::descriptors().and_progress();
    builder.own_streams(own).wait(WATCHDOG).unwrap()
}

/// Publishes frame after frame until the condition holds; every consumer gets each of them, once and
/// in order, before the next is written.
fn flow(
    producer: &mut Producer,
    consumers: &mut [Consumer],
    mut until: impl FnMut(&mut [Consumer]) -> bool,
) {
    let started = Instant::now();
    while !until(consumers) {
        // Not faster than a busy media driver moves the window of a publication.
        let paced = Instant::now();
        while paced.elapsed() < Duration::from_micros(200) {
            std::thread::yield_now();
        }
        let offered = producer.offer(&FrameMeta::bytes(1).unwrap(), b"x").unwrap();
        let seq = offered.seq;
        for consumer in &mut *consumers {
            let mut got = Vec::new();
            while got.is_empty() {
                consumer.poll(|frame| got.push(frame.seq()), 16).unwrap();
                assert!(
                    started.elapsed() < WATCHDOG,
                    "{seq:?}: {:?}",
                    consumer.stats()
                );
            }
            assert_eq!(got, [seq]);
        }
    }
}

fn known(supervisor: &Running, consumer: &Consumer) -> Option<ConsumerStatus> {
    let id = consumer.client_id()?;
    let seen = supervisor.handle.wait_snapshot(WATCHDOG).unwrap();
    seen.consumers
        .into_iter()
        .find(|one| one.key.consumer_id == id)
}

#[test]
fn two_consumers_move_to_streams_of_their_own_and_one_that_leaves_disturbs_nobody() {
    let fixture = Fixture::new();
    let supervisor = fixture.supervised_driver(|_| {});
    let client = client(&fixture);
    let mut producer = client
        .producer(StreamId::new(STREAM))
        .wait(WATCHDOG)
        .unwrap();
    let mut consumers = vec![consumer(&client), consumer(&client)];
    producer.wait_consumers(2, WATCHDOG).unwrap();

    flow(&mut producer, &mut consumers, |consumers| {
        let mut streams = consumers.iter().map(Consumer::descriptor_stream);
        streams.all(|stream| stream.is_some())
    });
    let streams = [0, 1].map(|index: usize| consumers[index].descriptor_stream().unwrap());
    assert_ne!(streams[0], streams[1]);
    for (consumer, stream) in consumers.iter().zip(streams) {
        assert!((31_000..=31_009).contains(&stream), "{stream}");
        let known = known(&supervisor, consumer).expect("followed");
        assert_eq!(known.descriptor_stream_id, Some(stream));
        let control = known.control_stream_id.expect("a stream for progress");
        assert!((32_000..=32_009).contains(&control), "{control}");
    }

    let last = consumers.pop().unwrap();
    drop(last);
    flow(&mut producer, &mut consumers, |_| {
        supervisor.counter("OwnDescriptorStreams") == 1 && supervisor.counter("Consumers") == 1
    });
    assert_eq!(consumers[0].descriptor_stream(), Some(streams[0]));
    let stats = consumers[0].stats();
    assert_eq!((stats.lost(), stats.delivered()), (0, stats.seen()));
}

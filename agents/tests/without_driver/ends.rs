//! Producers and consumers go, in order or not, and come again.

use tensorpool::client::{AttachError, Event, OpenError};
use tensorpool::codecs::driver::{LeaseRevokeReason, Role};

use super::*;
use crate::raw::Raw;

/// Proves [TP-CLI-3280], [TP-CLI-3180].
#[test]
fn a_producer_that_is_closed_ends_its_stream_and_leaves_nothing() {
    let world = World::without_driver();
    let (ours, theirs) = (world.client(), world.client());
    let mut raw = Raw::new(&world);
    let mut producer = produce(&world, &ours);
    let mut consumer = consume(&theirs);
    producer.wait_consumers(1, WAIT).unwrap();
    for _ in 0..3 {
        publish(&mut producer);
    }
    let (id, first) = (producer.client_id().unwrap(), producer.epoch().unwrap());
    producer.close(Duration::ZERO).wait(WAIT).unwrap();
    assert_eq!(epochs_on_disk(&world), [0; 0]);
    let bye = raw.farewell();
    assert_eq!((bye.client_id, bye.stream_id), (id.get(), STREAM.get()));
    assert_eq!(bye.role, Role::Producer);
    assert_eq!(bye.reason, LeaseRevokeReason::Detached);
    let counts = wait_event(&mut consumer, |event| match event {
        Event::EndOfStream { epoch, counts } if *epoch == first => Some(*counts),
        _ => None,
    });
    assert_eq!((counts.delivered, counts.lost), (3, 0), "{counts:?}");
    let mut producer = produce(&world, &ours);
    let second = producer.epoch().unwrap();
    assert!(second > first);
    wait_event(&mut consumer, |event| {
        matches!(event, Event::Remapped { new, .. } if *new == second).then_some(())
    });
    producer.wait_consumers(1, WAIT).unwrap();
    publish(&mut producer);
    assert_eq!(receive(&mut consumer, 1), [0]);
    assert_eq!(epochs_on_disk(&world).len(), 1);
    drop((producer, ours));
    assert_eq!(
        std::fs::read_dir(world.dir.path().join("pools"))
            .unwrap()
            .count(),
        0
    );
}

/// Proves [TP-CLI-3290].
#[test]
fn a_consumer_that_is_closed_says_so() {
    let world = World::without_driver();
    let client = world.client();
    let mut raw = Raw::new(&world);
    let producer = produce(&world, &client);
    let consumer = consume(&client);
    let id = consumer.client_id().unwrap().get();
    wait(|| producer.consumers() == 1);
    consumer.close().wait(WAIT).unwrap();
    let bye = raw.farewell();
    assert_eq!((bye.client_id, bye.role), (id, Role::Consumer));
    wait(|| producer.consumers() == 0);
}

/// Proves [TP-CLI-3245].
#[test]
fn a_consumer_that_finds_no_producer_says_what_is_missing() {
    let world = World::without_driver();
    let client = world.client();
    let builder = client.consumer(STREAM).without_driver();
    let pending = builder.attach_timeout(Duration::from_millis(50)).open();
    let error = pending.wait(WAIT).unwrap_err();
    assert!(
        matches!(error, OpenError::Attach(AttachError::NoProducer { .. })),
        "{error}"
    );
    let mut config = world.client_config();
    config.aeron_dir = world.dir.path().join("nobody");
    let lonely = Client::connect(config).unwrap();
    let builder = lonely.consumer(STREAM).without_driver();
    let pending = builder.attach_timeout(Duration::from_millis(50)).open();
    let error = pending.wait(WAIT).unwrap_err();
    assert!(matches!(error, OpenError::NoMediaDriver { .. }), "{error}");
    let builder = lonely.producer(STREAM).without_driver(own(&world));
    let pending = builder.attach_timeout(Duration::from_millis(50)).open();
    let error = pending.wait(WAIT).unwrap_err();
    assert!(matches!(error, OpenError::NoMediaDriver { .. }), "{error}");
    assert_eq!(epochs_on_disk(&world), [0; 0]);
}

#[test]
fn a_client_that_ends_takes_the_memory_of_its_producers_along_and_none_it_was_to_keep() {
    let world = World::without_driver();
    let client = world.client();
    let producer = produce(&world, &client);
    assert_eq!(epochs_on_disk(&world).len(), 1);
    drop(client);
    assert_eq!(epochs_on_disk(&world), [0; 0]);
    drop(producer);
    let client = world.client();
    let mut kept = own(&world);
    kept.cleanup_on_exit = false;
    let builder = client.producer(STREAM).without_driver(kept);
    let producer = builder.wait(WAIT).unwrap();
    let epoch = producer.epoch().unwrap().get();
    drop((producer, client));
    assert_eq!(epochs_on_disk(&world), [epoch]);
}

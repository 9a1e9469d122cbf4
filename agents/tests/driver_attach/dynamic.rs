//! Streams that clients bring into being.

use tensorpool::driver::DriverConfig;
use tensorpool::protocol::driver::StreamIdRange;
use tensorpool_codecs::driver::{ResponseCode, Role};
use tensorpool_codecs::types::StreamId;

use super::client::Heard;
use super::fixture::Fixture;
use super::path_of;

const P: Role = Role::Producer;
const C: Role = Role::Consumer;

fn allow(config: &mut DriverConfig) {
    config.keepalive_interval_ns = 100_000_000;
    config.announce_period_ns = 50_000_000;
    let range = StreamIdRange {
        first: StreamId::new(20_000),
        last: StreamId::new(20_001),
    };
    config
        .allow_dynamic_streams(vec![range], 16, &[(3, 256)])
        .unwrap();
}

/// Proves [TP-DRV-1520], [TP-DRV-1560].
#[test]
fn a_stream_comes_with_its_first_client_and_goes_with_its_last() {
    let fixture = Fixture::new();
    let driver = fixture.driver(allow);
    let mut client = fixture.client();
    let producer = client.create(7, P, 0).granted();
    assert_eq!(producer.stream_id, 20_000);
    assert_eq!(
        (producer.header_nslots, producer.pools[0].stride),
        (16, 256)
    );
    assert!(path_of(&producer.header_uri).exists());
    let announced = client.wait_announce(|announce| announce.stream_id == 20_000);
    assert_eq!((announced.epoch, announced.producer), (producer.epoch, 7));
    let consumer = client.attach(8, C, 20_000).granted();
    assert_eq!(consumer.epoch, producer.epoch);
    assert_eq!(driver.counter("Streams"), 2);

    client.detach(&producer, 7, P);
    for _ in 0..10 {
        let told = driver.counter("Announces");
        client.wait_until("announces go on", |client| {
            client.keepalive(&consumer, 8, C);
            driver.counter("Announces") > told
        });
    }
    assert_eq!(driver.counter("Streams"), 2, "the consumer holds it");
    client.detach(&consumer, 8, C);
    client.wait_until("it is given up", |_| driver.counter("StreamsGivenUp") == 1);
    client.wait_until("its files are gone", |_| {
        fixture.epochs_of(20_000).is_empty()
    });
    client.heard.clear();
    let again = client.create(9, C, 0).granted();
    assert_eq!(again.stream_id, 20_000);
    assert!(again.epoch > producer.epoch, "epochs only grow");
    let lower =
        |heard: &Heard| matches!(heard, Heard::Announce(announce) if announce.epoch < again.epoch);
    assert!(
        !client.heard.iter().any(lower),
        "the old one is not announced"
    );
}

/// Proves [TP-DRV-1550].
#[test]
fn a_client_that_keeps_to_the_id_it_asked_for_is_understood() {
    let fixture = Fixture::new();
    let driver = fixture.driver(allow);
    let mut client = fixture.client();
    let mut granted = client.create(7, P, 0).granted();
    granted.stream_id = 0;
    client.keepalive(&granted, 7, P);
    client.wait_until("the keepalive counts", |_| {
        driver.counter("Keepalives") == 1
    });
    client.detach(&granted, 7, P);
    let answered = |heard: &Heard| {
        matches!(
            heard,
            Heard::Detached {
                code: ResponseCode::Ok
            }
        )
    };
    client.wait_until("the detach is answered", |client| {
        client.heard.iter().any(answered)
    });
    assert_eq!(driver.counter("Leases"), 0);
}

//! Single promises about the consumers a producer follows.

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, Seq, StreamId};
use tensorpool_protocol::client::{CONSUMER_STALE_NS, ConsumerTracker};
use tensorpool_protocol::common::ConsumerMode;

const STREAM: StreamId = StreamId::new(1);
const EPOCH: Epoch = Epoch::new(50);
const SECOND: u64 = 1_000_000_000;

fn tracker() -> ConsumerTracker {
    let mut tracker = ConsumerTracker::new(STREAM);
    tracker.begin_epoch(STREAM, EPOCH, 8);
    tracker
}

fn at(seconds: u64) -> NanoTime {
    NanoTime::new(seconds * SECOND)
}

/// Proves [TP-CLI-1810].
#[test]
fn hellos_and_reports_each_show_that_a_consumer_is_there() {
    let (hellos, reports) = (ClientId::new(1), ClientId::new(2));
    let mut tracker = tracker();
    for second in 0..60 {
        tracker.on_hello(at(second), STREAM, hellos);
        tracker.on_qos(
            at(second),
            STREAM,
            reports,
            EPOCH,
            Seq::new(second),
            ConsumerMode::Stream,
        );
        tracker.on_timeout(at(second + 1));
        assert_eq!(tracker.listening(), 2, "second {second}");
    }
    tracker.on_timeout(at(59).after_ns(CONSUMER_STALE_NS - 1));
    assert_eq!(tracker.listening(), 2);
    tracker.on_timeout(at(59).after_ns(CONSUMER_STALE_NS));
    assert_eq!(tracker.listening(), 0);
}

/// Proves [TP-CLI-1830].
#[test]
fn a_producer_that_paces_never_passes_a_consumer_by_more_than_the_ring() {
    let mut tracker = tracker();
    tracker.on_qos(
        at(0),
        STREAM,
        ClientId::new(1),
        EPOCH,
        Seq::new(0),
        ConsumerMode::Stream,
    );
    assert_eq!(tracker.floor(), Some(Seq::new(0)), "slot 0 is still needed");
    for seen in 1..100 {
        tracker.on_position(Seq::new(seen + 1), at(1));
        tracker.on_qos(
            at(1),
            STREAM,
            ClientId::new(1),
            EPOCH,
            Seq::new(seen),
            ConsumerMode::Stream,
        );
        assert_eq!(tracker.floor(), Some(Seq::new(seen + 1)));
    }
}

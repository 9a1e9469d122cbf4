//! What a request for a stream of one's own is worth.

use super::support::{IPC, Supervisor, hello, key, request, with_ranges};
use crate::supervisor::{CoreConfig, Hello, OwnStream, OwnStreams, StreamRequest};

fn both<'a>(consumer: u32, wish: StreamRequest<'a>) -> Hello<'a> {
    Hello {
        descriptor: wish,
        control: wish,
        ..hello(key(consumer))
    }
}

/// Proves [TP-DRV-2210], [TP-DRV-2220], [TP-DRV-2230].
#[test]
fn a_channel_without_an_id_or_an_id_without_a_channel_is_declined() {
    let mut supervisor = Supervisor::new(with_ranges());
    let bad = [
        request(IPC, 0),
        request(IPC, u32::MAX),
        request(b"", 31_000),
    ];
    for (wish, declined) in bad.into_iter().zip([2, 4, 6]) {
        let answer = supervisor.answer(&both(1, wish));
        assert_eq!(
            (answer.descriptor, answer.control),
            (None, None),
            "{wish:?}"
        );
        assert_eq!(supervisor.core.stats().requests_declined, declined);
    }
    let nothing = supervisor.answer(&both(1, request(b"", u32::MAX)));
    assert_eq!((nothing.descriptor, nothing.control), (None, None));
    assert_eq!(
        supervisor.core.stats().requests_declined,
        6,
        "nothing was asked"
    );
    assert_eq!(supervisor.core.stats().own_descriptor_streams, 0);
}

/// Proves [TP-DRV-2240].
#[test]
fn the_id_asked_for_is_granted_only_out_of_the_ranges() {
    let mut supervisor = Supervisor::new(with_ranges());
    let answer = supervisor.answer(&both(1, request(IPC, 1100)));
    let own = |stream_id| {
        let channel = "aeron:ipc".into();
        Some(OwnStream { channel, stream_id })
    };
    assert_eq!(
        (answer.descriptor, answer.control),
        (own(31_000), own(32_000))
    );
}

/// Proves [TP-DRV-2250].
#[test]
fn a_channel_that_leaves_the_host_is_declined() {
    let mut supervisor = Supervisor::new(with_ranges());
    let long = format!("aeron:ipc?alias={}", "x".repeat(1024));
    for channel in [
        "aeron:udp?endpoint=10.0.0.1:40123",
        "aeron:ipcx",
        "aeron-spy:aeron:ipc",
        "aeron:ipc?alias=\n",
        &long,
    ] {
        let wish = request(channel.as_bytes(), 1);
        assert_eq!(
            supervisor.answer(&both(1, wish)).descriptor,
            None,
            "{channel}"
        );
    }
    assert_eq!(
        supervisor
            .answer(&both(1, request(b"\xff\xfe", 1)))
            .descriptor,
        None
    );
    let channel = "aeron:ipc?term-length=64k";
    let own = supervisor.answer(&both(1, request(channel.as_bytes(), 1)));
    assert_eq!(own.descriptor.expect("granted").channel.as_ref(), channel);
}

/// Proves [TP-DRV-2255].
#[test]
fn a_configured_channel_takes_the_place_of_the_one_asked_for() {
    let mut config = with_ranges();
    config.descriptor.channel = Some("aeron:ipc?term-length=128k".into());
    let mut supervisor = Supervisor::new(config);
    for channel in ["aeron:ipc", "aeron:udp?endpoint=localhost:1"] {
        let answer = supervisor.answer(&both(1, request(channel.as_bytes(), 1)));
        let own = answer.descriptor.expect("granted");
        assert_eq!(own.channel.as_ref(), "aeron:ipc?term-length=128k");
    }
}

/// Proves [TP-DRV-2260].
#[test]
fn who_stops_asking_is_told_that_it_has_none() {
    let mut supervisor = Supervisor::new(with_ranges());
    assert!(
        supervisor
            .answer(&both(1, request(IPC, 1)))
            .descriptor
            .is_some()
    );
    let answer = supervisor.answer(&hello(key(1)));
    assert_eq!((answer.descriptor, answer.control), (None, None));
    let stats = supervisor.core.stats();
    assert_eq!(
        (stats.own_descriptor_streams, stats.own_control_streams),
        (0, 0)
    );
}

/// Proves [TP-DRV-2270].
#[test]
fn without_ids_of_one_kind_requests_for_it_are_declined() {
    let mut config = with_ranges();
    config.control = OwnStreams::default();
    let mut supervisor = Supervisor::new(config);
    let answer = supervisor.answer(&both(1, request(IPC, 1)));
    assert!(answer.descriptor.is_some() && answer.control.is_none());
    let mut nothing = Supervisor::new(CoreConfig::default());
    assert_eq!(
        nothing.answer(&both(1, request(IPC, 31_000))).descriptor,
        None
    );
}

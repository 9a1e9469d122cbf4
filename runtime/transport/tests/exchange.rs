//! Messages over one media driver, in one process and across two.

mod support;

use support::{
    AeronDir, Role, drive_until, drive_until_with, publication, receive, role, send, subscription,
};
use tensorpool_transport::cnc::CncReader;
use tensorpool_transport::{
    Channel, Link, LinkConfig, LinkEvent, LinkState, Offer, SubscriptionOptions, WaitReason,
};

#[test]
fn a_message_arrives_with_its_session_and_position() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    assert_eq!(publication.offer(b"too early"), Offer::LinkDown);

    send(&mut [&mut link], &mut publication, b"hello");
    let mut seen = None;
    drive_until(&mut [&mut link], "receive", || {
        subscription.poll(1, |message, info| seen = Some((message.to_vec(), info)));
        seen.is_some()
    });
    let (message, info) = seen.unwrap();
    assert_eq!(message, b"hello");
    assert_eq!(Some(info.session_id), publication.session_id());
    assert_eq!(Some(info.position), publication.position());
    assert_eq!(info.stream_id, 1000);
    assert_eq!(subscription.image_count(), 1);
    assert_eq!(
        (subscription.images_up(), subscription.images_down()),
        (1, 0)
    );
    assert!(publication.is_connected() && subscription.is_connected());
    assert_eq!(link.poll_event(), Some(LinkEvent::Up { generation: 1 }));
    assert_eq!(link.poll_event(), None);
}

/// Proves [TP-RT-0970].
#[test]
fn a_message_longer_than_the_mtu_is_reassembled() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    let long: Vec<u8> = (0..6_000_u32)
        .map(|i| u8::try_from(i % 251).unwrap())
        .collect();
    send(&mut [&mut link], &mut publication, b"short");
    send(&mut [&mut link], &mut publication, &long);
    send(&mut [&mut link], &mut publication, &long[..1_377]);
    let received = receive(&mut [&mut link], &mut subscription, 3);
    assert_eq!(
        received,
        [b"short".to_vec(), long.clone(), long[..1_377].to_vec()]
    );
    assert_eq!(subscription.incomplete_message_count(), 0);

    let max = publication.max_message_len().unwrap();
    assert_eq!(publication.offer(&vec![0; max + 1]), Offer::TooLong);
}

/// Proves [TP-RT-0980].
#[test]
fn a_claim_is_filled_in_place_and_a_dropped_one_disappears() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    // Connected comes before there is room: the media driver sets the limit one duty cycle later.
    send(&mut [&mut link], &mut publication, b"room");

    drop(publication.try_claim(96).unwrap());
    std::mem::forget(publication.try_claim(64).unwrap());
    let mut claim = publication.try_claim(40).unwrap();
    assert_eq!(claim.payload().len(), 40);
    claim.payload_mut().fill(7);
    assert!(claim.commit().is_sent());
    let received = receive(&mut [&mut link], &mut subscription, 2);
    assert_eq!(
        received,
        [b"room".to_vec(), vec![7; 40]],
        "neither the dropped nor the forgotten claim may stop or reach anybody"
    );

    let max = publication.max_payload_len().unwrap();
    assert!(publication.try_claim(max).is_ok());
    assert_eq!(publication.try_claim(max + 1).unwrap_err(), Offer::TooLong);
}

/// Proves [TP-RT-0910].
#[test]
fn a_committed_claim_is_sent_unless_its_link_was_lost() {
    let dir = AeronDir::new();
    let driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let _subscription = subscription(&mut link, 1000);
    send(&mut [&mut link], &mut publication, b"room");

    let sent = publication.try_claim(40).unwrap().commit();
    let position = publication.position().unwrap();
    assert_eq!(sent, Offer::Sent { position });

    let claim = publication.try_claim(40).unwrap();
    drop(driver);
    drive_until_with(&mut [&mut link], "the loss is noticed", |links| {
        matches!(links[0].state(), LinkState::Lost(_))
    });
    assert_eq!(claim.commit(), Offer::LinkDown);
}

/// Proves [TP-RT-1000].
#[test]
fn a_panicking_handler_is_survived_by_the_subscription() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    for message in [&b"one"[..], b"bad", b"two"] {
        send(&mut [&mut link], &mut publication, message);
    }
    let mut received = Vec::new();
    let mut panics = 0;
    drive_until(&mut [&mut link], "receive around the panic", || {
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            subscription.poll(16, |message, _| {
                assert_ne!(message, b"bad", "the handler's own panic");
                received.push(message.to_vec());
            })
        }));
        panics += usize::from(polled.is_err());
        received.len() == 2
    });
    assert_eq!(received, [b"one".to_vec(), b"two".to_vec()]);
    assert_eq!(panics, 1, "the panic reaches the caller once");
}

/// Proves [TP-RT-0990].
#[test]
fn exclusive_publications_of_one_stream_may_differ_in_term_length() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut first = publication(&mut link, 1000);
    let other = "aeron:ipc?term-length=128k".parse().unwrap();
    let mut second = link.add_publication(&other, 1000, Default::default());
    let mut subscription = subscription(&mut link, 1000);
    send(&mut [&mut link], &mut first, b"first");
    send(&mut [&mut link], &mut second, b"second");
    let mut received = receive(&mut [&mut link], &mut subscription, 2);
    received.sort();
    assert_eq!(received, [b"first".to_vec(), b"second".to_vec()]);
    assert_eq!(
        (first.term_len(), second.term_len()),
        (Some(64 << 10), Some(128 << 10))
    );
    assert_eq!(link.stats().add_failure_count, 0);
}

#[test]
fn a_refused_resource_is_reported_and_does_not_disturb_the_others() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let refused = "aeron:udp?endpoint=no-such-host.invalid:40123"
        .parse()
        .unwrap();
    let mut broken = link.add_publication(&refused, 7, Default::default());
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    send(&mut [&mut link], &mut publication, b"unimpressed");
    assert_eq!(receive(&mut [&mut link], &mut subscription, 1).len(), 1);
    let mut failures = 0;
    let mut links = [&mut link];
    support::drive_until_with(&mut links, "two reports of the refusal", |links| {
        while let Some(event) = links[0].poll_event() {
            if let LinkEvent::AddFailed {
                channel,
                stream_id,
                reason,
                ..
            } = event
            {
                assert!(
                    channel.starts_with("aeron:udp?endpoint=no-such-host.invalid:40123"),
                    "{channel}"
                );
                assert_eq!(stream_id, 7);
                assert!(!reason.is_empty());
                failures += 1;
            }
        }
        failures >= 2
    });
    assert_eq!(broken.offer(b"x"), Offer::NotConnected);
}

#[test]
fn without_a_media_driver_the_link_waits_and_says_why() {
    let dir = AeronDir::new();
    let mut link = Link::new(LinkConfig::for_dir(dir.path())).unwrap();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    link.do_work(support::now());
    assert_eq!(*link.state(), LinkState::Connecting(WaitReason::NoDriver));
    assert_eq!(
        WaitReason::NoDriver.to_string(),
        "no media driver: cnc.dat not found"
    );
    assert_eq!(publication.offer(b"x"), Offer::LinkDown);
    assert_eq!(subscription.poll(1, |_, _| ()), 0);

    let _driver = dir.driver();
    send(&mut [&mut link], &mut publication, b"late");
    assert_eq!(
        receive(&mut [&mut link], &mut subscription, 1),
        [b"late".to_vec()]
    );
}

#[test]
fn udp_carries_messages_too() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let port = std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let channel = Channel::udp(&format!("127.0.0.1:{port}"))
        .unwrap()
        .with_term_length(64 << 10)
        .unwrap();
    let mut publication = link.add_publication(&channel, 3000, Default::default());
    let mut subscription = link.add_subscription(&channel, 3000, Default::default());
    let message = vec![5; 4_000];
    send(&mut [&mut link], &mut publication, &message);
    assert_eq!(receive(&mut [&mut link], &mut subscription, 1), [message]);
}

#[test]
fn an_untethered_subscriber_that_fell_behind_is_dropped_and_joins_again() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut slow =
        link.add_subscription(&support::channel(), 1000, SubscriptionOptions::UNTETHERED);
    let mut healthy = subscription(&mut link, 1000);
    drive_until(&mut [&mut link], "all join", || {
        slow.is_connected() && healthy.is_connected()
    });
    drive_until(&mut [&mut link], "the slow one is dropped", || {
        let _ = publication.offer(&[0; 96]);
        healthy.poll(64, |_, _| ());
        slow.images_down() == 1
    });
    drive_until(&mut [&mut link], "it is back and reads on", || {
        let _ = publication.offer(&[1; 96]);
        healthy.poll(64, |_, _| ());
        let mut is_new = false;
        slow.poll(64, |message, _| is_new = message[0] == 1);
        slow.images_up() == 2 && is_new
    });
}

const ECHO: &str = "messages_cross_processes";

#[test]
fn messages_cross_processes() {
    if let Some((_, dir)) = role() {
        let mut link = Link::new(LinkConfig::for_dir(&dir)).unwrap();
        let mut replies = publication(&mut link, 1001);
        let mut requests = subscription(&mut link, 1000);
        loop {
            for request in receive(&mut [&mut link], &mut requests, 1) {
                send(&mut [&mut link], &mut replies, &request);
            }
        }
    }
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let _echo = Role::spawn(ECHO, "echo", dir.path());
    let mut link = dir.link();
    let mut requests = publication(&mut link, 1000);
    let mut replies = subscription(&mut link, 1001);
    drive_until(
        &mut [&mut link],
        "the echo subscribes and publishes",
        || requests.is_connected() && replies.is_connected(),
    );
    for length in [1, 96, 1_376, 1_377, 5_000] {
        let message = vec![u8::try_from(length % 256).unwrap(); length];
        send(&mut [&mut link], &mut requests, &message);
        assert_eq!(receive(&mut [&mut link], &mut replies, 1), [message]);
    }
    let positions = CncReader::open(dir.path()).unwrap().stream_positions();
    assert!(
        positions.iter().any(|position| position.stream_id == 1001),
        "{positions:?}"
    );
}

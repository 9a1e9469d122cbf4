//! What kills or stops processes, and how soon the others go on.

mod support;

use std::time::{Duration, Instant};

use support::{
    AeronDir, Role, drive_until, drive_until_with, is_transient, media_driver_role, publication,
    receive, role, send, subscription, wait_for_driver,
};
use tensorpool_transport::cnc::CncReader;
use tensorpool_transport::media_driver::{EmbeddedMediaDriver, MediaDriverConfig};
use tensorpool_transport::{
    Link, LinkConfig, LinkEvent, LinkState, LostReason, Offer, PublicationOptions, Subscription,
    SubscriptionOptions,
};

const SIGSTOP: i32 = 19;
const SIGCONT: i32 = 18;

fn lost_reasons(link: &mut Link) -> Vec<LostReason> {
    let mut reasons = Vec::new();
    while let Some(event) = link.poll_event() {
        if let LinkEvent::Lost { reason } = event {
            reasons.push(reason);
        }
    }
    reasons
}

/// Proves [TP-RT-1020].
#[test]
fn a_killed_media_driver_is_noticed_and_its_successor_serves_the_same_handles() {
    const NAME: &str = "a_killed_media_driver_is_noticed_and_its_successor_serves_the_same_handles";
    if let Some((_, dir)) = role() {
        media_driver_role(&dir);
    }
    let dir = AeronDir::new();
    let driver = Role::spawn(NAME, "driver", dir.path());
    wait_for_driver(&dir);
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    send(&mut [&mut link], &mut publication, b"before");
    assert_eq!(
        receive(&mut [&mut link], &mut subscription, 1),
        [b"before".to_vec()]
    );

    driver.kill();
    let killed = Instant::now();
    drive_until(
        &mut [&mut link],
        "offers tell that the link is down",
        || publication.offer(b"x") == Offer::LinkDown,
    );
    let noticed = killed.elapsed();
    assert!(noticed < Duration::from_secs(1), "took {noticed:?}");
    assert_eq!(publication.try_claim(8).unwrap_err(), Offer::LinkDown);
    assert_eq!(subscription.poll(16, |_, _| ()), 0);
    assert!(matches!(
        link.state(),
        LinkState::Lost(LostReason::DriverDied { .. })
    ));

    let restarted = Instant::now();
    let _successor = Role::spawn(NAME, "driver", dir.path());
    send(&mut [&mut link], &mut publication, b"after");
    assert_eq!(
        receive(&mut [&mut link], &mut subscription, 1),
        [b"after".to_vec()]
    );
    eprintln!(
        "noticed after {noticed:?}, flowing again {:?} after the restart",
        restarted.elapsed()
    );
    assert_eq!(link.generation(), 2);
    assert_eq!(
        link.stats().retired_client_count,
        0,
        "all handles came back"
    );
}

#[test]
fn a_stopped_media_driver_is_lost_and_found_again() {
    const NAME: &str = "a_stopped_media_driver_is_lost_and_found_again";
    if let Some((_, dir)) = role() {
        media_driver_role(&dir);
    }
    let dir = AeronDir::new();
    let driver = Role::spawn(NAME, "driver", dir.path());
    wait_for_driver(&dir);
    let config = LinkConfig {
        heartbeat_timeout_ns: 500_000_000,
        ..LinkConfig::for_dir(dir.path())
    };
    let mut link = Link::new(config).unwrap();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    send(&mut [&mut link], &mut publication, b"before");
    assert_eq!(receive(&mut [&mut link], &mut subscription, 1).len(), 1);
    driver.signal(SIGSTOP);
    drive_until(&mut [&mut link], "the silent driver is lost", || {
        publication.offer(b"x") == Offer::LinkDown
    });
    assert!(matches!(
        lost_reasons(&mut link)[..],
        [LostReason::DriverSilent { .. }]
    ));
    driver.signal(SIGCONT);
    drive_until(&mut [&mut link], "both ends are connected again", || {
        while subscription.poll(16, |_, _| ()) > 0 {}
        publication.is_connected() && subscription.is_connected()
    });
    send(&mut [&mut link], &mut publication, b"after");
    let received = receive(&mut [&mut link], &mut subscription, 1);
    assert!(received.contains(&b"after".to_vec()), "{received:?}");
}

#[test]
fn a_client_process_stopped_for_longer_than_the_liveness_timeout_rebuilds_its_link() {
    const NAME: &str =
        "a_client_process_stopped_for_longer_than_the_liveness_timeout_rebuilds_its_link";
    if let Some((_, dir)) = role() {
        let mut link = Link::new(LinkConfig::for_dir(&dir)).unwrap();
        let mut publication = publication(&mut link, 1000);
        loop {
            link.do_work(support::now());
            let outcome = publication.offer(&link.generation().to_le_bytes());
            assert!(outcome.is_sent() || is_transient(outcome), "{outcome}");
            std::thread::yield_now();
        }
    }
    let dir = AeronDir::new();
    let _driver = EmbeddedMediaDriver::start(MediaDriverConfig {
        client_liveness_timeout_ns: 500_000_000,
        publication_unblock_timeout_ns: 1_000_000_000,
        ..MediaDriverConfig::for_dir(dir.path())
    })
    .unwrap();
    let mut link = dir.link();
    let mut subscription = subscription(&mut link, 1000);
    let client = Role::spawn(NAME, "publisher", dir.path());
    // Or a later one: on a busy machine the media driver may give it up more than once.
    let reach = |link: &mut Link, subscription: &mut Subscription, generation: u64| {
        drive_until(&mut [link], "a message of the generation", || {
            let mut seen = 0;
            subscription.poll(64, |message, _| {
                seen = u64::from_le_bytes(message.try_into().unwrap())
            });
            seen >= generation
        });
    };
    reach(&mut link, &mut subscription, 1);
    client.signal(SIGSTOP);
    drive_until(
        &mut [&mut link],
        "the media driver gives the client up",
        || {
            subscription.poll(64, |_, _| ());
            subscription.images_down() >= 1
        },
    );
    client.signal(SIGCONT);
    reach(&mut link, &mut subscription, 2);
}

/// Proves [TP-RT-1010].
#[test]
fn a_stopped_untethered_subscriber_does_not_hold_up_the_others() {
    const NAME: &str = "a_stopped_untethered_subscriber_does_not_hold_up_the_others";
    if let Some((_, dir)) = role() {
        let mut link = Link::new(LinkConfig::for_dir(&dir)).unwrap();
        let mut subscription =
            link.add_subscription(&support::channel(), 1000, SubscriptionOptions::UNTETHERED);
        loop {
            link.do_work(support::now());
            subscription.poll(64, |_, _| ());
            std::thread::yield_now();
        }
    }
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut healthy =
        link.add_subscription(&support::channel(), 1000, SubscriptionOptions::UNTETHERED);
    let stopped = Role::spawn(NAME, "subscriber", dir.path());
    drive_until(&mut [&mut link], "both subscribe", || {
        let cnc = CncReader::open(dir.path()).unwrap();
        let subscribers = cnc.stream_positions().into_iter();
        subscribers
            .filter(|p| p.kind == tensorpool_transport::cnc::PositionKind::Subscriber)
            .count()
            == 2
            && publication.is_connected()
            && healthy.is_connected()
    });
    stopped.signal(SIGSTOP);

    // Several windows' worth: each gap between deliveries is time the healthy subscriber was held up.
    let message = [0_u8; 96];
    let (mut received, mut last, mut longest) = (0_usize, Instant::now(), Duration::ZERO);
    drive_until(&mut [&mut link], "several windows of messages", || {
        let _ = publication.offer(&message);
        if healthy.poll(64, |_, _| received += 1) > 0 {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        received >= 20_000
    });
    eprintln!("longest gap with a stopped subscriber: {longest:?}");
    assert!(longest < Duration::from_secs(1), "held up for {longest:?}");
}

#[test]
fn a_media_driver_that_closes_in_order_is_lost_at_once() {
    let dir = AeronDir::new();
    let driver = dir.driver();
    let mut link = dir.link();
    let mut publication =
        link.add_publication(&support::channel(), 1, PublicationOptions::default());
    drive_until(&mut [&mut link], "register", || publication.is_live());
    driver.close();
    drive_until_with(&mut [&mut link], "lose the link", |links| !links[0].is_up());
    assert!(matches!(
        lost_reasons(&mut link)[..],
        [LostReason::DirectoryRemoved | LostReason::DriverClosed]
    ));
    assert_eq!(publication.offer(b"x"), Offer::LinkDown);
}

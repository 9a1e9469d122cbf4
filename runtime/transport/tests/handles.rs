//! Handles on other threads: used, exchanged and dropped while the link changes or is gone.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use support::{
    AeronDir, drive_until, drive_until_with, now, publication, receive, send, subscription,
};
use tensorpool_transport::{CloseReport, Offer, Publication, Subscription};

#[test]
fn handles_are_send() {
    fn assert_send<T: Send>() {}
    assert_send::<Publication>();
    assert_send::<Subscription>();
}

#[test]
fn a_dropped_handle_is_closed_by_the_link() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    drive_until(&mut [&mut link], "connect", || subscription.is_connected());
    std::thread::spawn(move || drop(publication))
        .join()
        .unwrap();
    drive_until(&mut [&mut link], "the image goes", || {
        subscription.poll(1, |_, _| ());
        subscription.image_count() == 0
    });
    assert_eq!(subscription.images_down(), 1);
    drop(subscription);
    drive_until_with(&mut [&mut link], "nothing left", |links| {
        links[0].stats().resource_count == 0
    });
}

#[test]
fn a_handle_dropped_before_it_was_live_or_without_a_driver_leaves_nothing() {
    let dir = AeronDir::new();
    let mut link = dir.link();
    drop(publication(&mut link, 1));
    link.do_work(now());
    assert_eq!(link.stats().resource_count, 0);
    let _driver = dir.driver();
    let early = publication(&mut link, 2);
    drive_until_with(&mut [&mut link], "connect", |links| links[0].is_up());
    drop(early);
    let mut late = subscription(&mut link, 3);
    drive_until(&mut [&mut link], "go on", || late.is_live());
    assert_eq!(link.stats().resource_count, 1);
}

#[test]
fn a_forgotten_claim_does_no_harm_when_its_publication_is_closed() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let (mut link, mut other) = (dir.link(), dir.link());
    let mut publication = publication(&mut link, 1000);
    // Of another client: this one then has no use for the log but the publication.
    let _subscription = subscription(&mut other, 1000);
    drive_until(&mut [&mut link, &mut other], "claim", || {
        publication.try_claim(64).map(std::mem::forget).is_ok()
    });
    drop(publication);
    drive_until_with(&mut [&mut link], "close", |links| {
        links[0].stats().resource_count == 0
    });
}

#[test]
fn handles_outlive_the_link() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    drive_until(&mut [&mut link], "register", || {
        publication.is_live() && subscription.is_live()
    });
    assert_eq!(link.close(), CloseReport { handle_count: 2 });
    let (publication, mut subscription) = std::thread::spawn(move || {
        assert_eq!(publication.offer(b"y"), Offer::Closed);
        assert!(publication.try_claim(1).is_err());
        (publication, subscription)
    })
    .join()
    .unwrap();
    std::thread::spawn(move || drop(publication))
        .join()
        .unwrap();
    assert_eq!(subscription.poll(1, |_, _| ()), 0);
    assert!(!subscription.is_connected());
    drop(subscription);
}

#[test]
fn a_link_may_be_dropped_while_an_application_thread_offers_and_polls() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    for _ in 0..20 {
        let mut link = dir.link();
        let mut publication = publication(&mut link, 1000);
        let mut subscription = subscription(&mut link, 1000);
        drive_until(&mut [&mut link], "connect", || {
            publication.is_connected() && subscription.is_connected()
        });
        std::thread::scope(|scope| {
            scope.spawn(move || while publication.offer(&[0; 64]) != Offer::Closed {});
            scope.spawn(move || {
                let mut messages = 0;
                while subscription.is_live() {
                    subscription.poll(16, |_, _| messages += 1);
                }
            });
            for _ in 0..200 {
                link.do_work(now());
            }
            drop(link);
        });
    }
}

/// Publishers and subscribers run flat out on their own threads while the media driver is closed and
/// started again and again underneath; handles come and go meanwhile.
#[test]
fn rebuilding_under_busy_handles_loses_no_handle_and_no_memory() {
    let dir = AeronDir::new();
    let mut driver = Some(dir.driver());
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    let stop = AtomicBool::new(false);
    let (received, sent) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                match publication.offer(&[1; 96]) {
                    Offer::Sent { .. } => drop(sent.fetch_add(1, Ordering::Relaxed)),
                    Offer::Closed | Offer::Failed(_) | Offer::TooLong => {
                        panic!("unexpected outcome")
                    }
                    _ => std::thread::yield_now(),
                }
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let polled = subscription.poll(64, |message, _| {
                    assert_eq!(message, [1; 96]);
                    received.fetch_add(1, Ordering::Relaxed);
                });
                if polled == 0 {
                    std::thread::yield_now();
                }
            }
        });
        for generation in 1..=5 {
            let before = received.load(Ordering::Relaxed);
            let mut links = [&mut link];
            drive_until(&mut links, "messages in this generation", || {
                received.load(Ordering::Relaxed) > before + 100
            });
            assert_eq!(link.generation(), generation);
            let passing = support::publication(&mut link, 1000);
            scope.spawn(move || drop(passing));
            drop(driver.take());
            drive_until_with(&mut [&mut link], "lose the link", |links| !links[0].is_up());
            driver = Some(dir.driver());
        }
        stop.store(true, Ordering::Relaxed);
    });
    let started = Instant::now();
    drive_until_with(&mut [&mut link], "retired clients go", |links| {
        let _ = publication.offer(b"");
        let _ = subscription.image_count();
        links[0].stats().retired_client_count == 0 && links[0].stats().resource_count == 2
    });
    eprintln!(
        "sent {}, last retired client gone after {:?}",
        sent.into_inner(),
        started.elapsed()
    );
}

#[test]
fn a_handle_nobody_uses_holds_its_client_until_its_next_call() {
    let dir = AeronDir::new();
    let driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    drive_until(&mut [&mut link], "register", || publication.is_live());
    drop(driver);
    drive_until_with(&mut [&mut link], "lose the link", |links| !links[0].is_up());
    assert_eq!(link.stats().retired_client_count, 1);
    assert_eq!(publication.offer(b"x"), Offer::LinkDown);
    drive_until_with(&mut [&mut link], "let go", |links| {
        links[0].stats().retired_client_count == 0
    });
}

#[test]
fn a_subscription_that_joins_late_misses_nothing_that_comes_after() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut first = subscription(&mut link, 1000);
    send(&mut [&mut link], &mut publication, b"early");
    assert_eq!(receive(&mut [&mut link], &mut first, 1).len(), 1);
    let mut second = subscription(&mut link, 1000);
    drive_until(&mut [&mut link], "join", || second.is_connected());
    send(&mut [&mut link], &mut publication, b"late");
    drive_until(&mut [&mut link], "receive what came after", || {
        let mut is_there = false;
        second.poll(16, |message, _| is_there |= message == b"late");
        is_there
    });
}

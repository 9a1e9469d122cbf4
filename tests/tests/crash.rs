//! kill -9 and SIGSTOP of every process in turn, with a second subscriber stopped throughout.
//!
//! The others notice, say so, keep their process ids, and exchange verified frames again within five seconds of its
//! return.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tensorpool_tests::{Process, Sandbox, StreamConfig};

/// From the return of the missing process to verified frames.
const RECOVERY: Duration = Duration::from_secs(5);

struct Scene {
    sandbox: Sandbox,
    config: PathBuf,
    media_driver: Process,
    driver: Process,
    publisher: Process,
    subscriber: Process,
    _stopped_subscriber: Process,
}

impl Scene {
    /// Everything up, frames flowing, and one subscriber held in SIGSTOP.
    fn start() -> Self {
        let sandbox = Sandbox::new();
        let config = sandbox.config(&[StreamConfig::one_pool(16, 1 << 16)]);
        let media_driver = sandbox.media_driver();
        let driver = sandbox.driver(&config);
        let mut subscriber = Self::subscribe(&sandbox);
        let mut stopped_subscriber = Self::subscribe(&sandbox);
        let publisher = Self::publish(&sandbox);
        wait_for_frames(&mut subscriber, Duration::from_secs(20));
        wait_for_frames(&mut stopped_subscriber, Duration::from_secs(20));
        stopped_subscriber.stop();
        wait_for_frames(&mut subscriber, RECOVERY);
        Self {
            sandbox,
            config,
            media_driver,
            driver,
            publisher,
            subscriber,
            _stopped_subscriber: stopped_subscriber,
        }
    }

    fn publish(sandbox: &Sandbox) -> Process {
        sandbox.spawn(
            "publisher",
            [
                "publish",
                "--json",
                "--pattern",
                "interop",
                "--size",
                "32KiB",
                "--pace",
                "1000",
                "--attach-timeout",
                "30s",
            ],
        )
    }

    fn subscribe(sandbox: &Sandbox) -> Process {
        sandbox.spawn(
            "subscriber",
            [
                "subscribe",
                "--json",
                "--verify",
                "interop",
                "--follow",
                "--attach-timeout",
                "30s",
            ],
        )
    }

    /// The survivors still run, and not one frame was wrong.
    fn finish(mut self) {
        for process in [
            &mut self.media_driver,
            &mut self.driver,
            &mut self.publisher,
        ] {
            assert!(process.is_running(), "{}", process.transcript());
        }
        let status = self.subscriber.terminate();
        assert!(status.success(), "{}", self.subscriber.transcript());
        let summary = self.subscriber.wait_event("summary");
        assert_eq!(summary["wrong"], 0, "{summary}");
        assert!(
            self.publisher.terminate().success(),
            "{}",
            self.publisher.transcript()
        );
        assert!(
            self.driver.terminate().success(),
            "{}",
            self.driver.transcript()
        );
        assert!(
            self.media_driver.terminate().success(),
            "{}",
            self.media_driver.transcript()
        );
    }
}

fn verified(progress: &Value) -> u64 {
    progress["frames"].as_u64().unwrap_or(0)
}

/// Waits until the subscriber reports more verified frames than in its next report.
fn wait_for_frames(subscriber: &mut Process, patience: Duration) -> Duration {
    let start = Instant::now();
    // A report that is already on its way may still count frames of the time before.
    let before = verified(&subscriber.wait_event("progress"));
    subscriber.wait_event_where("progress", patience, |progress| verified(progress) > before);
    start.elapsed()
}

#[test]
fn a_killed_media_driver_comes_back_under_living_processes() {
    let mut scene = Scene::start();
    scene.media_driver.kill9();
    scene.driver.wait_event("link_lost");
    scene.publisher.wait_event("link_lost");
    scene.subscriber.wait_event("link_lost");
    scene.media_driver = scene.sandbox.media_driver();
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    scene.finish();
}

/// Proves [TP-CLI-0342].
#[test]
fn leases_outlive_a_media_driver_that_is_gone_for_longer_than_they_last() {
    let mut scene = Scene::start();
    let epochs = |scene: &Scene| {
        [&scene.publisher, &scene.subscriber].map(|process| process.events("mapped").len())
    };
    let before = epochs(&scene);
    scene.media_driver.kill9();
    scene.subscriber.wait_event("link_lost");
    // It reports once per second; a lease lasts for three.
    for _ in 0..5 {
        scene.subscriber.wait_event("progress");
    }
    scene.media_driver = scene.sandbox.media_driver();
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    for process in [&scene.publisher, &scene.subscriber] {
        let lost = process.events("lease_lost");
        assert!(lost.is_empty(), "{}", process.transcript());
    }
    assert_eq!(epochs(&scene), before, "they went on in the same epoch");
    scene.finish();
}

/// Proves [TP-CLI-1922].
#[test]
fn what_a_producer_published_before_it_died_and_nobody_was_told_of_is_counted_as_lost() {
    let mut scene = Scene::start();
    scene.media_driver.kill9();
    scene.publisher.wait_event("link_lost");
    // It reports once per second, and publishes on.
    for _ in 0..2 {
        scene.publisher.wait_event("progress");
    }
    let progress = scene.publisher.wait_event("progress");
    let reported = progress["next_seq"].as_u64().expect("next_seq");
    scene.publisher.kill9();
    scene.media_driver = scene.sandbox.media_driver();
    let lost = scene.subscriber.wait_event("source_lost");
    scene.publisher = Scene::publish(&scene.sandbox);
    let count = |name: &str| lost[name].as_u64().expect(name);
    assert!(count("end_seq") >= reported, "{reported} of {lost}");
    assert!(count("lost") >= 1_000, "{lost}");
    assert_eq!(count("seen"), count("delivered") + count("lost"), "{lost}");
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    scene.finish();
}

#[test]
fn a_stopped_media_driver_comes_back_under_living_processes() {
    let mut scene = Scene::start();
    scene.media_driver.stop();
    scene.subscriber.wait_event("link_lost");
    scene.media_driver.resume();
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    scene.finish();
}

#[test]
fn a_killed_driver_comes_back_with_a_higher_epoch() {
    let mut scene = Scene::start();
    let before = scene.subscriber.events("mapped")[0]["epoch"]
        .as_u64()
        .expect("epoch");
    scene.driver.kill9();
    scene.publisher.wait_event("driver_lost");
    scene.subscriber.wait_event("driver_lost");
    scene.driver = scene.sandbox.driver(&scene.config);
    let remapped = scene.subscriber.wait_event("mapped");
    assert!(
        remapped["epoch"].as_u64().expect("epoch") > before,
        "{remapped}"
    );
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    scene.finish();
}

#[test]
fn a_driver_that_returns_before_it_was_missed_is_reattached_to() {
    let mut scene = Scene::start();
    scene.driver.kill9();
    scene.driver = scene.sandbox.driver(&scene.config);
    // Nobody has missed it: it tells the clients that it does not know their leases.
    scene.subscriber.wait_event("mapped");
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    scene.finish();
}

#[test]
fn a_stopped_driver_goes_on_where_it_stood() {
    let mut scene = Scene::start();
    scene.driver.stop();
    scene.subscriber.wait_event("driver_lost");
    scene.driver.resume();
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    scene.finish();
}

#[test]
fn a_killed_producer_is_followed_by_the_next_one() {
    let mut scene = Scene::start();
    scene.publisher.kill9();
    scene.publisher = Scene::publish(&scene.sandbox);
    scene.subscriber.wait_event("source_lost");
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    scene.finish();
}

#[test]
fn a_stopped_producer_finds_its_lease_gone_and_attaches_again() {
    let mut scene = Scene::start();
    scene.publisher.stop();
    scene.subscriber.wait_event("source_lost");
    scene.publisher.resume();
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    scene.finish();
}

#[test]
fn a_killed_consumer_disturbs_nobody_and_can_come_back() {
    let mut scene = Scene::start();
    scene.subscriber.kill9();
    scene.subscriber = Scene::subscribe(&scene.sandbox);
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    scene.finish();
}

#[test]
fn a_stopped_consumer_goes_on_with_frames_of_now() {
    let mut scene = Scene::start();
    scene.subscriber.stop();
    // Longer than its lease lives: the driver says when it has taken it back.
    scene.driver.wait_event("lease_expired");
    scene.driver.wait_event("lease_expired");
    scene.subscriber.resume();
    wait_for_frames(&mut scene.subscriber, RECOVERY);
    scene.finish();
}

//! A lossless publisher waits for its consumers, but for none that is gone, and a consumer that stays misses nothing.

use std::time::{Duration, Instant};

use serde_json::Value;
use tensorpool_tests::process::PATIENCE;
use tensorpool_tests::{Process, Sandbox, StreamConfig};

/// A dead consumer holds the publisher up until its lease has expired: three seconds, and the driver's next look.
const GRACE: Duration = Duration::from_secs(4);

struct Scene {
    sandbox: Sandbox,
    _media_driver: Process,
    _driver: Process,
    steady: Process,
    publisher: Process,
}

impl Scene {
    /// A lossless stream with a subscriber that is there from the beginning to the end. `more` is the publisher's.
    fn start(slots: u32, more: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        let media_driver = sandbox.media_driver();
        let driver = sandbox.driver(&sandbox.config(&[StreamConfig::one_pool(slots, 4096)]));
        let steady = subscribe(&sandbox, "steady");
        let args = [
            "publish",
            "--json",
            "--lossless",
            "--pattern",
            "interop",
            "--size",
            "4000",
            "--wait-consumers",
            "1",
        ];
        let publisher = sandbox.spawn("publisher", args.iter().chain(more));
        let mut scene = Self {
            sandbox,
            _media_driver: media_driver,
            _driver: driver,
            steady,
            publisher,
        };
        wait_for_frames(&mut scene.steady, PATIENCE);
        scene
    }

    /// Ends the stream; the steady subscriber got every frame that was sent. Gives their number.
    fn finish(&mut self) -> u64 {
        assert!(
            self.publisher.terminate().success(),
            "{}",
            self.publisher.transcript()
        );
        let sent = number(&self.publisher.wait_event("summary"), "frames");
        self.steady.expect_success();
        let summary = self.steady.wait_event("summary");
        assert_eq!(number(&summary, "frames"), sent, "{summary}");
        assert_eq!((dropped(&summary), number(&summary, "wrong")), (0, 0));
        sent
    }
}

fn subscribe(sandbox: &Sandbox, name: &str) -> Process {
    sandbox.spawn(name, ["subscribe", "--json", "--verify", "interop"])
}

fn number(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn dropped(summary: &Value) -> u64 {
    let drops = summary["drops"].as_object().expect("drops by cause");
    drops.values().map(|n| n.as_u64().expect("a count")).sum()
}

/// Waits for a report of frames that is made from now on, and gives how long it took.
fn wait_for_frames(process: &mut Process, patience: Duration) -> Duration {
    let started = Instant::now();
    process.wait_line("frames", patience, |line| {
        let value: Value = serde_json::from_str(&line.text).ok()?;
        let has_frames = value["event"] == "progress" && number(&value, "frames") > 0;
        (has_frames && line.at >= started).then_some(())
    });
    started.elapsed()
}

/// Waits for as long as `pause`, in which the steady subscriber goes on printing; gives its longest time without frames.
fn watch_for(steady: &mut Process, pause: Duration) -> Duration {
    let (started, mut last, mut longest) = (Instant::now(), Instant::now(), Duration::ZERO);
    steady.wait_line("more reports", pause + PATIENCE, |line| {
        let value: Value = serde_json::from_str(&line.text).ok()?;
        if value["event"] == "progress" && number(&value, "frames") > 0 {
            longest = longest.max(line.at.saturating_duration_since(last));
            last = last.max(line.at);
        }
        (line.at.saturating_duration_since(started) >= pause).then_some(())
    });
    longest.max(last.elapsed().saturating_sub(Duration::from_millis(600)))
}

#[test]
fn a_consumer_that_joins_late_gets_whole_frames_and_stops_nobody() {
    // Two frames per second: whoever joins has heard of none for a while.
    for (slots, pace) in [(8, "2"), (64, "1000")] {
        let mut scene = Scene::start(slots, &["--pace", pace]);
        let mut late = subscribe(&scene.sandbox, "late");
        late.wait_event("attached");
        assert!(wait_for_frames(&mut late, PATIENCE) < GRACE);
        assert!(wait_for_frames(&mut scene.steady, PATIENCE) < GRACE);
        let sent = scene.finish();
        late.expect_success();
        let summary = late.wait_event("summary");
        let received = number(&summary, "frames");
        assert!(received > 0 && received < sent, "{summary}");
        assert_eq!(number(&summary, "wrong"), 0, "{summary}");
    }
}

#[test]
fn a_consumer_that_is_killed_holds_the_stream_up_no_longer_than_its_lease() {
    let mut scene = Scene::start(16, &["--pace", "1000"]);
    let mut victim = subscribe(&scene.sandbox, "victim");
    wait_for_frames(&mut victim, PATIENCE);
    victim.kill9();
    let longest = watch_for(&mut scene.steady, Duration::from_secs(6));
    assert!(
        longest < GRACE,
        "{longest:?} without frames\n{}",
        scene.publisher.transcript()
    );
    scene.finish();
}

#[test]
fn a_consumer_that_is_stopped_for_eight_seconds_does_not_stop_the_stream_and_comes_back() {
    let mut scene = Scene::start(16, &["--pace", "1000"]);
    let mut sleeper = subscribe(&scene.sandbox, "sleeper");
    wait_for_frames(&mut sleeper, PATIENCE);
    sleeper.stop();
    let longest = watch_for(&mut scene.steady, Duration::from_secs(8));
    assert!(
        longest < GRACE,
        "{longest:?} without frames\n{}",
        scene.publisher.transcript()
    );
    sleeper.resume();
    wait_for_frames(&mut sleeper, Duration::from_secs(10));
    let longest = watch_for(&mut scene.steady, Duration::from_secs(3));
    assert!(
        longest < GRACE,
        "{longest:?} without frames\n{}",
        scene.publisher.transcript()
    );
    wait_for_frames(&mut sleeper, GRACE);
    scene.finish();
    sleeper.expect_success();
    let summary = sleeper.wait_event("summary");
    assert_eq!(number(&summary, "wrong"), 0, "{summary}");
}

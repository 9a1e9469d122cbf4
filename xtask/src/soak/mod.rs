//! `cargo xtask soak`: minutes of frames between real processes, through a crash of a producer and a
//! restart of the driver, and at the end an account in which no frame is missing.
//!
//! Who plays is in `cast`, what is played here; `account` settles for every consumer what it was
//! owed, and `table` shows it.

mod account;
mod cast;
mod ring;
mod summary;
mod table;

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use self::account::{Fate, Sent};
use self::cast::{CONSUMERS, Cast, Client, PRODUCERS, Scene};
use self::summary::{Published, Received};
use self::table::Outcome;
use crate::report::Report;
use crate::setup::{self, Purpose};
use crate::stage::summary::{events, parse};
use crate::stage::{self, Interrupt, PATIENCE, Process};

/// How long clients may take to attach, be found gone, and attach again.
const RECOVERY: Duration = Duration::from_secs(60);

/// How long the driver is away: longer than clients take to miss it.
const AWAY: Duration = Duration::from_secs(5);

/// How often everybody is looked at while nothing else happens.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The producer that is killed.
const VICTIM: usize = 0;

/// When what happens, from the first frames on.
struct Plan {
    crash: Duration,
    restart: Duration,
    end: Duration,
}

impl Plan {
    fn of_minutes(minutes: f64) -> Result<Self> {
        ensure!(
            (0.3..=24.0 * 60.0).contains(&minutes),
            "--minutes {minutes}: expected 0.3 to 1440, as clients take seconds to miss somebody"
        );
        let end = Duration::from_secs_f64(minutes * 60.0);
        Ok(Self {
            crash: end.mul_f64(0.35),
            restart: end.mul_f64(0.65),
            end,
        })
    }
}

/// Sets up, builds, plays, settles.
pub(crate) fn run(minutes: f64, json: bool) -> Result<()> {
    let plan = Plan::of_minutes(minutes)?;
    let mut report = Report::new();
    report.step("setup", || setup::ensure(Purpose::Build));
    report.gate()?;
    let mut outcome = None;
    report.step("soak", || {
        let settled = build_and_play(&plan)?;
        print!("\n{}", settled.render());
        let faults = settled.faults();
        outcome = Some(settled);
        ensure!(faults.is_empty(), "{}", faults.join("; "));
        Ok(())
    });
    let finished = report.finish();
    // The last line of all.
    if let Some(outcome) = outcome.filter(|_| json) {
        println!("{}", outcome.json());
    }
    finished
}

fn build_and_play(plan: &Plan) -> Result<Outcome> {
    let program = stage::build()?;
    let interrupt = Interrupt::install()?;
    let scene = Scene::create(&program)?;
    let outcome = play(&scene, plan, &interrupt);
    if outcome.is_err() {
        scene.stage.print_logs();
    }
    let cleaned = scene.stage.remove();
    let outcome = outcome?;
    cleaned?;
    Ok(outcome)
}

fn play(scene: &Scene, plan: &Plan, interrupt: &Interrupt) -> Result<Outcome> {
    let mut cast = enter(scene, interrupt)?;
    let mut sent = Vec::new();
    let started = Instant::now();
    say(started, "everybody is there, frames flow");

    rest_until(&mut cast, started + plan.crash, interrupt)?;
    let death = crash(scene, &mut cast, interrupt)?;
    let (victim, frames) = (death.sent.life.clone(), death.sent.end);
    say(started, &format!("{victim} died: {frames} frames"));
    sent.push(death.sent);
    let mut held_up = vec![(victim, death.held_up)];

    rest_until(&mut cast, started + plan.restart, interrupt)?;
    restart_driver(scene, &mut cast, started, interrupt)?;

    rest_until(&mut cast, started + plan.end, interrupt)?;
    say(started, "the producers are asked to end");
    let seconds = started.elapsed().as_secs_f64();
    let (published, received) = finish(&mut cast, interrupt)?;
    for (index, (name, summary)) in published.iter().enumerate() {
        sent.extend(account::lives(PRODUCERS[index].stream, name, summary)?);
        held_up.push((name.clone(), summary.drops.clone()));
    }
    let mut faults: Vec<String> = death.fault.into_iter().collect();
    let left = leave(scene, cast)?;
    faults.extend(
        left.iter()
            .map(|path| format!("{} was left", path.display())),
    );
    Ok(Outcome::settle(seconds, sent, &received, held_up, faults))
}

fn say(started: Instant, what: &str) {
    println!("-- {:6.1} s: {what}", started.elapsed().as_secs_f64());
}

/// Starts everybody; waits until frames flow.
fn enter(scene: &Scene, interrupt: &Interrupt) -> Result<Cast> {
    let stage = &scene.stage;
    let media_driver = stage.start_media_driver(interrupt)?;
    let driver = scene.start_driver("driver", interrupt)?;
    let supervisor = stage.start_role(
        "supervisor",
        "supervisor",
        &scene.supervisor_config,
        interrupt,
    )?;
    let mut consumers = Vec::new();
    for client in &CONSUMERS {
        consumers.push(Process::start(scene.subscriber(client))?);
    }
    for (client, process) in CONSUMERS.iter().zip(&mut consumers) {
        await_attached(process, interrupt)?;
        if client.has_own_stream() {
            let granted = |process: &Process| {
                let configs = events(&process.said(), "config_changed");
                configs
                    .iter()
                    .any(|config| config["descriptor_stream"].is_u64())
            };
            process.await_true("it has a stream of its own", RECOVERY, interrupt, granted)?;
        }
    }
    let mut producers = Vec::new();
    for client in &PRODUCERS {
        producers.push(Process::start(scene.publisher(client, client.name))?);
    }
    for process in &mut producers {
        await_frames(process, interrupt)?;
    }
    Ok(Cast {
        media_driver,
        driver,
        supervisor,
        producers,
        consumers,
    })
}

fn await_attached(process: &mut Process, interrupt: &Interrupt) -> Result<()> {
    let is_attached = |process: &Process| !events(&process.said(), "attached").is_empty();
    process.await_true("it is attached", RECOVERY, interrupt, is_attached)
}

fn await_frames(process: &mut Process, interrupt: &Interrupt) -> Result<()> {
    let has_sent = |process: &Process| {
        let progress = events(&process.said(), "progress");
        progress
            .iter()
            .any(|each| each["frames"].as_u64() > Some(0))
    };
    process.await_true("it has published frames", RECOVERY, interrupt, has_sent)
}

/// Waits; fails as soon as somebody is not there any more.
fn rest_until(cast: &mut Cast, until: Instant, interrupt: &Interrupt) -> Result<()> {
    while Instant::now() < until {
        interrupt.check()?;
        cast.everybody().try_for_each(Process::expect_running)?;
        thread::sleep(LOOK_INTERVAL.min(until.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

/// What is known of a producer that was killed.
struct Death {
    /// What it had published, as its ring says.
    sent: Sent,
    /// What it last said that it could not tell of.
    held_up: BTreeMap<String, u64>,
    /// What is wrong with its figures, if anything.
    fault: Option<String>,
}

/// kill -9 of a producer; its successor is started at once.
fn crash(scene: &Scene, cast: &mut Cast, interrupt: &Interrupt) -> Result<Death> {
    let client = &PRODUCERS[VICTIM];
    let mut victim = cast.producers.remove(VICTIM);
    victim.kill9()?;
    let name = victim.name().to_owned();
    // Its figures are half a second old; the ring is exact.
    let progress = events(&victim.said(), "progress");
    let last = progress.last().context("it has said how it goes")?;
    let epoch = last["epoch"].as_u64().context("no epoch in its figures")?;
    let told = last["next_seq"]
        .as_u64()
        .context("no position in its figures")?;
    let end = ring::published(&scene.stage.pools(), epoch)?;
    let fault =
        (told > end).then(|| format!("{name} told of {told} frames, and its ring shows {end}"));
    let successor = Process::start(scene.publisher(client, "producer 1, second life"))?;
    cast.producers.insert(VICTIM, successor);
    await_frames(&mut cast.producers[VICTIM], interrupt)?;
    let sent = Sent {
        stream: client.stream,
        life: name,
        epoch,
        frames: end,
        end,
        fate: Fate::Killed,
    };
    Ok(Death {
        sent,
        held_up: serde_json::from_value(last["drops"].clone())?,
        fault,
    })
}

/// kill -9 of the driver, which is started again after a while; waits until all are attached again.
fn restart_driver(
    scene: &Scene,
    cast: &mut Cast,
    started: Instant,
    interrupt: &Interrupt,
) -> Result<()> {
    let backs = |process: &Process| {
        let said = process.said();
        events(&said, "driver_back").len() + events(&said, "lease_back").len()
    };
    let before: Vec<usize> = cast.clients().map(|process| backs(process)).collect();
    cast.driver.kill9()?;
    say(started, "the driver died");
    let until = Instant::now() + AWAY;
    while Instant::now() < until {
        interrupt.check()?;
        cast.clients().try_for_each(Process::expect_running)?;
        thread::sleep(LOOK_INTERVAL);
    }
    cast.driver = scene.start_driver("driver, second life", interrupt)?;
    for (process, before) in cast.clients().zip(before) {
        let is_back = |process: &Process| backs(process) > before;
        process.await_true("it is attached again", RECOVERY, interrupt, is_back)?;
    }
    say(started, "everybody is attached to its successor");
    Ok(())
}

/// Name and summary of each.
type Ended<T> = Vec<(String, T)>;

/// The producers end in order, and their consumers with them.
fn finish(cast: &mut Cast, interrupt: &Interrupt) -> Result<(Ended<Published>, Ended<Received>)> {
    cast.everybody().try_for_each(Process::expect_running)?;
    for producer in &mut cast.producers {
        producer.ask_to_end()?;
    }
    let mut published = Vec::new();
    for process in cast.producers.drain(..) {
        published.push(end_of(process, interrupt)?);
    }
    let mut received = Vec::new();
    for process in cast.consumers.drain(..) {
        received.push(end_of(process, interrupt)?);
    }
    Ok((published, received))
}

/// Waits for the end of a process; it was the same one all the time.
fn end_of<T: serde::de::DeserializeOwned>(
    process: Process,
    interrupt: &Interrupt,
) -> Result<(String, T)> {
    let (name, pid) = (process.name().to_owned(), process.pid());
    let said = process.finish(RECOVERY, interrupt)?;
    let attached = events(&said, "attached");
    let pids: Vec<_> = attached.iter().map(|each| each["pid"].as_u64()).collect();
    ensure!(
        pids == [Some(u64::from(pid))],
        "{name} is process {pid}, and says that it is {pids:?}"
    );
    let summary = parse(&said).with_context(|| format!("{name}: its last line is no summary"))?;
    Ok((name, summary))
}

/// The others end in order; gives what they should have removed and did not.
fn leave(scene: &Scene, cast: Cast) -> Result<Vec<std::path::PathBuf>> {
    cast.supervisor.stop(PATIENCE)?;
    cast.driver.stop(PATIENCE)?;
    cast.media_driver.stop(PATIENCE)?;
    if !cast.producers.is_empty() || !cast.consumers.is_empty() {
        bail!("somebody is still there");
    }
    Ok(scene.stage.left_behind())
}

impl Client {
    /// Whether it asks for a stream of its own.
    fn has_own_stream(&self) -> bool {
        self.options.contains(&"--own-stream")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_spread_over_the_time_there_is() {
        let plan = Plan::of_minutes(10.0).unwrap();
        assert_eq!(plan.crash, Duration::from_secs(210));
        assert_eq!(plan.restart, Duration::from_secs(390));
        assert_eq!(plan.end, Duration::from_secs(600));
    }

    #[test]
    fn a_run_too_short_for_its_events_is_refused() {
        for minutes in [0.0, 0.2, -1.0, f64::NAN, 1e9] {
            let error = Plan::of_minutes(minutes).err().unwrap().to_string();
            assert!(error.contains("expected 0.3 to 1440"), "{error}");
        }
    }
}

//! `cargo xtask demo`: the whole system as separate processes, and a table of what it did.
//!
//! A media driver, a driver, and in each phase a producer and two consumers. Only public commands
//! of `agent-runner` are used, so what the demo shows is what a user can do.

mod scene;
mod summary;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::{Context, Result, bail};

use self::scene::Scene;
use self::summary::{Received, Sent};
use self::table::Row;
use crate::report::Report;
use crate::setup::{self, Purpose};
use crate::stage::{self, Interrupt, PATIENCE, Process};

/// Consumers in each phase.
const CONSUMERS: usize = 2;

/// Shared memory the pools may take, over all epochs that exist at a time.
const POOL_BUDGET_BYTES: u64 = 48 << 20;

/// One run of producer and consumers.
struct Phase {
    name: &'static str,
    /// Value of `--pace`.
    pace: &'static str,
    /// Value of `--duration`.
    duration: &'static str,
    /// When something hangs: attaching, waiting for consumers and lingering included.
    limit: Duration,
}

const PHASES: [Phase; 2] = [
    Phase {
        name: "full speed",
        pace: "max",
        duration: "5s",
        limit: Duration::from_secs(60),
    },
    Phase {
        name: "1 kHz",
        pace: "1000",
        duration: "5s",
        limit: Duration::from_secs(60),
    },
];

/// Sets up, builds, plays.
pub(crate) fn run() -> Result<()> {
    let mut report = Report::new();
    report.step("setup", || setup::ensure(Purpose::Build));
    report.gate()?;
    report.step("demo", build_and_play);
    report.finish()
}

/// Builds a release and plays the demo with it.
pub(crate) fn build_and_play() -> Result<()> {
    let program = stage::build()?;
    let interrupt = Interrupt::install()?;
    let scene = Scene::create(&program)?;
    let outcome = play(&scene, &interrupt);
    if outcome.is_err() {
        scene.stage.print_logs();
    }
    // Both matter: what went wrong first, and whether it was cleaned up after.
    let cleaned = scene.stage.remove();
    outcome?;
    cleaned
}

fn play(scene: &Scene, interrupt: &Interrupt) -> Result<()> {
    let stage = &scene.stage;
    let media_driver = stage.start_media_driver(interrupt)?;
    let driver = stage.start_role("driver", "driver", &scene.config, interrupt)?;

    let mut rows = Vec::new();
    for phase in &PHASES {
        println!("\n-- {}, {}", phase.name, phase.duration);
        rows.extend(play_phase(scene, phase, interrupt)?);
    }
    let pool_bytes = stage.pool_bytes()?;
    driver.stop(PATIENCE)?;
    media_driver.stop(PATIENCE)?;

    print!("\n{}", table::render(&rows));
    println!(
        "pools: {:.1} MiB of /dev/shm",
        pool_bytes as f64 / f64::from(1 << 20)
    );
    if pool_bytes > POOL_BUDGET_BYTES {
        bail!("the pools take {pool_bytes} bytes, and {POOL_BUDGET_BYTES} were promised");
    }
    verify(&rows)
}

/// Runs one phase to its end; a row for each consumer.
fn play_phase(scene: &Scene, phase: &Phase, interrupt: &Interrupt) -> Result<Vec<Row>> {
    let consumers = (1..=CONSUMERS)
        .map(|number| Process::start(scene.subscriber(phase, number)))
        .collect::<Result<Vec<_>>>()?;
    let producer = Process::start(scene.publisher(phase, CONSUMERS))?;
    let sent = Sent::parse(&producer.finish(phase.limit, interrupt)?)
        .context("the producer's last line is no summary")?;
    let mut rows = Vec::new();
    for (index, consumer) in consumers.into_iter().enumerate() {
        let received = Received::parse(&consumer.finish(phase.limit, interrupt)?)
            .with_context(|| format!("consumer {}'s last line is no summary", index + 1))?;
        rows.push(Row {
            phase: phase.name,
            consumer: index + 1,
            sent,
            received,
        });
    }
    Ok(rows)
}

/// Every frame sent was received or counted as dropped, and none was torn.
fn verify(rows: &[Row]) -> Result<()> {
    let faults: Vec<String> = rows.iter().filter_map(Row::fault).collect();
    if !faults.is_empty() {
        bail!("{}", faults.join("; "));
    }
    Ok(())
}

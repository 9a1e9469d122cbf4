//! Aeron's own C samples, cping and cpong, beside our raw Aeron: the same exercise without our
//! transport.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};

use crate::args::Common;
use crate::endpoints::aeron_dir;
use crate::figures::Quartiles;
use crate::measure;
use crate::pair::{self, Interrupt};
use crate::plan::{Exercise, Plan, Subject};
use crate::row::{Conditions, Results, Row};
use crate::world::World;

/// Takes turns with our own so often.
const TURNS: u32 = 7;
const WARMUP_MESSAGES: u32 = 20_000;
const MESSAGES: u32 = 200_000;
const STREAMS: [&str; 2] = ["9101", "9102"];
/// How the sample says what it measured; its histogram is ours.
const SAID: &str = "round-trip-ns p50=";

/// The two programs.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    pub(crate) cping: PathBuf,
    pub(crate) cpong: PathBuf,
}

/// One row: half a round trip of cping, over our raw Aeron's of the turns beside it.
pub(crate) fn run(common: &Common, samples: &Samples, len: usize) -> Result<Row> {
    let interrupt = Interrupt::install()?;
    let messages = (MESSAGES / common.shrink).max(1);
    let mut plan = measure::aeron(common, len, None);
    plan.rounds = common.rounds.div_ceil(TURNS);
    let (mut ours, mut floor, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let outcomes = pair::run(&mut plan, &common.base_dir, &interrupt)?;
        let median = |is_subject: fn(Subject) -> bool| {
            let lanes = plan.lanes.iter().zip(&outcomes[0].lanes);
            let mut found = lanes.filter(|(lane, _)| {
                is_subject(lane.subject) && matches!(lane.exercise, Exercise::PingPong { .. })
            });
            let (_, outcome) = found.next()?;
            Some(Quartiles::of(outcome.samples.iter().copied())?.p50)
        };
        floor.push(median(|subject| subject == Subject::Floor).context("no floor")?);
        let raw = median(|subject| matches!(subject, Subject::Aeron { .. }));
        ours.push(raw.context("no raw Aeron")?);
        theirs.push(turn(&plan, common, samples, len, messages)? / 2.0);
    }
    let over = |anchor: &[f64]| {
        let pairs = theirs.iter().zip(anchor);
        Quartiles::of(pairs.map(|(theirs, anchor)| theirs / anchor))
    };
    Ok(Row {
        event: "row",
        name: format!("cping/{len}B/ping-pong"),
        subject: "cping",
        exercise: "ping-pong",
        frames: None,
        size: len,
        conditions: Conditions {
            processes: 2,
            cores: plan.cores.map_or("unpinned".into(), |[first, second]| {
                format!("{first},{second}")
            }),
            placement_floor_ns: Quartiles::of(floor.iter().copied()).context("no floor")?,
            pacing: "closed loop, busy-spin with a pause, median of each turn".into(),
            reader_bytes: (len + 32).next_multiple_of(64),
            writer_bytes: len + 32,
            rounds: TURNS,
            messages: u64::from(messages) * u64::from(TURNS),
            term_length: Some(common.term_length),
        },
        results: Results {
            over_floor: over(&floor),
            over_aeron: over(&ours),
            ns: Quartiles::of(theirs),
            ..Results::default()
        },
    })
}

/// The median round trip of one run, in nanoseconds.
fn turn(plan: &Plan, common: &Common, samples: &Samples, len: usize, messages: u32) -> Result<f64> {
    let mut world = World::new(&common.base_dir)?;
    world.start_media_driver()?;
    let dir = aeron_dir(world.path());
    let channel = format!("aeron:ipc?term-length={}", common.term_length);
    let core = |index: usize| plan.cores.map(|cores| cores[index]);
    let mut pong = Sample(spawn(&samples.cpong, &dir, &channel, core(1), &[])?);
    let numbers = [
        len.to_string(),
        messages.to_string(),
        WARMUP_MESSAGES.to_string(),
    ];
    let [len, messages, warmup] = &numbers;
    let more = ["-L", len, "-m", messages, "-w", warmup];
    let mut ping = Sample(spawn(&samples.cping, &dir, &channel, core(0), &more)?);
    let output = ping.0.stdout.take().context("no standard output")?;
    let mut found = None;
    for line in BufReader::new(output).lines() {
        if let Some(rest) = line?.strip_prefix(SAID) {
            let digits = rest.split_whitespace().next().unwrap_or_default();
            found = Some(digits.parse()?);
        }
    }
    let status = ping.0.wait()?;
    // It would wait for another one.
    pong.0.kill()?;
    pong.0.wait()?;
    match found {
        Some(found) if status.success() => Ok(found),
        _ => bail!(
            "{} ended with {status} and said no round trip",
            samples.cping.display()
        ),
    }
}

/// A process of the peer, killed when dropped.
struct Sample(Child);

impl Drop for Sample {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            drop(self.0.kill());
            drop(self.0.wait());
        }
    }
}

/// Children run where the thread runs that starts them: all their threads on this core.
fn spawn(
    program: &Path,
    dir: &Path,
    channel: &str,
    core: Option<usize>,
    more: &[&str],
) -> Result<Child> {
    let mut command = Command::new(program);
    command.arg("-p").arg(dir);
    command.args([
        "-c", channel, "-C", channel, "-s", STREAMS[0], "-S", STREAMS[1],
    ]);
    command.args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let start = move || {
        if let Some(id) = core {
            core_affinity::set_for_current(core_affinity::CoreId { id });
        }
        command.spawn()
    };
    let started = std::thread::spawn(start).join();
    let started = started.map_err(|_| anyhow!("a thread panicked"))?;
    started.with_context(|| format!("cannot start {}", program.display()))
}

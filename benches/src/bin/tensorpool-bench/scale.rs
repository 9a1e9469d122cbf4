//! What a driver costs that serves many streams: processor time while nothing happens, and how long
//! an attach takes, beside a driver that serves one.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tensorpool::client::{Client, ClientConfig};
use tensorpool::codecs::types::StreamId;

use crate::args::Common;
use crate::endpoints::{FRAME_STREAMS, aeron_dir, region_dir};
use crate::exercises::Recorder;
use crate::figures::{Delays, Quartiles};
use crate::measure;
use crate::pair::{self, Interrupt};
use crate::plan::{Availability, FramesPlan, Pacing};
use crate::row::{Conditions, Results, Row};
use crate::world::{DRIVER_THREADS, World};

/// Attaches of each driver before the next one's turn.
const ATTACHES_PER_ROUND: u32 = 10;
/// A driver has 1,023 node ids and keeps each for a second after its lease: no more leases than that
/// can be granted in one.
const SHORTEST_CYCLE: Duration = Duration::from_micros(2_500);
const PATIENCE: Duration = Duration::from_secs(60);
/// Until a driver has created everything and its idling has reached its longest pauses.
const SETTLE: Duration = Duration::from_secs(1);
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(5);

/// Two rows per driver: one that idles, one that grants.
pub(crate) fn run(common: &Common, streams: &[u16]) -> Result<Vec<Row>> {
    let interrupt = Interrupt::install()?;
    let outcomes = pair::run(&mut measure::floor(common), &common.base_dir, &interrupt)?;
    let floor = outcomes[0].lanes.first().context("no floor")?;
    let floor = Quartiles::of(floor.samples.iter().copied()).context("no floor")?;
    let mut rows = Vec::new();
    for &count in streams {
        rows.push(idle(common, count, floor, &interrupt)?);
    }
    // All drivers at once, and by turns: the machine is not the same a minute later.
    let mut subjects = Vec::new();
    for &count in streams {
        subjects.push(Subject::start(common, count)?);
    }
    for round in 0..=common.rounds {
        for subject in &mut subjects {
            subject.attach(ATTACHES_PER_ROUND.div_ceil(common.shrink), round > 0)?;
            interrupt.check()?;
        }
    }
    for subject in &subjects {
        rows.push(subject.row(common, floor)?);
    }
    Ok(rows)
}

fn idle(common: &Common, streams: u16, floor: Quartiles, interrupt: &Interrupt) -> Result<Row> {
    let world = world(common, streams)?;
    std::thread::sleep(SETTLE);
    let duration = IDLE / common.shrink.min(10);
    let (before, started) = (processor_time()?, Instant::now());
    while started.elapsed() < duration {
        interrupt.check()?;
        std::thread::sleep(Duration::from_millis(10));
    }
    let (used, elapsed) = (processor_time()?.saturating_sub(before), started.elapsed());
    drop(world);
    Ok(Row {
        name: format!("driver/{streams}-streams/idle"),
        exercise: "idle",
        results: Results {
            core_share: Some(used.as_secs_f64() / elapsed.as_secs_f64()),
            ..Results::default()
        },
        ..row(common, floor, "nothing happens, driver backs off", 1, 0)
    })
}

/// A driver, and a client of it.
struct Subject {
    streams: u16,
    client: Client,
    recorder: Recorder,
    recorded: u64,
    _world: World,
}

impl Subject {
    fn start(common: &Common, streams: u16) -> Result<Self> {
        let world = world(common, streams)?;
        let client = Client::connect(ClientConfig {
            allowed_base_dirs: vec![region_dir(world.path())],
            ..ClientConfig::for_dir(aeron_dir(world.path()))
        })?;
        Ok(Self {
            streams,
            client,
            recorder: Recorder::new()?,
            recorded: 0,
            _world: world,
        })
    }

    fn attach(&mut self, count: u32, is_recorded: bool) -> Result<()> {
        for _ in 0..count {
            let started = Instant::now();
            let consumer = self.client.consumer(StreamId::new(FRAME_STREAMS[0]));
            let consumer = consumer.wait(PATIENCE).context("no attach")?;
            if is_recorded {
                self.recorder.record(nanos(started.elapsed()));
                self.recorded += 1;
            }
            consumer.close().wait(PATIENCE).context("no detach")?;
            std::thread::sleep(SHORTEST_CYCLE.saturating_sub(started.elapsed()));
        }
        Ok(())
    }

    fn row(&self, common: &Common, floor: Quartiles) -> Result<Row> {
        let delays = Delays::of(&self.recorder.counts())?.context("nothing was attached")?;
        let name = format!("driver/{}-streams/attach", self.streams);
        if let Some(dir) = &common.hgrm {
            delays.write(dir, &name)?;
        }
        Ok(Row {
            name,
            exercise: "attach",
            results: Results {
                delay_ns: Some(delays.percentiles()),
                ..Results::default()
            },
            ..row(
                common,
                floor,
                "one attach at a time, all threads back off",
                common.rounds,
                self.recorded,
            )
        })
    }
}

fn row(common: &Common, floor: Quartiles, pacing: &str, rounds: u32, messages: u64) -> Row {
    Row {
        event: "row",
        name: String::new(),
        subject: "driver",
        exercise: "",
        frames: None,
        size: 0,
        conditions: Conditions {
            processes: 1,
            cores: "unpinned".into(),
            placement_floor_ns: floor,
            pacing: pacing.into(),
            reader_bytes: 0,
            writer_bytes: 0,
            rounds,
            messages,
            term_length: Some(common.term_length),
        },
        results: Results::default(),
    }
}

fn world(common: &Common, streams: u16) -> Result<World> {
    let mut world = World::new(&common.base_dir)?;
    world.start_media_driver()?;
    world.start_driver(&FramesPlan {
        availability: Availability::Descriptor,
        consumers: 1,
        streams: usize::from(streams),
        slots: 4,
        strides: vec![64],
        pacing: Pacing::Credit,
    })?;
    Ok(world)
}

/// Of the threads of drivers, media drivers apart.
fn processor_time() -> Result<Duration> {
    let mut total = Duration::ZERO;
    let mut found = 0;
    for entry in std::fs::read_dir("/proc/self/task")? {
        let dir = entry?.path();
        let name = std::fs::read_to_string(dir.join("comm")).unwrap_or_default();
        if DRIVER_THREADS.contains(&name.trim()) {
            total += time_on_processor(&dir)?;
            found += 1;
        }
    }
    if found == 0 {
        bail!("the driver has no thread");
    }
    Ok(total)
}

/// The first number of schedstat, in nanoseconds.
fn time_on_processor(task: &Path) -> Result<Duration> {
    let text = std::fs::read_to_string(task.join("schedstat"))
        .context("the kernel does not say what threads cost: no schedstat")?;
    let first = text.split_whitespace().next().unwrap_or_default();
    Ok(Duration::from_nanos(first.parse()?))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

//! Runs a plan in two processes of their own, and leaves nothing behind.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::endpoints;
use crate::meeting::Stage;
use crate::plan::{Outcome, Plan, Side};
use crate::world::World;

/// The hidden subcommand of the two processes.
pub(crate) const ROLE: &str = "role";
/// How often the two are looked at. They do not wait for it: a measurement ends in them.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// What both sides measured, the first side's outcome first.
pub(crate) type Outcomes = [Outcome; 2];

/// Ends measurements when the user wants to.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(crate) fn install() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// An error once the user wants to end.
    pub(crate) fn check(&self) -> Result<()> {
        match self.is_set() {
            true => bail!("interrupted"),
            false => Ok(()),
        }
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs the plan; its directory is set here.
pub(crate) fn run(plan: &mut Plan, base_dir: &Path, interrupt: &Interrupt) -> Result<Outcomes> {
    let mut world = World::new(base_dir)?;
    plan.dir = world.path().to_owned();
    let stage = Stage::create(world.path())?;
    if plan.needs_media_driver() {
        world.start_media_driver()?;
    }
    if let Some(frames) = &plan.frames {
        world.start_driver(frames)?;
    }
    let first = Half::start(plan, Side::First)?;
    let second = Half::start(plan, Side::Second)?;
    let outcomes = wait(&stage, [first, second], interrupt);
    if plan.needs_iceoryx() {
        endpoints::remove_leftovers(&plan.dir)?;
    }
    outcomes
}

/// Waits for both. When one fails, the other one is told to give up.
fn wait(stage: &Stage, mut halves: [Half; 2], interrupt: &Interrupt) -> Result<Outcomes> {
    let mut failed = false;
    loop {
        let mut running = false;
        for half in &mut halves {
            match half.child.try_wait()? {
                None => running = true,
                Some(status) => failed |= !status.success(),
            }
        }
        if interrupt.is_set() {
            // Both are killed on the way out; what they had goes with the directory.
            bail!("interrupted");
        }
        if failed {
            stage.abort();
        }
        if !running {
            break;
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
    let [first, second] = halves.map(Half::finish);
    match (first, second) {
        (Ok(first), Ok(second)) => Ok([first, second]),
        (Err(first), Err(second)) => bail!("{first:#}; {second:#}"),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// One of the two processes. Killed when dropped.
struct Half {
    side: Side,
    child: Child,
    output: Option<JoinHandle<std::io::Result<String>>>,
    errors: Option<JoinHandle<std::io::Result<String>>>,
}

impl Half {
    fn start(plan: &Plan, side: Side) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ROLE)
            .arg(match side {
                Side::First => "first",
                Side::Second => "second",
            })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start a second process of this program")?;
        let mut half = Self {
            side,
            output: child.stdout.take().map(read),
            errors: child.stderr.take().map(read),
            child,
        };
        let mut input = half.child.stdin.take().context("no standard input")?;
        input.write_all(&serde_json::to_vec(plan)?)?;
        Ok(half)
    }

    fn finish(mut self) -> Result<Outcome> {
        let status = self.child.wait()?;
        let output = text(self.output.take())?;
        let errors = text(self.errors.take())?;
        if !status.success() {
            bail!(
                "the {:?} process failed ({status}): {}",
                self.side,
                errors.trim()
            );
        }
        serde_json::from_str(&output).with_context(|| format!("it said {output:?}"))
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<std::io::Result<String>> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text)?;
        Ok(text)
    })
}

fn text(reader: Option<JoinHandle<std::io::Result<String>>>) -> Result<String> {
    let reader = reader.context("it has been read already")?;
    let text = reader.join().map_err(|_| anyhow!("its reader panicked"))?;
    Ok(text?)
}

//! What clients leave while they are there, and must not when they are gone: leases, counters, logs and
//! epochs, as anybody can see them from outside.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use tensorpool::driver::kinds;
use tensorpool::runtime::IdleStrategy;
use tensorpool::runtime::counters::{AgentKind, CounterKind, driver};
use tensorpool::transport::cnc::{CncReader, CounterReading};

use crate::options::Options;

/// After the end of a client the media driver keeps its logs and counters for a while.
const LINGER: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traces {
    /// Leases the driver holds.
    pub(crate) leases: i64,
    /// Counters in use, the media driver's own included.
    pub(crate) counters: usize,
    /// Logs of publications.
    logs: usize,
    /// Epochs below the base directory, of the stream that has most.
    epochs: usize,
    /// Keepalives and detaches the driver could not place: of leases it does not know.
    unplaced: i64,
    /// Errors of the media driver: what it could not make, for lack of counters or memory.
    errors: i64,
}

impl Traces {
    pub(crate) fn read(options: &Options) -> Result<Self, Box<dyn Error>> {
        let cnc = CncReader::open(&options.aeron_dir)?;
        let counters = cnc.counters();
        let of_driver = |kind: CounterKind| {
            let type_id = kind.type_id(AgentKind::Driver);
            let of_kind = move |counter: &&CounterReading| counter.type_id == type_id;
            counters.iter().filter(of_kind).map(|counter| counter.value)
        };
        if of_driver(kinds::LEASES).next().is_none() {
            let dir = options.aeron_dir.display();
            return Err(format!("no driver shows its counters in {dir}; start one").into());
        }
        Ok(Self {
            leases: of_driver(kinds::LEASES).sum(),
            unplaced: of_driver(driver::LEASE_HSM_UNHANDLED).sum(),
            errors: cnc
                .errors()
                .iter()
                .map(|error| i64::from(error.count))
                .sum(),
            counters: counters.len(),
            logs: files(&options.aeron_dir, &|path| {
                path.extension().is_some_and(|end| end == "logbuffer")
            }),
            epochs: most_epochs(&options.base_dir),
        })
    }

    /// What is there as soon as `is_enough`, or when patience is over.
    pub(crate) fn read_until(
        options: &Options,
        mut is_enough: impl FnMut(&Self) -> bool,
    ) -> Result<Self, Box<dyn Error>> {
        let (started, mut idler) = (Instant::now(), IdleStrategy::default().idler());
        loop {
            let traces = Self::read(options)?;
            if is_enough(&traces) || started.elapsed() > LINGER {
                return Ok(traces);
            }
            idler.idle(0);
        }
    }

    /// What is there once clients have left no more than there was, or when patience is over.
    pub(crate) fn read_until_like(
        options: &Options,
        before: &Self,
    ) -> Result<Self, Box<dyn Error>> {
        Self::read_until(options, |after| after.check(before, options).is_ok())
    }

    /// The difference, for people.
    pub(crate) fn beyond(&self, before: &Self) -> impl fmt::Display {
        format!(
            "{} leases, {} counters, {} logs, {} messages for unknown leases, {} media driver errors; \
             {} epochs on disk",
            self.leases - before.leases,
            self.counters as i64 - before.counters as i64,
            self.logs as i64 - before.logs as i64,
            self.unplaced - before.unplaced,
            self.errors - before.errors,
            self.epochs
        )
    }

    /// Whether nothing was left behind.
    pub(crate) fn check(&self, before: &Self, options: &Options) -> Result<(), Box<dyn Error>> {
        let is_clean = self.leases == before.leases
            && self.counters <= before.counters
            && self.logs <= before.logs
            && self.unplaced == before.unplaced
            && self.errors == before.errors
            && self.epochs <= options.kept_epochs.max(before.epochs);
        is_clean
            .then_some(())
            .ok_or_else(|| format!("expected {before:?}, found {self:?}").into())
    }
}

/// Regular files below `dir` that are meant.
fn files(dir: &Path, is_meant: &dyn Fn(&Path) -> bool) -> usize {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let count = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files(&entry.path(), is_meant),
        Ok(_) => usize::from(is_meant(&entry.path())),
        Err(_) => 0,
    };
    entries.flatten().map(count).sum()
}

/// `<base>/tensorpool-<user>/<namespace>/<stream>/<epoch>`: the most epochs of any stream.
fn most_epochs(base_dir: &Path) -> usize {
    let below = |dir: std::path::PathBuf| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let is_ours = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("tensorpool-")
    };
    let users = below(base_dir.to_owned()).into_iter().filter(is_ours);
    let streams = users.flat_map(below).flat_map(below);
    streams.map(|stream| below(stream).len()).max().unwrap_or(0)
}

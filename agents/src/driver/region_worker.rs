//! A thread for what takes long: creating, filling and removing the regions of epochs.
//!
//! Jobs are done in order, so that what a retirement frees is there for the creation after it. Both
//! queues are bounded and the agent never waits for either.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use tensorpool_codecs::types::{Epoch, StreamId};
use tensorpool_protocol::driver::{Backing, ProvisionOrder, RegionFailure};
use tensorpool_shm::driver::{CreateError, Fill, NamespaceRoot, OwnedEpoch};

use super::config::DriverConfig;
use super::leftovers::Collector;
use super::setup::DriverSetup;
use crate::regions::{MakeError, Maker};

/// Name of the thread.
const NAME: &str = "driver-regions";

/// Work for the thread.
#[derive(Debug)]
pub(super) enum Job {
    /// Create the regions of an epoch.
    Create(ProvisionOrder),
    /// Unlink those of another.
    Remove(Box<OwnedEpoch>),
    /// Remove what earlier drivers left, as far as it is old enough, or whatever its age.
    Collect {
        /// Whatever its age.
        all: bool,
    },
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The regions exist.
    Created(OwnedEpoch),
    /// They do not, and nothing is left of the attempt.
    Failed {
        stream_id: StreamId,
        epoch: Epoch,
        failure: RegionFailure,
    },
    /// Something could not be removed.
    NotRemoved(String),
    /// So many of what earlier drivers left still wait, and these could not be removed.
    Collected {
        /// How many.
        waiting: usize,
        /// Why.
        failures: Vec<String>,
    },
}

/// Makes and removes the regions of epochs, as configured.
#[derive(Debug)]
pub(super) struct RegionJobs {
    root: Arc<NamespaceRoot>,
    maker: Maker,
    leftovers: Collector,
}

/// The agent's end of the thread. Dropping it ends the thread after its current job.
#[derive(Debug)]
pub(super) struct RegionWorker {
    jobs: Option<Sender<Job>>,
    outcomes: Receiver<Outcome>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RegionWorker {
    /// Starts the thread; it does jobs by `work`, which takes as long as it takes.
    pub(super) fn spawn(
        config: &DriverConfig,
        work: impl FnMut(Job) -> Option<Outcome> + Send + 'static,
    ) -> std::io::Result<Self> {
        let capacity = 2 * config.max_streams() + 4;
        let (jobs, todo) = bounded(capacity);
        let (done, outcomes) = bounded(capacity);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = Builder::new()
            .name(NAME.into())
            .spawn(move || run(work, &todo, &done, &stopped))?;
        Ok(Self {
            jobs: Some(jobs),
            outcomes,
            stop,
            thread: Some(thread),
        })
    }

    /// Hands a job over, or hands it back when the thread has enough to do (or is gone).
    pub(super) fn submit(&self, job: Job) -> Result<(), Job> {
        match &self.jobs {
            None => Err(job),
            Some(jobs) => jobs.try_send(job).map_err(|error| match error {
                TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
            }),
        }
    }

    /// The next outcome. `Err` when the thread died.
    pub(super) fn poll(&self) -> Result<Option<Outcome>, WorkerDied> {
        match self.outcomes.try_recv() {
            Ok(outcome) => Ok(Some(outcome)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(WorkerDied),
        }
    }

    /// Ends the thread: nothing more is created, what was to be removed is. Waits for the current
    /// job.
    pub(super) fn close(&mut self) -> Vec<Outcome> {
        self.stop.store(true, Ordering::Release);
        self.jobs = None;
        // Ends when the thread lets go of its end.
        let outcomes = self.outcomes.iter().collect();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed, and its outcomes up to there are in hand.
            let _joined = thread.join();
        }
        outcomes
    }
}

impl Drop for RegionWorker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

/// The thread is gone: it broke an invariant of its own.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the thread '{NAME}' died; no region can be created any more")]
pub(super) struct WorkerDied;

fn run(
    mut work: impl FnMut(Job) -> Option<Outcome>,
    todo: &Receiver<Job>,
    done: &Sender<Outcome>,
    stop: &AtomicBool,
) {
    for job in todo {
        if matches!(job, Job::Create(_)) && stop.load(Ordering::Acquire) {
            continue;
        }
        if let Some(outcome) = work(job)
            && done.send(outcome).is_err()
        {
            return;
        }
    }
}

impl RegionJobs {
    pub(super) fn new(setup: &DriverSetup) -> Self {
        let config = &setup.config;
        let maker = Maker {
            prefault: config.prefault,
            mlock: config.mlock,
            require_hugepages: config.require_hugepages,
        };
        Self {
            root: Arc::clone(&setup.root),
            maker,
            leftovers: setup.collector(),
        }
    }

    /// Does one job. A removal that went well has no outcome.
    pub(super) fn carry_out(&mut self, job: Job) -> Option<Outcome> {
        match job {
            Job::Create(order) => Some(self.create(&order)),
            Job::Remove(owned) => {
                let failed = owned.unlink(&self.root).err();
                failed.map(|error| Outcome::NotRemoved(error.to_string()))
            }
            Job::Collect { all } => {
                let failures = self.leftovers.collect(all);
                let waiting = self.leftovers.waiting();
                Some(Outcome::Collected { waiting, failures })
            }
        }
    }

    fn create(&mut self, order: &ProvisionOrder) -> Outcome {
        let (stream_id, epoch) = (order.stream_id, order.epoch);
        let mut made = self.try_create(order);
        // [TP-DRV-1364]
        if matches!(made, Err(RegionFailure::NoSpace { .. })) {
            let _told_by_the_next_failure = self.leftovers.collect(true);
            made = self.try_create(order);
        }
        match made {
            Ok(owned) => Outcome::Created(owned),
            Err(failure) => Outcome::Failed {
                stream_id,
                epoch,
                failure,
            },
        }
    }

    fn try_create(&self, order: &ProvisionOrder) -> Result<OwnedEpoch, RegionFailure> {
        // [TP-DRV-0990]
        let fill = match order.backing {
            Backing::Allocated => Fill::Allocated,
            Backing::Sparse => Fill::Sparse,
        };
        let key = (order.stream_id, order.epoch);
        let made = self.maker.create(&self.root, key, &order.geometry, fill);
        made.map_err(|error| failure(&error))
    }
}

fn failure(error: &MakeError) -> RegionFailure {
    match *error {
        MakeError::Create(CreateError::NoSpace {
            needed_bytes,
            available_bytes,
            ..
        }) => RegionFailure::NoSpace {
            needed_bytes,
            available_bytes,
        },
        _ => RegionFailure::Other(error.to_string()),
    }
}

//! The thread that maps and unmaps regions, and without a driver makes and removes them, so that no
//! duty cycle waits for page faults or gigabytes. Jobs are done in order.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tensorpool_codecs::types::StreamId;
use tensorpool_protocol::client::{MapTicket, ProvideError, ProvideTicket, RegionSet};
use tensorpool_protocol::common::{LAYOUT_VERSION, Role};
use tensorpool_shm::allowed::AllowedDirs;
use tensorpool_shm::mapping::{Access, MapError, MapRequest, Mapping, PoolRequest};

use crate::client::error::ConnectError;
use crate::regions::{Estate, Plot, Sweeper};

/// Which session of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionId(pub(crate) u64);

/// Something to do.
enum Job {
    Map {
        session: SessionId,
        ticket: MapTicket,
        regions: Box<RegionSet>,
        role: Role,
    },
    /// The last reference to a mapping: unmapping gigabytes takes a while.
    Unmap(Arc<Mapping>),
    Provide {
        session: SessionId,
        ticket: ProvideTicket,
        stream_id: StreamId,
        plot: Arc<Plot>,
    },
    Remove(SessionId, Box<Estate>),
    Sweep(SessionId, Sweeper),
}

/// What became of a job. A mapping that was let go of has no result.
#[derive(Debug)]
pub(crate) enum Done {
    Mapped(MapResult),
    Provided {
        session: SessionId,
        ticket: ProvideTicket,
        outcome: Result<Box<Estate>, ProvideError>,
    },
    Removed(SessionId),
    /// With the number of epochs that stay.
    Swept(SessionId, usize),
}

impl Done {
    /// Whose it is.
    pub(crate) fn session(&self) -> SessionId {
        match self {
            Self::Mapped(result) => result.session,
            Self::Provided { session, .. } | Self::Removed(session) | Self::Swept(session, _) => {
                *session
            }
        }
    }
}

/// A mapping that was made, or not.
#[derive(Debug)]
pub(crate) struct MapResult {
    pub(crate) session: SessionId,
    pub(super) ticket: MapTicket,
    pub(crate) outcome: Result<Arc<Mapping>, MapError>,
}

/// The thread; ends when this is dropped and its last job is done. Its queues are bounded by what
/// their owner has: at most one request is under way per session, and each mapping is unmapped once.
#[derive(Debug)]
pub(crate) struct MapWorker {
    jobs: Option<Sender<Job>>,
    results: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

impl MapWorker {
    pub(crate) fn start(
        name: &str,
        allowed: AllowedDirs,
        prefault: bool,
    ) -> Result<Self, ConnectError> {
        let (jobs, inbox) = unbounded();
        let (outbox, results) = unbounded();
        let name = format!("{name}-map");
        let thread = Builder::new()
            .name(name.clone())
            .spawn(move || work(&inbox, &outbox, &allowed, prefault))
            .map_err(|error| ConnectError::Thread {
                name,
                reason: error.to_string(),
            })?;
        Ok(Self {
            jobs: Some(jobs),
            results,
            thread: Some(thread),
        })
    }

    pub(crate) fn map(
        &self,
        session: SessionId,
        ticket: MapTicket,
        regions: Box<RegionSet>,
        role: Role,
    ) {
        self.send(Job::Map {
            session,
            ticket,
            regions,
            role,
        });
    }

    pub(super) fn unmap(&self, mapping: Arc<Mapping>) {
        self.send(Job::Unmap(mapping));
    }

    /// Has the regions of a producer without a driver made.
    pub(super) fn provide(
        &self,
        session: SessionId,
        ticket: ProvideTicket,
        stream_id: StreamId,
        plot: Arc<Plot>,
    ) {
        self.send(Job::Provide {
            session,
            ticket,
            stream_id,
            plot,
        });
    }

    /// Has them removed.
    pub(crate) fn remove(&self, session: SessionId, estate: Box<Estate>) {
        self.send(Job::Remove(session, estate));
    }

    /// Has those of dead producers removed.
    pub(super) fn sweep(&self, session: SessionId, sweeper: Sweeper) {
        self.send(Job::Sweep(session, sweeper));
    }

    pub(crate) fn poll(&self) -> Option<Done> {
        self.results.try_recv().ok()
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // The thread ends only after the sender is gone, or by a panic: then nothing is mapped
            // any more, which every attach reports by its timeout.
            let _gone = jobs.send(job);
        }
    }
}

impl Drop for MapWorker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn work(jobs: &Receiver<Job>, results: &Sender<Done>, allowed: &AllowedDirs, prefault: bool) {
    for job in jobs {
        let done = match job {
            Job::Map {
                session,
                ticket,
                regions,
                role,
            } => Done::Mapped(MapResult {
                session,
                ticket,
                outcome: open(&regions, role, allowed, prefault),
            }),
            Job::Unmap(mapping) => {
                drop(mapping);
                continue;
            }
            Job::Provide {
                session,
                ticket,
                stream_id,
                plot,
            } => Done::Provided {
                session,
                ticket,
                outcome: plot.provide(stream_id).map(Box::new),
            },
            Job::Remove(session, estate) => {
                drop(estate);
                Done::Removed(session)
            }
            Job::Sweep(session, sweeper) => Done::Swept(session, sweeper.sweep()),
        };
        // Nobody listens any more; what was to be removed still is.
        let _gone = results.send(done);
    }
}

fn open(
    regions: &RegionSet,
    role: Role,
    allowed: &AllowedDirs,
    prefault: bool,
) -> Result<Arc<Mapping>, MapError> {
    let slot_count = regions.geometry.slot_count();
    let pools: Vec<PoolRequest<'_>> = regions
        .geometry
        .pools()
        .iter()
        .zip(&regions.pool_uris)
        .map(|(pool, uri)| PoolRequest {
            id: pool.pool_id,
            slot_count,
            stride_bytes: pool.stride_bytes,
            uri,
        })
        .collect();
    // [TP-CLI-1470]
    let access = match role {
        Role::Producer => Access::ReadWrite,
        Role::Consumer => Access::ReadOnly,
    };
    let request = MapRequest {
        stream: regions.stream_id,
        epoch: regions.epoch,
        layout_version: LAYOUT_VERSION,
        slot_count,
        header_uri: &regions.header_uri,
        pools: &pools,
        access,
        prefault,
        mlock: false,
    };
    Mapping::open(&request, allowed)
}

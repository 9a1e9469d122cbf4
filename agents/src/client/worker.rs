//! The thread that maps and unmaps regions, so that no duty cycle waits for page faults or
//! gigabytes.

use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tensorpool_protocol::client::{MapTicket, RegionSet};
use tensorpool_protocol::common::{LAYOUT_VERSION, Role};
use tensorpool_shm::allowed::AllowedDirs;
use tensorpool_shm::mapping::{Access, MapError, MapRequest, Mapping, PoolRequest};

use super::error::ConnectError;

/// Which session of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionId(pub(super) u64);

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
}

/// A mapping that was made, or not.
#[derive(Debug)]
pub(super) struct MapResult {
    pub(super) session: SessionId,
    pub(super) ticket: MapTicket,
    pub(super) outcome: Result<Arc<Mapping>, MapError>,
}

/// The thread; ends when this is dropped and its last job is done. Its queues are bounded by what
/// their owner has: at most one request is under way per session, and each mapping is unmapped once.
#[derive(Debug)]
pub(super) struct MapWorker {
    jobs: Option<Sender<Job>>,
    results: Receiver<MapResult>,
    thread: Option<JoinHandle<()>>,
}

impl MapWorker {
    pub(super) fn start(
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

    pub(super) fn map(
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

    pub(super) fn poll(&self) -> Option<MapResult> {
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

fn work(jobs: &Receiver<Job>, results: &Sender<MapResult>, allowed: &AllowedDirs, prefault: bool) {
    for job in jobs {
        match job {
            Job::Map {
                session,
                ticket,
                regions,
                role,
            } => {
                let outcome = open(&regions, role, allowed, prefault);
                if results
                    .send(MapResult {
                        session,
                        ticket,
                        outcome,
                    })
                    .is_err()
                {
                    return;
                }
            }
            Job::Unmap(mapping) => drop(mapping),
        }
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

//! Opening, mapping and validating all regions of a stream.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tensorpool_codecs::types::{NanoTime, PoolId};

use super::{MapError, MapRequest, Mapping, Pool, PoolRequest, RevalidateError, WhichRegion};
use crate::allowed::AllowedDirs;
use crate::layout::{Geometry, LAYOUT_VERSION, PoolGeometry, header_region_len, pool_region_len};
use crate::region::{MapOptions, Region};
use crate::sigbus::Status;
use crate::superblock::{self, CheckedSuperblock, ExpectedSuperblock};
use crate::uri::ShmUri;

impl Mapping {
    /// Maps header ring and pools, and checks every superblock. All or nothing. May block on page
    /// faults: call it on a worker thread.
    pub fn open(request: &MapRequest<'_>, allowed: &AllowedDirs) -> Result<Arc<Self>, MapError> {
        check_request(request)?;
        let opener = Opener {
            request,
            allowed,
            status: Arc::new(Status::default()),
        };
        let (header, head) = opener.region(WhichRegion::Header, request.header_uri, None)?;
        let mut tolerated_slot_bytes = false;
        let mut pools = Vec::with_capacity(request.pools.len());
        for pool in request.pools {
            let dimensions = Some((pool.id, pool.stride_bytes));
            let (region, checked) =
                // [TP-SHM-0520]
                opener.region(WhichRegion::Pool(pool.id), pool.uri, dimensions)?;
            tolerated_slot_bytes |= checked.tolerated_slot_bytes;
            pools.push(Pool {
                region,
                id: pool.id,
                stride_bytes: pool.stride_bytes,
            });
        }
        // Smallest first: the first that fits is the one to take.
        // [TP-SHM-0270]
        pools.sort_by_key(|pool| (pool.stride_bytes, pool.id));
        let mapping = Self {
            header,
            pools: pools.into_boxed_slice(),
            status: opener.status,
            stream: request.stream,
            epoch: request.epoch,
            layout_version: head.fields.layout_version,
            slot_count: request.slot_count,
            pid: head.fields.pid,
            created: NanoTime::new(head.fields.start_timestamp_ns),
            access: request.access,
            tolerated_slot_bytes,
            producer_taken: AtomicBool::new(false),
        };
        mapping.check_usable()?;
        Ok(Arc::new(mapping))
    }

    /// Reads all superblocks again and compares them with what was mapped, pid included. For each
    /// announce, off the hot path; on an error, revoke and unmap. Notices a region truncated to
    /// nothing even when idle.
    pub fn revalidate(&self) -> Result<(), RevalidateError> {
        self.check_usable()?;
        let regions = core::iter::once((WhichRegion::Header, &self.header, None)).chain(
            self.pools.iter().map(|pool| {
                (
                    WhichRegion::Pool(pool.id),
                    &pool.region,
                    Some((pool.id, pool.stride_bytes)),
                )
            }),
        );
        for (region, mapped, pool) in regions {
            let result = superblock::read(mapped.bytes())
                .and_then(|fields| self.expected(pool).check(fields));
            // Zeros in place of a truncated region are no superblock either: name the cause.
            self.check_usable()?;
            let found = result
                .map_err(|source| RevalidateError::Superblock { region, source })?
                .fields
                .pid;
            // [TP-SHM-0530]
            if found != self.pid {
                return Err(RevalidateError::Pid {
                    region,
                    expected: self.pid,
                    found,
                });
            }
        }
        Ok(())
    }

    fn expected(&self, pool: Option<(PoolId, u32)>) -> ExpectedSuperblock {
        ExpectedSuperblock {
            layout_version: self.layout_version,
            epoch: self.epoch,
            stream: self.stream,
            slot_count: self.slot_count,
            pool,
        }
    }
}

fn check_request(request: &MapRequest<'_>) -> Result<(), MapError> {
    // [TP-SHM-0510]
    if request.layout_version != LAYOUT_VERSION {
        return Err(MapError::LayoutVersion {
            found: request.layout_version,
        });
    }
    let geometry = |pool: &PoolRequest<'_>| PoolGeometry {
        id: pool.id,
        stride_bytes: pool.stride_bytes,
    };
    Geometry::new(
        request.slot_count,
        request.pools.iter().map(geometry).collect(),
    )?;
    match request
        .pools
        .iter()
        // [TP-SHM-0220]
        .find(|pool| pool.slot_count != request.slot_count)
    {
        None => Ok(()),
        Some(pool) => Err(MapError::PoolSlotCount {
            pool: pool.id,
            expected: request.slot_count,
            found: pool.slot_count,
        }),
    }
}

struct Opener<'a> {
    request: &'a MapRequest<'a>,
    allowed: &'a AllowedDirs,
    status: Arc<Status>,
}

impl Opener<'_> {
    /// Opens, maps and validates one region.
    fn region(
        &self,
        region: WhichRegion,
        uri: &str,
        pool: Option<(PoolId, u32)>,
    ) -> Result<(Region, CheckedSuperblock), MapError> {
        let request = self.request;
        let uri = ShmUri::parse(uri).map_err(|source| MapError::Uri { region, source })?;
        let region_len = match pool {
            None => header_region_len(request.slot_count),
            Some((_, stride)) => pool_region_len(request.slot_count, stride),
        };
        let opened = self
            .allowed
            .open(
                uri.path(),
                region_len,
                uri.require_hugepages(),
                request.access,
            )
            .map_err(|source| MapError::Open { region, source })?;
        let options = MapOptions {
            access: request.access,
            map_len: opened.file_len,
            region_len,
            page_len: opened.page_len,
            prefault: request.prefault,
            mlock: request.mlock,
        };
        let mapped = Region::map(&opened.file, options, &self.status)
            .map_err(|source| MapError::Region { region, source })?;
        let expected = ExpectedSuperblock {
            layout_version: request.layout_version,
            epoch: request.epoch,
            stream: request.stream,
            slot_count: request.slot_count,
            pool,
        };
        let checked = superblock::read(mapped.bytes())
            .and_then(|fields| expected.check(fields))
            .map_err(|source| MapError::Superblock { region, source })?;
        Ok((mapped, checked))
    }
}

//! Mappings on their way from a session on the conductor's thread to a handle on an application's,
//! and how many may be.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tensorpool_shm::mapping::Mapping;

/// A mapping on its way to a handle, which the session takes back when the application is so far
/// behind that other mappings have come after it: what waits here keeps memory of dead epochs.
#[derive(Clone, Debug)]
pub(super) struct Handover(Arc<Mutex<Option<Arc<Mapping>>>>);

impl Handover {
    pub(super) fn new(mapping: Arc<Mapping>) -> Self {
        Self(Arc::new(Mutex::new(Some(mapping))))
    }

    /// The mapping, once; `None` when the other side has it. Never on a path taken per frame.
    pub(super) fn take(&self) -> Option<Arc<Mapping>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether nobody waits for it any more.
    fn is_taken(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }
}

/// The mappings a handle has not taken yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Handovers(VecDeque<Handover>);

/// Mappings that wait for an application: of two producers that followed each other, with the epoch
/// between them that nobody wrote.
const MAX_HANDOVERS: usize = 4;

impl Handovers {
    /// Sends another one on its way, and takes back the oldest if there are too many.
    pub(super) fn begin(&mut self, mapping: Arc<Mapping>) -> Handover {
        self.0.retain(|waiting| !waiting.is_taken());
        let handover = Handover::new(mapping);
        self.0.push_back(handover.clone());
        // [TP-CLI-0870]
        if self.0.len() > MAX_HANDOVERS
            && let Some(oldest) = self.0.pop_front()
            && let Some(mapping) = oldest.take()
        {
            mapping.revoke();
        }
        handover
    }
}

#[cfg(test)]
mod tests {
    use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, StreamId};
    use tensorpool_shm::allowed::AllowedDirs;
    use tensorpool_shm::driver::{EpochSpec, Fill, NamespaceRoot, RootSpec};
    use tensorpool_shm::layout::{Geometry, PoolGeometry};
    use tensorpool_shm::mapping::{Access, MapRequest, PoolRequest};
    use tensorpool_shm::paths::{Namespace, UserName};

    use super::*;

    /// A mapping of regions in a directory of its own, which has gone when this returns.
    fn mapping() -> Arc<Mapping> {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let root = NamespaceRoot::acquire(&RootSpec {
            base_dir: dir.path(),
            user: &UserName::sanitized("t"),
            namespace: &Namespace::default(),
            file_mode: 0o660,
        });
        let root = root.unwrap();
        let pool = PoolGeometry {
            id: PoolId::new(1),
            stride_bytes: 64,
        };
        let (stream, epoch) = (StreamId::new(1), Epoch::new(1));
        let geometry = Geometry::new(4, vec![pool]).unwrap();
        let owned = root.create_epoch(&EpochSpec {
            stream,
            epoch,
            geometry: &geometry,
            pid: std::process::id(),
            created: NanoTime::new(1),
            fill: Fill::Allocated,
            prefault: false,
            mlock: false,
            require_hugepages: false,
        });
        let owned = owned.unwrap();
        let pool_uri = owned.pool_uris()[0].uri.to_string();
        let request = MapRequest {
            stream,
            epoch,
            layout_version: 1,
            slot_count: 4,
            header_uri: &owned.header_uri().to_string(),
            pools: &[PoolRequest {
                id: pool.id,
                slot_count: 4,
                stride_bytes: pool.stride_bytes,
                uri: &pool_uri,
            }],
            access: Access::ReadOnly,
            prefault: false,
            mlock: false,
        };
        Mapping::open(&request, &AllowedDirs::new([dir.path()]).unwrap()).unwrap()
    }

    /// Proves [TP-CLI-0870].
    #[test]
    fn four_mappings_wait_for_an_application_and_the_fifth_takes_back_the_oldest() {
        let mut waiting = Handovers::default();
        let mappings: Vec<_> = (0..=MAX_HANDOVERS).map(|_| mapping()).collect();
        let mut sent: Vec<Handover> = Vec::new();
        for mapping in &mappings[..MAX_HANDOVERS] {
            sent.push(waiting.begin(Arc::clone(mapping)));
        }
        assert!(!mappings.iter().any(|mapping| mapping.is_revoked()));
        sent.push(waiting.begin(Arc::clone(&mappings[MAX_HANDOVERS])));
        let revoked: Vec<_> = mappings
            .iter()
            .map(|mapping| mapping.is_revoked())
            .collect();
        assert_eq!(revoked, [true, false, false, false, false]);
        let taken: Vec<_> = sent.iter().map(|one| one.take().is_some()).collect();
        assert_eq!(taken, [false, true, true, true, true]);
        // Who has taken what there was has room for as many again.
        for _ in 0..MAX_HANDOVERS {
            waiting.begin(Arc::clone(&mappings[1]));
        }
        assert!(!mappings[1].is_revoked());
    }
}

//! Configuration of the lease table, and the check that its streams fit into memory at all.

use std::sync::Arc;

use tensorpool_codecs::types::{Epoch, StreamId};

use super::dynamic::{DynamicStreams, RangeError};

use crate::common::StreamGeometry;

/// A configured stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// Its id.
    pub stream_id: StreamId,
    /// Its memory.
    pub geometry: Arc<StreamGeometry>,
}

/// What the lease table is built from: plain data, durations in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseConfig {
    /// The streams the driver serves.
    pub streams: Vec<StreamSpec>,
    /// Streams that clients may create; `None` when only configured ones are served.
    pub dynamic: Option<DynamicStreams>,
    /// Between two announces of a stream.
    pub announce_period_ns: u64,
    /// Between two keepalives of a client.
    pub keepalive_interval_ns: u64,
    /// Missed keepalives after which a lease ends.
    pub expiry_grace_intervals: u32,
    /// How long a released node id is kept for its last holder.
    pub node_id_cooldown_ns: u64,
    /// Newest epochs of a stream, the live one included, that stay on disk; at least 1.
    pub kept_epochs: u32,
    /// How long a superseded epoch stays in any case, so that who was just told of it finds it.
    pub epoch_min_age_ns: u64,
    /// Whether superseded epochs are removed at all.
    pub gc_enabled: bool,
    /// Whether the driver insists on hugepages.
    pub require_hugepages: bool,
    /// Whether the base directory provides hugepages.
    pub hugepages_available: bool,
    /// Leases and attaches under way, together.
    pub max_leases: usize,
    /// Answers to requests that may wait for the control stream.
    pub max_queued_answers: usize,
    /// Between an accepted shutdown request and the notice.
    pub shutdown_timeout_ns: u64,
    /// Token a shutdown request must carry; empty disables such requests.
    pub shutdown_token: Vec<u8>,
    /// Random start of the lease ids, so that a keepalive from before a restart hits no new lease.
    pub lease_id_seed: u64,
    /// Highest epoch found on disk at start; new ones are greater.
    pub highest_existing_epoch: Option<Epoch>,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            streams: Vec::new(),
            dynamic: None,
            announce_period_ns: 1_000_000_000,
            keepalive_interval_ns: 1_000_000_000,
            expiry_grace_intervals: 3,
            node_id_cooldown_ns: 1_000_000_000,
            kept_epochs: 2,
            epoch_min_age_ns: 3_000_000_000,
            gc_enabled: true,
            require_hugepages: false,
            hugepages_available: false,
            max_leases: 512,
            max_queued_answers: 256,
            shutdown_timeout_ns: 2_000_000_000,
            shutdown_token: Vec::new(),
            lease_id_seed: 1,
            highest_existing_epoch: None,
        }
    }
}

/// Why a lease configuration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseConfigError {
    /// Stream 0 is the protocol's "any".
    #[error("stream id 0 is reserved; use another id")]
    StreamZero,
    /// Two streams have the same id.
    #[error("stream {0} is configured twice; stream ids must differ")]
    DuplicateStream(StreamId),
    /// A period, count or limit that must be positive is zero.
    #[error("{0} is 0; it must be positive")]
    Zero(&'static str),
    /// The ids of dynamic streams contradict themselves or the configured streams.
    #[error(transparent)]
    Range(#[from] RangeError),
}

/// The configured streams do not fit into the base directory's file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "streams need {needed_bytes} bytes \
     ({streams_bytes} bytes for all streams x ({kept_epochs} kept epochs + 1)), \
     {available_bytes} bytes available; use fewer slots, smaller strides or fewer kept epochs"
)]
pub struct NotEnoughSpace {
    /// The sum that must fit.
    pub needed_bytes: u64,
    /// One epoch of every stream.
    pub streams_bytes: u64,
    /// Epochs kept per stream.
    pub kept_epochs: u32,
    /// What the file system has.
    pub available_bytes: u64,
}

impl LeaseConfig {
    /// Nanoseconds from the last sign of life of a client to the end of its lease.
    /// [TP-DRV-0040]
    #[must_use]
    pub fn lease_expiry_ns(&self) -> u64 {
        self.keepalive_interval_ns
            .saturating_mul(u64::from(self.expiry_grace_intervals))
    }

    /// Bytes of one epoch of every configured stream, and of one dynamic stream if there can be
    /// any; saturating.
    #[must_use]
    pub fn streams_bytes(&self) -> u64 {
        let dynamic = self
            .dynamic
            .iter()
            .filter(|dynamic| !dynamic.ranges.is_empty());
        let geometries = self.streams.iter().map(|spec| &spec.geometry);
        geometries
            .chain(dynamic.map(|dynamic| &dynamic.geometry))
            .fold(0u64, |sum, geometry| {
                sum.saturating_add(geometry.total_len())
            })
    }

    /// Most streams there can be at a time.
    #[must_use]
    pub fn max_streams(&self) -> usize {
        let dynamic = self.dynamic.as_ref();
        self.streams.len() + dynamic.map_or(0, |dynamic| dynamic.max_streams)
    }

    /// Checks that (kept epochs + 1) times all streams fit into `available_bytes`.
    ///
    /// # Errors
    /// [`NotEnoughSpace`], with the sum.
    /// [TP-DRV-1310]
    pub fn check_space(&self, available_bytes: u64) -> Result<(), NotEnoughSpace> {
        let streams_bytes = self.streams_bytes();
        let kept_epochs = self.kept_epochs.max(1);
        let needed_bytes = streams_bytes.saturating_mul(u64::from(kept_epochs) + 1);
        if needed_bytes <= available_bytes {
            return Ok(());
        }
        Err(NotEnoughSpace {
            needed_bytes,
            streams_bytes,
            kept_epochs,
            available_bytes,
        })
    }

    pub(super) fn check(&self) -> Result<(), LeaseConfigError> {
        let positive = [
            ("announce period", self.announce_period_ns),
            ("keepalive interval", self.keepalive_interval_ns),
            (
                "lease expiry grace intervals",
                u64::from(self.expiry_grace_intervals),
            ),
            ("lease limit", self.max_leases as u64),
            ("limit of queued answers", self.max_queued_answers as u64),
        ];
        if let Some((name, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(LeaseConfigError::Zero(name));
        }
        for (index, spec) in self.streams.iter().enumerate() {
            // [TP-DRV-1340]
            if spec.stream_id == StreamId::new(0) {
                return Err(LeaseConfigError::StreamZero);
            }
            if self.streams[..index]
                .iter()
                // [TP-DRV-1340]
                .any(|other| other.stream_id == spec.stream_id)
            {
                return Err(LeaseConfigError::DuplicateStream(spec.stream_id));
            }
        }
        if let Some(dynamic) = &self.dynamic {
            dynamic.check(self.streams.iter().map(|spec| spec.stream_id))?;
        }
        Ok(())
    }
}

//! Configuration of the driver as plain data. Files, environment and units of other people are read
//! elsewhere.

use std::path::PathBuf;
use std::sync::Arc;

use tensorpool_codecs::types::{PoolId, StreamId};
use tensorpool_protocol::common::{GeometryError, PoolGeometry, StreamGeometry};
use tensorpool_protocol::driver::{DynamicStreams, LeaseConfig, StreamIdRange, StreamSpec};
use tensorpool_shm::paths::{DEFAULT_BASE_DIR, DEFAULT_NAMESPACE};
use tensorpool_transport::Channel;

/// Term length of the well-known streams: the default of all known implementations, as they write it.
const TERM_LEN: &str = "4m";
/// The stream that exists when none is configured.
const DEFAULT_STREAM: StreamId = StreamId::new(10_000);
const DEFAULT_SLOT_COUNT: u32 = 16;
const DEFAULT_STRIDES_BYTES: [u32; 3] = [4 << 10, 1 << 20, 4 << 20];
/// Most dynamic streams at a time, unless it is said otherwise.
const MAX_DYNAMIC_STREAMS: usize = 256;

/// An Aeron channel and stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The channel.
    pub channel: Channel,
    /// The Aeron stream.
    pub stream_id: i32,
}

impl Endpoint {
    /// A stream over IPC with the usual term length of 4 MiB.
    #[must_use]
    pub fn ipc(stream_id: i32) -> Self {
        let channel = Channel::ipc();
        let channel = channel
            .clone()
            .with_param("term-length", TERM_LEN)
            .unwrap_or(channel);
        Self { channel, stream_id }
    }
}

/// Everything the driver can be told. Durations in nanoseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverConfig {
    /// A name for logs, counters and the media driver.
    pub instance_id: String,
    /// The media driver's directory.
    pub aeron_dir: PathBuf,
    /// Requests and their answers.
    pub control: Endpoint,
    /// Announces; may equal `control`.
    pub announce: Endpoint,
    /// Where regions are created; must exist and be absolute.
    pub base_dir: PathBuf,
    /// Keeps drivers on one base directory apart.
    pub namespace: String,
    /// Exact mode of region files.
    pub permissions_mode: u32,
    /// Refuse to start unless `base_dir` is a hugetlbfs, and clients that insist on standard pages.
    pub require_hugepages: bool,
    /// Bring all pages of a region in before a producer gets it.
    pub prefault: bool,
    /// Keep regions in memory; failing to is an error.
    pub mlock: bool,
    /// Remove the regions at a clean end.
    pub cleanup_on_exit: bool,
    /// Remove what dead drivers left in the namespace at start.
    pub remove_leftovers: bool,
    /// Accept strides that are multiples of 64 but no powers of two; some peers cannot map these.
    pub allow_any_stride: bool,
    /// Between two announces of a stream.
    pub announce_period_ns: u64,
    /// Between two keepalives of a client.
    pub keepalive_interval_ns: u64,
    /// Missed keepalives after which a lease ends.
    pub expiry_grace_intervals: u32,
    /// How long a released node id is kept for its last holder.
    pub node_id_cooldown_ns: u64,
    /// Newest epochs of a stream, the live one included, whose files stay.
    pub kept_epochs: u32,
    /// How long the files of a superseded epoch stay in any case.
    pub epoch_min_age_ns: u64,
    /// Remove superseded epochs beyond those at all.
    pub gc_enabled: bool,
    /// Refuse to start unless the file system of `base_dir` has pages of this size.
    pub page_size_bytes: Option<u32>,
    /// Leases and attaches under way, together.
    pub max_leases: usize,
    /// Between an accepted shutdown request and the notice.
    pub shutdown_timeout_ns: u64,
    /// Token of shutdown requests; empty disables them.
    pub shutdown_token: String,
    /// The streams.
    pub streams: Vec<StreamSpec>,
    /// Streams that clients may create; see
    /// [`allow_dynamic_streams`](Self::allow_dynamic_streams).
    pub dynamic: Option<DynamicStreams>,
}

impl Default for DriverConfig {
    /// No streams; everything else as documented for the well-known streams (1000 and 1001 over
    /// IPC).
    fn default() -> Self {
        let leases = LeaseConfig::default();
        Self {
            instance_id: "driver-01".into(),
            aeron_dir: tensorpool_transport::default_dir(),
            control: Endpoint::ipc(1000),
            announce: Endpoint::ipc(1001),
            base_dir: DEFAULT_BASE_DIR.into(),
            namespace: DEFAULT_NAMESPACE.into(),
            permissions_mode: 0o660,
            require_hugepages: false,
            prefault: true,
            mlock: false,
            cleanup_on_exit: true,
            remove_leftovers: true,
            allow_any_stride: false,
            announce_period_ns: leases.announce_period_ns,
            keepalive_interval_ns: leases.keepalive_interval_ns,
            expiry_grace_intervals: leases.expiry_grace_intervals,
            node_id_cooldown_ns: leases.node_id_cooldown_ns,
            kept_epochs: leases.kept_epochs,
            epoch_min_age_ns: leases.epoch_min_age_ns,
            gc_enabled: leases.gc_enabled,
            page_size_bytes: None,
            max_leases: leases.max_leases,
            shutdown_timeout_ns: leases.shutdown_timeout_ns,
            shutdown_token: String::new(),
            streams: Vec::new(),
            dynamic: None,
        }
    }
}

impl DriverConfig {
    /// The defaults with stream 10000: 16 slots for small, image-sized and large frames (4 KiB, 1
    /// MiB, 4 MiB), 80 MiB, and 240 MiB with the epochs that are kept.
    #[must_use]
    pub fn small() -> Self {
        let mut config = Self::default();
        let pools = DEFAULT_STRIDES_BYTES.into_iter().zip(1..);
        let pools: Vec<(u16, u32)> = pools.map(|(stride, id)| (id, stride)).collect();
        // The sizes are constants of this module; a test holds them to be valid.
        let _valid = config.add_stream(DEFAULT_STREAM, DEFAULT_SLOT_COUNT, &pools);
        config
    }

    /// Adds a stream with `(pool id, stride in bytes)` pools.
    ///
    /// # Errors
    /// See [`GeometryError`].
    pub fn add_stream(
        &mut self,
        stream_id: StreamId,
        slot_count: u32,
        pools: &[(u16, u32)],
    ) -> Result<(), GeometryError> {
        self.streams.push(StreamSpec {
            stream_id,
            geometry: geometry(slot_count, pools)?,
        });
        Ok(())
    }

    /// Lets clients create streams with ids of `ranges`, all with this memory; at most 256 at a
    /// time. One that nobody holds a lease on for a lease time ends. Without ranges such requests
    /// are refused as INVALID_PARAMS.
    ///
    /// # Errors
    /// See [`GeometryError`]. Ranges are checked when the driver is prepared.
    pub fn allow_dynamic_streams(
        &mut self,
        ranges: Vec<StreamIdRange>,
        slot_count: u32,
        pools: &[(u16, u32)],
    ) -> Result<(), GeometryError> {
        self.dynamic = Some(DynamicStreams {
            ranges,
            geometry: geometry(slot_count, pools)?,
            max_streams: MAX_DYNAMIC_STREAMS,
        });
        Ok(())
    }

    /// Most streams at a time.
    pub(super) fn max_streams(&self) -> usize {
        let dynamic = self.dynamic.as_ref();
        self.streams.len() + dynamic.map_or(0, |dynamic| dynamic.max_streams)
    }

    /// Nanoseconds between two cycles from which on the driver takes itself for having been
    /// stopped.
    pub(super) fn stall_threshold_ns(&self) -> u64 {
        (self.keepalive_interval_ns / 2).max(1)
    }
}

fn geometry(slot_count: u32, pools: &[(u16, u32)]) -> Result<Arc<StreamGeometry>, GeometryError> {
    let pool = |&(id, stride_bytes): &(u16, u32)| PoolGeometry {
        pool_id: PoolId::new(id),
        stride_bytes,
    };
    StreamGeometry::new(slot_count, pools.iter().map(pool).collect()).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_default_has_its_stream_within_256_mib_with_all_kept_epochs() {
        let config = DriverConfig::small();
        assert_eq!(config.streams[0].stream_id, StreamId::new(10_000));
        assert_eq!(config.streams[0].geometry.pools().len(), 3);
        let total = config.streams[0].geometry.total_len() * u64::from(config.kept_epochs + 1);
        assert!(total <= 256 << 20, "{total} bytes");
    }

    #[test]
    fn default_endpoints_are_the_well_known_ones() {
        let config = DriverConfig::default();
        assert_eq!(
            (config.control.stream_id, config.announce.stream_id),
            (1000, 1001)
        );
        assert_eq!(config.control.channel.term_length(), Some(4 << 20));
    }
}

//! The settings as plain data, and their defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::range::IdRange;
use super::supervisor::SupervisorSettings;

/// The channel of every well-known stream when none is configured (Driver Model v1.0, default
/// endpoints). All parties must name the same term length.
pub const DEFAULT_CHANNEL: &str = "aeron:ipc?term-length=4m";
/// The tensor pool stream that exists when no stream is configured.
pub const DEFAULT_STREAM_ID: u32 = 10_000;
/// The name of the profile and of the stream that exist when none is configured.
pub(super) const DEFAULT_NAME: &str = "default";
/// `header_nslots` of a profile that does not say.
pub(super) const UNSTATED_SLOT_COUNT: u32 = 1024;

const DEFAULT_SLOT_COUNT: u32 = 16;
const DEFAULT_STRIDES_BYTES: [u32; 3] = [4 << 10, 1 << 20, 4 << 20];

/// Everything that can be configured about a driver and the streams it serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriverSettings {
    /// `[driver]`.
    pub driver: EndpointSettings,
    /// `[shm]`.
    pub shm: ShmSettings,
    /// `[policies]`.
    pub policies: PolicySettings,
    /// `[supervisor]`.
    pub supervisor: SupervisorSettings,
    /// `[profiles.NAME]`.
    pub profiles: BTreeMap<String, ProfileSettings>,
    /// `[streams.NAME]`.
    pub streams: BTreeMap<String, StreamSettings>,
}

/// An Aeron channel and stream id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Channel URI.
    pub channel: String,
    /// Aeron stream id, above 0.
    pub stream_id: i32,
}

impl Endpoint {
    fn new(stream_id: i32) -> Self {
        Self {
            channel: DEFAULT_CHANNEL.to_owned(),
            stream_id,
        }
    }
}

/// Who the driver is and where it is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSettings {
    /// A name for logs and discovery.
    pub instance_id: String,
    /// The media driver's directory; none means Aeron's own default.
    pub aeron_dir: Option<PathBuf>,
    /// Attach, keepalive, detach and their answers.
    pub control: Endpoint,
    /// Announces; may be the same as `control`.
    pub announce: Endpoint,
    /// Quality-of-service reports.
    pub qos: Endpoint,
    /// Tensor pool stream ids for dynamic streams.
    pub stream_id_ranges: Vec<IdRange>,
    /// Aeron stream ids for per-consumer descriptor streams.
    pub descriptor_stream_id_ranges: Vec<IdRange>,
    /// Aeron stream ids for per-consumer control streams.
    pub control_stream_id_ranges: Vec<IdRange>,
}

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            instance_id: "driver-01".to_owned(),
            aeron_dir: None,
            control: Endpoint::new(1000),
            announce: Endpoint::new(1001),
            qos: Endpoint::new(1200),
            stream_id_ranges: Vec::new(),
            descriptor_stream_id_ranges: Vec::new(),
            control_stream_id_ranges: Vec::new(),
        }
    }
}

/// Where regions are, and how they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShmSettings {
    /// Absolute directory under which regions are created.
    pub base_dir: PathBuf,
    /// One path component that keeps drivers on the same base directory apart.
    pub namespace: String,
    /// Refuse to start unless `base_dir` is on hugetlbfs.
    pub require_hugepages: bool,
    /// Page size, a power of two; other than 4096 it must be that of `base_dir`.
    pub page_size_bytes: u32,
    /// Exact mode of region files.
    pub permissions_mode: u32,
    /// Absolute directories clients of this process may map regions from.
    pub allowed_base_dirs: Vec<PathBuf>,
}

impl Default for ShmSettings {
    fn default() -> Self {
        let base_dir = PathBuf::from("/dev/shm");
        Self {
            allowed_base_dirs: vec![base_dir.clone()],
            base_dir,
            namespace: "default".to_owned(),
            require_hugepages: false,
            page_size_bytes: 4096,
            permissions_mode: 0o660,
        }
    }
}

/// How the driver behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySettings {
    /// Create streams that are not configured when a producer asks for them.
    pub allow_dynamic_streams: bool,
    /// The profile of dynamic streams. Always present when there is exactly one profile.
    pub default_profile: Option<String>,
    /// Time between announces.
    pub announce_period_ms: u32,
    /// How often clients are to send keepalives.
    pub lease_keepalive_interval_ms: u32,
    /// Missed intervals after which a lease expires.
    pub lease_expiry_grace_intervals: u32,
    /// Touch every page before a region is announced.
    pub prefault_shm: bool,
    /// Lock regions into memory.
    pub mlock_shm: bool,
    /// Leave the files of earlier drivers as they are; they are not written to in any case.
    pub reuse_existing_shm: bool,
    /// Remove all regions at shutdown; peers' drivers leave them unless told otherwise.
    pub cleanup_shm_on_exit: bool,
    /// Remove superseded epochs.
    pub epoch_gc_enabled: bool,
    /// Newest epochs of a stream whose files stay, the live one included.
    pub epoch_gc_keep: u32,
    /// How long a superseded epoch stays in any case; 3 announce periods when not configured.
    pub epoch_gc_min_age_ns: u64,
    /// Also remove what earlier drivers left, at start; peers' drivers leave it.
    pub epoch_gc_on_startup: bool,
    /// How long to drain at shutdown.
    pub shutdown_timeout_ms: u32,
    /// What a shutdown request must carry; empty means that none is accepted.
    pub shutdown_token: String,
    /// How long a released node id is not given out again.
    pub node_id_reuse_cooldown_ms: u32,
    /// Allow strides that are multiples of 64 but no powers of two.
    pub allow_non_power_of_two_strides: bool,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            allow_dynamic_streams: false,
            default_profile: None,
            announce_period_ms: 1000,
            lease_keepalive_interval_ms: 1000,
            lease_expiry_grace_intervals: 3,
            prefault_shm: true,
            mlock_shm: false,
            reuse_existing_shm: false,
            cleanup_shm_on_exit: true,
            epoch_gc_enabled: true,
            epoch_gc_keep: 2,
            epoch_gc_min_age_ns: 3_000_000_000,
            epoch_gc_on_startup: true,
            shutdown_timeout_ms: 2000,
            shutdown_token: String::new(),
            node_id_reuse_cooldown_ms: 1000,
            allow_non_power_of_two_strides: false,
        }
    }
}

/// The memory of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileSettings {
    /// Slots of the header ring and of each pool, a power of two.
    pub header_nslots: u32,
    /// Payload pools, in ascending order of stride.
    pub payload_pools: Vec<PoolSettings>,
}

impl ProfileSettings {
    /// Small, image-sized and large frames: 16 slots of 4 KiB, 1 MiB and 4 MiB. One epoch takes
    /// 80 MiB; with the two superseded ones that are kept, 240 MiB.
    #[must_use]
    pub fn small() -> Self {
        let pools = DEFAULT_STRIDES_BYTES.iter().zip(1..);
        let pool = |(&stride_bytes, pool_id)| PoolSettings {
            pool_id,
            stride_bytes,
        };
        Self {
            header_nslots: DEFAULT_SLOT_COUNT,
            payload_pools: pools.map(pool).collect(),
        }
    }

    /// Bytes of one epoch: header ring and pools with their superblocks of 64 bytes, and header
    /// slots of 256 bytes (Wire v1.2, region layout).
    #[must_use]
    pub fn epoch_bytes(&self) -> u64 {
        let region = |slot_bytes: u64| 64 + u64::from(self.header_nslots) * slot_bytes;
        let pools = self
            .payload_pools
            .iter()
            .map(|pool| region(u64::from(pool.stride_bytes)));
        region(256) + pools.sum::<u64>()
    }
}

/// One payload pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Unique within the profile, 1 to 65534.
    pub pool_id: u16,
    /// Room for one frame, a multiple of 64.
    pub stride_bytes: u32,
}

/// A stream that exists from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// Its tensor pool stream id.
    pub stream_id: u32,
    /// The name of its profile.
    pub profile: String,
}

impl DriverSettings {
    /// What holds without any configuration: one stream with the [small](ProfileSettings::small)
    /// profile.
    #[must_use]
    pub fn small() -> Self {
        let mut settings = Self::default();
        settings
            .profiles
            .insert(DEFAULT_NAME.to_owned(), ProfileSettings::small());
        let stream = StreamSettings {
            stream_id: DEFAULT_STREAM_ID,
            profile: DEFAULT_NAME.to_owned(),
        };
        settings.streams.insert(DEFAULT_NAME.to_owned(), stream);
        settings.policies.default_profile = Some(DEFAULT_NAME.to_owned());
        settings
    }
}

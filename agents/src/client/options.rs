//! What applications ask for when they open a producer or a consumer: filled by the builders,
//! carried to the conductor, and read there by session and handle. Plain values; what an option
//! means is said at the builder's method that sets it.

use std::path::PathBuf;
use std::sync::Arc;

use tensorpool_codecs::types::{ClientId, PoolId};
use tensorpool_protocol::client::{
    AeronEndpoint, ConsumerWishes, ProgressFloors, ProgressHints, ProgressRead,
};
use tensorpool_protocol::common::{ConsumerMode, GeometryError, PoolGeometry, StreamGeometry};
use tensorpool_shm::paths::{DEFAULT_BASE_DIR, DEFAULT_NAMESPACE};

use super::config::{ClientConfig, nanos};
use super::producer::payload_flush::PayloadFlush;
use crate::driver::Endpoint;
use crate::regions::{Maker, Plot};

/// Where ids begin that are proposed for streams of a consumer's own, far from those that people
/// configure. Authorities with ids of their own take them for "any".
const PROPOSED_DESCRIPTOR_IDS: u32 = 0x4000_0000;
const PROPOSED_CONTROL_IDS: u32 = 0x6000_0000;
const PROPOSED_ID_MASK: u32 = 0x1fff_ffff;

/// Periods without a sign of life after which an epoch is stale.
const FRESH_PERIODS: u64 = 3;

/// Frames a consumer may miss in a row before it starts over behind the gap.
const MAX_OUTSTANDING_GAP: u64 = 256;

/// How a consumer hears of frames. Validation, accounts, events and reports are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Availability {
    /// By the descriptors of the published protocol, over Aeron.
    #[default]
    Descriptor,
    /// By watching the header ring itself: the next slot's commit word is the signal, one
    /// cache-line transfer instead of a message. For low latency, on polls that come often.
    ///
    /// No descriptor is subscribed to. Publish time and trace id, which only descriptors carry, are
    /// `None`. Needs producers that complete frames in the order of their numbers, as those of this
    /// library do. It joins behind the latest complete frame. When it is overtaken it goes on with the oldest
    /// frame the ring holds, and with later ones, up to half a ring, if that happens again before it
    /// has read everything.
    HeaderRing,
}

/// The memory of a producer without a driver: what it makes, announces and removes by itself.
///
/// Its regions lie where a driver's would, `<base>/tensorpool-<user>/<namespace>/<stream>/<epoch>`,
/// in a new epoch for each start. Another producer that provides for the stream there, or a driver
/// of the namespace, refuses it. What a producer that died left behind is removed once it is stale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRegions {
    /// Where regions are created; must exist, be absolute, and be allowed by
    /// [`ClientConfig::allowed_base_dirs`].
    pub base_dir: PathBuf,
    /// Keeps producers and drivers on one base directory apart.
    pub namespace: String,
    /// Exact mode of region files.
    pub permissions_mode: u32,
    /// Refuse to open unless `base_dir` is on a hugetlbfs.
    pub require_hugepages: bool,
    /// Bring all pages of a region in before it is announced.
    pub prefault: bool,
    /// Keep regions in memory; failing to is an error.
    pub mlock: bool,
    /// Remove the regions when the producer is closed.
    pub cleanup_on_exit: bool,
    /// Accept strides that are multiples of 64 but no powers of two; some peers cannot map these.
    pub allow_any_stride: bool,
    geometry: Arc<StreamGeometry>,
}

impl OwnRegions {
    /// Regions of so many slots, with `(pool id, stride in bytes)` pools, in `/dev/shm`.
    ///
    /// # Errors
    /// See [`GeometryError`].
    pub fn new(slot_count: u32, pools: &[(u16, u32)]) -> Result<Self, GeometryError> {
        let pool = |&(id, stride_bytes): &(u16, u32)| PoolGeometry {
            pool_id: PoolId::new(id),
            stride_bytes,
        };
        let geometry = StreamGeometry::new(slot_count, pools.iter().map(pool).collect())?;
        Ok(Self {
            base_dir: DEFAULT_BASE_DIR.into(),
            namespace: DEFAULT_NAMESPACE.into(),
            permissions_mode: 0o660,
            require_hugepages: false,
            prefault: true,
            mlock: false,
            cleanup_on_exit: true,
            allow_any_stride: false,
            geometry: Arc::new(geometry),
        })
    }

    /// Slots and pools.
    #[must_use]
    pub fn geometry(&self) -> &StreamGeometry {
        &self.geometry
    }

    /// As the worker needs it.
    pub(super) fn plot(self, config: &ClientConfig) -> Plot {
        Plot {
            base_dir: self.base_dir,
            namespace: self.namespace,
            permissions_mode: self.permissions_mode,
            geometry: self.geometry,
            allow_any_stride: self.allow_any_stride,
            maker: Maker {
                prefault: self.prefault,
                mlock: self.mlock,
                require_hugepages: self.require_hugepages,
            },
            keep_files: !self.cleanup_on_exit,
            fresh_ns: nanos(config.announce_period).saturating_mul(FRESH_PERIODS),
        }
    }
}

/// How a producer is opened, beside its lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProducerOptions {
    /// Has memory of its own instead of a driver's.
    pub(super) without_driver: Option<OwnRegions>,
    /// Waits for consumers instead of overwriting what they need.
    pub(super) lossless: bool,
    /// Keeps to the rates of consumers in mode STREAM as well.
    pub(super) caps_every_mode: bool,
    /// Tells of frames that are being written, no more often than this.
    pub(super) progress: Option<ProgressFloors>,
    /// What is done with payloads before anybody may read them.
    pub(super) flush: Option<PayloadFlush>,
}

/// How a consumer is opened, beside its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConsumerOptions {
    /// Follows announces instead of asking a driver.
    pub(super) without_driver: bool,
    /// Hears metadata and blobs of its stream.
    pub(super) metadata: bool,
    /// Reads payloads from shared memory.
    pub(super) shared_memory: bool,
    /// How it hears of frames.
    pub(super) availability: Availability,
    /// Frames it may miss in a row; 0 for any number.
    pub(super) max_outstanding_gap: u64,
    /// Hears of frames that are being written, as often as this.
    pub(super) progress: Option<ProgressHints>,
    /// Of which ones.
    pub(super) progress_read: ProgressRead,
    /// How it wants its frames; `None` for whatever its rate means.
    pub(super) mode: Option<ConsumerMode>,
    /// Frames a second at most; 0 without a limit.
    pub(super) max_rate_hz: u16,
    /// Streams of its own.
    pub(super) own_streams: OwnStreams,
    /// Where payloads come from without shared memory.
    pub(super) fallback_uri: Option<String>,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            without_driver: false,
            metadata: false,
            shared_memory: true,
            availability: Availability::default(),
            max_outstanding_gap: MAX_OUTSTANDING_GAP,
            progress: None,
            progress_read: ProgressRead::default(),
            mode: None,
            max_rate_hz: 0,
            own_streams: OwnStreams::default(),
            fallback_uri: None,
        }
    }
}

impl ConsumerOptions {
    /// What it says in its hellos.
    pub(super) fn wishes(&self, config: &ClientConfig, client_id: ClientId) -> ConsumerWishes {
        let own = |wish: &Wish, endpoint: &Endpoint, first_id: u32| match wish {
            Wish::None => None,
            Wish::Any => Some(AeronEndpoint {
                channel: endpoint.channel.to_string(),
                stream_id: first_id | (client_id.get() & PROPOSED_ID_MASK),
            }),
            Wish::This(endpoint) => Some(plain(endpoint)),
        };
        let wishes = &self.own_streams;
        let descriptors = match self.availability {
            Availability::Descriptor => &wishes.descriptors,
            Availability::HeaderRing => &Wish::None,
        };
        ConsumerWishes {
            supports_shm: self.shared_memory,
            mode: self.wanted_mode(),
            max_rate_hz: self.max_rate_hz,
            progress: self.progress,
            descriptor: own(descriptors, &config.descriptor, PROPOSED_DESCRIPTOR_IDS),
            control: own(&wishes.progress, &config.control, PROPOSED_CONTROL_IDS),
        }
    }

    /// The rate it keeps to before it is told anything else; 0 without a limit.
    pub(super) fn local_rate_hz(&self) -> u16 {
        match self.wanted_mode() {
            ConsumerMode::RateLimited => self.max_rate_hz,
            ConsumerMode::Stream => 0,
        }
    }

    fn wanted_mode(&self) -> ConsumerMode {
        self.mode.unwrap_or(match self.max_rate_hz {
            0 => ConsumerMode::Stream,
            _ => ConsumerMode::RateLimited,
        })
    }
}

/// An endpoint as messages carry it.
pub(super) fn plain(endpoint: &Endpoint) -> AeronEndpoint {
    AeronEndpoint {
        channel: endpoint.channel.to_string(),
        stream_id: endpoint.stream_id.cast_unsigned(),
    }
}

/// Aeron streams that a consumer asks to have for itself alone.
///
/// It is asked for; the authority of the stream decides, in driver mode the driver's or a
/// supervisor's policy. What it assigns is told by
/// [`Event::ConfigChanged`](crate::client::Event::ConfigChanged), and may be another stream than the
/// one asked for. Until then, and when it declines, the consumer is on the stream of everybody.
///
/// A descriptor stream of its own is what a consumer needs for a rate to be kept by the producer
/// (see [`ConsumerBuilder::max_rate_hz`](crate::client::ConsumerBuilder::max_rate_hz)), and it is
/// not held up by others that do not read the shared one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnStreams {
    descriptors: Wish,
    progress: Wish,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Wish {
    #[default]
    None,
    Any,
    This(Endpoint),
}

impl OwnStreams {
    /// A stream for descriptors, whichever the authority chooses.
    #[must_use]
    pub fn descriptors() -> Self {
        Self {
            descriptors: Wish::Any,
            progress: Wish::None,
        }
    }

    /// This stream for descriptors, if the authority agrees.
    #[must_use]
    pub fn descriptors_on(mut self, endpoint: Endpoint) -> Self {
        self.descriptors = Wish::This(endpoint);
        self
    }

    /// A stream for progress messages as well, whichever the authority chooses.
    #[must_use]
    pub fn and_progress(mut self) -> Self {
        self.progress = Wish::Any;
        self
    }

    /// This stream for progress messages, if the authority agrees.
    #[must_use]
    pub fn progress_on(mut self, endpoint: Endpoint) -> Self {
        self.progress = Wish::This(endpoint);
        self
    }
}

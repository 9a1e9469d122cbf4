//! How a client is set up. Defaults suit one host with one driver.

use std::path::PathBuf;
use std::time::Duration;

use tensorpool_runtime::IdleStrategy;
use tensorpool_transport::Channel;

use crate::driver::Endpoint;

/// How a client is set up.
///
/// # What a client costs
/// * Threads: its conductor (unless the application drives it, see [`InvokedClient`]) and one that
///   maps and unmaps regions and sleeps otherwise.
/// * Aeron logs in `/dev/shm`, three terms and a page of metadata each, as pages are first written:
///   about 200 KiB for control, as much for QoS, and 3 MiB for descriptors per producer, and as much
///   for metadata per producer that has set some. Subscriptions have none.
/// * Memory: the queues of each producer and consumer (64 notices, at most 256 more for an
///   application that does not listen), some bytes per slot of a produced ring, and the regions it
///   maps.
///
/// [`InvokedClient`]: crate::client::InvokedClient
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Shown in the media driver's counters and in thread names.
    pub name: String,
    /// The media driver's directory.
    pub aeron_dir: PathBuf,
    /// Requests, responses, revokes, hellos.
    pub control: Endpoint,
    /// Where the driver announces.
    pub announce: Endpoint,
    /// Where producers tell of frames. One Aeron stream for all tensor pool streams unless
    /// configured otherwise.
    pub descriptor: Endpoint,
    /// Where producers and consumers report.
    pub qos: Endpoint,
    /// Where producers describe their streams, and send blobs. Its term length bounds both: a
    /// message is at most an eighth of it.
    pub metadata: Endpoint,
    /// Bytes of the longest blob that is sent, or taken.
    pub max_blob_len: usize,
    /// Whether blobs are sent with their CRC-32C, and held against the checksums they come with.
    /// Others may use other checksums: off by default.
    pub blob_checksums: bool,
    /// Directories region files may lie in; anything else is not opened.
    pub allowed_base_dirs: Vec<PathBuf>,
    /// Touches all pages of a region when it is mapped.
    pub prefault: bool,
    /// Between keepalives of a lease.
    pub keepalive_interval: Duration,
    /// Keepalive intervals the driver lets a lease last.
    pub lease_grace_intervals: u32,
    /// Between announces of the driver; three without one mean that it is lost.
    pub announce_period: Duration,
    /// How long an attach may take before it fails.
    pub attach_timeout: Duration,
    /// How long closing a producer or consumer waits for the driver's answer.
    pub detach_timeout: Duration,
    /// How long closing the client waits for its conductor.
    pub close_timeout: Duration,
    /// How the conductor idles.
    pub idle: IdleStrategy,
    /// The core the conductor is pinned to.
    pub core: Option<usize>,
}

const CONTROL_TERM_LEN: usize = 64 << 10;
const DESCRIPTOR_TERM_LEN: usize = 1 << 20;
const METADATA_TERM_LEN: usize = 1 << 20;
const MAX_BLOB_LEN: usize = 16 << 20;

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            name: "tensorpool-client".into(),
            aeron_dir: tensorpool_transport::default_dir(),
            control: ipc(1000, CONTROL_TERM_LEN),
            announce: ipc(1001, CONTROL_TERM_LEN),
            descriptor: ipc(1100, DESCRIPTOR_TERM_LEN),
            qos: ipc(1200, CONTROL_TERM_LEN),
            metadata: ipc(1300, METADATA_TERM_LEN),
            max_blob_len: MAX_BLOB_LEN,
            blob_checksums: false,
            allowed_base_dirs: vec!["/dev/shm".into()],
            prefault: true,
            keepalive_interval: Duration::from_secs(1),
            lease_grace_intervals: 3,
            announce_period: Duration::from_secs(1),
            attach_timeout: Duration::from_secs(5),
            detach_timeout: Duration::from_millis(500),
            close_timeout: Duration::from_secs(5),
            idle: IdleStrategy::default(),
            core: None,
        }
    }
}

impl ClientConfig {
    /// The defaults with this media driver directory.
    #[must_use]
    pub fn for_dir(aeron_dir: impl Into<PathBuf>) -> Self {
        Self {
            aeron_dir: aeron_dir.into(),
            ..Self::default()
        }
    }
}

/// A stream over shared memory with this term length in bytes; a log takes three terms of
/// `/dev/shm`, as they are first written.
fn ipc(stream_id: i32, term_len: usize) -> Endpoint {
    let channel = Channel::ipc();
    // Only lengths that are no power of two fail, and those of this module are.
    let channel = channel
        .clone()
        .with_term_length(term_len)
        .unwrap_or(channel);
    Endpoint { channel, stream_id }
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

//! What the supervisor is told: decoded messages, plain, borrowed where they are long.

use core::fmt;
use std::sync::Arc;

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, Seq, StreamId};
use tensorpool_codecs::wire::Mode;

use super::config::FallbackUri;
use crate::common::{LeaseRevokeReason, Role};

/// A consumer: client ids say little without the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerKey {
    /// What it consumes.
    pub stream_id: StreamId,
    /// Who it is.
    pub consumer_id: ClientId,
}

impl ConsumerKey {
    /// The consumer with this id on this stream.
    #[must_use]
    pub const fn new(stream_id: StreamId, consumer_id: ClientId) -> Self {
        Self {
            stream_id,
            consumer_id,
        }
    }
}

impl fmt::Display for ConsumerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "consumer {} of stream {}",
            self.consumer_id, self.stream_id
        )
    }
}

/// What a hello says about one kind of stream of the consumer's own, as it was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamRequest<'a> {
    /// Empty for none.
    pub channel: &'a [u8],
    /// 0 or the null value for none.
    pub stream_id: u32,
}

/// ConsumerHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Whose.
    pub key: ConsumerKey,
    /// Whether it can map shared memory.
    pub supports_shm: bool,
    /// How it wants its frames.
    pub mode: Mode,
    /// Frames a second it wants at most; 0 is unlimited.
    pub max_rate_hz: u32,
    /// A descriptor stream of its own.
    pub descriptor: StreamRequest<'a>,
    /// A control stream of its own.
    pub control: StreamRequest<'a>,
}

/// QosConsumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerReport {
    /// Whose.
    pub key: ConsumerKey,
    /// The epoch it has mapped, 0 for none.
    pub epoch: Epoch,
    /// The last frame it is done with.
    pub last_seq: Seq,
    /// Frames lost because descriptors were missed, since it began to count.
    pub drops_gap: u64,
    /// Frames lost because they were overwritten, since it began to count.
    pub drops_late: u64,
}

/// QosProducer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerReport {
    /// The stream.
    pub stream_id: StreamId,
    /// Its producer.
    pub producer_id: ClientId,
    /// The epoch it writes.
    pub epoch: Epoch,
    /// The next frame it will write.
    pub next_seq: Seq,
}

/// ShmPoolAnnounce, as far as it concerns a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The stream.
    pub stream_id: StreamId,
    /// Its producer, `None` when 0.
    pub producer_id: Option<ClientId>,
    /// Its epoch.
    pub epoch: Epoch,
    /// When it was announced by this host's monotonic clock; `None` for another clock.
    pub monotonic: Option<NanoTime>,
}

/// ShmLeaseRevoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseEnd {
    /// On which stream.
    pub stream_id: StreamId,
    /// Whose.
    pub client_id: ClientId,
    /// As what.
    pub role: Role,
    /// Why.
    pub reason: LeaseRevokeReason,
}

/// What an operator wants a single consumer to be told, beyond the policy that holds for all.
/// `None` leaves it to the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigRequest {
    /// Whether to read payloads from shared memory; only for one that can.
    pub use_shm: Option<bool>,
    /// The mode.
    pub mode: Option<Mode>,
    /// Where its payloads come from without shared memory.
    pub payload_fallback_uri: Option<FallbackUri>,
}

/// A channel or URI, shared between the places that say it.
pub(super) type Text = Arc<str>;

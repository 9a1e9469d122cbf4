//! What a producer or consumer tells its application beside frames.

use std::sync::Arc;
use std::time::Duration;

use tensorpool_codecs::types::{ClientId, Epoch, MetaVersion, NanoTime, Seq};
use tensorpool_protocol::client::metadata::{BlobDefect, BlobId, BlobOutcome};
use tensorpool_protocol::client::{AttachError, LossReason};
use tensorpool_protocol::common::{ConsumerMode, LeaseRevokeReason};
use tensorpool_transport::LostReason;

use super::metadata::ReceivedBlob;
use super::stats::EpochStats;

/// The account of an epoch that ended, as [`Stats`](crate::client::ConsumerStats) counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalCounts {
    /// Where the epoch ended: frames were 0 up to, but not including it, by its ring or what the
    /// producer said last. `None` if neither tells, as when the ring was truncated.
    pub end_seq: Option<Seq>,
    /// Frames of all epochs this consumer was owed.
    pub seen: u64,
    /// Of those, delivered intact.
    pub delivered: u64,
    /// Of those, lost, whatever the cause. `seen = delivered + lost + rate_limited`.
    pub lost: u64,
    /// Of those, skipped to keep to the rate that was asked for.
    pub rate_limited: u64,
    /// Of those, the ones lost behind the last frame received.
    pub tail: u64,
}

/// What happened, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The first epoch is in use.
    Mapped {
        /// Which.
        epoch: Epoch,
    },
    /// Another epoch is in use: the producer was restarted, or the driver.
    Remapped {
        /// The epoch before; the same when it was mapped anew after a loss.
        old: Epoch,
        /// The epoch now; sequence numbers start at 0.
        new: Epoch,
    },
    /// The driver is gone or going: frames are invalid, publishing stops, a new lease is being
    /// asked for.
    DriverLost {
        /// How that was noticed.
        reason: LossReason,
    },
    /// A driver granted a lease again; [`Event::Remapped`] follows when its memory is mapped.
    DriverBack {
        /// When it was lost.
        lost_at: NanoTime,
    },
    /// The lease ended though the driver is there: expired, revoked, superseded. A new one is being
    /// asked for. Without a driver: the client id was shared, and another is taken.
    LeaseLost {
        /// Why.
        reason: LossReason,
    },
    /// Consumers with a client id of their own: somebody else reports under the same one. What either
    /// is told, and what is known of them, is of both.
    ClientIdShared {
        /// The id.
        client_id: ClientId,
    },
    /// A lease is held again.
    LeaseBack {
        /// When it was lost.
        lost_at: NanoTime,
    },
    /// Attaching again failed; the next attempt follows.
    Retrying {
        /// Why.
        error: AttachError,
        /// How long until the next attempt.
        delay: Duration,
    },
    /// Regions could not be mapped; the next attempt follows.
    MapFailed {
        /// Their epoch.
        epoch: Epoch,
        /// Why, for people.
        error: String,
        /// What stays in use meanwhile.
        in_use: Option<Epoch>,
        /// How long until the next attempt.
        delay: Duration,
    },
    /// Consumers: the producer closed its stream, and everything it published was delivered or
    /// counted.
    EndOfStream {
        /// The epoch that ended.
        epoch: Epoch,
        /// The account.
        counts: FinalCounts,
    },
    /// Consumers: the producer lost its lease, as by dying, or without a driver was not heard any
    /// more. What it had published and was not read
    /// is lost.
    SourceLost {
        /// Its epoch.
        epoch: Epoch,
        /// Why the driver ended the lease; `None` without one.
        reason: Option<LeaseRevokeReason>,
        /// The account.
        counts: FinalCounts,
    },
    /// Consumers: another epoch takes the place of this one, or its memory began anew; nothing more
    /// is counted of it. [`Event::Remapped`] follows. That of the epoch in use is
    /// [`Consumer::account`](crate::client::Consumer::account).
    AccountClosed(EpochStats),
    /// Consumers: the producer shows no activity although its stream is announced.
    SourceStale {
        /// Its epoch.
        epoch: Epoch,
    },
    /// Consumers that asked for metadata: another version of it is known, or the first. See
    /// [`Consumer::metadata`](crate::client::Consumer::metadata).
    MetadataChanged {
        /// The version.
        version: MetaVersion,
    },
    /// Consumers that asked for metadata: a blob arrived.
    Blob(ReceivedBlob),
    /// Consumers that asked for metadata: a blob was announced and will not arrive.
    BlobFailed {
        /// The metadata version it belongs to.
        version: MetaVersion,
        /// What it is, by agreement between applications.
        blob_type: u32,
        /// Why.
        defect: BlobDefect,
    },
    /// Producers: a blob is out, or was given up.
    BlobDone {
        /// Which.
        id: BlobId,
        /// What became of it.
        outcome: BlobOutcome,
    },
    /// Producers: metadata is too long for the metadata stream, whose terms are shorter than its
    /// channel says. Nobody hears of this version.
    MetadataRefused {
        /// The version.
        version: MetaVersion,
        /// Bytes of its message.
        found: usize,
        /// Bytes of the longest that can be sent.
        max: usize,
    },
    /// Producers: somebody who subscribes to the descriptor stream does not read it, and has held it
    /// up for half a second: consumers are not told of new frames there. Frames are written all the
    /// same, and streams of consumers' own are not held up.
    Stalled {
        /// The channel.
        channel: Arc<str>,
        /// The Aeron stream: look for an unpolled subscription of it.
        stream_id: i32,
        /// The first descriptor that could not be sent.
        since: NanoTime,
    },
    /// Producers: the descriptor stream flows again after [`Event::Stalled`].
    Flowing {
        /// The channel.
        channel: Arc<str>,
        /// The Aeron stream.
        stream_id: i32,
        /// The first descriptor that could not be sent.
        since: NanoTime,
    },
    /// Consumers: the authority of the stream has it use something else from now on.
    ConfigChanged {
        /// How it gets its frames.
        mode: ConsumerMode,
        /// Whether payloads come from shared memory; if not, [`Event::Fallback`] follows or came
        /// before.
        use_shm: bool,
        /// The Aeron stream of its own for descriptors, once there are some; `None` for the one of
        /// everybody.
        descriptor_stream_id: Option<u32>,
        /// The Aeron stream of its own for progress; `None` for the one of everybody.
        control_stream_id: Option<u32>,
    },
    /// Consumers: payloads do not come from shared memory for now, because the authority of the
    /// stream said so or because it could not be mapped. [`Event::Remapped`] tells of the end.
    Fallback {
        /// Where they come from instead, if that is known.
        uri: Option<String>,
    },
    /// The media driver is gone, or does not serve this client. Leases stand still while it is gone.
    LinkLost {
        /// How that was noticed.
        reason: LostReason,
    },
    /// A media driver is connected again.
    LinkUp,
    /// Nothing more will come: the conductor has ended.
    Closed,
}

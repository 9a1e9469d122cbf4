//! Configuration, events and errors of the attach client.

use tensorpool_codecs::types::{ClientId, Epoch, LeaseId, NodeId, StreamId};
use thiserror::Error;

use super::backoff::SplitMix64;
use super::regions::{RegionSet, RegionsError};
use crate::common::known_or;
use crate::common::{
    HugepagesPolicy, LeaseRevokeReason, PublishMode, ResponseCode, Role, ShutdownReason,
};

/// The driver's words for a client id in use; part of the protocol, byte for byte.
pub const CLIENT_ID_TAKEN: &str = "client_id already attached";
/// The drivers' words for a second producer.
pub(super) const PRODUCER_HELD: &str = "producer already attached";
/// The drivers' words when the wanted node id, or every one, is held or cooling down.
pub(super) const NO_NODE_ID: &str = "node_id unavailable";
/// The drivers' words while they shut down.
pub(super) const DRAINING: &str = "driver draining";

const MS: u64 = 1_000_000;

/// What to attach to and how patiently. Durations in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachConfig {
    /// The wanted stream; 0 asks the driver for a dynamic one.
    pub stream_id: StreamId,
    /// Producer or consumer.
    pub role: Role,
    /// A fixed client id, or `None` for a random one that is replaced when taken.
    pub client_id: Option<ClientId>,
    /// Whether the driver may create the stream.
    pub publish_mode: PublishMode,
    /// Page size wanted.
    pub hugepages: HugepagesPolicy,
    /// Node id wanted.
    pub desired_node_id: Option<NodeId>,
    /// Between keepalives.
    pub keepalive_interval_ns: u64,
    /// Keepalive intervals a lease lasts.
    pub lease_grace_intervals: u32,
    /// Between the driver's announces.
    pub announce_period_ns: u64,
    /// Periods without an announce after which the driver counts as lost.
    pub silent_periods: u32,
    /// First pause before an unanswered attach request is repeated; doubles from there.
    pub resend_min_ns: u64,
    /// Longest such pause.
    pub resend_max_ns: u64,
    /// How long one attempt, and the first attach as a whole, may take.
    pub attach_timeout_ns: u64,
    /// Pause before trying again while another producer, or our own dead lease, holds the stream.
    pub held_retry_ns: u64,
    /// Shortest pause before a reattach.
    pub backoff_min_ns: u64,
    /// Longest pause before a reattach.
    pub backoff_max_ns: u64,
    /// How long a close waits for the driver's answer.
    pub detach_timeout_ns: u64,
    /// Decides client ids, correlation ids and jitter.
    pub seed: u64,
}

impl AttachConfig {
    /// The client id that was asked for, or one nobody else is likely to have.
    pub(super) fn draw_client_id(&self, random: &mut SplitMix64) -> ClientId {
        self.client_id
            .unwrap_or_else(|| ClientId::new(random.next_nonzero_u32()))
    }

    /// The defaults for this stream and role.
    #[must_use]
    pub const fn new(stream_id: StreamId, role: Role, seed: u64) -> Self {
        Self {
            stream_id,
            role,
            client_id: None,
            publish_mode: PublishMode::RequireExisting,
            hugepages: HugepagesPolicy::Unspecified,
            desired_node_id: None,
            keepalive_interval_ns: 1_000 * MS,
            lease_grace_intervals: 3,
            announce_period_ns: 1_000 * MS,
            silent_periods: 3,
            resend_min_ns: 200 * MS,
            resend_max_ns: 1_000 * MS,
            attach_timeout_ns: 5_000 * MS,
            held_retry_ns: 250 * MS,
            backoff_min_ns: 100 * MS,
            backoff_max_ns: 3_200 * MS,
            detach_timeout_ns: 500 * MS,
            seed,
        }
    }

    /// How long a lease lasts without a keepalive.
    #[must_use]
    pub const fn lease_duration_ns(&self) -> u64 {
        self.keepalive_interval_ns
            .saturating_mul(self.lease_grace_intervals as u64)
    }

    /// How long the driver may be silent.
    #[must_use]
    pub const fn driver_silence_ns(&self) -> u64 {
        self.announce_period_ns
            .saturating_mul(self.silent_periods as u64)
    }
}

/// What a driver granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The lease.
    pub lease_id: LeaseId,
    /// The client id it was granted to.
    pub client_id: ClientId,
    /// Node id for trace ids, if the driver hands them out.
    pub node_id: Option<NodeId>,
    /// Stream, epoch and regions.
    pub regions: RegionSet,
}

/// Why a lease is no longer held.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// The driver ended it.
    #[error("the driver ended the lease ({})", known_or(.0.as_ref()))]
    Revoked(Option<LeaseRevokeReason>),
    /// No keepalive got out in time.
    #[error("no keepalive could be sent before the lease expired")]
    Expired,
    /// The driver has not announced the stream for too long.
    #[error("the driver has gone silent")]
    DriverLost,
    /// The driver said that it goes away.
    #[error("the driver shuts down ({})", known_or(.0.as_ref()))]
    DriverShutdown(Option<ShutdownReason>),
    /// The memory of the lease is damaged: only a new epoch helps.
    #[error("a region of the stream was damaged while mapped")]
    MemoryDamaged,
    /// The stream has a newer epoch than this producer's lease.
    #[error("the stream went on to epoch {0} without this producer")]
    Superseded(Epoch),
    /// Another consumer of the stream uses the same client id: this one was given back for another.
    #[error("another consumer reports as client {0}; another id is being asked for")]
    IdShared(ClientId),
}

/// Why there is no lease.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttachError {
    /// No driver answered.
    #[error(
        "no driver answered the attach to stream {stream_id} within {} ms; is it running on this Aeron \
         directory and control stream?", waited_ns / MS
    )]
    NoAnswer {
        /// The stream asked for.
        stream_id: StreamId,
        /// How long was waited.
        waited_ns: u64,
    },
    /// The driver said no.
    #[error("the driver refused the attach ({}): {message}", known_or(code.as_ref()))]
    Rejected {
        /// Its code; `None` when unknown to this version.
        code: Option<ResponseCode>,
        /// Its words.
        message: String,
    },
    /// Another producer has the stream.
    #[error("stream {stream_id} already has a producer{}; stop it, or wait until its lease expires", holder_text(*holder, *lease_age_ns))]
    ProducerHeld {
        /// The stream.
        stream_id: StreamId,
        /// Who holds it, if announced.
        holder: Option<ClientId>,
        /// How old its epoch is, if known.
        lease_age_ns: Option<u64>,
    },
    /// The stream's producer is this client, by a lease it had before.
    #[error(
        "stream {stream_id} is still held by a former lease of this very client ({client_id}), which has \
         not ended yet; it does within the lease time"
    )]
    FormerLease {
        /// The stream.
        stream_id: StreamId,
        /// The id of both.
        client_id: ClientId,
    },
    /// The configured client id is in use.
    #[error(
        "client id {client_id} is already attached; use another one, or 0 for an automatic one"
    )]
    ClientIdTaken {
        /// The id.
        client_id: ClientId,
    },
    /// The driver has no node id to give at the moment: released ones cool down first.
    #[error("{}", no_node_id_text(*desired))]
    NoNodeId {
        /// The one that was asked for, if any.
        desired: Option<NodeId>,
    },
    /// The driver said yes, but what it granted cannot be used.
    #[error("the driver's grant is unusable: {0}")]
    InvalidResponse(#[from] ResponseError),
    /// The lease was lost; a new one is being asked for.
    #[error(transparent)]
    Lost(LossReason),
    /// Without a driver: no producer was heard of.
    #[error(
        "no producer announced stream {stream_id} within {} ms; is one running without a driver on this \
         Aeron directory? Streams of a driver are opened with it", waited_ns / MS
    )]
    NoProducer {
        /// The stream.
        stream_id: StreamId,
        /// How long was waited.
        waited_ns: u64,
    },
    /// Without a driver: the stream's memory cannot be made.
    #[error("stream {stream_id} cannot be provided for: {reason}")]
    NotProvided {
        /// The stream.
        stream_id: StreamId,
        /// Why not, and what to do about it.
        reason: String,
    },
    /// Without a driver: somebody else announces the stream.
    #[error(
        "stream {stream_id} is announced by another producer{} in epoch {epoch}; stop it, or use another \
         stream", holder_text(*holder, None)
    )]
    AnnouncedElsewhere {
        /// The stream.
        stream_id: StreamId,
        /// Who announces it, if it says so.
        holder: Option<ClientId>,
        /// As what.
        epoch: Epoch,
    },
    /// Without a driver: nobody is there to choose a stream.
    #[error("without a driver a stream needs an id: 0 would ask a driver for any")]
    NoStreamId,
}

impl AttachError {
    /// Whether the driver was not there, so that a sign of life is a reason to try at once.
    pub(super) const fn is_silence(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Lost(LossReason::DriverLost) => true,
            Self::Rejected { .. }
            | Self::ProducerHeld { .. }
            | Self::FormerLease { .. }
            | Self::ClientIdTaken { .. }
            | Self::NoNodeId { .. }
            | Self::InvalidResponse(_)
            | Self::Lost(_)
            | Self::NoProducer { .. }
            | Self::NotProvided { .. }
            | Self::AnnouncedElsewhere { .. }
            | Self::NoStreamId => false,
        }
    }
}

fn holder_text(holder: Option<ClientId>, lease_age_ns: Option<u64>) -> String {
    match (holder, lease_age_ns) {
        (Some(holder), Some(age)) => {
            format!(
                " (client {holder}, for {}.{} s)",
                age / (1_000 * MS),
                age / (100 * MS) % 10
            )
        }
        (Some(holder), None) => format!(" (client {holder})"),
        (None, _) => String::new(),
    }
}

fn no_node_id_text(desired: Option<NodeId>) -> String {
    match desired {
        Some(id) => format!(
            "the driver still refuses node id {id} (node_id unavailable): another client holds it, or \
             did a moment ago; ask for another one, or for none"
        ),
        None => "the driver still has no node id to give (node_id unavailable): all are held, or were a \
                 moment ago; attach fewer clients at a time, or allow more time"
            .into(),
    }
}

/// What is wrong with a grant.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// A field that a grant must carry is null.
    #[error("required field {0} is missing")]
    Missing(&'static str),
    /// The regions cannot be used.
    #[error(transparent)]
    Regions(#[from] RegionsError),
}

/// What happened to the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttachEvent {
    /// A lease is held: map its regions. After a [`AttachEvent::Lost`] this is the way back.
    Attached(Box<Grant>),
    /// Nobody grants leases: announces are followed as they come.
    Watching,
    /// The lease is gone: frames are invalid, publishing stops, a new lease is being asked for.
    Lost(LossReason),
    /// An attempt failed; the next one follows.
    Retrying {
        /// Why it failed.
        error: AttachError,
        /// How long until the next.
        delay_ns: u64,
    },
    /// Another consumer of the stream uses the same client id, which was not chosen but given.
    IdShared(ClientId),
    /// The first attach failed for good.
    Failed(AttachError),
    /// Closed as asked.
    Closed,
}

/// Counts of an attach client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachStats {
    /// Attach requests sent, resends included.
    pub attach_requests: u64,
    /// Keepalives sent.
    pub keepalives: u64,
    /// Leases granted.
    pub grants: u64,
    /// Leases lost.
    pub losses: u64,
    /// Attempts that failed and are repeated.
    pub refusals: u64,
    /// Responses that were late, repeated or somebody else's.
    pub responses_ignored: u64,
    /// Leases under whose client id somebody else was heard.
    pub id_collisions: u64,
}

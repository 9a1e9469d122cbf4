//! What a link tells its owner.

use std::fmt;

use super::core::LostReason;

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// A publication.
    Publication,
    /// A subscription.
    Subscription,
    /// A labelled counter.
    Counter,
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publication => "publication",
            Self::Subscription => "subscription",
            Self::Counter => "counter",
        })
    }
}

/// What happened to a link, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// A client is connected; handles become live in the cycles that follow.
    Up {
        /// Counts clients, from 1.
        generation: u64,
    },
    /// The client was given up; handles answer `LinkDown` until the next `Up`.
    Lost {
        /// Why.
        reason: LostReason,
    },
    /// The media driver refused a resource, or did not answer; it is asked again.
    AddFailed {
        /// What was asked for.
        kind: ResourceKind,
        /// On which channel (a counter: its label).
        channel: String,
        /// On which Aeron stream (a counter: its type id).
        stream_id: i32,
        /// What Aeron said.
        reason: String,
        /// When it is asked again, in nanoseconds from now.
        retry_in_ns: u64,
    },
    /// A publication took no more messages, as at the end of its positions: another takes its place.
    Renewed {
        /// The channel as given.
        channel: String,
        /// The Aeron stream.
        stream_id: i32,
    },
    /// Aeron's client reported something nobody asked for, such as an image whose log it cannot map.
    ClientError {
        /// What it said.
        reason: String,
    },
    /// A log of this stream exists with another term length: the publication is asked for without one.
    TermLengthDropped {
        /// The channel as given.
        channel: String,
        /// The Aeron stream.
        stream_id: i32,
    },
}

impl LinkEvent {
    /// What kind of fault it tells of, for logs; `None` for the coming and going of the link itself.
    #[must_use]
    pub fn fault_code(&self) -> Option<&'static str> {
        match self {
            Self::Up { .. } | Self::Lost { .. } => None,
            Self::AddFailed { .. } => Some("link-add"),
            Self::Renewed { .. } => Some("link-renewed"),
            Self::ClientError { .. } => Some("link-client"),
            Self::TermLengthDropped { .. } => Some("link-term-length"),
        }
    }
}

impl fmt::Display for LinkEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { generation } => write!(f, "link up, client {generation}"),
            Self::Lost { reason } => write!(f, "link lost: {reason}"),
            Self::AddFailed {
                kind,
                channel,
                stream_id,
                reason,
                ..
            } => write!(f, "{kind} on {channel} stream {stream_id}: {reason}"),
            Self::Renewed { channel, stream_id } => write!(
                f,
                "publication on {channel} stream {stream_id}: took no more messages, another takes its place"
            ),
            Self::ClientError { reason } => write!(f, "Aeron's client: {reason}"),
            Self::TermLengthDropped { channel, stream_id } => write!(
                f,
                "publication on {channel} stream {stream_id}: the stream has another term length, which is \
                 used instead"
            ),
        }
    }
}

/// Names a publication or subscription of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResourceId(pub(crate) u64);

/// What a link has counted. Plain values; compare two to see change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStats {
    /// Clients connected so far; also the present generation.
    pub generation: u64,
    /// Clients given up.
    pub lost_count: u64,
    /// Attempts to connect that failed.
    pub connect_failure_count: u64,
    /// Resources the media driver refused or did not answer for.
    pub add_failure_count: u64,
    /// Publications that took no more messages and were replaced.
    pub renewed_count: u64,
    /// Publications that exist with another term length than was asked for.
    pub term_length_dropped_count: u64,
    /// Errors Aeron's client reported.
    pub client_error_count: u64,
    /// Events nobody took in time.
    pub event_drop_count: u64,
    /// Clients that were given up and still wait for handles to come back: each holds its mapped logs. A
    /// handle comes back at its next call or when it is dropped.
    pub retired_client_count: usize,
    /// Publications, subscriptions and counters that exist.
    pub resource_count: usize,
    /// Those of them that are registered.
    pub live_resource_count: usize,
    /// The last error of any kind.
    pub last_error: Option<String>,
}

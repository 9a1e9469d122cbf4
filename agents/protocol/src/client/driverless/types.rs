//! Actions and answers of a provider, and what both sides say when they go.

use tensorpool_codecs::types::{ClientId, LeaseId, StreamId};

use crate::client::attach_types::AttachConfig;
use crate::client::backoff::SplitMix64;
use crate::common::Role;

/// Ties regions that a worker made to the request for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProvideTicket(pub(super) u64);

/// What the owner of a provider has to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderAction {
    /// Have the worker take the stream and make the regions of a new epoch, and answer with this
    /// ticket.
    Provide {
        /// The request.
        ticket: ProvideTicket,
    },
    /// Have the worker remove the regions that were made last, and answer.
    Remove,
    /// Have the worker remove what dead producers left of the stream, and answer.
    Sweep,
}

/// Why a worker could not provide. The texts say what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvideError {
    /// Somebody else provides for the stream, or a driver does.
    Held(String),
    /// There is no room.
    NoSpace(String),
    /// Something that does not pass by itself.
    Failed(String),
}

/// The last message of a client that closes in order without a driver: what a driver would tell of
/// the end of its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// A number nobody else has: no lease was ever granted.
    pub lease_id: LeaseId,
    /// The stream.
    pub stream_id: StreamId,
    /// Who goes.
    pub client_id: ClientId,
    /// What it was.
    pub role: Role,
}

impl Farewell {
    /// What somebody of this configuration will say. The lease id is positive, as all are, and of 62
    /// bits that are as good as the seed.
    pub(super) fn of(config: &AttachConfig, role: Role, random: &mut SplitMix64) -> Self {
        let client_id = config.draw_client_id(random);
        Self {
            lease_id: LeaseId::new((random.next_u64() >> 2) | 1),
            stream_id: config.stream_id,
            client_id,
            role,
        }
    }
}

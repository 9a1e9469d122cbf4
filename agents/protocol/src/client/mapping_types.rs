//! Configuration, actions and counts of the mapping core.

use tensorpool_codecs::types::{ClientId, Epoch, StreamId};

use super::regions::RegionSet;
use crate::common::{LeaseRevokeReason, Role};

/// What is mapped and for whom. Durations in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingConfig {
    /// A producer maps what its grant says and nothing else; a consumer follows announces.
    pub role: Role,
    /// Between the driver's announces.
    pub announce_period_ns: u64,
    /// An announce, or a region's activity, older than this many periods is stale.
    pub fresh_periods: u32,
    /// Shortest pause before a failed mapping is tried again.
    pub retry_min_ns: u64,
    /// Longest such pause.
    pub retry_max_ns: u64,
    /// Decides the jitter.
    pub seed: u64,
}

impl MappingConfig {
    /// The defaults.
    #[must_use]
    pub const fn new(role: Role, seed: u64) -> Self {
        Self {
            role,
            announce_period_ns: 1_000_000_000,
            fresh_periods: 3,
            retry_min_ns: 100_000_000,
            retry_max_ns: 3_200_000_000,
            seed,
        }
    }

    pub(super) const fn freshness_ns(&self) -> u64 {
        self.announce_period_ns
            .saturating_mul(self.fresh_periods as u64)
    }
}

/// Ties a mapping that a worker made to the request for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapTicket(pub(super) u64);

/// How a newly adopted epoch relates to what was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// The first mapping of this client's life.
    First,
    /// The same epoch again, after a loss: accounts continue.
    SameEpoch,
    /// The stream went on while this client was there: the epoch is owed from its first frame.
    NewEpoch {
        /// The epoch before.
        old: Epoch,
    },
    /// An older epoch, because the newer one was dead, or the same one that another process began
    /// anew: as after a first mapping.
    OlderEpoch {
        /// The epoch before.
        old: Epoch,
    },
}

/// Why a stream's source ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceEnd {
    /// Its producer gave the lease back: the end of the stream. What it committed may still be
    /// read.
    Detached,
    /// Its producer lost the lease: its frames are void.
    Lost(Option<LeaseRevokeReason>),
}

/// What the owner of a mapping core has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingAction {
    /// Have the worker map these regions and answer with this ticket.
    Map {
        /// The request.
        ticket: MapTicket,
        /// What to map.
        regions: Box<RegionSet>,
    },
    /// Put the mapping of this ticket into use; one in use before is replaced and revoked then, not
    /// earlier.
    Adopt {
        /// The request that made it.
        ticket: MapTicket,
        /// The stream.
        stream_id: StreamId,
        /// The epoch.
        epoch: Epoch,
        /// What it means for accounts.
        adoption: Adoption,
    },
    /// Unmap what came for this ticket: nobody wants it any more.
    Discard {
        /// The request.
        ticket: MapTicket,
    },
    /// Set the revoked flag of the mapping in use and stop using it.
    Revoke {
        /// Its epoch.
        epoch: Epoch,
    },
    /// The source of this epoch ended. After `Detached` what was published is still delivered, then
    /// the end is told.
    SourceEnded {
        /// The epoch, which may have been replaced already.
        epoch: Epoch,
        /// Who produced it, if known.
        producer_id: Option<ClientId>,
        /// How it ended.
        end: SourceEnd,
    },
    /// The source of the mapped epoch shows no activity although the driver announces it.
    SourceStale {
        /// The epoch.
        epoch: Epoch,
    },
    /// The stream is announced with another layout or with impossible regions, and nothing of it is
    /// in use.
    Unreadable {
        /// Its epoch.
        epoch: Epoch,
    },
    /// A mapping failed and is tried again.
    RetryMap {
        /// The epoch.
        epoch: Epoch,
        /// When.
        delay_ns: u64,
    },
}

/// Counts of a mapping core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MappingStats {
    /// Mappings put into use.
    pub adoptions: u64,
    /// Of those, replacements of another epoch.
    pub remaps: u64,
    /// Mappings that failed.
    pub failures: u64,
    /// Announces ignored as stale, from before the join, or stamped by an unknown clock.
    pub announces_stale: u64,
    /// Announces ignored for a lower epoch.
    pub announces_lower_epoch: u64,
    /// Announces ignored for impossible regions or layout.
    pub announces_invalid: u64,
    /// Times the process id behind a mapped region changed.
    pub pid_changes: u64,
}

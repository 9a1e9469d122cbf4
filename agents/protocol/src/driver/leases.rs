//! Leases by id and by client, those that ended lately, and the memory of keepalives nobody can
//! place.

use std::collections::{BTreeMap, VecDeque};

use tensorpool_codecs::types::{ClientId, CorrelationId, LeaseId, NanoTime, NodeId, StreamId};

use crate::common::Role;

/// How long a detach of an ended lease is answered OK again.
pub(super) const RELEASED_MEMORY_NS: u64 = 5_000_000_000;
/// Ended leases remembered at most.
const MAX_RELEASED: usize = 256;
/// A keepalive for the same unknown lease is answered once in this time.
const UNKNOWN_ANSWER_INTERVAL_NS: u64 = 1_000_000_000;
/// Unknown leases remembered at most; more within a second get no answer.
const MAX_UNKNOWN: usize = 256;
/// Lease ids stay below this, so that they are positive as signed numbers too.
const LEASE_ID_LIMIT: u64 = 1 << 63;

/// Who holds a lease on what: the fields a keepalive or detach must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeaseKey {
    pub(super) lease_id: LeaseId,
    pub(super) stream_id: StreamId,
    pub(super) client_id: ClientId,
    pub(super) role: Role,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) key: LeaseKey,
    /// The stream id its holder asked for.
    pub(super) requested: StreamId,
    pub(super) node_id: NodeId,
    pub(super) granted_at: NanoTime,
    pub(super) expiry: NanoTime,
    pub(super) keepalive_seen: bool,
    /// Of the request that was granted, and of the latest that was answered by the same grant.
    pub(super) correlation_ids: [CorrelationId; 2],
}

/// What a client id stands for; unique over all leases and attaches under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientSlot {
    Holds(LeaseId),
    /// On this stream, by its own id.
    Waits(StreamId),
}

/// A lease that is over.
#[derive(Clone, Copy, Debug)]
struct Released {
    key: LeaseKey,
    requested: StreamId,
    at: NanoTime,
}

#[derive(Debug)]
pub(super) struct Leases {
    by_id: BTreeMap<LeaseId, Lease>,
    clients: BTreeMap<ClientId, ClientSlot>,
    released: VecDeque<Released>,
    unknown: VecDeque<(LeaseId, NanoTime)>,
    next_id: u64,
}

impl Leases {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            by_id: BTreeMap::new(),
            clients: BTreeMap::new(),
            released: VecDeque::with_capacity(MAX_RELEASED),
            unknown: VecDeque::with_capacity(MAX_UNKNOWN),
            // [TP-DRV-0520] [TP-DRV-0530]
            next_id: (seed % LEASE_ID_LIMIT).max(1),
        }
    }

    // [TP-DRV-0510] [TP-DRV-0530]
    pub(super) fn next_id(&mut self) -> LeaseId {
        let id = LeaseId::new(self.next_id);
        self.next_id = if self.next_id + 1 < LEASE_ID_LIMIT {
            self.next_id + 1
        } else {
            1
        };
        id
    }

    /// Leases and attaches under way.
    pub(super) fn client_count(&self) -> usize {
        self.clients.len()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: LeaseId) -> Option<&Lease> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: LeaseId) -> Option<&mut Lease> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn client(&self, id: ClientId) -> Option<ClientSlot> {
        self.clients.get(&id).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.by_id.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Lease> {
        self.by_id.values_mut()
    }

    pub(super) fn wait(&mut self, client: ClientId, stream: StreamId) {
        self.clients.insert(client, ClientSlot::Waits(stream));
    }

    pub(super) fn stop_waiting(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }

    pub(super) fn insert(&mut self, lease: Lease) {
        // [TP-DRV-0220]
        self.clients
            .insert(lease.key.client_id, ClientSlot::Holds(lease.key.lease_id));
        self.by_id.insert(lease.key.lease_id, lease);
    }

    /// Ends a lease and remembers it for repeated detaches.
    pub(super) fn remove(&mut self, now: NanoTime, id: LeaseId) -> Option<Lease> {
        // [TP-DRV-0730]
        let lease = self.by_id.remove(&id)?;
        // [TP-DRV-0740]
        self.clients.remove(&lease.key.client_id);
        // [TP-DRV-0840]
        if self.released.len() == MAX_RELEASED {
            self.released.pop_front();
        }
        let (key, requested) = (lease.key, lease.requested);
        self.released.push_back(Released {
            key,
            requested,
            at: now,
        });
        Some(lease)
    }

    /// What a client names, with the stream id it was granted if it names the one it asked for:
    /// clients in the field keep to that ([TP-DRV-1550]).
    pub(super) fn resolve(&self, named: LeaseKey) -> LeaseKey {
        let live = self.get(named.lease_id);
        let live = live.map(|lease| (lease.key, lease.requested));
        let released = || {
            let mut released = self.released.iter();
            let released = released.find(|released| released.key.lease_id == named.lease_id)?;
            Some((released.key, released.requested))
        };
        match live.or_else(released) {
            Some((key, requested)) if requested == named.stream_id => LeaseKey {
                stream_id: key.stream_id,
                ..named
            },
            _ => named,
        }
    }

    /// Whether exactly this lease ended less than 5 s ago.
    /// [TP-DRV-0840]
    pub(super) fn was_released(&self, now: NanoTime, key: LeaseKey) -> bool {
        self.released
            .iter()
            .any(|released| released.key == key && now.since_ns(released.at) < RELEASED_MEMORY_NS)
    }

    /// Whether a keepalive of an unknown lease deserves an answer now; remembers that it got one.
    /// [TP-DRV-0580]
    pub(super) fn may_answer_unknown(&mut self, now: NanoTime, id: LeaseId) -> bool {
        while self
            .unknown
            .front()
            .is_some_and(|(_, at)| now.since_ns(*at) >= UNKNOWN_ANSWER_INTERVAL_NS)
        {
            self.unknown.pop_front();
        }
        let answered = self.unknown.iter().any(|(known, _)| *known == id);
        if answered || self.unknown.len() == MAX_UNKNOWN {
            return false;
        }
        self.unknown.push_back((id, now));
        true
    }

    /// The first lease that is over at `now`.
    /// [TP-DRV-0560]
    pub(super) fn expired(&self, now: NanoTime) -> Option<LeaseId> {
        self.iter()
            .find(|lease| lease.expiry <= now)
            .map(|lease| lease.key.lease_id)
    }

    // [TP-DRV-0560]
    pub(super) fn next_expiry(&self) -> Option<NanoTime> {
        self.iter().map(|lease| lease.expiry).min()
    }
}

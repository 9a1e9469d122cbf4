//! What is always true of a lease table; checked after every input under debug assertions.

use std::collections::BTreeSet;

use super::actions::LeaseAction;
use super::leases::ClientSlot;
use super::streams::Stream;
use super::table::{LeaseTable, Phase, SHUTDOWN_NOTICES};
use crate::common::Role;

impl LeaseTable {
    /// Panics when the table contradicts itself; does nothing in builds without debug assertions.
    pub fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            self.check_streams();
            self.check_leases();
            self.check_outboxes();
        }
    }

    fn check_streams(&self) {
        assert!(self.streams.is_sorted_by(|a, b| a.id < b.id));
        assert!(self.streams.len() <= self.config.max_streams());
        let is_live = |stream: &&Stream| stream.live.is_some();
        let live_count = self.streams.iter().filter(is_live).count();
        assert_eq!(self.stats.streams_live, live_count as u64);
        let mut epochs = BTreeSet::new();
        for stream in &self.streams {
            let on_disk = stream
                .superseded
                .iter()
                .chain(&stream.live)
                .map(|disk| disk.epoch);
            let all: Vec<_> = on_disk.chain(stream.work.map(|work| work.epoch)).collect();
            assert!(
                all.is_sorted_by(|a, b| a < b),
                "stream {}: epochs {all:?}",
                stream.id
            );
            for epoch in all {
                assert!(epochs.insert(epoch), "epoch {epoch} belongs to two streams");
                assert!(epoch <= self.epochs.last());
            }
            if let Some((lease_id, client_id)) = stream.producer {
                let lease = self.leases.get(lease_id).expect("a producer has a lease");
                assert_eq!(
                    (lease.key.role, lease.key.client_id),
                    (Role::Producer, client_id)
                );
                assert!(
                    stream.live.is_some_and(|live| live.written),
                    "a producer has memory"
                );
                assert!(stream.waiting_producer().is_none(), "two producers");
            }
            let leases = self.leases.iter();
            let on_it = leases.filter(|lease| lease.key.stream_id == stream.id);
            assert_eq!(on_it.count(), stream.lease_count, "leases on {}", stream.id);
            assert!(
                stream.idle_since.is_none() || (stream.is_dynamic && !stream.is_in_use()),
                "stream {} is not idle",
                stream.id
            );
            let waiting = stream
                .attaches
                .iter()
                .filter(|waiter| waiter.role == Role::Producer);
            assert!(
                waiting.count() <= 1,
                "two producers wait on stream {}",
                stream.id
            );
            let closed = matches!(self.phase, Phase::Closed { .. });
            assert!(
                stream.attaches.is_empty() || stream.work.is_some() || closed,
                "attaches on stream {} wait for nothing",
                stream.id
            );
        }
    }

    fn check_leases(&self) {
        let mut producers = BTreeSet::new();
        for lease in self.leases.iter() {
            let key = lease.key;
            assert_eq!(
                self.leases.client(key.client_id),
                Some(ClientSlot::Holds(key.lease_id))
            );
            if key.role == Role::Producer {
                assert!(
                    producers.insert(key.stream_id),
                    "two producers on {}",
                    key.stream_id
                );
                let index = self
                    .stream_index(key.stream_id)
                    .expect("a lease has a stream");
                let producer = self.streams[index].producer.map(|(lease_id, _)| lease_id);
                assert_eq!(
                    producer,
                    Some(key.lease_id),
                    "the stream knows its producer"
                );
            }
        }
        assert!(self.leases.client_count() <= self.config.max_leases);
        assert_eq!(
            self.node_ids.held_count(),
            self.leases.client_count(),
            "node ids held"
        );
    }

    fn check_outboxes(&self) {
        let waiting: usize = self
            .streams
            .iter()
            .map(|stream| stream.attaches.len())
            .sum();
        let detaching: usize = self
            .streams
            .iter()
            .map(|stream| stream.detaches.len())
            .sum();
        assert_eq!(
            self.leases.client_count(),
            self.leases.len() + waiting,
            "client slots"
        );
        let notices = if matches!(self.phase, Phase::Closed { .. }) {
            0
        } else {
            SHUTDOWN_NOTICES
        };
        let owed = self.leases.len() + 2 * waiting + detaching + notices;
        assert_eq!(self.control.reserved(), owed, "room on control");
        let mut seen = BTreeSet::new();
        for action in self.announces.iter() {
            let LeaseAction::Announce(announcement) = action else {
                panic!("not an announce: {action:?}")
            };
            assert!(
                seen.insert(announcement.stream_id),
                "two announces of one stream"
            );
            let live = self.live_epoch(announcement.stream_id);
            assert_eq!(
                live,
                Some(announcement.epoch),
                "an announce tells the live epoch"
            );
        }
        for stream in &self.streams {
            let planned = stream.announce_due.is_some() || self.announces.contains(stream.id);
            assert_eq!(
                stream.live.is_some(),
                planned,
                "stream {}: announce plan",
                stream.id
            );
        }
        let provisions = self
            .region
            .iter()
            .filter(|action| matches!(action, LeaseAction::Provision(_)))
            .count();
        assert_eq!(
            self.region.reserved() + provisions,
            self.streams.len(),
            "room for regions"
        );
    }
}

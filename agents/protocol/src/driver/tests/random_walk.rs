//! A random walk: any sequence of inputs, back-pressure on any outbox, a worker that fails now and
//! then. After each step the table checks itself; here the walk checks what only an outsider can:
//! what was said, and how often.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tensorpool_codecs::types::{ClientId, CorrelationId, Epoch, LeaseId, NanoTime, StreamId};

use super::support::*;
use crate::common::{LeaseRevokeReason, PublishMode, ResponseCode, Role, ShutdownReason};
use crate::driver::{
    AttachGrant, AttachRequest, Destination, DetachRequest, DynamicStreams, LeaseAction,
    LeaseConfig, LeaseTable, ProvisionOrder, RegionFailure, StreamIdRange,
};

#[derive(Clone, Debug)]
enum Step {
    Attach {
        client: u32,
        producer: bool,
        stream: u32,
        creates: bool,
    },
    Retry {
        which: usize,
    },
    Detach {
        which: usize,
    },
    Keepalive {
        which: usize,
    },
    Stranger {
        lease: u64,
    },
    Wait {
        ms: u64,
    },
    Stall {
        ms: u64,
    },
    Link {
        up: bool,
    },
    Drain {
        destination: usize,
        count: usize,
    },
    Worker {
        fails: bool,
        full: bool,
    },
    Destroy {
        stream: u32,
    },
    Unsaid,
    Close,
}

/// Configured ones, dynamic ones, one that cannot be, and whichever is free.
fn stream() -> impl Strategy<Value = u32> {
    prop_oneof![4 => STREAM..STREAM + 5, 1 => Just(0)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..6u32, any::<bool>(), stream(), any::<bool>())
            .prop_map(|(client, producer, stream, creates)| {
                Step::Attach { client, producer, stream, creates }
            }),
        2 => any::<usize>().prop_map(|which| Step::Retry { which }),
        2 => any::<usize>().prop_map(|which| Step::Detach { which }),
        3 => any::<usize>().prop_map(|which| Step::Keepalive { which }),
        1 => (0..9u64).prop_map(|lease| Step::Stranger { lease }),
        4 => (0..2_500u64).prop_map(|ms| Step::Wait { ms }),
        1 => (0..9_000u64).prop_map(|ms| Step::Stall { ms }),
        1 => any::<bool>().prop_map(|up| Step::Link { up }),
        8 => (0..3usize, 1..6usize)
            .prop_map(|(destination, count)| Step::Drain { destination, count }),
        4 => (prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(fails, full)| Step::Worker { fails, full }),
        1 => stream().prop_map(|stream| Step::Destroy { stream }),
        1 => Just(Step::Unsaid),
        1 => prop::bool::weighted(0.02).prop_map(|close| {
            if close { Step::Close } else { Step::Wait { ms: 1 } }
        }),
    ]
}

/// The world around the table: what it was asked, what it said.
struct Walk {
    table: LeaseTable,
    now: NanoTime,
    next_correlation: i64,
    asked: Vec<AttachRequest>,
    orders: Vec<ProvisionOrder>,
    holders: BTreeMap<LeaseId, (AttachGrant, ClientId, Role)>,
    ended: BTreeSet<LeaseId>,
    unsaid: BTreeSet<LeaseId>,
    producers: BTreeMap<StreamId, LeaseId>,
    announced: BTreeMap<StreamId, Epoch>,
    born: BTreeSet<Epoch>,
    retired: BTreeSet<Epoch>,
    answers: BTreeMap<CorrelationId, usize>,
}

impl Walk {
    fn new() -> Self {
        let config = LeaseConfig {
            max_leases: 5,
            max_queued_answers: 6,
            dynamic: Some(DynamicStreams {
                ranges: vec![StreamIdRange {
                    first: StreamId::new(STREAM + 2),
                    last: StreamId::new(STREAM + 3),
                }],
                geometry: geometry(),
                max_streams: 2,
            }),
            ..config()
        };
        Self {
            table: LeaseTable::new(config).unwrap(),
            now: NanoTime::new(S),
            next_correlation: 0,
            asked: vec![],
            orders: vec![],
            holders: BTreeMap::new(),
            ended: BTreeSet::new(),
            unsaid: BTreeSet::new(),
            producers: BTreeMap::new(),
            announced: BTreeMap::new(),
            born: BTreeSet::new(),
            retired: BTreeSet::new(),
            answers: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Attach {
                client,
                producer,
                stream,
                creates,
            } => {
                self.next_correlation += 1;
                let role = if producer {
                    Role::Producer
                } else {
                    Role::Consumer
                };
                let mode = if creates {
                    PublishMode::ExistingOrCreate
                } else {
                    PublishMode::RequireExisting
                };
                let attach = AttachRequest {
                    publish_mode: mode.into(),
                    ..request(self.next_correlation, client, role, stream)
                };
                self.table.on_attach(self.now, &attach);
                self.asked.push(attach);
            }
            Step::Retry { which } => {
                if let Some(attach) = pick(&self.asked, which) {
                    self.table.on_attach(self.now, &attach);
                    self.asked.push(attach);
                }
            }
            Step::Detach { which } => self.detach(which),
            Step::Keepalive { which } => {
                let held: Vec<_> = self.holders.values().cloned().collect();
                if let Some((grant, client, role)) = pick(&held, which) {
                    let stream = grant.stream_id.get();
                    let alive = keepalive(grant.lease_id, client.get(), role, stream);
                    self.table.on_keepalive(self.now, &alive);
                }
            }
            Step::Stranger { lease } => {
                let stranger = keepalive(lease.into(), 99, Role::Producer, STREAM);
                self.table.on_keepalive(self.now, &stranger);
            }
            Step::Wait { ms } => {
                self.now = self.now.after_ns(ms * MS);
                self.table.on_timeout(self.now);
            }
            Step::Stall { ms } => {
                self.now = self.now.after_ns(ms * MS);
                self.table.on_stall(self.now, ms * MS);
            }
            Step::Link { up: true } => self.table.on_link_up(self.now),
            Step::Link { up: false } => self.table.on_link_lost(self.now),
            Step::Drain { destination, count } => {
                for _ in 0..count {
                    self.carry_out(Destination::ALL[destination]);
                }
            }
            Step::Worker { fails, full } => self.work(fails, full),
            Step::Destroy { stream } => {
                let stream_id = StreamId::new(stream);
                if let Some(epoch) = self.table.live_epoch(stream_id) {
                    self.table.on_region_lost(self.now, stream_id, epoch);
                }
            }
            Step::Unsaid => self.refuse_grant(),
            Step::Close => self.table.on_close(self.now, ShutdownReason::Normal),
        }
    }

    fn detach(&mut self, which: usize) {
        let held: Vec<_> = self.holders.values().cloned().collect();
        let Some((grant, client_id, role)) = pick(&held, which) else {
            return;
        };
        self.next_correlation += 1;
        let detach = DetachRequest {
            correlation_id: CorrelationId::new(self.next_correlation),
            lease_id: grant.lease_id,
            stream_id: grant.stream_id,
            client_id,
            role: role.into(),
        };
        self.table.on_detach(self.now, &detach);
    }

    fn work(&mut self, fails: bool, full: bool) {
        if self.orders.is_empty() {
            return;
        }
        let order = self.orders.remove(0);
        if fails {
            let no_space = RegionFailure::NoSpace {
                needed_bytes: 2,
                available_bytes: 1,
            };
            let failure = if full {
                no_space
            } else {
                RegionFailure::Other("broken".into())
            };
            self.table
                .on_region_failed(self.now, order.stream_id, order.epoch, &failure);
        } else {
            assert!(
                self.born.insert(order.epoch),
                "epoch {} was made twice",
                order.epoch
            );
            self.table
                .on_region_ready(self.now, order.stream_id, order.epoch);
        }
    }

    fn carry_out(&mut self, destination: Destination) {
        let Some(action) = self.table.peek_action(destination).cloned() else {
            return;
        };
        assert_eq!(
            self.table.peek_action(destination),
            Some(&action),
            "peeking changes nothing"
        );
        self.table.pop_action(destination);
        match action {
            LeaseAction::AttachOk(grant) => self.heard_grant(grant),
            LeaseAction::AttachRefused(refusal) => {
                assert_ne!(refusal.code, ResponseCode::Ok);
                *self.answers.entry(refusal.correlation_id).or_default() += 1;
            }
            LeaseAction::Revoke(revoked) if self.unsaid.remove(&revoked.lease_id) => {
                assert!(self.ended.insert(revoked.lease_id), "a lease ends once");
                self.holders.remove(&revoked.lease_id);
                let producer = self.producers.get(&revoked.stream_id);
                if producer == Some(&revoked.lease_id) {
                    self.producers.remove(&revoked.stream_id);
                }
            }
            LeaseAction::Revoke(revoked) if !self.holders.contains_key(&revoked.lease_id) => {
                let reason = revoked.reason;
                assert_eq!(
                    reason,
                    LeaseRevokeReason::Revoked,
                    "only granted leases end"
                );
            }
            LeaseAction::Revoke(revoked) => {
                assert!(self.ended.insert(revoked.lease_id), "a lease ends once");
                self.holders
                    .remove(&revoked.lease_id)
                    .expect("only granted leases end");
                if revoked.role == Role::Producer {
                    let producer = self.producers.remove(&revoked.stream_id);
                    assert_eq!(producer, Some(revoked.lease_id));
                }
            }
            LeaseAction::Announce(announce) => {
                let last = self.announced.insert(announce.stream_id, announce.epoch);
                assert!(
                    last <= Some(announce.epoch),
                    "announced epochs never go back"
                );
                assert!(
                    !self.retired.contains(&announce.epoch),
                    "a retired epoch was announced"
                );
                if let Some(client) = announce.producer {
                    let known = self
                        .holders
                        .values()
                        .any(|(_, holder, _)| *holder == client);
                    assert!(known, "an announce names a producer before its grant left");
                }
            }
            LeaseAction::Provision(order) => self.orders.push(order),
            LeaseAction::RefreshActivity { epoch, .. } => assert!(self.born.contains(&epoch)),
            LeaseAction::Retire { stream_id, epoch }
            | LeaseAction::Abandon { stream_id, epoch } => {
                assert!(self.retired.insert(epoch), "an epoch is retired once");
                assert_ne!(self.table.live_epoch(stream_id), Some(epoch));
            }
            LeaseAction::Detached(_) | LeaseAction::ShutdownNotice { .. } => {}
        }
    }

    /// The next grant does not fit the control stream: a refusal goes out in its place.
    fn refuse_grant(&mut self) {
        let next = self.table.peek_action(Destination::Control);
        let Some(LeaseAction::AttachOk(grant)) = next.cloned() else {
            return;
        };
        self.table.pop_action(Destination::Control);
        *self.answers.entry(grant.correlation_id).or_default() += 1;
        self.unsaid.insert(grant.lease_id);
        self.table.on_grant_unsaid(self.now, grant.lease_id);
    }

    fn heard_grant(&mut self, grant: AttachGrant) {
        *self.answers.entry(grant.correlation_id).or_default() += 1;
        assert!(self.born.contains(&grant.epoch), "granted memory exists");
        if self.ended.contains(&grant.lease_id) || self.holders.contains_key(&grant.lease_id) {
            return;
        }
        let asked = self
            .asked
            .iter()
            .find(|asked| asked.correlation_id == grant.correlation_id);
        let asked = asked.expect("a grant answers a request");
        let role = asked.role.known().unwrap();
        let wanted = asked.stream_id;
        assert!(wanted.get() == 0 || grant.stream_id == wanted);
        if role == Role::Producer {
            let other = self.producers.insert(grant.stream_id, grant.lease_id);
            assert_eq!(other, None, "one producer per stream");
        }
        self.holders
            .insert(grant.lease_id, (grant, asked.client_id, role));
    }

    /// Lets everything come to rest and draws the balance.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            Destination::ALL
                .into_iter()
                .for_each(|to| self.carry_out(to));
            self.work(false, false);
        }
        let stats = self.table.stats();
        let ok = stats.attach_granted + stats.attach_resent;
        let answered = ok + stats.attach_refused;
        let accounted = answered + stats.attach_joined + stats.attach_dropped;
        assert_eq!(stats.attaches_waiting, 0, "nobody waits for ever");
        assert_eq!(
            stats.attach_requests, accounted,
            "every attach has one fate"
        );
        let heard: usize = self.answers.values().sum();
        assert_eq!(heard as u64, answered, "no answer is lost");
        assert_eq!(
            self.holders.len() as u64,
            stats.leases,
            "what is held is what was granted"
        );
        let ended = stats.leases_detached + stats.leases_expired + stats.leases_revoked;
        assert_eq!(self.ended.len() as u64, ended, "no revocation is lost");
    }
}

fn pick<T: Clone>(from: &[T], which: usize) -> Option<T> {
    from.get(which.checked_rem(from.len())?).cloned()
}

proptest! {
    #![proptest_config(ProptestConfig::default())]

    #[test]
    fn any_walk_keeps_every_promise(steps in prop::collection::vec(step(), 1..200)) {
        let mut walk = Walk::new();
        for step in &steps {
            walk.step(step);
        }
        walk.settle();
    }
}

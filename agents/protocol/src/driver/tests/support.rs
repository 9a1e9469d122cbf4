//! A lease table with a clock that moves by hand, and short names for what tests do to it.

use std::sync::Arc;

use tensorpool_codecs::types::{
    ClientId, CorrelationId, Epoch, LeaseId, NanoTime, PoolId, StreamId,
};

use crate::common::{
    EnumField, HugepagesPolicy, PoolGeometry, PublishMode, ResponseCode, Role, StreamGeometry,
};
use crate::driver::{
    Announcement, AttachGrant, AttachRefusal, AttachRequest, Destination, DetachAnswer,
    DetachRequest, Keepalive, LeaseAction, LeaseConfig, LeaseTable, ProvisionOrder, RegionFailure,
    Revocation, StreamSpec,
};

pub(super) const MS: u64 = 1_000_000;
pub(super) const S: u64 = 1_000 * MS;
pub(super) const STREAM: u32 = 10_000;
pub(super) const OTHER: u32 = 10_001;

pub(super) fn geometry() -> Arc<StreamGeometry> {
    let pool = PoolGeometry {
        pool_id: PoolId::new(1),
        stride_bytes: 4096,
    };
    Arc::new(StreamGeometry::new(8, vec![pool]).unwrap())
}

pub(super) fn config() -> LeaseConfig {
    let spec = |id| StreamSpec {
        stream_id: StreamId::new(id),
        geometry: geometry(),
    };
    LeaseConfig {
        streams: vec![spec(OTHER), spec(STREAM)],
        epoch_min_age_ns: 0,
        lease_id_seed: 500,
        shutdown_token: b"secret".to_vec(),
        ..LeaseConfig::default()
    }
}

pub(super) struct Driver {
    pub(super) table: LeaseTable,
    pub(super) now: NanoTime,
    correlation: i64,
}

impl Driver {
    pub(super) fn new(config: LeaseConfig) -> Self {
        let table = LeaseTable::new(config).unwrap();
        Self {
            table,
            now: NanoTime::new(100 * S),
            correlation: 0,
        }
    }

    pub(super) fn attach(&mut self, client: u32, role: Role, stream: u32) -> AttachRequest {
        self.correlation += 1;
        let request = request(self.correlation, client, role, stream);
        self.table.on_attach(self.now, &request);
        request
    }

    /// Advances the clock and lets the table do what is due.
    pub(super) fn advance(&mut self, by_ns: u64) {
        self.now = self.now.after_ns(by_ns);
        self.table.on_timeout(self.now);
    }

    /// Takes the next action of a destination as carried out.
    pub(super) fn take(&mut self, destination: Destination) -> Option<LeaseAction> {
        let action = self.table.peek_action(destination).cloned()?;
        self.table.pop_action(destination);
        Some(action)
    }

    /// Carries out everything there is, the region worker included, and tells in which order.
    pub(super) fn run(&mut self) -> Vec<LeaseAction> {
        let mut done = Vec::new();
        while let Some(action) = Destination::ALL.into_iter().find_map(|to| self.take(to)) {
            if let LeaseAction::Provision(order) = &action {
                self.table
                    .on_region_ready(self.now, order.stream_id, order.epoch);
            }
            done.push(action);
        }
        done
    }

    /// As [`run`](Self::run), without the refreshes and retirements.
    pub(super) fn run_said(&mut self) -> Vec<LeaseAction> {
        let mut done = self.run();
        done.retain(|action| {
            !matches!(
                action,
                LeaseAction::RefreshActivity { .. }
                    | LeaseAction::Retire { .. }
                    | LeaseAction::Abandon { .. }
                    | LeaseAction::Provision(_)
            )
        });
        done
    }

    pub(super) fn order(&mut self) -> ProvisionOrder {
        loop {
            match self
                .take(Destination::Region)
                .expect("an order for the region worker")
            {
                LeaseAction::Provision(order) => return order,
                LeaseAction::RefreshActivity { .. }
                | LeaseAction::Retire { .. }
                | LeaseAction::Abandon { .. } => {}
                other => panic!("not for the region worker: {other:?}"),
            }
        }
    }

    pub(super) fn ready(&mut self, order: &ProvisionOrder) {
        self.table
            .on_region_ready(self.now, order.stream_id, order.epoch);
    }

    pub(super) fn fail(&mut self, order: &ProvisionOrder, failure: &RegionFailure) {
        self.table
            .on_region_failed(self.now, order.stream_id, order.epoch, failure);
    }

    /// Attaches and runs everything; panics unless granted.
    pub(super) fn granted(&mut self, client: u32, role: Role, stream: u32) -> AttachGrant {
        let request = self.attach(client, role, stream);
        let done = self.run();
        let grant = done.into_iter().find_map(|action| match action {
            LeaseAction::AttachOk(grant) if grant.correlation_id == request.correlation_id => {
                Some(grant)
            }
            _ => None,
        });
        grant.expect("the attach is granted")
    }

    pub(super) fn detach(&mut self, grant: &AttachGrant, client: u32, role: Role) -> DetachRequest {
        self.correlation += 1;
        let request = DetachRequest {
            correlation_id: CorrelationId::new(self.correlation),
            lease_id: grant.lease_id,
            stream_id: grant.stream_id,
            client_id: ClientId::new(client),
            role: role.into(),
        };
        self.table.on_detach(self.now, &request);
        request
    }

    pub(super) fn keepalive(&mut self, grant: &AttachGrant, client: u32, role: Role) {
        let keepalive = keepalive(grant.lease_id, client, role, grant.stream_id.get());
        self.table.on_keepalive(self.now, &keepalive);
    }

    pub(super) fn live(&self, stream: u32) -> Option<Epoch> {
        self.table.live_epoch(StreamId::new(stream))
    }
}

pub(super) fn keepalive(lease_id: LeaseId, client: u32, role: Role, stream: u32) -> Keepalive {
    Keepalive {
        lease_id,
        stream_id: StreamId::new(stream),
        client_id: ClientId::new(client),
        role: role.into(),
    }
}

pub(super) fn request(correlation: i64, client: u32, role: Role, stream: u32) -> AttachRequest {
    AttachRequest {
        correlation_id: CorrelationId::new(correlation),
        stream_id: StreamId::new(stream),
        client_id: ClientId::new(client),
        role: EnumField::Known(role),
        expected_layout_version: 1,
        publish_mode: EnumField::Known(PublishMode::RequireExisting),
        hugepages: EnumField::Known(HugepagesPolicy::Unspecified),
        desired_node_id: None,
    }
}

pub(super) fn refusals(done: &[LeaseAction]) -> Vec<(ResponseCode, String)> {
    let refusals = done.iter().filter_map(|action| match action {
        LeaseAction::AttachRefused(AttachRefusal { code, text, .. }) => {
            Some((*code, text.to_string()))
        }
        _ => None,
    });
    refusals.collect()
}

/// One letter per action: A attach OK, R refused, D detached, V revoked, N announce, S shutdown
/// notice.
pub(super) fn letters(done: &[LeaseAction]) -> String {
    let letter = |action: &LeaseAction| match action {
        LeaseAction::AttachOk(_) => 'A',
        LeaseAction::AttachRefused(_) => 'R',
        LeaseAction::Detached(_) => 'D',
        LeaseAction::Revoke(_) => 'V',
        LeaseAction::ShutdownNotice { .. } => 'S',
        LeaseAction::Announce(_) => 'N',
        LeaseAction::Provision(_) => 'p',
        LeaseAction::RefreshActivity { .. } => 'f',
        LeaseAction::Retire { .. } => 'r',
        LeaseAction::Abandon { .. } => 'a',
    };
    done.iter().map(letter).collect()
}

pub(super) fn announces(done: &[LeaseAction]) -> Vec<Announcement> {
    let announces = done.iter().filter_map(|action| match action {
        LeaseAction::Announce(announcement) => Some(announcement.clone()),
        _ => None,
    });
    announces.collect()
}

pub(super) fn revocations(done: &[LeaseAction]) -> Vec<Revocation> {
    let revocations = done.iter().filter_map(|action| match action {
        LeaseAction::Revoke(revocation) => Some(*revocation),
        _ => None,
    });
    revocations.collect()
}

pub(super) fn detach_answers(done: &[LeaseAction]) -> Vec<DetachAnswer> {
    let answers = done.iter().filter_map(|action| match action {
        LeaseAction::Detached(answer) => Some(answer.clone()),
        _ => None,
    });
    answers.collect()
}

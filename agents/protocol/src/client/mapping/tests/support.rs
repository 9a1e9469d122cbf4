//! Grants, announces and what becomes of them, for the tests beside this file.

use tensorpool_codecs::types::LeaseId;

use super::*;
use crate::client::Adoption;
use crate::client::RawRegions;
use crate::client::regions::tests::raw_regions;
use crate::common::EnumField;

pub(super) const STREAM: StreamId = StreamId::new(10_000);
pub(super) const PRODUCER: ClientId = ClientId::new(77);
pub(super) const MS: u64 = 1_000_000;

pub(super) fn at(ms: u64) -> NanoTime {
    NanoTime::new(1_000_000_000_000 + ms * MS)
}

pub(super) fn raw(epoch: u64) -> RawRegions {
    let mut raw = raw_regions();
    raw.header_uri = format!("shm:file?path=/pools/{epoch}/header");
    raw
}

pub(super) fn regions(epoch: u64) -> RegionSet {
    RegionSet::check(STREAM, Epoch::new(epoch), 1, &raw(epoch)).unwrap()
}

pub(super) fn announce(ms: u64, epoch: u64) -> Announce {
    Announce {
        stream_id: STREAM,
        producer_id: Some(PRODUCER),
        epoch: Epoch::new(epoch),
        timestamp: at(ms),
        clock_domain: Some(ClockDomain::Monotonic),
        layout_version: 1,
        regions: raw(epoch),
    }
}

pub(super) fn revoked(client: ClientId, reason: LeaseRevokeReason) -> LeaseRevoked {
    LeaseRevoked {
        lease_id: LeaseId::new(1),
        stream_id: STREAM,
        client_id: client,
        role: EnumField::Known(Role::Producer),
        reason: EnumField::Known(reason),
    }
}

pub(super) fn actions(core: &mut MappingCore) -> Vec<MappingAction> {
    std::iter::from_fn(|| core.poll_action()).collect()
}

pub(super) fn ticket(core: &mut MappingCore) -> MapTicket {
    match &actions(core)[..] {
        [MappingAction::Map { ticket, .. }] => *ticket,
        other => panic!("expected one request to map, found {other:?}"),
    }
}

pub(super) fn consumer() -> MappingCore {
    MappingCore::new(MappingConfig::new(Role::Consumer, 1))
}

/// A consumer that mapped this epoch from its grant and heard one announce of it.
pub(super) fn mapped(epoch: u64) -> MappingCore {
    let mut core = consumer();
    core.on_joined(at(0));
    core.on_granted(at(0), &regions(epoch));
    let ticket = ticket(&mut core);
    core.on_mapped(at(1), ticket);
    core.on_announce(at(2), at(0), &announce(2, epoch));
    let adopt = MappingAction::Adopt {
        ticket,
        stream_id: STREAM,
        epoch: Epoch::new(epoch),
        adoption: Adoption::First,
    };
    assert_eq!(actions(&mut core), [adopt]);
    core
}

pub(super) fn hear(core: &mut MappingCore, ms: u64, epoch: u64) {
    core.on_announce(at(ms), at(0), &announce(ms, epoch));
}

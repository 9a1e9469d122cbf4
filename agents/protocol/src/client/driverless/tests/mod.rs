//! What a provider and a watcher promise, with a clock that is an integer.

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, StreamId};

use crate::client::regions::tests::raw_regions;
use crate::client::{
    Announce, AttachConfig, AttachEvent, ClockDomain, Provider, ProviderAction, RegionSet,
};
use crate::common::Role;

mod going;
mod providing;
mod rivalry;
mod watching;

const STREAM: StreamId = StreamId::new(10_000);
const OWN_EPOCH: u64 = 500;
const MS: u64 = 1_000_000;

fn at(ms: u64) -> NanoTime {
    NanoTime::new(1_000_000_000_000 + ms * MS)
}

fn config(role: Role) -> AttachConfig {
    AttachConfig::new(STREAM, role, 42)
}

fn regions(epoch: u64) -> RegionSet {
    RegionSet::check(STREAM, Epoch::new(epoch), 1, &raw_regions()).unwrap()
}

/// One that was opened at 0 on a link that is up, and asked the worker.
fn making() -> (Provider, crate::client::ProvideTicket) {
    let mut provider = Provider::new(config(Role::Producer));
    provider.on_link_up(at(0));
    provider.open(at(0));
    provider.on_timeout(at(0));
    let ticket = ticket(&mut provider);
    (provider, ticket)
}

/// One whose regions were made at 0.
fn provided() -> Provider {
    let (mut provider, ticket) = making();
    provider.on_provided(at(0), ticket, regions(OWN_EPOCH), 0);
    assert!(matches!(
        events(&mut provider)[..],
        [AttachEvent::Attached(_)]
    ));
    provider
}

fn ticket(provider: &mut Provider) -> crate::client::ProvideTicket {
    match actions(provider)[..] {
        [ProviderAction::Provide { ticket }] => ticket,
        ref other => panic!("expected one request, found {other:?}"),
    }
}

fn actions(provider: &mut Provider) -> Vec<ProviderAction> {
    std::iter::from_fn(|| provider.poll_action()).collect()
}

fn events(provider: &mut Provider) -> Vec<AttachEvent> {
    std::iter::from_fn(|| provider.poll_event()).collect()
}

fn announce(ms: u64, producer: u32, epoch: u64) -> Announce {
    Announce {
        stream_id: STREAM,
        producer_id: Some(ClientId::new(producer)),
        epoch: Epoch::new(epoch),
        timestamp: at(ms),
        clock_domain: Some(ClockDomain::Monotonic),
        layout_version: 1,
        regions: raw_regions(),
    }
}

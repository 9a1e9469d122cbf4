//! Dynamic streams: who may create one, which id it gets, and when it ends.

use tensorpool_codecs::types::StreamId;

use super::support::*;
use crate::common::{EnumField, PublishMode, ResponseCode, Role};
use crate::driver::{
    AttachGrant, AttachRequest, Destination, DynamicStreams, LeaseAction, LeaseConfig,
    LeaseConfigError, LeaseTable, RangeError, RegionFailure, StreamIdRange,
};

const P: Role = Role::Producer;
const C: Role = Role::Consumer;

fn range(first: u32, last: u32) -> StreamIdRange {
    StreamIdRange {
        first: StreamId::new(first),
        last: StreamId::new(last),
    }
}

/// The usual streams, and dynamic ones with ids of `ranges`.
fn with_ranges(ranges: &[StreamIdRange]) -> LeaseConfig {
    LeaseConfig {
        dynamic: Some(DynamicStreams {
            ranges: ranges.to_vec(),
            geometry: geometry(),
            max_streams: 8,
        }),
        ..config()
    }
}

fn dynamic() -> LeaseConfig {
    with_ranges(&[range(20_000, 20_002)])
}

impl Driver {
    /// Asks for a stream that may be created.
    fn create(&mut self, client: u32, role: Role, stream: u32) -> AttachRequest {
        let correlation = 1_000 + i64::from(client);
        let request = AttachRequest {
            publish_mode: PublishMode::ExistingOrCreate.into(),
            ..request(correlation, client, role, stream)
        };
        self.table.on_attach(self.now, &request);
        request
    }

    fn created(&mut self, client: u32, role: Role, stream: u32) -> AttachGrant {
        let request = self.create(client, role, stream);
        let done = self.run();
        let grant = done.into_iter().find_map(|action| match action {
            LeaseAction::AttachOk(grant) if grant.correlation_id == request.correlation_id => {
                Some(grant)
            }
            _ => None,
        });
        grant.expect("the attach is granted")
    }

    fn refusal(&mut self) -> (ResponseCode, String) {
        let done = self.run();
        assert_eq!(letters(&done), "R", "{done:?}");
        refusals(&done).remove(0)
    }

    /// Lets a time pass in small steps, without keepalives.
    fn pass(&mut self, time_ns: u64) -> Vec<LeaseAction> {
        let mut done = Vec::new();
        let end = self.now.after_ns(time_ns);
        while self.now < end {
            self.advance(100 * MS);
            done.extend(self.run());
        }
        done
    }
}

fn rejected(text: &str) -> (ResponseCode, String) {
    (ResponseCode::Rejected, text.to_owned())
}

/// Proves [TP-DRV-1510], [TP-DRV-1545].
#[test]
fn an_id_in_the_range_is_granted_as_it_is_and_the_lease_is_on_it() {
    for role in [P, C] {
        let mut driver = Driver::new(dynamic());
        let grant = driver.created(7, role, 20_001);
        assert_eq!(grant.stream_id, StreamId::new(20_001));
        assert_eq!(driver.live(20_001), Some(grant.epoch));
        driver.keepalive(&grant, 7, role);
        assert_eq!(driver.table.stats().keepalives, 1);
        driver.detach(&grant, 7, role);
        let done = driver.run();
        assert_eq!(detach_answers(&done)[0].code, ResponseCode::Ok);
        let ended = revocations(&done)[0];
        assert_eq!(ended.stream_id, StreamId::new(20_001));
    }
}

/// Proves [TP-DRV-1520], [TP-DRV-1522].
#[test]
fn id_0_stands_for_the_lowest_free_id_of_all_ranges() {
    let ranges = [range(30_000, 30_000), range(20_000, 20_001)];
    let mut driver = Driver::new(with_ranges(&ranges));
    driver.created(1, C, 20_000);
    let granted = [2, 3].map(|client| driver.created(client, P, 0).stream_id.get());
    assert_eq!(granted, [20_001, 30_000]);
    driver.create(4, P, 0);
    assert_eq!(driver.refusal(), rejected("stream_id_range exhausted"));
    assert_eq!(driver.table.stats().streams, 5);
}

/// Proves [TP-DRV-1525].
#[test]
fn an_id_outside_of_the_ranges_is_rejected_and_told_which_they_are() {
    let ranges = [range(20_000, 20_002), range(25_000, 25_000)];
    let mut driver = Driver::new(with_ranges(&ranges));
    for outside in [1, 19_999, 20_003, 24_999, 25_001, u32::MAX] {
        driver.create(7, P, outside);
        let text =
            format!("stream_id {outside} is outside stream_id_range 20000-20002, 25000-25000");
        assert_eq!(driver.refusal(), rejected(&text));
    }
    assert_eq!(driver.table.stats().streams, 2);
}

/// Proves [TP-DRV-1530].
#[test]
fn who_wants_what_exists_creates_nothing() {
    let modes = [
        EnumField::Null,
        EnumField::Known(PublishMode::RequireExisting),
    ];
    for (mode, stream) in modes
        .into_iter()
        .flat_map(|mode| [(mode, 0), (mode, 20_000)])
    {
        let mut driver = Driver::new(dynamic());
        let request = AttachRequest {
            publish_mode: mode,
            ..request(1, 7, P, stream)
        };
        driver.table.on_attach(driver.now, &request);
        assert_eq!(driver.refusal(), rejected("stream not provisioned"));
        driver.created(8, P, 20_000);
        driver.granted(9, C, 20_000);
    }
}

/// Proves [TP-DRV-1535].
#[test]
fn without_ranges_a_wish_for_a_new_stream_is_invalid() {
    let mut driver = Driver::new(with_ranges(&[]));
    for stream in [0, 20_000] {
        driver.create(7, P, stream);
        let text = "stream_id_range not configured".to_owned();
        assert_eq!(driver.refusal(), (ResponseCode::InvalidParams, text));
    }
    driver.created(7, P, STREAM);
}

/// Proves [TP-DRV-1540].
#[test]
fn more_dynamic_streams_than_there_may_be_are_rejected() {
    let mut config = with_ranges(&[range(20_000, 29_999)]);
    if let Some(dynamic) = &mut config.dynamic {
        dynamic.max_streams = 3;
    }
    let mut driver = Driver::new(config);
    for client in 1..=3 {
        driver.created(client, P, 0);
    }
    for stream in [0, 25_000] {
        driver.create(4, P, stream);
        assert_eq!(driver.refusal(), rejected("dynamic stream limit reached"));
    }
    driver.created(4, C, 20_001);
}

/// Proves [TP-DRV-1550].
#[test]
fn the_id_that_was_asked_for_names_the_lease_as_well() {
    let mut driver = Driver::new(dynamic());
    let grant = driver.created(7, P, 0);
    let as_asked = AttachGrant {
        stream_id: StreamId::new(0),
        ..grant.clone()
    };
    driver.advance(2 * S);
    driver.keepalive(&as_asked, 7, P);
    driver.advance(2 * S);
    assert_eq!(driver.table.stats().leases, 1, "the keepalive counted");
    let other = AttachGrant {
        stream_id: StreamId::new(STREAM),
        ..grant
    };
    driver.run();
    driver.detach(&other, 7, P);
    assert_eq!(detach_answers(&driver.run())[0].text, "unknown lease");
    for _ in 0..2 {
        driver.detach(&as_asked, 7, P);
        let done = driver.run();
        assert_eq!(detach_answers(&done)[0].code, ResponseCode::Ok);
    }
    assert_eq!(driver.table.stats().leases_detached, 1);
}

/// Proves [TP-DRV-1555].
#[test]
fn a_repeated_wish_for_any_id_is_answered_by_the_same_lease() {
    let mut driver = Driver::new(dynamic());
    let attach = driver.create(7, P, 0);
    let order = driver.order();
    driver.table.on_attach(driver.now, &attach);
    assert_eq!(driver.table.stats().attach_joined, 1);
    driver.ready(&order);
    let granted = driver.run_said().remove(0);
    driver.table.on_attach(driver.now, &attach);
    assert_eq!(driver.run_said(), [granted]);
    assert_eq!(driver.table.stats().streams_created, 1);
}

/// Proves [TP-DRV-1560].
#[test]
fn a_stream_nobody_holds_a_lease_on_for_a_lease_time_is_given_up_without_a_trace() {
    let mut driver = Driver::new(dynamic());
    let grant = driver.created(7, P, 0);
    driver.detach(&grant, 7, P);
    driver.run();
    let successor = driver.live(20_000).expect("consumers may still come");
    driver.pass(2_900 * MS);
    assert!(driver.live(20_000).is_some(), "not yet");
    let done = driver.pass(200 * MS);
    let retired = done.iter().filter_map(|action| match action {
        LeaseAction::Retire { epoch, .. } => Some(*epoch),
        _ => None,
    });
    assert!(retired.collect::<Vec<_>>().contains(&successor));
    assert_eq!(driver.table.stats().streams, 2);
    assert_eq!(driver.table.stats().streams_given_up, 1);
    assert_eq!(letters(&driver.pass(3 * S)), "", "nothing is announced");
    assert_eq!(
        driver.created(8, P, 0).stream_id.get(),
        20_000,
        "free again"
    );
}

/// Proves [TP-DRV-1570].
#[test]
fn a_stream_somebody_uses_or_came_back_to_is_not_given_up() {
    let mut driver = Driver::new(dynamic());
    let producer = driver.created(7, P, 20_000);
    let consumer = driver.granted(8, C, 20_000);
    driver.detach(&producer, 7, P);
    for _ in 0..10 {
        driver.pass(S);
        driver.keepalive(&consumer, 8, C);
    }
    assert!(driver.live(20_000).is_some(), "a consumer holds it");
    driver.detach(&consumer, 8, C);
    driver.pass(2_500 * MS);
    let back = driver.granted(9, P, 20_000);
    for _ in 0..10 {
        driver.pass(S);
        driver.keepalive(&back, 9, P);
    }
    assert_eq!(driver.live(20_000), Some(back.epoch), "somebody came back");
    driver.detach(&back, 9, P);
    driver.create(10, P, 20_000);
    let order = loop {
        let order = driver.order();
        if order.backing == crate::driver::Backing::Allocated {
            break order;
        }
        driver.ready(&order);
    };
    for _ in 0..100 {
        driver.advance(100 * MS);
    }
    driver.ready(&order);
    let done = driver.run_said();
    assert!(letters(&done).contains('A'), "somebody waited: {done:?}");
}

/// Proves [TP-DRV-1575].
#[test]
fn configured_streams_are_never_given_up() {
    let mut driver = Driver::new(dynamic());
    let grant = driver.granted(7, P, STREAM);
    driver.detach(&grant, 7, P);
    driver.pass(20 * S);
    assert!(driver.live(STREAM).is_some());
    assert_eq!(driver.table.stats().streams_given_up, 0);
}

/// Proves [TP-DRV-1580].
#[test]
fn a_stream_whose_memory_cannot_be_made_frees_its_id_at_once() {
    let mut driver = Driver::new(with_ranges(&[range(20_000, 20_000)]));
    for client in 1..20 {
        driver.create(client, P, 0);
        let order = driver.order();
        driver.fail(&order, &RegionFailure::Other("no".into()));
        let (code, text) = driver.refusal();
        assert_eq!(code, ResponseCode::InternalError, "{text}");
    }
    assert_eq!(driver.table.stats().streams, 2);
}

/// Proves [TP-DRV-1585].
#[test]
fn no_stream_is_given_up_while_clients_cannot_come_back() {
    let mut driver = Driver::new(dynamic());
    let grant = driver.created(7, P, 20_000);
    driver.detach(&grant, 7, P);
    driver.run();
    driver.table.on_link_lost(driver.now);
    driver.pass(20 * S);
    assert!(driver.live(20_000).is_some(), "the link is lost");
    driver.table.on_link_up(driver.now);
    driver.pass(2_900 * MS);
    assert!(driver.live(20_000).is_some(), "and has just come back");
    driver.pass(200 * MS);
    assert_eq!(driver.live(20_000), None);
}

#[test]
fn an_idle_stream_whose_memory_is_destroyed_gets_a_new_epoch_and_its_time() {
    let mut driver = Driver::new(dynamic());
    let grant = driver.created(7, C, 20_000);
    driver.detach(&grant, 7, C);
    driver.pass(S);
    driver
        .table
        .on_region_lost(driver.now, grant.stream_id, grant.epoch);
    driver.pass(2_500 * MS);
    assert!(driver.live(20_000) > Some(grant.epoch));
    driver.pass(S);
    assert_eq!(driver.live(20_000), None);
}

#[test]
fn what_the_worker_has_no_room_for_is_given_up_later() {
    let mut driver = Driver::new(LeaseConfig {
        kept_epochs: 200,
        ..dynamic()
    });
    for client in 1..=100 {
        let grant = driver.created(client, P, 20_000);
        driver.detach(&grant, client, P);
        driver.run();
    }
    driver.now = driver.now.after_ns(3_100 * MS);
    driver.table.on_timeout(driver.now);
    assert_eq!(driver.table.stats().streams, 3, "more epochs than room");
    driver.pass(S);
    assert_eq!(driver.table.stats().streams, 2);
    assert!(driver.table.peek_action(Destination::Region).is_none());
}

/// Proves [TP-DRV-1345].
#[test]
fn ranges_that_contradict_each_other_or_configured_streams_are_refused() {
    let refuse = |ranges: &[StreamIdRange]| LeaseTable::new(with_ranges(ranges)).unwrap_err();
    let (a, b) = (range(20_000, 20_010), range(20_010, 20_020));
    assert_eq!(
        refuse(&[a, b]),
        LeaseConfigError::Range(RangeError::Overlap(a, b))
    );
    for empty in [range(5, 4), range(0, 4)] {
        let expected = LeaseConfigError::Range(RangeError::Empty(empty));
        assert_eq!(refuse(&[empty]), expected);
    }
    let error = refuse(&[range(9_000, 10_000)]);
    let text = "stream 10000 is configured, and in the range 9000-10000";
    assert!(error.to_string().contains(text), "{error}");
}

#[test]
fn one_dynamic_stream_must_fit_at_the_start() {
    let needed = |config: &LeaseConfig| config.check_space(0).unwrap_err().needed_bytes;
    let without = needed(&config());
    let kept = u64::from(config().kept_epochs);
    let one = (kept + 1) * geometry().total_len();
    assert_eq!(needed(&dynamic()), without + one);
    assert_eq!(needed(&with_ranges(&[])), without);
}

/// Proves [TP-DRV-0270].
#[test]
fn a_stream_is_created_exactly_while_the_order_for_its_memory_fits() {
    let mut driver = Driver::new(dynamic());
    let keepers = [driver.created(8, C, 20_000), driver.created(9, C, 20_001)];
    assert_eq!(driver.table.stats().attach_dropped, 0);
    // A worker that takes nothing: refreshes fill what waits for it.
    for _ in 0..100 {
        driver.advance(S);
        for (client, keeper) in [8, 9].into_iter().zip(&keepers) {
            driver.keepalive(keeper, client, C);
        }
    }
    assert_eq!(driver.table.region.free(), 0);
    let before = driver.table.stats();
    driver.create(10, C, 20_002);
    let stats = driver.table.stats();
    assert_eq!((stats.attach_dropped, stats.streams), (1, before.streams));
    // Needs no order.
    driver.attach(11, C, 20_000);
    let stats = driver.table.stats();
    assert_eq!((stats.attach_dropped, stats.leases), (1, before.leases + 1));
    driver.run();
    driver.created(10, C, 20_002);
}

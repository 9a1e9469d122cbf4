//! Whose memory it is, what is made of it, and who may not have it.

use std::fs;
use std::path::PathBuf;

use tensorpool::client::{Event, OpenError};
use tensorpool::codecs::types::{Epoch, NanoTime, PoolId, StreamId};
use tensorpool::codecs::wire::ShmRegionSuperblock;
use tensorpool::driver::{DriverConfig, DriverSetup};
use tensorpool::runtime::clock::monotonic_ns;
use tensorpool::shm::driver::{EpochSpec, Fill, NamespaceRoot, RootSpec};
use tensorpool::shm::layout::{Geometry, PoolGeometry};
use tensorpool::shm::paths::{Namespace, UserName};

use super::*;

fn epoch_dir(world: &World, epoch: u64) -> PathBuf {
    let pools = world.dir.path().join("pools");
    let user = UserName::current().dir_name();
    let stream = STREAM.to_string();
    pools
        .join(user)
        .join("default")
        .join(stream)
        .join(epoch.to_string())
}

fn superblock(world: &World, epoch: u64, file: &str) -> ShmRegionSuperblock {
    let bytes = fs::read(epoch_dir(world, epoch).join(file)).unwrap();
    ShmRegionSuperblock::decode(bytes[..64].try_into().unwrap()).unwrap()
}

/// Makes an epoch as somebody else would.
fn leave_epoch(world: &World, epoch: u64, pid: u32, activity: NanoTime) {
    let root = NamespaceRoot::join(&RootSpec {
        base_dir: &world.dir.path().join("pools"),
        user: &UserName::current(),
        namespace: &Namespace::default(),
        file_mode: 0o660,
    });
    let pools = vec![PoolGeometry {
        id: PoolId::new(1),
        stride_bytes: 1024,
    }];
    let spec = EpochSpec {
        stream: STREAM,
        epoch: Epoch::new(epoch),
        geometry: &Geometry::new(SLOTS, pools).unwrap(),
        pid,
        created: activity,
        fill: Fill::Allocated,
        prefault: false,
        mlock: false,
        require_hugepages: false,
    };
    drop(root.unwrap().create_epoch(&spec).unwrap());
}

/// Nobody has this pid: it exceeds the kernel's limit.
const GONE: u32 = 0x3fff_fff0;

/// Proves [TP-CLI-3100], [TP-CLI-3232].
#[test]
fn regions_lie_in_the_canonical_place_bear_the_producers_pid_and_are_kept_fresh() {
    let world = World::without_driver();
    let mut config = world.client_config();
    config.announce_period = Duration::from_millis(20);
    let client = Client::connect(config).unwrap();
    let producer = produce(&world, &client);
    let epoch = producer.epoch().unwrap().get();
    let files = ["header.ring", "1.pool", "2.pool"];
    let blocks = files.map(|file| superblock(&world, epoch, file));
    for block in blocks {
        assert_eq!(block.pid, u64::from(std::process::id()));
        assert_eq!((block.epoch, block.stream_id), (epoch, STREAM.get()));
        assert_eq!(block.nslots, SLOTS);
    }
    for (file, block) in files.iter().zip(blocks) {
        let before = block.activity_timestamp_ns;
        wait(|| superblock(&world, epoch, file).activity_timestamp_ns > before);
    }
    assert_eq!(producer.stats().frames_published, 0);
}

/// Proves [TP-CLI-3110].
#[test]
fn every_start_has_an_epoch_above_all_that_were_there_and_the_clock() {
    let world = World::without_driver();
    let client = world.client();
    let before = monotonic_ns().get();
    let first = produce(&world, &client).epoch().unwrap().get();
    assert!(first >= before, "{first} {before}");
    let ahead = first + 3_600_000_000_000;
    fs::create_dir_all(epoch_dir(&world, ahead)).unwrap();
    let mut opened = None;
    wait(|| {
        let pending = client.producer(STREAM).without_driver(own(&world)).open();
        opened = pending.wait(WAIT).ok();
        opened.is_some()
    });
    let next = opened.unwrap().epoch().unwrap().get();
    assert!(next > ahead, "{next} {ahead}");
}

/// Proves [TP-CLI-3130].
#[test]
fn a_second_producer_is_refused_by_the_pid_of_the_first() {
    let world = World::without_driver();
    let (ours, theirs) = (world.client(), world.client());
    let mut first = produce(&world, &ours);
    let mut consumer = consume(&ours);
    first.wait_consumers(1, WAIT).unwrap();
    let builder = theirs.producer(STREAM).without_driver(own(&world));
    let builder = builder.attach_timeout(Duration::from_millis(300));
    let error = builder.wait(WAIT).unwrap_err().to_string();
    let pid = format!("(pid {})", std::process::id());
    assert!(error.contains(&pid), "{error}");
    publish(&mut first);
    assert_eq!(receive(&mut consumer, 1), [0], "undisturbed");
    drop(first);
    produce(&world, &theirs);
}

/// Proves [TP-CLI-3140].
#[test]
fn an_epoch_that_somebody_without_a_lock_keeps_fresh_is_respected() {
    let world = World::without_driver();
    let client = world.client();
    let parent = std::os::unix::process::parent_id();
    leave_epoch(&world, 7, parent, monotonic_ns());
    let builder = client.producer(STREAM).without_driver(own(&world));
    let builder = builder.attach_timeout(Duration::from_millis(1));
    let error = builder.wait(WAIT).unwrap_err();
    assert!(matches!(error, OpenError::Attach(_)));
    let text = error.to_string();
    assert!(text.contains(&format!("(pid {parent})")), "{text}");
    assert_eq!(epochs_on_disk(&world), [7]);
    // Nobody refreshes it: it is stale before the attach timeout is over, and stays all the same.
    let producer = produce(&world, &client);
    assert_eq!(epochs_on_disk(&world), [7, producer.epoch().unwrap().get()]);
}

/// Proves [TP-CLI-3160], [TP-CLI-3165].
#[test]
fn what_a_dead_producer_left_goes_once_it_is_stale() {
    let world = World::without_driver();
    let mut config = world.client_config();
    config.announce_period = Duration::from_millis(100);
    let client = Client::connect(config).unwrap();
    leave_epoch(&world, 3, GONE, NanoTime::new(1));
    leave_epoch(&world, 4, GONE, monotonic_ns().after_ns(1_000_000_000));
    leave_epoch(&world, 5, GONE, monotonic_ns());
    let producer = produce(&world, &client);
    let own = producer.epoch().unwrap().get();
    let found = epochs_on_disk(&world);
    // That of another boot is ahead of the clock.
    assert!(!found.contains(&3) && !found.contains(&4), "{found:?}");
    assert!(found.contains(&own), "{found:?}");
    wait(|| epochs_on_disk(&world) == [own]);
}

/// Proves [TP-CLI-3135].
#[test]
fn a_driver_and_a_producer_without_one_refuse_each_others_namespace() {
    let world = World::without_driver();
    let client = world.client();
    let producer = produce(&world, &client);
    let setup = || {
        DriverSetup::prepare(DriverConfig {
            aeron_dir: world.aeron_dir(),
            base_dir: world.dir.path().join("pools"),
            ..DriverConfig::default()
        })
    };
    let error = setup().unwrap_err().to_string();
    assert!(error.contains("producer without a driver"), "{error}");
    drop(producer);
    wait(|| setup().is_ok());
    let world = World::new();
    let client = world.client();
    let builder = client.producer(STREAM).without_driver(own(&world));
    let builder = builder.attach_timeout(Duration::from_millis(300));
    let error = builder.wait(WAIT).unwrap_err().to_string();
    assert!(error.contains("a driver (pid"), "{error}");
}

/// Proves [TP-CLI-3120].
#[test]
fn damaged_memory_is_replaced_and_consumers_follow() {
    let world = World::without_driver();
    let client = world.client();
    let mut producer = produce(&world, &client);
    let mut consumer = consume(&client);
    producer.wait_consumers(1, WAIT).unwrap();
    publish(&mut producer);
    assert_eq!(receive(&mut consumer, 1), [0]);
    let first = producer.epoch().unwrap();
    let pool = epoch_dir(&world, first.get()).join("2.pool");
    fs::File::options()
        .write(true)
        .open(pool)
        .unwrap()
        .set_len(64)
        .unwrap();
    wait(|| {
        producer.poll();
        producer.epoch().is_some_and(|epoch| epoch > first)
    });
    let second = producer.epoch().unwrap();
    wait_event(&mut consumer, |event| {
        matches!(event, Event::Remapped { new, .. } if *new == second).then_some(())
    });
    producer.wait_consumers(1, WAIT).unwrap();
    publish(&mut producer);
    assert_eq!(receive(&mut consumer, 1), [0]);
    assert_eq!(epochs_on_disk(&world), [second.get()]);
}

#[test]
fn memory_that_cannot_be_made_says_why() {
    let world = World::without_driver();
    let client = world.client();
    let open = |regions: OwnRegions| {
        let builder = client.producer(STREAM).without_driver(regions);
        let builder = builder.attach_timeout(Duration::from_millis(300));
        builder.wait(WAIT).unwrap_err().to_string()
    };
    let mut nowhere = own(&world);
    nowhere.base_dir = "/nonexistent".into();
    assert!(open(nowhere).contains("/nonexistent"));
    let mut huge = OwnRegions::new(1 << 20, &[(1, 1 << 30)]).unwrap();
    huge.base_dir = world.dir.path().join("pools");
    let error = open(huge);
    assert!(error.contains("make the file system larger"), "{error}");
    let mut odd = OwnRegions::new(4, &[(1, 192)]).unwrap();
    odd.base_dir = world.dir.path().join("pools");
    assert!(open(odd).contains("192"));
    let mut outside = own(&world);
    fs::create_dir(world.dir.path().join("elsewhere")).unwrap();
    outside.base_dir = world.dir.path().join("elsewhere");
    let error = open(outside);
    assert!(error.contains("allowed base directories"), "{error}");
    wait(|| {
        fs::read_dir(world.dir.path().join("elsewhere"))
            .unwrap()
            .count()
            == 0
    });
    let builder = client
        .producer(StreamId::new(0))
        .without_driver(own(&world));
    let error = builder.wait(WAIT).unwrap_err().to_string();
    assert!(error.contains("needs an id"), "{error}");
    assert_eq!(epochs_on_disk(&world), [0; 0]);
}

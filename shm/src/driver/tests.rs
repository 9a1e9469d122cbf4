use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use tensorpool_codecs::types::{Epoch, NanoTime, PoolId, StreamId};

use super::*;
use crate::layout::Geometry;
use crate::mapping::Access;
use crate::paths::{Namespace, UserName};
use crate::testkit::{CREATED, EPOCH, STREAM, TestEpoch, TestRoot, geometry, spec, temp_dir};

fn acquire(base_dir: &Path) -> Result<NamespaceRoot, RootError> {
    NamespaceRoot::acquire(&RootSpec {
        base_dir,
        user: &UserName::sanitized("t"),
        namespace: &Namespace::default(),
        file_mode: 0o660,
    })
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn at(geometry: &Geometry, stream: u32, epoch: u64) -> EpochSpec<'_> {
    EpochSpec {
        stream: StreamId::new(stream),
        epoch: Epoch::new(epoch),
        ..spec(geometry)
    }
}

/// Proves [TP-SHM-0310] and [TP-SEC-0210].
#[test]
fn an_epoch_lies_at_its_canonical_path_with_exact_sizes_and_modes() {
    let epoch = TestEpoch::new(8, &[192, 4096]);
    let path = epoch
        .root
        .temp
        .path()
        .join(format!("tensorpool-t/default/{STREAM}/{EPOCH}"));
    assert_eq!(epoch.owned.path(), path);
    for (name, len) in [
        ("header.ring", 64 + 8 * 256),
        ("1.pool", 64 + 8 * 192),
        ("2.pool", 64 + 8 * 4096),
    ] {
        let file = path.join(name);
        assert_eq!(
            (fs::metadata(&file).unwrap().len(), mode(&file)),
            (len, 0o660),
            "{name}"
        );
    }
    for dir in path.ancestors().take(4) {
        assert_eq!(mode(dir), 0o770, "{}", dir.display());
    }
    let uri = epoch.owned.header_uri().to_string();
    assert_eq!(uri, format!("shm:file?path={}/header.ring", path.display()));
    let pools: Vec<_> = epoch.owned.pool_uris().iter().map(|uri| uri.pool).collect();
    assert_eq!(pools, [Some(PoolId::new(1)), Some(PoolId::new(2))]);
    assert_eq!(epoch.owned.activity(), CREATED);
}

/// Proves [TP-SHM-1330].
#[test]
fn allocated_regions_have_their_memory_and_sparse_ones_have_not() {
    let (full, sparse) = (
        TestEpoch::new(64, &[4096]),
        TestEpoch::with_fill(64, &[4096], Fill::Sparse),
    );
    let blocks = |epoch: &TestEpoch| fs::metadata(epoch.file("1.pool")).unwrap().blocks() * 512;
    assert!(blocks(&full) >= 64 * 4096);
    assert!(blocks(&sparse) <= 2 * 4096);
}

/// Proves [TP-SHM-1320].
#[test]
fn a_fresh_region_is_all_zero_behind_its_superblock_also_when_prefaulted() {
    let root = TestRoot::new();
    let geometry = geometry(8, &[4096]);
    let owned = root
        .root
        .create_epoch(&EpochSpec {
            prefault: true,
            mlock: true,
            ..spec(&geometry)
        })
        .unwrap();
    for name in ["header.ring", "1.pool"] {
        let bytes = fs::read(owned.path().join(name)).unwrap();
        assert!(bytes[64..].iter().all(|byte| *byte == 0), "{name}");
        assert_eq!(bytes[..8], 0x544F_504C_5348_4D31u64.to_le_bytes());
    }
}

/// Proves [TP-SEC-0220].
#[test]
fn a_second_driver_is_refused_and_told_who_holds_the_namespace() {
    let temp = temp_dir();
    let first = acquire(temp.path()).unwrap();
    let error = acquire(temp.path()).unwrap_err();
    let pid = std::process::id();
    assert!(
        matches!(&error, RootError::Held { holder, .. } if *holder == Some(pid)),
        "{error}"
    );
    assert!(
        error.to_string().contains(&format!("(pid {pid})")),
        "{error}"
    );
    drop(first);
    assert!(acquire(temp.path()).is_ok());
}

#[test]
fn namespaces_do_not_exclude_each_other() {
    let temp = temp_dir();
    let _first = acquire(temp.path()).unwrap();
    let other = NamespaceRoot::acquire(&RootSpec {
        base_dir: temp.path(),
        user: &UserName::sanitized("t"),
        namespace: &Namespace::new("other").unwrap(),
        file_mode: 0o660,
    });
    assert!(other.is_ok());
}

/// Proves [TP-SEC-0230].
#[test]
fn a_link_in_place_of_a_directory_is_not_followed() {
    let temp = temp_dir();
    fs::create_dir(temp.path().join("elsewhere")).unwrap();
    symlink("elsewhere", temp.path().join("tensorpool-t")).unwrap();
    let error = acquire(temp.path()).unwrap_err();
    assert!(matches!(error, RootError::Io { .. }), "{error}");
    assert_eq!(
        fs::read_dir(temp.path().join("elsewhere")).unwrap().count(),
        0
    );
}

/// Proves [TP-SEC-0250].
#[test]
fn a_base_directory_that_is_a_link_is_resolved_once_and_announced_as_what_it_leads_to() {
    let temp = temp_dir();
    let (real, alias) = (temp.path().join("real"), temp.path().join("alias"));
    fs::create_dir(&real).unwrap();
    symlink("real", &alias).unwrap();
    let root = acquire(&alias).unwrap();
    assert_eq!(root.path(), real.join("tensorpool-t/default"));
    // Whoever swaps the link afterwards gets nothing of it.
    let elsewhere = temp.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::remove_file(&alias).unwrap();
    symlink("elsewhere", &alias).unwrap();
    let geometry = geometry(8, &[64]);
    let owned = root.create_epoch(&spec(&geometry)).unwrap();
    assert!(owned.header_uri().path().starts_with(&real));
    assert!(real.join("tensorpool-t/default").exists());
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

/// Proves [TP-SEC-0240].
#[test]
fn directories_hand_the_group_of_the_base_directory_down_to_every_file() {
    for (base, expected) in [(0o2770, 0o2770), (0o755, 0o770)] {
        let temp = temp_dir();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(base)).unwrap();
        let root = acquire(temp.path()).unwrap();
        let geometry = geometry(8, &[64]);
        let owned = root.create_epoch(&spec(&geometry)).unwrap();
        for dir in owned.path().ancestors().take(4) {
            assert_eq!(mode(dir), expected, "{}", dir.display());
        }
        assert_eq!(mode(&owned.path().join("header.ring")), 0o660);
    }
}

#[test]
fn base_directories_must_exist_and_be_absolute() {
    assert!(matches!(
        acquire(Path::new("shm")),
        Err(RootError::Relative { .. })
    ));
    assert!(matches!(
        acquire(Path::new("/no/such/base")),
        Err(RootError::Io { .. })
    ));
}

/// Proves [TP-SHM-1310].
#[test]
fn an_epoch_is_created_once() {
    let epoch = TestEpoch::new(8, &[64]);
    let geometry = geometry(8, &[64]);
    let error = epoch.root.root.create_epoch(&spec(&geometry)).unwrap_err();
    assert!(matches!(error, CreateError::Exists { .. }), "{error}");
    assert!(epoch.map(Access::ReadOnly).revalidate().is_ok());
}

/// Proves [TP-SHM-1340].
#[test]
fn a_full_file_system_is_told_with_the_sum_and_leaves_nothing_behind() {
    let root = TestRoot::new();
    // More than any machine has, yet valid.
    let geometry = geometry(1 << 20, &[1 << 30, 1 << 20]);
    let error = root.root.create_epoch(&spec(&geometry)).unwrap_err();
    let needed = geometry.total_len();
    match &error {
        CreateError::NoSpace {
            needed_bytes,
            available_bytes,
            path,
            ..
        } => {
            assert!((needed..needed + 3 * 4096).contains(needed_bytes));
            assert!(available_bytes < needed_bytes);
            assert_eq!(path, root.root.path(), "before anything is made");
        }
        other => panic!("{other}"),
    }
    let text = error.to_string();
    assert!(
        text.contains("in sum") && text.contains("available"),
        "{text}"
    );
    assert_eq!(root.root.streams().unwrap(), []);
}

/// Proves [TP-SHM-1350].
#[test]
fn a_failure_half_way_removes_what_was_created() {
    let temp = temp_dir();
    // A path no URI can carry, which is noticed only once all files are there.
    let base = temp.path().join("a|b");
    fs::create_dir_all(&base).unwrap();
    let root = acquire(&base).unwrap();
    let geometry = geometry(8, &[64]);
    let error = root.create_epoch(&spec(&geometry)).unwrap_err();
    assert!(matches!(error, CreateError::Uri(_)), "{error}");
    assert_eq!(root.streams().unwrap(), []);
}

#[test]
fn required_huge_pages_are_refused_on_an_ordinary_file_system() {
    let root = TestRoot::new();
    let geometry = geometry(8, &[64]);
    let error = root
        .root
        .create_epoch(&EpochSpec {
            require_hugepages: true,
            ..spec(&geometry)
        })
        .unwrap_err();
    assert!(matches!(error, CreateError::NotHugepages { .. }), "{error}");
}

/// Proves [TP-SHM-0140].
#[test]
fn refreshing_activity_is_seen_by_clients() {
    let epoch = TestEpoch::new(8, &[64]);
    let mapping = epoch.map(Access::ReadOnly);
    epoch.owned.refresh_activity(NanoTime::new(42_000)).unwrap();
    assert_eq!(
        (mapping.activity(), epoch.owned.activity()),
        (NanoTime::new(42_000), NanoTime::new(42_000))
    );
    assert!(mapping.revalidate().is_ok());
}

/// Proves [TP-SHM-1360].
#[test]
fn unlinking_removes_files_and_empty_directories_but_not_a_clients_memory() {
    let epoch = TestEpoch::new(8, &[64]);
    let mapping = epoch.map(Access::ReadOnly);
    let stream_path = epoch.owned.path().parent().unwrap().to_owned();
    let TestEpoch { owned, root, .. } = epoch;
    owned.unlink(&root.root).unwrap();
    assert!(!stream_path.exists());
    assert!(root.root.path().exists());
    assert!(mapping.revalidate().is_ok());
}

#[test]
fn unlinking_one_epoch_leaves_the_others() {
    let epoch = TestEpoch::new(8, &[64]);
    let geometry = geometry(8, &[64]);
    let next = Epoch::new(EPOCH.get() + 1);
    let newer = epoch
        .root
        .root
        .create_epoch(&EpochSpec {
            epoch: next,
            ..spec(&geometry)
        })
        .unwrap();
    let TestEpoch { owned, root, .. } = epoch;
    owned.unlink(&root.root).unwrap();
    assert!(newer.path().join("header.ring").exists());
    let left: Vec<_> = root
        .root
        .epochs(STREAM)
        .unwrap()
        .iter()
        .map(|e| e.epoch)
        .collect();
    assert_eq!(left, [next]);
}

#[test]
fn existing_epochs_are_listed_with_what_garbage_collection_asks() {
    let root = TestRoot::new();
    let geometry = geometry(8, &[4096]);
    for (stream, epoch) in [(7, 300), (7, 20), (9, 1000)] {
        drop(
            root.root
                .create_epoch(&at(&geometry, stream, epoch))
                .unwrap(),
        );
    }
    fs::create_dir(root.root.path().join("notes")).unwrap();
    fs::create_dir(root.root.path().join("7/007")).unwrap();
    assert_eq!(
        root.root.streams().unwrap(),
        [StreamId::new(7), StreamId::new(9)]
    );
    let epochs = root.root.epochs(StreamId::new(7)).unwrap();
    assert_eq!(
        epochs.iter().map(|e| e.epoch.get()).collect::<Vec<_>>(),
        [20, 300]
    );
    assert_eq!(epochs[0].activity(), Some(CREATED));
    assert!(epochs[0].creator_exists());
    assert!(epochs[0].allocated_bytes >= 8 * 4096);
    assert_eq!(root.root.highest_epoch().unwrap(), Some(Epoch::new(1000)));
    assert_eq!(root.root.epochs(StreamId::new(1)).unwrap(), []);
    assert_eq!(TestRoot::new().root.highest_epoch().unwrap(), None);
}

#[test]
fn an_epoch_whose_creator_is_gone_or_whose_superblock_is_damaged_says_so() {
    let root = TestRoot::new();
    let geometry = geometry(8, &[64]);
    // Beyond any pid limit.
    let dead = EpochSpec {
        pid: 0x7fff_fff0,
        ..at(&geometry, 7, 20)
    };
    drop(root.root.create_epoch(&dead).unwrap());
    let found = root.root.epochs(StreamId::new(7)).unwrap();
    assert!(!found[0].creator_exists());
    fs::write(found[0].path.join("header.ring"), b"short").unwrap();
    let found = root.root.epochs(StreamId::new(7)).unwrap();
    assert_eq!((found[0].superblock, found[0].activity()), (None, None));
}

/// Proves [TP-SHM-1370].
#[test]
fn leftovers_are_removed_but_foreign_files_are_not_touched() {
    let root = TestRoot::new();
    let geometry = geometry(8, &[64]);
    let (stream, first, second) = (StreamId::new(7), Epoch::new(20), Epoch::new(30));
    for epoch in [20, 30] {
        drop(root.root.create_epoch(&at(&geometry, 7, epoch)).unwrap());
    }
    root.root.remove_epoch(stream, first).unwrap();
    root.root.remove_epoch(stream, first).unwrap();
    assert_eq!(root.root.epochs(stream).unwrap().len(), 1);
    let notes = root.root.path().join("7/30/notes.txt");
    fs::write(&notes, b"mine").unwrap();
    let error = root.root.remove_epoch(stream, second).unwrap_err();
    assert!(error.to_string().contains("remove directory"), "{error}");
    assert!(notes.exists());
    fs::remove_file(notes).unwrap();
    root.root.remove_epoch(stream, second).unwrap();
    assert_eq!(root.root.streams().unwrap(), []);
}

/// Proves [TP-SEC-0210].
#[test]
fn other_file_modes_are_exact_as_well() {
    let temp = temp_dir();
    let root = NamespaceRoot::acquire(&RootSpec {
        base_dir: temp.path(),
        user: &UserName::sanitized("t"),
        namespace: &Namespace::default(),
        file_mode: 0o640,
    })
    .unwrap();
    let geometry = geometry(8, &[64]);
    let owned = root.create_epoch(&spec(&geometry)).unwrap();
    assert_eq!(mode(&owned.path().join("1.pool")), 0o640);
    assert_eq!(mode(owned.path()), 0o750);
}

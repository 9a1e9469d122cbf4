use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::open::open_by_component;
use crate::testkit::temp_dir;

const LEN: u64 = 320;

fn make(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, [0; LEN as usize]).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o660)).unwrap();
}

fn try_open(allowed: &AllowedDirs, path: &Path) -> Result<OpenedRegion, OpenError> {
    allowed.open(path, LEN, false, Access::ReadOnly)
}

#[test]
fn a_regular_file_below_an_allowed_directory_opens() {
    let temp = temp_dir();
    let path = temp.path().join("a/b/header.ring");
    make(&path);
    let allowed = AllowedDirs::new([temp.path()]).unwrap();
    assert_eq!(try_open(&allowed, &path).unwrap().file_len, LEN);
    assert!(allowed.open(&path, LEN, false, Access::ReadWrite).is_ok());
}

/// Proves [TP-SEC-0030].
#[test]
fn an_empty_allowlist_allows_nothing() {
    let temp = temp_dir();
    let path = temp.path().join("f");
    make(&path);
    let allowed = AllowedDirs::default();
    assert!(allowed.is_empty());
    assert!(matches!(
        try_open(&allowed, &path),
        Err(OpenError::NothingAllowed { .. })
    ));
}

/// Proves [TP-SEC-0020].
#[test]
fn paths_outside_are_refused_even_if_their_name_starts_alike() {
    let temp = temp_dir();
    let (inside, outside) = (temp.path().join("shm"), temp.path().join("shmX/f"));
    make(&inside.join("f"));
    make(&outside);
    let allowed = AllowedDirs::new([&inside]).unwrap();
    assert!(try_open(&allowed, &inside.join("f")).is_ok());
    let error = try_open(&allowed, &outside).unwrap_err();
    assert!(matches!(error, OpenError::Outside { .. }), "{error}");
    assert!(matches!(
        try_open(&allowed, &inside),
        Err(OpenError::Outside { .. })
    ));
}

/// Proves [TP-SEC-0010].
#[test]
fn parent_components_and_relative_paths_are_refused() {
    let temp = temp_dir();
    make(&temp.path().join("f"));
    let allowed = AllowedDirs::new([temp.path()]).unwrap();
    let up = temp.path().join("a/../f");
    assert!(matches!(
        try_open(&allowed, &up),
        Err(OpenError::ParentComponent { .. })
    ));
    assert!(matches!(
        try_open(&allowed, Path::new("f")),
        Err(OpenError::Relative { .. })
    ));
}

/// Proves [TP-SEC-0050].
#[test]
fn symbolic_links_are_refused_wherever_they_are() {
    let temp = temp_dir();
    let file = temp.path().join("real/f");
    make(&file);
    symlink("f", temp.path().join("real/link")).unwrap();
    symlink("real", temp.path().join("dir")).unwrap();
    symlink(&file, temp.path().join("absolute")).unwrap();
    let allowed = AllowedDirs::new([temp.path()]).unwrap();
    for below in ["real/link", "dir/f", "absolute"] {
        let error = try_open(&allowed, &temp.path().join(below)).unwrap_err();
        assert!(
            matches!(error, OpenError::Symlink { .. }),
            "{below}: {error}"
        );
    }
}

/// Proves [TP-SEC-0060].
#[test]
fn a_directory_swapped_for_a_link_after_configuration_is_refused() {
    let temp = temp_dir();
    let (inside, elsewhere) = (temp.path().join("in/s/f"), temp.path().join("out/f"));
    make(&inside);
    make(&elsewhere);
    let allowed = AllowedDirs::new([temp.path().join("in")]).unwrap();
    assert!(try_open(&allowed, &inside).is_ok());
    fs::rename(temp.path().join("in/s"), temp.path().join("in/old")).unwrap();
    symlink(temp.path().join("out"), temp.path().join("in/s")).unwrap();
    assert!(matches!(
        try_open(&allowed, &inside),
        Err(OpenError::Symlink { .. })
    ));
    // The allowed directory itself was opened when configured: swapping its name changes nothing.
    fs::rename(temp.path().join("in"), temp.path().join("moved")).unwrap();
    symlink(temp.path().join("out"), temp.path().join("in")).unwrap();
    let missing = try_open(&allowed, &temp.path().join("in/f")).unwrap_err();
    assert!(matches!(missing, OpenError::Io { .. }), "{missing}");
}

/// Proves [TP-SEC-0040].
#[test]
fn an_allowed_directory_may_itself_be_reached_through_a_link() {
    let temp = temp_dir();
    make(&temp.path().join("real/f"));
    symlink("real", temp.path().join("alias")).unwrap();
    let allowed = AllowedDirs::new([temp.path().join("alias")]).unwrap();
    assert!(try_open(&allowed, &temp.path().join("alias/f")).is_ok());
    assert!(try_open(&allowed, &temp.path().join("real/f")).is_ok());
}

/// Proves [TP-SEC-0070].
#[test]
fn fifos_and_directories_are_refused_without_hanging() {
    let temp = temp_dir();
    let fifo = temp.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        FileType::Fifo,
        Mode::from_raw_mode(0o660),
        0,
    )
    .unwrap();
    fs::create_dir(temp.path().join("dir")).unwrap();
    let allowed = AllowedDirs::new([temp.path()]).unwrap();
    for name in ["fifo", "dir"] {
        let error = try_open(&allowed, &temp.path().join(name)).unwrap_err();
        assert!(
            matches!(error, OpenError::NotRegular { .. }),
            "{name}: {error}"
        );
    }
    let error = allowed
        .open(&fifo, LEN, false, Access::ReadWrite)
        .unwrap_err();
    assert!(matches!(error, OpenError::NotRegular { .. }), "{error}");
}

/// Proves [TP-SEC-0090].
#[test]
fn files_others_may_touch_are_refused() {
    let temp = temp_dir();
    let path = temp.path().join("f");
    make(&path);
    let allowed = AllowedDirs::new([temp.path()]).unwrap();
    for mode in [0o664, 0o661, 0o662] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = try_open(&allowed, &path).unwrap_err();
        assert!(
            matches!(error, OpenError::Permissions { found, .. } if found == mode),
            "{error}"
        );
    }
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    assert!(try_open(&allowed, &path).is_ok());
}

/// Proves [TP-SEC-0100].
#[test]
fn files_of_another_size_are_refused() {
    let temp = temp_dir();
    let path = temp.path().join("f");
    make(&path);
    let allowed = AllowedDirs::new([temp.path()]).unwrap();
    for expected in [LEN - 1, LEN + 1] {
        let error = allowed
            .open(&path, expected, false, Access::ReadOnly)
            .unwrap_err();
        assert!(
            matches!(error, OpenError::Size { found: LEN, .. }),
            "{error}"
        );
    }
}

/// Proves [TP-SEC-0110].
#[test]
fn required_huge_pages_are_missed_on_an_ordinary_file_system() {
    let temp = temp_dir();
    let path = temp.path().join("f");
    make(&path);
    let allowed = AllowedDirs::new([temp.path()]).unwrap();
    let error = allowed
        .open(&path, LEN, true, Access::ReadOnly)
        .unwrap_err();
    assert!(matches!(error, OpenError::NotHugepages { .. }), "{error}");
    let opened = allowed.open(&path, LEN, false, Access::ReadOnly);
    assert!(opened.is_ok(), "they were not required");
}

/// Proves [TP-SEC-0080].
#[test]
fn the_walk_for_old_kernels_refuses_the_same_links() {
    let temp = temp_dir();
    make(&temp.path().join("real/f"));
    symlink("f", temp.path().join("real/link")).unwrap();
    symlink("real", temp.path().join("dir")).unwrap();
    let allowed = AllowedDirs::new([temp.path()]).unwrap();
    let walk = |below: &str| {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        open_by_component(&allowed.dirs[0].fd, Path::new(below), flags, Mode::empty())
    };
    assert!(walk("real/f").is_ok());
    assert_eq!(walk("real/link").unwrap_err(), rustix::io::Errno::LOOP);
    assert_eq!(walk("dir/f").unwrap_err(), rustix::io::Errno::LOOP);
    assert_eq!(walk("real/none").unwrap_err(), rustix::io::Errno::NOENT);
    assert_eq!(
        walk("real/f/deeper").unwrap_err(),
        rustix::io::Errno::NOTDIR
    );
    assert_eq!(walk("../f").unwrap_err(), rustix::io::Errno::INVAL);
}

#[test]
fn allowed_directories_must_exist_and_be_absolute() {
    assert!(matches!(
        AllowedDirs::new(["dev/shm"]),
        Err(AllowedDirError::Relative { .. })
    ));
    assert!(matches!(
        AllowedDirs::new(["/no/such"]),
        Err(AllowedDirError::Unusable { .. })
    ));
    assert!(matches!(
        AllowedDirs::new(["/dev/null"]),
        Err(AllowedDirError::Unusable { .. })
    ));
}

#[test]
fn files_of_strangers_are_trusted_by_root_only() {
    let (me, my_groups) = (1000, [1000, 44]);
    assert!(trusts(me, &my_groups, me, 7));
    assert!(trusts(me, &my_groups, 0, 7));
    assert!(trusts(me, &my_groups, 1001, 44));
    assert!(!trusts(me, &my_groups, 1001, 1001));
    assert!(trusts(0, &[0], 1001, 1001));
}

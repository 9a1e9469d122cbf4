//! Somebody who exchanges directories for links while a client opens what lies in them.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tensorpool_shm::allowed::OpenError;
use tensorpool_shm::mapping::{Access, MapError};

use crate::support::{HEADER, POOL, Stream};

/// Tries that have to succeed, and to be refused, before the race counts as run.
const EACH: usize = 1_000;
/// The process that regions outside claim to be of.
const OUTSIDE: u64 = 4_242;
/// Where a superblock names its process.
const PID_OFFSET: usize = 40;

/// Proves [TP-SEC-0065].
#[test]
fn a_directory_that_is_swapped_for_a_link_all_the_time_never_leads_outside() {
    let stream = Stream::new(8, 64);
    let inside = stream.owned.path().to_owned();
    // Outside lies the same epoch, sound in every respect; only its process tells it from the real one.
    let outside = tempfile::Builder::new()
        .prefix("tp-outside")
        .tempdir_in("/dev/shm")
        .unwrap();
    for name in [HEADER, POOL] {
        let mut bytes = fs::read(inside.join(name)).unwrap();
        bytes[PID_OFFSET..PID_OFFSET + 8].copy_from_slice(&OUTSIDE.to_le_bytes());
        let copy = outside.path().join(name);
        fs::write(&copy, bytes).unwrap();
        let mode = fs::metadata(inside.join(name)).unwrap().permissions();
        fs::set_permissions(&copy, mode).unwrap();
    }
    let trap = inside.with_file_name("trap");
    symlink(outside.path(), &trap).unwrap();

    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // An even number of swaps leaves everything where it was.
            while !stop.load(Ordering::Relaxed) || swaps.load(Ordering::Relaxed) % 2 == 1 {
                renameat_with(CWD, &inside, CWD, &trap, RenameFlags::EXCHANGE).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (mut mapped, mut refused) = (0, 0);
        // Watched by the runner: both outcomes come up again and again, whatever the machine is busy with.
        while mapped < EACH || refused < EACH {
            match stream.map_with(Access::ReadOnly, |_| {}, |_| {}) {
                Ok(mapping) => {
                    assert_eq!(mapping.pid(), u64::from(std::process::id()));
                    mapping.revalidate().unwrap();
                    mapped += 1;
                }
                Err(MapError::Open {
                    source: OpenError::Symlink { .. },
                    ..
                }) => refused += 1,
                // Swapped more often during one look-up than it is repeated.
                Err(MapError::Open {
                    source: OpenError::Io { source, .. },
                    ..
                }) if source.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(other) => panic!("{other}"),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(swaps.load(Ordering::Relaxed) > 0);
}

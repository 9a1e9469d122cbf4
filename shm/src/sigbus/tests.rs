//! Truncation under live mappings. Tests that end a process do so in a child: this test binary,
//! started again with the name of one test and a variable that tells it which part to play.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use tensorpool_codecs::types::{NanoTime, Seq};

use super::*;
use crate::driver::Fill;
use crate::frame::{Frame, Overwritten};
use crate::mapping::{Access, Unusable};
use crate::producer::{ClaimError, CommitError, ProducerRing};
use crate::slot::SlotError;
use crate::testkit::{TestEpoch, meta, temp_dir};

const ROLE: &str = "TENSORPOOL_SHM_TEST_ROLE";

fn truncate(epoch: &TestEpoch, file: &str) {
    OpenOptions::new()
        .write(true)
        .open(epoch.file(file))
        .unwrap()
        .set_len(0)
        .unwrap();
}

fn is_child() -> bool {
    std::env::var_os(ROLE).is_some()
}

/// Runs `test` of this module in a child process.
fn run_child(test: &str) -> ExitStatus {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&format!("sigbus::tests::{test}"), "--exact", "--nocapture"])
        .env(ROLE, "child")
        .output()
        .unwrap();
    assert!(
        !output.status.success(),
        "the child was to fail: {output:?}"
    );
    output.status
}

/// Proves [TP-SHM-1210].
#[test]
fn a_pool_truncated_under_a_reader_is_an_error_and_the_process_lives() {
    let epoch = TestEpoch::new(4, &[65536]);
    let mut ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
    let _ = ring.publish(&meta(), &[7; 65536]).unwrap();
    let reader = epoch.map(Access::ReadOnly);
    let slot = reader.read_slot(Seq::new(0)).unwrap();
    let frame = Frame::new(&reader, &slot).unwrap();
    truncate(&epoch, "1.pool");
    let poisoned = Unusable::Poisoned;
    let sum = frame.with(|view| {
        view.typed::<u8>()
            .unwrap()
            .iter()
            .map(u64::from)
            .sum::<u64>()
    });
    assert_eq!(sum, Err(Overwritten::Unusable(poisoned)));
    assert!(frame.copy_to(&mut vec![0; 65536]).is_err());
    assert!(reader.is_poisoned() && !frame.is_valid());
    assert_eq!(
        reader.read_slot(Seq::new(0)),
        Err(SlotError::Unusable(poisoned))
    );
    assert!(reader.revalidate().is_err());
}

#[test]
fn a_header_ring_truncated_under_a_reader_is_an_error_and_the_process_lives() {
    let epoch = TestEpoch::new(64, &[64]);
    let reader = epoch.map(Access::ReadOnly);
    truncate(&epoch, "header.ring");
    assert_eq!(
        reader.read_slot(Seq::new(60)),
        Err(SlotError::Unusable(Unusable::Poisoned))
    );
}

#[test]
fn a_region_truncated_while_idle_is_noticed_by_revalidation() {
    let epoch = TestEpoch::new(4, &[64]);
    let reader = epoch.map(Access::ReadOnly);
    truncate(&epoch, "1.pool");
    assert!(!reader.is_poisoned());
    let error = reader.revalidate().unwrap_err();
    assert!(error.to_string().contains("poisoned"), "{error}");
}

/// Proves [TP-SHM-1220].
#[test]
fn a_pool_truncated_under_a_writer_fails_the_commit_and_the_process_lives() {
    let epoch = TestEpoch::new(4, &[65536]);
    let mut ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
    let mut claim = ring.claim(&meta(), 65536).unwrap();
    truncate(&epoch, "1.pool");
    claim.payload_mut().fill(1);
    let (claimed, source) = (ring.epoch(), Unusable::Poisoned);
    assert_eq!(
        ring.commit(claim).unwrap_err(),
        CommitError::Unusable { claimed, source }
    );
    assert_eq!(
        ring.claim(&meta(), 1).unwrap_err(),
        ClaimError::Unusable(source)
    );
    assert!(!ring.mapping().refresh_activity(NanoTime::new(1)));
}

#[test]
fn a_copy_into_a_truncated_pool_is_an_error_and_uses_no_sequence_number() {
    let epoch = TestEpoch::new(4, &[65536]);
    let mut ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
    truncate(&epoch, "1.pool");
    let error = ring.publish(&meta(), &[1; 65536]).unwrap_err();
    assert_eq!(error, ClaimError::Unusable(Unusable::Poisoned));
    assert_eq!(ring.next_seq(), Seq::new(0));
}

#[test]
fn a_driver_whose_regions_are_truncated_hears_of_it() {
    let epoch = TestEpoch::new(4, &[64]);
    truncate(&epoch, "1.pool");
    let error = epoch.owned.refresh_activity(NanoTime::new(1)).unwrap_err();
    assert!(error.to_string().contains("truncated"), "{error}");
}

/// Proves [TP-SHM-1240].
#[test]
fn poison_stays_within_its_mapping() {
    let (sick, well) = (TestEpoch::new(4, &[64]), TestEpoch::new(4, &[64]));
    let (sick_map, well_map) = (sick.map(Access::ReadOnly), well.map(Access::ReadOnly));
    truncate(&sick, "1.pool");
    assert!(sick_map.revalidate().is_err());
    assert!(well_map.revalidate().is_ok());
}

#[test]
fn many_threads_may_fault_at_once() {
    let epoch = TestEpoch::with_fill(64, &[1 << 20], Fill::Sparse);
    let mut ring = ProducerRing::new(epoch.map(Access::ReadWrite)).unwrap();
    let reader = epoch.map(Access::ReadOnly);
    let mut frames = Vec::new();
    for seq in 0..8 {
        let _ = ring.publish(&meta(), &[1; 4096]).unwrap();
        let slot = reader.read_slot(Seq::new(seq)).unwrap();
        frames.push(Frame::new(&reader, &slot).unwrap().retain());
    }
    truncate(&epoch, "1.pool");
    let threads: Vec<_> = frames
        .into_iter()
        .map(|frame| std::thread::spawn(move || frame.copy_to(&mut vec![0; frame.len()])))
        .collect();
    for thread in threads {
        assert!(thread.join().unwrap().is_err());
    }
}

/// Maps a file of our own making, outside of this crate, truncates it and touches it.
fn fault_elsewhere() {
    let temp = temp_dir();
    let path = temp.path().join("f");
    std::fs::write(&path, [1; 4096]).unwrap();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let memory = memmap2::MmapOptions::new()
        .len(4096)
        .map_raw(&file)
        .unwrap();
    file.set_len(0).unwrap();
    drop(temp);
    // SAFETY: mapped; that the access faults is the point.
    unsafe { memory.as_ptr().read_volatile() };
}

/// Proves [TP-SHM-1230].
#[test]
fn a_fault_outside_of_our_mappings_still_ends_the_process() {
    if is_child() {
        let epoch = TestEpoch::new(4, &[64]);
        let reader = epoch.map(Access::ReadOnly);
        drop(epoch);
        fault_elsewhere();
        unreachable!("alive after a fault, with {reader:?}");
    }
    let status = run_child("a_fault_outside_of_our_mappings_still_ends_the_process");
    assert_eq!(status.signal(), Some(libc::SIGBUS));
}

extern "C" fn exit_42(_: libc::c_int) {
    // SAFETY: _exit is async-signal-safe.
    unsafe { libc::_exit(42) }
}

#[test]
fn a_fault_outside_of_our_mappings_goes_to_the_handler_before_ours() {
    if is_child() {
        // SAFETY: the handler only calls _exit.
        unsafe { libc::signal(libc::SIGBUS, exit_42 as *const () as usize) };
        let epoch = TestEpoch::new(4, &[64]);
        let reader = epoch.map(Access::ReadOnly);
        truncate(&epoch, "1.pool");
        assert!(reader.revalidate().is_err());
        drop(epoch);
        fault_elsewhere();
    }
    let status = run_child("a_fault_outside_of_our_mappings_goes_to_the_handler_before_ours");
    assert_eq!(status.code(), Some(42));
}

#[test]
fn a_sent_signal_is_not_swallowed() {
    if is_child() {
        // In place of the handler of Rust's runtime, which lets one signal pass.
        // SAFETY: the default action has no preconditions.
        unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
        let epoch = TestEpoch::new(4, &[64]);
        let _reader = epoch.map(Access::ReadOnly);
        drop(epoch);
        // SAFETY: raising a signal has no preconditions.
        unsafe { libc::raise(libc::SIGBUS) };
        unreachable!("alive after SIGBUS");
    }
    assert_eq!(
        run_child("a_sent_signal_is_not_swallowed").signal(),
        Some(libc::SIGBUS)
    );
}

#[test]
fn a_program_that_opted_out_is_left_alone() {
    if is_child() {
        opt_out();
        let epoch = TestEpoch::new(4, &[64]);
        let reader = epoch.map(Access::ReadOnly);
        truncate(&epoch, "1.pool");
        drop(epoch);
        let _ = reader.revalidate();
        unreachable!("alive after an unhandled fault");
    }
    assert_eq!(
        run_child("a_program_that_opted_out_is_left_alone").signal(),
        Some(libc::SIGBUS)
    );
}

#[test]
fn more_mappings_than_the_table_holds_is_a_clear_error() {
    if is_child() {
        let status = Arc::new(Status::default());
        let taken: Vec<_> = (0..CAPACITY)
            .map(|i| protect((i + 1) << 20, 4096, 4096, false, &status).unwrap())
            .collect();
        let error = protect(1 << 60, 4096, 4096, false, &status).unwrap_err();
        assert!(error.to_string().contains("opt_out"), "{error}");
        drop(taken);
        assert!(protect(1 << 60, 4096, 4096, false, &status).is_ok());
        std::process::exit(43);
    }
    let status = run_child("more_mappings_than_the_table_holds_is_a_clear_error");
    assert_eq!(status.code(), Some(43));
}

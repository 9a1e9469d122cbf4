//! The hot path allocates nothing. Its own binary: the counting allocator sees everything in the process.

#![allow(
    unsafe_code,
    reason = "a global allocator is unsafe to implement; this one only counts"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use support::{AeronDir, drive_until, publication, subscription};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: passes everything on to the system allocator and only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_during(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// Proves [TP-RT-1040].
#[test]
fn offering_claiming_and_polling_allocate_nothing() {
    const COUNT_TO_SEND: u32 = 100_000;
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    drive_until(&mut [&mut link], "connect", || {
        publication.is_connected() && subscription.is_connected()
    });
    let (short, long) = ([3_u8; 96], [4_u8; 5_000]);
    let mut received = 0_usize;

    // Once, so that the reassembly buffer has its length.
    while !publication.offer(&long).is_sent() {}
    while received == 0 {
        subscription.poll(8, |_, _| received += 1);
    }
    let mut sent = 0_u32;
    let started = Instant::now();
    let allocations = allocations_during(|| {
        while sent < COUNT_TO_SEND && started.elapsed() < support::WATCHDOG {
            let outcome = match sent % 64 {
                0 => publication.offer(&long).is_sent(),
                n if n % 2 == 0 => publication.offer(&short).is_sent(),
                _ => publication.try_claim(96).is_ok_and(|mut claim| {
                    claim.payload_mut().copy_from_slice(&short);
                    claim.commit().is_sent()
                }),
            };
            let fragments =
                subscription.poll(8, |message, _| received += usize::from(message[0] != 0));
            sent += u32::from(outcome);
            if !outcome && fragments == 0 {
                std::thread::yield_now();
            }
        }
    });
    let elapsed = started.elapsed();
    eprintln!(
        "{} ns per message sent and received",
        elapsed.as_nanos() / u128::from(COUNT_TO_SEND)
    );
    assert_eq!(sent, COUNT_TO_SEND);
    assert!(received > 90_000, "{received}");
    assert_eq!(allocations, 0);
}

#[test]
fn an_idle_link_allocates_nothing() {
    let dir = AeronDir::new();
    let _driver = dir.driver();
    let mut link = dir.link();
    let mut publication = publication(&mut link, 1000);
    let mut subscription = subscription(&mut link, 1000);
    drive_until(&mut [&mut link], "connect", || {
        publication.is_connected() && subscription.is_connected()
    });
    let started = Instant::now();
    let allocations = allocations_during(|| {
        for _ in 0..10_000 {
            link.do_work(support::now());
        }
    });
    eprintln!(
        "{} ns per idle cycle",
        started.elapsed().as_nanos() / 10_000
    );
    assert_eq!(allocations, 0);
}

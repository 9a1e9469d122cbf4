//! Which clock the runtime reads.

use rustix::time::{ClockId, clock_gettime};
use tensorpool_runtime::clock::{ClockSource, monotonic_ns, realtime_ns};

fn direct(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

/// Proves [TP-RT-0510].
#[test]
fn time_of_leases_and_announces_is_the_monotonic_clock() {
    let before = direct(ClockId::Monotonic);
    let (read, by_default) = (monotonic_ns().get(), ClockSource::default().read().get());
    let after = direct(ClockId::Monotonic);
    assert!(before <= read && read <= by_default && by_default <= after);
}

/// Proves [TP-RT-0520].
#[test]
fn time_of_the_day_is_the_realtime_clock() {
    let before = direct(ClockId::Realtime);
    let read = realtime_ns().get();
    let after = direct(ClockId::Realtime);
    // A step of the clock between two reads would be the machine's doing.
    assert!(before <= read && read <= after || after < before);
}

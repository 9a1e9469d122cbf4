//! One counter: a writing end that is owned by a single thread, and reading ends for everyone else.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A cache line of its own, so that a counter never slows down its neighbour's owner.
#[repr(align(64))]
#[derive(Debug, Default)]
struct Line(AtomicU64);

/// The writing end of a counter. Can move to another thread, cannot be shared or cloned: there is
/// one writer, hence plain loads and stores instead of locked instructions.
///
/// Writes are relaxed; a reader sees each value eventually and in order, but learns nothing about
/// other memory from it.
#[derive(Debug, Default)]
pub struct CounterCell {
    line: Arc<Line>,
    not_sync: PhantomData<Cell<()>>,
}

impl CounterCell {
    /// A counter at 0 that is in no set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The current value.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.line.0.load(Ordering::Relaxed)
    }

    /// Replaces the value, for gauges and for mirroring a core's own statistics.
    #[inline]
    pub fn set(&self, value: u64) {
        self.line.0.store(value, Ordering::Relaxed);
    }

    /// Adds 1, wrapping at 2^64.
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`, wrapping at 2^64.
    /// [TP-RT-0750]
    #[inline]
    pub fn add(&self, amount: u64) {
        self.set(self.get().wrapping_add(amount));
    }

    /// Keeps the larger of the current value and `value`.
    #[inline]
    pub fn propose_max(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }

    /// A reading end; valid for as long as it is held, also after the writer is gone.
    /// [TP-RT-0760]
    #[must_use]
    pub fn reader(&self) -> CounterReader {
        CounterReader {
            line: Arc::clone(&self.line),
        }
    }
}

/// A reading end of a counter, for any thread.
#[derive(Clone, Debug)]
pub struct CounterReader {
    line: Arc<Line>,
}

impl CounterReader {
    /// The latest value this thread can see.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.line.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves [TP-RT-0760].
    #[test]
    fn readers_follow_the_writer_and_outlive_it() {
        let cell = CounterCell::new();
        let reader = cell.reader();
        cell.increment();
        cell.add(4);
        assert_eq!(reader.get(), 5);
        cell.propose_max(3);
        assert_eq!(reader.get(), 5);
        cell.propose_max(9);
        drop(cell);
        assert_eq!(reader.get(), 9);
    }

    #[test]
    fn a_reader_on_another_thread_sees_every_increment_in_the_end() {
        let cell = CounterCell::new();
        let reader = cell.reader();
        let writer = std::thread::spawn(move || {
            for _ in 0..10_000 {
                cell.increment();
            }
        });
        let mut previous = 0;
        while !writer.is_finished() {
            let value = reader.get();
            assert!(
                value >= previous,
                "counter went back from {previous} to {value}"
            );
            previous = value;
        }
        writer.join().expect("writer thread");
        assert_eq!(reader.get(), 10_000);
    }

    /// Proves [TP-RT-0750].
    #[test]
    fn counting_wraps_instead_of_panicking() {
        let cell = CounterCell::new();
        cell.set(u64::MAX);
        cell.increment();
        assert_eq!(cell.get(), 0);
    }
}

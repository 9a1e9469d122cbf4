//! Plain copies into a ring of buffers: what a frame's copy is measured against.

use std::hint::black_box;
use std::time::Instant;

/// As many buffers as a ring has slots, in this process's own memory, touched once.
pub(crate) struct CopyRing {
    from: Vec<u8>,
    to: Vec<Vec<u8>>,
    next: usize,
}

impl CopyRing {
    pub(crate) fn new(len: usize, slots: u32) -> Self {
        let payload: Vec<u8> = (0..len).map(|index| index as u8).collect();
        Self {
            to: vec![payload.clone(); slots as usize],
            from: payload,
            next: 0,
        }
    }

    /// Nanoseconds per copy.
    pub(crate) fn run(&mut self, count: u32) -> f64 {
        let started = Instant::now();
        for _ in 0..count {
            self.to[self.next].copy_from_slice(black_box(&self.from));
            black_box(&mut self.to[self.next]);
            self.next = (self.next + 1) % self.to.len();
        }
        started.elapsed().as_nanos() as f64 / f64::from(count)
    }
}

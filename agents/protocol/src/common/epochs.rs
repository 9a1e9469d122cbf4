//! Epoch numbers: strictly increasing, unique across streams, greater than anything that was used
//! before, by whoever makes epochs: a driver, or a producer without one.

use tensorpool_codecs::types::{Epoch, NanoTime};

/// Values from here on are no clock readings but rubbish in a directory name; they are never taken
/// over.
const IMPLAUSIBLE: u64 = 1 << 63;

/// Hands out epochs: `max(now, last + 1, highest existing + 1)`.
///
/// Consumers tell streams that share a descriptor stream apart by epoch only, hence one source for
/// all streams.
#[derive(Debug)]
pub struct EpochSource {
    last: u64,
}

impl EpochSource {
    /// Nothing was used before but what is on disk.
    #[must_use]
    // [TP-DRV-0940] [TP-DRV-0970]
    pub fn new(highest_existing: Option<Epoch>) -> Self {
        let existing = highest_existing.map_or(0, Epoch::get);
        Self {
            last: if existing < IMPLAUSIBLE { existing } else { 0 },
        }
    }

    /// The next epoch.
    // [TP-DRV-0930] [TP-DRV-0950] [TP-DRV-0960]
    pub fn next(&mut self, now: NanoTime) -> Epoch {
        self.last = now.get().max(self.last + 1);
        Epoch::new(self.last)
    }

    /// The last one that was handed out, or the highest on disk.
    #[must_use]
    pub fn last(&self) -> Epoch {
        Epoch::new(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves [TP-DRV-0930], [TP-DRV-0960].
    #[test]
    fn epochs_grow_even_when_the_clock_stands_still() {
        let mut source = EpochSource::new(None);
        let now = NanoTime::new(500);
        assert_eq!(source.next(now).get(), 500);
        assert_eq!(source.next(now).get(), 501);
        assert_eq!(source.next(NanoTime::new(3)).get(), 502);
    }

    /// Proves [TP-DRV-0960].
    #[test]
    fn epochs_exceed_what_is_on_disk() {
        let mut source = EpochSource::new(Some(Epoch::new(9_000)));
        assert_eq!(source.next(NanoTime::new(10)).get(), 9_001);
    }

    /// Proves [TP-DRV-0970].
    #[test]
    fn an_implausible_directory_name_is_no_epoch() {
        let mut source = EpochSource::new(Some(Epoch::new(u64::MAX)));
        assert_eq!(source.next(NanoTime::new(10)).get(), 10);
    }
}

//! When a stream has been back-pressured for so long that somebody should know.

use tensorpool_codecs::types::NanoTime;

/// How long a subscriber may hold a stream up before that is told. [TP-CLI-2364]
pub const STALL_NS: u64 = 500_000_000;

/// What changed about a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StallChange {
    /// It has been held up since then.
    Stalled {
        /// The first refusal.
        since: NanoTime,
    },
    /// It flows again.
    Flowing {
        /// The first refusal of those that are over.
        since: NanoTime,
    },
}

/// Watches one publication. Called by one thread, never allocates.
#[derive(Clone, Copy, Debug, Default)]
pub struct StallWatch {
    since: Option<NanoTime>,
    is_told: bool,
}

impl StallWatch {
    /// Whether the last message was refused.
    #[inline]
    #[must_use]
    pub fn is_held_up(&self) -> bool {
        self.since.is_some()
    }

    /// A message was refused because a subscriber is a window behind.
    pub fn on_back_pressure(&mut self, now: NanoTime) -> Option<StallChange> {
        let since = *self.since.get_or_insert(now);
        if self.is_told || now.since_ns(since) < STALL_NS {
            return None;
        }
        self.is_told = true;
        Some(StallChange::Stalled { since })
    }

    /// A message went out, or there is nobody any more who could hold it up.
    pub fn on_flow(&mut self) -> Option<StallChange> {
        let since = self.since.take()?;
        std::mem::take(&mut self.is_told).then_some(StallChange::Flowing { since })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> NanoTime {
        NanoTime::new(ms * 1_000_000)
    }

    /// Proves [TP-CLI-2364].
    #[test]
    fn a_stall_is_told_once_after_half_a_second_and_its_end_too() {
        let mut watch = StallWatch::default();
        assert_eq!(watch.on_back_pressure(at(1_000)), None);
        assert_eq!(watch.on_back_pressure(at(1_499)), None);
        let since = at(1_000);
        assert_eq!(
            watch.on_back_pressure(at(1_500)),
            Some(StallChange::Stalled { since })
        );
        assert_eq!(watch.on_back_pressure(at(2_500)), None, "told once");
        assert_eq!(watch.on_flow(), Some(StallChange::Flowing { since }));
        assert_eq!((watch.on_flow(), watch.is_held_up()), (None, false));
    }

    /// Proves [TP-CLI-2364].
    #[test]
    fn short_back_pressure_is_not_told_of() {
        let mut watch = StallWatch::default();
        for burst in 0..10 {
            assert_eq!(watch.on_back_pressure(at(burst * 400)), None);
            assert!(watch.is_held_up());
            assert_eq!(watch.on_flow(), None);
        }
    }
}

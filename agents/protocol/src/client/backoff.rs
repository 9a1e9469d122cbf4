//! Exponential backoff with jitter, and the small generator it draws from. The seed is an input.

/// SplitMix64: good enough for ids and jitter, reproducible from its seed. Not for secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator whose sequence the seed decides.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The next 32 bits that are not 0.
    /// [TP-CLI-0010]
    pub const fn next_nonzero_u32(&mut self) -> u32 {
        loop {
            let value = (self.next_u64() >> 32) as u32;
            if value != 0 {
                return value;
            }
        }
    }
}

/// Delays that double from a minimum to a maximum; each is shortened by up to half, never
/// lengthened, so that the maximum is a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    min_ns: u64,
    max_ns: u64,
    next_ns: u64,
}

impl Backoff {
    /// Starts at `min_ns`, ends at `max_ns`.
    #[must_use]
    pub const fn new(min_ns: u64, max_ns: u64) -> Self {
        Self {
            min_ns,
            max_ns,
            next_ns: min_ns,
        }
    }

    /// The delay before the next try.
    /// [TP-CLI-0440] [TP-CLI-0640]
    pub const fn next_delay_ns(&mut self, random: &mut SplitMix64) -> u64 {
        let full = self.next_ns;
        let doubled = full.saturating_mul(2);
        self.next_ns = if doubled < self.max_ns {
            doubled
        } else {
            self.max_ns
        };
        full - random.next_u64() % (full / 2 + 1)
    }

    /// Back to the minimum, after a success.
    /// [TP-CLI-0440]
    pub const fn reset(&mut self) {
        self.next_ns = self.min_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves [TP-CLI-0440].
    #[test]
    fn delays_double_up_to_the_maximum_and_jitter_only_shortens() {
        let mut backoff = Backoff::new(100, 3_200);
        let mut random = SplitMix64::new(1);
        for full in [100, 200, 400, 800, 1_600, 3_200, 3_200] {
            let delay = backoff.next_delay_ns(&mut random);
            assert!((full / 2..=full).contains(&delay), "{delay} of {full}");
        }
        backoff.reset();
        assert!(backoff.next_delay_ns(&mut random) <= 100);
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut a, mut b) = (SplitMix64::new(7), SplitMix64::new(7));
        assert_eq!(a.next_u64(), b.next_u64());
        assert_ne!(a.next_u64(), SplitMix64::new(8).next_u64());
    }
}

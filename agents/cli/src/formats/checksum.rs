//! CRC-32C of frames and of runs of frames.

/// A running CRC-32C (Castagnoli): of everything so far, or started anew for each frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    value: u32,
}

impl Checksum {
    /// The checksum of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The checksum of one payload.
    #[must_use]
    pub fn of(payload: &[u8]) -> u32 {
        crc32c::crc32c(payload)
    }

    /// Goes on with more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.value = crc32c::crc32c_append(self.value, bytes);
    }

    /// The checksum of all bytes so far.
    #[must_use]
    pub fn value(self) -> u32 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_check_value_in_one_piece_and_in_several() {
        assert_eq!(Checksum::of(b"123456789"), 0xe306_9283);
        let mut running = Checksum::new();
        running.update(b"1234");
        running.update(b"56789");
        assert_eq!(running.value(), 0xe306_9283);
    }
}

//! Sizes in bytes, as people write them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes: `4096`, `64KiB`, `1MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{given}' is not a size: expected bytes with an optional unit, such as 4096, 64KiB or 1MB"
)]
pub struct ParseSizeError {
    given: String,
}

const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
];

impl FromStr for ByteSize {
    type Err = ParseSizeError;

    /// Units in any case; `K`, `M` and `G` alone are the powers of 1024.
    fn from_str(text: &str) -> Result<Self, ParseSizeError> {
        let error = || ParseSizeError {
            given: text.to_owned(),
        };
        let trimmed = text.trim();
        let digits_len = trimmed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(trimmed.len());
        let value: u64 = trimmed[..digits_len].parse().map_err(|_| error())?;
        let unit = trimmed[digits_len..].trim().to_ascii_lowercase();
        let unit = if ["k", "m", "g", "t"].contains(&unit.as_str()) {
            unit + "ib"
        } else {
            unit
        };
        let known = UNITS
            .iter()
            .find(|known| known.0 == unit)
            .ok_or_else(error)?;
        value.checked_mul(known.1).map(Self).ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    /// Exact where a binary unit divides it, else one decimal of the largest one that fits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
            let unit_bytes = 1_u64 << shift;
            if self.0 >= unit_bytes {
                return if self.0.is_multiple_of(unit_bytes) {
                    write!(f, "{} {unit}", self.0 >> shift)
                } else {
                    write!(f, "{:.1} {unit}", self.0 as f64 / unit_bytes as f64)
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary_or_decimal_as_written() {
        for (text, bytes) in [
            ("4096", 4096),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("2K", 2048),
            ("1MB", 1_000_000),
            ("1MiB", 1_048_576),
            ("3GiB", 3 << 30),
            ("0b", 0),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn nonsense_and_overflow_are_refused() {
        for text in ["", "KiB", "1.5MB", "-1", "5 parsecs", "99999999999TiB"] {
            let message = text.parse::<ByteSize>().unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("'{text}' is not a size")),
                "{message}"
            );
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_fitting_unit() {
        assert_eq!(ByteSize(65_536).to_string(), "64 KiB");
        assert_eq!(ByteSize(1_382_400).to_string(), "1.3 MiB");
        assert_eq!(ByteSize(12).to_string(), "12 B");
    }
}

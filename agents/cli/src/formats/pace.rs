//! How fast to publish.

use std::fmt;
use std::str::FromStr;

/// The pace of publishing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// The rate the input declares.
    Source,
    /// As fast as possible.
    Max,
    /// This many frames per second, finite and above 0.
    Hz(f64),
}

/// Not a pace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{given}' is not a pace: expected source, max, or frames per second such as 60 or 30000/1001"
)]
pub struct ParsePaceError {
    given: String,
}

impl Pace {
    /// Frames per second to keep, or none for as fast as possible; also when the source declares
    /// none.
    #[must_use]
    pub fn rate_hz(self, source_rate_hz: Option<f64>) -> Option<f64> {
        match self {
            Self::Source => source_rate_hz,
            Self::Max => None,
            Self::Hz(rate_hz) => Some(rate_hz),
        }
    }
}

impl FromStr for Pace {
    type Err = ParsePaceError;

    fn from_str(text: &str) -> Result<Self, ParsePaceError> {
        let error = || ParsePaceError {
            given: text.to_owned(),
        };
        let lower = text.trim().to_ascii_lowercase();
        match lower.as_str() {
            "source" => return Ok(Self::Source),
            "max" => return Ok(Self::Max),
            _ => {}
        }
        let number = lower.strip_suffix("hz").unwrap_or(&lower).trim();
        let (numerator, denominator) = number.split_once('/').unwrap_or((number, "1"));
        let numerator: f64 = numerator.trim().parse().map_err(|_| error())?;
        let denominator: f64 = denominator.trim().parse().map_err(|_| error())?;
        let rate_hz = numerator / denominator;
        if rate_hz.is_finite() && rate_hz > 0.0 {
            Ok(Self::Hz(rate_hz))
        } else {
            Err(error())
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("source"),
            Self::Max => f.write_str("max"),
            Self::Hz(rate_hz) => write!(f, "{rate_hz} Hz"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_are_words_or_rates() {
        assert_eq!("source".parse(), Ok(Pace::Source));
        assert_eq!("MAX".parse(), Ok(Pace::Max));
        assert_eq!("60".parse(), Ok(Pace::Hz(60.0)));
        assert_eq!("12.5Hz".parse(), Ok(Pace::Hz(12.5)));
        assert_eq!("30000/1001".parse(), Ok(Pace::Hz(30_000.0 / 1001.0)));
    }

    #[test]
    fn rates_that_never_come_or_never_end_are_refused() {
        for text in ["0", "-1", "inf", "nan", "1/0", "fast", ""] {
            assert!(text.parse::<Pace>().is_err(), "{text}");
        }
    }

    #[test]
    fn source_without_a_rate_is_unpaced() {
        assert_eq!(Pace::Source.rate_hz(Some(25.0)), Some(25.0));
        assert_eq!(Pace::Source.rate_hz(None), None);
        assert_eq!(Pace::Max.rate_hz(Some(25.0)), None);
        assert_eq!(Pace::Hz(5.0).rate_hz(None), Some(5.0));
    }
}

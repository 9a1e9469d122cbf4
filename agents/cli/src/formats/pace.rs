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

/// Frames per second no pace is below: one frame in some 11 days.
pub const MIN_RATE_HZ: f64 = 1e-6;

/// Not a pace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePaceError {
    /// Not written as one, or never, or infinitely fast.
    #[error(
        "'{given}' is not a pace: expected source, max, or frames per second such as 60 or 30000/1001"
    )]
    Syntax {
        /// What was given.
        given: String,
    },
    /// So slow that nobody sees the second frame.
    #[error(
        "'{given}' is too slow: expected {MIN_RATE_HZ} frames per second at least, one in 11 days"
    )]
    TooSlow {
        /// What was given.
        given: String,
    },
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
        let given = || text.to_owned();
        let error = || ParsePaceError::Syntax { given: given() };
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
        // A quotient may be 0 though nothing of it is.
        let is_never = numerator <= 0.0 || denominator <= 0.0 || rate_hz < 0.0;
        if !rate_hz.is_finite() || is_never {
            Err(error())
        } else if rate_hz < MIN_RATE_HZ {
            Err(ParsePaceError::TooSlow { given: given() })
        } else {
            Ok(Self::Hz(rate_hz))
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
    fn rates_nobody_lives_to_see_the_second_frame_of_are_refused_with_the_limit() {
        for text in ["1e-300", "1/9999999999999999999", "0.00000099", "5e-324/2"] {
            let message = text.parse::<Pace>().unwrap_err().to_string();
            assert!(message.contains("0.000001 frames per second"), "{message}");
        }
        assert_eq!("1e-6".parse(), Ok(Pace::Hz(1e-6)));
    }

    #[test]
    fn source_without_a_rate_is_unpaced() {
        assert_eq!(Pace::Source.rate_hz(Some(25.0)), Some(25.0));
        assert_eq!(Pace::Source.rate_hz(None), None);
        assert_eq!(Pace::Max.rate_hz(Some(25.0)), None);
        assert_eq!(Pace::Hz(5.0).rate_hz(None), Some(5.0));
    }
}

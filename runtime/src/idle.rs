//! What a thread does between duty cycles that found nothing to do.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const DEFAULT_MAX_SPINS: u32 = 10;
const DEFAULT_MAX_YIELDS: u32 = 20;
const DEFAULT_MIN_PARK: Duration = Duration::from_micros(1);
const DEFAULT_MAX_PARK: Duration = Duration::from_millis(1);
const PATIENT_MAX_PARK: Duration = Duration::from_millis(2);
const DEFAULT_SLEEP: Duration = Duration::from_millis(1);

/// How to idle, as configured: `noop`, `busy-spin`, `yield`, `sleep[:PERIOD]` or
/// `backoff[:SPINS,YIELDS,MIN_PARK,MAX_PARK]`, with durations such as `1000ns`, `50us`, `1ms`,
/// `2s`.
///
/// Plain data; [`Idler`] does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleStrategy {
    /// Return at once. For agents that wait somewhere themselves.
    Noop,
    /// A processor hint; a whole core for the lowest latency.
    BusySpin,
    /// Give the core to whoever is waiting for it.
    Yield,
    /// Park for a fixed time.
    Sleep {
        /// How long.
        period: Duration,
    },
    /// Spin, then yield, then park for a time that doubles up to a limit.
    Backoff {
        /// Idle calls that spin.
        max_spins: u32,
        /// Idle calls that yield after that.
        max_yields: u32,
        /// The first park.
        min_park: Duration,
        /// The longest park.
        max_park: Duration,
    },
}

impl IdleStrategy {
    /// Backoff with 10 spins, 20 yields and parks of 1 µs to 1 ms, as Aeron's own default.
    pub const DEFAULT_BACKOFF: Self = Self::Backoff {
        max_spins: DEFAULT_MAX_SPINS,
        max_yields: DEFAULT_MAX_YIELDS,
        min_park: DEFAULT_MIN_PARK,
        max_park: DEFAULT_MAX_PARK,
    };

    /// The same with parks of up to 2 ms, for agents nobody waits for at every frame, such as the
    /// driver: waking up is most of what an idle agent costs.
    pub const PATIENT_BACKOFF: Self = Self::Backoff {
        max_spins: DEFAULT_MAX_SPINS,
        max_yields: DEFAULT_MAX_YIELDS,
        min_park: DEFAULT_MIN_PARK,
        max_park: PATIENT_MAX_PARK,
    };

    /// One that idles this way, with its own state.
    #[must_use]
    pub fn idler(self) -> Idler {
        Idler {
            strategy: self,
            spins: 0,
            yields: 0,
            park: Duration::ZERO,
        }
    }
}

impl Default for IdleStrategy {
    fn default() -> Self {
        Self::DEFAULT_BACKOFF
    }
}

/// Carries an [`IdleStrategy`] out. Belongs to one thread; parks can be cut short by unparking it.
#[derive(Clone, Debug)]
pub struct Idler {
    strategy: IdleStrategy,
    spins: u32,
    yields: u32,
    park: Duration,
}

/// What an [`Idler`] decides to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Spin,
    Yield,
    Park(Duration),
}

impl Idler {
    /// To be called after each duty cycle with the work it did: idles on 0, starts over otherwise.
    #[inline]
    pub fn idle(&mut self, work: usize) {
        // [TP-RT-0410]
        if work > 0 {
            self.reset();
            return;
        }
        match self.next_step() {
            Step::Nothing => {}
            Step::Spin => std::hint::spin_loop(),
            Step::Yield => std::thread::yield_now(),
            Step::Park(duration) => std::thread::park_timeout(duration),
        }
    }

    /// Forgets how long it has been idle.
    /// [TP-RT-0410]
    #[inline]
    pub fn reset(&mut self) {
        self.spins = 0;
        self.yields = 0;
        self.park = Duration::ZERO;
    }

    fn next_step(&mut self) -> Step {
        match self.strategy {
            IdleStrategy::Noop => Step::Nothing,
            IdleStrategy::BusySpin => Step::Spin,
            IdleStrategy::Yield => Step::Yield,
            IdleStrategy::Sleep { period } => Step::Park(period),
            IdleStrategy::Backoff {
                max_spins,
                max_yields,
                min_park,
                max_park,
            } => {
                // [TP-RT-0410]
                if self.spins < max_spins {
                    self.spins += 1;
                    Step::Spin
                } else if self.yields < max_yields {
                    self.yields += 1;
                    Step::Yield
                } else {
                    self.park = (self.park * 2).clamp(min_park, max_park);
                    Step::Park(self.park)
                }
            }
        }
    }
}

/// An idle strategy that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseIdleError {
    /// Not the name of a strategy.
    #[error(
        "unknown idle strategy '{0}': expected noop, busy-spin, yield, sleep[:PERIOD] or \
         backoff[:SPINS,YIELDS,MIN_PARK,MAX_PARK]"
    )]
    UnknownName(String),
    /// Parameters of the wrong number or kind.
    #[error("idle strategy '{given}': expected {expected}")]
    BadParameters {
        /// What was given.
        given: String,
        /// What it should look like.
        expected: &'static str,
    },
}

impl FromStr for IdleStrategy {
    type Err = ParseIdleError;

    // [TP-RT-0420] [TP-RT-0430]
    fn from_str(text: &str) -> Result<Self, ParseIdleError> {
        let (name, parameters) = match text.split_once(':') {
            Some((name, parameters)) => (name.trim(), Some(parameters)),
            None => (text.trim(), None),
        };
        let bad = |expected| ParseIdleError::BadParameters {
            given: text.to_owned(),
            expected,
        };
        let plain = |strategy| match parameters {
            None => Ok(strategy),
            Some(_) => Err(bad("no parameters")),
        };
        match name {
            "noop" => plain(Self::Noop),
            "busy-spin" | "busy_spin" | "spin" => plain(Self::BusySpin),
            "yield" | "yielding" => plain(Self::Yield),
            "sleep" | "sleeping" => {
                let expected = "sleep:PERIOD with a period above 0, such as sleep:1ms";
                let period = parameters.map_or(Some(DEFAULT_SLEEP), parse_duration);
                let period = period.filter(|period| !period.is_zero());
                Ok(Self::Sleep {
                    period: period.ok_or_else(|| bad(expected))?,
                })
            }
            "backoff" => match parameters {
                None => Ok(Self::DEFAULT_BACKOFF),
                Some(parameters) => parse_backoff(parameters).ok_or_else(|| {
                    bad(
                        "backoff:SPINS,YIELDS,MIN_PARK,MAX_PARK with 0 < MIN_PARK <= MAX_PARK, \
                         such as backoff:100,20,1us,1ms",
                    )
                }),
            },
            _ => Err(ParseIdleError::UnknownName(name.to_owned())),
        }
    }
}

// [TP-RT-0430]
fn parse_backoff(parameters: &str) -> Option<IdleStrategy> {
    let mut parts = parameters.split(',').map(str::trim);
    let max_spins = parts.next()?.parse().ok()?;
    let max_yields = parts.next()?.parse().ok()?;
    let min_park = parse_duration(parts.next()?)?;
    let max_park = parse_duration(parts.next()?)?;
    if parts.next().is_some() || min_park.is_zero() || min_park > max_park {
        return None;
    }
    Some(IdleStrategy::Backoff {
        max_spins,
        max_yields,
        min_park,
        max_park,
    })
}

// [TP-RT-0430]
fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits_len = text.find(|c: char| !c.is_ascii_digit())?;
    let value: u64 = text[..digits_len].parse().ok()?;
    match &text[digits_len..] {
        "ns" => Some(Duration::from_nanos(value)),
        "us" | "µs" => Some(Duration::from_micros(value)),
        "ms" => Some(Duration::from_millis(value)),
        "s" => Some(Duration::from_secs(value)),
        _ => None,
    }
}

struct Short(Duration);

impl fmt::Display for Short {
    // [TP-RT-0420]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0.as_nanos();
        for (unit_ns, unit) in [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")] {
            if ns > 0 && ns.is_multiple_of(unit_ns) {
                return write!(f, "{}{unit}", ns / unit_ns);
            }
        }
        write!(f, "{ns}ns")
    }
}

impl fmt::Display for IdleStrategy {
    // [TP-RT-0420]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Noop => f.write_str("noop"),
            Self::BusySpin => f.write_str("busy-spin"),
            Self::Yield => f.write_str("yield"),
            Self::Sleep { period } => write!(f, "sleep:{}", Short(period)),
            Self::Backoff {
                max_spins,
                max_yields,
                min_park,
                max_park,
            } => {
                let (min_park, max_park) = (Short(min_park), Short(max_park));
                write!(f, "backoff:{max_spins},{max_yields},{min_park},{max_park}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(idler: &mut Idler, count: usize) -> Vec<Step> {
        (0..count).map(|_| idler.next_step()).collect()
    }

    /// Proves [TP-RT-0410].
    #[test]
    fn backoff_spins_then_yields_then_parks_up_to_its_limit_and_starts_over_after_work() {
        let strategy: IdleStrategy = "backoff:2,1,1us,3us".parse().expect("parses");
        let mut idler = strategy.idler();
        let us = |us| Step::Park(Duration::from_micros(us));
        let expected = [
            Step::Spin,
            Step::Spin,
            Step::Yield,
            us(1),
            us(2),
            us(3),
            us(3),
        ];
        assert_eq!(steps(&mut idler, 7), expected);
        idler.idle(1);
        assert_eq!(steps(&mut idler, 4), expected[..4]);
        idler.idle(1);
        for _spin in 0..2 {
            idler.idle(0);
        }
        assert_eq!(steps(&mut idler, 3), expected[2..5]);
    }

    #[test]
    fn simple_strategies_do_one_thing() {
        let step = |text: &str| {
            text.parse::<IdleStrategy>()
                .expect("parses")
                .idler()
                .next_step()
        };
        assert_eq!(step("noop"), Step::Nothing);
        assert_eq!(step("busy-spin"), Step::Spin);
        assert_eq!(step("yield"), Step::Yield);
        assert_eq!(step("sleep:50us"), Step::Park(Duration::from_micros(50)));
    }

    /// Proves [TP-RT-0420].
    #[test]
    fn display_parses_back() {
        for text in [
            "noop",
            "busy-spin",
            "yield",
            "sleep:1ms",
            "backoff:100,20,1us,1ms",
            "sleep:7ns",
            "sleep:3s",
            "sleep:1001us",
            "backoff:0,0,1us,1us",
        ] {
            let strategy: IdleStrategy = text.parse().expect("parses");
            assert_eq!(strategy.to_string(), text);
        }
        let long: IdleStrategy = "backoff:100,20,1000ns,1ms".parse().expect("parses");
        assert_eq!(long.to_string(), "backoff:100,20,1us,1ms");
        // As `agent-runner run --help` says.
        let patient = IdleStrategy::PATIENT_BACKOFF;
        assert_eq!(patient.to_string(), "backoff:10,20,1us,2ms");
        assert_eq!("backoff".parse(), Ok(IdleStrategy::default()));
        let unclamped = IdleStrategy::Sleep {
            period: Duration::ZERO,
        };
        assert_eq!(unclamped.to_string(), "sleep:0ns");
    }

    /// Proves [TP-RT-0430].
    #[test]
    fn mistakes_say_what_was_expected() {
        let error = |text: &str| text.parse::<IdleStrategy>().unwrap_err().to_string();
        assert!(error("snooze").starts_with("unknown idle strategy 'snooze': expected noop"));
        assert_eq!(
            error("yield:1"),
            "idle strategy 'yield:1': expected no parameters"
        );
        for text in [
            "sleep:5",
            "sleep:0ms",
            "backoff:1,2,3",
            "backoff:1,2,0us,1us",
            "backoff:1,2,1us,1us,1us",
            "backoff:1,2,2ms,1ms",
            "backoff:a,1,1us,1us",
        ] {
            assert!(error(text).contains("such as"), "{text}: {}", error(text));
        }
    }

    #[test]
    fn parks_can_be_cut_short_by_unparking() {
        let mut idler = "sleep:3600s"
            .parse::<IdleStrategy>()
            .expect("parses")
            .idler();
        let thread = std::thread::spawn(move || idler.idle(0));
        thread.thread().unpark();
        thread.join().expect("woken");
    }
}

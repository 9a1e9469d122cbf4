//! What a supervisor is built from, and what of it can change while it runs.

use core::fmt;
use core::ops::RangeInclusive;
use std::sync::Arc;

use tensorpool_codecs::wire::Mode;

/// The most consumers that can be followed at a time.
pub const MAX_CAPACITY: usize = 1 << 16;
/// The longest fallback URI, in bytes.
const MAX_URI_LEN: usize = 1024;

/// Whose hellos are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// Everybody's: a supervisor.
    EveryHello,
    /// Those of consumers that ask for streams of their own, or did: a driver that hands out ids
    /// and leaves everything else as it is.
    StreamRequests,
}

/// One kind of streams for single consumers: descriptors, or control.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnStreams {
    /// Aeron stream ids to hand out; none declines every request.
    pub ids: Vec<RangeInclusive<u32>>,
    /// Their channel; `None` for the one the consumer asks for, if that does not leave the host.
    pub channel: Option<Arc<str>>,
}

/// What consumers are told. Can change while the supervisor runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Nobody is to read payloads from shared memory.
    pub force_no_shm: bool,
    /// The mode of everybody; `None` for the one the consumer asks for.
    pub force_mode: Option<Mode>,
    /// Where payloads come from without shared memory.
    pub payload_fallback_uri: Option<FallbackUri>,
}

/// What the core is built from: plain data, durations in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreConfig {
    /// Whose hellos are answered.
    pub answering: Answering,
    /// What they are told.
    pub policy: Policy,
    /// Descriptor streams of single consumers.
    pub descriptor: OwnStreams,
    /// Control streams of single consumers.
    pub control: OwnStreams,
    /// The most consumers followed at a time.
    pub consumer_capacity: usize,
    /// Silence after which a consumer, or a producer nobody announces, is taken for gone.
    pub consumer_stale_ns: u64,
    /// How long a released stream id goes to nobody but its last holder. Producers close the
    /// publications of a silent consumer five seconds after its last sign of life.
    pub id_reuse_delay_ns: u64,
}

impl Default for CoreConfig {
    /// Answers everybody and hands out no streams; 256 consumers, five seconds.
    fn default() -> Self {
        Self {
            answering: Answering::EveryHello,
            policy: Policy::default(),
            descriptor: OwnStreams::default(),
            control: OwnStreams::default(),
            consumer_capacity: 256,
            consumer_stale_ns: 5_000_000_000,
            id_reuse_delay_ns: 5_000_000_000,
        }
    }
}

/// Why a configuration cannot be run with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CoreConfigError {
    /// Nobody, or too many.
    #[error("a supervisor follows 1 to {MAX_CAPACITY} consumers, found {0}")]
    Capacity(usize),
    /// Consumers would be gone before they said hello twice.
    #[error("consumers are gone after some silence, found 0 ns")]
    Stale,
    /// Empty, with 0, or beyond what Aeron can address.
    #[error("the range {}-{} is empty or has ids that are no Aeron stream (1 to 2147483647)", .0.start(), .0.end())]
    Range(RangeInclusive<u32>),
    /// One id for two kinds of streams, or twice for one.
    #[error("the ranges {}-{} and {}-{} have ids in common", .0.start(), .0.end(), .1.start(), .1.end())]
    Overlap(RangeInclusive<u32>, RangeInclusive<u32>),
}

impl CoreConfig {
    /// Checks what must hold. [TP-DRV-2330]
    pub(super) fn check(&self) -> Result<(), CoreConfigError> {
        if !(1..=MAX_CAPACITY).contains(&self.consumer_capacity) {
            return Err(CoreConfigError::Capacity(self.consumer_capacity));
        }
        if self.consumer_stale_ns == 0 {
            return Err(CoreConfigError::Stale);
        }
        let all: Vec<_> = self
            .descriptor
            .ids
            .iter()
            .chain(&self.control.ids)
            .collect();
        for (index, range) in all.iter().enumerate() {
            let in_aeron = *range.start() > 0 && *range.end() <= i32::MAX as u32;
            if range.is_empty() || !in_aeron {
                return Err(CoreConfigError::Range((*range).clone()));
            }
            let overlaps = |other: &&&RangeInclusive<u32>| {
                range.start() <= other.end() && other.start() <= range.end()
            };
            if let Some(other) = all[..index].iter().find(overlaps) {
                return Err(CoreConfigError::Overlap((*range).clone(), (*other).clone()));
            }
        }
        Ok(())
    }
}

/// Where payloads come from without shared memory: an Aeron channel, or `bridge://` and the name of
/// a bridge. Other schemes mean nothing to any consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallbackUri(Arc<str>);

/// Why a text is no fallback URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected \"aeron:\" and a channel or \"bridge://\" and a name, of at most {MAX_URI_LEN} \
     printable characters without blanks; found {found:?}"
)]
pub struct FallbackUriError {
    /// What was given.
    pub found: String,
}

impl FallbackUri {
    /// Checks the scheme. [TP-DRV-2150]
    ///
    /// # Errors
    /// [`FallbackUriError`].
    pub fn new(text: &str) -> Result<Self, FallbackUriError> {
        let behind = text
            .strip_prefix("aeron:")
            .or(text.strip_prefix("bridge://"));
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if behind.is_some_and(|rest| !rest.is_empty()) && is_plain && text.len() <= MAX_URI_LEN {
            return Ok(Self(text.into()));
        }
        Err(FallbackUriError {
            found: text.to_owned(),
        })
    }

    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FallbackUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

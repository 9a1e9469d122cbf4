//! Aeron channel URIs: parse, build, change single parameters. Knows no parameter's meaning beyond the few
//! the link uses; the media driver judges the rest.

use std::fmt;
use std::str::FromStr;

/// `aeron:ipc?term-length=4m` and the like, checked for form.
///
/// Parameters keep their order, so a channel prints as it was parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel {
    spy: bool,
    media: Media,
    params: Vec<(String, String)>,
}

/// What carries a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Media {
    /// Shared memory of one host.
    Ipc,
    /// UDP unicast or multicast.
    Udp,
}

/// What is wrong with a channel URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// Not an Aeron URI at all.
    #[error(
        "channel {uri:?} does not start with \"aeron:\" or \"aeron-spy:\"; expected for example \"aeron:ipc\""
    )]
    Scheme {
        /// What was given.
        uri: String,
    },
    /// Neither ipc nor udp.
    #[error("channel {uri:?} has media {media:?}; expected \"ipc\" or \"udp\"")]
    Media {
        /// What was given.
        uri: String,
        /// What stands where the media belongs.
        media: String,
    },
    /// A parameter without key or `=`.
    #[error("channel {uri:?} has parameter {param:?}; expected key=value, separated by '|'")]
    Param {
        /// What was given.
        uri: String,
        /// The parameter.
        param: String,
    },
    /// The same key twice.
    #[error("channel {uri:?} has parameter {key:?} twice; keep one")]
    Duplicate {
        /// What was given.
        uri: String,
        /// The key.
        key: String,
    },
    /// A character that would end the value or the URI, or that Aeron's C strings cannot carry.
    #[error(
        "parameter {key}={value:?} contains a character that is not allowed in a channel ('|', '=', '?', NUL)"
    )]
    Character {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// Not a power of two within Aeron's bounds.
    #[error("term length {given} in channel {uri:?} is not a power of two from 64k to 1g")]
    TermLength {
        /// What was given.
        uri: String,
        /// The value.
        given: String,
    },
    /// Longer than Aeron accepts.
    #[error("channel has {len} bytes, Aeron accepts at most {max}", max = Channel::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
}

impl Channel {
    /// The longest URI Aeron accepts, in bytes.
    pub const MAX_LEN: usize = 4095;

    /// The publication parameters that keep an untethered subscriber that stopped from stalling the others.
    const UNTETHERED_TIMEOUTS: [(&'static str, &'static str); 3] = [
        ("untethered-window-limit-timeout", "100ms"),
        ("untethered-linger-timeout", "100ms"),
        ("untethered-resting-timeout", "1s"),
    ];

    /// `aeron:ipc`.
    #[must_use]
    pub const fn ipc() -> Self {
        Self {
            spy: false,
            media: Media::Ipc,
            params: Vec::new(),
        }
    }

    /// `aeron:udp?endpoint=...`.
    ///
    /// # Errors
    /// [`ChannelError::Character`].
    pub fn udp(endpoint: &str) -> Result<Self, ChannelError> {
        Self {
            spy: false,
            media: Media::Udp,
            params: Vec::new(),
        }
        .with_param("endpoint", endpoint)
    }

    /// What carries it.
    #[must_use]
    pub const fn media(&self) -> Media {
        self.media
    }

    /// Whether it spies on a network publication of this host (`aeron-spy:`).
    #[must_use]
    pub const fn is_spy(&self) -> bool {
        self.spy
    }

    /// A parameter's value.
    #[must_use]
    pub fn param(&self, key: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }

    /// With the parameter set, in place of an earlier value.
    ///
    /// # Errors
    /// [`ChannelError::Character`], [`ChannelError::TermLength`].
    pub fn with_param(mut self, key: &str, value: &str) -> Result<Self, ChannelError> {
        check_text(key, key)?;
        check_text(key, value)?;
        match self.params.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => value.clone_into(old),
            None => self.params.push((key.into(), value.into())),
        }
        self.check_term_length()?;
        Ok(self)
    }

    /// Without the parameter; the same when it has none.
    #[must_use]
    pub fn without_param(mut self, key: &str) -> Self {
        self.params.retain(|(k, _)| k != key);
        self
    }

    /// With a term length in bytes: a power of two from 64 KiB to 1 GiB.
    ///
    /// # Errors
    /// [`ChannelError::TermLength`].
    pub fn with_term_length(self, term_len: usize) -> Result<Self, ChannelError> {
        self.with_param("term-length", &term_len.to_string())
    }

    /// The term length in bytes, if the channel says one.
    #[must_use]
    pub fn term_length(&self) -> Option<usize> {
        parse_size(self.param("term-length")?)
    }

    /// With Aeron's timeouts for untethered subscribers, where it has none: 100 ms behind the window limit,
    /// 100 ms of linger, and 1 s until the subscriber may join again.
    ///
    /// These belong on the *publication*: an IPC publication's window is held back by its own subscribers,
    /// so the media driver takes the timeouts from the publication's URI (from the subscription's only for
    /// images that come over the network). Subscriptions of any URI match on the stream id alone, a plain
    /// `aeron:ipc` of a peer included. The media driver applies them at its timer interval: 50 ms with ours,
    /// 1 s with a default `aeronmd`.
    /// [TP-RT-1010]
    #[must_use]
    pub fn with_untethered_timeouts(mut self) -> Self {
        for (key, value) in Self::UNTETHERED_TIMEOUTS {
            if self.param(key).is_none() {
                self.params.push((key.into(), value.into()));
            }
        }
        self
    }

    /// With `tether=false`, for a subscription that publishers shall not wait for.
    /// [TP-RT-1010]
    #[must_use]
    pub fn untethered(mut self) -> Self {
        self.params.retain(|(k, _)| k != "tether");
        self.params.push(("tether".into(), "false".into()));
        self
    }

    fn check_term_length(&self) -> Result<(), ChannelError> {
        const MIN: usize = 64 << 10;
        const MAX: usize = 1 << 30;
        let Some(given) = self.param("term-length") else {
            return Ok(());
        };
        match parse_size(given) {
            Some(len) if len.is_power_of_two() && (MIN..=MAX).contains(&len) => Ok(()),
            _ => Err(ChannelError::TermLength {
                uri: self.to_string(),
                given: given.into(),
            }),
        }
    }
}

impl FromStr for Channel {
    type Err = ChannelError;

    fn from_str(uri: &str) -> Result<Self, ChannelError> {
        if uri.len() > Self::MAX_LEN {
            return Err(ChannelError::TooLong { len: uri.len() });
        }
        let (spy, rest) = match uri.strip_prefix("aeron-spy:") {
            Some(rest) => (true, rest.strip_prefix("aeron:")),
            None => (false, uri.strip_prefix("aeron:")),
        };
        let rest = rest.ok_or_else(|| ChannelError::Scheme { uri: uri.into() })?;
        let (media, params) = rest.split_once('?').unwrap_or((rest, ""));
        let media = match media {
            "ipc" => Media::Ipc,
            "udp" => Media::Udp,
            other => {
                return Err(ChannelError::Media {
                    uri: uri.into(),
                    media: other.into(),
                });
            }
        };
        let mut channel = Self {
            spy,
            media,
            params: Vec::new(),
        };
        for param in params.split('|').filter(|_| !params.is_empty()) {
            let (key, value) = param
                .split_once('=')
                .filter(|(key, value)| !key.is_empty() && !value.is_empty())
                .ok_or_else(|| ChannelError::Param {
                    uri: uri.into(),
                    param: param.into(),
                })?;
            check_text(key, key)?;
            check_text(key, value)?;
            if channel.param(key).is_some() {
                return Err(ChannelError::Duplicate {
                    uri: uri.into(),
                    key: key.into(),
                });
            }
            channel.params.push((key.into(), value.into()));
        }
        channel.check_term_length()?;
        Ok(channel)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.spy {
            "aeron-spy:aeron:"
        } else {
            "aeron:"
        })?;
        f.write_str(match self.media {
            Media::Ipc => "ipc",
            Media::Udp => "udp",
        })?;
        for (index, (key, value)) in self.params.iter().enumerate() {
            f.write_str(if index == 0 { "?" } else { "|" })?;
            write!(f, "{key}={value}")?;
        }
        Ok(())
    }
}

fn check_text(key: &str, text: &str) -> Result<(), ChannelError> {
    if text.is_empty() || text.contains(['|', '=', '?', '\0']) {
        return Err(ChannelError::Character {
            key: key.into(),
            value: text.into(),
        });
    }
    Ok(())
}

/// Aeron's sizes: digits, and `k`, `m` or `g` for binary multiples.
fn parse_size(text: &str) -> Option<usize> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 10),
        b'm' | b'M' => (&text[..text.len() - 1], 20),
        b'g' | b'G' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits.parse::<usize>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;

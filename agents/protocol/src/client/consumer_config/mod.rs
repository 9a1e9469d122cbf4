//! What a consumer asks for in its hellos, and which answers it obeys (Wire v1.2 §5, §10.1.2,
//! §10.1.3, §11, §15.12).
//!
//! Sans-IO. [`ConsumerWishes`] makes the hellos. [`ConfigFollower`] hears every ConsumerConfig and
//! says what is in force: the mode, whether payloads lie in shared memory, and which streams are the
//! consumer's own. What it says holds until the next change, which its owner finds by
//! [`ConfigFollower::version`]; subscribing and unmapping are its owner's business.
//!
//! ```text
//!                 a stream of its own is assigned
//!   shared only ─────────────────────────────────▶ own, shared until its first descriptor
//!       ▲                                              │ its first descriptor
//!       │ declined, or the lease ended                 ▼
//!       ├──────────────────────────────────────────── own only
//!       │                                              │ no publication for three periods
//!       │                                              ▼
//!       └──────────────────────────────────────────── own, shared until its first descriptor
//! ```

use tensorpool_codecs::types::{ClientId, NanoTime, StreamId};

use super::messages::{AeronEndpoint, ConsumerConfig, ConsumerHello, OwnStream, ProgressHints};
use super::qos::REPORT_PERIOD_NS;
use crate::common::{ConsumerMode, LAYOUT_VERSION};

/// So long an assignment keeps out another one after it was heard last: two hellos.
pub const ASSIGNMENT_KEEPS_NS: u64 = 2 * REPORT_PERIOD_NS;

/// So long a stream of one's own may be without a publication before the shared one is heard again.
pub const SILENT_STREAM_NS: u64 = 3 * REPORT_PERIOD_NS;

/// Longest fallback URI that is kept, as long as Aeron's channels.
const MAX_URI_LEN: usize = 4095;

/// What an application asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerWishes {
    /// Whether it can read payloads from shared memory. Without that no config has it do so.
    pub supports_shm: bool,
    /// How it wants its frames.
    pub mode: ConsumerMode,
    /// Frames a second at most; 0 without a limit. More than fits here, peers in the field cannot
    /// read.
    pub max_rate_hz: u16,
    /// Whether, and how often, it wants to hear of progress.
    pub progress: Option<ProgressHints>,
    /// A stream of its own for descriptors: a proposal that the authority may replace.
    pub descriptor: Option<AeronEndpoint>,
    /// A stream of its own for progress: a proposal as well.
    pub control: Option<AeronEndpoint>,
}

impl Default for ConsumerWishes {
    /// All frames, on the shared streams.
    fn default() -> Self {
        Self {
            supports_shm: true,
            mode: ConsumerMode::Stream,
            max_rate_hz: 0,
            progress: None,
            descriptor: None,
            control: None,
        }
    }
}

impl ConsumerWishes {
    /// The hello that says so. [TP-CLI-2110], [TP-CLI-2120], [TP-CLI-2130]
    #[must_use]
    pub fn hello(&self, stream_id: StreamId, consumer_id: ClientId) -> ConsumerHello {
        let own = |wish: &Option<AeronEndpoint>| match wish {
            Some(AeronEndpoint { channel, stream_id }) => {
                match OwnStream::from_wire(channel.clone(), *stream_id) {
                    // Half a request is none, and peers must refuse it.
                    OwnStream::ChannelOnly(_) | OwnStream::IdOnly(_) => OwnStream::Absent,
                    whole => whole,
                }
            }
            None => OwnStream::Absent,
        };
        ConsumerHello {
            stream_id,
            consumer_id,
            // [TP-CLI-2291]
            supports_shm: self.supports_shm,
            supports_progress: self.progress.is_some(),
            mode: self.mode,
            max_rate_hz: self.max_rate_hz.into(),
            expected_layout_version: LAYOUT_VERSION,
            progress: self.progress.unwrap_or_default(),
            descriptor: own(&self.descriptor),
            control: own(&self.control),
        }
    }
}

/// What is in force for a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// How it gets its frames: reduced to its rate when it asked for that, or was told so.
    pub mode: ConsumerMode,
    /// Whether it reads payloads from shared memory.
    pub use_shm: bool,
    /// Where payloads come from otherwise.
    pub fallback_uri: Option<String>,
    /// The stream of its descriptors; `None` for the shared one.
    pub descriptor: Option<AeronEndpoint>,
    /// The stream of its progress messages; `None` for the shared one.
    pub control: Option<AeronEndpoint>,
}

/// What became of a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOutcome {
    /// It is in force now; before something else was.
    Applied,
    /// It says what is in force already.
    Unchanged,
    /// Of another stream or consumer.
    Foreign,
    /// It cannot be meant: half a stream, or no channel.
    Invalid,
    /// Another authority than the one that is followed.
    Conflicting,
}

/// Counts of a config follower. Configs of others are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigStats {
    /// Configs that changed something.
    pub applied: u64,
    /// Configs that were no whole ones.
    pub invalid: u64,
    /// Configs of another authority than the one that is followed.
    pub conflicting: u64,
    /// Configs whose fallback URI was of an unknown scheme; the rest of them held.
    pub unsupported_uris: u64,
}

/// The side of one consumer that obeys.
#[derive(Debug)]
pub struct ConfigFollower {
    wishes: ConsumerWishes,
    shared: AeronEndpoint,
    local_uri: Option<String>,
    addressee: Option<(StreamId, ClientId)>,
    settings: ConsumerSettings,
    version: u64,
    confirmed_at: NanoTime,
    /// Since when the own descriptor stream has had no publication.
    silent_since: Option<NanoTime>,
    is_silent: bool,
    stats: ConfigStats,
}

impl ConfigFollower {
    /// Follows nobody yet. `shared` is the descriptor stream of everybody, `local_uri` where the
    /// application gets payloads from when no config says so.
    #[must_use]
    pub fn new(wishes: ConsumerWishes, shared: AeronEndpoint, local_uri: Option<String>) -> Self {
        let settings = unconfigured(&wishes, local_uri.clone());
        Self {
            wishes,
            shared,
            local_uri,
            addressee: None,
            settings,
            version: 0,
            confirmed_at: NanoTime::new(0),
            silent_since: None,
            is_silent: false,
            stats: ConfigStats::default(),
        }
    }

    /// A lease was granted: configs for it are obeyed, and none of an earlier one. [TP-CLI-2190]
    pub fn on_granted(&mut self, stream_id: StreamId, consumer_id: ClientId) {
        self.addressee = Some((stream_id, consumer_id));
        self.reset();
    }

    /// The lease ended, and with it what was said to its holder: a new driver may have no authority
    /// that would take it back. [TP-CLI-2190]
    pub fn on_lost(&mut self) {
        self.addressee = None;
        self.reset();
    }

    /// A config of anybody for anybody. `is_channel` says whether text is a channel that can be
    /// subscribed to.
    pub fn on_config(
        &mut self,
        now: NanoTime,
        config: &ConsumerConfig,
        is_channel: impl Fn(&str) -> bool,
    ) -> ConfigOutcome {
        // [TP-CLI-2140]
        if self.addressee != Some((config.stream_id, config.consumer_id)) {
            return ConfigOutcome::Foreign;
        }
        let assigned = |channel: &str, stream_id| assignment(channel, stream_id, &is_channel);
        let descriptor = assigned(&config.descriptor_channel, config.descriptor_stream_id);
        let control = assigned(&config.control_channel, config.control_stream_id);
        // [TP-CLI-2150]
        let (Ok(descriptor), Ok(control)) = (descriptor, control) else {
            self.stats.invalid += 1;
            return ConfigOutcome::Invalid;
        };
        let descriptor = descriptor.filter(|own| !self.is_shared(own));
        if self.is_kept_out(now, descriptor.as_ref(), control.as_ref()) {
            self.stats.conflicting += 1;
            return ConfigOutcome::Conflicting;
        }
        self.confirmed_at = now;
        let settings = ConsumerSettings {
            mode: self.effective_mode(config.mode),
            // [TP-CLI-2291]
            use_shm: config.use_shm && self.wishes.supports_shm,
            fallback_uri: self.fallback_uri(&config.payload_fallback_uri),
            descriptor,
            control,
        };
        // [TP-CLI-2160]
        if settings == self.settings {
            return ConfigOutcome::Unchanged;
        }
        if settings.descriptor != self.settings.descriptor {
            self.silent_since = settings.descriptor.is_some().then_some(now);
            self.is_silent = false;
        }
        self.settings = settings;
        self.version += 1;
        self.stats.applied += 1;
        ConfigOutcome::Applied
    }

    /// Whether the own descriptor stream has a publication to be heard, as seen from time to time.
    pub fn on_own_stream(&mut self, now: NanoTime, has_image: bool) {
        if self.settings.descriptor.is_none() {
            return;
        }
        if has_image {
            self.silent_since = None;
            self.is_silent = false;
        } else {
            self.silent_since.get_or_insert(now);
        }
    }

    /// Carries out what time alone decides: a stream that stays silent is not relied on any more.
    /// [TP-CLI-2199]
    pub fn on_timeout(&mut self, now: NanoTime) {
        let silent = self
            .silent_since
            .is_some_and(|since| now.since_ns(since) >= SILENT_STREAM_NS);
        if silent && !self.is_silent {
            self.is_silent = true;
            self.version += 1;
        }
    }

    /// When [`ConfigFollower::on_timeout`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<NanoTime> {
        self.silent_since
            .filter(|_| !self.is_silent)
            .map(|since| since.after_ns(SILENT_STREAM_NS))
    }

    /// What is in force.
    #[must_use]
    pub fn settings(&self) -> &ConsumerSettings {
        &self.settings
    }

    /// Grows whenever [`ConfigFollower::settings`] or [`ConfigFollower::needs_shared`] changes so
    /// that something is to be done.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether the shared descriptor stream is to be heard: there is none of its own, or that is
    /// silent. While a consumer changes over it hears both anyway.
    #[must_use]
    pub fn needs_shared(&self) -> bool {
        self.settings.descriptor.is_none() || self.is_silent
    }

    /// The rate the consumer keeps to itself; 0 for none. [TP-CLI-2210]
    #[must_use]
    pub fn max_rate_hz(&self) -> u16 {
        match self.settings.mode {
            ConsumerMode::RateLimited => self.wishes.max_rate_hz,
            ConsumerMode::Stream => 0,
        }
    }

    /// Whether what comes on its own descriptor stream is a selection: some in the field apply a
    /// rate whatever the mode. [TP-CLI-2230]
    #[must_use]
    pub fn is_own_rate_capped(&self) -> bool {
        self.wishes.max_rate_hz > 0
    }

    /// What the hellos ask for.
    #[must_use]
    pub fn wishes(&self) -> &ConsumerWishes {
        &self.wishes
    }

    /// Counts so far.
    #[must_use]
    pub fn stats(&self) -> ConfigStats {
        self.stats
    }

    fn reset(&mut self) {
        let settings = unconfigured(&self.wishes, self.local_uri.clone());
        if settings != self.settings || self.is_silent {
            self.settings = settings;
            self.version += 1;
        }
        self.silent_since = None;
        self.is_silent = false;
    }

    /// Told so, or asked for: a consumer keeps to its rate also when the authority sees no need.
    /// [TP-CLI-2220]
    fn effective_mode(&self, told: ConsumerMode) -> ConsumerMode {
        match (self.wishes.mode, told) {
            (ConsumerMode::Stream, ConsumerMode::Stream) => ConsumerMode::Stream,
            (ConsumerMode::RateLimited, _) | (_, ConsumerMode::RateLimited) => {
                ConsumerMode::RateLimited
            }
        }
    }

    /// Two authorities may answer one hello, each with streams of its own. Whoever assigned first is
    /// followed while it goes on answering, so that the consumer is not sent to and fro; a decline
    /// is always obeyed, and so is anybody when the stream at hand is silent. [TP-CLI-2170]
    fn is_kept_out(
        &self,
        now: NanoTime,
        descriptor: Option<&AeronEndpoint>,
        control: Option<&AeronEndpoint>,
    ) -> bool {
        let differs = |new: Option<&AeronEndpoint>, old: &Option<AeronEndpoint>| matches!((new, old), (Some(new), Some(old)) if new != old);
        let other = differs(descriptor, &self.settings.descriptor)
            || differs(control, &self.settings.control);
        let holds = now.since_ns(self.confirmed_at) < ASSIGNMENT_KEEPS_NS;
        other && holds && !self.is_silent
    }

    /// A decline may also name the shared stream (Driver Model v1.0 §11). [TP-CLI-2185]
    fn is_shared(&self, own: &AeronEndpoint) -> bool {
        fn place(channel: &str) -> &str {
            match channel.split_once('?') {
                Some(("aeron:ipc", _)) => "aeron:ipc",
                _ => channel,
            }
        }
        own.stream_id == self.shared.stream_id && place(&own.channel) == place(&self.shared.channel)
    }

    /// [TP-CLI-2297]
    fn fallback_uri(&mut self, told: &str) -> Option<String> {
        if told.is_empty() {
            return self.local_uri.clone();
        }
        if is_fallback_uri(told) {
            return Some(told.to_owned());
        }
        self.stats.unsupported_uris += 1;
        None
    }
}

/// Whether payloads could come from there: an Aeron channel, or a bridge by its name.
#[must_use]
pub fn is_fallback_uri(uri: &str) -> bool {
    let has_body = |scheme| {
        uri.strip_prefix(scheme)
            .is_some_and(|body: &str| !body.is_empty())
    };
    uri.len() <= MAX_URI_LEN && (has_body("aeron:") || has_body("bridge://"))
}

fn unconfigured(wishes: &ConsumerWishes, fallback_uri: Option<String>) -> ConsumerSettings {
    ConsumerSettings {
        mode: wishes.mode,
        use_shm: wishes.supports_shm,
        fallback_uri,
        descriptor: None,
        control: None,
    }
}

/// A stream that was assigned, none, or something that cannot be meant.
fn assignment(
    channel: &str,
    stream_id: u32,
    is_channel: impl Fn(&str) -> bool,
) -> Result<Option<AeronEndpoint>, ()> {
    match OwnStream::from_wire(channel.to_owned(), stream_id) {
        OwnStream::Absent => Ok(None),
        OwnStream::On(own) if i32::try_from(own.stream_id).is_ok() && is_channel(&own.channel) => {
            Ok(Some(own))
        }
        OwnStream::On(_) | OwnStream::ChannelOnly(_) | OwnStream::IdOnly(_) => Err(()),
    }
}

#[cfg(test)]
mod tests;

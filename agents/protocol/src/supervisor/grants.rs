//! Streams for single consumers: what a request is worth, and which stream it gets.

use core::str;

use tensorpool_codecs::types::NanoTime;

use super::answers::OwnStream;
use super::config::OwnStreams;
use super::consumers::Asked;
use super::events::Declined;
use super::ids::IdPool;
use super::messages::{ConsumerKey, StreamRequest, Text};

/// The longest channel that is repeated to anybody, in bytes.
pub(super) const MAX_CHANNEL_LEN: usize = 1024;

impl Asked {
    /// Reads a request; `last` lends its text where it is the same. [TP-DRV-2220] [TP-DRV-2230]
    pub(super) fn of(request: StreamRequest<'_>, last: Option<&Self>) -> Self {
        let has_id = request.stream_id != 0 && request.stream_id != u32::MAX;
        match (request.channel.is_empty(), has_id) {
            (true, false) => return Self::Nothing,
            (true, true) | (false, false) => return Self::Incomplete,
            (false, true) => {}
        }
        let wanted = request.stream_id;
        if let Some(Self::Stream { channel, .. }) = last
            && channel.as_bytes() == request.channel
        {
            let channel = Text::clone(channel);
            return Self::Stream { channel, wanted };
        }
        match local_channel(request.channel) {
            Some(channel) => Self::Stream {
                channel: channel.into(),
                wanted,
            },
            None => Self::OtherChannel { wanted },
        }
    }
}

/// An Aeron channel that does not leave this host: nobody opens publications to elsewhere because a
/// consumer says so. [TP-DRV-2250]
fn local_channel(channel: &[u8]) -> Option<&str> {
    let text = str::from_utf8(channel).ok()?;
    let behind = text.strip_prefix("aeron:ipc")?;
    let is_ipc = behind.is_empty() || behind.starts_with('?');
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_ipc && is_plain && text.len() <= MAX_CHANNEL_LEN).then_some(text)
}

/// One kind of streams for single consumers.
#[derive(Debug)]
pub(super) struct Grants {
    channel: Option<Text>,
    pub(super) ids: IdPool,
}

impl Grants {
    pub(super) fn new(streams: OwnStreams, reuse_delay_ns: u64, capacity: usize) -> Self {
        Self {
            channel: streams.channel,
            ids: IdPool::new(streams.ids, reuse_delay_ns, capacity),
        }
    }

    /// The stream `key` gets for what it asked, or why it gets none. What it had and does not ask
    /// for any more is given back. [TP-DRV-2260] [TP-DRV-2360]
    pub(super) fn settle(
        &mut self,
        now: NanoTime,
        key: ConsumerKey,
        asked: &Asked,
    ) -> Result<Option<OwnStream>, Declined> {
        let granted = match asked {
            Asked::Nothing => Ok(None),
            Asked::Incomplete => Err(Declined::Incomplete),
            Asked::Stream { channel, wanted } => {
                // [TP-DRV-2255]
                let channel = self.channel.as_ref().unwrap_or(channel).clone();
                self.acquire(now, key, *wanted, channel).map(Some)
            }
            Asked::OtherChannel { wanted } => match self.channel.clone() {
                Some(channel) => self.acquire(now, key, *wanted, channel).map(Some),
                None if self.ids.is_empty() => Err(Declined::NotConfigured),
                None => Err(Declined::Channel),
            },
        };
        if !matches!(granted, Ok(Some(_))) {
            self.ids.release(now, key);
        }
        granted
    }

    fn acquire(
        &mut self,
        now: NanoTime,
        key: ConsumerKey,
        wanted: u32,
        channel: Text,
    ) -> Result<OwnStream, Declined> {
        // [TP-DRV-2270]
        if self.ids.is_empty() {
            return Err(Declined::NotConfigured);
        }
        // [TP-DRV-2280]
        let stream_id = self
            .ids
            .acquire(now, key, wanted)
            .ok_or(Declined::Exhausted)?;
        Ok(OwnStream { channel, stream_id })
    }
}

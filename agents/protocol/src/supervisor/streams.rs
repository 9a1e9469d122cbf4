//! The streams that were heard of, and who produces on them.

use std::collections::BTreeMap;

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, StreamId};

use super::messages::Text;
use super::rates::Progress;

/// The most streams that are followed.
const MAX_STREAMS: usize = 1024;

/// One stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Its epoch, when that was announced last.
    pub(super) announced: Option<(Epoch, NanoTime)>,
    /// Its producer, and its last sign of life.
    pub(super) producer: Option<(ClientId, NanoTime)>,
    /// A producer whose lease ended, and the epoch that was announced then: what names both was
    /// said before.
    pub(super) ended: Option<(ClientId, Epoch)>,
    pub(super) progress: Option<Progress>,
    pub(super) name: Option<Text>,
}

impl Stream {
    /// Whether it was announced lately.
    pub(super) fn is_announced(&self, now: NanoTime, stale_ns: u64) -> bool {
        self.announced
            .is_some_and(|(_, at)| now.since_ns(at) < stale_ns)
    }
}

/// The streams, by id. Bounded.
#[derive(Debug, Default)]
pub(super) struct Streams {
    entries: BTreeMap<StreamId, Stream>,
}

impl Streams {
    /// The stream with this id, new or not; `None` when there is no room for it.
    pub(super) fn note(&mut self, stream_id: StreamId) -> Option<&mut Stream> {
        if self.entries.len() >= MAX_STREAMS && !self.entries.contains_key(&stream_id) {
            return None;
        }
        Some(self.entries.entry(stream_id).or_default())
    }

    pub(super) fn get(&self, stream_id: StreamId) -> Option<&Stream> {
        self.entries.get(&stream_id)
    }

    pub(super) fn get_mut(&mut self, stream_id: StreamId) -> Option<&mut Stream> {
        self.entries.get_mut(&stream_id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (StreamId, &Stream)> {
        self.entries.iter().map(|(id, stream)| (*id, stream))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (StreamId, &mut Stream)> {
        self.entries.iter_mut().map(|(id, stream)| (*id, stream))
    }

    /// Forgets those for which `is_needed` is false.
    pub(super) fn retain(&mut self, is_needed: impl Fn(StreamId, &Stream) -> bool) {
        self.entries.retain(|id, stream| is_needed(*id, stream));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

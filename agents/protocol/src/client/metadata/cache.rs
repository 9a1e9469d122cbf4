//! What was heard of the metadata of streams, made up to one description each.
//!
//! A DataSourceAnnounce names stream, producer, epoch and version; a DataSourceMeta only stream and
//! version. A description is put into force when both agree, and is never changed afterwards: who
//! holds it reads one version of it.

use std::sync::Arc;

use tensorpool_codecs::types::{ClientId, Epoch, MetaVersion, NanoTime, StreamId};

use super::content::{Attribute, Metadata};
use super::version::is_newer;
use super::{METADATA_PERIOD_NS, SourceMetadata};

/// A source that was not heard for so long gives way to an earlier epoch or version.
const SILENCE_NS: u64 = 3 * METADATA_PERIOD_NS;
/// Attributes are waited for so long before a name is told without them.
const HOLD_NS: u64 = 2 * METADATA_PERIOD_NS;

/// A DataSourceAnnounce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAnnounce {
    /// The stream.
    pub stream_id: StreamId,
    /// Its producer.
    pub producer_id: ClientId,
    /// The epoch it writes.
    pub epoch: Epoch,
    /// The version in force.
    pub version: MetaVersion,
    /// Its name.
    pub name: String,
    /// One line about it.
    pub summary: String,
}

/// A DataSourceMeta, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceAttributes {
    /// The stream.
    pub stream_id: StreamId,
    /// The version they make up.
    pub version: MetaVersion,
    /// When it came into force, by its producer's clock.
    pub timestamp: NanoTime,
    /// All of them, in order.
    pub attributes: Vec<Attribute>,
}

/// How much is kept of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Streams.
    pub max_streams: usize,
    /// Attributes of a stream.
    pub max_attributes: usize,
    /// Bytes of a stream: texts and values.
    pub max_bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            max_streams: 256,
            max_attributes: 1024,
            max_bytes: 256 << 10,
        }
    }
}

/// What came of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Of an earlier epoch or version than the one in force.
    pub stale: u64,
    /// Larger than is kept.
    pub oversized: u64,
    /// Of streams there was no room for.
    pub overflow: u64,
}

#[derive(Debug)]
struct Source {
    producer_id: ClientId,
    epoch: Epoch,
}

#[derive(Debug)]
struct Entry {
    stream_id: StreamId,
    heard: NanoTime,
    /// Who announced it, if anybody has.
    source: Option<Source>,
    /// The version in force.
    version: MetaVersion,
    name: String,
    summary: String,
    attributes: Option<SourceAttributes>,
    /// Told without attributes then.
    hold_until: Option<NanoTime>,
    told: Option<Arc<SourceMetadata>>,
}

/// The metadata of all streams that were heard. Bounded; bad messages are counted.
#[derive(Debug, Default)]
pub struct MetadataCache {
    limits: CacheLimits,
    entries: Vec<Entry>,
    stats: CacheStats,
}

impl MetadataCache {
    /// Knows nothing.
    #[must_use]
    pub fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// The description of a stream in force. Another one is another `Arc`.
    #[must_use]
    pub fn get(&self, stream_id: StreamId) -> Option<&Arc<SourceMetadata>> {
        let entry = self.entries.iter().find(|e| e.stream_id == stream_id)?;
        entry.told.as_ref()
    }

    /// Name, version and epoch of a stream.
    pub fn on_announce(&mut self, now: NanoTime, announce: SourceAnnounce) {
        // [TP-CLI-2820]
        if announce.name.len() + announce.summary.len() > self.limits.max_bytes {
            self.stats.oversized += 1;
            return;
        }
        let Some(index) = self.entry(now, announce.stream_id, announce.version) else {
            return;
        };
        let entry = &mut self.entries[index];
        if let Some(source) = &entry.source {
            // [TP-CLI-2800], [TP-CLI-2830]
            let is_earlier = announce.epoch < source.epoch
                || (announce.epoch == source.epoch && is_newer(entry.version, announce.version));
            if is_earlier && now.since_ns(entry.heard) < SILENCE_NS {
                self.stats.stale += 1;
                return;
            }
            // [TP-CLI-2790]: another life of the stream, with versions of its own. Attributes that
            // came before any announce stay if they are of its version.
            if announce.epoch != source.epoch {
                entry.attributes = None;
            }
        }
        entry.heard = now;
        entry.version = announce.version;
        entry.source = Some(Source {
            producer_id: announce.producer_id,
            epoch: announce.epoch,
        });
        entry.name = announce.name;
        entry.summary = announce.summary;
        if entry.is_complete() {
            entry.tell();
        } else {
            entry.hold_until.get_or_insert(now.after_ns(HOLD_NS));
        }
    }

    /// The attributes of a stream, from first to last: they replace all earlier ones.
    pub fn on_attributes(&mut self, now: NanoTime, attributes: SourceAttributes) {
        // [TP-CLI-2820]
        let bytes = attributes.attributes.iter().map(byte_len).sum::<usize>();
        if attributes.attributes.len() > self.limits.max_attributes || bytes > self.limits.max_bytes
        {
            self.stats.oversized += 1;
            return;
        }
        let Some(index) = self.entry(now, attributes.stream_id, attributes.version) else {
            return;
        };
        let entry = &mut self.entries[index];
        // [TP-CLI-2830]
        if is_newer(entry.version, attributes.version) && now.since_ns(entry.heard) < SILENCE_NS {
            self.stats.stale += 1;
            return;
        }
        entry.heard = now;
        entry.version = attributes.version;
        // [TP-CLI-2835]
        entry.attributes = Some(attributes);
        entry.tell();
    }

    /// Names whose attributes did not come are told without them. [TP-CLI-2810]
    pub fn on_timeout(&mut self, now: NanoTime) {
        for entry in &mut self.entries {
            if entry.hold_until.is_some_and(|until| now >= until) {
                if !entry.is_complete() {
                    entry.attributes = None;
                }
                entry.tell();
            }
        }
    }

    /// Forgets all streams but these.
    pub fn retain(&mut self, mut is_wanted: impl FnMut(StreamId) -> bool) {
        self.entries.retain(|entry| is_wanted(entry.stream_id));
    }

    /// Counts a message that was not even decoded for its size.
    pub fn on_oversized(&mut self) {
        self.stats.oversized += 1;
    }

    /// How much is kept.
    #[must_use]
    pub fn limits(&self) -> &CacheLimits {
        &self.limits
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.stats
    }

    fn entry(&mut self, now: NanoTime, stream_id: StreamId, version: MetaVersion) -> Option<usize> {
        let found = self.entries.iter().position(|e| e.stream_id == stream_id);
        if found.is_some() {
            return found;
        }
        if self.entries.len() >= self.limits.max_streams {
            self.stats.overflow += 1;
            return None;
        }
        self.entries.push(Entry {
            stream_id,
            heard: now,
            source: None,
            version,
            name: String::new(),
            summary: String::new(),
            attributes: None,
            hold_until: None,
            told: None,
        });
        Some(self.entries.len() - 1)
    }
}

impl Entry {
    fn is_complete(&self) -> bool {
        self.attributes
            .as_ref()
            .is_some_and(|attributes| attributes.version == self.version)
    }

    /// Puts what is known into force, unless it is already.
    fn tell(&mut self) {
        self.hold_until = None;
        let (timestamp, attributes) = match &self.attributes {
            Some(heard) => (Some(heard.timestamp), heard.attributes.clone()),
            None => (None, Vec::new()),
        };
        let described = SourceMetadata {
            stream_id: self.stream_id,
            version: self.version,
            producer_id: self.source.as_ref().map(|source| source.producer_id),
            epoch: self.source.as_ref().map(|source| source.epoch),
            timestamp,
            metadata: Metadata::heard(self.name.clone(), self.summary.clone(), attributes),
        };
        if self.told.as_deref() != Some(&described) {
            self.told = Some(Arc::new(described));
        }
    }
}

fn byte_len(attribute: &Attribute) -> usize {
    attribute.key.len() + attribute.format.len() + attribute.value.len()
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;

//! The metadata stream as a client hears it, for those of its consumers that asked. Conductor's
//! thread.

use tensorpool_codecs::types::{NanoTime, StreamId};
use tensorpool_protocol::client::metadata::{
    BlobAssembler, BlobEvent, BlobLimits, CacheLimits, MetadataCache,
};
use tensorpool_transport::Subscription;

use super::wire::{self, Heard};
use crate::client::conductor::adapter::AdapterStats;
use crate::client::config::ClientConfig;

/// Messages taken at a time, and how often in one duty cycle: a blob comes in many.
const FRAGMENT_LIMIT: usize = 64;
const POLLS: usize = 16;

/// What was heard of the streams that are wanted; nothing is kept of others.
#[derive(Debug)]
pub(crate) struct MetadataIn {
    subscription: Subscription,
    ears: Ears,
}

#[derive(Debug)]
struct Ears {
    cache: MetadataCache,
    blobs: BlobAssembler,
}

impl MetadataIn {
    pub(crate) fn new(subscription: Subscription, config: &ClientConfig) -> Self {
        let limits = BlobLimits {
            max_len: config.max_blob_len as u64,
            verify: config.blob_checksums,
            ..BlobLimits::default()
        };
        Self {
            subscription,
            ears: Ears {
                cache: MetadataCache::new(CacheLimits::default()),
                blobs: BlobAssembler::new(limits),
            },
        }
    }

    /// Takes up what came of the wanted streams. Gives the fragments read.
    pub(crate) fn poll(
        &mut self,
        now: NanoTime,
        stats: &mut AdapterStats,
        is_wanted: impl Fn(StreamId) -> bool,
    ) -> usize {
        let ears = &mut self.ears;
        ears.cache.retain(&is_wanted);
        ears.blobs.retain(&is_wanted);
        let mut count = 0;
        for _ in 0..POLLS {
            let fragments =
                self.subscription
                    .poll(FRAGMENT_LIMIT, |bytes, _| match wire::decode(bytes) {
                        Ok(Some(heard)) if is_wanted(heard.stream_id()) => ears.hear(now, &heard),
                        Ok(_) => stats.ignored += 1,
                        Err(_) => stats.malformed += 1,
                    });
            count += fragments;
            if fragments < FRAGMENT_LIMIT {
                break;
            }
        }
        ears.cache.on_timeout(now);
        ears.blobs.on_timeout(now);
        count
    }

    pub(crate) fn cache(&self) -> &MetadataCache {
        &self.ears.cache
    }

    /// What became of a blob, once for each.
    pub(crate) fn poll_blob(&mut self) -> Option<BlobEvent> {
        self.ears.blobs.poll_event()
    }
}

impl Ears {
    fn hear(&mut self, now: NanoTime, heard: &Heard<'_>) {
        match heard {
            Heard::Announce(announce) => self.cache.on_announce(now, wire::announce(announce)),
            Heard::Attributes(attributes) => {
                // Not even copied: one message may count tens of thousands.
                if attributes.attributes.len() > self.cache.limits().max_attributes {
                    self.cache.on_oversized();
                } else {
                    let attributes = wire::attributes(attributes);
                    self.cache.on_attributes(now, attributes);
                }
            }
            Heard::BlobAnnounce(announce) => self.blobs.on_announce(now, *announce),
            Heard::BlobChunk(chunk) => self.blobs.on_chunk(now, chunk),
            Heard::BlobComplete(complete) => self.blobs.on_complete(complete),
        }
    }
}

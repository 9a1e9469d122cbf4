//! Blobs on their way in: several at a time, each from its announce to its end without a gap.

use std::collections::VecDeque;
use std::sync::Arc;

use tensorpool_codecs::types::{MetaVersion, NanoTime, StreamId};

use super::blobs::{
    Blob, BlobAnnounce, BlobChunk, BlobComplete, BlobDefect, BlobLimits, BlobStats, checksum_of,
};

/// What became of a blob that was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobEvent {
    /// It is there.
    Arrived(Arc<Blob>),
    /// It was discarded.
    Failed {
        /// Which, as it was announced.
        announce: BlobAnnounce,
        /// Why.
        defect: BlobDefect,
    },
}

#[derive(Debug)]
struct UnderWay {
    announce: BlobAnnounce,
    /// Grows as chunks come: an announce alone takes no memory.
    bytes: Vec<u8>,
    progress: NanoTime,
}

/// Puts blobs together, each known by stream and metadata version. [TP-CLI-2875]
#[derive(Debug, Default)]
pub struct BlobAssembler {
    limits: BlobLimits,
    under_way: Vec<UnderWay>,
    events: VecDeque<BlobEvent>,
    stats: BlobStats,
}

impl BlobAssembler {
    /// Nothing under way.
    #[must_use]
    pub fn new(limits: BlobLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// A blob begins. One of the same stream and version that is under way never ends.
    pub fn on_announce(&mut self, now: NanoTime, announce: BlobAnnounce) {
        if let Some(index) = self.find(announce.stream_id, announce.version) {
            self.fail(index, BlobDefect::Superseded);
        }
        let (total, max) = (announce.total_len, self.limits.max_len);
        // [TP-CLI-2885]
        if total > max {
            return self.refuse(announce, BlobDefect::TooLong { total, max });
        }
        if self.under_way.len() >= self.limits.max_under_way {
            return self.refuse(announce, BlobDefect::NoRoom);
        }
        self.under_way.push(UnderWay {
            announce,
            bytes: Vec::new(),
            progress: now,
        });
    }

    /// A piece: the one that follows, or the blob is discarded. [TP-CLI-2860]
    pub fn on_chunk(&mut self, now: NanoTime, chunk: &BlobChunk<'_>) {
        let Some(index) = self.find(chunk.stream_id, chunk.version) else {
            self.stats.orphans += 1;
            return;
        };
        let blob = &mut self.under_way[index];
        let (expected, found) = (blob.bytes.len() as u64, chunk.offset);
        let (total, end) = (
            blob.announce.total_len,
            found.saturating_add(chunk.bytes.len() as u64),
        );
        let defect = if chunk.bytes.is_empty() {
            BlobDefect::EmptyChunk
        } else if end > total {
            BlobDefect::Overrun { total, end }
        } else if found > expected {
            BlobDefect::Gap { expected, found }
        } else if found < expected {
            BlobDefect::Overlap { expected, found }
        } else {
            blob.bytes.extend_from_slice(chunk.bytes);
            blob.progress = now;
            return;
        };
        self.fail(index, defect);
    }

    /// The end: all of it is there and both checksums agree, or it is discarded. [TP-CLI-2865]
    pub fn on_complete(&mut self, complete: &BlobComplete) {
        let Some(index) = self.find(complete.stream_id, complete.version) else {
            self.stats.orphans += 1;
            return;
        };
        let blob = &self.under_way[index];
        let (total, received) = (blob.announce.total_len, blob.bytes.len() as u64);
        let (announced, completed) = (blob.announce.checksum, complete.checksum);
        if received < total {
            return self.fail(index, BlobDefect::Incomplete { total, received });
        }
        if announced != completed {
            let defect = BlobDefect::ChecksumsDiffer {
                announced,
                completed,
            };
            return self.fail(index, defect);
        }
        if self.limits.verify && announced != 0 {
            let computed = checksum_of(&blob.bytes);
            if computed != announced {
                let defect = BlobDefect::Corrupt {
                    announced,
                    computed,
                };
                return self.fail(index, defect);
            }
        }
        let UnderWay {
            announce, bytes, ..
        } = self.under_way.swap_remove(index);
        self.stats.completed += 1;
        self.events.push_back(BlobEvent::Arrived(Arc::new(Blob {
            stream_id: announce.stream_id,
            version: announce.version,
            blob_type: announce.blob_type,
            checksum: announce.checksum,
            bytes,
        })));
    }

    /// Discards blobs of which nothing came for too long. [TP-CLI-2880]
    pub fn on_timeout(&mut self, now: NanoTime) {
        let timeout_ns = self.limits.timeout_ns;
        while let Some(index) = self
            .under_way
            .iter()
            .position(|blob| now.since_ns(blob.progress) >= timeout_ns)
        {
            self.fail(index, BlobDefect::TimedOut);
        }
    }

    /// Forgets blobs of all streams but these.
    pub fn retain(&mut self, mut is_wanted: impl FnMut(StreamId) -> bool) {
        self.under_way
            .retain(|blob| is_wanted(blob.announce.stream_id));
    }

    /// What became of a blob, once for each that was announced.
    pub fn poll_event(&mut self) -> Option<BlobEvent> {
        self.events.pop_front()
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> BlobStats {
        self.stats
    }

    fn find(&self, stream_id: StreamId, version: MetaVersion) -> Option<usize> {
        self.under_way.iter().position(|blob| {
            (blob.announce.stream_id, blob.announce.version) == (stream_id, version)
        })
    }

    fn fail(&mut self, index: usize, defect: BlobDefect) {
        let blob = self.under_way.swap_remove(index);
        self.refuse(blob.announce, defect);
    }

    fn refuse(&mut self, announce: BlobAnnounce, defect: BlobDefect) {
        self.stats.failed += 1;
        self.events
            .push_back(BlobEvent::Failed { announce, defect });
    }
}

#[cfg(test)]
#[path = "blob_tests.rs"]
mod tests;

//! What a consumer's session hands on of metadata and blobs. The session's half is the conductor's.

use std::ops::Deref;
use std::sync::Arc;

use tensorpool_codecs::types::StreamId;
use tensorpool_protocol::client::metadata::{
    Blob, BlobAnnounce, BlobDefect, MetadataCache, SourceMetadata,
};

use crate::client::event::Event;
use crate::client::shared::ConsumerShared;

/// Blobs that may wait for one application: more are refused, not kept.
const MAX_WAITING: usize = 4;

/// A blob that arrived whole. Counts as waiting until it, and every clone of it, is dropped: keep
/// [`ReceivedBlob::shared`] instead.
#[derive(Clone, Debug)]
pub struct ReceivedBlob {
    blob: Arc<Blob>,
    _waiting: Arc<()>,
}

impl ReceivedBlob {
    /// The blob, to be kept for as long as it is of use.
    #[must_use]
    pub fn shared(&self) -> Arc<Blob> {
        Arc::clone(&self.blob)
    }
}

impl Deref for ReceivedBlob {
    type Target = Blob;

    fn deref(&self) -> &Blob {
        &self.blob
    }
}

/// What a consumer that asked for metadata was told of it.
#[derive(Debug, Default)]
pub(crate) struct MetadataReader {
    told: Option<Arc<SourceMetadata>>,
    waiting: Arc<()>,
}

impl MetadataReader {
    /// Puts what is in force where the application finds it; gives the event if that is new.
    pub(crate) fn update(
        &mut self,
        stream_id: StreamId,
        cache: &MetadataCache,
        shared: &ConsumerShared,
    ) -> Option<Event> {
        let current = cache.get(stream_id)?;
        match &self.told {
            Some(told) if Arc::ptr_eq(told, current) || told == current => None,
            _ => {
                self.told = Some(Arc::clone(current));
                shared.describe(Arc::clone(current));
                let version = current.version;
                Some(Event::MetadataChanged { version })
            }
        }
    }

    /// The event of a blob that arrived.
    pub(crate) fn on_blob(&self, blob: &Arc<Blob>) -> Event {
        // [TP-CLI-2885]: all but our own count.
        if Arc::strong_count(&self.waiting) > MAX_WAITING {
            return Event::BlobFailed {
                version: blob.version,
                blob_type: blob.blob_type,
                defect: BlobDefect::NoRoom,
            };
        }
        Event::Blob(ReceivedBlob {
            blob: Arc::clone(blob),
            _waiting: Arc::clone(&self.waiting),
        })
    }

    /// The event of one that did not.
    pub(crate) fn on_blob_failed(announce: &BlobAnnounce, defect: BlobDefect) -> Event {
        Event::BlobFailed {
            version: announce.version,
            blob_type: announce.blob_type,
            defect,
        }
    }
}

#[cfg(test)]
mod tests {
    use tensorpool_codecs::types::MetaVersion;

    use super::*;

    /// Proves [TP-CLI-2885].
    #[test]
    fn no_more_than_four_blobs_wait_for_an_application() {
        let reader = MetadataReader::default();
        let blob = Arc::new(Blob {
            stream_id: StreamId::new(1),
            version: MetaVersion::new(2),
            blob_type: 3,
            checksum: 0,
            bytes: vec![7; 10],
        });
        let mut waiting: Vec<Event> = (0..4).map(|_| reader.on_blob(&blob)).collect();
        let is_blob = |event: &Event| matches!(event, Event::Blob(_));
        assert!(waiting.iter().all(is_blob));
        let refused = reader.on_blob(&blob);
        assert!(matches!(
            refused,
            Event::BlobFailed {
                defect: BlobDefect::NoRoom,
                ..
            }
        ));
        let kept = match waiting.remove(0) {
            Event::Blob(received) => received.shared(),
            other => panic!("{other:?}"),
        };
        assert_eq!(kept.bytes, [7; 10]);
        assert!(
            is_blob(&reader.on_blob(&blob)),
            "what is taken does not wait"
        );
    }
}

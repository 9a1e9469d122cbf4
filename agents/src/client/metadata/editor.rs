//! What a producer's application has set, and the version it has. Application's thread only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tensorpool_codecs::types::MetaVersion;
use tensorpool_protocol::client::metadata::{
    BlobError, BlobId, Metadata, MetadataError, MetadataLimits, OutgoingBlob, VersionedMetadata,
    checksum_of,
};
use tensorpool_transport::Channel;

use crate::client::config::ClientConfig;

/// Blobs of one producer that may be under way at a time.
const MAX_BLOBS: usize = 4;
/// A message is at most that part of a term. Channels that say none have at least the terms that
/// [`MetadataLimits::DEFAULT`] needs.
const MESSAGES_PER_TERM: usize = 8;

/// The metadata of one producer as its application sees it.
#[derive(Debug)]
pub(crate) struct MetadataEditor {
    versions: VersionedMetadata,
    limits: MetadataLimits,
    max_blob_len: usize,
    checksums: bool,
    next_blob: u64,
}

impl MetadataEditor {
    pub(crate) fn new(config: &ClientConfig) -> Self {
        Self {
            versions: VersionedMetadata::default(),
            limits: limits_of(&config.metadata.channel),
            max_blob_len: config.max_blob_len,
            checksums: config.blob_checksums,
            next_blob: 0,
        }
    }

    /// The version frames bear. [TP-CLI-2750]
    #[inline]
    pub(crate) fn version(&self) -> Option<MetaVersion> {
        self.versions.version()
    }

    pub(crate) fn content(&self) -> Option<&Arc<Metadata>> {
        self.versions.content()
    }

    /// What is to be told to the conductor, if it is something new.
    pub(crate) fn set(
        &mut self,
        metadata: Metadata,
    ) -> Result<(MetaVersion, Option<Arc<Metadata>>), MetadataError> {
        let (version, is_new) = self.versions.set(metadata, &self.limits)?;
        let news = self.versions.content().filter(|_| is_new);
        Ok((version, news.cloned()))
    }

    /// A blob of the version in force. [TP-CLI-2850]
    pub(crate) fn blob(
        &mut self,
        blob_type: u32,
        bytes: Arc<[u8]>,
        under_way: &AtomicUsize,
    ) -> Result<OutgoingBlob, BlobError> {
        let Some(version) = self.version() else {
            return Err(BlobError::NoMetadata);
        };
        let (found, max) = (bytes.len(), self.max_blob_len);
        if found > max {
            return Err(BlobError::TooLong { found, max });
        }
        // Only this thread adds to them.
        if under_way.load(Ordering::Acquire) >= MAX_BLOBS {
            return Err(BlobError::Busy { max: MAX_BLOBS });
        }
        under_way.fetch_add(1, Ordering::AcqRel);
        self.next_blob += 1;
        Ok(OutgoingBlob {
            id: BlobId(self.next_blob),
            version,
            blob_type,
            checksum: if self.checksums {
                checksum_of(&bytes)
            } else {
                0
            },
            bytes,
        })
    }
}

fn limits_of(channel: &Channel) -> MetadataLimits {
    channel
        .term_length()
        .map_or(MetadataLimits::DEFAULT, |term_len| {
            MetadataLimits::for_message_len(term_len / MESSAGES_PER_TERM)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn editor(config: &ClientConfig) -> MetadataEditor {
        let mut editor = MetadataEditor::new(config);
        editor.set(Metadata::default()).unwrap();
        editor
    }

    /// Proves [TP-CLI-2730].
    #[test]
    fn small_terms_of_the_metadata_stream_take_less_metadata() {
        let large = |len| {
            Metadata::builder()
                .attribute("k", "f", vec![0; len])
                .build()
        };
        let mut config = ClientConfig::default();
        assert!(editor(&config).set(large(60_000)).is_ok());
        config.metadata.channel = "aeron:ipc?term-length=64k".parse().unwrap();
        assert!(editor(&config).set(large(8_000)).is_ok());
        let error = editor(&config).set(large(8_192)).unwrap_err();
        assert!(error.to_string().contains("at most 8192 fit"), "{error}");
        config.metadata.channel = "aeron:ipc".parse().unwrap();
        assert!(editor(&config).set(large(60_000)).is_ok());
    }

    /// Proves [TP-CLI-2850].
    #[test]
    fn blobs_have_a_checksum_only_if_configured() {
        let under_way = AtomicUsize::new(0);
        let bytes: Arc<[u8]> = Arc::from(*b"123456789");
        for (blob_checksums, expected) in [(false, 0), (true, 0xe306_9283)] {
            let config = ClientConfig {
                blob_checksums,
                ..ClientConfig::default()
            };
            let blob = editor(&config).blob(1, Arc::clone(&bytes), &under_way);
            assert_eq!(blob.unwrap().checksum, expected);
        }
    }

    /// Proves [TP-CLI-2885].
    #[test]
    fn blobs_are_refused_without_metadata_when_too_long_and_when_too_many_are_under_way() {
        let config = ClientConfig {
            max_blob_len: 10,
            ..ClientConfig::default()
        };
        let under_way = AtomicUsize::new(0);
        let bytes = |len| Arc::from(vec![0; len]);
        let refused = MetadataEditor::new(&config).blob(1, bytes(1), &under_way);
        assert_eq!(refused.unwrap_err(), BlobError::NoMetadata);
        let mut editor = editor(&config);
        let refused = editor.blob(1, bytes(11), &under_way).unwrap_err();
        assert_eq!(refused, BlobError::TooLong { found: 11, max: 10 });
        for id in 1..=4 {
            assert_eq!(
                editor.blob(1, bytes(10), &under_way).unwrap().id,
                BlobId(id)
            );
        }
        let refused = editor.blob(1, bytes(10), &under_way).unwrap_err();
        assert_eq!(refused, BlobError::Busy { max: 4 });
        under_way.fetch_sub(1, Ordering::AcqRel);
        assert!(editor.blob(1, bytes(10), &under_way).is_ok());
    }
}

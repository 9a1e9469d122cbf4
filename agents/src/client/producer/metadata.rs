//! Describing a stream: rare, so through the conductor, and never on the path of a frame.

use std::sync::Arc;

use tensorpool_codecs::types::MetaVersion;
use tensorpool_protocol::client::metadata::{BlobError, BlobId, Metadata, MetadataError};

use super::Producer;
use crate::client::conductor::command::Command;
#[cfg(doc)]
use crate::client::event::Event;

impl Producer {
    /// Describes the stream. Consumers that ask are told now and once per second, also over the
    /// loss of a lease; frames offered or claimed from here on bear the version this gives. Setting
    /// what is set already changes nothing. Not to be called per frame.
    ///
    /// # Errors
    /// When it cannot be sent; then what was set before stays in force.
    pub fn set_metadata(&mut self, metadata: Metadata) -> Result<MetaVersion, MetadataError> {
        let (version, news) = self.metadata.set(metadata)?;
        if let Some(content) = news {
            let command = Command::SetMetadata(self.id, version, content);
            // Without a conductor nobody is told anything any more.
            let _gone = self.commands.send(command);
        }
        Ok(version)
    }

    /// Changes what was set, or describes the stream for the first time; see
    /// [`Producer::set_metadata`].
    ///
    /// # Errors
    /// When it cannot be sent; then what was set before stays in force.
    pub fn update_metadata(
        &mut self,
        change: impl FnOnce(&mut Metadata),
    ) -> Result<MetaVersion, MetadataError> {
        let mut metadata = self.metadata().cloned().unwrap_or_default();
        change(&mut metadata);
        self.set_metadata(metadata)
    }

    /// What was set.
    #[must_use]
    pub fn metadata(&self) -> Option<&Metadata> {
        self.metadata.content().map(|content| &**content)
    }

    /// The metadata version frames bear unless they have one of their own.
    #[must_use]
    pub fn meta_version(&self) -> Option<MetaVersion> {
        self.metadata.version()
    }

    /// Sends something too large for an attribute, such as a table of offsets, to those consumers
    /// that ask for metadata and are there: it is not repeated. It belongs to the metadata version
    /// in force. [`Event::BlobDone`] says what became of it.
    ///
    /// # Errors
    /// When it cannot be sent, or too many are under way.
    pub fn publish_blob(
        &mut self,
        blob_type: u32,
        bytes: impl Into<Arc<[u8]>>,
    ) -> Result<BlobId, BlobError> {
        let under_way = &self.shared.blobs_under_way;
        let blob = self.metadata.blob(blob_type, bytes.into(), under_way)?;
        let id = blob.id;
        self.commands
            .send(Command::PublishBlob(self.id, Box::new(blob)))
            .map_err(|_| BlobError::ClientClosed)?;
        Ok(id)
    }
}

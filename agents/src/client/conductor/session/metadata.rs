//! What sessions have to do with metadata: a producer's goes out, a consumer is told of it.

use std::sync::Arc;

use tensorpool_codecs::types::{NanoTime, StreamId};
use tensorpool_protocol::client::metadata::{BlobEvent, MetadataCache, MetadataSource};
use tensorpool_transport::Publication;

use super::{Facts, Session, Side};
use crate::client::metadata::{MetadataOut, MetadataReader};
use crate::client::shared::Notice;

impl Session {
    /// The way out for a producer's metadata, made when it is first needed. [TP-CLI-2700]
    pub(crate) fn metadata_out(
        &mut self,
        publication: impl FnOnce() -> Publication,
    ) -> Option<&mut MetadataOut> {
        let Side::Producer(side) = &self.side else {
            return None;
        };
        let shared = side.shared();
        let out = self
            .metadata
            .get_or_insert_with(|| Box::new(MetadataOut::new(publication(), Arc::clone(shared))));
        Some(out)
    }

    pub(super) fn publish_metadata(&mut self, now: NanoTime, facts: &Facts) -> usize {
        let Some(out) = &mut self.metadata else {
            return 0;
        };
        // [TP-CLI-2760]
        let source = match (facts.stream_id, facts.mapped) {
            (Some(stream_id), Some((epoch, _))) => Some(MetadataSource {
                stream_id,
                client_id: facts.client_id,
                epoch,
            }),
            _ => None,
        };
        let mailbox = &mut self.mailbox;
        out.do_work(now, source, |event| mailbox.post(Notice::Event(event)))
    }

    /// The stream its consumer wants to hear metadata of. [TP-CLI-2775]
    pub(crate) fn described_stream(&self) -> Option<StreamId> {
        let Side::Consumer(side) = &self.side else {
            return None;
        };
        side.wants_metadata()
            .then(|| self.tenure.stream_id())
            .flatten()
    }

    /// Whether it will want to, once it has a lease.
    pub(crate) fn wants_metadata(&self) -> bool {
        matches!(&self.side, Side::Consumer(side) if side.wants_metadata())
    }

    /// Tells the consumer what is in force, unless it knows.
    pub(crate) fn on_metadata(&mut self, cache: &MetadataCache) {
        let Some(stream_id) = self.described_stream() else {
            return;
        };
        if let Side::Consumer(side) = &mut self.side
            && let Some((reader, shared)) = side.metadata()
            && let Some(event) = reader.update(stream_id, cache, shared)
        {
            self.mailbox.post(Notice::Event(event));
        }
    }

    /// Tells the consumer of a blob of its stream.
    pub(crate) fn on_blob(&mut self, event: &BlobEvent) {
        let stream_id = match event {
            BlobEvent::Arrived(blob) => blob.stream_id,
            BlobEvent::Failed { announce, .. } => announce.stream_id,
        };
        if self.described_stream() != Some(stream_id) {
            return;
        }
        let Side::Consumer(side) = &mut self.side else {
            return;
        };
        let Some((reader, _)) = side.metadata() else {
            return;
        };
        let event = match event {
            BlobEvent::Arrived(blob) => reader.on_blob(blob),
            BlobEvent::Failed { announce, defect } => {
                MetadataReader::on_blob_failed(announce, *defect)
            }
        };
        self.mailbox.post(Notice::Event(event));
    }
}

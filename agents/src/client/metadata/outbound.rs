//! A producer's metadata and blobs on their way out. Conductor's thread.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tensorpool_codecs::types::{MetaVersion, NanoTime};
use tensorpool_protocol::client::metadata::{
    BlobLimits, BlobSender, CHUNK_MAX, Metadata, MetadataPublisher, MetadataSource, OutgoingBlob,
};
use tensorpool_transport::{Offer, Publication};

use super::wire::{CHUNK_OVERHEAD, encode, encode_blob};
use crate::client::event::Event;
use crate::client::shared::ProducerShared;

/// Who subscribes is connected to a new publication within this.
const CONNECT_NS: u64 = 100_000_000;
/// Messages of blobs sent in one duty cycle: keepalives do not wait for megabytes.
const BLOB_MESSAGES: usize = 8;

/// The metadata publication of one producer, made when it is first used.
#[derive(Debug)]
pub(crate) struct MetadataOut {
    publication: Publication,
    publisher: MetadataPublisher,
    blobs: BlobSender,
    buffer: Vec<u8>,
    shared: Arc<ProducerShared>,
    /// The last version that was too long for the publication.
    refused: Option<MetaVersion>,
    /// Since when the publication is registered.
    live_since: Option<NanoTime>,
}

impl MetadataOut {
    pub(crate) fn new(publication: Publication, shared: Arc<ProducerShared>) -> Self {
        Self {
            publication,
            publisher: MetadataPublisher::default(),
            blobs: BlobSender::new(BlobLimits::default().timeout_ns),
            buffer: Vec::new(),
            shared,
            refused: None,
            live_since: None,
        }
    }

    pub(crate) fn set(&mut self, now: NanoTime, version: MetaVersion, metadata: Arc<Metadata>) {
        self.publisher.set(now, version, metadata);
    }

    pub(crate) fn publish_blob(&mut self, now: NanoTime, blob: OutgoingBlob) {
        self.blobs.push(now, blob);
    }

    /// What was sent before may never be read: the log goes with the link. [TP-CLI-2855]
    pub(crate) fn on_link_lost(&mut self, now: NanoTime) {
        self.blobs.restart(now);
    }

    /// Whether all that is to be sent is out, or nobody would hear it: a producer may close. Whether
    /// somebody would is known a while after the publication was registered, not before. [TP-CLI-2772]
    pub(crate) fn is_settled(&mut self, now: NanoTime) -> bool {
        let is_waiting = !self.blobs.is_idle() || self.publisher.peek(now).is_some();
        if !is_waiting {
            return true;
        }
        let is_known = |since: NanoTime| now.since_ns(since) >= CONNECT_NS;
        self.live_since.is_some_and(is_known) && !self.publication.is_connected()
    }

    /// Sends what is due; `source` is whose it is, while there is a lease.
    pub(crate) fn do_work(
        &mut self,
        now: NanoTime,
        source: Option<MetadataSource>,
        mut tell: impl FnMut(Event),
    ) -> usize {
        self.live_since = match self.publication.is_live() {
            true => self.live_since.or(Some(now)),
            false => None,
        };
        self.publisher.on_source(now, source);
        let mut work = self.send_metadata(now, &mut tell);
        self.blobs.on_timeout(now);
        if let Some(source) = source {
            work += self.send_blobs(now, source);
        }
        while let Some((id, outcome)) = self.blobs.poll_outcome() {
            self.shared.blobs_under_way.fetch_sub(1, Ordering::AcqRel);
            tell(Event::BlobDone { id, outcome });
        }
        work
    }

    fn send_metadata(&mut self, now: NanoTime, tell: &mut impl FnMut(Event)) -> usize {
        let mut work = 0;
        while let Some(message) = self.publisher.peek(now) {
            let Ok(len) = encode(&message, &mut self.buffer) else {
                unreachable!("metadata was checked when it was set: {message:?}");
            };
            match self.publication.offer(&self.buffer[..len]) {
                Offer::Sent { .. } => work += 1,
                // Terms are shorter than the channel said, or it said nothing.
                Offer::TooLong => self.refuse(len, tell),
                // [TP-CLI-2770]: it stays due, also until somebody subscribes.
                _ => return work,
            }
            self.publisher.on_sent(now);
        }
        work
    }

    fn refuse(&mut self, found: usize, tell: &mut impl FnMut(Event)) {
        let version = self.publisher.version();
        if let Some(version) = version.filter(|_| self.refused != version) {
            let max = self.publication.max_message_len().unwrap_or_default();
            tell(Event::MetadataRefused {
                version,
                found,
                max,
            });
        }
        self.refused = version;
    }

    fn send_blobs(&mut self, now: NanoTime, source: MetadataSource) -> usize {
        let Some(max_message_len) = self.publication.max_message_len() else {
            return 0;
        };
        // [TP-CLI-2845]
        let max_chunk_len = CHUNK_MAX.min(max_message_len.saturating_sub(CHUNK_OVERHEAD));
        for sent in 0..BLOB_MESSAGES {
            let Some(message) = self.blobs.peek(source.stream_id, max_chunk_len) else {
                return sent;
            };
            let Ok(len) = encode_blob(&message, &mut self.buffer) else {
                unreachable!("a chunk is bounded");
            };
            match self.publication.offer(&self.buffer[..len]) {
                Offer::Sent { .. } => self.blobs.on_sent(now, max_chunk_len),
                Offer::TooLong => self.blobs.on_refused(now),
                _ => return sent,
            }
        }
        BLOB_MESSAGES
    }
}

//! The conductor's part in metadata: the subscription all its consumers share, and the publication
//! each of its producers gets when it needs one.

use tensorpool_codecs::types::NanoTime;
use tensorpool_transport::{PublicationOptions, SubscriptionOptions};

use super::ClientConductor;
use crate::client::conductor::session::Session;
use crate::client::conductor::worker::SessionId;
use crate::client::metadata::{MetadataIn, MetadataOut};
use crate::driver::Endpoint;

impl ClientConductor {
    /// Subscribes to the metadata stream when the first consumer asks for it, and no longer than the
    /// last one does. [TP-CLI-2775]
    pub(super) fn hear_metadata(&mut self, now: NanoTime) -> usize {
        let sessions = &mut self.sessions;
        if !sessions.iter().any(Session::wants_metadata) {
            self.metadata = None;
            return 0;
        }
        let metadata = self.metadata.get_or_insert_with(|| {
            let Endpoint { channel, stream_id } = &self.config.metadata;
            let options = SubscriptionOptions::UNTETHERED;
            let subscription = self.link.add_subscription(channel, *stream_id, options);
            MetadataIn::new(subscription, &self.config)
        });
        let count = metadata.poll(now, &mut self.inbound, |stream_id| {
            let wants = |session: &Session| session.described_stream() == Some(stream_id);
            sessions.iter().any(wants)
        });
        for session in sessions.iter_mut() {
            session.on_metadata(metadata.cache());
        }
        while let Some(event) = metadata.poll_blob() {
            for session in sessions.iter_mut() {
                session.on_blob(&event);
            }
        }
        count
    }

    /// The way out for a producer's metadata; `None` when its session has ended.
    pub(super) fn metadata_out(&mut self, id: SessionId) -> Option<&mut MetadataOut> {
        let session = self
            .sessions
            .iter_mut()
            .find(|session| session.id() == id)?;
        let Endpoint { channel, stream_id } = &self.config.metadata;
        session.metadata_out(|| {
            let options = PublicationOptions::default();
            self.link.add_publication(channel, *stream_id, options)
        })
    }
}

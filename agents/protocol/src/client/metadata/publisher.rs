//! When a producer's metadata is sent: at once when it changed or an epoch began, then every second.

use std::sync::Arc;

use tensorpool_codecs::types::{ClientId, Epoch, MetaVersion, NanoTime, StreamId};

use super::METADATA_PERIOD_NS;
use super::content::Metadata;
use crate::client::qos::Cadence;

/// Whose metadata it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataSource {
    /// The stream.
    pub stream_id: StreamId,
    /// Its producer.
    pub client_id: ClientId,
    /// The epoch it writes.
    pub epoch: Epoch,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataMessage<'a> {
    /// A DataSourceAnnounce: name and summary.
    Announce {
        /// Whose.
        source: MetadataSource,
        /// The version in force.
        version: MetaVersion,
        /// Of which name and summary are sent.
        metadata: &'a Metadata,
    },
    /// A DataSourceMeta: the attributes, all of them.
    Attributes {
        /// The stream.
        stream_id: StreamId,
        /// The version they make up.
        version: MetaVersion,
        /// When it came into force.
        since: NanoTime,
        /// Of which the attributes are sent.
        metadata: &'a Metadata,
    },
}

#[derive(Debug)]
struct Content {
    version: MetaVersion,
    since: NanoTime,
    metadata: Arc<Metadata>,
}

/// The metadata of one producer on its way out: peek, offer, then tell whether it was sent.
///
/// Announce before attributes: readers in the field forget older attributes by the announce.
/// [TP-CLI-2745]
#[derive(Debug)]
pub struct MetadataPublisher {
    source: Option<MetadataSource>,
    content: Option<Content>,
    announce: Cadence,
    attributes: Cadence,
}

impl Default for MetadataPublisher {
    fn default() -> Self {
        Self {
            source: None,
            content: None,
            announce: Cadence::new(METADATA_PERIOD_NS),
            attributes: Cadence::new(METADATA_PERIOD_NS),
        }
    }
}

impl MetadataPublisher {
    /// What the application set; at most one version is kept, the latest. [TP-CLI-2740]
    pub fn set(&mut self, now: NanoTime, version: MetaVersion, metadata: Arc<Metadata>) {
        self.content = Some(Content {
            version,
            since: now,
            metadata,
        });
        self.start(now);
    }

    /// Which epoch is written; `None` while there is no lease, and nothing is sent then.
    /// [TP-CLI-2760]
    pub fn on_source(&mut self, now: NanoTime, source: Option<MetadataSource>) {
        if self.source != source {
            self.source = source;
            self.start(now);
        }
    }

    /// What is due; stays so until it was sent. [TP-CLI-2770]
    #[must_use]
    pub fn peek(&self, now: NanoTime) -> Option<MetadataMessage<'_>> {
        let (source, content) = (self.source?, self.content.as_ref()?);
        let (version, metadata) = (content.version, &*content.metadata);
        if self.announce.is_due(now) {
            return Some(MetadataMessage::Announce {
                source,
                version,
                metadata,
            });
        }
        self.attributes
            .is_due(now)
            .then_some(MetadataMessage::Attributes {
                stream_id: source.stream_id,
                version,
                since: content.since,
                metadata,
            })
    }

    /// What was peeked went out, or never will in this form: it is due again after the period.
    pub fn on_sent(&mut self, now: NanoTime) {
        if self.announce.is_due(now) {
            self.announce.on_sent(now);
        } else {
            self.attributes.on_sent(now);
        }
    }

    /// The version in force.
    #[must_use]
    pub fn version(&self) -> Option<MetaVersion> {
        self.content.as_ref().map(|content| content.version)
    }

    fn start(&mut self, now: NanoTime) {
        self.announce.start(now);
        self.attributes.start(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn source(epoch: u64) -> Option<MetadataSource> {
        Some(MetadataSource {
            stream_id: StreamId::new(7),
            client_id: ClientId::new(8),
            epoch: Epoch::new(epoch),
        })
    }

    /// All that is due now, in order: the version, and the epoch of announces.
    fn drain(publisher: &mut MetadataPublisher, now: u64) -> Vec<(u32, Option<u64>)> {
        let mut sent = Vec::new();
        while let Some(message) = publisher.peek(NanoTime::new(now)) {
            sent.push(match message {
                MetadataMessage::Announce {
                    source, version, ..
                } => (version.get(), Some(source.epoch.get())),
                MetadataMessage::Attributes { version, .. } => (version.get(), None),
            });
            publisher.on_sent(NanoTime::new(now));
        }
        sent
    }

    fn set(publisher: &mut MetadataPublisher, now: u64, version: u32) {
        let metadata = Arc::new(Metadata::builder().name("a").build());
        publisher.set(NanoTime::new(now), MetaVersion::new(version), metadata);
    }

    /// Proves [TP-CLI-2740], [TP-CLI-2745].
    #[test]
    fn metadata_goes_out_at_once_and_then_every_second_announce_first() {
        let mut publisher = MetadataPublisher::default();
        publisher.on_source(NanoTime::new(0), source(5));
        assert_eq!(drain(&mut publisher, 0), [], "nothing was set");
        set(&mut publisher, 10, 1);
        assert_eq!(drain(&mut publisher, 10), [(1, Some(5)), (1, None)]);
        assert_eq!(drain(&mut publisher, 9 + SECOND), []);
        assert_eq!(
            drain(&mut publisher, 10 + SECOND),
            [(1, Some(5)), (1, None)]
        );
        set(&mut publisher, 20 + SECOND, 2);
        assert_eq!(
            drain(&mut publisher, 20 + SECOND),
            [(2, Some(5)), (2, None)]
        );
    }

    /// Proves [TP-CLI-2760].
    #[test]
    fn without_a_lease_nothing_is_said_and_a_new_epoch_is_told_at_once() {
        let mut publisher = MetadataPublisher::default();
        set(&mut publisher, 0, 1);
        assert_eq!(drain(&mut publisher, 0), []);
        publisher.on_source(NanoTime::new(5), source(5));
        assert_eq!(drain(&mut publisher, 5), [(1, Some(5)), (1, None)]);
        publisher.on_source(NanoTime::new(6), source(5));
        assert_eq!(drain(&mut publisher, 6), [], "nothing has changed");
        publisher.on_source(NanoTime::new(7), None);
        assert_eq!(drain(&mut publisher, 2 * SECOND), []);
        publisher.on_source(NanoTime::new(2 * SECOND), source(6));
        assert_eq!(drain(&mut publisher, 2 * SECOND), [(1, Some(6)), (1, None)]);
        assert_eq!(publisher.version(), Some(MetaVersion::new(1)));
    }

    /// Proves [TP-CLI-2770].
    #[test]
    fn what_was_not_sent_stays_due_and_the_latest_version_goes_out() {
        let mut publisher = MetadataPublisher::default();
        publisher.on_source(NanoTime::new(0), source(5));
        set(&mut publisher, 0, 1);
        assert!(publisher.peek(NanoTime::new(0)).is_some());
        assert!(publisher.peek(NanoTime::new(1)).is_some());
        set(&mut publisher, 2, 2);
        assert_eq!(drain(&mut publisher, 3), [(2, Some(5)), (2, None)]);
    }

    #[test]
    fn attributes_bear_the_time_their_version_came_into_force_however_often_they_are_repeated() {
        let mut publisher = MetadataPublisher::default();
        publisher.on_source(NanoTime::new(0), source(5));
        set(&mut publisher, 3, 1);
        for now in [3, 3 + SECOND, 3 + 2 * SECOND] {
            publisher.on_sent(NanoTime::new(now));
            let message = publisher.peek(NanoTime::new(now));
            assert!(
                matches!(message, Some(MetadataMessage::Attributes { since, .. }) if since.get() == 3)
            );
            publisher.on_sent(NanoTime::new(now));
        }
    }
}

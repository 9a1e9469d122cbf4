//! Blobs on their way out: one after the other, cut into messages no longer than fit.

use std::collections::VecDeque;

use tensorpool_codecs::types::{NanoTime, StreamId};

use super::blobs::{
    BlobAnnounce, BlobChunk, BlobComplete, BlobId, BlobOutcome, CHUNK_MAX, OutgoingBlob,
};

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobMessage<'a> {
    /// It begins.
    Announce(BlobAnnounce),
    /// A piece of it.
    Chunk(BlobChunk<'a>),
    /// It ends.
    Complete(BlobComplete),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Announce,
    Chunks { offset: usize },
    Complete,
}

/// The blobs of one producer: peek, offer, then tell whether it was sent.
///
/// One at a time: readers in the field follow no more. [TP-CLI-2840]
#[derive(Debug)]
pub struct BlobSender {
    queue: VecDeque<OutgoingBlob>,
    stage: Stage,
    /// When the first of the queue last got on.
    progress: NanoTime,
    timeout_ns: u64,
    outcomes: VecDeque<(BlobId, BlobOutcome)>,
}

impl BlobSender {
    /// Gives a blob up that does not get on for so long.
    #[must_use]
    pub fn new(timeout_ns: u64) -> Self {
        Self {
            queue: VecDeque::new(),
            stage: Stage::Announce,
            progress: NanoTime::new(0),
            timeout_ns,
            outcomes: VecDeque::new(),
        }
    }

    /// Queues a blob; how many may wait is the caller's to bound.
    pub fn push(&mut self, now: NanoTime, blob: OutgoingBlob) {
        if self.queue.is_empty() {
            self.begin(now);
        }
        self.queue.push_back(blob);
    }

    /// Whether nothing is left to send.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next message, with chunks of at most so many bytes. [TP-CLI-2845]
    #[must_use]
    pub fn peek(&self, stream_id: StreamId, max_chunk_len: usize) -> Option<BlobMessage<'_>> {
        let blob = self.queue.front()?;
        let (version, checksum) = (blob.version, blob.checksum);
        Some(match self.stage {
            Stage::Announce => BlobMessage::Announce(BlobAnnounce {
                stream_id,
                version,
                blob_type: blob.blob_type,
                total_len: blob.bytes.len() as u64,
                checksum,
            }),
            Stage::Chunks { offset } => BlobMessage::Chunk(BlobChunk {
                stream_id,
                version,
                offset: offset as u64,
                bytes: chunk(&blob.bytes[offset..], max_chunk_len),
            }),
            Stage::Complete => BlobMessage::Complete(BlobComplete {
                stream_id,
                version,
                checksum,
            }),
        })
    }

    /// The message peeked with the same length went out.
    pub fn on_sent(&mut self, now: NanoTime, max_chunk_len: usize) {
        let Some(blob) = self.queue.front() else {
            return;
        };
        self.progress = now;
        let next = match self.stage {
            Stage::Announce => 0,
            Stage::Chunks { offset } => offset + chunk(&blob.bytes[offset..], max_chunk_len).len(),
            Stage::Complete => return self.finish(now, BlobOutcome::Sent),
        };
        self.stage = if next < blob.bytes.len() {
            Stage::Chunks { offset: next }
        } else {
            Stage::Complete
        };
    }

    /// Nobody can read on where it was left: the blob under way begins anew. [TP-CLI-2855]
    pub fn restart(&mut self, now: NanoTime) {
        self.begin(now);
    }

    /// The message peeked cannot be sent, now or later.
    pub fn on_refused(&mut self, now: NanoTime) {
        self.finish(now, BlobOutcome::Refused);
    }

    /// Gives up a blob that does not get on. [TP-CLI-2857]
    pub fn on_timeout(&mut self, now: NanoTime) {
        if !self.queue.is_empty() && now.since_ns(self.progress) >= self.timeout_ns {
            self.finish(now, BlobOutcome::TimedOut);
        }
    }

    /// What became of a blob, once for each.
    pub fn poll_outcome(&mut self) -> Option<(BlobId, BlobOutcome)> {
        self.outcomes.pop_front()
    }

    fn begin(&mut self, now: NanoTime) {
        self.stage = Stage::Announce;
        self.progress = now;
    }

    fn finish(&mut self, now: NanoTime, outcome: BlobOutcome) {
        if let Some(blob) = self.queue.pop_front() {
            self.outcomes.push_back((blob.id, outcome));
        }
        self.begin(now);
    }
}

fn chunk(rest: &[u8], max_len: usize) -> &[u8] {
    &rest[..rest.len().min(max_len.clamp(1, CHUNK_MAX))]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tensorpool_codecs::types::MetaVersion;

    use super::*;

    const STREAM: StreamId = StreamId::new(7);
    const SECOND: u64 = 1_000_000_000;

    fn blob(id: u64, len: usize) -> OutgoingBlob {
        OutgoingBlob {
            id: BlobId(id),
            version: MetaVersion::new(3),
            blob_type: 9,
            bytes: (0..len).map(|i| i as u8).collect::<Arc<[u8]>>(),
            checksum: 5,
        }
    }

    fn at(now: u64) -> NanoTime {
        NanoTime::new(now)
    }

    /// Sends everything; what it looks like.
    fn drain(sender: &mut BlobSender, max_chunk_len: usize) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some(message) = sender.peek(STREAM, max_chunk_len) {
            sent.push(match message {
                BlobMessage::Announce(a) => format!("announce {} {}", a.total_len, a.checksum),
                BlobMessage::Chunk(c) => format!("{}+{}", c.offset, c.bytes.len()),
                BlobMessage::Complete(c) => format!("complete {}", c.checksum),
            });
            sender.on_sent(at(1), max_chunk_len);
        }
        sent
    }

    /// Proves [TP-CLI-2840].
    #[test]
    fn a_blob_is_announced_sent_without_gaps_and_completed_one_after_the_other() {
        let mut sender = BlobSender::new(5 * SECOND);
        sender.push(at(0), blob(1, 10));
        sender.push(at(0), blob(2, 4));
        sender.push(at(0), blob(3, 0));
        assert_eq!(
            drain(&mut sender, 4),
            [
                "announce 10 5",
                "0+4",
                "4+4",
                "8+2",
                "complete 5",
                "announce 4 5",
                "0+4",
                "complete 5",
                "announce 0 5",
                "complete 5",
            ]
        );
        for id in 1..=3 {
            assert_eq!(sender.poll_outcome(), Some((BlobId(id), BlobOutcome::Sent)));
        }
        assert!(sender.is_idle() && sender.poll_outcome().is_none());
    }

    /// Proves [TP-CLI-2845].
    #[test]
    fn no_chunk_is_longer_than_64_kib_or_than_the_publication_takes() {
        let mut sender = BlobSender::new(5 * SECOND);
        sender.push(at(0), blob(1, CHUNK_MAX + 1));
        let sent = drain(&mut sender, usize::MAX);
        assert_eq!(sent[1..3], ["0+65536", "65536+1"]);
        sender.push(at(0), blob(2, 1500));
        assert_eq!(drain(&mut sender, 1000)[1..3], ["0+1000", "1000+500"]);
    }

    /// Proves [TP-CLI-2855].
    #[test]
    fn after_a_loss_of_the_link_a_blob_begins_anew() {
        let mut sender = BlobSender::new(5 * SECOND);
        sender.push(at(0), blob(1, 10));
        sender.on_sent(at(0), 4);
        sender.on_sent(at(0), 4);
        sender.restart(at(1));
        assert_eq!(
            drain(&mut sender, 8),
            ["announce 10 5", "0+8", "8+2", "complete 5"]
        );
        assert_eq!(sender.poll_outcome(), Some((BlobId(1), BlobOutcome::Sent)));
    }

    /// Proves [TP-CLI-2857].
    #[test]
    fn a_blob_that_does_not_get_on_is_given_up_and_the_next_one_begins() {
        let mut sender = BlobSender::new(5 * SECOND);
        sender.push(at(0), blob(1, 10));
        sender.push(at(0), blob(2, 1));
        sender.on_sent(at(SECOND), 4);
        sender.on_timeout(at(6 * SECOND - 1));
        assert_eq!(sender.poll_outcome(), None);
        sender.on_timeout(at(6 * SECOND));
        assert_eq!(
            sender.poll_outcome(),
            Some((BlobId(1), BlobOutcome::TimedOut))
        );
        sender.on_timeout(at(6 * SECOND));
        assert_eq!(drain(&mut sender, 4), ["announce 1 5", "0+1", "complete 5"]);
        sender.push(at(100 * SECOND), blob(3, 1));
        sender.on_timeout(at(101 * SECOND));
        assert!(!sender.is_idle(), "its time began when it came");
        sender.on_refused(at(101 * SECOND));
        assert_eq!(sender.poll_outcome(), Some((BlobId(2), BlobOutcome::Sent)));
        assert_eq!(
            sender.poll_outcome(),
            Some((BlobId(3), BlobOutcome::Refused))
        );
    }
}

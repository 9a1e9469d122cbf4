//! Tells consumers of frames that are still being written (Wire v1.2 §10.2.2). Application's thread
//! only; what is due is decided by [`ProgressBook`].

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use tensorpool_codecs::types::{Epoch, Seq, StreamId};
use tensorpool_codecs::wire::{FrameProgress, FrameProgressState};
use tensorpool_protocol::client::{
    OwnStreamId, ProgressBook, ProgressError, ProgressLimits, ProgressReport, ProgressState, Report,
};
use tensorpool_runtime::clock::monotonic_ns;
use tensorpool_shm::producer::{Claim, Released};
use tensorpool_transport::Publication;

use super::announcer::offer_past_rotation;
use super::meta::FrameMeta;
use super::payload_flush::PayloadFlush;

const PROGRESS_LEN: usize = FrameProgress::ENCODED_LEN;

/// What became of a report of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProgressTold {
    /// Consumers are told.
    Sent,
    /// Not yet: the last message is too recent, or this one is not far enough from it.
    Early,
    /// No consumer asks for progress.
    NobodyAsks,
    /// Aeron did not take it. A later report says more.
    NotSent,
}

/// What a producer counted of progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressSent {
    /// Messages consumers were told.
    pub sent: u64,
    /// Messages of frames under way that Aeron did not take, and that a later one made up for.
    pub dropped: u64,
    /// Messages of complete frames that never went out. Their descriptors did, or did not, by
    /// themselves.
    pub lost: u64,
}

/// The agreed limits on their way from a producer's session to its handle.
#[derive(Debug, Default)]
pub(crate) struct LimitWords {
    asked: AtomicBool,
    interval_ns: AtomicU64,
    bytes: AtomicU64,
    /// 0 for none.
    major_units: AtomicU32,
}

impl LimitWords {
    /// Session. A reader may see the limits of two moments mixed, which are limits as well.
    pub(crate) fn set(&self, limits: Option<ProgressLimits>) {
        if let Some(limits) = limits {
            self.interval_ns
                .store(limits.interval_ns, Ordering::Relaxed);
            self.bytes.store(limits.bytes, Ordering::Relaxed);
            let major_units = limits.major_units.unwrap_or(0);
            self.major_units.store(major_units, Ordering::Relaxed);
        }
        self.asked.store(limits.is_some(), Ordering::Release);
    }

    /// Handle.
    #[inline]
    pub(crate) fn get(&self) -> Option<ProgressLimits> {
        self.asked.load(Ordering::Acquire).then(|| ProgressLimits {
            interval_ns: self.interval_ns.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            major_units: Some(self.major_units.load(Ordering::Relaxed)).filter(|&units| units != 0),
        })
    }
}

/// The progress of one producer's frames.
#[derive(Debug)]
pub(super) struct Speaker {
    publication: Publication,
    /// Control streams of consumers' own.
    own: Vec<(OwnStreamId, Publication)>,
    stream_id: StreamId,
    epoch: Epoch,
    book: ProgressBook,
    /// Of frames that are complete: what is still to be told, oldest first.
    unsent: VecDeque<ProgressReport>,
    /// How many of them are kept.
    unsent_limit: usize,
    stats: ProgressSent,
}

impl Speaker {
    pub(crate) fn new(publication: Publication) -> Self {
        Self {
            publication,
            own: Vec::new(),
            stream_id: StreamId::new(0),
            epoch: Epoch::new(0),
            book: ProgressBook::new(1),
            unsent: VecDeque::new(),
            unsent_limit: 0,
            stats: ProgressSent::default(),
        }
    }

    /// Whether its publication is registered.
    pub(crate) fn is_live(&mut self) -> bool {
        self.publication.is_live()
    }

    /// A consumer has a control stream of its own.
    pub(super) fn open_own(&mut self, id: OwnStreamId, publication: Publication) {
        self.own.push((id, publication));
    }

    pub(super) fn close_own(&mut self, id: OwnStreamId) {
        self.own.retain(|(of, _)| *of != id);
    }

    pub(crate) fn stats(&self) -> ProgressSent {
        self.stats
    }

    /// What was told of the last epoch's frames is over.
    pub(crate) fn begin_epoch(&mut self, stream_id: StreamId, epoch: Epoch, slot_count: u32) {
        (self.stream_id, self.epoch) = (stream_id, epoch);
        self.book = ProgressBook::new(slot_count);
        self.unsent_limit = slot_count as usize;
        self.stats.lost += self.unsent.len() as u64;
        self.unsent.clear();
        self.unsent.reserve(self.unsent_limit);
    }

    #[inline]
    // [TP-CLI-2575]
    pub(super) fn on_claimed(&mut self, claim: &Claim, meta: &FrameMeta) {
        let unit_bytes = meta.layout().unit_bytes();
        self.book
            .on_claimed(claim.seq(), claim.len() as u64, unit_bytes);
    }

    /// The application has filled the first `filled` bytes of a claim. What is told of them is
    /// flushed first.
    pub(crate) fn report(
        &mut self,
        claim: &Claim,
        filled: u64,
        limits: Option<ProgressLimits>,
        flush: Option<&PayloadFlush>,
    ) -> Result<ProgressTold, ProgressError> {
        let now = monotonic_ns();
        let seq = claim.seq();
        let Some(limits) = limits else {
            self.book.note(seq, filled)?;
            return Ok(ProgressTold::NobodyAsks);
        };
        let Report::Due(report) = self.book.report(now, seq, filled, &limits)? else {
            return Ok(ProgressTold::Early);
        };
        if let Some(flush) = flush {
            // The book has checked that both lie within the payload. [TP-CLI-2585]
            let new = report.told_before as usize..report.bytes_filled as usize;
            flush.flush(&claim.payload()[new]);
        }
        if !self.send(&report) {
            // [TP-CLI-2567]
            self.stats.dropped += u64::from(report.state == ProgressState::Progress);
            return Ok(ProgressTold::NotSent);
        }
        // The claim is borrowed: it cannot be dropped, and its number given out again, before this.
        claim.progress_announced();
        self.book.on_sent(now, &report, &limits);
        Ok(ProgressTold::Sent)
    }

    #[inline]
    pub(super) fn on_committed(&mut self, claim: &Claim) {
        self.book.on_committed(claim.seq(), claim.len() as u64);
    }

    /// These frames became visible, and their descriptors were sent; or they wait, as `hold` says.
    /// [TP-CLI-2555]
    #[inline]
    pub(super) fn on_visible(&mut self, released: Released<'_>, hold: bool) {
        for seq in released {
            if let Some(report) = self.book.on_visible(seq) {
                self.complete(report);
            }
        }
        if !hold {
            self.flush();
        }
    }

    /// Sends what is still to be told of complete frames.
    pub(crate) fn flush(&mut self) {
        while let Some(report) = self.unsent.front().copied() {
            if !self.send(&report) {
                return;
            }
            self.unsent.pop_front();
        }
    }

    /// [TP-CLI-2565]
    fn complete(&mut self, report: ProgressReport) {
        if self.unsent.len() >= self.unsent_limit {
            self.unsent.pop_front();
            self.stats.lost += 1;
        }
        self.unsent.push_back(report);
    }

    /// [TP-CLI-2570]
    fn send(&mut self, report: &ProgressReport) -> bool {
        let message = encode(self.stream_id, self.epoch, report);
        let sent = offer_past_rotation(&mut self.publication, &message).is_sent();
        self.stats.sent += u64::from(sent);
        // What the shared stream did not take comes again, there and here. Progress is a hint: what
        // a consumer's own stream does not take is not tried again. [TP-CLI-2360]
        if sent {
            for (_, publication) in &mut self.own {
                let _hint = offer_past_rotation(publication, &message);
            }
        }
        sent
    }
}

fn encode(stream_id: StreamId, epoch: Epoch, report: &ProgressReport) -> [u8; PROGRESS_LEN] {
    let mut bytes = [0; PROGRESS_LEN];
    FrameProgress {
        stream_id: stream_id.get(),
        epoch: epoch.get(),
        seq: Seq::get(report.seq),
        payload_bytes_filled: report.bytes_filled,
        state: match report.state {
            ProgressState::Started => FrameProgressState::Started,
            ProgressState::Progress => FrameProgressState::Progress,
            ProgressState::Complete => FrameProgressState::Complete,
        },
    }
    .encode_into(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tensorpool_transport::media_driver::{EmbeddedMediaDriver, MediaDriverConfig};
    use tensorpool_transport::{Channel, Link, LinkConfig, SubscriptionOptions};

    use super::*;

    const SLOTS: u64 = 4;

    fn complete(seq: u64) -> ProgressReport {
        ProgressReport {
            seq: Seq::new(seq),
            bytes_filled: 100 + seq,
            told_before: 0,
            state: ProgressState::Complete,
        }
    }

    /// Proves [TP-CLI-2555], [TP-CLI-2565].
    #[test]
    fn complete_frames_wait_for_aeron_as_many_as_there_are_slots_and_beyond_that_the_oldest_go() {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        let aeron_dir = dir.path().join("a");
        let _media = EmbeddedMediaDriver::start(MediaDriverConfig::for_dir(&aeron_dir)).unwrap();
        let mut link = Link::new(LinkConfig::for_dir(&aeron_dir)).unwrap();
        let publication = link.add_publication(&Channel::ipc(), 7, Default::default());
        let mut speaker = Speaker::new(publication);
        speaker.begin_epoch(StreamId::new(1), Epoch::new(2), SLOTS as u32);
        let stats = |sent, lost| ProgressSent {
            sent,
            dropped: 0,
            lost,
        };
        for seq in 0..SLOTS {
            speaker.complete(complete(seq));
        }
        speaker.flush();
        assert_eq!(speaker.stats(), stats(0, 0), "nobody takes them, all wait");
        for seq in SLOTS..SLOTS + 3 {
            speaker.complete(complete(seq));
        }
        assert_eq!(speaker.stats(), stats(0, 3));

        let options = SubscriptionOptions::UNTETHERED;
        let mut subscription = link.add_subscription(&Channel::ipc(), 7, options);
        let (mut heard, started) = (Vec::new(), Instant::now());
        while heard.len() < SLOTS as usize {
            link.do_work(monotonic_ns());
            speaker.flush();
            subscription.poll(16, |bytes, _| {
                let told = FrameProgress::decode(bytes).unwrap();
                heard.push((told.seq, told.payload_bytes_filled, told.state));
            });
            assert!(started.elapsed() < Duration::from_secs(20), "{heard:?}");
        }
        let expected = (3..7).map(|seq| (seq, 100 + seq, FrameProgressState::Complete));
        assert_eq!(heard, expected.collect::<Vec<_>>(), "the newest, in order");
        speaker.flush();
        assert_eq!(speaker.stats(), stats(SLOTS, 3));

        // What still waits when its epoch ends is of no use.
        for seq in 7..9 {
            speaker.complete(complete(seq));
        }
        speaker.begin_epoch(StreamId::new(1), Epoch::new(3), SLOTS as u32);
        speaker.flush();
        assert_eq!(speaker.stats(), stats(SLOTS, 5));
    }

    /// Proves [TP-CLI-2570].
    #[test]
    fn a_message_bears_stream_epoch_and_sequence_number_of_its_frame() {
        let report = ProgressReport {
            seq: Seq::new(0x1122_3344_5566),
            bytes_filled: 0x0a0b_0c0d,
            told_before: 0,
            state: ProgressState::Progress,
        };
        let bytes = encode(StreamId::new(10_000), Epoch::new(0x77), &report);
        let expected: [&[u8]; 6] = [
            &[29, 0, 11, 0, 0x84, 3, 1, 0],
            &10_000_u32.to_le_bytes(),
            &0x77_u64.to_le_bytes(),
            &0x1122_3344_5566_u64.to_le_bytes(),
            &0x0a0b_0c0d_u64.to_le_bytes(),
            &[2],
        ];
        assert_eq!(bytes[..], expected.concat());
    }

    #[test]
    fn limits_arrive_as_they_were_set() {
        let words = LimitWords::default();
        assert_eq!(words.get(), None);
        for major_units in [None, Some(7)] {
            let limits = ProgressLimits {
                interval_ns: 250_000,
                bytes: 1 << 33,
                major_units,
            };
            words.set(Some(limits));
            assert_eq!(words.get(), Some(limits));
        }
        words.set(None);
        assert_eq!(words.get(), None);
    }
}

//! What a handle on an application's thread and its session on the conductor's thread share: a few
//! words that are written by one side each, and a queue of what the conductor has to tell.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tensorpool_codecs::types::{ClientId, Epoch, NodeId, Seq, StreamId};
use tensorpool_protocol::client::metadata::SourceMetadata;
use tensorpool_protocol::client::{Adoption, ConsumerProgress, ConsumerSettings, SourceEnd};
use tensorpool_protocol::common::StreamGeometry;
use tensorpool_transport::Subscription;

use super::consumer::feed::Change;
use super::event::Event;
use super::handover::Handover;
use super::producer::own_streams::OwnChange;
use super::producer::speaker::LimitWords;

/// A number that belongs to an epoch. One writer; a reader gets a matching pair or nothing.
///
/// The number is withdrawn (by epoch 0) before it changes its epoch, and published with the epoch
/// last.
#[derive(Debug, Default)]
pub(super) struct EpochWord {
    epoch: AtomicU64,
    value: AtomicU64,
}

impl EpochWord {
    /// A new epoch begins with this value.
    pub(super) fn begin(&self, epoch: Epoch, value: u64) {
        self.epoch.store(0, Ordering::SeqCst);
        self.value.store(value, Ordering::SeqCst);
        self.epoch.store(epoch.get(), Ordering::SeqCst);
    }

    /// Another value of the same epoch.
    #[inline]
    pub(super) fn set(&self, value: u64) {
        self.value.store(value, Ordering::Release);
    }

    /// Epoch and value, if they belong together.
    pub(super) fn get(&self) -> Option<(Epoch, u64)> {
        let before = self.epoch.load(Ordering::SeqCst);
        let value = self.value.load(Ordering::SeqCst);
        let after = self.epoch.load(Ordering::SeqCst);
        (before == after && before != 0).then_some((Epoch::new(before), value))
    }

    /// The value, if it belongs to `epoch`.
    #[inline]
    pub(super) fn of(&self, epoch: Epoch) -> Option<u64> {
        let before = self.epoch.load(Ordering::Acquire);
        let value = self.value.load(Ordering::Acquire);
        (before == epoch.get() && self.epoch.load(Ordering::Acquire) == before).then_some(value)
    }
}

/// Between a producer and its session.
#[derive(Debug, Default)]
pub(super) struct ProducerShared {
    /// Handle: the next sequence number.
    pub(super) next_seq: EpochWord,
    /// Handle: when the last frame was published.
    pub(super) published_ns: AtomicU64,
    /// Session: the first sequence number that must not be written yet; `u64::MAX` without a limit.
    pub(super) limit: EpochWord,
    /// Session: consumers that have mapped the current epoch.
    pub(super) mapped_consumers: AtomicU64,
    /// Handle adds, session takes away: blobs that are not done.
    pub(super) blobs_under_way: AtomicUsize,
    /// Session: those of them without a descriptor stream of their own.
    pub(super) consumers_on_shared: AtomicU64,
    /// Session: consumers heard of lately.
    pub(super) listening_consumers: AtomicU64,
    /// Session: how often consumers want to hear of progress.
    pub(super) progress: LimitWords,
    /// Handle: the watermark to report; 0 for none.
    pub(super) watermark: AtomicU32,
    /// Conductor: nothing more will come.
    pub(super) closed: AtomicBool,
}

/// Between a consumer and its session.
#[derive(Debug, Default)]
pub(super) struct ConsumerShared {
    /// Handle: 1 + the last sequence number it is done with; 0 before the first. The epoch is the
    /// one in use.
    pub(super) done: EpochWord,
    /// Handle: whether its last poll found nothing more.
    pub(super) idle: AtomicBool,
    /// Handle: frames lost because descriptors were missed.
    pub(super) drops_gap: AtomicU64,
    /// Handle: frames lost because they were overwritten.
    pub(super) drops_late: AtomicU64,
    /// Handle: the epoch whose ring began anew under it; 0 for none.
    pub(super) restarted: AtomicU64,
    /// Session: the producer's next sequence number, as first heard since the handle was handed
    /// over: what came before is not owed to it.
    pub(super) joined_at: EpochWord,
    /// Session: the producer's next sequence number as of the report before the last. Descriptors
    /// of frames before it have arrived, or never will.
    pub(super) overdue: EpochWord,
    /// Session: what describes the stream. Never looked at per frame.
    described: Mutex<Option<Arc<SourceMetadata>>>,
    /// Session: the watermark its producer reported last; 0 for none.
    pub(super) watermark: EpochWord,
    /// Handle: what it hears on its own descriptor stream, an [`OwnStreamState`].
    pub(super) own_stream: AtomicU8,
    /// Handle: the version of the last [`Configure`] it has taken up.
    pub(super) configured: AtomicU64,
    /// Conductor: nothing more will come.
    pub(super) closed: AtomicBool,
}

/// Whether there is a publication on a consumer's own descriptor stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum OwnStreamState {
    /// There is.
    Heard = 1,
    /// There is none.
    Silent = 2,
}

/// Where progress comes from.
#[derive(Debug)]
pub(super) enum ProgressChange {
    /// From where it came before.
    Unchanged,
    /// From the control stream of everybody alone.
    Shared,
    /// From a stream of the consumer's own.
    Own(Subscription),
}

/// What is to be obeyed from now on.
#[derive(Debug)]
pub(super) struct Configure {
    /// Given back in [`ConsumerShared::configured`]; the next one comes after that.
    pub(super) version: u64,
    pub(super) settings: ConsumerSettings,
    /// 0 without a limit.
    pub(super) max_rate_hz: u16,
    /// Descriptors come from elsewhere.
    pub(super) change: Option<Change>,
    /// So does progress.
    pub(super) progress: ProgressChange,
}

impl ConsumerShared {
    /// Another version of what describes the stream.
    pub(super) fn describe(&self, metadata: Arc<SourceMetadata>) {
        *self
            .described
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(metadata);
    }

    /// What describes the stream, as far as it is known.
    pub(super) fn description(&self) -> Option<Arc<SourceMetadata>> {
        self.described
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the reporter of the session needs, and the epoch in use.
    pub(super) fn progress(&self) -> Option<(Epoch, ConsumerProgress)> {
        let (epoch, done) = self.done.get()?;
        let last_seq = done.checked_sub(1).map(Seq::new);
        Some((
            epoch,
            ConsumerProgress {
                last_seq,
                idle: self.idle.load(Ordering::Relaxed),
            },
        ))
    }
}

/// A mapping to put into use.
#[derive(Debug)]
pub(super) struct Adopted {
    pub(super) mapping: Handover,
    pub(super) stream_id: StreamId,
    pub(super) epoch: Epoch,
    pub(super) geometry: Arc<StreamGeometry>,
    pub(super) adoption: Adoption,
    pub(super) client_id: ClientId,
    pub(super) node_id: Option<NodeId>,
}

/// What a session tells its handle, in order.
#[derive(Debug)]
pub(super) enum Notice {
    /// Use this from now on.
    Adopt(Adopted),
    /// The source of this epoch ended at this position; deliver what is there, then tell.
    Ended {
        epoch: Epoch,
        end_seq: Option<Seq>,
        end: SourceEnd,
    },
    /// Obey this from now on.
    Configure(Box<Configure>),
    /// For the application.
    Event(Event),
    /// Streams of consumers' own.
    Own(OwnChange),
}

/// Notices on their way: a wait-free queue, and a bounded backlog for an application that does not
/// listen.
#[derive(Debug)]
pub(super) struct Mailbox {
    queue: rtrb::Producer<Notice>,
    backlog: VecDeque<Notice>,
    dropped: u64,
}

/// What a handle has to tell an application. Bounded: of one that never asks, the oldest go.
#[derive(Debug, Default)]
pub(super) struct Events(VecDeque<Event>);

impl Events {
    pub(super) fn push(&mut self, event: Event) {
        // [TP-CLI-0880]
        if self.0.len() == BACKLOG_LEN {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    /// One at a time: who stops taking finds the rest the next time. [TP-CLI-0885]
    pub(super) fn take(&mut self) -> impl Iterator<Item = Event> + '_ {
        std::iter::from_fn(|| self.0.pop_front())
    }
}

const QUEUE_LEN: usize = 64;
const BACKLOG_LEN: usize = 256;

impl Mailbox {
    pub(super) fn new() -> (Self, rtrb::Consumer<Notice>) {
        let (queue, receiver) = rtrb::RingBuffer::new(QUEUE_LEN);
        (
            Self {
                queue,
                backlog: VecDeque::new(),
                dropped: 0,
            },
            receiver,
        )
    }

    /// Queues a notice. When the application has not listened for a long time the oldest event
    /// goes; adoptions stay.
    pub(super) fn post(&mut self, notice: Notice) {
        self.flush();
        self.backlog.push_back(notice);
        self.flush();
        // [TP-CLI-0880]
        if self.backlog.len() > BACKLOG_LEN {
            let victim = self
                .backlog
                .iter()
                .position(|n| matches!(n, Notice::Event(_)));
            self.backlog.remove(victim.unwrap_or(0));
            self.dropped += 1;
        }
    }

    /// Whether the next notice would reach the queue at once.
    pub(super) fn has_room(&self) -> bool {
        self.backlog.is_empty() && !self.queue.is_full()
    }

    /// Moves on what did not fit before.
    pub(super) fn flush(&mut self) {
        while let Some(notice) = self.backlog.pop_front() {
            if let Err(rtrb::PushError::Full(notice)) = self.queue.push(notice) {
                self.backlog.push_front(notice);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_only_read_with_its_epoch() {
        let word = EpochWord::default();
        assert_eq!(word.get(), None);
        word.begin(Epoch::new(7), 3);
        word.set(4);
        assert_eq!(word.get(), Some((Epoch::new(7), 4)));
        assert_eq!(word.of(Epoch::new(7)), Some(4));
        assert_eq!(word.of(Epoch::new(8)), None);
    }

    #[test]
    fn pairs_stay_together_while_a_writer_moves_through_epochs() {
        let word = Arc::new(EpochWord::default());
        let writer = Arc::clone(&word);
        let thread = std::thread::spawn(move || {
            for epoch in 1..20_000u64 {
                writer.begin(Epoch::new(epoch), epoch * 1_000);
                writer.set(epoch * 1_000 + 1);
            }
        });
        while !thread.is_finished() {
            if let Some((epoch, value)) = word.get() {
                assert_eq!(value / 1_000, epoch.get());
            }
        }
        thread.join().unwrap();
    }

    /// Proves [TP-CLI-0880].
    #[test]
    fn an_application_that_never_asks_keeps_the_latest_events() {
        let mut events = Events::default();
        for epoch in 0..2_000 {
            events.push(Event::Mapped {
                epoch: Epoch::new(epoch),
            });
        }
        let kept: Vec<Event> = events.take().collect();
        assert_eq!(kept.len(), BACKLOG_LEN);
        assert!(matches!(kept.last(), Some(Event::Mapped { epoch }) if epoch.get() == 1_999));
    }

    /// Proves [TP-CLI-0885].
    #[test]
    fn events_that_were_not_taken_are_there_the_next_time() {
        let mut events = Events::default();
        for epoch in 0..3 {
            events.push(Event::Mapped {
                epoch: Epoch::new(epoch),
            });
        }
        let epoch_of = |event: Option<Event>| match event {
            Some(Event::Mapped { epoch }) => Some(epoch.get()),
            _ => None,
        };
        assert_eq!(epoch_of(events.take().next()), Some(0));
        assert!(
            events
                .take()
                .any(|event| matches!(event, Event::Mapped { epoch } if epoch.get() == 1))
        );
        assert_eq!(epoch_of(events.take().next()), Some(2));
        assert_eq!(epoch_of(events.take().next()), None);
    }

    /// Proves [TP-CLI-0880].
    #[test]
    fn an_application_that_does_not_listen_loses_events_but_no_order() {
        let (mut mailbox, mut receiver) = Mailbox::new();
        for _ in 0..QUEUE_LEN + BACKLOG_LEN + 10 {
            mailbox.post(Notice::Event(Event::LinkUp));
        }
        assert_eq!(mailbox.dropped, 10);
        let mut count = 0;
        loop {
            while receiver.pop().is_ok() {
                count += 1;
            }
            mailbox.flush();
            if receiver.is_empty() {
                break;
            }
        }
        assert_eq!(count, QUEUE_LEN + BACKLOG_LEN);
    }
}

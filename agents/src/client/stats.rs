//! What producers and consumers count, and under which labels observers find it.

use tensorpool_codecs::types::{ClientId, Epoch, Seq};
use tensorpool_protocol::client::{AttachStats, MappingStats};
use tensorpool_protocol::frame::{DropCause, DropCounts, EpochAccount, FrameLedger};
use tensorpool_runtime::counters::{AgentKind, CounterCell, CounterSet, consumer, producer};
use tensorpool_transport::{LinkStats, Offer};

use super::conductor::adapter::AdapterStats;

/// Counters of clients beyond the published ones.
pub mod kinds {
    use tensorpool_runtime::counters::CounterKind;

    /// Messages of no interest, of the conductor: those of other peers, and its own.
    pub const MESSAGES_IGNORED: CounterKind = CounterKind::new(85, "MessagesIgnored");
    /// Messages that claim to be for a client and do not decode, of the conductor.
    pub const MESSAGES_MALFORMED: CounterKind = CounterKind::new(86, "MessagesMalformed");
    /// Publications, subscriptions and counters the media driver refused the conductor.
    pub const LINK_ADD_FAILURES: CounterKind = CounterKind::new(87, "LinkAddFailures");
    /// Publications that took no more messages and were replaced, of the conductor.
    pub const PUBLICATIONS_RENEWED: CounterKind = CounterKind::new(88, "PublicationsRenewed");
    /// Publications that got another term length than was asked for, of the conductor.
    pub const TERM_LENGTHS_DROPPED: CounterKind = CounterKind::new(89, "TermLengthsDropped");
    /// Errors Aeron's client reported, of the conductor.
    pub const LINK_CLIENT_ERRORS: CounterKind = CounterKind::new(90, "LinkClientErrors");
    /// Epochs that could not be mapped, of a producer or consumer.
    pub const MAP_FAILURES: CounterKind = CounterKind::new(100, "MapFailures");
    /// Announces of impossible regions or another layout, of a consumer.
    pub const ANNOUNCES_REFUSED: CounterKind = CounterKind::new(101, "AnnouncesRefused");
    /// Leases under whose client id somebody else reported, of a consumer.
    pub const ID_COLLISIONS: CounterKind = CounterKind::new(102, "IdCollisions");
}

/// The counters of one producer, as its handle writes them on the application's thread.
#[derive(Debug, Default)]
pub(super) struct ProducerCounters {
    pub(super) frames_published: CounterCell,
    pub(super) backpressured: CounterCell,
    pub(super) not_connected: CounterCell,
    pub(super) admin_action: CounterCell,
    pub(super) closed: CounterCell,
    pub(super) max_position_exceeded: CounterCell,
    pub(super) errors: CounterCell,
    pub(super) stalls: CounterCell,
}

/// What a handle counts on streams of consumers' own.
#[derive(Debug, Default)]
pub(super) struct OwnCounters {
    pub(super) sent: CounterCell,
    pub(super) skipped: CounterCell,
    pub(super) not_connected: CounterCell,
    pub(super) failed: CounterCell,
}

/// What a session counts of consumers' own streams.
#[derive(Debug, Default)]
pub(super) struct OwnSessionCounters {
    pub(super) open: CounterCell,
    pub(super) invalid: CounterCell,
    pub(super) overflow: CounterCell,
    pub(super) stale: CounterCell,
    pub(super) configs: CounterCell,
}

/// The counters of one consumer, as its handle writes them on the application's thread.
#[derive(Debug, Default)]
pub(super) struct ConsumerCounters {
    drops: [CounterCell; MIRRORED.len()],
    late: CounterCell,
    remaps: CounterCell,
    /// As of which drop event and remap they show it.
    shown: (u64, u64),
}

impl OwnCounters {
    #[inline]
    pub(super) fn count(&self, offer: Offer) {
        match offer {
            Offer::Sent { .. } => self.sent.increment(),
            Offer::NotConnected => self.not_connected.increment(),
            Offer::BackPressured
            | Offer::AdminAction
            | Offer::Closed
            | Offer::LinkDown
            | Offer::MaxPositionExceeded
            | Offer::TooLong
            | Offer::Failed(_) => self.failed.increment(),
        }
    }
}

/// What the conductor counts for one producer or consumer.
#[derive(Debug, Default)]
pub(super) struct SessionCounters {
    pub(super) reports: CounterCell,
    pub(super) hellos: CounterCell,
    map_failures: CounterCell,
    announces_refused: CounterCell,
    id_collisions: CounterCell,
}

/// What the conductor counts of all that it hears.
#[derive(Debug)]
pub(super) struct InboundCounters {
    ignored: CounterCell,
    malformed: CounterCell,
    link: [CounterCell; 4],
}

impl InboundCounters {
    pub(super) fn new(set: &mut CounterSet) -> Self {
        Self {
            ignored: set.add(kinds::MESSAGES_IGNORED),
            malformed: set.add(kinds::MESSAGES_MALFORMED),
            link: [
                set.add(kinds::LINK_ADD_FAILURES),
                set.add(kinds::PUBLICATIONS_RENEWED),
                set.add(kinds::TERM_LENGTHS_DROPPED),
                set.add(kinds::LINK_CLIENT_ERRORS),
            ],
        }
    }

    /// Shows observers what the adapter counted.
    pub(super) fn mirror(&self, stats: &AdapterStats) {
        self.ignored.set(stats.ignored);
        self.malformed.set(stats.malformed);
    }

    /// Shows observers what the link counted. [TP-CLI-2372]
    pub(super) fn mirror_link(&self, link: &LinkStats) {
        let values = [
            link.add_failure_count,
            link.renewed_count,
            link.term_length_dropped_count,
            link.client_error_count,
        ];
        for (cell, value) in self.link.iter().zip(values) {
            cell.set(value);
        }
    }
}

impl SessionCounters {
    /// Shows observers what the cores counted.
    pub(super) fn mirror(&self, mapping: &MappingStats, attach: &AttachStats) {
        self.map_failures.set(mapping.failures);
        self.announces_refused.set(mapping.announces_invalid);
        self.id_collisions.set(attach.id_collisions);
    }
}

/// Causes that have a published counter.
const MIRRORED: [DropCause; 8] = [
    DropCause::Gap,
    DropCause::Odd,
    DropCause::Changed,
    DropCause::FrameIdMismatch,
    DropCause::HeaderInvalid,
    DropCause::PayloadInvalid,
    DropCause::EpochMismatch,
    DropCause::RateLimited,
];

/// The counters of a producer, by who writes them.
pub(super) struct ProducerCounterSet {
    pub(super) set: CounterSet,
    pub(super) handle: ProducerCounters,
    pub(super) own: OwnCounters,
    pub(super) session: SessionCounters,
    pub(super) own_session: OwnSessionCounters,
}

/// The set of a producer under its published labels.
pub(super) fn producer_counters(id: ClientId) -> ProducerCounterSet {
    let mut set = CounterSet::new(AgentKind::Producer, id.get().into(), "Producer");
    let counters = ProducerCounters {
        frames_published: set.add(producer::FRAMES_PUBLISHED),
        backpressured: set.add(producer::DESCRIPTOR_BACKPRESSURED),
        not_connected: set.add(producer::DESCRIPTOR_NOT_CONNECTED),
        admin_action: set.add(producer::DESCRIPTOR_ADMIN_ACTION),
        closed: set.add(producer::DESCRIPTOR_CLOSED),
        max_position_exceeded: set.add(producer::DESCRIPTOR_MAX_POSITION_EXCEEDED),
        errors: set.add(producer::DESCRIPTOR_ERRORS),
        stalls: set.add(producer::DESCRIPTOR_STALLS),
    };
    let own = OwnCounters {
        sent: set.add(producer::OWN_DESCRIPTORS),
        skipped: set.add(producer::OWN_DESCRIPTORS_SKIPPED),
        not_connected: set.add(producer::OWN_DESCRIPTORS_NOT_CONNECTED),
        failed: set.add(producer::OWN_DESCRIPTORS_FAILED),
    };
    let session = SessionCounters {
        reports: set.add(producer::QOS_PUBLISHED),
        hellos: CounterCell::new(),
        map_failures: set.add(kinds::MAP_FAILURES),
        announces_refused: CounterCell::new(),
        id_collisions: CounterCell::new(),
    };
    let own_session = OwnSessionCounters {
        open: set.add(producer::OWN_STREAMS),
        invalid: set.add(producer::OWN_STREAMS_INVALID),
        overflow: set.add(producer::OWN_STREAMS_OVERFLOW),
        stale: set.add(producer::OWN_STREAMS_STALE),
        configs: set.add(producer::CONFIG_PUBLISHED),
    };
    ProducerCounterSet {
        set,
        handle: counters,
        own,
        session,
        own_session,
    }
}

/// The set of a consumer under its published labels.
pub(super) fn consumer_counters(id: ClientId) -> (CounterSet, ConsumerCounters, SessionCounters) {
    let mut set = CounterSet::new(AgentKind::Consumer, id.get().into(), "Consumer");
    let counters = ConsumerCounters {
        drops: [
            set.add(consumer::DROPS_GAP),
            set.add(consumer::DROPS_ODD),
            set.add(consumer::DROPS_CHANGED),
            set.add(consumer::DROPS_FRAME_ID_MISMATCH),
            set.add(consumer::DROPS_HEADER_INVALID),
            set.add(consumer::DROPS_PAYLOAD_INVALID),
            set.add(consumer::DROPS_EPOCH_MISMATCH),
            set.add(consumer::DROPS_RATE_LIMITED),
        ],
        late: set.add(consumer::DROPS_LATE),
        remaps: set.add(consumer::REMAPS),
        shown: (0, 0),
    };
    let session = SessionCounters {
        reports: set.add(consumer::QOS_PUBLISHED),
        hellos: set.add(consumer::HELLO_PUBLISHED),
        map_failures: set.add(kinds::MAP_FAILURES),
        announces_refused: set.add(kinds::ANNOUNCES_REFUSED),
        id_collisions: set.add(kinds::ID_COLLISIONS),
    };
    (set, counters, session)
}

impl ConsumerCounters {
    /// Shows observers what the ledger says. True if that is news: most polls lose nothing.
    #[inline]
    pub(super) fn mirror(&mut self, ledger: &FrameLedger, remaps: u64) -> bool {
        let news = (ledger.drop_events(), remaps);
        if self.shown == news {
            return false;
        }
        self.shown = news;
        self.show(ledger.drops(), remaps);
        true
    }

    #[cold]
    fn show(&mut self, drops: &DropCounts, remaps: u64) {
        for (cell, cause) in self.drops.iter().zip(MIRRORED) {
            cell.set(drops.get(cause));
        }
        self.late.set(drops.late());
        self.remaps.set(remaps);
    }
}

/// What a producer counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerStats {
    /// Frames that became visible.
    pub frames_published: u64,
    /// Descriptors refused because a subscriber of the stream does not keep up.
    pub descriptors_backpressured: u64,
    /// Descriptors nobody subscribed to.
    pub descriptors_not_connected: u64,
    /// Descriptors that met a log being rotated.
    pub descriptors_admin_action: u64,
    /// Descriptors without a media driver.
    pub descriptors_link_down: u64,
    /// Descriptors Aeron refused for other reasons.
    pub descriptor_errors: u64,
    /// Times the descriptor stream was held up for so long that
    /// [`Event::Stalled`](crate::client::Event::Stalled) was told.
    pub stalls: u64,
    /// Descriptors sent on streams of consumers' own.
    pub own_descriptors: u64,
    /// Descriptors not sent there to keep to a consumer's rate.
    pub own_descriptors_skipped: u64,
    /// Descriptors there that nobody subscribed to.
    pub own_descriptors_not_connected: u64,
    /// Descriptors there that could not be sent for another reason; in lossless mode they are tried
    /// again.
    pub own_descriptors_failed: u64,
}

impl ProducerCounters {
    pub(super) fn stats(&self, own: &OwnCounters) -> ProducerStats {
        ProducerStats {
            frames_published: self.frames_published.get(),
            descriptors_backpressured: self.backpressured.get(),
            descriptors_not_connected: self.not_connected.get(),
            descriptors_admin_action: self.admin_action.get(),
            descriptors_link_down: self.closed.get(),
            descriptor_errors: self.errors.get() + self.max_position_exceeded.get(),
            stalls: self.stalls.get(),
            own_descriptors: own.sent.get(),
            own_descriptors_skipped: own.skipped.get(),
            own_descriptors_not_connected: own.not_connected.get(),
            own_descriptors_failed: own.failed.get(),
        }
    }
}

/// What a consumer counted so far: `seen = delivered + lost + rate_limited`, over every frame it was
/// owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerStats {
    ledger: FrameLedger,
    /// Times another epoch was put into use.
    pub remaps: u64,
}

impl ConsumerStats {
    pub(super) fn new(ledger: FrameLedger, remaps: u64) -> Self {
        Self { ledger, remaps }
    }

    /// Frames it was owed, over all epochs, up to the last it heard of.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.ledger.seen()
    }

    /// Frames that reached the application whole.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.ledger.delivered()
    }

    /// Frames lost, whatever the cause; not those it asked to be spared.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.ledger.drops().lost()
    }

    /// Frames skipped, here or by the producer, to keep to the rate that was asked for.
    #[must_use]
    pub fn rate_limited(&self) -> u64 {
        self.drops(DropCause::RateLimited)
    }

    /// Frames lost because they were overtaken by the producer.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.ledger.drops().late()
    }

    /// Frames dropped for one cause.
    #[must_use]
    pub fn drops(&self, cause: DropCause) -> u64 {
        self.ledger.drops().get(cause)
    }

    /// Descriptors that were duplicates or older than the last.
    #[must_use]
    pub fn seq_regressions(&self) -> u64 {
        self.ledger.regressions()
    }
}

/// What became of the frames of one epoch: `end - first = delivered + lost + rate_limited`, where all
/// frames from `first` up to, but not including, `end` were owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStats {
    epoch: Epoch,
    account: EpochAccount,
}

impl EpochStats {
    pub(super) fn new(epoch: Epoch, account: EpochAccount) -> Self {
        Self { epoch, account }
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The first frame this consumer was owed: 0 if it was there when the epoch began, else where its
    /// producer was when it joined. `None` while nothing says so.
    #[must_use]
    pub fn first(&self) -> Option<Seq> {
        self.account.first
    }

    /// The frame behind the last one that is accounted for. `None` with [`EpochStats::first`].
    #[must_use]
    pub fn end(&self) -> Option<Seq> {
        self.account.end
    }

    /// Frames that reached the application whole.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.account.delivered
    }

    /// Frames lost, whatever the cause; not those it asked to be spared.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.account.drops.lost()
    }

    /// Frames dropped for one cause.
    #[must_use]
    pub fn drops(&self, cause: DropCause) -> u64 {
        self.account.drops.get(cause)
    }
}

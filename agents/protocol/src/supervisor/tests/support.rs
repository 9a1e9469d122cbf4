//! A supervisor with a clock that moves by hand, and short names for what tests do to it.

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, Seq, StreamId};
use tensorpool_codecs::wire::Mode;

use crate::common::{LeaseRevokeReason, Role};
use crate::supervisor::{
    Announced, ConsumerConfig, ConsumerKey, ConsumerReport, CoreConfig, Hello, LeaseEnd,
    OwnStreams, ProducerReport, StreamRequest, SupervisorCore, SupervisorEvent,
};

pub(super) const MS: u64 = 1_000_000;
pub(super) const S: u64 = 1_000 * MS;
pub(super) const STREAM: u32 = 10_000;
pub(super) const OTHER: u32 = 10_001;
pub(super) const IPC: &[u8] = b"aeron:ipc";

/// Four descriptor streams and two control streams.
pub(super) fn with_ranges() -> CoreConfig {
    CoreConfig {
        descriptor: OwnStreams {
            ids: vec![31_000..=31_001, 31_100..=31_101],
            channel: None,
        },
        control: OwnStreams {
            ids: vec![32_000..=32_001],
            channel: None,
        },
        ..CoreConfig::default()
    }
}

pub(super) fn key(consumer: u32) -> ConsumerKey {
    key_on(STREAM, consumer)
}

pub(super) fn key_on(stream: u32, consumer: u32) -> ConsumerKey {
    ConsumerKey::new(StreamId::new(stream), ClientId::new(consumer))
}

/// A hello that asks for nothing.
pub(super) fn hello(key: ConsumerKey) -> Hello<'static> {
    Hello {
        key,
        supports_shm: true,
        mode: Mode::Stream,
        max_rate_hz: 0,
        descriptor: StreamRequest::default(),
        control: StreamRequest::default(),
    }
}

pub(super) fn request(channel: &[u8], stream_id: u32) -> StreamRequest<'_> {
    StreamRequest { channel, stream_id }
}

pub(super) struct Supervisor {
    pub(super) core: SupervisorCore,
    pub(super) now: NanoTime,
}

impl Supervisor {
    pub(super) fn new(config: CoreConfig) -> Self {
        let mut supervisor = Self {
            core: SupervisorCore::new(config).unwrap(),
            now: NanoTime::new(100 * S),
        };
        supervisor.core.on_link_up(supervisor.now);
        supervisor.advance(0);
        supervisor
    }

    /// Moves the clock and does what is due.
    pub(super) fn advance(&mut self, by_ns: u64) {
        self.now = self.now.after_ns(by_ns);
        self.core.on_timeout(self.now);
    }

    pub(super) fn hello(&mut self, hello: &Hello<'_>) {
        self.core.on_hello(self.now, hello);
    }

    /// Says a hello and gives its answer, which is sent.
    pub(super) fn answer(&mut self, hello: &Hello<'_>) -> ConsumerConfig {
        self.hello(hello);
        let answer = self.take().expect("an answer");
        assert_eq!(answer.key, hello.key);
        assert_eq!(self.take(), None, "one answer");
        answer
    }

    /// Asks for a descriptor stream and gives its id.
    pub(super) fn descriptor(&mut self, key: ConsumerKey) -> Option<u32> {
        let wish = Hello {
            descriptor: request(IPC, 1),
            ..hello(key)
        };
        self.answer(&wish).descriptor.map(|own| own.stream_id)
    }

    /// Takes the next answer as sent.
    pub(super) fn take(&mut self) -> Option<ConsumerConfig> {
        let answer = self.core.peek_answer().cloned()?;
        self.core.pop_answer();
        Some(answer)
    }

    pub(super) fn events(&mut self) -> Vec<SupervisorEvent> {
        core::iter::from_fn(|| self.core.poll_event()).collect()
    }

    pub(super) fn report(&mut self, key: ConsumerKey, epoch: u64, seq: u64, drops: (u64, u64)) {
        let report = ConsumerReport {
            key,
            epoch: Epoch::new(epoch),
            last_seq: Seq::new(seq),
            drops_gap: drops.0,
            drops_late: drops.1,
        };
        self.core.on_consumer_report(self.now, &report);
    }

    pub(super) fn produced(&mut self, stream: u32, producer: u32, epoch: u64, next_seq: u64) {
        let report = ProducerReport {
            stream_id: StreamId::new(stream),
            producer_id: ClientId::new(producer),
            epoch: Epoch::new(epoch),
            next_seq: Seq::new(next_seq),
        };
        self.core.on_producer_report(self.now, &report);
    }

    pub(super) fn announce(&mut self, stream: u32, producer: u32, epoch: u64) {
        let at = self.now;
        self.announce_of(at, stream, producer, epoch);
    }

    pub(super) fn announce_of(&mut self, at: NanoTime, stream: u32, producer: u32, epoch: u64) {
        let announced = Announced {
            stream_id: StreamId::new(stream),
            producer_id: Some(ClientId::new(producer)).filter(|id| id.get() != 0),
            epoch: Epoch::new(epoch),
            monotonic: Some(at),
        };
        self.core.on_announce(self.now, &announced);
    }

    pub(super) fn lease_end(&mut self, stream: u32, client: u32, role: Role) {
        let end = LeaseEnd {
            stream_id: StreamId::new(stream),
            client_id: ClientId::new(client),
            role,
            reason: LeaseRevokeReason::Expired,
        };
        self.core.on_lease_end(self.now, &end);
    }
}

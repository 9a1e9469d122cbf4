//! What a supervisor knows, put together for whoever looks at it.

use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, StreamId};
use tensorpool_codecs::wire::Mode;

use super::consumers::Consumer;
use super::hellos::SupervisorCore;
use super::messages::ConsumerKey;
use super::streams::Stream;

/// Monotone counts, and gauges at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SupervisorStats {
    /// Hellos heard.
    pub hellos: u64,
    /// Hellos that could not be answered for lack of room; they are said again.
    pub hellos_dropped: u64,
    /// Answers that went out.
    pub configs_published: u64,
    /// Requests for streams of their own that were declined, each time.
    pub requests_declined: u64,
    /// Those of them for which no id was left.
    pub ids_exhausted: u64,
    /// Times liveness was looked at.
    pub liveness_checks: u64,
    /// Consumers that went silent.
    pub consumers_silent: u64,
    /// Consumers whose lease ended.
    pub consumers_ended: u64,
    /// Signs of life of consumers there was no room for.
    pub consumers_overflow: u64,
    /// Reports of consumers that had just ended.
    pub late_reports: u64,
    /// Announces that were too old, or of an epoch that is over.
    pub announces_stale: u64,
    /// Configs of somebody else.
    pub foreign_configs: u64,
    /// Reports under an id that another consumer of the stream uses as well.
    pub id_collisions: u64,
    /// Consumers followed now.
    pub consumers: u64,
    /// Streams followed now.
    pub streams: u64,
    /// Streams that have a producer now.
    pub producers: u64,
    /// Descriptor streams of single consumers now.
    pub own_descriptor_streams: u64,
    /// Control streams of single consumers now.
    pub own_control_streams: u64,
}

/// How one stream is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamStatus {
    /// The stream.
    pub stream_id: StreamId,
    /// Its name, if it has told one.
    pub name: Option<String>,
    /// Its epoch, as announced or reported last.
    pub epoch: Option<Epoch>,
    /// Its producer.
    pub producer_id: Option<ClientId>,
    /// The next frame, as the producer reported last.
    pub next_seq: Option<u64>,
    /// Frames a second, between the producer's last reports.
    pub rate_hz: f64,
    /// Consumers.
    pub consumers: usize,
    /// Frames its consumers missed for lack of descriptors, added up.
    pub drops_gap: u64,
    /// Frames its consumers lost because they were overwritten, added up.
    pub drops_late: u64,
    /// How many frames the slowest of its consumers is behind, by their last reports.
    pub max_lag: u64,
}

/// How one consumer is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerStatus {
    /// Who.
    pub key: ConsumerKey,
    /// Since when nothing was heard of it.
    pub silent_ns: u64,
    /// The mode it was told, else the one it wants; `None` while it has not said hello.
    pub mode: Option<Mode>,
    /// Frames a second it wants at most; 0 is unlimited.
    pub max_rate_hz: u32,
    /// Whether it reads payloads from shared memory.
    pub use_shm: Option<bool>,
    /// Its descriptor stream.
    pub descriptor_stream_id: Option<u32>,
    /// Its control stream.
    pub control_stream_id: Option<u32>,
    /// The epoch it has mapped.
    pub epoch: Option<Epoch>,
    /// The last frame it is done with.
    pub last_seq: Option<u64>,
    /// Frames a second, between its last reports.
    pub rate_hz: f64,
    /// Frames it missed for lack of descriptors.
    pub drops_gap: u64,
    /// Frames it lost because they were overwritten.
    pub drops_late: u64,
    /// How many frames it is behind its producer, by their last reports; `None` when they are not
    /// in one epoch.
    pub lag: Option<u64>,
}

/// Everything a supervisor knows, at one time, sorted by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The streams.
    pub streams: Vec<StreamStatus>,
    /// Their consumers.
    pub consumers: Vec<ConsumerStatus>,
}

impl SupervisorCore {
    /// Everything it knows. Allocates: for whoever asks, not for the duty cycle.
    #[must_use]
    pub fn snapshot(&self, now: NanoTime) -> Snapshot {
        let consumers = self.consumers.iter();
        let consumers: Vec<_> = consumers
            .map(|(key, consumer)| self.consumer_status(now, key, consumer))
            .collect();
        let streams = self.streams.iter();
        let streams = streams.map(|(id, stream)| stream_status(id, stream, &consumers));
        Snapshot {
            streams: streams.collect(),
            consumers,
        }
    }

    fn consumer_status(
        &self,
        now: NanoTime,
        key: ConsumerKey,
        consumer: &Consumer,
    ) -> ConsumerStatus {
        let (wishes, told) = (consumer.wishes.as_ref(), consumer.told.as_ref());
        let own = |stream: &Option<super::answers::OwnStream>| {
            stream.as_ref().map(|stream| stream.stream_id)
        };
        let produced = self.streams.get(key.stream_id);
        let lag = produced
            .and_then(|stream| stream.progress)
            .zip(consumer.progress);
        // [TP-DRV-2530]
        let lag = lag.filter(|(produced, seen)| produced.epoch == seen.epoch);
        ConsumerStatus {
            key,
            silent_ns: now.since_ns(consumer.heard),
            mode: told
                .map(|told| told.mode)
                .or(wishes.map(|wishes| wishes.mode)),
            max_rate_hz: wishes.map_or(0, |wishes| wishes.max_rate_hz),
            use_shm: told.map(|told| told.use_shm),
            descriptor_stream_id: told.and_then(|told| own(&told.descriptor)),
            control_stream_id: told.and_then(|told| own(&told.control)),
            epoch: consumer.progress.map(|seen| seen.epoch),
            last_seq: consumer.progress.map(|seen| seen.seq.get()),
            rate_hz: consumer.progress.map_or(0.0, |seen| seen.rate_hz),
            drops_gap: consumer.drops_gap.total,
            drops_late: consumer.drops_late.total,
            lag: lag.map(|(produced, seen)| {
                produced
                    .seq
                    .get()
                    .saturating_sub(seen.seq.get().saturating_add(1))
            }),
        }
    }
}

/// A stream's own figures, and those of its consumers added up. [TP-DRV-2520]
fn stream_status(
    stream_id: StreamId,
    stream: &Stream,
    consumers: &[ConsumerStatus],
) -> StreamStatus {
    let mut status = StreamStatus {
        stream_id,
        name: stream.name.as_deref().map(str::to_owned),
        epoch: stream
            .announced
            .map(|(epoch, _)| epoch)
            .max(stream.progress.map(|progress| progress.epoch)),
        producer_id: stream.producer.map(|(id, _)| id),
        next_seq: stream.progress.map(|progress| progress.seq.get()),
        rate_hz: stream.progress.map_or(0.0, |progress| progress.rate_hz),
        consumers: 0,
        drops_gap: 0,
        drops_late: 0,
        max_lag: 0,
    };
    for consumer in consumers
        .iter()
        .filter(|one| one.key.stream_id == stream_id)
    {
        status.consumers += 1;
        status.drops_gap += consumer.drops_gap;
        status.drops_late += consumer.drops_late;
        status.max_lag = status.max_lag.max(consumer.lag.unwrap_or(0));
    }
    status
}

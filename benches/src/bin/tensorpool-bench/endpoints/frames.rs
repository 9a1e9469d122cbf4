//! The tensor pool: a client per direction, as two applications would have it.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tensorpool::client::{
    Announced, Availability, Client, ClientConfig, Consumer, Endpoint as AeronStream, Frame,
    FrameMeta, OfferError, Pending, Producer,
};
use tensorpool::codecs::types::{NanoTime, StreamId};
use tensorpool::transport::Channel;

use super::CACHE_LINE;
use super::aeron::aeron_dir;
use crate::exercises::Endpoint;
use crate::meeting::Meeting;
use crate::plan::{self, FrameLane, FramesPlan, Mode, Pacing, Plan, Side, Touch};

/// The stream each side publishes.
pub(crate) const STREAMS: [u32; 2] = [10_000, 10_001];
/// Descriptors of each direction have an Aeron stream of their own, as raw Aeron's messages do.
const DESCRIPTOR_STREAMS: [i32; 2] = [1100, 1101];
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);

/// Both directions, from one side.
pub(crate) struct FramesEndpoint {
    producer: Option<Producer>,
    consumers: Vec<Consumer>,
    lane: FrameLane,
    meta: FrameMeta,
    payload: Vec<u8>,
    window: u64,
    /// Consumers that read what is written here.
    listeners: usize,
    /// How far each consumer is in its stream.
    positions: Vec<u64>,
    unannounced: u64,
    /// Descriptors are looked for by nobody who watches the ring.
    expects_subscribers: bool,
    _clients: Vec<Client>,
}

impl FramesEndpoint {
    /// Opens what this side needs.
    pub(crate) fn open(plan: &Plan, frames: &FramesPlan, side: Side) -> Result<Self> {
        let forward = Client::connect(client_config(plan, 0)?)?;
        let backward = match plan.duplex {
            true => Some(Client::connect(client_config(plan, 1)?)?),
            false => None,
        };
        let lossless = frames.pacing == Pacing::Lossless;
        let produce = |client: &Client, stream| {
            let producer = client.producer(StreamId::new(stream)).lossless(lossless);
            producer.attach_timeout(OPEN_TIMEOUT).open()
        };
        let consume = |client: &Client, stream, count| -> Vec<Pending<Consumer>> {
            let availability = match frames.availability {
                plan::Availability::Descriptor => Availability::Descriptor,
                plan::Availability::HeaderRing => Availability::HeaderRing,
            };
            // Not one builder for all: it carries the seed of a client id.
            let open = |_| {
                let consumer = client.consumer(StreamId::new(stream));
                let consumer = consumer.availability(availability);
                consumer.attach_timeout(OPEN_TIMEOUT).open()
            };
            (0..count).map(open).collect()
        };
        let (producer, consumers) = match side {
            Side::First => (
                Some(produce(&forward, STREAMS[0])),
                backward
                    .as_ref()
                    .map(|client| consume(client, STREAMS[1], 1)),
            ),
            Side::Second => (
                backward.as_ref().map(|client| produce(client, STREAMS[1])),
                Some(consume(&forward, STREAMS[0], frames.consumers)),
            ),
        };
        let producer = match producer {
            Some(pending) => Some(pending.wait(OPEN_TIMEOUT).context("no producer")?),
            None => None,
        };
        let consumers = consumers.unwrap_or_default().into_iter();
        let consumers: Vec<Consumer> = consumers
            .map(|pending| pending.wait(OPEN_TIMEOUT).context("no consumer"))
            .collect::<Result<_>>()?;
        Ok(Self {
            positions: vec![0; consumers.len()],
            producer,
            consumers,
            lane: FrameLane {
                mode: Mode::Copy,
                len: 0,
                touch: Touch::Header,
            },
            meta: FrameMeta::bytes(1)?,
            payload: Vec::new(),
            window: u64::from(frames.slots / 2),
            listeners: match side {
                Side::First => frames.consumers,
                Side::Second => 1,
            },
            unannounced: 0,
            expects_subscribers: frames.availability == plan::Availability::Descriptor,
            _clients: std::iter::once(forward).chain(backward).collect(),
        })
    }

    /// Whether the other side reads what this one is going to write. To be asked until it is so on
    /// both: consumers take a producer's epoch up when they are polled.
    pub(crate) fn is_connected(&mut self) -> Result<bool> {
        for consumer in &mut self.consumers {
            consumer.poll(|_| {}, 1)?;
        }
        let Some(producer) = &mut self.producer else {
            return Ok(true);
        };
        producer.poll();
        Ok(producer.consumers() >= self.listeners)
    }

    /// Frames of this kind from now on.
    pub(crate) fn set_lane(&mut self, lane: FrameLane) -> Result<()> {
        self.lane = lane;
        self.meta = FrameMeta::bytes(lane.len)?;
        if self.producer.is_some() && lane.mode == Mode::Copy && self.payload.len() < lane.len {
            self.payload = (0..lane.len).map(|index| index as u8).collect();
        }
        Ok(())
    }

    /// Takes up what the conductors have to tell, between turns.
    pub(crate) fn settle(&mut self) {
        if let Some(producer) = &mut self.producer {
            producer.poll();
            producer.events().for_each(drop);
        }
        for consumer in &mut self.consumers {
            consumer.events().for_each(drop);
        }
    }

    pub(crate) fn lost(&self) -> u64 {
        let lost = self
            .consumers
            .iter()
            .map(|consumer| consumer.stats().lost());
        lost.sum()
    }

    pub(crate) fn unannounced(&self) -> u64 {
        self.unannounced
    }
}

impl Endpoint for FramesEndpoint {
    fn window(&self) -> u64 {
        self.window
    }

    #[inline]
    fn try_send(&mut self, stamp: u64, _meeting: &Meeting) -> Result<bool> {
        let producer = self
            .producer
            .as_mut()
            .context("this side has no producer")?;
        self.meta.timestamp = Some(NanoTime::new(stamp));
        let offered = match self.lane.mode {
            Mode::Copy => producer.offer(&self.meta, &self.payload[..self.lane.len]),
            Mode::Claim => producer
                .claim(&self.meta, self.lane.len)
                .and_then(|claim| producer.commit(claim)),
        };
        match offered {
            Ok(offered) => {
                let is_told = matches!(offered.announced, Announced::Sent | Announced::Queued);
                self.unannounced += u64::from(!is_told && self.expects_subscribers);
                Ok(true)
            }
            Err(OfferError::Paced) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    #[inline]
    fn poll(
        &mut self,
        limit: usize,
        _meeting: &Meeting,
        on_stamp: &mut impl FnMut(u64),
    ) -> Result<usize> {
        let mut polled = 0;
        for (consumer, position) in self.consumers.iter_mut().zip(&mut self.positions) {
            let touch = self.lane.touch;
            let on_frame = |frame: &Frame<'_>| {
                if touch == Touch::Lines {
                    touch_lines(frame);
                }
                *position = frame.seq().get() + 1;
                on_stamp(frame.info().timestamp.get());
            };
            polled += consumer.poll(on_frame, limit)?;
        }
        Ok(polled)
    }

    fn passed(&self) -> u64 {
        self.positions.iter().copied().min().unwrap_or(0)
    }
}

/// One byte of each cache line, in place. What was overwritten meanwhile is counted as lost.
#[inline]
fn touch_lines(frame: &Frame<'_>) {
    let sum = frame.with(|view| {
        let bytes = view.typed::<u8>().ok()?;
        let lines = (0..bytes.len()).step_by(CACHE_LINE);
        Some(lines.fold(0u8, |sum, at| {
            sum.wrapping_add(bytes.get(at).unwrap_or_default())
        }))
    });
    black_box(sum.is_ok());
    black_box(sum.ok());
}

/// Where the coordinator's driver creates regions.
pub(crate) fn region_dir(dir: &Path) -> PathBuf {
    dir.join("pools")
}

fn client_config(plan: &Plan, direction: usize) -> Result<ClientConfig> {
    let channel = Channel::ipc().with_term_length(plan.term_len)?;
    Ok(ClientConfig {
        name: format!("bench-{direction}"),
        allowed_base_dirs: vec![region_dir(&plan.dir)],
        descriptor: AeronStream {
            channel,
            stream_id: DESCRIPTOR_STREAMS[direction],
        },
        ..ClientConfig::for_dir(aeron_dir(&plan.dir))
    })
}

//! A producer's publications for single consumers. Made by the session on the conductor's thread,
//! used here on the application's, and closed by the conductor when they are dropped.

use std::collections::VecDeque;

use tensorpool_codecs::types::NanoTime;
use tensorpool_protocol::client::{MAX_OWN_STREAMS, OwnStreamId, OwnStreamKind, Pace, PaceGate};
use tensorpool_transport::{Offer, Publication};

use super::announcer::{DESCRIPTOR_LEN, offer_past_rotation};
use crate::client::stats::OwnCounters;

/// What a session has its handle do about own streams, in order.
#[derive(Debug)]
pub(crate) enum OwnChange {
    Open {
        id: OwnStreamId,
        kind: OwnStreamKind,
        publication: Publication,
        pace: Pace,
    },
    SetPace {
        id: OwnStreamId,
        pace: Pace,
    },
    Close(OwnStreamId),
}

#[derive(Debug)]
struct Descriptors {
    id: OwnStreamId,
    publication: Publication,
    pace: Pace,
    gate: PaceGate,
    /// Lossless: what is still to be sent, oldest first.
    unsent: VecDeque<[u8; DESCRIPTOR_LEN]>,
}

/// The own streams of one producer, as its handle has them.
#[derive(Debug)]
pub(crate) struct OwnStreams {
    descriptors: Vec<Descriptors>,
    counters: OwnCounters,
    slot_count: usize,
    is_lossless: bool,
}

impl OwnStreams {
    pub(crate) fn new(counters: OwnCounters, is_lossless: bool) -> Self {
        Self {
            descriptors: Vec::new(),
            counters,
            slot_count: 0,
            is_lossless,
        }
    }

    pub(crate) fn counters(&self) -> &OwnCounters {
        &self.counters
    }

    /// Whether nobody has a descriptor stream of its own.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.descriptors.is_empty()
    }

    /// Whether a descriptor waits that must not be lost.
    pub(super) fn has_unsent(&self) -> bool {
        self.descriptors.iter().any(|own| !own.unsent.is_empty())
    }

    pub(super) fn apply(&mut self, change: OwnChange) {
        match change {
            OwnChange::Open {
                id,
                kind: OwnStreamKind::Descriptor,
                publication,
                pace,
            } => {
                self.descriptors.reserve(MAX_OWN_STREAMS);
                let unsent = VecDeque::with_capacity(match self.is_lossless {
                    true => self.slot_count,
                    false => 0,
                });
                self.descriptors.push(Descriptors {
                    id,
                    publication,
                    pace,
                    gate: PaceGate::default(),
                    unsent,
                });
            }
            OwnChange::SetPace { id, pace } => {
                for own in self.descriptors.iter_mut().filter(|own| own.id == id) {
                    own.pace = pace;
                    own.gate = PaceGate::default();
                    if !pace.is_lossless {
                        own.unsent.clear();
                    }
                }
            }
            OwnChange::Close(id) => self.descriptors.retain(|own| own.id != id),
            // The speaker's; closed unused when nothing tells of progress.
            OwnChange::Open {
                kind: OwnStreamKind::Control,
                ..
            } => {}
        }
    }

    /// A new epoch: what was not sent belongs to the old one.
    pub(crate) fn begin_epoch(&mut self, slot_count: u32) {
        self.slot_count = slot_count as usize;
        for own in &mut self.descriptors {
            own.unsent.clear();
            if self.is_lossless {
                own.unsent.reserve(self.slot_count);
            }
        }
    }

    /// Tells everybody of a frame who is due. What goes wrong is counted, and concerns nobody else.
    /// Gives whether somebody is not told because of back-pressure.
    /// [TP-CLI-2340], [TP-CLI-2346]
    pub(crate) fn tell(&mut self, descriptor: &[u8; DESCRIPTOR_LEN], now: NanoTime) -> bool {
        let mut is_held_up = false;
        for own in &mut self.descriptors {
            if !own.gate.is_due(now) {
                // [TP-CLI-2348]
                self.counters.skipped.increment();
                continue;
            }
            let waits = self.is_lossless && own.pace.is_lossless;
            // In order: behind what waits already. [TP-CLI-2352]
            if waits && !own.unsent.is_empty() {
                own.unsent.push_back(*descriptor);
                continue;
            }
            let offer = offer_past_rotation(&mut own.publication, descriptor);
            self.counters.count(offer);
            if offer.is_sent() {
                own.gate.on_sent(now, own.pace);
            } else if waits && !is_settled(offer) {
                own.unsent.push_back(*descriptor);
            } else {
                // [TP-CLI-1665]
                is_held_up |= offer == Offer::BackPressured;
            }
        }
        is_held_up
    }

    /// Lossless: sends what waits. True when nothing does.
    pub(crate) fn flush(&mut self) -> bool {
        let mut is_done = true;
        for own in &mut self.descriptors {
            while let Some(descriptor) = own.unsent.front() {
                let offer = offer_past_rotation(&mut own.publication, descriptor);
                self.counters.count(offer);
                if !offer.is_sent() && !is_settled(offer) {
                    is_done = false;
                    break;
                }
                own.unsent.pop_front();
            }
        }
        is_done
    }
}

/// Whether trying again is of no use. A consumer that has not subscribed yet still hears of frames
/// on the shared stream.
fn is_settled(offer: Offer) -> bool {
    matches!(
        offer,
        Offer::Sent { .. } | Offer::NotConnected | Offer::Closed
    )
}

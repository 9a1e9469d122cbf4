//! Hears of frames that are still being written. Application's thread only; what is believed is
//! decided by [`ProgressTracker`].

use std::collections::VecDeque;

use tensorpool_codecs::gate::{Message, gate};
use tensorpool_codecs::types::{Epoch, Seq, StreamId};
use tensorpool_codecs::wire::{FrameProgress, FrameProgressState, Template};
use tensorpool_protocol::client::{
    ProgressDrop, ProgressDrops, ProgressMessage, ProgressRead, ProgressState, ProgressTracker,
};
use tensorpool_protocol::frame::{FrameGate, MappingFacts, TensorLayout};
use tensorpool_shm::frame::FramePrefix;
use tensorpool_shm::slot::SlotError;
use tensorpool_transport::Subscription;

use super::Current;
use super::progress::Progress;

/// Messages that wait for the application; of more, the oldest go.
const HEARD_LEN: usize = 256;
/// Fragments taken at a time, and the most that one call takes.
const FRAGMENT_LIMIT: usize = 64;
const POLLS: usize = 16;

/// What a consumer heard of progress, and what it made of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProgressHeard {
    /// Messages of its stream.
    pub messages: u64,
    /// Those that reached the application.
    pub delivered: u64,
    /// Those that came faster than the application asked for them.
    pub overrun: u64,
    /// Messages that are none.
    pub malformed: u64,
    /// Those that were not believed.
    pub drops: ProgressDrops,
}

/// The progress of the frames of one stream.
#[derive(Debug)]
pub(super) struct Listener {
    /// The control stream of everybody.
    subscription: Subscription,
    /// A control stream of the consumer's own.
    own: Option<Subscription>,
    heard: VecDeque<ProgressMessage>,
    tracker: ProgressTracker,
    stats: ProgressHeard,
}

impl Listener {
    pub(crate) fn new(subscription: Subscription, read: ProgressRead) -> Self {
        Self {
            subscription,
            own: None,
            heard: VecDeque::with_capacity(HEARD_LEN),
            tracker: ProgressTracker::new(read),
            stats: ProgressHeard::default(),
        }
    }

    /// Whether its subscription is registered.
    pub(crate) fn is_live(&mut self) -> bool {
        self.subscription.is_live()
    }

    pub(crate) fn stats(&self) -> ProgressHeard {
        self.stats
    }

    pub(crate) fn begin_epoch(&mut self) {
        self.tracker.begin_epoch();
    }

    /// From now on progress is heard on this stream, once somebody publishes there; `None` for that
    /// of everybody.
    pub(super) fn change_own(&mut self, own: Option<Subscription>) {
        self.own = own;
    }

    /// Takes in what has come. Called by every poll of the consumer, so that nobody who publishes
    /// on the same stream ever waits for it. [TP-CLI-2685]
    pub(crate) fn listen(&mut self, stream_id: StreamId) {
        // [TP-CLI-2197], [TP-CLI-2198]
        let has_own = self.own.as_mut().is_some_and(Subscription::is_connected);
        let (heard, stats) = (&mut self.heard, &mut self.stats);
        if let Some(own) = &mut self.own {
            take_in(own, |bytes| {
                if let Some(message) = decode(bytes, stats)
                    && message.stream_id == stream_id
                {
                    hear(heard, stats, message);
                }
            });
        }
        take_in(&mut self.subscription, |bytes| {
            if !has_own
                && let Some(message) = decode(bytes, stats)
                && message.stream_id == stream_id
            {
                hear(heard, stats, message);
            }
        });
    }

    /// Delivers up to `limit` of what was heard and is believed; gives their number.
    pub(crate) fn deliver(
        &mut self,
        current: Option<&Current>,
        limit: usize,
        on_progress: &mut impl FnMut(&Progress<'_>),
    ) -> usize {
        let mut delivered = 0;
        while delivered < limit
            && let Some(message) = self.heard.pop_front()
        {
            match self.judge(current, &message) {
                Some(Ok(progress)) => {
                    // [TP-CLI-2665]
                    on_progress(&progress);
                    delivered += 1;
                }
                Some(Err(cause)) => self.stats.drops.add(cause),
                None => {}
            }
        }
        self.stats.delivered += delivered as u64;
        delivered
    }

    fn judge<'c>(
        &mut self,
        current: Option<&'c Current>,
        message: &ProgressMessage,
    ) -> Option<Result<Progress<'c>, ProgressDrop>> {
        let Some(current) = current else {
            return Some(Err(ProgressDrop::Epoch));
        };
        let facts = MappingFacts {
            stream_id: current.stream_id,
            epoch: current.epoch,
            geometry: &current.geometry,
            revoked: current.mapping.is_revoked(),
        };
        let admitted = self.tracker.admit(message, &facts)?;
        Some(admitted.and_then(|state| self.look(current, message, state)))
    }

    /// What the slot of its frame says to a message.
    fn look<'c>(
        &mut self,
        current: &'c Current,
        message: &ProgressMessage,
        state: ProgressState,
    ) -> Result<Progress<'c>, ProgressDrop> {
        let seq = message.seq;
        let slot = current.mapping.read_open_slot(seq).map_err(drop_of)?;
        self.tracker.check_commit(seq, slot.word().raw())?;
        let header = slot.header();
        let tensor = TensorLayout::check(&header.tensor).ok();
        let plan = FrameGate::plan(seq, &header.slot, tensor.as_ref(), &current.geometry);
        let plan = plan.map_err(|_| ProgressDrop::Header)?;
        self.tracker.accept(message, state, &plan)?;
        let prefix = FramePrefix::new(&current.mapping, &slot, message.bytes_filled)
            .map_err(|_| ProgressDrop::Header)?;
        Ok(Progress::new(prefix, &plan, current.epoch, state))
    }
}

/// [TP-CLI-2680]
fn hear(
    heard: &mut VecDeque<ProgressMessage>,
    stats: &mut ProgressHeard,
    message: ProgressMessage,
) {
    stats.messages += 1;
    if heard.len() == HEARD_LEN {
        heard.pop_front();
        stats.overrun += 1;
    }
    heard.push_back(message);
}

/// Reads what is there, but no more than one call may take.
fn take_in(subscription: &mut Subscription, mut on_message: impl FnMut(&[u8])) {
    for _ in 0..POLLS {
        let fragments = subscription.poll(FRAGMENT_LIMIT, |bytes, _| on_message(bytes));
        if fragments < FRAGMENT_LIMIT {
            return;
        }
    }
}

/// Most of what is on a control stream is something else.
fn decode(bytes: &[u8], stats: &mut ProgressHeard) -> Option<ProgressMessage> {
    match gate(bytes) {
        Ok(gated) if gated.message == Message::Wire(Template::FrameProgress) => {}
        _ => return None,
    }
    let Ok(message) = FrameProgress::decode(bytes) else {
        stats.malformed += 1;
        return None;
    };
    Some(ProgressMessage {
        stream_id: StreamId::new(message.stream_id),
        epoch: Epoch::new(message.epoch),
        seq: Seq::new(message.seq),
        bytes_filled: message.payload_bytes_filled,
        state: match message.state {
            FrameProgressState::Unknown => None,
            FrameProgressState::Started => Some(ProgressState::Started),
            FrameProgressState::Progress => Some(ProgressState::Progress),
            FrameProgressState::Complete => Some(ProgressState::Complete),
        },
    })
}

// [TP-CLI-2635]
fn drop_of(error: SlotError) -> ProgressDrop {
    match error {
        SlotError::Malformed { .. } => ProgressDrop::Header,
        SlotError::Unusable(_) => ProgressDrop::Epoch,
        _ => ProgressDrop::OtherFrame,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(seq: u64) -> ProgressMessage {
        ProgressMessage {
            stream_id: StreamId::new(1),
            epoch: Epoch::new(2),
            seq: Seq::new(seq),
            bytes_filled: 0,
            state: Some(ProgressState::Started),
        }
    }

    /// Proves [TP-CLI-2680].
    #[test]
    fn of_messages_an_application_does_not_ask_for_the_latest_are_kept() {
        let (mut heard, mut stats) = (VecDeque::new(), ProgressHeard::default());
        for seq in 0..1_000 {
            hear(&mut heard, &mut stats, message(seq));
        }
        assert_eq!(heard.len(), HEARD_LEN);
        assert_eq!(heard.back().map(|message| message.seq), Some(Seq::new(999)));
        assert_eq!((stats.messages, stats.overrun), (1_000, 744));
    }

    #[test]
    fn what_is_no_progress_is_skipped_and_what_is_broken_is_counted() {
        let mut stats = ProgressHeard::default();
        let mut bytes = [0; FrameProgress::ENCODED_LEN];
        FrameProgress {
            stream_id: 1,
            epoch: 2,
            seq: 3,
            payload_bytes_filled: 4,
            state: FrameProgressState::Complete,
        }
        .encode_into(&mut bytes);
        let expected = ProgressMessage {
            bytes_filled: 4,
            state: Some(ProgressState::Complete),
            ..message(3)
        };
        assert_eq!(decode(&bytes, &mut stats), Some(expected));
        bytes[36] = 0;
        assert_eq!(decode(&bytes, &mut stats).unwrap().state, None);
        assert_eq!(decode(&bytes[..30], &mut stats), None);
        bytes[36] = 9;
        assert_eq!(decode(&bytes, &mut stats), None);
        assert_eq!(stats.malformed, 2);
        bytes[2] = 4;
        assert_eq!(decode(&bytes, &mut stats), None);
        assert_eq!(decode(&[1, 2], &mut stats), None);
        assert_eq!(stats.malformed, 2);
    }
}

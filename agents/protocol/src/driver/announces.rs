//! The announce outbox: at most one announce per stream, none before the control message it belongs
//! after.

use std::collections::VecDeque;

use tensorpool_codecs::types::StreamId;

use super::actions::{Announcement, LeaseAction};

#[derive(Debug)]
struct Queued {
    stream_id: StreamId,
    /// Control messages that must have left before this may.
    after_control: u64,
    action: LeaseAction,
}

/// Bounded by the number of streams: news about a stream replaces what was not said yet.
#[derive(Debug)]
pub(super) struct AnnounceQueue {
    queue: VecDeque<Queued>,
}

impl AnnounceQueue {
    pub(super) fn for_streams(count: usize) -> Self {
        Self {
            queue: VecDeque::with_capacity(count),
        }
    }

    /// Queues an announce, or renews the one already queued in its place.
    /// [TP-DRV-1190]
    pub(super) fn put(&mut self, after_control: u64, announcement: Announcement) {
        let stream_id = announcement.stream_id;
        let action = LeaseAction::Announce(announcement);
        match self
            .queue
            .iter_mut()
            .find(|queued| queued.stream_id == stream_id)
        {
            Some(queued) => {
                queued.after_control = queued.after_control.max(after_control);
                queued.action = action;
            }
            None => self.queue.push_back(Queued {
                stream_id,
                after_control,
                action,
            }),
        }
    }

    /// Removes what is queued for a stream; whether there was anything.
    pub(super) fn withdraw(&mut self, stream_id: StreamId) -> bool {
        let before = self.queue.len();
        self.queue.retain(|queued| queued.stream_id != stream_id);
        self.queue.len() != before
    }

    /// The oldest announce whose control message has left.
    /// [TP-DRV-0770] [TP-DRV-1160]
    pub(super) fn peek(&self, control_popped: u64) -> Option<&LeaseAction> {
        self.queue
            .iter()
            .find(|queued| queued.after_control <= control_popped)
            .map(|queued| &queued.action)
    }

    /// Removes what `peek` shows and tells its stream.
    pub(super) fn pop(&mut self, control_popped: u64) -> Option<StreamId> {
        let index = self
            .queue
            .iter()
            .position(|queued| queued.after_control <= control_popped)?;
        self.queue.remove(index).map(|queued| queued.stream_id)
    }

    pub(super) fn contains(&self, stream_id: StreamId) -> bool {
        self.queue
            .iter()
            .any(|queued| queued.stream_id == stream_id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &LeaseAction> {
        self.queue.iter().map(|queued| &queued.action)
    }
}

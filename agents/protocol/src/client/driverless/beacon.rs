//! When a provider announces: at once, soon again for those who miss the first announce they hear,
//! then once per period, and early when somebody new asks.

use tensorpool_codecs::types::NanoTime;

/// Shortest pause between two announces of a stream on one path, in nanoseconds.
pub const ANNOUNCE_GAP_NS: u64 = 50_000_000;

/// Where a stream is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnnouncePath {
    /// The control stream, where peers in the field listen that have no driver.
    Control,
    /// The announce stream.
    Announce,
}

impl AnnouncePath {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Control, Self::Announce];
}

#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    due_at: Option<NanoTime>,
    sent_at: Option<NanoTime>,
    is_first: bool,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beacon {
    period_ns: u64,
    lanes: [Lane; 2],
}

impl Beacon {
    /// Silent until it is started.
    pub(super) fn new(period_ns: u64) -> Self {
        Self {
            period_ns,
            lanes: [Lane::default(); 2],
        }
    }

    /// An epoch is there.
    pub(super) fn start(&mut self, now: NanoTime) {
        for lane in &mut self.lanes {
            *lane = Lane {
                due_at: Some(now),
                sent_at: None,
                is_first: true,
            };
        }
    }

    /// There is nothing to announce any more.
    pub(super) fn stop(&mut self) {
        self.lanes = [Lane::default(); 2];
    }

    /// Somebody new is there, or somebody may have missed the last one. [TP-CLI-3230]
    pub(super) fn hurry(&mut self, now: NanoTime) {
        for lane in &mut self.lanes {
            let free_at = lane.sent_at.map_or(now, |at| at.after_ns(ANNOUNCE_GAP_NS));
            lane.due_at = lane.due_at.map(|due| due.min(free_at.max(now)));
        }
    }

    pub(super) fn is_due(&self, now: NanoTime, path: AnnouncePath) -> bool {
        self.lanes[path as usize].due_at.is_some_and(|at| now >= at)
    }

    pub(super) fn on_sent(&mut self, now: NanoTime, path: AnnouncePath) {
        let lane = &mut self.lanes[path as usize];
        if lane.due_at.is_some() {
            // [TP-CLI-3220]
            let pause_ns = match std::mem::take(&mut lane.is_first) {
                true => ANNOUNCE_GAP_NS.min(self.period_ns),
                false => self.period_ns,
            };
            lane.sent_at = Some(now);
            lane.due_at = Some(now.after_ns(pause_ns));
        }
    }

    pub(super) fn next_deadline(&self) -> Option<NanoTime> {
        self.lanes.iter().filter_map(|lane| lane.due_at).min()
    }
}

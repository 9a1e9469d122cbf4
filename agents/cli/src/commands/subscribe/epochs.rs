//! What became of the frames of each epoch, counted by two hands: by the client that received them,
//! and here, where they were taken. Whoever knows what was published can compare all three.

use std::collections::VecDeque;

use serde_json::{Map, Value, json};
use tensorpool::client::{EpochStats, Event};
use tensorpool::codecs::types::{Epoch, Seq};

use super::subscriber::CAUSES;

/// Epochs that are remembered, the latest ones.
const KEPT: usize = 64;

/// Frames of an epoch that reached this program.
#[derive(Debug, Clone, Copy)]
struct Taken {
    epoch: Epoch,
    frames: u64,
    first: Seq,
    last: Seq,
    /// Frames that came again, or before an earlier one.
    disorder: u64,
}

/// An epoch that another one replaced.
#[derive(Debug, Clone, Copy)]
struct Closed {
    stats: EpochStats,
    ended: &'static str,
}

/// The epochs of a run. Taking a frame allocates nothing.
#[derive(Debug)]
pub(super) struct Epochs {
    taken: VecDeque<Taken>,
    closed: VecDeque<Closed>,
    left_out: u64,
    /// How the epoch in use came to its end, if it did.
    ended: Option<&'static str>,
    reattaches: u64,
    map_failures: u64,
}

impl Epochs {
    pub(super) fn new() -> Self {
        Self {
            taken: VecDeque::with_capacity(KEPT + 1),
            closed: VecDeque::with_capacity(KEPT + 1),
            left_out: 0,
            ended: None,
            reattaches: 0,
            map_failures: 0,
        }
    }

    /// A frame is here, whole.
    pub(super) fn take(&mut self, epoch: Epoch, seq: Seq) {
        match self.taken.back_mut() {
            Some(taken) if taken.epoch == epoch => {
                taken.frames += 1;
                taken.disorder += u64::from(seq <= taken.last);
                taken.last = taken.last.max(seq);
            }
            _ => {
                self.taken.push_back(Taken {
                    epoch,
                    frames: 1,
                    first: seq,
                    last: seq,
                    disorder: 0,
                });
                if self.taken.len() > KEPT {
                    self.taken.pop_front();
                }
            }
        }
    }

    /// Something happened that says how an epoch ended. What is known first is what ended it.
    pub(super) fn on_event(&mut self, event: &Event) {
        match event {
            Event::EndOfStream { .. } => _ = self.ended.get_or_insert("end_of_stream"),
            Event::SourceLost { .. } => _ = self.ended.get_or_insert("source_lost"),
            Event::DriverLost { .. } => _ = self.ended.get_or_insert("driver_lost"),
            Event::LeaseLost { .. } => _ = self.ended.get_or_insert("lease_lost"),
            Event::DriverBack { .. } | Event::LeaseBack { .. } => self.reattaches += 1,
            Event::MapFailed { .. } => self.map_failures += 1,
            Event::AccountClosed(stats) => {
                let ended = self.ended.take().unwrap_or("replaced");
                let stats = *stats;
                self.closed.push_back(Closed { stats, ended });
                if self.closed.len() > KEPT {
                    self.closed.pop_front();
                    self.left_out += 1;
                }
            }
            // Mapped again: it goes on.
            Event::Remapped { old, new } if old == new => self.ended = None,
            _ => {}
        }
    }

    /// Leases that were held again after one was lost.
    pub(super) fn reattaches(&self) -> u64 {
        self.reattaches
    }

    /// Memory that was announced and not mapped: it was not there, or refused.
    pub(super) fn map_failures(&self) -> u64 {
        self.map_failures
    }

    /// Epochs that are not in [`Epochs::json`] any more.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Every epoch, oldest first; `current` is the one in use.
    pub(super) fn json(&self, current: Option<EpochStats>) -> Value {
        let closed = self.closed.iter().map(|each| (each.stats, each.ended));
        let open = current.map(|stats| (stats, self.ended.unwrap_or("open")));
        let each = closed.chain(open);
        Value::Array(
            each.map(|(stats, ended)| self.epoch_json(&stats, ended))
                .collect(),
        )
    }

    fn epoch_json(&self, stats: &EpochStats, ended: &str) -> Value {
        let drops = CAUSES
            .iter()
            .map(|&(cause, name)| (name.to_owned(), stats.drops(cause).into()));
        let taken = self.taken.iter().filter(|of| of.epoch == stats.epoch());
        let (frames, disorder) = taken.clone().fold((0, 0), |(frames, disorder), of| {
            (frames + of.frames, disorder + of.disorder)
        });
        json!({
            "epoch": stats.epoch().get(),
            "first": stats.first().map(Seq::get),
            "end": stats.end().map(Seq::get),
            "delivered": stats.delivered(),
            "drops": Value::Object(drops.collect::<Map<_, _>>()),
            "taken": frames,
            "taken_first": taken.clone().map(|of| of.first.get()).min(),
            "taken_last": taken.map(|of| of.last.get()).max(),
            "disorder": disorder,
            "ended": ended,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(epochs: &mut Epochs, epoch: u64, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            epochs.take(Epoch::new(epoch), Seq::new(seq));
        }
    }

    #[test]
    fn frames_are_counted_by_their_epoch_and_disorder_is_noticed() {
        let mut epochs = Epochs::new();
        take(&mut epochs, 1, [3, 4, 6]);
        take(&mut epochs, 2, [0, 2, 2, 1]);
        let [first, second] = [0, 1].map(|index| epochs.taken[index]);
        assert_eq!((first.frames, first.disorder), (3, 0));
        assert_eq!((first.first.get(), first.last.get()), (3, 6));
        assert_eq!((second.frames, second.disorder), (4, 2));
        assert_eq!((second.first.get(), second.last.get()), (0, 2));
    }

    #[test]
    fn only_the_latest_epochs_are_kept() {
        let mut epochs = Epochs::new();
        for epoch in 0..1_000 {
            take(&mut epochs, epoch, [0]);
        }
        assert_eq!(epochs.taken.len(), KEPT);
        assert_eq!(epochs.taken.back().map(|of| of.epoch.get()), Some(999));
    }

    #[test]
    fn what_ended_an_epoch_is_what_was_known_first() {
        let mut epochs = Epochs::new();
        let lost = Event::DriverLost {
            reason: tensorpool::client::LossReason::DriverLost,
        };
        epochs.on_event(&lost);
        assert_eq!(epochs.ended, Some("driver_lost"));
        let epoch = Epoch::new(7);
        epochs.on_event(&Event::Remapped {
            old: epoch,
            new: epoch,
        });
        assert_eq!(epochs.ended, None, "it was mapped again");
        assert_eq!(epochs.json(None), json!([]));
    }
}

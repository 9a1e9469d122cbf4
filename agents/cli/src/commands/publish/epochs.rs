//! Frames of each epoch, so that what consumers account for can be compared with what was there.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tensorpool::client::Offered;

/// Epochs that are remembered, the latest ones.
const KEPT: usize = 64;

/// What was published in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Published {
    epoch: u64,
    frames: u64,
    /// The number behind the last frame. More than there are frames when some were aborted.
    end: u64,
}

/// The epochs of a run. Counting a frame allocates nothing.
#[derive(Debug)]
pub(super) struct Epochs {
    published: VecDeque<Published>,
    left_out: u64,
}

impl Epochs {
    pub(super) fn new() -> Self {
        Self {
            published: VecDeque::with_capacity(KEPT + 1),
            left_out: 0,
        }
    }

    /// A frame is visible.
    pub(super) fn on_published(&mut self, offered: &Offered) {
        let (epoch, end) = (offered.epoch.get(), offered.seq.get() + 1);
        match self.published.back_mut() {
            Some(published) if published.epoch == epoch => {
                published.frames += 1;
                published.end = end;
            }
            _ => {
                let frames = 1;
                self.published.push_back(Published { epoch, frames, end });
                if self.published.len() > KEPT {
                    self.published.pop_front();
                    self.left_out += 1;
                }
            }
        }
    }

    /// The epoch of the last frame, and the number behind it.
    pub(super) fn last(&self) -> Option<(u64, u64)> {
        self.published.back().map(|last| (last.epoch, last.end))
    }

    /// Epochs that are not in [`Epochs::json`] any more.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Every epoch, oldest first.
    pub(super) fn json(&self) -> Value {
        let each = self.published.iter();
        Value::Array(
            each.map(|of| json!({ "epoch": of.epoch, "frames": of.frames, "end": of.end }))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use tensorpool::client::Announced;
    use tensorpool::codecs::types::{Epoch, Seq};

    use super::*;

    fn publish(epochs: &mut Epochs, epoch: u64, seq: u64) {
        epochs.on_published(&Offered {
            epoch: Epoch::new(epoch),
            seq: Seq::new(seq),
            announced: Announced::Sent,
        });
    }

    #[test]
    fn frames_are_counted_by_their_epoch() {
        let mut epochs = Epochs::new();
        assert_eq!(epochs.last(), None);
        for (epoch, seq) in [(5, 0), (5, 1), (5, 3), (8, 0)] {
            publish(&mut epochs, epoch, seq);
        }
        assert_eq!(epochs.last(), Some((8, 1)));
        let expected = json!([
            { "epoch": 5, "frames": 3, "end": 4 },
            { "epoch": 8, "frames": 1, "end": 1 },
        ]);
        assert_eq!(epochs.json(), expected);
    }

    #[test]
    fn only_the_latest_epochs_are_kept() {
        let mut epochs = Epochs::new();
        for epoch in 0..KEPT as u64 + 3 {
            publish(&mut epochs, epoch, 0);
        }
        assert_eq!((epochs.published.len(), epochs.left_out()), (KEPT, 3));
    }
}

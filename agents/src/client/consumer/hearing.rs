//! What a consumer hears beside its frames: of those that are being written, and of its producer.

use std::sync::atomic::Ordering;

use super::Consumer;
use crate::client::consumer::listener::ProgressHeard;
use crate::client::consumer::progress::Progress;
use crate::client::error::PollError;

impl Consumer {
    /// Delivers up to `limit` news of frames that are being written, or were just completed, and
    /// gives their number. Never blocks. What is not believed is counted and skipped. Progress is
    /// no frame: whatever it says, frames are delivered by [`Consumer::poll`] alone, which is to be
    /// called as well.
    ///
    /// # Errors
    /// When the consumer was not opened for it, or nothing will ever come.
    pub fn poll_progress(
        &mut self,
        mut on_progress: impl FnMut(&Progress<'_>),
        limit: usize,
    ) -> Result<usize, PollError> {
        self.take_notices();
        let Some(listener) = &mut self.listener else {
            return Err(PollError::NoProgress);
        };
        listener.listen(self.stream_id);
        let delivered = listener.deliver(self.current.as_ref(), limit, &mut on_progress);
        if delivered == 0 && self.shared.closed.load(Ordering::Acquire) {
            return Err(PollError::ClientClosed);
        }
        Ok(delivered)
    }

    /// What was counted of progress so far.
    #[must_use]
    pub fn progress_stats(&self) -> ProgressHeard {
        self.listener
            .as_ref()
            .map(|listener| listener.stats())
            .unwrap_or_default()
    }

    /// What the producer of this epoch reports of its buffers, if anything.
    #[must_use]
    pub fn watermark(&self) -> Option<u32> {
        let watermark = self.shared.watermark.of(self.epoch()?)?;
        u32::try_from(watermark)
            .ok()
            .filter(|&watermark| watermark != 0)
    }
}

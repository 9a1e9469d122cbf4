//! What a producer says of frames that are still being written, and of itself.

use std::sync::atomic::Ordering;

use tensorpool_shm::producer::Claim;

use super::{Offered, Producer};
use crate::client::error::{OfferError, ReportError};
use crate::client::producer::meta::FrameMeta;
use crate::client::producer::speaker::{ProgressSent, ProgressTold};

impl Producer {
    /// Reports that the first `bytes_filled` bytes of a claim are filled, and tells consumers if
    /// one of them asks for it and it is time: a frame that takes long to come in can be read
    /// before it is complete. Cheap enough to be called for every row or packet. Those bytes must
    /// not be written again. What they are to consumers is told by the claim's metadata, see
    /// [`FrameMeta::with_progress`]. The commit tells of the rest.
    ///
    /// # Errors
    /// When the producer was not opened for it, the claim is of an epoch that ended, or the number
    /// is less than before or more than the payload has.
    #[inline]
    pub fn progress(
        &mut self,
        claim: &Claim,
        bytes_filled: usize,
    ) -> Result<ProgressTold, ReportError> {
        self.take_notices();
        let Some(speaker) = &mut self.speaker else {
            return Err(ReportError::NotEnabled);
        };
        let claimed = claim.epoch();
        let is_current = self.current.as_ref().is_some_and(|current| {
            current.telling.epoch == claimed && current.ring.mapping().check_usable().is_ok()
        });
        if !is_current {
            return Err(ReportError::Stale { claimed });
        }
        let (limits, filled) = (self.shared.progress.get(), bytes_filled as u64);
        Ok(speaker.report(claim, filled, limits, self.options.flush.as_ref())?)
    }

    /// Sets what the reports of this producer say of its buffers, for whoever watches it: how full
    /// they are, or were at most. By itself it means nothing. `None` and 0 say nothing.
    pub fn set_watermark(&mut self, watermark: Option<u32>) {
        let watermark = watermark.filter(|&watermark| watermark != u32::MAX);
        self.shared
            .watermark
            .store(watermark.unwrap_or(0), Ordering::Relaxed);
    }

    /// What was counted of progress so far.
    #[must_use]
    pub fn progress_stats(&self) -> ProgressSent {
        self.speaker
            .as_ref()
            .map(|speaker| speaker.stats())
            .unwrap_or_default()
    }

    /// In the slot itself, which is flushed before it is committed. [TP-CLI-2583]
    pub(super) fn offer_flushed(
        &mut self,
        meta: &FrameMeta,
        payload: &[u8],
    ) -> Result<Offered, OfferError> {
        let mut claim = self.claim(meta, payload.len())?;
        claim.payload_mut().copy_from_slice(payload);
        self.commit(claim)
    }
}

//! A frame as an application sees it: the payload in place, and what slot and descriptor say about
//! it.

use std::cell::Cell;
use std::ops::Deref;

use tensorpool_codecs::types::{Epoch, MetaVersion, NanoTime, PoolId, Seq, TraceId};
use tensorpool_protocol::frame::{FramePlan, TensorLayout};
use tensorpool_shm::frame::{CopyError, Overwritten};
use tensorpool_shm::view::FrameView;

/// What slot and descriptor say about a frame beside its payload. All times are the producer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameInfo {
    /// The epoch it was written in.
    pub epoch: Epoch,
    /// Its sequence number within the epoch.
    pub seq: Seq,
    /// The pool its payload lies in.
    pub pool: PoolId,
    /// When it was taken, as the producing application says.
    pub timestamp: NanoTime,
    /// When consumers were told of it, by the monotonic clock; some peers do not say. `None`, as
    /// what follows, also for a frame whose descriptor was lost and that was found in the ring.
    pub published: Option<NanoTime>,
    /// The metadata version that describes it; there also for who watches the header ring.
    pub meta_version: Option<MetaVersion>,
    /// For tracing.
    pub trace_id: Option<TraceId>,
    /// What the payload is, with explicit strides.
    pub tensor: TensorLayout,
}

/// A frame within the callback it was delivered to.
///
/// The payload is shared memory that its producer may overwrite at any moment. [`Frame::copy_to`]
/// and [`Frame::with`] give their result only after checking that this did not happen; a frame for
/// which one of them fails is counted as overtaken and not as delivered.
#[derive(Debug)]
pub struct Frame<'m> {
    inner: tensorpool_shm::frame::Frame<'m>,
    tensor: &'m TensorLayout,
    pool: PoolId,
    epoch: Epoch,
    told: Told,
    torn: Cell<bool>,
}

/// A frame that outlives its callback: it keeps its memory mapped, but not from being overwritten.
/// Its validation fails once the mapping was revoked.
#[derive(Clone, Debug)]
pub struct RetainedFrame {
    inner: tensorpool_shm::frame::RetainedFrame,
    info: FrameInfo,
}

impl<'m> Frame<'m> {
    #[inline]
    pub(crate) fn new(
        inner: tensorpool_shm::frame::Frame<'m>,
        plan: &FramePlan<'m>,
        epoch: Epoch,
        told: Told,
    ) -> Self {
        Self {
            inner,
            tensor: plan.tensor,
            pool: plan.pool_id,
            epoch,
            told,
            torn: Cell::new(false),
        }
    }

    /// What slot and descriptor say.
    #[inline]
    #[must_use]
    pub fn info(&self) -> FrameInfo {
        FrameInfo {
            epoch: self.epoch,
            seq: self.inner.seq(),
            pool: self.pool,
            timestamp: NanoTime::new(self.inner.slot().timestamp_ns),
            published: self.told.published,
            meta_version: self.told.meta_version,
            trace_id: self.told.trace_id,
            tensor: *self.tensor,
        }
    }

    /// Its sequence number.
    #[inline]
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.inner.seq()
    }

    /// What the payload is.
    #[inline]
    #[must_use]
    pub fn tensor(&self) -> &TensorLayout {
        self.tensor
    }

    /// Bytes of payload; 0 is a frame as well.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether there is no payload.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// Copies the whole payload into `to`, which must be exactly as long, and validates it.
    ///
    /// # Errors
    /// Then the contents of `to` are worthless.
    #[inline]
    pub fn copy_to(&self, to: &mut [u8]) -> Result<(), CopyError> {
        let result = self.inner.copy_to(to);
        if matches!(result, Err(CopyError::Overwritten(_))) {
            self.torn.set(true);
        }
        result
    }

    /// Lets `read` look at the payload in place; its result is given only if the frame was still
    /// whole afterwards.
    ///
    /// # Errors
    /// When it was not: `read` may have seen bytes of two frames mixed.
    #[inline]
    pub fn with<R>(&self, read: impl FnOnce(&FrameView<'_>) -> R) -> Result<R, Overwritten> {
        let result = self.inner.with(read);
        if result.is_err() {
            self.torn.set(true);
        }
        result
    }

    /// Whether it was still whole a moment ago: everything read of it before is good.
    #[inline]
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.validate().is_ok()
    }

    /// Like [`Frame::is_valid`], with the reason.
    ///
    /// # Errors
    /// When it was overwritten, or its mapping revoked.
    #[inline]
    pub fn validate(&self) -> Result<(), Overwritten> {
        let result = self.inner.validate();
        if result.is_err() {
            self.torn.set(true);
        }
        result
    }

    /// An owned frame. One reference count, no copy.
    #[inline]
    #[must_use]
    pub fn retain(&self) -> RetainedFrame {
        RetainedFrame {
            inner: self.inner.retain(),
            info: self.info(),
        }
    }

    /// Whether a validation has failed.
    #[inline]
    pub(super) fn is_torn(&self) -> bool {
        self.torn.get()
    }
}

impl RetainedFrame {
    /// What slot and descriptor said.
    #[must_use]
    pub fn info(&self) -> FrameInfo {
        self.info
    }
}

impl Deref for RetainedFrame {
    type Target = tensorpool_shm::frame::RetainedFrame;

    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

/// What a descriptor says beyond the frame it points at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) published: Option<NanoTime>,
    pub(crate) meta_version: Option<MetaVersion>,
    pub(crate) trace_id: Option<TraceId>,
}

impl Told {
    /// Of a frame that was found without a descriptor.
    pub(crate) const NOTHING: Self = Self {
        published: None,
        meta_version: None,
        trace_id: None,
    };
}

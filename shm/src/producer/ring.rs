//! The ring itself: who gets which slot, and when frames become visible.

use std::sync::Arc;

use tensorpool_codecs::types::{Epoch, PoolId, Seq};

use super::encoder::SlotEncoder;
use super::state::{Mark, Shared};
use super::{Claim, ClaimError, CommitError, FrameMeta, ProducerError, Released};
use crate::foreign::copy_past_caches;
use crate::mapping::{Access, Mapping};
use crate::seqlock;

/// Frames of at least this length, in a ring of at least this length, are copied past the caches: twice
/// as fast where no cache holds the ring, slower where one does (see docs/PERFORMANCE.md).
const LARGE_FRAME: usize = 256 << 10;
const LARGE_RING: u64 = 32 << 20;
/// Frames ahead of the next one whose slots are fetched: as many transfers of a cache line are under
/// way as a frame takes to be written.
const MOST_AHEAD: u32 = 4;

/// The producer of one epoch of a stream. `Send`; one thread at a time uses it. Wait-free and
/// without allocation once made.
#[derive(Debug)]
pub struct ProducerRing {
    shared: Arc<Shared>,
    /// The oldest sequence number that is not settled.
    head: Seq,
    /// The next one to be claimed.
    next: Seq,
    limit: u32,
    encoder: SlotEncoder,
    /// References for claims, given back by those that were committed: a new one is counted with a
    /// locked instruction, which waits until all that was written before has left for the cache.
    spare: Vec<Arc<Shared>>,
}

impl ProducerRing {
    /// Takes a mapping for writing, once and for all: sequence numbers start at 0, as the epoch is
    /// fresh.
    pub fn new(mapping: Arc<Mapping>) -> Result<Self, ProducerError> {
        // [TP-SHM-0900]
        if mapping.access() == Access::ReadOnly {
            return Err(ProducerError::ReadOnly);
        }
        // [TP-SHM-0900]
        if !mapping.take_producer() {
            return Err(ProducerError::AlreadyProducing);
        }
        // [TP-SHM-0880]
        let limit = (mapping.slot_count() / 2).max(1);
        // [TP-SHM-0820]
        let start = Seq::new(0);
        Ok(Self {
            shared: Arc::new(Shared::new(mapping)),
            head: start,
            next: start,
            limit,
            encoder: SlotEncoder::default(),
            spare: Vec::with_capacity(limit as usize),
        })
    }

    /// The mapping it writes.
    #[must_use]
    pub fn mapping(&self) -> &Arc<Mapping> {
        &self.shared.mapping
    }

    /// The epoch it writes.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.mapping.epoch()
    }

    /// The sequence number of the next claim: `currentSeq` of the QoS message.
    #[must_use]
    pub fn next_seq(&self) -> Seq {
        self.next
    }

    /// Claims not settled yet, committed ones that are held back included.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        // At most `limit`, which is a u32.
        (self.next.get() - self.head.get()) as u32
    }

    /// How many claims may be in flight: half the ring, so that readers have the other half.
    #[must_use]
    pub fn claim_limit(&self) -> u32 {
        self.limit
    }

    /// Claims the next slot for `len` bytes in the smallest pool they fit. The slot reads as "being
    /// written" from now on, with `meta` in it.
    #[inline]
    pub fn claim(&mut self, meta: &FrameMeta<'_>, len: usize) -> Result<Claim, ClaimError> {
        let (seq, pool_index) = self.take(meta, len)?;
        let shared = self.spare.pop();
        let shared = shared.unwrap_or_else(|| Arc::clone(&self.shared));
        Ok(Claim::new(shared, seq, pool_index, len))
    }

    /// Commits a claim. Returns the frames that became visible: none if an older claim is open,
    /// several if this one was the oldest. On an error the claim is aborted.
    #[inline]
    pub fn commit(&mut self, claim: Claim) -> Result<Released<'_>, CommitError> {
        let claimed = claim.epoch();
        // [TP-SHM-0910]
        // [TP-SHM-0550]
        if !claim.belongs_to(&self.shared) {
            return Err(CommitError::EpochChanged {
                claimed,
                current: self.epoch(),
            });
        }
        self.shared
            .mapping
            .check_usable()
            .map_err(|source| CommitError::Unusable { claimed, source })?;
        self.shared.set(claim.seq(), Mark::Held);
        // No more than the claims there were at once: it has room.
        self.spare.push(claim.settle());
        Ok(self.release())
    }

    /// Aborts a claim now, and makes visible what was held back for it. Dropping the claim does the
    /// same, with the effect put off to the next call on this ring.
    #[inline]
    pub fn abort(&mut self, claim: Claim) -> Released<'_> {
        drop(claim);
        self.release()
    }

    /// Copies a whole frame into the next slot and commits it. Returns its sequence number, and the
    /// frames that became visible, as [`commit`](Self::commit) does.
    #[inline]
    pub fn publish(
        &mut self,
        meta: &FrameMeta<'_>,
        payload: &[u8],
    ) -> Result<(Seq, Released<'_>), ClaimError> {
        // [TP-SHM-0920]
        let (seq, pool_index) = self.take(meta, payload.len())?;
        // SAFETY: just claimed by `take`, and no claim was made of it.
        let slot = unsafe { self.shared.payload_mut(seq, pool_index, payload.len()) };
        if payload.len() >= LARGE_FRAME && self.shared.mapping.pool_len(pool_index) >= LARGE_RING {
            copy_past_caches(slot, payload);
        } else {
            slot.copy_from_slice(payload);
        }
        // [TP-SHM-1220]
        if let Err(unusable) = self.shared.mapping.check_usable() {
            self.shared.set(seq, Mark::Aborted);
            self.give_back();
            return Err(unusable.into());
        }
        self.shared.set(seq, Mark::Held);
        Ok((seq, self.release()))
    }

    /// Settles claims that were dropped elsewhere: returns the frames that were held back for them.
    /// Call it once per duty cycle, and when [`claim`](Self::claim) says that too many are in
    /// flight.
    #[inline]
    pub fn poll(&mut self) -> Released<'_> {
        self.release()
    }

    /// Fetches what a claim of a frame of `len` bytes writes first, a few frames before it does, so
    /// that it does not wait for readers to let go of it. To be called when there is time: after a
    /// frame was told of.
    #[inline]
    pub fn prefetch_ahead(&self, len: usize) {
        let mapping = &*self.shared.mapping;
        // In a small ring those further on are the frames that were written just now.
        let ahead = (mapping.slot_count() / 4).clamp(1, MOST_AHEAD) - 1;
        let index = self
            .shared
            .index(Seq::new(self.next.get().wrapping_add(u64::from(ahead))));
        mapping.slot_bytes(index).prefetch_to_write();
        if let Some(pool) = mapping.fitting_pool_index(len) {
            mapping.pool(pool).payload(index, 0).prefetch_to_write();
        }
    }

    /// The pool `len` bytes would go to.
    #[inline]
    #[must_use]
    pub fn fitting_pool(&self, len: usize) -> Option<PoolId> {
        self.shared.mapping.fitting_pool(len)
    }

    /// Allots a sequence number and opens its slot.
    #[inline(always)]
    fn take(&mut self, meta: &FrameMeta<'_>, len: usize) -> Result<(Seq, usize), ClaimError> {
        let mapping = &*self.shared.mapping;
        // [TP-SHM-0550]
        mapping.check_usable()?;
        // [TP-SHM-0280]
        let Some(pool_index) = mapping.fitting_pool_index(len) else {
            let largest = mapping.pools().map(|(_, stride)| stride).max().unwrap_or(0);
            return Err(ClaimError::NoFittingPool { len, largest });
        };
        self.give_back();
        self.skip_aborted();
        // [TP-SHM-0880]
        if self.in_flight() >= self.limit {
            return Err(ClaimError::TooManyClaims { limit: self.limit });
        }
        let seq = self.next;
        // [TP-SHM-0820]
        self.next = seq.next();
        self.shared.set(seq, Mark::Claimed);
        let mapping = &*self.shared.mapping;
        let index = self.shared.index(seq);
        seqlock::begin_write(mapping.slot_bytes(index).word(0), seq);
        // `len` fits a stride, so it fits 32 bits.
        let slot = meta.to_slot(seq, index, mapping.pool(pool_index).id, len as u32);
        self.encoder.store(&self.shared, index, &slot, meta.tensor);
        Ok((seq, pool_index))
    }

    /// Makes visible, in order, every frame no open claim is in front of.
    /// [TP-SHM-0840] [TP-SHM-0870]
    #[inline]
    fn release(&mut self) -> Released<'_> {
        self.give_back();
        let first = self.head;
        while self.head < self.next {
            match self.shared.mark(self.head) {
                // [TP-SHM-0740]
                Mark::Held => {
                    let slot = self.shared.mapping.slot_bytes(self.shared.index(self.head));
                    seqlock::commit(slot.word(0), self.head);
                    self.shared.set(self.head, Mark::Visible);
                }
                Mark::Aborted | Mark::Spent => {}
                Mark::Claimed | Mark::Announced | Mark::Free | Mark::Visible => break,
            }
            self.head = self.head.next();
        }
        Released::new(&self.shared, first, self.head)
    }

    /// Passes over the oldest claims if they were aborted. Stops at a frame that is held back: only
    /// [`release`](Self::release) can tell the caller of it. [TP-SHM-0880]
    #[inline]
    fn skip_aborted(&mut self) {
        while self.head < self.next
            && matches!(self.shared.mark(self.head), Mark::Aborted | Mark::Spent)
        {
            self.head = self.head.next();
        }
    }

    /// Takes back the numbers of the newest claims if they were aborted without anybody having
    /// heard of them. [TP-SHM-0850]
    #[inline]
    fn give_back(&mut self) {
        while self.next > self.head {
            let newest = Seq::new(self.next.get() - 1);
            if self.shared.mark(newest) != Mark::Aborted {
                break;
            }
            self.shared.set(newest, Mark::Free);
            self.next = newest;
        }
    }
}

//! An exclusive publication of one client, and an add that is under way.

use std::ffi::{CStr, c_int};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rusteron_client::bindings as aeron;

use super::client::{Added, ClientDriver, NativeClient, check, foreign};
use super::error::NativeError;

/// An exclusive publication that was asked for and not answered yet. Never leaves its thread.
#[derive(Debug)]
pub(crate) struct PendingPublication {
    pub(super) add: NonNull<aeron::aeron_async_add_exclusive_publication_t>,
    pub(super) registration_id: i64,
    pub(super) client: Arc<NativeClient>,
}

impl PendingPublication {
    pub(super) fn new(
        add: *mut aeron::aeron_async_add_exclusive_publication_t,
        client: &Arc<NativeClient>,
    ) -> Result<Self, NativeError> {
        let add = NonNull::new(add).ok_or_else(NativeError::take_last)?;
        // SAFETY: reads a field of an add that is not answered yet.
        let registration_id = unsafe {
            aeron::aeron_async_add_exclusive_publication_get_registration_id(add.as_ptr())
        };
        Ok(Self {
            add,
            registration_id,
            client: Arc::clone(client),
        })
    }
}

impl ClientDriver {
    /// Asks for an exclusive publication.
    /// [TP-RT-0990] [TP-CLI-2370]
    pub(crate) fn add_publication(
        &mut self,
        uri: &CStr,
        stream_id: i32,
    ) -> Result<PendingPublication, NativeError> {
        let mut pending = ptr::null_mut();
        // SAFETY: rule 1; the string is copied.
        check(unsafe {
            aeron::aeron_async_add_exclusive_publication(
                &raw mut pending,
                self.client(),
                uri.as_ptr(),
                stream_id,
            )
        })?;
        PendingPublication::new(pending, &self.shared)
    }

    /// What became of it. A pending add that belongs to another client has failed.
    pub(crate) fn poll_publication(
        &mut self,
        pending: PendingPublication,
    ) -> Added<PendingPublication, NativePublication> {
        if !self.owns(&pending.client) {
            return Added::Failed(foreign());
        }
        let mut publication = ptr::null_mut();
        // SAFETY: rule 1; Aeron frees the add after an answer other than 0, and `pending` is consumed then.
        match unsafe {
            aeron::aeron_async_add_exclusive_publication_poll(
                &raw mut publication,
                pending.add.as_ptr(),
            )
        } {
            0 => Added::Pending(pending),
            1 => match NativePublication::new(publication, &self.shared) {
                Ok(publication) => Added::Ready(publication),
                Err(error) => Added::Failed(error),
            },
            _ => {
                let error = NativeError::take_last();
                // A late answer would leave a publication that nobody owns.
                // SAFETY: rule 1; identified by number, unknown ones are ignored.
                unsafe {
                    aeron::aeron_async_remove_exclusive_publication(
                        pending.registration_id,
                        self.client(),
                        None,
                        ptr::null_mut(),
                    )
                };
                Added::Failed(error)
            }
        }
    }

    /// Gives up an add.
    pub(crate) fn cancel_publication(&mut self, pending: PendingPublication) {
        if self.owns(&pending.client) {
            // SAFETY: rule 1; not answered yet, so still Aeron's; consumed here.
            unsafe {
                aeron::aeron_async_add_exclusive_publication_cancel(
                    self.client(),
                    pending.add.as_ptr(),
                )
            };
        }
    }

    /// Closes a publication; one of another client goes with that client.
    pub(crate) fn close_publication(&mut self, mut publication: NativePublication) {
        // Closing unmaps the log, unless the client has an image of it, too.
        publication.abort_open_claim();
        if self.owns(publication.client()) {
            // SAFETY: rules 1 and 3.
            unsafe {
                aeron::aeron_exclusive_publication_close(
                    publication.as_ptr(),
                    None,
                    ptr::null_mut(),
                )
            };
        }
    }
}

/// An exclusive publication; used by one thread at a time.
#[derive(Debug)]
pub(crate) struct NativePublication {
    publication: NonNull<aeron::aeron_exclusive_publication_t>,
    client: Arc<NativeClient>,
    /// The last claim. It stays where Aeron wrote it: moved, it would be read back wider than it was
    /// written, which waits until every store before it has reached the cache, those to the log included.
    claim: aeron::aeron_buffer_claim_t,
    /// Whether it was neither committed nor aborted. Only a forgotten (leaked) one outlives its borrow.
    is_claimed: bool,
    pub(crate) session_id: i32,
    pub(crate) max_payload_len: usize,
    pub(crate) max_message_len: usize,
    pub(crate) term_len: usize,
}

// SAFETY: rule 2: Aeron's exclusive publication may be used by any one thread at a time while the conductor
// runs on another; `&mut self` gives the one, and there is no `Sync`. The open claim points into the log
// buffer, which stays mapped until the publication is closed; before that the claim is aborted.
unsafe impl Send for NativePublication {}

impl NativePublication {
    pub(super) fn new(
        publication: *mut aeron::aeron_exclusive_publication_t,
        client: &Arc<NativeClient>,
    ) -> Result<Self, NativeError> {
        let publication = NonNull::new(publication).ok_or_else(NativeError::take_last)?;
        let mut constants = aeron::aeron_publication_constants_t::default();
        // SAFETY: a live publication; fills the structure.
        check(unsafe {
            aeron::aeron_exclusive_publication_constants(publication.as_ptr(), &raw mut constants)
        })?;
        Ok(Self {
            publication,
            client: Arc::clone(client),
            claim: aeron::aeron_buffer_claim_t::default(),
            is_claimed: false,
            session_id: constants.session_id,
            max_payload_len: constants.max_payload_length,
            max_message_len: constants.max_message_length,
            term_len: constants.term_buffer_length,
        })
    }

    pub(super) fn as_ptr(&self) -> *mut aeron::aeron_exclusive_publication_t {
        self.publication.as_ptr()
    }

    pub(super) fn client(&self) -> &Arc<NativeClient> {
        &self.client
    }

    /// Aeron's position or status code. `message` must not be longer than `max_message_len`.
    #[inline]
    pub(crate) fn offer(&mut self, message: &[u8]) -> i64 {
        self.abort_open_claim();
        // SAFETY: rule 2; the bytes are copied into the log before the call returns.
        unsafe {
            aeron::aeron_exclusive_publication_offer(
                self.as_ptr(),
                message.as_ptr(),
                message.len(),
                None,
                ptr::null_mut(),
            )
        }
    }

    /// Aeron's position or status code; after a position there is an open claim of `len` bytes.
    #[inline]
    pub(crate) fn try_claim(&mut self, len: usize) -> i64 {
        self.abort_open_claim();
        // SAFETY: rule 2; fills the claim when it returns a position.
        let result = unsafe {
            aeron::aeron_exclusive_publication_try_claim(self.as_ptr(), len, &raw mut self.claim)
        };
        self.is_claimed = result > 0;
        result
    }

    /// The bytes of the open claim; empty without one.
    #[inline]
    pub(crate) fn claimed(&self) -> &[u8] {
        if !self.is_claimed {
            return &[];
        }
        // SAFETY: Aeron gave `length` bytes at `data` to this publication alone until commit or abort;
        // the log stays mapped until `self` is given back to be closed.
        unsafe { std::slice::from_raw_parts(self.claim.data, self.claim.length) }
    }

    /// The bytes of the open claim; empty without one.
    #[inline]
    pub(crate) fn claimed_mut(&mut self) -> &mut [u8] {
        if !self.is_claimed {
            return &mut [];
        }
        // SAFETY: as above, and `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.claim.data, self.claim.length) }
    }

    /// Publishes the open claim, if there is one.
    #[inline]
    pub(crate) fn commit_open_claim(&mut self) -> bool {
        if !std::mem::take(&mut self.is_claimed) {
            return false;
        }
        // SAFETY: an open claim is committed or aborted once: it is open no longer.
        unsafe { aeron::aeron_buffer_claim_commit(&raw mut self.claim) == 0 }
    }

    /// Turns the open claim into padding, if there is one. Without this a forgotten claim would stop every
    /// subscriber at its position.
    /// [TP-RT-0980]
    #[inline]
    pub(crate) fn abort_open_claim(&mut self) {
        if std::mem::take(&mut self.is_claimed) {
            // SAFETY: as above.
            let _: c_int = unsafe { aeron::aeron_buffer_claim_abort(&raw mut self.claim) };
        }
    }

    /// Whether there is a subscriber.
    #[inline]
    pub(crate) fn is_connected(&mut self) -> bool {
        // SAFETY: rule 2.
        unsafe { aeron::aeron_exclusive_publication_is_connected(self.as_ptr()) }
    }

    /// The position up to which has been offered.
    pub(crate) fn position(&mut self) -> i64 {
        // SAFETY: rule 2.
        unsafe { aeron::aeron_exclusive_publication_position(self.as_ptr()) }
    }
}

impl Drop for NativePublication {
    fn drop(&mut self) {
        // Of a client that is no longer driven: its logs stay mapped until it goes, and `self.client` still
        // holds it here. A publication that was closed has no open claim any more.
        self.abort_open_claim();
    }
}

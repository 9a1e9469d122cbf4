//! A labelled counter of one client in the media driver's CnC file.

use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusteron_client::bindings as aeron;

use super::client::{Added, ClientDriver, NativeClient, check, foreign};
use super::error::NativeError;

/// A counter that was asked for and not answered yet. Never leaves its thread.
#[derive(Debug)]
pub(crate) struct PendingCounter {
    pub(super) add: NonNull<aeron::aeron_async_add_counter_t>,
    pub(super) registration_id: i64,
    pub(super) client: Arc<NativeClient>,
}

impl PendingCounter {
    pub(super) fn new(
        add: *mut aeron::aeron_async_add_counter_t,
        client: &Arc<NativeClient>,
    ) -> Result<Self, NativeError> {
        let add = NonNull::new(add).ok_or_else(NativeError::take_last)?;
        // SAFETY: reads a field of an add that is not answered yet.
        let registration_id =
            unsafe { aeron::aeron_async_add_counter_get_registration_id(add.as_ptr()) };
        Ok(Self {
            add,
            registration_id,
            client: Arc::clone(client),
        })
    }
}

impl ClientDriver {
    /// Asks for a labelled counter.
    pub(crate) fn add_counter(
        &mut self,
        type_id: i32,
        key: &[u8],
        label: &str,
    ) -> Result<PendingCounter, NativeError> {
        let mut pending = ptr::null_mut();
        // SAFETY: rule 1; key and label are copied, with the lengths given.
        check(unsafe {
            aeron::aeron_async_add_counter(
                &raw mut pending,
                self.client(),
                type_id,
                key.as_ptr(),
                key.len(),
                label.as_ptr().cast(),
                label.len(),
            )
        })?;
        PendingCounter::new(pending, &self.shared)
    }

    /// What became of it. A pending add that belongs to another client has failed.
    pub(crate) fn poll_counter(
        &mut self,
        pending: PendingCounter,
    ) -> Added<PendingCounter, NativeCounter> {
        if !self.owns(&pending.client) {
            return Added::Failed(foreign());
        }
        let mut counter = ptr::null_mut();
        // SAFETY: as for publications.
        match unsafe { aeron::aeron_async_add_counter_poll(&raw mut counter, pending.add.as_ptr()) }
        {
            0 => Added::Pending(pending),
            1 => match NativeCounter::new(counter, &self.shared) {
                Ok(counter) => Added::Ready(counter),
                Err(error) => Added::Failed(error),
            },
            _ => {
                let error = NativeError::take_last();
                // SAFETY: as for publications.
                unsafe {
                    aeron::aeron_async_remove_counter(
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
    pub(crate) fn cancel_counter(&mut self, pending: PendingCounter) {
        if self.owns(&pending.client) {
            // SAFETY: as for publications.
            unsafe { aeron::aeron_async_add_counter_cancel(self.client(), pending.add.as_ptr()) };
        }
    }

    /// Closes a counter, which frees it in the media driver; one of another client goes with that client.
    pub(crate) fn close_counter(&mut self, counter: NativeCounter) {
        if self.owns(counter.client()) {
            // SAFETY: rules 1 and 3.
            unsafe { aeron::aeron_counter_close(counter.as_ptr(), None, ptr::null_mut()) };
        }
    }
}

/// A counter; stays on the link's thread.
#[derive(Debug)]
pub(crate) struct NativeCounter {
    counter: NonNull<aeron::aeron_counter_t>,
    value: NonNull<AtomicI64>,
    client: Arc<NativeClient>,
}

impl NativeCounter {
    pub(super) fn new(
        counter: *mut aeron::aeron_counter_t,
        client: &Arc<NativeClient>,
    ) -> Result<Self, NativeError> {
        let counter = NonNull::new(counter).ok_or_else(NativeError::take_last)?;
        // SAFETY: a live counter; its value lies in the CnC file, 8-byte aligned, mapped as long as the client.
        let value = unsafe { aeron::aeron_counter_addr(counter.as_ptr()) };
        let value = NonNull::new(value.cast::<AtomicI64>()).ok_or_else(NativeError::take_last)?;
        Ok(Self {
            counter,
            value,
            client: Arc::clone(client),
        })
    }

    pub(super) fn as_ptr(&self) -> *mut aeron::aeron_counter_t {
        self.counter.as_ptr()
    }

    pub(super) fn client(&self) -> &Arc<NativeClient> {
        &self.client
    }

    /// Publishes a value to whoever reads the CnC file.
    pub(crate) fn set(&self, value: i64) {
        // SAFETY: mapped and aligned (see `new`); other processes access it atomically too.
        unsafe { self.value.as_ref() }.store(value, Ordering::Release);
    }
}

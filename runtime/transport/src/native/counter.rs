//! A labelled counter of one client in the media driver's CnC file.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusteron_client::bindings as aeron;

use super::client::NativeClient;
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

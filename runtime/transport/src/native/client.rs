//! A client of the media driver: the shared part that keeps it alive, and the one driver of its conductor.

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rusteron_client::bindings as aeron;

use super::counter::{NativeCounter, PendingCounter};
use super::error::{ErrorSink, NativeError, on_client_error};
use super::publication::{NativePublication, PendingPublication};
use super::subscription::{
    ImageCounters, NativeSubscription, PendingSubscription, on_image_down, on_image_up,
};

/// What a client is opened with.
#[derive(Debug)]
pub(crate) struct ClientSettings {
    pub(crate) dir: CString,
    pub(crate) client_name: CString,
    pub(crate) driver_timeout_ms: u64,
    pub(crate) keepalive_interval_ns: u64,
    pub(crate) pre_touch: bool,
}

/// Keeps the native client and everything that belongs to it alive; dropping the last one closes it.
#[derive(Debug)]
pub(crate) struct NativeClient {
    client: NonNull<aeron::aeron_t>,
    context: NonNull<aeron::aeron_context_t>,
    /// Boxed: its address was given to Aeron.
    errors: Box<ErrorSink>,
}

// SAFETY: see the module's rule 4. Apart from `errors` (a mutex), the only code that uses the pointers is
// `ClientDriver`, which is unique and stays on its thread, and `drop`, which has exclusive access.
unsafe impl Send for NativeClient {}
// SAFETY: a shared reference gives access to the mutex in `errors` only.
unsafe impl Sync for NativeClient {}

impl Drop for NativeClient {
    fn drop(&mut self) {
        // SAFETY: rule 4: the last owner; the driver and all handles are gone. The client goes before its
        // context (which unmaps the CnC file), and both before the sink that their errors go to.
        unsafe {
            aeron::aeron_close(self.client.as_ptr());
            aeron::aeron_context_close(self.context.as_ptr());
        }
    }
}

/// What became of an add that was asked for.
pub(crate) enum Added<P, N> {
    /// Not answered yet: ask again.
    Pending(P),
    /// There it is.
    Ready(N),
    /// The media driver refused, or did not answer in time.
    Failed(NativeError),
}

/// Drives one client's conductor; exists once per client and never leaves its thread.
#[derive(Debug)]
pub(crate) struct ClientDriver {
    shared: Arc<NativeClient>,
    _not_send: PhantomData<*mut ()>,
}

impl ClientDriver {
    /// Opens a client in invoker mode.
    ///
    /// Returns at once when a media driver beats in the directory; otherwise waits for one for as long as
    /// the driver timeout, so look first.
    pub(crate) fn connect(settings: &ClientSettings) -> Result<Self, NativeError> {
        let errors = Box::<ErrorSink>::default();
        let mut context = ptr::null_mut();
        // SAFETY: writes the address of a new context, or fails.
        check(unsafe { aeron::aeron_context_init(&raw mut context) })?;
        let sink: *const ErrorSink = &raw const *errors;
        let mut client = ptr::null_mut();
        let opened = configure(context, settings, sink).and_then(|()| {
            // SAFETY: a live, configured context, which the client uses until it is closed.
            check(unsafe { aeron::aeron_init(&raw mut client, context) })
        });
        if let Err(error) = opened {
            // SAFETY: no client came to be, so nothing else refers to the context.
            unsafe { aeron::aeron_context_close(context) };
            return Err(error);
        }
        let (Some(client), Some(context)) = (NonNull::new(client), NonNull::new(context)) else {
            return Err(NativeError {
                code: -1,
                message: "Aeron reported success without a client".into(),
            });
        };
        let shared = Arc::new(NativeClient {
            client,
            context,
            errors,
        });
        // SAFETY: a live client, not started yet; in invoker mode this starts no thread.
        check(unsafe { aeron::aeron_start(client.as_ptr()) })?;
        Ok(Self {
            shared,
            _not_send: PhantomData,
        })
    }

    fn client(&self) -> *mut aeron::aeron_t {
        self.shared.client.as_ptr()
    }

    /// One turn of the conductor. An error ends the client when [`ClientDriver::is_closed`] says so.
    pub(crate) fn do_work(&mut self) -> Result<usize, NativeError> {
        // SAFETY: rule 1: the only driver of a live client.
        let work = unsafe { aeron::aeron_main_do_work(self.client()) };
        usize::try_from(work).map_err(|_| NativeError::take_last())
    }

    /// Whether the client gave up (driver or service timeout): it has to be replaced.
    pub(crate) fn is_closed(&self) -> bool {
        // SAFETY: an acquire load in a live client.
        unsafe { aeron::aeron_is_closed(self.client()) }
    }

    /// The oldest error the client reported that was not taken yet.
    pub(crate) fn pop_error(&self) -> Option<NativeError> {
        self.shared.errors.pop()
    }

    /// How many native handles of this client exist outside of it.
    pub(crate) fn handle_count(&self) -> usize {
        Arc::strong_count(&self.shared) - 1
    }

    /// The client without its driver: to be kept until its handles have come back.
    pub(crate) fn retire(self) -> Arc<NativeClient> {
        self.shared
    }

    fn owns(&self, client: &Arc<NativeClient>) -> bool {
        Arc::ptr_eq(&self.shared, client)
    }

    /// Asks for an exclusive publication.
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
    pub(crate) fn close_publication(&mut self, publication: NativePublication) {
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

    /// Asks for a subscription whose images are counted in `images`.
    pub(crate) fn add_subscription(
        &mut self,
        uri: &CStr,
        stream_id: i32,
        images: &Arc<ImageCounters>,
    ) -> Result<PendingSubscription, NativeError> {
        let mut pending = ptr::null_mut();
        let clientd = Arc::as_ptr(images).cast_mut().cast();
        // SAFETY: rule 1; the string is copied; the counters are kept alive by the pending add and then by
        // the native handle, which goes no sooner than Aeron's subscription or its client's last turn.
        check(unsafe {
            aeron::aeron_async_add_subscription(
                &raw mut pending,
                self.client(),
                uri.as_ptr(),
                stream_id,
                Some(on_image_up),
                clientd,
                Some(on_image_down),
                clientd,
            )
        })?;
        PendingSubscription::new(pending, &self.shared, images)
    }

    /// What became of it. A pending add that belongs to another client has failed.
    pub(crate) fn poll_subscription(
        &mut self,
        pending: PendingSubscription,
    ) -> Added<PendingSubscription, NativeSubscription> {
        if !self.owns(&pending.client) {
            return Added::Failed(foreign());
        }
        let mut subscription = ptr::null_mut();
        // SAFETY: as for publications.
        match unsafe {
            aeron::aeron_async_add_subscription_poll(&raw mut subscription, pending.add.as_ptr())
        } {
            0 => Added::Pending(pending),
            1 => match NonNull::new(subscription) {
                Some(subscription) => Added::Ready(NativeSubscription::new(
                    subscription,
                    &self.shared,
                    pending.images,
                )),
                None => Added::Failed(foreign()),
            },
            _ => {
                let error = NativeError::take_last();
                // SAFETY: as for publications.
                unsafe {
                    aeron::aeron_async_remove_subscription(
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
    pub(crate) fn cancel_subscription(&mut self, pending: PendingSubscription) {
        if self.owns(&pending.client) {
            // SAFETY: as for publications.
            unsafe {
                aeron::aeron_async_add_subscription_cancel(self.client(), pending.add.as_ptr())
            };
        }
    }

    /// Closes a subscription; one of another client goes with that client.
    pub(crate) fn close_subscription(&mut self, subscription: NativeSubscription) {
        if self.owns(subscription.client()) {
            // SAFETY: rules 1 and 3; the image counters are still held by `subscription`.
            unsafe {
                aeron::aeron_subscription_close(subscription.as_ptr(), None, ptr::null_mut())
            };
        }
    }

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

fn configure(
    context: *mut aeron::aeron_context_t,
    settings: &ClientSettings,
    sink: *const ErrorSink,
) -> Result<(), NativeError> {
    let sink = sink.cast_mut().cast();
    // SAFETY: a live context that no client uses yet; Aeron copies the strings; the sink outlives both.
    let results = unsafe {
        [
            aeron::aeron_context_set_dir(context, settings.dir.as_ptr()),
            aeron::aeron_context_set_client_name(context, settings.client_name.as_ptr()),
            aeron::aeron_context_set_driver_timeout_ms(context, settings.driver_timeout_ms),
            aeron::aeron_context_set_keepalive_interval_ns(context, settings.keepalive_interval_ns),
            aeron::aeron_context_set_use_conductor_agent_invoker(context, true),
            aeron::aeron_context_set_pre_touch_mapped_memory(context, settings.pre_touch),
            aeron::aeron_context_set_error_handler(context, Some(on_client_error), sink),
        ]
    };
    results.into_iter().try_for_each(check)
}

/// Aeron's convention: below zero is an error, whose text is this thread's.
pub(crate) fn check(result: std::ffi::c_int) -> Result<(), NativeError> {
    if result < 0 {
        Err(NativeError::take_last())
    } else {
        Ok(())
    }
}

fn foreign() -> NativeError {
    NativeError {
        code: -1,
        message: "the client that was asked is gone".into(),
    }
}

/// Aeron's directory for this user.
pub(crate) fn default_dir() -> std::path::PathBuf {
    // Aeron looks the user up in a static buffer: once, so that no two threads do.
    static DIR: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    DIR.get_or_init(|| {
        let mut path = [0u8; 512];
        // SAFETY: writes at most the given length, with a terminating NUL.
        unsafe { aeron::aeron_default_path(path.as_mut_ptr().cast(), path.len()) };
        let text = CStr::from_bytes_until_nul(&path)
            .map_or_else(|_| String::new(), |t| t.to_string_lossy().into());
        text.into()
    })
    .clone()
}

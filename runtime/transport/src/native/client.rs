//! A client of the media driver: the shared part that keeps it alive, and the one driver of its conductor.

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rusteron_client::bindings as aeron;

use super::error::{ErrorSink, NativeError, on_client_error};

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
    pub(super) shared: Arc<NativeClient>,
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

    /// For the adds and closes, which are beside their resources.
    pub(super) fn client(&self) -> *mut aeron::aeron_t {
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

    /// Whether a handle is of this client.
    pub(super) fn owns(&self, client: &Arc<NativeClient>) -> bool {
        Arc::ptr_eq(&self.shared, client)
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

/// An add was asked of another client.
pub(super) fn foreign() -> NativeError {
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

//! Aeron's media driver, run on threads of its own in this process.

use std::ffi::{CStr, CString, c_int};
use std::ptr::{self, NonNull};

use rusteron_media_driver::bindings as aeron;

use super::error::{NativeError, fold, text_of};

/// Everything that is set on the driver's context; plain values.
#[derive(Debug)]
pub(crate) struct DriverSettings {
    pub(crate) dir: CString,
    pub(crate) threading: aeron::aeron_threading_mode_t,
    pub(crate) idle: &'static CStr,
    pub(crate) idle_args: Option<CString>,
    pub(crate) term_buffer_len: usize,
    pub(crate) ipc_term_buffer_len: usize,
    pub(crate) sparse_terms: bool,
    pub(crate) counter_values_len: usize,
    pub(crate) timer_interval_ns: u64,
    pub(crate) client_liveness_timeout_ns: u64,
    pub(crate) publication_unblock_timeout_ns: u64,
    pub(crate) publication_linger_timeout_ns: u64,
    pub(crate) image_liveness_timeout_ns: u64,
    pub(crate) counter_reuse_timeout_ns: u64,
    pub(crate) untethered_window_limit_timeout_ns: u64,
    pub(crate) untethered_linger_timeout_ns: u64,
    pub(crate) untethered_resting_timeout_ns: u64,
    pub(crate) driver_timeout_ms: u64,
    pub(crate) conductor_cpu: i32,
    pub(crate) sender_cpu: i32,
    pub(crate) receiver_cpu: i32,
}

/// A running media driver. Dropping it stops its threads; its directory stays, since by then it may be
/// somebody else's.
#[derive(Debug)]
pub(crate) struct NativeDriver {
    driver: NonNull<aeron::aeron_driver_t>,
    context: NonNull<aeron::aeron_driver_context_t>,
    /// Aeron is given the addresses of the strings in it.
    _settings: Box<DriverSettings>,
}

// SAFETY: start and close may be called by different threads, one at a time (`NativeDriver` has no other
// methods and is not `Sync`); the driver's work is done by its own threads.
unsafe impl Send for NativeDriver {}

impl NativeDriver {
    /// Creates the directory and starts the threads.
    pub(crate) fn start(settings: DriverSettings) -> Result<Self, NativeError> {
        let settings = Box::new(settings);
        let mut context = ptr::null_mut();
        // SAFETY: writes the address of a new context, or fails.
        check(unsafe { aeron::aeron_driver_context_init(&raw mut context) })?;
        let context = NonNull::new(context).ok_or_else(take_last)?;
        let mut driver = ptr::null_mut();
        let created = configure(context, &settings).and_then(|()| {
            // SAFETY: a live, configured context, which the driver uses until it is closed.
            check(unsafe { aeron::aeron_driver_init(&raw mut driver, context.as_ptr()) })
        });
        let (Ok(()), Some(driver)) = (&created, NonNull::new(driver)) else {
            // SAFETY: no driver came to be, so nothing else refers to the context.
            unsafe { aeron::aeron_driver_context_close(context.as_ptr()) };
            return Err(created.err().unwrap_or_else(take_last));
        };
        let this = Self {
            driver,
            context,
            _settings: settings,
        };
        // SAFETY: a driver that was not started yet.
        check(unsafe { aeron::aeron_driver_start(driver.as_ptr(), false) })?;
        Ok(this)
    }
}

impl Drop for NativeDriver {
    fn drop(&mut self) {
        // SAFETY: the only owner; closing joins the driver's threads, so the context is unused after it. A
        // driver whose threads could not be joined still uses its context, which is then leaked.
        unsafe {
            if aeron::aeron_driver_close(self.driver.as_ptr()) == 0 {
                aeron::aeron_driver_context_close(self.context.as_ptr());
            }
        }
    }
}

fn configure(
    context: NonNull<aeron::aeron_driver_context_t>,
    settings: &DriverSettings,
) -> Result<(), NativeError> {
    let context = context.as_ptr();
    let idle = settings.idle.as_ptr();
    let idle_args = settings
        .idle_args
        .as_ref()
        .map_or(ptr::null(), |args| args.as_ptr());
    // SAFETY: a live context that no driver uses yet; the strings live as long as the driver.
    let results = unsafe {
        [
            aeron::aeron_driver_context_set_dir(context, settings.dir.as_ptr()),
            aeron::aeron_driver_context_set_dir_warn_if_exists(context, false),
            aeron::aeron_driver_context_set_dir_delete_on_start(context, false),
            aeron::aeron_driver_context_set_dir_delete_on_shutdown(context, false),
            aeron::aeron_driver_context_set_print_configuration(context, false),
            aeron::aeron_driver_context_set_threading_mode(context, settings.threading),
            set_idle(
                aeron::aeron_driver_context_set_conductor_idle_strategy_init_args,
                context,
                idle_args,
            ),
            set_idle(
                aeron::aeron_driver_context_set_sender_idle_strategy_init_args,
                context,
                idle_args,
            ),
            set_idle(
                aeron::aeron_driver_context_set_receiver_idle_strategy_init_args,
                context,
                idle_args,
            ),
            set_idle(
                aeron::aeron_driver_context_set_sharednetwork_idle_strategy_init_args,
                context,
                idle_args,
            ),
            set_idle(
                aeron::aeron_driver_context_set_shared_idle_strategy_init_args,
                context,
                idle_args,
            ),
            aeron::aeron_driver_context_set_conductor_idle_strategy(context, idle),
            aeron::aeron_driver_context_set_sender_idle_strategy(context, idle),
            aeron::aeron_driver_context_set_receiver_idle_strategy(context, idle),
            aeron::aeron_driver_context_set_sharednetwork_idle_strategy(context, idle),
            aeron::aeron_driver_context_set_shared_idle_strategy(context, idle),
            aeron::aeron_driver_context_set_term_buffer_length(context, settings.term_buffer_len),
            aeron::aeron_driver_context_set_ipc_term_buffer_length(
                context,
                settings.ipc_term_buffer_len,
            ),
            aeron::aeron_driver_context_set_term_buffer_sparse_file(context, settings.sparse_terms),
            aeron::aeron_driver_context_set_counters_buffer_length(
                context,
                settings.counter_values_len,
            ),
            aeron::aeron_driver_context_set_timer_interval_ns(context, settings.timer_interval_ns),
            aeron::aeron_driver_context_set_client_liveness_timeout_ns(
                context,
                settings.client_liveness_timeout_ns,
            ),
            aeron::aeron_driver_context_set_publication_unblock_timeout_ns(
                context,
                settings.publication_unblock_timeout_ns,
            ),
            aeron::aeron_driver_context_set_publication_linger_timeout_ns(
                context,
                settings.publication_linger_timeout_ns,
            ),
            aeron::aeron_driver_context_set_image_liveness_timeout_ns(
                context,
                settings.image_liveness_timeout_ns,
            ),
            aeron::aeron_driver_context_set_counters_free_to_reuse_timeout_ns(
                context,
                settings.counter_reuse_timeout_ns,
            ),
            aeron::aeron_driver_context_set_untethered_window_limit_timeout_ns(
                context,
                settings.untethered_window_limit_timeout_ns,
            ),
            aeron::aeron_driver_context_set_untethered_linger_timeout_ns(
                context,
                settings.untethered_linger_timeout_ns,
            ),
            aeron::aeron_driver_context_set_untethered_resting_timeout_ns(
                context,
                settings.untethered_resting_timeout_ns,
            ),
            aeron::aeron_driver_context_set_driver_timeout_ms(context, settings.driver_timeout_ms),
            aeron::aeron_driver_context_set_conductor_cpu_affinity(context, settings.conductor_cpu),
            aeron::aeron_driver_context_set_sender_cpu_affinity(context, settings.sender_cpu),
            aeron::aeron_driver_context_set_receiver_cpu_affinity(context, settings.receiver_cpu),
        ]
    };
    results.into_iter().try_for_each(check)
}

type SetText =
    unsafe extern "C" fn(*mut aeron::aeron_driver_context_t, *const std::ffi::c_char) -> c_int;

/// # Safety
/// As for the setter; a null text leaves the default.
unsafe fn set_idle(
    set: SetText,
    context: *mut aeron::aeron_driver_context_t,
    text: *const std::ffi::c_char,
) -> c_int {
    if text.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe { set(context, text) }
}

fn check(result: c_int) -> Result<(), NativeError> {
    if result < 0 { Err(take_last()) } else { Ok(()) }
}

/// The media driver's binding of the same thread-local error state as [`NativeError::take_last`].
fn take_last() -> NativeError {
    // SAFETY: thread-local state of the C library; the text is copied before the next Aeron call.
    let (code, message) = unsafe { (aeron::aeron_errcode(), text_of(aeron::aeron_errmsg())) };
    // SAFETY: clears the same state.
    unsafe { aeron::aeron_err_clear() };
    NativeError {
        code,
        message: fold(&message),
    }
}

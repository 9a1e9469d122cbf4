//! A read-only view of a media driver's CnC file: who it is, whether it beats, counters and errors.

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use rusteron_client::bindings as aeron;

use super::client::check;
use super::error::{NativeError, fold};

/// Constants of a CnC file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CncConstants {
    pub(crate) pid: i64,
    pub(crate) start_timestamp_ms: i64,
    pub(crate) client_liveness_timeout_ns: i64,
}

/// A mapped CnC file; used by one thread.
#[derive(Debug)]
pub(crate) struct NativeCnc {
    cnc: NonNull<aeron::aeron_cnc_t>,
}

// SAFETY: only a mapping and fields that do not change; no thread affinity, and no `Sync`.
unsafe impl Send for NativeCnc {}

impl Drop for NativeCnc {
    fn drop(&mut self) {
        // SAFETY: the only owner.
        unsafe { aeron::aeron_cnc_close(self.cnc.as_ptr()) };
    }
}

impl NativeCnc {
    /// Maps the CnC file of a directory, without waiting. Fails while there is none, while it is being
    /// written, and when it is of another version.
    pub(crate) fn open(dir: &CStr) -> Result<Self, NativeError> {
        let mut cnc = ptr::null_mut();
        // SAFETY: the string is copied; a timeout of 0 looks once.
        check(unsafe { aeron::aeron_cnc_init(&raw mut cnc, dir.as_ptr(), 0) })?;
        let cnc = NonNull::new(cnc).ok_or_else(NativeError::take_last)?;
        Ok(Self { cnc })
    }

    pub(crate) fn constants(&self) -> CncConstants {
        let mut constants = aeron::aeron_cnc_constants_t::default();
        // SAFETY: a live view; fills the structure (fails for null pointers only).
        unsafe { aeron::aeron_cnc_constants(self.cnc.as_ptr(), &raw mut constants) };
        CncConstants {
            pid: constants.pid,
            start_timestamp_ms: constants.start_timestamp,
            client_liveness_timeout_ns: constants.client_liveness_timeout,
        }
    }

    /// When the driver last beat, in milliseconds of the realtime clock; -1 after it has closed in order.
    pub(crate) fn heartbeat_ms(&self) -> i64 {
        // SAFETY: a live view.
        unsafe { aeron::aeron_cnc_to_driver_heartbeat(self.cnc.as_ptr()) }
    }

    /// Calls `visit` with id, type id, value, key and label of every counter in use.
    pub(crate) fn for_each_counter(&self, mut visit: impl FnMut(i32, i32, i64, &[u8], &str)) {
        let mut visitor: CounterVisitor<'_> = &mut visit;
        // SAFETY: a live view; the visitor lives across the call.
        unsafe {
            let reader = aeron::aeron_cnc_counters_reader(self.cnc.as_ptr());
            aeron::aeron_counters_reader_foreach_counter(
                reader,
                Some(on_counter),
                (&raw mut visitor).cast(),
            );
        }
    }

    /// Calls `visit` with count, first and last time (realtime milliseconds) and text of every error.
    pub(crate) fn for_each_error(&self, mut visit: impl FnMut(i32, i64, i64, &str)) {
        let mut visitor: ErrorVisitor<'_> = &mut visit;
        // SAFETY: as above.
        unsafe {
            aeron::aeron_cnc_error_log_read(
                self.cnc.as_ptr(),
                Some(on_error),
                (&raw mut visitor).cast(),
                0,
            );
        }
    }
}

type CounterVisitor<'a> = &'a mut dyn FnMut(i32, i32, i64, &[u8], &str);
type ErrorVisitor<'a> = &'a mut dyn FnMut(i32, i64, i64, &str);

/// # Safety
/// `clientd` is the address of a [`CounterVisitor`]; key and label are valid during the call.
unsafe extern "C" fn on_counter(
    value: i64,
    id: i32,
    type_id: i32,
    key: *const u8,
    key_length: usize,
    label: *const c_char,
    label_length: usize,
    clientd: *mut c_void,
) {
    // SAFETY: the caller's promise.
    let visitor = unsafe { &mut *clientd.cast::<CounterVisitor<'_>>() };
    // SAFETY: as above; copied, since the driver may reuse the record at any time.
    let (key, label) = unsafe { (bytes(key, key_length), bytes(label.cast(), label_length)) };
    let label = String::from_utf8_lossy(&label);
    // A panicking visitor must not unwind into C; what it had seen so far is what the caller gets.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        visitor(id, type_id, value, &key, &label)
    }));
}

/// # Safety
/// `clientd` is the address of an [`ErrorVisitor`]; the text is valid during the call.
unsafe extern "C" fn on_error(
    count: i32,
    first_ms: i64,
    last_ms: i64,
    text: *const c_char,
    text_length: usize,
    clientd: *mut c_void,
) {
    // SAFETY: the caller's promise.
    let visitor = unsafe { &mut *clientd.cast::<ErrorVisitor<'_>>() };
    // SAFETY: as above.
    let text = unsafe { bytes(text.cast(), text_length) };
    let text = fold(&String::from_utf8_lossy(&text));
    let _ = catch_unwind(AssertUnwindSafe(|| {
        visitor(count, first_ms, last_ms, &text)
    }));
}

/// # Safety
/// `length` bytes are readable at `start`, or it is null.
unsafe fn bytes(start: *const u8, length: usize) -> Vec<u8> {
    if start.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(start, length) }.to_vec()
}

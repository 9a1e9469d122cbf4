//! Errors as Aeron reports them: a code and a text, per thread or through a handler.

use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;

use parking_lot::Mutex;
use rusteron_client::bindings as aeron;

/// What Aeron said about a call that failed.
///
/// Codes below zero are Aeron's own (`-1000` driver timeout and so on), above zero operating system errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeError {
    /// Aeron's error code.
    pub code: i32,
    /// Aeron's text, its stack of source lines folded into one line.
    pub message: String,
}

impl fmt::Display for NativeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (Aeron error {})", self.message, self.code)
    }
}

impl std::error::Error for NativeError {}

impl NativeError {
    /// The calling thread's last Aeron error, which is cleared.
    pub(crate) fn take_last() -> Self {
        // SAFETY: both read thread-local state of the C library; the text stays valid until the next Aeron
        // call of this thread, and is copied before that.
        let (code, message) = unsafe { (aeron::aeron_errcode(), text_of(aeron::aeron_errmsg())) };
        // SAFETY: clears the same thread-local state.
        unsafe { aeron::aeron_err_clear() };
        Self {
            code,
            message: fold(&message),
        }
    }
}

/// Copies a C string, which may be null.
///
/// # Safety
/// `text` is null or a NUL-terminated string that stays valid during the call.
pub(crate) unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and NUL-terminated by the caller's promise.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// Aeron's texts are stacks: `(code) meaning` and then lines of `[function, file:line] text`. Only the
/// texts say something to whoever reads them.
pub(crate) fn fold(message: &str) -> String {
    let mut folded = String::new();
    for line in message.lines().map(str::trim) {
        let text = match line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((_, text)) => text.trim(),
            None => line,
        };
        if text.is_empty() {
            continue;
        }
        if !folded.is_empty() {
            folded.push_str(": ");
        }
        folded.push_str(text);
    }
    folded
}

/// Where the client's error handler writes; bounded, the oldest go first.
#[derive(Debug, Default)]
pub(crate) struct ErrorSink {
    queue: Mutex<VecDeque<NativeError>>,
}

impl ErrorSink {
    const MAX_QUEUED: usize = 64;

    fn push(&self, error: NativeError) {
        let mut queue = self.queue.lock();
        if queue.len() == Self::MAX_QUEUED {
            queue.pop_front();
        }
        queue.push_back(error);
    }

    /// The oldest error that was not taken yet.
    pub(crate) fn pop(&self) -> Option<NativeError> {
        self.queue.lock().pop_front()
    }
}

/// The client's error handler. Aeron's default one ends the process.
///
/// # Safety
/// `clientd` is the address of an [`ErrorSink`] that outlives the client it is installed in.
pub(crate) unsafe extern "C" fn on_client_error(
    clientd: *mut c_void,
    code: c_int,
    message: *const c_char,
) {
    // SAFETY: the address was given together with this function and outlives the client.
    let sink = unsafe { &*clientd.cast::<ErrorSink>() };
    // SAFETY: Aeron passes a NUL-terminated text that is valid during the call.
    let message = fold(&unsafe { text_of(message) });
    sink.push(NativeError { code, message });
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn a_stack_of_lines_folds_to_its_texts() {
        let message = "(22) Invalid argument\n[aeron_driver_init, aeron_driver.c:825] term length wrong\n[x, y.c:1] \n";
        assert_eq!(fold(message), "(22) Invalid argument: term length wrong");
        assert_eq!(fold("plain"), "plain");
    }
}

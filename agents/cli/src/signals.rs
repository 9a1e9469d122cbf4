//! SIGINT and SIGTERM: the first asks for a clean end, the second ends the process at once. SIGUSR1 asks for a look.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::{flag, low_level};

/// Signals this soon after the first are the same request: `timeout` signals its child and then the child's process
/// group, and so do wrappers that hand on a Ctrl-C the terminal has sent to everyone.
const SAME_REQUEST: Duration = Duration::from_millis(50);

/// Set by the first signal.
#[derive(Debug, Clone)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Installs the handlers, and a thread that waits for the first signal.
    ///
    /// # Errors
    /// When the system refuses a handler, or the thread.
    pub fn install() -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let second_ends = Arc::new(AtomicBool::new(false));
        let (mut told, teller) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&second_ends))?;
            flag::register(signal, Arc::clone(&stop))?;
            low_level::pipe::register(signal, teller.try_clone()?)?;
        }
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                if told.read_exact(&mut [0]).is_ok() {
                    std::thread::sleep(SAME_REQUEST);
                    second_ends.store(true, Ordering::Relaxed);
                }
            })?;
        Ok(Self(stop))
    }

    /// A flag that no signal sets.
    #[cfg(test)]
    pub(crate) fn for_test(is_set: bool) -> Self {
        Self(Arc::new(AtomicBool::new(is_set)))
    }

    /// Whether a signal has asked for the end.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Set by SIGUSR1.
#[derive(Debug)]
pub struct LookFlag(Arc<AtomicBool>);

impl LookFlag {
    /// Installs the handler.
    ///
    /// # Errors
    /// When the system refuses it.
    pub fn install() -> std::io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        flag::register(SIGUSR1, Arc::clone(&flag))?;
        Ok(Self(flag))
    }

    /// Whether somebody wants a look since the last call.
    #[must_use]
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

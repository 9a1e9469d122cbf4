//! The signal handler itself. Everything reached from [`on_sigbus`] is async-signal-safe: loads
//! from static memory, an atomic store, `mmap`, `sigaction`. It allocates nothing, locks nothing
//! and keeps `errno`.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::io;

use libc::{c_int, c_void, sigaction, siginfo_t};

use super::Status;
use super::registry::{Found, find};

/// The disposition found when ours was installed; never freed.
static PREVIOUS: AtomicPtr<sigaction> = AtomicPtr::new(ptr::null_mut());

type InfoHandler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
type PlainHandler = extern "C" fn(c_int);

/// Installs the handler, remembering the one before it. Called once.
pub(super) fn install() -> io::Result<()> {
    // SAFETY: sigaction is a plain C struct for which zero is a valid value.
    let mut previous: sigaction = unsafe { core::mem::zeroed() };
    // SAFETY: a null new action only queries.
    if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &mut previous) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // Known before the handler can run, as it may run at once.
    PREVIOUS.store(Box::into_raw(Box::new(previous)), Ordering::SeqCst);
    // SAFETY: as above.
    let mut ours: sigaction = unsafe { core::mem::zeroed() };
    ours.sa_sigaction = on_sigbus as *const () as usize;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the mask is a valid object; the handler has the signature SA_SIGINFO asks for.
    let rc = unsafe {
        libc::sigemptyset(&mut ours.sa_mask);
        libc::sigaction(libc::SIGBUS, &ours, ptr::null_mut())
    };
    if rc == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

extern "C" fn on_sigbus(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: errno is thread-local and always accessible.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let saved = unsafe { *errno };
    // SAFETY: the kernel passes valid information with SA_SIGINFO.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr().addr()) };
    let handled = is_fault(code)
        && match find(address) {
            Some(found) => replace(found, address),
            None => false,
        };
    if !handled {
        chain(signal, code, info, context);
    }
    // SAFETY: as above.
    unsafe { *errno = saved };
}

/// Poisons the mapping and puts zero pages over it from the faulting page on.
/// [TP-SHM-1210] [TP-SHM-1240]
fn replace(found: Found, address: usize) -> bool {
    // SAFETY: this thread is accessing the mapping, so whoever registered it is alive, and its
    // status with it.
    let status = unsafe { &*found.status };
    // First the flag, then the zeros: nobody can take them for data.
    status.set(Status::POISONED);
    let from = address & !(found.page_len - 1);
    let len = (found.start + found.len).next_multiple_of(found.page_len) - from;
    let protection = if found.writable {
        libc::PROT_READ | libc::PROT_WRITE
    } else {
        libc::PROT_READ
    };
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: whole pages of a mapping that is ours and alive; its owner will unmap whatever is
    // there. Memory that others could write anyway becomes zeros, which is one of the values it
    // could have had.
    let mapped = unsafe {
        libc::mmap(
            ptr::with_exposed_provenance_mut(from),
            len,
            protection,
            flags,
            -1,
            0,
        )
    };
    mapped != libc::MAP_FAILED
}

/// Hands the signal to whoever was there before us.
/// [TP-SHM-1230]
fn chain(signal: c_int, code: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let previous = PREVIOUS.load(Ordering::SeqCst);
    if previous.is_null() {
        return;
    }
    // SAFETY: never freed once set.
    let previous = unsafe { &*previous };
    match previous.sa_sigaction {
        // The access would fault again for ever, or the signal was sent and must not get lost: the
        // default action ends the process when the instruction is repeated or the signal raised
        // again.
        libc::SIG_DFL | libc::SIG_IGN if is_fault(code) => restore_default(),
        libc::SIG_IGN => {}
        libc::SIG_DFL => {
            restore_default();
            // SAFETY: raising a signal is async-signal-safe; it is blocked until this handler
            // returns.
            unsafe { libc::raise(signal) };
        }
        handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: a handler installed with SA_SIGINFO has this signature.
            let handler: InfoHandler = unsafe { core::mem::transmute(handler) };
            handler(signal, info, context);
        }
        handler => {
            // SAFETY: a handler installed without SA_SIGINFO has this signature.
            let handler: PlainHandler = unsafe { core::mem::transmute(handler) };
            handler(signal);
        }
    }
}

/// Whether an access of this very thread raised the signal, so that the address means something and
/// the access is repeated. Sent signals have codes up to 0; a memory error somebody else came across
/// has a positive one as well.
fn is_fault(code: c_int) -> bool {
    code > 0 && code != libc::BUS_MCEERR_AO
}

fn restore_default() {
    // SAFETY: sigaction is a plain C struct for which zero is valid: SIG_DFL, no flags, empty mask.
    unsafe {
        let default: sigaction = core::mem::zeroed();
        libc::sigaction(libc::SIGBUS, &default, ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_access_of_this_thread_is_a_fault() {
        assert!(is_fault(libc::BUS_ADRERR) && is_fault(libc::BUS_MCEERR_AR));
        assert!(
            !is_fault(libc::BUS_MCEERR_AO),
            "found in passing, nobody waits for it"
        );
        assert!(!is_fault(libc::SI_USER) && !is_fault(libc::SI_TKILL));
    }
}

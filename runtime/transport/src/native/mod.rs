//! The only place where Aeron's C functions are called: thin owned types over its pointers.
//!
//! Nothing here decides anything (no retry, no state machine), and nothing here is public outside the crate.
//!
//! # Why this is sound
//!
//! Aeron's client is built for one *conductor* and one application thread per publication or subscription,
//! running at the same time. In invoker mode the conductor is whoever calls `aeron_main_do_work`, and
//! adding or closing a resource runs conductor code on the calling thread. From that follow the rules:
//!
//! 1. **Conductor side.** Driving, adding, closing and cancelling are methods of [`client::ClientDriver`]
//!    (in the files of what they add). It is `!Send` and not `Clone`, its methods take `&mut self`, and
//!    there is one per native client. So conductor code never runs twice at once, nor on two threads, while
//!    the client is driven.
//! 2. **Application side.** Offering and polling are `&mut self` methods of
//!    [`publication::NativePublication`] and [`subscription::NativeSubscription`]: `Send`, never `Sync`,
//!    owned by exactly one place at a time (a handle of the application, its slot, or the return queue).
//!    Aeron permits each of them on any one thread at a time, concurrently with the conductor.
//! 3. **Freeing one resource** takes the native handle *by value* on the conductor side
//!    ([`client::ClientDriver::close_publication`] and the like), so nobody can be inside it.
//! 4. **Freeing the client** frees every resource it still has. Each native handle holds an [`Arc`] of the
//!    [`client::NativeClient`], and `aeron_close` is called by the drop of the last one. Whoever that is
//!    has exclusive access: the driver is gone (nothing drives the client any more) and all handles are
//!    gone. Aeron has no thread affinity, so this may be any thread; `Arc`'s release and acquire order it
//!    after all earlier use. This is what makes it sound to retire a client whose handles are still with
//!    application threads, and to drop a handle after the link is gone.
//! 5. **Callbacks** (errors, image availability) touch atomics and a mutex that live as long as the client
//!    or the native handle, and never unwind into C. The fragment handler catches the closure's panic,
//!    breaks off the poll and resumes the panic after C has returned.
//!
//! [`Arc`]: std::sync::Arc

#![allow(unsafe_code)]

pub(crate) mod client;
pub(crate) mod cnc;
pub(crate) mod counter;
pub(crate) mod driver;
pub(crate) mod error;
pub(crate) mod publication;
pub(crate) mod subscription;

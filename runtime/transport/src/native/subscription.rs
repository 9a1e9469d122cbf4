//! A subscription of one client, an add that is under way, and the fragment handler.

use std::any::Any;
use std::ffi::{CStr, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusteron_client::bindings as aeron;

use super::client::{Added, ClientDriver, NativeClient, check, foreign};
use super::error::NativeError;

const ABORT: aeron::aeron_controlled_fragment_handler_action_t =
    aeron::aeron_controlled_fragment_handler_action_t::AERON_ACTION_ABORT;
const BREAK: aeron::aeron_controlled_fragment_handler_action_t =
    aeron::aeron_controlled_fragment_handler_action_t::AERON_ACTION_BREAK;
const CONTINUE: aeron::aeron_controlled_fragment_handler_action_t =
    aeron::aeron_controlled_fragment_handler_action_t::AERON_ACTION_CONTINUE;

/// Images that came and went, counted by the conductor, read by anybody.
#[derive(Debug, Default)]
pub(crate) struct ImageCounters {
    pub(crate) up: AtomicU64,
    pub(crate) down: AtomicU64,
    /// Of those that went: the ones with messages left.
    pub(crate) unread: AtomicU64,
}

/// Aeron's handler for an image that came.
///
/// # Safety
/// `clientd` is the address of live [`ImageCounters`].
pub(super) unsafe extern "C" fn on_image_up(
    clientd: *mut c_void,
    _subscription: *mut aeron::aeron_subscription_t,
    _image: *mut aeron::aeron_image_t,
) {
    // SAFETY: the caller's promise, kept by `NativeSubscription` and `PendingSubscription`.
    unsafe { &*clientd.cast::<ImageCounters>() }
        .up
        .fetch_add(1, Ordering::Relaxed);
}

/// Aeron's handler for an image that went.
///
/// # Safety
/// As for [`on_image_up`].
pub(super) unsafe extern "C" fn on_image_down(
    clientd: *mut c_void,
    _subscription: *mut aeron::aeron_subscription_t,
    image: *mut aeron::aeron_image_t,
) {
    // SAFETY: as above.
    let counters = unsafe { &*clientd.cast::<ImageCounters>() };
    counters.down.fetch_add(1, Ordering::Relaxed);
    // SAFETY: Aeron passes the image that goes, which is freed after this.
    if !image.is_null() && !unsafe { aeron::aeron_image_is_end_of_stream(image) } {
        counters.unread.fetch_add(1, Ordering::Relaxed);
    }
}

/// A subscription that was asked for and not answered yet. Never leaves its thread.
#[derive(Debug)]
pub(crate) struct PendingSubscription {
    pub(super) add: NonNull<aeron::aeron_async_add_subscription_t>,
    pub(super) registration_id: i64,
    pub(super) client: Arc<NativeClient>,
    pub(super) images: Arc<ImageCounters>,
}

impl PendingSubscription {
    pub(super) fn new(
        add: *mut aeron::aeron_async_add_subscription_t,
        client: &Arc<NativeClient>,
        images: &Arc<ImageCounters>,
    ) -> Result<Self, NativeError> {
        let add = NonNull::new(add).ok_or_else(NativeError::take_last)?;
        // SAFETY: reads a field of an add that is not answered yet.
        let registration_id =
            unsafe { aeron::aeron_async_add_subscription_get_registration_id(add.as_ptr()) };
        Ok(Self {
            add,
            registration_id,
            client: Arc::clone(client),
            images: Arc::clone(images),
        })
    }
}

impl ClientDriver {
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
}

/// What came with a fragment; plain values, so nothing of Aeron's header can leave the handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FragmentHeader {
    pub(crate) session_id: i32,
    pub(crate) stream_id: i32,
    pub(crate) flags: u8,
    pub(crate) reserved_value: i64,
    /// The stream position after this fragment.
    pub(crate) position: i64,
}

impl FragmentHeader {
    pub(crate) const BEGIN: u8 = 0x80;
    pub(crate) const END: u8 = 0x40;

    #[inline]
    fn of(values: &aeron::aeron_header_values_t) -> Self {
        const FRAME_ALIGNMENT: i64 = 32;
        let frame = values.frame;
        let (term_id, initial_term_id) = (frame.term_id, values.initial_term_id);
        let end = i64::from(frame.term_offset) + i64::from(frame.frame_length);
        let aligned_end = (end + FRAME_ALIGNMENT - 1) & !(FRAME_ALIGNMENT - 1);
        let term_count = i64::from(term_id.wrapping_sub(initial_term_id));
        Self {
            session_id: frame.session_id,
            stream_id: frame.stream_id,
            flags: frame.flags,
            reserved_value: frame.reserved_value,
            position: (term_count << (values.position_bits_to_shift & 63)) + aligned_end,
        }
    }
}

struct PollContext<'a, F> {
    on_fragment: &'a mut F,
    panic: Option<Box<dyn Any + Send>>,
}

/// Calls the closure for one fragment. Nothing unwinds from here into C.
///
/// # Safety
/// `clientd` is the address of a `PollContext<F>` nobody else uses during the poll; `buffer` and `header`
/// are what Aeron passes to a fragment handler.
unsafe extern "C-unwind" fn on_fragment<F: FnMut(&[u8], FragmentHeader)>(
    clientd: *mut c_void,
    buffer: *const u8,
    length: usize,
    header: *mut aeron::aeron_header_t,
) -> aeron::aeron_controlled_fragment_handler_action_t {
    // SAFETY: the caller's promise.
    let context = unsafe { &mut *clientd.cast::<PollContext<'_, F>>() };
    // [TP-RT-1000]
    if context.panic.is_some() {
        // A handler that panicked breaks off its image only; the other images are told here.
        return ABORT;
    }
    let mut values = aeron::aeron_header_values_t::default();
    // SAFETY: Aeron's header is valid during the call, and copied out of it.
    if unsafe { aeron::aeron_header_values(header, &raw mut values) } < 0 {
        return CONTINUE;
    }
    // SAFETY: `length` bytes of the log at `buffer`, mapped during the poll; not null, since a frame header
    // precedes it. Nobody writes to them before this subscriber has moved on, for which publisher and media
    // driver wait: always if it is tethered, else until the untethered window limit timeout has passed. A
    // closure that dwells on one fragment for longer may see the driver's zeros appear in it, as with every
    // client of Aeron: nothing may be read twice there and be relied upon to be the same.
    let payload = unsafe { std::slice::from_raw_parts(buffer, length) };
    let fragment = FragmentHeader::of(&values);
    // [TP-RT-1000]
    match catch_unwind(AssertUnwindSafe(|| {
        (context.on_fragment)(payload, fragment)
    })) {
        Ok(()) => CONTINUE,
        Err(panic) => {
            context.panic = Some(panic);
            BREAK
        }
    }
}

/// A subscription; used by one thread at a time.
#[derive(Debug)]
pub(crate) struct NativeSubscription {
    subscription: NonNull<aeron::aeron_subscription_t>,
    client: Arc<NativeClient>,
    /// Aeron holds their address until the subscription is closed or the client is no longer driven.
    _images: Arc<ImageCounters>,
}

// SAFETY: rule 2: Aeron's subscription may be polled by any one thread at a time while the conductor runs
// on another; `&mut self` gives the one, and there is no `Sync`.
unsafe impl Send for NativeSubscription {}

impl NativeSubscription {
    pub(super) fn new(
        subscription: NonNull<aeron::aeron_subscription_t>,
        client: &Arc<NativeClient>,
        images: Arc<ImageCounters>,
    ) -> Self {
        Self {
            subscription,
            client: Arc::clone(client),
            _images: images,
        }
    }

    pub(super) fn as_ptr(&self) -> *mut aeron::aeron_subscription_t {
        self.subscription.as_ptr()
    }

    pub(super) fn client(&self) -> &Arc<NativeClient> {
        &self.client
    }

    /// Calls `handler` for up to `limit` fragments, and gives their number. A panic of `handler` ends the
    /// poll after the fragment it was called with and goes on to the caller.
    #[inline]
    pub(crate) fn poll<F: FnMut(&[u8], FragmentHeader)>(
        &mut self,
        limit: usize,
        handler: &mut F,
    ) -> usize {
        let mut context = PollContext {
            on_fragment: handler,
            panic: None,
        };
        // SAFETY: rule 2; the context lives across the call and is used by the handler alone meanwhile.
        let fragments = unsafe {
            aeron::aeron_subscription_controlled_poll(
                self.as_ptr(),
                Some(on_fragment::<F>),
                (&raw mut context).cast(),
                limit,
            )
        };
        if let Some(panic) = context.panic {
            std::panic::resume_unwind(panic);
        }
        usize::try_from(fragments).unwrap_or(0)
    }

    /// How many images there are.
    pub(crate) fn image_count(&mut self) -> usize {
        // SAFETY: rule 2.
        usize::try_from(unsafe { aeron::aeron_subscription_image_count(self.as_ptr()) })
            .unwrap_or(0)
    }

    /// Whether there is an image that is open.
    pub(crate) fn is_connected(&mut self) -> bool {
        // SAFETY: rule 2.
        unsafe { aeron::aeron_subscription_is_connected(self.as_ptr()) }
    }

    /// Whether a session has an image.
    pub(crate) fn has_image(&mut self, session_id: i32) -> bool {
        // SAFETY: rule 2; the image that is found is retained for the caller, and released at once.
        unsafe {
            let image = aeron::aeron_subscription_image_by_session_id(self.as_ptr(), session_id);
            if image.is_null() {
                return false;
            }
            aeron::aeron_subscription_image_release(self.as_ptr(), image);
        }
        true
    }
}

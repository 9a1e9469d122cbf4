//! What an application does with bytes before anybody may read them.

use std::fmt;
use std::sync::Arc;

type Flush = dyn Fn(&[u8]) + Send + Sync;

/// Makes bytes that a device wrote visible to the processors of this machine: called with them on
/// the producer's thread, before they are announced. On machines whose devices are coherent with
/// the caches, as most are, nothing is needed.
#[derive(Clone)]
pub(crate) struct PayloadFlush(Arc<Flush>);

impl PayloadFlush {
    pub(crate) fn new(flush: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(flush))
    }

    pub(crate) fn flush(&self, bytes: &[u8]) {
        (self.0)(bytes);
    }
}

impl PartialEq for PayloadFlush {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for PayloadFlush {}

impl fmt::Debug for PayloadFlush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadFlush")
    }
}

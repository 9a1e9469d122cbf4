//! Plain newtypes for the integers of the protocol, so that two of them cannot be swapped.
//!
//! Nothing here knows about bytes or time sources; a [`NanoTime`] is whatever clock its producer says it is
//! (`CLOCK_MONOTONIC` unless stated otherwise).

use core::fmt;

macro_rules! newtype {
    ($(#[$doc:meta])* $name:ident($repr:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name($repr);

        impl $name {
            /// Wraps a raw value.
            #[must_use]
            pub const fn new(value: $repr) -> Self {
                Self(value)
            }

            /// The raw value, as it goes on the wire.
            #[must_use]
            pub const fn get(self) -> $repr {
                self.0
            }
        }

        impl From<$repr> for $name {
            fn from(value: $repr) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $repr {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

newtype! {
    /// A tensor pool stream (not an Aeron stream id).
    StreamId(u32)
}
newtype! {
    /// A client of the driver; unique over all its leases, never 0 on the wire.
    ClientId(u32)
}
newtype! {
    /// A lease the driver granted.
    LeaseId(u64)
}
newtype! {
    /// One life of a stream's memory; strictly increasing per stream and unique across streams.
    Epoch(u64)
}
newtype! {
    /// A frame's sequence number within its epoch, from 0.
    Seq(u64)
}
newtype! {
    /// A payload pool within a stream.
    PoolId(u16)
}
newtype! {
    /// A node id handed out by the driver, for trace ids.
    NodeId(u32)
}
newtype! {
    /// Ties a response to its request on the shared control stream.
    CorrelationId(i64)
}
newtype! {
    /// The version of a stream's metadata a frame refers to.
    MetaVersion(u32)
}
newtype! {
    /// A trace id; 0 is "untraced" on the wire.
    TraceId(u64)
}
newtype! {
    /// Nanoseconds of a clock, `CLOCK_MONOTONIC` unless stated otherwise.
    NanoTime(u64)
}

impl NanoTime {
    /// The time `duration_ns` later, saturating.
    #[must_use]
    pub const fn after_ns(self, duration_ns: u64) -> Self {
        Self(self.0.saturating_add(duration_ns))
    }

    /// Nanoseconds from `earlier` to `self`; 0 when time seems to have gone backwards.
    #[must_use]
    pub const fn since_ns(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Seq {
    /// The sequence number that follows.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The slot index of this sequence number in a ring of `slot_count` (a power of two) slots.
    #[must_use]
    pub const fn slot_index(self, slot_count: u32) -> u32 {
        (self.0 & (slot_count as u64 - 1)) as u32
    }
}

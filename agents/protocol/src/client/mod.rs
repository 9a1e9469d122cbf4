//! Cores of a client: attach and keepalive, epoch and mapping, consumer tracking, QoS pacing.

mod attach;
mod attach_types;
mod backoff;
mod messages;
mod regions;

pub use attach::AttachClient;
pub use attach_types::{
    AttachConfig, AttachError, AttachEvent, AttachStats, CLIENT_ID_TAKEN, Grant, LossReason,
    ResponseError,
};
pub use backoff::{Backoff, SplitMix64};
pub use messages::{
    Announce, AttachRequest, AttachResponse, ClockDomain, ControlRequest, DetachRequest,
    DetachResponse, DriverShutdown, Keepalive, LeaseRevoked,
};
pub use regions::{RawPool, RawRegions, RegionSet, RegionsError};

//! Vocabulary the driver core and the client core share: the protocol's enums, the geometry of a
//! stream's memory, epoch numbers and the bounded outbox.
//!
//! What lives here is known to both sides of the control protocol. Decisions belong to the cores,
//! bytes to codecs.

mod enums;
mod epochs;
mod geometry;
mod outbox;

pub(crate) use enums::known_or;
pub use enums::{
    ConsumerMode, EnumField, HugepagesPolicy, LeaseRevokeReason, PublishMode, ResponseCode, Role,
    ShutdownReason,
};
pub use epochs::EpochSource;
pub use geometry::{
    GeometryError, HEADER_SLOT_BYTES, LAYOUT_VERSION, MAX_POOLS, PoolGeometry, SUPERBLOCK_BYTES,
    StreamGeometry,
};
pub use outbox::Outbox;

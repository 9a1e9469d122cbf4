//! What a client asks to be mapped: the plain facts of an attach response or an announce.

use tensorpool_codecs::types::{Epoch, PoolId, StreamId};

/// Whether a mapping may be written through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// A consumer's.
    ReadOnly,
    /// A producer's.
    ReadWrite,
}

/// Everything needed to map a stream's regions.
#[derive(Clone, Debug)]
pub struct MapRequest<'a> {
    /// The stream.
    pub stream: StreamId,
    /// The epoch.
    pub epoch: Epoch,
    /// The layout version announced; only 1 exists.
    pub layout_version: u32,
    /// Slots of the header ring.
    pub slot_count: u32,
    /// URI of the header ring.
    pub header_uri: &'a str,
    /// All payload pools; every one must map.
    pub pools: &'a [PoolRequest<'a>],
    /// Read-only for consumers.
    pub access: Access,
    /// Bring all pages in before returning.
    pub prefault: bool,
    /// Keep all pages in memory; failing to is an error.
    pub mlock: bool,
}

/// One payload pool to be mapped.
#[derive(Clone, Copy, Debug)]
pub struct PoolRequest<'a> {
    /// Its id.
    pub id: PoolId,
    /// Its slot count, which must equal the header ring's.
    pub slot_count: u32,
    /// Bytes per slot.
    pub stride_bytes: u32,
    /// Its URI.
    pub uri: &'a str,
}

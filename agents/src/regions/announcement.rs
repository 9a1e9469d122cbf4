//! ShmPoolAnnounce of regions of ours.

use tensorpool_codecs::error::EncodeError;
use tensorpool_codecs::types::{ClientId, NanoTime};
use tensorpool_codecs::wire::{ClockDomain, ShmPoolAnnounce, ShmPoolAnnouncePayloadPool};
use tensorpool_protocol::common::{HEADER_SLOT_BYTES, LAYOUT_VERSION};

use super::OwnedRegions;

/// What is announced: regions, and who writes them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announcement<'a> {
    pub(crate) regions: &'a OwnedRegions,
    /// `None` while nobody does.
    pub(crate) producer: Option<ClientId>,
}

impl Announcement<'_> {
    /// Encodes it as said at `now` of the monotonic clock; the buffer grows as needed, once.
    pub(crate) fn encode<'b>(
        &self,
        now: NanoTime,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], EncodeError> {
        let owned = &self.regions.owned;
        let slot_count = owned.geometry().slot_count();
        let pools = self
            .regions
            .pools
            .iter()
            .map(|pool| ShmPoolAnnouncePayloadPool {
                pool_id: pool.pool_id.get(),
                pool_nslots: slot_count,
                stride_bytes: pool.stride_bytes,
                region_uri: pool.uri.as_bytes(),
            });
        let announce = ShmPoolAnnounce {
            stream_id: owned.stream().get(),
            producer_id: self.producer.map_or(0, ClientId::get),
            epoch: owned.epoch().get(),
            // [TP-DRV-1140]
            announce_timestamp_ns: now.get(),
            announce_clock_domain: ClockDomain::Monotonic,
            layout_version: LAYOUT_VERSION,
            header_nslots: slot_count,
            header_slot_bytes: HEADER_SLOT_BYTES,
            payload_pools: &pools.collect::<Vec<_>>(),
            header_region_uri: self.regions.header_uri.as_bytes(),
        };
        let len = announce.encoded_len()?;
        if buffer.len() < len {
            buffer.resize(len, 0);
        }
        let written = announce.encode(&mut buffer[..len])?;
        Ok(&buffer[..written])
    }
}

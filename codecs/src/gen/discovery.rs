// Generated from schemas/discovery.xml by `cargo xtask codegen`. Do not edit.

//! Requests to, and answers from, the discovery service.
//!
//! Schema 910, version 1, package `shm.tensorpool.discovery`.

use crate::error::{DecodeError, EncodeError};
use crate::group::{Element, Group};
use crate::header::MessageHeader;
use crate::raw::{Measure, Reader, Writer, at, non_null, or_null, put};

/// The schema id in every message header.
pub const SCHEMA_ID: u16 = 910;

/// The schema version that is sent; any version from 1 is accepted.
pub const SCHEMA_VERSION: u16 = 1;

/// The messages of this schema that travel with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Template {
    /// Asks which streams match; what is absent or empty matches all.
    DiscoveryRequest = 1,
    /// The streams that match.
    DiscoveryResponse = 2,
}

impl Template {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 2] = [Self::DiscoveryRequest, Self::DiscoveryResponse];

    /// The message with this template id, if there is one.
    #[inline]
    #[must_use]
    pub const fn from_id(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::DiscoveryRequest),
            2 => Some(Self::DiscoveryResponse),
            _ => None,
        }
    }

    /// The template id.
    #[inline]
    #[must_use]
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiscoveryRequest => "DiscoveryRequest",
            Self::DiscoveryResponse => "DiscoveryResponse",
        }
    }
}

/// How a discovery request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DiscoveryStatus {
    /// Answered, perhaps with no results.
    Ok = 1,
    /// Nothing matches.
    NotFound = 2,
    /// The service failed.
    Error = 3,
}

impl DiscoveryStatus {
    /// All values, in the order of the schema.
    pub const ALL: [Self; 3] = [Self::Ok, Self::NotFound, Self::Error];

    /// The value this number stands for, if it is known.
    #[inline]
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Ok),
            2 => Some(Self::NotFound),
            3 => Some(Self::Error),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        self as u8
    }

    /// The name in the schema.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::NotFound => "NOT_FOUND",
            Self::Error => "ERROR",
        }
    }

    #[inline]
    fn checked(value: u8, what: &'static str) -> Result<Self, DecodeError> {
        Self::from_wire(value).ok_or(DecodeError::UnknownEnum {
            what,
            value: i64::from(value),
        })
    }
}

/// One entry of a group: Tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryRequestTag<'a> {
    /// One tag.
    pub tag: &'a [u8],
}

impl<'a> DiscoveryRequestTag<'a> {
    #[inline]
    fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
        len.data("DiscoveryRequestTag.tag", self.tag, 1073741824)?;
        Ok(())
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
        out.data("DiscoveryRequestTag.tag", self.tag)?;
        Ok(())
    }
}

impl<'a> Element<'a> for DiscoveryRequestTag<'a> {
    const BLOCK_LEN: u16 = 0;

    const MIN_LEN: usize = 4;

    fn accepts_block_len(block_len: u16) -> bool {
        matches!(block_len, 0 | 4)
    }

    fn read(reader: &mut Reader<'a>, _block_len: u16) -> Result<Self, DecodeError> {
        let tag = reader.data("DiscoveryRequestTag.tag", 1073741824)?;
        Ok(Self { tag })
    }
}

/// Asks which streams match; what is absent or empty matches all.
///
/// Template 1, block of 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryRequest<'a> {
    /// Ties the response to this request.
    pub request_id: u64,
    /// Who asks.
    pub client_id: u32,
    /// Aeron stream to answer on.
    pub response_stream_id: u32,
    /// Only this stream.
    pub stream_id: Option<u32>,
    /// Only this producer.
    pub producer_id: Option<u32>,
    /// Only this data source.
    pub data_source_id: Option<u64>,
    /// Tags.
    pub tags: &'a [DiscoveryRequestTag<'a>],
    /// Channel to answer on.
    pub response_channel: &'a [u8],
    /// Only data sources of this name; empty for any.
    pub data_source_name: &'a [u8],
}

impl<'a> DiscoveryRequest<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 1;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 32;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    ///
    /// # Errors
    /// [`EncodeError`] when a group or a string is too long for its type.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut len = Measure::new(40);
        len.group("DiscoveryRequest.tags", self.tags.len())?;
        for entry in self.tags {
            entry.measure(&mut len)?;
        }
        len.data(
            "DiscoveryRequest.responseChannel",
            self.response_channel,
            1073741824,
        )?;
        len.data(
            "DiscoveryRequest.dataSourceName",
            self.data_source_name,
            1073741824,
        )?;
        Ok(len.len())
    }

    /// Writes the message with its header to the start of `buf` and tells its length.
    ///
    /// # Errors
    /// [`EncodeError`] when `buf` is shorter than [`encoded_len`](Self::encoded_len), or that fails.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let len = self.encoded_len()?;
        let mut out = Writer::new(buf, len)?;
        out.header(Self::HEADER)?;
        self.write_block(out.block::<32>()?);
        out.group("DiscoveryRequest.tags", 0, self.tags.len())?;
        for entry in self.tags {
            entry.write(&mut out)?;
        }
        out.data("DiscoveryRequest.responseChannel", self.response_channel)?;
        out.data("DiscoveryRequest.dataSourceName", self.data_source_name)?;
        Ok(len)
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 32]) {
        put::<0, _, _>(block, self.request_id.to_le_bytes());
        put::<8, _, _>(block, self.client_id.to_le_bytes());
        put::<12, _, _>(block, self.response_stream_id.to_le_bytes());
        put::<16, _, _>(
            block,
            or_null(self.stream_id, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
        put::<20, _, _>(
            block,
            or_null(self.producer_id, u32::MAX, [u32::MAX]).to_le_bytes(),
        );
        put::<24, _, _>(
            block,
            or_null(self.data_source_id, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
    }
}

/// Asks which streams match; what is absent or empty matches all.
///
/// Template 1, block of 32 bytes.
///
/// This is [`DiscoveryRequest`] as it is read: groups are iterated over in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiscoveryRequestView<'a> {
    /// Ties the response to this request.
    pub request_id: u64,
    /// Who asks.
    pub client_id: u32,
    /// Aeron stream to answer on.
    pub response_stream_id: u32,
    /// Only this stream.
    pub stream_id: Option<u32>,
    /// Only this producer.
    pub producer_id: Option<u32>,
    /// Only this data source.
    pub data_source_id: Option<u64>,
    /// Tags.
    pub tags: Group<'a, DiscoveryRequestTag<'a>>,
    /// Channel to answer on.
    pub response_channel: &'a [u8],
    /// Only data sources of this name; empty for any.
    pub data_source_name: &'a [u8],
}

impl<'a> DiscoveryRequestView<'a> {
    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<32>(buf, "DiscoveryRequest", DiscoveryRequest::HEADER)?;
        let tags = reader.group("DiscoveryRequest.tags")?;
        let response_channel =
            reader.trailing_data("DiscoveryRequest.responseChannel", 1073741824)?;
        let data_source_name =
            reader.trailing_data("DiscoveryRequest.dataSourceName", 1073741824)?;
        Ok(Self {
            request_id: u64::from_le_bytes(at::<0, _, _>(block)),
            client_id: u32::from_le_bytes(at::<8, _, _>(block)),
            response_stream_id: u32::from_le_bytes(at::<12, _, _>(block)),
            stream_id: non_null(u32::from_le_bytes(at::<16, _, _>(block)), [u32::MAX]),
            producer_id: non_null(u32::from_le_bytes(at::<20, _, _>(block)), [u32::MAX]),
            data_source_id: non_null(u64::from_le_bytes(at::<24, _, _>(block)), [u64::MAX]),
            tags,
            response_channel,
            data_source_name,
        })
    }
}

/// One entry of a group: The payload pools of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryResponseResultPayloadPool<'a> {
    /// The pool, unique within the stream.
    pub pool_id: u16,
    /// Slots in the pool; the same power of two as the header ring.
    pub pool_nslots: u32,
    /// Bytes from one slot to the next; a multiple of 64.
    pub stride_bytes: u32,
    /// Where the pool is mapped from: `shm:file?path=..`.
    pub region_uri: &'a [u8],
}

impl<'a> DiscoveryResponseResultPayloadPool<'a> {
    #[inline]
    fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
        len.block(10);
        len.data(
            "DiscoveryResponseResultPayloadPool.regionUri",
            self.region_uri,
            1073741824,
        )?;
        Ok(())
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.write_block(out.block::<10>()?);
        out.data(
            "DiscoveryResponseResultPayloadPool.regionUri",
            self.region_uri,
        )?;
        Ok(())
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 10]) {
        put::<0, _, _>(block, self.pool_id.to_le_bytes());
        put::<2, _, _>(block, self.pool_nslots.to_le_bytes());
        put::<6, _, _>(block, self.stride_bytes.to_le_bytes());
    }
}

impl<'a> Element<'a> for DiscoveryResponseResultPayloadPool<'a> {
    const BLOCK_LEN: u16 = 10;

    const MIN_LEN: usize = 14;

    fn read(reader: &mut Reader<'a>, block_len: u16) -> Result<Self, DecodeError> {
        let block = reader.block::<10>("DiscoveryResponseResultPayloadPool", block_len)?;
        let region_uri = reader.data("DiscoveryResponseResultPayloadPool.regionUri", 1073741824)?;
        Ok(Self {
            pool_id: u16::from_le_bytes(at::<0, _, _>(block)),
            pool_nslots: u32::from_le_bytes(at::<2, _, _>(block)),
            stride_bytes: u32::from_le_bytes(at::<6, _, _>(block)),
            region_uri,
        })
    }
}

/// One entry of a group: Tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryResponseResultTag<'a> {
    /// One tag.
    pub tag: &'a [u8],
}

impl<'a> DiscoveryResponseResultTag<'a> {
    #[inline]
    fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
        len.data("DiscoveryResponseResultTag.tag", self.tag, 1073741824)?;
        Ok(())
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
        out.data("DiscoveryResponseResultTag.tag", self.tag)?;
        Ok(())
    }
}

impl<'a> Element<'a> for DiscoveryResponseResultTag<'a> {
    const BLOCK_LEN: u16 = 0;

    const MIN_LEN: usize = 4;

    fn accepts_block_len(block_len: u16) -> bool {
        matches!(block_len, 0 | 4)
    }

    fn read(reader: &mut Reader<'a>, _block_len: u16) -> Result<Self, DecodeError> {
        let tag = reader.data("DiscoveryResponseResultTag.tag", 1073741824)?;
        Ok(Self { tag })
    }
}

/// One entry of a group: The streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryResponseResult<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// Its producer; 0 when there is none.
    pub producer_id: u32,
    /// Its epoch.
    pub epoch: u64,
    /// Version of the layout.
    pub layout_version: u32,
    /// Slots in the header ring.
    pub header_nslots: u32,
    /// Bytes per header slot.
    pub header_slot_bytes: u16,
    /// Dimensions a tensor may have.
    pub max_dims: u8,
    /// Its data source.
    pub data_source_id: Option<u64>,
    /// Aeron stream to attach on.
    pub driver_control_stream_id: u32,
    /// The payload pools of the stream.
    pub payload_pools: &'a [DiscoveryResponseResultPayloadPool<'a>],
    /// Tags.
    pub tags: &'a [DiscoveryResponseResultTag<'a>],
    /// Where the header ring is mapped from.
    pub header_region_uri: &'a [u8],
    /// Name of its data source.
    pub data_source_name: &'a [u8],
    /// The driver that owns it.
    pub driver_instance_id: &'a [u8],
    /// Channel to attach on.
    pub driver_control_channel: &'a [u8],
}

impl<'a> DiscoveryResponseResult<'a> {
    #[inline]
    fn measure(&self, len: &mut Measure) -> Result<(), EncodeError> {
        len.block(39);
        len.group(
            "DiscoveryResponseResult.payloadPools",
            self.payload_pools.len(),
        )?;
        for entry in self.payload_pools {
            entry.measure(len)?;
        }
        len.group("DiscoveryResponseResult.tags", self.tags.len())?;
        for entry in self.tags {
            entry.measure(len)?;
        }
        len.data(
            "DiscoveryResponseResult.headerRegionUri",
            self.header_region_uri,
            1073741824,
        )?;
        len.data(
            "DiscoveryResponseResult.dataSourceName",
            self.data_source_name,
            1073741824,
        )?;
        len.data(
            "DiscoveryResponseResult.driverInstanceId",
            self.driver_instance_id,
            1073741824,
        )?;
        len.data(
            "DiscoveryResponseResult.driverControlChannel",
            self.driver_control_channel,
            1073741824,
        )?;
        Ok(())
    }

    #[inline]
    fn write(&self, out: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.write_block(out.block::<39>()?);
        out.group(
            "DiscoveryResponseResult.payloadPools",
            10,
            self.payload_pools.len(),
        )?;
        for entry in self.payload_pools {
            entry.write(out)?;
        }
        out.group("DiscoveryResponseResult.tags", 0, self.tags.len())?;
        for entry in self.tags {
            entry.write(out)?;
        }
        out.data(
            "DiscoveryResponseResult.headerRegionUri",
            self.header_region_uri,
        )?;
        out.data(
            "DiscoveryResponseResult.dataSourceName",
            self.data_source_name,
        )?;
        out.data(
            "DiscoveryResponseResult.driverInstanceId",
            self.driver_instance_id,
        )?;
        out.data(
            "DiscoveryResponseResult.driverControlChannel",
            self.driver_control_channel,
        )?;
        Ok(())
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 39]) {
        put::<0, _, _>(block, self.stream_id.to_le_bytes());
        put::<4, _, _>(block, self.producer_id.to_le_bytes());
        put::<8, _, _>(block, self.epoch.to_le_bytes());
        put::<16, _, _>(block, self.layout_version.to_le_bytes());
        put::<20, _, _>(block, self.header_nslots.to_le_bytes());
        put::<24, _, _>(block, self.header_slot_bytes.to_le_bytes());
        put::<26, _, _>(block, self.max_dims.to_le_bytes());
        put::<27, _, _>(
            block,
            or_null(self.data_source_id, u64::MAX, [u64::MAX]).to_le_bytes(),
        );
        put::<35, _, _>(block, self.driver_control_stream_id.to_le_bytes());
    }
}

/// One entry of a group: The streams.
///
/// This is [`DiscoveryResponseResult`] as it is read: groups are iterated over in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiscoveryResponseResultView<'a> {
    /// The tensor pool stream.
    pub stream_id: u32,
    /// Its producer; 0 when there is none.
    pub producer_id: u32,
    /// Its epoch.
    pub epoch: u64,
    /// Version of the layout.
    pub layout_version: u32,
    /// Slots in the header ring.
    pub header_nslots: u32,
    /// Bytes per header slot.
    pub header_slot_bytes: u16,
    /// Dimensions a tensor may have.
    pub max_dims: u8,
    /// Its data source.
    pub data_source_id: Option<u64>,
    /// Aeron stream to attach on.
    pub driver_control_stream_id: u32,
    /// The payload pools of the stream.
    pub payload_pools: Group<'a, DiscoveryResponseResultPayloadPool<'a>>,
    /// Tags.
    pub tags: Group<'a, DiscoveryResponseResultTag<'a>>,
    /// Where the header ring is mapped from.
    pub header_region_uri: &'a [u8],
    /// Name of its data source.
    pub data_source_name: &'a [u8],
    /// The driver that owns it.
    pub driver_instance_id: &'a [u8],
    /// Channel to attach on.
    pub driver_control_channel: &'a [u8],
}

impl<'a> Element<'a> for DiscoveryResponseResultView<'a> {
    const BLOCK_LEN: u16 = 39;

    const MIN_LEN: usize = 63;

    fn read(reader: &mut Reader<'a>, block_len: u16) -> Result<Self, DecodeError> {
        let block = reader.block::<39>("DiscoveryResponseResult", block_len)?;
        let payload_pools = reader.group("DiscoveryResponseResult.payloadPools")?;
        let tags = reader.group("DiscoveryResponseResult.tags")?;
        let header_region_uri =
            reader.data("DiscoveryResponseResult.headerRegionUri", 1073741824)?;
        let data_source_name = reader.data("DiscoveryResponseResult.dataSourceName", 1073741824)?;
        let driver_instance_id =
            reader.data("DiscoveryResponseResult.driverInstanceId", 1073741824)?;
        let driver_control_channel =
            reader.data("DiscoveryResponseResult.driverControlChannel", 1073741824)?;
        Ok(Self {
            stream_id: u32::from_le_bytes(at::<0, _, _>(block)),
            producer_id: u32::from_le_bytes(at::<4, _, _>(block)),
            epoch: u64::from_le_bytes(at::<8, _, _>(block)),
            layout_version: u32::from_le_bytes(at::<16, _, _>(block)),
            header_nslots: u32::from_le_bytes(at::<20, _, _>(block)),
            header_slot_bytes: u16::from_le_bytes(at::<24, _, _>(block)),
            max_dims: u8::from_le_bytes(at::<26, _, _>(block)),
            data_source_id: non_null(u64::from_le_bytes(at::<27, _, _>(block)), [u64::MAX]),
            driver_control_stream_id: u32::from_le_bytes(at::<35, _, _>(block)),
            payload_pools,
            tags,
            header_region_uri,
            data_source_name,
            driver_instance_id,
            driver_control_channel,
        })
    }
}

/// The streams that match.
///
/// Template 2, block of 9 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryResponse<'a> {
    /// The request answered.
    pub request_id: u64,
    /// How it ended.
    pub status: DiscoveryStatus,
    /// The streams.
    pub results: &'a [DiscoveryResponseResult<'a>],
    /// Why it failed; empty otherwise.
    pub error_message: &'a [u8],
}

impl<'a> DiscoveryResponse<'a> {
    /// The template id.
    pub const TEMPLATE_ID: u16 = 2;

    /// Bytes of fixed fields behind the header.
    pub const BLOCK_LEN: u16 = 9;

    /// The message header as it is sent.
    pub const HEADER: MessageHeader = MessageHeader {
        block_length: Self::BLOCK_LEN,
        template_id: Self::TEMPLATE_ID,
        schema_id: SCHEMA_ID,
        version: SCHEMA_VERSION,
    };

    /// Bytes the message takes, header included.
    ///
    /// # Errors
    /// [`EncodeError`] when a group or a string is too long for its type.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut len = Measure::new(17);
        len.group("DiscoveryResponse.results", self.results.len())?;
        for entry in self.results {
            entry.measure(&mut len)?;
        }
        len.data(
            "DiscoveryResponse.errorMessage",
            self.error_message,
            1073741824,
        )?;
        Ok(len.len())
    }

    /// Writes the message with its header to the start of `buf` and tells its length.
    ///
    /// # Errors
    /// [`EncodeError`] when `buf` is shorter than [`encoded_len`](Self::encoded_len), or that fails.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, EncodeError> {
        let len = self.encoded_len()?;
        let mut out = Writer::new(buf, len)?;
        out.header(Self::HEADER)?;
        self.write_block(out.block::<9>()?);
        out.group("DiscoveryResponse.results", 39, self.results.len())?;
        for entry in self.results {
            entry.write(&mut out)?;
        }
        out.data("DiscoveryResponse.errorMessage", self.error_message)?;
        Ok(len)
    }

    #[inline]
    fn write_block(&self, block: &mut [u8; 9]) {
        put::<0, _, _>(block, self.request_id.to_le_bytes());
        put::<8, _, _>(block, self.status.to_wire().to_le_bytes());
    }
}

/// The streams that match.
///
/// Template 2, block of 9 bytes.
///
/// This is [`DiscoveryResponse`] as it is read: groups are iterated over in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiscoveryResponseView<'a> {
    /// The request answered.
    pub request_id: u64,
    /// How it ended.
    pub status: DiscoveryStatus,
    /// The streams.
    pub results: Group<'a, DiscoveryResponseResultView<'a>>,
    /// Why it failed; empty otherwise.
    pub error_message: &'a [u8],
}

impl<'a> DiscoveryResponseView<'a> {
    /// Reads the message at the start of `buf`, header first.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not this message, or not all of it.
    pub fn decode(buf: &'a [u8]) -> Result<Self, DecodeError> {
        let (block, mut reader) =
            Reader::open::<9>(buf, "DiscoveryResponse", DiscoveryResponse::HEADER)?;
        let results = reader.group("DiscoveryResponse.results")?;
        let error_message = reader.trailing_data("DiscoveryResponse.errorMessage", 1073741824)?;
        Ok(Self {
            request_id: u64::from_le_bytes(at::<0, _, _>(block)),
            status: DiscoveryStatus::checked(
                u8::from_le_bytes(at::<8, _, _>(block)),
                "DiscoveryResponse.status",
            )?,
            results,
            error_message,
        })
    }
}

//! Every message with its golden bytes and its decoder, for tests over all of them.

use tensorpool_codecs::gate::Message;
use tensorpool_codecs::{DecodeError, bridge, discovery, driver, event, merge, tracelink, wire};

use crate::{
    golden_driver as d, golden_services as s, golden_shared_memory as m, golden_wire as w,
};

/// Every message: what it is, its golden bytes, and a decoder that reads all there is to read.
pub(crate) type Case = (
    Message,
    &'static str,
    fn(&[u8]) -> Result<usize, DecodeError>,
);

macro_rules! case {
    ($kind:ident, $module:ident::$name:ident, $view:ident, $text:expr) => {
        (
            Message::$kind($module::Template::$name),
            $text,
            // Formatting walks every group to its end.
            |buf| Ok(format!("{:?}", $module::$view::decode(buf)?).len()),
        )
    };
}

/// All messages of all schemas.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        case!(
            Wire,
            wire::ShmPoolAnnounce,
            ShmPoolAnnounceView,
            w::SHM_POOL_ANNOUNCE
        ),
        case!(
            Wire,
            wire::ConsumerHello,
            ConsumerHelloView,
            w::CONSUMER_HELLO
        ),
        case!(
            Wire,
            wire::ConsumerConfig,
            ConsumerConfigView,
            w::CONSUMER_CONFIG
        ),
        case!(
            Wire,
            wire::FrameDescriptor,
            FrameDescriptorView,
            w::FRAME_DESCRIPTOR
        ),
        case!(
            Wire,
            wire::FrameProgress,
            FrameProgressView,
            w::FRAME_PROGRESS
        ),
        case!(Wire, wire::QosConsumer, QosConsumerView, w::QOS_CONSUMER),
        case!(Wire, wire::QosProducer, QosProducerView, w::QOS_PRODUCER),
        case!(Wire, wire::TensorHeader, TensorHeaderView, m::TENSOR_HEADER),
        case!(
            Wire,
            wire::DataSourceAnnounce,
            DataSourceAnnounceView,
            w::DATA_SOURCE_ANNOUNCE
        ),
        case!(
            Wire,
            wire::DataSourceMeta,
            DataSourceMetaView,
            w::DATA_SOURCE_META
        ),
        case!(
            Wire,
            wire::ControlResponse,
            ControlResponseView,
            w::CONTROL_RESPONSE
        ),
        case!(
            Wire,
            wire::MetaBlobAnnounce,
            MetaBlobAnnounceView,
            w::META_BLOB_ANNOUNCE
        ),
        case!(
            Wire,
            wire::MetaBlobChunk,
            MetaBlobChunkView,
            w::META_BLOB_CHUNK
        ),
        case!(
            Wire,
            wire::MetaBlobComplete,
            MetaBlobCompleteView,
            w::META_BLOB_COMPLETE
        ),
        case!(
            Driver,
            driver::ShmAttachRequest,
            ShmAttachRequestView,
            d::SHM_ATTACH_REQUEST
        ),
        case!(
            Driver,
            driver::ShmAttachResponse,
            ShmAttachResponseView,
            d::SHM_ATTACH_RESPONSE
        ),
        case!(
            Driver,
            driver::ShmDetachRequest,
            ShmDetachRequestView,
            d::SHM_DETACH_REQUEST
        ),
        case!(
            Driver,
            driver::ShmDetachResponse,
            ShmDetachResponseView,
            d::SHM_DETACH_RESPONSE
        ),
        case!(
            Driver,
            driver::ShmLeaseKeepalive,
            ShmLeaseKeepaliveView,
            d::SHM_LEASE_KEEPALIVE
        ),
        case!(
            Driver,
            driver::ShmDriverShutdown,
            ShmDriverShutdownView,
            d::SHM_DRIVER_SHUTDOWN
        ),
        case!(
            Driver,
            driver::ShmLeaseRevoked,
            ShmLeaseRevokedView,
            d::SHM_LEASE_REVOKED
        ),
        case!(
            Driver,
            driver::ShmDriverShutdownRequest,
            ShmDriverShutdownRequestView,
            d::SHM_DRIVER_SHUTDOWN_REQUEST
        ),
        case!(
            Bridge,
            bridge::BridgeFrameChunk,
            BridgeFrameChunkView,
            s::BRIDGE_FRAME_CHUNK
        ),
        case!(
            Merge,
            merge::SequenceMergeMapAnnounce,
            SequenceMergeMapAnnounceView,
            s::SEQUENCE_MERGE_MAP_ANNOUNCE
        ),
        case!(
            Merge,
            merge::SequenceMergeMapRequest,
            SequenceMergeMapRequestView,
            s::SEQUENCE_MERGE_MAP_REQUEST
        ),
        case!(
            Merge,
            merge::TimestampMergeMapAnnounce,
            TimestampMergeMapAnnounceView,
            s::TIMESTAMP_MERGE_MAP_ANNOUNCE
        ),
        case!(
            Merge,
            merge::TimestampMergeMapRequest,
            TimestampMergeMapRequestView,
            s::TIMESTAMP_MERGE_MAP_REQUEST
        ),
        case!(
            TraceLink,
            tracelink::TraceLinkSet,
            TraceLinkSetView,
            s::TRACE_LINK_SET
        ),
        case!(
            Discovery,
            discovery::DiscoveryRequest,
            DiscoveryRequestView,
            s::DISCOVERY_REQUEST
        ),
        case!(
            Discovery,
            discovery::DiscoveryResponse,
            DiscoveryResponseView,
            s::DISCOVERY_RESPONSE
        ),
        case!(
            Event,
            event::EventMessage,
            EventMessageView,
            s::EVENT_MESSAGE
        ),
    ]
}

//! Schemas 902 (bridge), 903 (merge), 904 (lineage), 910 (discovery) and 950 (events).

use tensorpool_codecs::bridge::BridgeFrameChunk;
use tensorpool_codecs::discovery::{
    DiscoveryRequest, DiscoveryRequestTag, DiscoveryRequestView, DiscoveryResponse,
    DiscoveryResponseResult, DiscoveryResponseResultPayloadPool, DiscoveryResponseResultTag,
    DiscoveryResponseView, DiscoveryStatus,
};
use tensorpool_codecs::event::{EventMessage, Format};
use tensorpool_codecs::merge::{
    ClockDomain, MergeRuleType, MergeTimeRuleType, SequenceMergeMapAnnounce,
    SequenceMergeMapAnnounceRule, SequenceMergeMapAnnounceView, SequenceMergeMapRequest,
    TimestampMergeMapAnnounce, TimestampMergeMapAnnounceRule, TimestampMergeMapAnnounceView,
    TimestampMergeMapRequest, TimestampSource,
};
use tensorpool_codecs::tracelink::{TraceLinkSet, TraceLinkSetParent, TraceLinkSetView};

use crate::support::golden;

pub(crate) const BRIDGE_FRAME_CHUNK: &str = "
    35 00  01 00  86 03  01 00        # block 53, template 1, schema 902, version 1
    10 27 00 00                       #  0 streamId 10000
    08 07 06 05 04 03 02 01           #  4 epoch
    18 17 16 15 14 13 12 11           # 12 seq
    28 27 26 25 24 23 22 21           # 20 traceId
    02 00 00 00                       # 28 chunkIndex 2
    03 00 00 00                       # 32 chunkCount 3
    00 08 00 00                       # 36 chunkOffset 2048
    04 00 00 00                       # 40 chunkLength 4
    04 08 00 00                       # 44 payloadLength 2052
    DD CC BB AA                       # 48 payloadCrc32c
    00                                # 52 headerIncluded FALSE
    00 00 00 00                       # headerBytes empty
    04 00 00 00  01 02 03 04          # payloadBytes
";

golden!(
    /// Proves [TP-WIRE-0810].
    bridge_frame_chunk: BRIDGE_FRAME_CHUNK, BridgeFrameChunk {
    stream_id: 10000,
    epoch: 0x0102_0304_0506_0708,
    seq: 0x1112_1314_1516_1718,
    trace_id: Some(0x2122_2324_2526_2728),
    chunk_index: 2,
    chunk_count: 3,
    chunk_offset: 2048,
    chunk_length: 4,
    payload_length: 2052,
    payload_crc32c: 0xAABB_CCDD,
    header_included: false,
    header_bytes: b"",
    payload_bytes: &[1, 2, 3, 4],
}, BridgeFrameChunkView from bridge, tails [8, 12]);

pub(crate) const SEQUENCE_MERGE_MAP_ANNOUNCE: &str = "
    14 00  01 00  87 03  01 00        # block 20, template 1, schema 903, version 1
    10 27 00 00                       #  0 outStreamId 10000
    08 07 06 05 04 03 02 01           #  4 epoch
    18 17 16 15 14 13 12 11           # 12 staleTimeoutNs
    0D 00  02 00                      # rules: block 13, two entries
      11 27 00 00                     #   inputStreamId 10001
      00                              #   ruleType OFFSET
      FD FF FF FF                     #   offset -3
      FF FF FF FF                     #   windowSize absent
      12 27 00 00                     #   inputStreamId 10002
      01                              #   ruleType WINDOW
      00 00 00 80                     #   offset absent
      08 00 00 00                     #   windowSize 8
";

const SEQUENCE_RULES: [SequenceMergeMapAnnounceRule; 2] = [
    SequenceMergeMapAnnounceRule {
        input_stream_id: 10001,
        rule_type: MergeRuleType::Offset,
        offset: Some(-3),
        window_size: None,
    },
    SequenceMergeMapAnnounceRule {
        input_stream_id: 10002,
        rule_type: MergeRuleType::Window,
        offset: None,
        window_size: Some(8),
    },
];

golden!(
    /// Proves [TP-WIRE-0820].
    sequence_merge_map_announce: SEQUENCE_MERGE_MAP_ANNOUNCE, SequenceMergeMapAnnounce {
    out_stream_id: 10000,
    epoch: 0x0102_0304_0506_0708,
    stale_timeout_ns: Some(0x1112_1314_1516_1718),
    rules: &SEQUENCE_RULES,
}, SequenceMergeMapAnnounceView from merge, tails [], |decoded: &SequenceMergeMapAnnounceView<'_>| {
    assert_eq!(decoded.out_stream_id, 10000);
    assert_eq!(decoded.epoch, 0x0102_0304_0506_0708);
    assert_eq!(decoded.stale_timeout_ns, Some(0x1112_1314_1516_1718));
    assert_eq!(decoded.rules.iter().collect::<Vec<_>>(), SEQUENCE_RULES);
});

pub(crate) const SEQUENCE_MERGE_MAP_REQUEST: &str = "
    0C 00  02 00  87 03  01 00        # block 12, template 2, schema 903, version 1
    10 27 00 00                       #  0 outStreamId 10000
    08 07 06 05 04 03 02 01           #  4 epoch
";

golden!(
    /// Proves [TP-WIRE-0830].
    sequence_merge_map_request: SEQUENCE_MERGE_MAP_REQUEST, SequenceMergeMapRequest {
    out_stream_id: 10000,
    epoch: 0x0102_0304_0506_0708,
}, SequenceMergeMapRequestView from merge, tails []);

pub(crate) const TIMESTAMP_MERGE_MAP_ANNOUNCE: &str = "
    1D 00  03 00  87 03  01 00        # block 29, template 3, schema 903, version 1
    10 27 00 00                       #  0 outStreamId 10000
    08 07 06 05 04 03 02 01           #  4 epoch
    18 17 16 15 14 13 12 11           # 12 staleTimeoutNs
    01                                # 20 clockDomain MONOTONIC
    28 27 26 25 24 23 22 21           # 21 latenessNs
    16 00  02 00                      # rules: block 22, two entries
      11 27 00 00                     #   inputStreamId 10001
      00  01                          #   ruleType OFFSET_NS, timestampSource FRAME_DESCRIPTOR
      FE FF FF FF FF FF FF FF         #   offsetNs -2
      FF FF FF FF FF FF FF FF         #   windowNs absent
      12 27 00 00                     #   inputStreamId 10002
      01  02                          #   ruleType WINDOW_NS, timestampSource SLOT_HEADER
      00 00 00 00 00 00 00 80         #   offsetNs absent
      40 42 0F 00 00 00 00 00         #   windowNs 1000000
";

const TIME_RULES: [TimestampMergeMapAnnounceRule; 2] = [
    TimestampMergeMapAnnounceRule {
        input_stream_id: 10001,
        rule_type: MergeTimeRuleType::OffsetNs,
        timestamp_source: TimestampSource::FrameDescriptor,
        offset_ns: Some(-2),
        window_ns: None,
    },
    TimestampMergeMapAnnounceRule {
        input_stream_id: 10002,
        rule_type: MergeTimeRuleType::WindowNs,
        timestamp_source: TimestampSource::SlotHeader,
        offset_ns: None,
        window_ns: Some(1_000_000),
    },
];

golden!(
    /// Proves [TP-WIRE-0840].
    timestamp_merge_map_announce: TIMESTAMP_MERGE_MAP_ANNOUNCE, TimestampMergeMapAnnounce {
    out_stream_id: 10000,
    epoch: 0x0102_0304_0506_0708,
    stale_timeout_ns: Some(0x1112_1314_1516_1718),
    clock_domain: ClockDomain::Monotonic,
    lateness_ns: Some(0x2122_2324_2526_2728),
    rules: &TIME_RULES,
}, TimestampMergeMapAnnounceView from merge, tails [], |decoded: &TimestampMergeMapAnnounceView<'_>| {
    assert_eq!(decoded.out_stream_id, 10000);
    assert_eq!(decoded.epoch, 0x0102_0304_0506_0708);
    assert_eq!(decoded.stale_timeout_ns, Some(0x1112_1314_1516_1718));
    assert_eq!(decoded.clock_domain, ClockDomain::Monotonic);
    assert_eq!(decoded.lateness_ns, Some(0x2122_2324_2526_2728));
    assert_eq!(decoded.rules.iter().collect::<Vec<_>>(), TIME_RULES);
});

pub(crate) const TIMESTAMP_MERGE_MAP_REQUEST: &str = "
    0C 00  04 00  87 03  01 00        # block 12, template 4, schema 903, version 1
    10 27 00 00                       #  0 outStreamId 10000
    08 07 06 05 04 03 02 01           #  4 epoch
";

golden!(
    /// Proves [TP-WIRE-0850].
    timestamp_merge_map_request: TIMESTAMP_MERGE_MAP_REQUEST, TimestampMergeMapRequest {
    out_stream_id: 10000,
    epoch: 0x0102_0304_0506_0708,
}, TimestampMergeMapRequestView from merge, tails []);

pub(crate) const TRACE_LINK_SET: &str = "
    1C 00  01 00  88 03  01 00        # block 28, template 1, schema 904, version 1
    10 27 00 00                       #  0 streamId 10000
    08 07 06 05 04 03 02 01           #  4 epoch
    18 17 16 15 14 13 12 11           # 12 seq
    28 27 26 25 24 23 22 21           # 20 traceId
    08 00  02 00                      # parents: block 8, two entries
      38 37 36 35 34 33 32 31         #   traceId
      01 00 00 00 00 00 00 00         #   traceId 1
";

const PARENTS: [TraceLinkSetParent; 2] = [
    TraceLinkSetParent {
        trace_id: 0x3132_3334_3536_3738,
    },
    TraceLinkSetParent { trace_id: 1 },
];

golden!(
    /// Proves [TP-WIRE-0860].
    trace_link_set: TRACE_LINK_SET, TraceLinkSet {
    stream_id: 10000,
    epoch: 0x0102_0304_0506_0708,
    seq: 0x1112_1314_1516_1718,
    trace_id: 0x2122_2324_2526_2728,
    parents: &PARENTS,
}, TraceLinkSetView from tracelink, tails [], |decoded: &TraceLinkSetView<'_>| {
    assert_eq!(decoded.stream_id, 10000);
    assert_eq!(decoded.epoch, 0x0102_0304_0506_0708);
    assert_eq!(decoded.seq, 0x1112_1314_1516_1718);
    assert_eq!(decoded.trace_id, 0x2122_2324_2526_2728);
    assert_eq!(decoded.parents.iter().collect::<Vec<_>>(), PARENTS);
});

pub(crate) const DISCOVERY_REQUEST: &str = "
    20 00  01 00  8E 03  01 00        # block 32, template 1, schema 910, version 1
    08 07 06 05 04 03 02 01           #  0 requestId
    07 00 00 00                       #  8 clientId 7
    5C 1B 00 00                       # 12 responseStreamId 7004
    10 27 00 00                       # 16 streamId 10000
    09 00 00 00                       # 20 producerId 9
    18 17 16 15 14 13 12 11           # 24 dataSourceId
    00 00  02 00                      # tags: block 0, two entries
      03 00 00 00  6C 61 62           #   lab
      00 00 00 00                     #   empty
    03 00 00 00  69 70 63             # responseChannel ipc
    02 00 00 00  64 73                # dataSourceName ds
";

const REQUEST_TAGS: [DiscoveryRequestTag<'static>; 2] = [
    DiscoveryRequestTag { tag: b"lab" },
    DiscoveryRequestTag { tag: b"" },
];

golden!(
    /// Proves [TP-WIRE-0870].
    discovery_request: DISCOVERY_REQUEST, DiscoveryRequest {
    request_id: 0x0102_0304_0506_0708,
    client_id: 7,
    response_stream_id: 7004,
    stream_id: Some(10000),
    producer_id: Some(9),
    data_source_id: Some(0x1112_1314_1516_1718),
    tags: &REQUEST_TAGS,
    response_channel: b"ipc",
    data_source_name: b"ds",
}, DiscoveryRequestView from discovery, tails [6, 13], |decoded: &DiscoveryRequestView<'_>| {
    assert_eq!(decoded.request_id, 0x0102_0304_0506_0708);
    assert_eq!(decoded.client_id, 7);
    assert_eq!(decoded.response_stream_id, 7004);
    assert_eq!(decoded.stream_id, Some(10000));
    assert_eq!(decoded.producer_id, Some(9));
    assert_eq!(decoded.data_source_id, Some(0x1112_1314_1516_1718));
    assert_eq!(decoded.tags.iter().collect::<Vec<_>>(), REQUEST_TAGS);
    assert_eq!(decoded.response_channel, b"ipc");
    assert_eq!(decoded.data_source_name, b"ds");
});

pub(crate) const DISCOVERY_RESPONSE: &str = "
    09 00  02 00  8E 03  01 00        # block 9, template 2, schema 910, version 1
    08 07 06 05 04 03 02 01           #  0 requestId
    01                                #  8 status OK
    27 00  02 00                      # results: block 39, two entries
      10 27 00 00                     #    0 streamId 10000
      07 00 00 00                     #    4 producerId 7
      18 17 16 15 14 13 12 11         #    8 epoch
      01 00 00 00                     #   16 layoutVersion 1
      40 00 00 00                     #   20 headerNslots 64
      00 01                           #   24 headerSlotBytes 256
      08                              #   26 maxDims 8
      28 27 26 25 24 23 22 21         #   27 dataSourceId
      E8 03 00 00                     #   35 driverControlStreamId 1000
      0A 00  01 00                    #   payloadPools: block 10, one entry
        01 00  40 00 00 00  00 10 00 00 #   poolId 1, poolNslots 64, strideBytes 4096
        03 00 00 00  61 2E 70         #     regionUri a.p
      00 00  01 00                    #   tags: block 0, one entry
        01 00 00 00  74               #     t
      04 00 00 00  68 2E 72 67        #   headerRegionUri h.rg
      02 00 00 00  64 73              #   dataSourceName ds
      01 00 00 00  69                 #   driverInstanceId i
      03 00 00 00  69 70 63           #   driverControlChannel ipc
      11 27 00 00                     #    0 streamId 10001
      00 00 00 00                     #    4 producerId none
      02 00 00 00 00 00 00 00         #    8 epoch 2
      01 00 00 00                     #   16 layoutVersion 1
      04 00 00 00                     #   20 headerNslots 4
      00 01                           #   24 headerSlotBytes 256
      08                              #   26 maxDims 8
      FF FF FF FF FF FF FF FF         #   27 dataSourceId absent
      E8 03 00 00                     #   35 driverControlStreamId 1000
      0A 00  00 00                    #   payloadPools: none
      00 00  00 00                    #   tags: none
      00 00 00 00                     #   headerRegionUri empty
      00 00 00 00                     #   dataSourceName empty
      00 00 00 00                     #   driverInstanceId empty
      00 00 00 00                     #   driverControlChannel empty
    02 00 00 00  65 6D                # errorMessage em
";

const RESULT_POOLS: [DiscoveryResponseResultPayloadPool<'static>; 1] =
    [DiscoveryResponseResultPayloadPool {
        pool_id: 1,
        pool_nslots: 64,
        stride_bytes: 4096,
        region_uri: b"a.p",
    }];
const RESULT_TAGS: [DiscoveryResponseResultTag<'static>; 1] =
    [DiscoveryResponseResultTag { tag: b"t" }];
const RESULTS: [DiscoveryResponseResult<'static>; 2] = [
    DiscoveryResponseResult {
        stream_id: 10000,
        producer_id: 7,
        epoch: 0x1112_1314_1516_1718,
        layout_version: 1,
        header_nslots: 64,
        header_slot_bytes: 256,
        max_dims: 8,
        data_source_id: Some(0x2122_2324_2526_2728),
        driver_control_stream_id: 1000,
        payload_pools: &RESULT_POOLS,
        tags: &RESULT_TAGS,
        header_region_uri: b"h.rg",
        data_source_name: b"ds",
        driver_instance_id: b"i",
        driver_control_channel: b"ipc",
    },
    DiscoveryResponseResult {
        stream_id: 10001,
        producer_id: 0,
        epoch: 2,
        layout_version: 1,
        header_nslots: 4,
        header_slot_bytes: 256,
        max_dims: 8,
        data_source_id: None,
        driver_control_stream_id: 1000,
        payload_pools: &[],
        tags: &[],
        header_region_uri: b"",
        data_source_name: b"",
        driver_instance_id: b"",
        driver_control_channel: b"",
    },
];

golden!(
    /// Proves [TP-WIRE-0880].
    discovery_response: DISCOVERY_RESPONSE, DiscoveryResponse {
    request_id: 0x0102_0304_0506_0708,
    status: DiscoveryStatus::Ok,
    results: &RESULTS,
    error_message: b"em",
}, DiscoveryResponseView from discovery, tails [6], |decoded: &DiscoveryResponseView<'_>| {
    assert_eq!(decoded.request_id, 0x0102_0304_0506_0708);
    assert_eq!(decoded.status, DiscoveryStatus::Ok);
    assert_eq!(decoded.results.len(), RESULTS.len());
    for (found, expected) in decoded.results.iter().zip(RESULTS) {
        let pools: Vec<_> = found.payload_pools.iter().collect();
        let tags: Vec<_> = found.tags.iter().collect();
        let found = DiscoveryResponseResult {
            stream_id: found.stream_id,
            producer_id: found.producer_id,
            epoch: found.epoch,
            layout_version: found.layout_version,
            header_nslots: found.header_nslots,
            header_slot_bytes: found.header_slot_bytes,
            max_dims: found.max_dims,
            data_source_id: found.data_source_id,
            driver_control_stream_id: found.driver_control_stream_id,
            payload_pools: &pools,
            tags: &tags,
            header_region_uri: found.header_region_uri,
            data_source_name: found.data_source_name,
            driver_instance_id: found.driver_instance_id,
            driver_control_channel: found.driver_control_channel,
        };
        assert_eq!(found, expected);
    }
    assert_eq!(decoded.error_message, b"em");
});

pub(crate) const EVENT_MESSAGE: &str = "
    28 00  01 00  B6 03  01 00        # block 40, template 1, schema 950, version 1
    FF FF FF FF FF FF FF FF           #  0 timestampNs -1
    18 17 16 15 14 13 12 11           #  8 correlationId
    0F                                # 16 format REF
    00 00 00                          # 17 padding
    10 27 00 00                       # 20 refStreamId 10000
    28 27 26 25 24 23 22 21           # 24 refEpoch
    38 37 36 35 34 33 32 31           # 32 refSeq
    03 00 00 00  73 3A 72             # tag s:r
    01 00 00 00  6B                   # key k
    00 00 00 00                       # value empty
";

golden!(
    /// Proves [TP-WIRE-0890].
    event_message: EVENT_MESSAGE, EventMessage {
    timestamp_ns: -1,
    correlation_id: 0x1112_1314_1516_1718,
    format: Format::Ref,
    ref_stream_id: Some(10000),
    ref_epoch: Some(0x2122_2324_2526_2728),
    ref_seq: Some(0x3132_3334_3536_3738),
    tag: b"s:r",
    key: b"k",
    value: b"",
}, EventMessageView from event, tails [4, 9, 16]);

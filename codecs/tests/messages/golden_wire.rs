//! Schema 900: the messages that travel.

use tensorpool_codecs::wire::{
    ClockDomain, ConsumerConfig, ConsumerHello, ControlResponse, DataSourceAnnounce,
    DataSourceMeta, DataSourceMetaAttribute, DataSourceMetaView, FrameDescriptor, FrameProgress,
    FrameProgressState, MetaBlobAnnounce, MetaBlobChunk, MetaBlobComplete, Mode, QosConsumer,
    QosProducer, ResponseCode, ShmPoolAnnounce, ShmPoolAnnouncePayloadPool, ShmPoolAnnounceView,
};

use crate::support::golden;

pub(crate) const SHM_POOL_ANNOUNCE: &str = "
    23 00  01 00  84 03  01 00        # block 35, template 1, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    07 00 00 00                       #  4 producerId 7
    08 07 06 05 04 03 02 01           #  8 epoch
    18 17 16 15 14 13 12 11           # 16 announceTimestampNs
    02                                # 24 announceClockDomain REALTIME_SYNCED
    01 00 00 00                       # 25 layoutVersion 1
    40 00 00 00                       # 29 headerNslots 64
    00 01                             # 33 headerSlotBytes 256
    0A 00  02 00                      # payloadPools: block 10, two entries
      01 00  40 00 00 00  00 10 00 00 #   poolId 1, poolNslots 64, strideBytes 4096
      03 00 00 00  61 2E 70           #   regionUri a.p
      02 00  40 00 00 00  00 00 10 00 #   poolId 2, poolNslots 64, strideBytes 1048576
      00 00 00 00                     #   regionUri empty
    04 00 00 00  68 2E 72 67          # headerRegionUri h.rg
";

const POOLS: [ShmPoolAnnouncePayloadPool<'static>; 2] = [
    ShmPoolAnnouncePayloadPool {
        pool_id: 1,
        pool_nslots: 64,
        stride_bytes: 4096,
        region_uri: b"a.p",
    },
    ShmPoolAnnouncePayloadPool {
        pool_id: 2,
        pool_nslots: 64,
        stride_bytes: 1 << 20,
        region_uri: b"",
    },
];

golden!(
    /// Proves [TP-WIRE-0510].
    shm_pool_announce: SHM_POOL_ANNOUNCE, ShmPoolAnnounce {
    stream_id: 10000,
    producer_id: 7,
    epoch: 0x0102_0304_0506_0708,
    announce_timestamp_ns: 0x1112_1314_1516_1718,
    announce_clock_domain: ClockDomain::RealtimeSynced,
    layout_version: 1,
    header_nslots: 64,
    header_slot_bytes: 256,
    payload_pools: &POOLS,
    header_region_uri: b"h.rg",
}, ShmPoolAnnounceView from wire, tails [8], |decoded: &ShmPoolAnnounceView<'_>| {
    assert_eq!(decoded.stream_id, 10000);
    assert_eq!(decoded.producer_id, 7);
    assert_eq!(decoded.epoch, 0x0102_0304_0506_0708);
    assert_eq!(decoded.announce_timestamp_ns, 0x1112_1314_1516_1718);
    assert_eq!(decoded.announce_clock_domain, ClockDomain::RealtimeSynced);
    assert_eq!(decoded.layout_version, 1);
    assert_eq!(decoded.header_nslots, 64);
    assert_eq!(decoded.header_slot_bytes, 256);
    assert_eq!(decoded.payload_pools.len(), 2);
    assert!(!decoded.payload_pools.is_empty());
    assert_eq!(decoded.payload_pools.iter().collect::<Vec<_>>(), POOLS);
    assert_eq!(decoded.header_region_uri, b"h.rg");
});

pub(crate) const CONSUMER_HELLO: &str = "
    27 00  02 00  84 03  01 00        # block 39, template 2, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    09 00 00 00                       #  4 consumerId 9
    01                                #  8 supportsShm TRUE
    00                                #  9 supportsProgress FALSE
    02                                # 10 mode RATE_LIMITED
    1E 00 00 00                       # 11 maxRateHz 30
    01 00 00 00                       # 15 expectedLayoutVersion 1
    E8 03 00 00                       # 19 progressIntervalUs 1000
    00 00 01 00                       # 23 progressBytesDelta 65536
    10 00 00 00                       # 27 progressMajorDeltaUnits 16
    18 79 00 00                       # 31 descriptorStreamId 31000
    00 7D 00 00                       # 35 controlStreamId 32000
    03 00 00 00  69 70 63             # descriptorChannel ipc
    02 00 00 00  75 64                # controlChannel ud
";

golden!(
    /// Proves [TP-WIRE-0520].
    consumer_hello: CONSUMER_HELLO, ConsumerHello {
    stream_id: 10000,
    consumer_id: 9,
    supports_shm: true,
    supports_progress: false,
    mode: Mode::RateLimited,
    max_rate_hz: 30,
    expected_layout_version: 1,
    progress_interval_us: Some(1000),
    progress_bytes_delta: Some(65536),
    progress_major_delta_units: Some(16),
    descriptor_stream_id: 31000,
    control_stream_id: 32000,
    descriptor_channel: b"ipc",
    control_channel: b"ud",
}, ConsumerHelloView from wire, tails [6, 13]);

pub(crate) const CONSUMER_CONFIG: &str = "
    12 00  03 00  84 03  01 00        # block 18, template 3, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    09 00 00 00                       #  4 consumerId 9
    01                                #  8 useShm TRUE
    01                                #  9 mode STREAM
    18 79 00 00                       # 10 descriptorStreamId 31000
    00 7D 00 00                       # 14 controlStreamId 32000
    00 00 00 00                       # payloadFallbackUri empty
    03 00 00 00  69 70 63             # descriptorChannel ipc
    02 00 00 00  75 64                # controlChannel ud
";

golden!(
    /// Proves [TP-WIRE-0530].
    consumer_config: CONSUMER_CONFIG, ConsumerConfig {
    stream_id: 10000,
    consumer_id: 9,
    use_shm: true,
    mode: Mode::Stream,
    descriptor_stream_id: 31000,
    control_stream_id: 32000,
    payload_fallback_uri: b"",
    descriptor_channel: b"ipc",
    control_channel: b"ud",
}, ConsumerConfigView from wire, tails [6, 13, 17]);

pub(crate) const FRAME_DESCRIPTOR: &str = "
    28 00  04 00  84 03  01 00        # block 40, template 4, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    08 07 06 05 04 03 02 01           #  4 epoch
    18 17 16 15 14 13 12 11           # 12 seq
    28 27 26 25 24 23 22 21           # 20 timestampNs
    34 33 32 31                       # 28 metaVersion
    48 47 46 45 44 43 42 41           # 32 traceId
";

golden!(
    /// Proves [TP-WIRE-0540].
    frame_descriptor: FRAME_DESCRIPTOR, FrameDescriptor {
    stream_id: 10000,
    epoch: 0x0102_0304_0506_0708,
    seq: 0x1112_1314_1516_1718,
    timestamp_ns: Some(0x2122_2324_2526_2728),
    meta_version: Some(0x3132_3334),
    trace_id: Some(0x4142_4344_4546_4748),
}, FrameDescriptorView from wire, tails []);

pub(crate) const FRAME_PROGRESS: &str = "
    1D 00  0B 00  84 03  01 00        # block 29, template 11, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    08 07 06 05 04 03 02 01           #  4 epoch
    18 17 16 15 14 13 12 11           # 12 seq
    28 27 26 25 24 23 22 21           # 20 payloadBytesFilled
    02                                # 28 state PROGRESS
";

golden!(
    /// Proves [TP-WIRE-0550].
    frame_progress: FRAME_PROGRESS, FrameProgress {
    stream_id: 10000,
    epoch: 0x0102_0304_0506_0708,
    seq: 0x1112_1314_1516_1718,
    payload_bytes_filled: 0x2122_2324_2526_2728,
    state: FrameProgressState::Progress,
}, FrameProgressView from wire, tails []);

pub(crate) const QOS_CONSUMER: &str = "
    29 00  05 00  84 03  01 00        # block 41, template 5, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    09 00 00 00                       #  4 consumerId 9
    08 07 06 05 04 03 02 01           #  8 epoch
    18 17 16 15 14 13 12 11           # 16 lastSeqSeen
    28 27 26 25 24 23 22 21           # 24 dropsGap
    38 37 36 35 34 33 32 31           # 32 dropsLate
    01                                # 40 mode STREAM
";

golden!(
    /// Proves [TP-WIRE-0610].
    qos_consumer: QOS_CONSUMER, QosConsumer {
    stream_id: 10000,
    consumer_id: 9,
    epoch: 0x0102_0304_0506_0708,
    last_seq_seen: 0x1112_1314_1516_1718,
    drops_gap: 0x2122_2324_2526_2728,
    drops_late: 0x3132_3334_3536_3738,
    mode: Some(Mode::Stream),
}, QosConsumerView from wire, tails []);

pub(crate) const QOS_PRODUCER: &str = "
    1C 00  06 00  84 03  01 00        # block 28, template 6, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    07 00 00 00                       #  4 producerId 7
    08 07 06 05 04 03 02 01           #  8 epoch
    18 17 16 15 14 13 12 11           # 16 currentSeq
    24 23 22 21                       # 24 watermark
";

golden!(
    /// Proves [TP-WIRE-0620].
    qos_producer: QOS_PRODUCER, QosProducer {
    stream_id: 10000,
    producer_id: 7,
    epoch: 0x0102_0304_0506_0708,
    current_seq: 0x1112_1314_1516_1718,
    watermark: Some(0x2122_2324),
}, QosProducerView from wire, tails []);

pub(crate) const DATA_SOURCE_ANNOUNCE: &str = "
    14 00  07 00  84 03  01 00        # block 20, template 7, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    07 00 00 00                       #  4 producerId 7
    08 07 06 05 04 03 02 01           #  8 epoch
    05 00 00 00                       # 16 metaVersion 5
    03 00 00 00  63 61 6D             # name cam
    01 00 00 00  73                   # summary s
";

golden!(
    /// Proves [TP-WIRE-0560].
    data_source_announce: DATA_SOURCE_ANNOUNCE, DataSourceAnnounce {
    stream_id: 10000,
    producer_id: 7,
    epoch: 0x0102_0304_0506_0708,
    meta_version: 5,
    name: b"cam",
    summary: b"s",
}, DataSourceAnnounceView from wire, tails [5, 12]);

pub(crate) const DATA_SOURCE_META: &str = "
    10 00  08 00  84 03  01 00        # block 16, template 8, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    05 00 00 00                       #  4 metaVersion 5
    18 17 16 15 14 13 12 11           #  8 timestampNs
    00 00  02 00                      # attributes: block 0, two entries
      02 00 00 00  66 70              #   key fp
      03 00 00 00  75 2F 38           #   format u/8
      02 00 00 00  FF 00              #   value
      01 00 00 00  6B                 #   key k
      00 00 00 00                     #   format empty
      00 00 00 00                     #   value empty
";

const ATTRIBUTES: [DataSourceMetaAttribute<'static>; 2] = [
    DataSourceMetaAttribute {
        key: b"fp",
        format: b"u/8",
        value: &[0xFF, 0],
    },
    DataSourceMetaAttribute {
        key: b"k",
        format: b"",
        value: b"",
    },
];

golden!(
    /// Proves [TP-WIRE-0570].
    data_source_meta: DATA_SOURCE_META, DataSourceMeta {
    stream_id: 10000,
    meta_version: 5,
    timestamp_ns: 0x1112_1314_1516_1718,
    attributes: &ATTRIBUTES,
}, DataSourceMetaView from wire, tails [], |decoded: &DataSourceMetaView<'_>| {
    assert_eq!(decoded.stream_id, 10000);
    assert_eq!(decoded.meta_version, 5);
    assert_eq!(decoded.timestamp_ns, 0x1112_1314_1516_1718);
    assert_eq!(decoded.attributes.iter().collect::<Vec<_>>(), ATTRIBUTES);
});

pub(crate) const CONTROL_RESPONSE: &str = "
    0C 00  09 00  84 03  01 00        # block 12, template 9, schema 900, version 1
    FE FF FF FF FF FF FF FF           #  0 correlationId -2
    03 00 00 00                       #  8 code REJECTED
    02 00 00 00  6E 6F                # errorMessage no
";

golden!(
    /// Proves [TP-WIRE-0630].
    control_response: CONTROL_RESPONSE, ControlResponse {
    correlation_id: -2,
    code: ResponseCode::Rejected,
    error_message: b"no",
}, ControlResponseView from wire, tails [6]);

pub(crate) const META_BLOB_ANNOUNCE: &str = "
    1C 00  0A 00  84 03  01 00        # block 28, template 10, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    05 00 00 00                       #  4 metaVersion 5
    04 03 02 01                       #  8 blobType
    18 17 16 15 14 13 12 11           # 12 totalLen
    28 27 26 25 24 23 22 21           # 20 checksum
";

golden!(
    /// Proves [TP-WIRE-0580].
    meta_blob_announce: META_BLOB_ANNOUNCE, MetaBlobAnnounce {
    stream_id: 10000,
    meta_version: 5,
    blob_type: 0x0102_0304,
    total_len: 0x1112_1314_1516_1718,
    checksum: 0x2122_2324_2526_2728,
}, MetaBlobAnnounceView from wire, tails []);

pub(crate) const META_BLOB_CHUNK: &str = "
    10 00  0C 00  84 03  01 00        # block 16, template 12, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    05 00 00 00                       #  4 metaVersion 5
    18 17 16 15 14 13 12 11           #  8 chunkOffset
    03 00 00 00  00 80 FF             # bytes
";

golden!(
    /// Proves [TP-WIRE-0590].
    meta_blob_chunk: META_BLOB_CHUNK, MetaBlobChunk {
    stream_id: 10000,
    meta_version: 5,
    chunk_offset: 0x1112_1314_1516_1718,
    bytes: &[0x00, 0x80, 0xFF],
}, MetaBlobChunkView from wire, tails [7]);

pub(crate) const META_BLOB_COMPLETE: &str = "
    10 00  0D 00  84 03  01 00        # block 16, template 13, schema 900, version 1
    10 27 00 00                       #  0 streamId 10000
    05 00 00 00                       #  4 metaVersion 5
    28 27 26 25 24 23 22 21           #  8 checksum
";

golden!(
    /// Proves [TP-WIRE-0600].
    meta_blob_complete: META_BLOB_COMPLETE, MetaBlobComplete {
    stream_id: 10000,
    meta_version: 5,
    checksum: 0x2122_2324_2526_2728,
}, MetaBlobCompleteView from wire, tails []);

//! Random values: what is encoded decodes to the same, into a buffer of exactly the length
//! announced.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tensorpool_codecs::{bridge, discovery, driver, event, merge, slot, tracelink, wire};

fn blob() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

fn opt_u32() -> impl Strategy<Value = Option<u32>> {
    option::of(0..u32::MAX)
}

fn opt_u64() -> impl Strategy<Value = Option<u64>> {
    option::of(0..u64::MAX)
}

/// 0 means untraced.
fn trace_id() -> impl Strategy<Value = Option<u64>> {
    option::of(1..u64::MAX)
}

fn one_of<T: Clone + std::fmt::Debug + 'static, const N: usize>(
    all: [T; N],
) -> impl Strategy<Value = T> {
    select(all.to_vec())
}

/// Encodes a value into a buffer full of rubbish.
macro_rules! encoded {
    ($value:expr) => {{
        let value = $value;
        let len = value.encoded_len().expect("within bounds");
        let mut buf = vec![0xAA; len];
        prop_assert_eq!(value.encode(&mut buf), Ok(len));
        buf
    }};
}

/// A round trip of a message without groups: its fields, then its strings.
macro_rules! round_trip {
    ($test:ident: $module:ident::$name:ident { $($field:ident: $strategy:expr),* $(; $($data:ident),*)? }) => {
        proptest! {
            #[test]
            fn $test($($field in $strategy,)* $($($data in blob(),)*)?) {
                let value = $module::$name { $($field,)* $($($data: &$data,)*)? };
                let buf = encoded!(value);
                prop_assert_eq!($module::$name::decode(&buf), Ok(value));
            }
        }
    };
}

round_trip!(consumer_hello: wire::ConsumerHello {
    stream_id: any::<u32>(), consumer_id: any::<u32>(), supports_shm: any::<bool>(),
    supports_progress: any::<bool>(), mode: one_of(wire::Mode::ALL), max_rate_hz: any::<u32>(),
    expected_layout_version: any::<u32>(), progress_interval_us: opt_u32(),
    progress_bytes_delta: opt_u32(), progress_major_delta_units: opt_u32(),
    descriptor_stream_id: any::<u32>(), control_stream_id: any::<u32>();
    descriptor_channel, control_channel
});
round_trip!(consumer_config: wire::ConsumerConfig {
    stream_id: any::<u32>(), consumer_id: any::<u32>(), use_shm: any::<bool>(),
    mode: one_of(wire::Mode::ALL), descriptor_stream_id: any::<u32>(),
    control_stream_id: any::<u32>();
    payload_fallback_uri, descriptor_channel, control_channel
});
round_trip!(frame_descriptor: wire::FrameDescriptor {
    stream_id: any::<u32>(), epoch: any::<u64>(), seq: any::<u64>(), timestamp_ns: opt_u64(),
    meta_version: opt_u32(), trace_id: trace_id()
});
round_trip!(frame_progress: wire::FrameProgress {
    stream_id: any::<u32>(), epoch: any::<u64>(), seq: any::<u64>(),
    payload_bytes_filled: any::<u64>(), state: one_of(wire::FrameProgressState::ALL)
});
round_trip!(qos_consumer: wire::QosConsumer {
    stream_id: any::<u32>(), consumer_id: any::<u32>(), epoch: any::<u64>(),
    last_seq_seen: any::<u64>(), drops_gap: any::<u64>(), drops_late: any::<u64>(),
    mode: option::of(one_of(wire::Mode::ALL))
});
round_trip!(qos_producer: wire::QosProducer {
    stream_id: any::<u32>(), producer_id: any::<u32>(), epoch: any::<u64>(),
    current_seq: any::<u64>(), watermark: opt_u32()
});
round_trip!(tensor_header: wire::TensorHeader {
    dtype: one_of(wire::Dtype::ALL), major_order: one_of(wire::MajorOrder::ALL),
    ndims: any::<u8>(), progress_unit: one_of(wire::ProgressUnit::ALL),
    progress_stride_bytes: any::<u32>(), dims: any::<[i32; 8]>(), strides: any::<[i32; 8]>()
});
round_trip!(data_source_announce: wire::DataSourceAnnounce {
    stream_id: any::<u32>(), producer_id: any::<u32>(), epoch: any::<u64>(),
    meta_version: any::<u32>(); name, summary
});
round_trip!(control_response: wire::ControlResponse {
    correlation_id: any::<i64>(), code: one_of(wire::ResponseCode::ALL); error_message
});
round_trip!(meta_blob_announce: wire::MetaBlobAnnounce {
    stream_id: any::<u32>(), meta_version: any::<u32>(), blob_type: any::<u32>(),
    total_len: any::<u64>(), checksum: any::<u64>()
});
round_trip!(meta_blob_chunk: wire::MetaBlobChunk {
    stream_id: any::<u32>(), meta_version: any::<u32>(), chunk_offset: any::<u64>(); bytes
});
round_trip!(meta_blob_complete: wire::MetaBlobComplete {
    stream_id: any::<u32>(), meta_version: any::<u32>(), checksum: any::<u64>()
});
round_trip!(shm_attach_request: driver::ShmAttachRequest {
    correlation_id: any::<i64>(), stream_id: any::<u32>(), client_id: any::<u32>(),
    role: one_of(driver::Role::ALL), expected_layout_version: any::<u32>(),
    publish_mode: option::of(one_of(driver::PublishMode::ALL)),
    require_hugepages: option::of(one_of(driver::HugepagesPolicy::ALL)),
    desired_node_id: opt_u32()
});
round_trip!(shm_detach_request: driver::ShmDetachRequest {
    correlation_id: any::<i64>(), lease_id: any::<u64>(), stream_id: any::<u32>(),
    client_id: any::<u32>(), role: one_of(driver::Role::ALL)
});
round_trip!(shm_detach_response: driver::ShmDetachResponse {
    correlation_id: any::<i64>(), code: one_of(driver::ResponseCode::ALL); error_message
});
round_trip!(shm_lease_keepalive: driver::ShmLeaseKeepalive {
    lease_id: any::<u64>(), stream_id: any::<u32>(), client_id: any::<u32>(),
    role: one_of(driver::Role::ALL), client_timestamp_ns: any::<u64>()
});
round_trip!(shm_driver_shutdown: driver::ShmDriverShutdown {
    timestamp_ns: any::<u64>(), reason: one_of(driver::ShutdownReason::ALL); error_message
});
round_trip!(shm_lease_revoked: driver::ShmLeaseRevoked {
    timestamp_ns: any::<u64>(), lease_id: any::<u64>(), stream_id: any::<u32>(),
    client_id: any::<u32>(), role: one_of(driver::Role::ALL),
    reason: one_of(driver::LeaseRevokeReason::ALL); error_message
});
round_trip!(shm_driver_shutdown_request: driver::ShmDriverShutdownRequest {
    correlation_id: any::<i64>(), reason: one_of(driver::ShutdownReason::ALL);
    token, error_message
});
round_trip!(bridge_frame_chunk: bridge::BridgeFrameChunk {
    stream_id: any::<u32>(), epoch: any::<u64>(), seq: any::<u64>(), trace_id: trace_id(),
    chunk_index: any::<u32>(), chunk_count: any::<u32>(), chunk_offset: any::<u32>(),
    chunk_length: any::<u32>(), payload_length: any::<u32>(), payload_crc32c: any::<u32>(),
    header_included: any::<bool>(); header_bytes, payload_bytes
});
round_trip!(sequence_merge_map_request: merge::SequenceMergeMapRequest {
    out_stream_id: any::<u32>(), epoch: any::<u64>()
});
round_trip!(timestamp_merge_map_request: merge::TimestampMergeMapRequest {
    out_stream_id: any::<u32>(), epoch: any::<u64>()
});
round_trip!(event_message: event::EventMessage {
    timestamp_ns: any::<i64>(), correlation_id: any::<i64>(), format: one_of(event::Format::ALL),
    ref_stream_id: opt_u32(), ref_epoch: opt_u64(), ref_seq: opt_u64(); tag, key, value
});

type Pool = (u16, u32, u32, Vec<u8>);

fn pools() -> impl Strategy<Value = Vec<Pool>> {
    prop::collection::vec((any::<u16>(), any::<u32>(), any::<u32>(), blob()), 0..5)
}

fn tags() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(blob(), 0..5)
}

/// Borrowed pool entries of any of the messages that have pools.
macro_rules! borrowed_pools {
    ($pools:expr, $entry:path) => {{
        type Entry<'a> = $entry;
        $pools
            .iter()
            .map(|(pool_id, pool_nslots, stride_bytes, region_uri)| Entry {
                pool_id: *pool_id,
                pool_nslots: *pool_nslots,
                stride_bytes: *stride_bytes,
                region_uri,
            })
            .collect::<Vec<_>>()
    }};
}

type OwnedResult = (
    (u32, u32, u64, u32, u32),
    (u16, u8, Option<u64>, u32),
    Vec<Pool>,
    Vec<Vec<u8>>,
    [Vec<u8>; 4],
);

fn results() -> impl Strategy<Value = Vec<OwnedResult>> {
    let result = (
        any::<(u32, u32, u64, u32, u32)>(),
        (any::<u16>(), any::<u8>(), opt_u64(), any::<u32>()),
        pools(),
        tags(),
        [blob(), blob(), blob(), blob()],
    );
    prop::collection::vec(result, 0..4)
}

proptest! {
    #[test]
    fn shm_pool_announce(
        (stream_id, producer_id, epoch, announce_timestamp_ns) in any::<(u32, u32, u64, u64)>(),
        announce_clock_domain in one_of(wire::ClockDomain::ALL),
        (layout_version, header_nslots, header_slot_bytes) in any::<(u32, u32, u16)>(),
        pools in pools(),
        header_region_uri in blob(),
    ) {
        let pools = borrowed_pools!(pools, wire::ShmPoolAnnouncePayloadPool<'a>);
        let buf = encoded!(wire::ShmPoolAnnounce {
            stream_id, producer_id, epoch, announce_timestamp_ns, announce_clock_domain,
            layout_version, header_nslots, header_slot_bytes, payload_pools: &pools,
            header_region_uri: &header_region_uri,
        });
        let read = wire::ShmPoolAnnounceView::decode(&buf).expect("just written");
        prop_assert_eq!(read.stream_id, stream_id);
        prop_assert_eq!(read.producer_id, producer_id);
        prop_assert_eq!(read.epoch, epoch);
        prop_assert_eq!(read.announce_timestamp_ns, announce_timestamp_ns);
        prop_assert_eq!(read.announce_clock_domain, announce_clock_domain);
        prop_assert_eq!(read.layout_version, layout_version);
        prop_assert_eq!(read.header_nslots, header_nslots);
        prop_assert_eq!(read.header_slot_bytes, header_slot_bytes);
        prop_assert_eq!(read.payload_pools.iter().collect::<Vec<_>>(), pools);
        prop_assert_eq!(read.header_region_uri, header_region_uri);
    }

    #[test]
    fn data_source_meta(
        (stream_id, meta_version, timestamp_ns) in any::<(u32, u32, u64)>(),
        attributes in prop::collection::vec((blob(), blob(), blob()), 0..5),
    ) {
        let attributes: Vec<_> = attributes
            .iter()
            .map(|(key, format, value)| wire::DataSourceMetaAttribute { key, format, value })
            .collect();
        let buf = encoded!(wire::DataSourceMeta {
            stream_id, meta_version, timestamp_ns, attributes: &attributes,
        });
        let read = wire::DataSourceMetaView::decode(&buf).expect("just written");
        prop_assert_eq!((read.stream_id, read.meta_version, read.timestamp_ns),
            (stream_id, meta_version, timestamp_ns));
        prop_assert_eq!(read.attributes.iter().collect::<Vec<_>>(), attributes);
    }

    #[test]
    fn shm_attach_response(
        correlation_id in any::<i64>(),
        code in one_of(driver::ResponseCode::ALL),
        (lease_id, lease_expiry_timestamp_ns, stream_id, epoch)
            in (opt_u64(), opt_u64(), opt_u32(), opt_u64()),
        (layout_version, header_nslots, header_slot_bytes, node_id)
            in (opt_u32(), opt_u32(), option::of(0..u16::MAX), opt_u32()),
        pools in pools(),
        header_region_uri in blob(),
        error_message in blob(),
    ) {
        let pools = borrowed_pools!(pools, driver::ShmAttachResponsePayloadPool<'a>);
        let buf = encoded!(driver::ShmAttachResponse {
            correlation_id, code, lease_id, lease_expiry_timestamp_ns, stream_id, epoch,
            layout_version, header_nslots, header_slot_bytes, node_id, payload_pools: &pools,
            header_region_uri: &header_region_uri, error_message: &error_message,
        });
        let read = driver::ShmAttachResponseView::decode(&buf).expect("just written");
        prop_assert_eq!((read.correlation_id, read.code), (correlation_id, code));
        prop_assert_eq!((read.lease_id, read.lease_expiry_timestamp_ns, read.stream_id, read.epoch),
            (lease_id, lease_expiry_timestamp_ns, stream_id, epoch));
        prop_assert_eq!(
            (read.layout_version, read.header_nslots, read.header_slot_bytes, read.node_id),
            (layout_version, header_nslots, header_slot_bytes, node_id));
        prop_assert_eq!(read.payload_pools.iter().collect::<Vec<_>>(), pools);
        prop_assert_eq!(read.header_region_uri, header_region_uri);
        prop_assert_eq!(read.error_message, error_message);
    }

    #[test]
    fn sequence_merge_map_announce(
        (out_stream_id, epoch) in any::<(u32, u64)>(),
        stale_timeout_ns in opt_u64(),
        rules in prop::collection::vec(
            (any::<u32>(), one_of(merge::MergeRuleType::ALL), option::of(i32::MIN + 1..), opt_u32()),
            0..5,
        ),
    ) {
        let rules: Vec<_> = rules
            .into_iter()
            .map(|(input_stream_id, rule_type, offset, window_size)| {
                merge::SequenceMergeMapAnnounceRule { input_stream_id, rule_type, offset, window_size }
            })
            .collect();
        let buf = encoded!(merge::SequenceMergeMapAnnounce {
            out_stream_id, epoch, stale_timeout_ns, rules: &rules,
        });
        let read = merge::SequenceMergeMapAnnounceView::decode(&buf).expect("just written");
        prop_assert_eq!((read.out_stream_id, read.epoch, read.stale_timeout_ns),
            (out_stream_id, epoch, stale_timeout_ns));
        prop_assert_eq!(read.rules.iter().collect::<Vec<_>>(), rules);
    }

    #[test]
    fn timestamp_merge_map_announce(
        (out_stream_id, epoch) in any::<(u32, u64)>(),
        stale_timeout_ns in opt_u64(),
        clock_domain in one_of(merge::ClockDomain::ALL),
        lateness_ns in opt_u64(),
        rules in prop::collection::vec(
            (
                any::<u32>(),
                one_of(merge::MergeTimeRuleType::ALL),
                one_of(merge::TimestampSource::ALL),
                option::of(i64::MIN + 1..),
                opt_u64(),
            ),
            0..5,
        ),
    ) {
        let rules: Vec<_> = rules
            .into_iter()
            .map(|(input_stream_id, rule_type, timestamp_source, offset_ns, window_ns)| {
                merge::TimestampMergeMapAnnounceRule {
                    input_stream_id, rule_type, timestamp_source, offset_ns, window_ns,
                }
            })
            .collect();
        let buf = encoded!(merge::TimestampMergeMapAnnounce {
            out_stream_id, epoch, stale_timeout_ns, clock_domain, lateness_ns, rules: &rules,
        });
        let read = merge::TimestampMergeMapAnnounceView::decode(&buf).expect("just written");
        prop_assert_eq!((read.out_stream_id, read.epoch), (out_stream_id, epoch));
        prop_assert_eq!((read.stale_timeout_ns, read.clock_domain, read.lateness_ns),
            (stale_timeout_ns, clock_domain, lateness_ns));
        prop_assert_eq!(read.rules.iter().collect::<Vec<_>>(), rules);
    }

    #[test]
    fn trace_link_set(
        (stream_id, epoch, seq, trace_id) in any::<(u32, u64, u64, u64)>(),
        parents in prop::collection::vec(any::<u64>(), 0..20),
    ) {
        let parents: Vec<_> = parents
            .into_iter()
            .map(|trace_id| tracelink::TraceLinkSetParent { trace_id })
            .collect();
        let buf = encoded!(tracelink::TraceLinkSet {
            stream_id, epoch, seq, trace_id, parents: &parents,
        });
        let read = tracelink::TraceLinkSetView::decode(&buf).expect("just written");
        prop_assert_eq!((read.stream_id, read.epoch, read.seq, read.trace_id),
            (stream_id, epoch, seq, trace_id));
        prop_assert_eq!(read.parents.iter().collect::<Vec<_>>(), parents);
    }

    #[test]
    fn discovery_request(
        (request_id, client_id, response_stream_id) in any::<(u64, u32, u32)>(),
        (stream_id, producer_id, data_source_id) in (opt_u32(), opt_u32(), opt_u64()),
        tags in tags(),
        response_channel in blob(),
        data_source_name in blob(),
    ) {
        let tags: Vec<_> = tags.iter().map(|tag| discovery::DiscoveryRequestTag { tag }).collect();
        let buf = encoded!(discovery::DiscoveryRequest {
            request_id, client_id, response_stream_id, stream_id, producer_id, data_source_id,
            tags: &tags, response_channel: &response_channel, data_source_name: &data_source_name,
        });
        let read = discovery::DiscoveryRequestView::decode(&buf).expect("just written");
        prop_assert_eq!((read.request_id, read.client_id, read.response_stream_id),
            (request_id, client_id, response_stream_id));
        prop_assert_eq!((read.stream_id, read.producer_id, read.data_source_id),
            (stream_id, producer_id, data_source_id));
        prop_assert_eq!(read.tags.iter().collect::<Vec<_>>(), tags);
        prop_assert_eq!(read.response_channel, response_channel);
        prop_assert_eq!(read.data_source_name, data_source_name);
    }

    #[test]
    fn discovery_response(
        request_id in any::<u64>(),
        status in one_of(discovery::DiscoveryStatus::ALL),
        results in results(),
        error_message in blob(),
    ) {
        let nested: Vec<_> = results
            .iter()
            .map(|(_, _, pools, tags, _)| {
                let tags: Vec<_> =
                    tags.iter().map(|tag| discovery::DiscoveryResponseResultTag { tag }).collect();
                (borrowed_pools!(pools, discovery::DiscoveryResponseResultPayloadPool<'a>), tags)
            })
            .collect();
        let entries: Vec<_> = results
            .iter()
            .zip(&nested)
            .map(|((ids, more, _, _, strings), (payload_pools, tags))| {
                discovery::DiscoveryResponseResult {
                    stream_id: ids.0, producer_id: ids.1, epoch: ids.2, layout_version: ids.3,
                    header_nslots: ids.4, header_slot_bytes: more.0, max_dims: more.1,
                    data_source_id: more.2, driver_control_stream_id: more.3, payload_pools, tags,
                    header_region_uri: &strings[0], data_source_name: &strings[1],
                    driver_instance_id: &strings[2], driver_control_channel: &strings[3],
                }
            })
            .collect();
        let buf = encoded!(discovery::DiscoveryResponse {
            request_id, status, results: &entries, error_message: &error_message,
        });
        let read = discovery::DiscoveryResponseView::decode(&buf).expect("just written");
        prop_assert_eq!((read.request_id, read.status), (request_id, status));
        prop_assert_eq!(read.error_message, error_message);
        prop_assert_eq!(read.results.len(), entries.len());
        for (found, expected) in read.results.iter().zip(&entries) {
            let pools: Vec<_> = found.payload_pools.iter().collect();
            let tags: Vec<_> = found.tags.iter().collect();
            prop_assert_eq!(&pools, expected.payload_pools);
            prop_assert_eq!(&tags, expected.tags);
            prop_assert_eq!(found.stream_id, expected.stream_id);
            prop_assert_eq!(found.producer_id, expected.producer_id);
            prop_assert_eq!(found.epoch, expected.epoch);
            prop_assert_eq!(found.layout_version, expected.layout_version);
            prop_assert_eq!(found.header_nslots, expected.header_nslots);
            prop_assert_eq!(found.header_slot_bytes, expected.header_slot_bytes);
            prop_assert_eq!(found.max_dims, expected.max_dims);
            prop_assert_eq!(found.data_source_id, expected.data_source_id);
            prop_assert_eq!(found.driver_control_stream_id, expected.driver_control_stream_id);
            prop_assert_eq!(found.header_region_uri, expected.header_region_uri);
            prop_assert_eq!(found.data_source_name, expected.data_source_name);
            prop_assert_eq!(found.driver_instance_id, expected.driver_instance_id);
            prop_assert_eq!(found.driver_control_channel, expected.driver_control_channel);
        }
    }

    #[test]
    fn shm_region_superblock(
        (magic, layout_version, epoch, stream_id) in any::<(u64, u32, u64, u32)>(),
        region_type in one_of(wire::RegionType::ALL),
        (pool_id, nslots, slot_bytes, stride_bytes) in any::<(u16, u32, u32, u32)>(),
        (pid, start_timestamp_ns, activity_timestamp_ns) in any::<(u64, u64, u64)>(),
    ) {
        let value = wire::ShmRegionSuperblock {
            magic, layout_version, epoch, stream_id, region_type, pool_id, nslots, slot_bytes,
            stride_bytes, pid, start_timestamp_ns, activity_timestamp_ns,
        };
        let mut buf = [0xAA; slot::SUPERBLOCK_LEN];
        value.encode_into(&mut buf);
        prop_assert_eq!(wire::ShmRegionSuperblock::decode(&buf), Ok(value));
    }

    #[test]
    fn header_slot(
        (seq_commit, values_len_bytes, payload_slot, pool_id) in any::<(u64, u32, u32, u16)>(),
        (payload_offset, timestamp_ns, meta_version) in any::<(u32, u64, u32)>(),
        dtype in one_of(wire::Dtype::ALL),
        major_order in one_of(wire::MajorOrder::ALL),
        (ndims, progress_stride_bytes, dims, strides) in any::<(u8, u32, [i32; 8], [i32; 8])>(),
        progress_unit in one_of(wire::ProgressUnit::ALL),
    ) {
        let value = slot::HeaderSlot {
            slot: wire::SlotHeader {
                seq_commit, values_len_bytes, payload_slot, pool_id, payload_offset, timestamp_ns,
                meta_version,
            },
            tensor: wire::TensorHeader {
                dtype, major_order, ndims, progress_unit, progress_stride_bytes, dims, strides,
            },
        };
        let mut buf = [0xAA; slot::SLOT_LEN];
        value.encode_into(&mut buf);
        prop_assert_eq!(slot::HeaderSlot::decode(&buf), Ok(value));
        prop_assert_eq!(slot::encode_front(&value.slot), front(&buf));
        prop_assert_eq!(slot::decode_front(&front(&buf)), Ok(value.slot));
    }
}

/// The words of a slot's first cache line, as they lie in memory.
fn front(slot: &[u8; slot::SLOT_LEN]) -> [u64; slot::FRONT_WORDS] {
    let words = slot.as_chunks::<8>().0;
    std::array::from_fn(|index| u64::from_ne_bytes(words[index]))
}

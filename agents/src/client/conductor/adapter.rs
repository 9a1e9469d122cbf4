//! Decodes what arrives on control, announce and QoS streams into plain inputs. Decides nothing;
//! anything that is not ours, or not whole, is counted and skipped.

use tensorpool_codecs::DecodeError;
use tensorpool_codecs::driver::{
    self, ShmAttachResponseView, ShmDetachResponse, ShmDriverShutdown, ShmLeaseRevoked,
};
use tensorpool_codecs::gate::{GateError, Message, gate};
use tensorpool_codecs::types::{
    ClientId, CorrelationId, Epoch, LeaseId, NanoTime, NodeId, PoolId, Seq, StreamId,
};
use tensorpool_codecs::wire::{self, Mode, QosConsumer, QosProducer, ShmPoolAnnounceView};
use tensorpool_protocol::client::{
    Announce, AttachResponse, ClockDomain, ConsumerConfig, ConsumerHello, DetachResponse,
    DriverShutdown, LeaseRevoked, OwnStream, ProgressHints, RawPool, RawRegions,
};
use tensorpool_protocol::common::{
    ConsumerMode, EnumField, LeaseRevokeReason, ResponseCode, Role, ShutdownReason,
};

/// A message a client has use for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Inbound {
    AttachResponse(Box<AttachResponse>),
    DetachResponse(DetachResponse),
    LeaseRevoked(LeaseRevoked),
    DriverShutdown(DriverShutdown),
    Announce(Box<Announce>),
    ConsumerConfig(Box<ConsumerConfig>),
    Hello(Box<ConsumerHello>),
    ConsumerReport {
        stream_id: StreamId,
        consumer_id: ClientId,
        epoch: Epoch,
        last_seq: Seq,
        mode: ConsumerMode,
    },
    ProducerReport {
        stream_id: StreamId,
        epoch: Epoch,
        next_seq: Seq,
        watermark: Option<u32>,
    },
}

/// What a client's subscriptions have brought that it has no use for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AdapterStats {
    /// Messages of no interest, among them all of other peers and our own.
    pub(crate) ignored: u64,
    /// Messages that claim to be ours and do not decode.
    pub(crate) malformed: u64,
}

/// The input a message is; `None` for one of no interest.
pub(crate) fn decode(bytes: &[u8], stats: &mut AdapterStats) -> Option<Inbound> {
    let message = match gate(bytes) {
        Ok(gated) => gated.message,
        // [TP-CLI-0387]
        Err(GateError::TooShort { .. }) => {
            stats.malformed += 1;
            return None;
        }
        Err(_) => {
            stats.ignored += 1;
            return None;
        }
    };
    let decoded = match message {
        Message::Driver(template) => decode_driver(template, bytes),
        Message::Wire(template) => decode_wire(template, bytes),
        Message::Bridge(_)
        | Message::Merge(_)
        | Message::TraceLink(_)
        | Message::Discovery(_)
        | Message::Event(_) => Ok(None),
    };
    match decoded {
        Ok(Some(inbound)) => Some(inbound),
        Ok(None) => {
            stats.ignored += 1;
            None
        }
        // [TP-CLI-0387]
        Err(_) => {
            stats.malformed += 1;
            None
        }
    }
}

fn decode_driver(template: driver::Template, bytes: &[u8]) -> Result<Option<Inbound>, DecodeError> {
    use driver::Template;
    Ok(Some(match template {
        Template::ShmAttachResponse => {
            let view = ShmAttachResponseView::decode(bytes)?;
            Inbound::AttachResponse(Box::new(attach_response(&view)))
        }
        Template::ShmDetachResponse => {
            let response = ShmDetachResponse::decode(bytes)?;
            Inbound::DetachResponse(DetachResponse {
                correlation_id: CorrelationId::new(response.correlation_id),
                code: ResponseCode::from_wire(response.code.to_wire()),
            })
        }
        Template::ShmLeaseRevoked => {
            // [TP-CLI-0385]
            let revoked = ShmLeaseRevoked::decode(bytes)?;
            Inbound::LeaseRevoked(LeaseRevoked {
                lease_id: LeaseId::new(revoked.lease_id),
                stream_id: StreamId::new(revoked.stream_id),
                client_id: ClientId::new(revoked.client_id),
                role: EnumField::<Role>::from_wire(revoked.role.to_wire()),
                reason: EnumField::<LeaseRevokeReason>::from_wire(revoked.reason.to_wire()),
            })
        }
        Template::ShmDriverShutdown => {
            let notice = ShmDriverShutdown::decode(bytes)?;
            Inbound::DriverShutdown(DriverShutdown {
                timestamp: NanoTime::new(notice.timestamp_ns),
                reason: EnumField::<ShutdownReason>::from_wire(notice.reason.to_wire()),
            })
        }
        Template::ShmAttachRequest
        | Template::ShmDetachRequest
        | Template::ShmLeaseKeepalive
        | Template::ShmDriverShutdownRequest => return Ok(None),
    }))
}

fn decode_wire(template: wire::Template, bytes: &[u8]) -> Result<Option<Inbound>, DecodeError> {
    use wire::Template;
    Ok(Some(match template {
        Template::ShmPoolAnnounce => {
            let view = ShmPoolAnnounceView::decode(bytes)?;
            Inbound::Announce(Box::new(announce(&view)))
        }
        Template::ConsumerHello => {
            // [TP-CLI-2306]
            let hello = wire::ConsumerHello::decode(bytes)?;
            Inbound::Hello(Box::new(consumer_hello(&hello)))
        }
        Template::ConsumerConfig => {
            let config = wire::ConsumerConfig::decode(bytes)?;
            let is_cut = config.encoded_len().is_ok_and(|len| len > bytes.len());
            Inbound::ConsumerConfig(Box::new(consumer_config(&config, is_cut)))
        }
        Template::QosConsumer => {
            let qos = QosConsumer::decode(bytes)?;
            Inbound::ConsumerReport {
                stream_id: StreamId::new(qos.stream_id),
                consumer_id: ClientId::new(qos.consumer_id),
                epoch: Epoch::new(qos.epoch),
                last_seq: Seq::new(qos.last_seq_seen),
                mode: qos.mode.map_or(ConsumerMode::Stream, mode_of),
            }
        }
        Template::QosProducer => {
            let qos = QosProducer::decode(bytes)?;
            Inbound::ProducerReport {
                stream_id: StreamId::new(qos.stream_id),
                epoch: Epoch::new(qos.epoch),
                next_seq: Seq::new(qos.current_seq),
                // [TP-CLI-2592]
                watermark: qos.watermark.filter(|&watermark| watermark != 0),
            }
        }
        Template::FrameDescriptor
        | Template::FrameProgress
        | Template::TensorHeader
        | Template::DataSourceAnnounce
        | Template::DataSourceMeta
        | Template::ControlResponse
        | Template::MetaBlobAnnounce
        | Template::MetaBlobChunk
        | Template::MetaBlobComplete => return Ok(None),
    }))
}

fn attach_response(view: &ShmAttachResponseView<'_>) -> AttachResponse {
    AttachResponse {
        correlation_id: CorrelationId::new(view.correlation_id),
        code: ResponseCode::from_wire(view.code.to_wire()),
        lease_id: view.lease_id.map(LeaseId::new),
        stream_id: view.stream_id.map(StreamId::new),
        epoch: view.epoch.map(Epoch::new),
        layout_version: view.layout_version,
        node_id: view.node_id.map(NodeId::new),
        regions: RawRegions {
            header_slot_count: view.header_nslots,
            header_slot_bytes: view.header_slot_bytes,
            header_uri: text(view.header_region_uri),
            pools: view
                .payload_pools
                .iter()
                .map(|pool| RawPool {
                    pool_id: PoolId::new(pool.pool_id),
                    slot_count: pool.pool_nslots,
                    stride_bytes: pool.stride_bytes,
                    uri: text(pool.region_uri),
                })
                .collect(),
        },
        error_message: text(view.error_message),
    }
}

fn announce(view: &ShmPoolAnnounceView<'_>) -> Announce {
    Announce {
        stream_id: StreamId::new(view.stream_id),
        producer_id: Some(ClientId::new(view.producer_id)).filter(|id| id.get() != 0),
        epoch: Epoch::new(view.epoch),
        timestamp: NanoTime::new(view.announce_timestamp_ns),
        clock_domain: Some(match view.announce_clock_domain {
            wire::ClockDomain::Monotonic => ClockDomain::Monotonic,
            wire::ClockDomain::RealtimeSynced => ClockDomain::RealtimeSynced,
        }),
        layout_version: view.layout_version,
        regions: RawRegions {
            header_slot_count: Some(view.header_nslots),
            header_slot_bytes: Some(view.header_slot_bytes),
            header_uri: text(view.header_region_uri),
            pools: view
                .payload_pools
                .iter()
                .map(|pool| RawPool {
                    pool_id: PoolId::new(pool.pool_id),
                    slot_count: pool.pool_nslots,
                    stride_bytes: pool.stride_bytes,
                    uri: text(pool.region_uri),
                })
                .collect(),
        },
    }
}

/// Of a message that ends before its strings do, an id without its channel is whatever was in the
/// sender's memory. [TP-CLI-2155]
fn consumer_config(config: &wire::ConsumerConfig<'_>, is_cut: bool) -> ConsumerConfig {
    let id = |id: u32, channel: &[u8]| match is_cut && channel.is_empty() {
        true => 0,
        false => id,
    };
    ConsumerConfig {
        stream_id: StreamId::new(config.stream_id),
        consumer_id: ClientId::new(config.consumer_id),
        use_shm: config.use_shm,
        mode: mode_of(config.mode),
        descriptor_stream_id: id(config.descriptor_stream_id, config.descriptor_channel),
        control_stream_id: id(config.control_stream_id, config.control_channel),
        payload_fallback_uri: text(config.payload_fallback_uri),
        descriptor_channel: text(config.descriptor_channel),
        control_channel: text(config.control_channel),
    }
}

fn consumer_hello(hello: &wire::ConsumerHello<'_>) -> ConsumerHello {
    ConsumerHello {
        stream_id: StreamId::new(hello.stream_id),
        consumer_id: ClientId::new(hello.consumer_id),
        supports_shm: hello.supports_shm,
        supports_progress: hello.supports_progress,
        mode: mode_of(hello.mode),
        max_rate_hz: match hello.max_rate_hz {
            u32::MAX => 0,
            limit => limit,
        },
        expected_layout_version: hello.expected_layout_version,
        progress: ProgressHints::from_wire(
            hello.progress_interval_us,
            hello.progress_bytes_delta,
            hello.progress_major_delta_units,
        ),
        descriptor: OwnStream::from_wire(
            text(hello.descriptor_channel),
            hello.descriptor_stream_id,
        ),
        control: OwnStream::from_wire(text(hello.control_channel), hello.control_stream_id),
    }
}

fn mode_of(mode: Mode) -> ConsumerMode {
    match mode {
        Mode::Stream => ConsumerMode::Stream,
        Mode::RateLimited => ConsumerMode::RateLimited,
    }
}

/// Region URIs are parsed strictly later; here nothing is lost but what could not be a path of
/// ours.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use tensorpool_protocol::client::AeronEndpoint;

    use super::*;

    #[test]
    fn foreign_schemas_and_short_messages_are_counted_and_skipped() {
        let mut stats = AdapterStats::default();
        assert_eq!(decode(&[1, 2, 3], &mut stats), None);
        assert_eq!(
            decode(&[8, 0, 1, 0, 0x0f, 0x27, 1, 0, 0, 0], &mut stats),
            None
        );
        let mut truncated = [0u8; 20];
        truncated[..8].copy_from_slice(&[28, 0, 6, 0, 0x84, 3, 1, 0]);
        assert_eq!(decode(&truncated, &mut stats), None);
        assert_eq!(
            stats,
            AdapterStats {
                ignored: 1,
                malformed: 2
            }
        );
    }

    /// Proves [TP-CLI-2592].
    #[test]
    fn a_producer_report_becomes_its_input_with_a_watermark_that_is_one() {
        let report = |watermark| {
            let qos = QosProducer {
                stream_id: 7,
                producer_id: 8,
                epoch: 9,
                current_seq: 10,
                watermark,
            };
            let mut bytes = [0; 64];
            let len = qos.encode(&mut bytes).unwrap();
            decode(&bytes[..len], &mut AdapterStats::default())
        };
        let expected = |watermark| {
            Some(Inbound::ProducerReport {
                stream_id: StreamId::new(7),
                epoch: Epoch::new(9),
                next_seq: Seq::new(10),
                watermark,
            })
        };
        assert_eq!(report(None), expected(None));
        assert_eq!(report(Some(0)), expected(None));
        assert_eq!(report(Some(12)), expected(Some(12)));
    }

    fn hello(ids: (u32, u32), channels: (&[u8], &[u8]), hints: [Option<u32>; 3]) -> ConsumerHello {
        let message = wire::ConsumerHello {
            stream_id: 1,
            consumer_id: 2,
            supports_shm: true,
            supports_progress: true,
            mode: Mode::RateLimited,
            max_rate_hz: u32::MAX,
            expected_layout_version: 1,
            progress_interval_us: hints[0],
            progress_bytes_delta: hints[1],
            progress_major_delta_units: hints[2],
            descriptor_stream_id: ids.0,
            control_stream_id: ids.1,
            descriptor_channel: channels.0,
            control_channel: channels.1,
        };
        let mut bytes = [0; 256];
        let len = message.encode(&mut bytes).unwrap();
        match decode(&bytes[..len], &mut AdapterStats::default()) {
            Some(Inbound::Hello(hello)) => *hello,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rates_of_more_than_16_bits_are_taken_as_they_are() {
        let rates = [65_535, 65_536, u32::MAX - 1];
        let heard = rates.map(|max_rate_hz| {
            let hello = consumer_hello(&wire::ConsumerHello {
                stream_id: 1,
                consumer_id: 2,
                supports_shm: true,
                supports_progress: false,
                mode: Mode::RateLimited,
                max_rate_hz,
                expected_layout_version: 1,
                progress_interval_us: None,
                progress_bytes_delta: None,
                progress_major_delta_units: None,
                descriptor_stream_id: 0,
                control_stream_id: 0,
                descriptor_channel: b"",
                control_channel: b"",
            });
            hello.max_rate_hz
        });
        assert_eq!(heard, rates);
    }

    /// Proves [TP-CLI-2300], [TP-CLI-2302].
    #[test]
    fn null_and_zero_both_mean_no_wish() {
        for none in [0, u32::MAX] {
            let hello = hello((none, none), (b"", b""), [Some(0), None, Some(7)]);
            assert_eq!(
                (&hello.descriptor, &hello.control),
                (&OwnStream::Absent, &OwnStream::Absent)
            );
            assert_eq!(hello.max_rate_hz, 0);
            let progress = ProgressHints {
                major_delta_units: Some(7),
                ..ProgressHints::default()
            };
            assert_eq!(hello.progress, progress);
        }
    }

    /// Proves [TP-CLI-2304].
    #[test]
    fn a_channel_without_a_stream_or_a_stream_without_a_channel_is_no_request() {
        let channel: &[u8] = b"aeron:ipc";
        for none in [0, u32::MAX] {
            let hello = hello((none, 32_001), (channel, b""), [None; 3]);
            assert_eq!(
                (hello.descriptor, hello.control),
                (
                    OwnStream::ChannelOnly("aeron:ipc".to_owned()),
                    OwnStream::IdOnly(32_001)
                )
            );
        }
        let whole = hello((31_001, 0), (channel, b""), [None; 3]);
        assert_eq!(
            whole.descriptor.endpoint(),
            Some(&AeronEndpoint {
                channel: "aeron:ipc".to_owned(),
                stream_id: 31_001
            })
        );
        assert_eq!(whole.control, OwnStream::Absent);
    }

    /// Proves [TP-CLI-2306].
    #[test]
    fn a_hello_that_ends_before_its_channels_asks_for_none() {
        let message = wire::ConsumerHello {
            stream_id: 1,
            consumer_id: 2,
            supports_shm: true,
            supports_progress: false,
            mode: Mode::Stream,
            max_rate_hz: 0,
            expected_layout_version: 1,
            progress_interval_us: None,
            progress_bytes_delta: None,
            progress_major_delta_units: None,
            descriptor_stream_id: 0,
            control_stream_id: 0,
            descriptor_channel: b"",
            control_channel: b"",
        };
        let mut bytes = [0; 64];
        let len = message.encode(&mut bytes).unwrap();
        for missing in [4, 8] {
            match decode(&bytes[..len - missing], &mut AdapterStats::default()) {
                Some(Inbound::Hello(hello)) => assert_eq!(hello.descriptor, OwnStream::Absent),
                other => panic!("{other:?}"),
            }
        }
        let mut stats = AdapterStats::default();
        assert_eq!(decode(&bytes[..len - 1], &mut stats), None);
        assert_eq!(stats.malformed, 1);
    }

    /// Proves [TP-CLI-2155].
    #[test]
    fn a_config_without_its_last_strings_is_read_with_empty_ones() {
        let message = wire::ConsumerConfig {
            stream_id: 7,
            consumer_id: 8,
            use_shm: true,
            mode: wire::Mode::RateLimited,
            descriptor_stream_id: 9,
            control_stream_id: 10,
            payload_fallback_uri: b"bridge://x",
            descriptor_channel: b"aeron:ipc",
            control_channel: b"aeron:ipc",
        };
        let mut bytes = [0; 128];
        let whole = message.encode(&mut bytes).unwrap();
        let mut expected = ConsumerConfig {
            stream_id: StreamId::new(7),
            consumer_id: ClientId::new(8),
            use_shm: true,
            mode: ConsumerMode::RateLimited,
            descriptor_stream_id: 9,
            control_stream_id: 10,
            payload_fallback_uri: "bridge://x".into(),
            descriptor_channel: "aeron:ipc".into(),
            control_channel: "aeron:ipc".into(),
        };
        let mut stats = AdapterStats::default();
        let mut read = |len: usize| decode(&bytes[..len], &mut stats);
        assert_eq!(
            read(whole),
            Some(Inbound::ConsumerConfig(Box::new(expected.clone())))
        );
        let strings = [13, 13, 14];
        expected.control_channel.clear();
        expected.control_stream_id = 0;
        assert_eq!(
            read(whole - strings[0]),
            Some(Inbound::ConsumerConfig(Box::new(expected.clone())))
        );
        expected.descriptor_channel.clear();
        expected.descriptor_stream_id = 0;
        assert_eq!(
            read(whole - strings[0] - strings[1]),
            Some(Inbound::ConsumerConfig(Box::new(expected.clone())))
        );
        expected.payload_fallback_uri.clear();
        assert_eq!(
            read(whole - strings.iter().sum::<usize>()),
            Some(Inbound::ConsumerConfig(Box::new(expected)))
        );
        assert_eq!(read(whole - 1), None, "cut within a string");
        assert_eq!(stats.malformed, 1);
    }

    #[test]
    fn an_announce_without_a_producer_says_so() {
        let message = wire::ShmPoolAnnounce {
            stream_id: 1,
            producer_id: 0,
            epoch: 2,
            announce_timestamp_ns: 3,
            announce_clock_domain: wire::ClockDomain::Monotonic,
            layout_version: 1,
            header_nslots: 8,
            header_slot_bytes: 256,
            payload_pools: &[wire::ShmPoolAnnouncePayloadPool {
                pool_id: 4,
                pool_nslots: 8,
                stride_bytes: 64,
                region_uri: b"shm:file?path=/p",
            }],
            header_region_uri: b"shm:file?path=/h",
        };
        let mut bytes = [0; 256];
        let len = message.encode(&mut bytes).unwrap();
        match decode(&bytes[..len], &mut AdapterStats::default()) {
            Some(Inbound::Announce(announce)) => {
                assert_eq!(announce.producer_id, None);
                assert_eq!(announce.regions.pools[0].uri, "shm:file?path=/p");
                assert_eq!(announce.regions.header_slot_count, Some(8));
            }
            other => panic!("{other:?}"),
        }
    }
}

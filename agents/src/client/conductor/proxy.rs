//! Encodes what the cores want to say and offers it. Decides nothing; what was not sent is offered
//! again by its core.

use tensorpool_codecs::EncodeError;
use tensorpool_codecs::driver::{
    HugepagesPolicy, LeaseRevokeReason, PublishMode, Role, ShmAttachRequest, ShmDetachRequest,
    ShmLeaseKeepalive, ShmLeaseRevoked,
};
use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, Seq, StreamId};
use tensorpool_codecs::wire::{self, Mode, QosConsumer, QosProducer};
use tensorpool_protocol::client::{
    AeronEndpoint, AnnouncePath, ConsumerConfig, ConsumerHello, ControlRequest, Farewell,
};
use tensorpool_protocol::common::{self, ConsumerMode};
use tensorpool_transport::{Channel, Offer, Publication, ResourceId};

use crate::regions::Announcement;

const BUFFER_LEN: usize = 256;
/// Two of the longest channels and the rest of a hello.
const HELLO_BUFFER_LEN: usize = 2 * Channel::MAX_LEN + BUFFER_LEN;

/// The client's own publications. Conductor's thread only.
#[derive(Debug)]
pub(super) struct Proxy {
    control: Publication,
    qos: Publication,
    /// Of a client with a producer that announces, unless that is control as well.
    announce: Option<Publication>,
    buffer: [u8; BUFFER_LEN],
    /// For messages with strings.
    long_buffer: Vec<u8>,
}

/// What a consumer reports.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConsumerReport {
    pub(crate) stream_id: StreamId,
    pub(crate) client_id: ClientId,
    /// The epoch in use, 0 for none.
    pub(crate) epoch: Epoch,
    pub(crate) last_seq: Seq,
    pub(crate) drops_gap: u64,
    pub(crate) drops_late: u64,
    pub(crate) mode: ConsumerMode,
}

/// What a producer reports.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProducerReport {
    pub(crate) stream_id: StreamId,
    pub(crate) client_id: ClientId,
    pub(crate) epoch: Epoch,
    /// The next frame it will write.
    pub(crate) next_seq: u64,
    /// What the application says of its buffers, if anything.
    pub(crate) watermark: Option<u32>,
}

impl Proxy {
    pub(crate) fn new(control: Publication, qos: Publication) -> Self {
        Self {
            control,
            qos,
            announce: None,
            buffer: [0; BUFFER_LEN],
            long_buffer: Vec::new(),
        }
    }

    /// What requests go out by.
    pub(super) fn control_id(&self) -> ResourceId {
        self.control.resource_id()
    }

    /// The session reports go out by.
    pub(super) fn qos_session(&mut self) -> Option<i32> {
        self.qos.session_id()
    }

    /// What a consumer is to use: the answer of a producer that has no driver.
    pub(super) fn send_config(&mut self, config: &ConsumerConfig) -> Offer {
        let message = wire::ConsumerConfig {
            stream_id: config.stream_id.get(),
            consumer_id: config.consumer_id.get(),
            use_shm: config.use_shm,
            mode: match config.mode {
                common::ConsumerMode::Stream => Mode::Stream,
                common::ConsumerMode::RateLimited => Mode::RateLimited,
            },
            descriptor_stream_id: config.descriptor_stream_id,
            control_stream_id: config.control_stream_id,
            payload_fallback_uri: config.payload_fallback_uri.as_bytes(),
            descriptor_channel: config.descriptor_channel.as_bytes(),
            control_channel: config.control_channel.as_bytes(),
        };
        let encoded = message.encoded_len().and_then(|len| {
            self.long_buffer.resize(len, 0);
            message.encode(&mut self.long_buffer)
        });
        offer(&mut self.control, &self.long_buffer, encoded)
    }

    /// Where to announce beside control, if there is such a stream.
    pub(super) fn has_announce(&self) -> bool {
        self.announce.is_some()
    }

    /// See [`Proxy::has_announce`].
    pub(super) fn set_announce(&mut self, publication: Publication) {
        self.announce = Some(publication);
    }

    /// Announces memory of ours on one of the two streams; false when it is to be tried again.
    pub(super) fn send_announce(
        &mut self,
        now: NanoTime,
        path: AnnouncePath,
        announcement: Announcement<'_>,
    ) -> bool {
        let publication = match (path, &mut self.announce) {
            (AnnouncePath::Control, _) => &mut self.control,
            (AnnouncePath::Announce, Some(publication)) => publication,
            // It is the same stream.
            (AnnouncePath::Announce, None) => return true,
        };
        match announcement.encode(now, &mut self.long_buffer) {
            Ok(message) => publication.offer(message).is_sent(),
            Err(error) => unreachable!("checked lengths did not fit: {error}"),
        }
    }

    /// The last message of a client without a driver.
    pub(super) fn send_farewell(&mut self, now: NanoTime, farewell: &Farewell) -> Offer {
        let message = ShmLeaseRevoked {
            timestamp_ns: now.get(),
            lease_id: farewell.lease_id.get(),
            stream_id: farewell.stream_id.get(),
            client_id: farewell.client_id.get(),
            role: role_of(farewell.role),
            reason: LeaseRevokeReason::Detached,
            error_message: b"closed",
        };
        let encoded = message.encode(&mut self.buffer);
        offer(&mut self.control, &self.buffer, encoded)
    }

    /// A request of an attach core.
    pub(super) fn send_request(&mut self, now: NanoTime, request: &ControlRequest) -> Offer {
        let encoded = match request {
            ControlRequest::Attach(attach) => ShmAttachRequest {
                correlation_id: attach.correlation_id.get(),
                stream_id: attach.stream_id.get(),
                client_id: attach.client_id.get(),
                role: role_of(attach.role),
                expected_layout_version: attach.expected_layout_version,
                // [TP-CLI-0010]
                publish_mode: PublishMode::from_wire(attach.publish_mode.to_wire()),
                require_hugepages: HugepagesPolicy::from_wire(attach.hugepages.to_wire()),
                desired_node_id: attach.desired_node_id.map(|id| id.get()),
            }
            .encode(&mut self.buffer),
            ControlRequest::Keepalive(keepalive) => ShmLeaseKeepalive {
                lease_id: keepalive.lease_id.get(),
                stream_id: keepalive.stream_id.get(),
                client_id: keepalive.client_id.get(),
                role: role_of(keepalive.role),
                client_timestamp_ns: now.get(),
            }
            .encode(&mut self.buffer),
            ControlRequest::Detach(detach) => ShmDetachRequest {
                correlation_id: detach.correlation_id.get(),
                lease_id: detach.lease_id.get(),
                stream_id: detach.stream_id.get(),
                client_id: detach.client_id.get(),
                role: role_of(detach.role),
            }
            .encode(&mut self.buffer),
        };
        offer(&mut self.control, &self.buffer, encoded)
    }

    /// Says that a consumer is there, what it can do and what it would like. [TP-CLI-2600]
    pub(super) fn send_hello(&mut self, hello: &ConsumerHello) -> Offer {
        let descriptor = hello.descriptor.endpoint();
        let control = hello.control.endpoint();
        let channel = |own: Option<&'_ AeronEndpoint>| -> Vec<u8> {
            own.map(|own| own.channel.clone().into_bytes())
                .unwrap_or_default()
        };
        // [TP-CLI-1630]
        let id = |own: Option<&AeronEndpoint>| own.map_or(0, |own| own.stream_id);
        let message = wire::ConsumerHello {
            stream_id: hello.stream_id.get(),
            consumer_id: hello.consumer_id.get(),
            // [TP-CLI-1620]
            supports_shm: hello.supports_shm,
            supports_progress: hello.supports_progress,
            mode: mode_of(hello.mode),
            max_rate_hz: hello.max_rate_hz,
            expected_layout_version: hello.expected_layout_version,
            progress_interval_us: hello.progress.interval_us,
            progress_bytes_delta: hello.progress.bytes_delta,
            progress_major_delta_units: hello.progress.major_delta_units,
            descriptor_stream_id: id(descriptor),
            control_stream_id: id(control),
            descriptor_channel: &channel(descriptor),
            control_channel: &channel(control),
        };
        let mut buffer = [0; HELLO_BUFFER_LEN];
        // Channels are at most `Channel::MAX_LEN` bytes long.
        let encoded = message.encode(&mut buffer);
        offer(&mut self.control, &buffer, encoded)
    }

    /// How far a consumer has come.
    pub(super) fn send_consumer_report(&mut self, report: &ConsumerReport) -> Offer {
        let qos = QosConsumer {
            stream_id: report.stream_id.get(),
            consumer_id: report.client_id.get(),
            // [TP-CLI-1650]
            epoch: report.epoch.get(),
            last_seq_seen: report.last_seq.get(),
            drops_gap: report.drops_gap,
            drops_late: report.drops_late,
            mode: Some(mode_of(report.mode)),
        };
        let encoded = qos.encode(&mut self.buffer);
        offer(&mut self.qos, &self.buffer, encoded)
    }

    /// Where a producer stands.
    pub(super) fn send_producer_report(&mut self, report: &ProducerReport) -> Offer {
        let qos = QosProducer {
            stream_id: report.stream_id.get(),
            producer_id: report.client_id.get(),
            epoch: report.epoch.get(),
            // [TP-CLI-1660]
            current_seq: report.next_seq,
            watermark: report.watermark,
        };
        let encoded = qos.encode(&mut self.buffer);
        offer(&mut self.qos, &self.buffer, encoded)
    }
}

fn mode_of(mode: ConsumerMode) -> Mode {
    match mode {
        ConsumerMode::Stream => Mode::Stream,
        ConsumerMode::RateLimited => Mode::RateLimited,
    }
}

fn role_of(role: common::Role) -> Role {
    match role {
        common::Role::Producer => Role::Producer,
        common::Role::Consumer => Role::Consumer,
    }
}

/// Every message above fits its buffer, so encoding it cannot fail.
fn offer(
    publication: &mut Publication,
    buffer: &[u8],
    encoded: Result<usize, EncodeError>,
) -> Offer {
    match encoded {
        Ok(len) => publication.offer(&buffer[..len]),
        Err(error) => unreachable!("a fixed message did not fit its buffer: {error}"),
    }
}

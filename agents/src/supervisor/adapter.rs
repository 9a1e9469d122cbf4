//! Decodes what arrives into inputs of the core, whatever stream it came by, and leaves everything
//! else alone.

use tensorpool_codecs::DecodeError;
use tensorpool_codecs::driver::{self, LeaseRevokeReason as WireReason, Role as WireRole};
use tensorpool_codecs::gate::{GateError, Message, gate};
use tensorpool_codecs::types::{ClientId, Epoch, NanoTime, Seq, StreamId};
use tensorpool_codecs::wire::{
    self, ClockDomain, ConsumerConfig, ConsumerHello, DataSourceAnnounce, QosConsumer, QosProducer,
    ShmPoolAnnounceView,
};
use tensorpool_protocol::common::{LeaseRevokeReason, Role};
use tensorpool_protocol::supervisor::{
    Announced, ConsumerKey, ConsumerReport, Hello, LeaseEnd, ProducerReport, StreamRequest,
    SupervisorCore,
};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The core was told.
    Told,
    /// Not for a supervisor.
    Ignored,
    /// For a supervisor, but not decodable.
    Malformed,
}

/// Tells the core what a message says that came by this Aeron session. [TP-DRV-2020]
pub(super) fn deliver(
    core: &mut SupervisorCore,
    now: NanoTime,
    message: &[u8],
    session_id: i32,
) -> Heard {
    // Templates of other schemas have the same numbers. [TP-DRV-2040]
    let told = match gate(message).map(|gated| gated.message) {
        Ok(Message::Wire(template)) => wire_message(core, now, template, message, session_id),
        Ok(Message::Driver(driver::Template::ShmLeaseRevoked)) => lease_end(core, now, message),
        Ok(_) => Ok(Heard::Ignored),
        Err(GateError::TooShort { .. }) => Ok(Heard::Malformed),
        Err(_) => Ok(Heard::Ignored),
    };
    told.unwrap_or(Heard::Malformed)
}

fn wire_message(
    core: &mut SupervisorCore,
    now: NanoTime,
    template: wire::Template,
    message: &[u8],
    session_id: i32,
) -> Result<Heard, DecodeError> {
    use wire::Template;
    match template {
        Template::ConsumerHello => {
            // [TP-DRV-2030]
            let wire = ConsumerHello::decode(message)?;
            core.on_hello(now, &hello(&wire));
        }
        Template::QosConsumer => {
            let wire = QosConsumer::decode(message)?;
            let key = key(wire.stream_id, wire.consumer_id);
            core.on_consumer_report(
                now,
                &ConsumerReport {
                    key,
                    epoch: Epoch::new(wire.epoch),
                    last_seq: Seq::new(wire.last_seq_seen),
                    drops_gap: wire.drops_gap,
                    drops_late: wire.drops_late,
                },
            );
            core.on_report_session(now, key, session_id);
        }
        Template::QosProducer => {
            let wire = QosProducer::decode(message)?;
            core.on_producer_report(
                now,
                &ProducerReport {
                    stream_id: StreamId::new(wire.stream_id),
                    producer_id: ClientId::new(wire.producer_id),
                    epoch: Epoch::new(wire.epoch),
                    next_seq: Seq::new(wire.current_seq),
                },
            );
        }
        Template::ShmPoolAnnounce => {
            let wire = ShmPoolAnnounceView::decode(message)?;
            let stamp = NanoTime::new(wire.announce_timestamp_ns);
            let is_monotonic = wire.announce_clock_domain == ClockDomain::Monotonic;
            core.on_announce(
                now,
                &Announced {
                    stream_id: StreamId::new(wire.stream_id),
                    producer_id: Some(ClientId::new(wire.producer_id)).filter(|id| id.get() != 0),
                    epoch: Epoch::new(wire.epoch),
                    monotonic: is_monotonic.then_some(stamp),
                },
            );
        }
        Template::DataSourceAnnounce => {
            let wire = DataSourceAnnounce::decode(message)?;
            core.on_source_name(now, StreamId::new(wire.stream_id), wire.name);
        }
        // Our own were left out before.
        Template::ConsumerConfig => {
            let wire = ConsumerConfig::decode(message)?;
            core.on_foreign_config(now, key(wire.stream_id, wire.consumer_id));
        }
        Template::FrameDescriptor
        | Template::FrameProgress
        | Template::TensorHeader
        | Template::DataSourceMeta
        | Template::ControlResponse
        | Template::MetaBlobAnnounce
        | Template::MetaBlobChunk
        | Template::MetaBlobComplete => return Ok(Heard::Ignored),
    }
    Ok(Heard::Told)
}

fn key(stream_id: u32, consumer_id: u32) -> ConsumerKey {
    ConsumerKey::new(StreamId::new(stream_id), ClientId::new(consumer_id))
}

fn hello<'a>(wire: &ConsumerHello<'a>) -> Hello<'a> {
    Hello {
        key: key(wire.stream_id, wire.consumer_id),
        supports_shm: wire.supports_shm,
        mode: wire.mode,
        max_rate_hz: wire.max_rate_hz,
        descriptor: StreamRequest {
            channel: wire.descriptor_channel,
            stream_id: wire.descriptor_stream_id,
        },
        control: StreamRequest {
            channel: wire.control_channel,
            stream_id: wire.control_stream_id,
        },
    }
}

fn lease_end(
    core: &mut SupervisorCore,
    now: NanoTime,
    message: &[u8],
) -> Result<Heard, DecodeError> {
    let wire = driver::ShmLeaseRevoked::decode(message)?;
    let end = LeaseEnd {
        stream_id: StreamId::new(wire.stream_id),
        client_id: ClientId::new(wire.client_id),
        role: match wire.role {
            WireRole::Producer => Role::Producer,
            WireRole::Consumer => Role::Consumer,
        },
        reason: match wire.reason {
            WireReason::Detached => LeaseRevokeReason::Detached,
            WireReason::Expired => LeaseRevokeReason::Expired,
            WireReason::Revoked => LeaseRevokeReason::Revoked,
        },
    };
    core.on_lease_end(now, &end);
    Ok(Heard::Told)
}

#[cfg(test)]
mod tests;

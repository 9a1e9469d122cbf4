//! Decodes what arrives on control into inputs of the lease table, and leaves everything else
//! alone.
//!
//! Control carries several schemas with the same template numbers, answers and our own messages:
//! schema and template are looked at before anything else.

use tensorpool_codecs::driver::{
    ShmAttachRequest, ShmDetachRequest, ShmDriverShutdownRequest, ShmLeaseKeepalive, Template,
};
use tensorpool_codecs::gate::{Message, gate};
use tensorpool_codecs::types::{ClientId, CorrelationId, LeaseId, NanoTime, NodeId, StreamId};
use tensorpool_protocol::common::{EnumField, HugepagesPolicy, PublishMode, Role, ShutdownReason};
use tensorpool_protocol::driver::{
    AttachRequest, DetachRequest, Keepalive, LeaseTable, ShutdownRequest,
};

/// Bytes of a message header.
const HEADER_LEN: usize = 8;
/// Offsets of the enums of an attach request (Driver Model v1.0, appendix A), from the start of the
/// message.
const ATTACH_ROLE: usize = HEADER_LEN + 16;
const ATTACH_PUBLISH_MODE: usize = HEADER_LEN + 21;
const ATTACH_HUGEPAGES: usize = HEADER_LEN + 22;
/// Offset of the role of a detach request or keepalive.
const LEASE_ROLE: usize = HEADER_LEN + 24;
/// A role every decoder knows, put in the place of one that is kept aside.
const ANY_ROLE: u8 = 1;
/// The schema version we speak.
const VERSION: u16 = 1;

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The lease table was told.
    Request,
    /// Not for a driver.
    Ignored,
    /// For a driver, but not decodable.
    Malformed,
}

/// Tells the lease table what a message says.
pub(super) fn deliver(table: &mut LeaseTable, now: NanoTime, message: &[u8]) -> Heard {
    // [TP-DRV-0070]
    let Ok(gated) = gate(message) else {
        return Heard::Ignored;
    };
    // [TP-DRV-0070] [TP-DRV-2080]
    let Message::Driver(template) = gated.message else {
        return Heard::Ignored;
    };
    let told = match template {
        // [TP-DRV-0110]
        Template::ShmAttachRequest if gated.header.version > VERSION => {
            correlation_id(message).map(|id| table.on_unsupported_attach(now, id))
        }
        Template::ShmAttachRequest => attach(message).map(|request| table.on_attach(now, &request)),
        Template::ShmDetachRequest => detach(message).map(|request| table.on_detach(now, &request)),
        Template::ShmLeaseKeepalive => {
            keepalive(message).map(|keepalive| table.on_keepalive(now, &keepalive))
        }
        Template::ShmDriverShutdownRequest => {
            shutdown(message).map(|request| table.on_shutdown_request(now, &request))
        }
        // [TP-DRV-0070]
        Template::ShmAttachResponse
        | Template::ShmDetachResponse
        | Template::ShmDriverShutdown
        | Template::ShmLeaseRevoked => return Heard::Ignored,
    };
    // [TP-DRV-0080]
    told.map_or(Heard::Malformed, |()| Heard::Request)
}

/// The first field of every request.
fn correlation_id(message: &[u8]) -> Option<CorrelationId> {
    let bytes = message.get(HEADER_LEN..HEADER_LEN + 8)?.try_into().ok()?;
    Some(CorrelationId::new(i64::from_le_bytes(bytes)))
}

/// A copy of the fixed part of a message as we know it with `byte` at `offset`, and what was there:
/// an enum value the decoder would reject becomes a refusal the client understands. A longer block
/// is cut to what we know of it.
/// [TP-DRV-0080] [TP-DRV-0120]
fn set_aside<const LEN: usize, const N: usize>(
    message: &[u8],
    replacements: [(usize, u8); N],
) -> Option<([u8; LEN], [u8; N])> {
    let mut copy: [u8; LEN] = message.get(..LEN)?.try_into().ok()?;
    let block_len = usize::from(u16::from_le_bytes([copy[0], copy[1]]));
    if message.len() < HEADER_LEN + block_len {
        return None;
    }
    let known_len = u16::try_from(block_len.min(LEN - HEADER_LEN)).ok()?;
    copy[..2].copy_from_slice(&known_len.to_le_bytes());
    let originals = replacements.map(|(offset, byte)| core::mem::replace(&mut copy[offset], byte));
    Some((copy, originals))
}

fn attach(message: &[u8]) -> Option<AttachRequest> {
    let replacements = [
        (ATTACH_ROLE, ANY_ROLE),
        (ATTACH_PUBLISH_MODE, u8::MAX),
        (ATTACH_HUGEPAGES, u8::MAX),
    ];
    let (copy, [role, publish_mode, hugepages]) =
        set_aside::<{ ShmAttachRequest::ENCODED_LEN }, 3>(message, replacements)?;
    let wire = ShmAttachRequest::decode(&copy).ok()?;
    Some(AttachRequest {
        correlation_id: CorrelationId::new(wire.correlation_id),
        stream_id: StreamId::new(wire.stream_id),
        client_id: ClientId::new(wire.client_id),
        role: EnumField::<Role>::from_wire(role),
        expected_layout_version: wire.expected_layout_version,
        publish_mode: EnumField::<PublishMode>::from_wire(publish_mode),
        hugepages: EnumField::<HugepagesPolicy>::from_wire(hugepages),
        desired_node_id: wire.desired_node_id.map(NodeId::new),
    })
}

fn detach(message: &[u8]) -> Option<DetachRequest> {
    let (copy, [role]) =
        set_aside::<{ ShmDetachRequest::ENCODED_LEN }, 1>(message, [(LEASE_ROLE, ANY_ROLE)])?;
    let wire = ShmDetachRequest::decode(&copy).ok()?;
    Some(DetachRequest {
        correlation_id: CorrelationId::new(wire.correlation_id),
        lease_id: LeaseId::new(wire.lease_id),
        stream_id: StreamId::new(wire.stream_id),
        client_id: ClientId::new(wire.client_id),
        role: EnumField::<Role>::from_wire(role),
    })
}

fn keepalive(message: &[u8]) -> Option<Keepalive> {
    let wire = ShmLeaseKeepalive::decode(message).ok()?;
    Some(Keepalive {
        lease_id: LeaseId::new(wire.lease_id),
        stream_id: StreamId::new(wire.stream_id),
        client_id: ClientId::new(wire.client_id),
        role: EnumField::<Role>::from_wire(wire.role.to_wire()),
    })
}

fn shutdown(message: &[u8]) -> Option<ShutdownRequest<'_>> {
    let wire = ShmDriverShutdownRequest::decode(message).ok()?;
    let reason = EnumField::<ShutdownReason>::from_wire(wire.reason.to_wire());
    Some(ShutdownRequest {
        reason,
        token: wire.token,
    })
}

#[cfg(test)]
mod tests;

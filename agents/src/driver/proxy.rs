//! Encodes what the lease table wants said and offers it to Aeron.

use std::borrow::Cow;

use tensorpool_codecs::driver::{
    LeaseRevokeReason as WireRevokeReason, ResponseCode as WireCode, Role as WireRole,
    ShmAttachResponse, ShmAttachResponsePayloadPool, ShmDetachResponse, ShmDriverShutdown,
    ShmLeaseRevoked, ShutdownReason as WireShutdownReason,
};
use tensorpool_codecs::error::EncodeError;
use tensorpool_codecs::types::NanoTime;
use tensorpool_protocol::common::{
    HEADER_SLOT_BYTES, LAYOUT_VERSION, LeaseRevokeReason, ResponseCode, Role, ShutdownReason,
};
use tensorpool_protocol::driver::{
    Announcement, AttachGrant, AttachRefusal, DetachAnswer, LeaseAction, Revocation,
};
use tensorpool_transport::{Offer, Publication};

use super::regions::Regions;

/// Longest error text sent, in bytes.
const MAX_TEXT_LEN: usize = 1024;
/// Room for any usual message; longer ones make the buffer grow once.
const BUFFER_LEN: usize = 4096;

/// What became of something to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is in the log.
    Sent,
    /// Back-pressure: keep the action and come back.
    Later,
    /// The stream is not there yet, or not again: keep the action and come back.
    NotYet,
    /// Nobody is subscribed; it is not worth keeping.
    Unheard,
    /// A grant could not be said; its refusal is in the log in its place.
    Refused,
    /// It cannot be said at all.
    Lost,
}

/// The two streams the driver speaks on. Where they are one, so is the publication: only then do
/// subscribers hear both kinds of message in the order they were said.
#[derive(Debug)]
pub(super) struct DriverProxy {
    control: Publication,
    /// `None` when announces go out on control.
    announce: Option<Publication>,
    buffer: Vec<u8>,
}

impl DriverProxy {
    pub(super) fn new(control: Publication, announce: Option<Publication>) -> Self {
        Self {
            control,
            announce,
            buffer: vec![0; BUFFER_LEN],
        }
    }

    /// Whether both streams are registered and control has a subscriber (the driver itself is one).
    pub(super) fn is_ready(&mut self) -> bool {
        self.control.is_connected() && self.announce.as_mut().is_none_or(Publication::is_live)
    }

    /// Its session on control.
    pub(super) fn control_session(&mut self) -> Option<i32> {
        self.control.session_id()
    }

    /// Says one action; those of the region worker are not for here.
    pub(super) fn say(&mut self, now: NanoTime, action: &LeaseAction, regions: &Regions) -> Said {
        match action {
            LeaseAction::AttachOk(grant) => self.attach_ok(grant, regions),
            LeaseAction::AttachRefused(refusal) => self.attach_refused(refusal),
            LeaseAction::Detached(answer) => self.detached(answer),
            LeaseAction::Revoke(revocation) => self.revoke(revocation),
            LeaseAction::ShutdownNotice { reason } => self.shutdown_notice(now, *reason),
            LeaseAction::Announce(announcement) => self.announce(now, announcement, regions),
            LeaseAction::Provision(_)
            | LeaseAction::RefreshActivity { .. }
            | LeaseAction::Retire { .. }
            | LeaseAction::Abandon { .. } => Said::Lost,
        }
    }

    fn attach_ok(&mut self, grant: &AttachGrant, regions: &Regions) -> Said {
        let Some(epoch) = regions.get(grant.stream_id, grant.epoch) else {
            let text = "the epoch was removed before its grant could be sent; attach again";
            return self.refuse_instead(grant, text.into());
        };
        let slot_count = grant.geometry.slot_count();
        let pools = epoch.pools.iter().map(|pool| ShmAttachResponsePayloadPool {
            pool_id: pool.pool_id.get(),
            pool_nslots: slot_count,
            stride_bytes: pool.stride_bytes,
            region_uri: pool.uri.as_bytes(),
        });
        // [TP-DRV-0020] [TP-DRV-0030]
        let response = ShmAttachResponse {
            correlation_id: grant.correlation_id.get(),
            code: WireCode::Ok,
            lease_id: Some(grant.lease_id.get()),
            lease_expiry_timestamp_ns: Some(grant.lease_expiry.get()),
            stream_id: Some(grant.stream_id.get()),
            epoch: Some(grant.epoch.get()),
            layout_version: Some(LAYOUT_VERSION),
            header_nslots: Some(slot_count),
            header_slot_bytes: Some(HEADER_SLOT_BYTES),
            node_id: Some(grant.node_id.get()),
            payload_pools: &pools.collect::<Vec<_>>(),
            header_region_uri: epoch.header_uri.as_bytes(),
            error_message: b"",
        };
        let len = response.encoded_len();
        let said = self.on_control(len, |buffer| response.encode(buffer));
        if said != Said::Lost {
            return said;
        }
        let text = format!(
            "attach response of {} bytes exceeds the control stream's message length; use a longer \
             term-length, fewer pools or a shorter base directory",
            len.unwrap_or(usize::MAX)
        );
        self.refuse_instead(grant, text.into())
    }

    /// [TP-DRV-0090]
    fn refuse_instead(&mut self, grant: &AttachGrant, text: Cow<'static, str>) -> Said {
        let said = self.attach_refused(&AttachRefusal {
            correlation_id: grant.correlation_id,
            code: ResponseCode::InternalError,
            text,
        });
        if said == Said::Sent {
            Said::Refused
        } else {
            said
        }
    }

    fn attach_refused(&mut self, refusal: &AttachRefusal) -> Said {
        // [TP-DRV-0060]
        let text = &refusal.text[..refusal.text.floor_char_boundary(MAX_TEXT_LEN)];
        let response = ShmAttachResponse {
            correlation_id: refusal.correlation_id.get(),
            code: wire_code(refusal.code),
            // [TP-DRV-0050] [TP-WIRE-0370]
            lease_id: None,
            lease_expiry_timestamp_ns: None,
            stream_id: None,
            epoch: None,
            layout_version: None,
            header_nslots: None,
            header_slot_bytes: None,
            node_id: None,
            payload_pools: &[],
            header_region_uri: b"",
            error_message: text.as_bytes(),
        };
        self.on_control(response.encoded_len(), |buffer| response.encode(buffer))
    }

    fn detached(&mut self, answer: &DetachAnswer) -> Said {
        let response = ShmDetachResponse {
            correlation_id: answer.correlation_id.get(),
            code: wire_code(answer.code),
            error_message: answer.text.as_bytes(),
        };
        self.on_control(response.encoded_len(), |buffer| response.encode(buffer))
    }

    fn revoke(&mut self, revocation: &Revocation) -> Said {
        let (reason, text) = match revocation.reason {
            LeaseRevokeReason::Detached => (WireRevokeReason::Detached, "lease detached"),
            LeaseRevokeReason::Expired => (WireRevokeReason::Expired, "lease expired"),
            LeaseRevokeReason::Revoked => (WireRevokeReason::Revoked, "lease revoked"),
        };
        // [TP-DRV-0710]
        let notice = ShmLeaseRevoked {
            timestamp_ns: revocation.timestamp.get(),
            lease_id: revocation.lease_id.get(),
            stream_id: revocation.stream_id.get(),
            client_id: revocation.client_id.get(),
            role: match revocation.role {
                Role::Producer => WireRole::Producer,
                Role::Consumer => WireRole::Consumer,
            },
            reason,
            error_message: text.as_bytes(),
        };
        self.on_control(notice.encoded_len(), |buffer| notice.encode(buffer))
    }

    fn shutdown_notice(&mut self, now: NanoTime, reason: ShutdownReason) -> Said {
        let notice = ShmDriverShutdown {
            timestamp_ns: now.get(),
            reason: match reason {
                ShutdownReason::Normal => WireShutdownReason::Normal,
                ShutdownReason::Admin => WireShutdownReason::Admin,
                ShutdownReason::Error => WireShutdownReason::Error,
            },
            error_message: b"",
        };
        self.on_control(notice.encoded_len(), |buffer| notice.encode(buffer))
    }

    fn announce(&mut self, now: NanoTime, announcement: &Announcement, regions: &Regions) -> Said {
        let Some(epoch) = regions.get(announcement.stream_id, announcement.epoch) else {
            return Said::Lost;
        };
        let announcement = crate::regions::Announcement {
            regions: epoch,
            producer: announcement.producer,
        };
        let Ok(message) = announcement.encode(now, &mut self.buffer) else {
            return Said::Lost;
        };
        let Some(publication) = &mut self.announce else {
            return said(self.control.offer(message));
        };
        match publication.offer(message) {
            Offer::NotConnected if publication.is_live() => Said::Unheard,
            offer => said(offer),
        }
    }

    fn on_control(
        &mut self,
        len: Result<usize, EncodeError>,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Said {
        match encoded(&mut self.buffer, len, encode) {
            Ok(message) => said(self.control.offer(message)),
            Err(_) => Said::Lost,
        }
    }
}

// [TP-DRV-0093]
fn encoded(
    buffer: &mut Vec<u8>,
    len: Result<usize, EncodeError>,
    encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
) -> Result<&[u8], EncodeError> {
    let len = len?;
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    let written = encode(&mut buffer[..len])?;
    Ok(&buffer[..written])
}

/// On control the driver hears itself, so "not connected" only means "not yet".
fn said(offer: Offer) -> Said {
    match offer {
        Offer::Sent { .. } => Said::Sent,
        Offer::BackPressured | Offer::AdminAction => Said::Later,
        // Another publication takes the place of one that is used up. [TP-RT-0915]
        Offer::NotConnected | Offer::LinkDown | Offer::MaxPositionExceeded => Said::NotYet,
        Offer::Closed | Offer::TooLong | Offer::Failed(_) => Said::Lost,
    }
}

fn wire_code(code: ResponseCode) -> WireCode {
    match code {
        ResponseCode::Ok => WireCode::Ok,
        ResponseCode::Unsupported => WireCode::Unsupported,
        ResponseCode::InvalidParams => WireCode::InvalidParams,
        ResponseCode::Rejected => WireCode::Rejected,
        ResponseCode::InternalError => WireCode::InternalError,
    }
}

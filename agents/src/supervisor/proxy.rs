//! Encodes what consumers are told and offers it to Aeron.

use tensorpool_codecs::wire;
use tensorpool_protocol::supervisor::{ConsumerConfig, FallbackUri, OwnStream};
use tensorpool_transport::{Offer, Publication};

/// Room for the longest answer: a fallback URI and two channels of 1024 bytes each.
const BUFFER_LEN: usize = 4096;

/// What became of something to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It is in the log.
    Sent,
    /// Back-pressure: keep the answer and come back.
    Later,
    /// The stream is not there yet, or not again: keep the answer and come back.
    NotYet,
    /// It cannot be said at all.
    Lost,
}

/// The supervisor's own publication on control.
#[derive(Debug)]
pub(super) struct SupervisorProxy {
    control: Publication,
    buffer: Box<[u8]>,
}

impl SupervisorProxy {
    pub(super) fn new(control: Publication) -> Self {
        Self {
            control,
            buffer: vec![0; BUFFER_LEN].into_boxed_slice(),
        }
    }

    /// Whether somebody hears what is said (the supervisor itself does).
    pub(super) fn is_ready(&mut self) -> bool {
        self.control.is_connected()
    }

    /// The Aeron stream it speaks on.
    pub(super) fn stream_id(&self) -> i32 {
        self.control.stream_id()
    }

    /// The session that is our own.
    pub(super) fn session_id(&mut self) -> Option<i32> {
        self.control.session_id()
    }

    /// Says one answer.
    pub(super) fn say(&mut self, config: &ConsumerConfig) -> Said {
        let (descriptor_channel, descriptor_stream_id) = on_the_wire(config.descriptor.as_ref());
        let (control_channel, control_stream_id) = on_the_wire(config.control.as_ref());
        let fallback = config.payload_fallback_uri.as_ref();
        let message = wire::ConsumerConfig {
            stream_id: config.key.stream_id.get(),
            consumer_id: config.key.consumer_id.get(),
            use_shm: config.use_shm,
            mode: config.mode,
            descriptor_stream_id,
            control_stream_id,
            payload_fallback_uri: fallback.map_or("", FallbackUri::as_str).as_bytes(),
            descriptor_channel,
            control_channel,
        };
        match message.encode(&mut self.buffer) {
            Ok(len) => said(self.control.offer(&self.buffer[..len])),
            Err(_) => Said::Lost,
        }
    }
}

/// No stream is said as an empty channel and 0. [TP-DRV-2210]
fn on_the_wire(stream: Option<&OwnStream>) -> (&[u8], u32) {
    stream.map_or((b"", 0), |own| (own.channel.as_bytes(), own.stream_id))
}

/// On control the supervisor hears itself, so "not connected" only means "not yet".
fn said(offer: Offer) -> Said {
    match offer {
        Offer::Sent { .. } => Said::Sent,
        Offer::BackPressured | Offer::AdminAction => Said::Later,
        // Another publication takes the place of one that is used up. [TP-RT-0915]
        Offer::NotConnected | Offer::LinkDown | Offer::MaxPositionExceeded => Said::NotYet,
        Offer::Closed | Offer::TooLong | Offer::Failed(_) => Said::Lost,
    }
}

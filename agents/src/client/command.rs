//! What applications ask of the conductor. Rare, so an unbounded channel; never per frame.

use std::sync::{Arc, Weak};

use crossbeam_channel::Sender;
use tensorpool_codecs::types::MetaVersion;
use tensorpool_protocol::client::AttachConfig;
use tensorpool_protocol::client::metadata::{Metadata, OutgoingBlob};

use super::consumer::Consumer;
use super::error::OpenError;
use super::options::{ConsumerOptions, ProducerOptions};
use super::producer::Producer;
use super::session::CloseProducer;
use super::worker::SessionId;

/// A request for a new session.
pub(super) struct Open<T> {
    pub(super) attach: AttachConfig,
    /// Gone when nobody waits any more.
    pub(super) waiting: Weak<()>,
    pub(super) reply: Sender<Result<T, OpenError>>,
}

pub(super) enum Command {
    OpenProducer {
        open: Box<Open<Producer>>,
        options: ProducerOptions,
    },
    OpenConsumer {
        open: Box<Open<Consumer>>,
        options: ConsumerOptions,
    },
    SetMetadata(SessionId, MetaVersion, Arc<Metadata>),
    PublishBlob(SessionId, Box<OutgoingBlob>),
    CloseProducer(SessionId, Box<CloseProducer>),
    /// Answered once the lease is back, if anybody waits for that.
    CloseConsumer(SessionId, Option<Sender<Result<(), OpenError>>>),
}

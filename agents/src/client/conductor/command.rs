//! What applications ask of the conductor. Rare, so an unbounded channel; never per frame.

use std::sync::{Arc, Weak};

use crossbeam_channel::Sender;
use tensorpool_codecs::types::MetaVersion;
use tensorpool_protocol::client::AttachConfig;
use tensorpool_protocol::client::metadata::{Metadata, OutgoingBlob};

use super::session::CloseProducer;
use super::worker::SessionId;
use crate::client::consumer::Consumer;
use crate::client::error::OpenError;
use crate::client::options::{ConsumerOptions, ProducerOptions};
use crate::client::producer::Producer;

/// A request for a new session.
pub(crate) struct Open<T> {
    pub(crate) attach: AttachConfig,
    /// Gone when nobody waits any more.
    pub(crate) waiting: Weak<()>,
    pub(crate) reply: Sender<Result<T, OpenError>>,
}

pub(crate) enum Command {
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

//! What `publish` and `subscribe` say at their end, as far as it is settled here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a producer says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Published {
    pub(super) frames: u64,
    pub(super) epochs: Vec<PublishedEpoch>,
    /// Descriptors that could not be sent on the shared stream, and frames given up, by cause.
    pub(super) drops: BTreeMap<String, u64>,
    pub(super) epochs_left_out: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct PublishedEpoch {
    pub(super) epoch: u64,
    pub(super) frames: u64,
    /// The number behind the last frame.
    pub(super) end: u64,
}

/// What a consumer says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Received {
    /// Frames copied out whole.
    pub(super) frames: u64,
    /// Of these, those whose bytes were others than published.
    pub(super) wrong: u64,
    pub(super) seconds: f64,
    pub(super) remaps: u64,
    pub(super) reattaches: u64,
    /// Its own descriptor stream at the end.
    pub(super) descriptor_stream: Option<u32>,
    /// Over all epochs.
    pub(super) drops: BTreeMap<String, u64>,
    pub(super) epochs: Vec<ReceivedEpoch>,
    pub(super) epochs_left_out: u64,
}

/// The account of an epoch: by the client, and by the program that took its frames.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub(super) struct ReceivedEpoch {
    pub(super) epoch: u64,
    /// The first frame owed, and the one behind the last that is accounted for.
    pub(super) first: Option<u64>,
    pub(super) end: Option<u64>,
    pub(super) delivered: u64,
    pub(super) drops: BTreeMap<String, u64>,
    pub(super) taken: u64,
    pub(super) taken_first: Option<u64>,
    pub(super) taken_last: Option<u64>,
    /// Frames that came again, or before an earlier one.
    pub(super) disorder: u64,
    /// How it ended, as far as this consumer knows.
    pub(super) ended: String,
}

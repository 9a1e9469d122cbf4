//! Progress of frames that are being written, as it shows on the wire and to applications.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use peer::Peer;
use support::{SLOTS, STREAM, WAIT, World};
use tensorpool::client::{
    Claim, Client, Consumer, FrameMeta, PollError, Producer, ProgressDrop, ProgressError,
    ProgressFloors, ProgressHints, ProgressInfo, ProgressState, ProgressTold, ReportError,
};
use tensorpool::codecs::types::{Epoch, Seq};
use tensorpool::codecs::wire::{Dtype, FrameProgress, FrameProgressState, ProgressUnit};

mod believing;
mod peer;
#[path = "../support/mod.rs"]
mod support;
mod telling;

/// Small floors, so that what tests write is told at once.
const FLOORS: ProgressFloors = ProgressFloors {
    interval_us: 1,
    bytes: 1,
    major_units: 1,
};

fn producer(client: &Client) -> Producer {
    client.producer(STREAM).progress(FLOORS).wait(WAIT).unwrap()
}

fn prefix_reader(client: &Client) -> Consumer {
    let builder = client.consumer(STREAM).progress(ProgressHints::default());
    builder.read_prefixes(true).wait(WAIT).unwrap()
}

fn bytes(len: usize) -> FrameMeta {
    FrameMeta::bytes(len).unwrap()
}

/// Reports progress until somebody was told: consumers say once a second that they ask for it.
fn tell(producer: &mut Producer, claim: &Claim, filled: usize) {
    let started = Instant::now();
    while producer.progress(claim, filled).unwrap() != ProgressTold::Sent {
        assert!(started.elapsed() < WAIT, "nobody asks for progress");
    }
}

fn hear(consumer: &mut Consumer, count: usize) -> Vec<ProgressInfo> {
    let (mut heard, started) = (Vec::new(), Instant::now());
    while heard.len() < count {
        consumer
            .poll_progress(|progress| heard.push(*progress.info()), 16)
            .unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.progress_stats());
    }
    heard
}

fn receive(consumer: &mut Consumer, count: u64) {
    let started = Instant::now();
    while consumer.stats().delivered() < count {
        consumer.poll(|_| {}, 16).unwrap();
        assert!(started.elapsed() < WAIT, "{:?}", consumer.stats());
    }
}

/// Lets a consumer hear until it has dropped so many messages for a cause.
fn until_dropped(consumer: &mut Consumer, cause: ProgressDrop, count: u64) {
    let started = Instant::now();
    while consumer.progress_stats().drops.get(cause) < count {
        consumer
            .poll_progress(|progress| panic!("believed {:?}", progress.info()), 16)
            .unwrap();
        assert!(
            started.elapsed() < WAIT,
            "{cause:?}: {:?}",
            consumer.progress_stats()
        );
    }
    assert_eq!(consumer.progress_stats().drops.get(cause), count);
}

fn message(epoch: Epoch, seq: u64, filled: u64, state: FrameProgressState) -> FrameProgress {
    FrameProgress {
        stream_id: STREAM.get(),
        epoch: epoch.get(),
        seq,
        payload_bytes_filled: filled,
        state,
    }
}

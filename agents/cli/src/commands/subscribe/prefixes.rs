//! What is done with frames that are still being written: their first bytes are timed, and checked.

use serde_json::{Map, Value, json};
use tensorpool::client::{Progress, ProgressDrop, ProgressHeard};
use tensorpool::codecs::types::{Epoch, Seq};
use tensorpool::runtime::clock::monotonic_ns;

use crate::formats::pattern::Pattern;
use crate::report::figures::{Figures, latency_text};

/// What was made of progress.
pub(super) struct Prefixes {
    verify: Option<Pattern>,
    buffer: Vec<u8>,
    /// The last frame that was heard of, and whether bytes of it were there.
    last: Option<(Epoch, Seq)>,
    has_bytes: bool,
    messages: u64,
    frames: u64,
    /// Messages of frames that were not committed.
    early: u64,
    verified_bytes: u64,
    overtaken: u64,
    wrong: u64,
    first_wrong: Option<String>,
    first_bytes: Figures,
}

impl Prefixes {
    pub(super) fn new(verify: Option<Pattern>) -> Self {
        Self {
            verify,
            buffer: Vec::new(),
            last: None,
            has_bytes: false,
            messages: 0,
            frames: 0,
            early: 0,
            verified_bytes: 0,
            overtaken: 0,
            wrong: 0,
            first_wrong: None,
            first_bytes: Figures::new(),
        }
    }

    /// Takes news of a frame.
    pub(super) fn take(&mut self, progress: &Progress<'_>) {
        let info = progress.info();
        let frame = (info.epoch, info.seq);
        self.messages += 1;
        self.early += u64::from(!info.committed);
        if self.last.is_none_or(|last| last < frame) {
            self.frames += 1;
            self.last = Some(frame);
            self.has_bytes = false;
        }
        if self.last == Some(frame) && info.bytes_filled > 0 && !self.has_bytes {
            self.has_bytes = true;
            let since = monotonic_ns().since_ns(info.timestamp);
            self.first_bytes.latency(since);
        }
        self.check(progress);
    }

    /// Compares the bytes that are there with what they are to be.
    fn check(&mut self, progress: &Progress<'_>) {
        let (Some(pattern), Some(prefix)) = (self.verify, progress.prefix()) else {
            return;
        };
        self.buffer.resize(prefix.len(), 0);
        if prefix.copy_to(&mut self.buffer).is_err() {
            self.overtaken += 1;
            return;
        }
        self.verified_bytes += prefix.len() as u64;
        let seq = prefix.seq();
        if let Err(mismatch) = pattern.verify(seq.get(), &self.buffer) {
            self.wrong += 1;
            self.first_wrong
                .get_or_insert_with(|| format!("frame {seq}: {mismatch}"));
        }
    }

    /// Messages so far.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Messages whose bytes were not what they should have been.
    pub(super) fn wrong(&self) -> u64 {
        self.wrong
    }

    fn per_frame(&self) -> f64 {
        match self.frames {
            0 => 0.0,
            frames => self.messages as f64 / frames as f64,
        }
    }

    /// What there is to say at the end.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "; progress of {} frames, {:.1} messages each",
            self.frames,
            self.per_frame()
        );
        let first_bytes = self.first_bytes.latency_summary();
        if first_bytes.count > 0 {
            text.push_str(&latency_text(&first_bytes).replacen("latency", "first bytes", 1));
        }
        if let Some(first) = &self.first_wrong {
            text.push_str(&format!(
                ", {} WRONG PREFIXES, the first: {first}",
                self.wrong
            ));
        }
        text
    }

    /// The same for programs.
    pub(super) fn json(&self, heard: &ProgressHeard) -> Value {
        let drops = ProgressDrop::ALL.map(|cause| {
            let count = heard.drops.get(cause);
            (cause.label().to_owned(), Value::from(count))
        });
        json!({
            "messages": self.messages,
            "frames": self.frames,
            "messages_per_frame": self.per_frame(),
            "uncommitted": self.early,
            "first_bytes_ns": self.first_bytes.latency_summary().json(),
            "verified_bytes": self.verified_bytes,
            "overtaken": self.overtaken,
            "wrong": self.wrong,
            "first_wrong": self.first_wrong,
            "overrun": heard.overrun,
            "malformed": heard.malformed,
            "drops": Value::Object(drops.into_iter().collect::<Map<_, _>>()),
        })
    }
}

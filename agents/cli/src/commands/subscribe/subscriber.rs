//! The receiving loop.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tensorpool::client::{Consumer, ConsumerStats, DropCause, Event, Frame, TensorLayout};
use tensorpool::codecs::types::{ClientId, Epoch};
use tensorpool::codecs::wire::MajorOrder;
use tensorpool::runtime::Idler;
use tensorpool::runtime::clock::monotonic_ns;

use crate::args::SubscribeArgs;
use crate::commands::pacer::Pacer;
use crate::commands::session::{ProgressTimer, tell};
use crate::formats::dtype::ElementType;
use crate::formats::layout::{FrameLayout, MajorOrder as FileOrder};
use crate::formats::output::OutputError;
use crate::formats::shape::Shape;
use crate::report::Reporter;
use crate::report::figures::{
    Figures, bandwidth_text, count_text, latency_text, moved_text, per_second, percentiles_text,
};
use crate::signals::StopFlag;

use super::described::{tell_blob, tell_metadata};
use super::epochs::Epochs;
use super::prefixes::Prefixes;
use super::sink::Sink;
use super::stdout::is_stalled;

/// Frames delivered in one go before signals and events are looked at.
const POLL_LIMIT: usize = 64;

/// Reports of progress without the stream of its own that a consumer asks for once a second: after so many
/// nobody is going to give it one.
const REPORTS_WITHOUT_OWN: u32 = 10;

/// A consumer, what is done with its frames, and how far it has come.
pub(super) struct Subscriber<'a> {
    args: &'a SubscribeArgs,
    consumer: Consumer,
    intake: Intake<'a>,
    prefixes: Option<Prefixes>,
    progress: ProgressTimer,
    pacer: Option<Pacer>,
    idler: Idler,
    /// Reports of progress without the stream of its own that was asked for, in a row.
    without_own: u32,
}

/// What happens to a frame.
struct Intake<'a> {
    args: &'a SubscribeArgs,
    sink: Sink,
    figures: Figures,
    epochs: Epochs,
    buffer: Vec<u8>,
    layout: Option<(TensorLayout, FrameLayout)>,
    checksums: Vec<(u64, u32)>,
    error: Option<anyhow::Error>,
}

impl<'a> Subscriber<'a> {
    pub(super) fn new(args: &'a SubscribeArgs, consumer: Consumer, sink: Sink) -> Self {
        Self {
            args,
            consumer,
            intake: Intake {
                args,
                sink,
                figures: Figures::new(),
                epochs: Epochs::new(),
                buffer: Vec::new(),
                layout: None,
                checksums: Vec::new(),
                error: None,
            },
            prefixes: args.progress.then(|| Prefixes::new(args.verify)),
            progress: ProgressTimer::new(),
            pacer: args.slow.map(|rate| Pacer::new(Some(rate))),
            idler: args.stream.idle.idler(),
            without_own: 0,
        }
    }

    /// Says what the frames will come from.
    pub(super) fn tell_attached(&self, report: &Reporter) {
        let consumer = &self.consumer;
        let client = consumer.client_id().map(ClientId::get);
        let mut text = format!("subscribed to stream {}", consumer.stream_id());
        if self.args.no_driver {
            text.push_str(" without a driver");
        }
        if self.args.no_shm {
            text.push_str(" without shared memory");
        }
        // What is not known is not said.
        let about = [
            client.map(|client| format!("client {client}")),
            consumer.slot_count().map(|slots| format!("{slots} slots")),
        ];
        let about: Vec<String> = about.into_iter().flatten().collect();
        if !about.is_empty() {
            text.push_str(&format!(": {}", about.join(", ")));
        }
        report.event(
            "attached",
            &text,
            json!({
                "stream": consumer.stream_id().get(),
                "client": client,
                "epoch": consumer.epoch().map(Epoch::get),
                "driver": !self.args.no_driver,
                "slots": consumer.slot_count(),
                "availability": self.args.availability.name(),
                "pid": std::process::id(),
            }),
        );
    }

    /// Receives until something ends it. That the reader of a pipe has gone is such an end (`| head`).
    ///
    /// # Errors
    /// When the output cannot be written, or the client has ended.
    pub(super) fn run(&mut self, stop: &StopFlag, report: &Reporter) -> anyhow::Result<()> {
        let deadline = self.args.duration.map(|duration| Instant::now() + duration);
        let mut ended = false;
        // Without an output, what is printed is all there is: when nobody reads it there is nothing left to do.
        let is_heard = || self.args.output.is_some() || !report.is_unheard();
        while !ended && !stop.is_set() && self.remaining() > 0 && is_heard() {
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                break;
            }
            let work = match self.receive(now) {
                Err(error) if self.args.output.is_some() && is_closed_pipe(&error) => {
                    self.take_events(report);
                    report.event(
                        "output_closed",
                        "whoever read the frames has gone",
                        json!({}),
                    );
                    break;
                }
                Err(error) if is_stalled_pipe(&error) => {
                    self.take_events(report);
                    report.event(
                        "output_stalled",
                        "whoever reads the frames takes none: the last is cut short, the rest was \
                         not written",
                        json!({}),
                    );
                    break;
                }
                received => received?,
            };
            ended = self.take_events(report);
            for (seq, crc) in self.intake.checksums.drain(..) {
                let text = format!("frame {seq} crc32c {crc:08x}");
                report.event(
                    "checksum",
                    &text,
                    json!({ "seq": seq, "crc32c": format!("{crc:08x}") }),
                );
            }
            if self.progress.is_due_at(now) {
                self.tell_progress(report);
                self.tell_own_stream(report);
            }
            self.idler.idle(work);
        }
        Ok(())
    }

    /// Frames still wanted.
    fn remaining(&self) -> usize {
        let left = self
            .args
            .count
            .map(|count| count.saturating_sub(self.intake.figures.frames()));
        left.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX)
        })
    }

    fn receive(&mut self, now: Instant) -> anyhow::Result<usize> {
        let heard = self.hear()?;
        Ok(self.receive_frames(now)? + heard)
    }

    /// Takes news of frames that are being written; gives how many.
    fn hear(&mut self) -> anyhow::Result<usize> {
        let Some(prefixes) = &mut self.prefixes else {
            return Ok(0);
        };
        let news = self
            .consumer
            .poll_progress(|progress| prefixes.take(progress), POLL_LIMIT)?;
        Ok(news)
    }

    fn receive_frames(&mut self, now: Instant) -> anyhow::Result<usize> {
        let limit = match &mut self.pacer {
            // A slow reader looks at one frame when its time has come, and sleeps in between.
            Some(pacer) => {
                let wait = pacer.wait(now);
                if !wait.is_zero() {
                    std::thread::sleep(wait.min(Duration::from_millis(5)));
                    return Ok(1);
                }
                1
            }
            None => POLL_LIMIT.min(self.remaining()),
        };
        let intake = &mut self.intake;
        let delivered = self.consumer.poll(|frame| intake.take(frame), limit)?;
        if let Some(error) = intake.error.take() {
            return Err(error);
        }
        if delivered > 0
            && let Some(pacer) = &mut self.pacer
        {
            pacer.sent();
        }
        Ok(delivered)
    }

    /// Tells what happened; true at the end of the stream.
    fn take_events(&mut self, report: &Reporter) -> bool {
        let (mut ended, mut is_described) = (false, false);
        for event in self.consumer.events() {
            ended |= matches!(event, Event::EndOfStream { .. }) && !self.args.follow;
            self.intake.epochs.on_event(&event);
            match &event {
                Event::AccountClosed(_) => {}
                Event::MetadataChanged { .. } => is_described = true,
                Event::Blob(blob) => tell_blob(report, blob),
                other => tell(report, other),
            }
        }
        if let Some(source) = self.consumer.metadata().filter(|_| is_described) {
            tell_metadata(report, &source);
        }
        ended
    }

    /// Says once that a stream of its own was asked for and did not come.
    fn tell_own_stream(&mut self, report: &Reporter) {
        if !self.args.own_stream || self.consumer.descriptor_stream().is_some() {
            self.without_own = 0;
            return;
        }
        self.without_own += 1;
        if self.without_own == REPORTS_WITHOUT_OWN {
            let text = "no stream of its own was given: frames come by the stream of everybody;                         is there a supervisor with ids for consumers, or are all taken?";
            report.event("no_own_stream", text, json!({}));
        }
    }

    fn tell_progress(&mut self, report: &Reporter) {
        let interval = self.intake.figures.take_interval();
        let stats = self.consumer.stats();
        report.progress(
            &format!(
                "{}, {:.0} frames/s, {}, {}{}",
                count_text(interval.frames, "frame"),
                interval.frames_per_s,
                bandwidth_text(interval.bytes_per_s),
                drops_text(&stats),
                latency_text(&interval.latency),
            ),
            json!({
                "frames": interval.frames,
                "bytes": interval.bytes,
                "frames_per_s": interval.frames_per_s,
                "bytes_per_s": interval.bytes_per_s,
                "drops": drops_json(&stats),
                "progress_messages": self.prefixes.as_ref().map(Prefixes::messages),
                "latency_ns": interval.latency.json(),
            }),
        );
    }

    /// Completes the output.
    ///
    /// # Errors
    /// When it cannot be completed; that nobody reads it any more is none.
    pub(super) fn complete(&mut self) -> anyhow::Result<()> {
        match self.intake.sink.finish() {
            Err(error) if is_closed_pipe(&error) => Ok(()),
            completed => completed,
        }
    }

    /// Says how it went; false when a frame was not what it should have been, or none was there to
    /// be checked.
    pub(super) fn finish(mut self, report: &Reporter) -> bool {
        // News of the last frames; a client that has closed has no more.
        let _heard = self.hear();
        let figures = &self.intake.figures;
        let stats = self.consumer.stats();
        let (wrong, first_wrong) = self.intake.sink.wrong();
        let (frames, bytes, elapsed) = (figures.frames(), figures.bytes(), figures.elapsed());
        let (latency, age) = (figures.latency_summary(), figures.age_summary());
        let mut text = format!(
            "received {}; {}{}",
            moved_text(frames, bytes, elapsed),
            drops_text(&stats),
            match latency.count {
                0 => percentiles_text("age", &age),
                _ => latency_text(&latency),
            },
        );
        let checksum = self
            .intake
            .sink
            .total_checksum()
            .map(|crc| format!("{crc:08x}"));
        if let Some(crc) = &checksum {
            text.push_str(&format!("; crc32c of all payloads {crc}"));
        }
        if self.args.verify.is_some() {
            text.push_str(&match first_wrong {
                None if frames == 0 => "; NOTHING VERIFIED, as nothing was received".to_owned(),
                None => "; every byte verified".to_owned(),
                Some(first) => format!("; {wrong} WRONG FRAMES, the first: {first}"),
            });
        }
        let map_failures = self.intake.epochs.map_failures();
        if map_failures > 0 {
            text.push_str(&format!(
                "; refused to map {}",
                count_text(map_failures, "time")
            ));
        }
        if let Some(path) = self.intake.sink.untouched() {
            text.push_str(&format!("; {} was not written", path.display()));
        }
        let heard = self.consumer.progress_stats();
        let wrong_prefixes = self.prefixes.as_ref().map_or(0, Prefixes::wrong);
        if let Some(prefixes) = &self.prefixes {
            text.push_str(&prefixes.text());
        }
        report.summary(
            &text,
            json!({
                "progress": self.prefixes.as_ref().map(|prefixes| prefixes.json(&heard)),
                "frames": frames,
                "bytes": bytes,
                "seconds": elapsed.as_secs_f64(),
                "frames_per_s": per_second(frames, elapsed),
                "bytes_per_s": per_second(bytes, elapsed),
                "drops": drops_json(&stats),
                "other_epochs": stats.drops(DropCause::EpochMismatch),
                "remaps": stats.remaps,
                "reattaches": self.intake.epochs.reattaches(),
                "map_failures": map_failures,
                "epochs": self.intake.epochs.json(self.consumer.account()),
                "epochs_left_out": self.intake.epochs.left_out(),
                "mode": self.consumer.mode().to_string(),
                "descriptor_stream": self.consumer.descriptor_stream(),
                "wrong": wrong,
                "first_wrong": first_wrong,
                "verified": self.args.verify.map(|_| frames > 0 && wrong == 0),
                "written": self.args.output.as_ref().map(|_| self.intake.sink.untouched().is_none()),
                "crc32c": checksum,
                "latency_ns": latency.json(),
                "age_ns": age.json(),
                "availability": self.args.availability.name(),
            }),
        );
        let is_unchecked = self.args.verify.is_some() && frames == 0;
        wrong == 0 && wrong_prefixes == 0 && !is_unchecked
    }
}

impl Intake<'_> {
    /// Copies a frame out, proves it whole, and hands it on. A frame that was overtaken meanwhile is counted by the
    /// consumer, and nothing of it is used.
    fn take(&mut self, frame: &Frame<'_>) {
        if self.args.headers_only {
            self.count(frame);
            return;
        }
        self.buffer.resize(frame.len(), 0);
        if frame.copy_to(&mut self.buffer).is_err() {
            return;
        }
        self.count(frame);
        if self.error.is_none()
            && self.sink.wants_bytes()
            && let Err(error) = self.hand_on(frame)
        {
            self.error = Some(error);
        }
    }

    fn count(&mut self, frame: &Frame<'_>) {
        self.figures.frame(frame.len());
        self.epochs.take(frame.info().epoch, frame.seq());
        let (info, now) = (frame.info(), monotonic_ns());
        if let Some(published) = info.published {
            self.figures.latency(now.since_ns(published));
        }
        self.figures.age(now.since_ns(info.timestamp));
    }

    fn hand_on(&mut self, frame: &Frame<'_>) -> anyhow::Result<()> {
        let seq = frame.seq().get();
        let layout = match &self.layout {
            Some((tensor, layout)) if tensor == frame.tensor() => layout,
            _ => {
                let layout = file_layout(frame.tensor(), frame.len())?;
                &self.layout.insert((*frame.tensor(), layout)).1
            }
        };
        if let Some(crc) = self.sink.frame(seq, layout, &self.buffer)? {
            self.checksums.push((seq, crc));
        }
        Ok(())
    }
}

/// How a tensor is written to a file: as itself when its elements lie back to back, else as the bytes it is.
fn file_layout(tensor: &TensorLayout, len: usize) -> anyhow::Result<FrameLayout> {
    let element_type = ElementType::from_wire_code(tensor.dtype().to_wire());
    match element_type {
        Some(element_type) if tensor.is_contiguous() && tensor.extent_bytes() == len as u64 => {
            let dims: Vec<u64> = tensor
                .dims()
                .iter()
                .map(|&dim| u64::from(dim.unsigned_abs()))
                .collect();
            Ok(FrameLayout {
                element_type,
                shape: Shape::new(&dims)?,
                major_order: match tensor.major_order() {
                    MajorOrder::Column => FileOrder::Column,
                    MajorOrder::Row | MajorOrder::Unknown => FileOrder::Row,
                },
            })
        }
        _ => Ok(FrameLayout::row_major(
            ElementType::Bytes,
            Shape::new(&[len as u64])?,
        )),
    }
}

/// Whether writing failed because nobody reads any more.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<OutputError>(),
        Some(OutputError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe
    )
}

/// Whether writing failed as nobody read, and a signal asked for the end.
fn is_stalled_pipe(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref::<OutputError>(),
        Some(OutputError::Io(error)) if is_stalled(error)
    )
}

/// The causes of what was owed and not delivered, as programs know them. All but `rate_limited` make
/// up `lost`.
pub(super) const CAUSES: [(DropCause, &str); 8] = [
    (DropCause::Gap, "gap"),
    (DropCause::Odd, "odd"),
    (DropCause::Changed, "changed"),
    (DropCause::FrameIdMismatch, "frame_id_mismatch"),
    (DropCause::HeaderInvalid, "header_invalid"),
    (DropCause::PayloadInvalid, "payload_invalid"),
    (DropCause::Revoked, "revoked"),
    (DropCause::RateLimited, "rate_limited"),
];

fn drops_json(stats: &ConsumerStats) -> Value {
    let by_cause = CAUSES
        .iter()
        .map(|&(cause, name)| (name.to_owned(), stats.drops(cause).into()));
    Value::Object(by_cause.collect::<Map<_, _>>())
}

/// `17 dropped (gap 3, changed 14), 30 skipped for the rate`.
fn drops_text(stats: &ConsumerStats) -> String {
    let causes: Vec<String> = CAUSES
        .iter()
        .filter(|&&(cause, _)| cause != DropCause::RateLimited && stats.drops(cause) > 0)
        .map(|&(cause, name)| format!("{} {}", name.replace('_', " "), stats.drops(cause)))
        .collect();
    let mut text = format!("{} dropped", stats.lost());
    if !causes.is_empty() {
        text.push_str(&format!(" ({})", causes.join(", ")));
    }
    match stats.drops(DropCause::RateLimited) {
        0 => {}
        skipped => text.push_str(&format!(", {skipped} skipped for the rate")),
    }
    text
}

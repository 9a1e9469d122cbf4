//! The publishing loop: one frame at a time, when it is due and there is room for it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tensorpool::client::{
    BlobOutcome, Claim, Event, FrameMeta, OfferError, Producer, ProducerStats, ProgressSent,
    ReportError,
};
use tensorpool::runtime::Idler;

use crate::args::PublishArgs;
use crate::formats::size::ByteSize;
use crate::report::Reporter;
use crate::report::figures::{
    Figures, bandwidth_text, count_text, latency_text, moved_text, per_second,
};
use crate::signals::StopFlag;

use super::WAIT_SLICE;
use super::epochs::Epochs;
use super::source::Source;
use super::stall::Stall;
use crate::commands::pacer::Pacer;
use crate::commands::session::tell;

/// Beyond the linger: what the conductor may take to answer.
const CLOSE_MARGIN: Duration = Duration::from_secs(2);

/// A producer, its input, and how far it has come.
pub(super) struct Publisher<'a> {
    args: &'a PublishArgs,
    producer: Producer,
    source: Source,
    meta: FrameMeta,
    frame_len: usize,
    /// Lossless: a frame is kept here until it is committed, so that an epoch's end cannot take it along.
    kept: Option<Vec<u8>>,
    kept_is_full: bool,
    pacer: Pacer,
    idler: Idler,
    figures: Figures,
    epochs: Epochs,
    /// Since when the frame at hand could have gone out: its pace and its input were ready.
    due: Option<Instant>,
    /// Says how it goes while the input stalls.
    stall: Rc<Stall>,
    /// Frames whose epoch ended while they were written.
    aborted: u64,
    /// Times a frame had to wait for a consumer.
    paced: u64,
    /// Blobs that are under way.
    blobs: usize,
    /// Blobs that were given up.
    blobs_not_sent: usize,
}

/// What became of one attempt to publish.
enum Attempt {
    Sent,
    Wait,
}

impl<'a> Publisher<'a> {
    pub(super) fn new(
        args: &'a PublishArgs,
        producer: Producer,
        source: Source,
        meta: FrameMeta,
        stall: Rc<Stall>,
    ) -> Self {
        let frame_len = usize::try_from(source.layout().frame_len()).unwrap_or(usize::MAX);
        let is_input = matches!(source, Source::Input { .. });
        Self {
            args,
            producer,
            meta,
            frame_len,
            kept: (args.lossless && is_input).then(|| vec![0; frame_len]),
            kept_is_full: false,
            pacer: Pacer::new(args.pace.rate_hz(source.frame_rate_hz())),
            source,
            idler: args.stream.idle.idler(),
            figures: Figures::new(),
            epochs: Epochs::new(),
            due: None,
            stall,
            aborted: 0,
            paced: 0,
            blobs: 0,
            blobs_not_sent: 0,
        }
    }

    /// Waits for the consumers asked for; false when a signal came first.
    ///
    /// # Errors
    /// When they do not come in time.
    pub(super) fn wait_consumers(
        &mut self,
        stop: &StopFlag,
        report: &Reporter,
    ) -> anyhow::Result<bool> {
        let wanted = self.args.wait_consumers;
        let started = Instant::now();
        if self.producer.consumers() < wanted {
            report.event(
                "waiting",
                &format!("waiting for {}", consumers_text(wanted)),
                json!({ "consumers": self.producer.consumers(), "wanted": wanted }),
            );
        }
        while self.producer.consumers() < wanted {
            if stop.is_set() {
                return Ok(false);
            }
            if started.elapsed() > self.args.wait_timeout {
                bail!(
                    "waited {:?} for {}, {} came; start more, or lower --wait-consumers",
                    self.args.wait_timeout,
                    consumers_text(wanted),
                    self.producer.consumers()
                );
            }
            self.tell_events(report);
            self.producer.poll();
            std::thread::sleep(Duration::from_millis(1));
        }
        if wanted > 0 {
            let consumers = self.producer.consumers();
            report.event(
                "consumers",
                &format!("starting with {}", consumers_text(consumers)),
                json!({ "consumers": consumers }),
            );
        }
        Ok(true)
    }

    /// Sends blobs; what became of them is told as it is known.
    ///
    /// # Errors
    /// When one is too long, or there are too many.
    pub(super) fn publish_blobs(&mut self, blobs: Vec<(u32, Vec<u8>)>) -> anyhow::Result<()> {
        for (blob_type, bytes) in blobs {
            self.producer
                .publish_blob(blob_type, bytes)
                .with_context(|| format!("--blob {blob_type}"))?;
            self.blobs += 1;
        }
        Ok(())
    }

    /// Publishes until something ends it.
    ///
    /// # Errors
    /// When the input breaks off, frames do not fit, or the client has ended.
    pub(super) fn run(&mut self, stop: &StopFlag, report: &Reporter) -> anyhow::Result<()> {
        let started = Instant::now();
        let deadline = self.args.duration.map(|duration| started + duration);
        while !stop.is_set()
            && self
                .args
                .count
                .is_none_or(|count| self.figures.frames() < count)
        {
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                break;
            }
            if self.stall.is_due_at(now) {
                self.tell_events(report);
                self.tell_progress(report);
            }
            let wait = self.pacer.wait(now);
            if !wait.is_zero() {
                self.producer.poll();
                self.rest(wait);
                continue;
            }
            if !self.kept_is_full {
                if !self.source.wait(Duration::ZERO)? {
                    self.wait_for_input(report)?;
                    continue;
                }
                if self.source.at_end()? {
                    break;
                }
            }
            self.due.get_or_insert(now);
            match self.attempt() {
                // What the signal cut short is no broken input.
                Err(_) if stop.is_set() => break,
                Err(error) => return Err(error),
                Ok(Attempt::Sent) => {
                    self.pacer.sent();
                    self.idler.idle(1);
                }
                Ok(Attempt::Wait) => {
                    self.tell_events(report);
                    self.producer.poll();
                    self.idler.idle(0);
                }
            }
        }
        Ok(())
    }

    /// Nothing to send at the moment: what is held back may go out meanwhile, and nobody waits for news.
    fn wait_for_input(&mut self, report: &Reporter) -> anyhow::Result<()> {
        self.tell_events(report);
        self.producer.poll();
        self.source.wait(WAIT_SLICE)?;
        Ok(())
    }

    /// Sleeps for most of a wait and spins for the rest: sleeps are late by tens of microseconds.
    fn rest(&mut self, wait: Duration) {
        const SPIN: Duration = Duration::from_micros(120);
        if wait > SPIN {
            std::thread::sleep((wait - SPIN).min(WAIT_SLICE));
        } else {
            std::hint::spin_loop();
        }
    }

    fn attempt(&mut self) -> anyhow::Result<Attempt> {
        let figures = &self.figures;
        let consumers = self.producer.consumers();
        self.stall
            .begin_frame(figures.frames(), figures.bytes(), consumers);
        let outcome = match &mut self.kept {
            Some(frame) => {
                if !self.kept_is_full {
                    self.source.fill(0, frame)?;
                    self.kept_is_full = true;
                }
                self.producer.offer(&self.meta, frame)
            }
            None => match self.producer.claim(&self.meta, self.frame_len) {
                Ok(mut claim) => {
                    self.fill(&mut claim)?;
                    self.producer.commit(claim)
                }
                Err(error) => Err(error),
            },
        };
        match outcome {
            Ok(offered) => {
                self.kept_is_full = false;
                self.epochs.on_published(&offered);
                self.figures.frame(self.frame_len);
                if let Some(due) = self.due.take() {
                    let waited = due.elapsed().as_nanos();
                    self.figures
                        .latency(u64::try_from(waited).unwrap_or(u64::MAX));
                }
                Ok(Attempt::Sent)
            }
            Err(OfferError::Paced) => {
                self.paced += 1;
                Ok(Attempt::Wait)
            }
            Err(OfferError::Stale { .. }) => {
                self.aborted += 1;
                Ok(Attempt::Wait)
            }
            // Events tell why; the conductor is getting it back. Consumers are, too: a burst would only be lost.
            Err(OfferError::NotAttached | OfferError::Poisoned) => {
                self.pacer.pause();
                Ok(Attempt::Wait)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the next frame, in one go or in parts that consumers are told of.
    fn fill(&mut self, claim: &mut Claim) -> anyhow::Result<()> {
        let seq = claim.seq().get();
        let Some(ByteSize(part_len)) = self.args.progress else {
            return self.source.fill(seq, claim.payload_mut());
        };
        let part_len = usize::try_from(part_len).unwrap_or(usize::MAX).max(1);
        let (mut filled, len) = (0, claim.len());
        loop {
            match self.producer.progress(claim, filled) {
                // The commit finds that out as well.
                Ok(_) | Err(ReportError::Stale { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let end = filled.saturating_add(part_len).min(len);
            let part = &mut claim.payload_mut()[filled..end];
            self.source.fill_part(seq, filled, part, len)?;
            filled = end;
            if filled == len {
                return Ok(());
            }
        }
    }

    fn tell_events(&mut self, report: &Reporter) {
        for event in self.producer.events() {
            if let Event::BlobDone { outcome, .. } = &event {
                self.blobs -= 1;
                self.blobs_not_sent += usize::from(!matches!(outcome, BlobOutcome::Sent));
            }
            tell(report, &event);
        }
    }

    /// What became of the blobs is told before the end, within the linger.
    fn settle_blobs(&mut self, report: &Reporter) {
        let started = Instant::now();
        while self.blobs > 0 && started.elapsed() < self.args.linger {
            self.producer.poll();
            self.tell_events(report);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn tell_progress(&mut self, report: &Reporter) {
        let interval = self.figures.take_interval();
        let stats = self.producer.stats();
        let (epoch, next_seq) = self.epochs.last().unzip();
        report.progress(
            &format!(
                "{}, {:.0} frames/s, {}, {}{}{}",
                count_text(interval.frames, "frame"),
                interval.frames_per_s,
                bandwidth_text(interval.bytes_per_s),
                consumers_text(self.producer.consumers()),
                latency_text(&interval.latency),
                trouble_text(&stats, self.aborted),
            ),
            json!({
                "frames": interval.frames,
                "bytes": interval.bytes,
                "frames_per_s": interval.frames_per_s,
                "bytes_per_s": interval.bytes_per_s,
                "epoch": epoch,
                "next_seq": next_seq,
                "consumers": self.producer.consumers(),
                "drops": drops_json(&stats, self.aborted),
                "latency_ns": interval.latency.json(),
            }),
        );
    }

    /// Lingers until consumers have seen the end, detaches, and says how it went.
    pub(super) fn finish(mut self, report: &Reporter) {
        self.tell_events(report);
        // Of the frames, without the wait for the blobs.
        let elapsed = self.figures.elapsed();
        self.settle_blobs(report);
        let stats = self.producer.stats();
        let progress = self.args.progress.map(|_| self.producer.progress_stats());
        let (linger, consumers) = (self.args.linger, self.producer.consumers());
        let closed = self.producer.close(linger).wait(linger + CLOSE_MARGIN);
        let (frames, bytes) = (self.figures.frames(), self.figures.bytes());
        let seen = match &closed {
            Ok(_) if consumers == 0 => "no consumers at the end".to_owned(),
            Ok(report) if report.all_seen => "all consumers have seen the last frame".to_owned(),
            Ok(_) => "not all consumers have confirmed the last frame".to_owned(),
            Err(error) => format!("not closed in order: {error}"),
        };
        let latency = self.figures.latency_summary();
        report.summary(
            &format!(
                "sent {}{}{}{}{}; {seen}",
                moved_text(frames, bytes, elapsed),
                latency_text(&latency),
                progress.map_or_else(String::new, |told| progress_text(&told)),
                trouble_text(&stats, self.aborted),
                blobs_text(self.blobs),
            ),
            json!({
                "frames": frames,
                "bytes": bytes,
                "seconds": elapsed.as_secs_f64(),
                "epochs": self.epochs.json(),
                "epochs_left_out": self.epochs.left_out(),
                "frames_per_s": per_second(frames, elapsed),
                "bytes_per_s": per_second(bytes, elapsed),
                "drops": drops_json(&stats, self.aborted),
                "not_connected": stats.descriptors_not_connected,
                "stalls": stats.stalls,
                "own_streams": own_streams_json(&stats),
                "paced": self.paced,
                "latency_ns": latency.json(),
                "progress": progress.map(|told| progress_json(&told)),
                "blobs_not_sent": self.blobs_not_sent + self.blobs,
                "all_seen": closed.is_ok_and(|report| report.all_seen),
            }),
        );
    }
}

/// `, 17 messages of progress`.
fn progress_text(told: &ProgressSent) -> String {
    format!(", {} messages of progress", told.sent)
}

fn progress_json(told: &ProgressSent) -> Value {
    json!({ "sent": told.sent, "dropped": told.dropped, "lost": told.lost })
}

/// `, 1 blob not sent as nobody listened`; empty when all are out, or known to be lost.
fn blobs_text(under_way: usize) -> String {
    match under_way {
        0 => String::new(),
        count => format!(
            ", {} not sent: nobody asked for metadata within the linger",
            count_text(count as u64, "blob")
        ),
    }
}

/// `1 consumer`, `2 consumers`.
fn consumers_text(count: usize) -> String {
    count_text(count as u64, "consumer")
}

/// Frames that did not reach consumers as far as this side knows: aborted, or committed and not told of. What a
/// consumer lost by itself it counts itself.
fn drops_json(stats: &ProducerStats, aborted: u64) -> Value {
    json!({
        "aborted": aborted,
        "backpressured": stats.descriptors_backpressured,
        "admin_action": stats.descriptors_admin_action,
        "link_down": stats.descriptors_link_down,
        "refused": stats.descriptor_errors,
    })
}

/// Descriptors on streams of consumers' own.
fn own_streams_json(stats: &ProducerStats) -> Value {
    json!({
        "sent": stats.own_descriptors,
        "skipped_by_rate": stats.own_descriptors_skipped,
        "not_connected": stats.own_descriptors_not_connected,
        "failed": stats.own_descriptors_failed,
    })
}

/// What did not go out; empty when all did.
fn trouble_text(stats: &ProducerStats, aborted: u64) -> String {
    let counts = [
        (aborted, "aborted as their epoch ended"),
        (
            stats.descriptors_backpressured,
            "descriptors held back by a slow consumer",
        ),
        (
            stats.descriptors_link_down,
            "descriptors held back by a lost link",
        ),
        (stats.descriptor_errors, "descriptors refused by Aeron"),
    ];
    counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!(", {count} {what}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trouble_that_happened_is_told() {
        let stats = ProducerStats::default();
        assert_eq!(trouble_text(&stats, 0), "");
        assert_eq!(trouble_text(&stats, 2), ", 2 aborted as their epoch ended");
        assert_eq!(consumers_text(1), "1 consumer");
    }
}

//! What only a producer's session has: its consumers, its reports, its way out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use tensorpool_codecs::types::{Epoch, NanoTime, Seq};
use tensorpool_protocol::client::{
    Cadence, ConsumerTracker, Grant, LeaseRevoked, ProgressPolicy, REPORT_PERIOD_NS,
};
use tensorpool_protocol::common::Role;
use tensorpool_transport::{Offer, Publication};

use super::{Context, Facts, OwnLane, UntoldWatch};
use crate::client::conductor::adapter::Inbound;
use crate::client::conductor::proxy::ProducerReport;
use crate::client::error::OpenError;
use crate::client::producer::announcer::DESCRIPTOR_LEN;
use crate::client::producer::own_streams::OwnStreams;
use crate::client::producer::{CloseReport, Producer};
use crate::client::shared::ProducerShared;
use crate::client::stats::SessionCounters;

/// A lossless producer waits that long for consumers that are known to listen: to map a new epoch,
/// and to be heard again after the link was lost.
const HOLD_NS: u64 = 5_000_000_000;
/// How long metadata is tried that was set before the close, whatever the linger: until it is known
/// whether somebody listens, and then some.
const LAST_WORDS_NS: u64 = 500_000_000;
/// How long a final report is tried before the lease goes back without it.
const FINAL_REPORT_NS: u64 = 200_000_000;

/// A handle that waits to be handed over, and who waits for it.
pub(crate) struct ProducerParts {
    pub(crate) handle: Producer,
    pub(crate) reply: Sender<Result<Producer, OpenError>>,
}

/// What a closing handle leaves behind.
pub(crate) struct CloseProducer {
    pub(crate) publication: Publication,
    /// Descriptors that did not get out, oldest first.
    pub(crate) unsent: VecDeque<[u8; DESCRIPTOR_LEN]>,
    /// Streams of consumers' own, with what did not get out there.
    pub(crate) own: OwnStreams,
    pub(crate) linger_ns: u64,
    pub(crate) reply: Option<Sender<Result<CloseReport, OpenError>>>,
}

enum Closing {
    /// Descriptors are sent, then consumers are waited for, until the first time; metadata is sent,
    /// until the second.
    Linger(NanoTime, NanoTime),
    /// The last report is sent.
    FinalReport(NanoTime),
    /// The lease goes back.
    Detach,
}

pub(crate) struct ProducerSide {
    shared: Arc<ProducerShared>,
    parts: Option<ProducerParts>,
    tracker: ConsumerTracker,
    /// Who asks for progress, if this producer tells of it.
    progress: Option<ProgressPolicy>,
    epoch: Option<(Epoch, NanoTime)>,
    reports: Cadence,
    untold: UntoldWatch,
    slot_count: u32,
    closing: Option<Closing>,
    left: Option<CloseProducer>,
    all_seen: bool,
    link_up_at: NanoTime,
    pub(super) counters: SessionCounters,
    pub(super) own: OwnLane,
}

impl ProducerSide {
    pub(crate) fn new(
        shared: Arc<ProducerShared>,
        parts: ProducerParts,
        (tracker, progress): (ConsumerTracker, Option<ProgressPolicy>),
        untold: UntoldWatch,
        own: OwnLane,
        counters: SessionCounters,
    ) -> Self {
        Self {
            shared,
            parts: Some(parts),
            tracker,
            progress,
            epoch: None,
            reports: Cadence::new(REPORT_PERIOD_NS),
            untold,
            slot_count: 0,
            closing: None,
            left: None,
            all_seen: false,
            link_up_at: NanoTime::new(0),
            counters,
            own,
        }
    }

    pub(super) fn on_granted(&mut self, now: NanoTime, grant: &Grant) {
        let regions = &grant.regions;
        self.slot_count = regions.geometry.slot_count();
        self.tracker
            .begin_epoch(regions.stream_id, regions.epoch, self.slot_count);
        if let Some(progress) = &mut self.progress {
            progress.begin_stream(regions.stream_id);
        }
        self.own.begin(regions.stream_id);
        self.epoch = Some((regions.epoch, now));
        self.shared.limit.begin(regions.epoch, 0);
    }

    /// A consumer whose lease ended holds nobody up.
    pub(super) fn on_lease_revoked(&mut self, now: NanoTime, revoked: &LeaseRevoked) {
        // [TP-CLI-1840]
        if revoked.role.known() == Some(Role::Consumer) {
            self.tracker
                .on_gone(now, revoked.stream_id, revoked.client_id);
            if let Some(progress) = &mut self.progress {
                progress.on_gone(revoked.stream_id, revoked.client_id);
            }
            self.own.on_gone(revoked.stream_id, revoked.client_id);
        }
    }

    /// The link is back after a loss.
    pub(super) fn on_link_up(&mut self, now: NanoTime) {
        self.link_up_at = now;
        self.tracker.on_link_up(now);
        self.hold();
    }

    /// Lossless: nothing is published until the next duty cycle has judged.
    pub(super) fn hold(&mut self) {
        self.shared.limit.set(0);
    }

    pub(super) fn on_mapped(&mut self, now: NanoTime) {
        // Consumers get their time from here: mapping gigabytes may have taken a while.
        if let Some((_, since)) = &mut self.epoch {
            *since = now;
        }
        self.reports.start(now);
    }

    pub(super) fn on_unmapped(&mut self) {
        self.reports.stop();
    }

    /// Gives whether it is from somebody who was not heard before.
    pub(super) fn on_report(&mut self, now: NanoTime, message: &Inbound) -> bool {
        let before = self.tracker.listening();
        match *message {
            Inbound::Hello(ref hello) => {
                // Who does not map is not waited for.
                if hello.supports_shm {
                    self.tracker
                        .on_hello(now, hello.stream_id, hello.consumer_id);
                }
                if let Some(progress) = &mut self.progress {
                    let asks = hello.supports_progress.then_some(hello.progress);
                    progress.on_hello(now, hello.stream_id, hello.consumer_id, asks);
                }
                self.own.on_hello(now, hello);
            }
            Inbound::ConsumerReport {
                stream_id,
                consumer_id,
                epoch,
                last_seq,
                mode,
            } => {
                self.tell_position();
                self.tracker
                    .on_qos(now, stream_id, consumer_id, epoch, last_seq, mode);
                self.own.on_report(now, stream_id, consumer_id);
                if let Some(progress) = &mut self.progress {
                    progress.on_report(now, stream_id, consumer_id);
                }
            }
            _ => {}
        }
        self.tracker.listening() > before
    }

    fn tell_position(&mut self) {
        // 0 before the handle has taken the epoch up, and of other streams' reports as well.
        let next_seq = self
            .epoch
            .and_then(|(epoch, _)| self.shared.next_seq.of(epoch));
        let published = self.shared.published_ns.load(Ordering::Acquire);
        self.tracker
            .on_position(Seq::new(next_seq.unwrap_or(0)), NanoTime::new(published));
    }

    pub(super) fn do_work(&mut self, ctx: &mut Context<'_>, facts: &Facts) -> usize {
        self.tracker.on_timeout(ctx.now);
        if let Some(progress) = &mut self.progress {
            progress.on_timeout(ctx.now);
            self.shared.progress.set(progress.limits());
        }
        let (mapped, listening) = (self.tracker.mapped(), self.tracker.listening());
        if mapped > self.shared.mapped_consumers.load(Ordering::Relaxed) as usize {
            // A consumer that came is told where its account begins, before the application knows
            // of it and goes on. It hears of it once a second as well.
            self.send_report(ctx, facts);
        }
        self.shared
            .mapped_consumers
            .store(mapped as u64, Ordering::Relaxed);
        // [TP-CLI-2356]
        let on_shared = self
            .tracker
            .mapped_where(|consumer| !self.own.has_descriptors(consumer));
        self.shared
            .consumers_on_shared
            .store(on_shared as u64, Ordering::Relaxed);
        self.shared
            .listening_consumers
            .store(listening as u64, Ordering::Relaxed);
        if let Some((epoch, since)) = self.epoch {
            // [TP-CLI-1820] [TP-CLI-1880]
            let hold = !ctx.link.is_up()
                || (mapped < listening && ctx.now.since_ns(since) < HOLD_NS)
                || (self.tracker.unconfirmed() > 0 && ctx.now.since_ns(self.link_up_at) < HOLD_NS);
            // [TP-CLI-1830]
            self.shared.limit.set(match self.tracker.floor() {
                _ if hold => 0,
                Some(floor) => floor.get().saturating_add(u64::from(self.slot_count)),
                None => u64::MAX,
            });
            debug_assert!(self.shared.limit.of(epoch).is_some());
            let next_seq = self.shared.next_seq.of(epoch).unwrap_or(0);
            // [TP-CLI-1665]
            if facts.mapped.is_some() && self.untold.is_report_due(ctx.now, next_seq) {
                self.reports.start(ctx.now);
            }
        }
        if self.closing.is_some() || !self.reports.is_due(ctx.now) {
            return 0;
        }
        let work = self.send_report(ctx, facts);
        if work > 0 {
            self.reports.on_sent(ctx.now);
        }
        work
    }

    fn send_report(&mut self, ctx: &mut Context<'_>, facts: &Facts) -> usize {
        let (Some((epoch, _)), Some(stream_id)) = (facts.mapped, facts.stream_id) else {
            return 0;
        };
        // Before the handle has taken the epoch up nothing was written in it.
        // [TP-CLI-1660]
        let next_seq = self.shared.next_seq.of(epoch).unwrap_or(0);
        // [TP-CLI-2590]
        let watermark = self.shared.watermark.load(Ordering::Relaxed);
        let report = ProducerReport {
            stream_id,
            client_id: facts.client_id,
            epoch,
            next_seq,
            watermark: Some(watermark).filter(|&watermark| watermark != 0),
        };
        let offer = ctx.proxy.send_producer_report(&report);
        self.counters.reports.add(u64::from(offer.is_sent()));
        usize::from(offer.is_sent())
    }

    /// Gives the handle to whoever waits for it, once its publication is registered.
    pub(super) fn hand_over(&mut self) -> bool {
        let ready = self
            .parts
            .as_mut()
            .is_some_and(|parts| parts.handle.is_ready());
        if ready && let Some(parts) = self.parts.take() {
            // A handle nobody takes is dropped, which closes it.
            let _unclaimed = parts.reply.send(Ok(parts.handle));
        }
        ready
    }

    pub(super) fn fail_open(&mut self, error: OpenError) {
        if let Some(parts) = self.parts.take() {
            let _unclaimed = parts.reply.send(Err(error));
        }
    }

    pub(super) fn begin_close(&mut self, now: NanoTime, close: CloseProducer) {
        if self.closing.is_none() {
            // [TP-CLI-2773]
            let told_by = now.after_ns(close.linger_ns.max(LAST_WORDS_NS));
            self.closing = Some(Closing::Linger(now.after_ns(close.linger_ns), told_by));
            self.left = Some(close);
        }
    }

    /// Closes without lingering.
    pub(super) fn hurry(&mut self, now: NanoTime) {
        let last_words_by = now.after_ns(LAST_WORDS_NS);
        self.closing = Some(match self.closing.take() {
            None => Closing::Linger(now, last_words_by),
            Some(Closing::Linger(_, told_by)) => Closing::Linger(now, told_by.min(last_words_by)),
            Some(further) => further,
        });
    }

    /// Goes on with closing; true when the lease may go back.
    /// `told` says whether all metadata is out.
    pub(super) fn wants_detach(
        &mut self,
        ctx: &mut Context<'_>,
        attached: bool,
        told: bool,
    ) -> bool {
        let now = ctx.now;
        match self.closing {
            None => return false,
            Some(Closing::Linger(seen_by, told_by)) => {
                let seen = self.has_all_seen();
                if seen && self.tracker.mapped() > 0 {
                    // Nobody has to be told of what everybody has seen.
                    self.left.iter_mut().for_each(|left| left.unsent.clear());
                }
                let sent = self.send_left();
                self.all_seen = sent && seen;
                let (is_seen, is_told) = (self.all_seen || now >= seen_by, told || now >= told_by);
                // [TP-CLI-2772] [TP-CLI-2773]
                if (is_seen && is_told) || !attached {
                    self.closing = Some(Closing::FinalReport(now.after_ns(FINAL_REPORT_NS)));
                    // Due now: consumers compute the tail of the stream from it.
                    // [TP-CLI-1910]
                    self.reports.start(now);
                }
            }
            Some(Closing::FinalReport(until)) => {
                // [TP-CLI-1910]
                if now >= until || !attached || !self.reports.is_due(now) {
                    self.closing = Some(Closing::Detach);
                }
            }
            Some(Closing::Detach) => {}
        }
        matches!(self.closing, Some(Closing::Detach))
    }

    /// The last report of a closing producer.
    pub(super) fn send_final_report(&mut self, ctx: &mut Context<'_>, facts: &Facts) -> usize {
        let due = matches!(self.closing, Some(Closing::FinalReport(_)));
        if !due || !self.reports.is_due(ctx.now) {
            return 0;
        }
        let sent = self.send_report(ctx, facts);
        if sent > 0 {
            self.reports.on_sent(ctx.now);
        }
        sent
    }

    pub(super) fn finish_close(&mut self) {
        if let Some(left) = self.left.take()
            && let Some(reply) = left.reply
        {
            let report = CloseReport {
                all_seen: self.all_seen,
                unsent: left.unsent.len(),
            };
            let _unclaimed = reply.send(Ok(report));
        }
    }

    pub(super) fn shared(&self) -> &Arc<ProducerShared> {
        &self.shared
    }

    /// Gives whether the handle knew already.
    pub(super) fn abandon(&self) -> bool {
        self.shared.closed.swap(true, Ordering::AcqRel)
    }

    /// Whether everything that was held back is out.
    fn send_left(&mut self) -> bool {
        let Some(left) = &mut self.left else {
            return true;
        };
        let is_own_sent = left.own.flush();
        while let Some(descriptor) = left.unsent.front() {
            let offer = left.publication.offer(descriptor);
            let is_moot = offer == Offer::NotConnected && self.tracker.listening() == 0;
            if !offer.is_sent() && !is_moot {
                return false;
            }
            left.unsent.pop_front();
        }
        is_own_sent
    }

    fn has_all_seen(&self) -> bool {
        let Some((epoch, _)) = self.epoch else {
            return true;
        };
        let published = NanoTime::new(self.shared.published_ns.load(Ordering::Acquire));
        match self
            .shared
            .next_seq
            .of(epoch)
            .and_then(|next| next.checked_sub(1))
        {
            Some(last) => self.tracker.all_saw(Seq::new(last), published),
            None => true,
        }
    }
}

//! By what right a session uses its stream: a lease of a driver, or without one its own memory or
//! the announces it hears. One interface to the three cores. Conductor's thread only.

use std::sync::Arc;

use tensorpool_codecs::types::{ClientId, NanoTime, StreamId};
use tensorpool_protocol::client::{
    Announce, AnnouncePath, AttachClient, AttachEvent, AttachStats, LeaseRevoked, ProvideError,
    ProvideTicket, Provider, ProviderAction, Watcher,
};
use tensorpool_transport::LostReason;

use super::Context;
use crate::client::conductor::worker::SessionId;
use crate::regions::{Announcement, Estate, Plot};

pub(crate) enum Tenure {
    /// A driver's.
    Lease(Box<AttachClient>),
    /// A producer's own memory.
    Own(Box<OwnTenure>),
    /// A consumer's ears.
    Watch(Box<Watcher>),
}

/// A producer's own memory, and the core that has it made.
pub(crate) struct OwnTenure {
    core: Provider,
    plot: Arc<Plot>,
    estate: Option<Box<Estate>>,
}

impl Tenure {
    pub(crate) fn own(core: Provider, plot: Plot) -> Self {
        Self::Own(Box::new(OwnTenure {
            core,
            plot: Arc::new(plot),
            estate: None,
        }))
    }

    /// Whether there is no driver to ask.
    pub(crate) fn is_driverless(&self) -> bool {
        !matches!(self, Self::Lease(_))
    }

    pub(crate) fn client_id(&self) -> ClientId {
        match self {
            Self::Lease(attach) => attach.client_id(),
            Self::Own(own) => own.core.client_id(),
            Self::Watch(watcher) => watcher.client_id(),
        }
    }

    pub(super) fn stream_id(&self) -> Option<StreamId> {
        match self {
            Self::Lease(attach) => attach.stream_id(),
            Self::Own(own) => Some(own.core.stream_id()),
            Self::Watch(watcher) => Some(watcher.stream_id()),
        }
    }

    pub(super) fn is_held(&self) -> bool {
        match self {
            Self::Lease(attach) => attach.is_attached(),
            Self::Own(own) => own.core.is_provided(),
            Self::Watch(watcher) => watcher.is_watching(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Lease(attach) => attach.is_closed(),
            Self::Own(own) => own.core.is_closed(),
            Self::Watch(watcher) => watcher.is_closed(),
        }
    }

    pub(super) fn open(&mut self, now: NanoTime) {
        match self {
            Self::Lease(attach) => attach.open(now),
            Self::Own(own) => own.core.open(now),
            Self::Watch(watcher) => watcher.open(now),
        }
    }

    pub(super) fn close(&mut self, now: NanoTime) {
        match self {
            Self::Lease(attach) => attach.close(now),
            Self::Own(own) => own.core.close(now),
            Self::Watch(watcher) => watcher.close(now),
        }
    }

    pub(super) fn on_link_up(&mut self, now: NanoTime) {
        match self {
            Self::Lease(attach) => attach.on_link_up(now),
            Self::Own(own) => own.core.on_link_up(now),
            Self::Watch(watcher) => watcher.on_link_up(now),
        }
    }

    pub(super) fn on_link_lost(&mut self, now: NanoTime, reason: &LostReason) {
        match self {
            // The media driver is there, and the driver may hear others through it.
            // [TP-CLI-0344]
            Self::Lease(attach) if matches!(reason, LostReason::ClientClosed(_)) => {
                attach.on_link_lost(now);
            }
            // [TP-CLI-0342]
            Self::Lease(attach) => attach.on_media_driver_lost(now),
            Self::Own(own) => own.core.on_link_lost(now),
            Self::Watch(watcher) => watcher.on_link_lost(now),
        }
    }

    pub(super) fn on_timeout(&mut self, now: NanoTime) {
        match self {
            Self::Lease(attach) => attach.on_timeout(now),
            Self::Own(own) => own.core.on_timeout(now),
            Self::Watch(watcher) => watcher.on_timeout(now),
        }
    }

    pub(super) fn on_announce(&mut self, now: NanoTime, announce: &Announce) {
        match self {
            Self::Lease(attach) => attach.on_announce(now, announce),
            Self::Own(own) => own.core.on_announce(now, announce),
            Self::Watch(_) => {}
        }
    }

    pub(super) fn on_lease_revoked(&mut self, now: NanoTime, revoked: &LeaseRevoked) {
        match self {
            Self::Lease(attach) => attach.on_lease_revoked(now, revoked),
            Self::Own(own) => own.core.on_lease_revoked(revoked),
            Self::Watch(_) => {}
        }
    }

    pub(super) fn on_memory_damaged(&mut self, now: NanoTime) {
        match self {
            Self::Lease(attach) => attach.on_memory_damaged(now),
            Self::Own(own) => own.core.on_memory_damaged(now),
            Self::Watch(_) => {}
        }
    }

    /// Somebody else reports under the client id of this consumer.
    pub(super) fn on_foreign_report(&mut self, now: NanoTime) {
        match self {
            Self::Lease(attach) => attach.on_foreign_report(now),
            Self::Watch(watcher) => watcher.on_foreign_report(now),
            // Of producers nobody reports to others under an id.
            Self::Own(_) => {}
        }
    }

    /// Counts of the lease, if there is one.
    pub(super) fn stats(&self) -> AttachStats {
        match self {
            Self::Lease(attach) => attach.stats(),
            Self::Own(_) | Self::Watch(_) => AttachStats::default(),
        }
    }

    /// A consumer is there that was not before.
    pub(super) fn on_newcomer(&mut self, now: NanoTime) {
        if let Self::Own(own) = self {
            own.core.on_newcomer(now);
        }
    }

    /// Whether the worker is at a mapping of a consumer's.
    pub(super) fn on_mapping(&mut self, is_mapping: bool) {
        if let Self::Watch(watcher) = self {
            watcher.on_mapping(is_mapping);
        }
    }

    /// A consumer has something to read from, wherever that is.
    pub(super) fn on_served(&mut self) {
        if let Self::Watch(watcher) = self {
            watcher.on_served();
        }
    }

    /// Whether the files of a producer's own memory are still there; a driver looks after its own.
    pub(super) fn is_memory_whole(&self) -> bool {
        match self {
            Self::Own(own) => own.estate.as_ref().is_none_or(|estate| estate.is_whole()),
            Self::Lease(_) | Self::Watch(_) => true,
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<AttachEvent> {
        match self {
            Self::Lease(attach) => attach.poll_event(),
            Self::Own(own) => own.core.poll_event(),
            Self::Watch(watcher) => watcher.poll_event(),
        }
    }

    /// Says what is due. Gives the work done.
    pub(super) fn speak(&mut self, ctx: &mut Context<'_>) -> usize {
        match self {
            Self::Lease(attach) => ask(attach, ctx),
            Self::Own(own) => own.announce(ctx) + own.take_leave(ctx),
            Self::Watch(watcher) => match watcher.peek_farewell() {
                Some(farewell) if ctx.proxy.send_farewell(ctx.now, &farewell).is_sent() => {
                    watcher.on_farewell_sent(ctx.now);
                    1
                }
                Some(_) | None => 0,
            },
        }
    }
}

fn ask(attach: &mut AttachClient, ctx: &mut Context<'_>) -> usize {
    let Some(request) = attach.peek_request().filter(|_| ctx.can_ask) else {
        return 0;
    };
    // [TP-CLI-0320]
    if !ctx.proxy.send_request(ctx.now, &request).is_sent() {
        return 0;
    }
    attach.on_request_sent(ctx.now);
    1
}

impl OwnTenure {
    /// Has the worker do what the core wants done.
    pub(super) fn settle(&mut self, ctx: &Context<'_>, session: SessionId) {
        while let Some(action) = self.core.poll_action() {
            match action {
                ProviderAction::Provide { ticket } => {
                    let (stream_id, plot) = (self.core.stream_id(), Arc::clone(&self.plot));
                    ctx.worker.provide(session, ticket, stream_id, plot);
                }
                ProviderAction::Remove => match self.estate.take() {
                    Some(estate) => ctx.worker.remove(session, estate),
                    None => self.core.on_removed(ctx.now),
                },
                ProviderAction::Sweep => {
                    if let Some(estate) = &self.estate {
                        ctx.worker.sweep(session, estate.sweeper());
                    }
                }
            }
        }
    }

    /// The worker made the regions, or not.
    pub(super) fn on_provided(
        &mut self,
        now: NanoTime,
        ticket: ProvideTicket,
        outcome: Result<Box<Estate>, ProvideError>,
    ) {
        let checked = outcome.and_then(|estate| Ok((estate.region_set()?, estate)));
        match checked {
            Ok((regions, estate)) => {
                let leftovers = estate.leftovers();
                self.estate = Some(estate);
                self.core.on_provided(now, ticket, regions, leftovers);
            }
            Err(error) => self.core.on_provide_failed(now, ticket, &error),
        }
    }

    pub(super) fn on_removed(&mut self, now: NanoTime) {
        self.core.on_removed(now);
    }

    pub(super) fn on_swept(&mut self, now: NanoTime, leftovers: usize) {
        self.core.on_swept(now, leftovers);
    }

    // [TP-CLI-3210]
    fn announce(&mut self, ctx: &mut Context<'_>) -> usize {
        let mut work = 0;
        for path in AnnouncePath::ALL {
            let regions = self.estate.as_ref().and_then(|estate| estate.regions());
            let (true, Some(regions)) = (self.core.is_announce_due(path), regions) else {
                continue;
            };
            let announcement = Announcement {
                regions,
                producer: Some(self.core.client_id()),
            };
            if ctx.proxy.send_announce(ctx.now, path, announcement) {
                self.core.on_announced(ctx.now, path);
                work += 1;
            }
        }
        work
    }

    fn take_leave(&mut self, ctx: &mut Context<'_>) -> usize {
        match self.core.peek_farewell() {
            Some(farewell) if ctx.proxy.send_farewell(ctx.now, &farewell).is_sent() => {
                self.core.on_farewell_sent(ctx.now);
                1
            }
            Some(_) | None => 0,
        }
    }
}

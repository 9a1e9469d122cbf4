//! Carrying out what a session's cores decided. Only the session calls this.

use std::sync::Arc;
use std::time::Duration;

use tensorpool_codecs::types::Epoch;
use tensorpool_protocol::client::{
    Adoption, AttachEvent, Grant, LossReason, MappingAction, SourceEnd,
};
use tensorpool_protocol::common::StreamGeometry;
use tensorpool_shm::driver::is_process_alive;
use tensorpool_shm::mapping::Mapping;

use super::opening::open_error;
use super::{Context, Session, Side, Tenure};
use crate::client::error::OpenError;
use crate::client::event::Event;
use crate::client::shared::{Adopted, Notice};

/// Times a first mapping is tried before the open fails.
const MAX_FIRST_MAP_TRIES: u32 = 3;

impl Session {
    /// Carries out everything the cores decided since.
    pub(super) fn settle(&mut self, ctx: &mut Context<'_>) {
        loop {
            if let Tenure::Own(own) = &mut self.tenure {
                own.settle(ctx, self.id);
            }
            if let Some(event) = self.tenure.poll_event() {
                self.on_attach_event(ctx, event);
            } else {
                self.settle_mapping(ctx);
                return;
            }
        }
    }

    pub(super) fn settle_mapping(&mut self, ctx: &mut Context<'_>) {
        while let Some(action) = self.mapping.poll_action() {
            self.on_mapping_action(ctx, action);
        }
    }

    pub(super) fn on_attach_event(&mut self, ctx: &mut Context<'_>, event: AttachEvent) {
        match event {
            AttachEvent::Attached(grant) => self.on_granted(ctx, &grant),
            AttachEvent::Watching => self.on_watching(ctx),
            AttachEvent::Lost(reason) => {
                self.lost = Some((reason, ctx.now));
                if let Side::Consumer(side) = &mut self.side {
                    side.on_lost();
                }
                // [TP-CLI-0770]
                self.mapping.on_lost(ctx.now);
                // Void first, told then: who knows of the loss cannot use the mapping any more.
                self.settle_mapping(ctx);
                self.tell(if is_driver_loss(reason) {
                    Event::DriverLost { reason }
                } else {
                    Event::LeaseLost { reason }
                });
            }
            AttachEvent::Retrying { error, delay_ns } => {
                if self.opening.is_none() {
                    self.tell(Event::Retrying {
                        error,
                        delay: Duration::from_nanos(delay_ns),
                    });
                }
            }
            AttachEvent::IdShared(client_id) => self.tell(Event::ClientIdShared { client_id }),
            AttachEvent::Failed(error) => {
                let error = open_error(error, ctx);
                self.opening = None;
                self.fail_open(error);
                self.done = true;
            }
            AttachEvent::Closed => {
                self.mapping.on_lost(ctx.now);
                self.done = true;
            }
        }
    }

    pub(super) fn on_granted(&mut self, ctx: &mut Context<'_>, grant: &Grant) {
        self.grant = Some((grant.client_id, grant.node_id));
        match &mut self.side {
            Side::Producer(side) => side.on_granted(ctx.now, grant),
            Side::Consumer(side) => {
                side.on_granted(grant.regions.stream_id, grant.client_id);
                self.mapping.on_shm_allowed(ctx.now, side.may_use_shm());
            }
        }
        if let Some((reason, lost_at)) = self.lost.take() {
            self.tell(if is_driver_loss(reason) {
                Event::DriverBack { lost_at }
            } else {
                Event::LeaseBack { lost_at }
            });
        }
        // [TP-CLI-0610]
        self.mapping.on_granted(ctx.now, &grant.regions);
        if !self.mapping.is_shm_allowed() {
            self.fall_back();
        }
    }

    /// Announces are followed from now on; a hello has producers announce at once.
    fn on_watching(&mut self, ctx: &mut Context<'_>) {
        let (Some(stream_id), Side::Consumer(side)) = (self.tenure.stream_id(), &mut self.side)
        else {
            return;
        };
        let client_id = self.tenure.client_id();
        self.grant = Some((client_id, None));
        side.on_granted(stream_id, client_id);
        side.say_hello(ctx.now);
        self.mapping.on_shm_allowed(ctx.now, side.may_use_shm());
        self.mapping.on_watching(ctx.now, stream_id);
        // Under another id, if it watched before.
        if let Some((_, lost_at)) = self.lost.take() {
            self.tell(Event::LeaseBack { lost_at });
        }
        if !self.mapping.is_shm_allowed() {
            self.fall_back();
        }
    }

    pub(super) fn on_mapping_action(&mut self, ctx: &mut Context<'_>, action: MappingAction) {
        match action {
            MappingAction::Map { ticket, regions } => {
                self.wanted = Some((ticket, Arc::new(regions.geometry.clone())));
                ctx.worker.map(self.id, ticket, regions, self.role);
            }
            MappingAction::Adopt {
                ticket, adoption, ..
            } => {
                let arrived = self.arrived.take().filter(|(of, _)| *of == ticket);
                let wanted = self.wanted.take().filter(|(of, _)| *of == ticket);
                if let (Some((_, mapping)), Some((_, geometry))) = (arrived, wanted) {
                    self.adopt(ctx, mapping, geometry, adoption);
                }
            }
            // [TP-CLI-0650]
            MappingAction::Discard { ticket } => {
                if let Some((_, mapping)) = self.arrived.take_if(|(of, _)| *of == ticket) {
                    ctx.retired.push(mapping);
                }
            }
            MappingAction::Revoke { .. } => self.revoke(ctx),
            MappingAction::SourceEnded { epoch, end, .. } => {
                // [TP-CLI-0800]
                if let (Side::Consumer(side), SourceEnd::Detached) = (&mut self.side, end) {
                    side.begin_drain(epoch);
                }
                self.ended.push((epoch, end));
            }
            MappingAction::SourceStale { epoch } => self.tell(Event::SourceStale { epoch }),
            MappingAction::RetryMap { epoch, delay_ns } => self.on_map_retry(epoch, delay_ns),
            // [TP-CLI-2294]
            MappingAction::Unreadable { .. } if self.has_fallback() => self.fall_back(),
            MappingAction::Unreadable { .. } => {}
        }
    }

    /// The new mapping goes to the handle. The old one is void from now on, unless its producer
    /// closed it in order: then the handle still delivers what is there, and revokes it when it
    /// goes on.
    pub(super) fn adopt(
        &mut self,
        ctx: &mut Context<'_>,
        mapping: Arc<Mapping>,
        geometry: Arc<StreamGeometry>,
        adoption: Adoption,
    ) {
        self.map_failures = 0;
        self.creator_seen = self.tenure.is_driverless() && is_process_alive(mapping.pid());
        if let (Side::Consumer(side), Adoption::OlderEpoch { old }) = (&mut self.side, adoption)
            && old == mapping.epoch()
        {
            side.begin_anew();
        }
        // [TP-CLI-0800]
        if let Some(old) = self.current.replace(Arc::clone(&mapping)) {
            let drains = matches!(&self.side, Side::Consumer(side) if side.drains(old.epoch()));
            if !drains {
                old.revoke();
            }
            ctx.retired.push(old);
        }
        self.checkup.start(ctx.now);
        match &mut self.side {
            Side::Producer(side) => side.on_mapped(ctx.now),
            Side::Consumer(side) => side.on_mapped(ctx.now, mapping.slot_count()),
        }
        let (client_id, node_id) = self.grant.unwrap_or((self.tenure.client_id(), None));
        let (stream_id, epoch) = (mapping.stream(), mapping.epoch());
        self.mailbox.post(Notice::Adopt(Adopted {
            mapping: self.handovers.begin(mapping),
            stream_id,
            epoch,
            geometry,
            adoption,
            client_id,
            node_id,
        }));
    }

    /// What a config said about shared memory. Without it nothing is mapped and announces are not
    /// followed, until a config says otherwise. [TP-CLI-2295]
    pub(super) fn obey(&mut self, ctx: &mut Context<'_>) {
        let Side::Consumer(side) = &mut self.side else {
            return;
        };
        let (allowed, is_fallback) = (side.may_use_shm(), side.is_fallback());
        if self.mapping.is_shm_allowed() == allowed {
            if is_fallback {
                // From somewhere else, perhaps. [TP-CLI-2292]
                self.fall_back();
            }
            return;
        }
        self.mapping.on_shm_allowed(ctx.now, allowed);
        self.settle(ctx);
        if !allowed {
            self.fall_back();
            if let Side::Consumer(side) = &mut self.side {
                side.forget_positions();
            }
        }
    }

    /// Payloads do not come from shared memory for now.
    fn fall_back(&mut self) {
        if let Side::Consumer(side) = &mut self.side
            && let Some(event) = side.begin_fallback()
        {
            self.tell(event);
        }
    }

    /// Whether there is somewhere else to get payloads from.
    fn has_fallback(&self) -> bool {
        matches!(&self.side, Side::Consumer(side) if side.fallback_uri().is_some())
    }

    pub(super) fn revoke(&mut self, ctx: &mut Context<'_>) {
        if let Some(mapping) = self.current.take() {
            mapping.revoke();
            ctx.retired.push(mapping);
        }
        self.checkup.stop();
        match &mut self.side {
            Side::Producer(side) => side.on_unmapped(),
            Side::Consumer(side) => side.on_unmapped(ctx.now),
        }
    }

    pub(super) fn on_map_retry(&mut self, epoch: Epoch, delay_ns: u64) {
        let is_first = self.opening.is_some();
        if self.has_fallback() && (!is_first || self.map_failures >= MAX_FIRST_MAP_TRIES) {
            // [TP-CLI-2298]
            self.fall_back();
        } else if is_first && self.map_failures >= MAX_FIRST_MAP_TRIES {
            if let Some(error) = self.map_error.take() {
                self.opening = None;
                self.fail_open(OpenError::Map(error));
                self.side.close();
            }
            return;
        }
        let error = self.map_error.as_ref().map(ToString::to_string);
        let Some(error) = error else {
            // There is nothing wrong with the files: nobody keeps them alive.
            self.tell(Event::SourceStale { epoch });
            return;
        };
        // [TP-CLI-0635]
        self.tell(Event::MapFailed {
            epoch,
            error,
            in_use: self.current.as_ref().map(|mapping| mapping.epoch()),
            delay: Duration::from_nanos(delay_ns),
        });
    }
}

fn is_driver_loss(reason: LossReason) -> bool {
    matches!(
        reason,
        LossReason::DriverLost | LossReason::DriverShutdown(_)
    )
}

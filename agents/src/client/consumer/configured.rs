//! What the authority of a stream has a consumer use, as far as its handle obeys: where descriptors
//! and progress come from, its rate, and what the application is told of it.

use std::sync::atomic::Ordering;

use tensorpool_protocol::client::AeronEndpoint;
use tensorpool_protocol::common::ConsumerMode;

use super::{Consumer, Intake};
use crate::client::event::Event;
use crate::client::shared::{Configure, ProgressChange};

/// Payloads do not come from shared memory.
#[derive(Debug)]
pub(super) struct Fallback {
    uri: Option<String>,
}

impl Consumer {
    /// How it gets its frames: reduced to its rate when it asked for that, or when the authority of
    /// the stream said so.
    #[must_use]
    pub fn mode(&self) -> ConsumerMode {
        self.settings.mode
    }

    /// Whether payloads do not come from shared memory: the authority of the stream said so, or the
    /// memory could not be mapped although there is somewhere else to get them. No frames are
    /// delivered then; [`Event::Fallback`] told of it, and [`Event::Remapped`] tells of the end.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.fallback.is_some()
    }

    /// Where payloads come from then: an Aeron channel or `bridge://name`, for the application to
    /// follow. `None` unless [`Consumer::is_fallback`], or when nobody named a place.
    #[must_use]
    pub fn fallback_uri(&self) -> Option<&str> {
        self.fallback.as_ref()?.uri.as_deref()
    }

    /// The Aeron stream that told it of its last frames, if that is one of its own; `None` for the
    /// stream of everybody.
    #[must_use]
    pub fn descriptor_stream(&self) -> Option<u32> {
        match &self.intake {
            Intake::Descriptors(feed) => feed.own_stream().map(|own| own.stream_id),
            Intake::Ring(_) => None,
        }
    }

    pub(super) fn on_event(&mut self, event: Event) {
        if let Event::Fallback { uri } = &event {
            self.fallback = Some(Fallback { uri: uri.clone() });
            self.current.take_if(|current| current.mapping.is_revoked());
        }
        self.events.push(event);
    }

    /// The conductor has found a config that is to be obeyed.
    pub(super) fn configure(&mut self, configure: Configure) {
        self.shared
            .configured
            .store(configure.version, Ordering::Release);
        self.throttle.set_rate(configure.max_rate_hz);
        if let (Intake::Descriptors(feed), Some(change)) = (&mut self.intake, configure.change) {
            feed.change(change);
        }
        if let Some(listener) = &mut self.listener {
            match configure.progress {
                ProgressChange::Unchanged => {}
                ProgressChange::Shared => listener.change_own(None),
                ProgressChange::Own(own) => listener.change_own(Some(own)),
            }
        }
        if self.settings == configure.settings {
            return;
        }
        self.settings = configure.settings;
        let stream = |own: &Option<AeronEndpoint>| own.as_ref().map(|own| own.stream_id);
        self.events.push(Event::ConfigChanged {
            mode: self.settings.mode,
            use_shm: self.settings.use_shm,
            descriptor_stream_id: stream(&self.settings.descriptor),
            control_stream_id: stream(&self.settings.control),
        });
    }
}

//! What a link has to tell, until its owner asks.

use std::collections::VecDeque;

use tensorpool_codecs::types::NanoTime;
use tensorpool_runtime::errors::DistinctErrorLog;

use super::event::{LinkEvent, LinkStats};

/// Events, counts and errors on their way to the owner.
#[derive(Debug)]
pub(crate) struct Reports {
    /// The time of the present duty cycle.
    pub(crate) now: NanoTime,
    events: VecDeque<LinkEvent>,
    pub(crate) stats: LinkStats,
    pub(crate) errors: DistinctErrorLog,
}

impl Reports {
    const MAX_EVENTS: usize = 256;

    pub(crate) fn new() -> Self {
        Self {
            now: NanoTime::new(0),
            events: VecDeque::new(),
            stats: LinkStats::default(),
            errors: DistinctErrorLog::default(),
        }
    }

    /// Notes an error of any kind.
    pub(crate) fn error(&mut self, text: String) {
        self.errors.record(self.now, &text);
        self.stats.last_error = Some(text);
    }

    /// Queues an event; the oldest go when nobody takes them.
    pub(crate) fn event(&mut self, event: LinkEvent) {
        let stats = &mut self.stats;
        match &event {
            LinkEvent::Up { .. } | LinkEvent::Lost { .. } => {}
            LinkEvent::AddFailed { .. } => stats.add_failure_count += 1,
            LinkEvent::Renewed { .. } => stats.renewed_count += 1,
            LinkEvent::ClientError { .. } => stats.client_error_count += 1,
            LinkEvent::TermLengthDropped { .. } => stats.term_length_dropped_count += 1,
        }
        if event.fault_code().is_some() {
            self.error(event.to_string());
        }
        if self.events.len() == Self::MAX_EVENTS {
            self.events.pop_front();
            self.stats.event_drop_count += 1;
        }
        self.events.push_back(event);
    }

    /// The oldest event.
    pub(crate) fn pop_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_nobody_takes_are_bounded_and_counted() {
        let mut reports = Reports::new();
        for generation in 0..300 {
            reports.event(LinkEvent::Up { generation });
        }
        assert_eq!(reports.stats.event_drop_count, 44);
        assert_eq!(reports.pop_event(), Some(LinkEvent::Up { generation: 44 }));
    }
}

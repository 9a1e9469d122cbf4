//! The driver's counters: what each is called, and how the lease table's statistics get into them.

use tensorpool_protocol::driver::LeaseStats;
use tensorpool_runtime::counters::{AgentKind, CounterCell, CounterSet, driver};
use tensorpool_runtime::duty_cycle::DutyCycleTracker;

use super::config::DriverConfig;

/// Counters of the driver beyond the published ones; numbers from 80.
pub mod kinds {
    use tensorpool_runtime::counters::CounterKind;

    /// Leases held now.
    pub const LEASES: CounterKind = CounterKind::new(80, "Leases");
    /// Streams with live memory now.
    pub const STREAMS_LIVE: CounterKind = CounterKind::new(81, "StreamsLive");
    /// Epochs begun.
    pub const EPOCHS: CounterKind = CounterKind::new(82, "Epochs");
    /// Epochs whose memory could not be made.
    pub const PROVISION_FAILURES: CounterKind = CounterKind::new(83, "ProvisionFailures");
    /// Attaches answered by an error.
    pub const ATTACH_REFUSED: CounterKind = CounterKind::new(84, "AttachRefused");
    /// Messages on control that are not for a driver.
    pub const MESSAGES_IGNORED: CounterKind = CounterKind::new(85, "MessagesIgnored");
    /// Messages for a driver that could not be decoded.
    pub const MESSAGES_MALFORMED: CounterKind = CounterKind::new(86, "MessagesMalformed");
    /// Offers that met back-pressure and were made again.
    pub const BACK_PRESSURED: CounterKind = CounterKind::new(87, "BackPressured");
    /// Announces nobody was subscribed for.
    pub const ANNOUNCES_UNHEARD: CounterKind = CounterKind::new(88, "AnnouncesUnheard");
    /// Times the link to the media driver was lost.
    pub const LINK_LOST: CounterKind = CounterKind::new(89, "LinkLost");
    /// 1 while the driver is connected and can be asked, else 0.
    pub const READY: CounterKind = CounterKind::new(90, "Ready");
    /// Streams there are now, configured and dynamic.
    pub const STREAMS: CounterKind = CounterKind::new(91, "Streams");
    /// Dynamic streams that came into being.
    pub const STREAMS_CREATED: CounterKind = CounterKind::new(92, "StreamsCreated");
    /// Dynamic streams that were given up.
    pub const STREAMS_GIVEN_UP: CounterKind = CounterKind::new(93, "StreamsGivenUp");
}

/// Cells the agent counts into, on its thread.
#[derive(Debug)]
pub(super) struct DriverCounters {
    pub(super) cycles: DutyCycleTracker,
    pub(super) attach_responses: CounterCell,
    pub(super) attach_response_drops: CounterCell,
    pub(super) detach_responses: CounterCell,
    pub(super) lease_revoked: CounterCell,
    pub(super) announces: CounterCell,
    pub(super) announces_unheard: CounterCell,
    pub(super) ignored: CounterCell,
    pub(super) malformed: CounterCell,
    pub(super) back_pressured: CounterCell,
    pub(super) link_lost: CounterCell,
    pub(super) ready: CounterCell,
    /// Answers that were granted and could not be encoded or sent.
    pub(super) answers_lost: u64,
    keepalives: CounterCell,
    unhandled: CounterCell,
    leases: CounterCell,
    streams_live: CounterCell,
    streams: CounterCell,
    streams_created: CounterCell,
    streams_given_up: CounterCell,
    epochs: CounterCell,
    provision_failures: CounterCell,
    attach_refused: CounterCell,
}

impl DriverCounters {
    pub(super) fn new(config: &DriverConfig) -> (Self, CounterSet) {
        let mut set = CounterSet::new(AgentKind::Driver, 0, "Driver");
        let counters = Self {
            cycles: DutyCycleTracker::counted(config.stall_threshold_ns(), &mut set),
            attach_responses: set.add(driver::ATTACH_RESPONSES),
            attach_response_drops: set.add(driver::ATTACH_RESPONSE_DROPS),
            detach_responses: set.add(driver::DETACH_RESPONSES),
            keepalives: set.add(driver::KEEPALIVES),
            lease_revoked: set.add(driver::LEASE_REVOKED),
            announces: set.add(driver::ANNOUNCES),
            unhandled: set.add(driver::LEASE_HSM_UNHANDLED),
            leases: set.add(kinds::LEASES),
            streams_live: set.add(kinds::STREAMS_LIVE),
            streams: set.add(kinds::STREAMS),
            streams_created: set.add(kinds::STREAMS_CREATED),
            streams_given_up: set.add(kinds::STREAMS_GIVEN_UP),
            epochs: set.add(kinds::EPOCHS),
            provision_failures: set.add(kinds::PROVISION_FAILURES),
            attach_refused: set.add(kinds::ATTACH_REFUSED),
            ignored: set.add(kinds::MESSAGES_IGNORED),
            malformed: set.add(kinds::MESSAGES_MALFORMED),
            back_pressured: set.add(kinds::BACK_PRESSURED),
            announces_unheard: set.add(kinds::ANNOUNCES_UNHEARD),
            link_lost: set.add(kinds::LINK_LOST),
            ready: set.add(kinds::READY),
            answers_lost: 0,
        };
        (counters, set)
    }

    /// Copies the lease table's statistics.
    pub(super) fn mirror(&self, stats: &LeaseStats) {
        self.attach_response_drops
            .set(stats.attach_dropped + self.answers_lost);
        self.keepalives.set(stats.keepalives);
        let unhandled = stats.keepalives_unknown
            + stats.keepalives_mismatched
            + stats.detach_refused
            + stats.stale_region_answers;
        self.unhandled.set(unhandled);
        self.leases.set(stats.leases);
        self.streams_live.set(stats.streams_live);
        self.streams.set(stats.streams);
        self.streams_created.set(stats.streams_created);
        self.streams_given_up.set(stats.streams_given_up);
        self.epochs.set(stats.epochs);
        self.provision_failures.set(stats.provision_failures);
        self.attach_refused.set(stats.attach_refused);
    }
}

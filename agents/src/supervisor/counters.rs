//! The supervisor's counters: what each is called, and how the core's statistics get into them.

use tensorpool_protocol::supervisor::SupervisorStats;
use tensorpool_runtime::counters::{AgentKind, CounterCell, CounterSet, supervisor};
use tensorpool_runtime::duty_cycle::DutyCycleTracker;

use super::config::SupervisorConfig;

/// Counters of the supervisor beyond the published ones; numbers from 80.
pub mod kinds {
    use tensorpool_runtime::counters::CounterKind;

    /// Consumers followed now.
    pub const CONSUMERS: CounterKind = CounterKind::new(80, "Consumers");
    /// Streams that have a producer now.
    pub const PRODUCERS: CounterKind = CounterKind::new(81, "Producers");
    /// Descriptor streams of single consumers now.
    pub const OWN_DESCRIPTOR_STREAMS: CounterKind = CounterKind::new(82, "OwnDescriptorStreams");
    /// Control streams of single consumers now.
    pub const OWN_CONTROL_STREAMS: CounterKind = CounterKind::new(83, "OwnControlStreams");
    /// Hellos heard.
    pub const HELLOS: CounterKind = CounterKind::new(84, "Hellos");
    /// Hellos for whose answer there was no room.
    pub const HELLOS_DROPPED: CounterKind = CounterKind::new(85, "HellosDropped");
    /// Requests for streams that were declined, each time they were made.
    pub const REQUESTS_DECLINED: CounterKind = CounterKind::new(86, "RequestsDeclined");
    /// Those of them for which no id was left.
    pub const IDS_EXHAUSTED: CounterKind = CounterKind::new(87, "IdsExhausted");
    /// Consumers that went silent.
    pub const CONSUMERS_SILENT: CounterKind = CounterKind::new(88, "ConsumersSilent");
    /// Signs of life of consumers there was no room for.
    pub const CONSUMERS_OVERFLOW: CounterKind = CounterKind::new(89, "ConsumersOverflow");
    /// Configs somebody else sent.
    pub const FOREIGN_CONFIGS: CounterKind = CounterKind::new(90, "ForeignConfigs");
    /// Messages that are not for a supervisor.
    pub const MESSAGES_IGNORED: CounterKind = CounterKind::new(91, "MessagesIgnored");
    /// Messages for a supervisor that could not be decoded.
    pub const MESSAGES_MALFORMED: CounterKind = CounterKind::new(92, "MessagesMalformed");
    /// Offers that met back-pressure and were made again.
    pub const BACK_PRESSURED: CounterKind = CounterKind::new(93, "BackPressured");
    /// Answers that could not be sent at all.
    pub const ANSWERS_LOST: CounterKind = CounterKind::new(94, "AnswersLost");
    /// Times the link to the media driver was lost.
    pub const LINK_LOST: CounterKind = CounterKind::new(95, "LinkLost");
    /// Reports under an id that another consumer of the stream uses as well.
    pub const ID_COLLISIONS: CounterKind = CounterKind::new(97, "IdCollisions");
    /// Publishers that left the supervisor behind: what they said meanwhile was missed.
    pub const LEFT_BEHIND: CounterKind = CounterKind::new(98, "LeftBehind");
    /// 1 while the supervisor hears and can be heard, else 0.
    pub const READY: CounterKind = CounterKind::new(96, "Ready");
}

/// Cells the agent counts into, on its thread.
#[derive(Debug)]
pub(super) struct SupervisorCounters {
    pub(super) cycles: DutyCycleTracker,
    pub(super) config_published: CounterCell,
    pub(super) ignored: CounterCell,
    pub(super) malformed: CounterCell,
    pub(super) back_pressured: CounterCell,
    pub(super) answers_lost: CounterCell,
    pub(super) link_lost: CounterCell,
    pub(super) ready: CounterCell,
    pub(super) left_behind: CounterCell,
    mirrored: [CounterCell; 13],
}

impl SupervisorCounters {
    /// [TP-DRV-2550]
    pub(super) fn new(config: &SupervisorConfig) -> (Self, CounterSet) {
        let mut set = CounterSet::new(AgentKind::Supervisor, 0, "Supervisor");
        let counters = Self {
            cycles: DutyCycleTracker::counted(config.stall_threshold_ns(), &mut set),
            config_published: set.add(supervisor::CONFIG_PUBLISHED),
            ignored: set.add(kinds::MESSAGES_IGNORED),
            malformed: set.add(kinds::MESSAGES_MALFORMED),
            back_pressured: set.add(kinds::BACK_PRESSURED),
            answers_lost: set.add(kinds::ANSWERS_LOST),
            link_lost: set.add(kinds::LINK_LOST),
            ready: set.add(kinds::READY),
            left_behind: set.add(kinds::LEFT_BEHIND),
            mirrored: [
                set.add(supervisor::LIVENESS_CHECKS),
                set.add(kinds::CONSUMERS),
                set.add(kinds::PRODUCERS),
                set.add(kinds::OWN_DESCRIPTOR_STREAMS),
                set.add(kinds::OWN_CONTROL_STREAMS),
                set.add(kinds::HELLOS),
                set.add(kinds::HELLOS_DROPPED),
                set.add(kinds::REQUESTS_DECLINED),
                set.add(kinds::IDS_EXHAUSTED),
                set.add(kinds::CONSUMERS_SILENT),
                set.add(kinds::CONSUMERS_OVERFLOW),
                set.add(kinds::FOREIGN_CONFIGS),
                set.add(kinds::ID_COLLISIONS),
            ],
        };
        (counters, set)
    }

    /// Copies the core's statistics.
    pub(super) fn mirror(&self, stats: &SupervisorStats) {
        let values = [
            stats.liveness_checks,
            stats.consumers,
            stats.producers,
            stats.own_descriptor_streams,
            stats.own_control_streams,
            stats.hellos,
            stats.hellos_dropped,
            stats.requests_declined,
            stats.ids_exhausted,
            stats.consumers_silent,
            stats.consumers_overflow,
            stats.foreign_configs,
            stats.id_collisions,
        ];
        for (cell, value) in self.mirrored.iter().zip(values) {
            cell.set(value);
        }
    }
}

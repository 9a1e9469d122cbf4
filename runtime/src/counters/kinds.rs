//! The published counter numbers and labels of each kind of agent.
//!
//! Labels and per-agent numbers 1 to 13 are those of the Julia implementation, so that its `tp_tool
//! stats` finds ours; numbers from 64 are this project's own. Which agent counts what is not
//! decided here.

/// What kind of agent owns a set of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AgentKind {
    /// The driver.
    Driver,
    /// A producing client.
    Producer,
    /// A consuming client.
    Consumer,
    /// The supervisor.
    Supervisor,
    /// Either end of a bridge.
    Bridge,
    /// The rate limiter.
    RateLimiter,
    /// The discovery service.
    Discovery,
    /// The client conductor.
    ClientConductor,
    /// Anything an application composes.
    Other,
}

impl AgentKind {
    /// The number of this kind within a type id.
    /// [TP-RT-0730]
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Driver => 1,
            Self::Producer => 2,
            Self::Consumer => 3,
            Self::Supervisor => 4,
            Self::Bridge => 5,
            Self::RateLimiter => 6,
            Self::Discovery => 7,
            Self::ClientConductor => 8,
            Self::Other => 255,
        }
    }
}

/// A counter's number (unique within its agent kind) and its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CounterKind {
    /// The number, 1 to 255.
    pub number: u8,
    /// The first part of the label, up to its colon.
    pub label: &'static str,
}

impl CounterKind {
    /// A counter kind; `number` from 64 when it is not one of the published ones.
    #[must_use]
    pub const fn new(number: u8, label: &'static str) -> Self {
        Self { number, label }
    }

    /// The Aeron type id: `0x5450_0000 | agent kind << 8 | number`.
    ///
    /// The high half keeps it out of the range of Aeron's own counters. It names a class of
    /// counters, as Aeron means it; which agent counted is in the key.
    /// [TP-RT-0720]
    #[must_use]
    pub const fn type_id(self, agent: AgentKind) -> i32 {
        i32::from_be_bytes([0x54, 0x50, agent.number(), self.number])
    }
}

macro_rules! kinds {
    ($(#[$doc:meta])* $module:ident { $($name:ident = $number:literal $label:literal;)+ }) => {
        $(#[$doc])*
        pub mod $module {
            use super::CounterKind;
            $(
                #[doc = concat!("`", $label, "`, number ", stringify!($number), ".")]
                pub const $name: CounterKind = CounterKind::new($number, $label);
            )+
            /// Every kind of this module, in order of number.
            pub const ALL: &[CounterKind] = &[$($name),+];
        }
    };
}

kinds! {
    /// What every agent counts.
    common {
        TOTAL_DUTY_CYCLES = 1 "TotalDutyCycles";
        TOTAL_WORK_DONE = 2 "TotalWorkDone";
        ERRORS = 64 "Errors";
        MAX_CYCLE_TIME_NS = 65 "MaxCycleTimeNs";
        CYCLE_STALLS = 66 "CycleStalls";
    }
}
kinds! {
    /// What the driver counts.
    driver {
        ATTACH_RESPONSES = 3 "AttachResponses";
        ATTACH_RESPONSE_DROPS = 4 "AttachResponseDrops";
        DETACH_RESPONSES = 5 "DetachResponses";
        KEEPALIVES = 6 "Keepalives";
        LEASE_REVOKED = 7 "LeaseRevoked";
        ANNOUNCES = 8 "Announces";
        LEASE_HSM_UNHANDLED = 9 "LeaseHsmUnhandled";
    }
}
kinds! {
    /// What a producer counts.
    producer {
        FRAMES_PUBLISHED = 3 "FramesPublished";
        ANNOUNCES_PUBLISHED = 4 "AnnouncesPublished";
        QOS_PUBLISHED = 5 "QosPublished";
        DESCRIPTOR_BACKPRESSURED = 6 "DescriptorBackpressured";
        DESCRIPTOR_NOT_CONNECTED = 7 "DescriptorNotConnected";
        DESCRIPTOR_ADMIN_ACTION = 8 "DescriptorAdminAction";
        DESCRIPTOR_CLOSED = 9 "DescriptorClosed";
        DESCRIPTOR_MAX_POSITION_EXCEEDED = 10 "DescriptorMaxPositionExceeded";
        DESCRIPTOR_ERRORS = 11 "DescriptorErrors";
        DESCRIPTOR_STALLS = 70 "DescriptorStalls";
        OWN_STREAMS = 71 "OwnStreams";
        OWN_STREAMS_INVALID = 72 "OwnStreamsInvalid";
        OWN_STREAMS_OVERFLOW = 73 "OwnStreamsOverflow";
        OWN_STREAMS_STALE = 74 "OwnStreamsStale";
        OWN_DESCRIPTORS = 75 "OwnDescriptors";
        OWN_DESCRIPTORS_SKIPPED = 76 "OwnDescriptorsSkipped";
        OWN_DESCRIPTORS_NOT_CONNECTED = 77 "OwnDescriptorsNotConnected";
        OWN_DESCRIPTORS_FAILED = 78 "OwnDescriptorsFailed";
        CONFIG_PUBLISHED = 79 "ConfigPublished";
    }
}
kinds! {
    /// What a consumer counts.
    consumer {
        DROPS_GAP = 3 "DropsGap";
        DROPS_LATE = 4 "DropsLate";
        DROPS_ODD = 5 "DropsOdd";
        DROPS_CHANGED = 6 "DropsChanged";
        DROPS_FRAME_ID_MISMATCH = 7 "DropsFrameIdMismatch";
        DROPS_HEADER_INVALID = 8 "DropsHeaderInvalid";
        DROPS_PAYLOAD_INVALID = 9 "DropsPayloadInvalid";
        REMAPS = 10 "Remaps";
        HELLO_PUBLISHED = 11 "HelloPublished";
        QOS_PUBLISHED = 12 "QosPublished";
        DROPS_EPOCH_MISMATCH = 13 "DropsEpochMismatch";
        DROPS_RATE_LIMITED = 14 "DropsRateLimited";
    }
}
kinds! {
    /// What a supervisor counts.
    supervisor {
        CONFIG_PUBLISHED = 3 "ConfigPublished";
        LIVENESS_CHECKS = 4 "LivenessChecks";
    }
}
kinds! {
    /// What a bridge counts.
    bridge {
        FRAMES_FORWARDED = 3 "FramesForwarded";
        CHUNKS_SENT = 4 "ChunksSent";
        CHUNKS_DROPPED = 5 "ChunksDropped";
        ASSEMBLIES_RESET = 6 "AssembliesReset";
        CONTROL_FORWARDED = 7 "ControlForwarded";
        FRAMES_REMATERIALIZED = 8 "FramesRematerialized";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves [TP-RT-0730].
    #[test]
    fn numbers_are_unique_within_an_agent_together_with_the_common_ones() {
        for kinds in [
            driver::ALL,
            producer::ALL,
            consumer::ALL,
            supervisor::ALL,
            bridge::ALL,
        ] {
            let mut numbers: Vec<u8> = common::ALL
                .iter()
                .chain(kinds)
                .map(|kind| kind.number)
                .collect();
            let count = numbers.len();
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), count);
        }
        let agents = [
            AgentKind::Driver,
            AgentKind::Producer,
            AgentKind::Consumer,
            AgentKind::Supervisor,
            AgentKind::Bridge,
            AgentKind::RateLimiter,
            AgentKind::Discovery,
            AgentKind::ClientConductor,
            AgentKind::Other,
        ];
        assert_eq!(agents.map(AgentKind::number), [1, 2, 3, 4, 5, 6, 7, 8, 255]);
    }

    /// Proves [TP-RT-0720].
    #[test]
    fn type_ids_are_positive_and_far_from_aerons_own() {
        let type_id = consumer::DROPS_GAP.type_id(AgentKind::Consumer);
        assert_eq!(type_id, 0x5450_0303);
        assert!(common::ERRORS.type_id(AgentKind::Other) > 1_000);
    }
}
